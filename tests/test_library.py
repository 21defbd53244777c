"""The reference: windows, mirror, start states and velocities; and every kind of clip that must be refused."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import jax
import jax.numpy as jnp
import mujoco
import numpy as np
import pytest
from conftest import CONTROL_DT, make_clip

from playground_amp.config import ClipSource
from playground_amp.core.errors import InputError
from playground_amp.envs.task import ahead
from playground_amp.motion.clip import load_clip, save_clip
from playground_amp.motion.features import feature_floor
from playground_amp.motion.reference import Reference
from playground_amp.motion.reference_builder import (
    clip_features,
    find_clips,
    held_out_clips,
    load_clips,
    make_reference,
)
from playground_amp.robots import Robot


def reference_of(robot: Robot, motions: list[np.ndarray], window: int = 1, mirror: bool = False) -> Reference:
    clips = [make_clip(robot, qpos, f"clip{i}") for i, qpos in enumerate(motions)]
    return make_reference(clips, robot, window=window, mirror=mirror, control_dt=CONTROL_DT)


def sources(*paths: Path | str) -> list[ClipSource]:
    """Clips without a label."""
    return [ClipSource(str(path)) for path in paths]


def raised(qpos: np.ndarray, height: float) -> np.ndarray:
    """The motion, `height` m higher: its windows can be told by it."""
    return qpos + height * np.eye(qpos.shape[1])[2]


@pytest.mark.parametrize("window", [1, 2, 5])
def test_windows_never_span_two_clips(robot: Robot, walk: np.ndarray, window: int) -> None:
    motions = [walk[:20], raised(walk[:11], 1.0), raised(walk[:33], 2.0)]
    reference = reference_of(robot, motions, window)
    owner = np.round(np.asarray(reference.windows[..., 24]) - walk[0, 2])
    assert (owner == owner[:, :1]).all()
    assert [int((owner[:, 0] == i).sum()) for i in range(3)] == [len(qpos) - window for qpos in motions]
    assert len(reference.windows) == len(reference.qpos) == len(reference.qvel)


@pytest.mark.parametrize("window", [1, 3])
def test_windows_are_consecutive_steps_oldest_first(robot: Robot, walk: np.ndarray, window: int) -> None:
    features = clip_features(walk, robot, control_dt=CONTROL_DT)
    reference = reference_of(robot, [walk], window)
    for i in (0, 7, len(reference.windows) - 1):
        np.testing.assert_array_equal(reference.windows[i], features[i : i + window])


@pytest.mark.parametrize("window", [1, 3])
def test_start_states_are_the_ends_of_their_windows(robot: Robot, walk: np.ndarray, window: int) -> None:
    reference = reference_of(robot, [walk, raised(walk[:20], 1.0)], window)
    last = np.asarray(reference.windows[:, -1])
    np.testing.assert_allclose(last[:, :9], reference.qpos[:, 7:], atol=1e-6)
    np.testing.assert_allclose(last[:, 24], reference.qpos[:, 2], atol=1e-6)
    inside = np.arange(100)  # of the first clip; the feature is a backward difference, qvel a central one
    np.testing.assert_allclose(last[inside, 9:18], reference.qvel[inside, 6:], atol=1.0)


def test_mirror_doubles_the_reference_by_its_reflection(robot: Robot, walk: np.ndarray) -> None:
    single, double = reference_of(robot, [walk]), reference_of(robot, [walk], mirror=True)
    count = len(single.windows)
    assert len(double.windows) == len(double.qpos) == len(double.qvel) == 2 * count
    np.testing.assert_array_equal(double.windows[:count], single.windows)
    partner, sign = map(np.array, robot.mirror_joints)
    original, mirrored = np.asarray(double.windows[:count, 0]), np.asarray(double.windows[count:, 0])
    np.testing.assert_allclose(mirrored[:, :9], original[:, partner.astype(int)] * sign, atol=1e-5)
    np.testing.assert_allclose(mirrored[:, 9:18], original[:, 9 + partner.astype(int)] * sign, atol=1e-4)
    np.testing.assert_allclose(mirrored[:, 18:21], original[:, 18:21] * [1, -1, 1], atol=1e-4)
    np.testing.assert_allclose(mirrored[:, 21:24], original[:, 21:24] * [-1, 1, -1], atol=1e-4)
    np.testing.assert_allclose(mirrored[:, 24], original[:, 24], atol=1e-6)
    np.testing.assert_allclose(mirrored[:, 25:], original[:, [27, 28, 25, 26]], atol=1e-3)


@pytest.mark.parametrize("mirror", [True, False])
def test_mean_pose_has_no_limp(robot: Robot, walk: np.ndarray, mirror: bool) -> None:
    """A symmetric policy acts around it: its mirror image has to be itself."""
    reference = reference_of(robot, [walk[:31]], mirror=mirror)
    partner, sign = map(np.array, robot.mirror_joints)
    mean = np.asarray(reference.mean_pose)
    np.testing.assert_allclose(mean[partner.astype(int)] * sign, mean, atol=1e-5)


def test_normaliser_is_the_mean_and_spread_of_all_steps(robot: Robot, walk: np.ndarray) -> None:
    motions = [walk[:40], raised(walk[:60], 0.5)]
    reference = reference_of(robot, motions, window=4)
    features = np.concatenate([clip_features(qpos, robot, control_dt=CONTROL_DT) for qpos in motions]).astype(
        np.float64
    )
    np.testing.assert_allclose(reference.normalizer.mean, features.mean(axis=0), atol=1e-4)
    expected = np.maximum(features.std(axis=0), feature_floor(robot))
    np.testing.assert_allclose(reference.normalizer.std, expected, rtol=1e-3)
    mean, (partner, sign) = features[:, :9].mean(axis=0), robot.mirror_joints
    np.testing.assert_allclose(reference.mean_pose, 0.5 * (mean + mean[list(partner)] * sign), atol=1e-4)


def test_rows_are_drawn_uniformly_from_first_to_last(robot: Robot, walk: np.ndarray) -> None:
    reference = reference_of(robot, [walk], window=2)
    drawn = np.bincount(reference.sample(jax.random.key(0), 30_000), minlength=len(reference.windows))
    assert len(drawn) == len(reference.windows)
    assert drawn.min() > 170 and drawn.max() < 340  # 254 are expected of each, with a standard deviation of 16


# --- gaits


@pytest.fixture(scope="module")
def gaits(gaits_of: Callable[[int], Reference]) -> Reference:
    """Walks of 120 and 80 frames, standing of 60, mirrored, windows of 3 steps."""
    return gaits_of(3)


WALK, STAND = 0, 1


def test_the_windows_of_a_gait_stand_together(gaits: Reference, robot: Robot) -> None:
    """The clips do not: a clip of standing lies between the walks."""
    assert gaits.gaits.names == ("walk", "stand")
    np.testing.assert_array_equal(gaits.gaits.count, [2 * (117 + 77), 2 * 57])
    np.testing.assert_array_equal(gaits.gaits.first, [0, 388])
    np.testing.assert_array_equal(gaits.gaits.of, np.repeat([WALK, STAND], [388, 114]))
    assert len(gaits.windows) == len(gaits.qpos) == len(gaits.qvel) == len(gaits.command) == 502
    knees = np.asarray(gaits.qpos)[:, [10, 14]]
    assert (np.abs(knees[388:] - robot.home_qpos[[10, 14]]).max(axis=1) < 0.03).all()
    assert np.ptp(knees[:388]) > 0.4


def test_a_reference_without_labels_is_one_gait(robot: Robot, walk: np.ndarray) -> None:
    reference = reference_of(robot, [walk, walk[:50]], window=2)
    assert reference.gaits.names == ("",)
    assert int(reference.gaits.count[0]) == len(reference.windows) == 118 + 48


def test_each_gait_knows_the_speeds_of_its_clips(gaits: Reference) -> None:
    np.testing.assert_allclose(gaits.gaits.speed_range[WALK], [0.25, 0.55], atol=0.01)
    np.testing.assert_allclose(gaits.gaits.speed_range[STAND], [0.0, 0.0], atol=1e-3)


def test_the_command_of_a_window_is_that_around_its_end(robot: Robot, walk: np.ndarray) -> None:
    """A root that faces +x and speeds up at 0.5 m/s^2 in the direction (0.6, 0.8): 0.5 t at t seconds.

    At the ends it is what it is 0.4 s, half a stride, from them.
    """
    t = np.arange(120) * CONTROL_DT
    qpos = np.tile(robot.home_qpos, (120, 1))
    qpos[:, :2] = 0.25 * t[:, None] ** 2 * [0.6, 0.8]
    command = np.asarray(reference_of(robot, [qpos, walk], window=3).command)
    speed = 0.5 * np.clip(t, t[20], t[99])[3:, None]
    np.testing.assert_allclose(command[:117], speed * [0.6, 0.8, 0.0], atol=1e-4)
    np.testing.assert_allclose(command[117:, 0], 0.55, atol=0.06)  # of the next clip, not mixed with this one


def test_rows_of_a_gait_are_drawn_uniformly_and_from_no_other(gaits: Reference) -> None:
    label = jnp.arange(40_000) % 2
    rows = np.asarray(gaits.sample_label(jax.random.key(0), label))
    np.testing.assert_array_equal(gaits.gaits.of[rows], label)
    drawn = np.bincount(rows, minlength=502)
    assert drawn[:388].min() > 20 and drawn[:388].max() < 90  # 52 are expected of each
    assert drawn[388:].min() > 120 and drawn[388:].max() < 235  # 175


def drawn_at(gaits: Reference, label: int, speed: float | np.ndarray, count: int = 20_000) -> np.ndarray:
    speeds = np.broadcast_to(np.float32(speed), (count,))
    return np.asarray(
        gaits.sample_near_command(jax.random.key(1), jnp.full(count, label, jnp.int32), ahead(jnp.asarray(speeds)))
    )


@pytest.mark.parametrize("wanted", [0.25, 0.55])
def test_rows_at_a_speed_are_of_about_that_speed_and_of_the_gait(gaits: Reference, wanted: float) -> None:
    rows = drawn_at(gaits, WALK, wanted)
    np.testing.assert_array_equal(gaits.gaits.of[rows], WALK)
    speed = np.asarray(gaits.command)[rows, 0]
    assert np.abs(speed - wanted).max() < 0.15
    assert speed.mean() == pytest.approx(wanted, abs=0.03)


def test_a_speed_that_no_clip_has_is_answered_by_the_nearest_of_the_gait(gaits: Reference) -> None:
    speed = np.asarray(gaits.command)[:, 0]
    assert speed[drawn_at(gaits, WALK, 3.0)].min() > 0.5
    assert speed[drawn_at(gaits, WALK, -1.0)].max() < 0.3
    rows = drawn_at(gaits, STAND, 0.5)
    np.testing.assert_array_equal(gaits.gaits.of[rows], STAND)


def test_every_row_near_the_speeds_asked_for_is_drawn(gaits: Reference) -> None:
    """Rows of one speed as well: no phase of the walk is left out, and left and right count the same."""
    speeds = np.random.default_rng(0).uniform(0.2, 0.6, 20_000)
    drawn = np.bincount(drawn_at(gaits, WALK, speeds), minlength=502)[:388]
    assert (drawn > 0).mean() > 0.95
    left = drawn[:194].sum()  # the clips as they are, before their reflections
    assert 0.4 < left / drawn.sum() < 0.6


def test_every_row_of_a_gait_that_stands_is_drawn(gaits: Reference) -> None:
    """All its windows have about one speed, and the policy must not be held to a single pose."""
    drawn = np.bincount(drawn_at(gaits, STAND, 0.0), minlength=502)[388:]
    assert (drawn > 0).mean() > 0.95
    assert drawn.max() < 0.1 * drawn.sum()


def test_gaits_are_drawn_row_by_row(gaits: Reference) -> None:
    label, speed = jnp.array([STAND, WALK, WALK] * 500), ahead(jnp.array([0.0, 0.25, 0.55] * 500))
    rows = np.asarray(gaits.sample_near_command(jax.random.key(2), label, speed))
    np.testing.assert_array_equal(gaits.gaits.of[rows], label)
    near = np.abs(np.asarray(gaits.command)[rows] - speed)[:, 0].reshape(500, 3)[:, 1:]
    assert near.max() < 0.2


def test_clips_carry_the_label_of_the_entry_that_names_them_first(
    robot: Robot, walk: np.ndarray, tmp_path: Path
) -> None:
    for name in ("a", "b", "c"):
        save_clip(tmp_path / f"{name}.npz", make_clip(robot, walk))
    entries = [ClipSource(str(tmp_path / "b.npz"), "run"), ClipSource(str(tmp_path), "walk")]
    clips = load_clips(entries, robot, control_dt=CONTROL_DT)
    assert [(clip.name, clip.label) for clip in clips] == [("b", "run"), ("a", "walk"), ("c", "walk")]
    assert [clip.label for clip in load_clips(sources(tmp_path), robot, control_dt=CONTROL_DT)] == [""] * 3


def test_a_gait_too_short_for_the_window_is_named(robot: Robot, walk: np.ndarray) -> None:
    clips = [make_clip(robot, walk, label="walk"), make_clip(robot, walk[:5], label="hop")]
    with pytest.raises(InputError, match=r"amp.window is 6.*longer than every clip labelled 'hop'"):
        make_reference(clips, robot, window=6, mirror=False, control_dt=CONTROL_DT)


def analytic(robot: Robot) -> tuple[np.ndarray, np.ndarray]:
    """qpos [100, nq] and qvel [100, nv] of a robot on a circle, leaning forward, its joints swinging."""
    t = np.arange(100) * CONTROL_DT
    rate, lean, swing, radius = 0.8, 0.3, 5.0, 1.5
    turn = rate * t
    amplitude = np.linspace(0.05, 0.2, 9)
    cz, sz, cy, sy = np.cos(turn / 2), np.sin(turn / 2), np.cos(lean / 2), np.sin(lean / 2)
    quat = np.stack([cz * cy, -sz * sy, cz * sy, sz * cy], axis=-1)  # turn about z after lean about y
    position = np.stack([radius * np.cos(turn), radius * np.sin(turn), 0.5 + 0.1 * t], axis=-1)
    linear = np.stack([-radius * rate * np.sin(turn), radius * rate * np.cos(turn), 0.1 + 0.0 * t], axis=-1)
    angular = np.tile([-rate * np.sin(lean), 0.0, rate * np.cos(lean)], (100, 1))  # in the body frame
    joints, speeds = amplitude * np.sin(swing * t)[:, None], amplitude * swing * np.cos(swing * t)[:, None]
    return np.concatenate([position, quat, joints], axis=1), np.concatenate([linear, angular, speeds], axis=1)


def test_velocities_are_the_derivatives_in_mujocos_frames(robot: Robot) -> None:
    """Central differences err by w^3 dt^2 / 6 < 2e-3 here; one-sided ones, at the ends, by w^2 dt / 2."""
    qpos, qvel = analytic(robot)
    found = robot.velocities(qpos, CONTROL_DT)
    np.testing.assert_allclose(found[1:-1], qvel[1:-1], atol=3e-3)
    np.testing.assert_allclose(found[[0, -1]], qvel[[0, -1]], atol=0.06)


def test_velocities_carry_the_pose_forward(robot: Robot, walk: np.ndarray) -> None:
    """From the frame before, over two steps, the engine's own integration arrives at the frame after."""
    found = robot.velocities(walk, CONTROL_DT)
    for i in (20, 57, 90):
        qpos = walk[i - 1].copy()
        mujoco.mj_integratePos(robot.model, qpos, found[i].astype(np.float64), 2.0 * CONTROL_DT)
        np.testing.assert_allclose(qpos, walk[i + 1], atol=1e-5)


def test_a_window_longer_than_every_clip_is_refused(robot: Robot, walk: np.ndarray) -> None:
    assert len(reference_of(robot, [walk[:6]], window=5).windows) == 1
    with pytest.raises(InputError, match=r"amp.window is 6.*longer than every clip"):
        reference_of(robot, [walk[:6]], window=6)


def test_a_saved_clip_comes_back(robot: Robot, walk: np.ndarray, tmp_path: Path) -> None:
    clip = replace(make_clip(robot, walk), time_scale=0.7, source="somewhere")
    save_clip(tmp_path / "deep" / "walk.npz", clip)
    found = load_clip(tmp_path / "deep" / "walk.npz", robot)
    np.testing.assert_allclose(found.qpos, walk, atol=1e-6)
    assert (found.name, found.robot, found.joints) == ("walk", robot.name, robot.joints)
    assert (found.frequency, found.source, found.time_scale) == (50.0, "somewhere", 0.7)
    assert list((tmp_path / "deep").iterdir()) == [tmp_path / "deep" / "walk.npz"]


def test_duration_and_speed_of_a_clip(robot: Robot, walk: np.ndarray) -> None:
    clip = make_clip(robot, walk)
    assert clip.duration == pytest.approx(119 * CONTROL_DT)
    assert clip.speed == pytest.approx(0.55, abs=0.01)


def test_clips_are_found_by_file_folder_and_pattern(robot: Robot, walk: np.ndarray, tmp_path: Path) -> None:
    for name in ("b", "a", "other"):
        save_clip(tmp_path / f"{name}.npz", make_clip(robot, walk))
    (tmp_path / "notes.txt").write_text("not a clip")
    assert [p.stem for p in find_clips(sources(tmp_path))] == ["a", "b", "other"]
    assert [p.stem for p in find_clips(sources(tmp_path / "b.npz", tmp_path / "o*.npz"))] == ["b", "other"]
    clips = load_clips(sources(tmp_path), robot, control_dt=CONTROL_DT)
    assert [clip.name for clip in clips] == ["a", "b", "other"]


def test_held_out_clips_are_never_trained_on(robot: Robot, walk: np.ndarray, tmp_path: Path) -> None:
    for name in ("a", "held_out/b", "held_out/a", "deeper/c", "deeper/held_out/d"):
        save_clip(tmp_path / f"{name}.npz", make_clip(robot, walk))
    folder, every = sources(tmp_path), sources(tmp_path / "**" / "*.npz")
    assert [p.stem for p in find_clips(folder)] == ["a"]
    assert [p.relative_to(tmp_path).as_posix() for p in find_clips(every)] == ["a.npz", "deeper/c.npz"]
    held = held_out_clips(sources(tmp_path, tmp_path / "deeper"), robot, control_dt=CONTROL_DT)
    assert [clip.name for clip in held] == ["a", "b", "d"]


def test_there_may_be_no_held_out_clips(robot: Robot, walk: np.ndarray, tmp_path: Path) -> None:
    save_clip(tmp_path / "a.npz", make_clip(robot, walk))
    (tmp_path / "held_out").mkdir()
    for pattern in (tmp_path, tmp_path / "a.npz", tmp_path / "*.npz"):
        assert held_out_clips(sources(pattern), robot, control_dt=CONTROL_DT) == []


def test_a_held_out_clip_that_is_named_is_trained_on_and_not_held_out(
    robot: Robot, walk: np.ndarray, tmp_path: Path
) -> None:
    for name in ("a", "held_out/b", "held_out/c"):
        save_clip(tmp_path / f"{name}.npz", make_clip(robot, walk))
    patterns = sources(tmp_path, tmp_path / "held_out" / "b.npz")
    assert [p.stem for p in find_clips(patterns)] == ["a", "b"]
    assert [clip.name for clip in held_out_clips(patterns, robot, control_dt=CONTROL_DT)] == ["c"]


def test_held_out_clips_are_checked_like_others(robot: Robot, walk: np.ndarray, tmp_path: Path) -> None:
    save_clip(tmp_path / "a.npz", make_clip(robot, walk))
    save_clip(tmp_path / "held_out" / "slow.npz", replace(make_clip(robot, walk), frequency=30.0))
    with pytest.raises(InputError, match=r"'slow' runs at 30 Hz"):
        held_out_clips(sources(tmp_path), robot, control_dt=CONTROL_DT)


def write(path: Path, robot: Robot, walk: np.ndarray, changes: dict[str, object]) -> None:
    """A clip file with some of its arrays changed, or left out when None."""
    arrays = {
        "qpos": walk,
        "frequency": 50.0,
        "robot": robot.name,
        "joints": np.array(robot.joints),
        "source": "made by the tests",
        "time_scale": 1.0,
    } | changes
    np.savez(path, **{name: value for name, value in arrays.items() if value is not None})


def spoiled(qpos: np.ndarray, frame: int, column: int, value: float) -> np.ndarray:
    qpos = qpos.copy()
    qpos[frame, column] = value
    return qpos


BAD = {
    "another robot": (lambda q: {"robot": "atlas"}, r"robot 'atlas', not for 'wildrobot'"),
    "other joints": (lambda q: {"joints": np.array(["knee"])}, r"has the joints \['knee'\]"),
    "NaN": (lambda q: {"qpos": spoiled(q, 17, 9, np.nan)}, r"NaN.*first in frame 17"),
    "infinity": (lambda q: {"qpos": spoiled(q, 3, 0, np.inf)}, r"infinity.*first in frame 3"),
    "a column too many": (lambda q: {"qpos": np.c_[q, q[:, 0]]}, r"qpos is \(120, 17\), expected \(3 or more, 16\)"),
    "one frame": (lambda q: {"qpos": q[:1]}, r"qpos is \(1, 16\)"),
    "flat": (lambda q: {"qpos": q[0]}, r"qpos is \(16,\)"),
    "quaternion": (lambda q: {"qpos": spoiled(q, 5, 3, 2.0)}, r"quaternions.*unit length"),
    "degrees": (lambda q: {"qpos": spoiled(q, 5, 10, 30.0)}, r"left_knee_pitch passes its limit.*radians"),
    "no frequency": (lambda q: {"frequency": None}, r"has no frequency"),
    "frequency of zero": (lambda q: {"frequency": 0.0}, r"frequency is 0.0.*Hz"),
    "an AMASS take": (lambda q: {"qpos": None, "poses": np.zeros((9, 156)), "trans": np.zeros((9, 3))}, r"AMASS take"),
}


@pytest.mark.parametrize("kind", BAD)
def test_a_bad_clip_is_refused_in_one_sentence(robot: Robot, walk: np.ndarray, tmp_path: Path, kind: str) -> None:
    changes, message = BAD[kind]
    write(tmp_path / "bad.npz", robot, walk, changes(walk))
    with pytest.raises(InputError, match=message) as error:
        load_clip(tmp_path / "bad.npz", robot)
    assert "bad.npz" in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.9, 0.999])
def test_a_truncated_file_is_refused(robot: Robot, walk: np.ndarray, tmp_path: Path, share: float) -> None:
    save_clip(tmp_path / "walk.npz", make_clip(robot, walk))
    content = (tmp_path / "walk.npz").read_bytes()
    (tmp_path / "walk.npz").write_bytes(content[: int(share * len(content))])
    with pytest.raises(InputError, match=r"walk.npz' is not a readable .npz file \(truncated or damaged\)"):
        load_clip(tmp_path / "walk.npz", robot)


def test_a_damaged_file_is_refused_or_unharmed(robot: Robot, walk: np.ndarray, tmp_path: Path) -> None:
    """One flipped bit, anywhere: an InputError, or the same motion; never another error, never another motion."""
    path, rng = tmp_path / "walk.npz", np.random.default_rng(0)
    save_clip(path, make_clip(robot, walk))
    content = path.read_bytes()
    for place in rng.integers(0, len(content), 150):
        damaged = bytearray(content)
        damaged[place] ^= 1 << rng.integers(8)
        path.write_bytes(damaged)
        with contextlib.suppress(InputError):
            np.testing.assert_allclose(load_clip(path, robot).qpos, walk, atol=1e-6)


@pytest.mark.parametrize("content", [b"hello", b"PK\x03\x04", b""])
def test_a_file_of_another_kind_is_refused(robot: Robot, tmp_path: Path, content: bytes) -> None:
    (tmp_path / "clip.npz").write_bytes(content)
    with pytest.raises(InputError, match=r"clip.npz"):
        load_clip(tmp_path / "clip.npz", robot)


def test_a_bare_array_is_refused(robot: Robot, walk: np.ndarray, tmp_path: Path) -> None:
    with (tmp_path / "clip.npz").open("wb") as file:
        np.save(file, walk)
    with pytest.raises(InputError, match=r"clip.npz"):
        load_clip(tmp_path / "clip.npz", robot)


def test_missing_clips_are_refused(robot: Robot, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"there is no clip '.*gone.npz'"):
        load_clip(tmp_path / "gone.npz", robot)
    for pattern in ("gone.npz", "*.npz", ""):
        with pytest.raises(InputError, match=r"reference.clips: '.*' names no clip.*retarget"):
            load_clips(sources(tmp_path / pattern), robot, control_dt=CONTROL_DT)


def test_a_clip_at_another_frequency_is_refused(robot: Robot, walk: np.ndarray, tmp_path: Path) -> None:
    save_clip(tmp_path / "slow.npz", replace(make_clip(robot, walk), frequency=30.0))
    with pytest.raises(InputError, match=r"'slow' runs at 30 Hz.*env.control_dt 0.02 s asks for 50 Hz"):
        load_clips(sources(tmp_path), robot, control_dt=CONTROL_DT)


def test_an_interrupted_save_leaves_no_clip_behind(
    robot: Robot, walk: np.ndarray, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a killed save leaves in the folder must not be taken for a clip."""
    save_clip(tmp_path / "walk.npz", make_clip(robot, walk))

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("os.replace", killed)
        with pytest.raises(KeyboardInterrupt):
            save_clip(tmp_path / "walk.npz", make_clip(robot, walk[:50]))
    assert [path.name for path in find_clips(sources(tmp_path))] == ["walk.npz"]
    assert len(load_clip(tmp_path / "walk.npz", robot).qpos) == len(walk)


def shipped() -> list[Path]:
    return sorted((Path(__file__).parents[1] / "data" / "wildrobot").glob("*.npz"))


@pytest.mark.skipif(not shipped(), reason="no clips in data/wildrobot")
def test_shipped_clips_are_valid(robot: Robot) -> None:
    clips = load_clips(sources(*shipped()), robot, control_dt=CONTROL_DT)
    assert all(clip.source for clip in clips)
