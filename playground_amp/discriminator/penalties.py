"""What keeps a discriminator smooth and small. Gradients are with respect to the normalised input, noise included."""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp
from flax.traverse_util import flatten_dict

Score = Callable[[jax.Array], jax.Array]  # inputs [N, D] -> scores [N]


def squared_gradient(score: Score, inputs: jax.Array) -> jax.Array:
    """E |grad_x D(x)|^2 [] over inputs [N, D]: R1 at reference samples, R2 at those of the policy.

    Mescheder et al. 2018, https://arxiv.org/abs/1801.04406, equation 9 (without its factor gamma / 2).
    """
    return jnp.mean(jnp.sum(_gradients(score, inputs) ** 2, axis=-1))


def gradient_penalty(score: Score, inputs: jax.Array, target: jax.Array | float) -> jax.Array:
    """E (|grad_x D(x)| - target)^2 [] over inputs [N, D], for WGAN-GP those of `interpolate` and target 1.

    Gulrajani et al. 2017, https://arxiv.org/abs/1704.00028, equation 3 (without its factor lambda).
    """
    squares = jnp.sum(_gradients(score, inputs) ** 2, axis=-1)
    norms = jnp.sqrt(jnp.maximum(squares, 1e-12))  # the root has no gradient at 0
    return jnp.mean((norms - target) ** 2)


def interpolate(key: jax.Array, real: jax.Array, fake: jax.Array) -> jax.Array:
    """u real + (1 - u) fake, u uniform in 0..1 for every pair of [N, D]."""
    share = jax.random.uniform(key, (len(real), 1))
    return share * real + (1.0 - share) * fake


def squared_weights(params: dict) -> jax.Array:
    """Sum [] of the squares of all weights; biases and scales are free."""
    return sum((jnp.sum(kernel**2) for kernel in _kernels(params)), start=jnp.float32(0.0))


def squared_output_weights(params: dict) -> jax.Array:
    """Sum [] of the squares of the weights that make the score, in the layer (or layers) of one output."""
    last = (jnp.sum(kernel**2) for kernel in _kernels(params) if kernel.shape[-1] == 1)
    return sum(last, start=jnp.float32(0.0))


def _gradients(score: Score, inputs: jax.Array) -> jax.Array:
    return jax.grad(lambda x: jnp.sum(score(x)))(inputs)


def _kernels(params: dict) -> list[jax.Array]:
    return [leaf for path, leaf in flatten_dict(params).items() if path[-1] == "kernel"]
