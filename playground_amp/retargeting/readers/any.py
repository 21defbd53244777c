"""A file of motion of any format, known by its suffix, and for `.npz` by what is inside."""

from __future__ import annotations

from pathlib import Path

from playground_amp.core.errors import InputError
from playground_amp.retargeting.readers import safe_npz
from playground_amp.retargeting.readers.amass import AMASS_KEYS, Take, load_take
from playground_amp.retargeting.readers.bvh import load_bvh
from playground_amp.retargeting.readers.deepmimic import load_deepmimic
from playground_amp.retargeting.readers.robot_motion import RobotMotion, load_csv, load_npz, load_pickle
from playground_amp.retargeting.readers.validation import check_file

MOST_ARCHIVE = 2**32  # bytes; an array within is bounded by itself


def read_recording(path: Path) -> Take | RobotMotion:
    """Read a person's take or a robot's motion; raises InputError naming the file and what would be right.

    AMASS `.npz`, BVH `.bvh` and DeepMimic `.txt` are persons; GMR `.pkl` or `.npz` and Unitree `.csv` are robots.
    """
    path = Path(path)
    reader = READERS.get(path.suffix.lower())
    if reader is None:
        raise InputError(f"'{path}' is of no kind that can be read; files of motion end in {', '.join(READERS)}")
    check_file(path, MOST_ARCHIVE)
    return reader(path)


def _load_npz(path: Path) -> Take | RobotMotion:
    keys = safe_npz.names(path)
    if {"root_pos", "dof_pos", "qpos"} & keys:
        return load_npz(path)
    if not keys & {*AMASS_KEYS, "betas"}:
        has = ", ".join(key[:30] for key in sorted(keys)[:8]) or "nothing"
        raise InputError(
            f"'{path}' holds no motion that is known (it has {has}): a person's has poses and trans, a robot's "
            "root_pos, root_rot, dof_pos and fps"
        )
    return load_take(path)


READERS = {
    ".npz": _load_npz,
    ".bvh": load_bvh,
    ".txt": load_deepmimic,
    ".pkl": load_pickle,
    ".csv": load_csv,
}
