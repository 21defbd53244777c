"""MJCFs by a robot's name: from where the user says, from mjlab, which has some inside, or from those that fetch them.

mujoco-menagerie and robot_descriptions fetch a robot at its first use.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
from pathlib import Path
from types import ModuleType

from playground_amp.core.errors import InputError

LEGGED = ("biped", "humanoid")  # categories of mujoco-menagerie
INSTALL = "robots of MuJoCo Menagerie, such as unitree_h1, come with pip install 'playground_amp[robots]'"


def find_by_name(name: str) -> Path | None:
    """Path of a robot's MJCF, fetched if need be; None where no installed package knows the name.

    The environment variable `variable(name)` goes first, then what is installed, then what is fetched. Raises
    InputError where that variable names no MJCF, and where a robot cannot be fetched.
    """
    if not name.isidentifier():
        return None
    return _from_variable(name) or _from_mjlab(name) or _from_menagerie(name) or _from_descriptions(name)


def variable(name: str) -> str:
    """The environment variable that names a robot's MJCF, or the folder it is in: UNITREE_G1_MJCF of unitree_g1."""
    return f"{name.upper()}_MJCF"


def how_to_get(name: str) -> str:
    """What to do where a robot by name is not found."""
    return (
        f"pip install --no-deps mjlab, or pip install 'playground_amp[robots]', which fetches it, or set the "
        f"environment variable {variable(name)} to its MJCF"
    )


def names() -> list[str]:
    """Robots with legs that can be had by name, as far as a package lists them."""
    menagerie = _module("mujoco_menagerie")
    return [robot.name for kind in LEGGED for robot in menagerie.robots(kind)] if menagerie else []


def is_installed() -> bool:
    """Whether a package with robots is installed."""
    return bool(_module("mujoco_menagerie") or _module("robot_descriptions"))


def _from_variable(name: str) -> Path | None:
    if not (given := os.environ.get(variable(name), "")):
        return None
    path = Path(given).expanduser()
    found = [path, *(path / file for file in _file_names(name))]
    if mjcf := next((file for file in found if file.is_file()), None):
        return mjcf
    files = " or ".join(_file_names(name))
    raise InputError(
        f"the environment variable {variable(name)} is '{given}', which is no file and no folder with {files}; "
        f"give the path of the robot's MJCF"
    )


def _file_names(name: str) -> list[str]:
    """With its maker before it, and without."""
    _, _, short = name.partition("_")
    return [f"{one}.xml" for one in (name, short) if one]


def _from_mjlab(name: str) -> Path | None:
    """mjlab keeps robots inside, meshes and all; found without importing it, which takes torch."""
    spec = importlib.util.find_spec("mjlab")
    folders = [Path(place) for place in (spec.submodule_search_locations or [])] if spec else []
    files = [folder / "asset_zoo" / "robots" / name / "xmls" / file for folder in folders for file in _file_names(name)]
    return next((file for file in files if file.is_file()), None)


def _from_menagerie(name: str) -> Path | None:
    """The model alone: its scenes have floors and lights of their own."""
    menagerie = _module("mujoco_menagerie")
    if menagerie is None or name not in menagerie.names():
        return None
    robot = menagerie.get(name)
    try:
        return Path(robot.xml(robot.default_model))
    except Exception as error:  # of the network, the archive or the disk: the package has a class for each, urllib more
        raise _not_fetched(name, "mujoco-menagerie", error, "set MENAGERIE_ROOT to a checkout of it") from None


def _from_descriptions(name: str) -> Path | None:
    """By the name of a module, such as g1_mj_description, or what it begins with; a maker's name before it may stay."""
    if _module("robot_descriptions") is None:
        return None
    for module in (name, f"{name}_mj_description", f"{name.partition('_')[2]}_mj_description"):
        try:
            if mjcf := getattr(importlib.import_module(f"robot_descriptions.{module}"), "MJCF_PATH", None):
                return Path(mjcf)
        except ModuleNotFoundError:
            continue
        except Exception as error:  # importing one clones a repository
            raise _not_fetched(name, "robot_descriptions", error, "clone its repository into its cache") from None
    return None


def _module(name: str) -> ModuleType | None:
    try:
        return importlib.import_module(name)
    except ImportError:
        return None


def _not_fetched(name: str, package: str, error: Exception, otherwise: str) -> InputError:
    reason = " ".join(str(error).split()) or type(error).__name__
    return InputError(f"the robot '{name}' could not be fetched by {package} ({reason}); try again, or {otherwise}")
