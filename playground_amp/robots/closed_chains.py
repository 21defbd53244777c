"""What holds joints of the legs beside their own servos: closed chains are refused, what merely hangs on them is cut.

A leg is a chain of joints, each with a servo: features, clips and inverse kinematics know nothing else.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path

import mujoco
import numpy as np

from playground_amp.core.errors import InputError, listed
from playground_amp.robots.gears import driven_joints, in_words
from playground_amp.robots.kinematic_tree import ancestors

CHAINS = (int(mujoco.mjtEq.mjEQ_CONNECT), int(mujoco.mjtEq.mjEQ_WELD))
SITE = int(mujoco.mjtObj.mjOBJ_SITE)


def check_legs(spec: mujoco.MjSpec, model: mujoco.MjModel, feet: Collection[str], mjcf: Path) -> None:
    """Raise InputError where a joint of the legs that no actuator turns by itself is held by something else.

    spec: with its gears taken in, and model: compiled from it. feet: bodies at the ends of the legs.
    """
    driven = driven_joints(spec)
    legs = leg_joints(model, feet)
    for what, joints in [*_constraints(spec, model), *_pulls(spec, model)]:
        if held := next((joint for joint in legs if joint in joints and joint not in driven), None):
            raise InputError(
                f"{mjcf}: {what} moves the leg's joint '{held}', which no actuator turns by itself; closed chains and "
                f"couplings of legs cannot be simulated here: drive '{held}' by an actuator and leave the coupling out"
            )


def leg_joints(model: mujoco.MjModel, feet: Collection[str]) -> list[str]:
    """Names of the joints from the root to the feet, without the root's own and without what the legs hang from."""
    paths = [set(ancestors(model, model.body(foot).id)) for foot in feet]
    shared = set.intersection(*paths) if len(paths) > 1 else set()
    bodies = set.union(*paths) - shared if paths else set()
    return [model.joint(i).name for i in range(model.njnt) if int(model.jnt_bodyid[i]) in bodies]


def passive_notes(model: mujoco.MjModel, feet: Collection[str], joints: Collection[str], mjcf: Path) -> list[str]:
    """A sentence on the joints within the legs that the robot does not have, their springs and all."""
    passive = [name or "(no name)" for name in leg_joints(model, feet) if name not in joints]
    return [f"{mjcf}: joints within the legs are held at zero, springs and all: {listed(passive)}"] if passive else []


def cut_chains(spec: mujoco.MjSpec, model: mujoco.MjModel, joints: Collection[str], mjcf: Path) -> list[str]:
    """Delete the constraints that the robot's `joints` alone cannot keep, and say which."""
    chains = [
        (i, touched)
        for i, touched in enumerate(_touched(model, i) for i in range(model.neq))
        if model.eq_type[i] in CHAINS and not touched <= set(joints)
    ]
    words = [in_words(spec, i) for i, touched in chains if model.eq_active0[i] and touched & set(joints)]
    for equality in [spec.equalities[i] for i, _ in chains]:
        spec.delete(equality)
    return [f"{mjcf}: left out, as joints of its chain are held at zero: {listed(words)}"] if words else []


def lowest_bodies(model: mujoco.MjModel, root: str, zero: mujoco.MjData) -> list[str]:
    """The bodies that reach lowest on the left and on the right of a robot in the pose `zero`: feet, likely."""
    under = [i for i in range(model.ngeom) if model.body_rootid[model.geom_bodyid[i]] == model.body(root).id]
    bottom = {i: _bottom(model, zero, i) for i in under}
    sides = [[i for i in under if sign * zero.geom_xpos[i, 1] > 0.0] for sign in (1, -1)]
    bodies = [int(model.geom_bodyid[min(side, key=bottom.__getitem__)]) for side in sides if side]
    return [name for body in bodies if (name := model.body(body).name)]


def _bottom(model: mujoco.MjModel, data: mujoco.MjData, geom: int) -> float:
    """Height of the lowest point of the box around a geom, m."""
    up = data.geom_xmat[geom].reshape(3, 3)[2]
    middle, half = model.geom_aabb[geom, :3], model.geom_aabb[geom, 3:]
    return float(data.geom_xpos[geom, 2] + up @ middle - np.abs(up) @ half)


def _constraints(spec: mujoco.MjSpec, model: mujoco.MjModel) -> Iterator[tuple[str, set[str]]]:
    """Every active equality constraint and tendon with a limited length in words, and the joints that it holds."""
    for i in range(model.neq):
        if model.eq_active0[i] and not _locks(model, i):
            yield in_words(spec, i), _touched(model, i)
    for i in range(model.ntendon):
        if model.tendon_limited[i]:
            yield f"the tendon '{model.tendon(i).name}'", _along(model, i)


def _locks(model: mujoco.MjModel, index: int) -> bool:
    """Whether an equality constraint holds a single joint at zero, as it is held without."""
    single = model.eq_type[index] == mujoco.mjtEq.mjEQ_JOINT and model.eq_obj2id[index] < 0
    return bool(single and model.eq_data[index, 0] == 0.0)


def _pulls(spec: mujoco.MjSpec, model: mujoco.MjModel) -> Iterator[tuple[str, set[str]]]:
    """Every actuator at a tendon or a slider crank in words, and the joints that it pulls."""
    for actuator in spec.actuators:
        name = f"'{actuator.name}'" if actuator.name else f"at '{actuator.target}'"
        if actuator.trntype == mujoco.mjtTrn.mjTRN_TENDON:
            yield f"the actuator {name} at a tendon", _along(model, model.tendon(actuator.target).id)
        if actuator.trntype == mujoco.mjtTrn.mjTRN_SLIDERCRANK:
            sites = (actuator.target, actuator.slidersite)
            bodies = [int(model.site(site).bodyid[0]) for site in sites]
            yield f"the actuator {name} at a slider crank", _between(model, *bodies)


def _touched(model: mujoco.MjModel, index: int) -> set[str]:
    """Names of the joints that an equality constraint holds."""
    kind, first, second = model.eq_type[index], int(model.eq_obj1id[index]), int(model.eq_obj2id[index])
    if kind == mujoco.mjtEq.mjEQ_JOINT:
        return {model.joint(i).name for i in (first, second) if i >= 0}
    if kind == mujoco.mjtEq.mjEQ_TENDON:
        return set().union(*(_along(model, i) for i in (first, second) if i >= 0))
    if kind not in CHAINS:
        return set()
    if model.eq_objtype[index] == SITE:
        first, second = int(model.site_bodyid[first]), int(model.site_bodyid[second])
    return _between(model, first, max(second, 0))


def _between(model: mujoco.MjModel, first: int, second: int) -> set[str]:
    """Names of the joints between two bodies; a chain to the world holds the root, too."""
    bodies = set(ancestors(model, first)) ^ set(ancestors(model, second))
    return {model.joint(i).name for i in range(model.njnt) if int(model.jnt_bodyid[i]) in bodies}


def _along(model: mujoco.MjModel, tendon: int) -> set[str]:
    """Names of the joints that a tendon lies over."""
    wraps = range(model.tendon_adr[tendon], model.tendon_adr[tendon] + model.tendon_num[tendon])
    kinds = {i: model.wrap_type[i] for i in wraps}
    joints = {model.joint(int(model.wrap_objid[i])).name for i in wraps if kinds[i] == mujoco.mjtWrap.mjWRAP_JOINT}
    sites = [i for i in wraps if kinds[i] == mujoco.mjtWrap.mjWRAP_SITE]
    bodies = [int(model.site_bodyid[model.wrap_objid[i]]) for i in sites]
    return joints.union(*(_between(model, bodies[0], body) for body in bodies[1:]))
