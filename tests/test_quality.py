"""Figures of motions made by hand, whose values are known: slipping, rolling, the zero moment point, torque."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import mujoco
import numpy as np
import pytest
from conftest import CONTROL_DT, make_clip
from scipy.spatial.transform import Rotation

from playground_amp.motion.metrics.gait import contact_height, faults, gait_bounds, measure, slip
from playground_amp.motion.metrics.inverse_dynamics import required_torques, torque_limits
from playground_amp.motion.metrics.support_polygon import distance_to_hull
from playground_amp.robots import Robot

GRAVITY = 9.81
RADIUS = 0.005  # m, of the spheres under wildrobot's feet


def standing(robot: Robot, frames: int = 60) -> np.ndarray:
    """The home pose [frames, nq]."""
    return np.tile(robot.home_qpos, (frames, 1))


def dragged(robot: Robot, speed: float) -> np.ndarray:
    """The home pose, pulled over the ground along +x."""
    qpos = standing(robot)
    qpos[:, 0] = speed * CONTROL_DT * np.arange(len(qpos))
    return qpos


def sphere_way(robot: Robot, way: np.ndarray, angle: np.ndarray, axis: str = "y") -> tuple[np.ndarray, np.ndarray]:
    """Corners and rotations of pads on the ground, moved along +x by `way` [N] m and turned by `angle` [N] rad."""
    shape = (len(way), *robot.pad_geoms.shape)
    corners = np.zeros((*shape, 3))
    corners[..., 0] = way[:, None, None]
    turns = Rotation.from_euler(axis, angle[:, None]).as_matrix()
    return corners, np.broadcast_to(turns[:, None, None], (*shape, 3, 3))


def test_feet_dragged_at_a_tenth_of_a_metre_a_second_skate_by_that(robot: Robot) -> None:
    assert measure(make_clip(robot, dragged(robot, 0.1)), robot).skating == pytest.approx(0.1, rel=1e-6)


def test_a_rolling_sphere_does_not_skate(robot: Robot) -> None:
    """A positive turn about y rolls towards +x; half of the turn leaves half of the speed."""
    way = 0.3 * CONTROL_DT * np.arange(20)
    for share, left in ((1.0, 0.0), (0.5, 0.15), (0.0, 0.3), (-1.0, 0.6)):
        speed, loaded = slip(*sphere_way(robot, way, share * way / RADIUS), robot, 1.0 / CONTROL_DT)
        np.testing.assert_allclose(speed, left, atol=1e-9)
        assert loaded.all()


def test_a_sphere_that_spins_on_the_spot_skates_and_one_that_turns_about_the_vertical_does_not(robot: Robot) -> None:
    still, angle = np.zeros(20), 0.02 * np.arange(20)
    speed, _ = slip(*sphere_way(robot, still, angle), robot, 1.0 / CONTROL_DT)
    np.testing.assert_allclose(speed, RADIUS * 0.02 / CONTROL_DT)
    speed, _ = slip(*sphere_way(robot, still, angle, axis="z"), robot, 1.0 / CONTROL_DT)
    np.testing.assert_allclose(speed, 0.0, atol=1e-12)


def test_pads_in_the_air_do_not_skate(robot: Robot) -> None:
    corners, turns = sphere_way(robot, 0.1 * np.arange(5), np.zeros(5))
    corners[2, 0, :, 2] = contact_height(robot) + 1e-6
    _, loaded = slip(corners, turns, robot, 50.0)
    assert loaded[:, 0].tolist() == [True, False, False, True] and loaded[:, 1:].all()


def test_bounds_grow_with_the_robot(robot: Robot) -> None:
    """Twice the leg: twice the lengths, sqrt 2 times the speeds, 1 / sqrt 2 times the turning, the same shares."""
    small, large = gait_bounds(0.42), gait_bounds(0.84)
    ratios = {name: large[name][1] / small[name][1] for name in small}
    assert ratios["penetration"] == pytest.approx(2.0) and ratios["skating"] == pytest.approx(np.sqrt(2.0))
    assert ratios["joint_speed"] == pytest.approx(np.sqrt(0.5)) and ratios["limit_share"] == ratios["duty"] == 1.0
    qpos = standing(robot)
    qpos[:, 2] -= 0.003
    quality = measure(make_clip(robot, qpos), robot)
    assert "penetration" in faults(quality) and robot.leg_length == quality.leg
    assert "penetration" not in faults(quality.__class__(**{**vars(quality), "leg": 0.84}))


# ---------------------------------------------------------------- the zero moment point


def centre_of_mass(robot: Robot, qpos: np.ndarray) -> np.ndarray:
    data = mujoco.MjData(robot.model)
    data.qpos[:] = qpos
    mujoco.mj_forward(robot.model, data)
    return data.subtree_com[0]


def test_at_rest_the_zero_moment_point_is_under_the_centre_of_mass(robot: Robot) -> None:
    qpos = standing(robot)
    qpos[:, 1], qpos[:, 8], qpos[:, 9] = 0.3, 0.6, -0.2
    zmp = required_torques(qpos, robot, CONTROL_DT).zmp
    np.testing.assert_allclose(zmp, np.tile(centre_of_mass(robot, qpos[0])[:2], (60, 1)), atol=1e-9)


def test_a_body_that_accelerates_forward_leans_on_its_heels(robot: Robot) -> None:
    """p = c - a c_z / g for a rigid body at the acceleration a, whichever way it faces."""
    for turn in (0.0, 1.0):
        qpos, time = standing(robot), CONTROL_DT * np.arange(60)
        qpos[:, 0] = 0.5 * 0.8 * time**2
        qpos[:, 3:7] = Rotation.from_euler("z", turn).as_quat(scalar_first=True)
        zmp, centre = required_torques(qpos, robot, CONTROL_DT).zmp[30], centre_of_mass(robot, qpos[30])
        np.testing.assert_allclose(zmp, centre[:2] - [0.8 / GRAVITY * centre[2], 0.0], atol=1e-6)


def test_in_free_fall_there_is_no_zero_moment_point(robot: Robot) -> None:
    qpos, time = standing(robot, 30), CONTROL_DT * np.arange(30)
    qpos[:, 2] = 5.0 - 0.5 * GRAVITY * time**2
    assert np.isnan(required_torques(qpos, robot, CONTROL_DT).zmp[5:-5]).all()


@pytest.mark.parametrize(
    ("point", "distance"),
    [((0.5, 0.5), 0.0), ((1.0, 1.0), 0.0), ((1.5, 0.5), 0.5), ((2.0, 2.0), np.sqrt(2.0)), ((0.5, -0.25), 0.25)],
)
def test_distance_from_a_square(point: tuple[float, float], distance: float) -> None:
    corners = np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0], [1.0, 1.0], [0.4, 0.6]])
    found = distance_to_hull(np.array([point]), corners[None], np.ones((1, 5), bool))
    assert found[0] == pytest.approx(distance, abs=1e-12)


def test_distance_from_a_line_a_point_and_from_nothing() -> None:
    corners = np.tile([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]], (4, 1, 1))
    valid = np.array([[True, True, False], [False, True, True], [True, False, False], [False, False, False]])
    found = distance_to_hull(np.full((4, 2), 1.0), corners, valid)
    np.testing.assert_allclose(found, [1.0, np.sqrt(0.5), np.sqrt(2.0), np.nan])


# ---------------------------------------------------------------- torque


def test_a_lifted_leg_hangs_on_its_knee(robot: Robot) -> None:
    """Standing on the left foot, the right thigh level and its shank at 45 degrees below it; by hand from the MJCF:

    the shank's weight acts 0.09 m from the knee along the shank, the foot's at 0.18 + 0.04 m along it and 6 mm behind
    its line, which is level where the ankle is at zero.
    """
    qpos = standing(robot)
    qpos[:, 12], qpos[:, 14], qpos[:, 15] = -np.pi / 2, np.pi / 4, 0.0
    shank, along, behind = 0.3807 * 0.09, 0.3464 * (0.18 + 0.040), 0.3464 * 0.006
    lever = (shank + along) * np.sin(np.pi / 4) - behind * np.cos(np.pi / 4)
    torque = required_torques(qpos, robot, CONTROL_DT).joints[30]
    assert torque[7] == pytest.approx(-GRAVITY * lever, rel=1e-6)


MOTORS = """<mujoco><worldbody><body><freejoint/><geom size=".1"/>
<body pos="0 0 1"><joint name="a" axis="0 1 0"/><geom size=".1"/>
<body pos="0 0 1"><joint name="b" axis="0 1 0" actuatorfrcrange="-7 7"/><geom size=".1"/>
<body pos="0 0 1"><joint name="c" axis="0 1 0"/><geom size=".1"/></body></body></body></body></worldbody>
<actuator><motor joint="a" gear="200" ctrlrange="-.4 .4"/><position joint="b" kp="20" forcerange="-9 9"/>
<position joint="c" kp="20"/></actuator></mujoco>"""


def test_limits_of_motors_of_servos_and_of_joints(robot: Robot) -> None:
    np.testing.assert_allclose(torque_limits(robot), 4.0)
    other: Any = SimpleNamespace(model=mujoco.MjModel.from_xml_string(MOTORS))
    np.testing.assert_allclose(torque_limits(other), [80.0, 7.0, np.inf])
