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

Source = TypeVar("Source", bound=Take | RobotMotion)


def root_of(source: Take | RobotMotion) -> np.ndarray:
    """Way of the pelvis or of the robot's root, [N, 3] m."""
    return source.positions[:, 0] if isinstance(source, Take) else source.root_pos


def trim(source: Source, start: float = 0.0, end: float | None = None) -> Source:
    """The part of a recording from `start` to `end` seconds of it; raises InputError when nothing is left.

    `end` may lie behind the last frame.
    """
    end = source.duration if end is None else end
    if start >= min(end, source.duration):
        raise InputError(
            f"'{source.name}' lasts {source.duration:.2f} s, --start {start:g} --end {end:g} leave nothing of it; "
            f"give a start before the end and within the recording"
        )
    return _frames(source, int(np.ceil(start * source.fps - 1e-6)), int(np.floor(end * source.fps + 1e-6)))


def fastest_part(source: Source, least: float) -> Source:
    """The longest stretch in which the root goes at `least` m/s or faster, as a mean over about a stride."""
    quick = horizontal_speed(source) >= least
    stretches = sorted(runs(quick), key=lambda run: run[0] - run[1])
    if not stretches:
        raise InputError(
            f"'{source.name}' is never as fast as --speed-min {least:g} m/s, at most "
            f"{horizontal_speed(source).max():.2f}; give a lower speed"
        )
    return _frames(source, *stretches[0])


def horizontal_speed(source: Take | RobotMotion) -> np.ndarray:
    """Speed of the root over the ground, [N] m/s, as a mean over STRIDE seconds around each frame."""
    way = root_of(source)[:, :2]
    if len(way) < 2:
        return np.zeros(len(way))
    velocity = np.gradient(way, 1.0 / source.fps, axis=0)
    frames = max(1, min(round(STRIDE * source.fps), len(way)))
    return np.linalg.norm(uniform_filter1d(velocity, frames, axis=0, mode="nearest"), axis=1)


def _frames(source: Source, first: int, last: int) -> Source:
    """The frames from `first` to `last`, both kept, of every array."""
    total, rows = len(root_of(source)), slice(first, last + 1)
    arrays = {field.name: getattr(source, field.name) for field in dataclasses.fields(source)}
    cut = {name: x[rows] for name, x in arrays.items() if isinstance(x, np.ndarray) and len(x) == total}
    return dataclasses.replace(source, **cut)
