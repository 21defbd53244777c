"""Motions that already are a robot's: joint angles and the pose of its root, as GMR and Unitree write them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


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
