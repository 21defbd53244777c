"""A file of motion of any format, known by its suffix and by what is inside."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Set
from pathlib import Path
from typing import Any

import numpy as np

from playground_amp.core.errors import InputError
from playground_amp.retargeting.readers import amass, robot_arrays, safe_npz
from playground_amp.retargeting.readers.amass import Take, load_take, take_of
from playground_amp.retargeting.readers.bvh import load_bvh
from playground_amp.retargeting.readers.deepmimic import load_deepmimic
from playground_amp.retargeting.readers.hints import NO_HINTS, ReadHints
from playground_amp.retargeting.readers.pose_lib import KEYS as POSELIB_KEYS
from playground_amp.retargeting.readers.pose_lib import load_poselib
from playground_amp.retargeting.readers.robot_arrays import load_robot_npz, motions_of
from playground_amp.retargeting.readers.robot_motion import RobotMotion
from playground_amp.retargeting.readers.robot_table import load_csv, load_table
from playground_amp.retargeting.readers.safe_pickle import load_plain
from playground_amp.retargeting.readers.validation import check_file, frames_of
from playground_amp.robots import Robot

MOST_ARCHIVE = 2**32  # bytes; an array within is bounded by itself
INSTEAD = {  # what to do with files of motion that are not read
    ".fbx": ": export it as BVH, as Blender does",
    ".glb": ": export it as BVH, as Blender does",
    ".c3d": ", as it holds markers: fit SMPL's body to them, or export joints as BVH",
    ".trc": ", as it holds markers: fit SMPL's body to them, or export joints as BVH",
    ".pt": ": numpy.savez its tensors as arrays under the same keys",
    ".pth": ": numpy.savez its tensors as arrays under the same keys",
    ".joblib": ": pickle.dump(joblib.load(file), open(other, 'wb')) makes a .pkl of it",
    ".h5": ": numpy.savez its arrays under the same keys",
    ".hdf5": ": numpy.savez its arrays under the same keys",
}
SLACK = 2**20  # bytes by which the arrays of a pickle may be more than its own

Recordings = list[Take | RobotMotion]


def read_recordings(path: Path, hints: ReadHints = NO_HINTS, robot: Robot | None = None) -> Recordings:
    """Read every motion of a file; `robot` helps with joints that have no names.

    Raises InputError naming the file, what is wrong and what would be right. Persons: AMASS and other SMPL `.npz` and
    `.pkl`, BVH `.bvh`, DeepMimic `.txt`, poselib `.npy`. Robots: `.npz`, `.pkl`, `.csv` and `.npy`.
    """
    path = Path(path)
    reader = READERS.get(path.suffix.lower())
    if reader is None:
        instead = INSTEAD.get(path.suffix.lower(), "")
        raise InputError(
            f"'{path}' is of no kind that can be read{instead}; files of motion end in {', '.join(READERS)}"
        )
    check_file(path, MOST_ARCHIVE)
    return reader(path, hints, robot)


def read_recording(path: Path) -> Take | RobotMotion:
    """The first motion of a file; raises InputError as `read_recordings`."""
    return read_recordings(path)[0]


def _load_npz(path: Path, hints: ReadHints, robot: Robot | None) -> Recordings:
    keys = safe_npz.names(path)
    if _is_robots(keys):
        return [*load_robot_npz(path, hints, robot)]
    if not keys & {*amass.AMASS_KEYS, "betas"} - {"fps"}:
        raise _unknown(keys, path)
    return [load_take(path, hints)]


def _is_robots(keys: Set[str]) -> bool:
    """Whether arrays are a robot's motion; those of a person may have positions of joints beside the poses."""
    is_person = bool(keys & {*amass.MOTION_KEYS}) and bool(keys & {*amass.TRANS})
    return bool(keys & robot_arrays.MOTION_KEYS) and not is_person


def _unknown(keys: frozenset[str] | set[str], path: Path) -> InputError:
    has = ", ".join(key[:30] for key in sorted(keys)[:8]) or "nothing"
    return InputError(
        f"'{path}' holds no motion that is known (it has {has}): a person's has poses and trans, a robot's "
        "root_pos, root_rot, dof_pos and fps"
    )


def _load_pickle(path: Path, hints: ReadHints, robot: Robot | None) -> Recordings:
    check_file(path)
    return _motions(load_plain(path), path, hints, robot)


def _load_npy(path: Path, hints: ReadHints, robot: Robot | None) -> Recordings:
    check_file(path)
    content = safe_npz.read_npy(path)
    if isinstance(content, np.ndarray):
        return [load_table(frames_of(content, "the array", None, path), path, hints, robot)]
    return _motions(content, path, hints, robot)


def _motions(content: Any, path: Path, hints: ReadHints, robot: Robot | None) -> Recordings:
    """The motions of a dict, or of a dict or list of dicts."""
    if isinstance(content, list) and content and all(isinstance(part, dict) for part in content):
        content = {str(number): part for number, part in enumerate(content)}
    if not isinstance(content, dict):
        raise InputError(
            f"'{path}' holds a {type(content).__name__} instead of a dict with root_pos, root_rot, dof_pos"
        )
    parts = {key: part for key, part in content.items() if isinstance(part, dict)}
    if POSELIB_KEYS & content.keys() or not parts or len(parts) < len(content):
        return _one(content, path, path.stem, hints, robot)
    if len(parts) > robot_arrays.MOST_MOTIONS:
        raise InputError(f"'{path}' holds {len(parts)} motions; split it into files of {robot_arrays.MOST_MOTIONS}")
    if _bytes(parts.values()) > path.stat().st_size + SLACK:
        raise InputError(f"'{path}' shows the same arrays again and again; save every motion once")
    if len(parts) == 1:
        return _one(*parts.values(), path, path.stem, hints, robot)
    return [motion for key, part in parts.items() for motion in _named(key, part, path, hints, robot)]


def _bytes(parts: Iterable[dict[str, Any]]) -> int:
    """Of all arrays, one that is met twice counted twice: a small pickle can name a large array many times."""
    return sum(value.nbytes for part in parts for value in part.values() if isinstance(value, np.ndarray))


def _named(key: str, content: Mapping[str, Any], path: Path, hints: ReadHints, robot: Robot | None) -> Recordings:
    """One of several motions in a file, under its own name behind the file's."""
    name = f"{path.stem}_{re.sub(r'[^A-Za-z0-9._+-]+', '_', key)[:100]}"
    try:
        return _one(content, path, name, hints, robot)
    except InputError as error:
        raise InputError(f"{error} (in its motion '{key[:60]}')") from None


def _one(content: Mapping[str, Any], path: Path, name: str, hints: ReadHints, robot: Robot | None) -> Recordings:
    if content.keys() >= POSELIB_KEYS:
        return [load_poselib(content, path, hints)]
    if _is_robots(content.keys()) or not content.keys() & {*amass.MOTION_KEYS}:
        return [*motions_of(content, path, name, hints, robot)]
    return [take_of(content, path, name, hints)]


def _alone(reader: Callable[[Path, ReadHints], Take]) -> Callable[[Path, ReadHints, Robot | None], Recordings]:
    return lambda path, hints, robot: [reader(path, hints)]


READERS: dict[str, Callable[[Path, ReadHints, Robot | None], Recordings]] = {
    ".npz": _load_npz,
    ".bvh": _alone(load_bvh),
    ".txt": _alone(load_deepmimic),
    ".pkl": _load_pickle,
    ".pickle": _load_pickle,
    ".csv": lambda path, hints, robot: [load_csv(path, hints, robot)],
    ".npy": _load_npy,
}
