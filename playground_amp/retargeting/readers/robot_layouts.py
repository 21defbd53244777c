"""Names of the joints of known robots, in the orders in which files of motion without names have them."""

from __future__ import annotations

import mujoco

from playground_amp.robots import Robot


def _sides(*joints: str) -> tuple[str, ...]:
    return tuple(f"{side}_{joint}_joint" for side in ("left", "right") for joint in joints)


def _waist(*joints: str) -> tuple[str, ...]:
    return tuple(f"{joint}_joint" for joint in joints)


_LEG = ("hip_pitch", "hip_roll", "hip_yaw", "knee", "ankle_pitch", "ankle_roll")
_YAW_FIRST = ("hip_yaw", "hip_pitch", "hip_roll", "knee", "ankle_pitch", "ankle_roll")
_WAIST = ("waist_yaw", "waist_roll", "waist_pitch")
_ARM = ("shoulder_pitch", "shoulder_roll", "shoulder_yaw", "elbow")
_WRIST = ("wrist_roll", "wrist_pitch", "wrist_yaw")
G1 = (*_sides(*_LEG), *_waist(*_WAIST), *_sides(*_ARM, *_WRIST))
H1_2 = (*_sides(*_YAW_FIRST), *_waist("torso"), *_sides(*_ARM, *_WRIST))
H1 = (*_sides("hip_yaw", "hip_roll", "hip_pitch", "knee", "ankle"), *_waist("torso"), *_sides(*_ARM))
_LEVELS = (  # of the G1's tree, as Isaac Lab numbers joints: level by level, not limb by limb
    *(("hip_pitch", "waist_yaw"), ("hip_roll", "waist_roll"), ("hip_yaw", "waist_pitch"), ("knee", "shoulder_pitch")),
    *(("ankle_pitch", "shoulder_roll"), ("ankle_roll", "shoulder_yaw"), ("elbow",)),
    *((joint,) for joint in _WRIST),
)


def _level(joint: str) -> tuple[str, ...]:
    return _waist(joint) if joint in _WAIST else _sides(joint)


LAYOUTS = {  # the most usual of a width first
    "g1_29": G1,
    "g1_29_isaac_lab": tuple(name for level in _LEVELS for joint in level for name in _level(joint)),
    "h1_2_27": H1_2,
    "g1_27_locked_waist": (*_sides(*_LEG), *_waist("waist_yaw"), *_sides(*_ARM, *_WRIST)),
    "g1_23": (*_sides(*_LEG), *_waist("waist_yaw"), *_sides(*_ARM, "wrist_roll")),
    "g1_23_without_wrists": (*_sides(*_LEG), *_waist(*_WAIST), *_sides(*_ARM)),
    "h1_2_21_without_wrists": (*_sides(*_YAW_FIRST), *_waist("torso"), *_sides(*_ARM)),
    "h1_19": H1,
}
USUAL = {29: "g1_29", 27: "h1_2_27", 19: "h1_19"}  # by their number, where nothing else tells


def breadth_first(robot: Robot) -> tuple[str, ...]:
    """The robot's joints as Isaac Lab numbers them: level by level of the tree of bodies."""
    model = robot.model
    body_of = {joint: int(model.jnt_bodyid[model.joint(joint).id]) for joint in robot.joints}
    return tuple(sorted(robot.joints, key=lambda joint: (_depth(model, body_of[joint]), robot.joints.index(joint))))


def _depth(model: mujoco.MjModel, body: int) -> int:
    """Number of bodies above one."""
    return 0 if body == 0 else 1 + _depth(model, int(model.body_parentid[body]))
