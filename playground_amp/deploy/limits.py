"""What readings must not say, and what targets must not do."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from playground_amp.core.errors import InputError
from playground_amp.deploy.contract import Contract
from playground_amp.deploy.observations import Readings, by_name


@dataclass(frozen=True)
class Limits:
    """Bounds of the runner. Those of speed are multiples of the largest that the policy did when it was exported."""

    stale: float = 2.5
    """Control steps after which readings are too old."""
    gyro: float = 15.0
    """Fastest turning of the root that can be, rad/s."""
    gravity: float = 0.1
    """How far the length of the gravity vector may be from 1."""
    beyond_range: float = 0.2
    """How far an encoder may read beyond the range of its joint, rad."""
    joint_speed: float = 2.0
    """Times the largest joint speed at the export."""
    step: float = 2.0
    """Times the largest change of a target in a control step at the export; faster targets are held back."""
    low_pass: float | None = None
    """Cut-off of a first-order low pass on the targets, Hz; none by default: it delays what the policy does."""
    ramp_speed: float = 0.5
    """Speed of the ramp's fastest joint at its middle, rad/s."""
    least_ramp: float = 1.0
    """Shortest ramp, s."""

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if value is not None and not (np.isfinite(value) and value > 0.0):
                raise InputError(f"the limit {name} is {value}; expected a number above 0")


def fault_of(contract: Contract, limits: Limits, readings: Readings, now: float) -> str:
    """What is wrong with readings, in one sentence; empty where nothing is."""
    age = now - readings.time
    if not np.isfinite(age):
        return f"the readings are of the time {readings.time}"
    if age > limits.stale * contract.period:
        return f"the readings are {1e3 * age:.0f} ms old, more than {1e3 * limits.stale * contract.period:.0f} ms"
    return _wrong_sizes(contract, readings) or _absurd(contract, limits, readings)


def _wrong_sizes(contract: Contract, readings: Readings) -> str:
    if contract.gaits and readings.gait not in contract.gaits:
        return f"the gait is {readings.gait!r}; valid: {', '.join(contract.gaits)}"
    try:
        values = by_name(contract, readings)
    except (ValueError, TypeError):
        return "a reading is not made of numbers"
    for reading in contract.interface["readings"]:
        name, size = reading["name"], reading["size"]
        if name not in values:
            return f"there is no reading '{name}', which is {reading['source']}"
        if values[name].shape != (size,):
            return f"the reading {name} has the shape {list(values[name].shape)}; expected {size} numbers"
        if not np.isfinite(values[name]).all():
            return f"the reading {name} is not finite"
    return ""


def _absurd(contract: Contract, limits: Limits, readings: Readings) -> str:
    gravity, gyro = np.asarray(readings.gravity, float), np.asarray(readings.gyro, float)
    length, turning = float(np.linalg.norm(gravity)), float(np.abs(gyro).max())
    if abs(length - 1.0) > limits.gravity:
        return f"the gravity vector has the length {length:.2f}; expected a unit vector"
    if turning > limits.gyro:
        return f"the gyro reads {turning:.1f} rad/s, more than {limits.gyro:g}"
    tilt = float(np.arccos(np.clip(-gravity[2] / length, -1.0, 1.0)))
    if tilt > contract.interface["fallen"]["largest_tilt"]:
        return f"the robot leans {tilt:.2f} rad, more than {contract.interface['fallen']['largest_tilt']:.2f}: it fell"
    position, speed = np.asarray(readings.joint_positions, float), np.abs(np.asarray(readings.joint_velocities, float))
    beyond = np.maximum(contract.of_joints("lower") - position, position - contract.of_joints("upper"))
    if (worst := int(beyond.argmax())) >= 0 and beyond[worst] > limits.beyond_range:
        return f"the joint '{contract.joints[worst]}' reads {position[worst]:.2f} rad, which is beyond its range"
    excess = speed - limits.joint_speed * contract.of_joints("largest_speed")
    if excess[worst := int(excess.argmax())] > 0.0:
        return f"the joint '{contract.joints[worst]}' moves at {speed[worst]:.1f} rad/s, which it never did"
    return ""


def limit_targets(contract: Contract, limits: Limits, target: np.ndarray, previous: np.ndarray) -> np.ndarray:
    """Targets [..., J] rad within the joints' ranges and no further from the `previous` ones than a step may be.

    A low pass y += a (target - y), a = 1 - exp(-2 pi f dt), comes first where one is set.
    """
    if limits.low_pass is not None:
        target = previous + (1.0 - np.exp(-2.0 * np.pi * limits.low_pass * contract.period)) * (target - previous)
    step = limits.step * contract.of_joints("largest_step")
    target = np.clip(target, previous - step, previous + step)
    return np.clip(target, contract.of_joints("lower"), contract.of_joints("upper"))
