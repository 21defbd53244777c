"""The shipped motion: every clip is fit to be learned from, and comes out of the two scripts again."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from playground_amp.motion.clip import load_clip
from playground_amp.motion.metrics.gait import faults, measure
from playground_amp.retargeting.human_motion import extract_motion
from playground_amp.retargeting.readers.amass import load_take
from playground_amp.retargeting.retarget import retarget
from playground_amp.retargeting.synthetic_human import (
    HIP,
    KNEE,
    WalkStyle,
    held_out_walks,
    shipped_walks,
    standing,
    synthetic_take,
)
from playground_amp.robots import Robot, load_robot

DATA = Path(__file__).parents[1] / "data"
CLIPS = sorted((DATA / "wildrobot").glob("*.npz"))
TAKES = sorted((DATA / "takes").glob("*.npz"))
HELD_OUT = sorted((DATA / "wildrobot" / "held_out").glob("*.npz"))
HELD_OUT_TAKES = sorted((DATA / "held_out_takes").glob("*.npz"))
HUMANOID = sorted((DATA / "humanoid").rglob("*.npz"))
STANDING = sorted((DATA / "wildrobot_stand").glob("*.npz"))
STANDING_TAKES = sorted((DATA / "standing_takes").glob("*.npz"))


@pytest.fixture(scope="module")
def humanoid() -> Robot:
    return load_robot("humanoid")


def test_the_set_is_whole_and_small() -> None:
    assert {path.stem for path in CLIPS} == {path.stem for path in TAKES} == set(shipped_walks())
    assert {path.stem for path in HELD_OUT} == {path.stem for path in HELD_OUT_TAKES} == set(held_out_walks())
    assert {path.stem for path in STANDING} == {path.stem for path in STANDING_TAKES} == set(standing())
    assert {path.stem for path in HUMANOID} == {path.stem for path in TAKES + HELD_OUT_TAKES}
    every = CLIPS + HUMANOID + TAKES + HELD_OUT + HELD_OUT_TAKES + STANDING + STANDING_TAKES
    assert sum(path.stat().st_size for path in every) < 4e6
    seeds = [take.seed for takes in (shipped_walks(), held_out_walks(), standing()) for take in takes.values()]
    assert len(set(seeds)) == len(seeds)


@pytest.mark.parametrize("path", CLIPS + HELD_OUT, ids=lambda path: path.stem)
def test_every_clip_is_fit_to_be_learned_from(path: Path, robot: Robot) -> None:
    clip = load_clip(path, robot)
    quality = measure(clip, robot)
    assert faults(quality) == []
    assert quality.seconds >= 4.0
    assert quality.asymmetry < 0.08
    assert 0.58 <= quality.duty <= 0.65
    assert 0.010 <= quality.sway <= 0.025
    assert quality.joint_speed < 8.5
    if path.stem.startswith("walk"):
        assert clip.speed == pytest.approx(float(path.stem.split("_")[1]), rel=0.03)
    assert clip.time_scale <= np.sqrt(0.42 / 0.90)
    assert robot.retarget.longest_step and 60.0 / quality.cadence <= 1.02 * robot.retarget.longest_step
    assert "own work" in clip.source


@pytest.mark.parametrize("path", HUMANOID, ids=lambda path: path.stem)
def test_every_humanoid_clip_is_fit_to_be_learned_from(path: Path, humanoid: Robot) -> None:
    clip = load_clip(path, humanoid)
    quality = measure(clip, humanoid)
    assert faults(quality) == []
    assert quality.seconds >= 6.0 and quality.limit_share < 0.05 and quality.alternation == 1.0
    if path.stem.startswith("walk"):
        similar = float(path.stem.split("_")[1]) * np.sqrt(humanoid.leg_length / 0.42)
        assert clip.speed == pytest.approx(similar, rel=0.03)
    assert "own work" in clip.source


@pytest.mark.parametrize("path", STANDING, ids=lambda path: path.stem)
def test_every_standing_clip_stands(path: Path, robot: Robot) -> None:
    clip, walking = load_clip(path, robot), load_clip(DATA / "wildrobot" / "stand_walk_stand.npz", robot)
    quality = measure(clip, robot)
    assert faults(quality) == [] and quality.steps == 0 and quality.limit_share == 0.0
    assert 6.0 <= quality.seconds <= 8.0
    assert (robot.pad_heights(clip.qpos) < robot.contact_clearance[0]).all()
    assert quality.skating < 0.002 and abs(clip.speed) < 1e-3
    assert np.linalg.norm(np.diff(clip.qpos[:, :2], axis=0), axis=1).max() * clip.frequency < 0.02
    forward, sideways = np.ptp(clip.qpos[:, :2], axis=0)
    assert 0.004 < forward < 0.012 and 0.003 < sideways < 0.012
    np.testing.assert_allclose(clip.qpos[:, 7:], np.tile(walking.qpos[0, 7:], (len(clip.qpos), 1)), atol=0.1)
    assert "own work" in clip.source


def test_figures_of_steps_are_judged_where_there_are_steps(robot: Robot) -> None:
    standing_still = measure(load_clip(STANDING[0], robot), robot)
    assert faults(replace(standing_still, penetration=0.01)) == ["penetration"]
    assert faults(replace(standing_still, steps=2)) == ["clearance", "duty"]


@pytest.mark.parametrize("path", STANDING_TAKES, ids=lambda path: path.stem)
def test_the_person_stands_on_both_feet_and_sways(path: Path) -> None:
    person = extract_motion(load_take(path))
    assert person.contacts.all()
    assert np.ptp(person.ankles, axis=1).max() < 1e-3
    assert np.linalg.norm(np.diff(person.pelvis[:, :2], axis=0), axis=1).mean() * person.rate < 0.02
    np.testing.assert_array_less([0.008, 0.006, -1.0], np.ptp(person.pelvis, axis=0))
    np.testing.assert_array_less(np.ptp(person.pelvis, axis=0), [0.025, 0.020, 0.001])


@pytest.mark.parametrize("name", ["walk_0.6_b", "stand_walk_stand", "walk_0.55_h", "stand_b"])
def test_a_clip_comes_out_of_the_scripts_again(name: str, robot: Robot, tmp_path: Path) -> None:
    everything = shipped_walks() | held_out_walks() | standing()
    takes, clips = "takes", "wildrobot"
    if name in held_out_walks():
        takes, clips = "held_out_takes", "wildrobot/held_out"
    if name in standing():
        takes, clips = "standing_takes", "wildrobot_stand"
    np.savez_compressed(tmp_path / f"{name}.npz", allow_pickle=False, **synthetic_take(everything[name]))
    made, shipped = load_take(tmp_path / f"{name}.npz"), load_take(DATA / takes / f"{name}.npz")
    np.testing.assert_allclose(made.positions, shipped.positions, atol=1e-3)
    clip, old = retarget(made, robot).clip, load_clip(DATA / clips / f"{name}.npz", robot)
    np.testing.assert_allclose(clip.qpos, old.qpos, atol=1e-3)


@pytest.mark.slow
def test_a_clip_of_the_humanoid_comes_out_of_the_scripts_again(humanoid: Robot) -> None:
    name = "walk_0.75_h"
    clip = retarget(load_take(DATA / "held_out_takes" / f"{name}.npz"), humanoid).clip
    old = load_clip(DATA / "humanoid" / "held_out" / f"{name}.npz", humanoid)
    np.testing.assert_allclose(clip.qpos, old.qpos, atol=1e-3)


@pytest.mark.parametrize("path", TAKES[::4], ids=lambda path: path.stem)
def test_the_person_walks_like_a_person(path: Path) -> None:
    person = extract_motion(load_take(path))
    size = np.linalg.norm(np.ptp(person.pelvis[:, :2], axis=0)) / (len(person.pelvis) / person.rate)
    assert 0.5 < size < 1.3
    assert 0.01 < np.ptp(person.pelvis[:, 2]) < 0.06  # bounce
    assert 0.02 < np.ptp(person.pelvis[:, 1]) < 0.08  # sway
    assert 0.55 < person.contacts.mean() < 0.75
    assert np.rad2deg(np.abs(person.pelvis_euler - person.pelvis_euler.mean(axis=0))).max() < 6.0


def test_faster_walks_take_longer_and_quicker_steps() -> None:
    cadences, steps = [], []
    for speed in (0.6, 0.9, 1.2):
        arrays = synthetic_take(WalkStyle(speed, seed=0, strides=5.0))
        seconds = len(arrays["trans"]) / 120.0
        way = np.linalg.norm(arrays["trans"][-1, :2] - arrays["trans"][0, :2])
        assert way / seconds == pytest.approx(speed, rel=0.03)
        cadences.append(5.0 / seconds)
        steps.append(way)
    assert cadences == sorted(cadences) and steps == sorted(steps)


def test_seeds_differ_by_a_little_and_only_by_the_seed() -> None:
    first, again, other = (synthetic_take(WalkStyle(1.0, seed=seed, strides=4.0))["poses"] for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    length = min(len(first), len(other))
    knees = [poses[:length, 12:15] for poses in (first, other)]
    assert 0.0 < np.abs(knees[0] - knees[1]).mean() < 0.2


def test_the_curves_are_the_textbook_ones() -> None:
    assert (HIP.max(), HIP.min(), KNEE.max(), KNEE[0]) == (33.0, -10.0, 62.0, 5.0)
    assert (HIP[0], KNEE[0]) == (HIP[-1], KNEE[-1])
