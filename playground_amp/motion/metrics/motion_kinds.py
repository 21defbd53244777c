"""What kind of motion every part of a clip is, by what its root does: standing, walking in some direction, running.

The root's velocity and turning are seen from its heading and averaged over about one stride, so that the swaying and
turning of every step are none. Speeds go with the root of the leg's length, turning with one over it.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from scipy.ndimage import maximum_filter1d, uniform_filter1d
from scipy.spatial.transform import Rotation

from playground_amp.motion.metrics.bounds import AHEAD, ARC, ASIDE, BACK, KINDS, PERSON_LEG, RUNNING, STANDING, TURN

STRIDE = 1.3  # s, of a person as all below, of the averages, of slow steps; what is shorter is no part of its own
STILL = 0.1  # m/s
TURNING = 0.15  # rad/s
ASKEW = 0.2  # of the speed ahead, to the side: more is a walk aside
FROUDE = 0.3  # v^2 / (g leg): nobody who is slower runs, whatever the feet do
GRAVITY = 9.81  # m/s^2


@dataclass(frozen=True)
class Part:
    """Frames of a clip that are of one kind."""

    kind: str  # one of bounds.KINDS
    first: int
    last: int


def parts_of(qpos: np.ndarray, flight: np.ndarray, frequency: float, leg: float) -> list[Part]:
    """The parts of a motion [N, nq] at `frequency` Hz of a robot with legs of `leg` m, in order, without gaps.

    `flight` [N] says when no foot is on the ground.
    """
    kinds = kinds_of(qpos, flight, frequency, leg)
    shortest = STRIDE * np.sqrt(leg / PERSON_LEG) * frequency
    edges = _edges(kinds)
    while len(edges) > 2 and np.diff(edges).min() < shortest:
        kinds, edges = _without_shortest(kinds, edges)
    return [Part(KINDS[kinds[a]], int(a), int(b) - 1) for a, b in pairwise(edges)]


def kinds_of(qpos: np.ndarray, flight: np.ndarray, frequency: float, leg: float) -> np.ndarray:
    """Index into KINDS of every frame, [N]."""
    scale = float(np.sqrt(leg / PERSON_LEG))
    velocity, turning = _averages(qpos, frequency, round(STRIDE * scale * frequency))
    speed, (ahead, aside) = np.linalg.norm(velocity, axis=1), velocity.T
    turns, stays = np.abs(turning) > TURNING / scale, speed < STILL * scale
    around = 1 + 2 * round(STRIDE * scale * frequency)
    runs = maximum_filter1d(flight.astype(int), around).astype(bool) & (speed**2 > FROUDE * GRAVITY * leg)
    conditions = [stays & turns, stays, runs, np.abs(aside) > ASKEW * np.abs(ahead), turns, ahead < 0.0]
    kinds = [KINDS.index(kind) for kind in (TURN, STANDING, RUNNING, ASIDE, ARC, BACK)]
    return np.select(conditions, kinds, KINDS.index(AHEAD))


def _averages(qpos: np.ndarray, frequency: float, frames: int) -> tuple[np.ndarray, np.ndarray]:
    """Velocity [N, 2] m/s ahead and to the left, and turning [N] rad/s, each averaged over `frames` around a frame.

    At the ends it is that of the first and of the last `frames`.
    """
    yaw = np.unwrap(Rotation.from_quat(qpos[:, 3:7], scalar_first=True).as_euler("ZYX")[:, 0])
    x, y = np.gradient(qpos[:, :2], 1.0 / frequency, axis=0).T
    ahead, aside = x * np.cos(yaw) + y * np.sin(yaw), y * np.cos(yaw) - x * np.sin(yaw)
    seen = np.stack([ahead, aside, np.gradient(yaw, 1.0 / frequency)], axis=-1)
    frames = max(1, min(frames, len(seen)))
    inside = np.clip(np.arange(len(seen)), frames // 2, len(seen) - 1 - (frames - 1) // 2)
    averaged = uniform_filter1d(seen, frames, axis=0)[inside]
    return averaged[:, :2], averaged[:, 2]


def _edges(kinds: np.ndarray) -> np.ndarray:
    """First frames of the runs of one kind, and the number of frames."""
    return np.concatenate([[0], np.flatnonzero(np.diff(kinds)) + 1, [len(kinds)]])


def _without_shortest(kinds: np.ndarray, edges: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The kinds [N] with the shortest run given to the longer one of those beside it."""
    lengths = np.diff(edges)
    i = int(lengths.argmin())
    beside = [j for j in (i - 1, i + 1) if 0 <= j < len(lengths)]
    longer = max(beside, key=lambda j: lengths[j])
    kinds = kinds.copy()
    kinds[edges[i] : edges[i + 1]] = kinds[edges[longer]]
    return kinds, _edges(kinds)
