"""Replay buffer of discriminator inputs: a ring, pure functions over a frozen state."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from flax import struct


class Replay(struct.PyTreeNode):
    """The newest `size` of the samples ever added (at most the capacity N)."""

    data: jax.Array  # [N, D]
    cursor: jax.Array  # [] int32, row the next sample is written to
    size: jax.Array  # [] int32, rows that hold samples


def init(capacity: int, width: int) -> Replay:
    """Empty buffer of `capacity` rows of `width` numbers."""
    return Replay(data=jnp.zeros((capacity, width)), cursor=jnp.int32(0), size=jnp.int32(0))


def add(replay: Replay, samples: jax.Array) -> Replay:
    """Write samples [M, D] over the oldest rows; of more than the capacity the last ones stay."""
    capacity = len(replay.data)
    samples = samples[-capacity:]
    rows = (replay.cursor + jnp.arange(len(samples))) % capacity
    return Replay(
        data=replay.data.at[rows].set(samples),
        cursor=(replay.cursor + len(samples)) % capacity,
        size=jnp.minimum(replay.size + len(samples), capacity),
    )


def sample(replay: Replay, key: jax.Array, count: int) -> jax.Array:
    """Rows [count, D] drawn uniformly with replacement from those written; consumes `key`. Needs size > 0."""
    return replay.data[jax.random.randint(key, (count,), 0, jnp.maximum(replay.size, 1))]
