"""The record of a robot: what a YAML file says beside the MJCF, checked key by key.

Whether the names in it exist, `robots/check.py` finds out against the compiled model.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

from annotated_types import Ge, Gt, Len
from pydantic import ConfigDict, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

from playground_amp.config.yaml_schema import LowestFirst, Number, Whole, expected, read_yaml
from playground_amp.core.errors import InputError, nearest

Positive = Annotated[Number, Gt(0.0)]
NonNegative = Annotated[Number, Ge(0.0)]
Count = Annotated[Whole, Gt(0)]
Pair = tuple[str, str]
Point = tuple[Number, Number, Number]
Partner = tuple[str, Literal[1, -1]]
SECTION = {"names": "joints", "fixed": "fixed"}  # keys of the section `joints` -> of the record
WORDS = {Pair: "[left, right], two names", Partner: "[partner, 1] or [partner, -1]", Point: "[x, y, z], three numbers"}

frozen = dataclass(frozen=True, config=ConfigDict(extra="forbid"))


@frozen
class Sphere:
    """A contact sphere added to a body when the model is compiled."""

    name: str
    """Name of the geom."""
    body: str
    """Body it is fixed to."""
    pos: Point
    """Centre in the frame of the body, m."""
    radius: Positive
    """Radius, m."""


@frozen
class Gains:
    """A joint's position servo; what is left out is the MJCF's."""

    kp: Positive | None = None
    """Stiffness, N m/rad."""
    kv: NonNegative | None = None
    """Damping, N m s/rad."""
    torque: Positive | None = None
    """Largest torque, N m."""
    armature: NonNegative | None = None
    """Inertia of the motor's rotor as the joint feels it, kg m^2; a drive with gears has one, many an MJCF has none."""
    speed: Positive | None = None
    """Largest speed of the motor, rad/s: not simulated; the doctor holds clips to it."""


@frozen
class PhysicsOptions:
    """Settings of the simulation; what is left out is the MJCF's."""

    timestep: Positive | None = None
    """Time step, s."""
    integrator: Literal["euler", "implicitfast", "rk4"] | None = None
    """Integrator; implicitfast stays stable under strong damping, euler is the quickest."""
    cone: Literal["elliptic", "pyramidal"] | None = None
    """Friction cone."""
    solver: Literal["newton", "cg"] | None = None
    """Constraint solver."""
    iterations: Count | None = None
    """Iterations of the constraint solver."""
    ls_iterations: Count | None = None
    """Iterations of its line search."""


@frozen
class KeyBodies:
    """Bodies that a person's motion is carried over to; pairs are (left, right)."""

    pelvis: str
    """Body from which both legs hang."""
    chest: str
    """Body from which both arms hang, or the trunk's upper body."""
    hips: Pair
    """Bodies that carry the hip pitch joint."""
    knees: Pair
    """Bodies that carry the knee joint."""
    feet: Pair
    """Last bodies of the legs, with the ankle joint at their origin where there is one."""
    shoulders: Pair | None = None
    """First bodies of the arms."""
    elbows: Pair | None = None
    """Bodies that carry the elbow joint."""
    hands: Pair | None = None
    """A body, site or geom at the end of each arm."""


@frozen
class RetargetTable:
    """What retargeting does otherwise than the model alone tells; left out, it is measured from the kinematics."""

    foot_line: Number | None = None
    """From the middle to the line on which a foot walks, m; left out, where the feet are in the home pose."""
    foot_forward: Number | None = None
    """Ankle of a foot under the person's hip ahead of the pelvis, m; left out, that of the robot's hip."""
    lean: Number = 0.0
    """Forward pitch of the pelvis that the person's is added to, rad."""
    leg_reach: Positive | None = None
    """Longest distance from hip pitch axis to ankle, m; left out, that of a knee bent by 0.25 rad."""
    longest_step: Positive | None = None
    """Heel strike to heel strike, s; a slower step needs more sway than the legs allow."""
    zmp_share: Number = 1.0
    """Lateral place of the zero moment point in single support, as a share of foot_line."""
    pelvis_gain: Annotated[tuple[Number, Number, Number], Len(3, 3)] = (1.0, 1.0, 1.0)
    """Share of the person's pelvis yaw, pitch and roll; less where the legs cannot turn their feet back."""
    arm_posture: NonNegative = 0.16
    """Cost of an arm's joint out of the home pose, 1/rad, beside 0.3/m of elbow and hand out of their places."""


@frozen
class Mirror:
    """Reflection through the sagittal plane."""

    joints: dict[str, Partner]
    """Partner of each joint, itself where it lies in the plane, and the sign of the partner's angle."""
    pads: dict[str, str]
    """Partner of each pad."""


@frozen
class RobotDescription:
    """The record of a robot: everything its YAML file says."""

    name: str
    """Name that clips are made for."""
    mjcf: str
    """MJCF file: relative to the YAML file, absolute, or package:NAME/path inside an installed Python package."""
    root: str
    """Body with the free joint; it gets one if it has no joint."""
    joints: Annotated[tuple[str, ...], Len(1)]
    """Actuated hinge joints in the order of the model; other joints are welded at zero.

    In the file `joints` is this list, or a section with it in `names` and what follows in `fixed`.
    """
    pads: dict[str, Annotated[tuple[str, ...], Len(1)]]
    """Foot pads in the order of the contact features, the left foot's first: names of the spheres at their corners."""
    mirror: Mirror
    """What is on the other side, and with which sign."""
    contact_clearance: Annotated[tuple[Number, Number], LowestFirst]
    """Heights of a pad at which contact is 1 and 0, m."""
    home: dict[str, Number] = dataclasses.field(default_factory=dict)
    """Standing pose, rad; joints left out are at zero."""
    spheres: tuple[Sphere, ...] = ()
    """Contact spheres to add, where the feet have none of their own."""
    leg_length: Positive | None = None
    """Hip pitch axis to sole in the home pose, m; left out, it is measured (needs `bodies`)."""
    gains: dict[str, Gains] = dataclasses.field(default_factory=dict)
    """Servos by joint or pattern with *; of several that fit, the last one that has a key counts."""
    options: PhysicsOptions = dataclasses.field(default_factory=PhysicsOptions)
    """Settings of the simulation."""
    bodies: KeyBodies | None = None
    """Bodies that a person's motion is carried over to."""
    retarget: RetargetTable = dataclasses.field(default_factory=RetargetTable)
    """For making clips from people's motion; training does without."""
    fixed: tuple[str, ...] = ()
    """Those of the joints, by name or pattern with *, that are held at the clips' mean and are no policy's."""


def read_record(path: Path) -> RobotDescription:
    """The record in a YAML file; raises InputError with one sentence a mistake, naming file and key."""
    return parse_record(read_yaml(path), str(path))


def parse_record(values: dict[str, Any], source: str) -> RobotDescription:
    """The record of plain values; `source` is where they come from."""
    values, paths = _without_section(values, source)
    try:
        return TypeAdapter(RobotDescription).validate_python(values)
    except ValidationError as error:
        places = {_location(mistake["loc"]): mistake["type"] for mistake in error.errors()}
        sentences = [f"{source}: {_mistake(values, place, kind, paths)}" for place, kind in places.items()]
        raise InputError("\n".join(dict.fromkeys(sentences))) from None


def _without_section(values: dict[str, Any], source: str) -> tuple[dict[str, Any], dict[str, str]]:
    """The values with `joints: {names, fixed}` as two keys of the record, and how the file calls those two."""
    if not isinstance(values, dict):
        return values, {}
    if "fixed" in values:
        raise InputError(f"{source}: there is no key 'fixed'; write 'joints: {{names: [...], fixed: [...]}}'")
    section = values.get("joints")
    if not isinstance(section, dict):
        return values, {}
    if unknown := next((key for key in section if key not in SECTION), None):
        raise InputError(f"{source}: there is no key 'joints.{unknown}'; {nearest(str(unknown), list(SECTION))}")
    if "names" not in section:
        raise InputError(f"{source}: the key 'joints.names' is missing; expected {_words(_kind(('joints',)))}")
    flat = {SECTION[key]: value for key, value in section.items()}
    return values | flat, {name: f"joints.{key}" for key, name in SECTION.items()}


def _location(location: tuple) -> tuple:
    """Where a mistake is: entries of a pair or point belong to the whole, and a key is the value's place."""
    place = tuple(part for part in location if part != "[key]")
    while place and isinstance(place[-1], int) and not dataclasses.is_dataclass(_kind(place)):
        place = place[:-1]
    return place


def _mistake(values: dict[str, Any], place: tuple, kind: str, paths: dict[str, str]) -> str:
    path, words = ".".join(map(str, (paths.get(place[0], place[0]), *place[1:]))), _words(_kind(place))
    value: Any = values
    for part in place:
        if isinstance(value, dict) and part not in value:
            return f"the key '{path}' is missing; expected {words}"
        value = value[part]
    if kind in ("unexpected_keyword_argument", "extra_forbidden"):
        return f"there is no key '{path}'; {nearest(str(place[-1]), get_type_hints(_kind(place[:-1])))}"
    return f"{path} is {'empty' if value in (None, {}) else repr(value)}; expected {words}"


def _kind(place: tuple) -> Any:
    """Type of what stands at a place of the record, with its bounds."""
    kind: Any = RobotDescription
    for part in place:
        kind = _some(_inside(_plain(kind), part))
    return kind


def _inside(kind: Any, part: Any) -> Any:
    if dataclasses.is_dataclass(kind):
        return get_type_hints(kind, include_extras=True).get(part)
    arguments = get_args(kind)
    return arguments[-1] if get_origin(kind) is dict else (arguments or [None])[0]


def _some(kind: Any) -> Any:
    """X of `X | None`."""
    options = [option for option in get_args(kind) if option is not type(None)]
    return options[0] if get_origin(kind) in (Union, UnionType) else kind


def _plain(kind: Any) -> Any:
    """A type without its bounds."""
    return get_args(kind)[0] if get_origin(kind) is Annotated else kind


def _words(kind: Any) -> str:
    """What would be right."""
    plain = _plain(kind)
    arguments = get_args(plain)
    if plain in WORDS:
        return WORDS[plain]
    if dataclasses.is_dataclass(plain):
        return f"a section with the keys {', '.join(field.name for field in dataclasses.fields(plain))}"
    if get_origin(plain) is dict:
        return f"a section of lines 'NAME: ...', each {_words(arguments[1])}"
    if get_origin(plain) is tuple and arguments[-1] is ...:
        return f"a list of at least one, each {_words(arguments[0])}"
    return expected(kind)
