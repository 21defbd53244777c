"""Measurements of a clip: is it fit to be learned from? All from MuJoCo's kinematics of the final qpos."""

from __future__ import annotations

from dataclasses import dataclass

import mujoco
import numpy as np

from playground_amp.motion.clip import MotionClip
from playground_amp.robots import Robot

NEAR_LIMIT = 0.004  # rad from a joint limit at which a joint counts as stopped by it
SKATING_HEIGHT = 0.008  # m below which a pad is taken to bear load


@dataclass(frozen=True)
class Quality:
    """One clip's figures; the field names are the columns of the table."""

    seconds: float  # s
    speed: float  # m/s, mean of the root along +x
    cadence: float  # steps per minute
    duty: float  # share of the cycle a foot is on the ground
    skating: float  # m/s, mean horizontal speed of the lowest point of pads in contact
    penetration: float  # m, deepest point under the ground
    float_height: float  # m, greatest height of the lowest pad: more is flight
    clearance: float  # m, least height of the toe in the middle of the swings
    limit_share: float  # share of the frames with a joint at its limit
    joint_speed: float  # rad/s, fastest joint
    asymmetry: float  # left against right joint means and ranges, relative to the range; 0 is symmetric
    sway: float  # m, half of the lateral way of the root


BOUNDS = {  # least and greatest value of a clip that is fit to be learned from
    "skating": (0.0, 0.03),
    "penetration": (0.0, 0.002),
    "float_height": (0.0, 0.010),
    "clearance": (0.010, 0.10),
    "limit_share": (0.0, 0.05),
    "joint_speed": (0.0, 10.0),
    "duty": (0.5, 0.75),
}


def faults(quality: Quality) -> list[str]:
    """Names of the figures that are out of BOUNDS."""
    return [name for name, (low, high) in BOUNDS.items() if not low <= getattr(quality, name) <= high]


def measure(clip: MotionClip, robot: Robot) -> Quality:
    """Figures of `clip`, for feet whose pads come as (toe, heel) pairs, left before right."""
    corners = pad_corners(clip.qpos, robot)
    heights = corners[..., 2].min(axis=-1)  # [N, P]
    feet = heights.reshape(len(heights), 2, -1).min(axis=-1)  # [N, 2]
    contact = feet < SKATING_HEIGHT
    return Quality(
        seconds=clip.duration,
        speed=float((clip.qpos[-1, 0] - clip.qpos[0, 0]) / clip.duration),
        cadence=_cadence(contact, clip.frequency),
        duty=_duty(contact),
        skating=_skating(corners, clip.frequency),
        penetration=float(max(0.0, -heights.min())),
        float_height=float(feet.min(axis=-1).max()),
        clearance=_clearance(feet),
        limit_share=_limit_share(clip.qpos, robot),
        joint_speed=float(np.abs(np.diff(clip.qpos[:, 7:], axis=0)).max() * clip.frequency),
        asymmetry=_asymmetry(clip.qpos, robot),
        sway=float(0.5 * np.ptp(clip.qpos[:, 1])),
    )


def pad_corners(qpos: np.ndarray, robot: Robot) -> np.ndarray:
    """Lowest points of the pads' contact spheres, [N, P, corners, 3] m, world."""
    data = mujoco.MjData(robot.model)
    corners = np.empty((len(qpos), *robot.pad_geoms.shape, 3))
    for row, q in zip(corners, qpos, strict=True):
        data.qpos[:] = q
        mujoco.mj_kinematics(robot.model, data)
        row[:] = data.geom_xpos[robot.pad_geoms]
    corners[..., 2] -= robot.model.geom_size[robot.pad_geoms, 0]
    return corners


def _skating(corners: np.ndarray, frequency: float) -> float:
    """Mean horizontal speed of each pad's lowest corner while the pad is in contact on both frames."""
    lowest = corners[1:, :, :, 2].argmin(axis=-1)[..., None, None]
    velocity = np.take_along_axis(np.diff(corners[..., :2], axis=0), lowest, axis=2)[:, :, 0] * frequency
    heights = corners[..., 2].min(axis=-1)
    loaded = (heights[1:] < SKATING_HEIGHT) & (heights[:-1] < SKATING_HEIGHT)
    return float(np.linalg.norm(velocity, axis=-1)[loaded].mean()) if loaded.any() else 0.0


def _strikes(contact: np.ndarray) -> list[np.ndarray]:
    """Frames at which each foot touches down, from contact [N, 2]."""
    return [np.flatnonzero(contact[1:, side] & ~contact[:-1, side]) + 1 for side in (0, 1)]


def _cadence(contact: np.ndarray, frequency: float) -> float:
    strides = np.concatenate([np.diff(strikes) for strikes in _strikes(contact)])
    return float(120.0 * frequency / np.median(strides)) if len(strides) else 0.0


def _duty(contact: np.ndarray) -> float:
    """Mean over whole strides, left and right."""
    shares = [contact[s[0] : s[-1], side].mean() for side, s in enumerate(_strikes(contact)) if len(s) > 1]
    return float(np.mean(shares)) if shares else 1.0


def _clearance(feet: np.ndarray) -> float:
    """Least height of a sole in the middle third of its swings."""
    lows = []
    for side in (0, 1):
        in_air = np.concatenate([[False], feet[:, side] > SKATING_HEIGHT, [False]])
        starts, ends = np.flatnonzero(np.diff(in_air.astype(int))).reshape(-1, 2).T
        for a, b in zip(starts, ends, strict=True):
            if a > 0 and b < len(feet) and b - a >= 6:
                lows.append(feet[a + (b - a) // 3 : b - (b - a) // 3, side].min())
    return float(min(lows, default=0.0))


def _limit_share(qpos: np.ndarray, robot: Robot) -> float:
    lower, upper = robot.joint_range.T
    return float(((qpos[:, 7:] < lower + NEAR_LIMIT) | (qpos[:, 7:] > upper - NEAR_LIMIT)).any(axis=1).mean())


def _asymmetry(qpos: np.ndarray, robot: Robot) -> float:
    """Greatest difference of a joint's 5th, 50th and 95th percentile to its mirror image's, relative to its range."""
    own = np.percentile(qpos[:, 7:], [5, 50, 95], axis=0)
    mirrored = np.percentile(robot.mirror_qpos(qpos)[:, 7:], [5, 50, 95], axis=0)
    spread = np.maximum(own[2] - own[0], 0.2)
    return float((np.abs(own - mirrored) / spread).max())
