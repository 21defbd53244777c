"""Where things are shown: the reference clip beside the robot, facing the same way."""

from __future__ import annotations

import numpy as np
from scipy.spatial.transform import Rotation

from playground_amp.motion.clip import MotionClip
from playground_amp.motion.clip_commands import facing, smooth_heading

HEADING_MEMORY = 0.5  # s, time constant of the robot's heading: the pelvis turns to and fro with every stride
CENTRE_SECONDS = 0.6  # over which the place that the camera follows is a mean: the root sways, too


def turned(qpos: np.ndarray, angle: float) -> np.ndarray:
    """The state [nq] turned by `angle` rad about the vertical through its root."""
    about = Rotation.from_euler("z", angle)
    quaternion = (about * Rotation.from_quat(qpos[3:7], scalar_first=True)).as_quat(scalar_first=True)
    return np.concatenate([qpos[:3], quaternion, qpos[7:]])


def beside(qpos: np.ndarray, heading: float, other: np.ndarray, other_heading: float, spacing: float) -> np.ndarray:
    """The state `other` [nq] moved to `spacing` m beside `qpos` [nq], turned from its heading to `heading`, rad.

    Beside is along the world's y, whichever way they face: there neither hides the other from the camera. Its height
    stays.
    """
    moved = turned(other, heading - other_heading)
    moved[:2] = qpos[0], qpos[1] + spacing
    return moved


def next_heading(heading: float, qpos: np.ndarray, dt: float) -> float:
    """The smoothed heading, rad, one step of `dt` s on, of a robot that is now in `qpos` [nq]."""
    error = float(facing(qpos[None, 3:7])[0]) - heading
    error = (error + np.pi) % (2.0 * np.pi) - np.pi
    return heading + min(1.0, dt / HEADING_MEMORY) * error


class ClipPath:
    """A clip that is shown at any time, from its start again after its end."""

    def __init__(self, clip: MotionClip):
        self.clip, self.command = clip, clip.command  # which is worked out from all its frames
        self._heading = smooth_heading(clip.qpos, 1.0 / clip.frequency)

    def frame(self, time: float) -> int:
        """The frame that is shown at `time`, s."""
        return int(time * self.clip.frequency + 1e-6) % len(self.clip.qpos)

    def at(self, time: float) -> tuple[np.ndarray, float]:
        """State [nq] and smoothed heading, rad, at `time`, s."""
        frame = self.frame(time)
        return self.clip.qpos[frame], float(self._heading[frame])

    def centre(self, time: float) -> np.ndarray:
        """What a camera that follows looks at, x and y [2] m: the mean place around `time`, s."""
        half, frame = round(0.5 * CENTRE_SECONDS * self.clip.frequency), self.frame(time)
        half = min(half, frame, len(self.clip.qpos) - 1 - frame)
        return self.clip.qpos[frame - half : frame + half + 1, :2].mean(axis=0)
