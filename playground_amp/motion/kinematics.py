"""Inverse kinematics: targets of root, trunk and feet -> qpos within the joint limits, by mink frame after frame."""

from __future__ import annotations

from dataclasses import dataclass, replace

import mink
import mujoco
import numpy as np
from scipy.spatial.transform import Rotation

from playground_amp.errors import InputError
from playground_amp.robots import RetargetTable, Robot

PITCH = np.array([0.0, 1.0, 0.0])  # of yaw, pitch, roll
IK_STEPS = 6  # iterations a frame
LIMIT_MARGIN = 0.005  # rad kept from every joint limit


@dataclass(frozen=True, eq=False)
class Targets:
    """What the inverse kinematics follows, at the control rate. N frames, 2 feet."""

    root: np.ndarray  # [N, 3] m
    root_euler: np.ndarray  # [N, 3] rad: yaw, pitch, roll
    trunk: np.ndarray  # [N] rad, angle of the trunk joint
    feet: np.ndarray  # [2, N, 4] ankle m, pitch rad


def table_of(robot: Robot) -> RetargetTable:
    """What retargeting has to know of the robot; raises InputError where its robot.yaml does not say."""
    if robot.retarget is None:
        raise InputError(f"robot '{robot.name}' has no retarget table in its robot.yaml; add one, see wildrobot's")
    return robot.retarget


def follow(targets: Targets, robot: Robot) -> np.ndarray:
    """qpos [N, nq] that follows the targets within the joint limits.

    The first pass shows how far each foot rolls (the robot's ankles do not); the second one raises the ankles so that
    the lowest edge of the sole is where the target has its middle.
    """
    first = _solve(targets, robot)
    feet = targets.feet.copy()
    for side in (0, 1):
        feet[side, :, 2] += _sunk(first, feet[side], robot, side)
    return _solve(replace(targets, feet=feet), robot)


def _sunk(qpos: np.ndarray, foot: np.ndarray, robot: Robot, side: int) -> np.ndarray:
    """By how much roll lowers the lowest edge of the sole under its middle, [N] m."""
    half_width = np.ptp(robot.model.geom_pos[robot.pad_geoms[2 * side], 1]) / 2.0
    data = mujoco.MjData(robot.model)
    body = robot.model.body(table_of(robot).feet[side]).id
    sunk = np.empty(len(qpos))
    for i, q in enumerate(qpos):
        data.qpos[:] = q
        mujoco.mj_kinematics(robot.model, data)
        sunk[i] = half_width * abs(data.xmat[body].reshape(3, 3)[2, 1])
    return sunk


def _solve(targets: Targets, robot: Robot) -> np.ndarray:
    """Frame by frame, each started from the one before: [N, nq]."""
    configuration = mink.Configuration(robot.model, q=robot.home_qpos)
    tasks = _tasks(robot)
    limits = [mink.ConfigurationLimit(robot.model, min_distance_from_limits=LIMIT_MARGIN)]
    qpos = np.empty((len(targets.root), robot.model.nq))
    for i in range(len(qpos)):
        _aim(tasks, targets, i, robot)
        for _ in range(IK_STEPS if i else 5 * IK_STEPS):
            velocity = mink.solve_ik(configuration, list(tasks.values()), 1.0, "daqp", damping=1e-9, limits=limits)
            configuration.integrate_inplace(velocity, 1.0)
        qpos[i] = configuration.q
    return qpos


def _tasks(robot: Robot) -> dict[str, mink.FrameTask | mink.PostureTask]:
    """Feet before root before posture. A foot's roll and yaw are free: they follow from the leg."""
    cost = np.full(robot.model.nv, 1e-4)
    cost[6 + robot.joints.index(table_of(robot).trunk_joint)] = 1.0
    root = mink.FrameTask(robot.root, "body", position_cost=[0.5, 0.5, 0.5], orientation_cost=0.2)
    left, right = (mink.FrameTask(foot, "body", 20.0, [0.0, 4.0, 0.0]) for foot in table_of(robot).feet)
    return {"root": root, "left": left, "right": right, "posture": mink.PostureTask(robot.model, cost=cost)}


def _aim(tasks: dict, targets: Targets, i: int, robot: Robot) -> None:
    """Set every task's target for frame `i`."""
    tasks["root"].set_target(_pose(targets.root[i], targets.root_euler[i]))
    for side, foot in zip(("left", "right"), targets.feet[:, i], strict=True):
        tasks[side].set_target(_pose(foot[:3], foot[3] * PITCH))
    posture = robot.home_qpos.copy()
    posture[7 + robot.joints.index(table_of(robot).trunk_joint)] = targets.trunk[i]
    tasks["posture"].set_target(posture)


def _pose(position: np.ndarray, euler: np.ndarray) -> mink.SE3:
    rotation = mink.SO3(Rotation.from_euler("ZYX", euler).as_quat(scalar_first=True))
    return mink.SE3.from_rotation_and_translation(rotation, np.asarray(position))
