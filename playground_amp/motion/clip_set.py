"""What a set of clips is, apart from where its files are: names and figures to read, and a hash to know it again by."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from playground_amp.core.errors import listed
from playground_amp.motion.clip import MotionClip


@dataclass(frozen=True)
class ClipRecord:
    """One clip of a set."""

    name: str
    frames: int
    seconds: float
    label: str
    weight: float
    speed: float  # m/s that it counts as
    sha256: str  # of what training sees of it


@dataclass(frozen=True)
class ClipSet:
    """The clips that something is trained on."""

    sha256: str  # of all that training sees of them, whatever their names and their order
    mirror: bool
    clips: tuple[ClipRecord, ...]

    @property
    def labels(self) -> tuple[str, ...]:
        """The gaits, in the order that they are asked for by number."""
        return tuple(dict.fromkeys(clip.label for clip in self.clips))

    def to_json(self) -> dict[str, Any]:
        """Everything, as JSON knows it."""
        return {**dataclasses.asdict(self), "clips": [dataclasses.asdict(clip) for clip in self.clips]}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> ClipSet:
        """What `to_json` has written."""
        return cls(values["sha256"], values["mirror"], tuple(ClipRecord(**clip) for clip in values["clips"]))


def describe_clips(clips: Sequence[MotionClip], *, mirror: bool) -> ClipSet:
    """The record of a set of clips that is used with or without reflections."""
    records = tuple(map(_record, clips))
    parts = [f"mirror {mirror}", *sorted(clip.sha256 for clip in records)]
    return ClipSet(hashlib.sha256("\n".join(parts).encode()).hexdigest(), mirror, records)


def _record(clip: MotionClip) -> ClipRecord:
    return ClipRecord(
        name=clip.name,
        frames=len(clip.qpos),
        seconds=round(clip.duration, 3),
        label=clip.label,
        weight=clip.weight,
        speed=round(clip.command_speed, 4),
        sha256=fingerprint(clip),
    )


def fingerprint(clip: MotionClip) -> str:
    """SHA-256 of what training sees of a clip: motion in float32, joints, frequency, label, weight, declared speed."""
    qpos = np.ascontiguousarray(clip.qpos, "<f4")
    seen = [qpos.shape, clip.joints, clip.frequency, clip.label, clip.weight, clip.declared_speed]
    return hashlib.sha256(json.dumps(seen).encode() + b"\n" + qpos.tobytes()).hexdigest()


def difference(before: ClipSet, now: ClipSet) -> str:
    """What became of a set, in words, such as 'changed: a; added: b, c'; nothing where training sees the same."""
    if before.sha256 == now.sha256:
        return ""
    gone, come = _only_in(before, now), _only_in(now, before)
    kinds = {"changed": gone & come, "added": come - gone, "gone": gone - come}
    words = [f"{kind}: {listed(sorted(names))}" for kind, names in kinds.items() if names]
    if before.mirror != now.mirror:
        words.append("with their reflections" if now.mirror else "without their reflections")
    return "; ".join(words)


def _only_in(one: ClipSet, other: ClipSet) -> set[str]:
    """Names of the clips of `one` whose like `other` has not, or not so many."""
    missing = Counter(clip.sha256 for clip in one.clips) - Counter(clip.sha256 for clip in other.clips)
    return {clip.name for clip in one.clips if clip.sha256 in missing}
