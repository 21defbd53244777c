"""Intervals of 95 % for means of a few episodes."""

from __future__ import annotations

import numpy as np

RESAMPLES = 2000
Z = 1.959964  # of 95 %

Interval = tuple[float, float]


def wilson(successes: int, count: int) -> Interval:
    """Wilson's interval of a share: a bootstrap of nothing but survivors would claim to be certain."""
    share, z2 = successes / count, Z**2 / count
    middle = (share + 0.5 * z2) / (1.0 + z2)
    half = Z * np.sqrt(share * (1.0 - share) / count + 0.25 * z2 / count) / (1.0 + z2)
    return max(0.0, float(middle - half)), min(1.0, float(middle + half))


def bootstrap(values: np.ndarray, seed: int) -> Interval:
    """Percentile bootstrap of the mean of values [N]; NaN where there is none."""
    if not len(values):
        return np.nan, np.nan
    rows = np.random.default_rng(seed).integers(0, len(values), (RESAMPLES, len(values)))
    low, high = np.percentile(values[rows].mean(axis=1), [2.5, 97.5])
    return float(low), float(high)
