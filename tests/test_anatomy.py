"""What retargeting reads from a robot's model, against the numbers of its MJCF."""

from __future__ import annotations

import numpy as np
import pytest

from playground_amp.retargeting.robot_geometry import robot_geometry
from playground_amp.robots import Robot


def test_the_legs_of_wildrobot_are_those_of_its_mjcf(robot: Robot) -> None:
    left, right = robot_geometry(robot).legs
    np.testing.assert_allclose(left.hip, [0.0, 0.0536, -0.0336], atol=1e-9)
    np.testing.assert_allclose(right.hip, left.hip * [1.0, -1.0, 1.0], atol=1e-9)
    np.testing.assert_allclose(left.thigh, [0.0268, 0.0002 - 0.1926], atol=1e-9)
    assert left.shank == pytest.approx(0.18)
    assert left.extension == right.extension == pytest.approx(0.0873)


def test_a_leg_reaches_as_far_as_its_bent_knee_allows(robot: Robot) -> None:
    """Thigh (0.0268, -0.1924), shank 0.18 turned back by 0.25 rad: their sum by hand."""
    reach = np.hypot(0.0268 - 0.18 * np.sin(0.25), 0.1924 + 0.18 * np.cos(0.25))
    assert robot_geometry(robot).legs[0].reach == pytest.approx(reach, abs=5e-4)  # its robot.yaml says 0.3675


def test_the_sole_lies_on_the_contact_spheres(robot: Robot) -> None:
    leg = robot_geometry(robot).legs[1]
    assert (leg.sole.heel, leg.sole.toe, leg.sole.drop, leg.sole.radius) == pytest.approx(
        (-0.0803, 0.0682, 0.0591, 0.005)
    )
    assert leg.half_width == pytest.approx(0.045)
    assert leg.foot == ("right_foot", "body") and leg.carrier == "right_foot" and not leg.is_ball


def test_what_no_joint_turns_is_not_asked_for(robot: Robot) -> None:
    """No hip yaw, no ankle roll; the waist yaws alone."""
    body = robot_geometry(robot)
    assert body.legs[0].steers.tolist() == [0.0, 1.0, 0.0]
    assert body.chest == "chassis" and body.chest_turns.tolist() == [1.0, 0.0, 0.0]
    assert body.arms is None
