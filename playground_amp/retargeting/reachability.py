"""Whether the robot's legs reach the feet, how high the pelvis may be for it, and how near to it the feet."""

from __future__ import annotations

import numpy as np

from playground_amp.retargeting.footsteps import line_heights
from playground_amp.retargeting.robot_geometry import Leg, robot_geometry
from playground_amp.robots import Robot

UP = np.array([0.0, 0.0, 1.0])
MOST_CROUCH = 0.032 / 0.42  # of the leg's length, below the home height; rather than crouch more, its steps get shorter
EASE = 0.015  # of the leg's length, over which a foot's way is eased into the nearest that a knee bends


def at_reachable_height(
    pelvis: np.ndarray, pitch: np.ndarray, feet: np.ndarray, robot: Robot
) -> tuple[np.ndarray, bool]:
    """The way of the pelvis [N, 3] m, its mean height the home pose's or the next lower one at which the legs reach.

    `pitch` [N] rad is the pelvis's, `feet` [2, N, 4] are ankles and pitches. Very few frames (0.3 %) may be out of
    reach: the inverse kinematics moves the pelvis there. Also says whether a height was found within MOST_CROUCH.
    """
    level, geometry = pelvis - pelvis[:, 2].mean() * UP, robot_geometry(robot)
    lowest = geometry.height - MOST_CROUCH * robot.leg_length
    for height in np.arange(geometry.height, lowest - 1e-9, -0.001 / 0.42 * robot.leg_length):
        raised = level + height * UP
        missed = [_unreachable(raised, pitch, foot, leg) for leg, foot in zip(geometry.legs, feet, strict=True)]
        if np.mean(missed) < 0.003:
            return raised, True
    return raised, False


def _unreachable(pelvis: np.ndarray, pitch: np.ndarray, foot: np.ndarray, leg: Leg) -> np.ndarray:
    """Frames [N] bool in which the planar leg (thigh with its forward offset, shank) cannot bring the foot there."""
    reach = foot[:, [0, 2]] - _hip(pelvis, pitch, leg)
    distance = np.minimum(np.linalg.norm(reach, axis=-1), leg.reach)
    length = float(np.linalg.norm(leg.thigh))
    at_hip = np.arccos(np.clip((distance**2 + length**2 - leg.shank**2) / (2.0 * distance * length), -1.0, 1.0))
    thigh = np.arctan2(reach[:, 0], -reach[:, 1]) + at_hip - np.arctan2(leg.thigh[0], -leg.thigh[1])  # from vertical
    return (np.linalg.norm(reach, axis=-1) > leg.reach) | (thigh + pitch < -leg.extension + 0.01)


def unfolded(pelvis: np.ndarray, pitch: np.ndarray, feet: np.ndarray, robot: Robot) -> np.ndarray:
    """`feet` [2, N, 4], those in the air no nearer to the hip than the knee bends: pushed away from it, without a jerk.

    With e the distance beyond the nearest, and w a share of the leg's length, a foot of e < w gets (e + w)^2 / 4w.
    """
    feet = feet.copy()
    for foot, leg in zip(feet, robot_geometry(robot).legs, strict=True):
        way = foot[:, [0, 2]] - _hip(pelvis, pitch, leg)
        distance, width = np.linalg.norm(way, axis=-1), EASE * robot.leg_length
        beyond = distance - leg.folded
        eased = np.where(beyond < width, np.maximum(beyond + width, 0.0) ** 2 / (4.0 * width), beyond)
        lower = way * ((eased - beyond) / distance)[:, None]
        clear = line_heights(foot[:, 2], foot[:, 3], leg.sole).min(axis=-1)
        foot[:, [0, 2]] += lower * np.clip(clear / np.maximum(-lower[:, 1], 1e-9), 0.0, 1.0)[:, None]
    return feet


def _hip(pelvis: np.ndarray, pitch: np.ndarray, leg: Leg) -> np.ndarray:
    """Way [N, 2] m (forward, up) of the hip pitch axis."""
    sine, cosine = np.sin(pitch), np.cos(pitch)
    forward, up = leg.hip[[0, 2]]
    return pelvis[:, [0, 2]] + np.stack([forward * cosine + up * sine, up * cosine - forward * sine], axis=-1)
