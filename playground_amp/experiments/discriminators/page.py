"""The table of a comparison, and the page that it stands in."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np

from playground_amp.core.errors import InputError
from playground_amp.core.files import write_whole
from playground_amp.experiments.discriminators.results import Result, read_costs, read_results
from playground_amp.experiments.discriminators.rows import ROWS

START, END = "<!-- table -->", "<!-- end of table -->"


def write_page(page: Path, results: Path) -> None:
    """Put the table of a results file between the marks of a page; the rest of the page stays."""
    found = read_results(results)
    if not found:
        raise InputError(f"there are no results in '{results}' yet; make some with scripts/compare.py")
    try:
        text = page.read_text(encoding="utf-8")
    except OSError as error:
        raise InputError(f"'{page}' cannot be read: {error.strerror}") from None
    before, start, rest = text.partition(START)
    _, end, after = rest.partition(END)
    if not (start and end):
        raise InputError(f"'{page}' has no place for the table; it needs the lines {START} and {END}")
    write_whole(page, f"{before}{START}\n{table(found, read_costs(results))}\n{END}{after}")


def table(results: Sequence[Result], costs: Mapping[str, float]) -> str:
    """Markdown, a line for each row in the order of ROWS: medians over its seeds, the least and greatest in brackets.

    `costs` are seconds of an iteration by row; the table has them relative to the default's.
    """
    lines = ["| | " + " | ".join([*COLUMNS, "cost"]) + " |", "|---|" + "---|" * (len(COLUMNS) + 1)]
    for name in ROWS:
        if group := [result for result in results if result.row == name]:
            cost = f"{costs[name] / costs['default']:.2f}" if {name, "default"} <= set(costs) else ""
            lines.append(f"| {name} | {' | '.join([*(show(group) for show in COLUMNS.values()), cost])} |")
    return "\n".join(lines)


def _spread(values: Sequence[float | None], style: str) -> str:
    """Median, least and greatest of the values that exist."""
    known = [value for value in values if value is not None]
    if not known:
        return "-"
    low, middle, high = (format(value, style) for value in (min(known), float(np.median(known)), max(known)))
    return middle if low == high else f"{middle} ({low}-{high})"


def _walks(group: Sequence[Result]) -> str:
    """Millions of environment steps until the policy walks, and with how many of the seeds it does, if not all."""
    known = [result.walks_after / 1e6 for result in group if result.walks_after is not None]
    share = "" if len(known) == len(group) else f", {len(known)} of {len(group)}"
    return _spread(known, ".2f") + share


def _column(name: str, style: str) -> Callable[[Sequence[Result]], str]:
    return lambda group: _spread([getattr(result, name) for result in group], style)


COLUMNS: dict[str, Callable[[Sequence[Result]], str]] = {
    "seeds": lambda group: str(len(group)),
    "M steps to walk": _walks,
    "length": _column("episode_length", ".0f"),
    "speed error": _column("velocity_error", ".3f"),
    "cadence error": _column("cadence_error", ".2f"),
    "style distance": _column("style_frechet", ".3f"),
    "held out": _column("held_out_frechet", ".3f"),
    "disc_acc": _column("disc_acc", ".2f"),
    "clean": _column("disc_acc_clean", ".2f"),
    "coverage": _column("mode_coverage", ".2f"),
}
