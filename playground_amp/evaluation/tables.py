"""The tables of `playground-amp evaluate`."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from rich import box
from rich.console import RenderableType
from rich.table import Column, Table

from playground_amp.evaluation.checkpoints import CheckpointEvaluation
from playground_amp.evaluation.columns import GROUPS, SPEED_COLUMNS, between, number
from playground_amp.evaluation.command_grid import GridEvaluation
from playground_amp.evaluation.gait_labels import GaitEvaluation, switch_sentence
from playground_amp.evaluation.push_ladder import Rung

SHORT = {  # headings that let a line fit a terminal
    "episode_length": "length",
    "velocity_error": "speed error",
    "speed_at_0.6": "speed at 0.6",
    "alternation": "altern.",
    "step_asymmetry": "step asym.",
    "duty_factor": "duty",
    "cadence_error": "cad. error",
    "step_length_error": "step error",
}


def checkpoint_tables(evaluation: CheckpointEvaluation) -> list[RenderableType]:
    """All that there is to show of one checkpoint."""
    gaits = evaluation.gaits
    by_gait = [gait_table(gaits), f"{switch_sentence(gaits)}\n"] if gaits else []
    return [figure_table(evaluation), speed_table(evaluation), *by_gait, _outcome(evaluation)]


def history_tables(evaluations: Sequence[CheckpointEvaluation]) -> list[RenderableType]:
    """One line for each checkpoint of a run, and the first that passes."""
    passed = next((evaluation for evaluation in evaluations if evaluation.passed), None)
    return [history_table(evaluations), f"first that passes: {passed.title}" if passed else "none passes"]


def figure_table(evaluation: CheckpointEvaluation) -> Table:
    """Every figure, and whether it is within its bounds."""
    columns = ["", Column("figure", no_wrap=True), Column("value", justify="right"), "bounds", ""]
    table = Table(*columns, title=evaluation.title)
    for group, names in (GROUPS | {"task": GROUPS["task"] | {"speed_at_0.6": ""}}).items():
        for i, name in enumerate(names):
            value, bounds, outcome = _cells(evaluation, name)
            table.add_row("" if i else group, name.replace("_", " "), value, bounds, outcome)
        table.add_section()
    return table


def _cells(evaluation: CheckpointEvaluation, name: str) -> tuple[str, str, str]:
    """Value, bounds, and whether it is within them."""
    value = number(evaluation.figures[name])
    if name not in evaluation.limits:
        return value, "", ""
    low, high = evaluation.limits[name]
    return value, between(low, high), _pass_or_fail(name not in evaluation.faults)


def comparison_table(evaluations: Sequence[CheckpointEvaluation]) -> Table:
    """Every figure of several checkpoints side by side, the change from the first in brackets; red is out of bounds."""
    heads = [Column(evaluation.title, justify="right", overflow="fold") for evaluation in evaluations]
    table = Table("", Column("figure", no_wrap=True), *heads)
    for group, names in (GROUPS | {"task": GROUPS["task"] | {"speed_at_0.6": ""}}).items():
        for i, name in enumerate(names):
            cells = [_compared(evaluation, evaluations[0], name) for evaluation in evaluations]
            table.add_row("" if i else group, name.replace("_", " "), *cells)
        table.add_section()
    return table


def _compared(evaluation: CheckpointEvaluation, first: CheckpointEvaluation, name: str) -> str:
    value, before = evaluation.figures[name], first.figures[name]
    text = number(value)
    if evaluation is not first and math.isfinite(value) and math.isfinite(before) and before:
        text += f" ({100.0 * (value - before) / abs(before):+.0f} %)"
    return f"[red]{text}[/red]" if name in evaluation.faults else text


def speed_table(evaluation: CheckpointEvaluation) -> Table:
    """One row for each part of the range of commands; the reference's figures in brackets."""
    table = _slim(SPEED_COLUMNS, "by the speed asked for (the reference's at the robot's speed)")
    for row in evaluation.evaluation.speeds:
        cells = [
            number(getattr(row, mine)) + (f" ({number(getattr(row, reference))})" if reference else "")
            for mine, reference in SPEED_COLUMNS.values()
        ]
        table.add_row(*cells)
    return table


def grid_table(grid: GridEvaluation, title: str) -> list[RenderableType]:
    """One row for each command, and a sentence on all of them and on the changes."""
    heads = [
        "ahead",
        "left",
        "turn",
        "no fall",
        "error m/s",
        "error rad/s",
        "steps/min",
        "style",
        "drift m",
        "late steps",
    ]
    table = _slim(heads, title)
    for row in grid.rows:
        errors = [row.survival, row.velocity_error, row.turn_error, row.cadence, row.style, row.drift, row.late_steps]
        table.add_row(*(f"{value:g}" for value in row.command), *map(number, errors))
    return [table, *grid.sentences]


def push_table(rungs: Sequence[Rung], title: str) -> Table:
    """One row for each size of pushes, with intervals of 95 %."""
    table = _slim(["push m/s", "no fall", "95 %", "error m/s", "95 %"], title)
    for rung in rungs:
        intervals = [
            f"  {number(low)}-{number(high)}" for low, high in (rung.survival_interval, rung.velocity_interval)
        ]
        table.add_row(f"{rung.push:g}", number(rung.survival), intervals[0], number(rung.velocity_error), intervals[1])
    return table


def gait_table(gaits: GaitEvaluation) -> Table:
    """One row for each gait: how it is done, and how far it is from the clips of each."""
    labels = [gait.label for gait in gaits.gaits]
    heads = ["gait", "episodes", "no fall", "asked (m/s)", "speed (m/s)", *(f"to {label}" for label in labels)]
    table = _slim(heads, "by the gait asked for (distance from the clips of each)")
    for gait in gaits.gaits:
        figures = [gait.survival, gait.command, gait.forward_velocity, *gait.distances.values()]
        cells = [gait.label, str(gait.episodes), *map(number, figures)]
        table.add_row(*cells)
    return table


def history_table(evaluations: Sequence[CheckpointEvaluation]) -> Table:
    """One row for each checkpoint: the figures that have bounds."""
    names = list(evaluations[0].limits)
    table = _slim(["iter.", "M steps", "min.", *(SHORT[name] for name in names), ""], evaluations[0].run)
    for evaluation in evaluations:
        texts = {name: _short(evaluation.figures[name]) for name in names}
        figures = [f"[red]{text}[/red]" if name in evaluation.faults else text for name, text in texts.items()]
        about = [str(evaluation.iteration), f"{evaluation.env_steps / 1e6:.2f}", _short(evaluation.minutes)]
        cells = [*about, *figures, _pass_or_fail(evaluation.passed)]
        table.add_row(*cells)
    return table


def _outcome(evaluation: CheckpointEvaluation) -> str:
    if evaluation.passed:
        return "[green]passed[/green]"
    return f"[red]failed[/red]: {', '.join(name.replace('_', ' ') for name in evaluation.faults)}"


def _pass_or_fail(passed: bool) -> str:
    return "[green]pass[/green]" if passed else "[red]fail[/red]"


def _slim(headings: Iterable[str], title: str) -> Table:
    """A table of many columns."""
    columns = [Column(heading, justify="right") for heading in headings]
    return Table(*columns, title=title, box=box.SIMPLE_HEAD, padding=0, pad_edge=False)


def _short(value: float) -> str:
    return number(value) if math.isnan(value) or value >= 10.0 else f"{value:.2f}"
