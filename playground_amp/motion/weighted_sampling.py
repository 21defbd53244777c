"""Sampling indices of the reference in proportion to a mass, by the inverse of its cumulative sum."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np


def cumulate(weight: np.ndarray) -> jax.Array:
    """Mass before each row, and at last that of all: weights [N] -> [N + 1], in rows of mean weight."""
    mass = np.concatenate([[0.0], np.cumsum(weight, dtype=np.float64)])
    return jnp.asarray(mass * (len(weight) / mass[-1]), jnp.float32)


def sample_indices(key: jax.Array, mass: jax.Array, first: jax.Array, end: jax.Array) -> jax.Array:
    """Indices [...] out of first..end - 1 [...], each with a probability in proportion to its own mass; consumes `key`.

    F^-1(u) with F the cumulative mass [N + 1] and u uniform between F(first) and F(end).
    """
    low, high = mass[first], mass[end]
    wanted = low + (high - low) * jax.random.uniform(key, jnp.shape(first))
    return jnp.clip(jnp.searchsorted(mass, wanted, side="right") - 1, first, end - 1)


def spread_indices(weight: np.ndarray) -> np.ndarray:
    """As many indices as there are weights [N], ascending, each about as often as its weight has it."""
    mass = np.cumsum(weight, dtype=np.float64)
    return np.searchsorted(mass, (np.arange(len(weight)) + 0.5) / len(weight) * mass[-1], side="right")
