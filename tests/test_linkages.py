"""Robots whose joints do not move alone, and MJCFs with loose ends: each is right as proposed, or refused by name."""

from __future__ import annotations

from pathlib import Path

import mujoco
import numpy as np
import pytest
import yaml
from bipeds import BOX, biped, write

from playground_amp.core.errors import InputError
from playground_amp.robots import Robot, load_robot
from playground_amp.robots.compile import joint_range
from playground_amp.robots.proposal.propose import propose

SIDES = ("left", "right")
RATIO = 0.5  # rad of a knee for one of its motor
ROTOR = (
    '<body name="{side}_rotor" pos="0 0 -0.05"><joint name="{side}_knee_motor" axis="0 1 0" range="-1 3" '
    'armature="0.002" damping="0.3"/><geom type="sphere" size="0.03" mass="0.2" contype="0" conaffinity="0"/></body>'
)
COUPLING = (
    '<joint name="{side}_knee_gear" joint1="{side}_knee_joint" joint2="{side}_knee_motor" polycoef="0 0.5 0 0 0"/>'
)


def proposed(folder: Path, xml: str) -> tuple[Robot, str]:
    """The robot of an MJCF by its proposed record, and what is said of it."""
    text, sentences = propose(write(folder, xml))
    (folder / "robot.yaml").write_text(text)
    return load_robot(folder), "\n".join(sentences)


def refusal(folder: Path, xml: str) -> str:
    with pytest.raises(InputError) as caught:
        propose(write(folder, xml))
    assert "\n" not in str(caught.value) and "biped.xml" in str(caught.value)
    return str(caught.value)


def both(text: str) -> str:
    return "".join(text.format(side=side) for side in SIDES)


def geared_knees(coupling: str = COUPLING, **changes: str) -> str:
    """Knees without actuators, which follow the joints of motors in the thighs."""
    xml = biped(extra=f"<equality>{both(coupling)}</equality>", **changes)
    for side in SIDES:
        xml = xml.replace(f'joint="{side}_knee_joint"/></actuator>', f'joint="{side}_knee_motor"/></actuator>')
        xml = xml.replace(f'ctrlrange="-1 1" joint="{side}_knee_joint"', f'ctrlrange="-1 1" joint="{side}_knee_motor"')
        xml = xml.replace(f'<body name="{side}_shin"', f'{ROTOR.format(side=side)}<body name="{side}_shin"')
    return xml


# Gears


def test_a_knee_behind_a_gear_has_the_motors_torque_and_inertia_at_its_own_side(tmp_path: Path) -> None:
    """Range: the motor's -1 to 3 rad are -0.5 to 1.5 of the knee, whose own are 0 to 2. Rotor: a ball of 0.2 kg."""
    robot, said = proposed(tmp_path, geared_knees())
    assert "left_knee_joint" in robot.joints and not any("motor" in joint for joint in robot.joints)
    knee = robot.model.actuator("left_knee_joint").id
    assert robot.model.actuator_forcerange[knee, 1] == pytest.approx(50.0 / RATIO)
    rotor = 0.002 + 0.4 * 0.2 * 0.03**2
    dof = int(robot.model.joint("left_knee_joint").dofadr[0])
    assert robot.model.dof_armature[dof] == pytest.approx(0.01 + rotor / RATIO**2, rel=1e-4)
    assert robot.model.dof_damping[dof] == pytest.approx(0.5 + 0.3 / RATIO**2)
    assert joint_range(robot.model, "left_knee_joint") == pytest.approx((0.0, 1.5))
    assert "'left_knee_motor' drives 'left_knee_joint' by the equality constraint 'left_knee_gear'" in said
    assert robot.model.neq == 0


DEGREES = {"-1.5 1.5": "-86 86", "0 2": "0 114.592", "-1 3": "-57.2958 171.887", "-0.8 0.8": "-46 46"}


@pytest.mark.parametrize("unit", ["radian", "degree"])
def test_the_range_of_a_knee_is_no_wider_than_its_motors(tmp_path: Path, unit: str) -> None:
    """The motor's -1 to 3 rad are -0.3 to 1.7 of the knee, which has 0 to 2; c0 is in rad whatever ranges are in."""
    xml = geared_knees(COUPLING.replace('"0 0.5', '"0.2 0.5'))
    if unit == "degree":
        xml = (
            xml.replace('angle="radian"', 'angle="degree"').replace("-0.5 0.3", "-28 17").replace("-0.3 0.5", "-17 28")
        )
        for radians, degrees in DEGREES.items():
            xml = xml.replace(f'range="{radians}"', f'range="{degrees}"')
    robot, _ = proposed(tmp_path, xml)
    assert joint_range(robot.model, "left_knee_joint") == pytest.approx((0.0, 1.7), abs=1e-4)


@pytest.mark.parametrize("swapped", [False, True])
def test_a_geared_knee_moves_as_in_the_mjcf(tmp_path: Path, swapped: bool) -> None:
    """In the air, the motor pulls with 5 N m for 50 ms."""
    other = '<joint joint1="{side}_knee_motor" joint2="{side}_knee_joint" polycoef="0 2 0 0 0"/>'
    xml = geared_knees((other if swapped else COUPLING).replace("<joint ", '<joint solref="0.001 1" '))
    robot, _ = proposed(tmp_path, xml)
    theirs = mujoco.MjModel.from_xml_string(xml)
    ours = robot.spec()
    ours.option.timestep, ours.option.integrator = 0.0005, mujoco.mjtIntegrator.mjINT_EULER
    for servo in ours.actuators:
        servo.set_to_motor()
        servo.gear, servo.forcelimited, servo.ctrllimited = [1.0, 0, 0, 0, 0, 0], False, False
    ours = ours.compile()
    theirs.opt.timestep, theirs.opt.disableflags = 0.0005, mujoco.mjtDisableBit.mjDSBL_CONTACT
    angles = []
    for model, control in ((ours, 5.0 / RATIO), (theirs, 5.0 / 50.0)):
        data = mujoco.MjData(model)
        data.qpos[2] = 2.0
        for side in SIDES:
            data.qpos[model.joint(f"{side}_knee_joint").qposadr[0]] = 0.4
            if model is theirs:
                data.qpos[model.joint(f"{side}_knee_motor").qposadr[0]] = 0.8
        names = [f"{side}_knee_{'joint' if model is ours else 'motor'}" for side in SIDES]
        indices = [next(i for i in range(model.nu) if model.joint(model.actuator_trnid[i, 0]).name == n) for n in names]
        data.ctrl[indices] = control
        mujoco.mj_step(model, data, nstep=100)
        angles.append(data.joint("left_knee_joint").qpos[0] - 0.4)
    assert angles[1] > 0.02
    assert angles[0] == pytest.approx(angles[1], rel=0.03)


def test_a_motor_mounted_in_the_limb_that_it_turns_is_one(tmp_path: Path) -> None:
    """A wrist's motor in the hand, as ToddlerBot has it: a rotor of 3 g at an arm of 300 g."""
    arm = (
        '<body name="{side}_arm" pos="0 {y} 0.2"><joint name="{side}_wrist_driven" axis="0 1 0"/>'
        '<geom type="capsule" size="0.02" fromto="0 0 0 0 0 -0.2" mass="0.3"/>'
        '<body name="{side}_wrist_rotor"><joint name="{side}_wrist_drive" axis="0 1 0"/>'
        '<geom type="sphere" size="0.01" mass="0.003"/></body></body>'
    )
    follows = '<joint joint1="{side}_wrist_driven" joint2="{side}_wrist_drive" polycoef="0 -1 0 0 0"/>'
    motors = '<actuator><motor gear="3" ctrlrange="-1 1" joint="{side}_wrist_drive"/></actuator>'
    arms = "".join(arm.format(side=side, y=y) for side, y in zip(SIDES, (0.2, -0.2), strict=True))
    robot, _ = proposed(tmp_path, biped(trunk=arms, extra=f"<equality>{both(follows)}</equality>{both(motors)}"))
    assert {"left_wrist_driven", "right_wrist_driven"} < set(robot.joints) and "left_wrist_drive" not in robot.joints
    assert robot.model.actuator_forcerange[robot.joints.index("left_wrist_driven"), 1] == pytest.approx(3.0)


def test_a_record_that_lists_the_motor_of_a_gear_is_told_what_to_list(tmp_path: Path) -> None:
    robot, _ = proposed(tmp_path, geared_knees())
    values = yaml.safe_load((tmp_path / "robot.yaml").read_text())
    joints = ["left_knee_motor" if name == "left_knee_joint" else name for name in robot.joints]
    (tmp_path / "robot.yaml").write_text(yaml.safe_dump(values | {"joints": joints, "home": {}}))
    with pytest.raises(InputError, match=r"joints: 'left_knee_motor' is .*; list 'left_knee_joint' without"):
        load_robot(tmp_path)


def test_a_gear_whose_ratio_changes_is_refused(tmp_path: Path) -> None:
    said = refusal(tmp_path, geared_knees(COUPLING.replace("0 0.5 0 0 0", "0 0.5 0.1 0 0")))
    assert "'left_knee_gear'" in said and "'left_knee_joint'" in said


def test_a_knee_that_follows_the_ankle_is_refused(tmp_path: Path) -> None:
    """Neither can be left out: both move the leg."""
    coupling = '<joint name="{side}_both" joint1="{side}_knee_joint" joint2="{side}_ankle_pitch_joint"/>'
    xml = biped(extra=f"<equality>{both(coupling)}</equality>")
    xml = xml.replace('<motor gear="50" ctrlrange="-1 1" joint="left_knee_joint"/>', "")
    xml = xml.replace('<motor gear="50" ctrlrange="-1 1" joint="right_knee_joint"/>', "")
    said = refusal(tmp_path, xml)
    assert "the equality constraint 'left_both' moves the leg's joint 'left_knee_joint'" in said


def test_a_tendon_over_one_joint_is_its_gear(tmp_path: Path) -> None:
    tendon = '<tendon><fixed name="cord"><joint joint="waist_yaw_joint" coef="3"/></fixed></tendon>'
    xml = biped(extra=tendon).replace('ctrlrange="-1 1" joint="waist_yaw_joint"', 'ctrlrange="-1 1" tendon="cord"')
    robot, _ = proposed(tmp_path, xml)
    assert robot.model.actuator_forcerange[robot.joints.index("waist_yaw_joint"), 1] == pytest.approx(150.0)


# Closed chains

CRANK = (
    '<body name="{side}_crank" pos="-0.03 0 -0.2"><joint name="{side}_crank_joint" axis="0 1 0"/>'
    '<geom type="sphere" size="0.02" mass="0.1"/><body name="{side}_rod" pos="-0.03 0 0">'
    '<joint name="{side}_rod_joint" axis="0 1 0"/><geom type="capsule" size="0.01" fromto="0 0 0 0 0 -0.1" mass="0.1"/>'
    "</body></body>"
)
ROD = '<connect name="{side}_bar" body1="{side}_rod" body2="{side}_ankle" anchor="0 0 -0.1"/>'


def cranked_ankles(ankles_driven: bool, constraint: str = ROD) -> str:
    """Ankles with a crank in the shin and a rod down to the foot."""
    xml = biped(extra=f"<equality>{both(constraint)}</equality>")
    for side in SIDES:
        if not ankles_driven:
            xml = xml.replace(f'"-1 1" joint="{side}_ankle_pitch_joint"', f'"-1 1" joint="{side}_crank_joint"')
        xml = xml.replace(f'<body name="{side}_ankle"', f'{CRANK.format(side=side)}<body name="{side}_ankle"')
    return xml


def test_a_four_bar_linkage_at_the_ankle_is_refused_with_its_names(tmp_path: Path) -> None:
    said = refusal(tmp_path, cranked_ankles(ankles_driven=False))
    assert "the equality constraint 'left_bar' moves the leg's joint 'left_ankle_pitch_joint'" in said
    assert "drive 'left_ankle_pitch_joint' by an actuator" in said


def test_a_record_does_not_hide_a_linkage(tmp_path: Path) -> None:
    """Nor does it help to give the ankles gains: the rods would still hold them."""
    proposed(tmp_path, cranked_ankles(ankles_driven=True))
    values = yaml.safe_load((tmp_path / "robot.yaml").read_text())
    values["gains"] = {"*": {"kp": 100.0, "kv": 2.0, "torque": 50.0}}
    (tmp_path / "robot.yaml").write_text(yaml.safe_dump(values))
    write(tmp_path, cranked_ankles(ankles_driven=False))
    with pytest.raises(InputError, match="'left_bar' moves the leg's joint 'left_ankle_pitch_joint'"):
        load_robot(tmp_path)


def test_a_linkage_without_a_name_is_known_by_what_it_holds(tmp_path: Path) -> None:
    said = refusal(tmp_path, cranked_ankles(ankles_driven=False, constraint=ROD.replace('name="{side}_bar" ', "")))
    assert "the equality constraint of 'left_rod' and 'left_ankle'" in said


@pytest.mark.parametrize("limits", ['limited="true" range="-0.01 0.01"', ""])
def test_ankles_coupled_by_a_tendon_to_two_motors_are_refused(tmp_path: Path, limits: str) -> None:
    """A differential, as people write it: a tendon whose length is held, or one that actuators pull."""
    tendon = (
        '<fixed name="{side}_both"' + limits + '><joint joint="{side}_crank_joint" coef="1"/>'
        '<joint joint="{side}_ankle_pitch_joint" coef="-1"/></fixed>'
    )
    pulled = "" if limits else '<actuator><motor name="{side}_pull" tendon="{side}_both" ctrlrange="-1 1"/></actuator>'
    xml = cranked_ankles(ankles_driven=False, constraint="").replace("<equality></equality>", "")
    said = refusal(tmp_path, xml.replace("</mujoco>", f"<tendon>{both(tendon)}</tendon>{both(pulled)}</mujoco>"))
    assert ("the tendon 'left_both' moves" if limits else "the actuator 'left_pull' at a tendon moves") in said
    assert "the leg's joint 'left_ankle_pitch_joint'" in said


def test_rods_that_driven_ankles_drag_along_are_cut(tmp_path: Path) -> None:
    robot, said = proposed(tmp_path, cranked_ankles(ankles_driven=True))
    assert robot.model.neq == 0
    assert "left_ankle_pitch_joint" in robot.joints and "left_crank_joint" not in robot.joints
    assert any("left_bar" in note for note in robot.notes)
    assert "welded at zero: left_crank_joint" in said


def test_a_chain_that_is_not_active_is_none(tmp_path: Path) -> None:
    off = ROD.replace("<connect ", '<connect active="false" ')
    robot, _ = proposed(tmp_path, cranked_ankles(ankles_driven=True, constraint=off))
    assert (robot.model.neq, robot.notes) == (0, [])


def test_a_weld_between_bodies_that_servos_move_is_kept(tmp_path: Path) -> None:
    weld = '<equality><connect name="hands" body1="pelvis" body2="torso_link" anchor="0 0 0.1"/></equality>'
    robot, _ = proposed(tmp_path, biped(extra=weld))
    assert robot.model.neq == 1


def test_a_passive_spring_within_the_legs_is_said(tmp_path: Path) -> None:
    robot, said = proposed(tmp_path, sprung_ankles())
    assert "joints within the legs are held at zero, springs and all: left_ankle_pitch_joint and right_ankle" in said
    assert any("springs and all: left_ankle_pitch_joint" in note for note in robot.notes)
    assert robot.bodies is not None and "left_ankle_pitch_joint" not in robot.joints
    toe = robot.model.geom("left_toe_outer")
    assert toe.pos[2] == pytest.approx(-0.05 + toe.size[0], abs=1e-4)


def sprung_ankles() -> str:
    xml = biped()
    for side in SIDES:
        xml = xml.replace(f'<motor gear="50" ctrlrange="-1 1" joint="{side}_ankle_pitch_joint"/>', "")
    return xml


def test_a_joint_that_a_constraint_locks_at_zero_is_held_there(tmp_path: Path) -> None:
    lock = '<joint joint1="{side}_ankle_pitch_joint" polycoef="0 0 0 0 0"/>'
    xml = sprung_ankles().replace("</mujoco>", f"<equality>{both(lock)}</equality></mujoco>")
    robot, said = proposed(tmp_path, xml)
    assert "left_ankle_pitch_joint" not in robot.joints and "held at zero" in said


def test_gears_of_a_robot_without_a_free_joint_and_with_keyframes(tmp_path: Path) -> None:
    key = '<keyframe><key name="stand" qpos="0 0 0 0.6 -0.3 1.2 -0.3 0 0 0.6 -0.3 1.2"/></keyframe>'
    xml = geared_knees(root="").replace("</mujoco>", f"{key}</mujoco>")
    robot, said = proposed(tmp_path, xml)
    assert robot.num_joints == 9 and "it gets a free joint" in said


# Toes, wide ranges, frames

TOED = BOX + (
    '<body name="{side}_toes" pos="0.12 0 -0.03"><joint name="{side}_toe_joint" axis="0 1 0"/>'
    '<geom type="box" size="0.03 0.04 0.02" pos="0.03 0 0" mass="0.1"/></body>'
)
TOE_MOTORS = '<actuator><motor gear="5" ctrlrange="-1 1" joint="left_toe_joint"/>'
TOE_MOTORS += '<motor gear="5" ctrlrange="-1 1" joint="right_toe_joint"/></actuator>'


@pytest.mark.parametrize("motors", [TOE_MOTORS, ""])
def test_toes_are_part_of_the_sole(tmp_path: Path, motors: str) -> None:
    """The foot is what the ankle moves, and its sole reaches to the tip of the toes, 0.18 m ahead of the ankle."""
    robot, said = proposed(tmp_path, biped(feet=TOED, extra=motors))
    assert robot.bodies is not None
    assert robot.bodies.feet == ("left_ankle", "right_ankle")
    assert robot.joints[-1] == "right_ankle_pitch_joint"
    toe = robot.model.geom("left_toe_outer")
    assert robot.model.body(int(toe.bodyid[0])).name == "left_ankle"
    assert toe.pos[0] == pytest.approx(0.18, abs=0.02)
    assert ("toes are part of the sole" in said) == bool(motors)


@pytest.mark.parametrize("end", ["3.14159265", "6.3"])
def test_ranges_of_half_a_turn_and_more_change_nothing_of_note(tmp_path: Path, end: str) -> None:
    plain, _ = proposed(tmp_path, biped())
    xml = biped().replace('range="-1.5 1.5"', f'range="-{end} {end}"').replace('range="0 2"', f'range="-{end} {end}"')
    for narrow in ("-0.5 0.3", "-0.3 0.5", "-0.8 0.8"):
        xml = xml.replace(f'range="{narrow}"', f'range="-{end} {end}"')
    robot, said = proposed(tmp_path, xml)
    np.testing.assert_allclose(robot.home, plain.home, atol=1e-3)
    assert robot.bodies == plain.bodies and robot.pads == plain.pads
    assert "lean inward" not in said and "shake" not in said


@pytest.mark.parametrize("turn", ["-1.5708 0 0", "1.5708 0 0", "0 1.5708 0", "0 -1.5708 0", "-1.5708 0 -1.5708"])
def test_a_robot_that_lies_in_its_frame_is_refused(tmp_path: Path, turn: str) -> None:
    """Its y axis or its x axis points up, or down."""
    head, _, rest = biped(root="<freejoint/>").partition("<freejoint/>")
    inside, _, end = rest.partition("</worldbody>")
    inside = inside.rstrip().removesuffix("</body>")
    own = '<geom type="sphere" size="0.01" mass="0.1"/>'
    xml = f'{head}<freejoint/>{own}<body name="turned" euler="{turn}">{inside}</body></body></worldbody>{end}'
    said = refusal(tmp_path, xml)
    assert "does not stand in the frame of its root 'pelvis'" in said and "its z axis must point up" in said


# Loose ends


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"extra": '<sensor><gyro site="nowhere"/></sensor>'}, "a sensor of 'nowhere'"),
        ({"extra": '<sensor><actuatorfrc actuator="nowhere"/></sensor>'}, "a sensor of 'nowhere'"),
        ({"extra": '<contact><pair geom1="nowhere" geom2="left_foot"/></contact>'}, "a contact pair of 'nowhere'"),
        ({"extra": '<contact><exclude body1="nowhere" body2="pelvis"/></contact>'}, "a contact exclude of 'nowhere'"),
        ({"trunk": '<geom size="0.01" mass="0" material="nowhere"/>'}, "the material 'nowhere'"),
        ({"trunk": '<site material="nowhere"/>'}, "the material 'nowhere'"),
        ({"trunk": '<camera mode="targetbody" target="nowhere"/>'}, "a camera or light at 'nowhere'"),
        ({"trunk": '<light mode="targetbody" target="nowhere"/>'}, "a camera or light at 'nowhere'"),
    ],
)
def test_names_of_nothing_are_left_out_and_said(tmp_path: Path, changes: dict[str, str], said: str) -> None:
    robot, sentences = proposed(tmp_path, biped(**changes))
    assert f"biped.xml: left out, for they name what is not there: {said}" in sentences
    assert any(said in note for note in robot.notes)


def test_a_material_of_a_texture_that_is_not_defined_is_plain(tmp_path: Path) -> None:
    robot, _ = proposed(tmp_path, biped().replace("<asset>", '<asset><material name="m" texture="nowhere"/>'))
    assert robot.model.mat_texid[robot.model.material("m").id].max() < 0


def test_a_constraint_of_nothing_is_one_sentence(tmp_path: Path) -> None:
    joint = '<equality><joint joint1="nowhere" joint2="left_knee_joint"/></equality>'
    assert "unknown element 'nowhere' in equality constraint" in refusal(tmp_path, biped(extra=joint))
