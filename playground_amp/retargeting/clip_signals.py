"""What the verdict on a clip is made of, frame by frame."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

import numpy as np

from playground_amp.motion.clip import MotionClip
from playground_amp.motion.metrics.gait import Footfalls, at_limit, contact_height, foot_motion
from playground_amp.motion.metrics.inverse_dynamics import SMOOTHING_FRAMES, required_torques, torque_limits
from playground_amp.motion.metrics.motion_kinds import Part, parts_of
from playground_amp.motion.metrics.support_polygon import distance_to_hull
from playground_amp.robots import Robot

ON_EDGE = 0.001  # m outside the feet at which a zero moment point still counts as inside


@dataclass(frozen=True, eq=False)
class ClipSignals:
    """Signals over a clip of N frames, for P pads and J joints. The first frame has no speeds: zero."""

    feet: np.ndarray  # [N, 2] m, lowest point of the left and the right foot
    contact: np.ndarray  # [N, 2] bool, foot on the ground
    slip: np.ndarray  # [N, P] m/s, of the material on the ground
    loaded: np.ndarray  # [N, P] bool, pad on the ground in this frame and the one before
    at_limit: np.ndarray  # [N, J] bool
    joint_speed: np.ndarray  # [N, J] rad/s, without sign
    torque: np.ndarray  # [N, J] without sign, in the servo's limit; NaN at the ends
    zmp_distance: np.ndarray  # [N] m outside the feet; NaN in flight and at the ends
    root_speed: np.ndarray  # [N] m/s, horizontal
    stumble: np.ndarray  # [N] bool, frames that begin a step of the same foot again
    falls: Footfalls
    parts: tuple[Part, ...]  # what kind of motion it is, from the first frame to the last

    def within(self, part: Part) -> ClipSignals:
        """The signals of one part alone; times of steps are still those of the clip."""
        rows = slice(part.first, part.last + 1)
        arrays = {item.name: getattr(self, item.name)[rows] for item in fields(self)[:-2]}
        return replace(self, **arrays, parts=(part,))


def measure_signals(clip: MotionClip, robot: Robot) -> ClipSignals:
    """The signals of a clip, by MuJoCo's kinematics and inverse dynamics."""
    qpos, rate = clip.qpos, clip.frequency
    feet = foot_motion(clip, robot)
    needed = required_torques(qpos, robot, 1.0 / rate)
    corners = feet.corners.reshape(len(qpos), -1, 3)
    flight = feet.heights.min(axis=1) >= contact_height(robot)
    outside = distance_to_hull(needed.zmp, corners[..., :2], corners[..., 2] < contact_height(robot))
    return ClipSignals(
        feet=feet.heights,
        contact=feet.heights < contact_height(robot),
        slip=_from_second(feet.slip),
        loaded=_from_second(feet.loaded),
        at_limit=at_limit(qpos, robot),
        joint_speed=_from_second(np.abs(np.diff(qpos[:, 7:], axis=0)) * rate),
        torque=_without_ends(np.abs(needed.joints) / torque_limits(robot)),
        zmp_distance=_without_ends(outside),
        root_speed=_from_second(np.linalg.norm(np.diff(qpos[:, :2], axis=0), axis=-1) * rate),
        stumble=_stumbles(feet.falls, len(qpos), rate),
        falls=feet.falls,
        parts=tuple(parts_of(qpos, flight, rate, robot.leg_length)),
    )


def _from_second(values: np.ndarray) -> np.ndarray:
    """[N - 1, ...] of the steps between frames as [N, ...], the first one zero or false."""
    return np.concatenate([np.zeros_like(values[:1]), values])


def _without_ends(values: np.ndarray) -> np.ndarray:
    """NaN in the frames [N, ...] whose acceleration has frames on one side only: it is a guess."""
    half = SMOOTHING_FRAMES // 2
    known = np.zeros(len(values), bool)
    known[half:-half] = True
    return np.where(known.reshape(-1, *[1] * (values.ndim - 1)), values, np.nan)


def _stumbles(falls: Footfalls, frames: int, rate: float) -> np.ndarray:
    again = np.flatnonzero(np.diff(falls.foot) == 0) + 1
    stumble = np.zeros(frames, bool)
    stumble[np.minimum(np.round(falls.strike[again] * rate).astype(int), frames - 1)] = True
    return stumble
