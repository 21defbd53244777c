"""Gaussian head against scipy; initial weights; the running normaliser."""

from __future__ import annotations

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats
from scipy.integrate import quad

from playground_amp.core.quiet_imports import running_statistics
from playground_amp.learning.networks import (
    MLP,
    OBSERVATION_CLIP,
    Actor,
    Critic,
    gaussian_entropy,
    gaussian_kl,
    gaussian_log_prob,
    normalize,
)

ACTIONS = 3
seeds = pytest.mark.parametrize("seed", range(4))


def gaussian(seed: int, batch: tuple[int, ...] = (5,)) -> tuple[np.ndarray, np.ndarray]:
    """Mean [*batch, A] and log standard deviation [A]."""
    rng = np.random.default_rng(seed)
    return rng.normal(size=(*batch, ACTIONS)), rng.uniform(-1.5, 0.5, size=ACTIONS)


@seeds
def test_log_prob_is_that_of_scipy(seed: int) -> None:
    mean, log_std = gaussian(seed)
    action = mean + np.random.default_rng(seed + 50).normal(size=mean.shape)
    expected = stats.norm(mean, np.exp(log_std)).logpdf(action).sum(axis=-1)
    actual = gaussian_log_prob(jnp.asarray(action), jnp.asarray(mean), jnp.asarray(log_std))
    np.testing.assert_allclose(actual, expected, rtol=1e-5, atol=1e-5)


@seeds
def test_entropy_is_that_of_scipy(seed: int) -> None:
    _, log_std = gaussian(seed)
    expected = stats.norm(0.0, np.exp(log_std)).entropy().sum()
    np.testing.assert_allclose(gaussian_entropy(jnp.asarray(log_std)), expected, rtol=1e-5)


def kl_by_quadrature(mean0: float, std0: float, mean1: float, std1: float) -> float:
    p, q = stats.norm(mean0, std0), stats.norm(mean1, std1)
    return quad(lambda x: p.pdf(x) * (p.logpdf(x) - q.logpdf(x)), mean0 - 12 * std0, mean0 + 12 * std0)[0]


@seeds
def test_kl_is_the_integral_in_the_order_written(seed: int) -> None:
    (mean0, log_std0), (mean1, log_std1) = gaussian(seed, ()), gaussian(seed + 10, ())
    expected = sum(map(kl_by_quadrature, mean0, np.exp(log_std0), mean1, np.exp(log_std1)))
    actual = gaussian_kl(*map(jnp.asarray, (mean0, log_std0, mean1, log_std1)))
    np.testing.assert_allclose(actual, expected, rtol=1e-4)


def test_kl_of_equal_policies_is_zero() -> None:
    mean, log_std = gaussian(0)
    np.testing.assert_array_equal(gaussian_kl(mean, log_std, mean, log_std), np.zeros(5))


def initial(network: nn.Module, x: jax.Array) -> dict:
    """First parameters; compiled, which is quicker."""
    return jax.jit(network.init)(jax.random.key(0), x)


def test_hidden_weights_are_orthogonal_with_gain_root_two() -> None:
    params = initial(MLP((16, 8), 1, output_gain=0.1), jnp.zeros((1, 16)))["params"]
    for layer in ("Dense_0", "Dense_1"):
        kernel = np.asarray(params[layer]["kernel"])
        np.testing.assert_allclose(kernel.T @ kernel, 2.0 * np.eye(kernel.shape[1]), atol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(params["Dense_2"]["kernel"]), 0.1, rtol=1e-5)


def test_mlp_is_dense_and_elu_by_hand() -> None:
    network = MLP((4,), 2, output_gain=1.0, output_bias=0.3)
    x = jax.random.normal(jax.random.key(1), (5, 3))
    params = initial(network, x)
    first, last = params["params"]["Dense_0"], params["params"]["Dense_1"]
    hidden = np.asarray(x @ first["kernel"] + first["bias"], np.float64)
    hidden = np.where(hidden > 0, hidden, np.expm1(hidden))
    np.testing.assert_allclose(network.apply(params, x), hidden @ np.asarray(last["kernel"]) + 0.3, atol=1e-5)


def test_actor_starts_near_zero_with_the_spread_asked_for() -> None:
    actor = Actor((32, 32), ACTIONS, initial_log_std=-1.0)
    observation = jax.random.normal(jax.random.key(0), (64, 10))
    mean, log_std = actor.apply(initial(actor, observation), observation)
    assert mean.shape == (64, ACTIONS)
    assert np.abs(mean).max() < 0.1
    np.testing.assert_allclose(log_std, -np.ones(ACTIONS))


def test_critic_gives_one_number_a_state() -> None:
    critic, states = Critic((8,)), jnp.zeros((4, 6, 10))
    assert critic.apply(initial(critic, states), states).shape == (4, 6)


def test_running_statistics_of_parts_are_those_of_the_whole() -> None:
    data = np.random.default_rng(0).normal([1.0, -50.0, 3.0], [0.5, 20.0, 2.0], size=(60, 4, 3)).astype(np.float32)
    state = running_statistics.init_state(jnp.zeros(3))
    for part in np.split(data, [10, 25]):
        state = running_statistics.update(state, part, std_min_value=1e-2)
    np.testing.assert_allclose(state.mean, data.mean(axis=(0, 1)), rtol=1e-4)
    np.testing.assert_allclose(state.std, data.std(axis=(0, 1)), rtol=1e-4)
    expected = (data[0] - data.mean(axis=(0, 1))) / data.std(axis=(0, 1))
    np.testing.assert_allclose(normalize(jnp.asarray(data[0]), state), expected, atol=1e-3)


def test_normalised_observations_are_bounded() -> None:
    state = running_statistics.init_state(jnp.zeros(2))
    np.testing.assert_array_equal(normalize(jnp.array([1e6, -1e6]), state), [OBSERVATION_CLIP, -OBSERVATION_CLIP])
