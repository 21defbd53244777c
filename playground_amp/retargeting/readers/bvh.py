"""BVH motions of persons -> Takes: joints found by name, units by the length of the legs, z up, SMPL's rest frames.

The zero pose of the file is its rest pose where a person stands in it, arms anywhere; for others see `bvh_rest_pose`.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from playground_amp.core.errors import InputError
from playground_amp.retargeting.readers.amass import Take
from playground_amp.retargeting.readers.bvh_file import Skeleton, read_skeleton
from playground_amp.retargeting.readers.bvh_joint_names import NEEDED, match
from playground_amp.retargeting.readers.bvh_rest_pose import moving_rest, trunk
from playground_amp.retargeting.readers.smpl_skeleton import (
    Y_UP,
    axes,
    leg_length,
    make_take,
    snap,
    standing_rest,
    unit,
)
from playground_amp.retargeting.readers.validation import check_file, metres

LEGS = (0.5, 1.2)  # m from hip to ankle, of a person
HIPS = (0.03, 0.6)  # m between the hips
UNITS = {"m": 1.0, "cm": 0.01, "mm": 0.001, "CMU's unit": 0.0254 / 0.45, "inches": 0.0254}  # m in one
UPRIGHT = 0.8  # cosine between leg and vertical of somebody who stands


def load_bvh(path: Path) -> Take:
    """Read a BVH motion of a person; raises InputError naming the file, what is wrong and what would be right."""
    check_file(path)
    skeleton = read_skeleton(path)
    found = match(skeleton.names, skeleton.parents)
    missing = [joint for joint in NEEDED if joint not in found]
    if missing:
        has = ", ".join(name[:30] for name in skeleton.names[:8]) + (", ..." if len(skeleton.names) > 8 else "")
        raise InputError(
            f"'{path}' is no skeleton of a person: no joint has a known name of {', '.join(missing)} (it has {has})"
        )
    zero = _zero_pose(skeleton)
    pose = {joint: zero[i] for joint, i in found.items()}
    scale = _unit_of(pose, path)
    positions, rotations = _kinematics(skeleton, found)
    frame = _standing_frame(pose)
    rest = moving_rest(positions, rotations) if frame is None else standing_rest(pose, frame)
    world = _upright(frame, positions)
    placed = {joint: scale * track @ world.T for joint, track in positions.items()}
    take = make_take(path.stem, placed, {j: world @ rotations[j] @ rest[j] for j in found}, skeleton.fps)
    metres(take.positions, "the body", path)
    return take


def _unit_of(pose: dict[str, np.ndarray], path: Path) -> float:
    """Metres in a unit of the file, by the length of the legs."""
    legs = leg_length(pose)
    scale = next((unit for unit in UNITS.values() if LEGS[0] <= legs * unit <= LEGS[1]), None)
    if scale is None:
        raise InputError(
            f"'{path}': its legs are {legs:.4g} long from hip to ankle, no person's in {', '.join(UNITS)} "
            f"({LEGS[0]} to {LEGS[1]} m)"
        )
    width = scale * float(np.linalg.norm(pose["left_hip"] - pose["right_hip"]))
    if not HIPS[0] <= width <= HIPS[1]:
        raise InputError(f"'{path}': its hips are {width:.3g} m apart, a person's {HIPS[0]} to {HIPS[1]} m")
    return scale


def _kinematics(skeleton: Skeleton, found: dict[str, int]) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Positions [N, 3] and rotations [N, 3, 3] of the joints found, in the file's units and world."""
    positions, rotations = [], []
    for i, parent in enumerate(skeleton.parents):
        bone, local = skeleton.translations.get(i, skeleton.offsets[i]), skeleton.rotations[:, i]
        root = parent < 0
        positions.append(bone if root else positions[parent] + (rotations[parent] @ bone[..., None])[..., 0])
        rotations.append(local if root else rotations[parent] @ local)
    return {joint: positions[i] for joint, i in found.items()}, {joint: rotations[i] for joint, i in found.items()}


def _zero_pose(skeleton: Skeleton) -> np.ndarray:
    """Positions [J, 3] with every rotation zero; a joint with positions stands where it is on average."""
    zero = np.zeros_like(skeleton.offsets)
    for i, parent in enumerate(skeleton.parents):
        if parent >= 0:
            moves = skeleton.translations.get(i)
            zero[i] = zero[parent] + (skeleton.offsets[i] if moves is None else moves.mean(axis=0))
    return zero


def _standing_frame(pose: dict[str, np.ndarray]) -> np.ndarray | None:
    """Left, up and forward of the zero pose as columns, or None if nobody stands like that."""
    left = unit(pose["left_hip"] - pose["right_hip"])
    up = unit(trunk(pose))
    if abs(left @ up) > UPRIGHT:
        return None
    frame = snap(axes(left, up))
    legs = [unit(pose[f"{side}_hip"] - pose[f"{side}_ankle"]) for side in ("left", "right")]
    return frame if all(leg @ frame[:, 1] > UPRIGHT for leg in legs) else None


def _upright(frame: np.ndarray | None, positions: dict[str, np.ndarray]) -> np.ndarray:
    """Rotation [3, 3] of the file's world into one with z up: y is up in BVH, z in some."""
    if frame is not None:
        up = frame[:, 1]
    else:
        ankles = 0.5 * (positions["left_ankle"] + positions["right_ankle"])
        hips = 0.5 * (positions["left_hip"] + positions["right_hip"])
        up = unit((hips - ankles + trunk(positions)).mean(axis=0))
    return np.eye(3) if up[2] > UPRIGHT else Y_UP
