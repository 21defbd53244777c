"""Feet that stand still: a foot's path made to pivot about its heel or its toe through every contact.

One model serves the person's sole and the robot's: a rigid foot with two contact lines, heel and toe. In stance the
foot pitches up about the heel (heel strike), lies flat, then pitches down about the toe (push-off); the pivot never
moves. Between two stances the given path is kept but for a cubic that joins the ends in position and velocity. Pitch is
positive nose down (about +y of a foot that points to +x).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.interpolate import CubicHermiteSpline
from scipy.ndimage import gaussian_filter1d


@dataclass(frozen=True)
class Sole:
    """The contact lines of a person's or a robot's foot, seen from the side, relative to the ankle of a level foot."""

    heel: float  # m, forward position of the heel line (negative)
    toe: float  # m, forward position of the toe line
    drop: float  # m, ankle above the centres of the contact spheres
    radius: float = 0.0  # m, of the contact spheres


@dataclass(frozen=True)
class Stance:
    """One contact of a foot, heel strike to toe-off."""

    first: int  # first frame in contact
    last: int  # last frame in contact
    x: float  # m, ankle when the foot lies flat
    y: float  # m
    yaw: float | np.ndarray = 0.0  # rad, direction of the foot; [N] over the path's frames where it pivots


def dead_zone(pitch: np.ndarray, width: float, onset: float) -> np.ndarray:
    """Pitch [...] rad without its middle: zero up to `width`, then a parabola of length `onset`, then a line.

    The foot lies flat in the zone and leaves it without a jump in angular velocity.
    """
    beyond = np.maximum(np.abs(pitch) - width, 0.0)
    return np.sign(pitch) * np.where(beyond < onset, beyond**2 / (2.0 * onset), beyond - 0.5 * onset)


def pinned_ankle(pitch: np.ndarray, sole: Sole) -> np.ndarray:
    """Ankle [..., 2] (forward of its place when flat, up; m) of a foot that rolls over its heel or toe spheres."""
    pivot = np.where(pitch > 0.0, sole.toe, sole.heel)
    forward = pivot * (1.0 - np.cos(pitch)) + sole.drop * np.sin(pitch) + sole.radius * pitch
    return np.stack([forward, sole.radius + pivot * np.sin(pitch) + sole.drop * np.cos(pitch)], axis=-1)


def line_heights(ankle_z: np.ndarray, pitch: np.ndarray, sole: Sole) -> np.ndarray:
    """Height above ground of the heel and the toe line, [..., 2] m."""
    lines = np.stack([np.full_like(pitch, sole.heel), np.full_like(pitch, sole.toe)], axis=-1)
    level = (ankle_z - sole.drop * np.cos(pitch) - sole.radius)[..., None]
    return level - lines * np.sin(pitch)[..., None]


def pin(free: np.ndarray, flat: np.ndarray, stances: list[Stance], sole: Sole, *, clearance: float) -> np.ndarray:
    """Path [N, 5] (ankle x, y, z in m, pitch, yaw in rad) that follows `free` [N, 5] in swing and stays in `stances`.

    `flat` [N] is the pitch in contact (zero where the sole lies flat). Heel and toe rise at least `clearance` m in
    the middle of a swing. Before the first and after the last stance the path is not defined by contacts and is NaN.
    """
    path = np.full_like(free, np.nan)
    held = [_held(stance, flat, sole) for stance in stances]
    for stance, pose in zip(stances, held, strict=True):
        path[stance.first : stance.last + 1] = pose[stance.first : stance.last + 1]
    for (before, start), (after, end) in zip(
        zip(stances, held, strict=True), zip(stances[1:], held[1:], strict=True), strict=False
    ):
        inside = slice(before.last, after.first + 1)
        swing = free[inside] + _join(start - free, end - free, before.last, after.first)
        path[inside] = _lifted(swing, sole, clearance)
    return path


def _held(stance: Stance, flat: np.ndarray, sole: Sole) -> np.ndarray:
    """The pose [N, 5] of the foot if this stance lasted for ever; it turns about the ankle's place when flat."""
    forward, up = pinned_ankle(flat, sole).T
    yaw = np.broadcast_to(stance.yaw, flat.shape)
    return np.stack([stance.x + forward * np.cos(yaw), stance.y + forward * np.sin(yaw), up, flat, yaw], axis=-1)


def _join(start: np.ndarray, end: np.ndarray, first: int, last: int) -> np.ndarray:
    """Cubic [last - first + 1, C] with the value and slope of `start` at frame `first` and of `end` at `last`."""
    slopes = np.gradient(start, axis=0)[first], np.gradient(end, axis=0)[last]
    spline = CubicHermiteSpline([first, last], [start[first], end[last]], slopes)
    return spline(np.arange(first, last + 1))


def _lifted(swing: np.ndarray, sole: Sole, clearance: float) -> np.ndarray:
    """The swing [S, 5], raised until heel and toe pass over an arc that is `clearance` m high in the middle.

    First the whole swing is raised by the arc's shape, for what is missing in its middle, then the ends, where a heel
    or a toe may still graze the ground.
    """
    s = np.linspace(0.0, 1.0, len(swing))
    shape = 4.0 * s * (1.0 - s)  # steep at the ends: a foot leaves the ground at once
    middle = (s > 0.25) & (s < 0.75)
    missing = _missing(swing, sole, clearance * shape)
    lifted = _raised(swing, shape * np.max(missing[middle] / shape[middle], initial=0.0))
    grazing = gaussian_filter1d(_missing(lifted, sole, clearance * shape), 1.0, mode="constant")
    lifted = _raised(lifted, grazing * (shape > 0.0))
    return _raised(lifted, _missing(lifted, sole, 0.0 * s))


def _missing(path: np.ndarray, sole: Sole, wanted: np.ndarray) -> np.ndarray:
    """By how much [S] m the lower of heel and toe is below the `wanted` height [S]."""
    return np.maximum(wanted - line_heights(path[:, 2], path[:, 3], sole).min(axis=-1), 0.0)


def _raised(path: np.ndarray, by: np.ndarray) -> np.ndarray:
    return path + by[:, None] * [0.0, 0.0, 1.0, 0.0, 0.0]
