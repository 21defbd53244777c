"""Feet of a robot's motion that float, sink or slide come to stand, and nothing else changes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from playground_amp.motion.clip import MotionClip, load_clip
from playground_amp.motion.metrics.gait import measure
from playground_amp.retargeting.foot_planting import Planting, find_stands, plant_feet
from playground_amp.robots import Robot

WALK = Path(__file__).parents[1] / "data/wildrobot/walk_0.6_a.npz"
STANDS = 0.003  # m, from the ground


@pytest.fixture(scope="module")
def walk(robot: Robot) -> MotionClip:
    clip = load_clip(WALK, robot)
    return replace(clip, qpos=clip.qpos[:200])


def contacts(qpos: np.ndarray, robot: Robot) -> np.ndarray:
    """Contact features [P], their mean over a motion."""
    touching, clear = robot.contact_clearance
    return np.clip((clear - robot.pad_heights(qpos)) / (clear - touching), 0.0, 1.0).mean(axis=0)


def floating(walk: MotionClip, height: float) -> np.ndarray:
    """The walk over the ground, with rare dips through it."""
    qpos = walk.qpos.copy()
    qpos[:, 2] += height
    qpos[20::60, 2] -= height + 0.004
    return qpos


def test_a_sound_walk_stays_as_it_is(walk: MotionClip, robot: Robot) -> None:
    planted, planting = plant_feet(walk.qpos, robot, walk.frequency)
    assert abs(planting.ground) < 1e-3 and planting.feet < 0.006 and planting.joint < 0.06
    assert np.abs(planted - walk.qpos).max() < 0.06
    np.testing.assert_allclose(contacts(planted, robot), contacts(walk.qpos, robot), atol=0.02)


@pytest.mark.parametrize("height", [0.016, -0.02, 0.3])
def test_the_ground_is_where_the_feet_stand_and_not_the_lowest_dip(
    height: float, walk: MotionClip, robot: Robot
) -> None:
    qpos = floating(walk, height)
    assert find_stands(qpos, robot, walk.frequency).ground == pytest.approx(height, abs=2e-3)
    planted, planting = plant_feet(qpos, robot, walk.frequency)
    assert planting.ground == pytest.approx(height, abs=2e-3)
    np.testing.assert_allclose(contacts(planted, robot), contacts(walk.qpos, robot), atol=0.06)
    assert f"{1e3 * planting.ground:+.0f} mm" in planting.sentence() and "--as-is" in planting.sentence()


def test_feet_that_sink_and_rise_from_step_to_step_stand_on_the_ground(walk: MotionClip, robot: Robot) -> None:
    qpos = walk.qpos.copy()
    qpos[:, 2] += 0.012 * np.sin(2.0 * np.pi * np.arange(len(qpos)) / 90.0)
    stands = find_stands(qpos, robot, walk.frequency).standing
    assert (np.abs(robot.pad_heights(qpos)[stands]) > STANDS).mean() > 0.5
    planted, _ = plant_feet(qpos, robot, walk.frequency)
    stands = find_stands(planted, robot, walk.frequency).standing
    assert stands.mean() > 0.45
    assert (np.abs(robot.pad_heights(planted)[stands]) < STANDS).mean() > 0.95


def test_feet_that_slide_are_held(walk: MotionClip, robot: Robot) -> None:
    """The world glides by 0.08 m/s, as of a root that is scaled otherwise than the legs."""
    qpos = walk.qpos.copy()
    qpos[:, 0] -= 0.08 * np.arange(len(qpos)) / walk.frequency
    planted, planting = plant_feet(qpos, robot, walk.frequency)
    before, after = (measure(replace(walk, qpos=x), robot).skating for x in (qpos, planted))
    assert before > 0.07 and after < 0.025
    assert planting.root < 0.03  # the way is kept
    assert (robot.beyond_limits(planted[:, 7:]) <= 1e-6).all()


def test_a_foot_on_its_way_clears_the_ground(walk: MotionClip, robot: Robot) -> None:
    """Without it, pads that graze the ground on their way count as standing, and skate."""
    low = walk.qpos.copy()
    knees = [7 + robot.joints.index(f"{side}_knee_pitch") for side in ("left", "right")]
    low[:, knees] = 0.5 * low[:, knees] + 0.5 * low[:, knees].mean(axis=0)
    planted, _ = plant_feet(low, robot, walk.frequency)
    before, after = (measure(replace(walk, qpos=x), robot) for x in (low, planted))
    assert after.skating < 0.5 * before.skating and after.clearance > 0.008


def test_a_motion_in_which_nothing_stands_is_set_on_its_lowest_point(walk: MotionClip, robot: Robot) -> None:
    qpos = np.tile(robot.home_qpos, (60, 1))
    qpos[:, 0] += 0.02 * np.arange(60)
    qpos[:, 2] += 0.1
    planted, planting = plant_feet(qpos, robot, 50.0)
    assert planting == Planting(pytest.approx(0.1, abs=1e-6), 0.0, 0.0, 0.0)
    assert robot.pad_heights(planted).min() == pytest.approx(0.0, abs=1e-6)
