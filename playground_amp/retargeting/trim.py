"""Parts of a recording: from second to second, or the longest stretch at some speed."""

from __future__ import annotations

import dataclasses
from typing import TypeVar

import numpy as np
from scipy.ndimage import uniform_filter1d

from playground_amp.core.errors import InputError
from playground_amp.retargeting.human_motion import runs
from playground_amp.retargeting.readers.amass import Take
from playground_amp.retargeting.readers.robot_motion import RobotMotion

STRIDE = 1.0  # s over which a speed is the mean of

Recording = TypeVar("Recording", bound=Take | RobotMotion)


def root_of(recording: Take | RobotMotion) -> np.ndarray:
    """Positions [N, 3] m of the person's pelvis or of the robot's root, world."""
    return recording.positions[:, 0] if isinstance(recording, Take) else recording.root_pos


def trim(recording: Recording, start: float = 0.0, end: float | None = None) -> Recording:
    """The part of a recording from `start` to `end` seconds of it; raises InputError when nothing is left.

    `end` may lie behind the last frame, and is that by default.
    """
    end = recording.duration if end is None else end
    if start >= min(end, recording.duration):
        raise InputError(
            f"'{recording.name}' lasts {recording.duration:.2f} s, --start {start:g} --end {end:g} leave nothing of "
            f"it; give a start before the end and within the recording"
        )
    return frames(recording, int(np.ceil(start * recording.fps - 1e-6)), int(np.floor(end * recording.fps + 1e-6)))


def fastest_part(recording: Recording, least: float) -> Recording:
    """The longest stretch in which the root goes at `least` m/s or faster, as a mean over about a stride.

    Raises InputError where it never does.
    """
    quick = horizontal_speed(recording) >= least
    stretches = sorted(runs(quick), key=lambda run: run[0] - run[1])
    if not stretches:
        raise InputError(
            f"'{recording.name}' is never as fast as --speed-min {least:g} m/s, at most "
            f"{horizontal_speed(recording).max():.2f}; give a lower speed"
        )
    return frames(recording, *stretches[0])


def horizontal_speed(recording: Take | RobotMotion) -> np.ndarray:
    """Speed of the root over the ground, [N] m/s, as a mean over STRIDE seconds around each frame."""
    way = root_of(recording)[:, :2]
    if len(way) < 2:
        return np.zeros(len(way))
    velocity = np.gradient(way, 1.0 / recording.fps, axis=0)
    frames = max(1, min(round(STRIDE * recording.fps), len(way)))
    return np.linalg.norm(uniform_filter1d(velocity, frames, axis=0, mode="nearest"), axis=1)


def frames(recording: Recording, first: int, last: int) -> Recording:
    """The frames from `first` to `last`, both kept, of every array."""
    total, rows = len(root_of(recording)), slice(first, last + 1)
    arrays = {field.name: getattr(recording, field.name) for field in dataclasses.fields(recording)}
    cut = {name: x[rows] for name, x in arrays.items() if isinstance(x, np.ndarray) and len(x) == total}
    return dataclasses.replace(recording, **cut, start=recording.start + first / recording.fps)
