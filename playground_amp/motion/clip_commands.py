"""Which command a motion answers: what its root does in its own heading frame, as a mean over about a stride."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import gaussian_filter1d
from scipy.spatial.transform import Rotation

STRIDE = 0.8  # s over which velocities are means
MOVES = 0.1  # m/s, above which somebody is on the way
ON_THE_WAY = 0.2  # of the frames, for a motion that goes somewhere
PELVIS = 0.2  # s, standard deviation of the smoothing of the heading: the pelvis turns to and fro with every stride


def motion_commands(qpos: np.ndarray, dt: float) -> np.ndarray:
    """Commands (vx, vy, wz) [N, 3] m/s, m/s, rad/s of a motion [N, nq] at steps of `dt` s.

    Velocity over STRIDE seconds around each frame, in the mean heading of that time, and the turning of the heading.
    The frames at both ends have what the first and the last whole stride have.
    """
    half = min(round(0.5 * STRIDE / dt), (len(qpos) - 1) // 2)
    rows = np.clip(np.arange(len(qpos)), half, len(qpos) - 1 - half)
    before, after = rows - half, np.minimum(rows + half, len(qpos) - 1)
    seconds = (dt * np.maximum(after - before, 1))[:, None]
    heading = smooth_heading(qpos, dt)
    passed = np.concatenate([[[0.0, 0.0]], np.cumsum(np.stack([np.cos(heading), np.sin(heading)], axis=1), axis=0)])
    ahead = passed[after + 1] - passed[before]
    ahead /= np.linalg.norm(ahead, axis=1, keepdims=True)
    velocity = (qpos[after, :2] - qpos[before, :2]) / seconds
    forward = np.sum(velocity * ahead, axis=1)
    left = velocity[:, 1] * ahead[:, 0] - velocity[:, 0] * ahead[:, 1]
    turn = (heading[after] - heading[before]) / seconds[:, 0]
    return np.stack([forward, left, turn], axis=1).astype(np.float32)


def mean_command(qpos: np.ndarray, dt: float) -> np.ndarray:
    """The command [3] that a motion [N, nq] answers as a whole: the mean over its frames on the way.

    One that hardly goes anywhere counts as it stands, turning included.
    """
    commands = motion_commands(qpos, dt)
    moves = np.linalg.norm(commands[:, :2], axis=1) > MOVES
    return commands[moves].mean(axis=0) if moves.mean() > ON_THE_WAY else commands.mean(axis=0)


def smooth_heading(qpos: np.ndarray, dt: float) -> np.ndarray:
    """Direction that the root of a motion [N, nq] faces, [N] rad, continuous in time, without the stride's sway."""
    return gaussian_filter1d(facing(qpos[:, 3:7]), PELVIS / dt, mode="nearest")


def facing(quaternions: np.ndarray) -> np.ndarray:
    """Direction that a root with quaternions [N, 4] (w, x, y, z) faces, [N] rad, continuous in time."""
    ahead = Rotation.from_quat(quaternions, scalar_first=True).apply([1.0, 0.0, 0.0])
    return np.unwrap(np.arctan2(ahead[:, 1], ahead[:, 0]))
