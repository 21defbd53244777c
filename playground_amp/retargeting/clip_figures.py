"""A clip's figures from its signals frame by frame, and the longest part of it in which none of them fails."""

from __future__ import annotations

import math

import numpy as np

from playground_amp.motion.metrics.bounds import BOUNDS, scaled
from playground_amp.motion.metrics.gait import Quality
from playground_amp.retargeting.clip_signals import ON_EDGE, ClipSignals

TURNED = ("zmp_inside", "support")  # shares that are counted by the frames that spoil them
OF_GAIT = ("clearance", "step_asymmetry", "asymmetry", "alternation")  # taken from motion/metrics/gait.py as they are
ROUNDING = 1e-9

Share = tuple[np.ndarray, np.ndarray]  # what is added up over frames [N], and the weights [N] it is divided by


def figures_of(signals: ClipSignals, gait: Quality) -> dict[str, float]:
    """Values in SI units of the figures that a clip has by itself; NaN where there is nothing to measure.

    `gait` are the figures of the same clip by motion/metrics/gait.py.
    """
    values = {name: _mean(share) for name, share in shares(signals).items()}
    values |= {name: 1.0 - values[name] for name in TURNED}
    values |= {name: float(signal.max()) for name, signal in peaks(signals).items()}
    values |= {name: getattr(gait, name) for name in OF_GAIT}
    values["duty"] = float(gait.duty) if gait.strides else math.nan
    return values | dict.fromkeys(_unmeasured(signals, gait), math.nan)


def _mean(share: Share) -> float:
    """Zero where nothing has weight: no foot on the ground skates."""
    total, weight = share
    return float(total.sum() / weight.sum()) if weight.any() else 0.0


def _unmeasured(signals: ClipSignals, gait: Quality) -> list[str]:
    """Figures of things that the clip or the robot does not have."""
    names = [] if gait.clearance > 0.0 else ["clearance"]
    names += [] if np.nansum(signals.torque) > 0.0 else ["torque_peak", "torque_above"]
    return names + (["zmp_distance", "zmp_inside"] if np.isnan(signals.zmp_distance).all() else [])


def shares(signals: ClipSignals) -> dict[str, Share]:
    """Figures that are a mean over frames, by name; those of TURNED as the share of the frames that spoil them."""
    ones, known = np.ones(len(signals.feet)), np.isfinite(signals.zmp_distance)
    loaded, weighed = signals.loaded.astype(float), np.isfinite(signals.torque).all(axis=1)
    return {
        "skating": (np.sum(signals.slip * loaded, axis=1), np.sum(loaded, axis=1)),
        "limit_share": (signals.at_limit.any(axis=1).astype(float), ones),
        "torque_above": ((signals.torque > 1.0).any(axis=1).astype(float), weighed.astype(float)),
        "zmp_inside": ((signals.zmp_distance > ON_EDGE).astype(float), known.astype(float)),
        "support": ((~signals.contact.any(axis=1)).astype(float), ones),
    }


def peaks(signals: ClipSignals) -> dict[str, np.ndarray]:
    """Figures that are the greatest value of a signal, and that signal [N], SI units, by name."""
    return {
        "penetration": np.maximum(0.0, -signals.feet.min(axis=1)),
        "float_height": np.maximum(0.0, signals.feet.min(axis=1)),
        "joint_speed": signals.joint_speed.max(axis=1),
        "torque_peak": np.nan_to_num(signals.torque).max(axis=1),
        "zmp_distance": np.nan_to_num(signals.zmp_distance),
    }


def longest_walkable(signals: ClipSignals, leg: float) -> tuple[int, int]:
    """First and last frame of the longest part in which no figure that is measured frame by frame fails.

    The figures are those of a clip that was cut to the part, for a robot with legs of `leg` m, and the feet alternate
    in it throughout. (0, 0) where there is no such part.
    """
    broken = signals.stumble & np.isfinite(_most("alternation", signals, leg))
    for name, signal in peaks(signals).items():
        broken |= signal > _most(name, signals, leg) + ROUNDING
    excess = [total - _most(name, signals, leg) * weight for name, (total, weight) in shares(signals).items()]
    return longest(np.stack(excess), broken)


def _most(name: str, signals: ClipSignals, leg: float) -> np.ndarray:
    """What the figure `name` may be, in SI units, for the kind of motion of each frame [N]; of TURNED, what spoils it.

    Infinite where it is not judged.
    """
    most = np.empty(len(signals.feet))
    for part in signals.parts:
        low, high = scaled(name, leg, part.kind)[1]
        from_above = 1.0 - low / BOUNDS[name].factor if name in (*TURNED, "alternation") else high / BOUNDS[name].factor
        most[part.first : part.last + 1] = from_above
    return most


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
