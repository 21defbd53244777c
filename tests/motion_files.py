"""Small files of motion in every format that can be read, written by means of their own."""

from __future__ import annotations

import json
import pickle
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy.spatial.transform import Rotation

from playground_amp.retargeting.readers.amass import JOINTS, PARENTS, Take, forward_kinematics

FRAMES = 5
MIXAMO = (
    *("Hips", "LeftUpLeg", "RightUpLeg", "Spine", "LeftLeg", "RightLeg", "Spine1", "LeftFoot", "RightFoot", "Spine2"),
    *("LeftToeBase", "RightToeBase", "Neck", "LeftShoulder", "RightShoulder", "Head", "LeftArm", "RightArm"),
    *("LeftForeArm", "RightForeArm", "LeftHand", "RightHand"),
)
Y_UP = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, 1.0], [0.0, -1.0, 0.0]])  # our world, z up -> y up


def person(frames: int = FRAMES) -> Take:
    """Somebody who strides along +x with bent knees, and turns and leans a little."""
    phase = np.linspace(0.0, 2.0 * np.pi, frames)
    poses = np.zeros((frames, 22, 3))
    for side, sign in (("left", 1.0), ("right", -1.0)):
        poses[:, JOINTS.index(f"{side}_hip"), 0] = -0.4 * sign * np.sin(phase) - 0.1
        poses[:, JOINTS.index(f"{side}_knee"), 0] = 0.5 + 0.3 * sign * np.cos(phase)
        poses[:, JOINTS.index(f"{side}_ankle"), 0] = 0.2 * sign * np.sin(phase)
        poses[:, JOINTS.index(f"{side}_shoulder"), 2] = -1.2 * sign
        poses[:, JOINTS.index(f"{side}_elbow"), 1] = -0.4 * sign
    poses[:, JOINTS.index("spine2"), 1] = 0.1 * np.sin(phase)
    lean = Rotation.from_euler("XY", np.stack([0.05 * np.sin(phase), 0.05 * np.cos(phase)], axis=1))
    facing = Rotation.from_matrix(np.array([[0.0, 0.0, 1.0], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]))
    poses[:, 0] = (facing * lean).as_rotvec()
    trans = np.stack([0.3 * phase, 0.0 * phase, 1.1 + 0.02 * np.cos(2.0 * phase)], axis=1)
    return Take("take", *forward_kinematics(poses.reshape(frames, 66), trans), 100.0)


@dataclass(frozen=True)
class Rig:
    """How a BVH file shows a person: the axes of its joints, its units, its world and its channels."""

    axes: Callable[[str], np.ndarray] = lambda _: np.eye(3)  # from SMPL's rest frame into the joint's own
    names: Sequence[str] = MIXAMO  # empty ones are left out, their joints with them
    unit: float = 0.01  # m
    z_up: bool = False  # the world; else y is up
    order: str = "ZYX"
    positions: bool = False  # of every joint, with wrong offsets, as some programs write them
    reference: bool = False  # a root above the hips that stands still


def write_bvh(path: Path, take: Take, rig: Rig = Rig()) -> Path:
    """The take as `rig` shows it."""
    world = np.eye(3) if rig.z_up else Y_UP
    kept = [i for i, name in enumerate(rig.names) if name]
    turns = {i: world @ take.rotations[:, i] @ rig.axes(JOINTS[i]).T for i in kept}
    places = {i: take.positions[:, i] @ world.T / rig.unit for i in kept}
    lines: list[str] = ["HIERARCHY"]
    columns: list[np.ndarray] = []
    if rig.reference:
        lines += ["ROOT Reference", "{", "OFFSET 0 0 0", _channels(rig, True)]
        columns += [np.zeros((len(take.positions), 6))]

    def joint(i: int) -> None:
        parent = _parent(i, kept)
        local = turns[i] if parent < 0 else np.swapaxes(turns[parent], 1, 2) @ turns[i]
        shift = places[i] if parent < 0 else np.einsum("nji,nj->ni", turns[parent], places[i] - places[parent])
        moves = parent < 0 or rig.positions
        offset = np.zeros(3) if moves else shift[0]
        lines.extend(["JOINT" if parent >= 0 or rig.reference else "ROOT", "{"])
        lines[-2] += f" {rig.names[i]}"
        lines.extend(["OFFSET " + " ".join(f"{value:.7f}" for value in offset), _channels(rig, moves)])
        columns.extend([shift] if moves else [])
        with warnings.catch_warnings(action="ignore"):  # of angles that are not unique
            columns.append(Rotation.from_matrix(local).as_euler(rig.order, degrees=True))
        children = [child for child in kept if _parent(child, kept) == i]
        for child in children:
            joint(child)
        lines.extend([] if children else ["End Site", "{", "OFFSET 0 1 0", "}"])
        lines.append("}")

    joint(kept[0])
    lines += ["}"] if rig.reference else []
    table = np.concatenate(columns, axis=1)
    lines += ["MOTION", f"Frames: {len(table)}", f"Frame Time: {1.0 / take.fps:.7f}"]
    lines += [" ".join(f"{value:.7f}" for value in row) for row in table]
    path.write_text("\n".join(lines) + "\n")
    return path


def _channels(rig: Rig, moves: bool) -> str:
    turning = [f"{axis}rotation" for axis in rig.order]
    names = (["Xposition", "Yposition", "Zposition"] if moves else []) + turning
    return f"CHANNELS {len(names)} {' '.join(names)}"


def _parent(i: int, kept: Sequence[int]) -> int:
    parent = PARENTS[i]
    while parent >= 0 and parent not in kept:
        parent = PARENTS[parent]
    return parent


def amass(**changes: Any) -> dict[str, Any]:
    """Arrays of a valid AMASS take in its rest pose, with some exchanged; None leaves one out."""
    take: dict[str, Any] = {
        "poses": np.zeros((FRAMES, 156)),
        "trans": np.zeros((FRAMES, 3)),
        "betas": np.ones(16),
        "gender": np.array(b"female"),
        "mocap_framerate": np.array(120.00004),
    }
    return {key: value for key, value in (take | changes).items() if value is not None}


def write_npz(path: Path, arrays: dict[str, Any]) -> Path:
    with path.open("wb") as file:
        np.savez(file, **arrays)
    return path


def gmr(**changes: Any) -> dict[str, Any]:
    """What GMR pickles for a G1: turned by +90 degrees about z, joint 3 at 0.3 rad."""
    joints = np.zeros((FRAMES, 29))
    joints[:, 3] = 0.3
    motion: dict[str, Any] = {
        "fps": 30,
        "root_pos": np.arange(FRAMES)[:, None] * [0.01, 0.0, 0.0] + [0.0, 0.0, 0.8],
        "root_rot": np.tile([0.0, 0.0, np.sqrt(0.5), np.sqrt(0.5)], (FRAMES, 1)),
        "dof_pos": joints,
        "local_body_pos": None,
        "link_body_list": None,
    }
    return motion | changes


def write_pickle(path: Path, value: Any, protocol: int = 4) -> Path:
    path.write_bytes(pickle.dumps(value, protocol=protocol))
    return path


def unitree(joints: int = 29, frames: int = FRAMES) -> np.ndarray:
    """Rows of Unitree's data set: a root at (1, 2, 0.8) turned by +90 degrees about z, joint k at k / 100 rad."""
    row = np.concatenate([[1.0, 2.0, 0.8, 0.0, 0.0, np.sqrt(0.5), np.sqrt(0.5)], np.arange(joints) / 100.0])
    return np.tile(row, (frames, 1))


def write_csv(path: Path, rows: np.ndarray) -> Path:
    path.write_text("\n".join(",".join(f"{value:.6f}" for value in row) for row in rows) + "\n")
    return path


def deepmimic(frames: int = FRAMES, **values: Sequence[float]) -> dict[str, Any]:
    """DeepMimic's zero pose at (1, 0.9, 3), with some parts of every frame exchanged, by their first column 'cN'."""
    frame = np.zeros(44)
    frame[:4] = [1.0 / 30.0, 1.0, 0.9, 3.0]
    frame[[4, 8, 12, 16, 21, 25, 30, 35, 39]] = 1.0
    for column, value in values.items():
        first = int(column.removeprefix("c"))
        frame[first : first + len(value)] = value
    return {"Loop": "none", "Frames": np.tile(frame, (frames, 1)).tolist()}


def write_json(path: Path, value: Any) -> Path:
    path.write_text(json.dumps(value))
    return path
