"""The environment: a batch of robots that do a task. Pure functions over frozen states.

`step` returns the true outcome of the action, taken before the auto-reset, beside the state to go on from.
"""

from __future__ import annotations

import dataclasses
from typing import cast

import jax
import jax.numpy as jnp
from flax import struct

from playground_amp.config import EnvConfig, FittedEnvConfig, RandomizeConfig, asks_for_every_way, is_enabled
from playground_amp.core import rotations
from playground_amp.core.devices import per_device
from playground_amp.core.errors import InputError
from playground_amp.core.terms import mirror_of
from playground_amp.core.types import Frame, Outcome, PhysicsState
from playground_amp.envs.observations import View, actor_terms, critic_terms, label_terms, observe
from playground_amp.envs.physics import Physics
from playground_amp.envs.randomization import SENSORS, Randomization, Sensors, Servos
from playground_amp.envs.robot_settings import action_scale, fit_to_robot
from playground_amp.envs.task import TaskFactory, TaskStep, WalkingTask, any_other_way
from playground_amp.motion.features import amp_features
from playground_amp.motion.reference_builder import Reference
from playground_amp.robots import Robot

FARTHEST, FASTEST = 1e4, 1e3  # m or rad, and m/s or rad/s: beyond them a simulation has blown up
RANDOMIZE = 0x5EED  # folded into a key for what is randomized, so that no other number changes with it
MEMORY = 0.5  # s of the running mean of the velocity, about a step of the feet


class EnvState(struct.PyTreeNode):
    """Everything an episode remembers, for B robots."""

    physics: PhysicsState
    history: jax.Array  # [B, S, F] the last S AMP features, oldest first; of the clip right after a reset
    previous_action: jax.Array  # [B, A]
    command: jax.Array  # [B, 3] m/s, m/s, rad/s: velocity ahead and to the left, turning to the left, asked for
    mean_velocity: jax.Array  # [B, 3] of the root, as the command: running mean over MEMORY
    label: jax.Array  # [B] int32, gait asked for, an index of the reference's labels
    steps: jax.Array  # [B] int32, control steps since the reset
    returns: jax.Array  # [B] task reward summed since the reset
    key: jax.Array  # random key
    sensors: Sensors | None = None  # where they are randomized
    servos: Servos | None = None  # where actions are delayed
    seen: jax.Array | None = None  # [B, K - 1, O] what the actor saw before, oldest first; the first at the start


class Env:
    """Binds robot, physics, reference, task and settings; holds no state. Every `auto` of the robot gets its number.

    With `labelled` a gait is asked for beside the speed: one of the reference's labels, at a speed of its clips.
    """

    def __init__(
        self,
        config: EnvConfig,
        robot: Robot,
        physics: Physics,
        reference: Reference,
        *,
        labelled: bool = False,
        task: TaskFactory = WalkingTask,
    ):
        self.labelled, self._task_factory = labelled, task
        self.config = cast(FittedEnvConfig, fit_to_robot(config, robot, reference))
        self.robot, self.physics, self.reference = robot, physics, reference
        self.action_scale = action_scale(self.config, robot)  # rad, a number or [A]
        self.task = task(self.config, robot, reference, labelled=labelled)
        self.num_actions = robot.model.nu
        self.joint_range = jnp.asarray(robot.joint_range, jnp.float32)
        self._home = jnp.asarray(robot.home_qpos, jnp.float32)
        labels = reference.gaits.names if labelled else ()
        self.num_labels = len(labels)
        near = asks_for_every_way(self.config.command) and not labelled  # then the starts are near the command
        self._starts = reference.as_one_gait() if near else None
        self.randomization = Randomization(self.config.randomize, robot)
        self.actor_terms = [*actor_terms(robot), *label_terms(labels), *self.task.observation_terms()]
        self._sensor_terms = self.actor_terms[: len(SENSORS)]
        self.critic_terms = [*self.actor_terms, *critic_terms(robot), *self.randomization.critic_terms()]
        self.actor_mirror = mirror_of(self.actor_terms * self.config.history)  # of the observation [O] of the actor
        self._critic_mirror = mirror_of(self.critic_terms)

    @property
    def speed_range(self) -> tuple[float, float]:
        """Lowest and highest speed ahead asked for, m/s: with labels those of their clips."""
        if not self.labelled:
            return self.config.command.forward
        speeds = self.reference.gaits.speed_range
        return float(speeds.min()), float(speeds.max())

    @property
    def nominal(self) -> Env:
        """The same environment without randomization: the model as it is, sensors that are exact and at once."""
        return self if self.config.randomize == RandomizeConfig() else self.with_config(randomize=RandomizeConfig())

    def with_config(self, **changes: object) -> Env:
        """The same environment under other settings."""
        return self._with(dataclasses.replace(self.config, **changes))

    def with_hyperparams(self, config: EnvConfig) -> Env:
        """The same environment under a configuration whose numbers may be traced."""
        return self._with(config)

    def _with(self, config: EnvConfig) -> Env:
        return Env(config, self.robot, self.physics, self.reference, labelled=self.labelled, task=self._task_factory)

    def reset(self, key: jax.Array, num_envs: int, asked: tuple[jax.Array, jax.Array] | None = None) -> EnvState:
        """Fresh episodes for `num_envs` robots, `asked` for gaits [B] and commands [B, 3] or random; consumes `key`."""
        key, start_key, command_key = jax.random.split(key, 3)
        label, command = asked or self.task.sample_command(command_key, num_envs)
        if command.shape != (num_envs, 3):
            raise InputError(
                f"env.task: sample_command() gives commands of shape {command.shape}; expected {(num_envs, 3)}: "
                f"velocity ahead, velocity to the left, turning; see docs/tasks.md"
            )
        physics, history, velocity = self._start(start_key, label, command)
        dynamics_key, sensor_key, servo_key = jax.random.split(jax.random.fold_in(start_key, RANDOMIZE), 3)
        zeros = jnp.zeros(num_envs)
        state = EnvState(
            physics=physics.replace(dynamics=self.randomization.dynamics(dynamics_key, num_envs)),
            history=history,
            previous_action=jnp.zeros((num_envs, self.num_actions)),
            command=command,
            mean_velocity=velocity,
            label=label,
            steps=jnp.zeros(num_envs, jnp.int32),
            returns=zeros,
            key=key,
            servos=self.randomization.start_servos(servo_key, physics.qpos[:, 7:]),
        )
        state = state.replace(sensors=self.randomization.start_sensors(sensor_key, self._truth(state)))
        if self.config.history == 1:
            return state
        return state.replace(seen=jnp.repeat(self._see(state)[:, None], self.config.history - 1, axis=1))

    def observe(self, state: EnvState) -> tuple[jax.Array, jax.Array]:
        """What the actor sees [B, O] and what the critic sees [B, C].

        The actor sees `env.history` observations, oldest first, of what the sensors tell; the critic the last of them
        as it truly is, and what only the simulator knows.
        """
        seen = self._see(state)
        if state.seen is not None:
            seen = jnp.concatenate([state.seen.reshape(len(seen), -1), seen], axis=-1)
        return seen, observe(self.critic_terms, self._view(state))

    def _view(self, state: EnvState) -> View:
        asked = (state.command, state.label)
        return View(state.physics, state.previous_action, *asked, self.reference.mean_pose, state.sensors, state.servos)

    def _truth(self, state: EnvState) -> jax.Array:
        """What sensors would tell at once and exactly, [B, S]."""
        return observe(self._sensor_terms, self._view(state))

    def _see(self, state: EnvState) -> jax.Array:
        """The newest observation of the actor, [B, O / K]."""
        truth = observe(self.actor_terms, self._view(state))
        if state.sensors is None:
            return truth
        told = state.sensors.told
        return jnp.concatenate([told, truth[:, told.shape[-1] :]], axis=-1)

    def mirror(self, observation: jax.Array) -> jax.Array:
        """What the actor [..., O] would see of the robot's reflection through its own sagittal plane."""
        partner, sign = self.actor_mirror
        return observation[..., partner] * sign

    def mirror_privileged(self, privileged: jax.Array) -> jax.Array:
        """What the critic [..., C] would see of the reflection."""
        partner, sign = self._critic_mirror
        return privileged[..., partner] * sign

    def step(self, state: EnvState, action: jax.Array) -> tuple[EnvState, Outcome]:
        """One control step of every robot under action [B, A]; those whose episode ended start anew.

        A robot whose physics diverges stays where it was and starts anew, marked as `diverged`.
        """
        config = self.config
        target = jnp.clip(self.reference.mean_pose + self.action_scale * action, *self.joint_range.T)
        servos = state.servos
        if servos is not None:
            target, servos = self.randomization.send(servos, target)
        push_key, noise_key = jax.random.split(jax.random.fold_in(state.key, RANDOMIZE))
        pushed = self.randomization.push(push_key, state.physics, state.steps)
        physics = per_device(self.physics.step)(pushed, target)
        sound = is_sound(physics)
        physics = jax.tree.map(lambda new, old: select(sound, new, old), physics, state.physics)
        previous, current = frame_of(state.physics), frame_of(physics)
        velocity = _heading_velocity(previous, current, config.control_dt)
        mean_velocity = state.mean_velocity + (config.control_dt / MEMORY) * (velocity - state.mean_velocity)
        step = TaskStep(
            previous=previous,
            current=current,
            physics=physics,
            velocity=velocity,
            mean_velocity=mean_velocity,
            action=action,
            previous_action=state.previous_action,
            command=state.command,
            label=state.label,
            steps=state.steps + 1,
        )
        task_reward = self.task.reward(step)
        key, reset_key, command_key = jax.random.split(state.key, 3)
        moved = state.replace(
            physics=physics,
            history=jnp.concatenate([state.history[:, 1:], self.features(previous, current)[:, None]], axis=1),
            previous_action=action,
            mean_velocity=mean_velocity,
            steps=state.steps + 1,
            returns=state.returns + task_reward,
            key=key,
            servos=servos,
        )
        if state.seen is not None:
            seen = jnp.concatenate([state.seen[:, 1:], self._see(state)[:, None]], axis=1)
            moved = moved.replace(seen=seen)
        if state.sensors is not None:
            moved = moved.replace(sensors=self.randomization.measure(noise_key, state.sensors, self._truth(moved)))
        terminated = self.task.terminated(step) | ~sound
        truncated = (moved.steps >= config.episode_length) & ~terminated
        outcome = Outcome(
            privileged=self.observe(moved)[1],
            amp_window=moved.history,
            task_reward=task_reward,
            cost=config.action_rate_cost * jnp.sum((action - state.previous_action) ** 2, axis=-1),
            terminated=terminated,
            truncated=truncated,
            diverged=~sound,
            command=state.command,
            label=state.label,
            velocity=velocity,
            mean_velocity=mean_velocity,
            episode_length=moved.steps,
            episode_return=moved.returns,
        )
        moved = self._resample_command(moved, command_key)
        return self._restart(moved, terminated | truncated, terminated, reset_key), outcome

    def features(self, previous: Frame, current: Frame) -> jax.Array:
        """AMP features [..., F] of one control step."""
        return amp_features(
            previous, current, dt=self.config.control_dt, contact_clearance=self.robot.contact_clearance
        )

    def _start(self, key: jax.Array, label: jax.Array, command: jax.Array) -> tuple[PhysicsState, jax.Array, jax.Array]:
        """Start states [B], most on a frame of the clips, the features that led there [B, S, F], velocities [B, 3].

        Where more than the speed ahead is asked for, the frame is one near the command.
        """
        index_key, home_key, noise_key = jax.random.split(key, 3)
        count, reference = len(label), self.reference
        indices = reference.sample_label(index_key, label) if self.labelled else reference.sample(index_key, count)
        if self._starts is not None:
            near = self._starts.sample_near_command(index_key, jnp.zeros(count, jnp.int32), command)
            indices = jnp.where(any_other_way(self.config.command), near, indices)
        at_home = jax.random.uniform(home_key, (count, 1)) >= self.config.reference_start_share
        qpos = jnp.where(at_home, self._home, self.reference.qpos[indices].at[:, :2].set(0.0))
        qvel = jnp.where(at_home, 0.0, self.reference.qvel[indices])
        noise = self.config.start_noise * jax.random.uniform(noise_key, (count, self.num_actions), minval=-1.0)
        qpos = qpos.at[:, 7:].set(jnp.clip(qpos[:, 7:] + noise, *self.joint_range.T))
        physics = _lift(per_device(self.physics.init)(qpos, qvel))
        standing = self.features(frame_of(physics), frame_of(physics))
        velocity = jnp.where(at_home, 0.0, reference.command[indices])
        return physics, jnp.where(at_home[..., None], standing[:, None], reference.windows[indices]), velocity

    def _restart(self, state: EnvState, done: jax.Array, lost: jax.Array, key: jax.Array) -> EnvState:
        """`state` with the robots marked in `done` [B] placed at the start of a new episode.

        Of those marked in `lost` [B] too, a share is asked for the same gait and command again.
        """

        def restart(state: EnvState) -> EnvState:
            asked = self._ask_again(state, lost, key) if is_enabled(self.config.command.retry_share) else None
            fresh = self.reset(key, len(done), asked).replace(key=state.key)
            return jax.tree.map(lambda new, old: select(done, new, old), fresh, state)

        return jax.lax.cond(jnp.any(done), restart, lambda state: state, state)

    def _ask_again(self, state: EnvState, lost: jax.Array, key: jax.Array) -> tuple[jax.Array, jax.Array]:
        """Gaits [B] and commands [B, 3] of new episodes: anew, but for a share of the robots in `lost` [B]."""
        label, command = self.task.sample_command(jax.random.split(key, 3)[2], len(lost))  # as reset() does
        share = self.config.command.retry_share
        again = lost & (jax.random.uniform(jax.random.fold_in(key, 1), lost.shape) < share)
        return jnp.where(again, state.label, label), jnp.where(again[:, None], state.command, command)

    def _resample_command(self, state: EnvState, key: jax.Array) -> EnvState:
        due = state.steps % self.config.command.resample == 0
        label, command = self.task.sample_command(key, len(due))
        return state.replace(
            command=jnp.where(due[:, None], command, state.command), label=jnp.where(due, label, state.label)
        )


def frame_of(physics: PhysicsState) -> Frame:
    """The kinematic part of a physics state."""
    qpos = physics.qpos
    return Frame(
        root_pos=qpos[..., :3], root_quat=qpos[..., 3:7], joint_pos=qpos[..., 7:], pad_height=physics.pad_height
    )


def is_sound(physics: PhysicsState) -> jax.Array:
    """Whether a physics state is finite and within FARTHEST and FASTEST, [B] bool."""
    finite = [jnp.all(jnp.isfinite(values), axis=-1) for values in jax.tree.leaves(physics)]
    near, slow = jnp.abs(physics.qpos) < FARTHEST, jnp.abs(physics.qvel) < FASTEST
    return jnp.all(jnp.stack([*finite, jnp.all(near, axis=-1), jnp.all(slow, axis=-1)]), axis=0)


def select(mask: jax.Array, new: jax.Array, old: jax.Array) -> jax.Array:
    """Rows of `new` where mask [B] holds, else of `old`; anything without a batch axis (the key) stays old."""
    if jnp.issubdtype(new.dtype, jax.dtypes.prng_key):
        return old
    return jnp.where(mask.reshape((-1,) + (1,) * (new.ndim - 1)), new, old)


def _heading_velocity(previous: Frame, current: Frame, dt: float) -> jax.Array:
    """Mean velocity of the root over the step, as a command [..., 3]: m/s in the heading frame, and rad/s."""
    velocity = rotations.to_heading(current.root_quat, (current.root_pos - previous.root_pos) / dt)
    turn = rotations.angular_velocity(previous.root_quat, current.root_quat, dt)
    return jnp.concatenate([velocity[..., :2], turn[..., 2:]], axis=-1)


def _lift(physics: PhysicsState) -> PhysicsState:
    """Raise robots whose lowest pad is under the ground until it touches."""
    lift = jnp.maximum(-physics.pad_height.min(axis=-1), 0.0)
    return physics.replace(qpos=physics.qpos.at[:, 2].add(lift), pad_height=physics.pad_height + lift[:, None])
