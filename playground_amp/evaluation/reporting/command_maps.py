"""Pictures of an evaluation over commands: heat maps of its figures, and the ways of the robots from above."""

from __future__ import annotations

import numpy as np
from matplotlib import colormaps
from matplotlib.figure import Figure

from playground_amp.evaluation.command_grid import CommandRow, GridEvaluation

MAPS = {  # figure -> title, colours, what the colours reach from and to
    "survival": ("without a fall", "RdYlGn", (0.0, 1.0)),
    "velocity_error": ("velocity error (m/s)", "viridis_r", (0.0, 0.3)),
    "turn_error": ("turn error (rad/s)", "viridis_r", (0.0, 0.4)),
    "style": ("style distance", "viridis_r", (0.0, None)),
}


def heat_maps(grid: GridEvaluation) -> Figure:
    """A row of maps for each figure, a map for each turning: sideways across, ahead upward."""
    turns = sorted({row.command[2] for row in grid.rows})
    figure = Figure(figsize=(1.2 + 2.2 * len(turns), 2.3 * len(MAPS)), layout="constrained")
    axes = figure.subplots(len(MAPS), len(turns), squeeze=False)
    for line, (name, (title, colours, bounds)) in zip(axes, MAPS.items(), strict=True):
        high = bounds[1] if bounds[1] is not None else np.nanmax([getattr(row, name) for row in grid.rows])
        for cell, turn in zip(line, turns, strict=True):
            values, forward, sideways = _table([row for row in grid.rows if row.command[2] == turn], name)
            image = cell.imshow(values, origin="lower", cmap=colours, vmin=bounds[0], vmax=high, aspect="auto")
            cell.set_xticks(range(len(sideways)), [f"{value:g}" for value in sideways], fontsize=7)
            cell.set_yticks(range(len(forward)), [f"{value:g}" for value in forward], fontsize=7)
            cell.set_title(f"{title}, turning {turn:+g}", fontsize=7)
            for (i, j), value in np.ndenumerate(values):
                cell.text(j, i, "" if np.isnan(value) else f"{value:.2g}", ha="center", va="center", fontsize=6)
        figure.colorbar(image, ax=line, shrink=0.8)
    figure.supxlabel("sideways, to the left (m/s)", fontsize=8)
    figure.supylabel("ahead (m/s)", fontsize=8)
    return figure


def _table(rows: list[CommandRow], name: str) -> tuple[np.ndarray, list[float], list[float]]:
    """Values [ahead, sideways], and the commands of its rows and columns."""
    forward, sideways = (sorted({row.command[axis] for row in rows}) for axis in (0, 1))
    values = np.full((len(forward), len(sideways)), np.nan)
    for row in rows:
        values[forward.index(row.command[0]), sideways.index(row.command[1])] = getattr(row, name)
    return values, forward, sideways


def paths_from_above(grid: GridEvaluation) -> Figure:
    """The way of one robot for each command, all from the origin, facing right; the colour is the turning."""
    figure = Figure(figsize=(7.0, 6.0), layout="constrained")
    axes = figure.subplots()
    most = max((abs(row.command[2]) for row in grid.rows), default=1.0) or 1.0
    colours = colormaps["coolwarm"]
    for row, path in zip(grid.rows, grid.paths, strict=True):
        x, y = np.array(path).reshape(-1, 2).T
        axes.plot(x, y, color=colours(0.5 + 0.5 * row.command[2] / most), linewidth=1.0)
        axes.plot(x[-1:], y[-1:], ".", color="black", markersize=3)
    axes.set_aspect("equal")
    axes.set_xlabel("x (m)")
    axes.set_ylabel("y (m)")
    axes.set_title("ten seconds of each command: red turns left, blue right", fontsize=9)
    return figure
