"""Guesses of what the motors of an MJCF do not say: stiffness, damping, torque and armature of position servos."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import mujoco
import numpy as np

from playground_amp.robots.proposal.anatomy import LegAnatomy
from playground_amp.robots.record import Gains
from playground_amp.robots.servos import joint_torque, merge
from playground_amp.robots.symmetry import Symmetry, pose

GIVE = 0.5  # rad, error at which a servo pulls with all its torque
DAMPING = 0.7  # of critical, for the joint's own inertia with the other joints held
LEAST_DAMPING = 1 / 30  # s, damping over stiffness: a leg that stands moves more than its own inertia
FASTEST = 0.5  # (time step x natural frequency)^2 with the other joints free; at 4 the steps diverge
TIMESTEP = 0.005  # s
LEG, ANKLE = 0.4, 0.2  # torque of leg joints as shares of weight x leg length
ARMATURE = 1.5e-4  # kg m^2 per N m, of motors with gears of 5 to 25
REST = 3.0  # torque of other joints as a multiple of what holds up all that hangs from them


def guess_gains(
    model: mujoco.MjModel, own: Mapping[str, Gains], symmetry: Symmetry, anatomy: LegAnatomy, leg: float
) -> dict[str, Gains]:
    """Gains of each joint: what the MJCF says (`own`), else a guess, the same left and right; `leg` is its length, m.

    Torque: of motors gear x range, else by the weight to carry. Armature, where there is none: by the torque.
    Stiffness: all torque at an error of GIVE, less where steps of 5 ms could not follow. Damping: DAMPING of critical
    less the joint's passive damping, and no less than LEAST_DAMPING.
    """
    joints, data = list(symmetry.joints), pose(model, {})
    said = {joint: own.get(joint, Gains()) for joint in joints}
    torques = [said[joint].torque or _torque(model, data, symmetry, joint, anatomy, leg) for joint in joints]
    dofs = [int(model.joint(joint).dofadr[0]) for joint in joints]
    armature = np.where(model.dof_armature[dofs] == 0.0, ARMATURE * np.array(torques), 0.0)
    held, loose = inertias(model, dofs, armature)
    guesses: dict[str, Gains] = {}
    for i, joint in enumerate(joints):
        kp = said[joint].kp or min(torques[i] / GIVE, FASTEST * loose[i] / TIMESTEP**2)
        kv = max(2.0 * DAMPING * np.sqrt(kp * held[i]) - model.dof_damping[dofs[i]], LEAST_DAMPING * kp)
        guess = Gains(rounded(kp), rounded(kv), rounded(torques[i]), rounded(armature[i]) or None)
        guesses[joint] = merge([guesses.get(symmetry.joints[joint][0], guess), said[joint]])
    return guesses


def inertias(model: mujoco.MjModel, dofs: Sequence[int], armature: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Inertia that each degree of freedom moves in the zero pose, the others held, and the others free: kg m^2.

    `armature` [J] is added to that of the degrees of freedom in `dofs`.
    """
    data = pose(model, {})
    mujoco.mj_forward(model, data)
    mass = np.zeros((model.nv, model.nv))
    mujoco.mj_fullM(model, data, mass)
    mass[dofs, dofs] += armature
    return mass.diagonal()[dofs], 1.0 / np.linalg.inv(mass).diagonal()[dofs]


def rounded(value: float) -> float:
    """Two significant digits: it is a guess."""
    return float(f"{value:.2g}")


def _torque(
    model: mujoco.MjModel, data: mujoco.MjData, symmetry: Symmetry, joint: str, anatomy: LegAnatomy, leg: float
) -> float:
    index, weight = model.joint(joint).id, model.body_mass.sum() * np.linalg.norm(model.opt.gravity)
    if limits := joint_torque(model, index):
        return min(limits)
    side, partner = anatomy.leg.joints, symmetry.joints[joint][0]
    if left := next((one for one in (joint, partner) if one in side), None):
        return (ANKLE if side.index(left) > side.index(anatomy.leg.bend) else LEG) * weight * leg
    body = int(model.jnt_bodyid[index])
    reach = np.linalg.norm(data.subtree_com[body] - data.xanchor[index])
    return max(REST * model.body_subtreemass[body] * np.linalg.norm(model.opt.gravity) * reach, 0.005 * weight * leg)
