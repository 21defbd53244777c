"""Which axis of a recording's world points up: the one along which the body stands."""

from __future__ import annotations

import numpy as np

TO_Z_UP = {  # a world in which that axis is up -> the world with z up
    "z": np.eye(3),
    "y": np.array([[1.0, 0.0, 0.0], [0.0, 0.0, -1.0], [0.0, 1.0, 0.0]]),
    "x": np.array([[0.0, 0.0, -1.0], [0.0, 1.0, 0.0], [1.0, 0.0, 0.0]]),
    "-z": np.diag([1.0, -1.0, -1.0]),
    "-y": np.array([[1.0, 0.0, 0.0], [0.0, 0.0, 1.0], [0.0, -1.0, 0.0]]),
    "-x": np.array([[0.0, 0.0, 1.0], [0.0, 1.0, 0.0], [-1.0, 0.0, 0.0]]),
}
UPRIGHT = 0.8  # cosine between the body and an axis, of somebody who stands along it


def up_axis(body: np.ndarray) -> str | None:
    """The axis along which a body stands on average, of its directions [N, 3] from feet to head; None: along none."""
    length = np.linalg.norm(body, axis=1, keepdims=True)
    mean = (body / np.maximum(length, 1e-12)).mean(axis=0)
    axis = int(np.abs(mean).argmax())
    return f"{'-' if mean[axis] < 0.0 else ''}{'xyz'[axis]}" if abs(mean[axis]) > UPRIGHT else None


def told(axis: str) -> str:
    """The note on a recording whose world was turned, or not as its format usually is."""
    return f"the {axis} axis of its world is up; --up says another"
