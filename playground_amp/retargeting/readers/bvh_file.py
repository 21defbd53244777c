"""A BVH file as it stands: joints, offsets and rotations under its own names, in its own units and axes.

pybvh parses it. It takes three rotations at every joint and positions of the root alone; what MotionBuilder, 3ds Max
and Axis Studio write besides (positions of every joint, joints that do not turn) is rewritten for it first.
"""

from __future__ import annotations

import re
import tempfile
import warnings
from dataclasses import dataclass
from io import StringIO
from pathlib import Path

import numpy as np
import pybvh
from pybvh.bvhnode import BvhJoint
from scipy.spatial.transform import Rotation

from playground_amp.core.errors import InputError
from playground_amp.retargeting.readers.validation import FRAME_RATES

MOST_JOINTS, MOST_LINE = 500, 1000  # of a skeleton, and characters of a line of it
BEYOND = 1e9  # degrees or units; no motion has such numbers
ROTATIONS = ("Xrotation", "Yrotation", "Zrotation")
POSITIONS = ("Xposition", "Yposition", "Zposition")


@dataclass(frozen=True, eq=False)
class Skeleton:
    """A BVH motion in its own names, units and axes. J joints, parents first; N frames."""

    names: tuple[str, ...]  # [J]
    parents: tuple[int, ...]  # [J], -1 for the root
    offsets: np.ndarray  # [J, 3] to the parent
    translations: dict[int, np.ndarray]  # [N, 3] to the parent, in place of the offset, of joints with positions
    rotations: np.ndarray  # [N, J, 3, 3] to the parent
    fps: float  # Hz


def read_skeleton(path: Path) -> Skeleton:
    """Read a BVH file; every kind of damage is one sentence (InputError) naming it."""
    text = path.read_text(encoding="utf-8", errors="replace").lstrip("\ufeff")
    try:
        with warnings.catch_warnings(action="ignore"):  # of NumPy, about files without numbers
            return _parse(text, path)
    except InputError:
        raise
    except Exception as error:  # pybvh passes on whatever a damaged line raises
        raise InputError(f"'{path}' is not a readable BVH file: {_told(error)}") from None


def _told(error: Exception) -> str:
    """What pybvh says, without the name of the copy it read and without NumPy's advice to programmers."""
    text = re.sub(r"\s+(in|from) (file )?\S*motion\.bvh", "", " ".join(str(error)[:2000].split()))
    return text.split("; use `usecols`")[0][:200].rstrip(".") or "it is damaged"


def _parse(text: str, path: Path) -> Skeleton:
    _check_rate(text, path)
    plain, translations = _plain(text, path)
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "motion.bvh"
        copy.write_text(plain, encoding="ascii", errors="replace")
        bvh = pybvh.read_bvh_file(copy, world_up="+y")
    joints = [node for node in bvh.nodes if isinstance(node, BvhJoint)]
    index = {id(node): i for i, node in enumerate(joints)}
    offsets = np.array([node.offset for node in joints])
    translations = {0: bvh.root_pos} | translations
    _check([offsets, bvh.joint_angles, *translations.values()], path)
    orders = ["".join(node.rot_channels) for node in joints]  # "ZXY" is R_z R_x R_y: each turns with those before it
    angles = [Rotation.from_euler(order, bvh.joint_angles[:, i]).as_matrix() for i, order in enumerate(orders)]
    return Skeleton(
        names=tuple(node.name for node in joints),
        parents=tuple(-1 if node.parent is None else index[id(node.parent)] for node in joints),
        offsets=offsets,
        translations=translations,
        rotations=np.stack(angles, axis=1),
        fps=1.0 / bvh.frame_time,
    )


def _check_rate(text: str, path: Path) -> None:
    """Before pybvh rounds it."""
    found = re.search(r"^[ \t]*Frame[ \t]+Time:[ \t]*(\S+)", text, flags=re.MULTILINE)
    low, high = (1.0 / rate for rate in reversed(FRAME_RATES))
    if found and not low <= float(found[1]) <= high:
        raise InputError(f"'{path}': Frame Time is {found[1][:20]}, expected seconds from {low:g} to {high:g}")


def _check(values: list[np.ndarray], path: Path) -> None:
    if not all(np.isfinite(value).all() and np.abs(value).max() < BEYOND for value in values):
        raise InputError(f"'{path}' holds NaN, infinity or numbers beyond any motion; cut or repair the take")


def _plain(text: str, path: Path) -> tuple[str, dict[int, np.ndarray]]:
    """The file with the channels that pybvh takes, and translations [N, 3] of the joints that have positions."""
    head, *rest = re.split(r"^[ \t]*MOTION[ \t\r]*$", text, maxsplit=1, flags=re.MULTILINE)
    titles = head.splitlines()
    if not rest:
        raise InputError(f"'{path}' has no line MOTION: it is cut off, or no BVH file")
    channels = [line.split()[2:] for line in titles if line.split()[:1] == ["CHANNELS"]]
    if len(channels) > MOST_JOINTS or len(titles) > 20 * MOST_JOINTS or max(map(len, titles), default=0) > MOST_LINE:
        raise InputError(f"'{path}' has a hierarchy of {len(titles)} lines, longer than a person's; it is damaged")
    known = all(channel in ROTATIONS + POSITIONS for joint in channels for channel in joint)
    if not known or all(_usual(joint, i == 0) for i, joint in enumerate(channels)):
        return text, {}
    counts, lines = rest[0].strip().splitlines()[:2], rest[0].strip().splitlines()[2:]
    table = np.loadtxt(lines, ndmin=2)
    width = sum(map(len, channels))
    if table.shape[1] != width:
        raise InputError(f"'{path}' has {table.shape[1]} values in a frame and {width} channels; it is damaged")
    columns, translations = _columns(table, channels)
    numbers = StringIO()
    np.savetxt(numbers, columns, fmt="%.9g")
    return "\n".join([*_titles(head, channels), "MOTION", *counts, numbers.getvalue()]), translations


def _usual(channels: list[str], root: bool) -> bool:
    """Three rotations, and for the root three positions."""
    return len(channels) == (6 if root else 3) and sum(channel in ROTATIONS for channel in channels) == 3


def _columns(table: np.ndarray, channels: list[list[str]]) -> tuple[np.ndarray, dict[int, np.ndarray]]:
    """Columns as `_titles` names them, and translations [N, 3] by joint."""
    columns, translations, first, none = [], {}, 0, np.zeros(len(table))
    for i, joint in enumerate(channels):
        values = dict(zip(joint, table[:, first : first + len(joint)].T, strict=True))
        first += len(joint)
        if all(channel in values for channel in POSITIONS):
            translations[i] = np.stack([values[channel] for channel in POSITIONS], axis=1)
        columns += [values.get(channel, none) for channel in _kept(joint, i == 0)]
    return np.stack(columns, axis=1), translations


def _titles(head: str, channels: list[list[str]]) -> list[str]:
    """The lines of the hierarchy with the usual channels."""
    kept = iter([_kept(joint, i == 0) for i, joint in enumerate(channels)])
    lines = []
    for line in head.splitlines():
        if line.split()[:1] == ["CHANNELS"]:
            names = next(kept)
            line = f"CHANNELS {len(names)} {' '.join(names)}"
        lines.append(line)
    return lines


def _kept(channels: list[str], root: bool) -> list[str]:
    """Positions for the root, then the joint's rotations in their order, with those it lacks behind."""
    own = [channel for channel in channels if channel in ROTATIONS]
    missing = [channel for channel in ROTATIONS if channel not in own]
    return [*(POSITIONS if root else ()), *own, *missing]
