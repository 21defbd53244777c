"""Style distances on sets whose distance is known."""

from __future__ import annotations

import time

import numpy as np
import pytest

from playground_amp.motion.metrics.distribution_distance import all_windows, frechet, kernel, windows


def exact(mean: np.ndarray, covariance: np.ndarray, count: int = 400, seed: int = 0) -> np.ndarray:
    """Rows [count, D] whose sample mean and covariance are those given, exactly."""
    rows = np.random.default_rng(seed).normal(size=(count, len(mean)))
    rows -= rows.mean(axis=0)
    whitener = np.linalg.inv(np.linalg.cholesky(np.atleast_2d(np.cov(rows, rowvar=False))))
    return rows @ whitener.T @ np.linalg.cholesky(covariance).T + mean


def test_windows_are_the_runs_of_consecutive_rows() -> None:
    features = np.arange(14.0).reshape(7, 2)
    np.testing.assert_array_equal(windows(features, 3, 2), [np.arange(0, 6), np.arange(4, 10), np.arange(8, 14)])
    assert windows(features, 3, 1).shape == (5, 6)
    assert windows(features, 7, 4).shape == (1, 14)
    assert windows(features, 8, 1).shape == (0, 16)


def test_no_window_spans_two_motions() -> None:
    rows = all_windows([np.zeros((16, 3)), np.ones((4, 3)), np.ones((10, 3))])
    assert rows.shape == (2 + 0 + 1, 30)
    assert (rows == rows[:, :1]).all()
    assert len(all_windows([])) == 0


def test_frechet_of_one_dimension_by_hand() -> None:
    """(0 - 3)^2 + (2 - 0.5)^2 for standard deviations of 2 and 0.5."""
    a, b = exact(np.array([0.0]), np.array([[4.0]])), exact(np.array([3.0]), np.array([[0.25]]), 300, 1)
    assert frechet(a, b) == pytest.approx(9.0 + 2.25)


def test_frechet_of_diagonal_covariances_by_hand() -> None:
    a = exact(np.array([1.0, 0.0, 0.0]), np.diag([1.0, 4.0, 9.0]))
    b = exact(np.array([0.0, 0.0, 2.0]), np.diag([9.0, 4.0, 1.0]), 500, 1)
    assert frechet(a, b) == pytest.approx((1.0 + 4.0 + (1 - 3) ** 2 + 0.0 + (3 - 1) ** 2) / 3)


def test_frechet_of_covariances_that_do_not_commute() -> None:
    """In two dimensions Tr (AB)^1/2 = (Tr AB + 2 (det AB)^1/2)^1/2, by Cayley and Hamilton."""
    a, b = np.array([[2.0, 1.0], [1.0, 3.0]]), np.array([[1.0, -0.6], [-0.6, 0.8]])
    root = np.sqrt(np.trace(a @ b) + 2.0 * np.sqrt(np.linalg.det(a) * np.linalg.det(b)))
    expected = (np.trace(a) + np.trace(b) - 2.0 * root) / 2.0
    assert not np.allclose(a @ b, b @ a)
    assert frechet(exact(np.zeros(2), a), exact(np.zeros(2), b, 200, 1)) == pytest.approx(expected)


def test_frechet_of_a_set_with_itself_is_zero_also_when_a_feature_never_moves() -> None:
    rows = np.random.default_rng(0).normal(size=(40, 60))  # fewer rows than dimensions
    rows[:, 7] = 5.0
    assert frechet(rows, rows) == pytest.approx(0.0, abs=1e-9)


def test_frechet_is_symmetric_and_feels_no_shift_or_rotation_of_both() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(200, 5)) @ rng.normal(size=(5, 5)), rng.normal(size=(150, 5)) + 0.3
    turn, _ = np.linalg.qr(rng.normal(size=(5, 5)))
    distance = frechet(a, b)
    assert distance > 0.1
    assert frechet(b, a) == pytest.approx(distance)
    assert frechet((a + 100.0) @ turn, (b + 100.0) @ turn) == pytest.approx(distance, rel=1e-6)


def brute_force(x: np.ndarray, y: np.ndarray) -> float:
    """Equation 3 of Gretton et al. by loops over pairs."""
    distances = [np.linalg.norm(y[i] - y[j]) for i in range(len(y)) for j in range(i)]
    width = float(np.median(distances))

    def k(p: np.ndarray, q: np.ndarray) -> float:
        return float(np.exp(-np.sum((p - q) ** 2) / (2.0 * width**2)))

    n, m = len(x), len(y)
    xx = sum(k(x[i], x[j]) for i in range(n) for j in range(n) if i != j) / (n * (n - 1))
    yy = sum(k(y[i], y[j]) for i in range(m) for j in range(m) if i != j) / (m * (m - 1))
    return xx + yy - 2.0 * sum(k(p, q) for p in x for q in y) / (n * m)


def test_kernel_distance_is_that_of_the_double_loop() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(12, 3)) + 0.5, 2.0 * rng.normal(size=(17, 3))
    assert kernel(x, y)[0] == pytest.approx(brute_force(x, y), rel=1e-9)
    assert kernel(x, y)[0] != pytest.approx(kernel(y, x)[0], rel=1e-3), "the bandwidth is the reference's"


def test_kernel_distance_feels_no_shift_and_no_scale_of_both() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(50, 4)), rng.normal(size=(60, 4)) + 0.2
    assert kernel(30.0 * x + 1000.0, 30.0 * y + 1000.0) == pytest.approx(kernel(x, y), rel=1e-6)


@pytest.mark.parametrize("change", ["mean", "spread", "correlation"])
def test_p_value_is_small_for_different_sets(change: str) -> None:
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=(300, 6)), rng.normal(size=(300, 6))
    if change == "mean":
        x += 0.5
    elif change == "spread":
        x *= 1.6
    else:
        x[:, 1:] = x[:, :1] + 0.1 * x[:, 1:]
    distance, p = kernel(x, y)
    assert distance > 0.0
    assert p == pytest.approx(1 / 201)


def test_p_value_of_sets_that_are_alike_is_uniform() -> None:
    values = []
    for seed in range(40):
        rows = np.random.default_rng(seed).normal(size=(120, 4))
        values.append(kernel(rows[:50], rows[50:], permutations=60)[1])
    assert 0.3 < np.mean(values) < 0.7
    assert np.mean(np.array(values) < 0.1) < 0.25


def test_unbiased_distance_of_sets_that_are_alike_is_zero_on_average() -> None:
    rng = np.random.default_rng(0)
    found = [kernel(rng.normal(size=(30, 3)), rng.normal(size=(30, 3)), permutations=1)[0] for _ in range(200)]
    assert min(found) < 0.0
    assert abs(np.mean(found)) < 3.0 * np.std(found) / np.sqrt(200)


def test_large_sets_are_sampled_the_same_way_every_time_in_little_time() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(20000, 290)).astype(np.float32), rng.normal(size=(6000, 290)).astype(np.float32)
    began = time.process_time()
    first = kernel(x, y)
    assert time.process_time() - began < 5.0
    assert kernel(x, y) == first
    assert kernel(x, y, seed=1) != first


def test_what_does_not_exist_is_nan() -> None:
    rows, none = np.ones((5, 3)), np.ones((0, 3))
    assert np.isnan(frechet(none, rows))
    assert np.isnan(kernel(rows, none)).all()
