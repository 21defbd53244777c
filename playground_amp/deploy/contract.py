"""contract.json: everything that robot and policy have to agree on, read and checked.

The part under `interface` is also inside policy.onnx and policy.npz, so that a contract that was changed after the
export is refused with the key that differs.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from playground_amp.core.errors import InputError
from playground_amp.core.files import parse_json

NAME, FORMAT = "contract.json", 2
FILES = ("policy.onnx", "policy.npz", "trace.npz", "robot.xml")  # what the contract holds the SHA-256 of

NUMBER, WHOLE, TEXT, FLAG = (int, float), (int,), (str,), (bool,)
JOINT = {
    "name": TEXT,
    "default": NUMBER,
    "home": NUMBER,
    "scale": NUMBER,
    "lower": NUMBER,
    "upper": NUMBER,
    "kp": NUMBER,
    "kd": NUMBER,
    "torque_limit": NUMBER,
    "largest_step": NUMBER,
    "largest_speed": NUMBER,
}
HELD = {"name": TEXT, "angle": NUMBER, "kp": NUMBER, "kd": NUMBER, "torque_limit": NUMBER}
TERM = {
    "name": TEXT,
    "offset": WHOLE,
    "size": WHOLE,
    "unit": TEXT,
    "frame": TEXT,
    "reading": TEXT,
    "rule": TEXT,
    "labels": [TEXT],
}
READING = {"name": TEXT, "size": WHOLE, "unit": TEXT, "frame": TEXT, "source": TEXT, "needs_estimator": FLAG}
INTERFACE = {
    "robot": TEXT,
    "root": TEXT,
    "features_sha256": TEXT,
    "observation_version": WHOLE,
    "rate": NUMBER,
    "history": WHOLE,
    "joints": [JOINT],
    "held": [HELD],
    "observation": [TERM],
    "readings": [READING],
    "command": [{"name": TEXT, "unit": TEXT, "low": NUMBER, "high": NUMBER}],
    "gaits": [TEXT],
    "fallen": {"lowest_root": NUMBER, "largest_tilt": NUMBER},
    "symmetric": FLAG,
}
CONTRACT = {
    "format": WHOLE,
    "interface": INTERFACE,
    "files": dict.fromkeys(FILES, TEXT),
    "source": {"run": TEXT, "iteration": WHOLE},
    "versions": {},
}
OBSERVATION_VERSION = 1  # of the rules by which observations are made of readings: observations.RULES
WORDS = {NUMBER: "a number", WHOLE: "a whole number", TEXT: "a text", FLAG: "true or false"}
ROBOT_KEYS = ("joints", "rate", "kp", "kd", "torque_limits")


@dataclass(frozen=True)
class Contract:
    """A contract that was checked; `values` is the file. J joints in the order of the policy's actions."""

    values: Mapping[str, Any]

    @property
    def interface(self) -> Mapping[str, Any]:
        """What robot and policy agree on."""
        return self.values["interface"]

    @property
    def joints(self) -> list[str]:
        """[J] names, in order."""
        return [joint["name"] for joint in self.interface["joints"]]

    @property
    def period(self) -> float:
        """Control step, s."""
        return 1.0 / self.interface["rate"]

    @property
    def gaits(self) -> list[str]:
        """[L] gaits that can be asked for; none where there is no choice."""
        return self.interface["gaits"]

    @property
    def frame_size(self) -> int:
        """Numbers F of what is observed in one control step."""
        return sum(term["size"] for term in self.interface["observation"])

    @property
    def observation_size(self) -> int:
        """Numbers O of an observation: a frame for each control step of the history."""
        return self.interface["history"] * self.frame_size

    @property
    def command_range(self) -> np.ndarray:
        """[2, 3] lowest and highest command, m/s, m/s, rad/s."""
        return np.array([[entry[end] for entry in self.interface["command"]] for end in ("low", "high")])

    def of_joints(self, key: str) -> np.ndarray:
        """[J] a number of each joint: default, home, kp ..."""
        return np.array([joint[key] for joint in self.interface["joints"]], np.float64)


def read_contract(folder: str | Path) -> Contract:
    """The contract of an exported folder; raises InputError with one sentence that names file, key and what is right.

    Files that it names are held against their hashes.
    """
    path = Path(folder) / NAME
    values = _read(path)
    if not isinstance(values, dict) or values.get("format") != FORMAT:
        found = values.get("format") if isinstance(values, dict) else None
        raise InputError(f"{path}: format is {found!r}, this version reads {FORMAT}; export the run again")
    _check_kind(values, CONTRACT, "", path)
    contract = Contract(values)
    _check_sense(contract, path)
    for name, expected in values["files"].items():
        if sha256_of(path.parent / name) != expected:
            raise InputError(f"{path.parent / name}: is not the file that was exported (files.{name}); copy it again")
    return contract


def check_robot(contract: Contract, robot: Mapping[str, Any]) -> None:
    """Raise InputError unless a robot is the contract's.

    `robot` is what its driver says: joints (names in the order of its arrays), rate (Hz), kp, kd, torque_limits, [J]
    each. Every difference is refused: the policy knows this robot only.
    """
    if not isinstance(robot, Mapping) or (missing := [key for key in ROBOT_KEYS if key not in robot]):
        lacking = missing[0] if isinstance(robot, Mapping) else ROBOT_KEYS[0]
        raise InputError(f"the robot does not say '{lacking}'; expected {', '.join(ROBOT_KEYS)}")
    if unknown := sorted(set(robot) - set(ROBOT_KEYS)):
        raise InputError(f"the robot says '{unknown[0]}', which is unknown; expected {', '.join(ROBOT_KEYS)}")
    _check_names(contract.joints, robot["joints"])
    if not is_number(robot["rate"]) or abs(robot["rate"] - contract.interface["rate"]) > 1e-6:
        raise InputError(f"the robot's rate is {robot['rate']} Hz; the policy runs at {contract.interface['rate']:g}")
    for theirs, key in (("kp", "kp"), ("kd", "kd"), ("torque_limits", "torque_limit")):
        _check_numbers(contract, theirs, robot[theirs], key)


def _check_names(expected: Sequence[str], found: Any) -> None:
    if not isinstance(found, Sequence) or isinstance(found, str) or len(found) != len(expected):
        raise InputError(f"the robot's joints are {found!r}; the policy has {len(expected)}: {', '.join(expected)}")
    for place, (ours, theirs) in enumerate(zip(expected, found, strict=True)):
        if ours != theirs:
            kind = "in another order" if theirs in expected else "others"
            raise InputError(f"the robot's joints are {kind}: joint {place} is {theirs!r}, the policy's is '{ours}'")


def _check_numbers(contract: Contract, name: str, found: Any, key: str) -> None:
    expected = contract.of_joints(key)
    if not isinstance(found, Sequence) or isinstance(found, str) or len(found) != len(expected):
        raise InputError(f"the robot's {name} are {found!r}; expected {len(expected)} numbers, one for each joint")
    for joint, ours, theirs in zip(contract.joints, expected, found, strict=True):
        if not is_number(theirs) or abs(theirs - ours) > 1e-6 * max(1.0, abs(ours)):
            raise InputError(f"the robot's {name} of '{joint}' is {theirs!r}; the policy was trained with {ours:g}")


def is_number(value: Any) -> bool:
    """Whether a value is a finite number."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def check_exported_with(contract: Contract, interface: str, place: str) -> None:
    """Raise InputError unless the contract is the one that a policy carries inside (JSON)."""
    try:
        inside = parse_json(interface)
    except ValueError:
        raise InputError(f"{place} carries no contract that can be read; export the run again") from None
    if found := difference(contract.interface, inside, "interface"):
        key, ours, exported = found
        raise InputError(f"{NAME}: {key} is {ours}, but {place} was exported with {exported}; export the run again")


def difference(one: Any, other: Any, path: str) -> tuple[str, str, str] | None:
    """The first place where two JSON values differ, and what stands there in each."""
    if isinstance(one, Mapping) and isinstance(other, Mapping) and set(one) == set(other):
        pairs = [(f"{path}.{key}", one[key], other[key]) for key in one]
    elif isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        pairs = [(f"{path}[{i}]", *pair) for i, pair in enumerate(zip(one, other, strict=True))]
    else:
        return None if one == other and type(one) is type(other) else (path, _short(one), _short(other))
    return next((found for place, a, b in pairs if (found := difference(a, b, place))), None)


def canonical(interface: Mapping[str, Any]) -> str:
    """An interface as the policies carry it."""
    return json.dumps(interface, sort_keys=True, separators=(",", ":"), ensure_ascii=True)


def sha256_of(path: Path) -> str:
    """SHA-256 of a file; raises InputError where there is none."""
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}; copy the whole exported folder") from None


def _read(path: Path) -> Any:
    try:
        return parse_json(path.read_text())
    except OSError as error:
        folder = f"'{path.parent}' is no exported folder"
        raise InputError(f"{path}: cannot be read: {error.strerror}; {folder}: see playground-amp export") from None
    except ValueError as error:
        raise InputError(f"{path}: is not JSON: {error}; export the run again") from None


def _check_kind(value: Any, kind: Any, path: str, file: Path) -> None:
    """Raise InputError unless a JSON value is of a kind: a dict of kinds, a list of one kind, or types."""
    if isinstance(kind, dict):
        _check_keys(value, kind, path, file)
        for key, inner in kind.items():
            _check_kind(value[key], inner, f"{path}.{key}".lstrip("."), file)
    elif isinstance(kind, list):
        if not isinstance(value, list):
            raise InputError(f"{file}: {path} is {_short(value)}; expected a list")
        for place, entry in enumerate(value):
            _check_kind(entry, kind[0], f"{path}[{place}]", file)
    elif not isinstance(value, kind) or (kind is not FLAG and isinstance(value, bool)):
        raise InputError(f"{file}: {path} is {_short(value)}; expected {WORDS[kind]}")
    elif isinstance(value, float) and not math.isfinite(value):
        raise InputError(f"{file}: {path} is {value}; expected a finite number")


def _check_keys(value: Any, kind: Mapping[str, Any], path: str, file: Path) -> None:
    place = path or "the file"
    if not isinstance(value, dict):
        raise InputError(f"{file}: {place} is {_short(value)}; expected a section with the keys {', '.join(kind)}")
    if missing := [key for key in kind if key not in value]:
        raise InputError(f"{file}: {place} has no '{missing[0]}'; expected the keys {', '.join(kind)}")
    if kind and (unknown := [key for key in value if key not in kind]):
        raise InputError(f"{file}: {place} has an unknown key '{unknown[0]}'; expected the keys {', '.join(kind)}")


def _check_sense(contract: Contract, file: Path) -> None:
    """What its parts say of each other."""
    interface, joints = contract.interface, contract.joints
    if interface["observation_version"] != OBSERVATION_VERSION:
        raise InputError(
            f"{file}: interface.observation_version is {interface['observation_version']}, this version makes "
            f"observations of version {OBSERVATION_VERSION}; export the run with this version"
        )
    if interface["rate"] <= 0.0:
        raise InputError(f"{file}: interface.rate is {interface['rate']}; expected Hz, above 0")
    if interface["history"] < 1:
        raise InputError(f"{file}: interface.history is {interface['history']}; expected control steps, at least 1")
    if not joints or len(set(joints)) != len(joints):
        raise InputError(f"{file}: interface.joints names no joint, or one twice: {', '.join(joints)}")
    if len(interface["command"]) != 3:
        raise InputError(f"{file}: interface.command has {len(interface['command'])} entries; expected 3")
    readings = {reading["name"]: reading["size"] for reading in interface["readings"]}
    offset = 0
    for place, term in enumerate(interface["observation"]):
        key = f"interface.observation[{place}] ('{term['name']}')"
        if term["offset"] != offset or term["size"] != len(term["labels"]):
            raise InputError(
                f"{file}: {key} has offset {term['offset']}, size {term['size']} and {len(term['labels'])} labels; "
                f"expected offset {offset} and as many labels as its size"
            )
        if term["reading"] and readings.get(term["reading"]) != term["size"]:
            raise InputError(
                f"{file}: {key} is made of the reading '{term['reading']}' of size {readings.get(term['reading'])}; "
                f"expected a reading of size {term['size']}"
            )
        offset += term["size"]


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else text[:57] + "..."
