"""The control loop: one step each period, by absolute deadlines, and how far from them the steps began."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

SPIN = 0.002  # s before a deadline from which the clock is watched instead of slept: sleeping wakes late


@dataclass
class Timing:
    """What the loop measured."""

    late: list[float] = field(default_factory=list)  # s, start of each step after its deadline
    took: list[float] = field(default_factory=list)  # s, each step
    missed: int = 0  # deadlines that passed before the step before was done

    def sentence(self) -> str:
        """The figures in one line."""
        if not self.late:
            return "no step was done"
        late, took = 1e3 * np.array(self.late), 1e3 * np.array(self.took)
        return (
            f"{len(late)} steps, started late by {np.median(late):.3f} ms (median), {np.percentile(late, 99):.3f} ms "
            f"(99 %), {late.max():.3f} ms (worst); each took {np.median(took):.3f} ms (median), {took.max():.3f} ms "
            f"(worst); {self.missed} deadlines missed"
        )


def run_loop(
    step: Callable[[float], bool],
    period: float,
    steps: int | None = None,
    *,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], object] = time.sleep,
) -> Timing:
    """Call `step(now)` each `period` s until it gives False, or `steps` times; a missed deadline is left out."""
    timing, deadline = Timing(), clock() + period
    while steps is None or len(timing.late) < steps:
        _wait_until(deadline, clock, sleep)
        start = clock()
        timing.late.append(start - deadline)
        going = step(start)
        end = clock()
        timing.took.append(end - start)
        if not going:
            break
        deadline += period
        if end > deadline:
            missed = int((end - deadline) / period) + 1
            timing.missed += missed
            deadline += missed * period
    return timing


def _wait_until(deadline: float, clock: Callable[[], float], sleep: Callable[[float], object]) -> None:
    if (left := deadline - SPIN - clock()) > 0.0:
        sleep(left)
    while clock() < deadline:
        pass
