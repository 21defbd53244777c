"""Whether the record of a robot fits its compiled model: the first thing that does not, as one sentence."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from fnmatch import fnmatchcase

import mujoco

from playground_amp.core.errors import InputError, nearest
from playground_amp.robots.kinematic_tree import ancestors
from playground_amp.robots.robot import Robot

SPHERE = mujoco.mjtGeom.mjGEOM_SPHERE


def check_robot(robot: Robot, source: str) -> None:
    """Raise InputError for the first key of the record that does not fit, naming `source`, the key and what would."""
    for mistakes in (_of_home, _of_pads, _of_mirror, _of_bodies, _of_fixed):  # the first compiles the model
        for mistake in mistakes(robot):
            raise InputError(f"{source}: {mistake}")


def _of_home(robot: Robot) -> Iterator[str]:
    yield from _unknown("home", robot.record.home, robot.joints, "joint")
    for joint, angle, (low, high) in zip(robot.joints, robot.home, robot.joint_range, strict=True):
        if not low - 1e-9 <= angle <= high + 1e-9:
            yield f"home.{joint} is {angle:g} rad, outside of the joint's range {low:.4g} to {high:.4g} rad"


def _of_pads(robot: Robot) -> Iterator[str]:
    model = robot.model
    names = [model.geom(i).name for i in range(model.ngeom)]
    if not robot.pads:
        yield "pads names no pad; give the spheres under each foot"
    for pad, geoms in robot.pads.items():
        yield from _unknown(f"pads.{pad}", geoms, [name for name in names if name], "geom")
        if other := next((geom for geom in geoms if model.geom(geom).type[0] != SPHERE), None):
            yield f"pads.{pad}: the geom '{other}' is no sphere; list contact spheres in 'spheres' and name those"


def _of_mirror(robot: Robot) -> Iterator[str]:
    record = robot.record
    joints = {joint: partner for joint, (partner, _) in record.mirror.joints.items()}
    sides = [("joints", joints, record.joints), ("pads", record.mirror.pads, list(record.pads))]
    for key, partners, names in sides:
        yield from _unknown(f"mirror.{key}", partners, names, key[:-1])
        for name in names:
            if name not in partners:
                yield f"mirror.{key} leaves out '{name}'; give its partner, itself if it lies in the middle"
            elif partners.get(partners[name]) != name:
                yield f"mirror.{key}.{name}: its partner '{partners[name]}' must have '{name}' as its own partner"
    names, half = list(record.pads), len(record.pads) // 2
    if [record.mirror.pads[name] for name in names] != [*names[half:], *names[:half]]:
        yield f"pads {', '.join(names)} do not name the left foot's first, then the right one's in the same order"
    for joint, (partner, sign) in record.mirror.joints.items():
        if record.mirror.joints[partner][1] != sign:
            yield f"mirror.joints: '{joint}' and '{partner}' have different signs; a reflection has one for both"


def _of_bodies(robot: Robot) -> Iterator[str]:
    if robot.bodies is None:
        if robot.record.leg_length is None:
            yield "leg_length and bodies are both left out; give leg_length, hip pitch axis to sole in the home pose, m"
        return
    model = robot.model
    bodies = [model.body(i).name for i in range(1, model.nbody)]
    places = [
        *bodies,
        *(model.site(i).name for i in range(model.nsite)),
        *(model.geom(i).name for i in range(model.ngeom)),
    ]
    for key, value in vars(robot.bodies).items():
        names = [value] if isinstance(value, str) else value or ()
        known, what = (places, "body, site or geom") if key == "hands" else (bodies, "body")
        yield from _unknown(f"bodies.{key}", names, [name for name in known if name], what)


def _of_fixed(robot: Robot) -> Iterator[str]:
    """Joints that are held must leave a walk as it is: they move no foot, and both sides have them."""
    model, joints = robot.model, robot.record.joints
    for pattern in robot.record.fixed:
        if not any(fnmatchcase(joint, pattern) for joint in joints):
            yield f"joints.fixed: '{pattern}' fits no joint; {nearest(pattern, joints)}"
    carriers = {pad: int(model.geom_bodyid[geoms[0]]) for pad, geoms in zip(robot.pads, robot.pad_geoms, strict=True)}
    for joint in robot.fixed:
        body, partner = int(model.joint(joint).bodyid[0]), robot.record.mirror.joints[joint][0]
        if pad := next((pad for pad, carrier in carriers.items() if body in ancestors(model, carrier)), None):
            yield f"joints.fixed: '{joint}' moves the pad '{pad}'; only joints that move no foot can be held"
        if partner not in robot.fixed:
            yield f"joints.fixed: '{joint}' is held and its partner '{partner}' is not; list both"
        others = [other for other in joints if int(model.joint(other).bodyid[0]) == body and other not in robot.fixed]
        if others:
            yield f"joints.fixed: '{joint}' is at the same body as '{others[0]}', which is not held; list both"


def _unknown(key: str, names: Iterable[str], known: Sequence[str], what: str) -> Iterator[str]:
    for name in names:
        if name not in known:
            yield f"{key}: there is no {what} '{name}'; {nearest(name, known)}"
