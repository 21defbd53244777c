"""BVH files: a pose worked out by hand, every kind of rig against the take it was written from, names and units."""

from __future__ import annotations

from collections import OrderedDict
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from motion_files import MIXAMO, Rig, person, write_bvh
from scipy.spatial.transform import Rotation

from playground_amp.core.errors import InputError
from playground_amp.retargeting.readers.amass import JOINTS, OFFSETS, Take, forward_kinematics
from playground_amp.retargeting.readers.any import read_recordings
from playground_amp.retargeting.readers.bvh import load_bvh
from playground_amp.retargeting.readers.bvh_file import read_skeleton
from playground_amp.retargeting.readers.bvh_joint_names import match
from playground_amp.retargeting.readers.hints import UNITS, ReadHints
from playground_amp.retargeting.readers.smpl_skeleton import LIMBS, shortest_rotation, snap
from playground_amp.retargeting.synthetic_human import WalkStyle, synthetic_take

BY_HAND = """HIERARCHY
ROOT Hips
{
  OFFSET 0 0 0
  CHANNELS 6 Xposition Yposition Zposition Zrotation Xrotation Yrotation
  JOINT Chest
  {
    OFFSET 0 20 0
    CHANNELS 3 Zrotation Xrotation Yrotation
    JOINT Neck
    {
      OFFSET 0 30 0
      CHANNELS 3 Zrotation Xrotation Yrotation
      End Site
      {
        OFFSET 0 10 0
      }
    }
  }
LEGS}
MOTION
Frames: 2
Frame Time: 0.0333333
0 95 0  0 0 0  0 0 0  0 0 0  0 0 0  0 0 0  0 0 0  0 0 0  0 0 0  0 0 0
10 95 200  0 0 90  0 0 0  0 0 0  0 -90 0  0 90 0  0 0 0  0 0 0  0 0 0  0 0 0
"""
LEG = """  JOINT {0}Hip
  {{
    OFFSET {1} 0 0
    CHANNELS 3 Zrotation Xrotation Yrotation
    JOINT {0}Knee
    {{
      OFFSET 0 -45 0
      CHANNELS 3 Zrotation Xrotation Yrotation
      JOINT {0}Ankle
      {{
        OFFSET 0 -40 0
        CHANNELS 3 Zrotation Xrotation Yrotation
        End Site
        {{
          OFFSET 0 -10 15
        }}
      }}
    }}
  }}
"""


@pytest.fixture
def by_hand(tmp_path: Path) -> Take:
    path = tmp_path / "hand.bvh"
    path.write_text(BY_HAND.replace("LEGS", LEG.format("Left", 10) + LEG.format("Right", -10)))
    return load_bvh(path)


def at(take: Take, joint: str, frame: int) -> np.ndarray:
    return take.positions[frame, JOINTS.index(joint)]


def test_standing_is_upright_in_metres(by_hand: Take) -> None:
    """y up and centimetres become z up and metres; the file's left (x) stays x, its front (z) becomes -y."""
    assert by_hand.name == "hand" and by_hand.fps == pytest.approx(30.0)
    np.testing.assert_allclose(at(by_hand, "pelvis", 0), [0, 0, 0.95], atol=1e-9)
    np.testing.assert_allclose(at(by_hand, "left_ankle", 0), [0.10, 0, 0.10], atol=1e-9)
    np.testing.assert_allclose(at(by_hand, "spine3", 0), [0, 0, 1.15], atol=1e-9)
    np.testing.assert_allclose(at(by_hand, "neck", 0), [0, 0, 1.45], atol=1e-9)
    front = by_hand.rotations[0, 0] @ [0.0, 0.0, 1.0]
    np.testing.assert_allclose(front, [0, -1, 0], atol=1e-9)


def test_a_quarter_turn_and_a_raised_knee(by_hand: Take) -> None:
    """Turned by 90 degrees about the vertical the front is +x and the left +y; the thigh is level, the shank hangs."""
    front = by_hand.rotations[1, 0] @ [0.0, 0.0, 1.0]
    np.testing.assert_allclose(front, [1, 0, 0], atol=1e-6)
    np.testing.assert_allclose(at(by_hand, "pelvis", 1), [0.10, -2.00, 0.95], atol=1e-9)
    np.testing.assert_allclose(at(by_hand, "left_hip", 1), [0.10, -1.90, 0.95], atol=1e-9)
    np.testing.assert_allclose(at(by_hand, "left_knee", 1), [0.55, -1.90, 0.95], atol=1e-9)
    np.testing.assert_allclose(at(by_hand, "left_ankle", 1), [0.55, -1.90, 0.55], atol=1e-9)
    np.testing.assert_allclose(at(by_hand, "right_ankle", 1), [0.10, -2.10, 0.10], atol=1e-9)


def test_bones_lie_where_the_rotations_turn_our_skeleton(by_hand: Take) -> None:
    for joint in ("left_hip", "left_knee", "right_hip", "right_knee"):
        i, child = JOINTS.index(joint), JOINTS.index(LIMBS[joint])
        bone = by_hand.positions[:, child] - by_hand.positions[:, i]
        turned = by_hand.rotations[:, i] @ OFFSETS[child]
        cosine = np.sum(bone * turned, axis=1) / np.linalg.norm(bone, axis=1) / np.linalg.norm(turned, axis=1)
        np.testing.assert_allclose(cosine, 1.0, atol=1e-9)


def test_joints_the_file_lacks_hang_on_their_parents(by_hand: Take) -> None:
    """The toe turns with its ankle and stands off it like ours, scaled by 0.85 m of leg."""
    i, ankle = JOINTS.index("left_foot"), JOINTS.index("left_ankle")
    np.testing.assert_array_equal(by_hand.rotations[:, i], by_hand.rotations[:, ankle])
    ours = np.linalg.norm(OFFSETS[4]) + np.linalg.norm(OFFSETS[7])
    np.testing.assert_allclose(at(by_hand, "left_foot", 0) - at(by_hand, "left_ankle", 0),
                               0.85 / ours * np.array([0.03, -0.12, -0.06]), atol=1e-9)  # fmt: skip


def hanging_arms(joint: str) -> np.ndarray:
    """A rest pose with arms 60 degrees below level."""
    if not joint.endswith(("shoulder", "elbow", "wrist")):
        return np.eye(3)
    return Rotation.from_euler("z", -60 if joint.startswith("left") else 60, degrees=True).as_matrix()


def along_x(joint: str) -> np.ndarray:
    """LAFAN1's way: every bone along its joint's x, the person's left (the front for arms) along z."""
    side, _, part = joint.partition("_")
    leg, arm_chain = ("hip", "knee", "ankle", "foot"), ("collar", "shoulder", "elbow", "wrist")
    nexts = dict(pairwise(leg)) | dict(pairwise(arm_chain))
    arm = part in arm_chain
    bone = OFFSETS[JOINTS.index(f"{side}_{nexts.get(part, part)}")] if part else np.array([0.0, 1.0, 0.0])
    ours = pair(bone, np.eye(3)[2 if arm else 0])
    return pair(np.eye(3)[0], np.eye(3)[2]) @ ours.T


def pair(along: np.ndarray, across: np.ndarray) -> np.ndarray:
    along = along / np.linalg.norm(along)
    across = across - along * (along @ across)
    across /= np.linalg.norm(across)
    return np.stack([along, across, np.cross(along, across)], axis=1)


def standing_on_z(_: str) -> np.ndarray:
    return Rotation.from_euler("x", 90, degrees=True).as_matrix()


RIGS = {
    "T pose": Rig(),
    "Mixamo": Rig(names=[f"mixamorig:{name}" for name in MIXAMO], order="XYZ"),
    "arms hanging": Rig(axes=hanging_arms, unit=1.0, order="ZXY"),
    "z up": Rig(axes=standing_on_z, unit=0.0254, z_up=True),
    "positions of every joint": Rig(positions=True, reference=True, unit=0.0254 / 0.45, order="YXZ"),
    "bones along x": Rig(axes=along_x, names=[name.replace("Base", "") for name in MIXAMO]),
}
LOOSE = {"arms hanging": ("left_shoulder", "right_shoulder")}  # what a rest pose leaves open: a bone's own twist


@pytest.mark.parametrize("kind", RIGS)
def test_a_person_comes_back_from_every_rig(tmp_path: Path, kind: str) -> None:
    take = person()
    read = load_bvh(write_bvh(tmp_path / "take.bvh", take, RIGS[kind]))
    assert read.fps == pytest.approx(take.fps)
    np.testing.assert_allclose(read.positions, take.positions, atol=2e-5)
    between = np.swapaxes(take.rotations, -1, -2) @ read.rotations
    angles = np.rad2deg(Rotation.from_matrix(between.reshape(-1, 3, 3)).magnitude()).reshape(len(take.positions), 22)
    for i, joint in enumerate(JOINTS):
        assert angles[:, i].max() < (10.0 if joint in LOOSE.get(kind, ()) else 0.05), (joint, angles[:, i].max())


@pytest.mark.parametrize("unit", [1.0, 0.01, 0.001, 0.0254])
def test_units_are_judged_by_the_legs(tmp_path: Path, unit: float) -> None:
    read = load_bvh(write_bvh(tmp_path / "take.bvh", person(), Rig(unit=unit)))
    np.testing.assert_allclose(read.positions, person().positions, atol=1e-4)


def test_capital_suffix_windows_lines_and_a_byte_order_mark(tmp_path: Path) -> None:
    plain = write_bvh(tmp_path / "plain.bvh", person())
    odd = tmp_path / "ODD.BVH"
    odd.write_bytes(b"\xef\xbb\xbf" + plain.read_bytes().replace(b"\n", b"\r\n"))
    np.testing.assert_array_equal(load_bvh(odd).positions, load_bvh(plain).positions)


def chain(*names: str) -> tuple[list[str], list[int]]:
    return list(names), list(range(-1, len(names) - 1))


STYLES = {
    "3ds Max": ("Bip01 Pelvis", "Bip01 L Thigh", "Bip01 L Calf", "Bip01 L Foot", "Bip01 L Toe0"),
    "Poser": ("hip", "lThigh", "lShin", "lFoot", "lToe"),
    "Unreal": ("pelvis", "thigh_l", "calf_l", "foot_l", "ball_l"),
    "Blender": ("hips", "thigh.L", "shin.L", "foot.L", "toe.L"),
    "MotionBuilder": ("Character1_Hips", "Character1_LeftUpLeg", "Character1_LeftLeg", "Character1_LeftFoot",
                      "Character1_LeftToeBase"),
    "old BVH": ("Hips", "LeftHip", "LeftKnee", "LeftAnkle", "LeftToe"),
    "SMPL": ("Pelvis", "L_Hip", "L_Knee", "L_Ankle", "L_Foot"),
    "SMPL, exported": ("m_avg_Pelvis", "m_avg_L_Hip", "m_avg_L_Knee", "m_avg_L_Ankle", "m_avg_L_Foot"),
    "SOMA": ("Hips", "LeftLeg", "LeftShin", "LeftFoot", "LeftToeBase"),
    "Motive": ("Skeleton1_Hip", "Skeleton1_LThigh", "Skeleton1_LShin", "Skeleton1_LFoot", "Skeleton1_LToe"),
}  # fmt: skip


@pytest.mark.parametrize("style", STYLES)
def test_names_of_many_programs_are_known(style: str) -> None:
    found = match(*chain(*STYLES[style]))
    assert found == {"pelvis": 0, "left_hip": 1, "left_knee": 2, "left_ankle": 3, "left_foot": 4}


ARMS = {
    "Motive": ("Hip", "Chest", "LShoulder", "LUArm", "LFArm", "LHand"),
    "SOMA": ("Hips", "Chest", "LeftShoulder", "LeftArm", "LeftForeArm", "LeftHand"),
    "Isaac Gym": ("pelvis", "torso", "left_collar", "left_upper_arm", "left_lower_arm", "left_hand"),
}


@pytest.mark.parametrize("style", ARMS)
def test_names_of_many_arms_are_known(style: str) -> None:
    arm = {"left_collar": 2, "left_shoulder": 3, "left_elbow": 4, "left_wrist": 5}
    assert match(*chain(*ARMS[style])) == {"pelvis": 0, "spine3": 1} | arm


def test_a_rig_with_ankles_and_feet_is_the_one_with_feet_and_toes(tmp_path: Path) -> None:
    """SMPL's names: its foot is the ball, and its ankle stands above it."""
    names = [name.replace("Foot", "Ankle").replace("ToeBase", "Foot") for name in MIXAMO]
    smpl, plain = (load_bvh(write_bvh(tmp_path / "take.bvh", person(), Rig(names=names))) for names in (names, MIXAMO))
    np.testing.assert_array_equal(smpl.positions, plain.positions)
    assert smpl.notes == plain.notes == ()


def test_a_joint_that_is_not_found_is_told(tmp_path: Path) -> None:
    names = ["" if "Toe" in name else name for name in MIXAMO]
    take = load_bvh(write_bvh(tmp_path / "take.bvh", person(), Rig(names=names)))
    assert take.notes == ("no joint is named as left_foot, right_foot: placed as on a mean skeleton",)


def test_a_z_up_motion_over_a_y_up_rest_pose_is_seen(tmp_path: Path) -> None:
    take = person()
    read = load_bvh(write_bvh(tmp_path / "take.bvh", take, Rig(z_up=True)))
    assert read.notes == ("the z axis of its world is up; --up says another",)
    np.testing.assert_allclose(read.positions, take.positions, atol=2e-5)
    assert load_bvh(tmp_path / "take.bvh", ReadHints(up="z")).notes == ()
    lying = load_bvh(tmp_path / "take.bvh", ReadHints(up="y"))
    assert np.ptp(lying.positions[0, :, 2]) < 0.8 < np.ptp(read.positions[0, :, 2])


def small(size: float) -> Take:
    take = person()
    return Take(take.name, size * take.positions, take.rotations, take.fps)


@pytest.mark.parametrize(
    ("size", "unit", "told"),
    [
        (1.0, 0.01, None),
        (0.55, 0.01, "0.43 m, read in centimetres, a child's: --unit sets another"),
        (1.0, 0.0254, "0.78 m, read in inches (or 0.31 m, read in centimetres): --unit sets another"),
    ],
)
def test_a_unit_that_is_not_certain_is_told(tmp_path: Path, size: float, unit: float, told: str | None) -> None:
    path = write_bvh(tmp_path / "take.bvh", small(size), Rig(unit=unit))
    take = load_bvh(path)
    np.testing.assert_allclose(take.positions, small(size).positions, atol=1e-4)
    assert [note.removeprefix("its legs are ") for note in take.notes] == ([told] if told else [])


@pytest.mark.parametrize(("tempo", "unit"), [(1.0, "inches"), (1.6, "cm")])
def test_who_steps_as_quick_as_a_child_is_one(tmp_path: Path, tempo: float, unit: str) -> None:
    """Legs of 30.9: 0.78 m in inches, 0.31 m in centimetres; by dynamic similarity a child's steps are 1.6 times."""
    arrays = synthetic_take(WalkStyle(1.0, seed=3, strides=4.0))
    walk = forward_kinematics(arrays["poses"][:, :66].astype(float), arrays["trans"].astype(float))
    take = Take("walk", *walk, 120.0 * tempo)
    read = load_bvh(write_bvh(tmp_path / "take.bvh", take, Rig(unit=0.0254)))
    np.testing.assert_allclose(read.positions, UNITS[unit] / 0.0254 * take.positions, atol=1e-4)
    assert f"read in {dict(cm='centimetres').get(unit, unit)}" in read.notes[0]


def test_a_unit_can_be_given_and_must_make_a_person(tmp_path: Path) -> None:
    path = write_bvh(tmp_path / "take.bvh", small(0.45), Rig(unit=0.01))
    inches = load_bvh(path, ReadHints(unit="inches"))
    np.testing.assert_allclose(inches.positions, 2.54 * small(0.45).positions, atol=1e-4)
    assert inches.notes == ()
    with pytest.raises(InputError, match=r"no person's in mm .*--unit inches or cm fits"):
        load_bvh(path, ReadHints(unit="mm"))
    with pytest.raises(InputError, match="no person's in m, cm, mm, cmu, inches"):
        load_bvh(write_bvh(path, small(100.0), Rig(unit=0.01)))


def test_the_rate_can_be_given(tmp_path: Path) -> None:
    assert load_bvh(write_bvh(tmp_path / "take.bvh", person()), ReadHints(fps=60.0)).fps == 60.0


@pytest.mark.parametrize("is_local", [True, False])
def test_poselibs_motion_is_that_of_the_skeleton(tmp_path: Path, is_local: bool) -> None:
    """As `numpy.save` pickles it; quaternions x y z w, of the parent or of the world."""
    path = write_bvh(tmp_path / "take.bvh", person(), Rig(unit=1.0, z_up=True))
    skeleton, take = read_skeleton(path), load_bvh(path)
    turns = skeleton.rotations.copy()
    for i, parent in enumerate(skeleton.parents):
        if parent >= 0 and not is_local:
            turns[:, i] = turns[:, parent] @ turns[:, i]
    quaternions = Rotation.from_matrix(turns.reshape(-1, 3, 3)).as_quat().reshape(*turns.shape[:2], 4)
    tree = {
        "node_names": list(skeleton.names),
        "parent_indices": {"arr": np.array(skeleton.parents), "context": {"dtype": "int64"}},
        "local_translation": {"arr": skeleton.offsets.astype(np.float32), "context": {"dtype": "float32"}},
    }
    motion = OrderedDict(rotation={"arr": quaternions}, root_translation={"arr": skeleton.translations[0]}, fps=100,
                         skeleton_tree=OrderedDict(tree), is_local=is_local, __name__="SkeletonMotion")  # fmt: skip
    np.save(tmp_path / "take.npy", np.array(motion, dtype=object))
    (read,) = read_recordings(tmp_path / "take.npy")
    assert isinstance(read, Take) and read.fps == 100.0
    np.testing.assert_allclose(read.positions, take.positions, atol=1e-5)
    np.testing.assert_allclose(read.rotations, take.rotations, atol=1e-5)


def test_the_shoulder_is_a_collar_only_where_an_arm_follows() -> None:
    with_arm = match(*chain("Hips", "Spine", "LeftShoulder", "LeftArm", "LeftForeArm", "LeftHand"))
    without = match(*chain("Hips", "Spine", "LeftCollar", "LeftShoulder", "LeftElbow", "LeftWrist"))
    arm = {"spine3": 1, "left_collar": 2, "left_shoulder": 3, "left_elbow": 4, "left_wrist": 5}
    assert with_arm == without == {"pelvis": 0} | arm
    bare = match(*chain("Hips", "LeftShoulder", "LeftElbow", "LeftWrist"))
    assert bare == {"pelvis": 0, "left_shoulder": 1, "left_elbow": 2, "left_wrist": 3}


def test_cmus_helper_joints_do_not_confuse(tmp_path: Path) -> None:
    """CMU's files have LHipJoint before LeftUpLeg, three joints of the spine, and Neck, Neck1."""
    names = ["Hips", "LHipJoint", "LeftUpLeg", "LeftLeg", "LeftFoot", "LowerBack", "Spine", "Spine1", "Neck", "Neck1"]
    found = match(names, [-1, 0, 1, 2, 3, 0, 5, 6, 7, 8])
    assert found["left_hip"] == 2 and found["neck"] == 8
    assert [found[joint] for joint in ("spine1", "spine2", "spine3")] == [5, 6, 7]


def test_a_wrong_skeleton_names_what_is_missing(tmp_path: Path) -> None:
    names = [name if "Leg" not in name or "Up" in name else "" for name in MIXAMO]
    path = write_bvh(tmp_path / "take.bvh", person(), Rig(names=names))
    with pytest.raises(InputError, match="left_knee, right_knee") as caught:
        load_bvh(path)
    assert "Hips" in str(caught.value)


def test_turns_and_snaps() -> None:
    for end in ([0, 1, 0], [-1, 0, 0], [1, 0, 0], [0.6, 0.8, 0]):
        np.testing.assert_allclose(shortest_rotation(np.array([1.0, 0, 0]), np.array(end)) @ [1, 0, 0], end, atol=1e-12)
    tilted = Rotation.from_euler("x", 20, degrees=True).as_matrix()
    np.testing.assert_array_equal(snap(tilted), np.eye(3))
    assert snap(Rotation.from_euler("x", 40, degrees=True).as_matrix())[1, 1] < 0.8
