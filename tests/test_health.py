"""Health: each symptom has its name and its remedy, flatness is never balance, and a healthy run raises no alarm.

Every symptom is also made on purpose: by a discriminator that learns from a made-up policy, and by a small training.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import get_args

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from conftest import slow

from playground_amp.builder import make_amp, resolve_here
from playground_amp.config import Config, load_config, resolve
from playground_amp.core.terms import FeatureGroup
from playground_amp.discriminator.motion_prior import DiscriminatorState, MotionPrior
from playground_amp.learning import replay
from playground_amp.motion.clip import load_clip, save_clip
from playground_amp.training import health, loop

ROOT = Path(__file__).parents[1]

CONFIG = resolve(Config(), accelerator=False)

HEALTHY = {
    "disc_real_mean": 0.57,
    "disc_fake_mean": 0.43,
    "disc_real_std": 0.1,
    "disc_fake_std": 0.11,
    "disc_acc": 0.75,
    "disc_acc_clean": 0.72,
    "disc_weakening": 1.2,
    "amp_reward": 0.48,
    "task_reward": 0.9,
    "episode_length": 490.0,
    "feature_diversity": 1.0,
}
SURE = {"disc_real_mean": 0.99, "disc_fake_mean": 0.01, "disc_acc": 0.99, "disc_acc_clean": 0.99, "amp_reward": 0.02}
SICK = {
    "discriminator too strong": SURE | {"episode_length": 60.0},
    "reference suspicious": SURE,
    "discriminator flat": {
        "disc_real_mean": 0.5,
        "disc_fake_mean": 0.5,
        "disc_real_std": 0.01,
        "disc_fake_std": 0.01,
        "disc_acc": 0.5,
        "amp_reward": 0.5,
    },
    "discriminator too weak": {
        "disc_real_mean": 0.5,
        "disc_fake_mean": 0.5,
        "disc_real_std": 0.2,
        "disc_fake_std": 0.2,
        "disc_acc": 0.5,
    },
    "policy collapsed": {"feature_diversity": 0.05},
}
# 0.5M, 1M, ... steps of a run that walked: length, style, D of reference and robot, accuracy with noise and without
WALKED = [
    (61, 158, 0.38, 0.66, 0.32, 0.94, 0.94),
    (122, 452, 0.44, 0.64, 0.35, 0.89, 0.88),
    (244, 439, 0.46, 0.59, 0.41, 0.81, 0.85),
    (366, 487, 0.46, 0.56, 0.44, 0.76, 0.87),
    (488, 489, 0.44, 0.54, 0.46, 0.72, 0.83),
    (647, 491, 0.43, 0.54, 0.46, 0.72, 0.79),
]


def rows(count: int, changes: dict[str, float] | None = None, *, first: int = 1001) -> list[dict[str, float]]:
    """Rows of a healthy run with `changes`."""
    return [HEALTHY | (changes or {}) | {"iteration": first + i} for i in range(count)]


def state(changes: dict[str, float], config: Config = CONFIG) -> str:
    return health.assess_health(rows(20, changes), config).state


def amp_config(**changes: object) -> Config:
    return dataclasses.replace(CONFIG, amp=dataclasses.replace(CONFIG.amp, **changes))


def history(config: Config, series: list[dict[str, float]], interval: int = 5) -> list[str]:
    """States that a run prints, without repetitions."""
    states = [""]
    for end in range(interval, len(series) + 1, interval):
        now = health.assess_health(series[:end], config, states[-1]).state
        states += [now] if now != states[-1] else []
    return states[1:]


@pytest.mark.parametrize("name", SICK)
def test_each_symptom_is_named_with_a_setting_to_change(name):
    verdict = health.assess_health(rows(20, SICK[name]), CONFIG)
    assert verdict.state == name
    assert any(f"{section}." in verdict.sentence for section in ("amp", "ppo", "env", "reference"))
    assert "\n" not in verdict.sentence


def test_a_healthy_row_is_learning():
    assert health.assess_health(rows(20), CONFIG).state == "learning"


def test_accuracy_of_a_half_is_never_balance():
    for accuracy in (0.0, 0.5, 0.72, 1.0):  # a flat discriminator may have any
        assert state(SICK["discriminator flat"] | {"disc_acc": accuracy}) == "discriminator flat"
    assert state({"disc_acc": 0.5, "disc_real_mean": 0.5, "disc_fake_mean": 0.5}) == "discriminator too weak"


def test_one_wide_half_or_a_distance_is_not_flat():
    flat = SICK["discriminator flat"]
    assert state(flat | {"disc_fake_std": 0.1}) == "discriminator too weak"
    assert state(flat | {"disc_real_mean": 0.6, "disc_fake_mean": 0.4, "disc_acc": 0.9}) == "learning"


# as of a run on the default clips, lifted by 16 mm
CERTAIN = {
    "disc_real_mean": 0.86,
    "disc_fake_mean": 0.13,
    "disc_acc": 1.0,
    "disc_acc_clean": 0.97,
    "disc_auc_clean": 0.999,
    "amp_reward": 0.16,
    "amp_reward_reference": 0.9,
    "episode_length": 150.0,
    "disc_by_foot_contacts": 0.5,
    "disc_by_joint_velocities": 0.3,
    "disc_by_root_height": 0.05,
}


def test_a_robot_that_is_known_without_fail_for_long_is_told_and_by_what():
    verdict = health.assess_health(rows(100, CERTAIN), CONFIG)
    assert (verdict.state, verdict.dead) == ("discriminator certain", False)
    assert "it goes most by foot_contacts (50%: do the clips' feet float" in verdict.sentence
    assert "and joint_velocities (30%:" in verdict.sentence and "playground-amp doctor" in verdict.sentence
    assert "root_height" not in verdict.sentence
    assert "discriminator_lr (0.0001)" in verdict.sentence


BY_JOINTS = CERTAIN | {"disc_by_foot_contacts": 0.1}


def test_a_sure_discriminator_is_no_trouble_at_first_nor_while_it_pays_or_pays_more_and_more():
    assert health.assess_health(rows(99, BY_JOINTS), CONFIG).state == "learning"
    for changes in (
        {"amp_reward": 0.26},  # a healthy run after 60 iterations: 0.32 of 0.75
        {"disc_auc_clean": 0.97},
        {"amp_reward_reference": 0.4},
    ):
        assert health.assess_health(rows(200, BY_JOINTS | changes), CONFIG).state == "learning"
    rising = [row | {"amp_reward": 0.10 + 0.0005 * i} for i, row in enumerate(rows(150, BY_JOINTS))]
    assert health.assess_health(rising, CONFIG).state == "learning"
    assert health.assess_health(rows(150, BY_JOINTS), amp_config(warm_up=1100)).state == "learning"


def test_a_robot_that_walks_and_is_known_without_fail_is_told_though_the_midpoint_lies_off_the_scores():
    """Scores 0.5 and 0.9 are on the same side of the midpoint 0.5 half of the time: the accuracy is 0.75, the AUC 1."""
    walks = HEALTHY | {"disc_acc": 0.7, "disc_acc_clean": 0.75, "amp_reward": 0.2, "amp_reward_reference": 0.9}
    assert state(walks | {"disc_auc_clean": 0.999}) == "reference suspicious"
    assert (
        "0.75 (disc_auc_clean 0.999)"
        in health.assess_health(rows(200, walks | {"disc_auc_clean": 0.999}), CONFIG).sentence
    )
    for sound in ({"disc_auc_clean": 0.97}, {"disc_auc_clean": 0.9999, "amp_reward": 0.4}):
        assert state(walks | sound) == "learning"


def test_feet_that_no_robot_can_have_are_told_soon_and_whatever_the_reward_does():
    rising = [row | {"amp_reward": 0.1 + 0.0007 * i} for i, row in enumerate(rows(110, CERTAIN))]
    verdict = health.assess_health(rising, CONFIG)
    assert verdict.state == "discriminator certain" and "without fail for 50 iterations" in verdict.sentence
    assert "does not rise" not in verdict.sentence
    sound = [row | {"disc_by_foot_contacts": 0.1} for row in rising]
    assert health.assess_health(sound, CONFIG).state == "learning"


def test_certainty_ends_with_the_reward_that_rises_and_does_not_flicker():
    noise = np.random.default_rng(0).normal(1.0, 0.05, 400)
    stays = [row | {"amp_reward": 0.16 * factor} for row, factor in zip(rows(400, CERTAIN), noise, strict=True)]
    assert history(CONFIG, stays) == ["not enough steps yet", "learning", "discriminator certain"]
    reward = 0.16 + 0.002 * np.arange(150)
    later = rows(150, CERTAIN, first=1121)
    mends = [*rows(120, CERTAIN), *(row | {"amp_reward": value} for row, value in zip(later, reward, strict=True))]
    assert history(CONFIG, mends)[-1] == "learning"


@pytest.mark.parametrize("reward", ["quadratic", "gail", "softplus"])
def test_what_little_is_goes_by_what_the_reference_earns(reward):
    loss = {"loss": "vanilla"} if reward == "gail" else {"loss": "hinge"} if reward == "softplus" else {}
    config = amp_config(**loss, reward=reward)
    sure_fake = float(np.log1p(np.exp(-1.0))) if reward == "softplus" else 0.0
    earns = {"amp_reward_reference": sure_fake + 1.5, "amp_reward": sure_fake + 0.3}
    assert health.assess_health(rows(120, CERTAIN | earns), config).state == "discriminator certain"
    assert (
        health.assess_health(rows(120, CERTAIN | earns | {"amp_reward": sure_fake + 0.45}), config).state == "learning"
    )


def test_rows_of_before_these_metrics_are_judged_without_them():
    old = {name: value for name, value in CERTAIN.items() if "auc" not in name and "_by_" not in name}
    assert health.assess_health(rows(200, old), CONFIG).state == "learning"
    assert "goes most by" not in health.assess_health(rows(20, SICK["reference suspicious"]), CONFIG).sentence


def test_what_the_robot_is_known_by_stands_in_every_sentence_about_a_sure_discriminator():
    assert set(health.CAUSES) == set(get_args(FeatureGroup))
    told = {name: value for name, value in CERTAIN.items() if "_by_" in name}
    for name in ("discriminator too strong", "reference suspicious"):
        assert "goes most by foot_contacts (50%" in health.assess_health(rows(20, SICK[name] | told), CONFIG).sentence


def test_falling_at_once_is_a_beginners_only():
    falling = {"episode_length": 25.0}
    assert health.assess_health(rows(20, falling, first=200), CONFIG).state == "learning"
    assert health.assess_health(rows(20, falling, first=400), CONFIG).state == "policy collapsed"


def test_nothing_is_judged_before_there_is_enough():
    assert health.assess_health([], CONFIG).state == "not enough steps yet"
    assert health.assess_health(rows(99, SURE, first=1), CONFIG).state == "not enough steps yet"
    assert health.assess_health(rows(19, SURE), CONFIG).state == "not enough steps yet"  # a resumed run


def test_a_number_that_is_none_is_named_at_once():
    verdict = health.assess_health([*rows(2), HEALTHY | {"iteration": 1003, "value_loss": float("nan")}], CONFIG)
    assert (verdict.state, verdict.dead) == ("diverged", True)
    assert "value_loss is not a number in iteration 1003" in verdict.sentence


def test_swinging_scores_oscillate():
    def series(width: float) -> list[dict[str, float]]:
        gap = 0.3 + width / 2 * np.sin(np.arange(400) * 2 * np.pi / 60)
        return [
            HEALTHY | {"iteration": 200 + i, "disc_real_mean": 0.5 + g / 2, "disc_fake_mean": 0.5 - g / 2}
            for i, g in enumerate(gap)
        ]

    assert history(CONFIG, series(0.5)) == ["not enough steps yet", "learning", "oscillating"]
    assert history(CONFIG, series(0.15)) == ["not enough steps yet", "learning"]


def test_the_curve_of_a_run_that_walked_raises_no_alarm():
    table = np.array([(1, 27, 0.49, 0.5, 0.49, 0.54, 0.48), *WALKED])
    iterations = np.arange(1, 648)
    columns = [np.interp(iterations, table[:, 0], table[:, i]) for i in range(1, 7)]
    names = ["episode_length", "amp_reward", "disc_real_mean", "disc_fake_mean", "disc_acc", "disc_acc_clean"]
    noise = np.random.default_rng(0).normal(0.0, 0.02, (len(iterations), 1))
    values = np.stack(columns, axis=1) * (1.0 + noise)
    series = [
        HEALTHY | dict(zip(names, row, strict=True)) | {"iteration": i}
        for i, row in zip(iterations, values, strict=True)
    ]
    assert history(CONFIG, series) == ["not enough steps yet", "learning"]


def test_noise_about_a_threshold_does_not_flicker():
    rng = np.random.default_rng(0)
    series = [
        row | SURE | {"episode_length": 60.0, "amp_reward": reward}
        for row, reward in zip(rows(400), rng.normal(0.1, 0.01, 400), strict=True)
    ]
    assert len(history(CONFIG, series)) <= 6
    spike = [row | SURE if i % 40 == 0 else row for i, row in enumerate(rows(400))]
    assert history(CONFIG, spike) == ["not enough steps yet", "learning"]


def test_a_state_begins_when_both_halves_show_it_and_ends_when_it_is_long_past():
    flat = SICK["discriminator flat"]
    half = [*rows(30), *rows(10, flat, first=1031)]
    assert health.assess_health(half, CONFIG, "learning").state == "learning"
    assert health.assess_health(half, CONFIG, "discriminator flat").state == "discriminator flat"
    past = [*rows(20, flat), *rows(50, first=1021)]
    assert health.assess_health(past[:60], CONFIG, "discriminator flat").state == "discriminator flat"
    assert health.assess_health(past, CONFIG, "discriminator flat").state == "learning"


@pytest.mark.parametrize("name", ["discriminator too strong", "discriminator flat", "policy collapsed"])
def test_dead_is_what_stays_for_long(name):
    assert not health.assess_health(rows(199, SICK[name]), CONFIG).dead
    assert health.assess_health(rows(200, SICK[name]), CONFIG).dead
    recovered = [*rows(20), *rows(180, SICK[name], first=1021)]
    assert not health.assess_health(recovered, CONFIG).dead


def test_a_little_style_reward_and_a_guessing_discriminator_are_not_dead():
    strong = SICK["discriminator too strong"] | {"amp_reward": 0.07}
    weak = SICK["discriminator too weak"]
    for changes in (strong, weak):
        assert not health.assess_health(rows(200, changes), CONFIG).dead
    assert health.assess_health(
        rows(200, weak | {"disc_acc": 0.3, "disc_fake_mean": 0.6}), CONFIG
    ).dead  # does not learn


def test_task_alone_is_judged_without_a_discriminator():
    config = amp_config(style_weight=0.0)

    def task(first: int, length: float) -> health.HealthStatus:
        row = {"task_reward": 0.9, "episode_length": length}
        return health.assess_health([row | {"iteration": first + i} for i in range(200)], config)

    assert task(1001, 490.0).state == "learning"
    assert task(1001, 20.0) == dataclasses.replace(task(1001, 20.0), state="policy collapsed", dead=True)


def test_the_controller_is_mentioned_at_the_end_of_its_range():
    highest = CONFIG.amp.control_range[1]
    strong = SICK["discriminator too strong"]
    at_end = health.assess_health(rows(20, strong | {"disc_weakening": highest}), CONFIG).sentence
    assert f"amp.control (input_noise) stands at the upper end of amp.control_range ({highest:g})" in at_end
    assert "amp.control" not in health.assess_health(rows(20, strong), CONFIG).sentence
    assert "amp.control" in health.assess_health(rows(20, strong), amp_config(control="off")).sentence


# --- losses and rewards

LOSSES = {
    "lsgan": {},
    "lsgan of -1 and 1": {"targets": (-1.0, 1.0, 1.0), "reward": "quadratic"},
    "vanilla": {"loss": "vanilla", "reward": "gail"},
    "hinge": {"loss": "hinge", "reward": "softplus"},
    "hinge, linear": {"loss": "hinge", "reward": "linear"},
    "wasserstein": {"loss": "wasserstein", "reward": "linear", "r1_gamma": 0.0, "gp_weight": 10.0},
}
UNITS = {name: 1.0 if name in ("lsgan", "wasserstein") else 2.0 for name in LOSSES}


def scores(real: float, fake: float, spread: float, unit: float) -> dict[str, float]:
    """Scores of an lsgan as those of a loss of another unit, by their distance from the midpoint."""
    means = {"disc_real_mean": unit * (real - 0.5), "disc_fake_mean": unit * (fake - 0.5)}
    return means | {"disc_real_std": unit * spread, "disc_fake_std": unit * spread}


@pytest.mark.parametrize("name", LOSSES)
def test_thresholds_are_in_units_of_the_loss(name):
    config, unit = amp_config(**LOSSES[name]), UNITS[name]
    assert state(scores(0.57, 0.43, 0.1, unit), config) == "learning"
    assert state(scores(0.52, 0.48, 0.04, unit), config) == "discriminator flat"
    assert state(scores(0.52, 0.48, 0.06, unit) | {"disc_acc": 0.65}, config) == "learning"
    assert state(scores(0.50, 0.50, 0.06, unit) | {"disc_acc": 0.5}, config) == "discriminator too weak"


def test_a_critic_held_to_another_slope_has_another_unit():
    steep = amp_config(**LOSSES["wasserstein"], gp_target=10.0)
    small = scores(0.5, 0.5, 0.4, 1.0)
    assert state(small, steep) == "discriminator flat"
    assert state(small, amp_config(**LOSSES["wasserstein"] | {"gp_target": 0.0})) == "learning"


def test_what_a_sure_fake_earns_depends_on_loss_and_reward():
    sure = {"disc_acc": 0.99, "episode_length": 60.0}
    margins = scores(1.05, -0.05, 0.02, 2.0) | sure
    assert state(margins | {"amp_reward": 0.33}, amp_config(**LOSSES["hinge"])) == "discriminator too strong"
    assert state(margins | {"amp_reward": 0.33}, amp_config(**LOSSES["vanilla"])) == "learning"
    assert state(margins | {"amp_reward": 0.05}, amp_config(**LOSSES["vanilla"])) == "discriminator too strong"


def test_a_linear_reward_counts_by_how_much_it_tells_the_policys_samples_apart():
    config = amp_config(**LOSSES["wasserstein"])
    sure = {"disc_acc": 0.99, "episode_length": 60.0, "amp_reward": 0.0}
    assert state(scores(4.0, -4.0, 2.0, 1.0) | sure, config) == "learning"
    assert state(scores(4.0, -4.0, 0.5, 1.0) | sure, config) == "discriminator too strong"


def test_no_reward_is_missed_during_the_warm_up():
    strong = SICK["discriminator too strong"]
    assert state(strong, amp_config(warm_up=2000)) == "learning"
    assert state(strong, amp_config(warm_up=500)) == "discriminator too strong"


def test_without_noise_a_discriminator_may_be_right_as_long_as_it_pays():
    right = {"disc_acc": 0.99, "disc_acc_clean": 0.99}  # as in runs of the presets isaacgym and peng2021, which walked
    assert state(right) == "reference suspicious"
    assert state(right, amp_config(input_noise=0.0)) == "learning"
    assert state(right | {"amp_reward": 0.02}, amp_config(input_noise=0.0)) == "reference suspicious"


def test_scores_without_bounds_swing_by_their_own_measure():
    gap = 10.0 + 0.5 * np.sin(np.arange(200) * 2 * np.pi / 40)
    config = amp_config(**LOSSES["vanilla"])

    def series(offset: float) -> list[dict[str, float]]:
        means = [{"disc_real_mean": (g - offset) / 2, "disc_fake_mean": (offset - g) / 2} for g in gap]
        return [HEALTHY | mean | {"iteration": 1001 + i} for i, mean in enumerate(means)]

    assert health.assess_health(series(0.0), config).state == "learning"
    assert health.assess_health(series(9.5), config).state == "oscillating"


def test_scores_that_swing_are_not_called_weak_by_turns():
    def row(i: int) -> dict[str, float]:
        gap = 0.5 * np.sin(i * 2 * np.pi / 80)
        accuracy = 0.5 + 0.4 * np.sign(gap)
        means = {"disc_real_mean": 0.5 + gap / 2, "disc_fake_mean": 0.5 - gap / 2, "disc_acc": accuracy}
        return HEALTHY | means | {"iteration": 1001 + i}

    series = [row(i) for i in range(240)]
    assert health.assess_health(series[:80], CONFIG).state == "discriminator too weak"
    assert health.assess_health(series, CONFIG).state == "oscillating"
    assert "amp.replay_share" in health.assess_health(series, CONFIG).sentence


def test_few_modes_are_a_collapse_of_robots_that_stay_up():
    few = {"mode_coverage": 0.15, "feature_diversity": 0.6}
    verdict = health.assess_health(rows(200, few), CONFIG)
    assert (verdict.state, verdict.dead) == ("policy collapsed", False)  # the style reward may still lead out of it
    assert "0.15" in verdict.sentence and "amp.condition" in verdict.sentence
    assert "amp.condition" not in health.assess_health(rows(20, few), amp_config(condition="command")).sentence
    assert state(few | {"mode_coverage": 0.4}) == "learning"  # the least that a preset's run showed
    assert state(few | {"episode_length": 100.0}) == "learning"
    assert state(few, amp_config(warm_up=2000)) == "learning"


def test_advice_names_what_is_there_to_change():
    strong, weak = SICK["discriminator too strong"], SICK["discriminator too weak"]
    settings = [
        "amp.label_smoothing (0)",
        "amp.dropout (0)",
        "amp.update_every (1)",
        "amp.normalization (none)",
    ]
    said = health.assess_health(rows(20, strong), CONFIG).sentence
    assert all(setting in said for setting in settings)
    assert not any(setting in health.assess_health(rows(20, weak), CONFIG).sentence for setting in settings)
    weakened = amp_config(r1_gamma=0.0, dropout=0.5, update_every=3, normalization="layer", control="off")
    said = health.assess_health(rows(20, weak), weakened).sentence
    assert "lower amp.input_noise (0.2), amp.dropout (0.5) or amp.update_every (3), or set amp.normalization" in said
    assert "label_smoothing" not in health.assess_health(rows(20, strong), amp_config(**LOSSES["hinge"])).sentence


# --- symptoms made by a discriminator that learns from a made-up policy: drift [D] is what the policy has learned

Policy = Callable[[MotionPrior, DiscriminatorState, jax.Array, jax.Array], tuple[jax.Array, jax.Array]]
SAMPLES = 128
SMALL = {"hidden": (64,), "batch_size": 64, "replay_size": 1000, "input_noise": 0.0, "control": "off"}
HOT = {"discriminator_lr": 3e-3, "update_steps": 4}


def recorded(prior: MotionPrior, key: jax.Array) -> jax.Array:
    return prior.builder.of_reference(key, SAMPLES, jnp.zeros((SAMPLES, prior.shape.width)))


def near(offset: float, noise: float) -> Policy:
    """The reference's inputs, every number moved by `offset` and by noise."""

    def policy(
        prior: MotionPrior, state: DiscriminatorState, drift: jax.Array, key: jax.Array
    ) -> tuple[jax.Array, jax.Array]:
        inputs = recorded(prior, key)
        return inputs + offset + noise * jax.random.normal(jax.random.fold_in(key, 1), inputs.shape), drift

    return policy


def one_step(
    prior: MotionPrior, state: DiscriminatorState, drift: jax.Array, key: jax.Array
) -> tuple[jax.Array, jax.Array]:
    """A tenth of a second of the walk, again and again."""
    windows = prior.reference.windows[jax.random.randint(key, (SAMPLES,), 30, 36)]
    inputs = prior.reference.normalizer(windows).reshape(SAMPLES, -1)
    return inputs + 0.3 * jax.random.normal(key, inputs.shape), drift


def chasing(
    prior: MotionPrior, state: DiscriminatorState, drift: jax.Array, key: jax.Array
) -> tuple[jax.Array, jax.Array]:
    """The reference's inputs moved by a drift that climbs the mean score.

    The two chase each other round in circles unless a gradient penalty damps them: the Dirac GAN of Mescheder et al.
    2018, https://arxiv.org/abs/1801.04406, section 2.
    """
    drift = jnp.where(jnp.any(drift), drift, 3.0 / jnp.sqrt(len(drift)))
    inputs = recorded(prior, key)
    slope = jax.grad(lambda drift: jnp.mean(prior.score(state, inputs + drift)))(drift)
    return inputs + drift, drift + 0.1 * slope / (jnp.linalg.norm(slope) + 1e-3)


def broken(
    prior: MotionPrior, state: DiscriminatorState, drift: jax.Array, key: jax.Array
) -> tuple[jax.Array, jax.Array]:
    """A policy that leaves the numbers in its sixth iteration."""
    return recorded(prior, key) + jnp.where(drift < 5.0, 0.0, jnp.inf), drift + 1.0


def learned(prior: MotionPrior, policy: Policy, iterations: int, length: float = 200.0) -> list[dict[str, float]]:
    """Metrics of a discriminator that learns from `policy`; episodes are said to last `length`."""

    def step(carry: tuple, i: jax.Array) -> tuple[tuple, dict[str, jax.Array]]:
        state, buffer, drift = carry
        policy_key, clean_key, key = jax.random.split(jax.random.fold_in(jax.random.key(0), i), 3)
        inputs, drift = policy(prior, state, drift, policy_key)
        fake = prior.score(state, inputs)
        metrics = {"amp_reward": prior.style(state, fake, i).mean()}
        metrics |= prior.clean_metrics(state, inputs, fake, clean_key)
        state, buffer, updated = prior.update(state, buffer, inputs, i, key)
        return (state, buffer, drift), metrics | updated | prior.diversity(inputs)

    def go() -> dict[str, jax.Array]:
        width = prior.shape.width
        start = prior.init(jax.random.key(9)), replay.init(prior.config.replay_size, width), jnp.zeros(width)
        return jax.lax.scan(step, start, jnp.arange(iterations))[1]

    metrics = jax.device_get(jax.jit(go)())
    task = {"task_reward": 0.9, "episode_length": length}
    return [{name: float(m[i]) for name, m in metrics.items()} | task | {"iteration": i + 1} for i in range(iterations)]


@pytest.fixture
def learn(robot, reference_of):
    """Metrics and configuration of a policy, under settings of `amp`."""

    def run(policy: Policy, iterations: int = 130, length: float = 200.0, **settings: object):
        config = amp_config(**SMALL | settings)
        return learned(MotionPrior(config.amp, reference_of(1), robot), policy, iterations, length), config

    return run


@pytest.mark.parametrize("name", ["lsgan", *slow("lsgan of -1 and 1", "vanilla", "hinge"), "wasserstein"])
def test_a_fast_discriminator_without_penalty_becomes_too_strong(learn, name):
    series, config = learn(near(3.0, 0.0), **{"r1_gamma": 0.0} | LOSSES[name] | HOT)
    verdict = health.assess_health(series, config)
    assert verdict.state == "discriminator too strong"
    assert "discriminator_lr (0.003)" in verdict.sentence


@pytest.mark.parametrize("name", ["vanilla", *slow("wasserstein")])
def test_a_huge_penalty_makes_a_flat_discriminator(learn, name):
    series, config = learn(near(0.3, 0.3), **LOSSES[name] | {"r1_gamma": 1e5})
    assert health.assess_health(series, config).state == "discriminator flat"


@pytest.mark.parametrize("name", ["hinge, linear", *slow("wasserstein")])
def test_a_policy_that_is_the_reference_is_too_strong_for_the_discriminator(learn, name):
    series, config = learn(near(0.0, 0.0), **{"r1_gamma": 0.0} | LOSSES[name] | {"discriminator_lr": 1e-3})
    verdict = health.assess_health(series, config)
    assert verdict.state == "discriminator too weak"
    assert "the policy is too strong for it" in verdict.sentence


@pytest.mark.parametrize("name", ["lsgan", *slow("vanilla", "wasserstein")])
def test_a_policy_near_the_reference_is_a_balance(learn, name):
    noise = {"input_noise": 0.7, "control": "input_noise", "discriminator_lr": 1e-3}
    series, config = learn(near(0.3, 0.3), **LOSSES[name] | noise)
    assert 0.6 < np.mean([row["disc_acc"] for row in series[-20:]]) < 0.8
    assert history(config, series) == ["not enough steps yet", "learning"]


def test_a_policy_of_one_step_has_collapsed(learn):
    series, config = learn(one_step, length=450.0)
    verdict = health.assess_health(series, config)
    assert verdict.state == "policy collapsed"
    assert "a few of the reference's modes" in verdict.sentence


@pytest.mark.parametrize("name", slow("lsgan", "vanilla", "wasserstein"))
def test_two_that_chase_each_other_oscillate(learn, name):
    undamped = {"replay_share": 0.0, "adam_b1": 0.9, "discriminator_lr": 3e-3}
    undamped |= {"gp_weight": 0.1} if name == "wasserstein" else {"r1_gamma": 0.0}
    series, config = learn(chasing, 240, **LOSSES[name] | undamped)
    assert history(config, series)[-1] == "oscillating"


def test_a_penalty_ends_the_chase(learn):
    series, config = learn(chasing, 240, replay_share=0.0, adam_b1=0.9, discriminator_lr=3e-3, r1_gamma=1.0)
    assert "oscillating" not in history(config, series)


def test_an_input_that_is_infinite_diverges(learn):
    series, config = learn(broken, 10)
    assert health.assess_health(series[:5], config).state == "not enough steps yet"
    verdict = health.assess_health(series, config)
    assert (verdict.state, verdict.dead) == ("diverged", True)
    assert "iteration 6" in verdict.sentence


# --- symptoms made by a small training


def trained(overrides: list[str], iterations: int = 130) -> tuple[list[dict[str, float]], Config]:
    """Metrics of a small training."""
    small = ["env.num_envs=16", "ppo.rollout_length=8", "networks.actor=[16]", "networks.critic=[16]"]
    small += ["amp.hidden=[64]", "amp.batch_size=64", "amp.replay_size=1000", "amp.input_noise=0", "amp.control=off"]
    config = resolve_here(load_config("ppo_amass_training.yaml", [*small, *overrides]))
    return metrics_of(config, iterations), config


def metrics_of(config: Config, iterations: int) -> list[dict[str, float]]:
    """Metrics of a training by `config`."""
    amp = make_amp(config)
    _, metrics = loop.make_chunk(amp, iterations)(jax.jit(amp.init)(jax.random.key(0)), iterations)
    metrics = jax.device_get(metrics)
    return [{name: float(m[i]) for name, m in metrics.items()} | {"iteration": i + 1} for i in range(iterations)]


STRONG = ["amp.discriminator_lr=3e-3", "amp.update_steps=4", "amp.r1_gamma=0"]
POSE = ["env.action_scale=1e-6", "env.reference_start_share=0", "env.start_noise=0"]
BACK_ON_THE_CLIPS = [
    "env.action_scale=1e-6",
    "env.reference_start_share=1",
    "env.start_noise=0",
    "env.episode_length=1",
]
UNTAUGHT = ["amp.discriminator_lr=1e-9", "amp.window=8"]
VANILLA = ["amp.loss=vanilla", "amp.reward=sigmoid"]
STEERED = ["amp.discriminator_lr=1e-3", "amp.input_noise=1", "amp.control=input_noise"]


@pytest.mark.parametrize(
    ("overrides", "expected"),
    [
        pytest.param(STRONG, "discriminator too strong", marks=pytest.mark.slow),
        pytest.param(["amp.r1_gamma=1e5"], "discriminator flat", marks=pytest.mark.slow),
        pytest.param(POSE, "policy collapsed", marks=pytest.mark.slow),
        pytest.param([*BACK_ON_THE_CLIPS, *UNTAUGHT], "discriminator too weak", marks=pytest.mark.slow),
        pytest.param([*VANILLA, *STEERED], "learning", marks=pytest.mark.slow),
    ],
)
def test_sick_training_is_recognised(overrides, expected):
    series, config = trained(overrides)
    assert health.assess_health(series, config).state == expected


@pytest.mark.slow
@pytest.mark.parametrize(("height", "dips"), [(0.016, 0.018), (0.05, 0.0)])
def test_a_run_on_clips_that_float_is_named_with_their_contacts(height, dips, robot, tmp_path):
    """The default's own clips, whose feet stand `height` m over the ground and dip below it in one frame of fifty."""
    for path in sorted((ROOT / "data/wildrobot").glob("walk_*.npz")):
        clip = load_clip(path, robot)
        qpos = clip.qpos.copy()
        qpos[:, 2] += height
        qpos[::50, 2] -= dips
        save_clip(tmp_path / path.name, dataclasses.replace(clip, qpos=qpos))
    small = ["env.num_envs=32", "ppo.rollout_length=16", "amp.batch_size=128", f"reference.clips={tmp_path}"]
    config = resolve_here(load_config("ppo_amass_training.yaml", small))
    series = metrics_of(config, 150)
    said = [health.assess_health(series[:end], config) for end in range(100, 151, 10)]
    assert any(status.state != "learning" and "foot_contacts" in status.sentence for status in said)


@pytest.mark.slow
def test_training_with_a_monstrous_learning_rate_diverges():
    series, config = trained(["ppo.learning_rate=1e6", "ppo.learning_rate_range=[1e-5, 1e6]"], iterations=1)
    assert health.assess_health(series, config).state == "diverged"
