"""What becomes of an MJCF: servos for motors, spheres for soles, a floor, and nothing that the robot does not need."""

from __future__ import annotations

from pathlib import Path

import mujoco
import numpy as np
import pytest
import yaml
from bipeds import biped, write

from playground_amp.core.errors import InputError
from playground_amp.envs.physics import make_physics
from playground_amp.robots import Robot, load_robot
from playground_amp.robots.proposal.propose import propose

MOTOR = '<motor gear="50" ctrlrange="-1 1" joint="{name}"/>'
VISUAL = '<geom type="mesh" mesh="shell" contype="0" conaffinity="0" mass="0"/>'
SHELL = '<asset><mesh name="shell" file="shell.stl"/></asset>'


def robot_of(folder: Path, xml: str, **changes: object) -> Robot:
    """The robot of an MJCF by its proposed record, some keys changed."""
    values = yaml.safe_load(propose(write(folder, xml))[0]) | changes
    (folder / "robot.yaml").write_text(yaml.safe_dump(values))
    return load_robot(folder)


def touching(model: mujoco.MjModel) -> set[str]:
    return {model.geom(i).name for i in np.flatnonzero(model.geom_contype | model.geom_conaffinity)}


def test_floor_light_and_checker_are_added_where_there_are_none(tmp_path: Path) -> None:
    model = robot_of(tmp_path, biped()).model
    floor = model.geom("floor")
    assert floor.type[0] == mujoco.mjtGeom.mjGEOM_PLANE
    assert (model.nlight, model.ntex, model.nmat) == (1, 1, 1)
    assert floor.matid[0] == 0


def test_a_floor_of_its_own_is_used_and_lies_at_height_0(tmp_path: Path) -> None:
    plane = '<geom name="ground" type="plane" size="5 5 0.1" pos="0 0 -0.2"/><light pos="0 0 2"/></worldbody>'
    model = robot_of(tmp_path, biped().replace("</worldbody>", plane)).model
    assert model.geom("ground").pos[2] == 0.0
    assert (model.nlight, model.ntex) == (1, 0)
    assert "ground" in touching(model)


def test_only_pads_and_floor_collide(tmp_path: Path) -> None:
    """The box feet, the trunk and a contact pair of the MJCF do not: they would cost time, and the boxes parity."""
    pair = '<contact><pair geom1="left_foot" geom2="right_foot"/></contact>'
    robot = robot_of(tmp_path, biped(extra=pair))
    assert touching(robot.model) == {"floor", *(geom for geoms in robot.pads.values() for geom in geoms)}
    assert robot.model.npair == 0
    floor, pad = robot.model.geom("floor"), robot.model.geom("left_toe_outer")
    assert floor.contype[0] & pad.conaffinity[0]
    assert not pad.contype[0] & pad.conaffinity[0]  # pads do not touch each other


def test_sensors_keyframes_and_tendons_go(tmp_path: Path) -> None:
    extra = (
        '<sensor><jointpos joint="antenna"/></sensor><keyframe><key name="a"/></keyframe>'
        '<tendon><fixed name="t"><joint joint="antenna" coef="1"/><joint joint="waist_yaw_joint" coef="1"/></fixed>'
        "</tendon>"
        '<equality><joint joint1="antenna" joint2="left_knee_joint"/><tendon tendon1="t"/></equality>'
        '<actuator><motor name="pull" tendon="t"/></actuator>'
    )
    loose = '<body><joint name="antenna" axis="0 1 0"/><geom size="0.01" mass="0.1"/></body>'
    model = robot_of(tmp_path, biped(trunk=loose, extra=extra)).model
    assert (model.nsensor, model.nkey, model.ntendon, model.neq, model.nu) == (0, 0, 0, 0, 9)
    assert model.nq == 7 + 9
    assert model.body_mass.sum() == pytest.approx(12.1, abs=0.3)


@pytest.mark.parametrize(
    ("actuator", "kp", "kv", "torque"),
    [
        ('<position kp="80" kv="3" forcerange="-30 30" joint="{name}"/>', 80, 3, 30),
        ('<position kp="8" kv="1" gear="3" forcerange="-10 10" joint="{name}"/>', 72, 9, 30),  # gear^2, gear
        ('<general gainprm="80" biastype="affine" biasprm="0 -80 -3" forcerange="-30 30" joint="{name}"/>', 80, 3, 30),
    ],
)
def test_position_servos_keep_their_gains_at_the_joint(
    tmp_path: Path, actuator: str, kp: float, kv: float, torque: float
) -> None:
    model = robot_of(tmp_path, biped(actuator=actuator)).model
    np.testing.assert_allclose(model.actuator_gainprm[:, 0], kp)
    np.testing.assert_allclose(model.actuator_biasprm[:, 1], -kp)
    np.testing.assert_allclose(model.actuator_biasprm[:, 2], -kv)
    np.testing.assert_allclose(model.actuator_forcerange, np.tile([-torque, torque], (9, 1)))
    np.testing.assert_allclose(model.actuator_gear[:, 0], 1.0)


def test_torque_limits_of_joints_count_and_motors_give_theirs(tmp_path: Path) -> None:
    xml = biped().replace('range="0 2"', 'range="0 2" actuatorfrcrange="-20 20"')
    robot = robot_of(tmp_path, xml)
    torque = dict(zip(robot.joints, robot.model.actuator_forcerange[:, 1], strict=True))
    assert torque["left_knee_joint"] == 20.0  # of the joint, lower than the motor's
    assert torque["left_hip_pitch_joint"] == 50.0
    assert not robot.model.jnt_actfrclimited.any()


def test_servos_hold_the_home_pose_at_the_joints_in_the_order_of_qpos(tmp_path: Path) -> None:
    """Actuators of the MJCF stand in another order."""
    lines = [
        MOTOR.format(name=f"{side}_{joint}_joint") for side in ("right", "left") for joint in ("knee", "ankle_pitch")
    ]
    robot = robot_of(tmp_path, biped(actuator="", extra=f"<actuator>{''.join(lines)}</actuator>"))
    assert robot.joints == ("left_knee_joint", "left_ankle_pitch_joint", "right_knee_joint", "right_ankle_pitch_joint")
    model, data = robot.model, mujoco.MjData(robot.model)
    np.testing.assert_array_equal(model.jnt_qposadr[model.actuator_trnid[:, 0]], [7, 8, 9, 10])
    data.qpos[:] = robot.home_qpos
    data.ctrl[:] = robot.home
    mujoco.mj_forward(model, data)
    np.testing.assert_allclose(data.actuator_force, 0.0, atol=1e-9)


def test_targets_of_joints_without_a_range_are_free_and_half_a_turn_is_their_range(tmp_path: Path) -> None:
    robot = robot_of(
        tmp_path, biped().replace('name="waist_yaw_joint" axis', 'name="waist_yaw_joint" limited="false" axis')
    )
    np.testing.assert_allclose(robot.joint_range[0], [-np.pi, np.pi])
    assert not robot.model.actuator_ctrllimited[0]
    assert robot.model.actuator_ctrllimited[1:].all()


def test_degrees_become_radians_once(tmp_path: Path) -> None:
    xml = biped().replace('angle="radian"', 'angle="degree"').replace('range="0 2"', 'range="0 120"')
    xml = xml.replace('range="-1.5 1.5"', 'range="-90 90"').replace('range="-0.8 0.8"', 'range="-45 45"')
    robot = robot_of(tmp_path, xml.replace('0.3"/>', '20"/>').replace('0.5"/>', '20"/>'))
    knee = robot.joints.index("left_knee_joint")
    np.testing.assert_allclose(robot.joint_range[knee], [0.0, np.deg2rad(120)])
    np.testing.assert_allclose(robot.model.actuator_ctrlrange[knee], [0.0, np.deg2rad(120)])


def test_a_missing_mesh_that_is_only_looked_at_is_left_out_and_said(
    tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    robot = robot_of(tmp_path, biped(trunk=VISUAL, extra=SHELL))
    assert robot.notes == [f"{tmp_path / 'biped.xml'}: meshes that are only looked at are missing: shell.stl"]
    assert "shell.stl" in capsys.readouterr().err
    assert robot.model.nmesh == 1  # the foot's, which no geom uses, has its vertices in the MJCF


@pytest.mark.parametrize(
    ("geom", "why"),
    [
        ('<geom type="mesh" mesh="shell" mass="0"/>', "meshes that collide are missing: shell.stl; put them into"),
        (
            '<geom type="mesh" mesh="shell" contype="0" conaffinity="0"/>',
            "meshes that give a body its weight are missing",
        ),
    ],
)
def test_a_missing_mesh_that_is_needed_is_refused_with_its_folder(tmp_path: Path, geom: str, why: str) -> None:
    with pytest.raises(InputError, match=why) as error:
        propose(write(tmp_path, biped(trunk=geom, extra=SHELL)))
    assert str(tmp_path) in str(error.value)


def test_meshdir_counts_and_meshes_that_are_there_stay(tmp_path: Path) -> None:
    (tmp_path / "meshes").mkdir()
    tetrahedron = "v 0 0 0\nv 0.1 0 0\nv 0 0.1 0\nv 0 0 0.1\nf 1 3 2\nf 1 2 4\nf 1 4 3\nf 2 3 4\n"
    (tmp_path / "meshes" / "shell.obj").write_text(tetrahedron)
    xml = biped(trunk=VISUAL, extra=SHELL.replace("shell.stl", "shell.obj"))
    robot = robot_of(tmp_path, xml.replace('angle="radian"', 'angle="radian" meshdir="meshes"'))
    assert not robot.notes
    assert robot.model.nmesh == 2


def test_a_missing_texture_is_left_out(tmp_path: Path) -> None:
    skin = (
        '<asset><texture name="skin" type="2d" file="skin.png"/><material name="skin" texture="skin"/></asset>'
        '<worldbody><geom type="sphere" size="0.1" pos="3 0 0" material="skin"/></worldbody>'
    )
    robot = robot_of(tmp_path, biped(extra=skin))
    assert robot.notes == [f"{tmp_path / 'biped.xml'}: textures are missing: skin.png"]


def test_feet_without_joints_stay_bodies_where_the_mjcf_fuses_them(tmp_path: Path) -> None:
    xml = biped(feet='<body name="{side}_sole"><geom type="box" size="0.09 0.04 0.02" mass="0.4"/></body>')
    robot = robot_of(tmp_path, xml.replace("<compiler ", '<compiler fusestatic="true" '))
    assert robot.model.body("left_sole").id


def test_what_mjx_has_not_is_said_with_a_way_out(tmp_path: Path) -> None:
    robot = robot_of(tmp_path, biped(option='<option integrator="implicit"/>'), options={})
    with pytest.raises(InputError, match=r"MJX cannot simulate 'biped': .*IMPLICIT.*robot.yaml.*env.physics=native"):
        make_physics("mjx", robot, control_dt=0.02)


def test_spec_is_a_fresh_one_each_time(tmp_path: Path) -> None:
    """For scenes: to change it changes no robot."""
    robot = robot_of(tmp_path, biped())
    spec = robot.spec()
    spec.body("pelvis").add_geom(type=mujoco.mjtGeom.mjGEOM_SPHERE, size=[0.1, 0, 0])
    assert spec.compile().ngeom == robot.model.ngeom + 1 == robot.spec().compile().ngeom + 1


def test_a_simulation_that_breaks_is_not_put_back_to_its_start(tmp_path: Path) -> None:
    """A state that is not a number has to reach the environment, which ends the episode."""
    model = robot_of(tmp_path, biped()).model
    assert model.opt.disableflags & mujoco.mjtDisableBit.mjDSBL_AUTORESET
