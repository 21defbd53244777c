"""Joints that a robot's record holds: welded at the clips' mean, and no part of actions, observations and features."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import training_runs
import yaml
from bipeds import biped, write

from playground_amp.builder import make_amp, robot_of
from playground_amp.config import load_config
from playground_amp.core.errors import InputError
from playground_amp.deploy.contract import HELD, check_exported_with, read_contract
from playground_amp.doctor.clips import too_fast
from playground_amp.doctor.examination import diagnose
from playground_amp.doctor.reference import examine_held
from playground_amp.export.describe import _held, markdown_of_held
from playground_amp.export.export import export_run
from playground_amp.motion.clip import MotionClip, load_clip, save_clip
from playground_amp.motion.features import feature_names
from playground_amp.robots import Robot, load_robot
from playground_amp.robots.proposal.propose import propose
from playground_amp.robots.proposal.remarks import on_wrists
from playground_amp.robots.symmetry import pose

WRISTS = ["left_wrist_joint", "right_wrist_joint"]
MOTORS = "".join(
    f'<motor gear="10" ctrlrange="-1 1" joint="{side}_{joint}_joint"/>'
    for side in ("left", "right")
    for joint in ("shoulder", "elbow", "wrist")
)


def arm(side: str, sign: int) -> str:
    """The forearm stands turned in a frame, so that the wrist is welded to more than a plain pose."""
    return f"""
    <body name="{side}_shoulder" pos="0 {0.15 * sign} 0.25"><joint name="{side}_shoulder_joint" axis="0 1 0"/>
      <geom type="capsule" size="0.02" fromto="0 0 -0.03 0 0 -0.2" mass="0.4"/>
      <body name="{side}_elbow" pos="0 0 -0.22"><joint name="{side}_elbow_joint" axis="0 1 0"/>
        <geom type="capsule" size="0.02" fromto="0 0 -0.03 0 0 -0.1" mass="0.2"/>
        <frame pos="0.01 0 -0.1" euler="0 0.2 0">
          <body name="{side}_wrist" pos="0 0 -0.1" euler="0 -0.1 0">
            <joint name="{side}_wrist_joint" axis="0 1 0" pos="0.01 0 0.02"/>
            <geom type="box" size="0.02 0.01 0.04" pos="0 0 -0.04" mass="0.1"/>
          </body>
        </frame>
      </body>
    </body>"""


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> dict:
    """A right record of a biped with arms, nothing held, as plain values."""
    xml = biped(trunk=arm("left", 1) + arm("right", -1), extra=f"<actuator>{MOTORS}</actuator>")
    return yaml.safe_load(propose(write(tmp_path_factory.mktemp("biped"), xml))[0])


@pytest.fixture
def load(plain: dict, tmp_path: Path) -> Callable[..., Robot]:
    """Loads the record with what it says of `joints.fixed`."""

    def with_fixed(*fixed: str) -> Robot:
        values = plain | {"joints": {"names": plain["joints"], "fixed": list(fixed)}}
        (tmp_path / "robot.yaml").write_text(yaml.safe_dump(values, sort_keys=False))
        return load_robot(tmp_path)

    return with_fixed


@pytest.fixture
def walk(load: Callable[..., Robot], tmp_path: Path) -> Callable[[Robot], list[str]]:
    """Saves a clip of all joints, whose wrists swing by 0.1 rad about 0.3 left and 0.5 right; overrides to use it."""

    def save(robot: Robot) -> list[str]:
        phase = 2.0 * np.pi * np.arange(100) / 50.0
        qpos = np.tile(robot.home_qpos, (100, 1))
        qpos[:, 0] = 0.5 * np.arange(100) * 0.02
        for joint, middle in zip(WRISTS, (0.3, 0.5), strict=True):
            qpos[:, 7 + robot.joints.index(joint)] = middle + 0.1 * np.sin(phase)
        save_clip(tmp_path / "clips" / "a.npz", MotionClip("a", robot.name, robot.joints, qpos, 50.0, "made"))
        return [f"env.robot={tmp_path / 'robot.yaml'}", f"reference.clips={tmp_path / 'clips'}"]

    return save


def test_a_held_joint_is_welded_where_it_would_be_and_nothing_else_moves(load: Callable[..., Robot]) -> None:
    robot = load("*_wrist_joint")
    assert robot.fixed == ("left_wrist_joint", "right_wrist_joint") and robot.num_joints == 15
    held = robot.holding({"left_wrist_joint": (0.7, 0.0), "right_wrist_joint": (-0.4, 0.0)})
    assert held.joints == tuple(joint for joint in robot.joints if joint not in WRISTS)
    assert held.model.nu == held.num_joints == 13 and held.model.nv == robot.model.nv - 2
    angles = dict(zip(held.joints, np.random.default_rng(0).uniform(*held.joint_range.T), strict=True))
    all_joints, without = (
        pose(robot.model, angles | dict(zip(WRISTS, (0.7, -0.4), strict=True))),
        pose(held.model, angles),
    )
    for name in (held.model.body(i).name for i in range(1, held.model.nbody)):
        np.testing.assert_allclose(without.body(name).xpos, all_joints.body(name).xpos, atol=1e-9)
        np.testing.assert_allclose(without.body(name).xmat, all_joints.body(name).xmat, atol=1e-9)
    np.testing.assert_allclose(held.model.body_mass, robot.model.body_mass)


def test_the_mirror_of_a_robot_that_holds_joints_is_that_of_the_others(load: Callable[..., Robot]) -> None:
    robot = load("*_wrist_joint")
    held = robot.holding(dict.fromkeys(WRISTS, (0.0, 0.0)))
    for i, (partner, sign) in enumerate(zip(*held.mirror_joints, strict=True)):
        assert (held.joints[partner], sign) == tuple(robot.record.mirror.joints[held.joints[i]])


def test_held_joints_are_at_the_mean_of_the_clips_left_and_right_alike(load: Callable, walk: Callable) -> None:
    robot = load("*_wrist_joint")
    held = robot_of(load_config("ppo_amass_training", walk(robot)))
    for joint in WRISTS:
        assert held.held[joint].angle == pytest.approx(0.4, abs=1e-6)  # of 0.3 and 0.5
        assert held.held[joint].spread == pytest.approx(np.hypot(0.1, 0.1 / np.sqrt(2.0)), abs=1e-6)
        assert held.held[joint].servo.torque == 10.0


def test_a_clip_of_all_joints_is_read_without_those_that_are_held(
    load: Callable, walk: Callable, tmp_path: Path
) -> None:
    robot = load("*_wrist_joint")
    walk(robot)
    held = robot.holding(dict.fromkeys(WRISTS, (0.4, 0.1)))
    whole, rest = (load_clip(tmp_path / "clips" / "a.npz", one) for one in (robot, held))
    assert rest.joints == held.joints and rest.qpos.shape[1] == whole.qpos.shape[1] - 2
    for joint in held.joints:
        column = 7 + held.joints.index(joint), 7 + robot.joints.index(joint)
        np.testing.assert_array_equal(rest.qpos[:, column[0]], whole.qpos[:, column[1]])


def test_a_robot_that_holds_nothing_is_the_robot_as_it_was(load: Callable, walk: Callable) -> None:
    robot = load()
    assert robot.fixed == () and robot_of(load_config("ppo_amass_training", walk(robot))).held == {}


def test_features_are_without_held_joints(load: Callable[..., Robot]) -> None:
    held = load("*_wrist_joint").holding(dict.fromkeys(WRISTS, (0.4, 0.1)))
    assert len(feature_names(held)) == held.num_features and not [
        name for name in feature_names(held) if "wrist" in name
    ]


def test_the_contract_names_held_joints_with_angle_and_servo(load: Callable[..., Robot]) -> None:
    held = load("*_wrist_joint").holding({"left_wrist_joint": (0.4, 0.1), "right_wrist_joint": (0.4, 0.1)})
    rows = _held(held)
    assert [(row["name"], row["angle"], row["torque_limit"]) for row in rows] == [(name, 0.4, 10.0) for name in WRISTS]
    assert all(set(row) == set(HELD) for row in rows)
    assert "| left_wrist_joint | 0.4000 |" in markdown_of_held({"held": rows})
    assert markdown_of_held({"held": []}) == ""


MISTAKES = [
    (["*_wris"], r"joints.fixed: '\*_wris' fits no joint; valid: left_ankle_pitch_joint"),
    (["left_knee_joint"], "joints.fixed: 'left_knee_joint' moves the pad 'left_toe'; only joints that move no foot"),
    (["left_wrist_joint"], "'left_wrist_joint' is held and its partner 'right_wrist_joint' is not; list both"),
]


@pytest.mark.parametrize(("fixed", "message"), MISTAKES)
def test_what_cannot_be_held_is_one_sentence(load: Callable, fixed: list[str], message: str) -> None:
    with pytest.raises(InputError, match=message) as error:
        load(*fixed)
    assert "robot.yaml: " in str(error.value) and "\n" not in str(error.value)


SECTIONS = [
    ({"fixed": []}, "the key 'joints.names' is missing; expected a list of at least one, each text"),
    ({"names": [], "fixed": []}, r"joints.names is \[\]; expected a list of at least one"),
    ({"names": ["a"], "fixed": "b"}, "joints.fixed is 'b'; expected a list"),
    ({"names": ["a"], "fixd": []}, "there is no key 'joints.fixd'; did you mean 'fixed'"),
]


@pytest.mark.parametrize(("section", "message"), SECTIONS)
def test_a_mistake_in_the_section_of_joints_names_the_key(
    plain: dict, tmp_path: Path, section: dict, message: str
) -> None:
    (tmp_path / "robot.yaml").write_text(yaml.safe_dump(plain | {"joints": section}, sort_keys=False))
    with pytest.raises(InputError, match=message):
        load_robot(tmp_path)


def test_fixed_is_no_key_beside_joints(plain: dict, tmp_path: Path) -> None:
    (tmp_path / "robot.yaml").write_text(yaml.safe_dump(plain | {"fixed": ["a"]}, sort_keys=False))
    with pytest.raises(InputError, match=r"no key 'fixed'; write 'joints: \{names: \[...\], fixed: \[...\]\}'"):
        load_robot(tmp_path)


def write_plain(plain: dict, folder: Path) -> Path:
    (folder / "robot.yaml").write_text(yaml.safe_dump(plain, sort_keys=False))
    return folder


def test_a_proposal_says_which_joints_may_be_held(plain: dict, tmp_path: Path) -> None:
    robot = load_robot(write_plain(plain, tmp_path))
    (sentence,) = on_wrists(robot.model, robot.joints, robot.bodies)
    assert "fixed: [left_wrist_joint, right_wrist_joint]" in sentence
    assert not on_wrists(robot.model, [joint for joint in robot.joints if joint not in WRISTS], robot.bodies)


def test_the_doctor_names_joints_that_are_held_and_move_in_the_clips(load: Callable[..., Robot]) -> None:
    robot = load("*_wrist_joint")
    (finding,) = examine_held(robot.holding({"left_wrist_joint": (0.4, 0.3), "right_wrist_joint": (0.4, 0.1)}))
    assert (finding.severity, finding.code) == ("warning", "held")
    assert finding.sentence.startswith("left_wrist_joint move by up to 0.30 rad")
    assert not list(examine_held(robot.holding(dict.fromkeys(WRISTS, (0.4, 0.1)))))


def test_the_doctor_names_a_joint_that_is_faster_than_its_motor(load: Callable[..., Robot]) -> None:
    robot = load()
    slow = dataclasses.replace(robot.record.gains["left_wrist_joint"], speed=2.0)
    robot = dataclasses.replace(
        robot, record=dataclasses.replace(robot.record, gains={**robot.record.gains, "left_wrist_joint": slow})
    )
    qpos = np.tile(robot.home_qpos, (50, 1))
    qpos[:, 7 + robot.joints.index("left_wrist_joint")] = 0.1 * np.arange(50)  # 5 rad/s
    clip = MotionClip("a", robot.name, robot.joints, qpos, 50.0, "made")
    (finding,) = too_fast([clip], robot)
    assert "clip 'a': left_wrist_joint turns at 5.0 rad/s, its motor at 2.0 at most" in finding.sentence
    still = dataclasses.replace(clip, qpos=np.tile(qpos[0], (50, 1)))
    assert not list(too_fast([still], robot))


@pytest.mark.slow
def test_a_policy_without_held_joints_is_examined_trained_exported_and_checked(
    load: Callable, walk: Callable, tmp_path: Path
) -> None:
    settings = walk(load("*_wrist_joint"))
    run = training_runs.train(tmp_path / "run", *settings)
    export = export_run(run, tmp_path / "exported", robots=4, steps=10)
    contract = read_contract(export.folder)
    assert len(contract.joints) == 13 and [one["name"] for one in contract.interface["held"]] == WRISTS
    assert "left_wrist_joint" in (export.folder / "README.md").read_text()
    changed = json.loads(json.dumps(contract.interface))
    changed["held"][0]["angle"] += 0.1
    with pytest.raises(InputError, match=r"interface.held\[0\].angle"):
        check_exported_with(contract, json.dumps(changed), "policy.onnx")
    env = make_amp(load_config("ppo_amass_training", [*settings, "env.num_envs=2"])).env
    assert not [label for term in env.actor_terms for label in term.labels if "wrist" in label]
    assert env.reference.qpos.shape[1] == 7 + 13
    codes = {finding.code for finding in diagnose(load_config("ppo_amass_training", settings)).findings}
    assert not codes & {"order", "mirror", "start"}
