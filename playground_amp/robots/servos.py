"""Position servos: read from the actuators of an MJCF, completed by the record, put in the actuators' place."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Mapping, Sequence
from fnmatch import fnmatchcase

import mujoco
import numpy as np

from playground_amp.core.errors import InputError, nearest
from playground_amp.robots.record import Gains

JOINT_TRANSMISSIONS = [int(mujoco.mjtTrn.mjTRN_JOINT), int(mujoco.mjtTrn.mjTRN_JOINTINPARENT)]
KEYS = [field.name for field in dataclasses.fields(Gains)]
NEEDED = ("kp", "kv", "torque")


def servos_of(model: mujoco.MjModel) -> dict[str, Gains]:
    """The gains of each joint that an actuator of the MJCF drives, as the joint feels them: gears are multiplied in.

    A motor gives the torque only, a position servo all; limits of the joint's own torque count, too.
    """
    found: dict[str, Gains] = {}
    for i in range(model.nu):
        if model.actuator_trntype[i] in JOINT_TRANSMISSIONS:
            joint = int(model.actuator_trnid[i, 0])
            name = model.joint(joint).name
            found[name] = merge([found.get(name, Gains()), _servo(model, i, joint)])
    return found


def _servo(model: mujoco.MjModel, actuator: int, joint: int) -> Gains:
    gear, gain = float(model.actuator_gear[actuator, 0]), float(model.actuator_gainprm[actuator, 0])
    _, stiffness, damping = -model.actuator_biasprm[actuator, :3]
    fixed = model.actuator_gaintype[actuator] == mujoco.mjtGain.mjGAIN_FIXED
    affine = model.actuator_biastype[actuator] == mujoco.mjtBias.mjBIAS_AFFINE
    limits = []
    if model.actuator_forcelimited[actuator]:
        limits.append(abs(gear) * np.abs(model.actuator_forcerange[actuator]).max())
    if fixed and not affine and model.actuator_ctrllimited[actuator]:
        limits.append(abs(gear * gain) * np.abs(model.actuator_ctrlrange[actuator]).max())
    torque = min([*limits, *joint_torque(model, joint)], default=0.0)
    is_servo = fixed and affine and gain > 0.0 and np.isclose(stiffness, gain)
    return Gains(
        kp=gear**2 * gain if is_servo else None,
        kv=max(0.0, gear**2 * float(damping)) if is_servo else None,
        torque=float(torque) or None,
    )


def joint_torque(model: mujoco.MjModel, joint: int) -> list[float]:
    """Limit of the torque that actuators may put on a joint (its id), [one] N m; empty where there is none."""
    limited = model.jnt_actfrclimited[joint]
    return [float(np.abs(model.jnt_actfrcrange[joint]).max())] if limited else []


def merge(gains: Sequence[Gains]) -> Gains:
    """Gains with the last value that is given of each key."""
    values = [{key: value for key in KEYS if (value := getattr(one, key)) is not None} for one in gains]
    return Gains(**{key: value for one in values for key, value in one.items()})


def complete(
    own: Mapping[str, Gains], given: Mapping[str, Gains], joints: Sequence[str], source: str, mjcf: str
) -> dict[str, Gains]:
    """Servo of each joint: the MJCF's `own` gains under the record's `given` ones (by name or pattern).

    Raises InputError, which names `source` and `mjcf`, for a pattern that fits no joint and for gains that are missing.
    """
    for pattern in given:
        if not any(fnmatchcase(joint, pattern) for joint in joints):
            raise InputError(f"{source}: gains.{pattern} fits no joint; {nearest(pattern, joints)}")
    servos = {}
    for joint in joints:
        fitting = [gains for pattern, gains in given.items() if fnmatchcase(joint, pattern)]
        servos[joint] = merge([own.get(joint, Gains()), *fitting])
    for key in NEEDED:
        if lacking := [joint for joint, servo in servos.items() if getattr(servo, key) is None]:
            raise InputError(
                f"{source}: gains: {', '.join(lacking[:4])}{' ...' * (len(lacking) > 4)} need {key}, which {mjcf} "
                f"does not say; add 'gains:' with a line such as {lacking[0]}: {{kp: 100, kv: 5, torque: 50}}"
            )
    return servos


def replace_actuators(spec: mujoco.MjSpec, servos: Mapping[str, Gains], limited: Collection[str]) -> None:
    """Put one position servo a joint in place of all actuators, in the order of `servos`.

    Targets are held within the ranges of `limited` joints.
    """
    for actuator in list(spec.actuators):
        spec.delete(actuator)
    for joint, gains in servos.items():
        servo = spec.add_actuator(name=joint, target=joint, trntype=mujoco.mjtTrn.mjTRN_JOINT)
        servo.set_to_position(kp=gains.kp, kv=gains.kv)
        servo.gear = [1.0, 0.0, 0.0, 0.0, 0.0, 0.0]
        servo.inheritrange, servo.ctrllimited = float(joint in limited), joint in limited
        servo.ctrlrange = [0.0, 0.0]
        servo.forcerange, servo.forcelimited = [-(gains.torque or 0.0), gains.torque or 0.0], True
        if gains.armature is not None:
            spec.joint(joint).armature = gains.armature
        spec.joint(joint).actfrclimited = False  # the servo has the limit, so that its torque is the joint's
