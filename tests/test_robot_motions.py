"""Motions that already are a robot's: known values in every layout, and pickles that are never run."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from motion_files import FRAMES, gmr, unitree, write_csv, write_npz, write_pickle

from playground_amp.core.errors import InputError
from playground_amp.retargeting.readers.any import read_recording
from playground_amp.retargeting.readers.robot_layouts import G1, H1, H1_2
from playground_amp.retargeting.readers.robot_motion import RobotMotion
from playground_amp.retargeting.readers.safe_pickle import load_plain

HALF = np.sqrt(0.5)


def read(path: Path) -> RobotMotion:
    motion = read_recording(path)
    assert isinstance(motion, RobotMotion)
    return motion


def check_g1(motion: RobotMotion) -> None:
    assert motion.joints == G1 and motion.fps == 30.0 and motion.name == "walk"
    assert motion.duration == pytest.approx((FRAMES - 1) / 30.0)
    np.testing.assert_allclose(motion.root_pos[2], [0.02, 0.0, 0.8])
    np.testing.assert_allclose(motion.root_quat, np.tile([HALF, 0, 0, HALF], (FRAMES, 1)))  # w first
    assert motion.joint_pos[0, motion.joints.index("left_knee_joint")] == pytest.approx(0.3)


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_gmrs_pickle(tmp_path: Path, protocol: int) -> None:
    check_g1(read(write_pickle(tmp_path / "walk.pkl", gmr(), protocol)))


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
@pytest.mark.parametrize("core", ["numpy.core", "numpy._core"])
def test_arrays_of_either_numpy_and_every_layout(tmp_path: Path, protocol: int, core: str) -> None:
    values: dict[str, Any] = {
        "fortran": np.asfortranarray(np.arange(6.0).reshape(2, 3)),
        "big": np.arange(4, dtype=">i2"),
        "small": np.float32([[0.5]]),
        "scalar": np.float64(0.25),
        "text": np.array(["knee", "é"]),
        "empty": np.zeros((0, 3)),
        "list": [1, 2.5, None, True, "a", -7, 2**40],
        "bytes": b"\x00\xff",
    }
    program = pickle.dumps(values, protocol=protocol)
    for module in (b"multiarray", b"numeric"):
        old, new = b"numpy._core." + module, core.encode() + b"." + module
        counted = (bytes([len(name)]) + name for name in (old, new))  # as protocols 4 and 5 write names
        program = program.replace(*counted).replace(b"c" + old, b"c" + new)
    path = tmp_path / "a.pkl"
    path.write_bytes(program)
    read = load_plain(path)
    assert set(read) == set(values) and read["list"] == values["list"] and read["bytes"] == values["bytes"]
    for key in ("fortran", "big", "small", "scalar", "text", "empty"):
        np.testing.assert_array_equal(read[key], values[key])
        assert read[key].dtype == np.asarray(values[key]).dtype


def test_gmrs_keys_in_an_npz(tmp_path: Path) -> None:
    arrays = {key: value for key, value in gmr().items() if value is not None}
    check_g1(read(write_npz(tmp_path / "walk.npz", arrays)))


def test_qpos_is_mujocos_order(tmp_path: Path) -> None:
    qpos = np.tile([1.0, 2.0, 0.8, HALF, 0, 0, HALF, 0.1, -0.2], (FRAMES, 1))
    arrays = {"qpos": qpos, "frequency": 50.0, "joints": np.array(["hip", "knee"])}
    motion = read(write_npz(tmp_path / "walk.npz", arrays))
    assert motion.joints == ("hip", "knee") and motion.fps == 50.0
    np.testing.assert_allclose(motion.root_quat[0], [HALF, 0, 0, HALF])
    np.testing.assert_allclose(motion.joint_pos[0], [0.1, -0.2])


@pytest.mark.parametrize(("joints", "knee"), [(G1, 3), (H1_2, 3), (H1, 3)])
def test_unitrees_csv(tmp_path: Path, joints: tuple[str, ...], knee: int) -> None:
    motion = read(write_csv(tmp_path / "walk.csv", unitree(len(joints))))
    assert motion.joints == joints and motion.fps == 30.0
    np.testing.assert_allclose(motion.root_pos[0], [1.0, 2.0, 0.8])
    np.testing.assert_allclose(motion.root_quat[0], [HALF, 0, 0, HALF], atol=1e-6)
    assert joints[knee] == "left_knee_joint" and motion.joint_pos[0, knee] == pytest.approx(0.03)


def test_a_csv_of_another_robot_has_no_names(tmp_path: Path) -> None:
    motion = read(write_csv(tmp_path / "walk.csv", unitree(12)))
    assert motion.joints is None and motion.joint_pos.shape == (FRAMES, 12)


def test_unitrees_joints_are_those_of_its_data_set() -> None:
    assert [len(joints) for joints in (G1, H1_2, H1)] == [29, 27, 19]
    assert G1[12:16] == ("waist_yaw_joint", "waist_roll_joint", "waist_pitch_joint", "left_shoulder_pitch_joint")
    assert G1[-1] == H1_2[-1] == "right_wrist_yaw_joint" and H1[-1] == "right_elbow_joint"
    assert H1_2[:3] == ("left_hip_yaw_joint", "left_hip_pitch_joint", "left_hip_roll_joint")
    assert H1[:3] == ("left_hip_yaw_joint", "left_hip_roll_joint", "left_hip_pitch_joint")
    assert H1[10] == H1_2[12] == "torso_joint"


def test_quaternions_become_exactly_unit_and_unnamed_joints_stay_unnamed(tmp_path: Path) -> None:
    content = gmr(root_rot=np.tile([0.0, 0.0, 0.0, 1.02], (FRAMES, 1)), dof_pos=np.zeros((FRAMES, 12)))
    motion = read(write_pickle(tmp_path / "walk.pkl", content))
    np.testing.assert_array_equal(motion.root_quat[0], [1, 0, 0, 0])
    assert motion.joints is None


class Payload:
    """Pickles into a call of `function`."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self.call = (function, arguments)

    def __reduce__(self) -> Any:
        return self.call


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("where", ["alone", "in the dict", "in an array", "as the rate"])
def test_a_hostile_pickle_runs_nothing(tmp_path: Path, protocol: int, where: str) -> None:
    victim = tmp_path / "created"
    payload = Payload(open, str(victim), "w")
    objects = np.array([payload, None], dtype=object)
    content = {
        "alone": payload,
        "in the dict": gmr(local_body_pos=payload),
        "in an array": gmr(dof_pos=objects),
        "as the rate": gmr(fps=payload),
    }[where]
    path = write_pickle(tmp_path / "walk.pkl", content, protocol)
    with pytest.raises(InputError) as caught:
        read(path)
    assert str(path) in str(caught.value) and not victim.exists()
    pickle.loads(path.read_bytes())  # the payload itself works
    assert victim.exists()


@pytest.mark.parametrize(
    "program",
    [
        b"cos\nsystem\n(S'true'\ntR.",  # protocol 0
        b"\x80\x02cbuiltins\neval\nX\x01\x00\x00\x001\x85R.",
        b"\x80\x04\x8c\x05numpy\x8c\x07ndarray\x93J\xff\xff\xff\x7f\x85R.",  # ndarray(2147483647)
        b"\x80\x04\x8c\x05numpy\x8c\x05dtype\x93\x8c\x01O\x85R.",
        b"\x80\x04}r\xff\xff\xff\xff.",  # a memo of four thousand million places
        b"\x80\x04\x8e\xff\xff\xff\xff\xff\xff\xff\x7f.",  # bytes of nine exabytes
        b"\x80\x04" + b"(" * 50_000 + b"." ,
        b"\x80\x04]" + b"\x94h\x00\x85" * 100 + b".",
    ],
)  # fmt: skip
def test_hostile_programs_cost_nothing(tmp_path: Path, program: bytes) -> None:
    path = tmp_path / "walk.pkl"
    path.write_bytes(program)
    with pytest.raises(InputError):
        read(path)
