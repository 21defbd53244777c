"""Rollouts to evaluate: whole episodes of the mean policy, recorded, and the schedule of their commands."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct
from scipy.stats.qmc import Halton

from playground_amp.amp import AMP, Statistics
from playground_amp.config import FittedCommandConfig, asks_for_every_way
from playground_amp.envs.env import EnvState
from playground_amp.envs.task import ahead

SLOWEST = 0.1  # m/s ahead, where commands go anywhere: below it is standing, or backward
SETTLING = 1.0  # s at the start of an episode that speed, gait and style leave out


class Recording(struct.PyTreeNode):
    """Episodes of B robots over T control steps; what follows the end of an episode is not part of it."""

    qpos: jax.Array  # [T, B, nq] m, unit quaternion, rad: the state before each step
    pad_height: jax.Array  # [T, B, P] m, lowest point of each foot pad above the ground, before each step
    torque: jax.Array  # [T, B, A] N m, of the servos, on the way to that state
    qvel: jax.Array  # [T, B, nv] m/s (world), rad/s (root: body frame), before each step
    action: jax.Array  # [T, B, A] mean action of the policy, before scaling and clipping
    velocity: jax.Array  # [T, B, 3] m/s, m/s, rad/s, as the command, mean over the step
    alive: jax.Array  # [T, B] bool, the episode had not ended before this step
    fell: jax.Array  # [B] bool, the episode ended by a fall
    command: jax.Array  # [B, 3] m/s, m/s, rad/s, commanded at the start

    @property
    def forward_velocity(self) -> jax.Array:
        """[T, B] m/s."""
        return self.velocity[..., 0]

    @property
    def forward_command(self) -> jax.Array:
        """[B] m/s."""
        return self.command[..., 0]


class CommandSchedule(struct.PyTreeNode):
    """The commands of B episodes, each of S segments of equal length, one after the other."""

    label: jax.Array  # [S, B] int32, gait, an index of the reference's labels
    command: jax.Array  # [S, B, 3] m/s, m/s, rad/s


def constant_schedule(amp: AMP, episodes: int) -> CommandSchedule:
    """One gait and command for each episode: all gaits the same number of times, speeds ahead evenly over their range.

    Where more than the speed ahead is asked for, every other episode has a command anywhere in the ranges.
    """
    if not amp.env.labelled:
        return CommandSchedule(jnp.zeros((1, episodes), jnp.int32), _commands(amp.env.config.command, episodes)[None])
    label, rank = jnp.arange(episodes) % amp.env.num_labels, jnp.arange(episodes) // amp.env.num_labels
    low, high = amp.env.reference.gaits.speed_range[label].T
    return CommandSchedule(label[None], ahead(low + (high - low) * rank / jnp.maximum(rank.max(), 1))[None])


def _commands(config: FittedCommandConfig, episodes: int) -> jax.Array:
    """Commands [episodes, 3] of `constant_schedule`: those anywhere are Halton's points, as even as few can be."""
    low, high = config.forward
    if not asks_for_every_way(config):
        return ahead(jnp.linspace(low, high, episodes))
    straight = np.linspace(max(low, min(high, SLOWEST)), high, (episodes + 1) // 2)
    bounds = np.array([config.forward, config.sideways, config.turn])
    anywhere = bounds[:, 0] + np.ptp(bounds, axis=1) * Halton(3, scramble=False, rng=0).random(episodes // 2 + 1)[1:]
    commands = np.zeros((episodes, 3), np.float32)
    commands[::2, 0], commands[1::2] = straight, anywhere
    return jnp.asarray(commands)


def record(
    amp: AMP,
    params: dict,
    statistics: Statistics,
    key: jax.Array,
    episodes: int,
    schedule: CommandSchedule | None = None,
    steps: int | None = None,
) -> Recording:
    """Record one episode of the mean policy for each of `episodes` robots; consumes `key`.

    `params` are the actor's, `statistics` those that its observations are normalised by. Commands follow `schedule`, by
    default `constant_schedule`. Episodes end at the time limit, or after `steps` control steps, which may be fewer.
    """
    return make_recorder(amp, episodes, schedule, steps)(params, statistics, key)


def make_recorder(
    amp: AMP,
    episodes: int,
    schedule: CommandSchedule | None = None,
    steps: int | None = None,
    *,
    nominal: bool = True,
) -> Callable[[dict, Statistics, jax.Array], Recording]:
    """`record` as a function of params, statistics and key, for one policy after the other: it compiles once.

    Without `nominal` what is randomized in training is here, too.
    """
    limit = amp.env.config.episode_length
    never = dataclasses.replace(amp.env.config.command, resample=limit + 1)
    env = amp.env.nominal if nominal else amp.env
    env = env.with_config(command=never)  # nothing but the schedule changes the command
    schedule = schedule or constant_schedule(amp, episodes)
    segments = segment_of_step(min(steps or limit, limit), len(schedule.label))

    @jax.jit
    def run(params: dict, statistics: Statistics, key: jax.Array) -> Recording:
        state = env.reset(key, episodes, (schedule.label[0], schedule.command[0]))
        start = (state, jnp.ones(episodes, bool), jnp.zeros(episodes, bool))

        def step(carry: tuple[EnvState, jax.Array, jax.Array], segment: jax.Array) -> tuple[tuple, dict]:
            state, alive, fell = carry
            state = state.replace(label=schedule.label[segment], command=schedule.command[segment])
            mean, _ = amp.policy(params, statistics, env.observe(state)[0])
            after, outcome = env.step(state, mean)
            now = {
                "qpos": state.physics.qpos,
                "qvel": state.physics.qvel,
                "pad_height": state.physics.pad_height,
                "torque": state.physics.torque,
                "action": mean,
                "velocity": outcome.velocity,
                "alive": alive,
            }
            fell = fell | (alive & outcome.terminated)
            return (after, alive & ~(outcome.terminated | outcome.truncated), fell), now

        (_, _, fell), series = jax.lax.scan(step, start, segments)
        return Recording(**series, fell=fell, command=schedule.command[0])

    return run


def segment_of_step(steps: int, segments: int) -> jax.Array:
    """Segment that each of `steps` control steps is in, [steps] int32, for `segments` of equal length."""
    return jnp.arange(steps) * segments // steps


def settled_steps(amp: AMP, recording: Recording) -> np.ndarray:
    """The control steps [T, B] bool that speed, gait and style are measured in: after SETTLING, before the end."""
    first = round(SETTLING / amp.env.config.control_dt)
    return np.asarray(recording.alive) & (np.arange(len(recording.alive)) >= first)[:, None]
