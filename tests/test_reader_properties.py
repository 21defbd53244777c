"""Any length, any rate, any format: what a sound file says comes back, is prepared, or is refused in one sentence."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import ONE_SENTENCE
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from motion_files import Rig, amass, deepmimic, person, write_bvh, write_csv, write_json, write_npz, write_pickle

from playground_amp.core.errors import InputError
from playground_amp.retargeting.preparation import prepared
from playground_amp.retargeting.readers.amass import Take
from playground_amp.retargeting.readers.any import read_recordings
from playground_amp.retargeting.readers.hints import ReadHints
from playground_amp.robots import Robot, load_robot

pytestmark = ONE_SENTENCE

MOST_SECONDS = 2.0  # of computing, for files of some hundred frames
Motion = tuple[np.ndarray, float]  # qpos [N, nq], Hz


def trackers(qpos: np.ndarray, fps: float) -> dict[str, Any]:
    return {"root_trans_offset": qpos[:, :3], "root_rot": qpos[:, [4, 5, 6, 3]], "dof": qpos[:, 7:], "fps": fps}


def tracking(qpos: np.ndarray, fps: float) -> dict[str, Any]:
    bodies = {"body_pos_w": qpos[:, None, :3], "body_quat_w": qpos[:, None, 3:7]}
    return {"joint_pos": qpos[:, 7:], "fps": fps} | bodies


def smpl(qpos: np.ndarray, fps: float, width: int) -> dict[str, Any]:
    """Somebody whose joints turn as the robot's do, wherever these are in a pose."""
    poses = np.resize(np.concatenate([qpos[:, 3:]] * 20, axis=1)[:, :width], (len(qpos), width))
    return amass(poses=poses, trans=qpos[:, :3], mocap_framerate=np.array(fps))


def skeleton(qpos: np.ndarray, fps: float) -> Take:
    take = person(len(qpos) + 1)
    return Take("take", take.positions[:-1], take.rotations[:-1], fps)


WRITERS: dict[str, Callable[[Path, np.ndarray, float], object]] = {
    "smpl.npz": lambda path, qpos, fps: write_npz(path, smpl(qpos, fps, 72)),
    "smpl_h.npz": lambda path, qpos, fps: write_npz(path, smpl(qpos, fps, 156)),
    "qpos.npz": lambda path, qpos, fps: write_npz(path, {"qpos": qpos, "fps": fps}),
    "tracking.npz": lambda path, qpos, fps: write_npz(path, tracking(qpos, fps)),
    "several.pkl": lambda path, qpos, fps: write_pickle(path, {name: trackers(qpos, fps) for name in "ab"}),
    "table.csv": lambda path, qpos, fps: write_csv(path, qpos),
    "table.npy": lambda path, qpos, fps: np.save(path, qpos),
    "person.bvh": lambda path, qpos, fps: write_bvh(path, skeleton(qpos, fps)),
    "z_up.bvh": lambda path, qpos, fps: write_bvh(path, skeleton(qpos, fps), Rig(z_up=True, unit=0.0254)),
    "person.txt": lambda path, qpos, fps: write_json(path, deepmimic(len(qpos), c0=[1.0 / fps])),
}


@st.composite
def motions(draw: st.DrawFn) -> Motion:
    """Of a robot of nine joints that stands, walks or tumbles, of any length and rate."""
    frames = draw(st.one_of(st.integers(1, 12), st.integers(13, 300)))
    fps = draw(st.one_of(st.sampled_from([10.0, 24.0, 29.97, 30.0, 50.0, 59.94, 60.0, 100.0, 120.0, 1000.0]),
                         st.floats(10.0, 1000.0)))  # fmt: skip
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    amplitude = draw(st.sampled_from([0.0, 0.1, 0.7, 3.0]))
    phase = 2.0 * np.pi * draw(st.floats(0.0, 8.0)) * np.arange(frames)[:, None] / fps
    waves = amplitude * np.sin(phase + rng.uniform(0.0, 6.0, 12))
    turns = np.concatenate([np.ones((frames, 1)), draw(st.sampled_from([0.0, 0.1, 1.0])) * waves[:, 9:]], axis=1)
    turns /= np.linalg.norm(turns, axis=1, keepdims=True)
    place = np.arange(frames)[:, None] / fps * rng.normal(size=3) * [1.0, 1.0, 0.0] + [0.0, 0.0, 0.45]
    return np.concatenate([place, turns, waves[:, :9]], axis=1), fps


HINTS = st.builds(
    ReadHints,
    fps=st.none() | st.sampled_from([25.0, 120.0, 2000.0]),
    unit=st.none() | st.sampled_from(["m", "cm", "inches"]),
    up=st.none() | st.sampled_from(["y", "-x"]),
    joints=st.none() | st.sampled_from([("g1_29",), tuple("abcdefghi")]),
)
SETTINGS = {"deadline": None, "database": None, "derandomize": True, "suppress_health_check": list(HealthCheck)}


def sound(motion: object) -> bool:
    if isinstance(motion, Take):
        turns = motion.rotations @ np.swapaxes(motion.rotations, -1, -2)
        return bool(np.isfinite(motion.positions).all() and np.allclose(turns, np.eye(3), atol=1e-6))
    arrays = [getattr(motion, key) for key in ("root_pos", "root_quat", "joint_pos")]
    return all(np.isfinite(array).all() for array in arrays) and len({len(array) for array in arrays}) == 1


def check(path: Path, robot: Robot, motion: Motion, hints: ReadHints) -> None:
    WRITERS[path.name](path, *motion)
    began = time.process_time()
    try:
        for recording in read_recordings(path, hints, robot):
            assert sound(recording) and sound(prepared(recording, hints, robot))
            assert sound(prepared(replace(recording, fps=2.0 * recording.fps), hints))
            assert all("\n" not in note and len(note) < 300 for note in recording.notes)
    except InputError as error:
        assert "\n" not in str(error) and len(str(error)) < 500 + len(str(path))
    assert time.process_time() - began < MOST_SECONDS


def run(name: str, folder: Path, cases: int) -> None:
    robot = load_robot("wildrobot")

    @settings(max_examples=cases, **SETTINGS)
    @given(motions(), HINTS)
    def every(motion: Motion, hints: ReadHints) -> None:
        check(folder / name, robot, motion, hints)

    every()


@pytest.mark.parametrize("name", WRITERS)
def test_any_length_and_rate_is_read_and_prepared_or_refused(tmp_path: Path, name: str) -> None:
    run(name, tmp_path, 25)


@pytest.mark.soak
@pytest.mark.parametrize("name", WRITERS)
def test_any_of_a_thousand_lengths_and_rates(tmp_path: Path, name: str) -> None:
    """Ten thousand, all formats together."""
    run(name, tmp_path, 1000)


@pytest.mark.parametrize("name", ["qpos.npz", "tracking.npz", "several.pkl", "smpl.npz", "person.bvh"])
@pytest.mark.parametrize(("frames", "fps"), [(1, 50.0), (2, 10.0), (482, 50.0), (252, 29.97), (1001, 1000.0)])
def test_frames_and_rate_are_those_of_the_file(tmp_path: Path, name: str, frames: int, fps: float) -> None:
    qpos = np.tile(load_robot("wildrobot").home_qpos, (frames, 1))
    WRITERS[name](tmp_path / name, qpos, fps)
    for recording in read_recordings(tmp_path / name):
        assert recording.fps == pytest.approx(fps, rel=1e-5)
        assert recording.duration == pytest.approx((frames - 1) / fps, rel=1e-5)
