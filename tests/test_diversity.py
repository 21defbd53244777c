"""Variety: pairwise distance against all pairs, and the modes of the reference on clouds whose share is known."""

from __future__ import annotations

import warnings

import jax.numpy as jnp
import numpy as np
import pytest

from playground_amp.discriminator.diversity import MODES, SAMPLES, Modes, coverage, find_modes, spread


def clouds(shares: list[int], seed: int = 0, apart: float = 50.0, size: float = 1.0) -> np.ndarray:
    """As many rows [N, 6] about each of some far points as `shares` says, one cloud after the other."""
    centers = apart * np.random.default_rng(7).normal(size=(len(shares), 6))
    rng = np.random.default_rng(seed)
    return np.concatenate(
        [center + size * rng.normal(size=(count, 6)) for center, count in zip(centers, shares, strict=True)]
    )


def all_pairs(rows: np.ndarray) -> float:
    """Mean distance of two different rows, by the double loop."""
    distances = [np.linalg.norm(rows[i] - rows[j]) for i in range(len(rows)) for j in range(i)]
    return float(np.mean(distances))


def fractions(modes: Modes) -> np.ndarray:
    return np.asarray(modes.share, np.float64)


# --- pairwise distance


@pytest.mark.parametrize("seed", [0, 1])
def test_spread_is_the_mean_distance_of_all_pairs(seed: int) -> None:
    rows = np.random.default_rng(seed).normal(size=(300, 8)) * [1, 2, 3, 4, 0.1, 0, 0, 1]
    assert float(spread(jnp.asarray(rows))) == pytest.approx(all_pairs(rows), rel=0.05)


def test_spread_of_groups_in_random_order_is_that_of_all_pairs() -> None:
    rows = np.random.default_rng(0).permutation(clouds([150, 50, 100]))
    assert float(spread(jnp.asarray(rows))) == pytest.approx(all_pairs(rows), rel=0.1)


def test_spread_of_one_pose_is_zero_and_scales_with_the_motion() -> None:
    rows = jnp.asarray(np.random.default_rng(0).normal(size=(64, 3)), jnp.float32)
    assert float(spread(jnp.tile(rows[:1], (64, 1)))) == 0.0
    assert float(spread(3.0 * rows + 5.0)) == pytest.approx(3.0 * float(spread(rows)), rel=1e-5)


@pytest.mark.parametrize("count", [2, 3, 5])
def test_spread_of_few_rows_never_compares_a_row_with_itself(count: int) -> None:
    rows = np.eye(count)
    assert float(spread(jnp.asarray(rows))) == pytest.approx(np.sqrt(2.0), rel=1e-5)


def test_the_references_own_spread_is_that_of_its_pairs() -> None:
    rows = np.random.default_rng(0).normal(size=(400, 5)) * [3, 1, 1, 1, 1]
    assert float(find_modes(rows).spread) == pytest.approx(all_pairs(rows), rel=0.03)


# --- modes


def test_modes_are_the_clouds_and_their_shares() -> None:
    """Fewer points than modes: each point is one."""
    points = np.repeat(np.eye(4), [10, 20, 30, 40], axis=0)
    modes = find_modes(points)
    assert modes.centers.shape == (4, 4)
    order = np.asarray(modes.centers).argmax(axis=1)
    np.testing.assert_allclose(np.eye(4)[order], modes.centers, atol=1e-6)
    np.testing.assert_allclose(fractions(modes), np.array([0.1, 0.2, 0.3, 0.4])[order], atol=1e-6)


def test_shares_sum_to_one_and_no_mode_is_empty() -> None:
    modes = find_modes(np.random.default_rng(0).normal(size=(3000, 10)))
    assert 0.9 * MODES <= len(modes.share) <= MODES
    assert fractions(modes).sum() == pytest.approx(1.0, abs=1e-6)
    assert fractions(modes).min() > 0.0
    assert modes.centers.shape == (len(modes.share), 10)


def test_shares_are_those_of_the_samples_nearest_to_each_center() -> None:
    """Also before the clustering has come to rest."""
    rows = np.random.default_rng(3).normal(size=(2000, 6))
    modes = find_modes(rows)
    distance = np.linalg.norm(rows[:, None] - np.asarray(modes.centers, np.float64), axis=-1)
    nearest = np.bincount(distance.argmin(axis=1), minlength=len(modes.share)) / len(rows)
    np.testing.assert_allclose(fractions(modes), nearest, atol=2e-3)


def test_modes_are_the_same_every_time() -> None:
    rows = np.random.default_rng(0).normal(size=(500, 4))
    one, again = find_modes(rows), find_modes(rows)
    np.testing.assert_array_equal(one.centers, again.centers)
    np.testing.assert_array_equal(one.share, again.share)


@pytest.mark.parametrize(
    "rows",
    [
        np.zeros((1, 3)),
        np.zeros((50, 3)),
        np.repeat(np.eye(2), 40, axis=0),
        clouds([4, 700, 3, 900], apart=3.0, size=0.05),
    ],
    ids=["one", "still", "two", "uneven"],
)
def test_a_reference_of_little_variety_has_modes_without_a_warning(rows: np.ndarray) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        modes = find_modes(rows)
    assert np.isfinite(modes.centers).all() and np.isfinite(modes.share).all() and float(modes.spread) > 0.0
    assert float(coverage(modes, jnp.asarray(rows, jnp.float32))) == pytest.approx(1.0, abs=0.02)


# --- coverage


@pytest.fixture(scope="module")
def reference() -> np.ndarray:
    return clouds([100] * 20)


@pytest.fixture(scope="module")
def modes(reference: np.ndarray) -> Modes:
    return find_modes(reference)


def covered(modes: Modes, rows: np.ndarray) -> float:
    return float(coverage(modes, jnp.asarray(rows, jnp.float32)))


def test_the_references_own_mixture_covers_everything(modes: Modes, reference: np.ndarray) -> None:
    assert covered(modes, reference) == pytest.approx(1.0, abs=0.01)
    order = np.random.default_rng(0).permutation(len(reference))
    assert covered(modes, reference[order]) == pytest.approx(1.0, abs=0.01)


def test_other_samples_of_the_same_mixture_cover_nearly_everything(modes: Modes) -> None:
    assert covered(modes, clouds([100] * 20, seed=1)) > 0.85


def test_one_pose_covers_the_share_of_its_mode(modes: Modes, reference: np.ndarray) -> None:
    for row in (0, 550, 1999):
        found = covered(modes, np.tile(reference[row], (300, 1)))
        assert 0.0 < found == pytest.approx(fractions(modes)[nearest(modes, reference[row])], abs=1e-5)
        assert found < 0.15


def nearest(modes: Modes, row: np.ndarray) -> int:
    return int(np.linalg.norm(np.asarray(modes.centers) - row, axis=1).argmin())


def test_half_of_the_modes_cover_half(modes: Modes, reference: np.ndarray) -> None:
    """The clouds stand one after the other: the first thousand rows are ten of the twenty."""
    assert covered(modes, reference[:1000]) == pytest.approx(0.5, abs=0.03)


def test_too_much_of_one_mode_is_no_variety(modes: Modes, reference: np.ndarray) -> None:
    """Nine tenths of the time in one cloud, the rest everywhere: a tenth each counts, and the one only by its share."""
    rows = np.concatenate([np.repeat(reference[:100], 90, axis=0), reference[::2]])
    order = np.random.default_rng(0).permutation(len(rows))
    assert covered(modes, rows[order]) == pytest.approx(0.1 + 0.05, abs=0.04)


def test_coverage_is_about_variety_and_not_about_likeness(modes: Modes, reference: np.ndarray) -> None:
    """Every sample counts for its nearest mode, a little off as well."""
    assert covered(modes, reference + 3.0) > 0.75


@pytest.mark.parametrize("count", [1, 7, SAMPLES, SAMPLES + 1, 3 * SAMPLES + 5, 1_200_000])
def test_any_number_of_samples_is_counted_from_first_to_last(count: int) -> None:
    """A policy that is at one mode in the first half and at another in the second."""
    modes = find_modes(np.repeat(np.eye(2), 50, axis=0))
    rows = np.eye(2)[(np.arange(count) * 2 // count)]
    expected = 0.5 + min(0.5, (count // 2) / count) if count > 1 else 0.5
    assert covered(modes, rows) == pytest.approx(expected, abs=2e-3)
