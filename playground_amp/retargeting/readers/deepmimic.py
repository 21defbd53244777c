"""DeepMimic's motions: a `.txt` (JSON) of 44 numbers a frame for its humanoid of 15 bodies -> a Take.

{"Loop": ..., "Frames": [[...], ...]}: seconds to the next frame; root position (m); quaternions (w, x, y, z) of root,
chest and neck; right hip, knee (an angle), ankle, shoulder, elbow (an angle), then the left ones. World: y up, x
forward, z right; all rotations zero is standing with the arms hanging. Peng et al. 2018, "DeepMimic".
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from scipy.spatial.transform import Rotation

from playground_amp.core.errors import InputError
from playground_amp.core.files import parse_json
from playground_amp.retargeting.readers.amass import Take
from playground_amp.retargeting.readers.hints import NO_HINTS, ReadHints
from playground_amp.retargeting.readers.smpl_skeleton import make_take, standing_rest
from playground_amp.retargeting.readers.up_axis import TO_Z_UP
from playground_amp.retargeting.readers.validation import check_file, frame_rate, frames_of, metres, unit_quaternions

WIDTH = 44
HINGES = ("knee", "elbow")  # joints of one angle
FRAME = np.array([[0.0, 0.0, 1.0], [0.0, 1.0, 0.0], [-1.0, 0.0, 0.0]])  # columns: left, up, forward of its world
SAME = 0.01  # by which the lengths of frames may differ, relative, before the motion is resampled
LONGEST = 10.0  # of a frame, in usual ones
ENOUGH = 4.0  # s, of a cycle repeated: enough steps for a gait
# by which numbers of a cycle's ends may differ (m, rad, and of a quaternion about half a rad): root, then joints
CLOSED = np.repeat([0.1, 0.25], [8, WIDTH - 8])
MADE_BY_HAND = 0.5  # by which the length of a quaternion may differ from one: some keyframes are sums of others
# body of its humanoid by its SMPL joint -> parent, offset to it (m), first column of its rotation, None for none
SKELETON: dict[str, tuple[str | None, tuple[float, float, float], int | None]] = {
    "pelvis": (None, (0.0, 0.0, 0.0), 4),
    "spine3": ("pelvis", (0.0, 0.236151, 0.0), 8),
    "neck": ("spine3", (0.0, 0.223894, 0.0), 12),
}
for _side, _sign, _first in (("right", 1.0, 16), ("left", -1.0, 30)):
    SKELETON |= {
        f"{_side}_hip": ("pelvis", (0.0, 0.0, 0.084887 * _sign), _first),
        f"{_side}_knee": (f"{_side}_hip", (0.0, -0.421546, 0.0), _first + 4),
        f"{_side}_ankle": (f"{_side}_knee", (0.0, -0.409870, 0.0), _first + 5),
        f"{_side}_shoulder": ("spine3", (-0.02405, 0.24350, 0.18311 * _sign), _first + 9),
        f"{_side}_elbow": (f"{_side}_shoulder", (0.0, -0.274788, 0.0), _first + 13),
        f"{_side}_wrist": (f"{_side}_elbow", (0.0, -0.258947, 0.0), None),
    }


def load_deepmimic(path: Path, hints: ReadHints = NO_HINTS) -> Take:
    """Read a DeepMimic motion; raises InputError naming the file, what is wrong and what would be right."""
    check_file(path)
    content = _content(path)
    frames, fps = _evenly(_frames(content, path), path)
    frames = _repeated(_aligned(frames), fps) if content.get("Loop") == "wrap" else frames
    root = metres(frames[:, 1:4], "the root", path)
    positions, rotations = _kinematics(frames, root, path)
    zero = {joint: track[0] for joint, track in _kinematics(_zero_frame(), np.zeros((1, 3)), path)[0].items()}
    rest = standing_rest(zero, FRAME)
    return make_take(
        path.stem,
        {joint: track @ TO_Z_UP["y"].T for joint, track in positions.items()},
        {joint: TO_Z_UP["y"] @ track @ rest[joint] for joint, track in rotations.items()},
        fps if hints.fps is None else frame_rate(hints.fps, "--fps", path),
    )


def _content(path: Path) -> dict[str, Any]:
    try:
        content: Any = parse_json(path.read_text(encoding="utf-8", errors="replace"))
    except ValueError:
        raise InputError(f"'{path}' is not readable JSON (truncated or of another kind); copy it again") from None
    return content if isinstance(content, dict) else {}


def _frames(content: dict[str, Any], path: Path) -> np.ndarray:
    """The table of frames, [N, 44]."""
    rows = content.get("Frames")
    if not isinstance(rows, list) or not rows:
        raise InputError(f"'{path}' has no Frames; a DeepMimic motion is JSON with 'Loop' and 'Frames' of 44 numbers")
    for number, row in enumerate(rows):
        if not isinstance(row, list) or len(row) != WIDTH:
            raise InputError(f"'{path}': frame {number} has not the {WIDTH} numbers of DeepMimic's humanoid")
        if not all(type(value) in (int, float) and abs(value) < 1e9 for value in row):
            raise InputError(f"'{path}': frame {number} holds something else than finite numbers; repair the motion")
    return frames_of(np.array(rows, np.float64), "Frames", WIDTH, path)


def _evenly(frames: np.ndarray, path: Path) -> tuple[np.ndarray, float]:
    """The frames at one rate, and that rate in Hz; the last frame's seconds count for nothing."""
    seconds = frames[:-1, 0] if len(frames) > 1 else frames[:, 0]
    usual = float(np.median(seconds))
    if not (seconds > 0.0).all() or seconds.max() > LONGEST * usual:
        raise InputError(
            f"'{path}': frames last from {seconds.min():.3g} to {seconds.max():.3g} s; their first numbers, seconds to "
            "the next frame, must be positive and much alike"
        )
    fps = frame_rate(1.0 / usual, "the rate of the frames", path)
    if np.ptp(seconds) <= SAME * usual or len(frames) == 1:
        return frames, fps
    times = np.concatenate([[0.0], np.cumsum(seconds)])
    even = np.arange(0.0, times[-1] * (1.0 + 1e-9), usual)
    return np.stack([np.interp(even, times, column) for column in _aligned(frames).T], axis=1), fps


def _aligned(frames: np.ndarray) -> np.ndarray:
    """The frames with every quaternion on the side of the one before it."""
    frames = frames.copy()
    for joint, (_, _, column) in SKELETON.items():
        if column is not None and not joint.endswith(HINGES):
            quaternions = frames[:, column : column + 4]
            dots = np.sum(quaternions[1:] * quaternions[:-1], axis=1)
            quaternions[1:] *= np.cumprod(np.where(dots < 0.0, -1.0, 1.0))[:, None]
    return frames


def _repeated(frames: np.ndarray, fps: float) -> np.ndarray:
    """A cycle [N, 44] that ends as it begins (a step to the left and one to the right) again and again, for ENOUGH s.

    Every round goes on from where the one before ended; what the end differs from the start is spread over the round.
    """
    moved = frames[-1] - frames[0]
    way = np.where(np.isin(np.arange(WIDTH), (1, 3)), moved, 0.0)  # on the ground, x and z
    rounds = int(np.ceil(ENOUGH * fps / max(len(frames) - 1, 1)))
    if rounds < 2 or len(frames) < 3 or (np.abs(moved - way) > CLOSED).any():
        return frames
    closed = frames - np.linspace(0.0, 1.0, len(frames))[:, None] * (moved - way)
    parts = [closed[:-1] + number * way for number in range(rounds)]
    return np.concatenate([*parts, closed[-1:] + (rounds - 1) * way])


def _kinematics(frames: np.ndarray, root: np.ndarray, path: Path) -> tuple[dict, dict]:
    """Positions [N, 3] and rotations [N, 3, 3] of the bodies by the names of SMPL's joints, in DeepMimic's world."""
    positions: dict[str, np.ndarray] = {}
    rotations: dict[str, np.ndarray] = {}
    for joint, (parent, offset, column) in SKELETON.items():
        local = np.eye(3) if column is None else _local(frames, joint, column, path)
        if parent is None:
            positions[joint], rotations[joint] = root, local
        else:
            positions[joint] = positions[parent] + rotations[parent] @ np.array(offset)
            rotations[joint] = rotations[parent] @ local
    return positions, rotations


def _local(frames: np.ndarray, joint: str, column: int, path: Path) -> np.ndarray:
    """Rotation [N, 3, 3] of a body against its parent: a quaternion, or an angle about z for knees and elbows."""
    if joint.endswith(HINGES):
        return Rotation.from_euler("z", frames[:, [column]]).as_matrix()
    quaternions = unit_quaternions(frames[:, column : column + 4], f"of the {joint}", path, off=MADE_BY_HAND)
    return Rotation.from_quat(quaternions, scalar_first=True).as_matrix()


def _zero_frame() -> np.ndarray:
    """[1, 44]: every quaternion one, every angle zero."""
    balls = [row[2] for joint, row in SKELETON.items() if row[2] and not joint.endswith(HINGES)]
    frame = np.zeros((1, WIDTH))
    frame[0, balls] = 1.0
    return frame
