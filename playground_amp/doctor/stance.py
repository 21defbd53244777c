"""Where the feet of a clip stand. What holds still over the ground stands, whatever its height.

A sound motion at the wrong height keeps its feet still; joints in the wrong order, or an orientation that is turned,
do not. So the height at which feet hold still tells the one from the other, and few frames that dip lower spoil
nothing of it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from playground_amp.motion.clip import MotionClip
from playground_amp.motion.metrics.bounds import DEFAULT_LEG
from playground_amp.motion.metrics.gait import FootMotion, foot_motion, gait_bounds
from playground_amp.robots import Robot

STILL = 0.1  # m/s of a standing foot's material over the ground, for a leg of DEFAULT_LEG; swinging feet are faster
STANDS = 0.7  # share of frames; recorded walks and a jog have 0.77 or more, with knees or ankles exchanged 0.01 to 0.5
DEEP = 4.0  # bounds of penetration that a dip is deep


@dataclass(frozen=True)
class Stance:
    """How the lowest pad of a clip stands."""

    share: float  # of the frames in which it holds still
    height: float  # m over the ground, median while it holds still
    contact: float  # 0..1, the feature of a pad at that height
    dips: float  # share of the frames in which it is lower than that, by far more than a sound clip sinks

    @property
    def stands(self) -> bool:
        """Whether the feet carry the motion: its joints and its orientation then fit its way."""
        return self.share >= STANDS


def find_stance(clip: MotionClip, robot: Robot) -> Stance:
    """How the feet of a clip of `robot` stand."""
    height, speed = _lowest_pad(foot_motion(clip, robot))
    still = speed < STILL * np.sqrt(robot.leg_length / DEFAULT_LEG)
    standing = float(np.median(height[still] if still.any() else height))
    touching, clear = robot.contact_clearance
    return Stance(
        share=float(still.mean()),
        height=standing,
        contact=float(np.clip((clear - standing) / (clear - touching), 0.0, 1.0)),
        dips=float((height < standing - DEEP * gait_bounds(robot.leg_length)["penetration"][1]).mean()),
    )


def _lowest_pad(feet: FootMotion) -> tuple[np.ndarray, np.ndarray]:
    """Height [N - 1] m of the lowest pad from the second frame on, and its speed over the ground [N - 1] m/s."""
    heights = feet.corners[1:, ..., 2].min(axis=-1)
    lowest = heights.argmin(axis=1)[:, None]
    return np.take_along_axis(heights, lowest, axis=1)[:, 0], np.take_along_axis(feet.slip, lowest, axis=1)[:, 0]
