"""A first record for somebody's MJCF: what can be found by kinematics and names, and a word on every guess."""

from __future__ import annotations

import re
from pathlib import Path

import mujoco
import yaml

from playground_amp.core.errors import InputError
from playground_amp.core.files import write_whole
from playground_amp.robots import available, make_robot
from playground_amp.robots.files import PACKAGE, find_mjcf
from playground_amp.robots.model_zoos import INSTALL, find_by_name, is_installed
from playground_amp.robots.proposal.actuator_gains import guess_gains
from playground_amp.robots.proposal.anatomy import LegAnatomy
from playground_amp.robots.proposal.contact_points import find_foot_contacts
from playground_amp.robots.proposal.known_motors import known_gains
from playground_amp.robots.proposal.proposal import Proposal
from playground_amp.robots.proposal.remarks import lacking, on_wrists, remarks, trial
from playground_amp.robots.proposal.skeleton import find_skeleton
from playground_amp.robots.proposal.standing_pose import bent_knees, keyframe_pose
from playground_amp.robots.proposal.yaml_writer import write_record
from playground_amp.robots.record import parse_record
from playground_amp.robots.servos import servos_of
from playground_amp.robots.symmetry import pose

CLEARANCE = (0.004 / 0.42, 0.012 / 0.42)  # as shares of the leg's length: those of the default robot


def propose(mjcf: str | Path, folder: Path | None = None) -> tuple[str, list[str]]:
    """Text of a record for an MJCF, and sentences on what was guessed and what needs a hand.

    mjcf: a path, 'package:NAME/path', or the name of a robot of mujoco-menagerie or robot_descriptions. folder: where
    the record will lie; the record names an MJCF inside of it by its relative path, any other by its absolute one. The
    text loads as it is. Raises InputError where there is no robot with two legs, and for meshes that are missing and
    needed.
    """
    path, name = _find(str(mjcf))
    packaged = str(mjcf).startswith(PACKAGE)
    found = find_proposal(path, str(mjcf) if packaged else _mjcf_name(path.resolve(), folder), name)
    text = write_record(found)
    record = parse_record(yaml.safe_load(text), f"the record proposed for {path}")
    robot = make_robot(record, folder or Path.cwd(), str(path))
    return text, [*found.sentences, *trial(robot)]


def write_proposal(mjcf: str | Path, folder: Path) -> tuple[Path, list[str]]:
    """Write a record for an MJCF into a folder, as NAME.yaml, and never over another.

    Its path, and sentences: what was guessed, and the commands that come next. Raises InputError as `propose` does.
    """
    path = folder / f"{Path(mjcf).stem}.yaml"
    if path.exists():
        raise InputError(f"'{path}' is there already; move it away, or give another folder with --out")
    text, sentences = propose(mjcf, folder)
    folder.mkdir(parents=True, exist_ok=True)
    write_whole(path, text)
    settings = f"--set env.robot={path} --set reference.clips=DIR"
    return path, [
        *sentences,
        f"wrote {path}; clips for it: playground-amp retarget SOURCE --robot {path} --out DIR",
        f"and a policy: playground-amp train --config ppo_amass_training.yaml {settings}",
        "before that, look at the clips' verdicts, and at what playground-amp doctor says with the same settings",
    ]


def _find(mjcf: str) -> tuple[Path, str]:
    """Path of an MJCF, and the robot's name where it was asked for by name."""
    if not mjcf.startswith(PACKAGE) and not Path(mjcf).exists() and (path := find_by_name(mjcf)):
        return path, mjcf
    hint = f"; {INSTALL}" if mjcf.isidentifier() and not is_installed() else ""
    try:
        return find_mjcf(mjcf, Path.cwd(), "--propose-robot"), ""
    except InputError as error:
        raise InputError(f"{error}{hint}") from None


def find_proposal(path: Path, mjcf: str, name: str = "") -> Proposal:
    """What can be found of the robot in the MJCF at `path`, which the record will name `mjcf`.

    Without a `name` it is called as the MJCF calls its model. Raises InputError as `propose` does.
    """
    found = find_skeleton(path)
    model, symmetry, anatomy = found.model, found.symmetry, found.anatomy
    key, keyed = keyframe_pose(found.whole, list(symmetry.joints), found.root, symmetry)
    flat = pose(model, keyed)
    leg = _rough_leg(model, flat, anatomy)
    feet, paired = anatomy.bodies.feet, found.paired
    contacts = find_foot_contacts(model, flat, feet, paired=paired, leg_length=leg, source=str(path))
    family, known = known_gains([name, found.name, path.stem], list(symmetry.joints))
    gains = lacking(model, guess_gains(model, servos_of(model), symmetry, anatomy, leg))
    guesses = {joint: guess for joint, guess in gains.items() if joint not in known}
    said = remarks(model, symmetry, found.welded, key, guesses)
    said += on_wrists(model, list(symmetry.joints), anatomy.bodies)
    if known:
        said.append(f"kp, kv, torque and armature of {len(known)} joints are those of the motors of {family}")
    return Proposal(
        name=_name(name or found.name),
        mjcf=mjcf,
        root=found.root,
        symmetry=symmetry,
        anatomy=anatomy,
        home=keyed or bent_knees(model, symmetry, anatomy, *contacts.left_sole(flat, feet[0])),
        contacts=contacts,
        clearance=(round(CLEARANCE[0] * leg, 4), round(CLEARANCE[1] * leg, 4)),
        gains=gains | known,
        sentences=(*found.notes, *said, *contacts.sentences),
    )


def _name(given: str) -> str:
    """In small letters, and none of a robot that ships: its clips are of another robot."""
    name = re.sub(r"\W+", "_", given.lower()).strip("_")
    return f"my_{name}" if name in available() else name


def _mjcf_name(path: Path, folder: Path | None) -> str:
    """How a record in `folder` names the MJCF: relative where it lies inside, else by its absolute path."""
    inside = folder is not None and path.is_relative_to(folder.resolve())
    return str(path.relative_to(folder.resolve())) if folder and inside else str(path)


def _rough_leg(model: mujoco.MjModel, data: mujoco.MjData, anatomy: LegAnatomy) -> float:
    """Hip pitch axis to the foot's origin and a tenth more, m: for the sizes of spheres and clearances."""
    hip = data.xanchor[model.joint(anatomy.hip_pitch).id, 2]
    return float(1.1 * max(hip - data.body(anatomy.bodies.feet[0]).xpos[2], 1e-3))
