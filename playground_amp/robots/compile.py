"""From an MJCF and a record to the robot that is simulated, by editing MuJoCo's MjSpec.

Position servos replace other actuators, contact spheres are added, the floor and the pads alone collide: a fall ends
the episode, and every contact slot costs time. What the record says no word of stays as it is in the MJCF.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

import mujoco
import numpy as np

from playground_amp.core.errors import InputError, nearest
from playground_amp.robots.closed_chains import check_legs, cut_chains, passive_notes
from playground_amp.robots.files import compile_spec, read_spec
from playground_amp.robots.fixed import weld_at
from playground_amp.robots.gears import Gear, take_in_gears
from playground_amp.robots.record import PhysicsOptions, RobotDescription, Sphere
from playground_amp.robots.servos import complete, replace_actuators, servos_of

FREE, HINGE = mujoco.mjtJoint.mjJNT_FREE, mujoco.mjtJoint.mjJNT_HINGE
PLANE = mujoco.mjtGeom.mjGEOM_PLANE
INTEGRATORS = {
    "euler": mujoco.mjtIntegrator.mjINT_EULER,
    "implicitfast": mujoco.mjtIntegrator.mjINT_IMPLICITFAST,
    "rk4": mujoco.mjtIntegrator.mjINT_RK4,
}
CONES = {"elliptic": mujoco.mjtCone.mjCONE_ELLIPTIC, "pyramidal": mujoco.mjtCone.mjCONE_PYRAMIDAL}
SOLVERS = {"newton": mujoco.mjtSolver.mjSOL_NEWTON, "cg": mujoco.mjtSolver.mjSOL_CG}
WITHOUT_LIMITS = (-np.pi, np.pi)  # rad, for hinges that the MJCF gives no range


def make_spec(
    record: RobotDescription, mjcf: Path, source: str, held: Mapping[str, float]
) -> tuple[mujoco.MjSpec, list[str]]:
    """The MjSpec of a record and its MJCF, compiled once, and a sentence for each thing of the MJCF left out.

    Joints that are `held` (name: rad) are welded at their angles.
    Raises InputError, which names `source` and the key, for what does not fit or does not compile.
    """
    spec, notes = read_spec(mjcf)
    _check_names(spec, record, source)
    _free_root(spec, record.root, source)
    for key in list(spec.keys):
        spec.delete(key)  # they have no place for a root that just became free
    _check_gears(take_in_gears(spec, mjcf), record, source)
    notes += _open_chains(spec, record, mjcf)
    weld_others(spec, {*record.joints, spec.body(record.root).joints[0].name})
    plain = compile_spec(spec, mjcf)
    servos = complete(servos_of(plain), record.gains, record.joints, source, mjcf.name)
    _check_order(plain, record, source)
    replace_actuators(spec, servos, [joint for joint in record.joints if plain.jnt_limited[plain.joint(joint).id]])
    for sphere in record.spheres:
        _add_sphere(spec, sphere)
    _add_scene(spec)
    _collide(spec, {geom for geoms in record.pads.values() for geom in geoms})
    _set_options(spec, record.options)
    model = compile_spec(spec, mjcf)
    if held:
        weld_at(spec, model, held)
        weld_others(spec, {model.joint(i).name for i in range(model.njnt)} - set(held))
    return spec, notes


def joint_range(model: mujoco.MjModel, joint: str) -> tuple[float, float]:
    """Lower and upper limit of a hinge in rad; half a turn each way where the MJCF sets none."""
    index = model.joint(joint).id
    low, high = model.jnt_range[index] if model.jnt_limited[index] else WITHOUT_LIMITS
    return float(low), float(high)


def _check_names(spec: mujoco.MjSpec, record: RobotDescription, source: str) -> None:
    """What the model is built with exists in the MJCF; the rest is checked against the model."""
    bodies = [body.name for body in spec.bodies if body.name]
    hinges = [joint.name for joint in spec.joints if joint.type == HINGE and joint.name]
    wanted = [("root", record.root, bodies, "body")]
    wanted += [("joints", joint, hinges, "hinge joint") for joint in record.joints]
    wanted += [(f"spheres.{i}.body", sphere.body, bodies, "body") for i, sphere in enumerate(record.spheres)]
    for key, name, names, what in wanted:
        if name not in names:
            raise InputError(f"{source}: {key}: the MJCF has no {what} '{name}'; {nearest(name, names)}")
    taken = {geom.name for geom in spec.geoms}
    for i, sphere in enumerate(record.spheres):
        if sphere.name in taken:
            raise InputError(f"{source}: spheres.{i}.name is '{sphere.name}', which is taken; give it another name")
        taken.add(sphere.name)


def _free_root(spec: mujoco.MjSpec, root: str, source: str) -> None:
    body = spec.body(root)
    if body.parent.name != "world":
        raise InputError(f"{source}: root is '{root}', which hangs from '{body.parent.name}'; give a body of the world")
    if not body.joints:
        body.add_freejoint(name=f"{root}_free")
    elif [joint.type for joint in body.joints] == [FREE]:
        body.joints[0].name = body.joints[0].name or f"{root}_free"
    else:
        raise InputError(f"{source}: root is '{root}', which has the joint '{body.joints[0].name}', not a free joint")


def _check_gears(gears: Sequence[Gear], record: RobotDescription, source: str) -> None:
    for gear in gears:
        if gear.motor in record.joints:
            raise InputError(
                f"{source}: joints: '{gear.motor}' is the joint of a motor, which turns '{gear.joint}' by "
                f"{gear.constraint}; list '{gear.joint}' without '{gear.motor}'"
            )


def _open_chains(spec: mujoco.MjSpec, record: RobotDescription, mjcf: Path) -> list[str]:
    """Constraints that the listed joints cannot keep go; sentences on what is left out and held."""
    plain = all(joint.name in record.joints or joint.type == FREE for joint in spec.joints)
    if plain and not spec.equalities and not spec.tendons:
        return []
    model, feet = compile_spec(spec, mjcf), _feet(spec, record)
    check_legs(spec, model, feet, mjcf)
    return [*passive_notes(model, feet, record.joints, mjcf), *cut_chains(spec, model, record.joints, mjcf)]


def _feet(spec: mujoco.MjSpec, record: RobotDescription) -> set[str]:
    """The bodies that carry the pads."""
    carriers = {geom.name: geom.parent.name for geom in spec.geoms} | {one.name: one.body for one in record.spheres}
    return {carriers[geom] for geoms in record.pads.values() for geom in geoms if geom in carriers}


def weld_others(spec: mujoco.MjSpec, kept: Collection[str]) -> None:
    """Joints other than those `kept` go, what couples them to others, and all that may name what is gone."""
    gone = [joint for joint in spec.joints if joint.name not in kept]
    names = {joint.name for joint in gone}
    coupled = [eq for eq in spec.equalities if eq.type == mujoco.mjtEq.mjEQ_JOINT and {eq.name1, eq.name2} & names]
    for element in [*coupled, *gone]:
        spec.delete(element)
    _drop_unused(spec)


def _drop_unused(spec: mujoco.MjSpec) -> None:
    """Sensors, keyframes, tendons and contact pairs: of no use here, and they may name what is gone."""
    coupled = [eq for eq in spec.equalities if eq.type == mujoco.mjtEq.mjEQ_TENDON]
    pulling = [one for one in spec.actuators if one.trntype == mujoco.mjtTrn.mjTRN_TENDON]
    for elements in (spec.sensors, spec.keys, coupled, pulling, spec.tendons, spec.pairs, spec.excludes):
        for element in list(elements):
            spec.delete(element)
    joints = {joint.name for joint in spec.joints}
    for actuator in list(spec.actuators):
        if actuator.target not in joints:
            spec.delete(actuator)


def _check_order(model: mujoco.MjModel, record: RobotDescription, source: str) -> None:
    order = [model.joint(i).name for i in range(model.njnt) if model.jnt_type[i] == HINGE]
    if list(record.joints) != order:
        raise InputError(f"{source}: joints are not in the order of the MJCF; write [{', '.join(order)}]")


def _add_sphere(spec: mujoco.MjSpec, sphere: Sphere) -> None:
    """As a pad touches: soft enough for 5 ms steps, with the friction of rubber."""
    spec.body(sphere.body).add_geom(
        name=sphere.name,
        type=mujoco.mjtGeom.mjGEOM_SPHERE,
        pos=sphere.pos,
        size=[sphere.radius, 0.0, 0.0],
        mass=0.0,
        condim=3,
        friction=[0.9, 0.02, 0.001],
        solref=[0.015, 1.0],
        solimp=[0.9, 0.95, 0.001, 0.5, 2.0],
        margin=0.0,
        gap=0.0,
        group=3,
        material="",
        rgba=[0.9, 0.4, 0.1, 1.0],
    )


def _add_scene(spec: mujoco.MjSpec) -> None:
    """A checkered floor at height 0 and a light, where the MJCF has none."""
    if floor := _floor(spec):
        floor.pos, floor.quat = [*floor.pos[:2], 0.0], [1.0, 0.0, 0.0, 0.0]
    else:
        _add_floor(spec)
    if not list(spec.lights):
        spec.worldbody.add_light(
            pos=[0.0, 0.0, 3.0],
            dir=[0.0, 0.0, -1.0],
            type=mujoco.mjtLightType.mjLIGHT_DIRECTIONAL,
            diffuse=[0.7, 0.7, 0.7],
        )


def _floor(spec: mujoco.MjSpec) -> mujoco.MjsGeom | None:
    return next((geom for geom in spec.worldbody.geoms if geom.type == PLANE), None)


def _add_floor(spec: mujoco.MjSpec) -> None:
    name = "floor" if spec.geom("floor") is None else "floor_plane"
    spec.add_texture(
        name=name,
        type=mujoco.mjtTexture.mjTEXTURE_2D,
        builtin=mujoco.mjtBuiltin.mjBUILTIN_CHECKER,
        rgb1=[0.84, 0.86, 0.88],
        rgb2=[0.78, 0.80, 0.83],
        width=256,
        height=256,
    )
    textures = [""] * mujoco.mjtTextureRole.mjNTEXROLE
    textures[mujoco.mjtTextureRole.mjTEXROLE_RGB] = name
    spec.add_material(name=name, textures=textures, texrepeat=[4, 4], texuniform=True, reflectance=0.0)
    floor = spec.worldbody.add_geom(name=name, type=PLANE, size=[0.0, 0.0, 0.05], material=name, group=0, condim=3)
    floor.friction = [0.9, 0.02, 0.001]


def _collide(spec: mujoco.MjSpec, pads: set[str]) -> None:
    """The floor touches the pads, with friction, and nothing else touches anything."""
    for geom in spec.geoms:
        geom.contype, geom.conaffinity = 0, int(geom.name in pads)
        geom.condim = max(geom.condim, 3) if geom.name in pads else geom.condim
    if floor := _floor(spec):
        floor.contype = 1


def _set_options(spec: mujoco.MjSpec, options: PhysicsOptions) -> None:
    """Those of the record; a state that is not a number stays one, for the environment to see."""
    choices = {"integrator": INTEGRATORS, "cone": CONES, "solver": SOLVERS}
    for key in ("timestep", "integrator", "cone", "solver", "iterations", "ls_iterations"):
        if (value := getattr(options, key)) is not None:
            setattr(spec.option, key, choices[key][value] if key in choices else value)
    spec.option.disableflags |= mujoco.mjtDisableBit.mjDSBL_AUTORESET
