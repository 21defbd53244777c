"""A motion that already is a robot's, and how what a file says becomes one."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from scipy.spatial.transform import Rotation

from playground_amp.core.errors import InputError
from playground_amp.retargeting.readers.hints import ReadHints
from playground_amp.retargeting.readers.joint_names import given_joints, limb_by_limb, renamed, unnamed_joints
from playground_amp.retargeting.readers.quaternion_order import ORDERS, find_order, root_up
from playground_amp.retargeting.readers.up_axis import TO_Z_UP, told
from playground_amp.retargeting.readers.validation import MOST_ANGLE, frame_rate, metres, numbers, unit_quaternions
from playground_amp.robots import Robot


@dataclass(frozen=True, eq=False)
class RobotMotion:
    """One motion of a robot. World frame, z up; heading and start as recorded."""

    name: str
    root_pos: np.ndarray  # [N, 3] m
    root_quat: np.ndarray  # [N, 4] unit quaternions (w, x, y, z)
    joint_pos: np.ndarray  # [N, J] rad
    joints: tuple[str, ...] | None  # names of the J joints, None where nothing tells them
    fps: float  # Hz
    notes: tuple[str, ...] = ()  # sentences on what was found or assumed
    start: float = 0.0  # s of the file at which it begins

    @property
    def duration(self) -> float:
        """Seconds from the first frame to the last."""
        return (len(self.root_pos) - 1) / self.fps


@dataclass(frozen=True, eq=False)
class WrittenMotion:
    """A robot's motion as its file has it. N frames, J joints."""

    name: str
    root_pos: np.ndarray  # [N, 3] in the file's unit and world
    root_rot: np.ndarray  # [N, 4] quaternions in `order`
    joint_pos: np.ndarray  # [N, J] rad
    fps: float  # Hz
    order: str  # of the quaternions, one of ORDERS
    order_certain: bool = False  # whether the file says the order itself
    joints: tuple[str, ...] | None = None
    bodies: np.ndarray | None = None  # [N, B, 3] positions of all bodies, numbered as the joints are
    notes: tuple[str, ...] = ()


def finished(written: WrittenMotion, path: Path, hints: ReadHints, robot: Robot | None) -> RobotMotion:
    """The motion with z up, in metres, w first, its joints named; raises InputError where it is not plausible."""
    quaternions, notes = _quaternions(written, path)
    found = root_up(quaternions, written.root_pos)
    up = hints.up or found or "z"
    notes += told(found, hints.up, "z")
    turn = Rotation.from_matrix(TO_Z_UP[up])
    root_pos = metres(written.root_pos * (hints.scale or 1.0), "the root", path)
    if up != "z":
        root_pos = turn.apply(root_pos)
        quaternions = (turn * Rotation.from_quat(quaternions, scalar_first=True)).as_quat(scalar_first=True)
    fps = written.fps if hints.fps is None else frame_rate(hints.fps, "--fps", path)
    motion = RobotMotion(written.name, root_pos, quaternions, written.joint_pos, None, fps, written.notes + notes)
    return _with_names(motion, written, path, hints, robot)


def _quaternions(written: WrittenMotion, path: Path) -> tuple[np.ndarray, tuple[str, ...]]:
    """Unit quaternions [N, 4], w first, and notes on their order; every array is checked first."""
    lengths = [len(array) for array in (written.root_pos, written.root_rot, written.joint_pos)]
    if len(set(lengths)) > 1:
        raise InputError(
            f"'{path}': the root's positions have {lengths[0]} frames, its rotations {lengths[1]}, the joints "
            f"{lengths[2]}; they must be as many"
        )
    most = float(np.abs(numbers(written.joint_pos, "the joints", path)).max())
    if most > MOST_ANGLE:
        raise InputError(f"'{path}': a joint turns to {most:.3g} rad; are its angles in radians?")
    quaternions = unit_quaternions(written.root_rot, "of the root", path)
    order, notes = (
        (written.order, ()) if written.order_certain else find_order(quaternions, written.order, written.root_pos)
    )
    return quaternions[:, ORDERS[order]], notes


def _with_names(
    motion: RobotMotion, written: WrittenMotion, path: Path, hints: ReadHints, robot: Robot | None
) -> RobotMotion:
    """The motion with the names of its joints: those given, those of the file, or those that fit the robot."""
    count = motion.joint_pos.shape[1]
    if hints.joints is not None:
        return replace(motion, joints=renamed(given_joints(hints.joints, count, path), robot))
    if written.joints is not None:
        return replace(motion, joints=renamed(written.joints, robot))
    root = np.concatenate([motion.root_pos, motion.root_quat], axis=1)
    by_limb = None if written.bodies is None else limb_by_limb(written.bodies)
    joints, notes = unnamed_joints(root, motion.joint_pos, robot, path, by_limb)
    return replace(motion, joints=joints, notes=motion.notes + notes)
