"""Records proposed for MJCFs of several styles: what they say, that they load as they are, and what they cannot."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import bipeds
import mujoco
import numpy as np
import pytest
import yaml
from bipeds import BALL, BOX, CAPSULES, KEYFRAME, MESH, UNITREE, biped, write

from playground_amp.core.errors import InputError
from playground_amp.robots import Robot, load_robot, make_robot
from playground_amp.robots.proposal.propose import propose
from playground_amp.robots.record import parse_record
from playground_amp.robots.symmetry import partner_name


def proposed(folder: Path, xml: str) -> tuple[Robot, list[str]]:
    """The robot of the proposed record, loaded without a hand laid on it, and what was said of it."""
    text, sentences = propose(write(folder, xml), folder)
    (folder / "biped.yaml").write_text(text)
    return load_robot(folder / "biped.yaml"), sentences


def at(robot: Robot, qpos: np.ndarray) -> mujoco.MjData:
    data = mujoco.MjData(robot.model)
    data.qpos[:] = qpos
    mujoco.mj_forward(robot.model, data)
    return data


def assert_works(robot: Robot) -> None:
    """It stands flat, its reflection is its reflection, and a second of simulation leaves it finite."""
    assert np.abs(robot.pad_heights(robot.home_qpos[None])).max() < 0.005
    np.testing.assert_allclose(robot.mirror_qpos(robot.home_qpos), robot.home_qpos, atol=2e-3)
    qpos = robot.home_qpos.copy()
    qpos[7:] = np.random.default_rng(0).uniform(*np.clip(robot.joint_range, -1.0, 1.0).T)
    mirrored = robot.pad_heights(robot.mirror_qpos(qpos)[None])[0]
    np.testing.assert_allclose(mirrored, robot.pad_heights(qpos[None])[0][list(robot.mirror_pads)], atol=2e-3)
    data = at(robot, robot.home_qpos)
    data.ctrl[:] = robot.home
    mujoco.mj_step(robot.model, data, nstep=round(1.0 / robot.model.opt.timestep))
    assert np.isfinite(data.qpos).all()
    assert np.abs(data.qvel).max() < 50.0


@pytest.mark.parametrize(
    ("name", "other", "partner"),
    [
        ("left_hip_pitch_joint", "right_hip_pitch_joint", "right_hip_pitch_joint"),
        ("Left_Hip_Pitch", "Right_Hip_Pitch", "Right_Hip_Pitch"),
        ("Shank_Left", "Shank_Right", "Shank_Right"),
        ("LEFT_KNEE", "RIGHT_KNEE", "RIGHT_KNEE"),
        ("l_sho_pitch", "r_sho_pitch", "r_sho_pitch"),
        ("lthigh", "rthigh", "rthigh"),
        ("LHipPitch", "RHipPitch", "RHipPitch"),
        ("knee_L", "knee_R", "knee_R"),
        ("LL_KFE", "LR_KFE", "LR_KFE"),
        ("left_right_foot", "right_left_foot", "right_left_foot"),
        ("waist_roll", "waist_yaw", None),
        ("left_only", "something", None),
    ],
)
def test_partners_by_name(name: str, other: str, partner: str | None) -> None:
    assert partner_name(name, [name, other, "head", "pelvis"]) == partner


@pytest.mark.parametrize(
    "style", [UNITREE, "{Side}_{Joint}", "{s}_{joint}", "{joint}_{S}", "{s}{joint}", "L{S}_{joint}"]
)
@pytest.mark.parametrize("feet", [BOX, CAPSULES, MESH])
def test_a_biped_of_any_style_works_as_proposed(tmp_path: Path, style: str, feet: str) -> None:
    robot, _ = proposed(tmp_path, biped(feet, style))
    assert_works(robot)
    assert robot.num_features == 2 * 9 + 7 + 4
    assert list(robot.pads) == ["left_toe", "left_heel", "right_toe", "right_heel"]


def test_key_bodies_and_mirror_of_a_biped(tmp_path: Path) -> None:
    robot, _ = proposed(tmp_path, biped())
    assert robot.bodies is not None
    assert (robot.bodies.pelvis, robot.bodies.chest) == ("pelvis", "torso_link")
    assert robot.bodies.hips == ("left_hip", "right_hip")
    assert robot.bodies.knees == ("left_shin", "right_shin")
    assert robot.bodies.feet == ("left_ankle", "right_ankle")
    assert robot.bodies.shoulders is None
    partner, sign = robot.mirror_joints
    assert partner == (0, 5, 6, 7, 8, 1, 2, 3, 4)
    assert sign == (-1, 1, -1, 1, 1, 1, -1, 1, 1)  # yaw and roll change sign, pitch does not


ARM = """<body name="{s}_arm" pos="0 {y} 0.3"><joint name="{s}_shoulder_roll" axis="1 0 0"/><geom size="0.03"/>
    <body name="{s}_upper"><joint name="{s}_shoulder_pitch" axis="0 1 0"/><geom size="0.03"/>
    <body name="{s}_fore" pos="0 0 -{upper}"><joint name="{s}_elbow" axis="0 1 0"/>
    <geom type="capsule" size="0.02" fromto="0 0 0 0 0 -0.2"/><site name="{s}_palm" pos="0 0 -0.2"/>
    </body></body></body>"""


def with_arms(upper: float) -> str:
    """A biped with two arms of three joints; `upper`: length of the upper arm, m."""
    arms = ARM.format(s="left", y=0.15, upper=upper) + ARM.format(s="right", y=-0.15, upper=upper)
    joints = [f"{side}_{joint}" for side in ("left", "right") for joint in ("shoulder_roll", "shoulder_pitch", "elbow")]
    motors = "".join(f'<motor joint="{joint}" ctrlrange="-5 5"/>' for joint in joints)
    return biped(trunk=arms, extra=f"<actuator>{motors}</actuator>")


def test_arms_are_found_by_their_bending(tmp_path: Path) -> None:
    robot, _ = proposed(tmp_path, with_arms(0.2))
    assert robot.bodies is not None
    assert robot.bodies.chest == "torso_link"
    assert robot.bodies.shoulders == ("left_arm", "right_arm")
    assert robot.bodies.elbows == ("left_fore", "right_fore")
    assert robot.bodies.hands == ("left_palm", "right_palm")


def test_a_robot_on_four_legs_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="more than two limbs reach the ground"):
        propose(write(tmp_path, with_arms(0.8)))


def test_spheres_stand_at_the_lower_corners_of_a_box_foot(tmp_path: Path) -> None:
    """Box of 0.18 x 0.08 m around x = 0.03, its sole 0.05 m under the ankle."""
    robot, sentences = proposed(tmp_path, biped())
    places = {sphere.name: (sphere.pos, sphere.radius) for sphere in robot.record.spheres}
    assert len(places) == 8
    for name, x, y in [
        ("left_toe_outer", 0.12, 0.04),
        ("left_heel_inner", -0.06, -0.04),
        ("right_toe_outer", 0.12, -0.04),
    ]:
        pos, radius = places[name]
        np.testing.assert_allclose(pos, [x, y, -0.05 + radius], atol=1e-4)
    assert any("boxes" in sentence and "MJX" in sentence for sentence in sentences)


def test_spheres_are_the_ends_of_capsules(tmp_path: Path) -> None:
    robot, sentences = proposed(tmp_path, biped(CAPSULES))
    spheres = {sphere.name: sphere for sphere in robot.record.spheres}
    np.testing.assert_allclose(spheres["left_heel_outer"].pos, [-0.06, 0.03, -0.03])
    assert {sphere.radius for sphere in spheres.values()} == {0.02}
    assert not any("boxes" in sentence for sentence in sentences)


def test_soles_of_mesh_feet_are_their_lower_bounding_boxes_and_that_is_said(tmp_path: Path) -> None:
    robot, sentences = proposed(tmp_path, biped(MESH))
    toe = {sphere.name: sphere for sphere in robot.record.spheres}["left_toe_outer"]
    np.testing.assert_allclose(toe.pos, [0.12, 0.04, -0.05 + toe.radius], atol=1e-4)
    assert any("meshes" in sentence for sentence in sentences)


def test_a_foot_that_is_one_sphere_keeps_it(tmp_path: Path) -> None:
    robot, _ = proposed(tmp_path, biped(BALL))
    assert robot.pads == {"left_foot": ("left_foot",), "right_foot": ("right_foot",)}
    assert not robot.record.spheres
    assert robot.num_features == 2 * 9 + 7 + 2


def test_home_bends_the_knees_and_holds_the_weight_over_flat_feet(tmp_path: Path) -> None:
    robot, sentences = proposed(tmp_path, biped())
    home = dict(zip(robot.joints, robot.home, strict=True))
    assert home["left_knee_joint"] == home["right_knee_joint"] == pytest.approx(0.4)
    assert home["left_hip_pitch_joint"] + 0.4 + home["left_ankle_pitch_joint"] == pytest.approx(0.0, abs=2e-4)
    data = at(robot, robot.home_qpos)
    soles = data.geom_xpos[robot.pad_geoms.ravel()]
    np.testing.assert_allclose(data.subtree_com[0, :2], soles[:, :2].mean(axis=0), atol=1e-3)
    hip = bipeds.THIGH * np.cos(home["left_hip_pitch_joint"]) + bipeds.SHIN * np.cos(home["left_ankle_pitch_joint"])
    assert robot.leg_length == pytest.approx(hip + bipeds.SOLE, abs=1e-3)
    assert any("home pose is guessed" in sentence for sentence in sentences)


def test_arms_hang_in_the_home_pose_where_they_are_bent_at_zero() -> None:
    """Brax's humanoid holds its forearms out ahead at zero; a person's hang, and inverse kinematics starts at home."""
    text, sentences = propose("package:brax/envs/assets/humanoid.xml")
    robot = make_robot(parse_record(yaml.safe_load(text), "the proposal"), Path.cwd(), "the proposal")
    assert robot.name == "my_humanoid" and robot.bodies and robot.bodies.shoulders and robot.bodies.elbows
    data = at(robot, robot.home_qpos)
    for side in (0, 1):
        upper = data.body(robot.bodies.elbows[side]).xpos - data.body(robot.bodies.shoulders[side]).xpos
        assert upper[2] < -0.8 * np.linalg.norm(upper)
    lower, upper = robot.joint_range.T
    arms = [i for i, joint in enumerate(robot.joints) if "shoulder" in joint or "elbow" in joint]
    assert (np.minimum(np.array(robot.home) - lower, upper - np.array(robot.home))[arms] > 0.25).all()
    assert any("the arms hanging" in sentence for sentence in sentences)
    (hips,) = (sentence for sentence in sentences if "lean inward by 5 degrees only" in sentence)
    line = yaml.safe_load(hips.split("'")[-2])["retarget"]
    assert load_robot("humanoid").retarget.foot_line == pytest.approx(line["foot_line"], abs=0.01)
    record = parse_record(yaml.safe_load(text) | {"retarget": line}, "the proposal")
    assert record.retarget.foot_line == line["foot_line"]


def test_home_is_the_keyframe_that_stands(tmp_path: Path) -> None:
    robot, sentences = proposed(tmp_path, biped(extra=KEYFRAME.replace("0.1 -0.3 0 0.6", "0 -0.3 0 0.6")))
    assert dict(zip(robot.joints, robot.home, strict=True))["left_knee_joint"] == pytest.approx(0.6)
    assert "the home pose is the keyframe 'stand'" in sentences


def test_a_keyframe_that_is_not_symmetric_is_no_home(tmp_path: Path) -> None:
    """KEYFRAME turns the waist by 0.1 rad."""
    _, sentences = proposed(tmp_path, biped(extra=KEYFRAME))
    assert any("home pose is guessed" in sentence for sentence in sentences)


def test_gains_are_proposed_for_motors_and_left_to_position_servos(tmp_path: Path) -> None:
    robot, sentences = proposed(tmp_path, biped())
    np.testing.assert_allclose(robot.model.actuator_forcerange[:, 1], 50.0)  # gear 50, control 1
    assert all(gains.torque is None and gains.kp == 100.0 for gains in robot.record.gains.values())  # all at 0.5 rad
    assert any("kp and kv are guessed" in sentence for sentence in sentences)
    servo = '<position kp="80" kv="3" forcerange="-30 30" joint="{name}"/>'
    robot, sentences = proposed(tmp_path, biped(actuator=servo))
    assert not robot.record.gains
    np.testing.assert_allclose(robot.model.actuator_gainprm[:, 0], 80.0)
    assert not any("guessed from torque" in sentence for sentence in sentences)


def test_without_actuators_every_hinge_is_driven_and_torque_is_guessed(tmp_path: Path) -> None:
    """Weight 12 kg x 9.81 times a leg of about 0.66 m: knees get 0.4 of that, ankles 0.2."""
    robot, sentences = proposed(tmp_path, biped(actuator=""))
    torque = dict(zip(robot.joints, robot.model.actuator_forcerange[:, 1], strict=True))
    carried = robot.model.body_mass.sum() * 9.81 * 0.66
    assert torque["left_knee_joint"] == torque["right_knee_joint"] == pytest.approx(0.4 * carried, rel=0.05)
    assert torque["left_ankle_pitch_joint"] == pytest.approx(0.2 * carried, rel=0.05)
    assert any("no actuators" in sentence for sentence in sentences)
    assert any("torque is guessed" in sentence for sentence in sentences)


def test_joints_that_nothing_drives_are_welded_and_named(tmp_path: Path) -> None:
    toe = '<body><joint name="antenna" axis="0 1 0"/><geom size="0.01"/></body>'
    robot, sentences = proposed(tmp_path, biped(trunk=toe))
    assert "antenna" not in robot.joints
    assert robot.model.nq == 16
    assert "joints that no actuator drives are welded at zero: antenna" in sentences


def test_symmetric_robots_are_exact_and_a_skewed_one_says_by_how_much(tmp_path: Path) -> None:
    """The right knee is 1 mm ahead of the left one's reflection; the hip turns that with the leg."""
    _, sentences = proposed(tmp_path, biped())
    assert not any("alike" in sentence for sentence in sentences)
    _, sentences = proposed(tmp_path, biped(shift=0.001))
    assert any("0.001 m" in sentence and "not exactly alike" in sentence for sentence in sentences)


def test_a_root_without_a_joint_becomes_free(tmp_path: Path) -> None:
    robot, sentences = proposed(tmp_path, biped(root=""))
    assert robot.model.jnt_type[0] == mujoco.mjtJoint.mjJNT_FREE
    assert any("free joint" in sentence for sentence in sentences)


def test_a_package_is_named_as_such(tmp_path: Path) -> None:
    text, _ = propose("package:brax/envs/assets/humanoid.xml")
    assert '\nmjcf: "package:brax/envs/assets/humanoid.xml"\n' in text
    (tmp_path / "robot.yaml").write_text(text)
    ours, theirs = load_robot("humanoid"), load_robot(tmp_path)
    assert theirs.joints == ours.joints
    assert (theirs.bodies, theirs.mirror_joints, theirs.pads) == (ours.bodies, ours.mirror_joints, ours.pads)


def test_the_default_robot_is_found_as_its_record_says(robot: Robot) -> None:
    text, sentences = propose(robot.mjcf)
    for side in ("left", "right"):
        assert f"    {side}_hip_roll: [{ {'left': 'right', 'right': 'left'}[side] }_hip_roll, -1]\n" in text
        assert f"  {side}_toe: [{side}_toe_outer, {side}_toe_inner]\n" in text
    assert "gains:" not in text
    assert "spheres:" not in text
    assert sentences == [
        "the home pose is guessed: knees bent by 0.4 rad, the feet flat and under the weight, the arms hanging",
    ]


ONE_LEG = '<mujoco><worldbody><body name="b"><freejoint/><geom size="0.1"/></body></worldbody></mujoco>'


@pytest.mark.parametrize(
    ("xml", "message"),
    [
        ("no xml", "not an MJCF"),
        (ONE_LEG, "no legs were found"),
        (biped().replace("left", "?").replace("right", "left").replace("?", "right"), "must face \\+x"),
        ("<mujoco/>", "no body of the world"),
        (biped(root='<joint type="slide" name="rail"/>'), "'pelvis' has the joint 'rail'; give it a free joint"),
        (biped(feet=""), "mass and inertia of moving bodies"),
        (biped(feet='<inertial pos="0 0 0" mass="1" diaginertia="1 1 1"/>'), "the foot 'left_ankle' has no geom"),
        (biped().replace('name="pelvis" pos', 'name="pelvis" euler="1.57 0 0" pos'), "its x axis must point ahead"),
        (
            biped().replace('name="left_knee_joint"', "").replace("left_knee_joint", "left_hip_roll_joint"),
            "has no name",
        ),
    ],
)
def test_what_cannot_be_proposed_is_said_in_one_sentence(tmp_path: Path, xml: str, message: str) -> None:
    with pytest.raises(InputError, match=message) as error:
        propose(write(tmp_path, xml))
    assert str(error.value).count("\n") == 0
    assert "biped.xml" in str(error.value)


def test_a_file_that_is_not_there_is_named() -> None:
    with pytest.raises(InputError, match=r"no file .*nowhere\.xml"):
        propose("nowhere.xml")


def proposed_from(package: str, inside: str, folder: Path) -> tuple[Robot, list[str]]:
    """The robot proposed for an MJCF of a package, which is not imported; skips where it is not installed."""
    if importlib.util.find_spec(package) is None:
        pytest.skip(f"{package} is not installed")
    text, sentences = propose(f"package:{package}/{inside}")
    (folder / "robot.yaml").write_text(text)
    return load_robot(folder), sentences


def test_the_humanoid_of_dm_control_works_as_proposed(tmp_path: Path) -> None:
    robot, sentences = proposed_from("dm_control", "suite/humanoid.xml", tmp_path)
    assert_works(robot)
    assert robot.num_features == 2 * 21 + 7 + 4
    assert not any("alike" in sentence for sentence in sentences)


def test_the_g1_of_mjlab_works_as_proposed(tmp_path: Path) -> None:
    robot, sentences = proposed_from("mjlab", "asset_zoo/robots/unitree_g1/xmls/g1.xml", tmp_path)
    assert_works(robot)
    assert robot.num_features == 2 * 29 + 7 + 4
    assert robot.bodies is not None
    assert robot.bodies.feet == ("left_ankle_roll_link", "right_ankle_roll_link")
    assert any("1e-05 m" in sentence for sentence in sentences)
    knee = robot.model.actuator("left_knee_joint")
    assert (knee.gainprm[0], knee.forcerange[1]) == (99.1, 139.0)
