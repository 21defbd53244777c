"""What walks under a condition are worth, with 95 % intervals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from playground_amp.evaluation.intervals import Interval, bootstrap, wilson
from playground_amp.export.transfer.conditions import Condition
from playground_amp.export.transfer.walk import Walks


@dataclass(frozen=True)
class Row:
    """A line of the table."""

    condition: Condition
    episodes: int
    survival: float  # share that did not fall
    survival_interval: Interval
    seconds: float  # mean until the fall or the end
    speed_error: float  # m/s, mean over the episodes; NaN where all fell at once
    speed_interval: Interval
    turn_error: float  # rad/s

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        values = {name: value for name, value in vars(self).items() if name != "condition"}
        return {"group": self.condition.group, "condition": self.condition.name} | values


def summarise(condition: Condition, walks: Walks, seed: int) -> Row:
    """Means and intervals over the episodes."""
    survived, errors = walks.survived, walks.speed_error[np.isfinite(walks.speed_error)]
    turns = walks.turn_error[np.isfinite(walks.turn_error)]
    return Row(
        condition,
        len(survived),
        float(survived.mean()),
        wilson(int(survived.sum()), len(survived)),
        float(walks.seconds.mean()),
        float(errors.mean()) if len(errors) else np.nan,
        bootstrap(errors, seed),
        float(turns.mean()) if len(turns) else np.nan,
    )


def worst_first(rows: Sequence[Row]) -> list[Row]:
    """By survival, then by the error of speed."""
    return sorted(rows, key=lambda row: (row.survival, -np.nan_to_num(row.speed_error, nan=np.inf)))
