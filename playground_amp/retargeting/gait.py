"""The gait of a walker, in units of its legs: how often it steps, how far its feet part, whether both stand at once.

Walkers of every size step alike in units of their legs (dynamic similarity, Alexander and Jayes 1983): the frequency
f sqrt(leg / g) grows with how far the feet part. How far they part, and whether both stand at once, depends neither on
the frame rate nor on the unit of lengths; the frequency depends on both.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from playground_amp.retargeting.walker import Walker, level_velocity

GRAVITY = 9.81  # m/s^2
STRIDING = 0.3  # of the leg, distance of the ankles in a step below which it is one on the spot
PASSED = 0.4  # of the greatest distance of the ankles, before a foot counts as in front
SLOW = 0.25  # of a foot's greatest speed, below which it stands
WALKING = 0.07  # share of the time in which both feet stand; who runs has none
USUAL = (0.25, 0.37)  # frequency in units of the leg: a walk's at no distance of the ankles, and its growth with it


@dataclass(frozen=True)
class Gait:
    """How somebody walks, of several steps. Lengths in legs, frequency in sqrt(g / leg)."""

    cadence: float  # steps a minute
    speed: float  # m/s
    frequency: float  # of steps
    reach: float  # greatest distance of the ankles, along where the walker faces
    double_support: float  # share of the time in which both feet stand

    @property
    def walks(self) -> bool:
        """Whether it is a walk and no run."""
        return self.double_support > WALKING

    @property
    def tempo(self) -> float:
        """Frequency of the steps, in that of people who step as far."""
        return self.frequency / (USUAL[0] + USUAL[1] * self.reach)


def gait_of(walker: Walker) -> Gait | None:
    """The gait of a walker; None for one who does not make three steps forward."""
    passings = steps(walker)
    if len(passings) < 3:
        return None
    part = slice(passings[0], passings[-1] + 1)
    per_second = (len(passings) - 1) / float(passings[-1] - passings[0]) * walker.fps
    way = np.linalg.norm(np.diff(walker.root[part, :2], axis=0), axis=1).sum()
    return Gait(
        cadence=60.0 * float(per_second),
        speed=float(way) / (passings[-1] - passings[0]) * walker.fps,
        frequency=per_second * float(np.sqrt(walker.leg / GRAVITY)),
        reach=_reach(_parted(walker)) / walker.leg,
        double_support=float(_standing(walker)[:, part].all(axis=0).mean()),
    )


def steps(walker: Walker) -> np.ndarray:
    """Frames in which one foot has come in front of the other, where they part as far as in striding."""
    parted = _parted(walker)
    reach = _reach(parted)
    if reach < STRIDING * walker.leg:
        return np.zeros(0, int)
    in_front = np.where(np.abs(parted) > PASSED * reach, np.sign(parted), 0.0)
    frames = np.flatnonzero(in_front)
    return frames[1:][np.diff(in_front[frames]) != 0.0]


def _parted(walker: Walker) -> np.ndarray:
    """How far the left ankle is in front of the right one, [N] m."""
    return np.sum((walker.ankles[0] - walker.ankles[1])[:, :2] * walker.facing, axis=1)


def _reach(parted: np.ndarray) -> float:
    return float(np.percentile(np.abs(parted), 90))


def _standing(walker: Walker) -> np.ndarray:
    """Whether each foot stands, [2, N], by its speed in its own greatest one."""
    speed = np.linalg.norm(level_velocity(walker.ankles, walker.fps), axis=-1)
    return speed < SLOW * np.percentile(speed, 98, axis=1, keepdims=True)
