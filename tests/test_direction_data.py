"""The shipped motion in every direction: it goes where its name says, and comes out of the scripts again."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from playground_amp.motion.clip import MotionClip, load_clip
from playground_amp.motion.metrics.bounds import AHEAD, ARC, ASIDE, BACK, STANDING, TURN
from playground_amp.motion.metrics.gait import measure
from playground_amp.retargeting.clip_verdict import FAIL, assess_clip
from playground_amp.retargeting.human_motion import extract_motion
from playground_amp.retargeting.reachability import fastest_turn
from playground_amp.retargeting.readers.amass import Take, load_take
from playground_amp.retargeting.retarget import retarget
from playground_amp.retargeting.synthetic_gait import PathStyle
from playground_amp.retargeting.synthetic_human import (
    directions,
    held_out_walks,
    shipped_walks,
    standing,
    synthetic_take,
    write_takes,
)
from playground_amp.robots import Robot, load_robot

DATA = Path(__file__).parents[1] / "data"
CLIPS = sorted((DATA / "wildrobot_omni").glob("*.npz"))
HUMANOID = sorted((DATA / "humanoid_omni").glob("*.npz"))
ASIDE_AND_ROUND = {  # name -> rad/s
    "left_and_round_0.15": 0.5,
    "left_and_back_round_0.15": -0.5,
    "right_and_arc_0.4": 0.5,
    "back_and_left_round_0.3": 0.7,
    "back_and_left_back_round_0.3": -0.7,
    "left_and_round_0.2": 0.75,
    "right_and_round_0.2": 0.75,
    "left_and_arc_0.35": 0.75,
    "right_and_arc_0.35": 0.75,
    "left_and_arc_0.7": 0.7,
}
WANDERS = {name for name in directions() if name.startswith("wander")}
NARROW = {"arc_left_0.7_narrow", "back_right_0.3_narrower", "back_and_right_0.3"}  # than hips without yaw can go
KINDS = {  # beginning of the name -> kinds that are in it, but for standing
    "arc": {ARC, AHEAD},
    "back_0": {BACK},
    "back_left": {ARC},
    "back_right": {ARC},
    "back_and": {ASIDE},
    "left": {ASIDE},
    "right": {ASIDE},
    "ahead_and": {ASIDE},
    "turn": {TURN},
    "stand_ahead_back": {AHEAD, BACK},
    "stand_left": {ASIDE},
    "stand_turn": {TURN, ARC},
    "wander": {AHEAD, BACK, ARC, ASIDE, TURN},
}


@pytest.fixture(scope="module")
def humanoid() -> Robot:
    return load_robot("humanoid")


def made(name: str, tmp_path: Path) -> Take:
    return load_take(next(write_takes({name: directions()[name]}, tmp_path)))


def yaw_of(clip: MotionClip) -> np.ndarray:
    """Yaw [N] rad of the root, continuous in time, from the first frame on."""
    yaw = np.unwrap(2.0 * np.arctan2(clip.qpos[:, 6], clip.qpos[:, 3]))
    return yaw - yaw[0]


def goes_where_it_says(clip: MotionClip, name: str) -> bool:
    """Whether the last frame lies where the name has it, seen from the first."""
    x, y = clip.qpos[-1, :2]
    turned = yaw_of(clip)[-1]
    signs = {"left": 1.0, "right": -1.0}
    side = next((sign for word, sign in signs.items() if word in name), 0.0)
    if name in WANDERS:
        return clip.duration > 20.0
    if name in ASIDE_AND_ROUND:
        return np.sign(ASIDE_AND_ROUND[name]) * turned > 0.3 and side * clip.command[1] > 0.1
    if name.startswith("turn"):
        return side * turned > 0.3 and np.hypot(x, y) < 0.1
    if name.startswith("arc"):
        return side * turned > 0.3 and side * y > 0.3
    return clip.command[0] < -0.2 if name.startswith("back") else side * y > 0.3


def test_the_set_is_whole_and_small() -> None:
    """The default robot cannot turn its legs: what goes aside and round at once would be sliding."""
    assert {path.stem for path in HUMANOID} == set(directions())
    assert {path.stem for path in CLIPS} == set(directions()) - ASIDE_AND_ROUND.keys() - WANDERS - NARROW
    assert sum(path.stat().st_size for path in CLIPS + HUMANOID) < 1.8e6
    others = [*shipped_walks().values(), *held_out_walks().values(), *standing().values()]
    seeds = [take.seed for take in [*directions().values(), *others]]
    assert len(set(seeds)) == len(seeds)


@pytest.mark.parametrize("path", CLIPS, ids=lambda path: path.stem)
def test_every_clip_is_fit_to_be_learned_from(path: Path, robot: Robot) -> None:
    clip = load_clip(path, robot)
    quality, verdict = measure(clip, robot), assess_clip(clip, robot)[0]
    assert verdict.verdict != FAIL, verdict.wrong
    assert quality.skating < 0.025 and quality.penetration < 0.001 and quality.float_height < 0.005
    assert quality.clearance > 0.018 and quality.limit_share == 0.0 and quality.joint_speed < 8.5
    assert "own work" in clip.source and quality.seconds > 2.5


@pytest.mark.parametrize("path", HUMANOID, ids=lambda path: path.stem)
def test_every_humanoid_clip_is_fit_to_be_learned_from(path: Path, humanoid: Robot) -> None:
    clip = load_clip(path, humanoid)
    quality, verdict = measure(clip, humanoid), assess_clip(clip, humanoid)[0]
    assert verdict.verdict != FAIL, verdict.wrong
    assert quality.skating < 0.04 and quality.penetration < 0.001 and quality.float_height < 0.005
    assert quality.clearance > 0.03 and quality.joint_speed < 8.5 and "own work" in clip.source


@pytest.mark.parametrize("path", CLIPS + HUMANOID, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_a_clip_is_what_its_name_says(path: Path, robot: Robot, humanoid: Robot) -> None:
    own = humanoid if path in HUMANOID else robot
    clip = load_clip(path, own)
    kinds = {kind for kind, *_ in assess_clip(clip, own)[0].parts}
    expected = next(kinds for name, kinds in KINDS.items() if path.stem.startswith(name))
    assert kinds - {STANDING} and kinds - {STANDING} <= expected
    assert path.stem.startswith("stand") or goes_where_it_says(clip, path.stem)


def test_no_clip_turns_faster_than_the_soles_may_slide(robot: Robot) -> None:
    for path in CLIPS:
        clip = load_clip(path, robot)
        assert np.ptp(yaw_of(clip)) < fastest_turn(robot) * clip.duration + 0.1


@pytest.mark.parametrize("name", ["arc_left_0.7", "left_0.2", "turn_right_0.8", "stand_ahead_back_stand"])
def test_a_clip_comes_out_of_the_scripts_again(name: str, robot: Robot, tmp_path: Path) -> None:
    clip, old = retarget(made(name, tmp_path), robot).clip, load_clip(DATA / "wildrobot_omni" / f"{name}.npz", robot)
    np.testing.assert_allclose(clip.qpos, old.qpos, atol=1e-3)


@pytest.mark.slow
def test_a_clip_of_the_humanoid_comes_out_of_the_scripts_again(humanoid: Robot, tmp_path: Path) -> None:
    name = "turn_left_0.4"
    clip = retarget(made(name, tmp_path), humanoid).clip
    old = load_clip(DATA / "humanoid_omni" / f"{name}.npz", humanoid)
    np.testing.assert_allclose(clip.qpos, old.qpos, atol=1e-3)


@pytest.mark.parametrize("name", ["arc_right_0.5", "back_0.4", "right_0.15", "turn_left_0.4"])
def test_the_person_steps_like_a_person(name: str, tmp_path: Path) -> None:
    """Feet stand still two thirds of the time, never both in the air, and the pelvis sways and does not jerk."""
    person = extract_motion(made(name, tmp_path))
    assert 0.55 < person.contacts.mean() < 0.75 and person.contacts.any(axis=0).all()
    world = person.path.world(person.ankles)
    speed = np.linalg.norm(np.diff(world[..., :2], axis=1), axis=-1) * person.rate
    standing_still = person.contacts[:, 1:] & person.contacts[:, :-1] & (np.abs(person.pitches[:, 1:]) < 0.01)
    assert np.median(speed[standing_still]) < 0.02
    jerk = np.diff(person.pelvis, n=3, axis=0) * person.rate**3
    assert 0.02 < np.ptp(person.pelvis[:, 1]) < 0.10 and np.percentile(np.abs(jerk), 99) < 100.0


def test_a_walk_back_is_the_film_of_one_ahead(tmp_path: Path) -> None:
    """The knees go through the same angles, in the other order."""
    knees = [
        np.degrees(synthetic_take(PathStyle(((speed, 0.0, 0.0, 6.0),), seed=5))["poses"][:, 12])
        for speed in (0.6, -0.6)
    ]
    np.testing.assert_allclose(*(np.percentile(knee, [5, 50, 95]) for knee in knees), atol=4.0)
    rising = [np.mean(np.diff(knee) > 0.0) for knee in knees]
    assert (rising[0] - 0.5) * (rising[1] - 0.5) < 0.0
