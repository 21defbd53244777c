"""BVH motions of persons -> Takes: joints found by name, units by the length of the legs, z up, SMPL's rest frames.

Which axis is up is seen from how the person stands, whatever the rest pose is drawn in.

The zero pose of the file is its rest pose where a person stands in it, arms anywhere; for others see `bvh_rest_pose`.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np

from playground_amp.core.errors import InputError
from playground_amp.retargeting.gait import gait_of
from playground_amp.retargeting.readers.amass import JOINTS, Take
from playground_amp.retargeting.readers.bvh_file import Skeleton, read_skeleton
from playground_amp.retargeting.readers.bvh_joint_names import NEEDED, match
from playground_amp.retargeting.readers.bvh_rest_pose import moving_rest, trunk
from playground_amp.retargeting.readers.hints import NO_HINTS, UNITS, ReadHints
from playground_amp.retargeting.readers.length_unit import find_unit
from playground_amp.retargeting.readers.smpl_skeleton import axes, leg_length, make_take, snap, standing_rest, unit
from playground_amp.retargeting.readers.up_axis import TO_Z_UP, told, up_axis
from playground_amp.retargeting.readers.validation import check_file, frame_rate, metres
from playground_amp.retargeting.walker import walker_of

UPRIGHT = 0.8  # cosine between leg and vertical of somebody who stands


def load_bvh(path: Path, hints: ReadHints = NO_HINTS) -> Take:
    """Read a BVH motion of a person; raises InputError naming the file, what is wrong and what would be right."""
    check_file(path)
    return person_of(read_skeleton(path), path, hints)


def person_of(skeleton: Skeleton, path: Path, hints: ReadHints = NO_HINTS) -> Take:
    """The Take of a skeleton that moves, of the file `path`; raises InputError as `load_bvh`."""
    found = match(skeleton.names, skeleton.parents)
    missing = [joint for joint in NEEDED if joint not in found]
    if missing:
        has = ", ".join(name[:30] for name in skeleton.names[:8]) + (", ..." if len(skeleton.names) > 8 else "")
        raise InputError(
            f"'{path}' is no skeleton of a person: no joint has a known name of {', '.join(missing)} (it has {has})"
        )
    zero = _zero_pose(skeleton)
    pose = {joint: zero[i] for joint, i in found.items()}
    drawn = _drawn(skeleton, found, pose, path, hints)
    hips = float(np.linalg.norm(pose["left_hip"] - pose["right_hip"]))
    length_unit, notes = find_unit(leg_length(pose), hips, hints.unit, path, partial(_tempo, drawn))
    take = replace(_scaled(drawn, length_unit), notes=notes + drawn.notes)
    metres(take.positions, "the body", path)
    return take


def _scaled(take: Take, length_unit: str) -> Take:
    return replace(take, positions=UNITS[length_unit] * take.positions)


def _tempo(drawn: Take, length_unit: str) -> float | None:
    """Of the walk of a take that is drawn in a unit, or None for no walk."""
    walker = walker_of(_scaled(drawn, length_unit), None)
    gait = gait_of(walker) if walker else None
    return gait.tempo if gait and gait.walks else None


def _drawn(
    skeleton: Skeleton, found: dict[str, int], pose: dict[str, np.ndarray], path: Path, hints: ReadHints
) -> Take:
    """The take with lengths in the file's unit; pose: positions [3] of the joints where all rotations are zero."""
    positions, rotations = _kinematics(skeleton, found)
    frame = _standing_frame(pose)
    rest = moving_rest(positions, rotations) if frame is None else standing_rest(pose, frame)
    found_up = up_axis(_body(positions))
    up = hints.up or found_up or "y"
    world = TO_Z_UP[up]
    placed = {joint: track @ world.T for joint, track in positions.items()}
    turned = {joint: world @ rotations[joint] @ rest[joint] for joint in found}
    notes = told(found_up, hints.up, "y") + _lacking(found)
    fps = skeleton.fps if hints.fps is None else frame_rate(hints.fps, "--fps", path)
    return make_take(path.stem, placed, turned, fps, notes)


def _lacking(found: dict[str, int]) -> tuple[str, ...]:
    """A note on the joints that no name was found for."""
    lacking = [joint for joint in JOINTS if joint not in found]
    return (f"no joint is named as {', '.join(lacking)}: placed as on a mean skeleton",) if lacking else ()


def _kinematics(skeleton: Skeleton, found: dict[str, int]) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Positions [N, 3] and rotations [N, 3, 3] of the joints found, in the file's units and world."""
    positions, rotations = [], []
    for i, parent in enumerate(skeleton.parents):
        bone, local = skeleton.translations.get(i, skeleton.offsets[i]), skeleton.rotations[:, i]
        root = parent < 0
        positions.append(bone if root else positions[parent] + (rotations[parent] @ bone[..., None])[..., 0])
        rotations.append(local if root else rotations[parent] @ local)
    return {joint: positions[i] for joint, i in found.items()}, {joint: rotations[i] for joint, i in found.items()}


def _zero_pose(skeleton: Skeleton) -> np.ndarray:
    """Positions [J, 3] with every rotation zero; a joint with positions stands where it is on average."""
    zero = np.zeros_like(skeleton.offsets)
    for i, parent in enumerate(skeleton.parents):
        if parent >= 0:
            moves = skeleton.translations.get(i)
            zero[i] = zero[parent] + (skeleton.offsets[i] if moves is None else moves.mean(axis=0))
    return zero


def _standing_frame(pose: dict[str, np.ndarray]) -> np.ndarray | None:
    """Left, up and forward of the zero pose as columns, or None if nobody stands like that."""
    left = unit(pose["left_hip"] - pose["right_hip"])
    up = unit(trunk(pose))
    if abs(left @ up) > UPRIGHT:
        return None
    frame = snap(axes(left, up))
    legs = [unit(pose[f"{side}_hip"] - pose[f"{side}_ankle"]) for side in ("left", "right")]
    return frame if all(leg @ frame[:, 1] > UPRIGHT for leg in legs) else None


def _body(positions: dict[str, np.ndarray]) -> np.ndarray:
    """Direction of the body [N, 3], from the ankles over the hips to the highest joint there is."""
    ankles = 0.5 * (positions["left_ankle"] + positions["right_ankle"])
    hips = 0.5 * (positions["left_hip"] + positions["right_hip"])
    return hips - ankles + trunk(positions)
