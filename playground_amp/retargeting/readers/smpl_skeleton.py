"""A foreign skeleton becomes a Take: its joints under SMPL's names, its rest pose turned into SMPL's, gaps filled.

A joint's rotation in a Take turns SMPL's rest frame (x left, y up, z forward, arms out) into the world: W C with W the
rotation in the file and C, constant, from SMPL's rest frame into the joint's own axes.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from scipy.spatial.transform import Rotation

from playground_amp.retargeting.readers.amass import JOINTS, OFFSETS, PARENTS, Take

LIMBS = {  # joints whose rest direction is that of the bone to the next one
    f"{side}_{joint}": f"{side}_{child}"
    for side in ("left", "right")
    for joint, child in (("hip", "knee"), ("knee", "ankle"), ("shoulder", "elbow"), ("elbow", "wrist"))
}
SNAP_ANGLE = 30.0  # degrees
LEG = float(np.linalg.norm(OFFSETS[JOINTS.index("left_knee")]) + np.linalg.norm(OFFSETS[JOINTS.index("left_ankle")]))


def unit(vector: np.ndarray) -> np.ndarray:
    """The vector with length 1; zero stays zero."""
    return vector / max(float(np.linalg.norm(vector)), 1e-12)


def axes(left: np.ndarray, up: np.ndarray) -> np.ndarray:
    """Rotation [3, 3] whose columns are left, up (made orthogonal to it) and forward."""
    left = unit(left)
    up = unit(up - left * (left @ up))
    return np.stack([left, up, np.cross(left, up)], axis=1)


def snap(rotation: np.ndarray) -> np.ndarray:
    """The nearest rotation by right angles, if it is nearer than SNAP_ANGLE degrees: what the maker of a rig meant."""
    nearest = np.zeros((3, 3))
    nearest[np.abs(rotation).argmax(axis=0), range(3)] = 1.0
    nearest *= np.sign(rotation)
    if abs(np.linalg.det(nearest) - 1.0) > 1e-9:
        return rotation
    angle = np.rad2deg(Rotation.from_matrix(nearest.T @ rotation).magnitude())
    return nearest if angle < SNAP_ANGLE else rotation


def shortest_rotation(start: np.ndarray, end: np.ndarray) -> np.ndarray:
    """The shortest rotation [3, 3] that turns direction `start` into `end`."""
    start, end = unit(start), unit(end)
    axis = np.cross(start, end)
    sine = float(np.linalg.norm(axis))
    if sine < 1e-9 and start @ end > 0.0:
        return np.eye(3)
    if sine < 1e-9:  # half a turn, about any axis across
        axis = np.cross(start, np.eye(3)[int(np.abs(start).argmin())])
    return Rotation.from_rotvec(unit(axis) * np.arctan2(sine, start @ end)).as_matrix()


def standing_rest(zero: Mapping[str, np.ndarray], frame: np.ndarray) -> dict[str, np.ndarray]:
    """C [3, 3] of every joint from a pose in which all rotations are zero and the person stands, arms anywhere.

    zero: positions [3] of the joints in that pose; frame: its left, up and forward as columns.
    """
    rest = dict.fromkeys(zero, frame)
    for joint, child in LIMBS.items():
        if joint in zero and child in zero:
            bone = frame @ OFFSETS[JOINTS.index(child)]
            rest[joint] = shortest_rotation(bone, zero[child] - zero[joint]) @ frame
    for side in ("left", "right"):
        if f"{side}_elbow" in rest and f"{side}_wrist" in rest:
            rest[f"{side}_wrist"] = rest[f"{side}_elbow"]
    return rest


def make_take(
    name: str,
    positions: dict[str, np.ndarray],
    rotations: dict[str, np.ndarray],
    fps: float,
    notes: tuple[str, ...] = (),
) -> Take:
    """A Take of the joints there are: positions [N, 3] m and rotations [N, 3, 3] by name, world z up.

    A missing joint turns with its parent and stands where the mean skeleton, scaled by the length of the legs, has it.
    """
    scale = leg_length({joint: track[0] for joint, track in positions.items()}) / LEG
    for i, joint in enumerate(JOINTS):
        if joint not in positions:
            parent = JOINTS[PARENTS[i]]
            rotations[joint] = rotations[parent]
            positions[joint] = positions[parent] + scale * rotations[parent] @ OFFSETS[i]
    stack = [np.stack([tracks[joint] for joint in JOINTS], axis=1) for tracks in (positions, rotations)]
    return Take(name, stack[0], stack[1], fps, notes)


def leg_length(pose: Mapping[str, np.ndarray]) -> float:
    """Length from hip to knee to ankle, the mean of both legs, in the unit of `pose`: positions [3] by joint."""
    bones = [pose[child] - pose[joint] for joint, child in LIMBS.items() if joint.endswith(("hip", "knee"))]
    return 0.5 * float(sum(np.linalg.norm(bone) for bone in bones))
