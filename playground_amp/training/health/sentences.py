"""What is said of a run's health: what is seen, in numbers, and which settings to change."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from playground_amp.config import Config
from playground_amp.config.validation import LABELLED
from playground_amp.core.errors import listed
from playground_amp.training.health.symptoms import (
    BY_CONTACTS,
    CERTAIN,
    CERTAIN_FOR,
    COLLAPSED,
    FLAT,
    HOLD,
    LEARNING,
    OSCILLATING,
    SUSPICIOUS,
    SWING,
    TOO_STRONG,
    TOO_WEAK,
    Row,
    keeps_few_modes,
    keeps_one_pose,
    unit,
)

TOLD_BY = 0.15  # share of a group of features that is named
CAUSES = {  # of a difference that stays, by the group of features that shows it
    "foot_contacts": "do the clips' feet float, sink or skate?",
    "root_height": "do the clips' feet stand on the ground?",
    "joint_positions": "are the clips' poses within this robot's reach, their joints in order?",
    "joint_velocities": "does the robot fall or shake, networks.initial_log_std?",
    "root_direction": "do the clips go as env.command asks?",
    "root_angular_velocity": "does the robot fall or shake, networks.initial_log_std?",
}
WEAKENING = {"r1_gamma": 0.0, "input_noise": 0.0, "label_smoothing": 0.0, "dropout": 0.0, "update_every": 1}  # unused


def _advice(row: Row, config: Config, *, sure: bool) -> str:
    """Which settings to change for a discriminator that is too sure, or not sure enough."""
    less, more = ("lower", "raise") if sure else ("raise", "lower")
    amp = config.amp
    speeds = ["discriminator_lr"] if sure and amp.update_steps == 1 else ["discriminator_lr", "update_steps"]
    weakening = [name for name, unused in WEAKENING.items() if sure or getattr(amp, name) > unused]
    if amp.loss not in LABELLED and "label_smoothing" in weakening:
        weakening.remove("label_smoothing")
    advice = f"{less} {_either([_now(config, name) for name in speeds])}"
    if weakening:
        advice += f", or {more} {_either([_now(config, name) for name in weakening])}"
    if sure == (amp.normalization == "none"):
        advice += f", or set amp.normalization ({amp.normalization}) to {'spectral' if sure else 'none'}"
    return advice + _controller(row, config, sure=sure)


def _either(names: Sequence[str]) -> str:
    return " or ".join(filter(None, [", ".join(names[:-1]), names[-1]]))


def _now(config: Config, name: str) -> str:
    return f"amp.{name} ({getattr(config.amp, name):g})"


def _controller(row: Row, config: Config, *, sure: bool) -> str:
    """What the controller can still do for a discriminator that is too sure, or not sure enough.

    It goes by the accuracy alone: one that is flat and right by chance it would weaken further.
    """
    if (row["disc_acc"] > config.amp.target_accuracy) != sure:
        return ""
    if config.amp.control == "off":
        return "; amp.control, which would do so by itself, is off"
    for end, limit in zip(("lower", "upper"), config.amp.control_range, strict=True):
        if math.isclose(row.get("disc_weakening", math.nan), limit, rel_tol=1e-3):
            return f"; amp.control ({config.amp.control}) stands at the {end} end of amp.control_range ({limit:g})"
    return ""


def _scores(row: Row) -> str:
    return (
        f"D is {row['disc_real_mean']:.2f} ± {row['disc_real_std']:.2f} for the reference and "
        f"{row['disc_fake_mean']:.2f} ± {row['disc_fake_std']:.2f} for the robot"
    )


def _episodes(row: Row, config: Config) -> str:
    return f"{row['episode_length']:.0f} of {config.env.episode_length} steps"


def _told_by(row: Row) -> str:
    """The groups of features that the discriminator goes by, and what that speaks for."""
    found = {name.removeprefix("disc_by_"): share for name, share in row.items() if name.startswith("disc_by_")}
    named = sorted((group for group in found if found[group] >= TOLD_BY), key=lambda group: -found[group])
    if not named:
        return ""
    said = listed(f"{group} ({found[group]:.0%}: {CAUSES[group]})" for group in named[:3])
    return f"it goes most by {said}; "


def _say_learning(row: Row, config: Config) -> str:
    style = f"accuracy {row['disc_acc']:.2f}, style reward {row['amp_reward']:.2f}, " if "disc_acc" in row else ""
    return f"{style}task reward {row['task_reward']:.2f}, episodes last {_episodes(row, config)}"


def _say_flat(row: Row, config: Config) -> str:
    return (
        f"{_scores(row)}: it scores everything alike, so its accuracy of {row['disc_acc']:.2f} is no balance and its "
        f"reward teaches nothing; {_advice(row, config, sure=False)}"
    )


def _say_too_strong(row: Row, config: Config) -> str:
    return (
        f"accuracy is {row['disc_acc']:.2f} and the style reward {row['amp_reward']:.2f}, no more than a sure fake's: "
        f"nothing the robot tries is rewarded; {_told_by(row)}{_advice(row, config, sure=True)}"
    )


def _say_certain(row: Row, config: Config) -> str:
    by_contacts = row.get("disc_by_foot_contacts", 0.0) > BY_CONTACTS
    long, still = (HOLD, "") if by_contacts else (CERTAIN_FOR, ", and does not rise")
    return (
        f"the discriminator knows the robot without fail for {long} iterations (disc_auc_clean "
        f"{row['disc_auc_clean']:.3f}, accuracy {row['disc_acc']:.2f}); the style reward is {row['amp_reward']:.2f} "
        f"where the reference earns {row['amp_reward_reference']:.2f}{still}; {_told_by(row)}ask "
        f"playground-amp doctor about reference.clips; if nothing is wrong with them, "
        f"{_advice(row, config, sure=True)}"
    )


def _say_too_weak(row: Row, config: Config) -> str:
    return (
        f"{_scores(row)}, accuracy {row['disc_acc']:.2f}: it cannot tell them apart, the policy is too strong for it; "
        f"{_advice(row, config, sure=False)}"
    )


def _auc(row: Row) -> str:
    """The AUC, where the run has measured it."""
    return f" (disc_auc_clean {row['disc_auc_clean']:.3f})" if "disc_auc_clean" in row else ""


def _say_suspicious(row: Row, config: Config) -> str:
    return (
        f"the robot stays up for {_episodes(row, config)}, yet accuracy without noise is {row['disc_acc_clean']:.2f}"
        f"{_auc(row)} and the style reward {row['amp_reward']:.2f}: {_told_by(row)}the motion of "
        f"reference.clips may be beyond this robot, sunk, floating or at speeds outside env.command; ask "
        f"playground-amp doctor, and look at the video"
    )


def _say_collapsed(row: Row, config: Config) -> str:
    if keeps_one_pose(row):
        seen = f"the robot's motion has {row['feature_diversity']:.2f} of the reference's spread: it keeps to one pose"
        return f"{seen}; raise ppo.entropy_cost, env.reference_start_share or env.action_scale"
    if keeps_few_modes(row, config):
        return (
            f"the robot stays up for {_episodes(row, config)}, and what it does overlaps by {row['mode_coverage']:.2f} "
            f"with all that the reference does: it keeps to a few of the reference's modes; raise ppo.entropy_cost or "
            f"env.reference_start_share, or set {_for_modes(config)}"
        )
    return (
        f"episodes last {_episodes(row, config)} after {row['iteration']:.0f} iterations; lower the upper end of "
        f"ppo.learning_rate_range or networks.initial_log_std, or raise env.reference_start_share or amp.task_weight"
    )


def _for_modes(config: Config) -> str:
    """Settings of the discriminator against few modes that are not made yet."""
    amp = config.amp
    settings = [] if amp.minibatch_deviation else ["amp.minibatch_deviation"]
    settings += ["amp.condition (none), so that D knows what was asked for"] if amp.condition == "none" else []
    return " or ".join(settings) or "env.command to what the clips show"


def _say_oscillating(row: Row, config: Config) -> str:
    return (
        f"the means of D swing apart and together by more than {SWING * unit(config):g}, again and again; lower "
        f"{_now(config, 'discriminator_lr')} or the upper end of ppo.learning_rate_range, or raise "
        f"{_now(config, 'r1_gamma')} or {_now(config, 'replay_share')}"
    )


SENTENCES: dict[str, Callable[[Row, Config], str]] = {
    LEARNING: _say_learning,
    FLAT: _say_flat,
    TOO_STRONG: _say_too_strong,
    TOO_WEAK: _say_too_weak,
    CERTAIN: _say_certain,
    SUSPICIOUS: _say_suspicious,
    COLLAPSED: _say_collapsed,
    OSCILLATING: _say_oscillating,
}
