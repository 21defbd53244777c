"""From raw readings to the observation of the policy, by the contract. Leading axes [...] broadcast."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike

from playground_amp.deploy.contract import Contract

RULES = ("as it is", "minus default", "one of the gaits", "previous action")  # how a term is made of its reading


@dataclass(frozen=True)
class Readings:
    """What the robot tells at one moment; J joints in the contract's order, vectors in the frame of the root body."""

    time: float  # s, when they were taken, by the clock that the runner is stepped with
    gyro: ArrayLike  # [3] rad/s, x ahead, y left, z up
    gravity: ArrayLike  # [3] direction of gravity, a unit vector: (0, 0, -1) upright; see gravity_of
    joint_positions: ArrayLike  # [J] rad
    joint_velocities: ArrayLike  # [J] rad/s
    command: ArrayLike = (0.0, 0.0, 0.0)  # [3] m/s ahead, m/s to the left, rad/s to the left
    gait: str | None = None  # where there are several
    extra: Mapping[str, ArrayLike] = field(default_factory=dict)  # readings of a task's own, by name
    run: bool = False  # whether the policy may act; the operator's switch


def gravity_of(quaternion: ArrayLike) -> np.ndarray:
    """Direction of gravity [..., 3] in the root frame, of its orientation (w, x, y, z) [..., 4] in the world."""
    w, x, y, z = np.moveaxis(np.asarray(quaternion, np.float64), -1, 0)
    return np.stack([2.0 * (w * y - x * z), -2.0 * (w * x + y * z), 2.0 * (x * x + y * y) - 1.0], axis=-1)


def observe(contract: Contract, readings: Mapping[str, ArrayLike], previous_action: ArrayLike) -> np.ndarray:
    """A frame [..., F] float32 of readings by their names in the contract; the gait is a one-hot [..., L].

    `History` makes the observation of it.
    """
    default = contract.of_joints("default").astype(np.float32)
    parts = []
    for term in contract.interface["observation"]:
        value = previous_action if term["rule"] == "previous action" else readings[term["reading"]]
        value = np.asarray(value, np.float32)
        parts.append(value - default if term["rule"] == "minus default" else value)
    return np.concatenate(parts, axis=-1)


class History:
    """The last frames of a contract's history; after a start or `clear` the first frame stands for all before it."""

    def __init__(self, contract: Contract):
        self._length = contract.interface["history"]
        self._frames: list[np.ndarray] = []

    def clear(self) -> None:
        """Forget all frames."""
        self._frames = []

    def add(self, frame: np.ndarray) -> np.ndarray:
        """The observation [..., O] at a frame [..., F]: all frames, oldest first."""
        self._frames = [*(self._frames or [frame] * self._length)[1:], frame]
        return np.concatenate(self._frames, axis=-1)


def by_name(contract: Contract, readings: Readings) -> dict[str, np.ndarray]:
    """Readings as `observe` takes them; the command is held within the range that the policy was trained on."""
    low, high = contract.command_range
    found = {
        "gyro": readings.gyro,
        "gravity": readings.gravity,
        "joint_positions": readings.joint_positions,
        "joint_velocities": readings.joint_velocities,
        "command": np.clip(np.asarray(readings.command, np.float64), low, high),
        **readings.extra,
    }
    if contract.gaits:
        found["gait"] = np.array([float(gait == readings.gait) for gait in contract.gaits])
    return {name: np.asarray(value, np.float64) for name, value in found.items()}
