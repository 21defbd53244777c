"""The discriminator's loss, penalty, reward and accuracy, by hand and against finite differences in float64."""

from __future__ import annotations

from collections.abc import Iterator
from typing import get_args, get_type_hints

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_grads

from playground_amp import discriminator as disc
from playground_amp.config import AMPConfig

WIDTH = 4


@pytest.fixture
def float64() -> Iterator[None]:
    with jax.enable_x64(True):
        yield


def network() -> tuple[disc.MLP, dict]:
    """A small discriminator and random parameters, in the widest type enabled."""
    model, rng = disc.make_discriminator((8, 6)), np.random.default_rng(0)
    shapes = jax.eval_shape(model.init, jax.random.key(0), jnp.zeros((1, WIDTH)))
    return model, jax.tree.map(lambda x: jnp.asarray(0.5 * rng.normal(size=x.shape), jnp.result_type(float)), shapes)


def inputs(seed: int, count: int = 5) -> jax.Array:
    return jnp.asarray(np.random.default_rng(seed).normal(size=(count, WIDTH)), jnp.result_type(float))


def score(model: disc.MLP, params: dict, x: jax.Array) -> jax.Array:
    return model.apply(params, x)[..., 0]


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
    assert float(disc.lsgan(jnp.array(real), jnp.array(fake))) == pytest.approx(expected)


def test_lsgan_pulls_real_up_and_fake_down() -> None:
    real, fake = jax.grad(disc.lsgan, argnums=(0, 1))(jnp.array([0.5]), jnp.array([0.5]))
    assert real < 0.0 < fake


@pytest.mark.parametrize(("scale", "expected"), [(0.0, 0.0), (1.0, 30.0), (2.0, 120.0)])
def test_r1_of_a_linear_score_is_its_squared_slope(scale: float, expected: float) -> None:
    slope = scale * jnp.array([1.0, 2.0, 3.0, 4.0])
    assert float(disc.r1(lambda x: x @ slope, inputs(0))) == pytest.approx(expected, rel=1e-5)


def test_r1_is_the_mean_over_samples_not_the_sum() -> None:
    x = jnp.array([[1.0, 0.0], [3.0, 0.0]])
    assert float(disc.r1(lambda x: 0.5 * jnp.sum(x**2, axis=-1), x)) == pytest.approx((1.0 + 9.0) / 2.0)


@pytest.mark.usefixtures("float64")
def test_r1_matches_finite_differences_of_the_score() -> None:
    (model, params), x, step = network(), inputs(1), 1e-6
    f = jax.jit(lambda x: score(model, params, x))
    columns = [(f(x + step * e) - f(x - step * e)) / (2 * step) for e in np.eye(WIDTH)]
    expected = np.mean(np.sum(np.square(columns), axis=0))
    np.testing.assert_allclose(jax.jit(lambda x: disc.r1(f, x))(x), expected, rtol=1e-6)


@pytest.mark.usefixtures("float64")
def test_parameter_gradient_of_r1_matches_finite_differences() -> None:
    (model, params), x = network(), inputs(2)
    penalty = jax.jit(lambda p: disc.r1(lambda x: score(model, p, x), x))
    check_grads(penalty, (params,), order=1, modes=["rev"], rtol=1e-5)


@pytest.mark.usefixtures("float64")
def test_parameter_gradient_of_the_loss_matches_finite_differences() -> None:
    (model, params), real, fake = network(), inputs(3), inputs(4)

    @jax.jit
    def loss(params: dict) -> jax.Array:
        return disc.lsgan(score(model, params, real), score(model, params, fake))

    check_grads(loss, (params,), order=1, modes=["rev"], rtol=1e-5)


@pytest.mark.parametrize(
    ("scores", "reward"), [(-3.0, 0.0), (0.0, 0.0), (0.25, 0.25), (0.5, 0.5), (1.0, 1.0), (7.0, 1.0)]
)
def test_style_reward_is_the_score_clipped(scores: float, reward: float) -> None:
    assert float(disc.clipped_linear(jnp.float32(scores))) == reward


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
def test_accuracy(real: list, fake: list, expected: float) -> None:
    assert float(disc.accuracy(jnp.array(real), jnp.array(fake))) == pytest.approx(expected)


def test_first_scores_lie_at_the_midpoint() -> None:
    model = disc.make_discriminator((16, 8))
    params = jax.jit(model.init)(jax.random.key(0), jnp.zeros((1, WIDTH)))
    scores = score(model, params, inputs(5, 200))
    assert abs(float(scores.mean()) - disc.MIDPOINT) < 0.1
    assert float(jnp.abs(scores - disc.MIDPOINT).max()) < 0.5
    assert float(scores.std()) > 1e-3


@pytest.mark.parametrize("table", [disc.LOSSES, disc.REWARDS])
def test_every_name_of_the_configuration_has_its_function(table: dict) -> None:
    field = "loss" if table is disc.LOSSES else "reward"
    assert set(get_args(get_type_hints(AMPConfig)[field])) == set(table)


def test_training_separates_two_clouds() -> None:
    """The least a discriminator has to do: a few hundred steps tell two Gaussian clouds apart."""
    (model, params), real, fake = network(), inputs(6, 256) + 1.5, inputs(7, 256) - 1.5

    def step(params: dict, _: None) -> tuple[dict, None]:
        def loss(p: dict) -> jax.Array:
            penalty = disc.r1(lambda x: score(model, p, x), real)
            return disc.lsgan(score(model, p, real), score(model, p, fake)) + 0.05 * penalty

        return jax.tree.map(lambda p, g: p - 0.05 * g, params, jax.grad(loss)(params)), None

    params = jax.lax.scan(step, params, None, 300)[0]
    assert float(disc.accuracy(score(model, params, real), score(model, params, fake))) > 0.95
