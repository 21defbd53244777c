"""MJCFs by a robot's name, from packages that fetch robots at their first use: mujoco-menagerie, robot_descriptions."""

from __future__ import annotations

import importlib
from pathlib import Path
from types import ModuleType

from playground_amp.core.errors import InputError

LEGGED = ("biped", "humanoid")  # categories of mujoco-menagerie
INSTALL = "robots of MuJoCo Menagerie, such as unitree_g1, come with pip install 'playground_amp[robots]'"


def find_by_name(name: str) -> Path | None:
    """Path of a robot's MJCF, fetched if need be; None where no installed package knows the name.

    Raises InputError where it cannot be fetched.
    """
    if not name.isidentifier():
        return None
    return _from_menagerie(name) or _from_descriptions(name)


def names() -> list[str]:
    """Robots with legs that can be had by name, as far as a package lists them."""
    menagerie = _module("mujoco_menagerie")
    return [robot.name for kind in LEGGED for robot in menagerie.robots(kind)] if menagerie else []


def is_installed() -> bool:
    """Whether a package with robots is installed."""
    return bool(_module("mujoco_menagerie") or _module("robot_descriptions"))


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
