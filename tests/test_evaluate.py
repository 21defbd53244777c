"""Gait measures on footfalls and clips whose answer is known; evaluation, its bounds, and judging a run."""

from __future__ import annotations

import copy
import dataclasses
import gc
import json
import math
import shutil
import weakref
from collections.abc import Callable, Generator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import jax
import numpy as np
import pytest
from conftest import CONTROL_DT
from scipy.spatial.transform import Rotation

from playground_amp.amp import AMP
from playground_amp.builder import make_amp
from playground_amp.config import (
    AMPConfig,
    ClipSource,
    CommandConfig,
    Config,
    EnvConfig,
    NetworksConfig,
    PPOConfig,
    ReferenceConfig,
    resolve,
)
from playground_amp.core.errors import InputError
from playground_amp.core.reporter import Reporter
from playground_amp.evaluation import checkpoints as checkpoints_module
from playground_amp.evaluation import command, push_ladder, style
from playground_amp.evaluation import reference_pace as pace_module
from playground_amp.evaluation.bounds import BOUNDS, bounds, faults, figures
from playground_amp.evaluation.checkpoints import CheckpointEvaluation, choose_iterations, evaluate_checkpoints
from playground_amp.evaluation.columns import GROUPS
from playground_amp.evaluation.evaluate import evaluate, speed_near
from playground_amp.evaluation.intervals import wilson
from playground_amp.evaluation.reference_cache import once_per_reference
from playground_amp.evaluation.reference_pace import Pace, pace
from playground_amp.evaluation.rollout import Recording, make_recorder
from playground_amp.evaluation.tables import SHORT, comparison_table
from playground_amp.motion.clip import MotionClip, save_clip
from playground_amp.motion.metrics.gait import (
    Footfalls,
    alternation,
    duty_factors,
    footfalls,
    measure,
    pad_corners,
    phase,
    step_asymmetry,
    step_lengths,
    step_times,
)
from playground_amp.motion.reference import ReferenceClips
from playground_amp.motion.reference_builder import clip_motions, load_clips
from playground_amp.robots import Robot
from playground_amp.runs import run_directory
from playground_amp.runs.checkpoint import Checkpoints, describe

FREQUENCY = 50.0


def heights(strikes: np.ndarray, lifts: np.ndarray, seconds: float) -> np.ndarray:
    """Height [N] of a foot that passes 8 mm at 0.3 m/s at the given times and is in the air at first."""
    t = np.arange(round(seconds * FREQUENCY)) / FREQUENCY
    events = np.sort(np.concatenate([strikes, lifts]))
    on = np.searchsorted(events, t) % 2 == 1
    distance = np.abs(t[:, None] - events).min(axis=1)
    return np.clip(0.008 + 0.3 * np.where(on, -distance, distance), -0.03, 0.05)


def walk_of(
    times: tuple[float, float], lengths: tuple[float, float] = (0.2, 0.2), stance: tuple[float, float] = (0.4, 0.4)
) -> tuple[np.ndarray, np.ndarray]:
    """Heights [N, 2] and places [N, 2, 2] of 16 steps; times, lengths and stances of the (left, right) foot's steps."""
    feet = np.arange(16) % 2
    strikes = 0.11 + np.cumsum(np.array(times)[feet])
    along = np.cumsum(np.array(lengths)[feet])
    seconds = strikes[-1] + 1.0
    sides = [heights(strikes[feet == s], strikes[feet == s] + stance[s], seconds) for s in (0, 1)]
    places = np.zeros((len(sides[0]), 2, 2))
    for side in (0, 1):
        latest = np.searchsorted(strikes[feet == side], np.arange(len(places)) / FREQUENCY, side="right") - 1
        places[:, side, 0] = along[feet == side][np.maximum(latest, 0)]
        places[:, side, 1] = 0.08 * (1 - 2 * side)
    return np.stack(sides, axis=-1), places


def test_strikes_and_lifts_are_found_between_the_frames() -> None:
    falls = footfalls(*walk_of((0.333, 0.347)), FREQUENCY)
    np.testing.assert_allclose(falls.strike, 0.11 + np.cumsum([0.333, 0.347] * 8), atol=1e-9)
    np.testing.assert_allclose(falls.lift, falls.strike + 0.4, atol=1e-9)
    assert falls.foot.tolist() == [0, 1] * 8


def test_measures_of_an_even_walk() -> None:
    falls = footfalls(*walk_of((0.33, 0.33)), FREQUENCY)
    assert step_asymmetry(falls) == pytest.approx(0.0, abs=1e-6)
    assert phase(falls) == pytest.approx(0.5)
    assert alternation(falls) == 1.0
    np.testing.assert_allclose(np.concatenate(step_lengths(falls)), 0.2)
    np.testing.assert_allclose(np.concatenate(duty_factors(falls)), 0.4 / 0.66)


LIMPS = {  # times, lengths, stances of (left, right); the asymmetry
    "time": ({"times": (0.36, 0.30)}, 0.06 / 0.33),
    "length": ({"times": (0.33, 0.33), "lengths": (0.22, 0.18)}, 0.04 / 0.20),
    "duty": ({"times": (0.33, 0.33), "stance": (0.42, 0.36)}, 0.06 / 0.39),
    "more than one": ({"times": (0.30, 0.36), "lengths": (0.21, 0.19)}, 0.06 / 0.33),
}


@pytest.mark.parametrize("kind", LIMPS)
def test_a_steady_limp_is_measured(kind: str) -> None:
    settings, expected = LIMPS[kind]
    assert step_asymmetry(footfalls(*walk_of(**settings), FREQUENCY)) == pytest.approx(expected, rel=1e-6)


def test_steps_that_differ_by_chance_are_no_limp() -> None:
    """Every step is 0.04 s off, to both sides as often with either foot."""
    falls = footfalls(*walk_of((0.33, 0.33)), FREQUENCY)
    jitter = np.tile([0.02, 0.02, -0.02, -0.02], 4)
    uneven = dataclasses.replace(falls, strike=falls.strike + jitter, lift=falls.lift + jitter)
    assert np.std(np.concatenate(step_times(uneven))) > 0.015
    assert step_asymmetry(uneven) < 0.03


def test_right_strikes_late_in_the_stride_have_a_late_phase() -> None:
    assert phase(footfalls(*walk_of((0.25, 0.35)), FREQUENCY)) == pytest.approx(0.35 / 0.60)
    assert phase(footfalls(*walk_of((0.5, 0.06), stance=(0.3, 0.3)), FREQUENCY)) == pytest.approx(0.06 / 0.56)


def test_walking_askew_or_sideways_of_the_heading_is_no_limp() -> None:
    height, places = walk_of((0.33, 0.33))
    turn = np.deg2rad(25.0)
    rotation = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    falls = footfalls(height, places @ rotation.T, FREQUENCY)
    assert step_asymmetry(falls) == pytest.approx(0.0, abs=1e-6)
    np.testing.assert_allclose(np.concatenate(step_lengths(falls)), 0.2)


def test_chatter_of_a_contact_is_one_strike_and_a_scuff_is_none() -> None:
    height, places = walk_of((0.33, 0.33))
    expected = footfalls(height, places, FREQUENCY)
    rough = height.copy()
    strike = math.ceil(expected.strike[4] * FREQUENCY)
    rough[strike + 3, 0] = 0.02  # bounces 60 ms after it touched
    swing = math.ceil(expected.lift[5] * FREQUENCY) + 6
    rough[swing, 1] = 0.0  # brushes the ground
    found = footfalls(rough, places, FREQUENCY)
    np.testing.assert_allclose(found.strike, expected.strike)
    np.testing.assert_allclose(found.lift, expected.lift)


def test_hopping_does_not_alternate() -> None:
    falls = Footfalls(np.zeros(6, int), np.arange(6.0), np.arange(6.0) + 0.3, np.zeros((6, 2)))
    assert alternation(falls) == 0.0
    assert math.isnan(step_asymmetry(falls))
    twice = dataclasses.replace(falls, foot=np.array([0, 0, 1, 1, 0, 0]))
    assert alternation(twice) == pytest.approx(2 / 5)


def test_who_never_steps_has_no_gait() -> None:
    falls = footfalls(np.zeros((100, 2)), np.zeros((100, 2, 2)), FREQUENCY)
    assert len(falls.foot) == 0
    assert all(math.isnan(value) for value in (phase(falls), alternation(falls), step_asymmetry(falls)))


def limping(clip: MotionClip, robot: Robot, stretch: float) -> MotionClip:
    """The clip with its right steps slower by `stretch` and its left steps faster by as much."""
    corners = pad_corners(clip.qpos, robot)
    low = corners[..., 2].min(axis=-1).reshape(len(corners), 2, -1).min(axis=-1)
    falls = footfalls(low, np.zeros((len(corners), 2, 2)), clip.frequency)
    warped = np.cumsum(np.diff(falls.strike) * (1.0 + stretch * np.where(falls.foot[1:] == 1, 1.0, -1.0)))
    times = np.arange(0.0, warped[-1], 1.0 / clip.frequency)
    sources = np.interp(times, np.append(0.0, warped), falls.strike) * clip.frequency
    frames = np.arange(len(clip.qpos))
    return dataclasses.replace(clip, qpos=np.stack([np.interp(sources, frames, q) for q in clip.qpos.T], axis=-1))


@pytest.fixture(scope="module")
def clips(robot: Robot) -> dict[str, MotionClip]:
    return {clip.name: clip for clip in load_clips([ClipSource("data/wildrobot")], robot, control_dt=CONTROL_DT)}


def test_a_limp_made_of_a_shipped_clip_is_measured(robot: Robot, clips: dict[str, MotionClip]) -> None:
    for name in ("walk_0.4_a", "walk_0.8_a"):
        assert measure(clips[name], robot).step_asymmetry < 0.03
        quality = measure(limping(clips[name], robot, 0.1), robot)
        assert quality.step_asymmetry == pytest.approx(0.2, abs=0.04)
        assert quality.phase == pytest.approx(0.55, abs=0.01)
        assert quality.alternation == 1.0


def test_the_pace_is_linear_between_the_clips_and_held_beyond(robot: Robot) -> None:
    found = Pace(np.array([0.4, 0.8]), np.array([160.0, 180.0]), np.array([0.15, 0.27]))
    assert found.at(0.5) == pytest.approx((165.0, 0.18))
    assert found.at(0.1) == (160.0, 0.15)
    assert found.at(2.0) == (180.0, 0.27)
    assert np.isnan(pace([], robot).at(0.5)).all()


def test_the_pace_is_that_of_clips_that_walk_from_end_to_end(robot: Robot, clips: dict[str, MotionClip]) -> None:
    names = ("walk_0.7_a", "walk_0.4_a", "stand_walk_stand")
    found = pace([clips[name] for name in names], robot)
    np.testing.assert_allclose(found.speed, [clips["walk_0.4_a"].speed, clips["walk_0.7_a"].speed], rtol=1e-3)
    np.testing.assert_allclose(found.cadence * found.step_length / 60.0, found.speed)
    short = dataclasses.replace(clips["walk_0.4_a"], qpos=clips["walk_0.4_a"].qpos[:120])
    assert len(pace([short], robot).speed) == 0


@pytest.fixture(scope="module")
def amp(robot: Robot, clips: dict[str, MotionClip], tmp_path_factory: pytest.TempPathFactory) -> AMP:
    """Trained, if it were, on walks at 0.4 and 0.8 m/s; one at 0.6 m/s is held out."""
    folder = tmp_path_factory.mktemp("clips")
    for name, place in (("walk_0.4_a", ""), ("walk_0.8_a", ""), ("walk_0.6_a", "held_out")):
        save_clip(folder / place / f"{name}.npz", clips[name])
    return make_amp(tiny(folder))


def tiny(folder: Path) -> Config:
    """Two robots, twenty control steps."""
    return resolve(
        Config(
            env=EnvConfig(num_envs=2, episode_length=20, command=CommandConfig(forward=(0.4, 0.8))),
            ppo=PPOConfig(rollout_length=4, batch_size=8),
            networks=NetworksConfig(actor=(8,), critic=(8,)),
            amp=AMPConfig(hidden=(8,), batch_size=8, replay_size=64),
            reference=ReferenceConfig(clips=(ClipSource(str(folder)),)),
        ),
        accelerator=False,
    )


Play = Callable[..., Recording]


def ways(values: list) -> np.ndarray:
    """Velocities [N, 3], of which those that are one number go straight ahead."""
    return np.array([value if isinstance(value, tuple) else (value, 0.0, 0.0) for value in values])


@pytest.fixture(scope="module")
def play(robot: Robot) -> Play:
    def make(motions: list[np.ndarray], speeds: list, commands: list | None = None) -> Recording:
        """One episode a motion [N, nq], cut to the shortest, with the velocities and commands given.

        Each is a speed straight ahead, or all three numbers.
        """
        length, count = min(map(len, motions)), len(motions)
        return Recording(
            qpos=np.stack([qpos[:length] for qpos in motions], axis=1),
            pad_height=np.stack([robot.pad_heights(qpos[:length]) for qpos in motions], axis=1),
            torque=np.zeros((length, count, 9)),
            qvel=np.zeros((length, count, 15)),
            action=np.zeros((length, count, 9)),
            velocity=np.tile(ways(speeds), (length, 1, 1)),
            alive=np.ones((length, count), bool),
            fell=np.zeros(count, bool),
            command=ways(speeds if commands is None else commands),
        )

    return make


def test_a_robot_that_plays_its_clips_has_their_gait_and_style(
    amp: AMP, play: Play, clips: dict[str, MotionClip]
) -> None:
    motions = [clips[name] for name in ("walk_0.4_a", "walk_0.8_a")]
    result = evaluate(amp, play([clip.qpos for clip in motions], [clip.speed for clip in motions], [0.8, 0.8]))
    assert result.cadence_error < 0.01
    assert result.step_length_error < 0.01, "at the speed walked, not at the one asked for"
    assert result.alternation == 1.0
    assert result.phase == pytest.approx(0.5, abs=0.01)
    assert result.step_asymmetry < 0.03
    assert result.style_frechet < 0.03 < result.held_out_frechet


def test_clips_are_read_and_measured_once_for_many_evaluations(
    play: Play, clips: dict[str, MotionClip], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, place in (("walk_0.4_a", ""), ("walk_0.8_a", ""), ("walk_0.6_a", "held_out")):
        save_clip(tmp_path / place / f"{name}.npz", clips[name])
    amp, measured, cut = make_amp(tiny(tmp_path)), [], []
    monkeypatch.setattr(np, "load", lambda path, **_: pytest.fail(f"'{path}' is read again"))
    monkeypatch.setattr(pace_module, "measure", lambda clip, robot: measured.append(clip.name) or measure(clip, robot))
    monkeypatch.setattr(
        style, "clip_motions", lambda some, *a, **k: cut.append(len(some)) or clip_motions(some, *a, **k)
    )
    recording = play([clips["walk_0.8_a"].qpos], [0.8])
    first, second = evaluate(amp, recording), evaluate(amp, recording)
    assert first.to_json() == second.to_json() and first.held_out_frechet > 0.0
    assert sorted(measured) == ["walk_0.4_a", "walk_0.8_a"]
    assert cut == [2, 1]


def test_what_is_known_of_clips_is_forgotten_with_them(robot: Robot, clips: dict[str, MotionClip]) -> None:
    asked: list[AMP] = []
    count = once_per_reference(lambda amp: asked.append(amp) or len(amp.env.reference.clips.training))

    def amp_of(some: ReferenceClips) -> AMP:
        return SimpleNamespace(env=SimpleNamespace(reference=SimpleNamespace(clips=some)))

    walks = ReferenceClips((clips["walk_0.4_a"], clips["walk_0.8_a"]))
    assert [count(amp_of(some)) for some in (walks, ReferenceClips(()), walks)] == [2, 0, 2]
    assert len(asked) == 2
    asked.clear()
    gone = weakref.ref(walks)
    del walks
    gc.collect()
    assert gone() is None


def test_style_feels_how_the_robot_moves(amp: AMP, play: Play, clips: dict[str, MotionClip], robot: Robot) -> None:
    clip = clips["walk_0.8_a"]
    stiff = clip.qpos.copy()
    stiff[:, 10] = stiff[:, 10].mean()  # the left knee
    near, far, mirrored = (
        evaluate(amp, play([qpos], [0.8])) for qpos in (clip.qpos, stiff, robot.mirror_qpos(clip.qpos))
    )
    assert far.style_frechet > 1.2 * near.style_frechet
    assert far.style_kernel > near.style_kernel
    assert mirrored.style_frechet == pytest.approx(near.style_frechet, rel=1e-3), "the reference is mirrored, too"


def test_the_first_second_and_what_follows_the_end_do_not_count(
    amp: AMP, play: Play, clips: dict[str, MotionClip], robot: Robot
) -> None:
    clip = clips["walk_0.8_a"]
    recording = play([clip.qpos], [0.8])
    recording = recording.replace(alive=recording.alive & (np.arange(len(recording.alive)) < 240)[:, None])
    spoiled = recording.qpos.copy()
    spoiled[:50, :, 7:] = 0.3
    spoiled[240:, :, 7:] = -0.3
    other = recording.replace(qpos=spoiled, pad_height=robot.pad_heights(spoiled[:, 0])[:, None])
    assert evaluate(amp, other).to_json() == evaluate(amp, recording).to_json()


def test_action_rate_is_that_of_the_servo_targets(amp: AMP, play: Play, clips: dict[str, MotionClip]) -> None:
    recording = play([clips["walk_0.8_a"].qpos] * 2, [0.8, 0.8])
    sign = np.where(np.arange(len(recording.qpos)) % 2, 1.0, -1.0)[:, None, None]
    small = evaluate(amp, recording.replace(action=0.1 * sign + recording.action))
    assert small.action_rate == pytest.approx(0.2 * amp.env.config.action_scale, rel=1e-4)
    huge = evaluate(amp, recording.replace(action=1000.0 * sign + recording.action))
    widths = np.ptp(amp.env.robot.joint_range, axis=1)
    assert huge.action_rate == pytest.approx(np.sqrt(np.mean(widths**2)), rel=1e-6), "targets end at the limits"


def test_cost_of_transport_by_hand(amp: AMP, play: Play, clips: dict[str, MotionClip]) -> None:
    """Nine joints of 0.5 N m at -2 rad/s: 9 W, over 3.378 kg x 9.81 m/s^2 x 0.8 m/s."""
    recording = play([clips["walk_0.8_a"].qpos], [0.8])
    recording = recording.replace(torque=recording.torque + 0.5, qvel=recording.qvel - 2.0)
    assert evaluate(amp, recording).cost_of_transport == pytest.approx(9.0 / (3.3782 * 9.81 * 0.8), rel=1e-4)


def test_what_does_not_exist_is_nan(amp: AMP, play: Play, clips: dict[str, MotionClip], tmp_path: Path) -> None:
    save_clip(tmp_path / "walk.npz", clips["walk_0.8_a"])
    recording = play([clips["walk_0.8_a"].qpos], [0.8])
    result = evaluate(make_amp(tiny(tmp_path)), recording)
    assert math.isnan(result.held_out_frechet) and math.isnan(result.held_out_kernel)
    assert not math.isnan(result.style_frechet)
    fallen = recording.replace(alive=recording.alive & (np.arange(len(recording.alive)) < 40)[:, None])
    result = evaluate(amp, fallen.replace(fell=np.array([True])))
    missing = {name for name, value in dataclasses.asdict(result).items() if name != "speeds" and math.isnan(value)}
    assert {"forward_velocity", "cadence_error", "phase", "style_frechet", "style_kernel_p"} <= missing
    assert {"episodes", "episode_length", "survival", "command"}.isdisjoint(missing)
    json.dumps(result.to_json(), allow_nan=False)
    assert result.to_json()["speeds"][0]["cadence"] is None


def test_rows_are_the_parts_of_the_range_of_commands(amp: AMP, play: Play, clips: dict[str, MotionClip]) -> None:
    qpos, commands = clips["walk_0.8_a"].qpos, [0.4, 0.41, 0.5, 0.6, 0.79, 0.8]
    recording = play([qpos] * 6, [0.5, 0.7, 0.5, 0.5, 0.5, 0.5], commands)
    recording = recording.replace(fell=np.array([True, False, False, False, False, False]))
    rows = evaluate(amp, recording).speeds
    assert [row.episodes for row in rows] == [2, 1, 1, 2]
    assert [row.command for row in rows] == pytest.approx([0.405, 0.5, 0.6, 0.795])
    assert rows[0].forward_velocity == pytest.approx(0.6)
    assert rows[0].velocity_error == pytest.approx((0.1 + 0.29) / 2)
    assert [row.survival for row in rows] == [0.5, 1.0, 1.0, 1.0]
    low, high = clips["walk_0.4_a"], clips["walk_0.8_a"]
    steps = np.interp(0.5, *(pace([low, high], amp.env.robot).__dict__[name] for name in ("speed", "step_length")))
    assert rows[1].reference_step_length == pytest.approx(steps)


def test_errors_are_those_of_the_way_and_of_the_turning_by_hand(
    amp: AMP, play: Play, clips: dict[str, MotionClip]
) -> None:
    """Off by (0.3, -0.4) m/s and 0.2 rad/s; sideways way counts only where anything but straight ahead is asked for."""
    qpos, went = clips["walk_0.8_a"].qpos, (0.8, -0.3, 0.6)
    turning = evaluate(amp, play([qpos], [went], [(0.5, 0.1, 0.8)]))
    assert (turning.velocity_error, turning.turn_error) == (pytest.approx(0.5), pytest.approx(0.2))
    straight = evaluate(amp, play([qpos], [went], [0.5]))
    assert (straight.velocity_error, straight.turn_error) == (pytest.approx(0.3), pytest.approx(0.6))
    both = evaluate(amp, play([qpos, qpos], [went, went], [(0.5, 0.1, 0.8), 0.5]))
    assert (both.velocity_error, both.turn_error) == (pytest.approx(0.4), pytest.approx(0.4))
    assert both.command == pytest.approx(0.5) and both.forward_velocity == pytest.approx(0.8)


def test_only_walks_straight_ahead_are_held_to_the_gait_of_the_clips(
    amp: AMP, play: Play, clips: dict[str, MotionClip]
) -> None:
    """Where every way is asked for: who turns on the spot or stands has no pace to be compared."""
    walk, slow = clips["walk_0.8_a"], clips["walk_0.4_a"]
    every_way = copy.copy(amp)
    every_way.env = amp.env.with_config(command=dataclasses.replace(amp.env.config.command, turn=(-1.0, 1.0)))
    motions, speeds = [walk.qpos, slow.qpos, slow.qpos], [walk.speed, (0.0, 0.0, 0.9), 0.0]
    alone = evaluate(every_way, play([walk.qpos[: len(slow.qpos)]], speeds[:1]))
    assert evaluate(every_way, play(motions, speeds)).cadence == alone.cadence
    assert evaluate(amp, play(motions, speeds)).cadence != alone.cadence


def test_the_pace_of_the_reference_is_that_of_walks_straight_ahead(clips: dict[str, MotionClip], robot: Robot) -> None:
    """Not of a clip that goes backward, aside, or round."""
    walk, slow = clips["walk_0.8_a"], clips["walk_0.4_a"]
    back = dataclasses.replace(slow, qpos=slow.qpos[::-1])
    facing = Rotation.from_quat(slow.qpos[:, 3:7], scalar_first=True)
    others = [back]
    for heading in (np.full(len(slow.qpos), 1.2), 0.4 * CONTROL_DT * np.arange(len(slow.qpos))):  # aside, and round
        turned = (Rotation.from_euler("z", heading[:, None]) * facing).as_quat(scalar_first=True)
        qpos = np.concatenate([slow.qpos[:, :3], turned, slow.qpos[:, 7:]], axis=1)
        others.append(dataclasses.replace(slow, qpos=qpos))
    for other in others:
        np.testing.assert_allclose(pace([walk, other], robot).speed, pace([walk], robot).speed)
    assert len(pace([walk, slow], robot).speed) == 2


def test_speed_near_a_command(amp: AMP, play: Play, clips: dict[str, MotionClip]) -> None:
    recording = play([clips["walk_0.8_a"].qpos] * 4, [0.1, 0.5, 0.6, 0.9], [0.56, 0.58, 0.62, 0.64])
    assert speed_near(amp, recording, 0.6) == pytest.approx(0.55)
    assert speed_near(amp, recording, 0.6, within=0.05) == pytest.approx(0.525)
    assert math.isnan(speed_near(amp, recording, 0.7))
    assert figures(amp, recording, evaluate(amp, recording))["speed_at_0.6"] == pytest.approx(0.55)


def test_faults_are_the_figures_out_of_bounds() -> None:
    config = EnvConfig(episode_length=500, command=CommandConfig(forward=(0.4, 0.8)))
    good = {
        "episode_length": 460.0,
        "velocity_error": 0.05,
        "speed_at_0.6": 0.55,
        "alternation": 0.99,
        "step_asymmetry": 0.05,
        "duty_factor": 0.6,
        "cadence_error": 0.1,
        "step_length_error": 0.1,
    }
    assert set(good) == set(BOUNDS) == set(SHORT)
    good["cadence"] = 170.0
    assert faults(good, config) == []
    bad = {"episode_length": 449.0, "velocity_error": 0.11, "speed_at_0.6": 0.49, "alternation": 0.9}
    bad |= {"step_asymmetry": 0.11, "duty_factor": 0.8, "cadence_error": 0.16, "step_length_error": math.nan}
    for name, value in bad.items():
        assert faults(good | {name: value}, config) == [name]
    assert faults(good | {"duty_factor": 0.45}, config) == ["duty_factor"]
    without_pace = good | {"cadence_error": math.nan, "step_length_error": math.nan}
    assert faults(without_pace, config) == []
    assert faults(without_pace | {"cadence": math.nan}, config) == ["cadence_error", "step_length_error"]
    slow = dataclasses.replace(config, command=CommandConfig(forward=(0.2, 0.5)))
    assert "speed_at_0.6" not in bounds(slow)
    assert faults(good | {"speed_at_0.6": math.nan}, slow) == []


@pytest.fixture(scope="module")
def run(amp: AMP, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with checkpoints of two untrained states."""
    path = tmp_path_factory.mktemp("runs") / "tiny"
    run_directory.check_writable(path)
    run_directory.write_config(path, amp.config)
    rows = [{"iteration": i, "seconds": 30.0 * i} for i in (1, 2)]
    (path / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    init = jax.jit(amp.init)
    with Checkpoints(path / "checkpoints", kept=3) as checkpoints:
        for i in (1, 2):
            checkpoints.save(i, init(jax.random.key(i)), {"iteration": i, "env_steps": 8 * i})
    return path


def files(path: Path) -> dict[str, float]:
    return {str(file): file.stat().st_mtime_ns for file in path.rglob("*") if file.is_file()}


def test_judging_a_run_compiles_once_and_writes_nothing_into_it(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    made: list[Callable] = []
    monkeypatch.setattr(checkpoints_module, "make_recorder", lambda *a: made.append(make_recorder(*a)) or made[-1])
    before, output = files(run), tmp_path / "figures.json"
    words = "--checkpoint all --episodes 3 --speeds 0.5 0.7 --seed 0 --json"
    command.evaluate([str(run), *words.split(), str(output)])
    assert len(made) == 1 and made[0]._cache_size() == 1
    assert files(run) == before
    found = json.loads(output.read_text())
    assert [(one["iteration"], one["env_steps"], one["minutes"]) for one in found] == [(1, 8, 0.5), (2, 16, 1.0)]
    assert found[0]["evaluation"]["command"] == pytest.approx(0.6)
    assert found[0]["bounds"]["episode_length"] == [18.0, 20.0]
    assert not found[0]["passed"] and "velocity_error" in found[0]["faults"], "20 steps tell nothing of the speed"
    shown = capsys.readouterr().out
    assert "none passes" in shown
    assert [one["evaluation"]["action_rate"] for one in found] == [None, None]


@pytest.mark.slow
def test_a_run_whose_clips_changed_is_judged_and_told_so_once(
    amp: AMP, run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copy = shutil.copytree(run, tmp_path / "run")
    trained = amp.env.reference.clip_set
    others = dataclasses.replace(trained, sha256="0" * 64, clips=trained.clips[:1])
    state = jax.jit(amp.init)(jax.random.key(0))
    for folder, before in (("same", trained), ("others", others)):
        with Checkpoints(copy / folder, kept=3) as checkpoints:
            for i in (1, 2):
                checkpoints.save(i, state, describe(i, amp.config, amp) | {"reference": before.to_json()})
    for folder, times in (("same", 0), ("others", 1)):
        shutil.rmtree(copy / "checkpoints")
        (copy / folder).rename(copy / "checkpoints")
        command.evaluate([str(copy), "--checkpoint", "all", "--episodes", "2", "--seed", "0"])
        told = " ".join(capsys.readouterr().err.split())
        assert told.count("are not those that iteration 1 was trained on (added: ") == times
        assert "iteration 2 was trained" not in told


def test_a_checkpoint_of_another_robot_is_one_sentence(amp: AMP, run: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(run, tmp_path / "run")
    about = describe(3, amp.config, amp)
    with Checkpoints(copy / "checkpoints", kept=3) as checkpoints:
        checkpoints.save(3, jax.jit(amp.init)(jax.random.key(0)), about | {"features": about["features"][1:]})
    with pytest.raises(InputError, match=r"3' was made for 28 features \(8 joints, 4 pads.*now gives 29") as error:
        command.evaluate([str(copy), "--checkpoint", "newest", "--episodes", "2", "--seed", "0"])
    assert "\n" not in str(error.value)


def test_the_policy_of_the_checkpoint_is_judged(amp: AMP, run: Path) -> None:
    recorder = make_recorder(amp, 2)
    with Checkpoints(run / "checkpoints", read_only=True) as checkpoints:
        states = [checkpoints.restore(amp, i)[0] for i in (1, 2)]
    first, second = (recorder(s.policy.params.actor, s.statistics, jax.random.key(0)) for s in states)
    np.testing.assert_array_equal(first.qpos[0], second.qpos[0])
    assert np.abs(first.action[0] - second.action[0]).max() > 1e-4
    assert first.action.shape == first.torque.shape == (20, 2, 9)


def of(kept: list[int], best: int | None) -> SimpleNamespace:
    """Checkpoints of these iterations, with nothing in them."""
    checkpoints = SimpleNamespace(all=kept, best=best, folder=Path("checkpoints"))
    checkpoints.choose = partial(Checkpoints.choose, checkpoints)
    return checkpoints


def test_checkpoints_are_chosen_by_name() -> None:
    kept = of([100, 200, 300], 200)
    expected = {"all": [100, 200, 300], "newest": [300], "best": [200], "100": [100]}
    assert {which: choose_iterations(kept, which) for which in expected} == expected
    assert choose_iterations(of([100, 300], None), "best") == [300]
    for wrong, what in {"150": "not there", "last": "no word for one", "²": "no word", "": "no word"}.items():
        with pytest.raises(InputError, match=rf"{what}.* keeps 100, 200, 300 \(newest\), the best of them is 200$"):
            choose_iterations(kept, wrong)


def test_runs_are_compared_figure_by_figure_with_the_change_from_the_first() -> None:
    names = [name for names in GROUPS.values() for name in names]

    def judged(run: str, faults: list[str], **figures: float) -> CheckpointEvaluation:
        values = dict.fromkeys([*names, "speed_at_0.6"], math.nan) | figures
        return CheckpointEvaluation(run, 5, 1000, math.nan, None, values, {}, faults, None)  # ty: ignore

    one = judged("one", [], velocity_error=0.08, survival=0.0, cadence=120.0)
    two = judged("two", ["velocity_error"], velocity_error=0.1, survival=0.5, cadence=110.0)
    table = comparison_table([one, two])
    rows = {row[1]: row[2:] for row in zip(*(column.cells for column in table.columns), strict=True)}
    assert [column.header.partition(",")[0] for column in table.columns[2:]] == ["one", "two"]
    assert rows["velocity error"] == ("0.08", "[red]0.1 (+25 %)[/red]")
    assert rows["cadence"] == ("120", "110 (-8 %)")
    assert rows["survival"] == ("0", "0.5") and rows["phase"] == ("–", "–")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["a"], "--compare a: expected at least two runs"),
        (["a", "b", "--pushes"], "--compare does not go with --pushes; leave one of them out"),
        (["a", "b", "--grid"], "--compare does not go with --grid; leave one of them out"),
        (["a", "b", "--checkpoint", "all"], "--compare does not go with --checkpoint all; leave one of them out"),
    ],
)
def test_a_comparison_that_cannot_be_is_one_sentence(arguments: list[str], sentence: str) -> None:
    with pytest.raises(InputError) as caught:
        command.evaluate(["--compare", *arguments])
    assert str(caught.value) == sentence


def test_rungs_are_shares_and_means_with_their_intervals_by_hand(amp: AMP) -> None:
    steps, alive = 100, np.ones((100, 4), bool)
    alive[60:, 1], alive[30:, 2] = False, False  # the third falls before its first second is over
    velocity = np.zeros((steps, 4, 3))
    velocity[:, :, 0] = [0.5, 0.7, 0.0, 0.4]
    velocity[:50, :, 0] = 9.0  # of the first second, which does not count
    command = np.tile([0.5, 0.0, 0.0], (4, 1))
    recording = SimpleNamespace(alive=alive, velocity=velocity, command=command, fell=np.array([0, 1, 1, 0], bool))
    rung = push_ladder._rung(0.3, amp, recording, seed=0)  # ty: ignore
    assert (rung.push, rung.episodes, rung.survival) == (0.3, 4, 0.5)
    assert rung.survival_interval == wilson(2, 4)
    assert rung.velocity_error == pytest.approx((0.0 + 0.2 + 0.1) / 3.0)
    assert rung.velocity_interval[0] <= rung.velocity_error <= rung.velocity_interval[1]


@pytest.mark.slow
def test_harder_pushes_throw_more_robots_and_none_is_the_usual_evaluation(amp: AMP, run: Path) -> None:
    with Checkpoints(run / "checkpoints", read_only=True) as kept:
        state = kept.restore(amp)[0]
    params, statistics = state.policy.params.actor, state.statistics
    steps = 140  # the first push comes after 100
    rungs = push_ladder.evaluate_pushes(amp, params, statistics, pushes=(0.0, 4.0), episodes=8, seed=3, steps=steps)
    usual = make_recorder(amp, 8, steps=steps)(params, statistics, jax.random.key(3))
    assert rungs[0].survival == float(1.0 - np.mean(usual.fell))
    assert rungs[1].survival <= rungs[0].survival


def test_mistakes_are_one_sentence(run: Path, tmp_path: Path) -> None:
    usual = ["--checkpoint", "newest", "--episodes", "2", "--seed", "0"]
    for name, words, message in (
        (str(tmp_path / "gone"), [], r"there is no run '.*gone'"),
        (str(run), ["--episodes", "0"], r"--episodes is 0; expected at least 1"),
        (str(run), ["--speeds", "0.7", "0.4"], r"--speeds are 0.7 0.4; expected two numbers, the lowest first"),
        (str(run), ["--json", str(tmp_path / "no" / "a.json")], r"there is no folder '.*no' that can be written to"),
        (str(run), ["--json", str(tmp_path)], r"that is a folder; give the name of a file"),
        (str(run), ["--speeds", "nan", "0.5"], r"--speeds are nan 0.5; expected two numbers"),
        (str(run), ["--checkpoint", "7"], r"--checkpoint 7: it is not there; .* keeps 1, 2 \(newest\)$"),
    ):
        with pytest.raises(InputError, match=message) as error:
            command.evaluate([name, *usual, *words])
        assert "\n" not in str(error.value)
    run_directory.write_config(tmp_path, Config())
    with pytest.raises(InputError, match=r"holds no checkpoint"):
        command.evaluate([str(tmp_path), *usual])


def test_from_python_the_evaluation_of_a_checkpoint_says_what_passed_and_prints_nothing(
    run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """An untrained robot has fallen within the 20 steps, or they are too few to tell."""
    with pytest.raises(InputError, match="expected at least 1"):
        evaluate_checkpoints(run, episodes=0)
    capsys.readouterr()
    reporter = Told()
    (found,) = evaluate_checkpoints(run, episodes=2, speeds=(0.6, 0.6), reporter=reporter)
    assert capsys.readouterr().out == ""
    assert reporter.told == [f"evaluating {run}", f"evaluating {run}, iteration 2"], "the newest where none is best"
    assert not found.passed and dataclasses.replace(found, faults=[]).passed
    line = repr(found)
    assert line.startswith(f"<CheckpointEvaluation of {run}, iteration 2, 0.00M steps, 1.0 minutes: failed by ")
    assert "velocity_error –" in line and "\n" not in line
    assert repr(dataclasses.replace(found, faults=[])).endswith("minutes: passed>")
    title, *figures = str(found).splitlines()
    assert title == f"{found.title}: failed"
    assert len(figures) == len(found.limits)
    (shown,) = [line.split() for line in figures if "velocity error" in line]
    assert shown == ["velocity", "error", "–", "at", "most", "0.1", "fail"]


class Told(Reporter):
    """A reporter that keeps what it is told."""

    def __init__(self) -> None:
        self.told: list[str] = []

    @contextmanager
    def status(self, text: str) -> Generator[Callable[[str], None]]:
        self.told.append(text)
        yield self.told.append
