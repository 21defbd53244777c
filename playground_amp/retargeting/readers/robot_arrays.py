"""Motions of robots as named arrays: GMR, PHC and its kin, mjlab, BeyondMimic, Isaac Lab, LocoMuJoCo, MuJoCo's qpos.

Every one has a root's way, its rotation and the joints under keys of its own; where it has them of all bodies, the root
is the first, or the one that is called so. Quaternions are w x y z under the keys of simulators and x y z w under those
of trackers' data sets, and the pose is asked whether that is so.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from playground_amp.core.errors import InputError, listed
from playground_amp.retargeting.readers import safe_npz
from playground_amp.retargeting.readers.hints import NO_HINTS, ReadHints
from playground_amp.retargeting.readers.quaternion_order import W_FIRST, W_LAST
from playground_amp.retargeting.readers.robot_motion import RobotMotion, WrittenMotion, finished
from playground_amp.retargeting.readers.validation import FARTHEST, check_file, frame_rate, frames_of, numbers
from playground_amp.robots import Robot

POSITIONS = (
    *("root_pos", "root_trans_offset", "root_trans", "root_translation", "root_position", "base_pos"),
    *("body_pos_w", "body_positions"),
)
ROTATIONS = {
    "root_rot": W_LAST,
    "root_quat": W_FIRST,
    "root_rotation": W_LAST,
    "root_orientation": W_LAST,
    "base_quat": W_FIRST,
    "base_rot": W_LAST,
    "body_quat_w": W_FIRST,
    "body_rotations": W_FIRST,
}
JOINTS = ("dof_pos", "dof", "joint_pos", "dof_positions", "joint_positions")
RATES = ("fps", "frequency", "mocap_frame_rate", "mocap_framerate", "frame_rate")
NAMES = ("joint_names", "dof_names", "joints")
ROOTS = ("pelvis", "base_link", "base", "root", "trunk", "torso")  # names of the root among bodies
EXTRA = ("body_names", "split_points", "jnt_type")
ROBOT_KEYS = ("qpos", *POSITIONS, *ROTATIONS, *JOINTS, *RATES, *NAMES, *EXTRA)
MOTION_KEYS = {"qpos", "root_pos", "root_trans_offset", *JOINTS}  # any of them makes a file a robot's motion
MOST_MOTIONS = 10_000


def load_robot_npz(path: Path, hints: ReadHints = NO_HINTS, robot: Robot | None = None) -> list[RobotMotion]:
    """Read a robot's motions from an `.npz`; raises InputError naming the file and what is wrong."""
    check_file(path)
    return motions_of(safe_npz.read(path, ROBOT_KEYS), path, path.stem, hints, robot)


def motions_of(
    content: Mapping[str, Any], path: Path, name: str, hints: ReadHints, robot: Robot | None
) -> list[RobotMotion]:
    """The motions of named arrays: one, or as many as `split_points` make of it."""
    written = _written(content, path, name, hints)
    ends = _split(content.get("split_points"), len(written.root_pos), path)
    if len(ends) == 2:
        return [finished(written, path, hints, robot)]
    return [
        finished(_part(written, first, last, f"{name}_{i}"), path, hints, robot)
        for i, (first, last) in enumerate(pairwise(ends))
    ]


def _part(written: WrittenMotion, first: int, last: int, name: str) -> WrittenMotion:
    rows = slice(first, last)
    arrays = {key: getattr(written, key)[rows] for key in ("root_pos", "root_rot", "joint_pos")}
    return replace(written, name=name, **arrays)


def _written(content: Mapping[str, Any], path: Path, name: str, hints: ReadHints) -> WrittenMotion:
    fps = _rate(content, path, hints)
    key = _whole_qpos(content, path)
    if key is not None:
        qpos = _free(content, frames_at(content, key, path), key, path)
        names = _names(content, qpos.shape[1] - 7, path)
        return WrittenMotion(name, qpos[:, :3], qpos[:, 3:7], qpos[:, 7:], fps, W_FIRST, joints=names)
    body = _root_body(content.get("body_names"))
    rotation = first_key(content, tuple(ROTATIONS), "root_rot", path)
    position = first_key(content, POSITIONS, "root_pos", path)
    joints = first_key(content, JOINTS, "dof_pos", path)
    angles = frames_at(content, joints, path)
    return WrittenMotion(
        name,
        _of_root(content, position, 3, body, path),
        _of_root(content, rotation, 4, body, path),
        angles,
        fps,
        ROTATIONS[rotation],
        joints=_names(content, angles.shape[1], path),
        bodies=_bodies(content[position]),
    )


def _bodies(positions: object) -> np.ndarray | None:
    """Positions of all bodies [N, B, 3], where these are."""
    if not isinstance(positions, np.ndarray) or positions.ndim != 3 or positions.shape[1] < 2:
        return None
    bodies = positions.astype(np.float64)
    return bodies if np.abs(bodies).max() < FARTHEST else None


def _whole_qpos(content: Mapping[str, Any], path: Path) -> str | None:
    """The key under which the root stands before the joints: `qpos`, or one for joints where no root is beside it."""
    if content.get("qpos") is not None:
        return "qpos"
    if any(content.get(key) is not None for key in (*POSITIONS, *ROTATIONS)):
        return None
    for key in JOINTS:
        value = content.get(key)
        if isinstance(value, np.ndarray) and value.ndim == 2 and value.shape[1] > 7 and value.dtype.kind in "iuf":
            lengths = np.linalg.norm(numbers(value, key, path)[:, 3:7], axis=1)
            if (np.abs(lengths - 1.0) < 0.05).all():
                return key
    return None


def _free(content: Mapping[str, Any], qpos: np.ndarray, key: str, path: Path) -> np.ndarray:
    kinds = content.get("jnt_type")
    free = not isinstance(kinds, np.ndarray) or kinds.size == 0 or bool(np.asarray(kinds.flat[0] == 0).item())
    if qpos.shape[1] < 8 or not free:
        raise InputError(
            f"'{path}': {key} has the shape {qpos.shape}, expected [N, 7 + joints], of a root with a free joint"
        )
    return qpos


def first_key(content: Mapping[str, Any], keys: tuple[str, ...], usual: str, path: Path) -> str:
    """The first of the keys that the file has; raises InputError, naming the `usual` one, where it has none."""
    key = next((key for key in keys if content.get(key) is not None), None)
    if key is None:
        has = ", ".join(sorted(str(key)[:30] for key in content)[:8]) or "nothing"
        raise InputError(
            f"'{path}' has no {usual}; a robot's motion has root_pos, root_rot, dof_pos and fps, and this has {has}"
        )
    return key


def frames_at(content: Mapping[str, Any], key: str, path: Path, width: int | None = None) -> np.ndarray:
    """The array [N, width] under a key; one of [N, width, 1] counts as such."""
    value = content[key]
    if not isinstance(value, np.ndarray):
        raise InputError(f"'{path}': {key} is a {type(value).__name__}, expected an array of numbers")
    return frames_of(value[..., 0] if value.ndim == 3 and value.shape[2] == 1 else value, key, width, path)


def _of_root(content: Mapping[str, Any], key: str, width: int, body: int, path: Path) -> np.ndarray:
    """The root's part [N, width] of an array that may be of all bodies, [N, B, width]."""
    value = content[key]
    if isinstance(value, np.ndarray) and value.ndim == 3 and value.shape[1] > 0:
        value = value[:, min(body, value.shape[1] - 1)]
    return frames_at({key: value}, key, path, width)


def _root_body(names: object) -> int:
    """Place of the root among the bodies: the first, unless another is called so."""
    value = names.tolist() if isinstance(names, np.ndarray) else names
    plain = [str(name).rsplit("/", 1)[-1].lower() for name in value] if isinstance(value, list | tuple) else []
    return next((plain.index(root) for root in ROOTS if root in plain), 0)


def _rate(content: Mapping[str, Any], path: Path, hints: ReadHints) -> float:
    if hints.fps is not None:
        return frame_rate(hints.fps, "--fps", path)
    key = next((key for key in RATES if content.get(key) is not None), None)
    if key is None:
        raise InputError(f"'{path}' has no fps, the frames per second of the motion; --fps gives it")
    value = content[key]
    return frame_rate(value if isinstance(value, int | float | np.ndarray) else None, key, path)


def _names(content: Mapping[str, Any], count: int, path: Path) -> tuple[str, ...] | None:
    """Names of the joints as the file tells them; MuJoCo's free joint, where it is named before them, is left out."""
    key = next((key for key in NAMES if content.get(key) is not None), None)
    if key is None:
        return None
    value = content[key]
    names = value.tolist() if isinstance(value, np.ndarray) else value
    if not isinstance(names, list | tuple) or not all(isinstance(name, str) for name in names):
        raise InputError(f"'{path}': {key} must be the names of the {count} joints in their order")
    if len(names) == count + 1:
        names = names[1:]
    if len(names) != count or len(set(names)) != count:
        told = listed([name[:30] for name in names]) if names else "nothing"
        raise InputError(f"'{path}': {key} must be the names of the {count} joints in their order, and has {told}")
    return tuple(names)


def _split(points: object, frames: int, path: Path) -> list[int]:
    """Frames at which motions begin, and the end of the last."""
    if points is None:
        return [0, frames]
    ends = np.asarray(points).reshape(-1)
    rising = ends.dtype.kind in "iu" and 2 <= len(ends) <= MOST_MOTIONS and (np.diff(ends.astype(float)) > 0).all()
    if not rising or int(ends[0]) != 0 or int(ends[-1]) != frames:
        raise InputError(f"'{path}': split_points must rise from 0 to the {frames} frames, one for every motion")
    return [int(end) for end in ends]
