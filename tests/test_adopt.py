"""Motions that already are a robot's become its clips: order, rate, heading, ground, limits."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from playground_amp.core.errors import InputError
from playground_amp.retargeting.readers.robot_motion import RobotMotion
from playground_amp.retargeting.robot_to_robot import adopt
from playground_amp.robots import Robot

FPS = 30.0
START = np.array([3.0, -2.0, 0.0])  # m


@pytest.fixture(scope="module")
def motion(robot: Robot) -> RobotMotion:
    """Two seconds of gliding at 0.5 m/s towards 1 rad, 0.3 m above the ground, knees swinging by 0.2 rad."""
    time = np.arange(61) / FPS
    turn = Rotation.from_euler("z", 1.0)
    forward = np.stack([0.5 * time, 0.0 * time, robot.home_qpos[2] + 0.3 + 0.0 * time], axis=1)
    joints = np.tile(np.array(robot.home), (len(time), 1))
    joints[:, robot.joints.index("left_knee_pitch")] += 0.2 * np.sin(2 * np.pi * time)
    quaternions = np.tile(turn.as_quat(scalar_first=True), (len(time), 1))
    return RobotMotion("walk", turn.apply(forward) + START, quaternions, joints, robot.joints, FPS)


def test_a_motion_starts_at_the_origin_heads_along_x_and_touches_the_ground(motion: RobotMotion, robot: Robot) -> None:
    clip, _ = adopt(motion, robot, 50.0, "somewhere")
    assert clip.frequency == 50.0 and len(clip.qpos) == 101 and clip.source == "somewhere"
    np.testing.assert_allclose(clip.qpos[0, :2], 0.0, atol=1e-9)
    np.testing.assert_allclose(clip.qpos[-1, :2], [1.0, 0.0], atol=1e-6)
    np.testing.assert_allclose(np.abs(clip.qpos[:, 3]), 1.0, atol=1e-9)
    assert robot.pad_heights(clip.qpos).min() == pytest.approx(0.0, abs=1e-3)


def test_joint_angles_are_those_of_the_motion_in_between_its_frames(motion: RobotMotion, robot: Robot) -> None:
    knee = robot.joints.index("left_knee_pitch")
    clip, _ = adopt(motion, robot, 50.0, "")
    expected = robot.home[knee] + 0.2 * np.sin(2 * np.pi * np.arange(101) / 50.0)
    np.testing.assert_allclose(clip.qpos[:, 7 + knee], expected, atol=2e-3)


def test_joints_are_found_by_their_names(motion: RobotMotion, robot: Robot) -> None:
    backwards = replace(motion, joint_pos=motion.joint_pos[:, ::-1], joints=motion.joints[::-1])
    np.testing.assert_array_equal(adopt(backwards, robot, 50.0, "")[0].qpos, adopt(motion, robot, 50.0, "")[0].qpos)


def test_joints_of_another_robot_are_told_by_their_names(motion: RobotMotion, robot: Robot) -> None:
    foreign = replace(motion, joints=tuple(f"their_{joint}" for joint in motion.joints or ()))
    with pytest.raises(InputError, match=r"does not move waist_yaw.*\(it moves their_waist_yaw.*--joints"):
        adopt(foreign, robot, 50.0, "")


def test_a_backward_walk_stays_backward(motion: RobotMotion, robot: Robot) -> None:
    clip, _ = adopt(replace(motion, root_pos=motion.root_pos[::-1]), robot, 50.0, "")
    assert clip.qpos[-1, 0] == pytest.approx(-1.0, abs=1e-6)


def test_the_motion_of_another_robot_is_told(motion: RobotMotion, robot: Robot) -> None:
    with pytest.raises(InputError, match=r"moves 8 joints and the robot 'wildrobot' has 9"):
        adopt(replace(motion, joint_pos=motion.joint_pos[:, :8], joints=None), robot, 50.0, "")
    with pytest.raises(InputError, match=r"left_knee_pitch passes the limit of 'wildrobot' by 0.5"):
        beyond = motion.joint_pos.copy()
        beyond[7, robot.joints.index("left_knee_pitch")] = 1.396 + 0.5
        adopt(replace(motion, joint_pos=beyond), robot, 50.0, "")
    with pytest.raises(InputError, match=r"lasts 0.50 s"):
        short = {name: getattr(motion, name)[:16] for name in ("root_pos", "root_quat", "joint_pos")}
        adopt(replace(motion, **short), robot, 50.0, "")


@pytest.mark.parametrize("rate", [24.0, 29.97, 30.0, 50.0, 59.94, 100.0, 120.0])
def test_no_length_and_no_rate_runs_past_the_last_frame(rate: float, motion: RobotMotion, robot: Robot) -> None:
    for length in range(int(rate) + 2, 2 * int(rate) + 1, max(1, int(rate) // 12)):
        shorter = {
            name: getattr(motion, name)[np.arange(length) % 61] for name in ("root_pos", "root_quat", "joint_pos")
        }
        clip, _ = adopt(replace(motion, fps=rate, **shorter), robot, 50.0, "", plant=False)
        assert len(clip.qpos) == int((length - 1) / rate * 50.0 + 1e-6) + 1


def test_a_motion_that_turns_begins_along_x(motion: RobotMotion, robot: Robot) -> None:
    turns = Rotation.from_rotvec((1.0 + np.linspace(0.0, np.pi, 61))[:, None] * [0.0, 0.0, 1.0])
    clip, _ = adopt(replace(motion, root_quat=turns.as_quat(scalar_first=True)), robot, 50.0, "", plant=False)
    np.testing.assert_allclose(np.abs(clip.qpos[0, 3]), 1.0, atol=1e-6)
    np.testing.assert_allclose(np.abs(clip.qpos[-1, 6]), 1.0, atol=1e-6)
