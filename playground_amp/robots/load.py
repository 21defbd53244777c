"""Robots from their YAML files: those that ship with the package, and anybody's."""

from __future__ import annotations

import importlib
import os.path
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from playground_amp.core.errors import InputError, nearest
from playground_amp.core.reporter import say
from playground_amp.robots import model_zoos
from playground_amp.robots.check import check_robot
from playground_amp.robots.files import find_mjcf
from playground_amp.robots.fixed import fixed_joints
from playground_amp.robots.record import RobotDescription, read_record
from playground_amp.robots.robot import Robot

FOLDER = Path(__file__).parent
YAML = (".yaml", ".yml")


def available() -> list[str]:
    """Names of the robots that ship with the package."""
    return sorted(path.parent.name for path in FOLDER.glob("*/robot.yaml"))


def load_robot(name_or_path: str | Path) -> Robot:
    """The robot of a YAML file (or a folder's robot.yaml), the shipped one of that name, or one of a package of robots.

    One of mujoco-menagerie or robot_descriptions is taken as proposed from its MJCF, see `retarget --propose-robot`.
    Raises InputError, one sentence a mistake, for what does not exist or does not fit. Says what is left out of the
    MJCF because a file is missing.
    """
    path = _find(str(name_or_path))
    robot = make_robot(read_record(path), path.parent, str(path))
    for note in robot.notes:
        _say_once(note)
    return robot


def make_robot(record: RobotDescription, folder: Path, source: str) -> Robot:
    """The robot of a record, compiled and checked; its `mjcf` is relative to `folder`.

    Raises InputError, which names `source`, for the first thing that does not fit.
    """
    joints, pads, mirror = record.joints, list(record.pads), record.mirror
    robot = Robot(
        name=record.name,
        mjcf=find_mjcf(record.mjcf, folder, source),
        root=record.root,
        joints=joints,
        pads=record.pads,
        home=tuple(float(record.home.get(joint, 0.0)) for joint in joints),
        mirror_joints=(
            tuple(_index(joints, mirror.joints.get(joint, ("", 1))[0]) for joint in joints),
            tuple(float(mirror.joints.get(joint, ("", 1))[1]) for joint in joints),
        ),
        mirror_pads=tuple(_index(pads, mirror.pads.get(pad)) for pad in pads),
        contact_clearance=record.contact_clearance,
        record=record,
        source=source,
        bodies=record.bodies,
        retarget=record.retarget,
        fixed=fixed_joints(record),
    )
    check_robot(robot, source)
    return robot


def _index(names: Sequence[str], name: str | None) -> int:
    """Index of a name; -1 where it is missing, which `check_robot` tells."""
    return names.index(name) if name in names else -1


def _find(name_or_path: str) -> Path:
    if name_or_path in available():
        return FOLDER / name_or_path / "robot.yaml"
    path = Path(name_or_path).expanduser()
    path = path / "robot.yaml" if path.is_dir() else path
    if path.suffix not in YAML:
        return _named(name_or_path)
    if not os.path.isfile(path):
        raise InputError(f"there is no robot file {path}; playground-amp retarget --propose-robot FILE.xml writes one")
    return path


def _named(name: str) -> Path:
    """The record of a robot of a package; looked up late, as training with a robot's own record proposes none."""
    if mjcf := model_zoos.find_by_name(name):
        return importlib.import_module("playground_amp.robots.proposal.named").record_of(name, mjcf)
    hint = "" if model_zoos.is_installed() else f"; {model_zoos.INSTALL}"
    raise InputError(
        f"there is no robot '{name}', and it is no path of a robot's YAML file; "
        f"{nearest(name, [*available(), *model_zoos.names()])}{hint}"
    )


@cache
def _say_once(sentence: str) -> None:
    say(sentence)
