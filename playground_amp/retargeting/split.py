"""Cut a recording into the parts that can become clips, and say what is left out, when and why.

Every frame has a kind, from smoothed speed, turning and height of the root: standing, walking straight, walking along
an arc, turning on the spot, off its feet, or a jump of the recording. All but standing and the last two is of use.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import binary_dilation, gaussian_filter1d

from playground_amp.core.errors import InputError
from playground_amp.motion.clip_commands import facing
from playground_amp.motion.metrics.bounds import PERSON_LEG
from playground_amp.retargeting.human_motion import runs
from playground_amp.retargeting.readers.amass import Take
from playground_amp.retargeting.readers.robot_motion import RobotMotion
from playground_amp.retargeting.trim import frames, horizontal_speed, root_of

STILL = 0.15  # m/s, of a person as all below, as a mean over about a stride
TURNING = np.deg2rad(25.0)  # rad/s, of the heading, smoothed
SMOOTHING = 0.4  # s, about a step: the pelvis turns to and fro with every stride
LOW, HIGH = 0.2, 0.25  # of the leg's length, below and above the usual height of the root: nobody walks there
FASTEST = 12.0  # m/s of the root; faster, the recording jumps
FASTEST_TURN = 20.0  # rad/s of the root, likewise
AROUND = 0.1  # s left out on both sides of a jump of the recording
SHORTEST = 1.5  # s, of a part
STANDING, STRAIGHT, ARC, TURN, OFF_FEET, JUMP = KINDS = (
    "stands still",
    "walks straight",
    "walks along an arc",
    "turns on the spot",
    "is not upright on the feet",
    "jumps from place to place",
)
USABLE = (STRAIGHT, ARC, TURN)


@dataclass(frozen=True, eq=False)
class Cut:
    """The parts of a recording that can become clips, and what is left out."""

    parts: list[Take | RobotMotion]
    notes: tuple[str, ...]  # a sentence for what is left out, with times; none where nothing is


def split(recording: Take | RobotMotion, leg: float = PERSON_LEG) -> Cut:
    """The usable parts of a recording of legs of `leg` m, each of SHORTEST seconds or more.

    A recording in which somebody stands all the time is one part. Raises InputError where there is no part.
    """
    kinds = kinds_of(recording, leg)
    if (kinds == KINDS.index(STANDING)).all():
        return Cut([recording], ())
    usable = np.isin(kinds, [KINDS.index(kind) for kind in USABLE])
    shortest = SHORTEST * np.sqrt(leg / PERSON_LEG)
    bounds = [(first, last) for first, last in runs(usable) if (last - first) / recording.fps >= shortest]
    if not bounds:
        raise InputError(
            f"'{recording.name}' has no part of {shortest:.1f} s or more that can be used: "
            f"{_left_out(kinds, recording, [])}"
        )
    left = _left_out(kinds, recording, bounds)
    parts = [frames(recording, first, last) for first, last in bounds]
    return Cut(parts, (f"left out of '{recording.name}': {left}",) if left else ())


def kinds_of(recording: Take | RobotMotion, leg: float = PERSON_LEG) -> np.ndarray:
    """Index into KINDS of every frame, [N]."""
    scale = float(np.sqrt(leg / PERSON_LEG))
    speed, turning = horizontal_speed(recording), np.abs(_turning(recording))
    still = speed < STILL * scale
    kinds = np.where(still, KINDS.index(STANDING), KINDS.index(STRAIGHT))
    turns = turning > TURNING / scale
    kinds = np.where(turns, np.where(speed < 2.0 * STILL * scale, KINDS.index(TURN), KINDS.index(ARC)), kinds)
    height = root_of(recording)[:, 2]
    usual = np.median(height)
    off = (height < usual - LOW * leg) | (height > usual + HIGH * leg)
    kinds = np.where(off, KINDS.index(OFF_FEET), kinds)
    return np.where(jumps(recording), KINDS.index(JUMP), kinds)


def _heading(recording: Take | RobotMotion) -> np.ndarray:
    """Direction that the root faces, [N] rad, smoothed over SMOOTHING s."""
    return gaussian_filter1d(_facing(recording), SMOOTHING * recording.fps, mode="nearest")


def _facing(recording: Take | RobotMotion) -> np.ndarray:
    """Direction that the root faces, [N] rad, continuous in time."""
    if isinstance(recording, RobotMotion):
        return facing(recording.root_quat)
    ahead = recording.rotations[:, 0, :, 2]  # SMPL's rest frame faces z
    return np.unwrap(np.arctan2(ahead[:, 1], ahead[:, 0]))


def _turning(recording: Take | RobotMotion) -> np.ndarray:
    """Turning of the heading, [N] rad/s."""
    heading = _heading(recording)
    return np.gradient(heading) * recording.fps if len(heading) > 1 else np.zeros(1)


def jumps(recording: Take | RobotMotion) -> np.ndarray:
    """Frames [N] beside which the root goes, or turns, faster than anybody."""
    way = np.linalg.norm(np.diff(root_of(recording), axis=0), axis=1) * recording.fps
    turn = np.abs(np.diff(_facing(recording))) * recording.fps
    fast = np.concatenate([[False], (way > FASTEST) | (turn > FASTEST_TURN)])
    around = 1 + 2 * max(1, round(AROUND * recording.fps))
    return binary_dilation(fast, np.ones(around)) if fast.any() else fast


def _left_out(kinds: np.ndarray, recording: Take | RobotMotion, kept: list[tuple[int, int]]) -> str:
    """What is not in the parts that are kept (first and last frames), with its seconds of the file."""
    out = np.ones(len(kinds), bool)
    for first, last in kept:
        out[first : last + 1] = False
    said = []
    for first, last in runs(out):
        reason = KINDS[int(np.bincount(kinds[first : last + 1]).argmax())]
        reason = "too short" if reason in USABLE else reason
        begins, ends = (recording.start + frame / recording.fps for frame in (first, last))
        said.append(f"{begins:.1f} to {ends:.1f} s ({reason})")
    return ", ".join(said)
