"""The verdict on a run: a state that does not flicker, what is said of it, and whether going on is pointless."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Sequence

from playground_amp.config import Config
from playground_amp.training.health.sentences import SENTENCES
from playground_amp.training.health.symptoms import (
    CERTAIN,
    CERTAIN_FOR,
    CLEAR_RISE,
    DIVERGED,
    HISTORY,
    HOLD,
    LEARNING,
    OSCILLATING,
    RISE,
    SWINGS,
    TOO_EARLY,
    TOO_STRONG,
    TOO_WEAK,
    WARM_UP,
    WINDOW,
    Row,
    blocks,
    count_swings,
    is_certain,
    is_fatal,
    is_flat_row,
    is_known_by_contacts,
    medians,
    symptom_of,
)


@dataclasses.dataclass(frozen=True)
class HealthStatus:
    """The health of a run."""

    state: str  # one of the states in symptoms.py
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
    dead = state != LEARNING and len(rows) == HISTORY and all(is_fatal(block, config) for block in blocks(rows, WINDOW))
    return HealthStatus(state, SENTENCES[state](medians(rows[-WINDOW:]), config), dead)


def is_flat(rows: Iterable[Row], config: Config) -> bool:
    """Whether the newest rows show a discriminator that scores everything alike."""
    newest = list(rows)[-WINDOW:]
    return bool(newest) and is_flat_row(medians(newest), config)


def _not_finite(rows: Sequence[Row]) -> str:
    bad = [(name, row["iteration"]) for row in rows for name, value in row.items() if not math.isfinite(value)]
    if not bad:
        return ""
    return (
        f"{bad[0][0]} is not a number in iteration {bad[0][1]:.0f}; lower the upper end of ppo.learning_rate_range "
        f"or amp.discriminator_lr"
    )


def _state(rows: Sequence[Row], config: Config, previous: str) -> str:
    seen = [symptom_of(block, config) for block in blocks(rows[-HOLD:], WINDOW // 2)]
    state = seen[-1] if seen[-1] == seen[-2] else LEARNING
    if state == LEARNING and previous in seen:
        state = previous
    iterations, rise = (HOLD, CLEAR_RISE) if previous == CERTAIN else (CERTAIN_FOR, RISE)
    certain = is_known_by_contacts(rows, config) or is_certain(rows, config, iterations=iterations, rise=rise)
    if state == LEARNING and certain:
        state = CERTAIN
    needed = SWINGS // 2 if previous == OSCILLATING else SWINGS
    passing = state in (LEARNING, TOO_STRONG, TOO_WEAK, CERTAIN)  # by turns, while scores swing
    return OSCILLATING if passing and count_swings(rows, config) >= needed else state
