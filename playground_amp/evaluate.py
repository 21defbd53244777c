"""Evaluation: fresh episodes of the mean policy, and what they say of survival, speed and gait."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct

from playground_amp.amp import AMP, Statistics
from playground_amp.env import Env, EnvState
from playground_amp.motion.clip import MotionClip
from playground_amp.motion.quality import Quality, measure
from playground_amp.robots import Robot

SHORTEST_WALK = 2.0  # s of an episode, after its first second, below which it tells nothing of the gait


class Recording(struct.PyTreeNode):
    """Episodes of B robots, T control steps; what follows the end of an episode is not part of it."""

    qpos: jax.Array  # [T, B, nq] state before each step
    pad_height: jax.Array  # [T, B, P] m
    torque: jax.Array  # [T, B, A] N m
    qvel: jax.Array  # [T, B, nv]
    forward_velocity: jax.Array  # [T, B] m/s
    alive: jax.Array  # [T, B] bool, the episode had not ended before this step
    fell: jax.Array  # [B] bool
    command: jax.Array  # [B] m/s


@dataclasses.dataclass(frozen=True)
class Evaluation:
    """Means over the episodes of a recording; speed and gait leave out the first second. NaN where nothing walked."""

    episodes: int
    episode_length: float  # control steps
    survival: float  # share of episodes that reached the time limit
    command: float  # m/s
    forward_velocity: float  # m/s
    velocity_error: float  # m/s, mean over episodes of |mean speed - command|
    cadence: float  # steps a minute
    step_length: float  # m
    duty_factor: float  # share of a stride that a foot is on the ground
    foot_skating: float  # m/s, horizontal speed of pads in contact
    asymmetry: float  # left against right joint angles, relative to their range


def record(amp: AMP, params: dict, statistics: Statistics, key: jax.Array, episodes: int) -> Recording:
    """Run the mean policy for one whole episode each, every robot keeping one command; consumes `key`.

    The commands are spread evenly over the range of `env.command_speed`.
    """
    config = dataclasses.replace(amp.env.config, command_interval=amp.env.config.episode_length + 1)
    env = Env(config, amp.env.robot, amp.env.physics, amp.env.reference)
    commands = jnp.linspace(*config.command_speed, episodes)

    @jax.jit
    def run(params: dict, statistics: Statistics, key: jax.Array) -> Recording:
        state = env.reset(key, episodes).replace(command=commands)
        start = (state, jnp.ones(episodes, bool), jnp.zeros(episodes, bool))

        def step(carry: tuple[EnvState, jax.Array, jax.Array], __: None) -> tuple[tuple, dict]:
            state, alive, fell = carry
            mean, _ = amp.policy(params, statistics, env.observe(state)[0])
            after, outcome = env.step(state, mean)
            now = {
                "qpos": state.physics.qpos,
                "qvel": state.physics.qvel,
                "pad_height": state.physics.pad_height,
                "torque": state.physics.torque,
                "forward_velocity": outcome.forward_velocity,
                "alive": alive,
            }
            fell = fell | (alive & outcome.terminated)
            return (after, alive & ~(outcome.terminated | outcome.truncated), fell), now

        (_, _, fell), series = jax.lax.scan(step, start, None, config.episode_length)
        return Recording(**series, fell=fell, command=commands)

    return run(params, statistics, key)


def evaluate(recording: Recording, robot: Robot, *, control_dt: float) -> Evaluation:
    """Survival, speed and gait of a recording."""
    alive = np.asarray(recording.alive)
    settled = alive & (np.arange(len(alive)) >= round(1.0 / control_dt))[:, None]
    walked = np.flatnonzero(settled.sum(axis=0) >= round(SHORTEST_WALK / control_dt))
    velocity, command = np.asarray(recording.forward_velocity), np.asarray(recording.command)
    speed = np.array([velocity[settled[:, i], i].mean() for i in walked])
    gaits = [_gait(np.asarray(recording.qpos)[settled[:, i], i], robot, control_dt) for i in walked]
    cadence = _mean([gait.cadence for gait in gaits])
    return Evaluation(
        episodes=alive.shape[1],
        episode_length=float(alive.sum(axis=0).mean()),
        survival=float(1.0 - np.asarray(recording.fell).mean()),
        command=float(command.mean()),
        forward_velocity=_mean(speed),
        velocity_error=_mean(np.abs(speed - command[walked])),
        cadence=cadence,
        step_length=_mean(speed) * 60.0 / cadence if cadence else float("nan"),
        duty_factor=_mean([gait.duty for gait in gaits]),
        foot_skating=_mean([gait.skating for gait in gaits]),
        asymmetry=_mean([gait.asymmetry for gait in gaits]),
    )


def _gait(qpos: np.ndarray, robot: Robot, control_dt: float) -> Quality:
    """What the measurements of a clip say of one episode's motion [N, nq]."""
    return measure(MotionClip("episode", robot.name, robot.joints, qpos, 1.0 / control_dt, "policy"), robot)


def _mean(values: Sequence[float] | np.ndarray) -> float:
    return float(np.mean(values)) if len(values) else float("nan")
