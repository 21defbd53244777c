"""Losses, penalties, rewards and accuracy: by hand, against NumPy in float64, and against finite differences."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from typing import get_args, get_type_hints

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from conftest import slow
from jax.test_util import check_grads

from playground_amp.config import AMPConfig
from playground_amp.discriminator import losses, rewards
from playground_amp.discriminator.attribution import integrated_gradients, shares
from playground_amp.discriminator.losses import LOSSES
from playground_amp.discriminator.network import InputShape, make_discriminator
from playground_amp.discriminator.penalties import (
    gradient_penalty,
    interpolate,
    squared_gradient,
    squared_output_weights,
    squared_weights,
)
from playground_amp.discriminator.rewards import REWARDS, Scores, count_scores, no_scores

WIDTH = 4
ZERO_ONE, PLUS_MINUS = (0.0, 1.0, 1.0), (-1.0, 1.0, 1.0)
NO_SCORES = no_scores(0.5)

Score = Callable[[jax.Array], jax.Array]


def inputs(seed: int, count: int = 5) -> jax.Array:
    return jnp.asarray(np.random.default_rng(seed).normal(size=(count, WIDTH)), jnp.result_type(float))


def network(**settings: object) -> tuple[nn.Module, dict, dict]:
    """A small discriminator, random parameters and settled statistics, in the widest type enabled."""
    config = AMPConfig(hidden=(8, 6), **settings)
    model, rng = make_discriminator(config, InputShape(2, 2, 0, ((0,), (0, 1))), 0.5), np.random.default_rng(0)
    variables = model.init(jax.random.key(0), jnp.zeros((1, WIDTH)))
    wide = jnp.result_type(float)
    params = jax.tree.map(lambda x: jnp.asarray(0.5 * rng.normal(size=x.shape), wide), {"params": variables["params"]})
    statistics = {name: value for name, value in variables.items() if name != "params"}
    statistics = jax.tree.map(lambda x: jnp.asarray(x, wide), statistics)

    def iteration(_: int, statistics: dict) -> dict:
        """Of spectral norm: the stored vector must be the singular one for its gradient to be exact."""
        return model.apply(params | statistics, inputs(0), train=True, mutable=list(statistics))[1]

    return model, params, jax.lax.fori_loop(0, 3000, iteration, statistics) if statistics else {}


# --- losses


def sigmoid64(x: np.ndarray) -> np.ndarray:
    return 1.0 / (1.0 + np.exp(-x))


def lsgan64(real: np.ndarray, fake: np.ndarray, targets: tuple, smoothing: float) -> float:
    a, b, _ = targets
    goal = (1.0 - smoothing) * b + smoothing * a
    return np.mean((real - goal) ** 2) / 2.0 + np.mean((fake - a) ** 2) / 2.0


def vanilla64(real: np.ndarray, fake: np.ndarray, targets: tuple, smoothing: float) -> float:
    p, q = sigmoid64(real), sigmoid64(fake)
    return -np.mean((1.0 - smoothing) * np.log(p) + smoothing * np.log(1.0 - p)) - np.mean(np.log(1.0 - q))


def hinge64(real: np.ndarray, fake: np.ndarray, targets: tuple, smoothing: float) -> float:
    return np.mean(np.where(real < 1.0, 1.0 - real, 0.0)) + np.mean(np.where(fake > -1.0, 1.0 + fake, 0.0))


def wasserstein64(real: np.ndarray, fake: np.ndarray, targets: tuple, smoothing: float) -> float:
    return np.sum(fake) / len(fake) - np.sum(real) / len(real)


IN_NUMPY = {"lsgan": lsgan64, "vanilla": vanilla64, "hinge": hinge64, "wasserstein": wasserstein64}


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("targets", [ZERO_ONE, PLUS_MINUS, (-0.5, 2.0, 0.7)])
@pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.6])
def test_losses_are_those_of_numpy_in_float64(name: str, targets: tuple, smoothing: float) -> None:
    rng = np.random.default_rng(0)
    for spread in (0.3, 1.0, 4.0):
        real, fake = rng.normal(0.4, spread, 257), rng.normal(-0.2, spread, 129)
        found = LOSSES[name](jnp.float32(real), jnp.float32(fake), targets, smoothing)
        expected = IN_NUMPY[name](real, fake, targets, smoothing)
        assert float(found) == pytest.approx(expected, rel=1e-6, abs=1e-6)


LIMITS = {  # scores of reference and policy, and the loss
    "lsgan": [([1.0, 1.0], [0.0, 0.0], 0.0), ([0.5], [0.5], 0.25), ([0.0], [1.0], 1.0)],
    "vanilla": [([40.0], [-40.0], 0.0), ([0.0], [0.0], 2.0 * np.log(2.0)), ([-40.0], [40.0], 80.0)],
    "hinge": [([1.0, 9.0], [-1.0, -5.0], 0.0), ([0.0], [0.0], 2.0), ([-1.0], [1.0], 4.0)],
    "wasserstein": [([3.0], [-3.0], -6.0), ([7.0], [7.0], 0.0), ([-3.0], [3.0], 6.0)],
}


@pytest.mark.parametrize("name", LOSSES)
def test_a_perfect_a_flat_and_an_inverted_discriminator_lose_what_they_should(name: str) -> None:
    for real, fake, expected in LIMITS[name]:
        found = float(LOSSES[name](jnp.array(real), jnp.array(fake), ZERO_ONE, 0.0))
        assert found == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize(
    ("real", "fake", "expected"),
    [
        ([1.0, 1.0], [0.0, 0.0], 0.0),  # perfect
        ([0.5], [0.5], 0.25),  # flat
        ([0.0], [1.0], 1.0),  # inverted
        ([0.0, 2.0], [2.0], 0.5 * (1.0 + 4.0)),
        ([1.0], [1.0, 0.0, 0.0, 0.0], 0.125),
    ],
)
def test_lsgan_has_targets_one_and_zero(real: list, fake: list, expected: float) -> None:
    """Those of the default settings."""
    targets = AMPConfig().targets
    assert float(losses.lsgan(jnp.array(real), jnp.array(fake), targets, 0.0)) == pytest.approx(expected)


@pytest.mark.parametrize("name", LOSSES)
def test_every_loss_pulls_real_up_and_fake_down(name: str) -> None:
    middle = jnp.array([losses.midpoint(name, ZERO_ONE)])
    real, fake = jax.grad(LOSSES[name], argnums=(0, 1))(middle, middle, ZERO_ONE, 0.0)
    assert real < 0.0 < fake


@pytest.mark.parametrize("name", LOSSES)
def test_reference_and_policy_count_the_same_however_many_samples_each_has(name: str) -> None:
    real, fake = jnp.array([0.2, 0.9]), jnp.array([0.3])
    one = LOSSES[name](real, fake, ZERO_ONE, 0.1)
    assert float(LOSSES[name](real, jnp.tile(fake, 7), ZERO_ONE, 0.1)) == pytest.approx(float(one), rel=1e-6)
    assert float(LOSSES[name](jnp.tile(real, 7), fake, ZERO_ONE, 0.1)) == pytest.approx(float(one), rel=1e-6)


def descend(loss: Callable[[jax.Array], jax.Array], start: float) -> float:
    """Where gradient descent ends."""
    step = jax.grad(loss)
    return float(jax.lax.fori_loop(0, 500, lambda _, x: x - step(x), jnp.float32(start)))


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.3])
@pytest.mark.parametrize("targets", [ZERO_ONE, PLUS_MINUS])
def test_smoothing_moves_the_score_that_is_best_for_the_reference(smoothing: float, targets: tuple) -> None:
    a, b, _ = targets
    fake = jnp.array([0.3])
    best = descend(lambda real: losses.lsgan(real[None], fake, targets, smoothing), -2.0)
    assert best == pytest.approx(b - smoothing * (b - a), abs=1e-5)
    if smoothing:  # without, the best logit is infinite
        best = descend(lambda real: losses.vanilla(real[None], fake, targets, smoothing), -2.0)
        assert sigmoid64(best) == pytest.approx(1.0 - smoothing, abs=1e-5)


@pytest.mark.parametrize("name", ["lsgan", "vanilla"])
def test_smoothing_is_one_sided(name: str) -> None:
    scores, slope = jnp.array([0.3, -1.0]), jax.grad(LOSSES[name], argnums=(0, 1))
    plain, smooth = slope(scores, scores, ZERO_ONE, 0.0), slope(scores, scores, ZERO_ONE, 0.2)
    np.testing.assert_array_equal(plain[1], smooth[1])
    assert (np.abs(plain[0] - smooth[0]) > 0.05).all()


def test_a_hinge_leaves_alone_what_is_beyond_its_margin() -> None:
    real, fake = jax.grad(losses.hinge, argnums=(0, 1))(jnp.array([1.1, 0.9]), jnp.array([-1.1, -0.9]), ZERO_ONE, 0.0)
    np.testing.assert_allclose(real, [0.0, -0.5])
    np.testing.assert_allclose(fake, [0.0, 0.5])


@pytest.mark.parametrize("name", LOSSES)
def test_no_loss_overflows_or_forgets_to_pull_at_scores_far_off(name: str) -> None:
    real, fake = jnp.array([-1e4]), jnp.array([1e4])
    value, slopes = jax.value_and_grad(LOSSES[name], argnums=(0, 1))(real, fake, ZERO_ONE, 0.0)
    assert np.isfinite(value)
    assert slopes[0] < -0.1 and slopes[1] > 0.1


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("name", LOSSES)
def test_parameter_gradient_of_the_loss_matches_finite_differences(name: str) -> None:
    (model, params, _), real, fake = network(), inputs(3), inputs(4)

    @jax.jit
    def loss(params: dict) -> jax.Array:
        return LOSSES[name](model.apply(params, real), model.apply(params, fake), ZERO_ONE, 0.1)

    check_grads(loss, (params,), order=1, modes=["rev"], rtol=1e-5)


@pytest.mark.parametrize(
    ("name", "expected"), [("lsgan", 0.25), ("vanilla", 0.0), ("hinge", 0.0), ("wasserstein", 0.0)]
)
def test_midpoint_lies_between_the_scores_that_are_aimed_at(name: str, expected: float) -> None:
    assert losses.midpoint(name, (-0.5, 1.0, 3.0)) == expected


@pytest.mark.parametrize(
    ("real", "fake", "expected"),
    [
        ([0.9, 0.8], [0.1, 0.2], 1.0),  # perfect
        ([0.5, 0.5], [0.5, 0.5], 0.0),  # flat: knows nothing, and must not read as balanced
        ([0.7, 0.7], [0.7, 0.7], 0.5),  # flat above the midpoint: right about half
        ([0.1], [0.9], 0.0),  # inverted
        ([0.9, 0.1], [0.1, 0.1], 0.75),
        ([0.9], [0.1, 0.9, 0.9, 0.9], 0.625),  # each half counts the same, however many samples it has
    ],
)
@pytest.mark.parametrize("shift", [0.0, -3.0])
def test_accuracy(real: list, fake: list, expected: float, shift: float) -> None:
    found = losses.accuracy(jnp.array(real) + shift, jnp.array(fake) + shift, 0.5 + shift)
    assert float(found) == pytest.approx(expected)


def test_auc_is_the_share_of_pairs_in_the_right_order_with_ties_counted_half() -> None:
    random = np.random.default_rng(0)
    real, fake = random.integers(2, 8, 37).astype(np.float32), random.integers(0, 6, 91).astype(np.float32)
    pairs = (real[:, None] > fake).mean() + 0.5 * (real[:, None] == fake).mean()
    assert float(losses.auc(jnp.array(real), jnp.array(fake))) == pytest.approx(pairs, abs=1e-6)
    assert float(losses.auc(100.0 * jnp.array(real) + 7.0, 100.0 * jnp.array(fake) + 7.0)) == pytest.approx(pairs)


@pytest.mark.parametrize(("real", "expected"), [([2.0, 3.0], 1.0), ([-2.0, -3.0], 0.0), ([1.0, 1.0], 0.5)])
def test_auc_of_scores_told_apart_and_of_equal_ones(real: list[float], expected: float) -> None:
    assert float(losses.auc(jnp.array(real), jnp.ones(5))) == expected


# --- attribution


def test_parts_of_a_difference_are_slope_times_way_and_sum_to_the_difference() -> None:
    real, fake, slope = inputs(0), inputs(1), jnp.array([1.0, -2.0, 0.0, 3.0])
    parts = integrated_gradients(lambda x: x @ slope, real, fake)
    np.testing.assert_allclose(parts, slope * (real - fake).mean(axis=0), rtol=1e-4, atol=1e-6)
    square = lambda x: jnp.sum(x**2, axis=-1)  # noqa: E731
    parts = integrated_gradients(square, real, fake)
    np.testing.assert_allclose(parts, (real**2 - fake**2).mean(axis=0), rtol=1e-4, atol=1e-5)
    assert float(parts.sum()) == pytest.approx(float((square(real) - square(fake)).mean()), rel=1e-4)


def test_shares_of_groups_sum_to_one_and_leave_out_what_speaks_against() -> None:
    found = shares(jnp.array([1.0, 2.0, -5.0, 0.5, 0.5]), np.array([0, 0, 1, 2, 0]), 4)
    np.testing.assert_allclose(found, [0.875, 0.0, 0.125, 0.0], atol=1e-6)
    np.testing.assert_array_equal(shares(jnp.zeros(3), np.array([0, 1, 1]), 2), [0.0, 0.0])


# --- penalties


@pytest.mark.parametrize(("scale", "expected"), [(0.0, 0.0), (1.0, 30.0), (2.0, 120.0)])
def test_squared_gradient_of_a_linear_score_is_its_squared_slope(scale: float, expected: float) -> None:
    slope = scale * jnp.array([1.0, 2.0, 3.0, 4.0])
    assert float(squared_gradient(lambda x: x @ slope, inputs(0))) == pytest.approx(expected, rel=1e-5)


def test_squared_gradient_is_the_mean_over_samples_not_the_sum() -> None:
    x = jnp.array([[1.0, 0.0], [3.0, 0.0]])
    found = squared_gradient(lambda x: 0.5 * jnp.sum(x**2, axis=-1), x)
    assert float(found) == pytest.approx((1.0 + 9.0) / 2.0)


@pytest.mark.parametrize("target", [0.0, 0.5, 1.0, 5.0, 8.0])
def test_gradient_penalty_is_the_squared_distance_of_the_slope_from_its_target(target: float) -> None:
    """Slope (3, 4, 0, 0), of norm 5: nothing is to pay where that is asked for."""
    slope = jnp.array([3.0, 4.0, 0.0, 0.0])
    found = gradient_penalty(lambda x: x @ slope, inputs(0), target)
    assert float(found) == pytest.approx((5.0 - target) ** 2, abs=1e-9)


def test_gradient_penalty_is_the_mean_of_squares_not_the_square_of_the_mean() -> None:
    """Slopes of 1 and 3 at the two samples: ((1 - 2)^2 + (3 - 2)^2) / 2, not 0."""
    x = jnp.array([[1.0, 0.0], [0.0, 3.0]])
    found = gradient_penalty(lambda x: 0.5 * jnp.sum(x**2, axis=-1), x, 2.0)
    assert float(found) == pytest.approx(1.0, rel=1e-6)


def test_gradient_penalty_of_a_flat_score_has_finite_gradients() -> None:
    """The norm has none at 0; a discriminator that starts flat must not become NaN."""
    value, slope = jax.value_and_grad(lambda w: gradient_penalty(lambda x: x @ w, inputs(0), 1.0))(jnp.zeros(WIDTH))
    assert float(value) == pytest.approx(1.0, abs=1e-5)
    assert np.isfinite(slope).all()


def test_samples_between_lie_on_the_segment_at_one_share_for_each_row() -> None:
    real, fake = inputs(1, 300), inputs(2, 300)
    between = interpolate(jax.random.key(0), real, fake)
    shares = np.asarray((between - fake) / (real - fake))
    np.testing.assert_allclose(shares, np.median(shares, axis=1, keepdims=True) * np.ones(WIDTH), atol=1e-3)
    share = np.median(shares, axis=1)
    assert (share >= -1e-5).all() and (share <= 1.0 + 1e-5).all()
    assert share.min() < 0.05 and share.max() > 0.95 and abs(share.mean() - 0.5) < 0.06
    assert len(np.unique(np.round(share, 4))) > 280


@pytest.mark.usefixtures("float64")
def test_r1_matches_finite_differences_of_the_score() -> None:
    (model, params, _), x, step = network(), inputs(1), 1e-6
    f = jax.jit(lambda x: model.apply(params, x))
    columns = [(f(x + step * e) - f(x - step * e)) / (2 * step) for e in np.eye(WIDTH)]
    squares = np.sum(np.square(columns), axis=0)
    np.testing.assert_allclose(jax.jit(lambda x: squared_gradient(f, x))(x), squares.mean(), rtol=1e-6)
    penalty = jax.jit(lambda x: gradient_penalty(f, x, 0.7))(x)
    np.testing.assert_allclose(penalty, np.mean((np.sqrt(squares) - 0.7) ** 2), rtol=1e-6)


PENALTIES: dict[str, Callable[[Score, jax.Array, jax.Array], jax.Array]] = {
    "r1": lambda f, real, fake: squared_gradient(f, real),
    "r2": lambda f, real, fake: squared_gradient(f, fake),
    "gp": lambda f, real, fake: gradient_penalty(f, interpolate(jax.random.key(7), real, fake), 1.0),
}


TRUNKS = ["mlp", "convolution", "patches"]
NORMALIZATIONS = ["layer", "none", "spectral"]
PAIRS = list(zip(TRUNKS, NORMALIZATIONS, strict=True))  # each once; the other pairs are slow


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize(
    ("trunk", "normalization"),
    [*PAIRS, *slow(*(pair for pair in product(TRUNKS, NORMALIZATIONS) if pair not in PAIRS))],
)
def test_parameter_gradient_of_the_penalties_matches_finite_differences(trunk: str, normalization: str) -> None:
    (model, params, statistics), real, fake = network(trunk=trunk, normalization=normalization), inputs(2), inputs(3)

    @jax.jit
    def penalty(params: dict) -> jax.Array:
        def score(x: jax.Array) -> jax.Array:
            return model.apply(params | statistics, x)

        return jnp.stack([each(score, real, fake) for each in PENALTIES.values()])

    check_grads(penalty, (params,), order=1, modes=["rev"], rtol=2e-5, atol=1e-6)
    assert (np.asarray(penalty(params)) > 1e-4).all()


@pytest.mark.parametrize("normalization", ["none", "layer", "spectral"])
@pytest.mark.parametrize("trunk", ["mlp", "convolution", "patches"])
def test_only_weights_are_decayed(trunk: str, normalization: str) -> None:
    """Biases and the scales of layer norm are free; the logit's decay knows the last layer alone."""
    _, params, _ = network(trunk=trunk, normalization=normalization)
    named = [(jax.tree_util.keystr(path), np.asarray(leaf)) for path, leaf in jax.tree.leaves_with_path(params)]
    assert any("scale" in key for key, _ in named) == (normalization == "layer")
    kernels = [leaf for key, leaf in named if key.endswith("['kernel']")]
    heads = 2 if trunk == "patches" else 1
    assert len(kernels) == 3 * heads
    outputs = [kernel for kernel in kernels if kernel.shape == (6, 1)]
    assert len(outputs) == heads
    assert float(squared_weights(params)) == pytest.approx(sum((kernel**2).sum() for kernel in kernels), rel=1e-5)
    expected = sum((kernel**2).sum() for kernel in outputs)
    assert float(squared_output_weights(params)) == pytest.approx(expected, rel=1e-5)
    gradient = jax.grad(squared_weights)(params)
    for path, leaf in jax.tree.leaves_with_path(gradient):
        assert np.asarray(leaf).any() == jax.tree_util.keystr(path).endswith("['kernel']")


# --- rewards


def of_numpy(name: str, score: np.ndarray, c: float, mean: float, variance: float) -> np.ndarray:
    p = sigmoid64(score)
    return {
        "clipped_linear": np.minimum(np.maximum(score, 0.0), 1.0),
        "quadratic": np.maximum(0.0, 1.0 - (score - c) ** 2 / 4.0),
        "sigmoid": p,
        "gail": np.minimum(-np.log(1.0 - p), np.log(1e4)),
        "softplus": np.log(1.0 + np.exp(score)),
        "linear": 0.5 + (score - mean) / (2.0 * np.sqrt(variance)),
    }[name]


@pytest.mark.parametrize("name", REWARDS)
@pytest.mark.parametrize("targets", [ZERO_ONE, (-1.0, 1.0, 0.8)])
def test_rewards_are_those_of_numpy_in_float64(name: str, targets: tuple) -> None:
    score = np.random.default_rng(1).normal(0.2, 3.0, 500)
    scores = Scores(mean=jnp.float32(-0.7), variance=jnp.float32(2.3), count=jnp.float32(9.0))
    found = REWARDS[name](jnp.float32(score), targets, scores)
    np.testing.assert_allclose(found, of_numpy(name, score, targets[2], -0.7, 2.3), rtol=1e-5, atol=1e-6)


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("name", REWARDS)
def test_rewards_are_exact_in_float64(name: str) -> None:
    score = np.random.default_rng(2).normal(0.0, 4.0, 500)
    scores = Scores(mean=jnp.asarray(0.4), variance=jnp.asarray(1.7), count=jnp.asarray(1.0))
    found = REWARDS[name](jnp.asarray(score), PLUS_MINUS, scores)
    np.testing.assert_allclose(found, of_numpy(name, score, 1.0, 0.4, 1.7), rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize(
    ("scores", "reward"), [(-3.0, 0.0), (0.0, 0.0), (0.25, 0.25), (0.5, 0.5), (1.0, 1.0), (7.0, 1.0)]
)
def test_style_reward_is_the_score_clipped(scores: float, reward: float) -> None:
    """That of the default settings."""
    assert float(REWARDS[AMPConfig().reward](jnp.float32(scores), ZERO_ONE, NO_SCORES)) == reward


@pytest.mark.parametrize(
    ("score", "reward"), [(1.0, 1.0), (0.0, 0.75), (-1.0, 0.0), (3.0, 0.0), (-2.0, 0.0), (2.0, 0.75)]
)
def test_the_quadratic_reward_is_that_of_peng(score: float, reward: float) -> None:
    assert float(rewards.quadratic(jnp.float32(score), PLUS_MINUS, NO_SCORES)) == pytest.approx(reward)


def test_a_certain_fake_is_worth_three_quarters_to_the_quadratic_reward_under_targets_zero_and_one() -> None:
    """Which is why the pair is refused: see test_compatibility."""
    assert float(rewards.quadratic(jnp.float32(0.0), ZERO_ONE, NO_SCORES)) == pytest.approx(0.75)


def test_gails_reward_is_softplus_up_to_its_bound() -> None:
    bound = np.log(1e4)
    score = jnp.linspace(-30.0, 30.0, 601)
    gail, plain = (np.asarray(REWARDS[name](score, ZERO_ONE, NO_SCORES)) for name in ("gail", "softplus"))
    below = plain < bound - 0.01
    assert 300 < below.sum() < 500
    np.testing.assert_allclose(gail[below], plain[below], rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(gail[plain > bound + 0.01], bound, rtol=1e-5)
    assert np.isfinite(rewards.gail(jnp.float32(1e4), ZERO_ONE, NO_SCORES))


@pytest.mark.parametrize("name", REWARDS)
def test_what_scores_higher_earns_no_less(name: str) -> None:
    """The quadratic reward up to the score that is rewarded in full, which nothing is trained to pass."""
    score = jnp.linspace(-12.0, 1.0 if name == "quadratic" else 12.0, 400)
    reward = np.asarray(REWARDS[name](score, PLUS_MINUS, NO_SCORES))
    assert (np.diff(reward) >= 0.0).all()
    assert reward[-1] - reward[0] > 0.9


def mixture(real: np.ndarray, fake: np.ndarray) -> tuple[float, float]:
    """Mean and variance of all scores, reference and policy counting the same."""
    both = np.concatenate([np.tile(real, len(fake)), np.tile(fake, len(real))])
    return both.mean(), both.var()


def counted(scores: Scores, real: np.ndarray, fake: np.ndarray) -> Scores:
    moments = ((jnp.float32(group.mean()), jnp.float32(group.std())) for group in (real, fake))
    return count_scores(scores, *moments)


def test_running_scores_are_those_of_the_mixture() -> None:
    real, fake = np.array([3.0, 4.0, 8.0]), np.array([-1.0, 0.5])
    scores = counted(no_scores(0.5), real, fake)
    assert (float(scores.mean), float(scores.variance)) == pytest.approx(mixture(real, fake), rel=1e-5)
    assert float(scores.count) == 1.0


def test_running_scores_weigh_the_first_alike_and_then_forget() -> None:
    rng = np.random.default_rng(0)
    groups = [(rng.normal(i, 1.0, 30), rng.normal(-i, 2.0, 40)) for i in range(25)]
    moments = np.array([mixture(*group) for group in groups])
    scores = no_scores(0.0)
    for group in groups[:20]:
        scores = counted(scores, *group)
    expected = moments[:20].mean(axis=0)
    assert (float(scores.mean), float(scores.variance)) == pytest.approx(tuple(expected), rel=1e-4, abs=1e-4)
    for group, newest in zip(groups[20:], moments[20:], strict=True):
        scores, expected = counted(scores, *group), 0.95 * expected + 0.05 * newest
    assert (float(scores.mean), float(scores.variance)) == pytest.approx(tuple(expected), rel=1e-4, abs=1e-4)


@pytest.mark.parametrize("level", [0.0, -40.0])
@pytest.mark.parametrize("scale", [0.01, 1.0, 300.0])
def test_the_linear_reward_gives_one_and_zero_to_two_groups_told_apart(level: float, scale: float) -> None:
    real, fake = np.full(4, level + scale), np.full(4, level - scale)
    scores = counted(no_scores(0.5), real, fake)
    for group, expected in ((real, 1.0), (fake, 0.0)):
        reward = rewards.linear(jnp.float32(group), ZERO_ONE, scores)
        np.testing.assert_allclose(reward, expected, atol=1e-3)


def test_the_linear_reward_is_finite_when_all_scores_are_alike() -> None:
    scores = counted(no_scores(0.0), np.full(3, 2.0), np.full(3, 2.0))
    assert float(rewards.linear(jnp.float32(2.0), ZERO_ONE, scores)) == pytest.approx(0.5)
    assert np.isfinite(rewards.linear(jnp.float32(2.1), ZERO_ONE, scores))


# --- all of them


@pytest.mark.parametrize(("field", "table"), [("loss", LOSSES), ("reward", REWARDS)])
def test_every_name_of_the_configuration_has_its_function(field: str, table: dict) -> None:
    assert set(get_args(get_type_hints(AMPConfig)[field])) == set(table)


@pytest.mark.parametrize("name", LOSSES)
def test_training_separates_two_clouds(name: str) -> None:
    """The least a discriminator has to do: a few hundred steps tell two Gaussian clouds apart."""
    (model, params, _), real, fake = network(), inputs(6, 256) + 1.5, inputs(7, 256) - 1.5
    adam = optax.adam(1e-2)

    def step(carry: tuple, _: None) -> tuple[tuple, None]:
        def loss(params: dict) -> jax.Array:
            def score(x: jax.Array) -> jax.Array:
                return model.apply(params, x)

            penalty = squared_gradient(score, jnp.concatenate([real, fake]))
            return LOSSES[name](score(real), score(fake), ZERO_ONE, 0.0) + 0.05 * penalty

        params, state = carry
        updates, state = adam.update(jax.grad(loss)(params), state)
        return (optax.apply_updates(params, updates), state), None

    (params, _), _ = jax.lax.scan(step, (params, adam.init(params)), None, 300)
    scores = model.apply(params, real), model.apply(params, fake)
    middle = 0.5 * (scores[0].mean() + scores[1].mean()) if name == "wasserstein" else losses.midpoint(name, ZERO_ONE)
    assert float(losses.accuracy(*scores, middle)) > 0.95
