"""Evaluation: fresh episodes of the mean policy, and what they say of survival, speed and gait."""

from __future__ import annotations

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct

from playground_amp.amp import AMP, Statistics
from playground_amp.env import Env, EnvState


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
    """Means over the episodes of a recording."""

    episodes: int
    episode_length: float  # control steps
    survival: float  # share of episodes that reached the time limit
    command: float  # m/s
    forward_velocity: float  # m/s, after the first second
    velocity_error: float  # m/s, mean over episodes of |mean speed - command|


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

        def step(carry: tuple[EnvState, jax.Array, jax.Array], _: None) -> tuple[tuple, dict]:
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


def evaluate(recording: Recording, *, control_dt: float) -> Evaluation:
    """Survival and speed of a recording; speed leaves out the first second."""
    alive = np.asarray(recording.alive)
    settled = alive & (np.arange(len(alive)) >= round(1.0 / control_dt))[:, None]
    velocity = np.asarray(recording.forward_velocity)
    walked = settled.any(axis=0)
    speed = (velocity * settled).sum(axis=0)[walked] / settled.sum(axis=0)[walked]
    command = np.asarray(recording.command)
    return Evaluation(
        episodes=alive.shape[1],
        episode_length=float(alive.sum(axis=0).mean()),
        survival=float(1.0 - np.asarray(recording.fell).mean()),
        command=float(command.mean()),
        forward_velocity=float(speed.mean()) if walked.any() else 0.0,
        velocity_error=float(np.abs(speed - command[walked]).mean()) if walked.any() else float("nan"),
    )
