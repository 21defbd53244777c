"""The kind of motion of every part of a clip, and the bounds that belong to it."""

from __future__ import annotations

import math
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from conftest import make_clip
from scipy.spatial.transform import Rotation

from playground_amp.motion.metrics.bounds import (
    AHEAD,
    ARC,
    ASIDE,
    BACK,
    BOUNDS,
    KINDS,
    NOT_JUDGED,
    OF_KIND,
    RUNNING,
    STANDING,
    TURN,
)
from playground_amp.motion.metrics.motion_kinds import Part, parts_of
from playground_amp.retargeting.clip_verdict import FAIL, NONE, PASS, WARN, assess_clip, assess_figure, in_words
from playground_amp.robots import Robot

LEG, RATE = 0.9, 50.0


def going(velocity: tuple[float, float], turning: float, frames: int = 200, *, stride_time: float = 1.3) -> np.ndarray:
    """A root [N, 7] that goes at m/s ahead and to the left, and turns at rad/s; it sways and twists as walkers do."""
    time = np.arange(frames) / RATE
    stride = np.sin(2.0 * np.pi * time / stride_time)
    yaw = turning * time
    step = np.stack([velocity[0] + 0.0 * time, velocity[1] + 0.15 * stride], axis=-1) / RATE
    cosine, sine = np.cos(yaw), np.sin(yaw)
    way = np.cumsum(np.stack([step[:, 0] * cosine - step[:, 1] * sine, step[:, 0] * sine + step[:, 1] * cosine], 1), 0)
    quats = Rotation.from_euler("z", (yaw + 0.07 * stride)[:, None]).as_quat(scalar_first=True)
    return np.column_stack([way, np.ones(frames), quats])


def kinds(qpos: np.ndarray, *, flight: float = 0.0) -> list[str]:
    """Kinds of the parts; `flight` is the share of every 0.4 s in the air."""
    flying = (np.arange(len(qpos)) % 20) < 20 * flight
    return [part.kind for part in parts_of(qpos, flying, RATE, LEG)]


@pytest.mark.parametrize(
    ("velocity", "turning", "kind"),
    [
        ((0.0, 0.0), 0.0, STANDING),
        ((1.0, 0.0), 0.0, AHEAD),
        ((1.0, 0.1), 0.05, AHEAD),
        ((-0.6, 0.0), 0.0, BACK),
        ((0.0, 0.4), 0.0, ASIDE),
        ((0.8, -0.4), 0.0, ASIDE),
        ((0.9, 0.0), 0.4, ARC),
        ((0.02, 0.0), -0.8, TURN),
    ],
)
def test_a_motion_is_known_by_what_its_root_does(velocity: tuple[float, float], turning: float, kind: str) -> None:
    assert kinds(going(velocity, turning)) == [kind]


def test_who_is_fast_and_flies_runs_and_who_is_slow_hops() -> None:
    assert kinds(going((2.4, 0.0), 0.0), flight=0.2) == [RUNNING]
    assert kinds(going((2.4, 0.0), 0.0)) == [AHEAD] == kinds(going((0.8, 0.0), 0.0), flight=0.2)


def test_parts_follow_each_other_without_gaps_and_last_a_stride() -> None:
    pieces = [going((0.0, 0.0), 0.0), going((1.0, 0.0), 0.0), going((0.0, 0.0), 0.0, 20), going((1.0, 0.0), 0.0)]
    for before, after in pairwise(pieces):
        after[:, :2] += before[-1, :2]
    parts = parts_of(np.concatenate(pieces), np.zeros(620, bool), RATE, LEG)
    assert [part.kind for part in parts] == [STANDING, AHEAD], parts
    assert parts[0].first == 0 and parts[0].last + 1 == parts[1].first and parts[1].last == 619
    assert abs(parts[1].first - 200) < 35


def test_small_robots_are_held_to_slower_speeds_and_faster_turns() -> None:
    slow = going((0.08, 0.0), 0.0, stride_time=0.75)
    assert kinds(slow) == [STANDING] and parts_of(slow, np.zeros(200, bool), RATE, 0.3)[0].kind == AHEAD
    bend = going((0.5, 0.0), 0.2, stride_time=0.75)
    assert kinds(bend) == [ARC] and parts_of(bend, np.zeros(200, bool), RATE, 0.3)[0].kind == AHEAD


# ---------------------------------------------------------------- bounds


def test_what_is_so_by_nature_is_not_judged() -> None:
    for kind in (ASIDE, TURN, STANDING):
        assert assess_figure("step_asymmetry", 300.0, LEG, kind).verdict == NONE
    assert assess_figure("step_asymmetry", 40.0, LEG, ARC).verdict == WARN
    assert assess_figure("step_asymmetry", 60.0, LEG).verdict == FAIL == assess_figure("support", 60.0, LEG).verdict
    assert assess_figure("support", 60.0, LEG, RUNNING).verdict == PASS
    assert "good for running is 0.25 to 0.5" in assess_figure("duty", 0.55, LEG, RUNNING).reason


def test_bounds_of_a_kind_are_ordered_and_of_known_figures() -> None:
    assert set(OF_KIND) <= set(KINDS)
    for figures in OF_KIND.values():
        assert set(figures) <= set(BOUNDS)
        for (low, high), (least, most) in figures.values():
            assert least <= low < high <= most


def test_a_clip_is_judged_part_by_part(robot: Robot, walk: np.ndarray) -> None:
    """A walk between two rests: a fault of the rest is told with its value there, and the walk is still a walk."""
    rests = [np.tile(walk[i], (100, 1)) for i in (0, -1)]
    clip = make_clip(robot, np.concatenate([rests[0], walk, rests[1]]))
    verdict, signals = assess_clip(clip, robot)
    assert [kind for kind, *_ in verdict.parts] == [STANDING, AHEAD, STANDING]
    assert verdict.parts[0][1] == 0.0 and verdict.parts[-1][2] == pytest.approx(clip.duration)
    alone = assess_clip(make_clip(robot, walk), robot)[0]
    for name in ("clearance", "alternation"):
        assert verdict.figures[name].value == pytest.approx(alone.figures[name].value, rel=0.1)
    part = signals.within(Part(STANDING, 0, 49))
    assert len(part.feet) == len(part.zmp_distance) == 50 and part.parts[0].kind == STANDING


def test_the_table_of_the_document_is_that_of_the_kinds() -> None:
    page = (Path(__file__).parents[1] / "docs" / "motion.md").read_text()
    for kind, figures in OF_KIND.items():
        for name, bounds in figures.items():
            unit = BOUNDS[name].unit
            said = ["not judged"] * 2 if bounds == NOT_JUDGED else [in_words(ends, unit) for ends in bounds]
            assert f"| {kind} | {BOUNDS[name].label} | {unit or '–'} | {' | '.join(said)} |" in page, (kind, name)


def test_any_is_any() -> None:
    assert in_words((0.0, math.inf)) == "any"
