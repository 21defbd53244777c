"""Whether somebody can walk at the frame rate that a file states.

Walkers of every size step alike in units of their legs (dynamic similarity, Alexander and Jayes 1983): the frequency
f sqrt(leg / g) grows with how far the feet part. How far they part, and whether both stand at once, does not depend on
the frame rate; the frequency does. Steps of a walk that are far too frequent for their length were stated too fast.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np

from playground_amp.core.errors import InputError
from playground_amp.retargeting.preparation.walker import Walker
from playground_amp.retargeting.readers.amass import Take
from playground_amp.retargeting.readers.robot_motion import RobotMotion

Recording = TypeVar("Recording", bound=Take | RobotMotion)

GRAVITY = 9.81  # m/s^2
STRIDING = 0.3  # of the leg, distance of the ankles in a step below which it is one on the spot
PASSED = 0.4  # of the greatest distance of the ankles, before a foot counts as in front
SLOW = 0.25  # of a foot's greatest speed, below which it stands
WALKING = 0.07  # share of the time in which both feet stand; who runs has none
USUAL = (0.25, 0.37)  # frequency in units of the leg: a walk's at no distance of the ankles, and its growth with it
TOO_FAST, TOO_SLOW = 1.6, 0.6  # times the usual frequency
NEVER = {True: 0.72, False: 1.1}  # frequency below which a walk is never too fast: a person's, a robot's
RUN = 1.5  # frequency that no runner has, 5 steps a second for an adult
FASTEST = 4.3  # of sqrt(g leg): 12.5 m/s for an adult


@dataclass(frozen=True)
class Gait:
    """How somebody walks, of several steps. Lengths in legs, frequency in sqrt(g / leg)."""

    cadence: float  # steps a minute
    speed: float  # m/s
    frequency: float  # of steps
    reach: float  # greatest distance of the ankles, along where the walker faces
    double_support: float  # share of the time in which both feet stand


def checked_rate(recording: Recording, walker: Walker) -> Recording:
    """The recording, with a note where it may be slow motion; raises InputError where nobody is so quick."""
    gait = gait_of(walker)
    if gait is None:
        return recording
    usual = USUAL[0] + USUAL[1] * gait.reach
    walks = gait.double_support > WALKING
    quick = walks and gait.frequency > max(NEVER[walker.is_person], TOO_FAST * usual)
    if quick or gait.frequency > RUN or gait.speed > FASTEST * np.sqrt(GRAVITY * walker.leg):
        raise InputError(
            f"'{recording.name}': at {recording.fps:g} frames a second it makes {gait.cadence:.0f} steps a minute at "
            f"{gait.speed:.2f} m/s, which legs of {walker.leg:.2f} m do not; give the rate with --fps, such as "
            f"{recording.fps / 2:g} (--fps {recording.fps:g} if it is right), or the size of the legs with --unit"
        )
    if walks and gait.frequency < TOO_SLOW * usual:
        note = f"it makes {gait.cadence:.0f} steps a minute, as in slow motion: --fps gives another rate"
        return replace(recording, notes=(*recording.notes, note))
    return recording


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
    speed = np.linalg.norm(np.diff(walker.ankles[..., :2], axis=1, append=walker.ankles[:, -1:, :2]), axis=-1)
    return speed < SLOW * np.percentile(speed, 98, axis=1, keepdims=True)
