"""A clip's figures from what is seen of it frame by frame, and the longest part of it in which none of them fails."""

from __future__ import annotations

import math

import numpy as np

from playground_amp.metrics.bounds import BOUNDS, scaled
from playground_amp.metrics.gait import Quality, duty_factors
from playground_amp.retargeting.clip_signals import ON_EDGE, Signals
from playground_amp.robots import Robot

TURNED = ("zmp_inside", "support")  # shares that are counted by the frames that spoil them
OF_GAIT = ("clearance", "step_asymmetry", "asymmetry", "alternation")  # taken from metrics/gait.py as they are
ROUNDING = 1e-9

Share = tuple[np.ndarray, np.ndarray]  # what is added up over frames [N], and the weights [N] it is divided by


def figures_of(seen: Signals, gait: Quality) -> dict[str, float]:
    """Values in SI units of the figures that a clip has by itself; NaN where there is nothing to measure."""
    values = {name: _mean(share) for name, share in shares(seen).items()}
    values |= {name: 1.0 - values[name] for name in TURNED}
    values |= {name: float(signal.max()) for name, signal in peaks(seen).items()}
    values |= {name: getattr(gait, name) for name in OF_GAIT}
    strides = np.concatenate(duty_factors(seen.falls))
    values["duty"] = float(gait.duty) if np.isfinite(strides).any() else math.nan
    return values | dict.fromkeys(_unmeasured(seen, gait), math.nan)


def _mean(share: Share) -> float:
    """Zero where nothing has weight: no foot on the ground skates."""
    total, weight = share
    return float(total.sum() / weight.sum()) if weight.any() else 0.0


def _unmeasured(seen: Signals, gait: Quality) -> list[str]:
    """Figures of things that the clip or the robot does not have."""
    names = [] if gait.clearance > 0.0 else ["clearance"]
    names += [] if np.nansum(seen.torque) > 0.0 else ["torque_peak", "torque_above"]
    return names + (["zmp_distance", "zmp_inside"] if np.isnan(seen.zmp_distance).all() else [])


def shares(seen: Signals) -> dict[str, Share]:
    """Figures that are a mean over frames; those of TURNED as the share of the frames that spoil them."""
    ones, known = np.ones(len(seen.feet)), np.isfinite(seen.zmp_distance)
    loaded, weighed = seen.loaded.astype(float), np.isfinite(seen.torque).all(axis=1)
    return {
        "skating": (np.sum(seen.slip * loaded, axis=1), np.sum(loaded, axis=1)),
        "limit_share": (seen.at_limit.any(axis=1).astype(float), ones),
        "torque_above": ((seen.torque > 1.0).any(axis=1).astype(float), weighed.astype(float)),
        "zmp_inside": ((seen.zmp_distance > ON_EDGE).astype(float), known.astype(float)),
        "support": ((~seen.contact.any(axis=1)).astype(float), ones),
    }


def peaks(seen: Signals) -> dict[str, np.ndarray]:
    """Figures that are a greatest value: [N] each."""
    return {
        "penetration": np.maximum(0.0, -seen.feet.min(axis=1)),
        "float_height": np.maximum(0.0, seen.feet.min(axis=1)),
        "joint_speed": seen.joint_speed.max(axis=1),
        "torque_peak": np.nan_to_num(seen.torque).max(axis=1),
        "zmp_distance": np.nan_to_num(seen.zmp_distance),
    }


def longest_walkable(seen: Signals, robot: Robot) -> tuple[int, int]:
    """First and last frame of the longest part in which no figure that is measured frame by frame fails.

    The figures are those of a clip that was cut to the part, and the feet alternate in it throughout. (0, 0) where
    there is no such part.
    """
    most = {name: scaled(name, robot.leg_length)[1][1] / BOUNDS[name].factor for name in BOUNDS}
    most |= {name: 1.0 - scaled(name, robot.leg_length)[1][0] / BOUNDS[name].factor for name in TURNED}
    broken = seen.stumble.copy()
    for name, signal in peaks(seen).items():
        broken |= signal > most[name] + ROUNDING
    excess = [total - most[name] * weight for name, (total, weight) in shares(seen).items()]
    return longest(np.stack(excess), broken)


def longest(excess: np.ndarray, broken: np.ndarray) -> tuple[int, int]:
    """First and last index of the longest stretch without `broken` [N] in which no row of `excess` [K, N] has a
    positive sum; the first one of several, (0, 0) where there is none of two or more.
    """
    sums = _running(np.concatenate([excess, broken[None]]))
    allowed = np.full((len(sums), 1), ROUNDING)
    for length in range(excess.shape[1], 1, -1):
        fits = (sums[:, length:] - sums[:, :-length] <= allowed).all(axis=0)
        if fits.any():
            first = int(np.argmax(fits))
            return first, first + length - 1
    return 0, 0


def _running(rows: np.ndarray) -> np.ndarray:
    """Sums of the first 0, 1, ... N values of rows [K, N]: [K, N + 1]."""
    return np.concatenate([np.zeros((len(rows), 1)), np.cumsum(rows, axis=1)], axis=1)
