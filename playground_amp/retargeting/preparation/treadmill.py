"""Walking on a belt, or on the spot as animations do: the feet that stand glide backward while the body stays.

A belt's velocity is that of the lower foot, which stands on it. Taken off every position it makes the walk go forward.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TypeVar

import numpy as np
from scipy.ndimage import median_filter

from playground_amp.retargeting.gait import GRAVITY, steps
from playground_amp.retargeting.readers.amass import Take
from playground_amp.retargeting.readers.robot_motion import RobotMotion
from playground_amp.retargeting.walker import Walker, level_velocity

Recording = TypeVar("Recording", bound=Take | RobotMotion)

SLOWEST = 0.07  # of sqrt(g leg): 0.2 m/s for an adult; feet that slide are slower
STEADY, MOST = 0.25, 0.5  # share of the belt's speed within which a foot follows it, and of the frames that must
WINDOW, SAMPLES = 2.0, 20.0  # s, of some steps, over which a belt has one speed, and looks a second at it
EVEN = 0.15  # share of its speed within which a belt that varies is taken for one that does not: feet roll
STAYS = 0.5  # share of the belt's speed below which the body stays
BACKWARD = -0.8  # cosine between a belt and where the walker faces


def over_ground(recording: Recording, belt: np.ndarray) -> Recording:
    """The recording with the motion of its belt, [N, 2] m/s, taken off, and a note."""
    field = "positions" if isinstance(recording, Take) else "root_pos"
    positions: np.ndarray = getattr(recording, field)
    way = np.zeros((len(belt), 3))
    way[1:, :2] = np.cumsum(belt[:-1] / recording.fps, axis=0)
    moved = positions - way.reshape(len(way), *[1] * (positions.ndim - 2), 3)
    note = f"it walks on a treadmill, or on the spot, at {_told(belt)} m/s: it was made to go forward"
    return replace(recording, **{field: moved}, notes=(*recording.notes, note))


def _told(belt: np.ndarray) -> str:
    speeds = np.linalg.norm(belt, axis=1)
    low, high = f"{speeds.min():.2f}", f"{speeds.max():.2f}"
    return high if low == high else f"{low} to {high}"


def belt_velocity(walker: Walker) -> np.ndarray | None:
    """Velocity [N, 2] m/s of the belt under a walker, or None where it stands on the ground or does not step."""
    if len(steps(walker)) < 2:
        return None
    velocity = level_velocity(walker.balls, walker.fps)
    lower = walker.balls[..., 2].argmin(axis=0)
    standing = velocity[lower, np.arange(len(lower))]
    usual = np.median(standing, axis=0)
    speed = float(np.linalg.norm(usual))
    if speed < SLOWEST * np.sqrt(GRAVITY * walker.leg):
        return None
    belt = _over_time(standing, walker.fps)
    follows = np.linalg.norm(standing - belt, axis=1) < STEADY * speed
    body = np.linalg.norm(walker.root[-1, :2] - walker.root[0, :2]) * walker.fps / (len(walker.root) - 1)
    backward = float(np.median(walker.facing @ usual)) < BACKWARD * speed
    if not (backward and follows.mean() > MOST and body < STAYS * speed):
        return None
    even = np.linalg.norm(belt - usual, axis=1).max() < EVEN * speed
    near = np.linalg.norm(standing - usual, axis=1) < STEADY * speed
    return np.tile(np.median(standing[near], axis=0), (len(belt), 1)) if even else belt


def _over_time(velocity: np.ndarray, fps: float) -> np.ndarray:
    """Median of a velocity [N, 2] over WINDOW seconds around each frame, of some frames a second."""
    stride = max(1, round(fps / SAMPLES))
    frames = np.arange(0, len(velocity), stride)
    size = max(1, round(WINDOW * fps / stride))
    local = median_filter(velocity[frames], size=(size, 1), mode="nearest")
    return np.stack([np.interp(np.arange(len(velocity)), frames, column) for column in local.T], axis=1)
