"""poselib's motions of skeletons (Isaac Gym's AMP, ASE): a dict pickled into an `.npy` -> a Take.

{"rotation": {"arr": [N, J, 4] x y z w}, "root_translation": {"arr": [N, 3]}, "skeleton_tree": {"node_names": [...],
"parent_indices": {"arr": [J]}, "local_translation": {"arr": [J, 3]}}, "is_local": True, "fps": 30}
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from scipy.spatial.transform import Rotation

from playground_amp.core.errors import InputError
from playground_amp.retargeting.readers.amass import Take
from playground_amp.retargeting.readers.bvh import person_of
from playground_amp.retargeting.readers.bvh_file import MOST_JOINTS, Skeleton
from playground_amp.retargeting.readers.hints import ReadHints
from playground_amp.retargeting.readers.validation import frame_rate, frames_of, numbers, unit_quaternions

KEYS = {"rotation", "root_translation", "skeleton_tree"}  # by which it is known


def load_poselib(content: Mapping[str, Any], path: Path, hints: ReadHints) -> Take:
    """The Take of a SkeletonMotion's dict; raises InputError naming the file and what is wrong."""
    tree = content["skeleton_tree"]
    if not isinstance(tree, dict):
        raise InputError(f"'{path}': skeleton_tree is no dict of node_names, parent_indices and local_translation")
    names, parents = _names(tree, path), _parents(tree, path)
    offsets = frames_of(_array(tree, "local_translation", path), "local_translation", 3, path)
    rotation = numbers(_array(content, "rotation", path), "rotation", path)
    root = frames_of(_array(content, "root_translation", path), "root_translation", 3, path)
    count = len(names)
    if not (len(parents) == len(offsets) == count and rotation.shape == (len(root), count, 4)):
        raise InputError(
            f"'{path}': rotation has the shape {rotation.shape}, expected [{len(root)}, {count}, 4] as its "
            "root_translation and node_names"
        )
    fps = content.get("fps") if hints.fps is None else hints.fps
    rate = frame_rate(fps if isinstance(fps, int | float | np.ndarray) else None, "fps", path)
    local = _local(rotation, parents, bool(content.get("is_local", True) is not False), path)
    return person_of(Skeleton(names, parents, offsets, {0: root}, local, rate), path, hints)


def _array(content: Mapping[str, Any], key: str, path: Path) -> np.ndarray:
    """poselib wraps arrays: {"arr": ..., "context": ...}."""
    value = content.get(key)
    value = value.get("arr") if isinstance(value, dict) else value
    if not isinstance(value, np.ndarray):
        raise InputError(f"'{path}': {key} holds no array; poselib's motions have one under 'arr'")
    return value


def _names(tree: Mapping[str, Any], path: Path) -> tuple[str, ...]:
    names = tree.get("node_names")
    if not isinstance(names, list | tuple) or not 0 < len(names) <= MOST_JOINTS:
        raise InputError(f"'{path}': node_names must be the names of the skeleton's joints")
    return tuple(str(name) for name in names)


def _parents(tree: Mapping[str, Any], path: Path) -> tuple[int, ...]:
    """Index of each joint's parent, which stands before it; -1 for the root."""
    indices = _array(tree, "parent_indices", path).reshape(-1)
    usable = indices.dtype.kind in "iu" and 0 < len(indices) <= MOST_JOINTS
    parents = tuple(int(index) for index in indices) if usable else ()
    if not parents or parents[0] != -1 or any(not 0 <= parent < i for i, parent in enumerate(parents[1:], start=1)):
        raise InputError(f"'{path}': parent_indices must name for every joint one before it, and -1 for the first")
    return parents


def _local(rotation: np.ndarray, parents: tuple[int, ...], is_local: bool, path: Path) -> np.ndarray:
    """Rotations [N, J, 3, 3] to the parent of quaternions [N, J, 4] (x y z w), which may be the world's."""
    unit = unit_quaternions(rotation.reshape(-1, 4), "of a joint", path)
    turns = Rotation.from_quat(unit).as_matrix().reshape(*rotation.shape[:2], 3, 3)
    if is_local:
        return turns
    local = turns.copy()
    for i, parent in enumerate(parents[1:], start=1):
        local[:, i] = np.swapaxes(turns[:, parent], 1, 2) @ turns[:, i]
    return local
