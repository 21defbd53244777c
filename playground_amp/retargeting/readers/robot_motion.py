"""Motions that already are a robot's: GMR's `.pkl` and `.npz`, Unitree's `.csv`, and this project's own clips.

General Motion Retargeting (github.com/YanjieZe/GMR) pickles a dict: fps, root_pos [N, 3] m, root_rot [N, 4] quaternions
(x, y, z, w), dof_pos [N, J] rad, and local_body_pos and link_body_list, which may be None and stay unread.
Unitree's LAFAN1 retargeting data set is a `.csv` without a header, 30 frames a second, one a row: root x y z,
quaternion x y z w, then the joints in the order below. Converters of GMR's pickles write other robots alike.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from playground_amp.core.errors import InputError
from playground_amp.retargeting.readers import safe_npz
from playground_amp.retargeting.readers.safe_pickle import load_plain
from playground_amp.retargeting.readers.validation import (
    MOST_ANGLE,
    check_file,
    frame_rate,
    frames_of,
    metres,
    numbers,
    unit_quaternions,
)

RATE_KEYS = ("fps", "frequency", "mocap_frame_rate", "mocap_framerate")
NAME_KEYS = ("joint_names", "dof_names", "joints")
ROBOT_KEYS = ("root_pos", "root_rot", "dof_pos", "qpos", *RATE_KEYS, *NAME_KEYS)
CSV_RATE = 30.0  # Hz, of the whole data set and the default of tools that write alike; the files do not tell


def _sides(*joints: str) -> tuple[str, ...]:
    return tuple(f"{side}_{joint}_joint" for side in ("left", "right") for joint in joints)


def _waist(*joints: str) -> tuple[str, ...]:
    return tuple(f"{joint}_joint" for joint in joints)


_ARM = ("shoulder_pitch", "shoulder_roll", "shoulder_yaw", "elbow")
_WRIST = ("wrist_roll", "wrist_pitch", "wrist_yaw")
G1 = (
    *_sides("hip_pitch", "hip_roll", "hip_yaw", "knee", "ankle_pitch", "ankle_roll"),
    *_waist("waist_yaw", "waist_roll", "waist_pitch"),
    *_sides(*_ARM, *_WRIST),
)
H1_2 = (
    *_sides("hip_yaw", "hip_pitch", "hip_roll", "knee", "ankle_pitch", "ankle_roll"),
    *_waist("torso"),
    *_sides(*_ARM, *_WRIST),
)
H1 = (*_sides("hip_yaw", "hip_roll", "hip_pitch", "knee", "ankle"), *_waist("torso"), *_sides(*_ARM))
UNITREE = {len(joints): joints for joints in (G1, H1_2, H1)}  # 29, 27 and 19 joints


@dataclass(frozen=True, eq=False)
class RobotMotion:
    """One motion of a robot. World frame, z up; heading and start as recorded."""

    name: str
    root_pos: np.ndarray  # [N, 3] m
    root_quat: np.ndarray  # [N, 4] unit quaternions (w, x, y, z)
    joint_pos: np.ndarray  # [N, J] rad
    joints: tuple[str, ...] | None  # names of the J joints, None where the file does not tell them
    fps: float  # Hz

    @property
    def duration(self) -> float:
        """Seconds from the first frame to the last."""
        return (len(self.root_pos) - 1) / self.fps


def load_pickle(path: Path) -> RobotMotion:
    """Read GMR's `.pkl` without running it; raises InputError naming the file and what is wrong."""
    check_file(path)
    content = load_plain(path)
    if not isinstance(content, dict):
        raise InputError(
            f"'{path}' holds a {type(content).__name__} instead of a dict with root_pos, root_rot, dof_pos"
        )
    return _from_keys(content, path)


def load_npz(path: Path) -> RobotMotion:
    """Read an `.npz` with GMR's keys, or with `qpos` [N, 7 + J] as MuJoCo orders it (quaternion w x y z)."""
    check_file(path)
    return _from_keys(safe_npz.read(path, ROBOT_KEYS), path)


def load_csv(path: Path) -> RobotMotion:
    """Read a `.csv` as Unitree writes it: of a G1 (36 columns), H1_2 (34), H1 (26), or of a robot with other joints."""
    check_file(path)
    rows = _rows(path)
    count = rows.shape[1] - 7
    if count < 1:
        raise InputError(
            f"'{path}' has {rows.shape[1]} columns, expected root x y z, quaternion x y z w, then every joint"
        )
    return _motion(path, rows[:, :3], rows[:, [6, 3, 4, 5]], rows[:, 7:], UNITREE.get(count), CSV_RATE)


def _rows(path: Path) -> np.ndarray:
    """The numbers of a `.csv`, [N, columns]."""
    lines = [line for line in path.read_text(encoding="utf-8", errors="replace").splitlines() if line.strip()]
    widths = [line.count(",") + 1 for line in lines]
    odd = next((i for i, width in enumerate(widths) if width != widths[0]), None)
    if odd is not None:
        raise InputError(f"'{path}': row {odd + 1} has {widths[odd]} values, the first one {widths[0]}; is it cut off?")
    if not lines:
        raise InputError(f"'{path}' has no rows; a motion needs at least one frame")
    try:
        table = np.loadtxt(lines, delimiter=",", comments=None, ndmin=2)
    except ValueError:
        raise InputError(
            f"'{path}' holds something else than numbers and commas; Unitree's motions have no header, and the root "
            "and the joints in every row"
        ) from None
    return frames_of(table, "the table", None, path)


def _from_keys(content: Mapping[str, Any], path: Path) -> RobotMotion:
    if "qpos" in content:
        qpos = _frames(content, "qpos", None, path)
        if qpos.shape[1] < 8:
            raise InputError(f"'{path}': qpos has the shape {qpos.shape}, expected [N, 7 + joints]")
        root_pos, root_quat, joint_pos = qpos[:, :3], qpos[:, 3:7], qpos[:, 7:]
    else:
        root_pos = _frames(content, "root_pos", 3, path)
        root_quat = _frames(content, "root_rot", 4, path)[:, [3, 0, 1, 2]]
        joint_pos = _frames(content, "dof_pos", None, path)
    return _motion(
        path, root_pos, root_quat, joint_pos, _names(content, joint_pos.shape[1], path), _rate(content, path)
    )


def _frames(content: Mapping[str, Any], key: str, width: int | None, path: Path) -> np.ndarray:
    value = content.get(key)
    if value is None:
        raise InputError(f"'{path}' has no {key}; a robot's motion has root_pos, root_rot, dof_pos and fps")
    if not isinstance(value, np.ndarray):
        raise InputError(f"'{path}': {key} is a {type(value).__name__}, expected an array of numbers")
    return frames_of(value, key, width, path)


def _rate(content: Mapping[str, Any], path: Path) -> float:
    key = next((key for key in RATE_KEYS if content.get(key) is not None), None)
    if key is None:
        raise InputError(f"'{path}' has no fps, the frames per second of the motion")
    value = content[key]
    return frame_rate(value if isinstance(value, int | float | np.ndarray) else None, key, path)


def _names(content: Mapping[str, Any], count: int, path: Path) -> tuple[str, ...] | None:
    """Names of the joints as the file tells them; by their number for the G1, which GMR's files mostly are."""
    key = next((key for key in NAME_KEYS if content.get(key) is not None), None)
    if key is None:
        return G1 if count == len(G1) else None
    value = content[key]
    names = value.tolist() if isinstance(value, np.ndarray) else value
    if not isinstance(names, list | tuple) or not all(isinstance(name, str) for name in names) or len(names) != count:
        raise InputError(f"'{path}': {key} must be the names of the {count} joints in their order")
    return tuple(names)


def _motion(
    path: Path,
    root_pos: np.ndarray,
    root_quat: np.ndarray,
    joint_pos: np.ndarray,
    joints: tuple[str, ...] | None,
    fps: float,
) -> RobotMotion:
    """The motion once its lengths, quaternions and angles are plausible."""
    if not len(root_pos) == len(root_quat) == len(joint_pos):
        raise InputError(
            f"'{path}': the root's positions have {len(root_pos)} frames, its rotations {len(root_quat)}, the joints "
            f"{len(joint_pos)}; they must be as many"
        )
    metres(root_pos, "the root", path)
    most = float(np.abs(numbers(joint_pos, "the joints", path)).max())
    if most > MOST_ANGLE:
        raise InputError(f"'{path}': a joint turns to {most:.3g} rad; are its angles in radians?")
    return RobotMotion(path.stem, root_pos, unit_quaternions(root_quat, "of the root", path), joint_pos, joints, fps)
