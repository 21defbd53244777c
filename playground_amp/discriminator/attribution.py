"""What the discriminator tells reference and policy apart by."""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np

POINTS = 4  # of the midpoint rule along each path


def integrated_gradients(score: Callable[[jax.Array], jax.Array], real: jax.Array, fake: jax.Array) -> jax.Array:
    """What each number [D] of the inputs adds to the mean of D(real) - D(fake), for pairs of inputs [N, D] each.

    (x - x') times the mean of grad D on the straight way from x' to x: Sundararajan et al. 2017,
    https://arxiv.org/abs/1703.01365, equation 1, with the policy's input as the baseline x'. The parts of a path sum to
    its D(real) - D(fake), but for the error of the midpoint rule.
    """
    way = real - fake

    def slope(share: jax.Array) -> jax.Array:
        return jax.grad(lambda inputs: jnp.sum(score(inputs)))(fake + share * way)

    slopes = jax.lax.map(slope, (jnp.arange(POINTS) + 0.5) / POINTS)
    return jnp.mean(way * jnp.mean(slopes, axis=0), axis=0)


def shares(parts: jax.Array, groups: np.ndarray, count: int) -> jax.Array:
    """The share [count] of each group in `parts` [D] that speak for a difference; `groups` [D] are their numbers.

    Shares are at least 0 and sum to 1; where nothing tells the two apart all are 0.
    """
    total = jnp.maximum(jax.ops.segment_sum(parts, groups, count), 0.0)
    return total / jnp.maximum(jnp.sum(total), 1e-12)
