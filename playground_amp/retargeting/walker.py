"""What persons and robots have in common: feet, a root, a way that it faces, and legs of some length."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import gaussian_filter1d
from scipy.spatial.transform import Rotation

from playground_amp.retargeting.readers.amass import JOINTS, Take
from playground_amp.retargeting.readers.robot_motion import RobotMotion
from playground_amp.robots import Robot

LEAST_FRAMES, LEAST_SECONDS = 10, 0.5  # of a motion that shows a gait
SMOOTH = 0.02  # s
LEGS = (JOINTS.index("left_hip"), JOINTS.index("left_knee"), JOINTS.index("left_ankle"))


@dataclass(frozen=True, eq=False)
class Walker:
    """Somebody who may walk. World frame, z up; feet are left, right. N frames."""

    root: np.ndarray  # [N, 3] m
    ankles: np.ndarray  # [2, N, 3] m
    balls: np.ndarray  # [2, N, 3] m, of the feet: what stands still longest
    facing: np.ndarray  # [N, 2] unit vectors over the ground
    leg: float  # m
    fps: float  # Hz
    is_person: bool


def walker_of(recording: Take | RobotMotion, robot: Robot | None) -> Walker | None:
    """The walker of a recording; None where it is too short, and where a robot's motion is not that of `robot`."""
    short = len(recording.positions if isinstance(recording, Take) else recording.root_pos) < LEAST_FRAMES
    if short or recording.duration < LEAST_SECONDS:
        return None
    if isinstance(recording, Take):
        return _person(recording)
    return None if robot is None else _robot(recording, robot)


def _person(take: Take) -> Walker:
    joints = take.positions.swapaxes(0, 1)
    thigh, shank = (np.linalg.norm(np.diff(take.positions[0, [a, b]], axis=0)) for a, b in (LEGS[:2], LEGS[1:]))
    left = joints[JOINTS.index("left_hip")] - joints[JOINTS.index("right_hip")]
    balls = joints[[JOINTS.index("left_foot"), JOINTS.index("right_foot")]]
    ankles = joints[[JOINTS.index("left_ankle"), JOINTS.index("right_ankle")]]
    forward = np.stack([left[:, 1], -left[:, 0]], axis=1)
    return Walker(joints[0], ankles, balls, _unit(forward), float(thigh + shank), take.fps, is_person=True)


def _robot(motion: RobotMotion, robot: Robot) -> Walker | None:
    names = motion.joints
    if names is None or not set(robot.joints) <= set(names):
        return None
    angles = motion.joint_pos[:, [names.index(joint) for joint in robot.joints]]
    qpos = np.concatenate([motion.root_pos, motion.root_quat, angles], axis=1)
    sides = robot.pad_geoms.reshape(2, -1)
    feet = np.array([[data.geom_xpos[side].mean(axis=0) for side in sides] for data in robot.poses(qpos)])
    forward = Rotation.from_quat(motion.root_quat, scalar_first=True).apply([1.0, 0.0, 0.0])[:, :2]
    feet = feet.swapaxes(0, 1)
    return Walker(motion.root_pos, feet, feet, _unit(forward), robot.leg_length, motion.fps, is_person=False)


def level_velocity(feet: np.ndarray, fps: float) -> np.ndarray:
    """Velocities [2, N, 2] m/s over the ground of positions [2, N, 3], without the noise of a recording."""
    velocity = np.gradient(feet[..., :2], 1.0 / fps, axis=1)
    return gaussian_filter1d(velocity, SMOOTH * fps, axis=1, mode="nearest")


def _unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-9)
