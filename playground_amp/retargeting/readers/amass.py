"""AMASS takes: `.npz` files of SMPL-H or SMPL-X poses -> world positions and rotations of the 22 body joints.

The skeleton is a mean adult of this project's own, rounded to a centimetre: AMASS body shapes (`betas`, `dmpls`) and
`gender` are ignored, for retargeting needs no more. A joint's rotation turns SMPL's rest frame (x left, y up,
z forward) into the world (z up).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.spatial.transform import Rotation

from playground_amp.core.errors import InputError
from playground_amp.retargeting.readers import safe_npz
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
POSE_WIDTHS = {156: "SMPL-H", 165: "SMPL-X"}
AMASS_KEYS = ("poses", "root_orient", "pose_body", "trans", "mocap_framerate", "mocap_frame_rate")

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

    @property
    def duration(self) -> float:
        """Seconds from the first frame to the last."""
        return (len(self.positions) - 1) / self.fps


def load_take(path: Path) -> Take:
    """Read an AMASS `.npz`; raises InputError naming the file, what is wrong and what would be right."""
    path = Path(path)
    if not path.is_file():
        raise InputError(f"there is no file '{path}'; give an AMASS .npz take")
    arrays = safe_npz.read(path, AMASS_KEYS)
    poses, trans, fps = _poses(arrays, path), _trans(arrays, path), _frame_rate(arrays, path)
    if len(trans) != len(poses):
        raise InputError(f"'{path}': trans has {len(trans)} frames and the poses {len(poses)}; they must be as many")
    positions, rotations = forward_kinematics(poses, trans)
    return Take(path.stem, positions, rotations, fps)


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


def _poses(arrays: dict[str, np.ndarray], path: Path) -> np.ndarray:
    """Axis-angle of the 22 body joints, [N, 66] rad."""
    if "poses" in arrays:
        poses = numbers(arrays["poses"], "poses", path)
        if poses.ndim != 2 or poses.shape[1] not in POSE_WIDTHS:
            widths = " or ".join(f"[N, {width}] ({model})" for width, model in POSE_WIDTHS.items())
            raise InputError(f"'{path}': poses has the shape {poses.shape}, expected {widths}")
        return _angles(poses[:, :66], "poses", path)
    if "root_orient" in arrays and "pose_body" in arrays:
        root = numbers(arrays["root_orient"], "root_orient", path)
        body = numbers(arrays["pose_body"], "pose_body", path)
        if root.shape != (len(root), 3) or body.shape != (len(root), 63):
            raise InputError(
                f"'{path}': root_orient {root.shape} and pose_body {body.shape} do not fit, expected [N, 3] and [N, 63]"
            )
        return _angles(np.concatenate([root, body], axis=1), "root_orient and pose_body", path)
    raise InputError(
        f"'{path}' holds no motion (neither poses nor root_orient and pose_body): it may be a shape.npz or a "
        "stagei.npz; give the take beside it"
    )


def _angles(poses: np.ndarray, key: str, path: Path) -> np.ndarray:
    """The axis-angles, or InputError for rotations of more than two turns: those are no radians."""
    most = float(np.abs(poses).max())
    if most > MOST_ANGLE:
        raise InputError(f"'{path}': {key} turns a joint by {most:.3g} rad; are its angles in radians?")
    return poses


def _trans(arrays: dict[str, np.ndarray], path: Path) -> np.ndarray:
    if "trans" not in arrays:
        raise InputError(f"'{path}' has no trans, the position of the body; an AMASS take has one, [N, 3] m")
    return metres(frames_of(arrays["trans"], "trans", 3, path), "trans", path)


def _frame_rate(arrays: dict[str, np.ndarray], path: Path) -> float:
    key = next((key for key in ("mocap_framerate", "mocap_frame_rate") if key in arrays), None)
    if key is None:
        raise InputError(f"'{path}' has no mocap_framerate (nor mocap_frame_rate), the frames per second of the take")
    return frame_rate(arrays[key], key, path)
