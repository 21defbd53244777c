"""Retargeting: dynamic similarity, facing, contacts, the limits of the robot, and its errors."""

from __future__ import annotations

import dataclasses
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from playground_amp.core.errors import InputError
from playground_amp.motion.clip import MotionClip
from playground_amp.motion.metrics.bounds import PERSON_LEG
from playground_amp.motion.metrics.gait import measure, pad_corners
from playground_amp.retargeting.footsteps import Sole, Stance, dead_zone, line_heights, pin, pinned_ankle
from playground_amp.retargeting.human_motion import extract_motion
from playground_amp.retargeting.reachability import unfolded
from playground_amp.retargeting.readers.amass import Take, forward_kinematics, load_take
from playground_amp.retargeting.retarget import retarget, sway
from playground_amp.retargeting.robot_geometry import robot_geometry
from playground_amp.retargeting.synthetic_human import WalkStyle, synthetic_take
from playground_amp.robots import Robot, load_robot

SPEED = 0.85  # m/s, of the person
SOLE = Sole(heel=-0.08, toe=0.07, drop=0.06, radius=0.005)


def take_of(arrays: dict[str, np.ndarray], turn: float = 0.0) -> Take:
    """A take without a file, turned about the vertical by `turn` rad."""
    positions, rotations = forward_kinematics(arrays["poses"][:, :66].astype(float), arrays["trans"].astype(float))
    about_z = Rotation.from_euler("z", turn).as_matrix()
    return Take("walk", positions @ about_z.T, about_z @ rotations, float(arrays["mocap_framerate"]))


@pytest.fixture(scope="module")
def arrays() -> dict[str, np.ndarray]:
    return synthetic_take(WalkStyle(SPEED, seed=7, strides=5.0))


@pytest.fixture(scope="module")
def take(arrays: dict[str, np.ndarray]) -> Take:
    return take_of(arrays)


@pytest.fixture(scope="module")
def clip(take: Take, robot: Robot) -> MotionClip:
    return retarget(take, robot).clip


# ---------------------------------------------------------------- footsteps


@pytest.mark.parametrize(("pitch", "line"), [(0.4, "toe"), (-0.3, "heel")])
def test_the_pivot_rolls_on_the_ground_without_slipping(pitch: float, line: str) -> None:
    forward, up = pinned_ankle(np.array(pitch), SOLE)
    along = getattr(SOLE, line)
    point = Rotation.from_euler("y", pitch).apply([along, 0.0, -SOLE.drop])
    np.testing.assert_allclose(forward + point[0], along + SOLE.radius * pitch, atol=1e-12)
    np.testing.assert_allclose(up + point[2], SOLE.radius, atol=1e-12)


def test_dead_zone_is_flat_and_smooth() -> None:
    pitch = np.linspace(-0.5, 0.5, 2001)
    out = dead_zone(pitch, 0.05, 0.1)
    assert (out[np.abs(pitch) < 0.05] == 0.0).all()
    slope = np.gradient(out, pitch)
    assert np.abs(np.diff(slope)).max() < 0.01 and slope.max() <= 1.0 + 1e-9
    np.testing.assert_allclose(out, -out[::-1], atol=1e-15)


def test_swing_leaves_and_meets_its_stances_without_a_jump() -> None:
    frames = np.arange(60)
    zero = 0.0 * frames
    free = np.stack([0.02 * frames, zero, 0.09 + zero, 0.3 * np.sin(frames / 8), zero], axis=-1)
    stances = [Stance(0, 19, 0.1, 0.1), Stance(40, 59, 0.8, 0.1)]
    path = pin(free, np.zeros(60), stances, SOLE, clearance=0.02)
    np.testing.assert_allclose(path[:20, 0], 0.1)
    np.testing.assert_allclose(path[40:, :2], [[0.8, 0.1]] * 20)
    assert np.abs(np.diff(path[:, 0], n=2)).max() < 0.011
    heights = line_heights(path[:, 2], path[:, 3], SOLE)
    assert heights.min() > -1e-9 and heights[28:32].min() > 0.018


# ---------------------------------------------------------------- dynamic similarity and facing


def cadence_of(take: Take) -> float:
    """Steps of the person a minute."""
    strikes = np.flatnonzero(np.diff(extract_motion(take).contacts[0].astype(int)) == 1) / take.fps
    return 120.0 / np.diff(strikes).mean()


def with_longest_step(robot: Robot, seconds: float) -> Robot:
    return dataclasses.replace(robot, retarget=dataclasses.replace(robot.retarget, longest_step=seconds))


def test_speed_and_cadence_are_those_of_dynamic_similarity(take: Take, robot: Robot) -> None:
    scale = np.sqrt(robot.leg_length / PERSON_LEG)
    clip = retarget(take, with_longest_step(robot, 1.0)).clip
    assert clip.time_scale == pytest.approx(scale)
    assert clip.speed == pytest.approx(SPEED * scale, rel=0.05)
    assert measure(clip, robot).cadence == pytest.approx(cadence_of(take) / scale, rel=0.05)


def test_steps_the_robot_cannot_balance_get_quicker_at_the_same_speed(take: Take, robot: Robot) -> None:
    scale = np.sqrt(robot.leg_length / PERSON_LEG)
    clip = retarget(take, with_longest_step(robot, 0.33)).clip
    assert clip.speed == pytest.approx(SPEED * scale, rel=0.05)
    assert measure(clip, robot).cadence == pytest.approx(60.0 / 0.33, rel=0.05)
    assert measure(clip, robot).cadence == pytest.approx(cadence_of(take) / clip.time_scale, rel=0.05)


def test_without_time_scaling_the_person_sets_the_pace(take: Take, clip: MotionClip, robot: Robot) -> None:
    slow = retarget(take, robot, time_scaling=False).clip
    scale = robot.leg_length / PERSON_LEG
    assert slow.time_scale == 1.0
    assert slow.speed == pytest.approx(SPEED * scale, rel=0.05)
    assert slow.duration == pytest.approx(clip.duration / clip.time_scale, rel=0.05)


def test_longer_steps_than_the_legs_allow_get_shorter_and_quicker(robot: Robot) -> None:
    fast = retarget(take_of(synthetic_take(WalkStyle(1.8, seed=1, strides=4.0))), robot).clip
    scale = np.sqrt(robot.leg_length / PERSON_LEG)
    assert fast.time_scale < 0.96 * scale
    assert fast.speed == pytest.approx(1.8 * scale, rel=0.1)


@pytest.mark.parametrize("turn", [1.0, np.pi])
def test_the_walk_heads_along_x_whatever_its_heading_was(
    arrays: dict[str, np.ndarray], clip: MotionClip, robot: Robot, turn: float
) -> None:
    turned = retarget(take_of(arrays, turn), robot).clip
    np.testing.assert_allclose(turned.qpos, clip.qpos, atol=1e-3)
    assert turned.qpos[0, 0] == 0.0
    assert abs(turned.qpos[-1, 1]) < 0.03 and turned.qpos[-1, 0] > 1.0
    yaw = Rotation.from_quat(turned.qpos[:, 3:7], scalar_first=True).as_euler("ZYX")[:, 0]
    assert np.abs(yaw).max() < 0.1


def test_a_backward_walk_stays_backward(arrays: dict[str, np.ndarray], robot: Robot) -> None:
    take = take_of(arrays)
    reversed_take = replace(take, positions=take.positions[::-1], rotations=take.rotations[::-1])
    assert retarget(reversed_take, robot).clip.qpos[-1, 0] < -1.0


# ---------------------------------------------------------------- quality


def test_feet_stand_still_while_they_touch(clip: MotionClip, robot: Robot) -> None:
    corners = pad_corners(clip.qpos, robot)
    low = corners[..., 2].max(axis=-1) < 0.004  # both corners of a pad on the ground
    speed = np.linalg.norm(np.diff(corners[..., :2], axis=0), axis=-1).max(axis=-1) * clip.frequency
    firmly = low[1:] & low[:-1]
    assert firmly.mean() > 0.3
    assert speed[firmly].mean() < 0.03 and np.percentile(speed[firmly], 95) < 0.08


def test_steps_alternate(clip: MotionClip, robot: Robot) -> None:
    heights = robot.pad_heights(clip.qpos).reshape(-1, 2, 2).min(axis=-1)
    touching = heights < 0.008
    frames, sides = np.nonzero(touching[1:] & ~touching[:-1])  # in the order of time
    assert len(frames) >= 6 and (np.diff(sides) != 0).all()
    assert touching.any(axis=1).all()


def test_the_motion_is_smooth(clip: MotionClip) -> None:
    acceleration = np.diff(clip.qpos[:, 7:], n=2, axis=0) * clip.frequency**2
    assert np.abs(acceleration).max() < 350.0  # rad/s^2; one bad frame of 0.1 rad would be 500
    np.testing.assert_allclose(np.linalg.norm(clip.qpos[:, 3:7], axis=1), 1.0, atol=1e-6)


def test_the_root_sways_to_the_standing_foot(clip: MotionClip, robot: Robot) -> None:
    heights = robot.pad_heights(clip.qpos).reshape(-1, 2, 2).min(axis=-1)
    on_left, on_right = heights[:, 1] > 0.015, heights[:, 0] > 0.015
    assert clip.qpos[on_left, 1].mean() > 0.005 and clip.qpos[on_right, 1].mean() < -0.005


def test_sway_of_a_symmetric_walk_is_symmetric(robot: Robot) -> None:
    left = np.tile(np.repeat([True, True, False], [10, 30, 20]), 4)
    way = sway(np.stack([left, np.roll(left, 30)]), robot)[60:180]
    zmp = robot.retarget.zmp_share * robot.retarget.foot_line
    pendulum = zmp * (1.0 - 1.0 / np.cosh(0.3 * np.sqrt(9.81 / robot.home_qpos[2])))  # 0.3 s: half a step
    assert np.abs(way).max() == pytest.approx(pendulum, rel=0.2)
    np.testing.assert_allclose(way[30:], -way[:-30], atol=2e-3)


# ---------------------------------------------------------------- legs that fold


@pytest.fixture(params=["wildrobot", "humanoid"])
def any_robot(request: pytest.FixtureRequest) -> Robot:
    return load_robot(request.param)


def under_hip(robot: Robot, distances: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A pelvis [N, 3], high above the ground, and feet [2, N, 5] that far from the hips, behind and below."""
    way = np.array([-0.6, 0.0, -0.8, 0.0, 0.0])
    feet = [
        np.append(leg.hip, [0.0, 0.0]) * [1.0, 0.0, 1.0, 0.0, 0.0] + distances[:, None] * way
        for leg in robot_geometry(robot).legs
    ]
    pelvis = np.tile([0.0, 0.0, 2.0 * robot.leg_length], (len(distances), 1))
    return pelvis, np.stack(feet) + np.append(pelvis, np.zeros((len(pelvis), 2)), axis=1)


def test_a_foot_in_the_air_comes_no_nearer_to_the_hip_than_the_knee_bends(any_robot: Robot) -> None:
    body = robot_geometry(any_robot)
    distances = np.linspace(0.5 * body.legs[0].folded, body.legs[0].reach, 200)
    pelvis, feet = under_hip(any_robot, distances)
    moved = unfolded(pelvis, *np.zeros((2, len(pelvis))), feet, any_robot)
    for leg, before, after in zip(body.legs, feet, moved, strict=True):
        new = np.linalg.norm((after - before)[:, [0, 2]] + distances[:, None] * [-0.6, -0.8], axis=1)
        assert new.min() == pytest.approx(leg.folded, rel=1e-6)
        far = distances > leg.folded + 0.02 * any_robot.leg_length
        np.testing.assert_array_equal(after[far], before[far])
        assert (np.diff(new) > -1e-12).all() and (np.diff(new) < 1.001 * np.diff(distances)).all()


def test_a_foot_is_never_pushed_into_the_ground(any_robot: Robot) -> None:
    """A crouch on folded legs: a foot that stands stays, one a little above the ground comes down to it."""
    body = robot_geometry(any_robot)
    sole = body.legs[0].sole
    for height in (0.0, 0.01 * any_robot.leg_length):
        pelvis, feet = under_hip(any_robot, np.full(3, 0.5 * body.legs[0].folded))
        down = feet[0, 0, 2] - sole.drop - sole.radius - height
        pelvis[:, 2] -= down
        feet[..., 2] -= down
        moved = unfolded(pelvis, *np.zeros((2, 3)), feet, any_robot)
        lines = line_heights(moved[0, :, 2], moved[0, :, 3], sole)
        np.testing.assert_allclose(lines, 0.0, atol=1e-9)


# ---------------------------------------------------------------- real recordings

AMASS_DIR = os.environ.get("AMASS_DIR", "")
REAL = sorted(Path(AMASS_DIR).rglob("*_poses.npz"))[:4] if AMASS_DIR else []


@pytest.mark.skipif(not REAL, reason="AMASS_DIR names no folder with *_poses.npz")
@pytest.mark.parametrize("path", REAL, ids=lambda path: path.stem)
def test_real_walks_become_clean_clips(path: Path, robot: Robot) -> None:
    take = load_take(path)
    clip = retarget(take, robot).clip
    quality = measure(clip, robot)
    way = np.linalg.norm(take.positions[-1, 0, :2] - take.positions[0, 0, :2]) / take.duration
    assert clip.speed == pytest.approx(way * np.sqrt(robot.leg_length / PERSON_LEG), rel=0.1)
    assert quality.skating < 0.03 and quality.penetration < 0.002 and quality.float_height < 0.01
    assert quality.limit_share < 0.05 and quality.clearance > 0.010 and quality.joint_speed < 11.0
    assert quality.speed > 0.5


# ---------------------------------------------------------------- errors and the script's work


def still(seconds: float, fps: float = 60.0) -> Take:
    poses = np.zeros((int(seconds * fps) + 1, 66))
    poses[:, 0] = np.pi / 2
    return Take("still", *forward_kinematics(poses, np.zeros((len(poses), 3))), fps)


def test_short_and_flying_takes_are_told(take: Take, robot: Robot) -> None:
    with pytest.raises(InputError, match="'still' lasts"):
        retarget(still(0.5), robot)
    flying = still(2.0)
    flight = replace(flying, positions=flying.positions + np.arange(121)[:, None, None] * [0.05, 0.0, 0.0])
    with pytest.raises(InputError, match="no steps"):
        retarget(flight, robot)
    with pytest.raises(InputError, match="no `bodies` in its YAML"):
        retarget(take, replace(robot, bodies=None))


def test_standing_is_a_motion_too(robot: Robot) -> None:
    clip = retarget(still(3.0), robot).clip
    assert np.ptp(clip.qpos, axis=0).max() < 0.01
    assert measure(clip, robot).float_height < 0.002
