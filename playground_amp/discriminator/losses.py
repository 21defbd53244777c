"""What a discriminator is trained to do: losses of the scores of reference [N] and policy [M], and its accuracy.

Targets are (a, b, c) of Mao et al. 2017: a for the policy, b for the reference, c what the policy is rewarded for.
Scores of `vanilla` are logits: sigmoid(D) is the probability that an input is of the reference.
"""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp

ScoreTargets = tuple[float, float, float]
Loss = Callable[[jax.Array, jax.Array, ScoreTargets, float], jax.Array]  # real, fake, targets, smoothing -> loss []


def lsgan(real: jax.Array, fake: jax.Array, targets: ScoreTargets, smoothing: float) -> jax.Array:
    """Least squares: 1/2 (E (D(real) - b')^2 + E (D(fake) - a)^2) with b' = b - smoothing (b - a).

    Mao et al. 2017, https://arxiv.org/abs/1611.04076, equation 2.
    """
    a, b, _ = targets
    return 0.5 * (jnp.mean((real - (b - smoothing * (b - a))) ** 2) + jnp.mean((fake - a) ** 2))


def vanilla(real: jax.Array, fake: jax.Array, targets: ScoreTargets, smoothing: float) -> jax.Array:
    """Cross entropy of logits: -E [(1 - s) log p(real) + s log(1 - p(real))] - E log(1 - p(fake)), p = sigmoid(D).

    Goodfellow et al. 2014, https://arxiv.org/abs/1406.2661, equation 1; the smoothing s is one-sided, as in Salimans
    et al. 2016, https://arxiv.org/abs/1606.03498, section 3.4.
    """
    certain = jnp.mean((1.0 - smoothing) * jax.nn.softplus(-real) + smoothing * jax.nn.softplus(real))
    return certain + jnp.mean(jax.nn.softplus(fake))


def hinge(real: jax.Array, fake: jax.Array, targets: ScoreTargets, smoothing: float) -> jax.Array:
    """E max(0, 1 - D(real)) + E max(0, 1 + D(fake)): what is on its side of the margin is left alone.

    Lim and Ye 2017, https://arxiv.org/abs/1705.02894; Miyato et al. 2018, https://arxiv.org/abs/1802.05957, eq. 16.
    """
    return jnp.mean(jax.nn.relu(1.0 - real)) + jnp.mean(jax.nn.relu(1.0 + fake))


def wasserstein(real: jax.Array, fake: jax.Array, targets: ScoreTargets, smoothing: float) -> jax.Array:
    """E D(fake) - E D(real), minus the distance of the two distributions if |grad D| <= 1 everywhere.

    Arjovsky et al. 2017, https://arxiv.org/abs/1701.07875, equation 2. It says nothing of the level of D.
    """
    return jnp.mean(fake) - jnp.mean(real)


def midpoint(loss: str, targets: ScoreTargets) -> float:
    """Score between those of reference and policy; `wasserstein` has none of its own and starts at 0."""
    return 0.5 * (targets[0] + targets[1]) if loss == "lsgan" else 0.0


def accuracy(real: jax.Array, fake: jax.Array, midpoint: jax.Array | float) -> jax.Array:
    """1/2 (P(D(real) > midpoint) + P(D(fake) < midpoint)); a flat discriminator at the midpoint scores 0, not 1/2."""
    return 0.5 * (jnp.mean(real > midpoint) + jnp.mean(fake < midpoint))


def auc(real: jax.Array, fake: jax.Array) -> jax.Array:
    """P(D(real) > D(fake)) + 1/2 P(D(real) = D(fake)) [] of scores [N] and [M]: no midpoint has to be right for it.

    The area under the ROC curve, by ranks (Hanley and McNeil 1982, https://doi.org/10.1148/radiology.143.1.7063747).
    1: told apart without fail; 1/2: not at all.
    """
    ordered = jnp.sort(real)
    below, up_to = (jnp.searchsorted(ordered, fake, side=side) for side in ("left", "right"))
    return 1.0 - jnp.mean((below + up_to) / (2.0 * len(real)))


LOSSES: dict[str, Loss] = {"lsgan": lsgan, "vanilla": vanilla, "hinge": hinge, "wasserstein": wasserstein}
