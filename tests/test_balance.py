"""The pelvis is moved until the zero moment point is in the feet: the pendulum, the hull, and a whole clip."""

from __future__ import annotations

import numpy as np
import pytest

from playground_amp.motion.metrics.gait import contact_height, pad_corners
from playground_amp.motion.metrics.inverse_dynamics import zero_moment_points
from playground_amp.motion.metrics.support_polygon import distance_to_hull, nearest_in_hull
from playground_amp.retargeting.human_motion import extract_motion, resample
from playground_amp.retargeting.inverse_kinematics import IKTargets, follow
from playground_amp.retargeting.readers.amass import Take, forward_kinematics
from playground_amp.retargeting.retarget import FREQUENCY, plan
from playground_amp.retargeting.robot_geometry import robot_geometry
from playground_amp.retargeting.synthetic_human import WalkStyle, synthetic_take
from playground_amp.retargeting.zmp_balance import balanced, pendulum
from playground_amp.robots import Robot, load_robot

SQUARE = np.array([[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]])


def test_a_mass_stays_over_a_point_that_stays() -> None:
    np.testing.assert_allclose(pendulum(np.full(200, 0.3), 0.5, 50.0), 0.3, atol=1e-12)


def test_a_swaying_point_moves_the_mass_by_the_pendulums_share() -> None:
    """p = sin(w t) gives y = sin(w t) / (1 + tau^2 w^2), tau^2 = height / g."""
    time, rate, height = np.arange(3000) / 500.0, 2.0 * np.pi * 1.5, 0.981
    swing = pendulum(np.sin(rate * time), height, 500.0)[1250:1750]
    np.testing.assert_allclose(swing, (np.sin(rate * time) / (1.0 + 0.1 * rate**2))[1250:1750], atol=1e-3)


@pytest.mark.parametrize(
    ("point", "nearest"),
    [((2.0, 0.5), (1.0, 0.5)), ((-1.0, -1.0), (0.0, 0.0)), ((0.2, 0.7), (0.2, 0.7)), ((0.5, 1.25), (0.5, 1.0))],
)
def test_the_nearest_point_of_a_square(point: tuple, nearest: tuple) -> None:
    found = nearest_in_hull(np.array([point]), SQUARE[None], np.ones((1, 4), bool))
    np.testing.assert_allclose(found, [nearest], atol=1e-12)


def test_corners_in_the_air_are_not_part_of_the_hull() -> None:
    valid = np.array([[True, True, False, False], [True, False, False, False], [False] * 4])
    found = nearest_in_hull(np.full((3, 2), 0.5), np.tile(SQUARE, (3, 1, 1)), valid)
    np.testing.assert_allclose(found, [[0.5, 0.0], [0.0, 0.0], [np.nan, np.nan]])


def test_the_zero_moment_point_of_a_glide_lags_behind_its_acceleration(robot: Robot) -> None:
    """Every body moves alike: p = c - z a / g, with the centre of mass at (c, z)."""
    time = np.arange(60) / 50.0
    qpos = np.tile(robot.home_qpos, (60, 1))
    qpos[:, 0] = 0.5 * 1.2 * time**2
    still = zero_moment_points(np.tile(robot.home_qpos, (60, 1)), robot, 0.02)[30]
    moving = zero_moment_points(qpos, robot, 0.02)[30]
    lag = robot_geometry(robot).mass_height * 1.2 / 9.81
    expected = still + np.array([qpos[30, 0] - lag, 0.0])
    np.testing.assert_allclose(moving, expected, atol=1e-3)


def targets_of(robot: Robot) -> IKTargets:
    """Of a person who walks at 1 m/s, with shorter steps."""
    arrays = synthetic_take(WalkStyle(1.0, seed=3, strides=3.0))
    positions, rotations = forward_kinematics(arrays["poses"][:, :66].astype(float), arrays["trans"].astype(float))
    scale = robot.leg_length / 0.9
    motion = resample(
        extract_motion(Take("walk", positions, rotations, 120.0)), 0.8 * scale, 0.8 * scale**0.5, FREQUENCY
    )
    return plan(motion, robot, "walk")[0]


def outside(qpos: np.ndarray, robot: Robot) -> float:
    """Mean distance, m, of the zero moment point from the feet."""
    corners = pad_corners(qpos, robot).reshape(len(qpos), -1, 3)
    zmp = zero_moment_points(qpos, robot, 1.0 / FREQUENCY)
    near = corners[..., 2] < contact_height(robot)
    return float(np.nanmean(distance_to_hull(zmp, corners[..., :2], near)[5:-5]))


@pytest.mark.slow
def test_a_balanced_walk_asks_less_of_the_ground_where_no_foot_is() -> None:
    robot = load_robot("humanoid")
    targets = targets_of(robot)
    assert outside(balanced(targets, robot, FREQUENCY)[0], robot) < 0.6 * outside(follow(targets, robot)[0], robot)


def test_feet_that_cannot_roll_are_not_turned_on_their_edges_for_balance(robot: Robot) -> None:
    targets = targets_of(robot)
    np.testing.assert_array_equal(balanced(targets, robot, FREQUENCY)[0], follow(targets, robot)[0])
