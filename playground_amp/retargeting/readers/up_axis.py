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


def told(found: str | None, asked: str | None, usual: str) -> tuple[str, ...]:
    """Notes on a recording whose up axis is not as its format usually has it, or was given against what it shows."""
    if asked:
        doubtful = found not in (None, asked)
        return (f"--up={asked} is what was asked for, but the body stands along {found}",) if doubtful else ()
    return (f"the {found} axis of its world is up; --up says another",) if found not in (None, usual) else ()
