"""Files of a robot: where its MJCF lies, and what to do about meshes and textures that are not there."""

from __future__ import annotations

import importlib.util
import os.path
from collections.abc import Iterable
from pathlib import Path

import mujoco

from playground_amp.core.errors import InputError
from playground_amp.robots import model_zoos
from playground_amp.robots.dangling import drop_dangling
from playground_amp.robots.places import check_places

PACKAGE, NAMED = "package:", "robot:"
SHOWN = 4  # names in one sentence
VISUAL_GROUP = 2  # MuJoCo's convention: what is only looked at


def find_mjcf(mjcf: str, folder: Path, source: str) -> Path:
    """Path of an MJCF: relative to `folder`, absolute, 'package:NAME/path' of an installed package, or 'robot:NAME'.

    The last is what `model_zoos.find_by_name` finds. Raises InputError, which names `source`, where there is none.
    """
    if mjcf.startswith(NAMED):
        return _by_name(mjcf.removeprefix(NAMED), source)
    path = _in_package(mjcf.removeprefix(PACKAGE), source) if mjcf.startswith(PACKAGE) else Path(mjcf).expanduser()
    path = folder / path
    if not os.path.isfile(path):
        raise InputError(f"{source}: mjcf is '{mjcf}', but there is no file {path}")
    return path


def _by_name(name: str, source: str) -> Path:
    if path := model_zoos.find_by_name(name):
        return path
    raise InputError(
        f"{source}: mjcf is '{NAMED}{name}', but no installed package has the robot '{name}'; "
        f"{model_zoos.how_to_get(name)}"
    )


def _in_package(inside: str, source: str) -> Path:
    """Where importlib would read it, without importing the package: some print, some are slow."""
    package, _, rest = inside.partition("/")
    spec = importlib.util.find_spec(package) if package.isidentifier() else None
    folders = list(spec.submodule_search_locations or []) if spec else []
    if not folders:
        raise InputError(
            f"{source}: mjcf is '{PACKAGE}{inside}', but the Python package '{package}' is not installed; "
            f"pip install {package}"
        )
    paths = [Path(folder) / rest for folder in folders]
    return next((path for path in paths if path.is_file()), paths[0])


def read_spec(mjcf: Path) -> tuple[mujoco.MjSpec, list[str]]:
    """The MJCF ready to compile, and a sentence for each thing left out because a file or what it names is missing.

    Raises InputError for what is no MJCF and for missing meshes that collide or that weigh something.
    """
    check_places(mjcf)
    try:
        spec = mujoco.MjSpec.from_file(str(mjcf))
    except ValueError as error:
        raise InputError(f"{mjcf}: not an MJCF that MuJoCo reads ({_one_line(error)})") from None
    spec.compiler.fusestatic = False  # bodies without joints may be feet or hands
    return spec, [*_drop_meshes(spec, mjcf), *_drop_textures(spec, mjcf), *drop_dangling(spec, mjcf)]


def compile_spec(spec: mujoco.MjSpec, mjcf: Path) -> mujoco.MjModel:
    """The compiled model; raises InputError with MuJoCo's own words."""
    try:
        return spec.compile()
    except ValueError as error:
        raise InputError(f"{mjcf}: MuJoCo cannot compile it ({_one_line(error)})") from None


def _one_line(error: Exception) -> str:
    return " ".join(str(error).removeprefix("Error: ").split())


def _drop_meshes(spec: mujoco.MjSpec, mjcf: Path) -> list[str]:
    missing = _missing(spec, spec.meshes, spec.compiler.meshdir)
    geoms = [geom for geom in spec.geoms if geom.meshname in missing]
    for needed, why in ((_collides, "collide"), (lambda geom: _weighs(spec, geom), "give a body its weight")):
        _refuse_missing([missing[geom.meshname] for geom in geoms if needed(geom)], why, mjcf)
    for geom in geoms:
        spec.delete(geom)
    for mesh in [mesh for mesh in spec.meshes if mesh.name in missing]:
        spec.delete(mesh)
    return [f"{mjcf}: meshes that are only looked at are missing: {_names(missing.values())}"] if missing else []


def _drop_textures(spec: mujoco.MjSpec, mjcf: Path) -> list[str]:
    missing = _missing(spec, spec.textures, spec.compiler.texturedir)
    there = {texture.name for texture in spec.textures} - set(missing)
    for material in spec.materials:
        material.textures = [name if name in there else "" for name in material.textures]
    for texture in [texture for texture in spec.textures if texture.name in missing]:
        spec.delete(texture)
    return [f"{mjcf}: textures are missing: {_names(missing.values())}"] if missing else []


def _missing(spec: mujoco.MjSpec, assets: Iterable, folder: str) -> dict[str, Path]:
    """Name of every asset whose file is not there -> where it should be."""
    found: dict[str, Path] = {}
    for asset in assets:
        file = Path(asset.file).name if spec.strippath else asset.file
        path = Path(spec.modelfiledir) / folder / file
        if asset.file and not path.is_file():
            asset.name = asset.name or path.stem  # as MuJoCo names it
            found[asset.name] = path
    return found


def _collides(geom: mujoco.MjsGeom) -> bool:
    return geom.group != VISUAL_GROUP and bool(geom.contype or geom.conaffinity)


def _weighs(spec: mujoco.MjSpec, geom: mujoco.MjsGeom) -> bool:
    """Whether the inertia of the geom's body is computed from it."""
    low, high = spec.compiler.inertiagrouprange
    from_geoms = spec.compiler.inertiafromgeom
    computed = from_geoms == 1 or (from_geoms == 2 and not geom.parent.explicitinertial)
    massless = geom.mass == 0.0 or geom.density == 0.0
    return computed and not massless and low <= geom.group <= high and geom.parent.name != "world"


def _refuse_missing(files: list[Path], why: str, mjcf: Path) -> None:
    if files:
        folder = os.path.commonpath([file.parent for file in files])
        raise InputError(f"{mjcf}: meshes that {why} are missing: {_names(files)}; put them into {folder}")


def _names(files: Iterable[Path]) -> str:
    names = sorted({file.name for file in files})
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more
