"""A motion that already is a robot's -> a clip of that robot: resampled, turned to +x, its feet set on the ground."""

from __future__ import annotations

import numpy as np
from scipy.interpolate import CubicSpline
from scipy.spatial.transform import Rotation, Slerp

from playground_amp.core.errors import InputError
from playground_amp.motion.clip import LIMIT_TOLERANCE, MotionClip
from playground_amp.retargeting.foot_planting import Planting, find_stands, plant_feet
from playground_amp.retargeting.readers.robot_motion import RobotMotion
from playground_amp.robots import Robot

SHORTEST = 1.0  # s
SHORTEST_WAY = 0.5  # m of way below which a motion goes nowhere and its facing is that of the root
MOST_TURN = np.deg2rad(30.0)  # of the facing from the first frame on, above which the way is a curve
MOST_OVER = 0.1  # rad by which joints may pass the robot's limits, where they are cut; more is another robot's motion


def adopt(
    motion: RobotMotion, robot: Robot, frequency: float, source: str, *, plant: bool = True
) -> tuple[MotionClip, Planting | None]:
    """A robot's motion as a clip of `robot` at `frequency` Hz, heading +x, the ground where its feet stand.

    With `plant`, feet that stand neither float nor sink nor slide, and what that changed is told. Raises InputError
    for less than SHORTEST seconds, and where the joints are not those of `robot`.
    """
    if motion.duration < SHORTEST:
        raise InputError(
            f"'{motion.name}' lasts {motion.duration:.2f} s; a clip to learn from needs {SHORTEST:g} s or more"
        )
    joints = _within(_in_order(motion, robot), motion.name, robot)
    qpos = _resampled(motion, joints, robot, frequency)
    planting = None
    if plant:
        qpos, planting = plant_feet(qpos, robot, frequency)
    else:
        qpos[:, 2] -= find_stands(qpos, robot, frequency).ground
    return MotionClip(motion.name, robot.name, robot.joints, qpos, frequency, source), planting


def _resampled(motion: RobotMotion, joints: np.ndarray, robot: Robot, frequency: float) -> np.ndarray:
    """qpos [N, nq] at `frequency` Hz from the origin on, heading +x."""
    old = np.arange(len(joints)) / motion.fps
    new = np.minimum(np.arange(0.0, old[-1] + 1e-9, 1.0 / frequency), old[-1])
    rotation = Slerp(old, Rotation.from_quat(motion.root_quat, scalar_first=True))(new)
    position = CubicSpline(old, motion.root_pos)(new)
    turn = Rotation.from_euler("z", -_heading(position, rotation))
    quaternions = (turn * rotation).as_quat(scalar_first=True)
    angles = np.clip(CubicSpline(old, joints)(new), *robot.joint_range.T)
    return np.concatenate([turn.apply(position - position[0] * [1.0, 1.0, 0.0]), quaternions, angles], axis=1)


def _in_order(motion: RobotMotion, robot: Robot) -> np.ndarray:
    """Joint positions [N, J] in the robot's order."""
    if motion.joints is not None and set(robot.joints) <= set(motion.joints):
        return motion.joint_pos[:, [motion.joints.index(name) for name in robot.joints]]
    if motion.joint_pos.shape[1] != robot.num_joints:
        raise InputError(
            f"'{motion.name}' moves {motion.joint_pos.shape[1]} joints and the robot '{robot.name}' has "
            f"{robot.num_joints}; give the --robot that it was made for, or a person's motion"
        )
    return motion.joint_pos


def _within(joints: np.ndarray, name: str, robot: Robot) -> np.ndarray:
    """Joint positions [N, J] cut to the limits; raises InputError where they are far beyond."""
    over = robot.beyond_limits(joints)
    worst = int(over.argmax())
    if over[worst] > MOST_OVER + LIMIT_TOLERANCE:
        raise InputError(
            f"'{name}': {robot.joints[worst]} passes the limit of '{robot.name}' by {over[worst]:.2f} rad; give the "
            f"--robot that it was made for"
        )
    return np.clip(joints, *robot.joint_range.T)


def _heading(position: np.ndarray, rotation: Rotation) -> float:
    """Direction, rad, of the way, or of the root where there is none or the way is not forward.

    Of a motion that turns it is the direction that the root faces at the start.
    """
    ahead = rotation.apply([1.0, 0.0, 0.0])[:, :2]
    facings = np.unwrap(np.arctan2(ahead[:, 1], ahead[:, 0]))
    if np.abs(facings - facings[0]).max() > MOST_TURN:
        return float(facings[0])
    facing = float(np.arctan2(*ahead.mean(axis=0)[::-1]))
    way = position[-1, :2] - position[0, :2]
    heading = float(np.arctan2(way[1], way[0]))
    return heading if np.linalg.norm(way) > SHORTEST_WAY and np.cos(heading - facing) > 0.5 else facing
