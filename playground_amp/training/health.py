"""Health: what the curves of a run say in words, and which settings to change.

Thresholds count iterations, not environment steps: an iteration holds the same number of updates whatever the number of
robots, and discriminator and policy change by updates. Those of scores are in units of the loss: what lies between the
two scores that it aims at.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np

from playground_amp.config import Config
from playground_amp.config.validation import LABELLED
from playground_amp.core.errors import listed

Row = Mapping[str, float]

TOO_EARLY = "not enough steps yet"
LEARNING = "learning"
FLAT = "discriminator flat"
TOO_STRONG = "discriminator too strong"
CERTAIN = "discriminator certain"
TOO_WEAK = "discriminator too weak"
COLLAPSED = "policy collapsed"
SUSPICIOUS = "reference suspicious"
OSCILLATING = "oscillating"
DIVERGED = "diverged"

WARM_UP = 100  # iterations before anything is judged; a healthy discriminator has its full spread after 30
WINDOW = 20  # newest iterations that are judged, by the medians of their halves
HOLD = 50  # iterations a state stays after it was last seen
HISTORY = 200  # iterations of one fatal symptom after which a run is dead, and over which oscillation is counted

FLAT_SPREAD = 0.05  # of D, and of its means' distance, units; in healthy runs the wider of the two is above 0.1
SURE = 0.95  # accuracy
NO_REWARD = 0.1  # style reward above a sure fake's; healthy runs' never falls below 0.15, the default's below 0.2
WITHOUT_FAIL = 0.98  # AUC; a healthy beginner's is as high, and its style reward rises
LITTLE = 1.0 / 3.0  # of the style reward that the reference earns; the default's robot has 0.43 of it or more
RISE = 1.1  # of the style reward within CERTAIN_FOR, that shows a way out
CERTAIN_FOR = 100  # iterations
DEAD_REWARD = 0.05  # the same; the clipped scores of a discriminator that is always right leave about this much
GUESSING = 0.55  # accuracy
WRONG_WAY = 0.45  # accuracy; only a discriminator that does not learn stays below a half
GUESSING_DISTANCE = 0.3  # between the means of D, in standard deviations; a healthy run's stays above 1
SEEN_THROUGH = 0.98  # accuracy without noise
HIDING = 0.1  # input noise that may hide from the discriminator what it would be sure of
WALKS = 0.8  # episode length relative to the time limit
ONE_POSE = 0.3  # feature diversity; a healthy run's is 0.95 to 1.4
FEW_MODES = 0.25  # mode coverage of robots that stay up; once they do, healthy runs have 0.7, the slowest 0.4
STAYS_UP = 0.5  # episode length relative to the time limit
FALLS_AT_ONCE = 0.06  # episode length relative to the time limit; an untrained robot's is about as much
LEARNED_TO_STAND = 3 * WARM_UP  # iterations after which falling at once is no beginner's
SWING = 0.2  # width of a swing of the distance between the means of D, units; a healthy run's noise is 0.01
SWINGS = 4  # changes from one side of a swing to the other within HISTORY; half of them keep the verdict

TOLD_BY = 0.2  # share of a group of features that is named
CAUSES = {  # of a difference that stays, by the group of features that shows it
    "foot_contacts": "do the clips' feet float, sink or skate?",
    "root_height": "do the clips' feet stand on the ground?",
    "joint_positions": "are the clips' poses within this robot's reach, their joints in order?",
    "joint_velocities": "does the robot fall or shake, networks.initial_log_std?",
    "root_direction": "do the clips go as env.command_speed asks?",
    "root_angular_velocity": "does the robot fall or shake, networks.initial_log_std?",
}
WEAKENING = {"r1_gamma": 0.0, "input_noise": 0.0, "label_smoothing": 0.0, "dropout": 0.0, "update_every": 1}  # unused


@dataclasses.dataclass(frozen=True)
class HealthStatus:
    """The health of a run."""

    state: str  # one of the states above
    sentence: str  # what is seen, in numbers, and what to change, by configuration key
    dead: bool = False  # whether going on is pointless


def assess_health(rows: Iterable[Row], config: Config, previous: str = "") -> HealthStatus:
    """Health by the newest rows of metrics.jsonl; at most the last HISTORY are used.

    `previous` is the state of the verdict before. A bad state begins when both halves of the window show it and ends
    when it has not been seen for HOLD iterations, so that what is printed does not flicker.
    """
    rows = list(rows)[-HISTORY:]
    if bad := _not_finite(rows):
        return HealthStatus(DIVERGED, bad, dead=True)
    if len(rows) < WINDOW or rows[-1]["iteration"] < WARM_UP:
        return HealthStatus(TOO_EARLY, f"health is judged after {WARM_UP} iterations, and {WINDOW} after --resume")
    state = _state(rows, config, previous)
    dead = state != LEARNING and len(rows) == HISTORY and all(_fatal(block, config) for block in _blocks(rows, WINDOW))
    return HealthStatus(state, SENTENCES[state](_medians(rows[-WINDOW:]), config), dead)


def is_flat(rows: Iterable[Row], config: Config) -> bool:
    """Whether the newest rows show a discriminator that scores everything alike."""
    newest = list(rows)[-WINDOW:]
    return bool(newest) and _flat(_medians(newest), config)


def _not_finite(rows: Sequence[Row]) -> str:
    bad = [(name, row["iteration"]) for row in rows for name, value in row.items() if not math.isfinite(value)]
    if not bad:
        return ""
    return (
        f"{bad[0][0]} is not a number in iteration {bad[0][1]:.0f}; lower the upper end of ppo.learning_rate_range "
        f"or amp.discriminator_lr"
    )


def _state(rows: Sequence[Row], config: Config, previous: str) -> str:
    seen = [_symptom(block, config) for block in _blocks(rows[-HOLD:], WINDOW // 2)]
    state = seen[-1] if seen[-1] == seen[-2] else LEARNING
    if state == LEARNING and previous in seen:
        state = previous
    if state == LEARNING and _certain(rows[-HOLD if previous == CERTAIN else -CERTAIN_FOR :], config, previous):
        state = CERTAIN
    needed = SWINGS // 2 if previous == OSCILLATING else SWINGS
    passing = state in (LEARNING, TOO_STRONG, TOO_WEAK, CERTAIN)  # by turns, while scores swing
    return OSCILLATING if passing and _swings(rows, config) >= needed else state


def _blocks(rows: Sequence[Row], size: int) -> list[Row]:
    """Medians of every `size` rows up to the newest."""
    return [_medians(rows[i : i + size]) for i in range(len(rows) % size, len(rows), size)]


def _medians(rows: Sequence[Row]) -> Row:
    common = set.intersection(*(set(row) for row in rows))  # a resumed run may have begun to measure something
    return {name: float(np.median([row[name] for row in rows])) for name in common}


def _symptom(row: Row, config: Config) -> str:
    return next((state for state, shows in SYMPTOMS.items() if shows(row, config)), LEARNING)


def _fatal(row: Row, config: Config) -> bool:
    """Whether the symptom leaves the policy nothing to learn from."""
    state = _symptom(row, config)
    if state in (TOO_STRONG, SUSPICIOUS):
        return _paid(row, config) < DEAD_REWARD
    if state == COLLAPSED:
        return _one_pose(row) or _falls_at_once(row, config)
    return state == FLAT or (state == TOO_WEAK and row["disc_acc"] < WRONG_WAY)


def _unit(config: Config) -> float:
    """What lies between the scores that the loss aims at: b - a of lsgan, 2 between the margins (or logits) -1 and 1.

    A critic aims at none: its unit is the slope it is held to, the score of one normalised input unit.
    """
    amp = config.amp
    if amp.loss == "wasserstein":
        return amp.gp_target if amp.gp_weight and amp.gp_target else 1.0
    return amp.targets[1] - amp.targets[0] if amp.loss == "lsgan" else 2.0


def _paid(row: Row, config: Config) -> float:
    """How much of the style reward can teach the policy: what lies above the pay of a sure fake.

    The mean of a linear reward follows from the accuracy and no bound cuts it, so there it is the standard deviation
    over the robot's samples.
    """
    amp = config.amp
    if amp.reward == "linear":
        return 0.5 * row["disc_fake_std"] / max(_deviation(row), 1e-6)
    return row["amp_reward"] - _sure_fake(config)


def _sure_fake(config: Config) -> float:
    """The style reward of a score that the loss aims at for the robot, of a reward with bounds or nearly so."""
    return math.log1p(math.exp(-1.0)) if (config.amp.loss, config.amp.reward) == ("hinge", "softplus") else 0.0


def _flat(row: Row, config: Config) -> bool:
    """Accuracy says nothing here: it is anything from 0 to 1 for scores that are all the same."""
    if "disc_acc" not in row:
        return False
    return max(row["disc_real_std"], row["disc_fake_std"], abs(_distance(row))) < FLAT_SPREAD * _unit(config)


def _too_strong(row: Row, config: Config) -> bool:
    rewarded = "disc_acc" in row and row["iteration"] > config.amp.warm_up
    return rewarded and row["disc_acc"] > SURE and _paid(row, config) < NO_REWARD


def _certain(rows: Sequence[Row], config: Config, previous: str) -> bool:
    """Told from the reference without fail for long, for little reward that does not rise.

    Of a beginner the first is true and not the last. A linear reward is the same for any scores told apart without
    fail, so there it says nothing.
    """
    blocks = _blocks(rows, WINDOW // 2)
    enough = len(rows) >= (HOLD if previous == CERTAIN else CERTAIN_FOR)
    if not enough or config.amp.reward == "linear" or not all(_earns_little(block, config) for block in blocks):
        return False
    before, now = (_medians(part)["amp_reward"] for part in (rows[:WINDOW], rows[-WINDOW:]))
    return now < RISE * before


def _earns_little(row: Row, config: Config) -> bool:
    """Whether the robot is told from the reference without fail, and paid little of what the reference would be."""
    if row.get("disc_auc_clean", 0.0) < WITHOUT_FAIL or row["iteration"] <= config.amp.warm_up:
        return False
    return _paid(row, config) < LITTLE * (row["amp_reward_reference"] - _sure_fake(config))


def _suspicious(row: Row, config: Config) -> bool:
    """The robot walks, so it is no beginner, and is told from the reference all the same.

    Without noise on its inputs a discriminator may well be right and pay: there the reward alone counts.
    """
    if "disc_acc" not in row or row["episode_length"] <= WALKS * config.env.episode_length:
        return False
    hidden = config.amp.input_noise >= HIDING and row["disc_acc_clean"] > SEEN_THROUGH
    return hidden or _too_strong(row, config)


def _too_weak(row: Row, config: Config) -> bool:
    if "disc_acc" not in row:
        return False
    spread = math.hypot(row["disc_real_std"], row["disc_fake_std"]) / math.sqrt(2.0)
    return row["disc_acc"] < GUESSING and _distance(row) < GUESSING_DISTANCE * spread


def _collapsed(row: Row, config: Config) -> bool:
    return _one_pose(row) or _few_modes(row, config) or _falls_at_once(row, config)


def _one_pose(row: Row) -> bool:
    return row.get("feature_diversity", 1.0) < ONE_POSE


def _few_modes(row: Row, config: Config) -> bool:
    """The robot has learned to stay up, and to do little of what the reference does."""
    stays_up = row["episode_length"] > STAYS_UP * config.env.episode_length
    return stays_up and row.get("mode_coverage", 1.0) < FEW_MODES and row["iteration"] > WARM_UP + config.amp.warm_up


def _falls_at_once(row: Row, config: Config) -> bool:
    short = row["episode_length"] < FALLS_AT_ONCE * config.env.episode_length
    return short and row["iteration"] > LEARNED_TO_STAND


def _distance(row: Row) -> float:
    """Mean D of the reference less that of the robot."""
    return row["disc_real_mean"] - row["disc_fake_mean"]


def _deviation(row: Row) -> float:
    """Standard deviation of all scores, reference and robot counting the same."""
    return math.hypot(row["disc_real_std"], row["disc_fake_std"], _distance(row) / math.sqrt(2.0)) / math.sqrt(2.0)


def _swings(rows: Sequence[Row], config: Config) -> int:
    """How often the distance between the means of D has gone from one side of its median to the other.

    Scores without bounds must swing by their own standard deviation, too: many units apart, one unit is noise.
    """
    rows = [row for row in rows if "disc_acc" in row and row["iteration"] > WARM_UP]
    if not rows:
        return 0
    width = SWING * _unit(config)
    if config.amp.loss != "lsgan":
        width = max(width, _deviation(_medians(rows)))
    distances = np.array([_distance(row) for row in rows])
    offset = distances - np.median(distances)
    side = np.sign(offset[np.abs(offset) > width / 2.0])
    return int(np.count_nonzero(np.diff(side)))


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
    said = listed(f"{group} ({found[group]:.0%}: {CAUSES[group]})" for group in named[:2])
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
    return (
        f"the discriminator knows the robot without fail for {CERTAIN_FOR} iterations (disc_auc_clean "
        f"{row['disc_auc_clean']:.3f}, accuracy {row['disc_acc']:.2f}), and the style reward, {row['amp_reward']:.2f} "
        f"where the reference earns {row['amp_reward_reference']:.2f}, does not rise; {_told_by(row)}ask "
        f"playground-amp doctor about reference.clips; if nothing is wrong with them, "
        f"{_advice(row, config, sure=True)}"
    )


def _say_too_weak(row: Row, config: Config) -> str:
    return (
        f"{_scores(row)}, accuracy {row['disc_acc']:.2f}: it cannot tell them apart, the policy is too strong for it; "
        f"{_advice(row, config, sure=False)}"
    )


def _say_suspicious(row: Row, config: Config) -> str:
    return (
        f"the robot stays up for {_episodes(row, config)}, yet accuracy without noise is {row['disc_acc_clean']:.2f} "
        f"and the style reward {row['amp_reward']:.2f}: {_told_by(row)}the motion of "
        f"reference.clips may be beyond this robot, sunk, floating or at speeds outside env.command_speed; ask "
        f"playground-amp doctor, and look at the video"
    )


def _say_collapsed(row: Row, config: Config) -> str:
    if _one_pose(row):
        seen = f"the robot's motion has {row['feature_diversity']:.2f} of the reference's spread: it keeps to one pose"
        return f"{seen}; raise ppo.entropy_cost, env.reference_start_share or env.action_scale"
    if _few_modes(row, config):
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
    return " or ".join(settings) or "env.command_speed to what the clips show"


def _say_oscillating(row: Row, config: Config) -> str:
    return (
        f"the means of D swing apart and together by more than {SWING * _unit(config):g}, again and again; lower "
        f"{_now(config, 'discriminator_lr')} or the upper end of ppo.learning_rate_range, or raise "
        f"{_now(config, 'r1_gamma')} or {_now(config, 'replay_share')}"
    )


# in this order: the first that shows is the verdict
SYMPTOMS: dict[str, Callable[[Row, Config], bool]] = {
    FLAT: _flat,
    COLLAPSED: _collapsed,
    SUSPICIOUS: _suspicious,
    TOO_STRONG: _too_strong,
    TOO_WEAK: _too_weak,
}
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
