"""The paths of a robot's feet: they stand where a person's do, beside the robot's path, and swing as the person's."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import gaussian_filter1d

from playground_amp.motion.ground_path import GroundPath
from playground_amp.retargeting.footsteps import Stance, dead_zone, pin, pinned_ankle
from playground_amp.retargeting.human_motion import HumanMotion, runs
from playground_amp.retargeting.reachability import turns
from playground_amp.retargeting.robot_geometry import robot_geometry
from playground_amp.robots import Robot

LATE = 1  # frames at 50 Hz by which the speed threshold sees a contact begin early and end late
PITCH_ZONE = (np.deg2rad(2.0), np.deg2rad(6.0))  # of the foot: flat within, and onset of the rockers
HEEL_GAIN, TOE_GAIN = 0.9, 0.8  # of the foot's pitch, toes up and down: the robot's heel is long and its motors weak
LIFT_GAIN = 0.6  # of the height of the ankle in swing, for the same reason
EVENNESS = 0.65  # share of the person's swing in the robot's, the rest is the cubic of least acceleration
CLEARANCE = 0.023 / 0.42  # of the leg's length, least height of the sole in mid-swing
PIVOT = np.deg2rad(20.0)  # by which a foot turns on the ground that does not only wobble


def foot_paths(motion: HumanMotion, path: GroundPath, robot: Robot) -> np.ndarray:
    """Ankle, pitch and yaw [2, N, 5] of both feet in the world, as `_foot_path` gives each."""
    return np.stack([_foot_path(motion, path, side, robot) for side in (0, 1)])


def _foot_path(motion: HumanMotion, path: GroundPath, side: int, robot: Robot) -> np.ndarray:
    """Ankle, pitch and yaw [N, 5] of a foot that stands still in contact; NaN outside the first and last stance."""
    pitch = np.where(motion.pitches[side] < 0.0, HEEL_GAIN, TOE_GAIN) * motion.pitches[side]
    geometry = robot_geometry(robot)
    if geometry.legs[side].is_ball:
        pitch = np.zeros_like(pitch)  # a ball's is that of the shank
    flat = gaussian_filter1d(dead_zone(pitch, *PITCH_ZONE), 1.0)
    ankle = motion.ankles[side] + [geometry.foot_forward, 0.0, 0.0]
    line, sole = _lines(motion, path, robot)[side], geometry.legs[side].sole
    flat_place = ankle[:, 0] - pinned_ankle(flat, sole)[:, 0]  # where the ankle would be with the foot level
    places = path.world(np.stack([flat_place, line, 0.0 * line], axis=-1))
    stances = []
    for first, last in runs(motion.contacts[side]):
        still = np.flatnonzero(np.abs(flat[first : last + 1]) < 1e-3) + first
        x, y, _ = np.median(places[still if len(still) >= 3 else slice(first, last + 1)], axis=0)
        yaw = _stance_yaw(motion, path, side, (first, last), robot)
        first, last = first + LATE * (first > 0), last - LATE * (last < len(flat) - 1)
        if last > first:
            stances.append(Stance(first, last, float(x), float(y), yaw))
    way = path.world(np.stack([EVENNESS * ankle[:, 0], line, LIFT_GAIN * ankle[:, 2]], axis=-1))
    free = np.column_stack([way, pitch, path.heading])
    return pin(free, flat, stances, sole, clearance=CLEARANCE * robot.leg_length)


def _lines(motion: HumanMotion, path: GroundPath, robot: Robot) -> np.ndarray:
    """How far [2, N] m to the left of the path the feet stand: further apart where, aside, one would close up too far.

    They come as near as leaves room for another foot between their middles, or as they are in a straight walk.
    """
    geometry, leg = robot_geometry(robot), robot_geometry(robot).legs[0]
    nearest = min(2.0 * geometry.foot_line, 4.0 * max(leg.half_width, leg.sole.radius))
    closing = np.abs(path.velocity(motion.rate)[:, 1]) * step_frames(motion.contacts) / motion.rate
    apart = np.maximum(2.0 * geometry.foot_line, nearest + closing)
    return 0.5 * apart * np.array([[1.0], [-1.0]])


def _stance_yaw(
    motion: HumanMotion, path: GroundPath, side: int, stance: tuple[int, int], robot: Robot
) -> float | np.ndarray:
    """Yaw of a foot that stands from the first to the last frame of `stance`: the path's in the middle of it.

    A foot on which the person pivots turns as the person's; one that the leg does not turn goes with the heading.
    """
    first, last = stance
    leg, middle = robot_geometry(robot).legs[side], (first + last) // 2
    if not turns(leg):
        return path.heading
    own = (motion.yaws[side] + path.heading)[np.clip(np.arange(len(path.heading)), first, last)]
    turned = own - own[middle] if np.ptp(own) > PIVOT else 0.0
    return path.heading[middle] + turned


def step_frames(contacts: np.ndarray) -> int:
    """Median time between the heel strikes of left and right in `contacts` [2, N], frames."""
    strikes = strikes_of(contacts)
    return int(np.median(np.diff(strikes))) if len(strikes) > 1 else contacts.shape[1] // 2


def strikes_of(contacts: np.ndarray) -> np.ndarray:
    """Frames before each heel strike, left or right, in `contacts` [2, N]."""
    return np.sort(np.concatenate([np.flatnonzero(np.diff(contact.astype(int)) == 1) for contact in contacts]))
