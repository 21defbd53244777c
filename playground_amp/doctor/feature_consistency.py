"""Do the policy's and the reference's features say what the motion does? Both are held to features of the same motion
that are recomputed from `qpos` with SciPy and MuJoCo alone; a difference is explained by trying the usual mistakes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy.spatial.transform import Rotation

from playground_amp.core.errors import listed
from playground_amp.doctor.finding import Finding
from playground_amp.motion.features import MOVING, feature_names
from playground_amp.robots import Robot

QUANTILE = 0.99  # of the differences: a single step at the threshold of moving may differ
CHANGES = 10.0  # tolerances over which a feature has to range before standing still counts against it
WHERE = {
    "policy": "look at Env.features and frame_of in envs/env.py and at the engine in envs/physics/",
    "reference": "look at make_reference and motion_features in motion/reference_builder.py and at the clips",
    "both": "look at amp_features in motion/features.py",
}
WHOSE = {"policy": "the policy's", "reference": "the reference's", "both": "the policy's and the reference's"}
NUMBER = re.compile(r"(?<![\w'.])-?\d[\d.]*(e[+-]?\d+)?(?=[ ,]|$)")
FACTORS = {  # of a wrong unit
    100.0: "cm instead of m",
    1000.0: "mm instead of m",
    0.01: "divided by 100",
    0.001: "divided by 1000",
    180.0 / np.pi: "degrees instead of radians",
    np.pi / 180.0: "degrees were taken for radians twice",
    -1.0: "the sign is turned",
}

Mismatch = tuple[list[str], str]  # names of the features, explanation
Mismatches = dict[tuple[str, str], list[Mismatch]]  # by side and code


@dataclass(frozen=True, eq=False)
class FeatureTrace:
    """N control steps, and the features that one side of the pipeline made of them."""

    side: str  # policy or reference
    previous: np.ndarray  # [N, nq] state before the step: m, unit quaternion, rad
    current: np.ndarray  # [N, nq] state after it
    features: np.ndarray  # [N, F]


@dataclass(frozen=True)
class FeatureBlock:
    """Neighbouring features of one kind, with the tolerance that they are held to."""

    name: str
    unit: str
    where: slice  # of the F features
    tolerance: float  # largest difference that is rounding, in the unit


def feature_blocks(robot: Robot) -> list[FeatureBlock]:
    """The kinds of features of a robot, in the order of motion/features.py."""
    joints = robot.num_joints
    kinds = [
        ("joint position", "rad", joints, 1e-3),
        ("joint velocity", "rad/s", joints, 0.02),
        ("root direction", "unit vector", 3, 3e-3),
        ("root angular velocity", "rad/s", 3, 0.01),
        ("root height", "m", 1, 1e-3),
        ("contact", "0..1", len(robot.pads), 0.02),
    ]
    ends = np.cumsum([width for _, _, width, _ in kinds])
    return [
        FeatureBlock(name, unit, slice(int(end) - width, int(end)), tolerance)
        for (name, unit, width, tolerance), end in zip(kinds, ends, strict=True)
    ]


def recomputed_features(
    previous: np.ndarray, current: np.ndarray, robot: Robot, dt: float, *, frame: str = "heading"
) -> np.ndarray:
    """AMP features [N, F] of steps of `dt` s between states [N, nq], with vectors in the frame heading, world or body.

    An independent second source for motion/features.py: rotations by SciPy, pad heights by MuJoCo, float64.
    """
    previous, current = previous.astype(np.float64), current.astype(np.float64)
    before, after = (Rotation.from_quat(q[:, 3:7], scalar_first=True) for q in (previous, current))
    ahead = after.apply([1.0, 0.0, 0.0])
    yaw = Rotation.from_rotvec(np.arctan2(ahead[:, 1], ahead[:, 0])[:, None] * [0.0, 0.0, 1.0])
    to_frame = {"heading": yaw.inv(), "world": Rotation.identity(len(yaw)), "body": after.inv()}[frame]
    velocity = (current[:, :3] - previous[:, :3]) / dt
    speed = np.linalg.norm(velocity, axis=1, keepdims=True)
    touching, clear = robot.contact_clearance
    return np.concatenate(
        [
            current[:, 7:],
            (current[:, 7:] - previous[:, 7:]) / dt,
            to_frame.apply(np.where(speed > MOVING, velocity / np.maximum(speed, MOVING), 0.0)),
            to_frame.apply((after * before.inv()).as_rotvec() / dt),
            current[:, 2:3],
            np.clip((clear - robot.pad_heights(current)) / (clear - touching), 0.0, 1.0),
        ],
        axis=1,
    )


def examine_traces(traces: list[FeatureTrace], robot: Robot, dt: float) -> list[Finding]:
    """Where features differ from those recomputed of the same motion: one error for every side and cause.

    The same on both sides is one error, of the code that they share. `dt` is the control step, s.
    """
    found: Mismatches = {}
    for trace in traces:
        for code, wrong, why in mismatches(trace, robot, dt):
            found.setdefault((trace.side, code), []).append((wrong, why))
    shared = _shared(_unexplained(found))
    return [_finding(side, code, seen) for (side, code), seen in shared.items() if seen]


def mismatches(trace: FeatureTrace, robot: Robot, dt: float) -> Iterator[tuple[str, list[str], str]]:
    """(code, names of the features, explanation) for every kind of features that is not what the motion says."""
    names = feature_names(robot)
    true, world, body = (
        recomputed_features(trace.previous, trace.current, robot, dt, frame=frame)
        for frame in ("heading", "world", "body")
    )
    for block in feature_blocks(robot):
        at = block.where
        wrong = _differs(trace.features[:, at], true[:, at], block.tolerance)
        if wrong.any():
            alternatives = {"world": world[:, at], "body": body[:, at]}
            code, why = _explain(trace.features[:, at], true[:, at], alternatives, block, names[at])
            yield code, [name for name, bad in zip(names[at], wrong, strict=True) if bad], why


def _explain(
    side: np.ndarray, true: np.ndarray, frames: dict[str, np.ndarray], block: FeatureBlock, names: list[str]
) -> tuple[str, str]:
    """Code and words of the first usual mistake that turns `true` [N, D] into `side` [N, D]."""
    tolerance = block.tolerance
    wrong = _differs(side, true, tolerance)
    if not np.isfinite(side).all():
        return "nan", "NaN or infinity"
    if (_still(side, tolerance) & (np.ptp(true, axis=0) > CHANGES * tolerance))[wrong].all():
        return "constant", f"stuck at {side[:, wrong].mean():.3g} while the motion changes"
    if block.name.startswith("root") and side.shape[1] == 3:
        if not _differs(side, true * [-1.0, -1.0, 1.0], tolerance).any():
            return "facing", "turned by 180 degrees about the vertical, forward is backward"
        for frame, values in frames.items():
            if not _differs(side, values, tolerance).any():
                return "frame", f"in the {frame} frame instead of the heading frame"
    if moved := _moved(side, true, tolerance):
        return "order", listed([f"'{names[i]}' holds '{names[j]}'" for i, j in moved], most=2)
    return _scaled(side[:, wrong], true[:, wrong], tolerance)


def _scaled(side: np.ndarray, true: np.ndarray, tolerance: float) -> tuple[str, str]:
    """A wrong unit, a shift, or no simple explanation."""
    factors = (side * true).sum(axis=0) / np.maximum((true**2).sum(axis=0), 1e-12)
    factor = float(np.median(factors))
    near = min(FACTORS, key=lambda known: abs(np.log(abs(factor / known) + 1e-12)) + (factor * known < 0.0))
    meaning = f", {FACTORS[near]}" if abs(factor / near - 1.0) < 0.02 else ""
    if np.allclose(factors, factor, rtol=0.02) and not _differs(side / factor, true, 3.0 * tolerance).any():
        return "unit", f"{factor:.4g} times the true values{meaning}"
    shift = side - true
    if not _differs(shift, np.median(shift, axis=0), tolerance).any():
        return "offset", f"shifted by {np.median(shift):.4g}"
    return "mismatch", f"off by up to {np.abs(shift).max():.3g}, as nothing usual explains"


def _moved(side: np.ndarray, true: np.ndarray, tolerance: float) -> list[tuple[int, int]]:
    """(i, j) where column i of `side` holds column j of `true`, if every column holds one; else nothing."""
    error = np.quantile(np.abs(side[:, :, None] - true[:, None, :]), QUANTILE, axis=0)
    source = error.argmin(axis=1)
    fits = (error.min(axis=1) <= tolerance).all() and len(set(source)) == len(source)
    return [(i, int(j)) for i, j in enumerate(source) if i != j] if fits else []


def _differs(a: np.ndarray, b: np.ndarray, tolerance: float) -> np.ndarray:
    """Which columns of [N, D] differ by more than `tolerance`; one that is not a number does."""
    return ~(np.quantile(np.abs(a - b), QUANTILE, axis=0) <= tolerance)


def _still(values: np.ndarray, tolerance: float) -> np.ndarray:
    return np.ptp(values, axis=0) < tolerance


def _names(seen: list[Mismatch]) -> list[str]:
    """The features of some mismatches, each once."""
    return list(dict.fromkeys(name for names, _ in seen for name in names))


def _unexplained(found: Mismatches) -> Mismatches:
    """Without the root direction that a wrong unit of the root height bends, on the same side."""
    result = dict(found)
    for side, code in found:
        if code == "mismatch" and "root height" in _names(found.get((side, "unit"), [])):
            kept = [seen for seen in found[side, code] if not seen[0][0].startswith("root direction")]
            result[side, code] = kept
    return result


def _shared(found: Mismatches) -> Mismatches:
    """What both sides have, of the same features, is theirs together."""
    result: Mismatches = {}
    for (side, code), seen in found.items():
        other = found.get(("reference" if side == "policy" else "policy", code), [])
        whose = "both" if set(_names(seen)) == set(_names(other)) else side
        result.setdefault((whose, code), []).extend(seen)
    return result


def _phrases(reasons: list[str]) -> list[str]:
    """Each wording once, of those that differ in their number alone the one with the greatest."""
    phrases: dict[str, tuple[float, str]] = {}
    for reason in reasons:
        number = NUMBER.search(reason)
        said = (abs(float(number.group())) if number else 0.0, reason)
        wording = NUMBER.sub("", reason)
        phrases[wording] = max(phrases.get(wording, said), said)
    return [reason for _, reason in phrases.values()]


def _finding(side: str, code: str, seen: list[Mismatch]) -> Finding:
    names, reasons = _names(seen), _phrases([why for _, why in seen])
    verb = "is" if len(names) == 1 and side != "both" else "are"
    what = f"{WHOSE[side]} {listed(names)} {verb} not what the same motion's should be"
    return Finding("error", code, f"{what}: {'; '.join(reasons)}; {WHERE[side]}", tuple(names), side)
