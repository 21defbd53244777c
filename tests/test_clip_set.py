"""The record of a set of clips: its hash is that of what training sees, and a difference is told in words."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from conftest import CONTROL_DT, make_clip

from playground_amp.config import ClipSource
from playground_amp.motion.clip import MotionClip, save_clip
from playground_amp.motion.clip_set import ClipSet, describe_clips, difference
from playground_amp.motion.reference_builder import load_clips
from playground_amp.robots import Robot


@pytest.fixture(scope="module")
def clips(robot: Robot, walk: np.ndarray) -> list[MotionClip]:
    return [make_clip(robot, walk[:40], "a", "walk"), make_clip(robot, walk[:80], "b"), make_clip(robot, walk, "c")]


def record(*clips: MotionClip, mirror: bool = True) -> ClipSet:
    return describe_clips(clips, mirror=mirror)


def test_a_record_tells_what_the_clips_are(clips: list[MotionClip]) -> None:
    first = record(replace(clips[0], weight=2.0, declared_speed=1.0), clips[2]).to_json()["clips"][0]
    digest = first.pop("sha256")
    assert first == {"name": "a", "frames": 40, "seconds": 0.78, "label": "walk", "weight": 2.0, "speed": 1.0}
    assert len(digest) == 64 and int(digest, 16)
    assert record(*clips).clips[2].speed == pytest.approx(0.55, abs=0.01)


def test_a_record_survives_json(clips: list[MotionClip]) -> None:
    found = record(*clips)
    assert ClipSet.from_json(json.loads(json.dumps(found.to_json()))) == found
    assert found.labels == ("walk", "")


def nudged(clip: MotionClip) -> MotionClip:
    qpos = clip.qpos.copy()
    qpos[17, 9] += 1e-6
    return replace(clip, qpos=qpos)


@pytest.mark.parametrize(
    "change",
    [
        nudged,
        lambda clip: replace(clip, qpos=clip.qpos[:-1]),
        lambda clip: replace(clip, frequency=100.0),
        lambda clip: replace(clip, joints=clip.joints[::-1]),
        lambda clip: replace(clip, label="run"),
        lambda clip: replace(clip, weight=2.0),
        lambda clip: replace(clip, declared_speed=clip.speed),
    ],
)
def test_the_hash_changes_with_whatever_training_sees(clips: list[MotionClip], change) -> None:
    assert record(change(clips[0]), *clips[1:]).sha256 != record(*clips).sha256
    assert difference(record(*clips), record(change(clips[0]), *clips[1:])) == "changed: a"


def test_the_hash_changes_with_reflections_and_numbers(clips: list[MotionClip]) -> None:
    others = [record(*clips, mirror=False), record(*clips[:2]), record(*clips, clips[0])]
    assert len({record(*clips).sha256, *(other.sha256 for other in others)}) == 4


def test_the_hash_is_blind_to_names_order_source_and_time_scale(clips: list[MotionClip]) -> None:
    renamed = [replace(clip, name=f"x{clip.name}", source="elsewhere", time_scale=0.5) for clip in clips]
    assert record(*renamed[::-1]).sha256 == record(*clips).sha256
    assert difference(record(*clips), record(*renamed)) == ""


def test_the_hash_of_files_is_that_of_their_content(robot: Robot, walk: np.ndarray, tmp_path: Path) -> None:
    """Read again, under other names and in another folder; not in what is only rounded by the file."""

    def of(folder: str) -> str:
        sources = [ClipSource(str(tmp_path / folder))]
        return record(*load_clips(sources, robot, control_dt=CONTROL_DT)).sha256

    for path in ("one/a", "one/b", "two/y", "two/x"):
        qpos = walk if path[-1] in "ay" else walk[:50]
        save_clip(tmp_path / f"{path}.npz", make_clip(robot, qpos, path))
    assert of("one") == of("two") == record(make_clip(robot, walk), make_clip(robot, walk[:50])).sha256
    save_clip(tmp_path / "two" / "x.npz", make_clip(robot, walk[:51]))
    assert of("one") != of("two")


def test_a_difference_names_what_changed_came_and_went(clips: list[MotionClip]) -> None:
    a, b, c = clips
    assert difference(record(a, b, c), record(nudged(a), c, replace(b, name="d", weight=2.0))) == (
        "changed: a; added: d; gone: b"
    )
    assert difference(record(a), record(a, mirror=False)) == "without their reflections"
    assert difference(record(a), record(a, a)) == "added: a"
    many = [replace(a, name=f"n{i}", weight=2.0 + i) for i in range(5)]
    assert difference(record(a), record(a, *many)) == "added: n0, n1, n2 and 2 more"
