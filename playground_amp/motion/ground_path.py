"""The way of a motion over the ground: a smoothed path and heading, and what is seen from them.

A walk ahead, an arc, steps aside and a turn on the spot look alike to somebody who goes along: feet on two lines, a
body that sways between them. Retargeting works in that moving frame, and only here are its path and heading known.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy.ndimage import gaussian_filter1d, uniform_filter1d

SMOOTHING = 0.4  # s, of a person; little is left of the pelvis's turning and swaying with every stride
STRIDE = 2.75  # of the width of that smoothing: a stride of 1.1 s
STEADY = 0.8  # s, over which a speed is averaged, about a stride of a robot


@dataclass(frozen=True, eq=False)
class GroundPath:
    """A frame that moves over the ground, x ahead and y to the left. N frames."""

    place: np.ndarray  # [N, 2] m
    heading: np.ndarray  # [N] rad, continuous in time

    def seen(self, points: np.ndarray) -> np.ndarray:
        """Points [..., N, 3] m of the world as they are seen from the path."""
        return about_vertical(points - self._origin, -self.heading)

    def world(self, points: np.ndarray) -> np.ndarray:
        """Points [..., N, 3] m seen from the path, in the world."""
        return about_vertical(points, self.heading) + self._origin

    @property
    def _origin(self) -> np.ndarray:
        return np.append(self.place, np.zeros((len(self.place), 1)), axis=1)

    def velocity(self, rate: float) -> np.ndarray:
        """Velocity [N, 2] m/s seen from the path, of frames at `rate` Hz."""
        velocity = _turned(np.gradient(self.place, 1.0 / rate, axis=0), -self.heading)
        return velocity[np.clip(np.arange(len(velocity)), 1, max(1, len(velocity) - 2))]  # one-sided at the ends

    def acceleration(self, rate: float) -> np.ndarray:
        """Acceleration [N, 2] m/s^2 of its place, seen from the path: that of a curve, w x v, points to its inside."""
        velocity, turning = self.velocity(rate), np.gradient(self.heading, 1.0 / rate)
        across = turning[:, None] * np.stack([-velocity[:, 1], velocity[:, 0]], axis=-1)
        return np.gradient(velocity, 1.0 / rate, axis=0) + across

    def turning(self, most: float) -> GroundPath:
        """The path that goes as fast ahead and aside but turns by `most` rad a frame or less: wider curves."""
        turns = np.diff(self.heading, prepend=self.heading[0])
        if np.abs(turns).max() <= most:
            return self
        heading = self.heading[0] + np.cumsum(np.clip(turns, -most, most))
        steps = np.diff(self.place, axis=0, prepend=self.place[:1])
        return GroundPath(self.place[0] + np.cumsum(_turned(steps, heading - self.heading), axis=0), heading)

    @property
    def turned(self) -> float:
        """All of its turning, to the left and to the right, rad."""
        return float(np.abs(np.diff(self.heading)).sum())

    def beginning(self, frame: int) -> GroundPath:
        """The path moved and turned to be at the origin in `frame`, heading +x."""
        turned = np.full(len(self.heading), -self.heading[frame])
        return replace(
            self, place=_turned(self.place - self.place[frame], turned), heading=self.heading - self.heading[frame]
        )

    def part(self, frames: slice) -> GroundPath:
        """The path in some of its frames."""
        return GroundPath(self.place[frames], self.heading[frames])


def resting(frames: int) -> GroundPath:
    """The path of a frame that stays: all of a straight walk is seen from the world."""
    return GroundPath(np.zeros((frames, 2)), np.zeros(frames))


def path_of(way: np.ndarray, facing: np.ndarray, rate: float, *, smoothing: float = SMOOTHING) -> GroundPath:
    """The smoothed path from the origin on of a way [N, 2] m that faces `facing` [N] rad, at `rate` Hz.

    The velocity is smoothed as it is seen from the smoothed heading, which does not cut the corners of a curve.
    """
    heading = smoothed(facing, smoothing * rate)
    velocity = _turned(np.diff(way, axis=0, prepend=way[:1]), -heading)
    velocity[0] = velocity[1]
    steady = np.stack([smoothed(column, smoothing * rate) for column in velocity.T], axis=-1)
    steps = _turned(steady, heading)
    steps[0] = 0.0
    return GroundPath(np.cumsum(steps, axis=0), heading)


def smoothed(values: np.ndarray, width: float) -> np.ndarray:
    """Values [N] smoothed by a Gaussian of `width` frames, going on beyond their ends as they came.

    They are turned about where they would be at the ends if they did not go to and fro with every stride.
    """
    pad = min(len(values) - 1, int(4.0 * width))
    before = 2.0 * _beginning(values, width) - values[pad:0:-1]
    after = 2.0 * _beginning(values[::-1], width) - values[-2 : -2 - pad : -1]
    return gaussian_filter1d(np.concatenate([before, values, after]), width)[pad : pad + len(values)]


def _beginning(values: np.ndarray, width: float) -> float:
    """Where the line begins that, with a sine of a stride's time, fits the values [N] of the first strides best."""
    first = values[: round(1.5 * STRIDE * width)]
    time = np.arange(len(first)) / (STRIDE * width)
    turn = 2.0 * np.pi * time
    model = np.stack([np.ones_like(time), time, np.sin(turn), np.cos(turn)], axis=-1)
    return float(np.linalg.lstsq(model, first, rcond=None)[0][0])


def about_vertical(vectors: np.ndarray, angles: np.ndarray) -> np.ndarray:
    """Vectors [..., N, 3] turned by angles [N] rad about z."""
    return np.concatenate([_turned(vectors[..., :2], angles), vectors[..., 2:]], axis=-1)


def _turned(vectors: np.ndarray, angles: np.ndarray) -> np.ndarray:
    """Vectors [..., N, 2] turned by angles [N] rad."""
    cosine, sine = np.cos(angles), np.sin(angles)
    x, y = vectors[..., 0], vectors[..., 1]
    return np.stack([x * cosine - y * sine, x * sine + y * cosine], axis=-1)


def path_speed(way: np.ndarray, rate: float) -> float:
    """Mean speed, m/s, along a way [N, 2 or 3] m at `rate` Hz over the ground, without the sway of its steps."""
    velocity = np.gradient(way[:, :2], 1.0 / rate, axis=0)
    frames = max(1, min(round(STEADY * rate), len(way)))
    return float(np.linalg.norm(uniform_filter1d(velocity, frames, axis=0, mode="nearest"), axis=1).mean())
