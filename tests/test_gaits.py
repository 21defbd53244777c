"""Several gaits on request: what is asked for, when, and how each is told from the others."""

from __future__ import annotations

import dataclasses
import json
import math
from itertools import permutations
from pathlib import Path
from types import SimpleNamespace

import imageio.v2 as imageio
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from conftest import gait_clips

from playground_amp.amp import AMP
from playground_amp.builder import make_amp
from playground_amp.config import CommandConfig, build, load_config, resolve
from playground_amp.core.errors import InputError
from playground_amp.envs.env import Env
from playground_amp.evaluation import command
from playground_amp.evaluation.evaluate import evaluate
from playground_amp.evaluation.gait_labels import (
    GaitEvaluation,
    GaitLabelEvaluation,
    distances_to,
    evaluate_gaits,
    gait_sentences,
    sequential_schedule,
    switching_schedule,
    windows_by_label,
)
from playground_amp.evaluation.reporting import render
from playground_amp.evaluation.reporting.film import film_gaits
from playground_amp.evaluation.rollout import Recording, constant_schedule, make_recorder, record, segment_of_step
from playground_amp.evaluation.style import recording_windows
from playground_amp.motion.clip import save_clip
from playground_amp.motion.reference_builder import load_clips
from playground_amp.robots import Robot
from playground_amp.runs import run_directory
from playground_amp.runs.checkpoint import Checkpoints

STEPS = 12
LABELS = {"slow": "walk", "stand": "stand", "fast": "walk"}


@pytest.fixture(scope="module")
def amp(robot: Robot, tmp_path_factory: pytest.TempPathFactory) -> AMP:
    """Walks at 0.25 and 0.55 m/s and standing, asked for by their labels."""
    folder = tmp_path_factory.mktemp("gaits")
    for clip in gait_clips(robot):
        save_clip(folder / f"{clip.name}.npz", clip)
    values = {
        "env": {"num_envs": 4, "episode_length": STEPS, "command": {"resample": 3}},
        "ppo": {"rollout_length": 4, "batch_size": 8},
        "networks": {"actor": [8], "critic": [8]},
        "amp": {"hidden": [8], "batch_size": 8, "replay_size": 64, "condition": "label"},
        "reference": {
            "clips": [{"path": str(folder / f"{name}.npz"), "label": label} for name, label in LABELS.items()]
        },
    }
    return make_amp(resolve(build(values, "the tests"), accelerator=False))


WALK, STAND = 0, 1


def with_gaits(speed_range: list[list[float]]) -> AMP:
    """Of an algorithm only what decides on what is asked for."""
    gaits = SimpleNamespace(speed_range=jnp.asarray(speed_range))
    env = SimpleNamespace(labelled=True, num_labels=len(speed_range), reference=SimpleNamespace(gaits=gaits))
    return SimpleNamespace(env=env)


def test_every_gait_is_asked_for_as_often_and_at_all_its_speeds() -> None:
    schedule = constant_schedule(with_gaits([[0.2, 0.6], [0.0, 0.0], [1.0, 1.4]]), 9)
    assert (*schedule.label.shape, 3) == schedule.command.shape == (1, 9, 3)
    label, command = np.asarray(schedule.label[0]), np.asarray(schedule.command[0, :, 0])
    np.testing.assert_array_equal(schedule.command[..., 1:], 0.0)
    for gait, speeds in enumerate(([0.2, 0.4, 0.6], [0.0, 0.0, 0.0], [1.0, 1.2, 1.4])):
        np.testing.assert_allclose(np.sort(command[label == gait]), speeds, atol=1e-6)


def test_one_episode_each_is_asked_for_a_speed_of_its_gait() -> None:
    schedule = constant_schedule(with_gaits([[0.2, 0.6], [0.0, 0.0]]), 2)
    np.testing.assert_allclose(schedule.command, [[[0.2, 0.0, 0.0], [0.0, 0.0, 0.0]]])


def test_without_labels_the_speeds_fill_the_range_of_commands() -> None:
    schedule = constant_schedule(asked_for(CommandConfig(forward=(0.4, 0.8))), 5)
    np.testing.assert_allclose(schedule.command, [straight([0.4, 0.5, 0.6, 0.7, 0.8])], atol=1e-6)
    np.testing.assert_array_equal(schedule.label, np.zeros((1, 5)))


def asked_for(command: CommandConfig) -> AMP:
    """Of an algorithm without labels only what decides on what is asked for."""
    return SimpleNamespace(env=SimpleNamespace(labelled=False, config=SimpleNamespace(command=command)))


def test_where_every_way_is_asked_for_half_of_the_commands_are_anywhere_in_the_ranges() -> None:
    command = CommandConfig(forward=(-0.2, 0.8), sideways=(-0.3, 0.1), turn=(0.0, 1.0))
    found = np.asarray(constant_schedule(asked_for(command), 64).command[0])
    np.testing.assert_allclose(found[::2], straight(list(np.linspace(0.1, 0.8, 32))), atol=1e-6)
    low, high = np.array([command.forward, command.sideways, command.turn]).T
    anywhere = (found[1::2] - low) / (high - low)
    assert (anywhere >= 0.0).all() and (anywhere <= 1.0).all()
    for column in anywhere.T:  # each eighth of each range as often, but for one
        assert np.abs(np.histogram(column, 8, (0.0, 1.0))[0] - 4).max() <= 1
    assert np.abs(np.corrcoef(anywhere.T)[np.triu_indices(3, 1)]).max() < 0.3
    only_standing = CommandConfig(forward=(0.4, 0.8), stand_share=0.2)
    assert not np.asarray(constant_schedule(asked_for(only_standing), 9).command)[..., 1:].any()


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({}, ""),
        ({"forward": (0.25, 0.55)}, ""),  # those of the clips
        ({"forward": (0.0, 2.0)}, "env.command.forward has no effect"),
        ({"turn": (-1.0, 1.0), "stand_share": 0.1}, "env.command.turn and env.command.stand_share have no effect"),
        ({"sideways": "auto"}, "env.command.sideways has no effect"),
    ],
)
def test_a_command_that_labels_have_no_part_for_is_told(
    amp: AMP, asked: dict, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    command = CommandConfig(**asked)
    env = dataclasses.replace(amp.config.env, command=command)
    labelled = make_amp(dataclasses.replace(amp.config, env=env))
    told = [line for line in capsys.readouterr().err.splitlines() if "no effect" in line]
    assert told == (
        [f"{said}: amp.condition asks for each gait straight ahead, at the speeds of its own clips"] if said else []
    )
    _, asked_for = labelled.env.task.sample_command(jax.random.key(0), 100)
    np.testing.assert_array_equal(asked_for[:, 1:], 0.0)


def test_gaits_are_asked_for_in_turn_at_the_middle_of_their_speeds() -> None:
    schedule = sequential_schedule(with_gaits([[0.2, 0.6], [0.0, 0.0], [1.0, 1.4]]), 2)
    np.testing.assert_array_equal(schedule.label, [[0, 0], [1, 1], [2, 2]])
    np.testing.assert_allclose(schedule.command[..., 0], [[0.4, 0.4], [0.0, 0.0], [1.2, 1.2]], atol=1e-6)
    np.testing.assert_array_equal(schedule.command[..., 1:], 0.0)
    np.testing.assert_array_equal(segment_of_step(9, 3), [0, 0, 0, 1, 1, 1, 2, 2, 2])


@pytest.mark.parametrize("labels", [2, 3, 4])
def test_every_change_of_gait_is_asked_for_as_often(labels: int) -> None:
    pairs = list(permutations(range(labels), 2))
    speeds = [[float(i), i + 0.5] for i in range(labels)]
    schedule = switching_schedule(with_gaits(speeds), 3 * len(pairs))
    found = sorted(map(tuple, np.asarray(schedule.label).T.tolist()))
    assert found == sorted(3 * pairs)
    np.testing.assert_allclose(schedule.command[..., 0], np.asarray(schedule.label) + 0.25, atol=1e-6)
    np.testing.assert_array_equal(schedule.command[..., 1:], 0.0)


class Still:
    """A policy that does nothing, and remembers what it was told."""

    def __init__(self, env: Env):
        self.env = env

    def policy(self, params: dict, statistics: object, observation: jax.Array) -> tuple[jax.Array, jax.Array]:
        told = jnp.concatenate([observation[:, 33:38], jnp.zeros((len(observation), 4))], axis=-1)
        return told, jnp.zeros(9)


def test_the_recorded_policy_is_told_what_is_asked_for_and_when_it_changes(amp: AMP) -> None:
    """Two halves of an episode; nothing is drawn anew at env.command.resample. The action is what it was told."""
    schedule = switching_schedule(amp, 4)
    recording = make_recorder(Still(amp.env), 4, schedule)(None, None, jax.random.key(0))
    told = np.asarray(recording.action)[..., :5]
    for step in range(STEPS):
        part = 0 if step < STEPS // 2 else 1
        np.testing.assert_allclose(told[step, :, :3], schedule.command[part], atol=1e-6)
        np.testing.assert_array_equal(told[step, :, 3:], np.eye(2)[np.asarray(schedule.label[part])])
    np.testing.assert_allclose(recording.command, schedule.command[0])


def test_a_shorter_recording_has_every_part_as_long(amp: AMP) -> None:
    recording = make_recorder(Still(amp.env), 2, sequential_schedule(amp, 2), 6)(None, None, jax.random.key(0))
    assert len(recording.qpos) == 6
    told = np.asarray(recording.action)[..., :5]
    np.testing.assert_array_equal(told[:, 0, 3:], np.repeat(np.eye(2), 3, axis=0))
    np.testing.assert_allclose(told[:, 0, 0], [0.4] * 3 + [0.0] * 3, atol=0.01)
    assert len(make_recorder(Still(amp.env), 2, None, 99)(None, None, jax.random.key(0)).qpos) == STEPS


def test_robots_start_as_the_gait_that_is_asked_for_first(amp: AMP) -> None:
    schedule = switching_schedule(amp, 40)
    recording = make_recorder(Still(amp.env), 40, schedule)(None, None, jax.random.key(1))
    moving = np.abs(np.asarray(recording.qvel)[0, :, 0]) > 0.1
    assert not moving[np.asarray(schedule.label[0]) == STAND].any()
    assert moving[np.asarray(schedule.label[0]) == WALK].mean() > 0.6  # the others start standing


@pytest.mark.slow
def test_every_gait_is_measured_by_the_episodes_that_were_asked_for_it(
    amp: AMP, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = jax.jit(amp.init)(jax.random.key(0))
    params, statistics = state.policy.params.actor, state.statistics
    steady = record(amp, params, statistics, jax.random.key(0), 6)
    changed = record(amp, params, statistics, jax.random.key(1), 6, switching_schedule(amp, 6))
    monkeypatch.setattr(np, "load", lambda path, **_: pytest.fail(f"'{path}' is read again"))
    found = evaluate_gaits(amp, steady, changed)
    assert windows_by_label(amp) is windows_by_label(amp), "the clips are cut into windows once"
    assert [gait.label for gait in found.gaits] == ["walk", "stand"]
    assert [gait.episodes for gait in found.gaits] == [3, 3]
    assert [gait.command for gait in found.gaits] == pytest.approx([0.4, 0.0], abs=0.01)
    assert found.switches == 6 and 0.0 <= found.switch_survival <= 1.0
    for gait in found.gaits:
        assert set(gait.distances) == {"walk", "stand"}
        assert math.isnan(gait.forward_velocity) and gait.nearest == ""  # twelve steps tell nothing of it


def straight(speeds: list[float]) -> np.ndarray:
    """Commands [N, 3] to walk straight ahead at speeds [N] m/s."""
    return np.stack([speeds, np.zeros(len(speeds)), np.zeros(len(speeds))], axis=-1)


def played(robot: Robot, motions: list[np.ndarray], commands: list[float]) -> Recording:
    length, count = min(map(len, motions)), len(motions)
    qpos = np.stack([qpos[:length] for qpos in motions], axis=1)
    return Recording(
        qpos=qpos,
        pad_height=np.stack([robot.pad_heights(qpos[:, i]) for i in range(count)], axis=1),
        torque=np.zeros((length, count, 9)),
        qvel=np.zeros((length, count, 15)),
        action=np.zeros((length, count, 9)),
        velocity=np.tile(straight(commands), (length, 1, 1)),
        alive=np.ones((length, count), bool),
        fell=np.zeros(count, bool),
        command=straight(commands),
    )


def test_the_motion_of_a_gait_is_nearest_to_its_own_clips(amp: AMP, robot: Robot) -> None:
    fast, stand, _ = (np.tile(clip.qpos, (3, 1)) for clip in gait_clips(robot))
    for motion, own, other in ((fast[:120], "walk", "stand"), (stand, "stand", "walk")):
        distances = distances_to(windows_by_label(amp), recording_windows(amp, played(robot, [motion], [0.0])))
        assert distances[own] < 0.5 * distances[other]


@pytest.mark.parametrize("speed", [0.55, 0.25])
def test_robots_that_stand_when_asked_to_do_not_count_for_the_gait_of_the_walks(
    amp: AMP, robot: Robot, speed: float
) -> None:
    """Nor in the table by speed, where the slow walk is the nearest to standing."""
    walk = np.concatenate([gait_clips(robot)[0].qpos] * 2)
    stand = np.tile(robot.home_qpos, (240, 1))
    alone = evaluate(amp, played(robot, [walk], [speed]))
    beside = evaluate(amp, played(robot, [walk, stand], [speed, 0.0]))
    assert alone.cadence > 0.0
    for name in ("cadence", "step_length", "duty_factor", "step_asymmetry", "cadence_error", "cost_of_transport"):
        assert getattr(beside, name) == pytest.approx(getattr(alone, name), nan_ok=True), name
    assert beside.episodes == 2 and beside.survival == 1.0
    walking = [row for row in beside.speeds if row.command > 0.1]
    assert [row.cadence for row in walking] == pytest.approx([alone.cadence])
    assert [row.duty_factor for row in walking] == pytest.approx([alone.duty_factor])


@pytest.mark.slow
def test_the_video_shows_each_gait_in_turn_and_says_which(
    amp: AMP, robot: Robot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two episodes of 24 steps, the first of which ends after ten; a frame is two steps."""
    clips, shown, grey = {clip.name: clip.qpos for clip in gait_clips(robot)}, {}, np.full((480, 640, 3), 200, np.uint8)

    def grey_frames(robot: Robot, motion: np.ndarray, reference: np.ndarray) -> list[np.ndarray]:
        shown["motion"], shown["reference"] = motion, reference
        return [grey] * len(motion)

    monkeypatch.setattr(render, "render", grey_frames)
    monkeypatch.setattr(render, "write_video", lambda path, frames: shown.update(frames=frames))
    recording = played(robot, [clips["stand"][:24], clips["fast"][:24]], [0.4, 0.4])
    alive = np.arange(24)[:, None] < np.array([10, 24])
    film_gaits(tmp_path / "final.mp4", amp, recording.replace(alive=alive))
    np.testing.assert_array_equal(shown["motion"], clips["fast"][:24:2])
    walk, stand = shown["reference"][:6], shown["reference"][6:]
    assert any(np.allclose(walk, clips[name][:12:2], atol=1e-5) for name in ("fast", "slow"))
    np.testing.assert_allclose(stand, clips["stand"][:12:2], atol=1e-5)
    words = ["asked for walk, 0.40 m/s"] * 6 + ["asked for stand, 0.00 m/s"] * 6
    for frame, text in zip(shown["frames"], words, strict=True):
        np.testing.assert_array_equal(frame, render.caption(grey, text))
    stills = imageio.imread(tmp_path / "final.png")
    assert stills.shape == (380, 8 * 440, 3)
    first, last = stills[:, :440], stills[:, -440:]
    assert first.min() < 50 and last.min() < 50 and not np.array_equal(first, last)


@pytest.mark.slow
def test_a_run_of_several_gaits_is_judged_by_each_of_them_and_not_by_other_speeds(
    amp: AMP, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run_directory.write_config(tmp_path, amp.config)
    with Checkpoints(tmp_path / "checkpoints") as checkpoints:
        checkpoints.save(1, jax.jit(amp.init)(jax.random.key(0)), {"iteration": 1, "env_steps": 16})
    output = tmp_path / "figures.json"
    words = [str(tmp_path), "--checkpoint", "newest", "--episodes", "4", "--seed", "1", "--json", str(output)]
    with pytest.raises(InputError, match=r"is asked for gaits, each at the speeds of its clips; leave --speeds out$"):
        command.evaluate([*words, "--speeds", "0.4", "0.8"])
    assert capsys.readouterr().out == ""
    command.evaluate(words)
    (found,) = json.loads(output.read_text())
    assert [(gait["label"], gait["episodes"]) for gait in found["gaits"]["gaits"]] == [("walk", 2), ("stand", 2)]
    assert found["gaits"]["switches"] == 4
    assert "another gait asked for half-way" in capsys.readouterr().out


def test_sentences_name_every_gait_and_the_changes() -> None:
    walk = GaitLabelEvaluation("walk", 32, 0.75, 0.5, 0.47, {"walk": 0.1, "stand": 0.9}, "walk")
    lines = gait_sentences(GaitEvaluation((walk,), 64, 0.5))
    assert lines[0].startswith("asked for walk: 75% of 32 episodes without a fall, 0.47 m/s at 0.50 commanded")
    assert "0.10 to walk, 0.90 to stand" in lines[0]
    assert lines[1] == "another gait asked for half-way: 50% of 64 episodes without a fall"


def test_the_shipped_configuration_of_gaits_has_clips_of_three(robot: Robot) -> None:
    config = load_config("ppo_amass_gaits")
    clips = load_clips(config.reference.clips, robot, control_dt=config.env.control_dt)
    assert {clip.label for clip in clips} == {"stand", "slow", "fast"}
    assert config.amp.condition == "label"
