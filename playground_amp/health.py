"""Health: what the curves of a run say in words, and which settings to change.

Thresholds count iterations, not environment steps: an iteration holds the same number of updates whatever the number of
robots, and discriminator and policy change by updates.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np

from playground_amp.config import Config

Row = Mapping[str, float]

TOO_EARLY = "not enough steps yet"
LEARNING = "learning"
FLAT = "discriminator flat"
TOO_STRONG = "discriminator too strong"
TOO_WEAK = "discriminator too weak"
COLLAPSED = "policy collapsed"
SUSPICIOUS = "reference suspicious"
OSCILLATING = "oscillating"
DIVERGED = "diverged"

WARM_UP = 100  # iterations before anything is judged; a healthy discriminator has its full spread after 30
WINDOW = 20  # newest iterations that are judged, by the medians of their halves
HOLD = 50  # iterations a state stays after it was last seen
HISTORY = 200  # iterations of one fatal symptom after which a run is dead, and over which oscillation is counted

FLAT_SPREAD = 0.05  # of D, and of its means' distance; healthy spreads are 0.08 to 0.2
SURE = 0.95  # accuracy
NO_REWARD = 0.1  # style reward; a healthy run's never falls below 0.2
DEAD_REWARD = 0.05  # style reward; the clipped scores of a discriminator that is always right leave about this much
GUESSING = 0.55  # accuracy
WRONG_WAY = 0.45  # accuracy; only a discriminator that does not learn stays below a half
GUESSING_DISTANCE = 0.3  # between the means of D, in standard deviations; a healthy run's stays above 1
SEEN_THROUGH = 0.98  # accuracy without noise
WALKS = 0.8  # episode length relative to the time limit
ONE_POSE = 0.3  # feature diversity
FALLS_AT_ONCE = 0.06  # episode length relative to the time limit; an untrained robot's is about as much
LEARNED_TO_STAND = 3 * WARM_UP  # iterations after which falling at once is no beginner's
SWING = 0.2  # width of a swing of the distance between the means of D; a healthy run's noise is 0.01
SWINGS = 4  # changes from one side of a swing to the other within HISTORY; half of them keep the verdict


@dataclasses.dataclass(frozen=True)
class Verdict:
    """The health of a run."""

    state: str  # one of the states above
    sentence: str  # what is seen, in numbers, and what to change, by configuration key
    dead: bool = False  # whether going on is pointless


def judge(rows: Iterable[Row], config: Config, previous: str = "") -> Verdict:
    """Verdict on the newest rows of metrics.jsonl; at most the last HISTORY are used.

    `previous` is the state of the verdict before. A bad state begins when both halves of the window show it and ends
    when it has not been seen for HOLD iterations, so that what is printed does not flicker.
    """
    rows = list(rows)[-HISTORY:]
    if bad := _not_finite(rows):
        return Verdict(DIVERGED, bad, dead=True)
    if len(rows) < WINDOW or rows[-1]["iteration"] < WARM_UP:
        return Verdict(TOO_EARLY, f"health is judged after {WARM_UP} iterations, and {WINDOW} after --resume")
    state = _state(rows, config, previous)
    dead = state != LEARNING and len(rows) == HISTORY and all(_fatal(block, config) for block in _blocks(rows, WINDOW))
    return Verdict(state, SENTENCES[state](_medians(rows[-WINDOW:]), config), dead)


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
    if seen[-1] == seen[-2] != LEARNING:
        return seen[-1]
    if previous != LEARNING and previous in seen:
        return previous
    needed = SWINGS // 2 if previous == OSCILLATING else SWINGS
    return OSCILLATING if _swings(rows) >= needed else LEARNING


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
        return row["amp_reward"] < DEAD_REWARD
    return state in (FLAT, COLLAPSED) or (state == TOO_WEAK and row["disc_acc"] < WRONG_WAY)


def _flat(row: Row, config: Config) -> bool:
    """Accuracy says nothing here: it is anything from 0 to 1 for scores that are all the same."""
    spread = max(row["disc_real_std"], row["disc_fake_std"]) if "disc_acc" in row else math.inf
    return spread < FLAT_SPREAD and abs(_distance(row)) < FLAT_SPREAD


def _too_strong(row: Row, config: Config) -> bool:
    return "disc_acc" in row and row["disc_acc"] > SURE and row["amp_reward"] < NO_REWARD


def _suspicious(row: Row, config: Config) -> bool:
    """The robot walks, so it is no beginner, and is told from the reference all the same."""
    walks = row["episode_length"] > WALKS * config.env.episode_length
    return walks and "disc_acc" in row and (_too_strong(row, config) or row["disc_acc_clean"] > SEEN_THROUGH)


def _too_weak(row: Row, config: Config) -> bool:
    if "disc_acc" not in row:
        return False
    spread = math.hypot(row["disc_real_std"], row["disc_fake_std"]) / math.sqrt(2.0)
    return row["disc_acc"] < GUESSING and _distance(row) < GUESSING_DISTANCE * spread


def _collapsed(row: Row, config: Config) -> bool:
    return row.get("feature_diversity", 1.0) < ONE_POSE or _falls_at_once(row, config)


def _falls_at_once(row: Row, config: Config) -> bool:
    short = row["episode_length"] < FALLS_AT_ONCE * config.env.episode_length
    return short and row["iteration"] > LEARNED_TO_STAND


def _distance(row: Row) -> float:
    """Mean D of the reference less that of the robot."""
    return row["disc_real_mean"] - row["disc_fake_mean"]


def _swings(rows: Sequence[Row]) -> int:
    """How often the distance between the means of D has gone from one side of its median to the other."""
    distances = np.array([_distance(row) for row in rows if "disc_acc" in row and row["iteration"] > WARM_UP])
    if not len(distances):
        return 0
    offset = distances - np.median(distances)
    side = np.sign(offset[np.abs(offset) > SWING / 2.0])
    return int(np.count_nonzero(np.diff(side)))


def _advice(row: Row, config: Config, *, sure: bool) -> str:
    """Which settings to change for a discriminator that is too sure, or not sure enough."""
    less, more = ("lower", "raise") if sure else ("raise", "lower")
    return (
        f"{less} {_now(config, 'discriminator_lr')} or {_now(config, 'update_steps')}, "
        f"or {more} {_now(config, 'r1_gamma')} or {_now(config, 'input_noise')}{_controller(row, config, sure=sure)}"
    )


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
        f"accuracy is {row['disc_acc']:.2f} and the style reward {row['amp_reward']:.2f}, so nothing the robot tries "
        f"is rewarded; {_advice(row, config, sure=True)}"
    )


def _say_too_weak(row: Row, config: Config) -> str:
    return (
        f"{_scores(row)}, accuracy {row['disc_acc']:.2f}: it cannot tell them apart; {_advice(row, config, sure=False)}"
    )


def _say_suspicious(row: Row, config: Config) -> str:
    return (
        f"the robot stays up for {_episodes(row, config)}, yet accuracy without noise is {row['disc_acc_clean']:.2f} "
        f"and the style reward {row['amp_reward']:.2f}: the motion of reference.clips may be beyond this robot, sunk, "
        f"floating or at speeds outside env.command_speed; look at the video and the table of scripts/retarget.py"
    )


def _say_collapsed(row: Row, config: Config) -> str:
    if row.get("feature_diversity", 1.0) < ONE_POSE:
        seen = f"the robot's motion has {row['feature_diversity']:.2f} of the reference's spread: it keeps to one pose"
        return f"{seen}; raise ppo.entropy_cost, env.reference_start_share or env.action_scale"
    return (
        f"episodes last {_episodes(row, config)} after {row['iteration']:.0f} iterations; lower the upper end of "
        f"ppo.learning_rate_range or networks.initial_log_std, or raise env.reference_start_share or amp.task_weight"
    )


def _say_oscillating(row: Row, config: Config) -> str:
    return (
        f"the means of D swing apart and together by more than {SWING:g}, again and again; lower "
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
    SUSPICIOUS: _say_suspicious,
    COLLAPSED: _say_collapsed,
    OSCILLATING: _say_oscillating,
}
