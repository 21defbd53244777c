"""Reference sets: weights and speeds of the entries of reference.clips, and entries that say nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from conftest import CONTROL_DT, make_clip

from playground_amp.config import ClipSource, EnvConfig
from playground_amp.core.errors import InputError
from playground_amp.discriminator.diversity import find_modes
from playground_amp.envs.env import Env
from playground_amp.envs.physics import Physics
from playground_amp.envs.task import ahead
from playground_amp.motion.clip import MotionClip, save_clip
from playground_amp.motion.clip_sources import failed_clips
from playground_amp.motion.features import feature_floor
from playground_amp.motion.reference import Reference
from playground_amp.motion.reference_builder import clip_features, find_clips, load_clips, make_reference
from playground_amp.motion.weighted_sampling import cumulate, sample_indices, spread_indices
from playground_amp.robots import Robot

DRAWS = 40_000
WALK, STAND = 0, 1
Make = Callable[..., Reference]


def raised(qpos: np.ndarray, height: float) -> np.ndarray:
    """The motion, `height` m higher: its windows can be told by it."""
    return qpos + height * np.eye(qpos.shape[1])[2]


@pytest.fixture(scope="module")
def make(robot: Robot) -> Make:
    """A reference of clips as they are, windows of one step."""

    def make(*clips: MotionClip, mirror: bool = False) -> Reference:
        return make_reference(clips, robot, window=1, mirror=mirror, control_dt=CONTROL_DT)

    return make


@pytest.fixture(scope="module")
def clips(robot: Robot, walk: np.ndarray) -> list[MotionClip]:
    """A walk of 39 steps of weight 3, one of 79 of weight 1 and 1 m higher, and standing of 59 of weight 5."""
    stand = np.tile(robot.home_qpos, (60, 1))
    return [
        replace(make_clip(robot, walk[:40], "often", "walk"), weight=3.0),
        make_clip(robot, raised(walk[:80], 1.0), "seldom", "walk"),
        replace(make_clip(robot, stand, "stand", "stand"), weight=5.0),
    ]


@pytest.fixture(scope="module")
def weighted(make: Make, clips: list[MotionClip]) -> Reference:
    return make(*clips)


def assert_drawn_as(rows: np.ndarray, weight: np.ndarray) -> None:
    """Pearson's statistic of rows drawn by weights [N] is within 5 standard deviations of that of fair draws."""
    expected = len(rows) * weight / weight.sum()
    counts = np.bincount(np.asarray(rows), minlength=len(weight))
    assert counts[weight == 0].sum() == 0
    some = weight > 0
    statistic, freedom = (((counts - expected)[some] ** 2) / expected[some]).sum(), some.sum() - 1
    assert abs(statistic - freedom) < 5.0 * np.sqrt(2.0 * freedom)


# --- weights


def test_every_second_of_a_clip_is_drawn_by_its_weight(weighted: Reference) -> None:
    rows = weighted.sample(jax.random.key(0), DRAWS)
    assert_drawn_as(rows, np.repeat([3.0, 1.0, 5.0], [39, 79, 59]))
    share = (np.asarray(rows) < 39).mean()
    assert share == pytest.approx(
        3 * 39 / (3 * 39 + 79 + 5 * 59), abs=0.01
    )  # more than by seconds, less than 3 : 1 : 5


def test_rows_of_a_gait_are_drawn_by_weight_and_from_no_other(weighted: Reference) -> None:
    label = jnp.arange(2 * DRAWS) % 2
    rows = np.asarray(weighted.sample_label(jax.random.key(1), label))
    assert_drawn_as(rows[::2], np.repeat([3.0, 1.0, 0.0], [39, 79, 59]))
    assert_drawn_as(rows[1::2], np.repeat([0.0, 0.0, 1.0], [39, 79, 59]))


def test_rows_near_a_speed_are_drawn_by_weight(robot: Robot, walk: np.ndarray, make: Make) -> None:
    clips = [
        replace(make_clip(robot, walk[:40], label="walk"), weight=0.2, declared_speed=0.5),
        replace(make_clip(robot, walk[:50], label="walk"), weight=0.1, declared_speed=0.51),
        replace(make_clip(robot, walk[:60], label="walk"), declared_speed=1.0),
        replace(make_clip(robot, walk[:30], label="run"), declared_speed=0.5),
    ]
    reference = make(*clips)
    label, speed = jnp.zeros(DRAWS, jnp.int32), ahead(jnp.full(DRAWS, 0.5))
    assert_drawn_as(
        reference.sample_near_command(jax.random.key(2), label, speed), np.repeat([2.0, 1, 0, 0], [39, 49, 59, 29])
    )
    fast = reference.sample_near_command(jax.random.key(3), label, ahead(jnp.full(DRAWS, 3.0)))
    assert_drawn_as(fast, np.repeat([0.0, 0, 1, 0], [39, 49, 59, 29]))
    one = reference.as_one_gait().sample_near_command(jax.random.key(4), label, speed)
    assert_drawn_as(one, np.repeat([0.2, 0.1, 0, 1], [39, 49, 59, 29]))


def test_reflections_have_the_weight_of_their_clips(make: Make, clips: list[MotionClip]) -> None:
    rows = make(*clips[:2], mirror=True).sample(jax.random.key(5), DRAWS)
    assert_drawn_as(rows, np.repeat([3.0, 1.0, 3.0, 1.0], [39, 79, 39, 79]))


def test_robots_start_on_the_clips_by_weight(weighted: Reference, robot: Robot, native: Physics) -> None:
    """Of the two walks the seldom one is 1 m higher."""
    for labelled, standing in ((False, 5 * 59), (True, 0)):
        env = Env(EnvConfig(reference_start_share=1.0), robot, native, weighted, labelled=labelled)
        asked = (jnp.full(800, WALK, jnp.int32), ahead(jnp.full(800, 0.5)))
        high = np.asarray(env.reset(jax.random.key(0), 800, asked).physics.qpos[:, 2]) > 1.0
        assert high.mean() == pytest.approx(79 / (79 + 3 * 39 + standing), abs=0.06)


def test_equal_weights_draw_what_no_weights_do(make: Make, clips: list[MotionClip]) -> None:
    """Bit for bit; what counts is how they compare."""
    plain, equal = (make(*(replace(clip, weight=weight) for clip in clips)) for weight in (1.0, 7.0))
    assert plain.weight is equal.weight is plain.gaits.mass is equal.as_one_gait().gaits.mass is None
    label, speed = jnp.arange(200) % 2, ahead(jnp.linspace(0.0, 1.0, 200))
    for draw in (
        lambda reference: reference.sample(jax.random.key(6), 200),
        lambda reference: reference.sample_label(jax.random.key(6), label),
        lambda reference: reference.sample_near_command(jax.random.key(6), label, speed),
    ):
        np.testing.assert_array_equal(draw(plain), draw(equal))
    np.testing.assert_array_equal(plain.normalizer.mean, equal.normalizer.mean)


def test_the_normaliser_weighs_steps_by_hand(robot: Robot, clips: list[MotionClip], weighted: Reference) -> None:
    steps = [clip_features(clip.qpos, robot, control_dt=CONTROL_DT).astype(np.float64) for clip in clips]
    weight = np.repeat([3.0, 1.0, 5.0], [39, 79, 59]) / (3 * 39 + 79 + 5 * 59)
    features = np.concatenate(steps)
    mean = weight @ features
    std = np.sqrt(weight @ (features - mean) ** 2)
    np.testing.assert_allclose(weighted.normalizer.mean, mean, atol=1e-4)
    np.testing.assert_allclose(weighted.normalizer.std, np.maximum(std, feature_floor(robot)), rtol=1e-3)
    height = 24  # root height: 0.47 m and a share of 79 / 491 one metre higher, by hand
    low = np.average(
        [steps[0][:, height].mean(), steps[1][:, height].mean() - 1, steps[2][0, height]], weights=[117, 79, 295]
    )
    assert float(weighted.normalizer.mean[height]) == pytest.approx(low + 79 / 491, abs=1e-4)


def test_a_weight_of_two_is_the_motion_twice(make: Make, clips: list[MotionClip]) -> None:
    first, second = (replace(clip, weight=1.0) for clip in clips[:2])
    heavy, twice = make(replace(first, weight=2.0), second), make(first, first, second)
    np.testing.assert_allclose(heavy.normalizer.mean, twice.normalizer.mean, atol=1e-4)
    np.testing.assert_allclose(heavy.normalizer.std, twice.normalizer.std, rtol=1e-4)
    np.testing.assert_allclose(heavy.mean_pose, twice.mean_pose, atol=1e-5)
    spread = [float(find_modes(np.asarray(r.windows[r.spread(), 0])).spread) for r in (heavy, twice)]
    assert spread[0] == pytest.approx(spread[1], rel=0.05)


def test_spread_rows_by_hand() -> None:
    """At 7/6, 21/6 and 35/6 of a mass of 1, 2 and 4; and of many rows each clip has its share."""
    np.testing.assert_array_equal(spread_indices(np.array([1.0, 2.0, 4.0])), [1, 2, 2])
    np.testing.assert_array_equal(spread_indices(np.ones(5)), range(5))
    rows = spread_indices(np.repeat([1.0, 3.0], [500, 500]))
    assert (len(rows), (rows < 500).sum()) == (1000, 250) and (np.diff(rows) >= 0).all()


def test_draws_stay_true_in_a_set_of_millions() -> None:
    """A day of motion, in float32: halves, a single heavy row, and the ends of a range."""
    weight = np.repeat([1.0, 4.0], [1_000_000, 1_000_000])
    mass = cumulate(weight)
    first, end = jnp.zeros(DRAWS, jnp.int32), jnp.full(DRAWS, len(weight))
    rows = np.asarray(sample_indices(jax.random.key(0), mass, first, end))
    assert (rows < 1_000_000).mean() == pytest.approx(0.2, abs=0.01)
    part = np.asarray(sample_indices(jax.random.key(1), mass, first + 999_999, first + 1_000_001))
    assert set(part) == {999_999, 1_000_000} and (part == 1_000_000).mean() == pytest.approx(0.8, abs=0.06)


# --- speeds


def test_a_declared_speed_is_that_of_the_gait_and_of_every_window(robot: Robot, walk: np.ndarray, make: Make) -> None:
    treadmill = walk * np.where(np.arange(walk.shape[1]) == 0, 0.0, 1.0)
    clips = [
        replace(make_clip(robot, treadmill, label="walk"), declared_speed=0.8),
        make_clip(robot, walk, label="walk"),
        replace(make_clip(robot, walk, label="back"), declared_speed=-0.3),
    ]
    reference = make(*clips, mirror=True)
    np.testing.assert_allclose(reference.gaits.speed_range, [[0.55, 0.8], [-0.3, -0.3]], atol=0.01)
    speed = np.asarray(reference.command)[:, 0]
    np.testing.assert_allclose(speed[:119], 0.8)
    np.testing.assert_allclose(speed[119:238], 0.55, atol=0.06)
    np.testing.assert_allclose(speed[238:357], 0.8)
    label = jnp.zeros(1000, jnp.int32)
    rows = np.asarray(reference.sample_near_command(jax.random.key(0), label, ahead(jnp.full(1000, 0.8))))
    assert set(rows // 119) == {0, 2}
    back = np.asarray(
        reference.as_one_gait().sample_near_command(jax.random.key(0), label, ahead(jnp.full(1000, -1.0)))
    )
    assert set(back // 119) == {4, 5}


# --- entries


@pytest.fixture
def folder(robot: Robot, walk: np.ndarray, tmp_path: Path) -> Path:
    for name in ("a", "b", "c"):
        save_clip(tmp_path / f"{name}.npz", make_clip(robot, walk))
    return tmp_path


def test_clips_are_what_their_entry_says(robot: Robot, folder: Path) -> None:
    entries = [
        ClipSource(str(folder / "b.npz"), "run", weight=2.0, speed=1.5),
        ClipSource(str(folder / "[ab].npz"), weight=0.5),
        ClipSource(str(folder)),
    ]
    clips = load_clips(entries, robot, control_dt=CONTROL_DT)
    found = [(clip.name, clip.label, clip.weight, clip.declared_speed) for clip in clips]
    assert found == [("b", "run", 2.0, 1.5), ("a", "", 0.5, None), ("c", "", 1.0, None)]
    assert [clip.command_speed for clip in clips] == pytest.approx([1.5, 0.55, 0.55], abs=0.01)


def test_an_entry_whose_clips_are_all_taken_is_told_where_it_belongs(folder: Path) -> None:
    late = ClipSource(str(folder / "c.npz"), weight=3.0)
    message = r"reference.clips, entry 2: '.*c.npz' has no effect.*put it before them"
    with pytest.raises(InputError, match=message) as error:
        find_clips([ClipSource(str(folder)), late])
    assert "\n" not in str(error.value)
    assert [path.stem for path in find_clips([late, ClipSource(str(folder))])] == ["c", "a", "b"]
    twice = [ClipSource(str(folder)), ClipSource(str(folder / ".." / folder.name / "a.npz"))]
    assert [path.stem for path in find_clips(twice)] == ["a", "b", "c"]  # says nothing else, by another way to the file


@pytest.mark.parametrize("label", ["Walk", "walk ", " WALK"])
def test_labels_that_look_alike_are_refused(folder: Path, label: str) -> None:
    entries = [ClipSource(str(folder / "a.npz"), "walk"), ClipSource(str(folder / "b.npz"), label)]
    with pytest.raises(InputError, match=rf"the labels 'walk' and '{label}' differ in case or spaces only"):
        find_clips(entries)


@pytest.mark.parametrize(
    ("text", "failed"),
    [('{"verdict": "fail"}', True), ('{"verdict": "warn"}', False), ("no JSON", False), ("[]", False), (None, False)],
)
def test_clips_whose_verdict_is_a_fail_are_known(folder: Path, text: str | None, failed: bool) -> None:
    clip = min(folder.glob("*.npz"))
    if text is not None:
        clip.with_suffix(".json").write_text(text)
    assert failed_clips([ClipSource(str(folder))]) == ([clip] if failed else [])
    clip.with_suffix(".json").unlink(missing_ok=True)


def test_a_pattern_takes_the_clips_and_not_the_verdicts_beside_them(tmp_path: Path) -> None:
    for name in ("a.npz", "a.json", "report.html"):
        (tmp_path / name).touch()
    assert find_clips([ClipSource(str(tmp_path / "*"))]) == [tmp_path / "a.npz"]
