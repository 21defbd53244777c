"""Whether somebody can walk at the frame rate that a file states: steps that are far too frequent for their length."""

from __future__ import annotations

from dataclasses import replace
from typing import TypeVar

import numpy as np

from playground_amp.core.errors import InputError
from playground_amp.retargeting.gait import GRAVITY, gait_of
from playground_amp.retargeting.readers.amass import Take
from playground_amp.retargeting.readers.robot_motion import RobotMotion
from playground_amp.retargeting.walker import Walker

Recording = TypeVar("Recording", bound=Take | RobotMotion)

TOO_FAST, TOO_SLOW = 1.6, 0.6  # tempo of a walk that nobody has, and of slow motion
NEVER = {True: 0.72, False: 1.1}  # frequency in units of the leg below which no walk is too fast: a person's, a robot's
RUN = 1.5  # frequency that no runner has, 5 steps a second for an adult
FASTEST = 4.3  # of sqrt(g leg): 12.5 m/s for an adult


def checked_rate(recording: Recording, walker: Walker) -> Recording:
    """The recording, with a note where it may be slow motion; raises InputError where nobody is so quick."""
    gait = gait_of(walker)
    if gait is None:
        return recording
    quick = gait.walks and gait.tempo > TOO_FAST and gait.frequency > NEVER[walker.is_person]
    if quick or gait.frequency > RUN or gait.speed > FASTEST * np.sqrt(GRAVITY * walker.leg):
        raise InputError(
            f"'{recording.name}': at {recording.fps:g} frames a second it makes {gait.cadence:.0f} steps a minute at "
            f"{gait.speed:.2f} m/s, which legs of {walker.leg:.2f} m do not; give the rate with --fps, such as "
            f"{recording.fps / 2:g} (--fps {recording.fps:g} if it is right), or the size of the legs with --unit"
        )
    if gait.walks and gait.tempo < TOO_SLOW:
        note = f"it makes {gait.cadence:.0f} steps a minute, as in slow motion: --fps gives another rate"
        return replace(recording, notes=(*recording.notes, note))
    return recording
