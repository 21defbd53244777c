"""Motors whose data are public, by the names of a robot's joints: what most MJCFs do not say, and no weight tells."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from playground_amp.robots.record import Gains

FREQUENCY = 2.0 * math.pi * 10.0  # rad/s, of a rotor on its servo's stiffness
RATIO = 2.0  # damping over the critical one, of the rotor alone: with a limb behind it, it is about critical


@dataclass(frozen=True)
class Motor:
    """A motor behind its gear."""

    armature: float  # kg m^2, of the rotor as the joint feels it
    torque: float  # N m
    speed: float  # rad/s

    def gains(self) -> Gains:
        """The servo that the maker's own controllers have: stiffness by FREQUENCY, damping by RATIO."""
        stiffness, damping = self.armature * FREQUENCY**2, 2.0 * RATIO * self.armature * FREQUENCY
        return Gains(float(f"{stiffness:.3g}"), float(f"{damping:.3g}"), self.torque, self.armature, self.speed)


HIP, KNEE = Motor(0.01018, 88.0, 32.0), Motor(0.0251, 139.0, 20.0)  # Unitree's 7520-14 and 7520-22
ANKLE, ARM = Motor(0.00722, 50.0, 37.0), Motor(0.00361, 25.0, 37.0)  # two 5020, and one
WRIST = Motor(0.00425, 5.0, 22.0)  # 4010
G1 = {
    "*_hip_pitch_joint": HIP,
    "*_hip_yaw_joint": HIP,
    "waist_yaw_joint": HIP,
    "*_hip_roll_joint": KNEE,
    "*_knee_joint": KNEE,
    "*_ankle_*_joint": ANKLE,
    "waist_roll_joint": ANKLE,
    "waist_pitch_joint": ANKLE,
    "*_shoulder_*_joint": ARM,
    "*_elbow*_joint": ARM,
    "*_wrist_roll_joint": ARM,
    "*_wrist_pitch_joint": WRIST,
    "*_wrist_yaw_joint": WRIST,
}
FAMILIES = {"Unitree's G1": (re.compile(r"(unitree_?)?g1(?![a-z0-9])", re.IGNORECASE), G1)}
LEG = ("hip_pitch", "hip_roll", "hip_yaw", "knee", "ankle_pitch", "ankle_roll")  # of a G1, besides its name


def known_gains(names: Sequence[str], joints: Sequence[str]) -> tuple[str, dict[str, Gains]]:
    """The robot that one of `names` and its `joints` tell of, and the servos of the joints with a known motor."""
    for family, (pattern, motors) in FAMILIES.items():
        legs = {f"{side}_{joint}_joint" for side in ("left", "right") for joint in LEG}
        if legs <= set(joints) and any(pattern.match(name) for name in names):
            found = {joint: next((motors[p] for p in motors if fnmatchcase(joint, p)), None) for joint in joints}
            return family, {joint: motor.gains() for joint, motor in found.items() if motor}
    return "", {}
