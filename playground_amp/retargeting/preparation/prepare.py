"""What is done to every recording before it is retargeted; each step that finds something adds a note."""

from __future__ import annotations

from typing import TypeVar

import numpy as np

from playground_amp.core.errors import InputError
from playground_amp.retargeting.preparation.calibration_pose import without_calibration_pose
from playground_amp.retargeting.preparation.gait_rate import checked_rate
from playground_amp.retargeting.preparation.treadmill import belt_velocity, over_ground
from playground_amp.retargeting.readers.amass import Take
from playground_amp.retargeting.readers.hints import NO_HINTS, ReadHints
from playground_amp.retargeting.readers.robot_motion import RobotMotion
from playground_amp.retargeting.walker import walker_of
from playground_amp.robots import Robot

Recording = TypeVar("Recording", bound=Take | RobotMotion)


def prepared(recording: Recording, hints: ReadHints = NO_HINTS, robot: Robot | None = None) -> Recording:
    """The recording without T-pose, over the ground instead of on a treadmill, with a rate that legs can walk at.

    The feet of a robot's motion are looked at where `robot` is the one that it moves. Raises InputError for a
    recording that is a T-pose alone, for a frame rate that nobody walks at and no hint vouches for, and where a unit
    that was given makes the way much shorter than the steps.
    """
    moving = without_calibration_pose(recording)
    walker = walker_of(moving, robot)
    if walker is None:
        return moving
    belt = belt_velocity(walker)
    if belt is not None and hints.unit is not None:
        speed = float(np.median(np.linalg.norm(belt, axis=-1)))
        raise InputError(
            f"'{recording.name}': with --unit {hints.unit} it steps as if at {speed:.2f} m/s and hardly leaves its "
            f"place; its way is in another unit, or it was recorded on a treadmill: leave --unit out"
        )
    forward = moving if belt is None else over_ground(moving, belt)
    walker = walker if belt is None else walker_of(forward, robot) or walker
    return forward if hints.fps is not None else checked_rate(forward, walker)
