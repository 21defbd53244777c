"""Walking on a belt, or on the spot as animations do: the feet that stand glide backward while the body stays.

A belt's velocity is that of the lower foot, which stands on it. Taken off every position it makes the walk go forward.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TypeVar

import numpy as np

from playground_amp.retargeting.preparation.gait_rate import GRAVITY, steps
from playground_amp.retargeting.preparation.walker import Walker
from playground_amp.retargeting.readers.amass import Take
from playground_amp.retargeting.readers.robot_motion import RobotMotion

Recording = TypeVar("Recording", bound=Take | RobotMotion)

SLOWEST = 0.07  # of sqrt(g leg): 0.2 m/s for an adult; feet that slide are slower
STEADY, MOST = 0.25, 0.5  # share of the belt's speed within which a foot follows it, and of the frames that must
STAYS = 0.5  # share of the belt's speed below which the body stays
BACKWARD = -0.8  # cosine between a belt and where the walker faces


def over_ground(recording: Recording, belt: np.ndarray) -> Recording:
    """The recording with the motion of its belt, [2] m/s, taken off, and a note."""
    field = "positions" if isinstance(recording, Take) else "root_pos"
    positions: np.ndarray = getattr(recording, field)
    time = np.arange(len(positions)) / recording.fps
    moved = positions - (time[:, None] * np.append(belt, 0.0)).reshape(len(time), *[1] * (positions.ndim - 2), 3)
    note = f"it walks on a treadmill, or on the spot, at {np.linalg.norm(belt):.2f} m/s: it was made to go forward"
    return replace(recording, **{field: moved}, notes=(*recording.notes, note))


def belt_velocity(walker: Walker) -> np.ndarray | None:
    """Velocity [2] m/s of the belt under a walker, or None where it stands on the ground or does not step."""
    if len(steps(walker)) < 2:
        return None
    velocity = np.gradient(walker.balls[..., :2], 1.0 / walker.fps, axis=1)
    lower = walker.balls[..., 2].argmin(axis=0)
    standing = velocity[lower, np.arange(len(lower))]
    belt = np.median(standing, axis=0)
    speed = float(np.linalg.norm(belt))
    if speed < SLOWEST * np.sqrt(GRAVITY * walker.leg):
        return None
    follows = np.linalg.norm(standing - belt, axis=1) < STEADY * speed
    body = np.linalg.norm(walker.root[-1, :2] - walker.root[0, :2]) * walker.fps / (len(walker.root) - 1)
    backward = float(np.median(walker.facing @ belt)) < BACKWARD * speed
    if not (backward and follows.mean() > MOST and body < STAYS * speed):
        return None
    return np.median(standing[follows], axis=0)
