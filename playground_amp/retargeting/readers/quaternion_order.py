"""In which order a file writes the quaternions of a root, and which way is up: as the robot stands upright.

Reading w x y z as x y z w neither changes a quaternion's length nor the angle between two of them, so only the pose
tells: a robot that walks has its root upright most of the time.
"""

from __future__ import annotations

import numpy as np
from scipy.spatial.transform import Rotation

from playground_amp.retargeting.readers.up_axis import TO_Z_UP, up_axis

W_FIRST, W_LAST = "w x y z", "x y z w"
ORDERS = {W_FIRST: [0, 1, 2, 3], W_LAST: [3, 0, 1, 2]}  # columns of w x y z
STANDS = 0.9  # share of the frames in which a root is upright, of a robot that stands
LEVEL = 0.6  # share of its height within which a root stays
LEAST_WAY = 0.3  # m of a motion that goes somewhere
UPRIGHT = 0.7  # cosine of the root's z with the vertical: within 45 degrees


def upright_share(quaternions: np.ndarray) -> float:
    """Share of the frames in which the z axis of quaternions [N, 4] (w x y z, unit) points up."""
    return float((body_up(quaternions)[:, 2] > UPRIGHT).mean())


def body_up(quaternions: np.ndarray) -> np.ndarray:
    """Direction [N, 3] of the body's z axis of quaternions [N, 4] (w x y z, unit)."""
    return Rotation.from_quat(quaternions, scalar_first=True).apply([0.0, 0.0, 1.0])


def _forward(quaternions: np.ndarray, way: np.ndarray) -> float:
    """Cosine between where a root faces on average and its way over the ground; 0 for one that stays."""
    facing = Rotation.from_quat(quaternions, scalar_first=True).apply([1.0, 0.0, 0.0]).mean(axis=0)[:2]
    length = float(np.linalg.norm(way[:2]) * np.linalg.norm(facing))
    return float(way[:2] @ facing) / length if np.linalg.norm(way[:2]) > LEAST_WAY and length > 1e-6 else 0.0


def root_up(quaternions: np.ndarray, root_pos: np.ndarray) -> str | None:
    """The axis along which the z axis of a root (w x y z) points and its positions [N, 3] keep a height, if any."""
    found = up_axis(body_up(quaternions))
    return found if found and keeps_height(root_pos, found) else None


def keeps_height(root_pos: np.ndarray, axis: str) -> bool:
    """Whether positions [N, 3] stay above zero along an axis, and much alike, as a root that does not fall."""
    height = (root_pos @ TO_Z_UP[axis].T)[:, 2]
    return bool(height.min() > 0.0 and np.ptp(height) < LEVEL * np.median(height))


def find_order(quaternions: np.ndarray, usual: str, root_pos: np.ndarray) -> tuple[str, tuple[str, ...]]:
    """The order of unit quaternions [N, 4], usually `usual`, and notes where it was not certain.

    A robot facing -x stands upright in both; where it goes, by its positions [N, 3], shows whether that is meant.
    """
    way = root_pos[-1] - root_pos[0]
    other = W_LAST if usual == W_FIRST else W_FIRST
    stands, would = (upright_share(quaternions[:, ORDERS[order]]) for order in (usual, other))
    if min(stands, would) > STANDS and _forward(quaternions[:, ORDERS[usual]], way) < -0.5:
        return usual, (f"its quaternions are read as {usual}: it goes backward; as {other} it would go forward",)
    other_world = root_up(quaternions[:, ORDERS[usual]], root_pos) and not keeps_height(root_pos, "z")
    if stands <= STANDS < would and not other_world:
        return other, (f"its quaternions are read as {other}: so the robot stands upright",)
    return usual, ()
