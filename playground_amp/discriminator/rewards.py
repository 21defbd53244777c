"""Style rewards [...] of scores D [...]: about 0 for what is surely the policy's, more the more it looks recorded."""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp
from flax import struct

from playground_amp.discriminator.losses import ScoreTargets

LEAST_DOUBT = 1e-4  # a certain probability would be worth an infinite reward
FORGET = 0.05  # least share of the newest scores in the running ones


class Scores(struct.PyTreeNode):
    """Running mean and variance of the scores, reference and policy counting the same."""

    mean: jax.Array  # []
    variance: jax.Array  # []
    count: jax.Array  # [] updates so far


def no_scores(midpoint: float) -> Scores:
    """Before the first update: mean `midpoint`, variance 1."""
    return Scores(mean=jnp.float32(midpoint), variance=jnp.float32(1.0), count=jnp.float32(0.0))


def count_scores(scores: Scores, real: tuple[jax.Array, jax.Array], fake: tuple[jax.Array, jax.Array]) -> Scores:
    """`scores` with (mean, standard deviation) of the reference's and the policy's newest ones counted in."""
    mean = 0.5 * (real[0] + fake[0])
    variance = 0.5 * (real[1] ** 2 + fake[1] ** 2) + 0.25 * (real[0] - fake[0]) ** 2
    share = jnp.maximum(1.0 / (scores.count + 1.0), FORGET)
    return Scores(
        mean=scores.mean + share * (mean - scores.mean),
        variance=scores.variance + share * (variance - scores.variance),
        count=scores.count + 1.0,
    )


def clipped_linear(score: jax.Array, targets: ScoreTargets, scores: Scores) -> jax.Array:
    """clip(D, 0, 1): 1 for what looks like the reference, 0 for a certain fake."""
    return jnp.clip(score, 0.0, 1.0)


def quadratic(score: jax.Array, targets: ScoreTargets, scores: Scores) -> jax.Array:
    """max(0, 1 - 1/4 (D - c)^2): 0 for a certain fake if its target lies 2 below c, as in -1, 1, 1.

    Peng et al. 2021, https://arxiv.org/abs/2104.02180, equation 7.
    """
    return jnp.maximum(0.0, 1.0 - 0.25 * (score - targets[2]) ** 2)


def sigmoid(score: jax.Array, targets: ScoreTargets, scores: Scores) -> jax.Array:
    """sigmoid(D), the probability that the motion is recorded, if D is a logit."""
    return jax.nn.sigmoid(score)


def gail(score: jax.Array, targets: ScoreTargets, scores: Scores) -> jax.Array:
    """-log(max(1 - sigmoid(D), 1e-4)), at most 9.2.

    Ho and Ermon 2016, https://arxiv.org/abs/1606.03476; bounded as in Makoviychuk et al. 2021,
    https://arxiv.org/abs/2108.10470.
    """
    return -jnp.log(jnp.maximum(jax.nn.sigmoid(-score), LEAST_DOUBT))


def softplus(score: jax.Array, targets: ScoreTargets, scores: Scores) -> jax.Array:
    """log(1 + exp(D)): `gail` without its bound, and for margins as well as for logits (Glorot et al. 2011)."""
    return jax.nn.softplus(score)


def linear(score: jax.Array, targets: ScoreTargets, scores: Scores) -> jax.Array:
    """1/2 (1 + (D - m) / s) with the running mean m and standard deviation s of all scores.

    For scores of any level and scale: two groups that are told apart without fail earn 1 and 0. It has no bounds.
    """
    return 0.5 * (1.0 + (score - scores.mean) / jnp.sqrt(scores.variance + 1e-8))


Reward = Callable[[jax.Array, ScoreTargets, Scores], jax.Array]
REWARDS: dict[str, Reward] = {
    "clipped_linear": clipped_linear,
    "quadratic": quadratic,
    "sigmoid": sigmoid,
    "gail": gail,
    "softplus": softplus,
    "linear": linear,
}
