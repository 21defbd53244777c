"""Joints that are no policy's: held at one angle, they are welded there, and the robot is one without them.

What is left has fewer degrees of freedom, actions, observations and features. Joints that move a foot cannot be held:
the clips' feet would go elsewhere.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase

import mujoco
import numpy as np

from playground_amp.robots.record import Gains, RobotDescription
from playground_amp.robots.symmetry import pose


@dataclass(frozen=True)
class HeldJoint:
    """A joint of the robot that its servo holds at one angle, whatever the policy does."""

    angle: float  # rad
    spread: float  # rad, standard deviation in the clips, whose motion of it is left out
    servo: Gains  # as it is in the robot's full model


def fixed_joints(record: RobotDescription) -> tuple[str, ...]:
    """The joints that the names and patterns of `joints.fixed` mean, in the order of the MJCF."""
    return tuple(joint for joint in record.joints if any(fnmatchcase(joint, pattern) for pattern in record.fixed))


def servo_of(model: mujoco.MjModel, joint: str) -> Gains:
    """The position servo of a joint in the compiled model."""
    servo = model.actuator(joint)
    armature = float(model.dof_armature[model.joint(joint).dofadr[0]])
    return Gains(float(servo.gainprm[0]), -float(servo.biasprm[2]), float(servo.forcerange[1]), armature)


def weld_at(spec: mujoco.MjSpec, model: mujoco.MjModel, angles: Mapping[str, float]) -> None:
    """Turn the bodies of joints (name: rad) as far as these would turn them; `model` is compiled from `spec`.

    The joints themselves are still there, at zero. A body whose pose in its parent is B becomes B D, with D what its
    joints do in the body's own frame: B stays as it is written where the body stands in a <frame>.
    """
    moved = pose(model, angles)
    for index in sorted({int(model.joint(joint).bodyid[0]) for joint in angles}):
        body, parent = spec.body(model.body(index).name), int(model.body_parentid[index])
        now = _product(_inverse((moved.xpos[parent], moved.xquat[parent])), (moved.xpos[index], moved.xquat[index]))
        turned = _product(_inverse((model.body_pos[index], model.body_quat[index])), now)
        body.pos, body.quat = _product((body.pos, _written(spec, body)), turned)
        body.alt.type = mujoco.mjtOrientation.mjORIENTATION_QUAT


def _written(spec: mujoco.MjSpec, body: mujoco.MjsBody) -> np.ndarray:
    """The orientation that the MJCF gives a body, as a quaternion."""
    if body.alt.type == mujoco.mjtOrientation.mjORIENTATION_QUAT:
        return np.array(body.quat)
    return np.array(spec.resolve_orientation(spec.compiler.degree, spec.compiler.eulerseq, body.alt))


Pose = tuple[np.ndarray, np.ndarray]  # position [3] m, quaternion [4] w x y z


def _product(one: Pose, other: Pose) -> Pose:
    pos, quat = np.empty(3), np.empty(4)
    mujoco.mju_mulPose(pos, quat, *(np.array(part, np.float64) for part in (*one, *other)))
    return pos, quat


def _inverse(one: Pose) -> Pose:
    pos, quat = np.empty(3), np.empty(4)
    mujoco.mju_negPose(pos, quat, *(np.array(part, np.float64) for part in one))
    return pos, quat
