"""The torque a motion needs: inverse dynamics, with the ground's forces chosen so that nothing pulls at the root."""

from __future__ import annotations

import copy
from dataclasses import dataclass

import mujoco
import numpy as np
from scipy.optimize import nnls
from scipy.signal import savgol_filter

from playground_amp.motion.quality import SKATING_HEIGHT
from playground_amp.robots import Robot

SMOOTHING = 9  # frames of the quadratic that gives velocity and acceleration
JOINT_WEIGHT = 0.01  # of joint torque beside root force, in the choice of the ground's forces


@dataclass(frozen=True, eq=False)
class Torques:
    """What each of N frames needs."""

    joints: np.ndarray  # [N, J] N m
    root: np.ndarray  # [N] N, length of the force on the root that no contact can supply


def required_torques(qpos: np.ndarray, robot: Robot, dt: float, *, every: int = 1) -> Torques:
    """Torques of every `every`-th frame of a motion [N, nq] at steps of `dt` s.

    tau = [M qacc + bias - passive - J^T f] in the joint rows. The forces f >= 0 act at the lowest corners of the pads
    along the edges of four-sided friction cones, and minimise |root rows|^2 + w^2 |tau|^2: what is left to choose
    when both feet stand is chosen for the least torque. Joint friction and limits are left out.
    """
    model = copy.copy(robot.model)
    model.opt.disableflags |= mujoco.mjtDisableBit.mjDSBL_CONSTRAINT
    data = mujoco.MjData(model)
    qvel, qacc = derivatives(qpos, model, dt)
    rows = [_solve(model, data, robot, *state) for state in zip(qpos[::every], qvel[::every], qacc[::every])]  # noqa: B905
    return Torques(np.array([joints for joints, _ in rows]), np.array([root for _, root in rows]))


def torque_limits(robot: Robot) -> np.ndarray:
    """Greatest torque of every servo, [J] N m; infinity where the model sets none."""
    model = robot.model
    limits = np.abs(model.actuator_forcerange).min(axis=1) * np.abs(model.actuator_gear[:, 0])
    return np.where(model.actuator_forcelimited.astype(bool), limits, np.inf)


def derivatives(qpos: np.ndarray, model: mujoco.MjModel, dt: float) -> tuple[np.ndarray, np.ndarray]:
    """Generalised velocity and acceleration [N, nv]: differences over two steps, smoothed by a quadratic."""
    before, after = np.concatenate([qpos[:1], qpos[:-1]]), np.concatenate([qpos[1:], qpos[-1:]])
    span = np.full(len(qpos), 2.0 * dt)
    span[[0, -1]] = dt
    qvel = np.zeros((len(qpos), model.nv))
    for row, seconds, start, end in zip(qvel, span, before, after, strict=True):
        mujoco.mj_differentiatePos(model, row, seconds, start, end)
    if len(qpos) < SMOOTHING:
        return qvel, np.gradient(qvel, dt, axis=0)
    smooth = savgol_filter(qvel, SMOOTHING, 2, axis=0)
    return smooth, savgol_filter(qvel, SMOOTHING, 2, deriv=1, delta=dt, axis=0)


def _solve(
    model: mujoco.MjModel, data: mujoco.MjData, robot: Robot, qpos: np.ndarray, qvel: np.ndarray, qacc: np.ndarray
) -> tuple[np.ndarray, float]:
    """Joint torques [J] and unexplained root force of one state."""
    data.qpos[:], data.qvel[:], data.qacc[:] = qpos, qvel, qacc
    mujoco.mj_inverse(model, data)
    needed, supplied = data.qfrc_inverse.copy(), _contact_columns(model, data, robot)
    weight = np.concatenate([np.ones(6), np.full(model.nv - 6, JOINT_WEIGHT)])
    if supplied.shape[1]:
        needed -= supplied @ nnls(weight[:, None] * supplied, weight * needed)[0]
    return needed[6:], float(np.linalg.norm(needed[:3]))


def _contact_columns(model: mujoco.MjModel, data: mujoco.MjData, robot: Robot) -> np.ndarray:
    """Generalised force of a unit normal force with friction to four sides at each corner near the ground, [nv, C]."""
    columns = [np.zeros((model.nv, 0))]
    for geom in robot.pad_geoms.ravel():
        point = data.geom_xpos[geom] - [0.0, 0.0, model.geom_size[geom, 0]]
        if point[2] < SKATING_HEIGHT:
            jacobian = np.empty((3, model.nv))
            mujoco.mj_jac(model, data, jacobian, None, point, model.geom_bodyid[geom])
            columns.append(jacobian.T @ _cone(model.geom_friction[geom, 0]))
    return np.concatenate(columns, axis=1)


def _cone(friction: float) -> np.ndarray:
    """Edges of a friction cone with four sides, [3, 4]."""
    return np.array([[friction, -friction, 0, 0], [0, 0, friction, -friction], [1, 1, 1, 1]], np.float64)
