"""Health: each symptom has its name and its remedy, flatness is never balance, and a healthy run raises no alarm."""

from __future__ import annotations

import dataclasses

import jax
import numpy as np
import pytest

from playground_amp import health, trainer
from playground_amp.config import Config, load_config, resolve

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
    return health.judge(rows(20, changes), config).state


def amp_config(**changes: object) -> Config:
    return dataclasses.replace(CONFIG, amp=dataclasses.replace(CONFIG.amp, **changes))


def history(config: Config, series: list[dict[str, float]], interval: int = 5) -> list[str]:
    """States that a run prints, without repetitions."""
    states = [""]
    for end in range(interval, len(series) + 1, interval):
        now = health.judge(series[:end], config, states[-1]).state
        states += [now] if now != states[-1] else []
    return states[1:]


@pytest.mark.parametrize("name", SICK)
def test_each_symptom_is_named_with_a_setting_to_change(name):
    verdict = health.judge(rows(20, SICK[name]), CONFIG)
    assert verdict.state == name
    assert any(f"{section}." in verdict.sentence for section in ("amp", "ppo", "env", "reference"))
    assert "\n" not in verdict.sentence


def test_a_healthy_row_is_learning():
    assert health.judge(rows(20), CONFIG).state == "learning"


def test_accuracy_of_a_half_is_never_balance():
    for accuracy in (0.0, 0.5, 0.72, 1.0):  # a flat discriminator may have any
        assert state(SICK["discriminator flat"] | {"disc_acc": accuracy}) == "discriminator flat"
    assert state({"disc_acc": 0.5, "disc_real_mean": 0.5, "disc_fake_mean": 0.5}) == "discriminator too weak"


def test_one_wide_half_or_a_distance_is_not_flat():
    flat = SICK["discriminator flat"]
    assert state(flat | {"disc_fake_std": 0.1}) == "discriminator too weak"
    assert state(flat | {"disc_real_mean": 0.6, "disc_fake_mean": 0.4, "disc_acc": 0.9}) == "learning"


def test_a_sure_discriminator_that_still_rewards_is_learning():
    assert state(SURE | {"amp_reward": 0.25, "disc_acc_clean": 0.95, "episode_length": 100.0}) == "learning"


def test_falling_at_once_is_a_beginners_only():
    falling = {"episode_length": 25.0}
    assert health.judge(rows(20, falling, first=200), CONFIG).state == "learning"
    assert health.judge(rows(20, falling, first=400), CONFIG).state == "policy collapsed"


def test_nothing_is_judged_before_there_is_enough():
    assert health.judge([], CONFIG).state == "not enough steps yet"
    assert health.judge(rows(99, SURE, first=1), CONFIG).state == "not enough steps yet"
    assert health.judge(rows(19, SURE), CONFIG).state == "not enough steps yet"  # a resumed run


def test_a_number_that_is_none_is_named_at_once():
    verdict = health.judge([*rows(2), HEALTHY | {"iteration": 1003, "value_loss": float("nan")}], CONFIG)
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
    assert health.judge(half, CONFIG, "learning").state == "learning"
    assert health.judge(half, CONFIG, "discriminator flat").state == "discriminator flat"
    past = [*rows(20, flat), *rows(50, first=1021)]
    assert health.judge(past[:60], CONFIG, "discriminator flat").state == "discriminator flat"
    assert health.judge(past, CONFIG, "discriminator flat").state == "learning"


@pytest.mark.parametrize("name", ["discriminator too strong", "discriminator flat", "policy collapsed"])
def test_dead_is_what_stays_for_long(name):
    assert not health.judge(rows(199, SICK[name]), CONFIG).dead
    assert health.judge(rows(200, SICK[name]), CONFIG).dead
    recovered = [*rows(20), *rows(180, SICK[name], first=1021)]
    assert not health.judge(recovered, CONFIG).dead


def test_a_little_style_reward_and_a_guessing_discriminator_are_not_dead():
    strong = SICK["discriminator too strong"] | {"amp_reward": 0.07}
    weak = SICK["discriminator too weak"]
    for changes in (strong, weak):
        assert not health.judge(rows(200, changes), CONFIG).dead
    assert health.judge(rows(200, weak | {"disc_acc": 0.3, "disc_fake_mean": 0.6}), CONFIG).dead  # does not learn


def test_task_alone_is_judged_without_a_discriminator():
    config = amp_config(style_weight=0.0)

    def task(first: int, length: float) -> health.Verdict:
        row = {"task_reward": 0.9, "episode_length": length}
        return health.judge([row | {"iteration": first + i} for i in range(200)], config)

    assert task(1001, 490.0).state == "learning"
    assert task(1001, 20.0) == dataclasses.replace(task(1001, 20.0), state="policy collapsed", dead=True)


def test_the_controller_is_mentioned_at_the_end_of_its_range():
    highest = CONFIG.amp.control_range[1]
    strong = SICK["discriminator too strong"]
    at_end = health.judge(rows(20, strong | {"disc_weakening": highest}), CONFIG).sentence
    assert f"amp.control (input_noise) stands at the upper end of amp.control_range ({highest:g})" in at_end
    assert "amp.control" not in health.judge(rows(20, strong), CONFIG).sentence
    assert "amp.control" in health.judge(rows(20, strong), amp_config(control="off")).sentence


@pytest.mark.parametrize(
    ("overrides", "expected"),
    [
        (["amp.discriminator_lr=3e-3", "amp.update_steps=4", "amp.r1_gamma=0"], "discriminator too strong"),
        (["amp.r1_gamma=1e5"], "discriminator flat"),
        (["env.action_scale=1e-6", "env.reference_start_share=0", "env.start_noise=0"], "policy collapsed"),
    ],
)
def test_sick_training_is_recognised(overrides, expected):
    small = ["env.num_envs=16", "ppo.rollout_length=8", "networks.actor=[16]", "networks.critic=[16]"]
    small += ["amp.hidden=[64]", "amp.batch_size=64", "amp.replay_size=1000", "amp.input_noise=0", "amp.control=off"]
    config = trainer.resolve_here(load_config("ppo_amass_training.yaml", [*small, *overrides]))
    amp = trainer.make_amp(config)
    _, metrics = trainer.make_chunk(amp, 130)(jax.jit(amp.init)(jax.random.key(0)), 130)
    metrics = jax.device_get(metrics)
    series = [{name: float(m[i]) for name, m in metrics.items()} | {"iteration": i + 1} for i in range(130)]
    assert health.judge(series, config).state == expected
