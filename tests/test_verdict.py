"""The verdict on clips made by hand, whose figures are known, and the parts of a recording."""

from __future__ import annotations

import json
import math
from pathlib import Path

import mujoco
import numpy as np
import pytest
from conftest import CONTROL_DT, make_clip

from playground_amp.core.errors import InputError
from playground_amp.motion.ground_path import path_speed
from playground_amp.motion.metrics.bounds import BOUNDS, scaled
from playground_amp.motion.metrics.gait import NEAR_LIMIT
from playground_amp.retargeting.clip_figures import longest
from playground_amp.retargeting.clip_verdict import (
    FAIL,
    NONE,
    PASS,
    WARN,
    ClipAssessment,
    as_json,
    assess_clip,
    assess_figure,
    from_json,
    in_words,
)
from playground_amp.retargeting.inverse_kinematics import LIMIT_MARGIN
from playground_amp.retargeting.readers.amass import Take
from playground_amp.retargeting.readers.robot_motion import RobotMotion
from playground_amp.retargeting.trim import fastest_part, horizontal_speed, trim
from playground_amp.robots import Robot

LEG = 0.42  # m


def standing(robot: Robot, frames: int = 100) -> np.ndarray:
    return np.tile(robot.home_qpos, (frames, 1))


def verdict_on(robot: Robot, qpos: np.ndarray, **source: float) -> ClipAssessment:
    return assess_clip(make_clip(robot, qpos), robot, **source)[0]


def value(verdict: ClipAssessment, name: str) -> float:
    found = verdict.figures[name].value
    assert found is not None
    return found


def test_standing_still_passes_and_has_no_figures_of_steps(robot: Robot) -> None:
    verdict = verdict_on(robot, standing(robot))
    assert verdict.verdict == PASS and not verdict.wrong
    missing = {name for name, figure in verdict.figures.items() if figure.verdict == NONE}
    assert missing >= {"clearance", "duty", "alternation", "step_asymmetry", "tracking", "speed_ratio"}
    assert all((figure.value is None) == (figure.verdict == NONE) for figure in verdict.figures.values())
    assert verdict.walkable == (0.0, verdict.seconds) == (0.0, pytest.approx(99 * CONTROL_DT))
    assert value(verdict, "support") == 100.0 and value(verdict, "zmp_inside") == 100.0


def test_a_clip_sunk_by_7_mm_fails_and_says_by_how_much(robot: Robot) -> None:
    qpos = standing(robot)
    qpos[:, 2] -= 0.007
    verdict = verdict_on(robot, qpos)
    figure = verdict.figures["penetration"]
    assert figure.value == pytest.approx(7.0) and figure.verdict == verdict.verdict == FAIL
    assert "is 7 mm, good is up to 2 mm" in figure.reason and "--start" in figure.mend


@pytest.mark.parametrize(("lift", "expected"), [(0.009, PASS), (0.02, WARN), (0.03, FAIL)])
def test_floating_is_the_height_of_the_lowest_foot(robot: Robot, lift: float, expected: str) -> None:
    qpos = standing(robot)
    qpos[40:45, 2] += lift
    figure = verdict_on(robot, qpos).figures["float_height"]
    assert figure.value == pytest.approx(1000.0 * lift, abs=1e-6) and figure.verdict == expected


def test_flight_is_counted_frame_by_frame(robot: Robot) -> None:
    qpos = standing(robot)
    qpos[:20, 2] += 0.009  # above the height of contact
    verdict = verdict_on(robot, qpos)
    assert value(verdict, "support") == pytest.approx(80.0) and verdict.figures["support"].verdict == FAIL


@pytest.mark.parametrize(("frames", "expected"), [(4, PASS), (20, WARN), (40, FAIL)])
def test_a_joint_at_its_limit_for_a_known_share_of_the_frames(robot: Robot, frames: int, expected: str) -> None:
    qpos = standing(robot)
    qpos[:frames, 7] = robot.joint_range[0, 1] - 0.5 * NEAR_LIMIT
    figure = verdict_on(robot, qpos).figures["limit_share"]
    assert figure.value == pytest.approx(frames) and figure.verdict == expected


@pytest.mark.parametrize(("short", "share"), [(0.5 * NEAR_LIMIT, 50.0), (LIMIT_MARGIN, 50.0), (1.1 * NEAR_LIMIT, 0.0)])
def test_a_joint_on_its_stop_is_told_from_one_with_room_to_move(robot: Robot, short: float, share: float) -> None:
    """Inverse kinematics stops a joint 1.1 degrees before its limit; it counts as stopped there, too."""
    qpos = standing(robot)
    qpos[:50, 7] = robot.joint_range[0, 1] - short
    assert value(verdict_on(robot, qpos), "limit_share") == pytest.approx(share)


def test_the_fastest_joint_is_held_to_the_bound(robot: Robot) -> None:
    qpos = standing(robot)
    qpos[50:, 7] += 12.0 * CONTROL_DT
    verdict = verdict_on(robot, qpos)
    assert value(verdict, "joint_speed") == pytest.approx(12.0) and verdict.figures["joint_speed"].verdict == WARN


def test_torque_beyond_the_servos_is_a_share_and_a_peak(robot: Robot) -> None:
    """A trunk that stands and then swings as a sine: its servo turns chassis and rotor, (I + armature) a w^2.

    Damping is a quarter of a turn behind and adds little. Differences over 40 ms and a quadratic over 180 ms leave
    93 % of an acceleration at 1.5 Hz.
    """
    time = CONTROL_DT * np.arange(200)
    wave, swing = 2.0 * np.pi * 1.5, 0.5
    qpos = standing(robot, 200)
    qpos[:, 7] = swing * np.sin(wave * time)
    still = standing(robot, 200)
    verdict, seen = assess_clip(make_clip(robot, np.concatenate([still, qpos])), robot)
    inertia = 0.00091 + 0.025  # kg m^2, chassis about the vertical, and armature
    assert seen.torque[250:390, 0].max() == pytest.approx(0.93 * inertia * swing * wave**2 / 4.0, rel=0.07)
    assert value(verdict, "torque_peak") == pytest.approx(np.nanmax(seen.torque))
    assert value(verdict, "torque_above") == pytest.approx(100.0 * (seen.torque > 1.0)[4:-4].any(axis=1).mean())
    assert seen.torque[50:150, 0].max() < 1e-6


def test_the_zero_moment_point_leaves_the_feet_by_a_known_way(robot: Robot) -> None:
    """Braking at 4 m/s^2 a rigid body tips forward over its toes: by c_x + 4 c_z / g - x_toe."""
    qpos = standing(robot)
    assert np.nanmax(assess_clip(make_clip(robot, qpos), robot)[1].zmp_distance) == 0.0
    qpos[:, 0] = -0.5 * 4.0 * (CONTROL_DT * np.arange(100)) ** 2
    _, seen = assess_clip(make_clip(robot, qpos), robot)
    data = mujoco.MjData(robot.model)
    data.qpos[:] = qpos[50]
    mujoco.mj_forward(robot.model, data)
    toe = data.geom_xpos[robot.pad_geoms, 0].max()
    expected = data.subtree_com[0, 0] + 4.0 / 9.81 * data.subtree_com[0, 2] - toe
    assert 0.05 < expected == pytest.approx(seen.zmp_distance[50], abs=1e-6)


def test_a_limp_is_seen_by_what_differs_left_and_right(robot: Robot, walk: np.ndarray) -> None:
    even = value(verdict_on(robot, walk), "asymmetry")
    limping = walk.copy()
    limping[:, 10] *= 0.5  # the left knee bends half as far
    assert value(verdict_on(robot, limping), "asymmetry") > even + 20.0


def test_tracking_is_the_worst_body_and_speed_that_of_similarity(robot: Robot, walk: np.ndarray) -> None:
    clip = make_clip(robot, walk)
    verdict, _ = assess_clip(
        clip, robot, tracking={"pelvis": 0.01, "left foot": 0.05}, similar_speed=2.0 * path_speed(walk, 50.0)
    )
    assert value(verdict, "tracking") == pytest.approx(50.0) and verdict.figures["tracking"].verdict == WARN
    assert (
        value(verdict, "speed_ratio") == pytest.approx(0.5) and "--no-time-scale" in verdict.wrong["speed_ratio"].mend
    )


def test_an_option_in_use_is_not_advised(robot: Robot) -> None:
    qpos = standing(robot)
    qpos[50:, 7] += 12.0 * CONTROL_DT
    for used, advised in (((), True), (["--no-time-scale"], False)):
        verdict, _ = assess_clip(make_clip(robot, qpos), robot, used=used)
        assert ("--no-time-scale" in verdict.figures["joint_speed"].mend) is advised


# ---------------------------------------------------------------- the longest good part


def test_the_longest_part_is_what_lies_between_the_faults(robot: Robot) -> None:
    qpos = standing(robot, 200)
    qpos[60, 2] -= 0.02
    qpos[170, 2] += 0.03
    assert verdict_on(robot, qpos).walkable == pytest.approx((61 * CONTROL_DT, 169 * CONTROL_DT))


def test_a_part_may_hold_as_much_as_its_mean_allows() -> None:
    excess, nothing = np.full((1, 10), -0.5), np.zeros(10, bool)
    excess[0, [2, 6]] = 2.0
    assert longest(excess, nothing) == (0, 9)  # 2 * 2 - 8 * 0.5 = 0
    excess[0, 6] = 2.5
    assert longest(excess, nothing) == (3, 9)  # 2.5 - 6 * 0.5 < 0; both together are too much
    assert longest(excess, ~nothing) == (0, 0)


def test_the_longest_part_is_found_among_all_parts() -> None:
    """Against every part tried one by one."""
    random = np.random.default_rng(0)
    for _ in range(20):
        excess, broken = random.normal(-0.1, 1.0, (3, 30)), random.random(30) < 0.05
        parts = [(a, b) for a in range(30) for b in range(a + 1, 30)]
        fits = [(a, b) for a, b in parts if (excess[:, a : b + 1].sum(1) <= 1e-9).all() and not broken[a : b + 1].any()]
        best = max((b - a for a, b in fits), default=0)
        first, last = longest(excess, broken)
        assert last - first == best and (not best or (first, last) in fits)


# ---------------------------------------------------------------- bounds and JSON


def test_bounds_are_ordered_and_every_figure_has_one(robot: Robot, walk: np.ndarray) -> None:
    for name in BOUNDS:
        (low, high), (least, most) = scaled(name, LEG)
        assert least <= low < high <= most and BOUNDS[name].mend and BOUNDS[name].meaning
    assert set(verdict_on(robot, walk).figures) == set(BOUNDS)
    assert (
        assess_figure("penetration", 3.0, LEG).verdict == WARN
        and assess_figure("penetration", 3.0, 2.0 * LEG).verdict == PASS
    )
    ends = ((0.0, 3.0), "mm"), ((80.0, 100.0), "%"), ((10.0, 100.0), "mm"), ((0.5, 0.75), ""), ((1.0, math.inf), "s")
    said = ["up to 3", "from 80", "10 to 100", "0.5 to 0.75", "from 1"]
    assert [in_words(*pair) for pair in ends] == said


def test_a_verdict_comes_back_from_json(robot: Robot, walk: np.ndarray) -> None:
    verdict = assess_clip(make_clip(robot, walk), robot, tracking={"pelvis": 0.01})[0]
    text = json.dumps(as_json(verdict), allow_nan=False)
    again = from_json(json.loads(text))
    assert again.figures == verdict.figures and again.walkable == verdict.walkable
    assert as_json(again) == as_json(verdict)
    assert json.loads(text)["figures"]["tracking"] | {"reason": ""} == {
        **{"value": 10.0, "unit": "mm", "verdict": PASS, "reason": "", "mend": ""},
        **{"good": [0.0, 40.0], "bearable": [0.0, 120.0], "kind": ""},
    }


# ---------------------------------------------------------------- parts of a recording


def take_at(speeds: np.ndarray, fps: float = 100.0) -> Take:
    """A person whose joints all go along +x at `speeds` [N] m/s."""
    positions = np.zeros((len(speeds), 22, 3))
    positions[..., 0] = (np.cumsum(speeds) / fps)[:, None]
    return Take("someone", positions, np.tile(np.eye(3), (len(speeds), 22, 1, 1)), fps)


def test_trimming_keeps_the_frames_from_second_to_second() -> None:
    take = take_at(np.ones(301))
    part = trim(take, 1.0, 2.5)
    assert part.duration == pytest.approx(1.5) and len(part.rotations) == 151
    np.testing.assert_array_equal(part.positions, take.positions[100:251])
    assert trim(take).duration == take.duration == trim(take, 0.0, 99.0).duration
    names = ("a", "b")
    motion = RobotMotion("r", np.zeros((301, 3)), np.zeros((301, 4)), np.zeros((301, 2)), names, 100.0)
    cut = trim(motion, 1.0, 2.0)
    assert cut.joints == names and [len(x) for x in (cut.root_pos, cut.root_quat, cut.joint_pos)] == [101] * 3


def test_a_part_outside_of_the_recording_is_told() -> None:
    with pytest.raises(InputError, match=r"'someone' lasts 3.00 s, --start 5"):
        trim(take_at(np.ones(301)), 5.0)


def test_the_fastest_part_is_the_longest_stretch_at_that_speed() -> None:
    """0.5 m/s for 2 s, 1.2 for 4 s, 0.4 for 3 s, 1.5 for 2 s; means over a second leave out half a second at an end."""
    speeds = np.repeat([0.5, 1.2, 0.4, 1.5], [200, 400, 300, 200])
    take = take_at(speeds)
    assert horizontal_speed(take)[[50, 400, 750]] == pytest.approx([0.5, 1.2, 0.4])
    part = fastest_part(take, 1.15)
    start = int(np.flatnonzero(take.positions[:, 0, 0] == part.positions[0, 0, 0])[0])
    assert abs(start - 246) < 4 and abs(len(part.positions) - 308) < 8
    with pytest.raises(InputError, match=r"never as fast as --speed-min 2 m/s, at most 1.50"):
        fastest_part(take, 2.0)


def test_the_table_of_the_document_is_that_of_the_bounds() -> None:
    page = (Path(__file__).parents[1] / "docs" / "motion.md").read_text()
    for name, bound in BOUNDS.items():
        ends = f"| {bound.unit or '–'} | {in_words(bound.good, bound.unit)} | {in_words(bound.bearable, bound.unit)} |"
        assert f"| {bound.label} | `{name}` | {bound.meaning} {ends}" in page and f"| {bound.mend} |" in page
