"""What a clip was made from and with: it stands in the JSON beside the clip, so that it is not made twice."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Collection
from functools import cache
from glob import escape
from pathlib import Path
from typing import Any

import mujoco
import numpy as np

import playground_amp
from playground_amp.core.errors import InputError
from playground_amp.core.files import json_values, parse_json
from playground_amp.retargeting.clip_verdict import ClipAssessment, from_json
from playground_amp.retargeting.job import Job
from playground_amp.robots import Robot, load_robot

MAKES_CLIPS = ("core", "motion", "retargeting", "robots")  # folders whose code decides what a clip becomes


def provenance(job: Job) -> dict[str, Any]:
    """What the clips of a job are made from and with, and a key (SHA-256) that is another one when any of it is.

    Raises InputError for a recording or a robot that cannot be read.
    """
    digest = _digest(job.path)
    options = dataclasses.asdict(job.options)
    version = {"package": playground_amp.__version__, "code": _code()}
    of_robot = _fingerprint(job.robot)
    key = hashlib.sha256(json.dumps([digest, options, version, of_robot]).encode()).hexdigest()
    source = {"file": str(job.path), "sha256": digest, "text": job.options.source}
    return {
        "source": source,
        "robot": robot_of(job).name,
        "robot_sha256": of_robot,
        "options": options,
        "version": version,
        "key": key,
    }


def earlier(job: Job, key: str) -> tuple[list[ClipAssessment], list[str]]:
    """The assessments and notes of an earlier run with the same key; none where a clip is missing or of another key."""
    found = {path.stem: values for path in job.out.glob(f"{escape(job.name)}*.json") if (values := _read(path, key))}
    names = next((values["clips"] for values in found.values()), [])
    if not names or not set(names) <= set(found):
        return [], []
    try:
        return [from_json(found[name]) for name in names], list(found[names[0]]["notes"])
    except (ValueError, KeyError, TypeError):  # spoiled: it is made again
        return [], []


def _read(path: Path, key: str) -> dict[str, Any] | None:
    """What stands beside a clip; None where it is of another key, or the clip is gone."""
    try:
        values = parse_json(path.read_text())
        fits = values["key"] == key and values["clip"] == path.stem and isinstance(values["clips"], list)
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return values if fits and path.with_suffix(".npz").is_file() else None


def made_of(job: Job, besides: Collection[str]) -> list[Path]:
    """Clips in the job's folder that were made of its recording under its name, but those named in `besides`."""
    found = []
    for path in sorted(job.out.glob(f"{escape(job.name)}*.json")):
        clip = path.with_suffix(".npz")
        try:
            values = parse_json(path.read_text())
            ours = values["source"]["file"] == str(job.path) and values["robot"] == robot_of(job).name and values["key"]
        except (OSError, ValueError, KeyError, TypeError):
            continue
        if ours and path.stem not in besides and clip.is_file():
            found.append(clip)
    return found


def robot_of(job: Job) -> Robot:
    """The robot of a job; raises InputError where there is none."""
    return _robot(job.robot)


def _digest(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise InputError(f"cannot read '{path}': {error.strerror}; give a readable file") from None


@cache
def _robot(name: str) -> Robot:
    return load_robot(name)


@cache
def _fingerprint(name: str) -> str:
    """SHA-256 of all that a robot's files say: its record and the compiled model, meshes included."""
    robot = _robot(name)
    model = np.empty(mujoco.mj_sizeModel(robot.model), np.uint8)
    mujoco.mj_saveModel(robot.model, None, model)
    return hashlib.sha256(repr(json_values(dataclasses.asdict(robot.record))).encode() + model.tobytes()).hexdigest()


@cache
def _code() -> str:
    """Beginning of the SHA-256 of the code that makes clips."""
    folder = Path(playground_amp.__file__).parent
    files = sorted(path for room in MAKES_CLIPS for path in (folder / room).rglob("*.py"))
    return hashlib.sha256(b"".join(path.read_bytes() for path in files)).hexdigest()[:12]
