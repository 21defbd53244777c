"""DeepMimic's motions: poses worked out by hand, and uneven frames."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from motion_files import deepmimic, write_json

from playground_amp.retargeting.readers.amass import JOINTS, OFFSETS, Take
from playground_amp.retargeting.readers.deepmimic import load_deepmimic

HALF = np.sqrt(0.5)


def at(take: Take, joint: str) -> np.ndarray:
    return take.positions[0, JOINTS.index(joint)]


def load(folder: Path, **values: list[float]) -> Take:
    return load_deepmimic(write_json(folder / "take.txt", deepmimic(**values)))


def test_zero_is_standing_with_hanging_arms(tmp_path: Path) -> None:
    """(1, 0.9, 3) with y up is (1, -3, 0.9) with z up; x stays the front, so the left is +y."""
    take = load(tmp_path)
    assert take.positions.shape == (5, 22, 3) and take.fps == pytest.approx(30.0)
    np.testing.assert_allclose(at(take, "pelvis"), [1, -3, 0.9])
    np.testing.assert_allclose(at(take, "left_hip"), [1, -3 + 0.084887, 0.9])
    np.testing.assert_allclose(at(take, "left_ankle"), [1, -3 + 0.084887, 0.9 - 0.421546 - 0.409870])
    np.testing.assert_allclose(at(take, "neck"), [1, -3, 0.9 + 0.236151 + 0.223894])
    np.testing.assert_allclose(at(take, "right_wrist")[2], 0.9 + 0.236151 + 0.24350 - 0.274788 - 0.258947)
    pelvis = take.rotations[0, 0]
    np.testing.assert_allclose(
        pelvis, np.array([[0, 0, 1], [1, 0, 0], [0, 1, 0]]), atol=1e-12
    )  # columns: left, up, front
    shoulder = take.rotations[0, JOINTS.index("left_shoulder")]
    elbow = OFFSETS[JOINTS.index("left_elbow")]
    np.testing.assert_allclose(shoulder @ elbow / np.linalg.norm(elbow), [0, 0, -1], atol=1e-12)


def test_a_knee_bends_backwards_by_a_negative_angle(tmp_path: Path) -> None:
    take = load(tmp_path, c34=[-np.pi / 2])
    np.testing.assert_allclose(at(take, "left_ankle") - at(take, "left_knee"), [-0.409870, 0, 0], atol=1e-12)
    np.testing.assert_allclose(at(take, "right_ankle") - at(take, "right_knee"), [0, 0, -0.409870], atol=1e-12)


def test_the_right_side_comes_first_in_the_file(tmp_path: Path) -> None:
    """Columns 16 to 19 are the right hip: by +90 degrees about z it raises the right leg to the front."""
    take = load(tmp_path, c16=[HALF, 0, 0, HALF])
    np.testing.assert_allclose(at(take, "right_ankle") - at(take, "right_hip"), [0.831416, 0, 0], atol=1e-9)


def test_the_root_turns_everything(tmp_path: Path) -> None:
    """By +90 degrees about y (up) the front, x, becomes -z, which is +y here."""
    take = load(tmp_path, c4=[HALF, 0, HALF, 0])
    np.testing.assert_allclose(take.rotations[0, 0] @ [0, 0, 1], [0, 1, 0], atol=1e-9)
    np.testing.assert_allclose(at(take, "left_hip") - at(take, "pelvis"), [-0.084887, 0, 0], atol=1e-9)


def test_uneven_frames_are_made_even(tmp_path: Path) -> None:
    """A frame of double length becomes two; the motion in between is halfway."""
    motion = deepmimic(frames=6)
    for i, row in enumerate(motion["Frames"]):
        row[0], row[1] = (2 if i == 2 else 1) / 30, (0, 1, 2, 4, 5, 6)[i]
    take = load_deepmimic(write_json(tmp_path / "take.txt", motion))
    np.testing.assert_allclose(take.positions[:, 0, 0], range(7), atol=1e-9)


def test_quaternions_of_either_sign_are_averaged_on_one_side(tmp_path: Path) -> None:
    motion = deepmimic(frames=6)
    for i, row in enumerate(motion["Frames"]):
        row[0] = (2 if i == 2 else 1) / 30
        row[4:8] = [(-1.0) ** i, 0, 0, 0]
    take = load_deepmimic(write_json(tmp_path / "take.txt", motion))
    np.testing.assert_allclose(
        take.rotations[:, 0] @ [0, 0, 1], np.tile([1.0, 0, 0], (len(take.positions), 1)), atol=1e-9
    )


def test_one_frame_is_a_take(tmp_path: Path) -> None:
    take = load_deepmimic(write_json(tmp_path / "take.txt", deepmimic(frames=1)))
    assert take.positions.shape == (1, 22, 3) and take.duration == 0.0


def cycle(turned: float = 0.0) -> dict[str, Any]:
    """Half a second along x by 0.5 m, the left knee bent once; at the end turned by some radians."""
    motion = deepmimic(frames=16) | {"Loop": "wrap"}
    for i, row in enumerate(motion["Frames"]):
        row[1], row[34] = 2.0 + i / 30.0, -np.sin(np.pi * i / 15.0)
        row[4:8] = [np.cos(0.5 * turned * i / 15.0), 0, np.sin(0.5 * turned * i / 15.0), 0]
    return motion


def test_a_cycle_goes_on_from_where_it_ended(tmp_path: Path) -> None:
    """Eight rounds of half a second at 1 m/s: 4 s and 4 m, the knee bent in the middle of each."""
    take = load_deepmimic(write_json(tmp_path / "take.txt", cycle()))
    assert take.duration == pytest.approx(4.0)
    np.testing.assert_allclose(take.positions[:, 0, 0], 2.0 + np.arange(121) / 30.0, atol=1e-9)
    knees = take.positions[:, JOINTS.index("left_ankle"), 2]
    np.testing.assert_allclose(knees[:15], knees[105:120], atol=1e-9)
    np.testing.assert_allclose(knees[[0, 15, 30]], knees[0], atol=1e-9)
    assert knees[[7, 22, 37]].min() > knees[0] + 0.1


def test_the_gap_of_a_cycle_is_closed_and_a_wide_one_is_no_cycle(tmp_path: Path) -> None:
    near = load_deepmimic(write_json(tmp_path / "near.txt", cycle(turned=0.1)))
    far = load_deepmimic(write_json(tmp_path / "far.txt", cycle(turned=1.0)))
    once = load_deepmimic(write_json(tmp_path / "once.txt", cycle() | {"Loop": "none"}))
    assert len(near.positions) == 121 and len(far.positions) == len(once.positions) == 16
    front = near.rotations[:, 0] @ [0, 0, 1]
    np.testing.assert_allclose(front[:, 1], 0.0, atol=0.01)
