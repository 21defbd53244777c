"""What is asked of a batch: a recording, the robot, the options; and what became of it."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from playground_amp.core.errors import InputError
from playground_amp.motion.clip import MotionClip
from playground_amp.retargeting.clip_signals import ClipSignals
from playground_amp.retargeting.clip_verdict import ClipAssessment
from playground_amp.retargeting.readers.hints import ReadHints

MIRRORED = "_mirrored"  # end of the names of mirrored copies


@dataclass(frozen=True)
class RetargetOptions:
    """What is done with every recording; raises InputError for options that make no sense."""

    start: float = 0.0  # s of the source
    end: float | None = None  # s of the source
    speed_min: float | None = None  # m/s of the source; keeps the longest stretch at least that fast
    fps: float | None = None  # Hz, of a file that does not say, or says it wrongly
    unit: str | None = None  # of a file's lengths, likewise
    up: str | None = None  # the axis that points up, likewise
    joints: tuple[str, ...] | None = None  # names of a robot's joints in the file's order, likewise
    split: bool = False  # a clip of every part that can be used, instead of one of the whole
    mirror: bool = False  # also writes mirrored copies
    time_scale: bool = True  # the timing of dynamic similarity; off: the source's own
    as_is: bool = False  # a robot's motion keeps its feet where they are
    source: str = ""  # where the motion comes from, and its licence
    refine: bool = False  # what the robot itself makes of the clip in physics

    def __post_init__(self) -> None:
        if not 0.0 <= self.start < math.inf:
            raise InputError(f"--start is {self.start:g}; expected seconds from the beginning, 0 or more")
        if self.end is not None and not self.end > self.start:
            raise InputError(f"--end is {self.end:g}; expected seconds from the beginning, more than --start")
        if self.speed_min is not None and not 0.0 < self.speed_min < math.inf:
            raise InputError(f"--speed-min is {self.speed_min:g}; expected a speed above 0 m/s")
        _ = self.hints  # which check themselves

    @property
    def hints(self) -> ReadHints:
        """What is known of the recordings beside what their files say."""
        return ReadHints(self.fps, self.unit, self.up, self.joints)

    @property
    def used(self) -> list[str]:
        """Options that were given, and cannot be advised any more."""
        given = {"--mirror": self.mirror, "--no-time-scale": not self.time_scale, "--refine": self.refine}
        return [name for name, is_given in given.items() if is_given]


@dataclass(frozen=True)
class Job:
    """One recording to be made clips of `robot`."""

    name: str  # of the clip; of several it is the beginning
    path: Path  # of the recording
    robot: str  # name, or path of its YAML
    out: Path  # folder of the clips
    options: RetargetOptions
    pictures: bool = False  # whether a report wants to see it, made before or not

    @property
    def clip_names(self) -> list[str]:
        """Of the clips that it makes where the recording is one motion, used whole."""
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
    assessments: list[ClipAssessment]  # on the clips and their mirrored copies, made now or before
    error: str = ""  # why nothing could be made
    notes: list[str] = field(default_factory=list)  # what was found, assumed and left out, a sentence each
    views: dict[str, ClipView] = field(default_factory=dict)  # by the clips' names, where a report was asked for

    @property
    def unchanged(self) -> bool:
        """Whether the clips of an earlier run stand."""
        return not self.clips and not self.error
