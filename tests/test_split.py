"""Recordings are cut into the parts that can be used, and what is left out is told with its times."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from playground_amp.core.errors import InputError
from playground_amp.motion.clip import load_clip
from playground_amp.retargeting.batch import retarget_sources
from playground_amp.retargeting.job import Job, RetargetOptions
from playground_amp.retargeting.pipeline import run_job
from playground_amp.retargeting.readers.amass import Take, forward_kinematics
from playground_amp.retargeting.readers.robot_motion import RobotMotion
from playground_amp.retargeting.split import split
from playground_amp.retargeting.synthetic_human import Stand, WalkStyle, synthetic_take
from playground_amp.robots import Robot

FPS = 120.0


def arrays(speed: float = 0.9, strides: float = 4.0) -> dict[str, np.ndarray]:
    return synthetic_take(WalkStyle(speed, seed=3, strides=strides))


def poses_of(take: dict[str, np.ndarray]) -> np.ndarray:
    return np.asarray(take["poses"])[:, :66]


def joined(
    *parts: dict[str, np.ndarray], turns: tuple[float, ...] = (), seconds: float = 1.5
) -> tuple[np.ndarray, np.ndarray]:
    """Poses [N, 66] and trans [N, 3] of takes one after the other, each turned by rad from the one before."""
    poses, trans = [poses_of(parts[0])], [np.asarray(parts[0]["trans"])]
    yaw = 0.0
    for part, turn in zip(parts[1:], turns, strict=True):
        if turn:
            spun = on_the_spot(poses[-1][-1], trans[-1][-1], turn, seconds)
            poses.append(spun[0])
            trans.append(spun[1])
        yaw += turn
        rotation = Rotation.from_euler("z", yaw)
        own, way = poses_of(part).copy(), np.asarray(part["trans"])
        own[:, :3] = (rotation * Rotation.from_rotvec(own[:, :3])).as_rotvec()
        poses.append(own)
        trans.append(rotation.apply(way - way[0]) + trans[-1][-1] * [1, 1, 0] + way[0] * [0, 0, 1])
    return np.concatenate(poses), np.concatenate(trans)


def on_the_spot(pose: np.ndarray, place: np.ndarray, turn: float, seconds: float) -> tuple[np.ndarray, np.ndarray]:
    steps = np.linspace(0.0, turn, int(seconds * FPS))
    poses = np.tile(pose, (len(steps), 1))
    yaws = Rotation.from_rotvec(steps[:, None] * [0.0, 0.0, 1.0])
    poses[:, :3] = (yaws * Rotation.from_rotvec(pose[:3])).as_rotvec()
    return poses, np.tile(place, (len(steps), 1))


def take_of(poses: np.ndarray, trans: np.ndarray) -> Take:
    return Take("take", *forward_kinematics(poses, trans), FPS)


def test_out_and_home_is_one_part_with_its_turn() -> None:
    take = take_of(*joined(arrays(), arrays(), turns=(np.pi,)))
    cut = split(take)
    assert len(cut.parts) == 1 and cut.parts[0].duration > 0.9 * take.duration


def test_a_take_that_faces_about_from_one_frame_to_the_next_is_cut_there(tmp_path: Path) -> None:
    poses, trans = joined(arrays(), arrays(), turns=(np.pi,), seconds=0.02)
    path = tmp_path / "about.npz"
    np.savez(path, poses=np.concatenate([poses, np.zeros((len(poses), 90))], axis=1), trans=trans, mocap_framerate=FPS)
    result = run_job(Job("about", path, "wildrobot", tmp_path, RetargetOptions()))
    assert [clip.name for clip, _ in result.clips] == ["about_1", "about_2"]
    assert any("jumps from place to place" in note for note in result.notes)


def test_a_straight_take_stays_whole() -> None:
    take = take_of(poses_of(arrays()), np.asarray(arrays()["trans"]))
    assert len(split(take).parts) == 1 and split(take).parts[0].duration == take.duration


def test_standing_at_both_ends_and_one_bad_second_are_left_out_with_times() -> None:
    stand = synthetic_take(Stand(seed=1, seconds=6.0))
    poses, trans = joined(stand, arrays(strides=6.0), stand, turns=(0.0, 0.0))
    cut = split(take_of(poses, trans))
    assert len(cut.parts) == 1 and cut.parts[0].duration > 4.0
    assert re.search(r"0\.0 to [56]\.\d s \(stands still\), 1[12]\.\d to 18\.1 s \(stands still\)", cut.notes[0])
    walking = len(poses_of(stand)) + len(poses_of(arrays(strides=6.0))) // 2
    trans[walking : walking + 6] += [3.0, 0.0, 0.0]  # the recording loses the person for 50 ms
    cut = split(take_of(poses, trans))
    assert len(cut.parts) == 2 and "jumps from place to place" in cut.notes[0]


def test_a_person_on_the_floor_is_no_walk() -> None:
    poses, trans = joined(arrays(strides=6.0))
    trans[: len(trans) // 3, 2] -= 0.5
    cut = split(take_of(poses, trans))
    assert len(cut.parts) == 1 and "not upright" in cut.notes[0]


def test_one_who_stands_all_the_time_is_one_part() -> None:
    stand = synthetic_take(Stand(seed=1, seconds=6.0))
    take = take_of(poses_of(stand), np.asarray(stand["trans"]))
    assert split(take).parts == [take]


def test_nothing_of_use_is_told_with_what_there_is() -> None:
    one = arrays(strides=6.0)
    trans = np.asarray(one["trans"]).copy()
    trans[::20, 0] += 3.0  # the recording loses the person six times a second
    with pytest.raises(InputError, match=r"no part of 1\.5 s or more that can be used: 0\.0 to .* s \(jumps from"):
        split(take_of(poses_of(one), trans))


def test_a_robots_motion_may_turn(robot: Robot) -> None:
    clip = load_clip(Path(__file__).parents[1] / "data/wildrobot/walk_0.6_a.npz", robot)
    angle = np.linspace(0.0, 2.0, len(clip.qpos))
    yaws = Rotation.from_rotvec(angle[:, None] * [0.0, 0.0, 1.0])
    quats = (yaws * Rotation.from_quat(clip.qpos[:, 3:7], scalar_first=True)).as_quat(scalar_first=True)
    steps = yaws[:-1].apply(np.diff(clip.qpos[:, :3], axis=0))
    way = clip.qpos[:1, :3] + np.concatenate([np.zeros((1, 3)), np.cumsum(steps, axis=0)])
    motion = RobotMotion("arc", way, quats, clip.qpos[:, 7:], robot.joints, clip.frequency)
    assert len(split(motion, robot.leg_length).parts) == 1
    still = replace(motion, root_pos=np.tile(way[:1], (len(way), 1)), root_quat=np.tile(quats[:1], (len(way), 1)))
    assert split(still, robot.leg_length).parts == [still]


@pytest.fixture
def with_pause(tmp_path: Path) -> Path:
    """Somebody walks, stands for a while, and walks on."""
    stand = synthetic_take(Stand(seed=1, seconds=4.0))
    poses, trans = joined(arrays(), stand, arrays(), turns=(0.0, 0.0))
    path = tmp_path / "there_and_on.npz"
    full = np.concatenate([poses, np.zeros((len(poses), 90))], axis=1)
    np.savez(path, poses=full, trans=trans, mocap_framerate=FPS)
    return path


def test_a_take_with_a_pause_becomes_a_clip_of_each_part(with_pause: Path, tmp_path: Path, robot: Robot) -> None:
    out = tmp_path / "clips"
    made = retarget_sources([with_pause], "wildrobot", out, RetargetOptions(split=True))
    assert [one.clip for one in made] == ["there_and_on_1", "there_and_on_2"]
    assert all(one.speed > 0.3 and load_clip(out / f"{one.clip}.npz", robot).qpos[-1, 0] > 0.3 for one in made)
    beside = json.loads((out / "there_and_on_2.json").read_text())
    assert beside["clips"] == ["there_and_on_1", "there_and_on_2"] and "stands still" in beside["notes"][0]
    again = retarget_sources([with_pause], "wildrobot", out, RetargetOptions(split=True))
    assert [one.clip for one in again] == [one.clip for one in made]


def test_clips_of_other_options_do_not_stay_behind(
    with_pause: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "clips"
    retarget_sources([with_pause], "wildrobot", out, RetargetOptions(split=True))
    (out / "there_and_on_of_another.npz").touch()
    retarget_sources([with_pause], "wildrobot", out, RetargetOptions(end=2.2))
    assert {path.name for path in out.glob("*.npz")} == {"there_and_on.npz", "there_and_on_of_another.npz"}
    assert "removed" in capsys.readouterr().err


def test_a_part_never_takes_the_place_of_another_recordings_clip(
    with_pause: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = with_pause.with_name("there_and_on_2.npz")
    np.savez(other, **arrays())
    options = RetargetOptions(split=True)
    made = retarget_sources([with_pause, other], "wildrobot", tmp_path / "clips", options, jobs=1)
    assert [one.clip for one in made] == ["there_and_on_1", "there_and_on_2"]
    assert "would take the place of another file" in capsys.readouterr().err


def test_a_part_that_fails_is_cut_to_where_nothing_does(tmp_path: Path, robot: Robot) -> None:
    """One bad half second of a robot's motion: it flies."""
    clip = load_clip(Path(__file__).parents[1] / "data/wildrobot/walk_0.6_a.npz", robot)
    qpos = clip.qpos.copy()
    qpos[40:70, 2] += 0.06 * np.sin(np.linspace(0.0, np.pi, 30))
    path = tmp_path / "hop.npz"
    np.savez(path, qpos=qpos, fps=clip.frequency, joint_names=np.array(robot.joints))
    job = Job("hop", path, "wildrobot", tmp_path, RetargetOptions(split=True, as_is=True))
    result = run_job(job)
    assert not result.error and result.assessments[0].verdict != "fail", result
    assert any("where nothing fails" in note for note in result.notes)
    assert result.clips[0][0].duration > 2.0


def test_times_are_those_of_the_file(tmp_path: Path) -> None:
    stand = synthetic_take(Stand(seed=1, seconds=6.0))
    poses, trans = joined(stand, arrays(strides=6.0), stand, turns=(0.0, 0.0))
    path = tmp_path / "long.npz"
    np.savez(path, poses=np.concatenate([poses, np.zeros((len(poses), 90))], axis=1), trans=trans, mocap_framerate=FPS)
    result = run_job(Job("long", path, "wildrobot", tmp_path, RetargetOptions(split=True, start=2.0)))
    assert re.search(r"2\.0 to [56]\.\d s \(stands still\)", result.notes[0])
