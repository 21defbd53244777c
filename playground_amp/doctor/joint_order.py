"""Clips whose joints are in the wrong order, found by the exchange of joints that would mend them."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from itertools import combinations
from pathlib import Path

import numpy as np

from playground_amp.core.errors import InputError, listed
from playground_amp.doctor.stance import find_stance
from playground_amp.motion.clip import LIMIT_TOLERANCE, MotionClip
from playground_amp.motion.metrics.gait import Quality, gait_bounds, measure
from playground_amp.robots import Robot

FEET = ("skating", "penetration", "float_height")  # figures of motion/metrics/gait.py that a wrong order spoils

SOUND = 1.0  # badness of a clip whose feet are within bounds


def badness(quality: Quality) -> float:
    """How far the feet slip, sink and float, in the bounds of motion/metrics/gait.py: above 1 is out of bounds."""
    most = gait_bounds(quality.leg)
    return max(getattr(quality, name) / most[name][1] for name in FEET)


def mending_order(clip: MotionClip, robot: Robot, *, below: float) -> list[str]:
    """Names of the joints to exchange so that all are within their ranges, and the feet stand.

    Their badness is then below `below`; of several exchanges that with the least; nothing where there is none. Ask for
    SOUND where nothing else speaks for an exchange: one that only mends something may do so by chance.
    """
    best, names = below, []
    for order in _orders(robot):
        qpos = np.concatenate([clip.qpos[:, :7], clip.qpos[:, 7:][:, order]], axis=1)
        if robot.beyond_limits(qpos[:, 7:]).max() <= LIMIT_TOLERANCE:
            exchanged = dataclasses.replace(clip, qpos=qpos)
            bad = badness(measure(exchanged, robot))
            if bad < best and find_stance(exchanged, robot).stands:
                best, names = bad, [joint for i, joint in enumerate(robot.joints) if order[i] != i]
    return names


def check_order(paths: Sequence[Path], robot: Robot) -> None:
    """Raise InputError for a clip file that passes joint limits only because its joints are in the wrong order."""
    for path in paths:
        clip = _peek(path, robot)
        if clip is None or (beyond := robot.beyond_limits(clip.qpos[:, 7:])).max() <= LIMIT_TOLERANCE:
            continue
        names = mending_order(clip, robot, below=np.inf)
        if names:
            raise InputError(
                f"'{path}': {robot.joints[int(beyond.argmax())]} passes its limit, with "
                f"{listed(names)} exchanged no joint does: they are in the wrong order; write its qpos in the order "
                f"{', '.join(robot.joints)}"
            )


def _peek(path: Path, robot: Robot) -> MotionClip | None:
    """The motion of a file that load_clip may refuse; None for what is no motion of this robot."""
    try:
        with np.load(path, allow_pickle=False) as file:
            qpos, frequency = np.asarray(file["qpos"], np.float64), float(file["frequency"])
    except Exception:  # load_clip says what is wrong
        return None
    fits = qpos.ndim == 2 and qpos.shape[1] == 7 + robot.num_joints and len(qpos) > 2 and np.isfinite(qpos).all()
    return MotionClip(path.stem, robot.name, robot.joints, qpos, frequency, "") if fits else None


def _orders(robot: Robot) -> Iterator[np.ndarray]:
    """Every exchange of two joints, and of the whole left with the whole right side."""
    for pair in combinations(range(robot.num_joints), 2):
        order = np.arange(robot.num_joints)
        order[list(pair)] = pair[::-1]
        yield order
    yield np.array(robot.mirror_joints[0])
