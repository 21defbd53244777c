"""The end of a run: evaluation, video, stills, report."""

import dataclasses
import json

import imageio.v2 as imageio
import numpy as np
import pytest

from playground_amp import visualize
from playground_amp.evaluate import Evaluation, Recording, evaluate
from playground_amp.motion.clip import load_clip
from playground_amp.motion.library import find_clips
from playground_amp.report import read_metrics, write_report
from playground_amp.robots import load_robot


@pytest.fixture(scope="module")
def robot():
    return load_robot("wildrobot")


@pytest.fixture(scope="module")
def clip(robot):
    return load_clip(find_clips(["data/wildrobot/walk_0.6_a.npz"])[0], robot)


def recording(qpos: np.ndarray, speed: float, *, fell: bool = False, steps: int | None = None) -> Recording:
    """One episode that plays `qpos` at `speed`, ended after `steps`."""
    length = len(qpos)
    alive = np.arange(length) < (length if steps is None else steps)
    return Recording(
        qpos=qpos[:, None],
        pad_height=np.zeros((length, 1, 4)),
        torque=np.zeros((length, 1, 9)),
        qvel=np.zeros((length, 1, 15)),
        forward_velocity=np.full((length, 1), speed),
        alive=alive[:, None],
        fell=np.array([fell]),
        command=np.array([0.5]),
    )


def test_evaluation_of_a_clip_gives_the_gait_of_the_clip(robot, clip):
    result = evaluate(recording(clip.qpos, 0.6), robot, control_dt=0.02)
    assert result.survival == 1.0
    assert result.forward_velocity == pytest.approx(0.6)
    assert result.velocity_error == pytest.approx(0.1)
    assert result.cadence == pytest.approx(60.0 / robot.retarget.longest_step, rel=0.05)
    assert result.step_length == pytest.approx(0.6 * robot.retarget.longest_step, rel=0.05)
    assert 0.55 < result.duty_factor < 0.7
    assert result.foot_skating < 0.03


def test_what_follows_the_end_of_an_episode_does_not_count(robot, clip):
    result = evaluate(recording(clip.qpos, 0.6, fell=True, steps=40), robot, control_dt=0.02)
    assert result.episode_length == 40
    assert result.survival == 0.0
    assert np.isnan(result.forward_velocity)


def test_frames_show_robot_and_reference_and_the_video_plays(robot, clip, tmp_path):
    motion = clip.qpos[:20:4]
    frames = visualize.render(robot, motion, visualize.loop(clip.qpos, len(motion)))
    orange = (frames[0][..., 0] > 200) & (frames[0][..., 2] < 120)
    assert orange.sum() > 500
    visualize.write_video(tmp_path / "videos" / "a.mp4", frames)
    read = imageio.mimread(tmp_path / "videos" / "a.mp4")
    assert len(read) == len(motion)
    assert read[0].shape == (480, 640, 3)
    visualize.write_strip(tmp_path / "a.png", frames, count=3)
    assert imageio.imread(tmp_path / "a.png").shape[1] == 3 * 440


def test_report_shows_the_discriminator_first_and_stands_alone(tmp_path):
    rows = [
        {
            "iteration": i,
            "env_steps": 10 * i,
            "seconds": i,
            "disc_real_mean": 0.6,
            "disc_fake_mean": 0.4,
            "disc_acc": 0.7,
        }
        for i in range(1, 4)
    ]
    (tmp_path / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (tmp_path / "config.yaml").write_text("env: {robot: <wildrobot>}\n")
    evaluation = dataclasses.asdict(Evaluation(4, 500.0, 1.0, 0.5, 0.5, 0.01, float("nan"), 0.2, 0.6, 0.01, 0.02))
    page = write_report(tmp_path, "a run", evaluation, {"duty_factor": 0.61}, ["a note"]).read_text()
    assert page.index("Discriminator: reference and policy") < page.index("Discriminator accuracy")
    assert "&lt;wildrobot&gt;" in page
    assert "http" not in page
    assert "–" in page
    assert "<td>0.6</td><td>0.61</td><td>share of a stride" in page
    assert read_metrics(tmp_path / "metrics.jsonl")["disc_acc"].tolist() == [0.7] * 3
