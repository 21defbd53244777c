"""The pace of the reference: cadence and step length of its clips over forward speed."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence

import numpy as np

from playground_amp.amp import AMP
from playground_amp.evaluation.reference_cache import once_per_reference
from playground_amp.motion.clip import MotionClip
from playground_amp.motion.clip_commands import motion_commands
from playground_amp.motion.metrics.gait import Quality, measure
from playground_amp.robots import Robot

FEWEST_STEPS = 12  # of a clip that says how the reference walks at a speed: six strides
WALKING_SHARE = 0.9  # of the seconds of such a clip that its steps take: it neither starts nor stops
SLOWEST_WALK = 0.1  # m/s
AHEAD = 0.9  # of the way, which the root goes where it faces
STRAIGHT = 0.3  # rad/s of turning that is none yet


@dataclasses.dataclass(frozen=True)
class Pace:
    """How the reference walks at the forward speeds of C clips, slowest first."""

    speed: np.ndarray  # [C] m/s
    cadence: np.ndarray  # [C] steps a minute
    step_length: np.ndarray  # [C] m

    def at(self, speed: float) -> tuple[float, float]:
        """Cadence (steps a minute) and step length (m) at `speed` m/s; NaN, NaN without a clip.

        Linear between the clips, those of the outermost clips beyond them.
        """
        if not len(self.speed):
            return math.nan, math.nan
        cadence, length = (np.interp(speed, self.speed, values) for values in (self.cadence, self.step_length))
        return float(cadence), float(length)


@once_per_reference
def reference_pace(amp: AMP) -> Pace:
    """The pace of the training clips."""
    return pace(amp.env.reference.clips.training, amp.env.robot)


def pace(clips: Sequence[MotionClip], robot: Robot) -> Pace:
    """Cadence and step length over speed, of the clips that walk steadily and straight ahead from end to end."""
    straight = [clip for clip in clips if _goes_straight(clip)]
    gaits = sorted((measure(clip, robot) for clip in straight), key=lambda gait: gait.speed)
    steady = [gait for gait in gaits if _steady(gait)]
    return Pace(
        speed=np.array([gait.speed for gait in steady], float),
        cadence=np.array([gait.cadence for gait in steady], float),
        step_length=np.array([step_length(gait.speed, gait.cadence) for gait in steady], float),
    )


def step_length(speed: float, cadence: float) -> float:
    """m, from m/s and steps a minute; NaN without steps."""
    return speed * 60.0 / cadence if cadence else math.nan


def _goes_straight(clip: MotionClip) -> bool:
    """Whether a clip as a whole goes where it faces: a step to the side or back has another pace."""
    forward, left, turn = motion_commands(clip.qpos, 1.0 / clip.frequency).mean(axis=0)
    return forward >= AHEAD * math.hypot(forward, left) and abs(turn) <= STRAIGHT


def _steady(gait: Quality) -> bool:
    """Whether a clip of this gait walks all the time, for long enough to tell its cadence."""
    walking = gait.steps * 60.0 / max(gait.cadence, 1.0)
    return gait.speed >= SLOWEST_WALK and gait.steps >= FEWEST_STEPS and walking >= WALKING_SHARE * gait.seconds
