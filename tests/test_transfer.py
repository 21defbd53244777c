"""The exported policy in other worlds: the conditions are what they say, and the figures are as defined."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import mujoco
import numpy as np
import pytest
import training_runs

from playground_amp import InputError, load_robot
from playground_amp.core.console import run
from playground_amp.deploy import Deployment, gravity_of, load
from playground_amp.deploy.replay import read_trace
from playground_amp.evaluation.intervals import bootstrap, wilson
from playground_amp.export.export import export_run
from playground_amp.export.transfer import walk as walking
from playground_amp.export.transfer.command import transfer as command
from playground_amp.export.transfer.conditions import AS_TRAINED, Condition, choose, conditions
from playground_amp.export.transfer.engines import make_engine
from playground_amp.export.transfer.summary import summarise, worst_first
from playground_amp.export.transfer.transfer import transfer
from playground_amp.export.transfer.walk import Starts, Walks, starts_of, walk

ALL = {condition.name: condition for condition in conditions(mjx=True)}


pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def deployment(tmp_path_factory: pytest.TempPathFactory) -> Deployment:
    folder = tmp_path_factory.mktemp("transfer")
    run = training_runs.train(folder / "run", "env.episode_length=30")
    return load(export_run(run, folder / "exported", robots=32, steps=40).folder)


@pytest.fixture(scope="module")
def starts(deployment: Deployment) -> Starts:
    return starts_of(deployment.contract, read_trace(deployment.folder, deployment.contract), 8)


def test_walks_as_trained_are_those_of_the_environment(deployment: Deployment) -> None:
    """Same robot, engine, observations and targets: the first steps are the trace's, to the precision of float32."""
    trace = read_trace(deployment.folder, deployment.contract)
    starts, seen = starts_of(deployment.contract, trace, 4), []

    def policy(observation: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        seen.append(observation)
        return deployment.policy(observation)

    walk(dataclasses.replace(deployment, policy=policy), ALL[AS_TRAINED], starts, seconds=0.1, seed=1)
    steps = len(trace["first"]) // 4
    expected = trace["observation"].reshape(4, steps, -1)[:, :5]
    np.testing.assert_allclose(np.stack(seen, axis=1), expected, atol=2e-3)


def test_every_condition_changes_the_world_and_walks(deployment: Deployment, starts: Starts) -> None:
    usual = walk(deployment, ALL[AS_TRAINED], starts, 1.2, seed=1)
    for name, condition in ALL.items():
        if condition.engine == "mjx" or condition.edit or name in (AS_TRAINED, "elliptic friction"):
            continue
        changed = dataclasses.replace(condition, push=20.0 * condition.push)
        walks = walk(deployment, changed, starts, 1.2 if not condition.push else 2.2, seed=1)
        assert walks.survived.shape == (8,) and (walks.seconds <= 2.3).all()
        assert not np.array_equal(walks.seconds, usual.seconds) or not np.array_equal(
            walks.speed_error, usual.speed_error, equal_nan=True
        ), name


@pytest.mark.slow
def test_mjx_walks_too(deployment: Deployment, starts: Starts) -> None:
    native = walk(deployment, ALL[AS_TRAINED], starts, 0.2, seed=1)
    mjx = walk(deployment, ALL["MJX"], starts, 0.2, seed=1)
    np.testing.assert_allclose(mjx.seconds, native.seconds, atol=0.05)


def test_a_slope_is_gravity_turned_and_the_imu_feels_it(deployment: Deployment, starts: Starts) -> None:
    engine = make_engine(deployment.folder / "robot.xml", ALL["6 degrees uphill"], starts.qpos, starts.qvel)
    assert np.linalg.norm(engine.gravity) == pytest.approx(9.81) and engine.gravity[0] < 0.0
    upright = dataclasses.replace(starts, qpos=starts.qpos * 0.0 + [0, 0, 1, 1, 0, 0, 0, *[0.0] * 9])
    engine = make_engine(deployment.folder / "robot.xml", ALL["6 degrees uphill"], upright.qpos, starts.qvel)
    felt = walking._readings(engine, upright)["gravity"]
    np.testing.assert_allclose(felt, np.tile([-np.sin(np.radians(6)), 0.0, -np.cos(np.radians(6))], (8, 1)), atol=1e-9)


def test_on_the_flat_the_imu_feels_what_the_runner_works_out_of_an_orientation() -> None:
    quat = np.random.default_rng(0).normal(size=(20, 4))
    quat /= np.linalg.norm(quat, axis=1, keepdims=True)
    np.testing.assert_allclose(walking._into_root(quat, np.array([0.0, 0.0, -1.0])), gravity_of(quat), atol=1e-12)


def test_targets_take_effect_after_the_delay() -> None:
    class Counting:
        timestep = 0.005

        def __init__(self) -> None:
            self.seen: list[float] = []

        def step(self, ctrl: np.ndarray, count: int) -> None:
            self.seen += [float(ctrl[0, 0])] * count

    for delay, late in ((0.0, 0), (0.005, 1), (0.02, 4), (0.03, 6), (0.04, 8)):
        engine = Counting()
        servos = walking._Servos(engine, 0.02, delay, np.full((1, 1), -1.0))
        for step in range(4):
            servos.step(np.full((1, 1), float(step)))
        assert engine.seen == ([-1.0] * late + [float(step) for step in range(4) for _ in range(4)])[:16]


def test_steps_of_the_ground_are_as_high_as_they_say_and_the_start_is_flat(deployment: Deployment) -> None:
    spec = mujoco.MjSpec.from_file(str(deployment.folder / "robot.xml"))
    condition = ALL["steps of 2 cm"]
    assert condition.edit
    condition.edit(spec)
    model = spec.compile()
    boxes = (model.geom_bodyid == 0) & (model.geom_type == mujoco.mjtGeom.mjGEOM_BOX)
    tops = model.geom_pos[boxes, 2] + model.geom_size[boxes, 2]
    np.testing.assert_allclose(tops, 0.02)
    assert (np.abs(model.geom_pos[boxes, 0]) - model.geom_size[boxes, 0]).min() > 0.3
    assert (model.geom_contype[boxes] == 1).all()


def test_robots_stand_on_the_steps(deployment: Deployment) -> None:
    home = deployment.contract.of_joints("home")
    heights = []
    for name, lift in ((AS_TRAINED, 0.0), ("steps of 3 cm", 0.03)):
        qpos = np.array([[0.6, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, *home]])
        qpos[0, 2] = load_robot("wildrobot").home_qpos[2] + lift
        engine = make_engine(deployment.folder / "robot.xml", ALL[name], qpos, np.zeros((1, 15)))
        engine.step(home[None], 40)
        heights.append(engine.qpos[0, 2])
    assert heights[1] - heights[0] == pytest.approx(0.03, abs=2e-3)


def test_what_the_robot_has_already_is_not_tried_again(deployment: Deployment) -> None:
    rows = transfer(deployment, groups=["engine"], episodes=2, seconds=1.1)
    names = [row.condition.name for row in rows]
    assert "pyramidal friction" in names and "elliptic friction" not in names  # the model has it
    assert AS_TRAINED in names and "MJX" not in names


def test_the_same_seed_gives_the_same_rows_worst_first(deployment: Deployment) -> None:
    one, other = (transfer(deployment, groups=["push"], episodes=4, seconds=2.1, seed=3) for _ in range(2))
    assert json.dumps([row.to_json() for row in one]) == json.dumps([row.to_json() for row in other])
    assert [row.survival for row in one] == sorted(row.survival for row in one)


def test_intervals() -> None:
    assert wilson(64, 64) == (pytest.approx(0.943, abs=1e-3), 1.0)
    assert wilson(5, 10) == (pytest.approx(0.237, abs=1e-3), pytest.approx(0.763, abs=1e-3))
    low, high = bootstrap(np.random.default_rng(0).normal(1.0, 0.5, 400), seed=0)
    assert (low, high) == (pytest.approx(1.0 - 0.049, abs=0.03), pytest.approx(1.0 + 0.049, abs=0.03))
    assert np.isnan(bootstrap(np.array([]), seed=0)).all()


def test_who_fell_at_once_has_no_error_and_is_the_worst() -> None:
    fell = Walks(np.zeros(3, bool), np.full(3, 0.5), np.full(3, np.nan), np.full(3, np.nan))
    half = Walks(np.array([True, False]), np.array([9.0, 2.0]), np.array([0.1, 0.3]), np.array([0.0, 0.1]))
    rows = [summarise(Condition("engine", name), walks, 0) for name, walks in (("half", half), ("fell", fell))]
    assert [row.condition.name for row in worst_first(rows)] == ["fell", "half"]
    assert rows[0].speed_error == pytest.approx(0.2) and np.isnan(rows[1].speed_error)


def test_groups_are_chosen_by_name() -> None:
    assert {one.group for one in choose(conditions(mjx=False), ["delay"])} == {"delay", "engine"}
    with pytest.raises(InputError, match=r"there is no group 'dely'; did you mean 'delay'\?"):
        choose(conditions(mjx=False), ["dely"])


def outcome(*arguments: str) -> int:
    try:
        run(lambda: command(list(arguments)))
        return 0
    except SystemExit as error:
        return int(error.code)


def test_the_command_prints_a_table_and_writes_figures_and_picture(
    deployment: Deployment, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    figures, picture = tmp_path / "t.json", tmp_path / "t.png"
    words = ["--only", "delay", "--episodes", "4", "--seconds", "1.5"]
    assert outcome(str(deployment.folder), *words, "--json", str(figures), "--picture", str(picture)) == 0
    said = capsys.readouterr().out
    assert "delay of 40 ms" in said and AS_TRAINED in said
    found = json.loads(figures.read_text())
    assert len(found["conditions"]) == 6 and found["iteration"] == 4
    assert picture.read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["nothing"], "there is no run 'nothing'"),
        (["DIR", "--only", "dely"], "there is no group 'dely'"),
        (["DIR", "--episodes", "1"], "--episodes 1: expected at least 2"),
        (["DIR", "--seconds", "0.5"], "--seconds 0.5: expected more than 1"),
        (["DIR", "--json", "."], "--json .: that is a folder"),
        (["DIR", "--picture", "nowhere/a.png"], "there is no folder 'nowhere'"),
    ],
)
def test_bad_input_is_one_sentence(
    deployment: Deployment, words: list[str], sentence: str, capsys: pytest.CaptureFixture
) -> None:
    assert outcome(*[str(deployment.folder) if word == "DIR" else word for word in words]) == 2
    said = capsys.readouterr().err
    assert said.startswith("error: ") and sentence in said and len(said.splitlines()) == 1
