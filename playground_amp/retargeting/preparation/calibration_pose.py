"""T-poses and A-poses that recordings begin or end with: arms straight out to the sides, and the body still."""

from __future__ import annotations

from dataclasses import replace
from typing import TypeVar

import numpy as np

from playground_amp.core.errors import InputError
from playground_amp.retargeting.readers.amass import JOINTS, Take
from playground_amp.retargeting.readers.robot_motion import RobotMotion

OUT = np.sin(np.deg2rad([-55.0, 20.0]))  # of the arm above level: an A-pose to a T-pose; arms that hang are lower
SIDEWAYS = 0.9  # cosine between an arm's level part and the line of the shoulders
STRAIGHT = np.cos(np.deg2rad(20.0))  # between upper arm and forearm
EVEN = np.deg2rad(12.0)  # rad between the heights of the two arms
STILL = 0.05  # m by which an ankle may move
LOWERING = 1.5  # s in which the arms come down, left out with the pose
DOWN = np.sin(np.deg2rad(-58.0))  # of an arm that has come down
SHORTEST = 0.3  # s of an A-pose; a T-pose is none for one frame, too
LEVEL = np.sin(np.deg2rad(-20.0))  # of the arms in a T-pose


Recording = TypeVar("Recording", bound=Take | RobotMotion)


def without_calibration_pose(recording: Recording) -> Recording:
    """A person's take without a T-pose or A-pose at its beginning and end, and a note; a robot's motion as it is.

    Raises InputError where the pose is all there is.
    """
    if not isinstance(recording, Take):
        return recording
    take: Take = recording
    pose = _out(take.positions)
    first = _leading(take.positions, pose, take.fps)
    last = _leading(take.positions[::-1], pose[::-1], take.fps)
    if first + last == 0:
        return recording
    total = len(pose)
    if first + last >= total:
        raise InputError(f"'{take.name}' is a T-pose all the time; give a recording of motion")
    rows = slice(first, total - last)
    places = (("first", first), ("last", last))
    notes = [f"its {place} {frames / take.fps:.2f} s are a T-pose and left out" for place, frames in places if frames]
    parts = {"positions": take.positions[rows], "rotations": take.rotations[rows]}
    return replace(recording, **parts, notes=(*take.notes, *notes), start=take.start + first / take.fps)


def _leading(positions: np.ndarray, pose: np.ndarray, fps: float) -> int:
    """Number of frames of positions [N, 22, 3] until a pose at the beginning is over and the arms are down."""
    ankles = positions[:, [JOINTS.index("left_ankle"), JOINTS.index("right_ankle")]]
    moved = np.linalg.norm(ankles - ankles[0], axis=-1).max(axis=1) > STILL
    still = int(np.argmax(moved)) if moved.any() else len(moved)
    first, end = _first_run(pose)
    if pose.all() and still == len(pose):
        return len(pose)
    if end > still or not _is_calibration(positions, first, end, still, fps):
        return 0
    lowering = min(end + int(LOWERING * fps), len(pose))
    down = np.flatnonzero((_rise(positions[end:lowering]).max(axis=0) < DOWN) | moved[end:lowering])
    return end + (int(down[0]) if len(down) else 0)


def _first_run(mask: np.ndarray) -> tuple[int, int]:
    """First index of the first true values in a row of `mask` [N], and the one behind them; both 0 for none."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], mask, [False]]).astype(int)))
    return (int(edges[0]), int(edges[1])) if len(edges) else (0, 0)


def _is_calibration(positions: np.ndarray, first: int, end: int, still: int, fps: float) -> bool:
    """Whether a pose from frame `first` up to `end` is one for the cameras; the feet are `still` until then.

    An A-pose must be held, and a T-pose that does not come first must be, too, by somebody who then walks.
    """
    if end == first:
        return False
    held = end - first >= SHORTEST * fps
    is_t_pose = float(_rise(positions[first : first + 1]).min()) > LEVEL
    if first == 0:
        return held or is_t_pose
    return held and is_t_pose and still < len(positions)


def _out(positions: np.ndarray) -> np.ndarray:
    """Whether both arms are straight, out to the sides and as high as each other, [N]."""
    ways, rise = _arms(positions), _rise(positions)
    left, right = (positions[:, JOINTS.index(f"{side}_shoulder"), :2] for side in ("left", "right"))
    line = _unit(left - right)
    level = _unit(ways.sum(axis=1)[..., :2])
    sideways = np.sum(level * np.stack([line, -line]), axis=-1) > SIDEWAYS
    straight = np.sum(ways[:, 0] * ways[:, 1], axis=-1) > STRAIGHT
    high = (rise > OUT[0]) & (rise < OUT[1])
    even = np.abs(np.diff(np.arcsin(np.clip(rise, -1.0, 1.0)), axis=0)[0]) < EVEN
    return (sideways & straight & high).all(axis=0) & even


def _arms(positions: np.ndarray) -> np.ndarray:
    """Directions [2, 2, N, 3] of upper arms and forearms, left and right."""
    chains = [[JOINTS.index(f"{side}_{part}") for part in ("shoulder", "elbow", "wrist")] for side in ("left", "right")]
    return np.stack([_unit(np.diff(positions[:, chain], axis=1)).swapaxes(0, 1) for chain in chains])


def _rise(positions: np.ndarray) -> np.ndarray:
    """Sine of each arm above level, shoulder to wrist, [2, N]."""
    return _unit(_arms(positions).sum(axis=1))[..., 2]


def _unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-9)
