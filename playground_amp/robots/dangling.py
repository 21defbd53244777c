"""Names in an MJCF that belong to nothing: what the robot does without is left out, so that the rest compiles."""

from __future__ import annotations

from collections.abc import Callable, Collection
from pathlib import Path

import mujoco

from playground_amp.core.errors import listed

OBJECT = mujoco.mjtObj
KINDS: dict[mujoco.mjtObj, Callable[[mujoco.MjSpec], Collection]] = {
    OBJECT.mjOBJ_BODY: lambda spec: spec.bodies,
    OBJECT.mjOBJ_XBODY: lambda spec: spec.bodies,
    OBJECT.mjOBJ_GEOM: lambda spec: spec.geoms,
    OBJECT.mjOBJ_SITE: lambda spec: spec.sites,
    OBJECT.mjOBJ_JOINT: lambda spec: spec.joints,
    OBJECT.mjOBJ_ACTUATOR: lambda spec: spec.actuators,
    OBJECT.mjOBJ_TENDON: lambda spec: spec.tendons,
    OBJECT.mjOBJ_CAMERA: lambda spec: spec.cameras,
}


def drop_dangling(spec: mujoco.MjSpec, mjcf: Path) -> list[str]:
    """Leave out materials, sensors, contact pairs, excludes, cameras and lights that name nothing; and say so."""
    found = {
        "the material": _materials(spec),
        "a sensor of": _sensors(spec),
        "a contact pair of": _contacts(spec, spec.pairs, spec.geoms, ("geomname1", "geomname2")),
        "a contact exclude of": _contacts(spec, spec.excludes, spec.bodies, ("bodyname1", "bodyname2")),
        "a camera or light at": _onlookers(spec),
    }
    words = [f"{kind} '{name}'" for kind, names in found.items() for name in dict.fromkeys(names)]
    return [f"{mjcf}: left out, for they name what is not there: {listed(words)}"] if words else []


def _materials(spec: mujoco.MjSpec) -> list[str]:
    known = {"", *(material.name for material in spec.materials)}
    wearing = [one for one in [*spec.geoms, *spec.sites, *spec.tendons, *spec.skins] if one.material not in known]
    names = [one.material for one in wearing]
    for one in wearing:
        one.material = ""
    return names


def _sensors(spec: mujoco.MjSpec) -> list[str]:
    """Of what a sensor is at, and what it is measured from."""
    missing = []
    for sensor in list(spec.sensors):
        ends = [(sensor.objtype, sensor.objname), (sensor.reftype, sensor.refname)]
        if gone := [name for kind, name in ends if name and kind in KINDS and name not in _names(KINDS[kind](spec))]:
            missing += gone
            spec.delete(sensor)
    return missing


def _contacts(spec: mujoco.MjSpec, contacts: Collection, things: Collection, ends: tuple[str, str]) -> list[str]:
    missing, known = [], _names(things)
    for contact in list(contacts):
        if gone := [name for end in ends if (name := getattr(contact, end)) not in known]:
            missing += gone
            spec.delete(contact)
    return missing


def _onlookers(spec: mujoco.MjSpec) -> list[str]:
    known, missing = _names(spec.bodies), []
    for one in [*spec.cameras, *spec.lights]:
        if one.targetbody and one.targetbody not in known:
            missing.append(one.targetbody)
            spec.delete(one)
    return missing


def _names(things: Collection) -> set[str]:
    return {thing.name for thing in things}
