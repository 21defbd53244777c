"""How far the style of one motion is from another's: distances between two sets of windows of AMP features.

Both sides are normalised features in windows of WINDOW steps, one row a window. A distance between sets says nothing of
single frames: it compares how often the motion looks how. Arrays in, arrays out.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

WINDOW = 10  # control steps, 0.2 s: half a step of the default robot, long enough to see how a pose goes on
EVERY = 5  # control steps from one window to the next: neighbours share half of their frames, nothing is left out
SAMPLES = 1000  # windows a side that the kernel distance is taken of: its cost grows with their square
PERMUTATIONS = 200  # give p-values down to 0.005


def windows(features: np.ndarray, length: int, every: int) -> np.ndarray:
    """Every `every`-th window of `length` consecutive frames of features [N, F], flattened.

    [1 + (N - length) // every, length * F]; none, [0, length * F], where N is less than `length`.
    """
    starts = np.arange(0, len(features) - length + 1, every)
    return features[starts[:, None] + np.arange(length)].reshape(len(starts), length * features.shape[1])


def all_windows(motions: Iterable[np.ndarray]) -> np.ndarray:
    """Windows of several motions [N_i, F], none of which spans two of them: [M, WINDOW * F]."""
    rows = [windows(features, WINDOW, EVERY) for features in motions]
    return np.concatenate(rows) if rows else np.zeros((0, 1))


def window_ends(frames: int) -> np.ndarray:
    """The last frame [M] of each window that `all_windows` makes of a motion of so many frames."""
    return np.arange(0, frames - WINDOW + 1, EVERY) + WINDOW - 1


def frechet(a: np.ndarray, b: np.ndarray) -> float:
    """Frechet distance of the Gaussians with the moments of a [N, D] and b [M, D], per dimension.

    (|mu_a - mu_b|^2 + Tr(S_a + S_b - 2 (S_a S_b)^1/2)) / D, Heusel et al. 2017, https://arxiv.org/abs/1706.08500.
    (S_a S_b)^1/2 has the trace of (S_a^1/2 S_b S_a^1/2)^1/2: the sum of the singular values of S_a^1/2 S_b^1/2, which
    exists and is at least zero for singular S, too. NaN where a side has fewer than two rows.
    """
    if min(len(a), len(b)) < 2:
        return float("nan")
    a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
    means = np.sum((a.mean(axis=0) - b.mean(axis=0)) ** 2)
    s_a, s_b = np.atleast_2d(np.cov(a, rowvar=False)), np.atleast_2d(np.cov(b, rowvar=False))
    cross = np.linalg.svd(_square_root(s_a) @ _square_root(s_b), compute_uv=False).sum()
    return float((means + np.trace(s_a) + np.trace(s_b) - 2.0 * cross) / a.shape[1])


def kernel(
    a: np.ndarray,
    reference: np.ndarray,
    *,
    samples: int = SAMPLES,
    permutations: int = PERMUTATIONS,
    seed: int = 0,
) -> tuple[float, float]:
    """Squared maximum mean discrepancy of a [N, D] and reference [M, D], unbiased, and its permutation p-value.

    E k(x, x') + E k(y, y') - 2 E k(x, y) over pairs of different rows with k(x, y) = exp(-|x - y|^2 / (2 s^2)), s the
    median distance of the reference's rows; Gretton et al. 2012, JMLR 13, equation 3. It may be a little less than zero
    for sets that are alike. At most `samples` rows a side, drawn by `seed`. The p-value is the share of random
    divisions of all rows that are at least as far apart. It takes rows for independent; windows of one motion are not,
    so that even two takes of one walk can get a small one. NaN, NaN where a side has fewer than two rows.
    """
    if min(len(a), len(reference)) < 2:
        return float("nan"), float("nan")
    rng = np.random.default_rng(seed)
    x, y = _sample_rows(a, samples, rng), _sample_rows(reference, samples, rng)
    gram = _gram(np.concatenate([x, y]), bandwidth=_median_distance(y))
    mine = np.arange(len(gram)) < len(x)
    shuffled = np.stack([mine, *(rng.permutation(mine) for _ in range(permutations))], axis=-1)
    found, *others = _discrepancies(gram, shuffled.astype(np.float64))
    return float(found), float((1 + np.sum(np.array(others) >= found)) / (1 + permutations))


def _square_root(matrix: np.ndarray) -> np.ndarray:
    """Of a symmetric positive semi-definite matrix [D, D]; what rounding made negative is zero."""
    values, vectors = np.linalg.eigh(matrix)
    return (vectors * np.sqrt(np.maximum(values, 0.0))) @ vectors.T


def _sample_rows(rows: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """All rows where they are no more than `count`, else so many different ones."""
    chosen = rng.permutation(len(rows))[:count]
    return np.asarray(rows[chosen], np.float64)


def _squared_distances(rows: np.ndarray) -> np.ndarray:
    """Between all pairs of [N, D], [N, N]; the rows are centred so that their differences keep their digits."""
    rows = rows - rows.mean(axis=0)
    norms = np.sum(rows**2, axis=1)
    return np.maximum(norms[:, None] + norms[None] - 2.0 * rows @ rows.T, 0.0)


def _median_distance(rows: np.ndarray) -> float:
    """Median over the pairs of different rows; 1 where more than half of them are the same."""
    median = np.median(np.sqrt(_squared_distances(rows)[np.triu_indices(len(rows), k=1)]))
    return float(median) or 1.0


def _gram(rows: np.ndarray, bandwidth: float) -> np.ndarray:
    """Kernel of all pairs [N, N], zero for a row with itself: such pairs do not count."""
    gram = np.exp(-_squared_distances(rows) / (2.0 * bandwidth**2))
    np.fill_diagonal(gram, 0.0)
    return gram


def _discrepancies(gram: np.ndarray, mine: np.ndarray) -> np.ndarray:
    """Squared discrepancy [S] of the S divisions mine [N, S] (1 for one side, 0 for the other) of N rows."""
    n = mine[:, 0].sum()
    m = len(mine) - n
    other = 1.0 - mine
    to_mine = gram @ mine
    to_other = gram.sum(axis=1, keepdims=True) - to_mine
    within = np.sum(mine * to_mine, axis=0) / (n * (n - 1.0))
    between = np.sum(other * to_mine, axis=0) / (n * m)
    others = np.sum(other * to_other, axis=0) / (m * (m - 1.0))
    return within + others - 2.0 * between
