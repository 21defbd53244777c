"""The axes of joints whose zero pose is nobody's stance: from the bones, and from which way the person faces.

LAFAN1 and the rigs of games draw every bone along one axis of its joint. The bone (for the trunk, the line
from hips to head) gives one direction in the joint's own axes; the second is where the person's left (for the trunk and
the legs) or front (for the arms) is on average.
"""

from __future__ import annotations

import numpy as np

from playground_amp.retargeting.readers.amass import JOINTS, OFFSETS, PARENTS
from playground_amp.retargeting.readers.smpl_skeleton import LIMBS, snap, unit

TRUNK = ("pelvis", "spine1", "spine2", "spine3", "neck", "head")
ENDS = LIMBS | {f"{side}_{a}": f"{side}_{b}" for side in ("left", "right") for a, b in (("ankle", "foot"),)}
ENDS |= {f"{side}_collar": f"{side}_shoulder" for side in ("left", "right")}
ARM = ("collar", "shoulder", "elbow", "wrist")
SNAP = np.cos(np.deg2rad(25.0))  # a direction nearer than this to an axis of the joint is meant to be that axis

JointTracks = dict[str, np.ndarray]


def moving_rest(positions: JointTracks, rotations: JointTracks) -> dict[str, np.ndarray]:
    """C [3, 3] of every joint from its positions [N, 3] and world rotations [N, 3, 3]; see `smpl_skeleton`."""
    left = positions["left_hip"] - positions["right_hip"]
    forward = np.cross(left, trunk(positions))
    rest = {}
    for joint, rotation in rotations.items():
        bone, smpl_bone = _bone(joint, positions)
        arm = joint.endswith(ARM)
        along = mean_direction(rotation, bone)
        across = _snapped(mean_direction(rotation, forward if arm else left))
        rest[joint] = _pair(along, across) @ _pair(smpl_bone, np.eye(3)[2 if arm else 0]).T
        if joint in TRUNK:
            rest[joint] = snap(rest[joint])
    return rest


def trunk(positions: JointTracks) -> np.ndarray:
    """Direction of the trunk [N, 3]: from between the hips to the highest joint there is, else from ankles to hips."""
    hips = 0.5 * (positions["left_hip"] + positions["right_hip"])
    top = next((positions[joint] for joint in ("head", "neck", "spine3", "left_shoulder") if joint in positions), None)
    return top - hips if top is not None else hips - 0.5 * (positions["left_ankle"] + positions["right_ankle"])


def mean_direction(rotation: np.ndarray, vector: np.ndarray) -> np.ndarray:
    """Mean over the frames of the world's `vector` [N, 3] in the axes of `rotation` [N, 3, 3], of length 1."""
    return unit(np.einsum("nji,nj->i", rotation, vector))


def _bone(joint: str, positions: JointTracks) -> tuple[np.ndarray, np.ndarray]:
    """A direction [N, 3] that turns with the joint, and what it is [3] in SMPL's rest frame: trunk or bone."""
    if joint in TRUNK:
        return trunk(positions), np.array([0.0, 1.0, 0.0])
    end = ENDS.get(joint)
    if end in positions:
        return positions[end] - positions[joint], OFFSETS[JOINTS.index(end)]
    before = _parent(joint, positions)
    return positions[joint] - positions[before], OFFSETS[JOINTS.index(joint)]


def _parent(joint: str, positions: JointTracks) -> str:
    while True:
        joint = JOINTS[PARENTS[JOINTS.index(joint)]]
        if joint in positions:
            return joint


def _snapped(direction: np.ndarray) -> np.ndarray:
    axis = int(np.abs(direction).argmax())
    return np.eye(3)[axis] * np.sign(direction[axis]) if abs(direction[axis]) > SNAP else direction


def _pair(along: np.ndarray, across: np.ndarray) -> np.ndarray:
    """Rotation [3, 3] whose second column is `along` and whose first is `across` made orthogonal to it."""
    along = unit(along)
    if abs(along @ unit(across)) > 0.999:  # nothing to go by: any axis across will do
        across = np.eye(3)[int(np.abs(along).argmin())]
    first = unit(across - along * (along @ across))
    return np.stack([first, along, np.cross(first, along)], axis=1)
