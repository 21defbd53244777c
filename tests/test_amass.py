"""AMASS files and the skeleton: hand-checked kinematics, and one clear sentence for every kind of bad file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from motion_files import FRAMES, write_npz, write_pickle
from motion_files import amass as arrays

from playground_amp.core.errors import InputError
from playground_amp.retargeting.readers.amass import JOINTS, OFFSETS, PARENTS, Take, forward_kinematics, load_take
from playground_amp.retargeting.readers.any import read_recordings
from playground_amp.retargeting.readers.hints import ReadHints


def write(folder: Path, name: str = "take.npz", **changes: Any) -> Path:
    return write_npz(folder / name, arrays(**changes))


def joint(positions: np.ndarray, name: str) -> np.ndarray:
    return positions[:, JOINTS.index(name)]


def test_rest_pose_is_the_mean_skeleton() -> None:
    positions, rotations = forward_kinematics(np.zeros((1, 66)), np.zeros((1, 3)))
    np.testing.assert_allclose(joint(positions, "left_ankle")[0], [0.10, -1.09, -0.02])
    np.testing.assert_allclose(joint(positions, "right_wrist")[0], [-0.68, 0.23, -0.04], atol=1e-12)
    np.testing.assert_allclose(rotations, np.broadcast_to(np.eye(3), rotations.shape))


def test_left_and_right_are_mirror_images() -> None:
    for left, name in enumerate(JOINTS):
        if name.startswith("left_"):
            right = JOINTS.index(name.replace("left_", "right_"))
            np.testing.assert_array_equal(OFFSETS[left] * [-1, 1, 1], OFFSETS[right])
            assert JOINTS[PARENTS[right]] == JOINTS[PARENTS[left]].replace("left_", "right_")


def test_pelvis_offset_is_not_rotated() -> None:
    poses = np.zeros((1, 66))
    poses[0, :3] = [np.pi / 2, 0, 0]  # SMPL's y up becomes the world's z up
    positions, _ = forward_kinematics(poses, np.array([[1.0, 2.0, 3.0]]))
    np.testing.assert_allclose(positions[0, 0], [1.0, 1.78, 3.03])
    # the left hip is (.07, -.09, -.01) from the pelvis in the rest pose: y goes to z, z to -y
    np.testing.assert_allclose(joint(positions, "left_hip")[0] - positions[0, 0], [0.07, 0.01, -0.09], atol=1e-12)


def test_knee_bends_the_shank_alone() -> None:
    poses = np.zeros((1, 22, 3))
    poses[0, JOINTS.index("left_knee")] = [np.pi / 2, 0, 0]
    positions, _ = forward_kinematics(poses.reshape(1, 66), np.zeros((1, 3)))
    knee, ankle = joint(positions, "left_knee")[0], joint(positions, "left_ankle")[0]
    np.testing.assert_allclose(knee, OFFSETS[0] + OFFSETS[1] + OFFSETS[4])
    np.testing.assert_allclose(ankle - knee, [-0.01, 0.04, -0.40], atol=1e-12)  # backwards


def test_rotations_compose_along_the_chain() -> None:
    poses = np.random.default_rng(0).normal(size=(3, 66))
    positions, rotations = forward_kinematics(poses, np.zeros((3, 3)))
    for child, parent in enumerate(PARENTS[1:], start=1):
        bone = np.einsum("nij,j->ni", rotations[:, parent], OFFSETS[child])
        np.testing.assert_allclose(positions[:, child] - positions[:, parent], bone, atol=1e-12)


def test_smpl_h_smpl_x_and_split_poses_are_alike(tmp_path: Path) -> None:
    body = np.random.default_rng(1).normal(size=(FRAMES, 66))
    smpl_h = write(tmp_path, "h.npz", poses=np.pad(body, ((0, 0), (0, 90))))
    smpl_x = write(tmp_path, "x.npz", poses=np.pad(body, ((0, 0), (0, 99))))
    split = write(
        tmp_path,
        "s.npz",
        poses=None,
        root_orient=body[:, :3],
        pose_body=body[:, 3:],
        mocap_framerate=None,
        mocap_frame_rate=np.array(100),
    )
    takes = [load_take(path) for path in (smpl_h, smpl_x, split)]
    assert [take.name for take in takes] == ["h", "x", "s"]
    assert [take.fps for take in takes] == [120.00004, 120.00004, 100.0]
    assert takes[0].duration == pytest.approx((FRAMES - 1) / 120.0, rel=1e-6)
    for take in takes[1:]:
        np.testing.assert_array_equal(take.positions, takes[0].positions)


def test_plain_smpl_a_body_alone_and_other_peoples_keys_are_alike(tmp_path: Path) -> None:
    body = np.random.default_rng(1).normal(size=(FRAMES, 72))
    way = np.random.default_rng(2).normal(size=(FRAMES, 3))
    plain = load_take(write(tmp_path, "h.npz", poses=np.pad(body[:, :66], ((0, 0), (0, 90))), trans=way))
    no_rate = {"poses": None, "trans": None, "mocap_framerate": None, "fps": 60}
    others = [
        {"poses": body, "trans": way},
        {"poses": body[:, :66], "trans": way},
        {"poses": body.reshape(FRAMES, 24, 3), "trans": way},
        no_rate | {"smpl_poses": body, "smpl_trans": 90.0 * way, "smpl_scaling": np.array([90.0])},
        no_rate | {"global_orient": body[:, :3], "body_pose": body[:, 3:], "transl": way},
        no_rate | {"global_orient": body[:, None, :3], "body_pose": body[:, 3:66].reshape(-1, 21, 3), "transl": way},
    ]
    for keys in others:
        content = {key: value for key, value in arrays(**keys).items() if value is not None}
        for path in (write_npz(tmp_path / "a.npz", content), write_pickle(tmp_path / "a.pkl", content)):
            (take,) = read_recordings(path)
            assert isinstance(take, Take)
            np.testing.assert_allclose(take.positions, plain.positions, atol=1e-9)


def test_positions_of_joints_beside_the_poses_are_no_robots(tmp_path: Path) -> None:
    path = write(tmp_path, joint_positions=np.zeros((FRAMES, 24, 3)), joint_pos=np.zeros((FRAMES, 72)))
    assert isinstance(read_recordings(path)[0], Take)


def test_hints_take_the_place_of_what_a_file_says(tmp_path: Path) -> None:
    assert load_take(write(tmp_path), ReadHints(fps=60.0)).fps == 60.0
    assert load_take(write(tmp_path, mocap_framerate=None), ReadHints(fps=60.0)).fps == 60.0
    moved = [load_take(write(tmp_path, trans=np.full((FRAMES, 3), x)), hints) for x, hints in
             ((100.0, ReadHints(unit="cm")), (1.0, ReadHints()))]  # fmt: skip
    np.testing.assert_allclose(moved[0].positions, moved[1].positions)


@pytest.mark.parametrize("gender", [np.array(["neutral", None], dtype=object), np.array("male"), np.array(b"male")])
def test_gender_does_not_matter_and_is_never_opened(tmp_path: Path, gender: np.ndarray) -> None:
    path = write(tmp_path, gender=gender)
    assert load_take(path).positions.shape == (FRAMES, 22, 3)


def test_single_precision_and_other_byte_orders_are_read(tmp_path: Path) -> None:
    body = np.random.default_rng(1).normal(size=(FRAMES, 156))
    plain = load_take(write(tmp_path, "plain.npz", poses=body))
    for dtype in (">f8", "f4"):
        read = load_take(write(tmp_path, "other.npz", poses=body.astype(dtype), mocap_framerate=np.array([120])))
        np.testing.assert_allclose(read.positions, plain.positions, atol=1e-5)
        assert read.fps == 120.0


NOISE = {"poses": np.random.default_rng(0).normal(size=(200, 156)), "trans": np.zeros((200, 3))}
NAN_POSES = np.zeros((FRAMES, 156))
NAN_POSES[3, 7] = np.nan

BAD: dict[str, tuple[dict[str, Any], str]] = {
    "no motion": ({"poses": None}, "no motion"),
    "width": ({"poses": np.zeros((FRAMES, 70))}, "[N, 156]"),
    "no axis": ({"poses": np.zeros(156)}, "[N, 156]"),
    "nan": ({"poses": NAN_POSES}, "frame 3"),
    "infinite trans": ({"trans": np.full((FRAMES, 3), np.inf)}, "trans holds NaN or infinity"),
    "no frames": ({"poses": np.zeros((0, 156)), "trans": np.zeros((0, 3))}, "no frames"),
    "no trans": ({"trans": None}, "no trans"),
    "short trans": ({"trans": np.zeros((FRAMES - 1, 3))}, f"{FRAMES - 1} frames"),
    "flat trans": ({"trans": np.zeros((FRAMES, 2))}, "[N, 3]"),
    "fps 0": ({"mocap_framerate": np.array(0.0)}, "mocap_framerate is 0.0"),
    "fps negative": ({"mocap_framerate": np.array(-120.0)}, "-120"),
    "fps nan": ({"mocap_framerate": np.array(np.nan)}, "nan"),
    "fps huge": ({"mocap_framerate": np.array(1e9)}, "10 to 1000"),
    "fps text": ({"mocap_framerate": np.array("fast")}, "fast"),
    "no fps": ({"mocap_framerate": None}, "no mocap_framerate"),
    "text": ({"poses": np.full((FRAMES, 156), "x")}, "expected numbers"),
    "split": ({"poses": None, "root_orient": np.zeros((5, 3)), "pose_body": np.zeros((5, 60))}, "[N, 63]"),
}


@pytest.mark.parametrize("kind", BAD)
def test_bad_arrays_are_one_clear_sentence(tmp_path: Path, kind: str) -> None:
    changes, told = BAD[kind]
    path = write(tmp_path, **changes)
    with pytest.raises(InputError) as caught:
        load_take(path)
    message = str(caught.value)
    assert str(path) in message and told in message and "\n" not in message


@pytest.mark.parametrize("keep", [0, 10, 400, 0.5, 0.95])
def test_truncated_files_are_told(tmp_path: Path, keep: float) -> None:
    path = tmp_path / "take.npz"
    np.savez_compressed(path, allow_pickle=True, **arrays(**NOISE))
    whole = path.read_bytes()
    path.write_bytes(whole[: keep if isinstance(keep, int) else int(keep * len(whole))])
    with pytest.raises(InputError, match="not a readable"):
        load_take(path)


def test_flipped_bytes_are_told(tmp_path: Path) -> None:
    path = tmp_path / "take.npz"
    np.savez_compressed(path, allow_pickle=True, **arrays(**NOISE))
    damaged = bytearray(path.read_bytes())
    damaged[1000:1100] = bytes(100)
    path.write_bytes(damaged)
    with pytest.raises(InputError, match="not a readable"):
        load_take(path)


def test_pickled_poses_and_other_kinds_of_file_are_told(tmp_path: Path) -> None:
    pickled = write(tmp_path, "pickled.npz", poses=np.array([None, 1], dtype=object))
    array = tmp_path / "array.npy"
    np.save(array, np.zeros(3))
    text = tmp_path / "text.npz"
    text.write_text("hello")
    for path in (pickled, array, text):
        with pytest.raises(InputError, match="not a readable"):
            load_take(path)


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there is no file"):
        load_take(tmp_path / "nothing.npz")
