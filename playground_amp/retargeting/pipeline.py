"""One recording to its clips and the verdicts on them, unless all are there already: what a process of a batch does.

file --read--> recordings --trim, split--> parts --retarget--> clips --assess--> verdicts
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator
from dataclasses import dataclass

from playground_amp.core.errors import InputError, listed
from playground_amp.motion.clip import MotionClip
from playground_amp.motion.ground_path import path_speed
from playground_amp.motion.metrics.bounds import PERSON_LEG
from playground_amp.retargeting.clip_signals import ClipSignals
from playground_amp.retargeting.clip_verdict import FAIL, ClipAssessment, as_json, assess_clip
from playground_amp.retargeting.job import MIRRORED, ClipView, Job, JobResult, RetargetOptions
from playground_amp.retargeting.physics_refinement import refine
from playground_amp.retargeting.preparation.prepare import prepared
from playground_amp.retargeting.provenance import earlier, provenance, robot_of
from playground_amp.retargeting.readers.amass import Take
from playground_amp.retargeting.readers.any import read_recordings
from playground_amp.retargeting.readers.robot_motion import RobotMotion
from playground_amp.retargeting.retarget import Retargeted, retarget
from playground_amp.retargeting.split import Cut, jumps, split
from playground_amp.retargeting.trim import fastest_part, trim
from playground_amp.robots import Robot

STANDING_SPEED = 0.05  # m/s; a person that is slower has no speed to compare with
SHORTEST = 1.0  # s, of what is left of a clip where nothing fails


@dataclass(frozen=True, eq=False)
class _Made:
    """A clip, the verdict on it, and what it was made of."""

    done: Retargeted
    assessment: ClipAssessment
    signals: ClipSignals


def earlier_result(job: Job) -> JobResult | None:
    """What an earlier run made of the same recording in the same way; None where it is to be made, or cannot be."""
    try:
        known, notes = earlier(job, provenance(job)["key"])
    except InputError:
        return None
    return JobResult(job, [], known, notes=notes) if known else None


def run_job(job: Job) -> JobResult:
    """Make the clips of a recording, or find that they are there; a bad recording becomes a sentence."""
    try:
        return _make(job)
    except InputError as error:
        return JobResult(job, [], [], str(error))
    except Exception as error:  # whatever else a damaged file can do must not end the others
        return JobResult(job, [], [], f"'{job.path}' could not be retargeted ({type(error).__name__}: {error})")


def _make(job: Job) -> JobResult:
    origin, robot = provenance(job), robot_of(job)
    known, notes = earlier(job, origin["key"])
    if known and not job.pictures:
        return JobResult(job, [], known, notes=notes)
    made, notes = _all_made(job, robot)
    views = {m.done.clip.name: ClipView(m.done.clip, m.done.person, m.signals) for m in made} if job.pictures else {}
    if known:
        return JobResult(job, [], known, notes=notes, views=views)
    clips, assessments = [], []
    for one in made:
        for clip, assessment in _with_mirrored(one, job.options, robot):
            changed = {"physics": one.done.physics, "planting": one.done.planting}
            clips.append((clip, as_json(assessment) | origin | changed | {"notes": notes}))
            assessments.append(assessment)
    names = [assessment.clip for assessment in assessments]
    return JobResult(job, [(clip, beside | {"clips": names}) for clip, beside in clips], assessments, "", notes, views)


def _all_made(job: Job, robot: Robot) -> tuple[list[_Made], list[str]]:
    """The clips of every part of the recording, and what there is to be told; InputError where there is none."""
    made, notes, errors = [], [], []
    for name, part, told in _parts(job, robot):
        notes += told
        try:
            one, told = _clip_of(name, part, job.options, robot)
        except InputError as error:
            errors.append(str(error))
            continue
        made.append(one)
        notes += told
    if not made:
        raise InputError(errors[0])
    return made, [*notes, *(f"left out: {error}" for error in errors)]


def _parts(job: Job, robot: Robot) -> Iterator[tuple[str, Take | RobotMotion, list[str]]]:
    """Names of the clips, the parts of the recording that become them, and what there is to be told of each."""
    options = job.options
    recordings = read_recordings(job.path, options.hints, robot)
    for recording in recordings:
        name = job.name if len(recordings) == 1 else job.name + recording.name.removeprefix(job.path.stem)
        part = prepared(trim(recording, options.start, options.end), options.hints, robot)
        if options.speed_min is not None:
            part = fastest_part(part, options.speed_min)
        cut = _cut(part, options, robot)
        part = dataclasses.replace(part, notes=(*part.notes, *_of_no_use(part, options)))
        for i, piece in enumerate(cut.parts):
            own = name if len(cut.parts) == 1 else f"{name}_{i + 1}"
            yield own, piece, [] if i else [*(f"'{name}': {note}" for note in part.notes), *cut.notes]


def _of_no_use(recording: Take | RobotMotion, options: RetargetOptions) -> list[str]:
    """A note on options that say something of robots' motions alone."""
    given = {"--as-is": options.as_is, "--joints": bool(options.joints)}
    names = [name for name, is_given in given.items() if is_given]
    return [f"{listed(names)} has no effect on a person's motion"] if names and isinstance(recording, Take) else []


def _cut(recording: Take | RobotMotion, options: RetargetOptions, robot: Robot) -> Cut:
    if options.split or (isinstance(recording, Take) and jumps(recording).any()):
        return split(recording, robot.leg_length if isinstance(recording, RobotMotion) else PERSON_LEG)
    return Cut([recording], ())


def _clip_of(name: str, part: Take | RobotMotion, options: RetargetOptions, robot: Robot) -> tuple[_Made, list[str]]:
    """The clip of a part; of one that fails and was to be split, the longest piece in which nothing does."""
    done = retargeted(name, part, options, robot)
    one = _assessed(done, options, robot)
    told = [f"'{name}': {sentence}" for sentence in done.notes]
    first, last = one.assessment.walkable
    if not options.split or one.assessment.verdict != FAIL or last - first < SHORTEST:
        return one, told
    piece = _assessed(_piece(done, first, last), options, robot)
    return piece, [*told, f"'{name}' keeps {first:.1f} to {last:.1f} s of the part, where nothing fails"]


def _piece(done: Retargeted, first: float, last: float) -> Retargeted:
    """The clip from `first` to `last` seconds, from the origin on."""
    clip = done.clip
    rows = slice(round(first * clip.frequency), round(last * clip.frequency) + 1)
    qpos = clip.qpos[rows].copy()
    start = qpos[0, :3] * [1.0, 1.0, 0.0]
    qpos[:, :3] -= start
    person = None if done.person is None else done.person[rows] - start
    return dataclasses.replace(done, clip=dataclasses.replace(clip, qpos=qpos), person=person)


def _assessed(done: Retargeted, options: RetargetOptions, robot: Robot) -> _Made:
    tracking, similar = done.tracking_error, similar_speed(done, robot, options)
    simulated = done.physics is not None
    assessment, signals = assess_clip(
        done.clip, robot, tracking=tracking, similar_speed=similar, used=options.used, simulated=simulated
    )
    return _Made(done, assessment, signals)


def _with_mirrored(made: _Made, options: RetargetOptions, robot: Robot) -> Iterator[tuple[MotionClip, ClipAssessment]]:
    yield made.done.clip, made.assessment
    if options.mirror:
        clip = mirrored_clip(made.done.clip, robot)
        simulated = made.done.physics is not None
        yield clip, assess_clip(clip, robot, used=options.used, simulated=simulated)[0]


def retargeted(name: str, part: Take | RobotMotion, options: RetargetOptions, robot: Robot) -> Retargeted:
    """The motion of a part of a recording as the clip `name` of `robot`.

    Raises InputError for a motion that no robot can do.
    """
    part = dataclasses.replace(part, name=name)
    done = retarget(part, robot, time_scaling=options.time_scale, source=options.source, plant=not options.as_is)
    done = dataclasses.replace(done, clip=dataclasses.replace(done.clip, name=name))
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
    speed = path_speed(done.person[:, 0], done.clip.frequency)
    if not options.time_scale:  # the person was scaled in length alone
        speed /= math.sqrt(robot.leg_length / PERSON_LEG)
    return speed if speed > STANDING_SPEED else math.nan
