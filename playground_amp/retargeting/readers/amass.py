"""Takes of SMPL's bodies (AMASS, AIST++ and others) -> world positions and rotations of the 22 body joints.

SMPL, SMPL-H and SMPL-X begin with the same 22 joints; jaw, eyes and hands stay unread.

The skeleton is a mean adult of this project's own, rounded to a centimetre: AMASS body shapes (`betas`, `dmpls`) and
`gender` are ignored, for retargeting needs no more. A joint's rotation turns SMPL's rest frame (x left, y up,
z forward) into the world (z up).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy.spatial.transform import Rotation

from playground_amp.core.errors import InputError
from playground_amp.retargeting.readers import safe_npz
from playground_amp.retargeting.readers.hints import NO_HINTS, ReadHints
from playground_amp.retargeting.readers.up_axis import TO_Z_UP, told, up_axis
from playground_amp.retargeting.readers.validation import MOST_ANGLE, frame_rate, frames_of, metres, numbers

JOINTS = (
    "pelvis",
    "left_hip",
    "right_hip",
    "spine1",
    "left_knee",
    "right_knee",
    "spine2",
    "left_ankle",
    "right_ankle",
    "spine3",
    "left_foot",
    "right_foot",
    "neck",
    "left_collar",
    "right_collar",
    "head",
    "left_shoulder",
    "right_shoulder",
    "left_elbow",
    "right_elbow",
    "left_wrist",
    "right_wrist",
)
PARENTS = (-1, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 9, 9, 12, 13, 14, 16, 17, 18, 19)
POSE_WIDTHS = {156: "SMPL-H", 165: "SMPL-X", 72: "SMPL", 66: "its body alone"}
BODY_WIDTHS = (63, 69)  # of a pose without its root: SMPL-H and SMPL-X, and SMPL with its hands
POSES, ROOT, BODY = ("poses", "smpl_poses", "fullpose"), ("root_orient", "global_orient"), ("pose_body", "body_pose")
TRANS, SCALING = ("trans", "smpl_trans", "transl"), "smpl_scaling"  # AIST++ scales the body instead of the way
RATES = ("mocap_framerate", "mocap_frame_rate", "fps", "frame_rate")
_WIDTHS = tuple((width,) for width in BODY_WIDTHS)
MOTION_KEYS = (*POSES, *ROOT, *BODY)
AMASS_KEYS = (*MOTION_KEYS, *TRANS, SCALING, *RATES)

_LEFT_AND_MIDDLE = {
    "pelvis": (0.0, -0.22, 0.03),  # J0, from the origin of the rest pose; `trans` is added to it unrotated
    "left_hip": (0.07, -0.09, -0.01),
    "left_knee": (0.04, -0.38, 0.0),
    "left_ankle": (-0.01, -0.40, -0.04),
    "left_foot": (0.03, -0.06, 0.12),
    "spine1": (0.0, 0.11, -0.03),
    "spine2": (0.0, 0.14, 0.0),
    "spine3": (0.0, 0.05, 0.03),
    "neck": (0.0, 0.21, -0.04),
    "head": (0.0, 0.07, 0.05),
    "left_collar": (0.08, 0.12, -0.03),
    "left_shoulder": (0.09, 0.03, -0.01),
    "left_elbow": (0.26, -0.01, -0.03),
    "left_wrist": (0.25, 0.01, 0.0),
}


def _offset(joint: str) -> np.ndarray:
    mirrored = joint.startswith("right_")
    offset = np.array(_LEFT_AND_MIDDLE[joint.replace("right_", "left_")])
    return offset * [-1.0, 1.0, 1.0] if mirrored else offset


OFFSETS = np.stack([_offset(joint) for joint in JOINTS])  # [22, 3] m, to the parent, rest frame


@dataclass(frozen=True, eq=False)
class Take:
    """One recording of a person. World frame, z up; heading and start as recorded."""

    name: str
    positions: np.ndarray  # [N, 22, 3] m, in the order of JOINTS
    rotations: np.ndarray  # [N, 22, 3, 3] world from SMPL's rest frame
    fps: float  # Hz
    notes: tuple[str, ...] = ()  # sentences on what was found or assumed
    start: float = 0.0  # s of the file at which it begins

    @property
    def duration(self) -> float:
        """Seconds from the first frame to the last."""
        return (len(self.positions) - 1) / self.fps


def load_take(path: Path, hints: ReadHints = NO_HINTS) -> Take:
    """Read an AMASS `.npz`; raises InputError naming the file, what is wrong and what would be right."""
    path = Path(path)
    if not path.is_file():
        raise InputError(f"there is no file '{path}'; give an AMASS .npz take")
    return take_of(safe_npz.read(path, AMASS_KEYS), path, path.stem, hints)


def take_of(arrays: Mapping[str, Any], path: Path, name: str, hints: ReadHints = NO_HINTS) -> Take:
    """The take of SMPL's arrays by their keys in the file `path`; raises InputError as `load_take`."""
    poses, trans, fps = _poses(arrays, path), _trans(arrays, path, hints), _frame_rate(arrays, path, hints)
    if len(trans) != len(poses):
        raise InputError(f"'{path}': trans has {len(trans)} frames and the poses {len(poses)}; they must be as many")
    positions, rotations = forward_kinematics(poses, trans)
    found = up_axis(positions[:, JOINTS.index("head")] - positions[:, 7:9].mean(axis=1))
    up = hints.up or found or "z"
    return Take(name, positions @ TO_Z_UP[up].T, TO_Z_UP[up] @ rotations, fps, told(found, hints.up, "z"))


def forward_kinematics(poses: np.ndarray, trans: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Positions [N, 22, 3] and world rotations [N, 22, 3, 3] of axis-angle `poses` [N, 66] and `trans` [N, 3].

    The root turns about the pelvis joint, so pelvis = trans + J0 with J0 not rotated.
    """
    local = Rotation.from_rotvec(poses.reshape(-1, 3)).as_matrix().reshape(len(poses), len(JOINTS), 3, 3)
    positions, rotations = np.empty((len(poses), len(JOINTS), 3)), np.empty_like(local)
    positions[:, 0], rotations[:, 0] = trans + OFFSETS[0], local[:, 0]
    for joint, parent in enumerate(PARENTS[1:], start=1):
        positions[:, joint] = positions[:, parent] + rotations[:, parent] @ OFFSETS[joint]
        rotations[:, joint] = rotations[:, parent] @ local[:, joint]
    return positions, rotations


def _first(arrays: Mapping[str, Any], keys: tuple[str, ...]) -> str | None:
    """The first of the keys that the file has."""
    return next((key for key in keys if arrays.get(key) is not None), None)


def _poses(arrays: Mapping[str, Any], path: Path) -> np.ndarray:
    """Axis-angle of the 22 body joints, [N, 66] rad."""
    key, root_key, body_key = (_first(arrays, keys) for keys in (POSES, ROOT, BODY))
    if key:
        poses = _flat(numbers(arrays[key], key, path))
        if poses.ndim != 2 or poses.shape[1] not in POSE_WIDTHS:
            widths = ", ".join(f"[N, {width}] ({model})" for width, model in POSE_WIDTHS.items())
            raise InputError(f"'{path}': {key} has the shape {poses.shape}, expected one of {widths}")
        return _angles(poses[:, :66], key, path)
    if root_key and body_key:
        root = _flat(numbers(arrays[root_key], root_key, path))
        body = _flat(numbers(arrays[body_key], body_key, path))
        if root.shape != (len(root), 3) or body.shape[:1] != root.shape[:1] or body.shape[1:] not in _WIDTHS:
            raise InputError(
                f"'{path}': {root_key} {root.shape} and {body_key} {body.shape} do not fit, expected [N, 3] and [N, 63]"
            )
        return _angles(np.concatenate([root, body[:, :63]], axis=1), f"{root_key} and {body_key}", path)
    raise InputError(
        f"'{path}' holds no motion (neither poses nor root_orient and pose_body): it may be a shape.npz or a "
        "stagei.npz; give the take beside it"
    )


def _flat(poses: np.ndarray) -> np.ndarray:
    """[N, joints, 3] as [N, 3 joints]; everything else as it is."""
    return poses.reshape(len(poses), -1) if poses.ndim == 3 and poses.shape[2] == 3 else poses


def _angles(poses: np.ndarray, key: str, path: Path) -> np.ndarray:
    """The axis-angles, or InputError for rotations of more than two turns: those are no radians."""
    most = float(np.abs(poses).max())
    if most > MOST_ANGLE:
        raise InputError(f"'{path}': {key} turns a joint by {most:.3g} rad; are its angles in radians?")
    return poses


def _trans(arrays: Mapping[str, Any], path: Path, hints: ReadHints) -> np.ndarray:
    """Position of the body, [N, 3] m."""
    key = _first(arrays, TRANS)
    if key is None:
        raise InputError(f"'{path}' has no trans, the position of the body; an AMASS take has one, [N, 3] m")
    trans = frames_of(arrays[key], key, 3, path)
    if arrays.get(SCALING) is not None:
        trans = trans / _scaling(arrays[SCALING], path)
    return metres(trans * (hints.scale or 1.0), key, path)


def _scaling(value: object, path: Path) -> float:
    scaling = float(numbers(np.atleast_1d(np.asarray(value)), SCALING, path).reshape(-1)[0])
    if not 1e-3 < scaling < 1e3:
        raise InputError(f"'{path}': {SCALING} is {scaling:.3g}, expected the size of SMPL's body, near 1 or 100")
    return scaling


def _frame_rate(arrays: Mapping[str, Any], path: Path, hints: ReadHints) -> float:
    key = _first(arrays, RATES)
    if hints.fps is not None:
        return frame_rate(hints.fps, "--fps", path)
    if key is None:
        raise InputError(
            f"'{path}' has no mocap_framerate (nor {', '.join(RATES[1:])}), the frames per second of the take; "
            "--fps gives it"
        )
    return frame_rate(arrays[key], key, path)
