"""Exported policies: the engines against JAX, the runner without JAX, and a contract that refuses every difference."""

from __future__ import annotations

import dataclasses
import io
import json
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import training_runs

from playground_amp import InputError
from playground_amp.deploy import Deployment, Limits, Readings, Runner, gravity_of, load, replay
from playground_amp.deploy.contract import ROBOT_KEYS
from playground_amp.deploy.load import Policy
from playground_amp.deploy.loop import run_loop
from playground_amp.deploy.replay import read_trace
from playground_amp.deploy.transport import parse_readings, serve_lines, serve_udp
from playground_amp.export.export import export_run
from playground_amp.export.transfer.conditions import conditions
from playground_amp.export.transfer.walk import starts_of, walk

ROOT = Path(__file__).parents[1]
PERIOD = 0.02
WITHOUT_JAX = """
import sys

class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {"jax", "jaxlib", "flax", "brax", "mujoco", "pydantic", "rich", "scipy", "onnx"}:
            raise ImportError(f"{name} is blocked")

sys.meta_path.insert(0, Blocked())
from playground_amp.__main__ import main
main(sys.argv[1:])
"""


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a small run's symmetric policy."""
    folder = tmp_path_factory.mktemp("export")
    run = training_runs.train(folder / "run", "env.episode_length=30")
    export = export_run(run, folder / "exported", robots=32, steps=40)
    assert export.observations == 32 * 40 and set(export.errors) == {"onnx", "numpy"}
    return export.folder


@pytest.fixture(scope="module")
def deployment(exported: Path) -> Deployment:
    return load(exported)


@pytest.fixture
def copied(exported: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(exported, tmp_path / "copied"))


def robot_of(deployment: Deployment) -> dict:
    """What a driver of the contract's robot says."""
    contract = deployment.contract
    gains = {"kp": "kp", "kd": "kd", "torque_limits": "torque_limit"}
    numbers = {name: contract.of_joints(key).tolist() for name, key in gains.items()}
    return {"joints": contract.joints, "rate": contract.interface["rate"]} | numbers


def standing(deployment: Deployment, time: float = 0.0, **changes: object) -> Readings:
    """Upright and still in the standing pose."""
    home = deployment.contract.of_joints("home")
    still = Readings(time, np.zeros(3), np.array([0.0, 0.0, -1.0]), home, np.zeros(len(home)), (0.6, 0.0, 0.0))
    return dataclasses.replace(still, **changes)


def running(deployment: Deployment) -> tuple[Runner, float]:
    """A runner whose policy acts, and the time of its next step."""
    runner, now = Runner(deployment), 0.0
    while runner.phase != "run":
        runner.step(standing(deployment, now, run=True), now)
        now += PERIOD
    return runner, now


# The engines


@pytest.mark.parametrize("engine", ["onnx", "numpy"])
def test_engines_are_jax_on_observations_of_episodes(exported: Path, engine: str) -> None:
    trace = np.load(exported / "trace.npz")
    action, target = load(exported, engine=engine).policy(trace["observation"])
    np.testing.assert_allclose(action, trace["action"], atol=1e-5, rtol=0)
    np.testing.assert_allclose(target, trace["target"], atol=1e-5, rtol=0)
    assert np.ptp(trace["target"], axis=0).min() > 1e-4


@pytest.mark.slow
def test_a_plain_policy_is_exported_too(tmp_path: Path) -> None:
    run = training_runs.train(tmp_path / "run", "networks.symmetric=false", "networks.actor=[16,12]")
    export = export_run(run, tmp_path / "exported", robots=8, steps=5)
    assert max(export.errors.values()) < 1e-5
    assert "action_partner" not in np.load(export.folder / "policy.npz")


@pytest.mark.slow
def test_a_policy_of_a_robust_run_is_exported_with_its_history_and_without_what_was_randomized(tmp_path: Path) -> None:
    settings = ("env.history=3", "env.randomize.gyro_noise=0.5", "env.randomize.action_delay=[2,2]")
    run = training_runs.train(tmp_path / "run", *settings, "env.randomize.slope=0.2", "env.episode_length=30")
    exported = export_run(run, tmp_path / "exported", robots=8, steps=40)
    assert max(exported.errors.values()) < 1e-5
    for engine in ("onnx", "numpy"):
        deployment = load(exported.folder, engine=engine)
        contract = deployment.contract
        assert contract.interface["history"] == 3 and contract.observation_size == 3 * contract.frame_size == 3 * 36
        assert max(replay(deployment).values()) < 1e-5
    assert "The frames of 3 control steps" in (exported.folder / "README.md").read_text()
    starts = starts_of(contract, read_trace(exported.folder, contract), 4)
    assert walk(deployment, conditions(mjx=False)[0], starts, 0.2, seed=1).survived.shape == (4,)


def test_the_runner_gives_the_policy_the_last_frames_and_the_first_again_when_it_begins(deployment: Deployment) -> None:
    seen: list[np.ndarray] = []

    def policy(observation: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        seen.append(observation[0])
        return np.zeros((1, 9)), deployment.contract.of_joints("default")[None]

    interface = {**deployment.contract.interface, "history": 3}
    contract = dataclasses.replace(deployment.contract, values={**deployment.contract.values, "interface": interface})
    runner = Runner(dataclasses.replace(deployment, contract=contract, policy=policy))
    for _ in range(2):
        runner.reset()
        for ahead in (0.5, 0.6, 0.7, 0.8):
            runner.act(standing(deployment, command=(ahead, 0.0, 0.0)))
    frames = np.array(seen).reshape(8, 3, contract.frame_size)
    commands = frames[:, :, contract.interface["observation"][-1]["offset"]]
    low, high = contract.command_range[:, 0]
    expected = np.array([[5, 5, 5], [5, 5, 6], [5, 6, 7], [6, 7, 8]])
    np.testing.assert_allclose(commands, np.clip(0.1 * np.tile(expected, (2, 1)), low, high), atol=1e-6)
    assert np.ptp(commands) > 0.05


def test_a_symmetric_policy_is_symmetric(deployment: Deployment) -> None:
    file, rng = np.load(deployment.folder / "policy.npz"), np.random.default_rng(0)
    observation = rng.normal(size=(20, deployment.contract.observation_size)).astype(np.float32)
    reflected = observation[:, file["observation_partner"]] * file["observation_sign"]
    action, other = deployment.policy(observation)[0], deployment.policy(reflected)[0]
    np.testing.assert_allclose(other, action[:, file["action_partner"]] * file["action_sign"], atol=1e-5)


def test_old_engines_can_read_the_graph(exported: Path) -> None:
    onnx = pytest.importorskip("onnx")
    model = onnx.load(exported / "policy.onnx")
    assert (model.ir_version, [opset.version for opset in model.opset_import]) == (8, [17])


def test_the_player_is_short_and_needs_numpy_alone(exported: Path) -> None:
    assert len((exported / "player.py").read_text().splitlines()) <= 32
    code = "import numpy as np, player; print(player.load('policy.npz')(np.load('trace.npz')['observation'])[1].shape)"
    done = subprocess.run([sys.executable, "-c", code], cwd=exported, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == str(np.load(exported / "trace.npz")["target"].shape)


def test_the_robot_of_the_folder_is_the_one_that_was_trained(exported: Path) -> None:
    import mujoco

    from playground_amp import load_robot

    one, other = load_robot("wildrobot").model, mujoco.MjModel.from_xml_path(str(exported / "robot.xml"))
    names = ("body_mass", "body_inertia", "dof_armature", "actuator_gainprm", "actuator_biasprm", "geom_friction")
    for name in names:
        np.testing.assert_allclose(getattr(other, name), getattr(one, name), atol=1e-6, err_msg=name)
    assert (one.nmesh, one.opt.timestep, one.opt.cone) == (0, other.opt.timestep, other.opt.cone)


# Without JAX


@pytest.mark.parametrize("engine", ["onnx", "numpy"])
def test_the_golden_trace_is_replayed_without_jax(exported: Path, engine: str) -> None:
    command = [sys.executable, "-c", WITHOUT_JAX, "deploy", str(exported), "--engine", engine]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "contract and files agree; the golden trace is replayed to" in done.stderr


def test_a_trace_that_does_not_come_out_is_refused(copied: Path) -> None:
    deployment = load(copied)
    trace = dict(np.load(copied / "trace.npz"))
    np.savez(copied / "trace.npz", **trace | {"gyro": trace["gyro"] + 1e-3})
    with pytest.raises(InputError, match="the observation differs by 1"):
        replay(deployment)


@pytest.mark.slow
def test_the_extra_deploy_is_enough_in_a_fresh_environment(exported: Path, tmp_path: Path) -> None:
    """With the oldest onnxruntime that the extra allows."""
    import tomllib

    needs = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]["deploy"]
    oldest = [f"onnxruntime=={need.split('>=')[1].split(',')[0]}" for need in needs if need.startswith("onnxruntime")]
    python = tmp_path / "venv/bin/python"
    for command in (
        [sys.executable, "-m", "venv", str(tmp_path / "venv")],
        [str(python), "-m", "pip", "install", "--quiet", *needs, *oldest],
        [str(python), "-m", "pip", "install", "--quiet", "--no-deps", str(ROOT)],
    ):
        subprocess.run(command, check=True, cwd=tmp_path)
    done = subprocess.run(
        [str(tmp_path / "venv/bin/playground-amp"), "deploy", str(exported)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    have = subprocess.run([str(python), "-c", "import jax"], capture_output=True, text=True, check=False)
    assert "No module named 'jax'" in have.stderr


# The contract

Change = Callable[[dict], object]


def joint(values: dict, place: int = 0) -> dict:
    return values["interface"]["joints"][place]


def exchange(values: list, one: int, other: int) -> None:
    values[one], values[other] = values[other], values[one]


CHANGES: dict[str, tuple[Change, str]] = {
    "a joint renamed": (lambda v: joint(v).update(name="neck"), r"joints\[0\].name is \"neck\", but policy.onnx"),
    "two joints exchanged": (lambda v: exchange(v["interface"]["joints"], 1, 5), r"joints\[1\].name is"),
    "a joint less": (lambda v: v["interface"]["joints"].pop(), "size 9; expected|joints is|of size 9|but policy.onnx"),
    "a size off by one": (lambda v: v["interface"]["observation"][1].update(size=4), "angular_velocity.*size 4"),
    "an offset off by one": (
        lambda v: v["interface"]["observation"][2].update(offset=7),
        "offset 7.*expected offset 6",
    ),
    "terms exchanged": (lambda v: exchange(v["interface"]["observation"], 0, 1), "expected offset 0"),
    "another rate": (
        lambda v: v["interface"].update(rate=60.0),
        "rate is 60.0, but policy.onnx was exported with 50.0",
    ),
    "another stiffness": (lambda v: joint(v).update(kp=30.0), r"joints\[0\].kp is 30.0"),
    "another torque": (lambda v: joint(v, 3).update(torque_limit=9.0), r"joints\[3\].torque_limit is 9.0"),
    "another pose": (lambda v: joint(v, 2).update(default=0.5), r"joints\[2\].default is 0.5"),
    "another scale": (lambda v: joint(v, 2).update(scale=0.5), r"joints\[2\].scale is 0.5"),
    "another unit": (lambda v: v["interface"]["observation"][1].update(unit="deg/s"), r"observation\[1\].unit is"),
    "another frame": (lambda v: v["interface"]["readings"][0].update(frame="world"), r"readings\[0\].frame is"),
    "another hash": (lambda v: v["files"].update({"policy.onnx": "0" * 64}), r"policy.onnx: is not the file"),
    "another robot": (lambda v: v["interface"].update(robot="g1"), 'interface.robot is "g1"'),
    "other features": (lambda v: v["interface"].update(features_sha256="0"), "interface.features_sha256 is"),
    "another format": (lambda v: v.update(format=1), "format is 1, this version reads 2"),
    "another version of the observation": (
        lambda v: v["interface"].update(observation_version=2),
        "observation_version is 2, this version makes observations of version 1",
    ),
    "a key missing": (lambda v: joint(v).pop("kd"), r"interface.joints\[0\] has no 'kd'; expected the keys name, "),
    "a key too many": (lambda v: v["interface"].update(speed=1), "interface has an unknown key 'speed'"),
    "a text for a number": (
        lambda v: v["interface"].update(rate="fast"),
        'interface.rate is "fast"; expected a number',
    ),
    "a number that is none": (lambda v: joint(v).update(kp=float("nan")), "kp is nan; expected a finite number"),
    "a list for the whole": (lambda v: v.update(interface=[]), r"interface is \[\]; expected a section"),
}


@pytest.mark.parametrize("engine", ["onnx", "numpy"])
@pytest.mark.parametrize("name", CHANGES)
def test_a_contract_that_was_changed_is_refused_in_one_sentence(copied: Path, name: str, engine: str) -> None:
    change, sentence = CHANGES[name]
    file = copied / "contract.json"
    values = json.loads(file.read_text())
    change(values)
    file.write_text(json.dumps(values))
    policy = {"onnx": "policy.onnx", "numpy": "policy.npz"}[engine]
    with pytest.raises(InputError, match=sentence.replace("but policy.onnx", f"but {policy}")) as error:
        load(copied, engine=engine)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("name", ["policy.onnx", "policy.npz", "trace.npz", "robot.xml"])
def test_a_file_that_was_changed_or_is_missing_is_refused(copied: Path, name: str) -> None:
    file = copied / name
    file.write_bytes(file.read_bytes()[:-1])
    with pytest.raises(InputError, match="is not the file that was exported"):
        load(copied)
    file.unlink()
    with pytest.raises(InputError, match="cannot be read: No such file"):
        load(copied)


@pytest.mark.parametrize("text", ["", "{", "[]", "\x00", '{"format": "1"}'])
def test_a_contract_that_is_none_is_refused(copied: Path, text: str) -> None:
    (copied / "contract.json").write_text(text)
    with pytest.raises(InputError, match=r"contract.json: (is not JSON|format is)"):
        load(copied)


ROBOTS: dict[str, tuple[Change, str]] = {
    "renamed": (lambda r: r.update(joints=["neck", *r["joints"][1:]]), "others: joint 0 is 'neck'"),
    "exchanged": (lambda r: exchange(r["joints"], 1, 5), "in another order: joint 1 is"),
    "fewer": (lambda r: r["joints"].pop(), "the policy has 9"),
    "rate": (lambda r: r.update(rate=100), "rate is 100 Hz; the policy runs at 50"),
    "kp": (lambda r: exchange(r["kp"], 0, 0) or r["kp"].__setitem__(4, 20.0), "kp of '.*' is 20.0; the policy was"),
    "kd": (lambda r: r.update(kd=r["kd"][:-1]), "kd are .*; expected 9 numbers"),
    "torque": (lambda r: r["torque_limits"].__setitem__(0, "4"), "torque_limits of 'waist_yaw' is '4'"),
    "missing": (lambda r: r.pop("kd"), "does not say 'kd'"),
    "unknown": (lambda r: r.update(ki=1), "says 'ki', which is unknown"),
}


@pytest.mark.parametrize("name", ROBOTS)
def test_another_robot_is_refused_in_one_sentence(deployment: Deployment, name: str) -> None:
    robot = robot_of(deployment)
    load(deployment.folder, robot=robot)
    assert set(robot) == set(ROBOT_KEYS)
    change, sentence = ROBOTS[name]
    change(robot)
    with pytest.raises(InputError, match=sentence) as error:
        load(deployment.folder, robot=robot)
    assert "\n" not in str(error.value)


# The runner


def test_the_ramp_goes_from_any_pose_to_standing_and_no_faster_than_it_may(deployment: Deployment) -> None:
    runner, home = Runner(deployment), deployment.contract.of_joints("home")
    lower, upper = (deployment.contract.of_joints(key) for key in ("lower", "upper"))
    pose, targets, now = np.where(home - lower > upper - home, lower, upper), [], 0.0
    while runner.phase == "ramp":
        output = runner.step(standing(deployment, now, joint_positions=pose, run=True), now)
        targets.append(output.target)
        now += PERIOD
    assert np.abs(targets[0] - pose).max() < 0.01
    np.testing.assert_allclose(targets[-1], home, atol=1e-9)
    assert np.abs(np.diff(targets, axis=0)).max() / PERIOD <= Limits().ramp_speed * 1.001
    assert len(targets) > np.abs(pose - home).max() / (Limits().ramp_speed * PERIOD)


def test_nothing_acts_until_the_operator_says_so(deployment: Deployment) -> None:
    runner, home = Runner(deployment), deployment.contract.of_joints("home")
    for step in range(100):
        output = runner.step(standing(deployment, step * PERIOD), step * PERIOD)
    assert output.phase == "hold"
    np.testing.assert_allclose(output.target, home)
    assert runner.step(standing(deployment, 2.0, run=True), 2.0).phase == "run"
    assert runner.step(standing(deployment, 2.02), 2.02).phase == "ramp"


BAD = {
    "stale": ({"time": -1.0}, "readings are 1.* ms old, more than 50 ms"),
    "no time": ({"time": float("nan")}, "of the time nan"),
    "too few": ({"gyro": [0.0, 0.0]}, r"gyro has the shape \[2\]; expected 3 numbers"),
    "not finite": ({"joint_positions": [np.nan] * 9}, "joint_positions is not finite"),
    "no numbers": ({"gyro": ["a", "b", "c"]}, "not made of numbers"),
    "ragged": ({"joint_velocities": [[0.0], 1.0]}, "not made of numbers"),
    "no command": ({"command": (np.nan, 0.0, 0.0)}, "command is not finite"),
    "accelerometer": ({"gravity": [0.0, 0.0, -9.81]}, "length 9.81; expected a unit vector"),
    "fell": ({"gravity": [0.95, 0.0, -0.31225]}, "it fell"),
    "spins": ({"gyro": [0.0, 40.0, 0.0]}, "gyro reads 40.0 rad/s"),
    "beyond": ({"joint_positions": [3.0] * 9}, "reads 3.00 rad, which is beyond its range"),
    "flies": ({"joint_velocities": [500.0] * 9}, "moves at 500.0 rad/s"),
}


@pytest.mark.parametrize("name", BAD)
def test_stale_and_absurd_readings_stop_for_good_until_a_reset(deployment: Deployment, name: str) -> None:
    changes, sentence = BAD[name]
    runner, now = running(deployment)
    if "time" in changes:
        changes = {"time": now + changes["time"]}
    bad = standing(deployment, now, run=True)
    output = runner.step(dataclasses.replace(bad, **changes), now)
    assert output.phase == "stopped"
    with pytest.raises(AssertionError, match=sentence):
        raise AssertionError(output.reason)
    assert not output.kp.any() and output.kd.all()
    again = runner.step(standing(deployment, now + PERIOD, run=True), now + PERIOD)
    assert (again.phase, again.reason) == ("stopped", output.reason)
    runner.reset()
    assert runner.step(standing(deployment, now, run=True), now).phase == "ramp"


def test_targets_are_held_back_and_within_the_range(deployment: Deployment) -> None:
    contract = deployment.contract

    def wild(observation: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        sign = (-1.0) ** len(calls)
        calls.append(0)
        return np.ones((1, 9), np.float32), np.full((1, 9), sign * 5.0, np.float32)

    calls: list[int] = []
    policy: Policy = wild
    runner, now = running(dataclasses.replace(deployment, policy=policy))
    targets = [runner.step(standing(deployment, now + i * PERIOD, run=True), now + i * PERIOD).target for i in range(9)]
    step = Limits().step * contract.of_joints("largest_step")
    assert (np.abs(np.diff(targets, axis=0)) <= step + 1e-9).all() and np.ptp(targets, axis=0).max() > 0.01
    assert (np.array(targets) >= contract.of_joints("lower")).all()
    assert (np.array(targets) <= contract.of_joints("upper")).all()


def test_a_low_pass_follows_slowly(deployment: Deployment) -> None:
    limits = Limits(low_pass=1.0, step=1e6)
    from playground_amp.deploy.limits import limit_targets

    home = deployment.contract.of_joints("home")
    moved = limit_targets(deployment.contract, limits, home + 0.01, home) - home
    np.testing.assert_allclose(moved[2:3], 0.01 * (1.0 - np.exp(-2.0 * np.pi * PERIOD)), rtol=1e-6)
    with pytest.raises(InputError, match="low_pass is -1"):
        Limits(low_pass=-1)


def test_commands_are_held_within_what_was_trained(deployment: Deployment) -> None:
    runner, _ = running(deployment)
    place = next(t["offset"] for t in deployment.contract.interface["observation"] if t["name"] == "command")
    observation, _, _ = runner.act(standing(deployment, command=(9.0, 9.0, -9.0)))
    np.testing.assert_allclose(observation[place : place + 3], deployment.contract.command_range[[1, 1, 0], range(3)])


def test_gravity_of_an_orientation() -> None:
    half = 0.1
    pitched_down = [np.cos(half), 0.0, np.sin(half), 0.0]  # by 0.2 rad: gravity leans ahead
    np.testing.assert_allclose(gravity_of(pitched_down), [np.sin(0.2), 0.0, -np.cos(0.2)], atol=1e-12)
    rolled_right = [np.cos(half), np.sin(half), 0.0, 0.0]
    np.testing.assert_allclose(gravity_of(rolled_right), [0.0, -np.sin(0.2), -np.cos(0.2)], atol=1e-12)


# The transports


def line_of(deployment: Deployment, time: float | None = None, **more: object) -> str:
    still = standing(deployment)
    names = ("gyro", "gravity", "joint_positions", "joint_velocities")
    values = {name: np.asarray(getattr(still, name)).tolist() for name in names} | {"command": [0.6, 0.0, 0.0]} | more
    return json.dumps(values | ({} if time is None else {"time": time}))


def serve(deployment: Deployment, lines: list[str], interval: float = PERIOD) -> list[dict]:
    clock = iter(np.arange(len(lines)) * interval + 5.0)
    sink = io.StringIO()
    serve_lines(deployment, Limits(), io.StringIO("\n".join(lines) + "\n"), sink, lambda: float(next(clock)))
    return [json.loads(line) for line in sink.getvalue().splitlines()]


def test_a_line_a_step_there_and_back_is_the_runner(deployment: Deployment) -> None:
    greeting = json.dumps({"robot": robot_of(deployment)})
    lines = [line_of(deployment, 1000.0 + i * PERIOD, run=True) for i in range(120)]
    ready, *answers = serve(deployment, [greeting, *lines])
    assert ready == {"ready": "wildrobot", "joints": deployment.contract.joints, "rate": 50.0}
    runner = Runner(deployment)
    expected = [runner.step(standing(deployment, i * PERIOD, run=True), i * PERIOD) for i in range(120)]
    assert [answer["phase"] for answer in answers] == [output.phase for output in expected]
    assert answers[-1]["phase"] == "run" and "reason" not in answers[-1]
    np.testing.assert_allclose([a["target"] for a in answers], [output.target for output in expected], atol=1e-6)


def test_lines_that_are_wrong_stop_with_a_sentence(deployment: Deployment) -> None:
    greeting, good = json.dumps({"robot": robot_of(deployment)}), line_of(deployment)
    for bad, sentence in {
        "{": "a line is not JSON",
        "[]": "a line is not a JSON object",
        '{"gyro": [0, 0, 0]}': "a line has no 'gravity'",
        line_of(deployment, speed=1): "a line has 'speed', which is unknown",
        line_of(deployment, run="yes"): "no number, object, true or false",
        line_of(deployment, gravity=[0, 0, -9.81]): "expected a unit vector",
    }.items():
        _, _, stopped, still, again = serve(deployment, [greeting, good, bad, good, line_of(deployment, reset=True)])
        assert stopped["phase"] == still["phase"] == "stopped" and sentence in stopped["reason"]
        assert again["phase"] == "ramp"


def test_lines_at_another_rate_or_with_a_clock_that_stands_still_stop(deployment: Deployment) -> None:
    greeting = json.dumps({"robot": robot_of(deployment)})
    twice = serve(deployment, [greeting, *[line_of(deployment, run=True)] * 150], interval=PERIOD / 2)
    assert twice[-1]["reason"] == "lines come at 100 Hz, the policy runs at 50 Hz"
    still = serve(deployment, [greeting, *[line_of(deployment, 7.0, run=True)] * 5])
    assert "ms old, more than 50 ms" in still[-1]["reason"]


@pytest.mark.parametrize("first", ["", "{}", '{"robot": {}}', '{"robot": {"joints": []}}'])
def test_a_robot_that_is_not_greeted_is_answered_with_an_error(deployment: Deployment, first: str) -> None:
    sink = io.StringIO()
    with pytest.raises(InputError):
        serve_lines(deployment, Limits(), io.StringIO(first + "\n"), sink)
    assert set(json.loads(sink.getvalue())) == {"error"}


def test_datagrams_are_answered_at_the_control_rate_and_their_end_stops(deployment: Deployment) -> None:
    ports: list[int] = []
    ready, timings = threading.Event(), []

    def bound(port: int) -> None:
        ports.append(port)
        ready.set()

    limits = Limits(stale=20.0)  # 0.4 s: other tests may be running

    def serve_all() -> None:
        timings.append(serve_udp(deployment, limits, port=0, steps=500, bound=bound))

    server = threading.Thread(target=serve_all)
    server.start()
    assert ready.wait(10)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as link:
        link.settimeout(10)
        link.connect(("127.0.0.1", ports[0]))
        link.send(json.dumps({"robot": robot_of(deployment)}).encode())
        assert json.loads(link.recv(65_536))["ready"] == "wildrobot"
        for _ in range(10):
            link.send(line_of(deployment).encode())
            assert json.loads(link.recv(65_536))["phase"] == "ramp"
        answers = []
        while not answers or answers[-1]["phase"] != "stopped":  # nothing is sent any more
            answers.append(json.loads(link.recv(65_536)))
        assert "ms old, more than 400 ms" in answers[-1]["reason"]
        link.send(b'{"end": true}')
        server.join(10)
    assert not server.is_alive() and len(timings[0].late) > len(answers)


def test_readings_need_no_time_of_their_own(deployment: Deployment) -> None:
    readings, reset = parse_readings(line_of(deployment), 3.0)
    assert (readings.time, readings.run, reset) == (3.0, False, False)


def test_the_loop_keeps_absolute_deadlines_and_counts_those_it_missed() -> None:
    """By a clock of its own, which ticks whenever it is looked at."""
    now, starts = [0.0], []

    def clock() -> float:
        now[0] += 1e-5
        return now[0]

    def sleep(seconds: float) -> None:
        now[0] += seconds + 5e-4  # wakes late

    def step(start: float) -> bool:
        starts.append(start)
        now[0] += 0.025 if len(starts) == 3 else 0.004
        return len(starts) < 20

    timing = run_loop(step, 0.01, 50, clock=clock, sleep=sleep)
    assert len(timing.late) == 20 and timing.missed == 2
    np.testing.assert_allclose(starts, 1e-5 + 0.01 * np.array([1, 2, 3, *range(6, 23)]), atol=5e-5)
    assert max(timing.late) < 5e-5 and max(timing.took) == pytest.approx(0.025, abs=1e-4)
    assert timing.sentence().endswith("2 deadlines missed")


# The command


def test_what_exists_is_not_written_over_and_an_error_leaves_nothing(exported: Path, tmp_path: Path) -> None:
    run = exported.parent / "run"
    with pytest.raises(InputError, match="there is something already"):
        export_run(run, exported)
    with pytest.raises(InputError, match="checkpoint"):
        export_run(run, tmp_path / "a" / "b", checkpoint="77")
    with pytest.raises(InputError, match="there is no run"):
        export_run(tmp_path / "nothing", tmp_path / "c")
    assert list(tmp_path.iterdir()) == []


def test_the_same_checkpoint_gives_the_same_folder(exported: Path, tmp_path: Path) -> None:
    again = export_run(exported.parent / "run", tmp_path / "again", robots=32, steps=40).folder
    for name in ("policy.onnx", "contract.json", "README.md", "player.py", "robot.xml"):
        assert (again / name).read_bytes() == (exported / name).read_bytes(), name


def test_the_readme_names_every_reading_joint_and_file(exported: Path) -> None:
    text, contract = (exported / "README.md").read_text(), load(exported).contract
    for name in [*contract.joints, *(one["name"] for one in contract.interface["readings"]), "trace.npz"]:
        assert name in text
    assert "{" not in text.replace("{`", "") and "no velocity of the body" in text
