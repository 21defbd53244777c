"""Robots that are somebody's own YAML file: every mistake is one sentence with file, key and what would be right."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path

import mujoco
import numpy as np
import pytest
import yaml
from bipeds import BOX, biped, write

from playground_amp.core.errors import InputError
from playground_amp.robots import load_robot
from playground_amp.robots.proposal.propose import propose
from playground_amp.robots.record import PhysicsOptions, RobotDescription, Sphere, read_record


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> dict:
    """A right record of a biped, as plain values; its MJCF is given by its absolute path."""
    return yaml.safe_load(propose(write(tmp_path_factory.mktemp("biped"), biped()))[0])


@pytest.fixture
def load(plain: dict, tmp_path: Path) -> Callable:
    """Loads the record after a change of its values."""

    def change_and_load(change: Callable[[dict], object]):
        values = copy.deepcopy(plain)
        change(values)
        (tmp_path / "mine.yaml").write_text(yaml.safe_dump(values, sort_keys=False))
        return load_robot(tmp_path / "mine.yaml")

    return change_and_load


def put(*path: object, value: object) -> Callable[[dict], None]:
    """Change of one value of the record."""

    def change(values: dict) -> None:
        *parents, key = path
        for parent in parents:
            values = values[parent]
        values[key] = value

    return change


BOX_PAD = {"left_toe": ["left_foot"], "left_heel": ["left_heel_outer"], "right_toe": ["right_foot"], "right_heel": []}

MISTAKES = [
    (lambda v: v.pop("root"), "the key 'root' is missing; expected text"),
    (put("joint", value=3), "there is no key 'joint'; did you mean 'joints'"),
    (put("joints", value="knee"), "joints is 'knee'; expected a list of at least one, each text"),
    (put("leg_length", value="0.7"), "leg_length is '0.7'; expected a number above 0"),
    (put("leg_length", value=-1), "leg_length is -1; expected a number above 0"),
    (put("contact_clearance", value=[0.02, 0.01]), r"expected \[lowest, highest\]"),
    (put("gains", "left_knee_joint", "kd", value=3), "no key 'gains.left_knee_joint.kd'; did you mean 'kv'"),
    (put("gains", "left_knee_joint", "kp", value=0), "gains.left_knee_joint.kp is 0; expected a number above 0"),
    (put("gains", "*_kne", value={"kp": 3}), r"gains.\*_kne fits no joint; valid: left_ankle"),
    (put("gains", value={}), "need kp, which biped.xml does not say; add 'gains:' with a line such as waist_yaw_joint"),
    (put("options", "integrator", value="RK4"), "options.integrator is 'RK4'; expected euler, implicitfast or rk4"),
    (put("options", "timestep", value=0), "options.timestep is 0; expected a number above 0"),
    (put("spheres", 0, "pos", value=[0, 1]), r"spheres.0.pos is \[0, 1\]; expected \[x, y, z\]"),
    (put("spheres", 0, "radius", value=float("nan")), "spheres.0.radius is nan; expected a number above 0"),
    (put("spheres", 1, "body", value="left_ankl"), "spheres.1.body: the MJCF has no body 'left_ankl'; did you mean"),
    (put("spheres", 1, "name", value="left_foot"), "spheres.1.name is 'left_foot', which is taken"),
    (put("root", value="torso_link"), "root is 'torso_link', which hangs from 'pelvis'"),
    (put("root", value="pelvi"), "root: the MJCF has no body 'pelvi'; did you mean 'pelvis'"),
    (put("joints", 0, value="waist"), "joints: the MJCF has no hinge joint 'waist'; did you mean 'waist_yaw_joint'"),
    (lambda v: v["joints"].reverse(), r"joints are not in the order of the MJCF; write \[waist_yaw_joint, left_hip"),
    (put("home", "left_knee_joint", value=3.0), "home.left_knee_joint is 3 rad, outside of the joint's range 0 to 2"),
    (put("home", "left_knee", value=0.0), "home: there is no joint 'left_knee'; did you mean 'left_knee_joint'"),
    (put("home", "left_knee_joint", value=True), "home.left_knee_joint is True; expected a number"),
    (put("pads", "left_toe", value=["left_to"]), "pads.left_toe: there is no geom 'left_to'"),
    (put("pads", "left_toe", value=["left_foot"]), "pads.left_toe: the geom 'left_foot' is no sphere; list contact"),
    (put("pads", "left_toe", value=[]), r"pads.left_toe is \[\]; expected a list of at least one"),
    (
        put("mirror", "joints", "left_knee_joint", value=["right_knee_joint", 2]),
        r"expected \[partner, 1\] or \[partner",
    ),
    (put("mirror", "joints", "left_knee_joint", value=["right_knee_joint", -1]), "have different signs"),
    (put("mirror", "joints", "left_knee_joint", value=["left_knee_joint", 1]), "must have 'right_knee_joint' as its"),
    (lambda v: v["mirror"]["joints"].pop("waist_yaw_joint"), "mirror.joints leaves out 'waist_yaw_joint'"),
    (lambda v: v["mirror"]["pads"].pop("left_toe"), "mirror.pads leaves out 'left_toe'"),
    (put("mirror", "pads", "tail", value="tail"), "mirror.pads: there is no pad 'tail'"),
    (lambda v: v.update(pads=dict(sorted(v["pads"].items(), key=lambda pad: pad[0][::-1]))), "the left foot's first"),
    (put("bodies", "chest", value="tors"), "bodies.chest: there is no body 'tors'; did you mean 'torso_link'"),
    (put("bodies", "hips", value=["left_hip"]), r"bodies.hips is \['left_hip'\]; expected \[left, right\]"),
    (put("bodies", "hands", value=["left_hand", "right_hand"]), "bodies.hands: there is no body, site or geom 'left_h"),
    (lambda v: v.pop("bodies"), "leg_length and bodies are both left out"),
    (put("mjcf", value="nowhere.xml"), "mjcf is 'nowhere.xml', but there is no file"),
    (
        put("mjcf", value="package:no_such_robots/a.xml"),
        "'no_such_robots' is not installed; pip install no_such_robots",
    ),
    (put("mjcf", value="package:brax/envs/assets/none.xml"), "but there is no file .*none.xml"),
]


@pytest.mark.parametrize(("change", "message"), MISTAKES, ids=[message[:40] for _, message in MISTAKES])
def test_a_mistake_is_one_sentence_that_names_file_and_key(load: Callable, change: Callable, message: str) -> None:
    with pytest.raises(InputError, match=message) as error:
        load(change)
    assert "mine.yaml: " in str(error.value)
    assert "\n" not in str(error.value)


def test_two_mistakes_are_two_sentences(load: Callable) -> None:
    with pytest.raises(InputError, match=r"leg_length is -1.*\n.*no key 'a'"):
        load(lambda values: values.update(a=1, leg_length=-1))


@pytest.mark.parametrize(("text", "message"), [("- 1\n", "expected sections"), ("name: [", "not valid YAML")])
def test_what_is_no_record_is_said(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "mine.yaml").write_text(text)
    with pytest.raises(InputError, match=rf"mine.yaml.*{message}"):
        load_robot(tmp_path / "mine.yaml")


def test_an_empty_record_names_every_key_it_needs(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text("")
    with pytest.raises(InputError) as error:
        load_robot(tmp_path / "mine.yaml")
    for key in ("name", "mjcf", "root", "joints", "pads", "mirror", "contact_clearance"):
        assert f"the key '{key}' is missing" in str(error.value)


def test_a_robot_is_found_by_name_path_or_folder(plain: dict, tmp_path: Path) -> None:
    (tmp_path / "robot.yaml").write_text(yaml.safe_dump(plain))
    assert load_robot(tmp_path).name == load_robot(tmp_path / "robot.yaml").name == "biped"
    assert load_robot("wildrobot").name == "wildrobot"
    with pytest.raises(
        InputError, match=r"no robot 'wildrobt', .*path of a robot's YAML file; did you mean 'wildrobot'"
    ):
        load_robot("wildrobt")
    with pytest.raises(InputError, match=r"no robot file .*other.yaml"):
        load_robot(tmp_path / "other.yaml")


def test_mjcf_is_relative_to_the_record(plain: dict, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "models").mkdir()
    write(tmp_path / "models", biped())
    (tmp_path / "robot.yaml").write_text(yaml.safe_dump({**plain, "mjcf": "models/biped.xml"}))
    monkeypatch.chdir("/")
    assert load_robot(tmp_path).mjcf == tmp_path / "models" / "biped.xml"


def test_a_leg_length_that_is_given_counts(load: Callable) -> None:
    assert load(lambda values: None).leg_length == pytest.approx(0.64, abs=0.01)  # 0.3 cos 0.2 twice, and 0.05
    assert load(put("leg_length", value=0.5)).leg_length == 0.5


def test_gains_by_pattern_and_the_last_that_fits_counts(load: Callable) -> None:
    gains = {"*": {"kp": 10, "kv": 1}, "*_knee_*": {"kp": 20}, "left_knee_joint": {"torque": 7, "armature": 0.03}}
    robot = load(lambda values: values.update(gains=gains))
    servos = {
        joint: (-robot.model.actuator_biasprm[i, 1], -robot.model.actuator_biasprm[i, 2], force)
        for i, (joint, force) in enumerate(zip(robot.joints, robot.model.actuator_forcerange[:, 1], strict=True))
    }
    assert servos["waist_yaw_joint"] == (10, 1, 50)  # the motor's: gear 50, control 1
    assert servos["right_knee_joint"] == (20, 1, 50)
    assert servos["left_knee_joint"] == (20, 1, 7)
    assert robot.model.dof_armature[robot.model.joint("left_knee_joint").dofadr[0]] == 0.03
    assert robot.model.dof_armature[robot.model.joint("right_knee_joint").dofadr[0]] == 0.01  # the MJCF's


def test_options_that_are_left_out_are_the_mjcfs(load: Callable) -> None:
    model = load(put("options", value={"timestep": 0.004, "cone": "elliptic", "solver": "cg"})).model
    assert (model.opt.timestep, model.opt.iterations) == (0.004, 100)
    assert model.opt.cone == mujoco.mjtCone.mjCONE_ELLIPTIC
    assert model.opt.solver == mujoco.mjtSolver.mjSOL_CG
    assert load(put("options", value={})).model.opt.timestep == 0.002


def test_records_of_the_shipped_robots_are_read_as_written() -> None:
    folder = Path(load_robot.__code__.co_filename).parent
    record = read_record(folder / "humanoid" / "robot.yaml")
    assert isinstance(record, RobotDescription)
    assert record.options == PhysicsOptions(
        timestep=0.005, integrator="implicitfast", cone="elliptic", iterations=4, ls_iterations=8
    )
    assert read_record(folder / "wildrobot" / "robot.yaml").options == PhysicsOptions()


def test_a_sphere_weighs_nothing_and_touches(load: Callable, plain: dict) -> None:
    """Also where the inertia of a body is computed from its geoms."""
    robot = load(lambda values: None)
    other = load(lambda values: values["spheres"][0].update(radius=0.02))
    np.testing.assert_array_equal(robot.model.body_mass, other.model.body_mass)
    np.testing.assert_array_equal(robot.model.body_inertia, other.model.body_inertia)
    assert robot.model.geom("left_toe_outer").conaffinity[0] == 1
    assert robot.record.spheres[0] == Sphere(**{**plain["spheres"][0], "pos": tuple(plain["spheres"][0]["pos"])})
    assert BOX.format(side="left") in biped()
