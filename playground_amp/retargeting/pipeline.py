"""One recording to its clip and the verdict on it, unless both are there already: what each process of a batch does."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any

import mujoco
import numpy as np

import playground_amp
from playground_amp.core.errors import InputError
from playground_amp.core.files import json_values
from playground_amp.motion.clip import MotionClip
from playground_amp.retargeting.clip_signals import ClipSignals
from playground_amp.retargeting.clip_verdict import ClipAssessment, as_json, assess_clip, from_json
from playground_amp.retargeting.physics_refinement import refine
from playground_amp.retargeting.readers.any import read_recording
from playground_amp.retargeting.retarget import HUMAN_LEG, Retargeted, retarget
from playground_amp.retargeting.trim import fastest_part, trim
from playground_amp.robots import Robot, load_robot

MIRRORED = "_mirrored"  # end of the names of mirrored copies
MAKES_CLIPS = ("core", "motion", "metrics", "retargeting", "robots")  # folders whose code decides what a clip becomes
STANDING_SPEED = 0.05  # m/s; a person that is slower has no speed to compare with


@dataclass(frozen=True)
class RetargetOptions:
    """What is done with every recording; raises InputError for options that make no sense."""

    start: float = 0.0  # s of the source
    end: float | None = None  # s of the source
    speed_min: float | None = None  # m/s of the source; keeps the longest stretch at least that fast
    mirror: bool = False  # also writes mirrored copies
    time_scale: bool = True  # the timing of dynamic similarity; off: the source's own
    source: str = ""  # where the motion comes from, and its licence
    refine: bool = False  # what the robot itself makes of the clip in physics

    def __post_init__(self) -> None:
        if not 0.0 <= self.start < math.inf:
            raise InputError(f"--start is {self.start:g}; expected seconds from the beginning, 0 or more")
        if self.end is not None and not self.end > self.start:
            raise InputError(f"--end is {self.end:g}; expected seconds from the beginning, more than --start")
        if self.speed_min is not None and not 0.0 < self.speed_min < math.inf:
            raise InputError(f"--speed-min is {self.speed_min:g}; expected a speed above 0 m/s")


@dataclass(frozen=True)
class Job:
    """One recording to be made a clip of `robot`."""

    name: str  # of the clip
    path: Path  # of the recording
    robot: str  # name, or path of its YAML
    out: Path  # folder of the clips
    options: RetargetOptions
    pictures: bool = False  # whether a report wants to see it, made before or not

    @property
    def clip_names(self) -> list[str]:
        """Of the clips that it makes."""
        return [self.name, self.name + MIRRORED] if self.options.mirror else [self.name]


@dataclass(frozen=True, eq=False)
class ClipView:
    """What a report shows of a clip."""

    clip: MotionClip
    person: np.ndarray | None  # [N, 22, 3] m, joints of the person at the robot's size; None without a person
    signals: ClipSignals


@dataclass(frozen=True, eq=False)
class JobResult:
    """What became of one recording."""

    job: Job
    clips: list[tuple[MotionClip, dict[str, Any]]]  # with what stands in the JSON beside each; to be written
    assessments: list[ClipAssessment]  # on the clip and its mirrored copy, made now or before
    error: str = ""  # why nothing could be made
    view: ClipView | None = None  # where a report was asked for

    @property
    def unchanged(self) -> bool:
        """Whether the clips of an earlier run stand."""
        return not self.clips and not self.error


def earlier_result(job: Job) -> JobResult | None:
    """What an earlier run made of the same recording in the same way; None where it is to be made, or cannot be."""
    try:
        known = _earlier(job, provenance(job)["key"])
    except InputError:
        return None
    return JobResult(job, [], known) if known else None


def run_job(job: Job) -> JobResult:
    """Make the clips of a recording, or find that they are there; a bad recording becomes a sentence."""
    try:
        return _make(job)
    except InputError as error:
        return JobResult(job, [], [], str(error))
    except Exception as error:  # whatever else a damaged file can do must not end the others
        return JobResult(job, [], [], f"'{job.path}' could not be retargeted ({type(error).__name__}: {error})")


def _make(job: Job) -> JobResult:
    origin, robot, used = provenance(job), _robot(job.robot), _used(job.options)
    known = _earlier(job, origin["key"])
    if known and not job.pictures:
        return JobResult(job, [], known)
    done = retargeted(job, robot)
    similar = similar_speed(done, robot, job.options)
    assess = partial(assess_clip, robot=robot, used=used, simulated=done.physics is not None)
    assessment, signals = assess(done.clip, tracking=done.tracking_error, similar_speed=similar)
    view = ClipView(done.clip, done.person, signals) if job.pictures else None
    if known:
        return JobResult(job, [], known, view=view)
    assessments, clips = [assessment], [done.clip]
    if job.options.mirror:
        clips.append(mirrored_clip(done.clip, robot))
        assessments.append(assess(clips[1])[0])
    beside = [as_json(assessment) | origin | {"physics": done.physics} for assessment in assessments]
    return JobResult(job, list(zip(clips, beside, strict=True)), assessments, view=view)


def _used(options: RetargetOptions) -> list[str]:
    """Options that were given, and cannot be advised any more."""
    given = {"--mirror": options.mirror, "--no-time-scale": not options.time_scale, "--refine": options.refine}
    return [name for name, is_given in given.items() if is_given]


def retargeted(job: Job, robot: Robot) -> Retargeted:
    """The part of the recording that is asked for, as a motion of `robot` under the clip's name.

    Raises InputError for a recording that cannot be read, a part that is not there, and a motion that no robot can do.
    """
    options = job.options
    recording = trim(read_recording(job.path), options.start, options.end)
    if options.speed_min is not None:
        recording = fastest_part(recording, options.speed_min)
    done = retarget(recording, robot, time_scaling=options.time_scale, source=options.source)
    done = dataclasses.replace(done, clip=dataclasses.replace(done.clip, name=job.name))
    if not options.refine:
        return done
    walked = refine(done.clip, robot)
    physics = {"distance": walked.distance, "joint_error": walked.joint_error}
    return dataclasses.replace(done, clip=walked.clip, tracking_error={}, physics=physics)


def mirrored_clip(clip: MotionClip, robot: Robot) -> MotionClip:
    """The clip reflected through the world's x-z plane, left and right exchanged."""
    return dataclasses.replace(clip, name=clip.name + MIRRORED, qpos=robot.mirror_qpos(clip.qpos))


def similar_speed(done: Retargeted, robot: Robot, options: RetargetOptions) -> float:
    """Speed of the person at the robot's size by dynamic similarity, m/s; NaN without a person or a way.

    Equal Froude numbers: v / sqrt(g leg) is the same for both (Alexander and Jayes 1983).
    """
    if done.person is None:
        return math.nan
    way = done.person[-1, 0, :2] - done.person[0, 0, :2]
    speed = float(np.linalg.norm(way)) / done.clip.duration
    if not options.time_scale:  # the person was scaled in length alone
        speed /= math.sqrt(robot.leg_length / HUMAN_LEG)
    return speed if speed > STANDING_SPEED else math.nan


def provenance(job: Job) -> dict[str, Any]:
    """What a clip was made from and with, and a key (SHA-256) that is another one when any of it is.

    It stands in the JSON beside the clip. Raises InputError for a recording or a robot that cannot be read.
    """
    digest = _digest(job.path)
    options = dataclasses.asdict(job.options)
    version = {"package": playground_amp.__version__, "code": _code()}
    of_robot = _fingerprint(job.robot)
    key = hashlib.sha256(json.dumps([digest, options, version, of_robot]).encode()).hexdigest()
    source = {"file": str(job.path), "sha256": digest, "text": job.options.source}
    return {
        "source": source,
        "robot": _robot(job.robot).name,
        "robot_sha256": of_robot,
        "options": options,
        "version": version,
        "key": key,
    }


def _digest(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise InputError(f"cannot read '{path}': {error.strerror}; give a readable file") from None


def _earlier(job: Job, key: str) -> list[ClipAssessment]:
    """The assessments of an earlier run with the same key; nothing where a clip is missing or of another key."""
    found = []
    for path in (job.out / f"{name}.json" for name in job.clip_names):
        try:
            values = json.loads(path.read_text())
            if values["key"] != key or not path.with_suffix(".npz").is_file():
                return []
            found.append(from_json(values))
        except (OSError, ValueError, KeyError, TypeError):  # none yet, or spoiled: it is made again
            return []
    return found


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
