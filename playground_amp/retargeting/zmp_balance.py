"""The pelvis moved until the motion's zero moment point lies in the feet: a walk that could be walked.

A clip that is only scaled asks the ground to push where no foot is. The way of the pelvis is changed by d with
d - tau^2 d'' = p' - p, where p is the motion's zero moment point, p' the nearest point of the feet on the ground, and
tau^2 = height / g: the linear inverted pendulum says how a shift of the mass shifts the zero moment point (Kajita et
al. 2003, Biped walking pattern generation by using preview control, section V: the same correction by preview).
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from scipy.linalg import solve_banded
from scipy.ndimage import gaussian_filter1d

from playground_amp.motion.metrics.gait import contact_height, pad_corners
from playground_amp.motion.metrics.inverse_dynamics import zero_moment_points
from playground_amp.motion.metrics.support_polygon import nearest_in_hull
from playground_amp.retargeting.inverse_kinematics import IKTargets, follow
from playground_amp.retargeting.reachability import at_reachable_height, rolls
from playground_amp.retargeting.robot_geometry import robot_geometry
from playground_amp.robots import Robot

GRAVITY = 9.81  # m/s^2
ROUNDS = 2  # corrections; the model of one mass is not the robot, and every round turns flat feet a little more
SMOOTHING_TIME = 0.03  # s; a foot takes the weight over some time, and a mass has no jumps


def balanced(targets: IKTargets, robot: Robot, frequency: float) -> tuple[np.ndarray, dict[str, float]]:
    """qpos and distances of `follow`, with the pelvis moved ROUNDS times towards a zero moment point in the feet.

    `frequency` is that of the targets, Hz.

    Only where the feet can take it: over flat feet whose ankles do not roll the pelvis would have to sway by more than
    the hips allow, and turn the feet on their edges.
    """
    qpos, errors = follow(targets, robot)
    legs = robot_geometry(robot).legs
    for _ in range(ROUNDS if all(rolls(leg) for leg in legs) else 0):
        pelvis = targets.pelvis.copy()
        pelvis[:, :2] += correction(qpos, robot, frequency, robot_geometry(robot).mass_height)
        pelvis, _ = at_reachable_height(pelvis, targets.heading, targets.pelvis_euler[:, 1], targets.feet, robot)
        targets = replace(targets, pelvis=pelvis)
        qpos, errors = follow(targets, robot)
    return qpos, errors


def correction(qpos: np.ndarray, robot: Robot, frequency: float, height: float) -> np.ndarray:
    """How far [N, 2] m to move the pelvis of a motion [N, nq] whose mass is at `height` m; at its ends not at all."""
    corners = pad_corners(qpos, robot).reshape(len(qpos), -1, 3)
    zmp = zero_moment_points(qpos, robot, 1.0 / frequency)
    wanted = nearest_in_hull(zmp, corners[..., :2], corners[..., 2] < contact_height(robot))
    error = np.nan_to_num(wanted - zmp)
    return pendulum(gaussian_filter1d(error, SMOOTHING_TIME * frequency, axis=0), height, frequency)


def pendulum(zmp: np.ndarray, height: float, frequency: float) -> np.ndarray:
    """Way [N, ...] m of a mass at `height` m over the zero moment point [N, ...] m that neither falls nor runs away.

    y - tau^2 y'' = p by central differences, with y' = 0 at both ends.
    """
    stiffness = height / GRAVITY * frequency**2
    bands = np.tile([[-stiffness], [1.0 + 2.0 * stiffness], [-stiffness]], len(zmp))
    bands[1, [0, -1]] = 1.0 + stiffness
    return solve_banded((1, 1), bands, zmp)
