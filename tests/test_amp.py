"""The algorithm: what one iteration rewards, remembers, learns from and reports; and that it is a pure function."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import get_args

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from conftest import gait_clips

from playground_amp import amp as algorithm
from playground_amp.amp import AMP, Episodes, Statistics, TrainState, count_episodes
from playground_amp.builder import make_amp
from playground_amp.config import Config, build, resolve
from playground_amp.core.errors import InputError
from playground_amp.core.terms import FeatureGroup
from playground_amp.core.types import Transition
from playground_amp.discriminator.motion_prior import DiscriminatorState
from playground_amp.discriminator.motion_prior.control import update_control_factor
from playground_amp.envs.env import Env
from playground_amp.learning import ppo, replay
from playground_amp.learning.networks import gaussian_log_prob
from playground_amp.motion.clip import save_clip
from playground_amp.robots import Robot

ROBOTS, STEPS, WINDOW = 8, 8, 2
FRESH = ROBOTS * STEPS  # samples of one iteration
WIDTH = WINDOW * 29

SETTINGS = {
    "env": {"physics": "native", "num_envs": ROBOTS, "episode_length": 6, "command": {"resample": 4}},
    "ppo": {"rollout_length": STEPS, "epochs": 2, "batch_size": 16, "learning_rate": 1e-3},
    "networks": {"actor": [16], "critic": [16]},
    "amp": {"window": WINDOW, "hidden": [16, 8], "batch_size": 32, "replay_size": 4 * FRESH, "discriminator_lr": 1e-2},
}

# those of the design that come from the device; env_steps and env_steps_per_second are the host's
METRICS = {
    f"disc_{name}"
    for name in ("real_mean", "fake_mean", "real_std", "fake_std", "acc", "acc_clean", "auc_clean", "loss", "r1")
} | {
    "amp_reward",
    "amp_reward_reference",
    "task_reward",
    "episode_length",
    "episode_return",
    "forward_velocity",
    "velocity_error",
    "turn_error",
    "fall_rate",
    "feature_diversity",
    "mode_coverage",
    "policy_kl",
    "policy_entropy",
    "value_loss",
}

Iterate = Callable[[TrainState], tuple[TrainState, dict[str, jax.Array]]]


@pytest.fixture(scope="module")
def config(clips_folder: Path) -> Config:
    return resolve(build(SETTINGS | {"reference": {"clips": [str(clips_folder)]}}, "the tests"), accelerator=False)


@pytest.fixture(scope="module")
def amp(config: Config) -> AMP:
    return make_amp(config)


@pytest.fixture(scope="module")
def iterate(amp: AMP) -> Iterate:
    return jax.jit(amp.train_iteration)


@pytest.fixture(scope="module")
def first(amp: AMP) -> TrainState:
    return jax.jit(amp.init)(jax.random.key(0))


@pytest.fixture(scope="module")
def run(iterate: Iterate, first: TrainState) -> list[tuple[TrainState, dict]]:
    """States and metrics after 0, 1, ... 4 iterations (there are no metrics before the first)."""
    result = [(first, {})]
    for _ in range(4):
        result.append(iterate(result[-1][0]))
    return result


@pytest.fixture(scope="module")
def third(amp: AMP, run: list) -> SimpleNamespace:
    """The third iteration, taken apart: state before and after, metrics, and what it collected."""
    (before, _), (after, metrics) = run[2], run[3]
    _, collect_key, _, _, ppo_key = jax.random.split(before.key, 5)
    env, rollout = jax.jit(amp.collect)(before, collect_key)
    return SimpleNamespace(
        before=before,
        after=after,
        metrics=metrics,
        env=env,
        rollout=rollout,
        inputs=amp.prior.inputs(rollout.outcome),
        ppo_key=ppo_key,
    )


def with_amp(amp: AMP, **changes: object) -> AMP:
    """The same environment under other settings of the motion prior."""
    config = dataclasses.replace(amp.config, amp=dataclasses.replace(amp.config.amp, **changes))
    return AMP(config, amp.env)


def leaves(tree: object) -> list[np.ndarray]:
    """All arrays of a state, keys as their data."""
    flat = jax.tree.leaves(tree)
    return [np.asarray(jax.random.key_data(x) if jnp.issubdtype(x.dtype, jax.dtypes.prng_key) else x) for x in flat]


def same(a: object, b: object) -> bool:
    """Bit for bit."""
    return all(np.array_equal(x, y, equal_nan=True) for x, y in zip(leaves(a), leaves(b), strict=True))


def score(amp: AMP, params: dict, inputs: jax.Array) -> np.ndarray:
    return np.asarray(amp.prior.network.apply(params, inputs))


# --- what is rewarded


def style(amp: AMP, params: dict, inputs: jax.Array) -> np.ndarray:
    return np.clip(score(amp, params, inputs), 0.0, 1.0)


def test_style_reward_is_that_of_the_discriminator_before_its_update(amp: AMP, third: SimpleNamespace) -> None:
    ours = style(amp, third.before.discriminator.params, third.inputs).mean()
    updated = style(amp, third.after.discriminator.params, third.inputs).mean()
    assert float(third.metrics["amp_reward"]) == pytest.approx(ours, abs=1e-5)
    assert abs(updated - ours) > 1e-3


def test_style_reward_is_not_that_of_the_first_discriminator_for_ever(
    amp: AMP, first: TrainState, third: SimpleNamespace
) -> None:
    initial = style(amp, first.discriminator.params, third.inputs).mean()
    assert abs(float(third.metrics["amp_reward"]) - initial) > 1e-3


@pytest.fixture(scope="module")
def update_policy(amp: AMP, third: SimpleNamespace) -> Callable[..., ppo.PolicyState]:
    """The policy update of the third iteration; by default by what the iteration started with."""
    compiled = jax.jit(amp.update_policy)

    def update(
        discriminator: DiscriminatorState = third.before.discriminator,
        statistics: Statistics = third.before.statistics,
        rollout: Transition = third.rollout,
    ) -> ppo.PolicyState:
        reward = amp.reward(rollout.outcome, jnp.asarray(style(amp, discriminator.params, third.inputs)))
        return compiled(third.before.replace(statistics=statistics), rollout, reward, third.ppo_key)[0]

    return update


def distance(a: ppo.PolicyState, b: ppo.PolicyState) -> float:
    return max(float(np.abs(x - y).max()) for x, y in zip(leaves(a.params), leaves(b.params), strict=True))


def test_policy_learns_from_the_old_discriminator_and_the_old_statistics(
    third: SimpleNamespace, update_policy: Callable[..., ppo.PolicyState]
) -> None:
    """The update made again by hand gives the same policy; with either of the new ones it does not."""
    again = distance(update_policy(), third.after.policy)
    assert again < 1e-5
    for newer in ({"discriminator": third.after.discriminator}, {"statistics": third.after.statistics}):
        assert distance(update_policy(**newer), third.after.policy) > 10 * max(again, 1e-5), newer.keys()


def seen_after(rollout: Transition, mask: np.ndarray) -> Transition:
    """The rollout, but what the critic sees after the steps in `mask` [T, B] is another."""
    privileged = rollout.outcome.privileged
    other = jnp.where(mask[..., None], privileged + 1.0, privileged)
    return rollout.replace(outcome=rollout.outcome.replace(privileged=other))


def test_policy_bootstraps_time_limits_with_the_true_next_state(
    third: SimpleNamespace, update_policy: Callable[..., ppo.PolicyState]
) -> None:
    outcome = third.rollout.outcome
    assert outcome.truncated.any()
    changed = update_policy(rollout=seen_after(third.rollout, np.asarray(outcome.truncated)))
    assert distance(changed, update_policy()) > 1e-4


def test_policy_expects_nothing_after_a_fall(
    third: SimpleNamespace, update_policy: Callable[..., ppo.PolicyState]
) -> None:
    outcome = third.rollout.outcome
    fell = third.rollout.replace(outcome=outcome.replace(terminated=outcome.truncated, truncated=outcome.terminated))
    changed = update_policy(rollout=seen_after(fell, np.asarray(fell.outcome.terminated)))
    assert same(changed, update_policy(rollout=fell))
    assert distance(changed, update_policy()) > 1e-4  # and a fall is not a time limit


def test_a_step_in_which_physics_diverged_is_not_learned_from(
    third: SimpleNamespace, update_policy: Callable[..., ppo.PolicyState]
) -> None:
    outcome, diverged = third.rollout.outcome, np.zeros(third.rollout.log_prob.shape, np.float32)
    diverged[1, 2] = 1.0
    marked = outcome.replace(diverged=diverged > 0.0, terminated=outcome.terminated | (diverged > 0.0))
    one = third.rollout.replace(outcome=marked)
    other = one.replace(
        action=one.action + 3.0 * diverged[..., None],
        log_prob=one.log_prob + diverged,
        outcome=marked.replace(task_reward=outcome.task_reward + diverged),
    )
    assert distance(update_policy(rollout=one), update_policy(rollout=other)) < 1e-6
    assert distance(update_policy(rollout=one), update_policy()) > 1e-5


def test_reward_by_hand(amp: AMP, third: SimpleNamespace) -> None:
    """3 (1 - gamma) (0.3 task + 0.7 style - cost), gamma 0.98."""
    outcome, style = third.rollout.outcome, jnp.linspace(0.0, 1.0, FRESH).reshape(STEPS, ROBOTS)
    expected = 0.06 * (0.3 * outcome.task_reward + 0.7 * style - outcome.cost)
    np.testing.assert_allclose(amp.reward(outcome, style), expected, rtol=1e-4, atol=1e-6)


# --- what is collected


def test_rollout_is_the_one_of_the_iteration(third: SimpleNamespace) -> None:
    """The other tests take it apart: it must be what the iteration saw."""
    np.testing.assert_allclose(third.env.physics.qpos, third.after.env.physics.qpos, atol=1e-4)
    assert third.rollout.action.shape == (STEPS, ROBOTS, 9)


def test_log_probability_is_that_of_the_policy_before_its_update(amp: AMP, third: SimpleNamespace) -> None:
    rollout, before = third.rollout, third.before
    mean, log_std = amp.policy(before.policy.params.actor, before.statistics, rollout.observation)
    np.testing.assert_allclose(rollout.mean, mean, atol=1e-4)
    np.testing.assert_allclose(rollout.log_prob, gaussian_log_prob(rollout.action, mean, log_std), atol=1e-3)
    spread = np.asarray((rollout.action - rollout.mean) / jnp.exp(log_std))
    assert abs(spread.std() - 1.0) < 0.2
    assert len(np.unique(spread)) == spread.size  # no noise is used twice


def test_a_symmetric_policy_answers_the_mirror_image_with_the_mirror_image(amp: AMP, third: SimpleNamespace) -> None:
    params, statistics = third.after.policy.params.actor, third.after.statistics
    observation = third.rollout.observation
    mean, log_std = amp.policy(params, statistics, observation)
    mirrored, _ = amp.policy(params, statistics, amp.env.mirror(observation))
    partner, sign = (np.asarray(values) for values in amp.env.robot.mirror_joints)
    np.testing.assert_allclose(mirrored, np.asarray(mean)[..., partner] * sign, atol=1e-5)
    np.testing.assert_array_equal(log_std, log_std[partner])
    assert np.abs(mirrored - mean).max() > 1e-3


def test_a_policy_may_be_asymmetric(amp: AMP, third: SimpleNamespace) -> None:
    networks = dataclasses.replace(amp.config.networks, symmetric=False)
    plain = AMP(dataclasses.replace(amp.config, networks=networks), amp.env)
    params, statistics = third.after.policy.params.actor, third.after.statistics
    observation = third.rollout.observation
    mean, _ = plain.policy(params, statistics, observation)
    mirrored, _ = plain.policy(params, statistics, plain.env.mirror(observation))
    partner, sign = (np.asarray(values) for values in amp.env.robot.mirror_joints)
    both = amp.policy(params, statistics, observation)[0]
    np.testing.assert_allclose(both, 0.5 * (mean + np.asarray(mirrored)[..., partner] * sign), atol=1e-5)


def test_next_value_of_a_step_is_that_of_the_state_it_led_to(third: SimpleNamespace) -> None:
    """Within an episode, the critic's view after step t is its view before step t + 1 (but for a new command)."""
    outcome = third.rollout.outcome
    going_on = ~np.asarray(outcome.terminated | outcome.truncated)[:-1]
    after, before = np.asarray(outcome.privileged)[:-1], np.asarray(third.rollout.privileged)[1:]
    view = np.arange(after.shape[-1]) != 33  # the command
    np.testing.assert_allclose(after[going_on][:, view], before[going_on][:, view], atol=1e-5)
    assert np.abs(after - before)[~going_on].max() > 1e-2


def test_statistics_change_once_an_iteration_by_what_was_collected(third: SimpleNamespace, run: list) -> None:
    observations = np.asarray(third.rollout.observation, np.float64).reshape(FRESH, -1)
    before, after = (np.asarray(state.statistics.observation.mean) for state in (third.before, third.after))
    np.testing.assert_allclose(after, (2 * before + observations.mean(axis=0)) / 3.0, atol=1e-4)
    assert [int(state.statistics.observation.count.lo) for state, _ in run] == [FRESH * i for i in range(5)]


# --- what the discriminator learns from


def test_replay_holds_the_inputs_of_every_rollout(third: SimpleNamespace) -> None:
    buffer = third.after.replay
    assert int(buffer.size) == 3 * FRESH
    rows = np.asarray(buffer.data[2 * FRESH : 3 * FRESH])
    np.testing.assert_allclose(rows, np.asarray(third.inputs).reshape(FRESH, WIDTH), atol=1e-3)
    np.testing.assert_array_equal(buffer.data[: 2 * FRESH], third.before.replay.data[: 2 * FRESH])


def test_inputs_are_windows_normalised_by_the_reference_alone(amp: AMP, third: SimpleNamespace) -> None:
    normalizer = amp.env.reference.normalizer
    windows = np.asarray(third.rollout.outcome.amp_window)
    expected = np.clip((windows - normalizer.mean) / normalizer.std, -6.0, 6.0)
    np.testing.assert_allclose(third.inputs, expected.reshape(STEPS, ROBOTS, WIDTH), atol=1e-4)


@pytest.mark.parametrize("share", [0.0, 0.5, 0.75])
def test_replayed_samples_enter_the_update_by_their_share(amp: AMP, first: TrainState, share: float) -> None:
    """Fresh samples all alike and a replay of another kind: scores and loss tell what was drawn."""
    prior = with_amp(amp, replay_share=share, update_steps=1, input_noise=0.0)
    fresh, marker = jnp.full((4, WIDTH), 0.5), jnp.full(WIDTH, -2.0)
    buffer = replay.Replay(data=jnp.tile(marker, (100_000, 1)), cursor=jnp.int32(0), size=jnp.int32(100_000))
    state = first.replace(replay=buffer)
    after, metrics = jax.jit(prior.update_discriminator)(state, fresh, jax.random.key(0))
    new, old = score(amp, first.discriminator.params, jnp.stack([fresh[0], marker]))
    assert abs(new - old) > 1e-2
    fake = 0.5 * ((1.0 - share) * new**2 + share * old**2)
    real = 0.5 * (metrics["disc_real_std"] ** 2 + (metrics["disc_real_mean"] - 1.0) ** 2)
    assert float(metrics["disc_loss"]) == pytest.approx(float(real + fake), rel=1e-4)
    assert float(metrics["disc_fake_mean"]) == pytest.approx(float(new), abs=1e-5)
    assert not same(after.discriminator.params, first.discriminator.params)


@pytest.fixture(scope="module")
def discriminator_step(amp: AMP, first: TrainState) -> Callable[[float], dict[str, jax.Array]]:
    """Metrics of one step under an input noise; the reference is one sample, the policy's inputs are zeros."""
    env, reference = amp.env, amp.env.reference
    constant = reference.replace(windows=jnp.tile(reference.windows[:1], (3, 1, 1)))
    settings = with_amp(amp, input_noise=1.0).config
    prior = AMP(settings, Env(env.config, env.robot, env.physics, constant)).prior
    compiled, fresh, buffer = jax.jit(prior.step), jnp.zeros((4, WIDTH)), replay.init(8, WIDTH)

    def step(noise: float) -> dict[str, jax.Array]:
        state = first.discriminator.replace(control_factor=jnp.float32(noise))
        return compiled(state, prior.hyperparams(state, jnp.int32(0)), fresh, buffer, jax.random.key(0))[1]

    return step


def test_penalty_is_on_normalised_reference_inputs(
    amp: AMP, first: TrainState, discriminator_step: Callable[[float], dict]
) -> None:
    """Against finite differences of the score along every normalised input."""
    reference, params, offsets = amp.env.reference, first.discriminator.params, 1e-2 * jnp.eye(WIDTH)
    x = reference.normalizer(reference.windows[0]).reshape(WIDTH)
    slope = (score(amp, params, x + offsets) - score(amp, params, x - offsets)) / 2e-2
    assert float(discriminator_step(0.0)["disc_r1"]) == pytest.approx(float((slope**2).sum()), rel=1e-2)


def test_input_noise_reaches_reference_and_policy(discriminator_step: Callable[[float], dict]) -> None:
    for name in ("disc_real_std", "disc_fake_std"):
        assert float(discriminator_step(0.0)[name]) == pytest.approx(0.0, abs=1e-6)
        assert float(discriminator_step(1.0)[name]) > 1e-2


def test_discriminator_metrics_are_those_of_fresh_samples(amp: AMP, third: SimpleNamespace) -> None:
    """Clean accuracy: the rollout's own scores, by the parameters that rewarded it."""
    metrics = {name: float(value) for name, value in third.metrics.items()}
    fake = score(amp, third.before.discriminator.params, third.inputs)
    windows = amp.env.reference.windows
    real = score(
        amp, third.before.discriminator.params, amp.env.reference.normalizer(windows).reshape(len(windows), -1)
    )
    expected = 0.5 * ((real > 0.5).mean() + (fake < 0.5).mean())
    assert metrics["disc_acc_clean"] == pytest.approx(expected, abs=0.15)  # 32 of the reference are drawn
    assert 0.0 <= metrics["disc_acc"] <= 1.0


@pytest.mark.parametrize(
    ("control_factor", "accuracy", "expected"),
    [
        (1.0, 0.72, 1.0),
        (1.0, 0.92, np.exp(0.2 * 0.2)),  # too sure: weaker
        (1.0, 0.52, np.exp(-0.2 * 0.2)),
        (4.0, 1.0, 4.0),
        (0.5, 0.0, 0.5),
    ],
)
def test_the_controller_holds_the_target_accuracy(
    amp: AMP, control_factor: float, accuracy: float, expected: float
) -> None:
    factor, seen = jnp.float32(control_factor), jnp.float32(accuracy)
    steered = update_control_factor(with_amp(amp, control_range=(0.5, 4.0)).config.amp, factor, seen)
    assert float(steered) == pytest.approx(expected, rel=1e-5)
    kept = update_control_factor(with_amp(amp, control="off").config.amp, factor, seen)
    assert float(kept) == control_factor


LEVERS = {"input_noise": 0.2, "r1_gamma": 3.0, "discriminator_lr": 1e-3, "update_steps": 2}


@pytest.mark.parametrize(
    ("control", "expected"),
    [
        ("off", (0.2, 3.0, 1e-3, 1.0)),
        ("input_noise", (0.8, 3.0, 1e-3, 1.0)),
        ("r1_gamma", (0.2, 12.0, 1e-3, 1.0)),
        ("discriminator_lr", (0.2, 3.0, 2.5e-4, 1.0)),
        ("update_steps", (0.2, 3.0, 1e-3, 0.25)),
    ],
)
def test_the_controller_changes_the_setting_it_is_told_to(
    amp: AMP, first: TrainState, control: str, expected: tuple[float, ...]
) -> None:
    state = first.discriminator.replace(control_factor=jnp.float32(4.0))
    hyperparams = with_amp(amp, control=control, **LEVERS).prior.hyperparams(state, jnp.int32(5))
    assert (
        hyperparams.input_noise,
        hyperparams.r1_gamma,
        hyperparams.learning_rate,
        hyperparams.update_share,
    ) == pytest.approx(expected)


def test_updates_are_skipped_by_the_controllers_share(amp: AMP, first: TrainState) -> None:
    """Of 40 single updates at a share of 1/4, about ten move the discriminator, the others nothing of it."""
    prior = with_amp(amp, control="update_steps").prior
    state = first.discriminator.replace(control_factor=jnp.float32(4.0))
    fresh, buffer, step = jnp.zeros((4, WIDTH)), replay.init(8, WIDTH), jax.jit(prior.step)
    hyperparams = prior.hyperparams(state, jnp.int32(0))
    moved = [not same(step(state, hyperparams, fresh, buffer, jax.random.key(i))[0], state) for i in range(40)]
    assert 4 <= sum(moved) <= 17


def test_penalty_noise_and_learning_rate_act_by_the_control_factor(amp: AMP, first: TrainState) -> None:
    """Adam's first step is the learning rate in size whatever the gradient: a factor of 4 makes it a quarter."""

    def step(control: str, control_factor: float) -> np.ndarray:
        prior = with_amp(amp, control=control, input_noise=0.0, r1_gamma=50.0).prior
        state = first.discriminator.replace(control_factor=jnp.float32(control_factor))
        hyperparams = prior.hyperparams(state, jnp.int32(0))
        after, _ = jax.jit(prior.step)(state, hyperparams, fresh, replay.init(8, WIDTH), jax.random.key(0))
        new, old = jax.tree.leaves(after.params), jax.tree.leaves(state.params)
        return np.concatenate([np.ravel(a - b) for a, b in zip(new, old, strict=True)])

    fresh = jnp.ones((4, WIDTH))
    whole, quarter = step("discriminator_lr", 1.0), step("discriminator_lr", 4.0)
    np.testing.assert_allclose(quarter, whole / 4.0, atol=1e-6)
    assert np.abs(step("r1_gamma", 4.0) - whole).max() > 1e-4
    assert np.abs(whole).max() == pytest.approx(1e-2, rel=0.01)


def test_without_style_the_discriminator_is_left_alone(amp: AMP, first: TrainState) -> None:
    """It goes through the traced iteration as the very variables that came in (which takes no compile to see)."""
    train_iteration = with_amp(amp, style_weight=0.0).train_iteration
    jaxpr, shapes = jax.make_jaxpr(train_iteration, return_shape=True)(first)
    given = jax.tree.unflatten(jax.tree.structure(first), jaxpr.jaxpr.invars)
    returned, metrics = jax.tree.unflatten(jax.tree.structure(shapes), jaxpr.jaxpr.outvars)
    for part in ("discriminator", "replay"):
        assert jax.tree.leaves(getattr(returned, part)) == jax.tree.leaves(getattr(given, part)), part
    assert jax.tree.leaves(returned.policy) != jax.tree.leaves(given.policy)
    assert not any(name.startswith(("disc_", "amp_")) for name in metrics)


# --- the mirror image of every sample


@pytest.fixture(scope="module")
def reflected(amp: AMP, first: TrainState, third: SimpleNamespace) -> SimpleNamespace:
    """A policy that is not symmetric, its rollout, and the batch of that with and without reflections."""
    networks = dataclasses.replace(amp.config.networks, symmetric=False)
    plain = AMP(dataclasses.replace(amp.config, networks=networks), amp.env)
    actor = jax.tree.map(
        lambda p: p + 0.2 * jax.random.normal(jax.random.key(3), p.shape), third.after.policy.params.actor
    )
    params = third.after.policy.params.replace(actor=actor)
    state = third.after.replace(policy=third.after.policy.replace(params=params))
    rollout, rng = third.rollout, np.random.default_rng(0)
    mean, log_std = plain.policy(actor, state.statistics, rollout.observation)
    rollout = rollout.replace(mean=mean, log_prob=gaussian_log_prob(rollout.action, mean, log_std))
    numbers = (jnp.asarray(rng.normal(size=(STEPS, ROBOTS)), jnp.float32) for _ in range(2))
    batch = ppo.Batch(
        observation=algorithm.normalize(rollout.observation, state.statistics.observation),
        privileged=algorithm.normalize(rollout.privileged, state.statistics.privileged),
        action=rollout.action,
        log_prob=rollout.log_prob,
        mean=mean,
        advantage=next(numbers),
        value_target=next(numbers),
    )
    both = plain.with_reflections(state, rollout, batch)
    return SimpleNamespace(amp=plain, state=state, rollout=rollout, batch=batch, both=both)


def test_reflections_are_as_many_samples_more_and_leave_the_others_alone(reflected: SimpleNamespace) -> None:
    for one, two in zip(jax.tree.leaves(reflected.batch), jax.tree.leaves(reflected.both), strict=True):
        assert two.shape == (STEPS, 2 * ROBOTS, *one.shape[2:])
        np.testing.assert_array_equal(two[:, :ROBOTS], one)
    for name in ("advantage", "value_target"):
        np.testing.assert_array_equal(getattr(reflected.both, name)[:, ROBOTS:], getattr(reflected.batch, name))


def test_a_reflected_sample_is_what_the_robots_reflection_would_have_seen_and_done(
    amp: AMP, reflected: SimpleNamespace
) -> None:
    env, statistics = amp.env, reflected.state.statistics
    partner, sign = (np.asarray(values) for values in env.robot.mirror_joints)
    mine = jax.tree.map(lambda x: x[:, ROBOTS:], reflected.both)
    np.testing.assert_allclose(mine.action, np.asarray(reflected.rollout.action)[..., partner] * sign, atol=1e-6)
    seen = algorithm.normalize(env.mirror(reflected.rollout.observation), statistics.observation)
    np.testing.assert_allclose(mine.observation, seen, atol=1e-5)
    seen = algorithm.normalize(env.mirror_privileged(reflected.rollout.privileged), statistics.privileged)
    np.testing.assert_allclose(mine.privileged, seen, atol=1e-5)
    assert np.abs(mine.privileged - reflected.batch.privileged).max() > 0.1


def test_probability_ratios_of_reflected_samples_start_at_one(reflected: SimpleNamespace) -> None:
    """Also under a policy that is not symmetric, which would not do the reflected action in the reflected state."""
    params, both = reflected.state.policy.params.actor, reflected.both
    mean, log_std = reflected.amp.actor.apply(params, both.observation)
    ratio = np.exp(np.asarray(gaussian_log_prob(both.action, mean, log_std) - both.log_prob))
    np.testing.assert_allclose(ratio, 1.0, atol=1e-3)
    np.testing.assert_allclose(mean, both.mean, atol=1e-4)
    partner, sign = (np.asarray(values) for values in reflected.amp.env.robot.mirror_joints)
    carried_over = np.asarray(reflected.batch.mean)[..., partner] * sign
    assert np.abs(carried_over - both.mean[:, ROBOTS:]).max() > 0.05  # the policy is not symmetric
    assert np.abs(reflected.batch.log_prob - both.log_prob[:, ROBOTS:]).max() > 0.05


def test_a_symmetric_policy_gives_a_sample_and_its_reflection_the_same_probability(
    amp: AMP, third: SimpleNamespace
) -> None:
    before, rollout = third.before, third.rollout
    batch = ppo.Batch(
        observation=algorithm.normalize(amp.actor_input(rollout.observation), before.statistics.observation),
        privileged=rollout.privileged,
        action=rollout.action,
        log_prob=rollout.log_prob,
        mean=rollout.mean,
        advantage=rollout.log_prob,
        value_target=rollout.log_prob,
    )
    both = amp.with_reflections(before, rollout, batch)
    np.testing.assert_allclose(both.log_prob[:, ROBOTS:], rollout.log_prob, atol=1e-3)


@pytest.mark.slow
def test_ppo_learns_from_the_reflections_when_it_is_told_to(
    amp: AMP, third: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []

    def update(policy: ppo.PolicyState, data: ppo.Batch, *_: object) -> tuple[ppo.PolicyState, dict]:
        seen.append({leaf.shape[0] for leaf in jax.tree.leaves(data)})
        return policy, {}

    monkeypatch.setattr(ppo, "update", update)
    reward = third.rollout.outcome.task_reward
    for mirror in (False, True):
        config = dataclasses.replace(amp.config, ppo=dataclasses.replace(amp.config.ppo, mirror=mirror))
        AMP(config, amp.env).update_policy(third.before, third.rollout, reward, third.ppo_key)
    assert seen == [{FRESH}, {2 * FRESH}]


# --- several gaits


@pytest.fixture(scope="module")
def labelled(robot: Robot, tmp_path_factory: pytest.TempPathFactory) -> AMP:
    """Told the gait and the speed, with dilated windows; everything that can be told or mirrored is."""
    folder = tmp_path_factory.mktemp("gaits")
    for clip in gait_clips(robot):
        save_clip(folder / f"{clip.name}.npz", clip)
    clips = [{"path": str(folder / "stand.npz"), "label": "stand"}, {"path": str(folder), "label": "walk"}]
    settings = {"condition": "both", "window": 2, "dilation": 3, "mirror_policy": True, "update_every": 2}
    values = SETTINGS | {"reference": {"clips": clips}, "amp": SETTINGS["amp"] | settings}
    values["ppo"] = SETTINGS["ppo"] | {"mirror": True}
    return make_amp(resolve(build(values, "the tests"), accelerator=False))


@pytest.mark.slow
def test_a_policy_of_several_gaits_trains_on_windows_of_its_labels(labelled: AMP) -> None:
    assert labelled.env.reference.gaits.names == ("stand", "walk")
    state = jax.jit(labelled.init)(jax.random.key(0))
    assert state.env.history.shape == (ROBOTS, 4, 29)
    assert labelled.env.observe(state.env)[0].shape == (ROBOTS, 36 + 2)
    assert state.replay.data.shape == (4 * FRESH, 2 * 29 + 2 + 3)
    iterate, moved = jax.jit(labelled.train_iteration), []
    for _ in range(3):
        after, metrics = iterate(state)
        moved.append(not same(after.discriminator.params, state.discriminator.params))
        state = after
        assert all(np.isfinite(value) for value in metrics.values())
    assert moved == [True, False, True]
    asked = np.asarray(state.replay.data[: 3 * FRESH, 58:])
    assert set(map(tuple, asked[:, :2])) == {(1.0, 0.0), (0.0, 1.0)}
    walks = asked[:, 1] == 1.0
    assert (asked[~walks, 2] < 0.01 / 0.2).all() and (asked[walks, 2] > 0.2 / 0.2).all()
    np.testing.assert_array_equal(asked[:, 3:], 0.0)


@pytest.mark.slow
def test_a_symmetric_policy_is_symmetric_under_every_label_and_command(labelled: AMP) -> None:
    """The gait asked for is the same for the reflection, the command is the reflected one."""
    state, env = jax.jit(labelled.init)(jax.random.key(1)), labelled.env
    params = jax.tree.map(lambda p: p + 0.3 * jax.random.normal(jax.random.key(3), p.shape), state.policy.params.actor)
    observation = jnp.asarray(np.random.default_rng(0).normal(size=(5, 38)), jnp.float32)
    mean, _ = labelled.policy(params, state.statistics, observation)
    mirrored, _ = labelled.policy(params, state.statistics, env.mirror(observation))
    partner, sign = (np.asarray(values) for values in env.robot.mirror_joints)
    np.testing.assert_allclose(np.asarray(mean)[:, partner] * sign, mirrored, atol=1e-4)
    np.testing.assert_array_equal(
        env.mirror(observation)[:, 33:36], observation[:, 33:36] * np.array([1.0, -1.0, -1.0])
    )
    for number in (33, 34, 35, 36):  # all three of the command, and the label
        other, _ = labelled.policy(params, state.statistics, observation.at[:, number].add(1.0))
        assert np.abs(other - mean).max() > 1e-3


@pytest.mark.parametrize("condition", ["label", "both"])
def test_a_label_needs_two_gaits_to_tell_apart(clips_folder: Path, condition: str) -> None:
    values = SETTINGS | {"reference": {"clips": str(clips_folder)}, "amp": SETTINGS["amp"] | {"condition": condition}}
    config = resolve(build(values, "the tests"), accelerator=False)
    with pytest.raises(InputError, match=rf"amp.condition is {condition}, but reference.clips names one gait only"):
        make_amp(config)


# --- two time scales


def test_discriminator_and_policy_have_each_their_own_learning_rate(amp: AMP, first: TrainState) -> None:
    """Adam's first step is the learning rate in size: 1e-3 here, 40 times that there."""
    prior = with_amp(amp, discriminator_lr=4e-2, update_steps=1, control="off").prior
    fresh, update = jnp.ones((4, WIDTH)), jax.jit(prior.update)
    after, _, metrics = update(first.discriminator, first.replay, fresh, jnp.int32(0), jax.random.key(0))
    pairs = zip(jax.tree.leaves(after.params), jax.tree.leaves(first.discriminator.params), strict=True)
    assert max(float(np.abs(a - b).max()) for a, b in pairs) == pytest.approx(4e-2, rel=0.02)
    assert float(metrics["disc_learning_rate"]) == pytest.approx(4e-2)
    assert float(ppo.learning_rate(first.policy.opt_state)) == pytest.approx(1e-3)


# --- what is reported


def test_metrics_have_the_names_of_the_design(run: list) -> None:
    for _, metrics in run[1:]:
        assert set(metrics) >= METRICS
        for name, value in metrics.items():
            assert value.shape == (), name
            assert np.isfinite(value), name


def test_every_metric_is_documented(run: list) -> None:
    page = (Path(__file__).parents[1] / "docs/metrics.md").read_text()
    documented = re.findall(r"`(\w+)`", page.split("## Every metric")[1])
    assert set(run[1][1]) - set(documented) == set()
    shares = {name.removeprefix("disc_by_") for name in run[1][1] if name.startswith("disc_by_")}
    assert shares == set(get_args(FeatureGroup))
    total = sum(float(value) for name, value in run[-1][1].items() if name.startswith("disc_by_"))
    assert total == pytest.approx(1.0, abs=1e-5)


def episode_outcome(ends: list[list[int]], terminated: list[list[int]], length: list[list[float]]) -> SimpleNamespace:
    """Outcome [T, B] of which only what is counted is known."""
    fell = np.array(terminated, bool)
    values = np.array(length, np.float32)
    return SimpleNamespace(
        terminated=jnp.asarray(fell),
        truncated=jnp.asarray(np.array(ends, bool) & ~fell),
        diverged=jnp.zeros(fell.shape, bool),
        episode_length=jnp.asarray(values),
        episode_return=jnp.asarray(0.5 * values),
    )


NONE = Episodes(*(jnp.float32(0.0) for _ in range(4)))


def counted(episodes: Episodes) -> list[float]:
    return [float(x) for x in (episodes.length, episodes.total, episodes.falls, episodes.count)]


def test_only_finished_episodes_are_averaged() -> None:
    outcome = episode_outcome([[0, 1], [1, 0]], [[0, 1], [0, 0]], [[9, 10], [40, 1]])
    assert counted(count_episodes(NONE, outcome)) == pytest.approx([25.0, 12.5, 0.5, 2.0])


def test_averages_stay_when_no_episode_finished() -> None:
    before = Episodes(*(jnp.float32(x) for x in (300.0, 150.0, 0.25, 40.0)))
    outcome = episode_outcome([[0, 0]], [[0, 0]], [[7, 8]])
    assert counted(count_episodes(before, outcome)) == pytest.approx([300.0, 150.0, 0.25, 40.0])


def test_averages_weigh_episodes_alike_and_forget_the_oldest() -> None:
    before = Episodes(*(jnp.float32(x) for x in (100.0, 50.0, 1.0, 3.0)))
    after = count_episodes(before, episode_outcome([[1]], [[0]], [[500]]))
    assert counted(after) == pytest.approx([200.0, 100.0, 0.75, 4.0])
    full = before.replace(count=jnp.float32(algorithm.EPISODE_MEMORY))
    after = count_episodes(full, episode_outcome([[1]], [[0]], [[201]]))
    assert counted(after) == pytest.approx([101.0, 50.0 + 50.5 / 101, 1.0 - 1 / 101, 100.0], rel=1e-4)


def test_episode_length_of_a_run_is_that_of_its_finished_episodes(run: list) -> None:
    """Nobody falls in six steps: all finished episodes were cut off at the limit of six."""
    lengths = [float(metrics["episode_length"]) for _, metrics in run[1:]]
    falls = [float(metrics["fall_rate"]) for _, metrics in run[1:]]
    assert falls == [0.0] * 4
    assert lengths == pytest.approx([6.0] * 4)


# --- a pure function, compiled once


def test_three_iterations_compile_once(iterate: Iterate, run: list) -> None:
    assert iterate._cache_size() == 1


def test_iterations_are_counted_and_keys_used_once(run: list) -> None:
    assert [int(state.iteration) for state, _ in run] == [0, 1, 2, 3, 4]
    keys = [jax.random.key_data(key).tobytes() for state, _ in run for key in (state.key, state.env.key)]
    assert len(set(keys)) == len(keys)


def test_all_that_learns_changes_in_every_iteration(run: list) -> None:
    for (before, _), (after, _) in pairwise(run):
        for part in ("actor", "critic"):
            assert not same(getattr(before.policy.params, part), getattr(after.policy.params, part)), part
        assert not same(before.discriminator.params, after.discriminator.params)
        assert not same(before.env.physics, after.env.physics)


def test_the_same_seed_gives_the_same_bits_and_another_seed_others(amp: AMP, iterate: Iterate, run: list) -> None:
    init = jax.jit(amp.init)
    state, other = init(jax.random.key(0)), init(jax.random.key(1))
    for expected, metrics in run[1:3]:
        state, again = iterate(state)
        assert same(state, expected)
        assert same(again, metrics)
    assert not same(iterate(other)[0].policy.params, run[1][0].policy.params)


def carried_over(state: TrainState) -> TrainState:
    """The state as a checkpoint would hold it: arrays on the host, and nothing else."""

    def through_host(x: jax.Array) -> jax.Array:
        if jnp.issubdtype(x.dtype, jax.dtypes.prng_key):
            return jax.random.wrap_key_data(np.array(jax.random.key_data(x)))
        return jnp.asarray(float(x) if x.weak_type else np.array(x))  # a weak type kept, as to compile nothing anew

    return jax.tree.map(through_host, state)


def test_two_and_two_iterations_are_four(amp: AMP, iterate: Iterate, run: list) -> None:
    """Who knows only the state after two goes on, bit for bit, as if it had never stopped."""
    amp.env.physics._batches.clear()  # an engine made anew, as in a new process
    state = carried_over(run[2][0])
    for expected, metrics in run[3:]:
        state, again = iterate(state)
        assert same(again, metrics)
        assert same(state, expected)


def test_iterations_leave_the_given_state_alone(iterate: Iterate, run: list) -> None:
    assert same(iterate(run[1][0])[0], run[2][0])


def test_rollout_is_a_transition_a_step(third: SimpleNamespace) -> None:
    assert isinstance(third.rollout, Transition)
    assert all(x.shape[:2] == (STEPS, ROBOTS) for x in jax.tree.leaves(third.rollout))
