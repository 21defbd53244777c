"""Recording: whole episodes of a policy without its noise, and what the robots are asked for in them."""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct

from playground_amp.amp import AMP, Statistics
from playground_amp.envs.env import EnvState

SETTLING = 1.0  # s at the start of an episode that speed, gait and style leave out


class Recording(struct.PyTreeNode):
    """Episodes of B robots, T control steps; what follows the end of an episode is not part of it."""

    qpos: jax.Array  # [T, B, nq] state before each step
    pad_height: jax.Array  # [T, B, P] m
    torque: jax.Array  # [T, B, A] N m
    qvel: jax.Array  # [T, B, nv]
    action: jax.Array  # [T, B, A] of the step, before scaling and clipping
    forward_velocity: jax.Array  # [T, B] m/s
    alive: jax.Array  # [T, B] bool, the episode had not ended before this step
    fell: jax.Array  # [B] bool
    command: jax.Array  # [B] m/s


class CommandSchedule(struct.PyTreeNode):
    """What the robots are asked for: P parts of an episode, of equal length, one after the other."""

    label: jax.Array  # [P, B] int32, gait
    command: jax.Array  # [P, B] m/s


def one_each(amp: AMP, episodes: int) -> CommandSchedule:
    """One gait and speed for every episode: all gaits the same number of times, speeds evenly over their range."""
    if not amp.env.labelled:
        low, high = amp.env.config.command_speed
        return CommandSchedule(jnp.zeros((1, episodes), jnp.int32), jnp.linspace(low, high, episodes)[None])
    label, rank = jnp.arange(episodes) % amp.env.num_labels, jnp.arange(episodes) // amp.env.num_labels
    low, high = amp.env.reference.gaits.speed_range[label].T
    return CommandSchedule(label[None], (low + (high - low) * rank / jnp.maximum(rank.max(), 1))[None])


def record(
    amp: AMP,
    params: dict,
    statistics: Statistics,
    key: jax.Array,
    episodes: int,
    asked: CommandSchedule | None = None,
    steps: int | None = None,
) -> Recording:
    """Run the mean policy for one episode each, asked for what `one_each` says or for `asked`; consumes `key`.

    It ends at the time limit, or after `steps` control steps, which may be fewer.
    """
    return make_recorder(amp, episodes, asked, steps)(params, statistics, key)


def make_recorder(
    amp: AMP, episodes: int, asked: CommandSchedule | None = None, steps: int | None = None
) -> Callable[[dict, Statistics, jax.Array], Recording]:
    """`record` for one policy after the other, compiled once."""
    limit = amp.env.config.episode_length
    env = amp.env.with_config(command_interval=limit + 1)
    asked = asked or one_each(amp, episodes)
    parts = parts_of(min(steps or limit, limit), len(asked.label))

    @jax.jit
    def run(params: dict, statistics: Statistics, key: jax.Array) -> Recording:
        state = env.reset(key, episodes, (asked.label[0], asked.command[0]))
        start = (state, jnp.ones(episodes, bool), jnp.zeros(episodes, bool))

        def step(carry: tuple[EnvState, jax.Array, jax.Array], part: jax.Array) -> tuple[tuple, dict]:
            state, alive, fell = carry
            state = state.replace(label=asked.label[part], command=asked.command[part])
            mean, _ = amp.policy(params, statistics, env.observe(state)[0])
            after, outcome = env.step(state, mean)
            now = {
                "qpos": state.physics.qpos,
                "qvel": state.physics.qvel,
                "pad_height": state.physics.pad_height,
                "torque": state.physics.torque,
                "action": mean,
                "forward_velocity": outcome.forward_velocity,
                "alive": alive,
            }
            fell = fell | (alive & outcome.terminated)
            return (after, alive & ~(outcome.terminated | outcome.truncated), fell), now

        (_, _, fell), series = jax.lax.scan(step, start, parts)
        return Recording(**series, fell=fell, command=asked.command[0])

    return run


def parts_of(steps: int, parts: int) -> jax.Array:
    """Which of `parts` of equal length each of `steps` control steps is in, [steps] int32."""
    return jnp.arange(steps) * parts // steps


def settled(amp: AMP, recording: Recording) -> np.ndarray:
    """The control steps [T, B] that speed, gait and style are taken of: not in the first second, before the end."""
    first = round(SETTLING / amp.env.config.control_dt)
    return np.asarray(recording.alive) & (np.arange(len(recording.alive)) >= first)[:, None]
