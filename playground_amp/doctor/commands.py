"""The commands, against what the clips do: which of them nobody in the reference has ever followed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from playground_amp.config import FittedCommandConfig, asks_for_every_way
from playground_amp.core.commands import NAMES, UNITS
from playground_amp.doctor.clips import SLACKS, ClipReport, Ranges, examine_speeds
from playground_amp.doctor.finding import Finding

WORDS = ("go ahead at", "go to the left at", "turn to the left at")
DIMENSIONS = ("root direction x", "root direction y", "root angular velocity z")


def ranges_of(command: FittedCommandConfig) -> Ranges:
    """What is asked for, [lowest, highest] of each number of a command."""
    return command.forward, command.sideways, command.turn


def examine_commands(reports: list[ClipReport], command: FittedCommandConfig, *, mirrored: bool) -> Iterator[Finding]:
    """Commands that no reference clip follows: an error where the clips show nothing of what is asked for.

    `mirrored` clips go to the right as they go to the left.
    """
    if not asks_for_every_way(command):
        yield from examine_speeds(reports, command.forward)
        return
    for axis, asked in enumerate(ranges_of(command)):
        shown = [report.shown[axis] for report in reports]
        if mirrored and axis > 0:
            shown += [(-high, -low) for low, high in shown]
        yield from _examine(axis, asked, shown)


def _examine(axis: int, asked: tuple[float, float], shown: Sequence[tuple[float, float]]) -> Iterator[Finding]:
    low, high = np.array(shown).min(axis=0)[0], np.array(shown).max(axis=0)[1]
    slack, unit, key = SLACKS[axis], UNITS[axis], f"env.command.{NAMES[axis]}"
    lowest, highest = asked
    if lowest >= low - slack and highest <= high + slack:
        return
    never = max(abs(low), abs(high)) <= slack  # then a range around 0 asks for nothing that there is
    apart = never or lowest > high + slack or highest < low - slack
    why = "nobody in the reference does what is asked for" if apart else "style and task pull apart beyond that"
    yield Finding(
        "error" if apart else "warning",
        "speed",
        f"{key} asks for {lowest:g} to {highest:g} {unit}, the clips {WORDS[axis]} {low:.2f} to {high:.2f} {unit}: "
        f"{why}; add clips or set {key}={'[0,0]' if never else f'[{low:.2f},{high:.2f}]'}",
        (DIMENSIONS[axis],),
    )
