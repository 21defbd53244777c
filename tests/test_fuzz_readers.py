"""A thousand damaged and random files for every reader: a motion with sound numbers, or one InputError, and soon."""

from __future__ import annotations

import io
import json
import pickle
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import ONE_SENTENCE
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from motion_files import (
    amass,
    deepmimic,
    gmr,
    person,
    unitree,
    write_bvh,
    write_csv,
    write_json,
    write_npz,
    write_pickle,
)

from playground_amp.core.errors import InputError
from playground_amp.retargeting.readers.amass import Take
from playground_amp.retargeting.readers.any import read_recording

pytestmark = ONE_SENTENCE

MOST_SECONDS = 1.0  # of computing, for any of these files, none larger than some ten kB
WRITERS: dict[str, Callable[[Path], object]] = {
    "amass.npz": lambda path: write_npz(path, amass()),
    "robot.npz": lambda path: write_npz(path, {key: value for key, value in gmr().items() if value is not None}),
    "robot.pkl": lambda path: write_pickle(path, gmr()),
    "robot.csv": lambda path: write_csv(path, unitree()),
    "person.bvh": lambda path: write_bvh(path, person()),
    "person.txt": lambda path: write_json(path, deepmimic()),
    "robot.npy": lambda path: np.save(path, unitree()),
    "poselib.npy": lambda path: np.save(path, np.array(poselib(), dtype=object)),
    "header.csv": lambda path: path.write_text("x,y,z,qw,qx,qy,qz,a,b\n" + "0,0,1,1,0,0,0,0.1,0.2\n" * 4),
}
ODD = [0, -1, 1, 2**31, 2**63, 10**30, 0.5, float("nan"), float("inf"), 1e308, "", "x", None, True, [], {}]


def poselib(**changes: Any) -> dict[str, Any]:
    """A skeleton of hips and legs that stands."""
    names = ["pelvis", *(f"{side}_{part}" for side in ("left", "right") for part in ("thigh", "shin", "foot"))]
    offsets = np.array([[0, 0, 0.9], *([[0, 0.1 * y, 0], [0, 0, -0.4], [0, 0, -0.4]] for y in (1, -1))], dtype=object)
    places = np.array([offsets[0], *offsets[1], *offsets[2]], dtype=float)
    tree = {"node_names": names, "parent_indices": {"arr": np.array([-1, 0, 1, 2, 0, 4, 5])}}
    motion = {
        "rotation": {"arr": np.tile([0.0, 0.0, 0.0, 1.0], (4, 7, 1))},
        "root_translation": {"arr": np.tile([0.0, 0.0, 0.9], (4, 1))},
        "skeleton_tree": tree | {"local_translation": {"arr": places}},
        "is_local": True,
        "fps": 30,
    }
    return motion | changes


def mutations(valid: bytes) -> st.SearchStrategy[bytes]:
    """The valid file with up to five flips, cuts, doubled, removed and foreign pieces."""
    place, length = st.integers(0, len(valid)), st.integers(1, 64)
    step = st.tuples(st.sampled_from(["flip", "cut", "double", "drop", "insert"]), place, length, st.binary(max_size=8))
    return st.lists(step, min_size=1, max_size=5).map(lambda steps: mutated(valid, steps))


def mutated(data: bytes, steps: list[tuple[str, int, int, bytes]]) -> bytes:
    for kind, place, length, new in steps:
        before, piece, after = data[:place], data[place : place + length], data[place + length :]
        data = {
            "flip": before + bytes(byte ^ (1 << (length % 8)) for byte in piece[:1]) + piece[1:] + after,
            "cut": before,
            "double": before + piece + piece + after,
            "drop": before + after,
            "insert": before + new + piece + after,
        }[kind]
    return data


def in_archive(arrays: dict[str, Any]) -> st.SearchStrategy[bytes]:
    """A sound archive around one array whose header or numbers are damaged: zip's own check sum finds nothing."""
    members = {key: as_npy(np.asarray(value)) for key, value in arrays.items() if isinstance(value, np.ndarray)}
    return st.sampled_from(sorted(members)).flatmap(
        lambda key: mutations(members[key]).map(lambda damaged: as_zip(members | {key: damaged}))
    )


def as_npy(array: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def as_zip(members: dict[str, bytes]) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for key, content in members.items():
            archive.writestr(f"{key}.npy", content)
    return file.getvalue()


def filled(shape: tuple[int, ...], value: float, kind: str) -> np.ndarray:
    with np.errstate(all="ignore"):
        return np.full(shape, value).astype(kind)


def arrays() -> st.SearchStrategy[Any]:
    """Arrays of the shapes and kinds that a motion has, or nearly."""
    rows = st.sampled_from([0, 1, 2, 5])
    bodies = st.sampled_from([0, 1, 30])
    width = st.sampled_from([0, 1, 3, 4, 7, 29, 36, 63, 156, 165])
    kind = st.sampled_from(["f8", "f4", ">f8", "i4", "u1", "?", "U3", "c16"])
    value = st.sampled_from([0, 1, -1, 0.5, 1000, 1e30])
    return st.builds(filled, st.tuples(rows) | st.tuples(rows, width) | st.tuples(rows, bodies, width), value, kind)


def objects(keys: list[str], values: st.SearchStrategy[Any], base: dict[str, Any]) -> st.SearchStrategy[dict[str, Any]]:
    """A valid dict with some of its entries exchanged, or one from nothing."""
    changes = st.dictionaries(st.sampled_from(keys), values, max_size=5)
    return st.one_of(changes, changes.map(lambda change: base | change))


def odd_frames(change: tuple[int, Any]) -> list[list[Any]]:
    """Valid frames with one number in one of them exchanged."""
    frames = deepmimic()["Frames"]
    frames[2][change[0]] = change[1]
    return frames


def as_npz(content: dict[str, Any]) -> bytes:
    file = io.BytesIO()
    np.savez(file, **{key: np.asarray(value) for key, value in content.items() if not isinstance(value, dict | list)})
    return file.getvalue()


ROBOT_KEYS = [
    *("root_pos", "root_rot", "dof_pos", "fps", "qpos", "joint_names", "local_body_pos", "joint_pos", "split_points"),
    *("body_pos_w", "body_quat_w", "body_names", "jnt_type", "root_trans_offset", "dof", "poses"),
]
AMASS_KEYS = ["poses", "trans", "root_orient", "pose_body", "mocap_framerate", "mocap_frame_rate", "gender"]
BVH_WORDS = [
    *("HIERARCHY", "ROOT Hips", "JOINT LeftUpLeg", "JOINT LeftLeg", "{", "}", "OFFSET 0 -40 0", "OFFSET 1 2", "MOTION"),
    *("CHANNELS 6 Xposition Yposition Zposition Zrotation Xrotation Yrotation", "CHANNELS 0", "CHANNELS 3 Xrotation"),
    *("CHANNELS 3 Zrotation Xrotation Yrotation", "End Site", "Frames: 1", "Frames: 99999999999", "Frame Time: 0.01"),
    *("Frame Time: nan", "0 0 0 0 0 0", "1e999 nan", "# a", "\x00"),
]
BVH_LINES = st.lists(st.sampled_from(BVH_WORDS), max_size=25).map("\n".join)
POSELIB_KEYS = ["rotation", "root_translation", "skeleton_tree"]
CSV_WORDS = ["x", "y", "z", "qw", "qx", "qy", "qz", "root_x", "time", "Frame", "knee", "roll", "é", '"q"', "x" * 200]
WORDS = st.sampled_from(["Frames", "Loop", "fps", "x"])
JSON = st.recursive(
    st.sampled_from(ODD[:-2]), lambda inner: st.lists(inner) | st.dictionaries(WORDS, inner), max_leaves=4
)
STRUCTURES: dict[str, st.SearchStrategy[bytes]] = {
    "amass.npz": objects(AMASS_KEYS, arrays() | st.sampled_from(ODD), amass()).map(as_npz) | in_archive(amass()),
    "robot.npz": objects(ROBOT_KEYS, arrays() | st.sampled_from(ODD), gmr()).map(as_npz) | in_archive(gmr()),
    "robot.pkl": st.builds(
        pickle.dumps,
        st.one_of(
            JSON,
            st.dictionaries(WORDS, st.just(gmr())),
            objects(ROBOT_KEYS, arrays() | JSON | st.sampled_from([range(3), {1, 2}, np.float64]), gmr()),
        ),
        protocol=st.integers(0, 5),
    ),
    "robot.csv": st.lists(
        st.lists(
            st.sampled_from(["0", "1", "-1", "nan", "1e999", "", "x", " 2", "0x1", "1_0"]), min_size=1, max_size=40
        ),
        max_size=6,
    ).map(lambda rows: "\n".join(",".join(row) for row in rows).encode()),
    "robot.npy": arrays().map(as_npy),
    "poselib.npy": st.dictionaries(
        st.sampled_from([*POSELIB_KEYS, "is_local", "fps"]),
        arrays() | JSON | arrays().map(lambda x: {"arr": x}),
        max_size=3,
    ).map(lambda changes: as_npy(np.array(poselib(**changes), dtype=object))),
    "header.csv": st.lists(
        st.lists(st.sampled_from([*CSV_WORDS, "0", "1", "nan", "1e999", ""]), min_size=9, max_size=9), max_size=5
    ).map(lambda rows: "\n".join(",".join(row) for row in rows).encode()),
    "person.bvh": st.tuples(BVH_LINES, BVH_LINES).map("\nMOTION\n".join).map(str.encode),
    "person.txt": st.one_of(
        JSON,
        st.fixed_dictionaries({"Frames": JSON | st.tuples(st.integers(0, 43), st.sampled_from(ODD)).map(odd_frames)}),
    ).map(lambda value: json.dumps(value).encode()),
}


def sound(motion: object) -> bool:
    """At least one frame, a rate that exists, and finite numbers within a kilometre; unit quaternions."""
    if isinstance(motion, Take):
        turns = motion.rotations @ np.swapaxes(motion.rotations, -1, -2)
        values, right = motion.positions, np.allclose(turns, np.eye(3), atol=1e-6)
    else:
        values, right = motion.root_pos, np.allclose(np.linalg.norm(motion.root_quat, axis=1), 1.0)
        right = right and np.isfinite(motion.joint_pos).all() and len(motion.joint_pos) == len(values)
    return bool(right and len(values) >= 1 and np.abs(values).max() <= 1000.0 and 10.0 <= motion.fps <= 1000.0)


SETTINGS = settings(deadline=None, database=None, derandomize=True, suppress_health_check=list(HealthCheck))


def fuzz(kind: str, folder: Path, cases: int) -> None:
    path = folder / kind
    WRITERS[kind](path)
    valid = path.read_bytes()
    assert sound(read_recording(path))

    @settings(
        max_examples=cases, deadline=None, database=None, derandomize=True, suppress_health_check=list(HealthCheck)
    )
    @given(st.one_of(mutations(valid), STRUCTURES[kind], STRUCTURES[kind], st.binary(max_size=200)))
    def run(content: bytes) -> None:
        path.write_bytes(content)
        began = time.process_time()
        try:
            assert sound(read_recording(path))
        except InputError as error:
            assert str(path) in str(error) and "\n" not in str(error)
        assert time.process_time() - began < MOST_SECONDS

    run()


@pytest.mark.parametrize("kind", WRITERS)
def test_no_file_breaks_a_reader(tmp_path: Path, kind: str) -> None:
    fuzz(kind, tmp_path, 200)


@pytest.mark.slow
@pytest.mark.parametrize("kind", WRITERS)
def test_no_file_of_a_thousand_breaks_a_reader(tmp_path: Path, kind: str) -> None:
    fuzz(kind, tmp_path, 1000)
