"""How much of the reference's variety a policy has: pairwise distance, and the modes it spends its time in."""

from __future__ import annotations

import warnings

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct
from scipy.cluster.vq import kmeans2
from scipy.spatial.distance import cdist

MODES = 32
PAIRED = 512  # reference samples whose distances to each other are taken
SAMPLES = 2048  # reference samples that the modes are found from, and policy samples that are counted


class Modes(struct.PyTreeNode):
    """What the reference's samples cover."""

    centers: jax.Array  # [M, D] of the clusters of the reference's samples
    share: jax.Array  # [M] of the samples that are nearest to each
    spread: jax.Array  # [] mean distance of two samples


def find_modes(inputs: np.ndarray) -> Modes:
    """Modes of reference inputs [N, D]: clusters by k-means of samples at even distances in time."""
    samples = inputs[np.linspace(0, len(inputs) - 1, min(SAMPLES, len(inputs))).astype(int)].astype(np.float64)
    distinct = np.unique(samples, axis=0)
    if len(distinct) <= MODES:
        centers, owner = distinct, cdist(samples, distinct).argmin(axis=1)
    else:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a cluster may end empty; it is left out below
            centers, owner = kmeans2(samples, MODES, minit="++", rng=np.random.default_rng(0))
    share = np.bincount(owner, minlength=len(centers)) / len(samples)
    few = samples[:: max(1, len(samples) // PAIRED)]
    return Modes(
        centers=jnp.asarray(centers[share > 0], jnp.float32),
        share=jnp.asarray(share[share > 0], jnp.float32),
        spread=jnp.float32(max(cdist(few, few).sum() / max(1, len(few) * (len(few) - 1)), 1e-6)),
    )


def spread(inputs: jax.Array) -> jax.Array:
    """Mean distance [] of two of the inputs [N, D], over pairs that lie any number of samples apart."""
    shifts = [max(1, round(len(inputs) * share)) for share in (0.11, 0.23, 0.37, 0.49)]
    pairs = [jnp.linalg.norm(inputs - jnp.roll(inputs, shift, axis=0), axis=-1).mean() for shift in shifts]
    return jnp.mean(jnp.stack(pairs))


def coverage(modes: Modes, inputs: jax.Array) -> jax.Array:
    """Sum [] over the modes of the smaller of both shares: 1 for the reference's own mixture, near 0 for one pose.

    Inputs [N, D] count for their nearest mode, however far: this is about variety, not about likeness. The bins are
    those of Richardson and Weiss 2018, https://arxiv.org/abs/1805.12462, section 3.
    """
    count = min(SAMPLES, len(inputs))
    rows = inputs[np.arange(count) * len(inputs) // count]
    squares = jnp.sum(modes.centers**2, axis=1) - 2.0 * rows @ modes.centers.T
    share = jnp.mean(jax.nn.one_hot(jnp.argmin(squares, axis=1), len(modes.share)), axis=0)
    return jnp.sum(jnp.minimum(share, modes.share))
