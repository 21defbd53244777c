"""The discriminator: network, loss, penalty and reward, small pure functions looked up by name.

Inputs are normalised AMP features [..., K * F]; the score D is a real number, near 1 for the reference and near 0 for
the policy.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp

from playground_amp.networks import MLP

Score = Callable[[jax.Array], jax.Array]  # inputs [N, D] -> scores [N]

MIDPOINT = 0.5  # between the targets of reference (1) and policy (0)


def make_discriminator(hidden: Sequence[int]) -> MLP:
    """MLP with ELU and orthogonal weights; its first scores lie at the midpoint of the targets."""
    return MLP(hidden, 1, output_gain=0.1, output_bias=MIDPOINT)


def lsgan(real: jax.Array, fake: jax.Array) -> jax.Array:
    """Least-squares loss with targets 1 and 0: 1/2 (E (D(real) - 1)^2 + E D(fake)^2).

    Mao et al. 2017, https://arxiv.org/abs/1611.04076, equation 2 with a = 0, b = 1.
    """
    return 0.5 * (jnp.mean((real - 1.0) ** 2) + jnp.mean(fake**2))


def r1(score: Score, real: jax.Array) -> jax.Array:
    """Squared norm of the gradient at reference samples [N, D]: E |grad_x D(x)|^2, x the normalised input.

    Mescheder et al. 2018, https://arxiv.org/abs/1801.04406, equation 9 (without its factor gamma / 2).
    """
    gradients = jax.grad(lambda x: jnp.sum(score(x)))(real)
    return jnp.mean(jnp.sum(gradients**2, axis=-1))


def clipped_linear(score: jax.Array) -> jax.Array:
    """Style reward clip(D, 0, 1): 1 for what looks like the reference, 0 for a certain fake."""
    return jnp.clip(score, 0.0, 1.0)


def accuracy(real: jax.Array, fake: jax.Array) -> jax.Array:
    """1/2 (P(D(real) > midpoint) + P(D(fake) < midpoint)); a flat discriminator at the midpoint scores 0, not 1/2."""
    return 0.5 * (jnp.mean(real > MIDPOINT) + jnp.mean(fake < MIDPOINT))


LOSSES: dict[str, Callable[[jax.Array, jax.Array], jax.Array]] = {"lsgan": lsgan}
REWARDS: dict[str, Callable[[jax.Array], jax.Array]] = {"clipped_linear": clipped_linear}
