"""Robots' motions as trackers, simulators and tables write them: one walk, written in every layout, comes back."""

from __future__ import annotations

import os
import pickle
import zlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from motion_files import write_csv, write_npz, write_pickle
from scipy.spatial.transform import Rotation

from playground_amp.core.errors import InputError
from playground_amp.retargeting.preparation import prepared
from playground_amp.retargeting.readers.any import read_recordings
from playground_amp.retargeting.readers.hints import ReadHints
from playground_amp.retargeting.readers.joint_names import given_joints, limb_by_limb, renamed, unnamed_joints
from playground_amp.retargeting.readers.robot_layouts import G1, LAYOUTS, breadth_first
from playground_amp.retargeting.readers.robot_motion import RobotMotion
from playground_amp.robots import Robot

FPS = 50.0
W_LAST = [1, 2, 3, 0]


@pytest.fixture
def qpos(walk: np.ndarray) -> np.ndarray:
    """A walk towards 1 rad, [120, nq]: heading +x, the two orders of a quaternion are hard to tell apart."""
    turn = Rotation.from_euler("z", 1.0)
    turned = (turn * Rotation.from_quat(walk[:, 3:7], scalar_first=True)).as_quat(scalar_first=True)
    return np.concatenate([turn.apply(walk[:, :3]), turned, walk[:, 7:]], axis=1)


def bodies(robot: Robot, qpos: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Positions [N, B, 3] and quaternions [N, B, 4] (w x y z) of every body but the world."""
    poses = [(data.xpos[1:].copy(), data.xquat[1:].copy()) for data in robot.poses(qpos)]
    return np.array([place for place, _ in poses]), np.array([turn for _, turn in poses])


def tracking(robot: Robot, qpos: np.ndarray) -> dict[str, Any]:
    places, turns = bodies(robot, qpos)
    joints = {"joint_pos": qpos[:, 7:].astype(np.float32), "joint_vel": 0.0 * qpos[:, 7:]}
    return {"fps": np.array([50]), **joints, "body_pos_w": places, "body_quat_w": turns}


def isaac_lab(robot: Robot, qpos: np.ndarray) -> dict[str, Any]:
    """Joints in an order of its own, the root not the first of the bodies."""
    places, turns = bodies(robot, qpos)
    names = ["foot", "torso", "root"]
    return {
        "fps": 50,
        "dof_names": np.array(robot.joints[::-1]),
        "body_names": np.array(names),
        "dof_positions": qpos[:, :6:-1],
        "body_positions": places[:, [4, 2, 0]],
        "body_rotations": turns[:, [4, 2, 0]],
    }


def loco_mujoco(robot: Robot, qpos: np.ndarray) -> dict[str, Any]:
    names = np.array(["root", *robot.joints])
    ends = np.array([0, len(qpos)])
    return {"qpos": qpos, "joint_names": names, "jnt_type": np.array([0, 3]), "frequency": 50.0, "split_points": ends}


def tracker(qpos: np.ndarray) -> dict[str, Any]:
    return {"root_trans_offset": qpos[:, :3], "root_rot": qpos[:, 3:7][:, W_LAST], "dof": qpos[:, 7:], "fps": 50}


LAYOUT_WRITERS: dict[str, Callable[[Path, Robot, np.ndarray], Path]] = {
    "tracking.npz": lambda path, robot, qpos: write_npz(path, tracking(robot, qpos)),
    "isaac_lab.npz": lambda path, robot, qpos: write_npz(path, isaac_lab(robot, qpos)),
    "loco_mujoco.npz": lambda path, robot, qpos: write_npz(path, loco_mujoco(robot, qpos)),
    "whole_qpos.npz": lambda path, robot, qpos: write_npz(path, {"joint_pos": qpos, "fps": 50}),
    "tracker.pkl": lambda path, robot, qpos: write_pickle(path, {"walk": tracker(qpos)}),
    "columns.pkl": lambda path, robot, qpos: write_pickle(path, tracker(qpos) | {"dof": qpos[:, 7:, None]}),
    "w_last.csv": lambda path, robot, qpos: write_csv(path, qpos[:, [0, 1, 2, 4, 5, 6, 3, *range(7, qpos.shape[1])]]),
    "w_first.csv": lambda path, robot, qpos: write_csv(path, qpos),
    "table.npy": lambda path, robot, qpos: np.save(path, qpos) or path,
}


@pytest.mark.parametrize("name", LAYOUT_WRITERS)
def test_a_walk_comes_back_from_every_layout(tmp_path: Path, name: str, robot: Robot, qpos: np.ndarray) -> None:
    path = LAYOUT_WRITERS[name](tmp_path / name, robot, qpos)
    table = name.endswith((".csv", ".npy"))
    (motion,) = read_recordings(path, ReadHints(fps=FPS) if table else ReadHints(), robot)
    check(motion, robot, qpos)
    assert motion.name == path.stem
    assert any("w x y z" in note for note in motion.notes) == (name in ("w_first.csv", "table.npy"))


def check(motion: object, robot: Robot, qpos: np.ndarray, atol: float = 2e-6) -> None:
    assert isinstance(motion, RobotMotion) and motion.fps == FPS and motion.joints is not None
    order = [motion.joints.index(joint) for joint in robot.joints]
    read = np.concatenate([motion.root_pos, motion.root_quat, motion.joint_pos[:, order]], axis=1)
    np.testing.assert_allclose(read, qpos, atol=atol)


def test_every_motion_of_a_dict_of_dicts_is_read(tmp_path: Path, robot: Robot, qpos: np.ndarray) -> None:
    content = {"0-walk/a": tracker(qpos), "b": tracker(qpos[:50].copy())}
    motions = read_recordings(write_pickle(tmp_path / "set.pkl", content), ReadHints(), robot)
    assert [(motion.name, len(motion.root_pos)) for motion in motions if isinstance(motion, RobotMotion)] == [
        ("set_0-walk_a", 120),
        ("set_b", 50),
    ]
    content["b"]["dof"][3, 2] = np.nan
    with pytest.raises(InputError, match=r"dof holds NaN.*\(in its motion 'b'\)"):
        read_recordings(write_pickle(tmp_path / "set.pkl", content), ReadHints(), robot)


def test_one_array_named_a_thousand_times_is_refused(tmp_path: Path, robot: Robot) -> None:
    motion = tracker(np.tile(robot.home_qpos, (20_000, 1)))
    path = write_pickle(tmp_path / "set.pkl", {str(number): motion for number in range(1000)})
    with pytest.raises(InputError, match="again and again"):
        read_recordings(path)


def test_split_points_part_motions(tmp_path: Path, robot: Robot, qpos: np.ndarray) -> None:
    content = loco_mujoco(robot, qpos) | {"split_points": np.array([0, 40, 120])}
    first, second = read_recordings(write_npz(tmp_path / "set.npz", content), ReadHints(), robot)
    assert (first.name, second.name) == ("set_0", "set_1")
    check(second, robot, qpos[40:])
    for points in ([0, 130], [0, 60, 60, 120], [0.0, 120.0]):
        path = write_npz(tmp_path / "set.npz", content | {"split_points": np.array(points)})
        with pytest.raises(InputError, match="split_points must rise from 0 to the 120 frames"):
            read_recordings(path)


def test_a_model_without_a_free_joint_is_named(tmp_path: Path, robot: Robot, qpos: np.ndarray) -> None:
    content = loco_mujoco(robot, qpos) | {"jnt_type": np.array([2, 3])}
    with pytest.raises(InputError, match="free joint"):
        read_recordings(write_npz(tmp_path / "a.npz", content))


@pytest.mark.parametrize("kind", ["compressed", "wrapped"])
def test_joblibs_files_are_named_with_the_line_that_saves_them_again(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "set.pkl"
    plain = pickle.dumps({"a": 1}, protocol=4)
    wrapped = b"\x80\x04\x8c\x13joblib.numpy_pickle\x8c\x11NumpyArrayWrapper\x93)\x81."
    path.write_bytes(zlib.compress(plain) if kind == "compressed" else wrapped)
    with pytest.raises(InputError, match="joblib") as caught:
        read_recordings(path)
    assert "pickle.dump(joblib.load('set.pkl'), open('plain_set.pkl', 'wb'))" in str(caught.value)


HEADERS = {
    "short": "x,y,z,qw,qx,qy,qz",
    "long": "root_pos_x,root_pos_y,root_pos_z,root_quat_w,root_quat_x,root_quat_y,root_quat_z",
    "camel": '"Root_PosX","Root_PosY","Root_PosZ","Root_RotW","Root_RotX","Root_RotY","Root_RotZ"',
    "base": "base_x,base_y,base_z,base_qw,base_qx,base_qy,base_qz",
}


@pytest.mark.parametrize("style", HEADERS)
def test_a_header_names_the_columns(tmp_path: Path, style: str, robot: Robot, qpos: np.ndarray) -> None:
    joints = [f"{joint}_joint" for joint in robot.joints]
    rows = np.concatenate([qpos, np.arange(len(qpos))[:, None] / FPS], axis=1)[:, ::-1]
    path = write_csv(tmp_path / "walk.csv", rows)
    names = [*HEADERS[style].split(","), *joints, "time"]
    path.write_text(",".join(names[::-1]) + "\n" + path.read_text())
    (motion,) = read_recordings(path, ReadHints(), robot)
    assert isinstance(motion, RobotMotion)
    check(replace(motion, fps=round(motion.fps, 3)), robot, qpos)
    assert motion.notes == ()


@pytest.mark.parametrize(
    ("header", "told"),
    [
        ("x,y,z,roll,pitch,yaw,a,b", "root's qw, qx, qy, qz (such as root_x, root_qw); roll is an angle"),
        ("x,y,z,qw,qx,qy,qz,a", "row 2 has 8 values, the first one 9"),
        ("x,y,z,qw,qx,qy,qz,a,a", "each with a name of its own"),
        ("x,y,z,qw,qx,qy,qz,frame,a_vel", "must be the joints"),
    ],
)
def test_a_header_that_says_too_little_is_told(tmp_path: Path, header: str, told: str) -> None:
    path = tmp_path / "walk.csv"
    path.write_text(f"{header}\n" + "0,0,1,1,0,0,0,0" + (",0" if header.count(",") == 8 else "") + "\n")
    if header.endswith("qz,a"):
        path.write_text(f"{header},b\n0,0,1,1,0,0,0,0\n")
    with pytest.raises(InputError) as caught:
        read_recordings(path)
    assert told in str(caught.value) and str(path) in str(caught.value)


@pytest.mark.parametrize("index", [True, False])
def test_columns_that_are_only_numbered_are_those_of_a_table(tmp_path: Path, qpos: np.ndarray, index: bool) -> None:
    """As pandas writes an array."""
    count = qpos.shape[1]
    path = write_csv(tmp_path / "walk.csv", np.pad(qpos, ((0, 0), (int(index), 0))))
    path.write_text(("," if index else "") + ",".join(map(str, range(count))) + "\n" + path.read_text())
    (motion,) = read_recordings(path)
    assert isinstance(motion, RobotMotion)
    np.testing.assert_allclose(motion.root_pos, qpos[:, :3], atol=1e-6)
    assert motion.joint_pos.shape == (len(qpos), count - 7)


def test_a_table_without_a_rate_says_what_is_assumed(tmp_path: Path, qpos: np.ndarray) -> None:
    path = write_csv(tmp_path / "walk.csv", qpos)
    (motion,) = read_recordings(path)
    assert motion.fps == 30.0 and "taken to have 30 frames a second: --fps" in motion.notes[0]


@pytest.mark.parametrize("up", ["x", "y", "-z"])
def test_the_up_axis_is_seen_from_the_root(tmp_path: Path, up: str, robot: Robot, qpos: np.ndarray) -> None:
    axis = np.array({"x": [1.0, 0, 0], "y": [0, 1.0, 0], "-z": [0, 0, -1.0]}[up])
    turn = Rotation.align_vectors(axis[None], [[0.0, 0.0, 1.0]])[0]
    quaternions = (turn * Rotation.from_quat(qpos[:, 3:7], scalar_first=True)).as_quat(scalar_first=True)
    tilted = np.concatenate([turn.apply(qpos[:, :3]), quaternions, qpos[:, 7:]], axis=1)
    (motion,) = read_recordings(write_npz(tmp_path / "a.npz", {"qpos": tilted, "fps": 50}), ReadHints(), robot)
    assert isinstance(motion, RobotMotion) and f"the {up} axis of its world is up" in motion.notes[0]
    np.testing.assert_allclose(motion.root_pos[:, 2], qpos[:, 2], atol=1e-9)
    height = Rotation.from_quat(motion.root_quat, scalar_first=True).apply([0.0, 0.0, 1.0])[:, 2]
    assert height.min() > 0.95


def test_a_backward_walk_along_x_keeps_the_usual_order_and_says_so(tmp_path: Path, walk: np.ndarray) -> None:
    """Facing +x, x y z w read as w x y z is facing -x: both stand."""
    backward = tracker(walk * np.where(np.arange(walk.shape[1]) == 0, -1.0, 1.0))
    (motion,) = read_recordings(write_pickle(tmp_path / "a.pkl", backward))
    assert isinstance(motion, RobotMotion)
    np.testing.assert_allclose(motion.root_quat, walk[:, 3:7], atol=1e-6)
    assert "it goes backward; as w x y z it would go forward" in motion.notes[0]
    (motion,) = read_recordings(write_pickle(tmp_path / "a.pkl", tracker(walk)))
    assert motion.notes == ()


def test_joints_are_numbered_level_by_level_or_limb_by_limb(robot: Robot, qpos: np.ndarray) -> None:
    """Isaac Lab's order, of a robot whose limits do not bear the other one."""
    order = breadth_first(robot)
    assert set(order) == set(robot.joints) and order[:3] == ("waist_yaw", "left_hip_pitch", "right_hip_pitch")
    shuffled = qpos[:, 7:][:, [robot.joints.index(joint) for joint in order]]
    names, notes = unnamed_joints(qpos[:, :7], shuffled, robot, Path("a.npz"))
    assert names == order and "as Isaac Lab numbers them" in notes[0]
    assert unnamed_joints(qpos[:, :7], qpos[:, 7:], robot, Path("a.npz")) == (robot.joints, ())


def test_bodies_show_how_joints_are_numbered(tmp_path: Path, robot: Robot, qpos: np.ndarray) -> None:
    """A file as BeyondMimic's, from Isaac Lab: joints and bodies level by level."""
    order = breadth_first(robot)
    joints = [robot.joints.index(joint) for joint in order]
    content = tracking(robot, qpos)
    assert limb_by_limb(content["body_pos_w"]) is True
    levels = [0, *(robot.model.jnt_bodyid[robot.model.joint(joint).id] - 1 for joint in order)]
    content |= {"joint_pos": qpos[:, 7:][:, joints], "body_pos_w": content["body_pos_w"][:, levels]}
    assert limb_by_limb(content["body_pos_w"]) is False
    (motion,) = read_recordings(write_npz(tmp_path / "a.npz", content), ReadHints(), robot)
    check(motion, robot, qpos)
    assert isinstance(motion, RobotMotion) and motion.joints == order
    assert limb_by_limb(np.zeros((5, 3, 3))) is None


@pytest.mark.parametrize("by_limb", [True, False, None])
def test_a_g1s_bodies_decide_without_a_robot(by_limb: bool | None) -> None:
    names, _ = unnamed_joints(np.zeros((2, 7)), np.zeros((2, 29)), None, Path("a.npz"), by_limb)
    assert names == (LAYOUTS["g1_29_isaac_lab"] if by_limb is False else G1)


def test_a_root_that_is_drawn_lying_does_not_turn_the_world(tmp_path: Path, robot: Robot, qpos: np.ndarray) -> None:
    """Its z points along the way; along z it keeps its height."""
    tilt = Rotation.from_quat(qpos[:, 3:7], scalar_first=True) * Rotation.from_euler("y", np.pi / 2)
    lying = np.concatenate([qpos[:, :3], tilt.as_quat(scalar_first=True), qpos[:, 7:]], axis=1)
    (motion,) = read_recordings(write_npz(tmp_path / "a.npz", {"qpos": lying, "fps": 50}), ReadHints(), robot)
    assert isinstance(motion, RobotMotion)
    np.testing.assert_allclose(motion.root_pos, qpos[:, :3])


G1_MOTIONS = os.environ.get("G1_MOTIONS", "")
REAL = sorted(Path(G1_MOTIONS).rglob("*.npz")) if G1_MOTIONS else []


@pytest.mark.skipif(not REAL, reason="G1_MOTIONS names no folder with *.npz")
def test_real_motions_of_a_g1_are_read(tmp_path: Path) -> None:
    for path in REAL:
        (motion,) = read_recordings(path)
        assert isinstance(motion, RobotMotion) and motion.joints == G1 and motion.notes == ()
        assert prepared(motion) is motion
        quaternions = motion.root_quat[:, W_LAST]
        content = {"root_trans_offset": motion.root_pos, "root_rot": quaternions, "dof": motion.joint_pos, "fps": 50}
        (again,) = read_recordings(write_pickle(tmp_path / "a.pkl", {path.stem: content}))
        assert isinstance(again, RobotMotion)
        np.testing.assert_allclose(again.root_quat, motion.root_quat)
        wide = np.concatenate([motion.root_pos, motion.root_quat, motion.joint_pos], axis=1)
        (table,) = read_recordings(write_csv(tmp_path / "a.csv", wide), ReadHints(fps=50.0))
        assert isinstance(table, RobotMotion)
        np.testing.assert_allclose(table.root_quat, motion.root_quat, atol=1e-5)


def test_the_g1s_own_levels_are_isaac_labs() -> None:
    names = LAYOUTS["g1_29_isaac_lab"]
    assert set(names) == set(G1) and len(names) == 29
    assert names[:4] == ("left_hip_pitch_joint", "right_hip_pitch_joint", "waist_yaw_joint", "left_hip_roll_joint")
    assert names[-2:] == ("left_wrist_yaw_joint", "right_wrist_yaw_joint")
    assert names[11:15] == tuple(
        f"{side}_{joint}_joint" for joint in ("shoulder_pitch", "ankle_pitch") for side in ("left", "right")
    )


@pytest.fixture
def two_layouts(robot: Robot, monkeypatch: pytest.MonkeyPatch) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Two layouts of eleven joints, both with all of the robot's: knees and ankles in the place of each other."""
    one = (*robot.joints, "neck", "hand")
    other = tuple(name.replace("knee", "?").replace("ankle", "knee").replace("?", "ankle") for name in one)
    monkeypatch.setitem(LAYOUTS, "one_11", one)
    monkeypatch.setitem(LAYOUTS, "other_11", other)
    return one, other


def wide(qpos: np.ndarray) -> np.ndarray:
    return np.concatenate([qpos[:, 7:], np.zeros((len(qpos), 2))], axis=1)


def test_of_two_layouts_the_limits_decide(
    two_layouts: tuple[tuple[str, ...], tuple[str, ...]], robot: Robot, qpos: np.ndarray
) -> None:
    names, _ = unnamed_joints(qpos[:, :7], wide(qpos), robot, Path("a.npz"))
    assert names == two_layouts[0]
    swapped = wide(qpos)[:, [two_layouts[0].index(name) for name in two_layouts[1]]]
    names, notes = unnamed_joints(qpos[:, :7], swapped, robot, Path("a.npz"))
    assert names == two_layouts[1] and "other_11" in notes[0]


def test_of_two_layouts_that_fit_the_user_is_asked(
    two_layouts: tuple[tuple[str, ...], tuple[str, ...]], robot: Robot, qpos: np.ndarray, tmp_path: Path
) -> None:
    still = np.tile(robot.home_qpos, (20, 1))
    still[:, [10, 14]], still[:, [11, 15]] = 0.3, 0.1  # knees and ankles: both ways within the limits
    content = {"root_pos": still[:, :3], "root_rot": still[:, [4, 5, 6, 3]], "dof_pos": wide(still), "fps": 50}
    path = write_npz(tmp_path / "a.npz", content)
    with pytest.raises(InputError, match="--joints, or one of one_11, other_11"):
        read_recordings(path, ReadHints(), robot)
    (motion,) = read_recordings(path, ReadHints(joints=("other_11",)), robot)
    assert isinstance(motion, RobotMotion) and motion.joints == two_layouts[1]


def test_a_robot_of_as_many_joints_and_other_ones_is_told(
    robot: Robot, qpos: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A layout with a neck and no ankles; the robot's own walk is not taken for it."""
    kept = [joint for joint in robot.joints if "ankle" not in joint]
    monkeypatch.setitem(LAYOUTS, "no_ankles_9", ("neck", *kept, "head"))
    assert unnamed_joints(qpos[:, :7], qpos[:, 7:], robot, Path("a.npz")) == (robot.joints, ())
    joints = np.zeros((len(qpos), 9))
    joints[:, 1:8] = qpos[:, 7:][:, [robot.joints.index(joint) for joint in kept]]
    with pytest.raises(
        InputError, match=r"layout no_ankles_9, without left_ankle_pitch and right_ankle_pitch of 'wild"
    ):
        unnamed_joints(qpos[:, :7], joints, robot, Path("a.npz"))


class G1Robot:
    """A G1 with wide limits and feet on the ground whatever it does: only its arms can tell."""

    name = "g1"

    def __init__(self, layout: str):
        self.joints = LAYOUTS[layout]
        self.num_joints = len(self.joints)
        self.home = (0.0,) * self.num_joints
        self.joint_range = np.tile([-3.0, 3.0], (self.num_joints, 1))

    def beyond_limits(self, joint_pos: np.ndarray) -> np.ndarray:
        return np.abs(joint_pos).max(axis=0) - 3.0

    def pad_heights(self, qpos: np.ndarray) -> np.ndarray:
        return np.zeros((len(qpos), 2))


@pytest.mark.parametrize("of_robot", ["g1_23", "g1_23_without_wrists"])
@pytest.mark.parametrize("of_file", ["g1_23", "g1_23_without_wrists"])
def test_two_g1s_of_23_joints_are_told_by_their_arms(
    of_robot: str, of_file: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("playground_amp.retargeting.readers.joint_names.breadth_first", lambda robot: robot.joints)
    phase = np.arange(50)[:, None] / 8.0
    values = {"shoulder_pitch": 0.3, "shoulder_roll": 0.2, "elbow": 0.9, "knee": 0.5}
    mean = [next((value for part, value in values.items() if part in joint), 0.0) for joint in LAYOUTS[of_file]]
    joint_pos = np.array(mean) + 0.1 * np.sin(phase + np.arange(23))
    arguments: Any = (np.zeros((50, 7)), joint_pos, G1Robot(of_robot), Path("a.npz"))
    if of_robot == of_file:
        assert unnamed_joints(*arguments) == (LAYOUTS[of_file], ())
        return
    with pytest.raises(InputError, match=f"those of the layout {of_file}, without .* of 'g1'"):
        unnamed_joints(*arguments)


def test_joints_that_are_given_must_fit(tmp_path: Path) -> None:
    assert given_joints(("g1_29",), 29, tmp_path) == G1
    assert given_joints(("a", "b"), 2, tmp_path) == ("a", "b")
    for joints, told in ((("g1_92",), "did you mean"), (("g1_29",), "moves 3 joints"), (("a", "a", "b"), "names 2")):
        with pytest.raises(InputError, match=told):
            given_joints(joints, 3, tmp_path)


def test_names_are_the_robots_whatever_their_spelling(robot: Robot) -> None:
    spelled = tuple(f"robot/{joint.title()}_joint_pos" for joint in robot.joints)
    assert renamed((*spelled, "Neck"), robot) == (*robot.joints, "Neck")
    assert renamed(spelled[1:], robot) == spelled[1:]


@pytest.mark.parametrize(
    ("given", "told"),
    [({"fps": 0.0}, "--fps is 0"), ({"unit": "inch"}, "did you mean"), ({"up": "w"}, "valid: x, y, z")],
)
def test_hints_that_no_recording_can_have_are_told(given: dict[str, Any], told: str) -> None:
    with pytest.raises(InputError, match=told):
        ReadHints(**given)
