"""Robots by name: MJCFs that packages fetch, records proposed at their first use, and motors known by their robot."""

from __future__ import annotations

import importlib.util
import os
import re
import sys
from collections.abc import Callable
from fnmatch import fnmatchcase
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
from bipeds import JOINTS, biped, write

from playground_amp.core.errors import InputError
from playground_amp.robots import load_robot
from playground_amp.robots.load import FOLDER
from playground_amp.robots.model_zoos import find_by_name
from playground_amp.robots.proposal.known_motors import known_gains
from playground_amp.robots.proposal.propose import propose, write_proposal
from playground_amp.robots.proposal.remarks import trial
from playground_amp.robots.record import read_record
from playground_amp.robots.symmetry import find_symmetry

LEGS = [f"{side}_{joint}_joint" for side in ("left", "right") for joint in (*JOINTS, "hip_yaw", "ankle_roll")]


@pytest.fixture
def menagerie(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], Path]], None]:
    """Puts a package with one robot, my_biped, in the place of mujoco-menagerie, and an empty cache."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setitem(sys.modules, "robot_descriptions", None)

    def put(fetch: Callable[[], Path]) -> None:
        robot = SimpleNamespace(name="my_biped", default_model="biped", xml=lambda entry: fetch())
        module = ModuleType("mujoco_menagerie")
        vars(module).update(
            names=lambda: ["my_biped", "some_arm"],
            get={"my_biped": robot}.get,
            robots=lambda kind: [robot] if kind == "humanoid" else [],
        )
        monkeypatch.setitem(sys.modules, "mujoco_menagerie", module)

    return put


def test_a_robot_by_name_is_proposed_once_and_kept(
    menagerie: Callable, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    menagerie(lambda: write(tmp_path, biped()))
    robot = load_robot("my_biped")
    assert (robot.name, robot.num_joints) == ("my_biped", 9)
    assert Path(robot.source).is_relative_to(tmp_path / "cache")
    said = capsys.readouterr().err
    assert "'my_biped' is taken as proposed from" in said and robot.source in said
    before = Path(robot.source).stat().st_mtime_ns
    assert load_robot("my_biped").source == robot.source
    assert Path(robot.source).stat().st_mtime_ns == before and not capsys.readouterr().err


def test_a_changed_mjcf_is_proposed_anew(menagerie: Callable, tmp_path: Path) -> None:
    menagerie(lambda: write(tmp_path, biped()))
    first = load_robot("my_biped").source
    menagerie(lambda: write(tmp_path, biped(shift=0.001)))
    assert load_robot("my_biped").source != first


def test_a_robot_by_name_is_proposed_into_a_folder(menagerie: Callable, tmp_path: Path) -> None:
    menagerie(lambda: write(tmp_path, biped()))
    path, sentences = write_proposal("my_biped", tmp_path / "out")
    assert path == tmp_path / "out" / "my_biped.yaml"
    assert load_robot(path).name == "my_biped"
    assert any(f"--set env.robot={path} --set reference.clips=DIR" in sentence for sentence in sentences)


def test_what_cannot_be_fetched_is_one_sentence(menagerie: Callable) -> None:
    def fetch() -> Path:
        raise OSError("Name or service\nnot known")

    menagerie(fetch)
    expected = (
        "'my_biped' could not be fetched by mujoco-menagerie (Name or service not known); try again, or set MENAG"
    )
    for take in (load_robot, propose):
        with pytest.raises(InputError, match=re.escape(expected)):
            take("my_biped")


def test_a_name_that_nobody_knows_is_answered_with_those_that_exist(menagerie: Callable, tmp_path: Path) -> None:
    menagerie(lambda: write(tmp_path, biped()))
    with pytest.raises(InputError, match=r"there is no robot 'my_bipet'.*; did you mean 'my_biped'\?$"):
        load_robot("my_bipet")


def test_without_a_package_its_installation_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for package in ("mujoco_menagerie", "robot_descriptions"):
        monkeypatch.setitem(sys.modules, package, None)
    for take in (load_robot, propose):
        with pytest.raises(InputError, match=r"such as unitree_h1, come with pip install 'playground_amp\[robots\]'$"):
            take("unitree_h1")


@pytest.mark.parametrize("name", ["biped_mj_description", "biped", "maker_biped"])
def test_robot_descriptions_serve_too(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setitem(sys.modules, "mujoco_menagerie", None)
    package, module = ModuleType("robot_descriptions"), ModuleType("robot_descriptions.biped_mj_description")
    vars(package)["__path__"], vars(module)["MJCF_PATH"] = [], str(write(tmp_path, biped()))
    monkeypatch.setitem(sys.modules, package.__name__, package)
    monkeypatch.setitem(sys.modules, module.__name__, module)
    assert load_robot(name).name == name


# Where an MJCF is


def test_a_robot_is_where_its_environment_variable_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path, biped()).rename(tmp_path / "biped.xml")
    for given in (path, tmp_path):
        monkeypatch.setenv("MAKER_BIPED_MJCF", str(given))
        assert find_by_name("maker_biped") == path
    monkeypatch.setenv("MAKER_BIPED_MJCF", str(tmp_path / "none"))
    with pytest.raises(
        InputError, match=r"MAKER_BIPED_MJCF is .*none', .* no folder with maker_biped.xml or biped.xml"
    ):
        find_by_name("maker_biped")


def test_a_robot_inside_mjlab_is_found_without_importing_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "mjlab" / "asset_zoo" / "robots" / "maker_biped" / "xmls"
    folder.mkdir(parents=True)
    (tmp_path / "mjlab" / "__init__.py").write_text("raise RuntimeError('imported')")
    path = write(folder, biped())
    monkeypatch.syspath_prepend(str(tmp_path))
    assert find_by_name("maker_biped") == path


# The G1 that ships


@pytest.fixture
def nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("UNITREE_G1_MJCF", raising=False)
    for package in ("mjlab", "mujoco_menagerie", "robot_descriptions"):
        monkeypatch.setitem(sys.modules, package, None)
    find_spec = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "mjlab" else find_spec(name))


def test_a_g1_that_is_nowhere_is_one_sentence_with_the_ways_to_get_it(nowhere: None) -> None:
    with pytest.raises(InputError, match=r"robot.yaml: mjcf is 'robot:unitree_g1', but no installed") as error:
        load_robot("unitree_g1")
    said = str(error.value)
    assert "\n" not in said
    for way in ("pip install --no-deps mjlab", "'playground_amp[robots]'", "UNITREE_G1_MJCF"):
        assert way in said


def test_the_g1_has_unitrees_motors() -> None:
    """The gains of the record are those of the table of motors, by armature x (20 pi)^2."""
    record = read_record(FOLDER / "unitree_g1" / "robot.yaml")
    _, known = known_gains(["unitree_g1"], record.joints)
    for joint in record.joints:
        (gains,) = [gains for pattern, gains in record.gains.items() if fnmatchcase(joint, pattern)]
        assert gains == known[joint], joint


G1_MJCF = os.environ.get("UNITREE_G1_MJCF", "")


@pytest.mark.skipif(not G1_MJCF, reason="UNITREE_G1_MJCF names no robot")
def test_the_g1_stands_on_its_soles_left_and_right_alike() -> None:
    robot = load_robot("unitree_g1")
    assert (robot.num_joints, len(robot.fixed)) == (29, 6)
    assert robot.home_qpos[2] == pytest.approx(0.784, abs=1e-3)  # mjlab's HOME_KEYFRAME
    assert np.ptp(robot.pad_heights(robot.home_qpos[None])) < 1e-9
    assert find_symmetry(robot.model, robot.joints).joints == robot.record.mirror.joints
    assert trial(robot) == []


# Known motors


def test_a_g1_has_unitrees_servos() -> None:
    """Stiffness is armature x (20 pi)^2, damping 4 x armature x 20 pi: the values that its maker's software has."""
    family, gains = known_gains(["g1_29dof_rev_1_0"], [*LEGS, "waist_yaw_joint", "left_wrist_yaw_joint", "left_hand_0"])
    assert family == "Unitree's G1" and "left_hand_0" not in gains
    table = {
        "left_hip_pitch_joint": (40.2, 2.56, 88.0),
        "right_knee_joint": (99.1, 6.31, 139.0),
        "left_ankle_roll_joint": (28.5, 1.81, 50.0),
        "waist_yaw_joint": (40.2, 2.56, 88.0),
        "left_wrist_yaw_joint": (16.8, 1.07, 5.0),
    }
    assert {joint: (gains[joint].kp, gains[joint].kv, gains[joint].torque) for joint in table} == table


@pytest.mark.parametrize(
    ("names", "joints"),
    [(["h1"], LEGS), (["g12"], LEGS), (["my_g1"], LEGS), (["unitree_g1"], LEGS[:-1])],
)
def test_other_robots_have_no_known_motors(names: list[str], joints: list[str]) -> None:
    assert known_gains(names, joints) == ("", {})


def test_known_motors_go_over_what_an_mjcf_says(tmp_path: Path) -> None:
    """Of a G1 with the joints of legs; the other joints' gains stay as they are without."""
    xml = g1_legs()
    robot, sentences = proposed(tmp_path, xml)
    assert robot.record.gains["left_knee_joint"].kp == 99.1
    assert robot.model.actuator_forcerange[robot.joints.index("left_knee_joint"), 1] == 139.0
    assert "kp, kv, torque and armature of 13 joints are those of the motors of Unitree's G1" in sentences
    assert not any("guessed from torque" in sentence for sentence in sentences)


def proposed(folder: Path, xml: str):
    text, sentences = propose(write(folder, xml))
    (folder / "robot.yaml").write_text(text)
    return load_robot(folder), sentences


def g1_legs() -> str:
    """The biped called as a G1, with its hip yaw and ankle roll joints at bodies that have pitch joints already."""
    xml = biped().replace('model="biped"', 'model="g1_12dof"')
    for side in ("left", "right"):
        yaw = f'<joint name="{side}_hip_yaw_joint" axis="0 0 1"/>'
        roll = f'<joint name="{side}_ankle_roll_joint" axis="1 0 0" range="-0.3 0.3"/>'
        pitch = f'<joint name="{side}_ankle_pitch_joint" axis="0 1 0" range="-0.8 0.8"/>'
        xml = xml.replace(pitch, pitch + roll)
        xml = xml.replace(f'<body name="{side}_thigh">', f'<body name="{side}_thigh">{yaw}')
        for name in ("hip_yaw", "ankle_roll"):
            motor = f'<motor gear="50" ctrlrange="-1 1" joint="{side}_{name}_joint"/>'
            xml = xml.replace("</actuator>", f"{motor}</actuator>")
    return xml
