"""PPO: advantages against an independent loop, minibatches, the loss and its gradient, and what an update achieves."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_grads
from scipy import stats

from playground_amp.config import PPOConfig
from playground_amp.learning import ppo
from playground_amp.learning.networks import ActorCriticParams

GAMMA, LAMBDA = 0.9, 0.8
STEPS, ROBOTS = 9, 4


@pytest.fixture
def float64() -> Iterator[None]:
    with jax.enable_x64(True):
        yield


# --- advantages


def rollout(seed: int) -> dict[str, np.ndarray]:
    """Random rewards and values [T, B]; robot 0 falls, 1 meets the time limit, 2 both at once, 3 neither."""
    rng = np.random.default_rng(seed)
    reward, value = rng.normal(size=(2, STEPS, ROBOTS))
    terminated, truncated = np.zeros((2, STEPS, ROBOTS), bool)
    terminated[[3, 6], 0] = truncated[[2, 8], 1] = True
    terminated[4, 2] = truncated[4, 2] = True
    next_value = np.concatenate([value[1:], rng.normal(size=(1, ROBOTS))])
    ended = terminated | truncated
    next_value[ended] = rng.normal(size=ended.sum())  # the true next state is not the first of the next episode
    return dict(reward=reward, terminated=terminated, truncated=truncated, value=value, next_value=next_value)


def by_hand(reward, terminated, truncated, value, next_value) -> np.ndarray:
    """Advantages [T, B], robot by robot and backwards in time."""
    result = np.zeros_like(reward)
    for robot in range(reward.shape[1]):
        following = 0.0
        for t in reversed(range(len(reward))):
            future = 0.0 if terminated[t, robot] else next_value[t, robot]
            following = 0.0 if terminated[t, robot] or truncated[t, robot] else following
            error = reward[t, robot] + GAMMA * future - value[t, robot]
            result[t, robot] = following = error + GAMMA * LAMBDA * following
    return result


compiled_advantages = jax.jit(partial(ppo.advantages, gamma=GAMMA, gae_lambda=LAMBDA))


def advantages(data: dict[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    return jax.device_get(compiled_advantages(*data.values()))


@pytest.mark.parametrize("seed", range(3))
def test_advantages_equal_the_loop(seed: int) -> None:
    data = rollout(seed)
    advantage, target = advantages(data)
    np.testing.assert_allclose(advantage, by_hand(**data), atol=1e-5)
    np.testing.assert_allclose(target, by_hand(**data) + data["value"], atol=1e-5)


def change(name: str, t: int, robot: int) -> np.ndarray:
    """How the advantages change when one entry of the rollout grows by 1."""
    data = rollout(0)
    more = data | {name: data[name].copy()}
    more[name][t, robot] += 1.0
    return advantages(more)[0] - advantages(data)[0]


def test_a_time_limit_bootstraps_with_the_value_of_the_true_next_state() -> None:
    result = change("next_value", 2, 1)
    np.testing.assert_allclose(result[2, 1], GAMMA, atol=1e-5)
    np.testing.assert_allclose(result[1, 1], GAMMA * GAMMA * LAMBDA, atol=1e-5)
    np.testing.assert_allclose(change("next_value", 8, 1)[8, 1], GAMMA, atol=1e-5)  # also at the end of the rollout


@pytest.mark.parametrize(("t", "robot"), [(3, 0), (4, 2)])
def test_a_fall_has_no_future(t: int, robot: int) -> None:
    """Even when it comes with the time limit."""
    np.testing.assert_allclose(change("next_value", t, robot), 0.0, atol=1e-6)


@pytest.mark.parametrize(("t", "robot"), [(4, 0), (3, 1), (5, 2)])
def test_nothing_of_the_next_episode_reaches_back(t: int, robot: int) -> None:
    """The episode before ended at t - 1."""
    for name in ("reward", "value"):
        np.testing.assert_allclose(change(name, t, robot)[:t], 0.0, atol=1e-6)


def test_an_unfinished_episode_bootstraps_at_the_end_of_the_rollout() -> None:
    np.testing.assert_allclose(change("next_value", STEPS - 1, 3)[-1, 3], GAMMA, atol=1e-5)


def test_robots_do_not_share_advantages() -> None:
    result = change("reward", 5, 3)
    assert np.abs(result[:6, 3]).min() > 0.0
    np.testing.assert_allclose(result[:, :3], 0.0, atol=1e-6)


# --- minibatches


def test_each_epoch_visits_every_sample_once() -> None:
    rows = ppo.minibatches(jax.random.key(0), 24, 6)
    assert rows.shape == (4, 6)
    assert sorted(np.asarray(rows).ravel()) == list(range(24))


def test_epochs_are_shuffled_differently() -> None:
    first, second = (ppo.minibatches(jax.random.key(seed), 24, 6) for seed in (0, 1))
    assert (first != second).any()
    assert (first.ravel() != jnp.arange(24)).any()


def linear_policy(params: dict, observation: jax.Array) -> tuple[jax.Array, jax.Array]:
    return observation @ params["weights"] + params["bias"], params["log_std"]


def linear_value(params: dict, privileged: jax.Array) -> jax.Array:
    return privileged @ params["weights"]


def make_params(observations: int, states: int, actions: int, seed: int = 0) -> ActorCriticParams:
    rng = np.random.default_rng(seed)
    actor = {
        "weights": rng.normal(0.0, 0.3, (observations, actions)),
        "bias": rng.normal(0.0, 0.1, actions),
        "log_std": rng.uniform(-1.0, -0.5, actions),
    }
    params = ActorCriticParams(actor=actor, critic={"weights": rng.normal(size=states)})
    return jax.tree.map(lambda x: jnp.asarray(x, jnp.result_type(float)), params)


def make_batch(params: ActorCriticParams, samples: int, seed: int = 0, drift: float = 0.0) -> ppo.Batch:
    """Random samples of a behaviour policy that is `drift` away from `params`."""
    rng = np.random.default_rng(seed)
    observations, states = len(params.actor["weights"]), len(params.critic["weights"])
    observation, privileged = rng.normal(size=(samples, observations)), rng.normal(size=(samples, states))
    mean, log_std = (np.asarray(x, float) for x in linear_policy(params.actor, jnp.asarray(observation)))
    mean = mean + drift * rng.normal(size=mean.shape)
    action = mean + np.exp(log_std) * rng.normal(size=mean.shape)
    log_prob = stats.norm(mean, np.exp(log_std)).logpdf(action).sum(axis=-1)
    fields = (observation, privileged, action, log_prob, mean, rng.normal(size=samples), rng.normal(size=samples))
    return ppo.Batch(*(jnp.asarray(x, jnp.result_type(float)) for x in fields))


def update(
    params: ActorCriticParams, data: ppo.Batch, config: PPOConfig, seed: int = 0, iteration: int = 0
) -> tuple[ppo.PolicyState, dict]:
    policy = ppo.PolicyState(params=params, opt_state=ppo.make_optimizer(config).init(params))

    @jax.jit
    def run(
        policy: ppo.PolicyState, data: ppo.Batch, key: jax.Array, iteration: jax.Array
    ) -> tuple[ppo.PolicyState, dict]:
        return ppo.update(policy, data, key, linear_policy, linear_value, config, iteration)

    return run(policy, data, jax.random.key(seed), jnp.int32(iteration))


def test_one_epoch_of_an_update_learns_from_every_sample() -> None:
    """A critic with one weight a sample: each weight must move, in one epoch of many minibatches."""
    samples = 32
    params = make_params(2, samples, 1)
    data = make_batch(params, samples).replace(privileged=jnp.eye(samples), value_target=jnp.full(samples, 50.0))
    policy, _ = update(params, data, PPOConfig(epochs=1, batch_size=4, target_kl=0.0))
    moved = policy.params.critic["weights"] - params.critic["weights"]
    assert (np.asarray(moved) > 0.0).all()


# --- loss


def loss_by_hand(params: ActorCriticParams, batch: ppo.Batch, config: PPOConfig) -> float:
    mean, log_std = (np.asarray(x) for x in linear_policy(params.actor, batch.observation))
    policy = stats.norm(mean, np.exp(log_std))
    total = 0.0
    for i in range(len(mean)):
        ratio = np.exp(policy.logpdf(batch.action)[i].sum() - float(batch.log_prob[i]))
        advantage = float(batch.advantage[i])
        total -= min(ratio * advantage, min(max(ratio, 1 - config.clip), 1 + config.clip) * advantage)
        error = float(batch.privileged[i] @ params.critic["weights"]) - float(batch.value_target[i])
        total += config.value_cost * 0.5 * error**2
    return total / len(mean) - config.entropy_cost * stats.norm(0.0, np.exp(log_std)).entropy().sum()


def kl_by_hand(batch: ppo.Batch, old_log_std: jax.Array, params: ActorCriticParams) -> float:
    """E KL(old || new), from the formula of one dimension: log(s1 / s0) + (s0^2 + (m0 - m1)^2) / (2 s1^2) - 1/2."""
    mean, log_std = (np.asarray(x) for x in linear_policy(params.actor, batch.observation))
    old, new = np.exp(np.asarray(old_log_std)), np.exp(log_std)
    terms = np.log(new / old) + (old**2 + (np.asarray(batch.mean) - mean) ** 2) / (2.0 * new**2) - 0.5
    return float(terms.sum(axis=1).mean())


CONFIG = PPOConfig(entropy_cost=0.03, value_cost=0.7, clip=0.2)


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("drift", [0.0, 0.1, 0.6])
def test_loss_by_hand(drift: float) -> None:
    params = make_params(3, 4, 2)
    batch = make_batch(params, 12, drift=drift)
    total, metrics = ppo.loss(params, batch, params.actor["log_std"], linear_policy, linear_value, CONFIG)
    assert float(total) == pytest.approx(loss_by_hand(params, batch, CONFIG), rel=1e-9)
    if drift == 0.0:
        assert float(metrics["policy_kl"]) == pytest.approx(0.0, abs=1e-12)
        assert float(total) == pytest.approx(
            -float(batch.advantage.mean())
            + 0.7 * float(metrics["value_loss"])
            - 0.03 * float(metrics["policy_entropy"])
        )


@pytest.mark.usefixtures("float64")
def test_divergence_is_that_of_the_new_policy_from_the_old() -> None:
    params = make_params(3, 4, 2)
    batch, old_log_std = make_batch(params, 12, drift=0.3), params.actor["log_std"] + 0.5
    _, metrics = ppo.loss(params, batch, old_log_std, linear_policy, linear_value, CONFIG)
    assert float(metrics["policy_kl"]) == pytest.approx(kl_by_hand(batch, old_log_std, params), rel=1e-9)


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("drift", [0.1, 0.6])
def test_gradient_of_the_loss_matches_finite_differences(drift: float) -> None:
    params = make_params(3, 4, 2)
    batch = make_batch(params, 12, drift=drift)
    old_log_std = params.actor["log_std"]

    @jax.jit
    def loss(params: ActorCriticParams) -> jax.Array:
        return ppo.loss(params, batch, old_log_std, linear_policy, linear_value, CONFIG)[0]

    check_grads(loss, (params,), order=1, modes=["rev"], rtol=1e-5, eps=1e-6)


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize(("advantage", "shift"), [(1.0, 1.0), (-1.0, -1.0)])
def test_a_ratio_beyond_the_clip_range_teaches_the_policy_nothing(advantage: float, shift: float) -> None:
    """The probability has already moved the way the advantage asks, further than the clip allows."""
    params = make_params(3, 4, 2)
    batch = make_batch(params, 6)
    batch = batch.replace(log_prob=batch.log_prob - shift, advantage=jnp.full(6, advantage))
    gradient = jax.grad(lambda p: ppo.loss(p, batch, p.actor["log_std"], linear_policy, linear_value, PPOConfig())[0])
    actor = jax.jit(gradient)(params).actor
    assert max(float(jnp.abs(x).max()) for x in jax.tree.leaves(actor)) == 0.0


# --- learning rate


@pytest.mark.parametrize(
    ("kl", "factor"),
    [
        (0.0, 1.0),
        (0.001, 1.5),
        (0.0049, 1.5),
        (0.0051, 1.0),
        (0.01, 1.0),
        (0.0199, 1.0),
        (0.0201, 1 / 1.5),
        (9.0, 1 / 1.5),
    ],
)
def test_learning_rate_follows_the_divergence(kl: float, factor: float) -> None:
    config = PPOConfig(target_kl=0.01, learning_rate=1e-3)
    assert steered(config, kl) == pytest.approx(1e-3 * factor, rel=1e-5)


@pytest.mark.parametrize(("kl", "start", "expected"), [(1.0, 1.1e-5, 1e-5), (1e-4, 1.9e-3, 2e-3)])
def test_learning_rate_stays_within_its_range(kl: float, start: float, expected: float) -> None:
    assert steered(PPOConfig(target_kl=0.01, learning_rate=start), kl) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("kl", [1e-4, 1.0])
def test_learning_rate_is_kept_without_a_target(kl: float) -> None:
    assert steered(PPOConfig(target_kl=0.0, learning_rate=1e-3), kl) == pytest.approx(1e-3, rel=1e-6)


@pytest.mark.parametrize(("iteration", "expected"), [(0, 0.04), (10, 0.02), (25, 0.04 / 2**2.5)])
def test_the_target_halves_at_its_half_life(iteration: int, expected: float) -> None:
    config = PPOConfig(target_kl=0.04, target_kl_half_life=10)
    assert ppo.target_kl(config, jnp.int32(iteration)) == pytest.approx(expected, rel=1e-5)
    assert ppo.target_kl(PPOConfig(target_kl=0.04), jnp.int32(iteration)) == 0.04


def test_steps_shrink_as_the_target_does() -> None:
    params = make_params(2, 3, 1)
    config = PPOConfig(epochs=1, batch_size=4, target_kl=1.0, target_kl_half_life=1)
    rates = [
        float(update(params, make_batch(params, 32), config, iteration=iteration)[1]["learning_rate"])
        for iteration in (0, 60)
    ]
    assert rates[1] < config.learning_rate < rates[0]


def steered(config: PPOConfig, kl: float) -> float:
    state = ppo.make_optimizer(config).init({"w": jnp.zeros(2)})
    return float(ppo.learning_rate(ppo._steer_learning_rate(state, jnp.float32(kl), config, config.target_kl)))


def test_the_steered_learning_rate_is_the_one_used() -> None:
    """Half the rate, half the first step (Adam's first step is the rate, whatever the gradient)."""
    config, params = PPOConfig(learning_rate=1e-3), {"w": jnp.zeros(2)}
    optimizer = ppo.make_optimizer(config)
    steps = []
    for kl in (1.0, 0.012):
        state = ppo._steer_learning_rate(optimizer.init(params), jnp.float32(kl), config, config.target_kl)
        steps.append(float(optimizer.update({"w": jnp.ones(2)}, state)[0]["w"][0]))
    assert steps[1] == pytest.approx(-1e-3, rel=1e-3)
    assert steps[0] == pytest.approx(steps[1] / 1.5, rel=1e-3)


def test_learning_rate_is_carried_to_the_next_update() -> None:
    params = make_params(3, 4, 2)
    data = make_batch(params, 64, drift=2.0)  # far from the behaviour policy: too much divergence in every step
    policy, metrics = update(params, data, PPOConfig(epochs=2, batch_size=32, learning_rate=1e-3))
    assert float(ppo.learning_rate(policy.opt_state)) == pytest.approx(1e-3 / 1.5**4, rel=1e-4)
    assert float(metrics["learning_rate"]) == float(ppo.learning_rate(policy.opt_state))


# --- what an update achieves


def bandit(seed: int = 0) -> tuple[ActorCriticParams, ppo.Batch]:
    """Actions above the mean were better than expected; every state is worth 2."""
    params = make_params(1, 1, 1)
    batch = make_batch(params, 256, seed)
    better = jnp.where(batch.action[:, 0] > batch.mean[:, 0], 1.0, -1.0)
    return params, batch.replace(
        advantage=better, value_target=jnp.full(256, 2.0), privileged=jnp.ones((256, 1)), observation=jnp.ones((256, 1))
    )


def behaviour(params: ActorCriticParams, batch: ppo.Batch) -> ppo.Batch:
    """The batch as if `params` had drawn its actions."""
    mean, log_std = linear_policy(params.actor, batch.observation)
    log_prob = ppo.gaussian_log_prob(batch.action, mean, log_std)
    return batch.replace(mean=mean, log_prob=log_prob, advantage=jnp.where(batch.action > mean, 1.0, -1.0)[:, 0])


def test_update_makes_advantaged_actions_likelier() -> None:
    params, batch = bandit()
    batch = behaviour(params, batch)
    policy, metrics = update(params, batch, PPOConfig(batch_size=64, learning_rate=1e-3))
    mean, log_std = linear_policy(policy.params.actor, batch.observation)
    gain = ppo.gaussian_log_prob(batch.action, mean, log_std) - batch.log_prob
    assert float(jnp.mean(jnp.sign(gain) == jnp.sign(batch.advantage))) > 0.9
    assert float(mean[0, 0]) > float(batch.mean[0, 0])
    assert float(metrics["policy_kl"]) > 0.0


def test_update_brings_values_to_their_targets() -> None:
    params, batch = bandit()
    config = PPOConfig(batch_size=64, epochs=100, learning_rate=2e-2, target_kl=0.0)
    policy, _ = update(params, behaviour(params, batch), config)
    assert float(policy.params.critic["weights"][0]) == pytest.approx(2.0, abs=0.05)


def test_long_gradients_are_shortened() -> None:
    optimizer = ppo.make_optimizer(PPOConfig(max_gradient_norm=1.0))
    params = {"w": jnp.zeros(4)}
    states = [optimizer.update({"w": jnp.full(4, scale)}, optimizer.init(params))[1] for scale in (0.5, 1e6)]
    momenta = [jax.tree.leaves(state[1].inner_state) for state in states]
    for short, long in zip(*momenta, strict=True):
        np.testing.assert_allclose(short, long, rtol=1e-5)
