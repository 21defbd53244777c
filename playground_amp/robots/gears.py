"""Joints that motors drive through gears: the actuators of a motor's own joint are put at the joint that it turns.

A knee that follows the joint of its motor, q = c0 + r q_motor by an `equality` constraint, is as good as a knee with
the servo itself: its gear is divided by r, and the rotor's inertia, damping and friction are felt as if by the knee. So
is an actuator at a tendon over a single joint.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import mujoco
import numpy as np

from playground_amp.robots.files import compile_spec
from playground_amp.robots.kinematic_tree import ancestors

HINGE = mujoco.mjtJoint.mjJNT_HINGE
JOINT_EQUALITY = mujoco.mjtEq.mjEQ_JOINT
ROTOR = 0.03  # mass of a rotor mounted in a limb, as a share of the limb's: less than any foot's of its shin
AT_JOINTS = (mujoco.mjtTrn.mjTRN_JOINT, mujoco.mjtTrn.mjTRN_JOINTINPARENT)
AT_TENDON = mujoco.mjtTrn.mjTRN_TENDON


@dataclass(frozen=True)
class Gear:
    """A joint and the joint of the motor that turns it, coupled by an equality constraint with a constant ratio."""

    constraint: str  # in words
    joint: str  # what carries the limb
    motor: str  # what the motor turns
    ratio: float  # rad of the joint for one of the motor's
    offset: float  # rad of the joint where the motor's is at zero


def take_in_gears(spec: mujoco.MjSpec, mjcf: Path) -> list[Gear]:
    """Put what turns joints through gears and single-joint tendons at the joints themselves; the gears found.

    Their constraints are gone afterwards, and nothing drives the motors' own joints, which the robot does not need.
    """
    coupled = any(equality.type == JOINT_EQUALITY for equality in spec.equalities)
    if not coupled and not any(actuator.trntype == AT_TENDON for actuator in spec.actuators):
        return []
    model = compile_spec(spec, mjcf)
    _leave_tendons(spec, model)
    found = {i: gear for i in range(model.neq) if (gear := _gear(spec, model, i))}
    for equality in [spec.equalities[i] for i in found]:
        spec.delete(equality)
    for gear in found.values():
        _move_actuators(spec, gear)
        _take_over(spec, model, gear)
    return list(found.values())


def in_words(spec: mujoco.MjSpec, index: int) -> str:
    """An equality constraint by its name, or by what it holds."""
    equality = spec.equalities[index]
    ends = " and ".join(f"'{name}'" for name in (equality.name1, equality.name2) if name)
    return f"the equality constraint '{equality.name}'" if equality.name else f"the equality constraint of {ends}"


def driven_joints(spec: mujoco.MjSpec) -> set[str]:
    """Names of the joints that an actuator turns by itself."""
    return {actuator.target for actuator in spec.actuators if actuator.trntype in AT_JOINTS}


def _leave_tendons(spec: mujoco.MjSpec, model: mujoco.MjModel) -> None:
    """A fixed tendon over one joint is as long as its coefficient times the joint's angle."""
    for actuator in [one for one in spec.actuators if one.trntype == AT_TENDON]:
        tendon = model.tendon(actuator.target).id
        first = int(model.tendon_adr[tendon])
        if model.tendon_num[tendon] == 1 and model.wrap_type[first] == mujoco.mjtWrap.mjWRAP_JOINT:
            actuator.trntype = mujoco.mjtTrn.mjTRN_JOINT
            actuator.target = model.joint(int(model.wrap_objid[first])).name
            actuator.gear = [actuator.gear[0] * model.wrap_prm[first], *actuator.gear[1:]]


def _gear(spec: mujoco.MjSpec, model: mujoco.MjModel, index: int) -> Gear | None:
    """The gear that an equality constraint makes, if it does.

    It is active and linear, one of its two hinges is driven and turns a rotor, and the other carries more; where the
    MJCF has no actuators the one that carries less is the motor's.
    """
    first, second = int(model.eq_obj1id[index]), int(model.eq_obj2id[index])
    if model.eq_type[index] != JOINT_EQUALITY or not model.eq_active0[index] or second < 0:
        return None
    offset, ratio, *higher = model.eq_data[index, :5]
    if any(higher) or not ratio or any(model.jnt_type[i] != HINGE for i in (first, second)):
        return None
    joint, motor = sorted((first, second), key=lambda i: -model.body_subtreemass[model.jnt_bodyid[i]])
    if _both_move(model, int(model.jnt_bodyid[joint]), int(model.jnt_bodyid[motor])):
        return None
    driven = {model.joint(name).id for name in driven_joints(spec)}
    if driven and (motor not in driven or joint in driven):
        return None
    if joint == second:  # q_motor = offset + ratio q_joint
        offset, ratio = -offset / ratio, 1.0 / ratio
    offset += model.qpos0[model.jnt_qposadr[joint]] - ratio * model.qpos0[model.jnt_qposadr[motor]]
    names = model.joint(joint).name, model.joint(motor).name
    return Gear(in_words(spec, index), *names, float(ratio), float(offset))


def _both_move(model: mujoco.MjModel, limb: int, rotor: int) -> bool:
    """Whether of two bodies one hangs from the other, and no mere rotor within the limb: both move what hangs below."""
    if rotor in ancestors(model, limb):
        return True
    light = model.body_subtreemass[rotor] < ROTOR * model.body_subtreemass[limb]
    return limb in ancestors(model, rotor) and not (light and rotor not in model.body_parentid)


def _move_actuators(spec: mujoco.MjSpec, gear: Gear) -> None:
    """The motor turns by 1 / ratio of the joint, and its torque is as much larger there."""
    for actuator in spec.actuators:
        if actuator.trntype in AT_JOINTS and actuator.target == gear.motor:
            actuator.target = gear.joint
            actuator.gear = [actuator.gear[0] / gear.ratio, *actuator.gear[1:]]


def _take_over(spec: mujoco.MjSpec, model: mujoco.MjModel, gear: Gear) -> None:
    """What the motor's joint has beside its actuators, as the joint feels it."""
    joint, motor = spec.joint(gear.joint), model.joint(gear.motor)
    dof = int(motor.dofadr[0])
    joint.armature += _rotor(model, dof) / gear.ratio**2
    joint.damping = [joint.damping[0] + model.dof_damping[dof] / gear.ratio**2, *joint.damping[1:]]
    joint.frictionloss += model.dof_frictionloss[dof] / abs(gear.ratio)
    if model.jnt_actfrclimited[motor.id]:
        joint.actfrcrange = sorted(model.jnt_actfrcrange[motor.id] / gear.ratio)
        joint.actfrclimited = mujoco.mjtLimited.mjLIMITED_TRUE
    if model.jnt_limited[motor.id]:
        _narrow(spec, model, gear)


def _rotor(model: mujoco.MjModel, dof: int) -> float:
    """Inertia about the axis of a degree of freedom, that of all that hangs from it and its armature, kg m^2."""
    data = mujoco.MjData(model)
    mujoco.mj_forward(model, data)
    mass = np.zeros((model.nv, model.nv))
    mujoco.mj_fullM(model, data, mass)
    return float(mass[dof, dof])


def _narrow(spec: mujoco.MjSpec, model: mujoco.MjModel, gear: Gear) -> None:
    """The joint's range, no wider than what the motor's allows."""
    low, high = sorted(gear.offset + gear.ratio * model.jnt_range[model.joint(gear.motor).id])
    own = model.joint(gear.joint).id
    if model.jnt_limited[own]:
        low, high = max(low, model.jnt_range[own, 0]), min(high, model.jnt_range[own, 1])
    joint = spec.joint(gear.joint)
    joint.range = np.rad2deg([low, high]) if spec.compiler.degree else [low, high]
    joint.limited = mujoco.mjtLimited.mjLIMITED_TRUE
