"""Whether the robot's legs reach the feet, how high the pelvis may be, how near to it the feet, how fast it turns."""

from __future__ import annotations

import numpy as np

from playground_amp.motion.ground_path import about_vertical
from playground_amp.motion.metrics.bounds import DEFAULT_LEG
from playground_amp.retargeting.footsteps import line_heights
from playground_amp.retargeting.robot_geometry import Leg, robot_geometry
from playground_amp.robots import Robot

UP = np.array([0.0, 0.0, 1.0])
MOST_CROUCH = 0.032 / 0.42  # of the leg's length, below the home height; rather than crouch more, its steps get shorter
PIVOTING = 0.025  # m/s of a pad, on a leg of DEFAULT_LEG, that turns under a leg that does not: within good skating
ASIDE = 0.1  # of the leg's length, of a foot off its line: the sway of a straight walk, which takes no length
EASE = 0.015  # of the leg's length, over which a foot's way is eased into the nearest that a knee bends


def turns(leg: Leg) -> bool:
    """Whether a foot can keep its direction on the ground while the pelvis turns."""
    return leg.is_ball or bool(leg.steers[0])


def rolls(leg: Leg) -> bool:
    """Whether a foot can stand level, or need not, with the hip beside it."""
    return leg.is_ball or bool(leg.steers[2])


def fastest_turn(robot: Robot) -> float:
    """How fast the robot may turn, rad/s: as it likes if its legs turn under the pelvis, infinity.

    Others pivot on the soles of their feet, and no faster than PIVOTING lets their pads slide.
    """
    leg = robot_geometry(robot).legs[0]
    radius = float(np.hypot(max(-leg.sole.heel, leg.sole.toe), leg.half_width))
    return np.inf if turns(leg) else PIVOTING * float(np.sqrt(robot.leg_length / DEFAULT_LEG)) / radius


def at_reachable_height(
    pelvis: np.ndarray, heading: np.ndarray, pitch: np.ndarray, feet: np.ndarray, robot: Robot
) -> tuple[np.ndarray, bool]:
    """The way of the pelvis [N, 3] m, its mean height the home pose's or the next lower one at which the legs reach.

    `heading` and `pitch` [N] rad are the pelvis's, `feet` [2, N, 5] are ankles, pitches and yaws. Very few frames
    (0.3 %) may be out of reach: the inverse kinematics moves the pelvis there. Also says whether a height was found
    within MOST_CROUCH.
    """
    geometry = robot_geometry(robot)
    usual = abs(geometry.foot_line - geometry.legs[0].hip[1]) + ASIDE * robot.leg_length
    level = pelvis - pelvis[:, 2].mean() * UP
    lowest = geometry.height - MOST_CROUCH * robot.leg_length
    for height in np.arange(geometry.height, lowest - 1e-9, -0.001 / 0.42 * robot.leg_length):
        raised = level + height * UP
        missed = [
            _unreachable(_from_hip(foot, raised, heading, pitch, leg), pitch, leg, usual)
            for leg, foot in zip(geometry.legs, feet, strict=True)
        ]
        if np.mean(missed) < 0.003:
            return raised, True
    return raised, False


def _unreachable(way: np.ndarray, pitch: np.ndarray, leg: Leg, usual: float) -> np.ndarray:
    """Frames [N] bool in which the planar leg (thigh with its forward offset, shank) cannot bring the foot there.

    `way` [N, 3] m is that from the hip to the foot; beyond `usual` m to the side it takes
    length, and there the hip has to open.
    """
    beyond = np.clip(4.0 / 3.0 * (way[:, 1] ** 2 - usual**2), 0.0, way[:, 1] ** 2)  # from twice as much on, all of it
    reach = np.stack([way[:, 0], np.where(beyond > 0.0, -np.sqrt(way[:, 2] ** 2 + beyond), way[:, 2])], axis=-1)
    distance = np.minimum(np.linalg.norm(reach, axis=-1), leg.reach)
    length = float(np.linalg.norm(leg.thigh))
    at_hip = np.arccos(np.clip((distance**2 + length**2 - leg.shank**2) / (2.0 * distance * length), -1.0, 1.0))
    thigh = np.arctan2(reach[:, 0], -reach[:, 1]) + at_hip - np.arctan2(leg.thigh[0], -leg.thigh[1])  # from vertical
    wide = (beyond > 0.0) & (np.arctan2(np.abs(way[:, 1]), -way[:, 2]) > leg.spread)
    return wide | (np.linalg.norm(reach, axis=-1) > leg.reach) | (thigh + pitch < -leg.extension + 0.01)


def unfolded(pelvis: np.ndarray, heading: np.ndarray, pitch: np.ndarray, feet: np.ndarray, robot: Robot) -> np.ndarray:
    """`feet` [2, N, 5], those in the air no nearer to the hip than the knee bends: pushed away from it, without a jerk.

    With e the distance beyond the nearest, and w a share of the leg's length, a foot of e < w gets (e + w)^2 / 4w.
    """
    feet = feet.copy()
    for foot, leg in zip(feet, robot_geometry(robot).legs, strict=True):
        way = _from_hip(foot, pelvis, heading, pitch, leg)[:, [0, 2]]
        distance, width = np.linalg.norm(way, axis=-1), EASE * robot.leg_length
        beyond = distance - leg.folded
        eased = np.where(beyond < width, np.maximum(beyond + width, 0.0) ** 2 / (4.0 * width), beyond)
        lower = way * ((eased - beyond) / distance)[:, None]
        clear = line_heights(foot[:, 2], foot[:, 3], leg.sole).min(axis=-1)
        lower *= np.clip(clear / np.maximum(-lower[:, 1], 1e-9), 0.0, 1.0)[:, None]
        foot[:, :3] += about_vertical(np.stack([lower[:, 0], 0.0 * heading, lower[:, 1]], axis=-1), heading)
    return feet


def _from_hip(foot: np.ndarray, pelvis: np.ndarray, heading: np.ndarray, pitch: np.ndarray, leg: Leg) -> np.ndarray:
    """Way [N, 3] m (ahead, to the left, up) from the hip pitch axis to a foot, seen from the heading."""
    sine, cosine = np.sin(pitch), np.cos(pitch)
    forward, left, up = leg.hip
    hip = [forward * cosine + up * sine, np.full_like(sine, left), up * cosine - forward * sine]
    return about_vertical(foot[:, :3] - pelvis, -heading) - np.stack(hip, axis=-1)
