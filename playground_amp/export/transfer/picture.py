"""The table as a picture: survival and error of speed of every condition, worst first."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from playground_amp.evaluation.intervals import Interval
from playground_amp.export.transfer.conditions import AS_TRAINED
from playground_amp.export.transfer.summary import Row

GROUPS = {"engine": "#4c78a8", "ground": "#72b7b2", "robot": "#e4a73b", "delay": "#b279a2", "push": "#e45756"}


def draw(rows: Sequence[Row], title: str, path: Path) -> None:
    """Write a PNG."""
    figure = Figure(figsize=(10.0, 1.4 + 0.23 * len(rows)), layout="constrained")
    left, right = figure.subplots(1, 2, sharey=True)
    places, colours = np.arange(len(rows)), [GROUPS[row.condition.group] for row in rows]
    _bars(left, places, [100.0 * row.survival for row in rows], [row.survival_interval for row in rows], 100.0, colours)
    _bars(right, places, [row.speed_error for row in rows], [row.speed_interval for row in rows], 1.0, colours)
    left.set_yticks(places, [row.condition.name for row in rows], fontsize=8)
    left.set(xlim=(0.0, 103.0), xlabel="survived, %", ylim=(len(rows) - 0.4, -0.6))
    right.set(xlim=(0.0, None), xlabel="error of the speed, m/s")
    trained = next((row for row in rows if row.condition.name == AS_TRAINED), None)
    if trained:
        left.axvline(100.0 * trained.survival, color="0.35", lw=0.8, ls="--")
        right.axvline(trained.speed_error, color="0.35", lw=0.8, ls="--")
    shown = [group for group in GROUPS if any(row.condition.group == group for row in rows)]
    handles = [Patch(color=GROUPS[group]) for group in shown]
    figure.legend(handles, shown, loc="outside lower center", ncols=len(shown), fontsize=8, frameon=False)
    figure.suptitle(title, fontsize=10)
    figure.savefig(path, dpi=120, format="png")


def _bars(
    axes: Axes, places: np.ndarray, values: list[float], intervals: list[Interval], unit: float, colours: list[str]
) -> None:
    bounds = unit * np.array(intervals).T
    ends = np.abs(np.nan_to_num(np.array([values - bounds[0], bounds[1] - values])))
    axes.barh(places, np.nan_to_num(values), color=colours, height=0.7)
    axes.errorbar(values, places, xerr=ends, fmt="none", ecolor="0.2", elinewidth=0.9, capsize=2.0)
    axes.grid(axis="x", lw=0.4, alpha=0.6)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
