"""The moving parts of the robot in an MJCF: its root, the joints that get servos, and the model with these alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import mujoco

from playground_amp.core.errors import InputError, listed
from playground_amp.robots.closed_chains import check_legs, cut_chains, lowest_bodies, passive_notes
from playground_amp.robots.compile import weld_others
from playground_amp.robots.files import compile_spec, read_spec
from playground_amp.robots.gears import Gear, driven_joints, take_in_gears
from playground_amp.robots.proposal.anatomy import LegAnatomy, find_anatomy, toe_joints
from playground_amp.robots.proposal.stance import check_stance
from playground_amp.robots.symmetry import Symmetry, find_symmetry, pose

FREE, HINGE = mujoco.mjtJoint.mjJNT_FREE, mujoco.mjtJoint.mjJNT_HINGE


@dataclass(frozen=True)
class Skeleton:
    """What moves, found before anything is guessed."""

    name: str  # of the MJCF's model
    root: str  # body with the free joint
    whole: mujoco.MjModel  # with every joint, and the keyframes
    model: mujoco.MjModel  # with the joints that get servos alone
    symmetry: Symmetry
    anatomy: LegAnatomy
    welded: tuple[str, ...]  # joints that do not move
    paired: frozenset[str]  # geoms that have contact pairs
    notes: tuple[str, ...]


def find_skeleton(path: Path) -> Skeleton:
    """Raises InputError, which names `path`, where there is no biped, or one whose legs are no open chains."""
    spec, notes = read_spec(path)
    root = _root(spec, path)
    if not spec.body(root).joints:
        notes.append(f"'{root}' has no joint; it gets a free joint as the robot's root")
        _free(spec, root)
    gears = take_in_gears(spec, path)
    whole = compile_spec(spec, path)
    hinges, joints = _joints(spec, whole, root, path, gears)
    check_stance(whole, root, joints, path)
    feet = lowest_bodies(whole, root, pose(whole, {}))
    check_legs(spec, whole, feet, path)
    notes += [*_on_gears(gears), *passive_notes(whole, feet, {*joints, *_motors(gears)}, path)]
    paired = frozenset(name for pair in spec.pairs for name in (pair.geomname1, pair.geomname2))
    model, symmetry, anatomy = _moving(spec, whole, root, joints, path)
    if toes := toe_joints(model, symmetry, anatomy):
        notes.append(f"toes are part of the sole, and held at zero: {listed(toes)}")
        joints = [joint for joint in joints if joint not in toes]
        model, symmetry, anatomy = _moving(spec, whole, root, joints, path)
    welded = tuple(name for name in hinges if name not in {*joints, *toes, *_motors(gears)})
    return Skeleton(spec.modelname or path.stem, root, whole, model, symmetry, anatomy, welded, paired, tuple(notes))


def _root(spec: mujoco.MjSpec, path: Path) -> str:
    """The body of the world with a free joint that carries most joints; else the one that carries most joints."""
    bodies = [body for body in spec.worldbody.bodies if body.name]
    if not bodies:
        raise InputError(f"{path}: no body of the world has a name; name the robot's root")
    free = [body for body in bodies if [joint.type for joint in body.joints] == [FREE]]
    root = max(free or bodies, key=lambda body: len(body.find_all("joint")))
    if root.joints and not free:
        raise InputError(f"{path}: the root '{root.name}' has the joint '{root.joints[0].name}'; give it a free joint")
    return root.name


def _free(spec: mujoco.MjSpec, root: str) -> None:
    """A free joint for the root; keyframes have no place for it."""
    spec.body(root).add_freejoint()
    for key in list(spec.keys):
        spec.delete(key)


def _joints(
    spec: mujoco.MjSpec, model: mujoco.MjModel, root: str, path: Path, gears: Sequence[Gear]
) -> tuple[list[str], list[str]]:
    """All joints under the root, and the hinges among them that an actuator drives, or all where there is none."""
    under = model.body_rootid == model.body(root).rootid[0]
    inner = [i for i in range(model.njnt) if model.jnt_type[i] != FREE and under[model.jnt_bodyid[i]]]
    driven = driven_joints(spec)
    hinges = [model.joint(i).name for i in inner if model.jnt_type[i] == HINGE]
    if "" in hinges:
        raise InputError(f"{path}: a hinge joint has no name; give every joint a name")
    wanted = [name for name in hinges if (name in driven or not driven) and name not in _motors(gears)]
    return [model.joint(i).name for i in inner], wanted


def _motors(gears: Sequence[Gear]) -> set[str]:
    return {gear.motor for gear in gears}


def _on_gears(gears: Sequence[Gear]) -> list[str]:
    return [
        f"'{gear.motor}' drives '{gear.joint}' by {gear.constraint}: the servo is put at '{gear.joint}' itself, with "
        f"{1.0 / abs(gear.ratio):.3g} times the motor's torque and the rotor's inertia"
        for gear in gears
    ]


def _moving(
    spec: mujoco.MjSpec, whole: mujoco.MjModel, root: str, joints: Sequence[str], path: Path
) -> tuple[mujoco.MjModel, Symmetry, LegAnatomy]:
    """The model in which `joints` and the root alone move, its two sides, and its legs and arms."""
    moving = spec.copy()
    cut_chains(moving, whole, joints, path)
    weld_others(moving, {*joints, moving.body(root).joints[0].name})
    model = compile_spec(moving, path)
    symmetry = find_symmetry(model, joints)
    return model, symmetry, find_anatomy(model, symmetry, str(path))
