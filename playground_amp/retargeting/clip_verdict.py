"""Is a clip fit to be learned from? Every figure with its bounds, why it is out of them, and what would mend it."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from playground_amp.core.files import json_values
from playground_amp.motion.clip import MotionClip
from playground_amp.motion.ground_path import path_speed
from playground_amp.motion.metrics.bounds import AHEAD, BOUNDS, NOT_JUDGED, OF_KIND, Range, scaled
from playground_amp.motion.metrics.gait import Quality, measure
from playground_amp.motion.metrics.motion_kinds import Part
from playground_amp.retargeting.clip_figures import ROUNDING, figures_of, longest_walkable
from playground_amp.retargeting.clip_signals import ClipSignals, measure_signals
from playground_amp.robots import Robot

NONE, PASS, WARN, FAIL = ORDER = ("n/a", "pass", "warn", "fail")  # from the best to the worst
DONE_BY_PHYSICS = ("penetration", "torque_peak", "torque_above", "zmp_inside", "zmp_distance", "walkable")
OTHERWISE = "--start and --end, to an easier part"  # where the option that mends a figure is in use already
TORQUE_NOTE = (
    "the ground's forces, within friction cones at the corners of the pads in contact, are those that leave the least "
    "force on the root and then the least torque in the joints, which also divides them between the feet"
)


@dataclass(frozen=True)
class FigureAssessment:
    """One figure of a clip held to its bounds; value and bounds are in its unit."""

    value: float | None  # None: there is nothing to measure
    unit: str
    verdict: str  # pass, warn, fail, or n/a without a value
    good: Range  # pass within
    bearable: Range  # fail beyond
    reason: str  # what is wrong; empty where nothing is
    mend: str  # the option that would mend it; empty where nothing is wrong
    kind: str = ""  # of the motion that the bounds are of, one of bounds.KINDS; empty where they are those of all


@dataclass(frozen=True)
class ClipAssessment:
    """A clip's figures, each with its verdict, and the longest part of it that can be learned from."""

    clip: str
    verdict: str  # the worst of its figures
    seconds: float  # s
    speed: float  # m/s, of the root over the ground, while it is on its way
    walkable: tuple[float, float]  # s, beginning and end of the longest part in which nothing fails
    parts: tuple[tuple[str, float, float], ...]  # kinds of motion in order, each with its beginning and end, s
    figures: dict[str, FigureAssessment]  # by the names of bounds.BOUNDS; those of the part in which each is worst
    gait: Quality  # as motion/metrics/gait.py measures it, in SI units
    tracking_error: dict[str, float] = field(default_factory=dict)  # m, root mean square, of each body

    @property
    def wrong(self) -> dict[str, FigureAssessment]:
        """The figures that warn or fail."""
        return {name: figure for name, figure in self.figures.items() if figure.reason}


def assess_clip(
    clip: MotionClip,
    robot: Robot,
    *,
    tracking: Mapping[str, float] | None = None,
    similar_speed: float = math.nan,
    used: Iterable[str] = (),
    simulated: bool = False,
) -> tuple[ClipAssessment, ClipSignals]:
    """The assessment of a clip of `robot`, and the signals that it is made of, frame by frame.

    `tracking` is the root mean square distance of each body from its place in the source, m; `similar_speed` is what
    the source's speed becomes at the robot's size by dynamic similarity, m/s. Nothing or NaN where there is no source.
    `used` are options that the clip was made with, which cannot mend it any more. Of a clip that a simulated robot
    really walked, what its servos and the ground must have done is not judged: they did it.
    """
    signals, gait, tracking = measure_signals(clip, robot), measure(clip, robot), dict(tracking or {})
    first, last = longest_walkable(signals, robot.leg_length)
    of_all = {
        "tracking": max(tracking.values(), default=math.nan),
        "speed_ratio": path_speed(clip.qpos, clip.frequency) / similar_speed if similar_speed > 0.0 else math.nan,
        "walkable": (last - first) / clip.frequency,
    }
    unknown = dict.fromkeys(DONE_BY_PHYSICS, math.nan) if simulated else {}
    judged = [
        _judged(_values(clip, signals, gait, part, robot) | of_all | unknown, part.kind, robot.leg_length)
        for part in sorted(signals.parts, key=lambda part: part.first - part.last)
    ]
    figures = {name: _worst(figures[name] for figures in judged) for name in BOUNDS}
    figures = {name: _other_advice(figure, tuple(used)) for name, figure in figures.items()}
    return ClipAssessment(
        clip=clip.name,
        verdict=worst(figure.verdict for figure in figures.values()),
        seconds=clip.duration,
        speed=float(np.linalg.norm(clip.command[:2])),
        walkable=(first / clip.frequency, last / clip.frequency),
        parts=tuple((part.kind, part.first / clip.frequency, part.last / clip.frequency) for part in signals.parts),
        figures=figures,
        gait=gait,
        tracking_error=tracking,
    ), signals


def _values(clip: MotionClip, signals: ClipSignals, gait: Quality, part: Part, robot: Robot) -> dict[str, float]:
    """The figures of one part of a clip, SI units."""
    if len(signals.parts) == 1:
        return figures_of(signals, gait)
    piece = dataclasses.replace(clip, qpos=clip.qpos[part.first : part.last + 1])
    return figures_of(signals.within(part), measure(piece, robot))


def _judged(values: Mapping[str, float], kind: str, leg: float) -> dict[str, FigureAssessment]:
    return {name: assess_figure(name, values[name] * BOUNDS[name].factor, leg, kind) for name in BOUNDS}


def _worst(figures: Iterable[FigureAssessment]) -> FigureAssessment:
    """The one with the worst verdict, the first of several."""
    return max(figures, key=lambda figure: ORDER.index(figure.verdict))


def _other_advice(figure: FigureAssessment, used: tuple[str, ...]) -> FigureAssessment:
    return dataclasses.replace(figure, mend=OTHERWISE) if used and figure.mend.startswith(used) else figure


def worst(verdicts: Iterable[str]) -> str:
    """The worst of some verdicts, pass where there are none."""
    return max(verdicts, key=ORDER.index, default=PASS)


def assess_figure(name: str, value: float, leg: float, kind: str = AHEAD) -> FigureAssessment:
    """The figure `name` of `value` in its unit, NaN for none, held to the bounds of a robot with legs of `leg` m.

    `kind` is that of the motion, one of bounds.KINDS.
    """
    bound, (good, bearable) = BOUNDS[name], scaled(name, leg, kind)
    own = kind if name in OF_KIND.get(kind, {}) else ""
    if math.isnan(value) or (good, bearable) == NOT_JUDGED:
        return FigureAssessment(None, bound.unit, NONE, good, bearable, "", "", own)
    if _within(value, good):
        return FigureAssessment(value, bound.unit, PASS, good, bearable, "", "", own)
    unit = f" {bound.unit}".rstrip()
    what = f"good for {own}" if own else "good"
    reason = f"{bound.meaning} is {value:.3g}{unit}, {what} is {in_words(good, bound.unit)}{unit}"
    verdict = WARN if _within(value, bearable) else FAIL
    return FigureAssessment(value, bound.unit, verdict, good, bearable, reason, bound.mend, own)


def in_words(bounds: Range, unit: str = "") -> str:
    """'up to 3', 'from 80', '0.5 to 0.75' or 'any'; a percentage has no more than 100."""
    low, high = bounds
    if low <= 0.0 and high == math.inf:
        return "any"
    if low <= 0.0:
        return f"up to {high:.3g}"
    open_end = high == math.inf or (unit == "%" and high == 100.0)
    return f"from {low:.3g}" if open_end else f"{low:.3g} to {high:.3g}"


def _within(value: float, bounds: Range) -> bool:
    low, high = bounds
    return low - ROUNDING <= value <= high + ROUNDING


def as_json(assessment: ClipAssessment) -> dict[str, Any]:
    """An assessment as plain values, everything by name; NaN and infinity are None."""
    values = json_values(dataclasses.asdict(assessment))
    first, last = assessment.walkable
    return values | {"walkable": {"first": first, "last": last, "unit": "s"}, "torque": TORQUE_NOTE}


def from_json(values: Mapping[str, Any]) -> ClipAssessment:
    """The assessment that `as_json` wrote; raises KeyError, TypeError or ValueError for anything else."""
    figures = {name: _figure(figure) for name, figure in values["figures"].items()}
    own: dict[str, Any] = {item.name: values[item.name] for item in dataclasses.fields(ClipAssessment)}
    walkable = values["walkable"]["first"], values["walkable"]["last"]
    parts = tuple((str(kind), float(first), float(last)) for kind, first, last in values["parts"])
    measured: dict[str, Any] = {name: math.nan if x is None else x for name, x in values["gait"].items()}
    own |= {"figures": figures, "walkable": walkable, "parts": parts, "gait": Quality(**measured)}
    return ClipAssessment(**own)


def _figure(values: Mapping[str, Any]) -> FigureAssessment:
    own: dict[str, Any] = {item.name: values[item.name] for item in dataclasses.fields(FigureAssessment)}
    own |= {name: _range(values[name]) for name in ("good", "bearable")}
    return FigureAssessment(**own)


def _range(ends: list[float | None]) -> Range:
    """Bounds from JSON, where None is none; raises ValueError for anything but two."""
    low, high = ends
    return -math.inf if low is None else low, math.inf if high is None else high
