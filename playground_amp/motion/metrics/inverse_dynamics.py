"""What a motion asks of ground and servos: inverse dynamics, with the ground's forces chosen for least torque."""

from __future__ import annotations

import copy
from dataclasses import dataclass

import mujoco
import numpy as np
from scipy.optimize import nnls
from scipy.signal import savgol_filter

from playground_amp.motion.metrics.gait import contact_height
from playground_amp.robots import Robot

SMOOTHING_FRAMES = 9  # frames of the quadratic that gives velocity and acceleration
JOINT_WEIGHT = 0.01  # of joint torque beside root force, in the choice of the ground's forces
LIGHT = 0.05  # of the weight: with less on the ground there is no zero moment point to speak of


@dataclass(frozen=True, eq=False)
class Torques:
    """What each of N frames of a motion asks of servos and ground."""

    joints: np.ndarray  # [N, J] N m
    root: np.ndarray  # [N] N, length of the force on the root that no contact can supply
    zmp: np.ndarray  # [N, 2] m, zero moment point on the ground z = 0; NaN where next to nothing presses on it


def required_torques(qpos: np.ndarray, robot: Robot, dt: float) -> Torques:
    """Torques that every frame of a motion [N, nq] at steps of `dt` s needs.

    tau = [M qacc + bias - passive - J^T f] in the joint rows. The forces f >= 0 act at the lowest corners of the pads
    along the edges of four-sided friction cones, and minimise |root rows|^2 + w^2 |tau|^2: what is left to choose
    when both feet stand is chosen for the least torque. Joint friction and limits are left out.
    """
    model = _alone(robot)
    data = mujoco.MjData(model)
    qvel, qacc = derivatives(qpos, robot, dt)
    joints, root, zmp = (np.empty((len(qpos), *shape)) for shape in ((model.nv - 6,), (), (2,)))
    for i, state in enumerate(zip(qpos, qvel, qacc, strict=True)):
        joints[i], root[i], zmp[i] = _solve(model, data, robot, *state)
    return Torques(joints, root, zmp)


def zero_moment_points(qpos: np.ndarray, robot: Robot, dt: float) -> np.ndarray:
    """Zero moment points [N, 2] m of a motion [N, nq] at steps of `dt` s, as `Torques` has them."""
    model = _alone(robot)
    data = mujoco.MjData(model)
    zmp = np.empty((len(qpos), 2))
    for row, state in zip(zmp, zip(qpos, *derivatives(qpos, robot, dt), strict=True), strict=True):
        data.qpos[:], data.qvel[:], data.qacc[:] = state
        mujoco.mj_inverse(model, data)
        row[:] = _zero_moment_point(model, data)
    return zmp


def _alone(robot: Robot) -> mujoco.MjModel:
    """The robot without ground, friction and limits."""
    model = copy.copy(robot.model)
    model.opt.disableflags |= mujoco.mjtDisableBit.mjDSBL_CONSTRAINT
    model.dof_damping[:6] = 0.0  # a resistance of the air would be taken for a force of the ground
    return model


def torque_limits(robot: Robot) -> np.ndarray:
    """Greatest torque of every servo, [J] N m; infinity where the model sets none.

    The least of the actuator's force range, of what its greatest control gives where it is a plain motor, both times
    the gear, and of the joint's range of actuator forces.
    """
    model = robot.model
    joints = model.actuator_trnid[:, 0]
    motor = (model.actuator_biastype == mujoco.mjtBias.mjBIAS_NONE) & model.actuator_ctrllimited.astype(bool)
    force = _where(model.actuator_forcelimited, np.abs(model.actuator_forcerange).min(axis=1))
    control = _where(motor, np.abs(model.actuator_ctrlrange).min(axis=1) * np.abs(model.actuator_gainprm[:, 0]))
    joint = _where(model.jnt_actfrclimited[joints], np.abs(model.jnt_actfrcrange[joints]).min(axis=1))
    return np.minimum(np.minimum(force, control) * np.abs(model.actuator_gear[:, 0]), joint)


def _where(limited: np.ndarray, limit: np.ndarray) -> np.ndarray:
    return np.where(limited.astype(bool), limit, np.inf)


def derivatives(qpos: np.ndarray, robot: Robot, dt: float) -> tuple[np.ndarray, np.ndarray]:
    """Generalised velocity and acceleration [N, nv] of a motion [N, nq] at steps of `dt` s.

    Differences over two steps, smoothed by a quadratic over SMOOTHING_FRAMES.
    """
    qvel = robot.velocities(qpos, dt)
    if len(qpos) < SMOOTHING_FRAMES:
        return qvel, np.gradient(qvel, dt, axis=0)
    smooth = savgol_filter(qvel, SMOOTHING_FRAMES, 2, axis=0)
    return smooth, savgol_filter(qvel, SMOOTHING_FRAMES, 2, deriv=1, delta=dt, axis=0)


def _solve(
    model: mujoco.MjModel, data: mujoco.MjData, robot: Robot, qpos: np.ndarray, qvel: np.ndarray, qacc: np.ndarray
) -> tuple[np.ndarray, float, np.ndarray]:
    """Joint torques [J], unexplained root force and zero moment point [2] of one state."""
    data.qpos[:], data.qvel[:], data.qacc[:] = qpos, qvel, qacc
    mujoco.mj_inverse(model, data)
    needed, supplied = data.qfrc_inverse.copy(), _contact_columns(model, data, robot)
    zmp = _zero_moment_point(model, data)
    weight = np.concatenate([np.ones(6), np.full(model.nv - 6, JOINT_WEIGHT)])
    if supplied.shape[1]:
        needed -= supplied @ nnls(weight[:, None] * supplied, weight * needed)[0]
    return needed[6:], float(np.linalg.norm(needed[:3])), zmp


def _zero_moment_point(model: mujoco.MjModel, data: mujoco.MjData) -> np.ndarray:
    """Where on z = 0 the force f that the motion asks of the ground has no moment about a horizontal axis, [2] m.

    With the moment m about the root at r: p = (r_x - (m_y + r_z f_x) / f_z, r_y + (m_x - r_z f_y) / f_z). As the ground
    can only push, feet have to enclose it (Vukobratović and Borovac 2004, Zero-moment point).
    """
    force, root = data.qfrc_inverse[:3], data.qpos[:3]
    rotation = np.empty(9)
    mujoco.mju_quat2Mat(rotation, data.qpos[3:7])
    moment = rotation.reshape(3, 3) @ data.qfrc_inverse[3:6]  # a free joint turns about its own axes
    if force[2] < LIGHT * model.body_mass.sum() * np.abs(model.opt.gravity[2]):
        return np.full(2, np.nan)
    lever = np.array([-moment[1] - root[2] * force[0], moment[0] - root[2] * force[1]])
    return root[:2] + lever / force[2]


def _contact_columns(model: mujoco.MjModel, data: mujoco.MjData, robot: Robot) -> np.ndarray:
    """Generalised force of a unit normal force with friction to four sides at each corner near the ground, [nv, C]."""
    columns, height = [np.zeros((model.nv, 0))], contact_height(robot)
    for geom in np.unique(robot.pad_geoms):
        point = data.geom_xpos[geom] - [0.0, 0.0, model.geom_size[geom, 0]]
        if point[2] < height:
            jacobian = np.empty((3, model.nv))
            mujoco.mj_jac(model, data, jacobian, None, point, model.geom_bodyid[geom])
            columns.append(jacobian.T @ _cone(model.geom_friction[geom, 0]))
    return np.concatenate(columns, axis=1)


def _cone(friction: float) -> np.ndarray:
    """Edges of a friction cone with four sides, [3, 4]."""
    return np.array([[friction, -friction, 0, 0], [0, 0, friction, -friction], [1, 1, 1, 1]], np.float64)
