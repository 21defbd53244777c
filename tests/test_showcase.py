"""The end of a run: evaluation, video, stills, report."""

import dataclasses
import json
import math
from pathlib import Path

import imageio.v2 as imageio
import numpy as np
import pytest

from playground_amp.builder import make_amp
from playground_amp.config import ClipSource, Config, EnvConfig, LoggingConfig, resolve
from playground_amp.evaluation.columns import GROUPS, SPEED_COLUMNS
from playground_amp.evaluation.evaluate import Evaluation, SpeedRow, evaluate
from playground_amp.evaluation.reporting import render
from playground_amp.evaluation.reporting.final_report import _gait, write_evaluation, write_final_report
from playground_amp.evaluation.reporting.run_report import write_report
from playground_amp.evaluation.rollout import Recording
from playground_amp.motion.clip import load_clip
from playground_amp.motion.reference_builder import find_clips
from playground_amp.robots import Robot, load_robot
from playground_amp.runs.metrics_log import read_metrics


@pytest.fixture(scope="module")
def robot():
    return load_robot("wildrobot")


@pytest.fixture(scope="module")
def clip(robot):
    return load_clip(find_clips([ClipSource("data/wildrobot/walk_0.6_a.npz")])[0], robot)


@pytest.fixture(scope="module")
def amp():
    """The default configuration, with no picture made."""
    config = Config(env=EnvConfig(num_envs=1), logging=LoggingConfig(video_seconds=0.0))
    return make_amp(resolve(config, accelerator=False))


def recording(
    robot: Robot, qpos: np.ndarray, speed: float, *, fell: bool = False, steps: int | None = None
) -> Recording:
    """One episode that plays `qpos` at `speed`, ended after `steps`."""
    length = len(qpos)
    alive = np.arange(length) < (length if steps is None else steps)
    return Recording(
        qpos=qpos[:, None],
        pad_height=robot.pad_heights(qpos)[:, None],
        torque=np.zeros((length, 1, 9)),
        qvel=np.zeros((length, 1, 15)),
        action=np.zeros((length, 1, 9)),
        velocity=np.tile([speed, 0.0, 0.0], (length, 1, 1)),
        alive=alive[:, None],
        fell=np.array([fell]),
        command=np.array([[0.5, 0.0, 0.0]]),
    )


def test_evaluation_of_a_clip_gives_the_gait_of_the_clip(amp, robot, clip):
    result = evaluate(amp, recording(robot, clip.qpos, 0.6))
    assert result.survival == 1.0
    assert result.forward_velocity == pytest.approx(0.6)
    assert result.velocity_error == pytest.approx(0.1)
    assert result.cadence == pytest.approx(60.0 / robot.retarget.longest_step, rel=0.05)
    assert result.step_length == pytest.approx(0.6 * robot.retarget.longest_step, rel=0.05)
    assert 0.55 < result.duty_factor < 0.7
    assert result.foot_skating < 0.03


def test_what_follows_the_end_of_an_episode_does_not_count(amp, robot, clip):
    result = evaluate(amp, recording(robot, clip.qpos, 0.6, fell=True, steps=40))
    assert result.episode_length == 40
    assert result.survival == 0.0
    assert np.isnan(result.forward_velocity)


def test_frames_show_robot_and_reference_and_the_video_plays(robot, clip, tmp_path):
    motion = clip.qpos[:20:4]
    frames = render.render(robot, motion, render.loop(clip.qpos, len(motion)))
    orange = (frames[0][..., 0] > 200) & (frames[0][..., 2] < 120)
    assert orange.sum() > 500
    render.write_video(tmp_path / "videos" / "a.mp4", frames)
    read = imageio.mimread(tmp_path / "videos" / "a.mp4")
    assert len(read) == len(motion)
    assert read[0].shape == (480, 640, 3)
    render.write_strip(tmp_path / "a.png", frames, count=3)
    assert imageio.imread(tmp_path / "a.png").shape[1] == 3 * 440


def test_a_command_is_an_arrow_to_where_it_goes(robot, clip):
    """Blue ahead of the robot on its left picture half and behind it where it is told to go back, none to stand."""
    commands = np.array([[0.6, 0.0, 0.0], [-0.6, 0.0, 0.0], [0.0, 0.0, 0.0], [0.0, 0.0, 0.8]])
    motion = np.repeat(clip.qpos[:1], 4, axis=0)
    plain, frames = (render.render(robot, motion, motion, commands=given) for given in (None, commands))
    drawn = [(np.abs(a.astype(int) - b).sum(axis=-1) > 100) for a, b in zip(frames, plain, strict=True)]
    ahead, back, stand, turn = (np.nonzero(where)[1] for where in drawn)
    assert len(stand) == 0 and min(len(ahead), len(back), len(turn)) > 50
    assert ahead.mean() > back.mean() + 40


def test_words_stand_in_the_corner_that_stills_show_and_nowhere_else():
    grey = np.full((480, 640, 3), 200, np.uint8)
    frame, other = (render.caption(grey, f"asked for {name}") for name in ("stand", "walk"))
    assert (grey == 200).all() and frame.dtype == np.uint8
    rows, columns = np.nonzero((frame != grey).any(axis=-1))
    crop = np.zeros((480, 640))
    crop[render.CROP] = 1
    assert len(rows) > 200 and crop[rows, columns].all()
    assert frame.min() < 50 and not np.array_equal(frame, other)


def run_folder(path: Path) -> Path:
    """A folder with the metrics and the configuration of a run."""
    row = {"env_steps": 10, "seconds": 1.0, "disc_real_mean": 0.6, "disc_fake_mean": 0.4, "disc_acc": 0.7}
    lines = [json.dumps(row | {"iteration": i}) + "\n" for i in (1, 2, 3)]
    (path / "metrics.jsonl").write_text("".join(lines))
    (path / "config.yaml").write_text("env: {robot: <wildrobot>}\n")
    return path


def figures(**values: float) -> dict:
    """An evaluation of NaN but for `values`, with one part of the range of commands."""
    row = {field.name: float("nan") for field in dataclasses.fields(SpeedRow)}
    row |= {"command": 0.44, "cadence": 181.0, "reference_cadence": 167.0}
    numbers = {field.name: float("nan") for field in dataclasses.fields(Evaluation)}
    return numbers | values | {"speeds": (row,)}


def test_report_shows_the_discriminator_first_and_stands_alone(tmp_path):
    evaluation = figures(duty_factor=0.6)
    page = write_report(run_folder(tmp_path), "a run", evaluation, {"duty_factor": 0.61}, ["a note"]).read_text()
    assert page.index("Discriminator: reference and policy") < page.index("Discriminator accuracy")
    assert "&lt;wildrobot&gt;" in page
    assert "http" not in page
    assert "–" in page
    assert "<td>0.6</td><td>0.61</td><td>share of a stride" in page
    assert read_metrics(tmp_path / "metrics.jsonl")["disc_acc"].tolist() == [0.7] * 3


def test_report_shows_every_figure_in_its_group_and_by_speed(tmp_path):
    grouped = [name for units in GROUPS.values() for name in units]
    assert sorted([*grouped, "speeds"]) == sorted(field.name for field in dataclasses.fields(Evaluation))
    shown = {name for pair in SPEED_COLUMNS.values() for name in pair if name}
    assert shown == {field.name for field in dataclasses.fields(SpeedRow)}
    page = write_report(run_folder(tmp_path), "a run", figures(), {}, []).read_text()
    heads = [page.index(f"<h3>{group}</h3>") for group in ("task", "gait", "style", "effort")]
    assert heads == sorted(heads)
    assert "<td>0.44</td>" in page
    assert "<td>181 (167)</td>" in page


def test_the_health_stands_at_the_top_of_the_report(tmp_path):
    page = write_report(run_folder(tmp_path), "a run", figures(), {}, ["a note"], "healthy: D < 1").read_text()
    assert page.index("a run</h1>") < page.index("healthy: D &lt; 1") < page.index("a note")
    assert "<strong>" not in write_report(tmp_path, "a run", figures(), {}, ["a note"]).read_text()


def test_the_final_report_writes_the_evaluation_and_tells_of_the_gait(amp, robot, clip, tmp_path, monkeypatch):
    played = recording(robot, clip.qpos, 0.6)
    monkeypatch.setattr(np, "load", lambda path, **_: pytest.fail(f"'{path}' is read again"))
    notes = write_final_report(run_folder(tmp_path), amp, played, evaluate(amp, played), health="a verdict")
    written = json.loads((tmp_path / "evaluation.json").read_text())
    assert written["forward_velocity"] == pytest.approx(0.6)
    assert [row["command"] for row in written["speeds"]] == [0.5]
    assert notes[1].startswith("gait: 17")
    assert "(reference 0.21), left and right" in notes[1]
    page = (tmp_path / "report.html").read_text()
    assert "a verdict" in page and notes[1] in page
    assert not list(tmp_path.glob("*.tmp"))


def test_clips_too_short_to_show_a_pace_leave_it_out(amp, robot, clip):
    evaluation = evaluate(amp, recording(robot, clip.qpos, 0.6))
    (line,) = _gait(evaluation, {"cadence": math.nan, "step_length": math.nan})
    assert "reference" not in line and "nan" not in line


def test_the_final_report_of_a_robot_that_fell_at_once(amp, robot, clip, tmp_path):
    played = recording(robot, clip.qpos, 0.6, fell=True, steps=40)
    notes = write_final_report(run_folder(tmp_path), amp, played, evaluate(amp, played))
    assert "none long enough" in notes[0] and len(notes) == 2
    written = json.loads((tmp_path / "evaluation.json").read_text(), parse_constant=pytest.fail)
    assert written["cadence"] is None
    assert written["survival"] == 0.0


def test_an_interrupted_evaluation_leaves_the_earlier_one(amp, robot, clip, tmp_path, monkeypatch):
    result = evaluate(amp, recording(robot, clip.qpos, 0.6))
    path = write_evaluation(tmp_path, result)
    before = path.read_text()

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("os.replace", killed)
    with pytest.raises(KeyboardInterrupt):
        write_evaluation(tmp_path, dataclasses.replace(result, cadence=1.0))
    assert path.read_text() == before
