"""Retargeting along any path: the moving frame, and clips of arcs, steps back and aside, and turns on the spot."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from playground_amp.motion.clip import MotionClip
from playground_amp.motion.ground_path import GroundPath, about_vertical, path_of, resting
from playground_amp.motion.metrics.bounds import PERSON_LEG, RUNNING
from playground_amp.motion.metrics.gait import measure
from playground_amp.retargeting.clip_verdict import assess_clip
from playground_amp.retargeting.footsteps import Sole, Stance, pin
from playground_amp.retargeting.human_motion import extract_motion
from playground_amp.retargeting.reachability import at_reachable_height, fastest_turn
from playground_amp.retargeting.readers.amass import Take, forward_kinematics
from playground_amp.retargeting.retarget import Retargeted, retarget
from playground_amp.retargeting.robot_geometry import robot_geometry
from playground_amp.retargeting.synthetic_gait import PathStyle, WalkStyle
from playground_amp.retargeting.synthetic_human import synthetic_take
from playground_amp.robots import Robot, load_robot

RATE = 100.0
STYLES = {
    "ahead": (0.9, 0.0, 0.0),
    "arc": (0.9, 0.0, 0.18),
    "back": (-0.6, 0.0, 0.0),
    "aside": (0.0, -0.3, 0.0),
    "askew": (0.7, 0.2, 0.0),
    "turn": (0.0, 0.0, -0.15),
}


def circle(speed: float = 0.8, turning: float = 0.5, seconds: float = 8.0) -> tuple[np.ndarray, np.ndarray]:
    """Place [N, 2] and heading [N] of a way around a circle."""
    heading = turning * np.arange(0.0, seconds, 1.0 / RATE)
    return speed / turning * np.stack([np.sin(heading), 1.0 - np.cos(heading)], axis=-1), heading


def take_of(style: WalkStyle | PathStyle) -> Take:
    arrays = synthetic_take(style)
    poses, trans = arrays["poses"][:, :66].astype(float), arrays["trans"].astype(float)
    return Take("walk", *forward_kinematics(poses, trans), 120.0)


@pytest.fixture(scope="module")
def made(robot: Robot) -> dict[str, Retargeted]:
    """Retargeted walks whose velocity is the same all the time."""
    takes = {name: take_of(PathStyle(((*velocity, 5.0),), seed=1)) for name, velocity in STYLES.items()}
    return {name: retarget(take, robot) for name, take in takes.items()}


# ---------------------------------------------------------------- the moving frame


def test_what_is_seen_from_the_path_comes_back_to_the_world() -> None:
    path, points = GroundPath(*circle()), np.random.default_rng(0).normal(size=(2, 800, 3))
    np.testing.assert_allclose(path.world(path.seen(points)), points, atol=1e-12)
    np.testing.assert_array_equal(resting(800).world(points), points)


def test_velocity_and_acceleration_on_a_circle() -> None:
    path = GroundPath(*circle(speed=0.8, turning=0.5))
    np.testing.assert_allclose(path.velocity(RATE), np.tile([0.8, 0.0], (800, 1)), atol=1e-4)
    np.testing.assert_allclose(path.acceleration(RATE), np.tile([0.0, 0.8 * 0.5], (800, 1)), atol=1e-3)


def test_smoothing_keeps_a_circle_and_takes_out_the_sway() -> None:
    place, heading = circle()
    sway = 0.02 * np.sin(2.0 * np.pi * np.arange(800) / RATE)
    swayed = place + sway[:, None] * np.stack([-np.sin(heading), np.cos(heading)], axis=-1)
    path = path_of(swayed, heading + 3.0 * sway, RATE)
    np.testing.assert_allclose(path.place, place, atol=0.03)
    np.testing.assert_allclose(path.heading, heading, atol=0.02)


def test_a_path_that_turns_less_goes_as_fast_along_a_wider_curve() -> None:
    path = GroundPath(*circle(speed=0.8, turning=0.5))
    wider = path.turning(0.2 / RATE)
    np.testing.assert_allclose(wider.velocity(RATE), path.velocity(RATE), atol=0.01)
    assert wider.heading[-1] == pytest.approx(0.4 * path.heading[-1]) and wider.turned == pytest.approx(0.2 * 7.99)
    assert path.turning(0.6 / RATE) is path


def test_a_path_begins_at_the_origin_heading_x() -> None:
    path = GroundPath(*circle()).beginning(100)
    np.testing.assert_allclose(path.place[100], 0.0, atol=1e-12)
    assert path.heading[100] == 0.0
    np.testing.assert_allclose(np.diff(path.place, axis=0)[100], [0.008, 0.0], atol=1e-4)


# ---------------------------------------------------------------- feet


def test_a_foot_stays_where_it_stands_whichever_way_it_points() -> None:
    """Its heel and toe do not move while it is flat, and it turns about its ankle where it pivots."""
    frames, sole = np.arange(40), Sole(heel=-0.08, toe=0.07, drop=0.06)
    zero = 0.0 * frames
    free = np.stack([zero, zero, 0.1 + zero, zero, zero], axis=-1)
    turning = np.linspace(0.0, 0.5, 40)
    path = pin(free, zero, [Stance(0, 14, 0.1, 0.2, 1.0), Stance(25, 39, 0.3, 0.2, turning)], sole, clearance=0.02)
    np.testing.assert_allclose(path[:15], np.tile([0.1, 0.2, 0.06, 0.0, 1.0], (15, 1)))
    np.testing.assert_allclose(path[25:, :2], np.tile([0.3, 0.2], (15, 1)))
    np.testing.assert_allclose(path[25:, 4], turning[25:])
    pitched = pin(free, zero + 0.3, [Stance(0, 39, 0.0, 0.0, 1.0)], sole, clearance=0.02)
    straight = pin(free, zero + 0.3, [Stance(0, 39, 0.0, 0.0)], sole, clearance=0.02)
    np.testing.assert_allclose(pitched[:, :3], about_vertical(straight[:, :3], np.full(40, 1.0)), atol=1e-12)


# ---------------------------------------------------------------- clips


def travelled(clip: MotionClip) -> np.ndarray:
    """Mean velocity ahead and to the left, m/s, and turning, rad/s, seen from the root's smoothed heading."""
    yaw = Rotation.from_quat(clip.qpos[:, 3:7], scalar_first=True).as_euler("ZYX")[:, 0]
    path = path_of(clip.qpos[:, :2], np.unwrap(yaw), clip.frequency, smoothing=0.3)
    turning = np.gradient(path.heading) * clip.frequency
    return np.append(path.velocity(clip.frequency).mean(axis=0), turning.mean())


@pytest.mark.parametrize("name", STYLES)
def test_a_walk_keeps_its_direction_by_dynamic_similarity(made: dict[str, Retargeted], robot: Robot, name: str) -> None:
    """Speeds go with the root of the leg, turning with one over it."""
    scale = np.sqrt(robot.leg_length / PERSON_LEG)
    expected = np.array(STYLES[name]) * [scale, scale, 1.0]
    found = travelled(made[name].clip) * [1.0, 1.0, made[name].clip.time_scale]
    np.testing.assert_allclose(found, expected, atol=0.04)


@pytest.mark.parametrize("name", STYLES)
def test_feet_stand_and_alternate_in_every_direction(made: dict[str, Retargeted], robot: Robot, name: str) -> None:
    quality = measure(made[name].clip, robot)
    assert quality.skating < 0.03 and quality.penetration < 0.001 and quality.float_height < 0.005
    assert quality.alternation == 1.0 and quality.limit_share < 0.05 and quality.joint_speed < 8.5
    assert max(made[name].tracking_error.values()) < 0.01 and made[name].clip.qpos[0, 0] == 0.0


def test_a_robot_whose_legs_do_not_turn_follows_a_wider_arc_and_says_so(robot: Robot) -> None:
    done = retarget(take_of(PathStyle(((0.9, 0.0, 0.6, 5.0),), seed=2)), robot)
    assert travelled(done.clip)[2] == pytest.approx(fastest_turn(robot), rel=0.1)
    assert travelled(done.clip)[0] == pytest.approx(0.9 * np.sqrt(robot.leg_length / PERSON_LEG), rel=0.05)
    assert "legs do not turn" in done.notes[0] and "degrees" in done.notes[0]
    assert measure(done.clip, robot).skating < 0.03


def test_a_run_keeps_its_flight(robot: Robot) -> None:
    done = retarget(take_of(PathStyle(((2.2, 0.0, 0.0, 8.0),), seed=1, duty=0.36)), robot)
    verdict, signals = assess_clip(done.clip, robot)
    assert [kind for kind, *_ in verdict.parts] == [RUNNING]
    assert 0.1 < np.mean(~signals.contact.any(axis=1)) < 0.5 and verdict.figures["support"].verdict == "pass"


def test_legs_open_to_the_side_as_far_as_hips_and_ankles_roll(robot: Robot) -> None:
    """The humanoid's hips open by 25 degrees; feet beyond are out of reach, however low the pelvis."""
    for leg in robot_geometry(load_robot("humanoid")).legs:
        assert leg.spread == pytest.approx(np.deg2rad(25.0))
    humanoid = load_robot("humanoid")
    geometry, zero = robot_geometry(humanoid), np.zeros(20)
    pelvis = np.tile([0.0, 0.0, geometry.height], (20, 1))
    for aside, expected in ((0.0, True), (0.15, True), (0.5, False)):
        feet = [[0.0, side * (geometry.foot_line + aside), geometry.legs[0].sole.radius, 0.0, 0.0] for side in (1, -1)]
        _, reached = at_reachable_height(pelvis, zero, zero, np.tile(np.array(feet)[:, None], (1, 20, 1)), humanoid)
        assert reached is expected
    assert fastest_turn(humanoid) == np.inf and 0.2 < fastest_turn(robot) < 0.35


def test_a_straight_walk_is_seen_from_the_world_and_a_curve_from_its_path() -> None:
    straight = extract_motion(take_of(WalkStyle(0.9, seed=3, strides=4.0))).path
    assert not straight.place.any() and not straight.heading.any()
    aside = extract_motion(take_of(PathStyle(((0.0, 0.3, 0.0, 4.0),), seed=3))).path
    assert aside.place[-1, 1] > 1.0 > 100.0 * abs(aside.place[-1, 0]) and np.abs(aside.heading).max() < 0.05
    curve = extract_motion(take_of(PathStyle(((0.9, 0.0, 0.5, 4.0),), seed=3)))
    assert curve.path.heading[-1] > 1.5 and np.abs(curve.pelvis_euler[:, 0]).max() < 0.15


def test_turned_takes_begin_alike(robot: Robot) -> None:
    take = take_of(PathStyle(((0.8, 0.0, 0.3, 3.0),), seed=4))
    turn = Rotation.from_euler("z", 2.5).as_matrix()
    turned = replace(take, positions=take.positions @ turn.T, rotations=turn @ take.rotations)
    one, other = (retarget(recording, robot).clip.qpos for recording in (take, turned))
    np.testing.assert_allclose(one, other, atol=1e-3)
