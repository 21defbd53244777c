"""robot.xml: the robot that is simulated as one MJCF file, without the meshes that are only looked at."""

from __future__ import annotations

import mujoco

from playground_amp.robots import Robot


def robot_xml(robot: Robot) -> str:
    """MJCF of the compiled model: masses written out, meshes and textures from files left out."""
    spec, model = robot.spec(), robot.model
    for body in list(spec.bodies)[1:]:
        compiled = model.body(body.name) if body.name else model.body(body.id)
        body.explicitinertial = True
        body.mass, body.ipos, body.iquat = float(compiled.mass[0]), compiled.ipos, compiled.iquat
        body.inertia = compiled.inertia
        body.fullinertia = [float("nan")] * 6
    for geom in list(spec.geoms):
        if geom.type == mujoco.mjtGeom.mjGEOM_MESH:
            spec.delete(geom)
    for elements in (spec.meshes, spec.skins, spec.materials, spec.textures):
        for element in list(elements):
            _drop_file(spec, element)
    spec.compile()
    return spec.to_xml()


def _drop_file(spec: mujoco.MjSpec, element: object) -> None:
    """Delete an element that reads a file; a material only of a texture that does."""
    if getattr(element, "file", ""):
        spec.delete(element)
