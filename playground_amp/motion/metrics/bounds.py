"""What a clip's figures should be: the bounds, what is otherwise by the kind of motion, units, and what mends them."""

from __future__ import annotations

import math
from dataclasses import dataclass

PERSON_LEG = 0.9  # m, hip to sole of a person; speeds and times go with the root of the leg
DEFAULT_LEG = 0.42  # m, leg of the robot that the bounds are written for
POWERS = {"": 0.0, "length": 1.0, "speed": 0.5, "rate": -0.5}  # of leg / DEFAULT_LEG, by dynamic similarity

Range = tuple[float, float]  # least and greatest value
INF = math.inf
STANDING, AHEAD, BACK, ASIDE, ARC, TURN, RUNNING = KINDS = (
    "standing",
    "walking ahead",
    "walking back",
    "walking aside",
    "walking along an arc",
    "turning on the spot",
    "running",
)


@dataclass(frozen=True)
class Bound:
    """Bounds of one figure of a clip, for a leg of 0.42 m, in its unit."""

    label: str  # in a few words
    meaning: str  # what is measured
    unit: str
    scales: str  # what kind of quantity it is, a key of POWERS
    good: Range  # within: pass; beyond: warn
    bearable: Range  # beyond: fail
    mend: str  # the option that mends it
    factor: float = 1.0  # units in one SI unit


BOUNDS = {
    "skating": Bound(
        label="skating",
        meaning="mean speed of the material of the feet that touches the ground",
        unit="cm/s",
        scales="speed",
        good=(0.0, 3.0),
        bearable=(0.0, 8.0),
        mend="--start and --end, to where the feet stand",
        factor=100.0,
    ),
    "penetration": Bound(
        label="sunk feet",
        meaning="deepest point of the feet under the ground",
        unit="mm",
        scales="length",
        good=(0.0, 2.0),
        bearable=(0.0, 6.0),
        mend="--start and --end; if every clip has it, the robot's pads",
        factor=1000.0,
    ),
    "float_height": Bound(
        label="floating feet",
        meaning="greatest height of the lowest foot",
        unit="mm",
        scales="length",
        good=(0.0, 10.0),
        bearable=(0.0, 25.0),
        mend="--start and --end, to where nothing flies",
        factor=1000.0,
    ),
    "support": Bound(
        label="support",
        meaning="share of the frames with a foot on the ground",
        unit="%",
        scales="",
        good=(99.0, 100.0),
        bearable=(90.0, 100.0),
        mend="--start and --end, to where nothing flies",
        factor=100.0,
    ),
    "clearance": Bound(
        label="foot clearance",
        meaning="least height of a foot in the middle of its swings",
        unit="mm",
        scales="length",
        good=(10.0, 100.0),
        bearable=(3.0, 200.0),
        mend="--start and --end, to where the feet are lifted",
        factor=1000.0,
    ),
    "duty": Bound(
        label="duty factor",
        meaning="share of the stride that a foot is on the ground",
        unit="",
        scales="",
        good=(0.5, 0.75),
        bearable=(0.4, 0.9),
        mend="--speed-min, to leave out standing and creeping",
    ),
    "alternation": Bound(
        label="alternating steps",
        meaning="share of the steps that are of the other foot than the one before",
        unit="%",
        scales="",
        good=(99.9, 100.0),
        bearable=(80.0, 100.0),
        mend="--start and --end, or --speed-min",
        factor=100.0,
    ),
    "step_asymmetry": Bound(
        label="limp",
        meaning="left against right, greatest of step time, step length and duty",
        unit="%",
        scales="",
        good=(0.0, 15.0),
        bearable=(0.0, 50.0),
        mend="--mirror, which limps to the other side, too",
        factor=100.0,
    ),
    "asymmetry": Bound(
        label="joint asymmetry",
        meaning="left against right, of the joints' ranges",
        unit="%",
        scales="",
        good=(0.0, 25.0),
        bearable=(0.0, INF),
        mend="--mirror, which limps to the other side, too",
        factor=100.0,
    ),
    "limit_share": Bound(
        label="joints at limits",
        meaning="share of the frames with a joint at its limit",
        unit="%",
        scales="",
        good=(0.0, 5.0),
        bearable=(0.0, 30.0),
        mend="--start and --end, to smaller movements",
        factor=100.0,
    ),
    "joint_speed": Bound(
        label="joint speed",
        meaning="speed of the fastest joint",
        unit="rad/s",
        scales="rate",
        good=(0.0, 10.0),
        bearable=(0.0, 20.0),
        mend="--no-time-scale, the source's slower timing",
    ),
    "torque_peak": Bound(
        label="torque to limit",
        meaning="greatest torque, in the servo's limit",
        unit="",
        scales="",
        good=(0.0, 1.0),
        bearable=(0.0, 2.0),
        mend="--no-time-scale, the source's slower timing",
    ),
    "torque_above": Bound(
        label="torque above limit",
        meaning="share of the frames with a servo above its limit",
        unit="%",
        scales="",
        good=(0.0, 1.0),
        bearable=(0.0, 20.0),
        mend="--no-time-scale, the source's slower timing",
        factor=100.0,
    ),
    "zmp_inside": Bound(
        label="balance (ZMP inside)",
        meaning="share of the frames with the zero moment point between the feet on the ground",
        unit="%",
        scales="",
        good=(80.0, 100.0),
        bearable=(0.0, 100.0),
        mend="--refine, which keeps what the robot really did",
        factor=100.0,
    ),
    "zmp_distance": Bound(
        label="balance (ZMP outside by)",
        meaning="greatest way of the zero moment point outside the feet",
        unit="mm",
        scales="length",
        good=(0.0, 20.0),
        bearable=(0.0, 120.0),
        mend="--refine, which keeps what the robot really did",
        factor=1000.0,
    ),
    "tracking": Bound(
        label="distance from source",
        meaning="greatest root mean square distance of a body from its place in the source",
        unit="mm",
        scales="length",
        good=(0.0, 40.0),
        bearable=(0.0, 120.0),
        mend="--start and --end; if every clip has it, the robot's bodies",
        factor=1000.0,
    ),
    "speed_ratio": Bound(
        label="speed to similarity's",
        meaning="speed, in that of dynamic similarity",
        unit="",
        scales="",
        good=(0.85, 1.15),
        bearable=(0.5, 2.0),
        mend="leave out --no-time-scale",
    ),
    "walkable": Bound(
        label="walkable part",
        meaning="longest part in which nothing fails",
        unit="s",
        scales="",
        good=(1.0, INF),
        bearable=(0.8, INF),
        mend="what fails beside it, else another source",
    ),
}


NOT_JUDGED = ((-INF, INF), (-INF, INF))

OF_KIND: dict[str, dict[str, tuple[Range, Range]]] = {  # good and bearable, where a kind of motion has its own
    STANDING: {
        "duty": ((0.5, 1.0), (0.4, 1.0)),
        "alternation": NOT_JUDGED,  # a foot is set aright now and then
        "step_asymmetry": NOT_JUDGED,
        "asymmetry": NOT_JUDGED,  # people stand as they like
    },
    BACK: {"duty": ((0.5, 0.8), (0.4, 0.9))},
    ASIDE: {
        "duty": ((0.5, 0.85), (0.4, 0.95)),
        "alternation": NOT_JUDGED,
        "step_asymmetry": NOT_JUDGED,  # one foot goes ahead, the other closes up
        "asymmetry": NOT_JUDGED,
        "limit_share": ((0.0, 15.0), (0.0, 50.0)),  # hips and ankles roll as far as they go
        "torque_above": ((0.0, 1.0), (0.0, 50.0)),  # hips hold the body between feet that are set apart
        "zmp_distance": ((0.0, 40.0), (0.0, 200.0)),
    },
    ARC: {
        "step_asymmetry": ((0.0, 30.0), (0.0, 100.0)),  # the outer foot has the longer way
        "asymmetry": NOT_JUDGED,
        "torque_above": ((0.0, 1.0), (0.0, 40.0)),  # the outer hip holds the body in the curve
        "zmp_distance": ((0.0, 30.0), (0.0, 150.0)),
    },
    TURN: {
        "duty": ((0.5, 0.9), (0.4, 1.0)),
        "alternation": NOT_JUDGED,
        "step_asymmetry": NOT_JUDGED,
        "asymmetry": NOT_JUDGED,
    },
    RUNNING: {
        "float_height": ((0.0, 50.0), (0.0, 100.0)),
        "support": ((50.0, 100.0), (30.0, 100.0)),
        "clearance": ((10.0, 250.0), (3.0, 400.0)),
        "duty": ((0.25, 0.5), (0.15, 0.6)),
        "joint_speed": ((0.0, 20.0), (0.0, 30.0)),
        "torque_peak": ((0.0, 1.5), (0.0, 3.0)),
        "torque_above": ((0.0, 10.0), (0.0, 40.0)),
        "zmp_inside": ((40.0, 100.0), (0.0, 100.0)),  # of the frames with a foot on the ground; a flight has none
        "zmp_distance": ((0.0, 40.0), (0.0, 200.0)),
    },
}


def scale_of(name: str, leg: float) -> float:
    """Factor on the bounds of the figure `name` for a robot with legs of `leg` m, by dynamic similarity."""
    return (leg / DEFAULT_LEG) ** POWERS[BOUNDS[name].scales]


def scaled(name: str, leg: float, kind: str = AHEAD) -> tuple[Range, Range]:
    """Good and bearable range of a figure in its unit, for a kind of motion of a robot with legs of `leg` m."""
    scale, bound = scale_of(name, leg), BOUNDS[name]
    good, bearable = OF_KIND.get(kind, {}).get(name, (bound.good, bound.bearable))
    return _times(good, scale), _times(bearable, scale)


def good_range(name: str, leg: float = DEFAULT_LEG) -> Range:
    """Good range of the figure `name` in SI units, for a robot with legs of `leg` m."""
    return _times(scaled(name, leg)[0], 1.0 / BOUNDS[name].factor)


def _times(values: Range, factor: float) -> Range:
    low, high = values
    return low * factor, high * factor
