"""Left and right of a robot: partners by name, signs by kinematics, and how far it is from its own reflection."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import mujoco
import numpy as np

P = np.array([1.0, -1.0, 1.0])  # reflection of a position through the sagittal plane
WORDS = {"left": "right", "right": "left"}
LETTERS = dict(zip("lrLR", "rlRL", strict=True))
NEAR = 0.02  # share of the robot's size within which two places count as one
SWING = 0.3  # rad, by which each joint is moved in the test of the reflection


@dataclass(frozen=True)
class Symmetry:
    """What a reflection through a robot's sagittal plane exchanges, and how exactly."""

    joints: dict[str, tuple[str, int]]  # partner and sign of each joint
    bodies: dict[int, int]  # partner of each body that has one, by id
    alone: tuple[str, ...]  # joints beside the plane for which no partner was found
    residual: float  # m, greatest distance of a body from the reflection of its partner
    worst: str  # the joint and the body where that was


def partner_name(name: str, names: Collection[str]) -> str | None:
    """Name of the other side among `names`: left and right, l_ and r_, _L and _R, LL_ and LR_, lthigh and rthigh."""
    swapped = re.sub("left|right", _other_word, name, flags=re.IGNORECASE)
    if swapped != name:
        return swapped if swapped in names else None
    singles = [name[:i] + LETTERS[c] + name[i + 1 :] for i, c in enumerate(name) if c in LETTERS]
    return next((single for single in singles if single in names), None)


def _other_word(match: re.Match) -> str:
    word = match.group()
    other = WORDS[word.lower()]
    return other.upper() if word.isupper() else other.capitalize() if word[0].isupper() else other


def find_symmetry(model: mujoco.MjModel, joints: Sequence[str]) -> Symmetry:
    """Partners and signs of `joints` of a model whose root is at the origin, facing +x, in its zero pose."""
    zero = pose(model, {})
    partners = {joint: _partner(model, zero, joint, joints) for joint in joints}
    alone = tuple(joint for joint, partner in partners.items() if partner is None)
    pairs = {joint: partner or joint for joint, partner in partners.items()}
    pairs = {joint: partner if pairs[partner] == joint else joint for joint, partner in pairs.items()}
    signed = {joint: (partner, _sign(model, zero, joint, partner)) for joint, partner in pairs.items()}
    bodies = _body_partners(model, pairs)
    residual, worst = _residual(model, signed, bodies)
    return Symmetry(signed, bodies, alone, residual, worst)


def pose(model: mujoco.MjModel, angles: Mapping[str, float]) -> mujoco.MjData:
    """Kinematics with the root at the origin, upright, and joints at zero but for `angles` in rad."""
    data = mujoco.MjData(model)
    data.qpos[:] = 0.0
    for i in np.flatnonzero(model.jnt_type == mujoco.mjtJoint.mjJNT_FREE):
        data.qpos[model.jnt_qposadr[i] + 3] = 1.0
    for joint, angle in angles.items():
        data.qpos[model.joint(joint).qposadr[0]] = angle
    mujoco.mj_kinematics(model, data)
    mujoco.mj_comPos(model, data)
    return data


def mirrored_angles(symmetry: Symmetry, angles: Mapping[str, float]) -> dict[str, float]:
    """Joint angles of the reflected pose, rad."""
    return {symmetry.joints[joint][0]: symmetry.joints[joint][1] * angle for joint, angle in angles.items()}


def _partner(model: mujoco.MjModel, zero: mujoco.MjData, joint: str, joints: Sequence[str]) -> str | None:
    """By name, else by place and axis; itself in the sagittal plane; None where there is none."""
    if named := partner_name(joint, joints):
        return named
    fits = {other: _mismatch(model, zero, joint, other) for other in joints}
    best = min(fits, key=lambda other: (fits[other], other != joint))
    return best if fits[best] < NEAR * _size(zero) else None


def _mismatch(model: mujoco.MjModel, zero: mujoco.MjData, joint: str, other: str) -> float:
    """Distance of a joint from the reflection of another, in m and in the direction of the axis as if 1 m long."""
    i, j = model.joint(joint).id, model.joint(other).id
    turned = min(np.linalg.norm(zero.xaxis[j] - sign * P * zero.xaxis[i]) for sign in (1, -1))
    return float(np.linalg.norm(zero.xanchor[j] - P * zero.xanchor[i]) + turned)


def _sign(model: mujoco.MjModel, zero: mujoco.MjData, joint: str, partner: str) -> int:
    """P R(a, q) P = R(-P a, q): the partner turns alike where its axis is -P a, else the other way."""
    own, other = zero.xaxis[model.joint(joint).id], zero.xaxis[model.joint(partner).id]
    return 1 if other @ (-P * own) >= 0.0 else -1


def _size(data: mujoco.MjData) -> float:
    """Greatest extent of the bodies along an axis, m."""
    return float(np.ptp(data.xpos[1:], axis=0).max())


def _body_partners(model: mujoco.MjModel, pairs: Mapping[str, str]) -> dict[int, int]:
    """By their joints, else by name; what has neither is its own partner."""
    owner = {joint: int(model.joint(joint).bodyid[0]) for joint in pairs}
    found = {owner[joint]: owner[partner] for joint, partner in pairs.items()}
    names = [model.body(i).name for i in range(model.nbody)]
    for i in range(1, model.nbody):
        other = partner_name(names[i], names)
        found.setdefault(i, names.index(other) if other else i)
    return {body: partner for body, partner in found.items() if found.get(partner) == body}


def _residual(
    model: mujoco.MjModel, joints: Mapping[str, tuple[str, int]], bodies: Mapping[int, int]
) -> tuple[float, str]:
    """Move each joint alone: how far, at worst, is a body or its centre of mass from its partner's reflection."""
    own, other = list(bodies), list(bodies.values())
    worst = (0.0, "")
    for joint, (partner, sign) in joints.items():
        moved, reflected = pose(model, {joint: SWING}), pose(model, {partner: sign * SWING})
        distance = np.linalg.norm(reflected.xpos[other] - P * moved.xpos[own], axis=1)
        worst = max(worst, (float(distance.max()), f"{joint}, body {model.body(own[int(distance.argmax())]).name}"))
    return worst
