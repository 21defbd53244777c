"""How well a single feature tells the policy from the reference."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.stats import rankdata

PERCENTILES = (5.0, 95.0)


@dataclass(frozen=True)
class Summary:
    """The samples of one feature on one side, the policy's or the reference's, in its unit."""

    mean: float
    std: float
    low: float  # 5th percentile
    high: float  # 95th percentile


@dataclass(frozen=True)
class FeatureStats:
    """One feature: its samples on both sides, and how well it tells them apart."""

    name: str
    group: str
    unit: str
    reference: Summary
    policy: Summary
    separability: float  # 0.5 (no better than a coin) to 1 (always right)


def auc(a: np.ndarray, b: np.ndarray) -> float:
    """P(a > b) + P(a = b) / 2 for samples a [N] and b [M], by ranks.

    The area under the ROC curve equals Mann and Whitney's U / (N M), ties counted half (Hanley and McNeil 1982,
    https://doi.org/10.1148/radiology.143.1.7063747). NaN counts as the largest number.
    """
    everything = np.nan_to_num(np.concatenate([a, b]).astype(np.float64), nan=np.inf, posinf=np.inf, neginf=-np.inf)
    rank_sum = rankdata(everything)[: len(a)].sum()
    return float((rank_sum - len(a) * (len(a) + 1) / 2.0) / (len(a) * len(b)))


def separability(policy: np.ndarray, reference: np.ndarray) -> float:
    """AUC, folded to 0.5..1, of a feature's samples [M] and [N], or of their distance from the reference's median.

    Of the two the greater.

    The distance finds what lies around the same middle and is too still or too wild, as the angular velocity of a
    rigid pelvis.
    """
    middle = np.median(reference)
    areas = auc(policy, reference), auc(np.abs(policy - middle), np.abs(reference - middle))
    return max(max(area, 1.0 - area) for area in areas)


def summarize(values: np.ndarray) -> Summary:
    """Mean, spread and range of samples [N]."""
    low, high = np.percentile(values, PERCENTILES)
    return Summary(float(values.mean()), float(values.std()), float(low), float(high))


def compare(
    policy: np.ndarray, reference: np.ndarray, names: list[str], kinds: list[tuple[str, str]]
) -> list[FeatureStats]:
    """Every feature of policy [M, F] beside that of the reference [N, F]; `kinds` are its group and unit."""
    return [
        FeatureStats(name, group, unit, summarize(real), summarize(fake), separability(fake, real))
        for name, (group, unit), real, fake in zip(names, kinds, reference.T, policy.T, strict=True)
    ]
