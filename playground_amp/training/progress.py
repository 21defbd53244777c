"""One line of progress: a bar, the time left, and the numbers to watch."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Column

QUIET_SECONDS = 10.0  # between two lines where the output is no terminal


class TrainingProgress:
    """A live line in a terminal; plain lines, one every few seconds, elsewhere. Use as a context manager."""

    def __init__(self, done: int, total: int, run_dir: Path):
        self._console = Console(stderr=True)
        self._total = total
        self._start, self._first, self._printed = time.monotonic(), done, 0.0
        self._progress = Progress(
            MofNCompleteColumn(table_column=Column(no_wrap=True)),
            TimeRemainingColumn(elapsed_when_finished=True, compact=True, table_column=Column(no_wrap=True)),
            BarColumn(bar_width=10, table_column=Column(no_wrap=True)),
            TextColumn("{task.fields[numbers]}", table_column=Column(no_wrap=True, overflow="ellipsis", ratio=1)),
            expand=True,
            console=self._console,
            disable=not self._console.is_terminal,
            speed_estimate_period=120.0,
        )
        self._task = self._progress.add_task("training", total=total, completed=done, numbers="compiling")
        self._console.print(f"run: {run_dir}", highlight=False, soft_wrap=True)

    def __enter__(self) -> TrainingProgress:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the live line."""
        self._progress.stop()

    def say(self, text: str) -> None:
        """Print a sentence that stays, above the live line."""
        self._console.print(text, highlight=False, soft_wrap=True)

    def show(self, iteration: int, row: dict[str, Any], health: str = "learning") -> None:
        """Bring the line up to `iteration` with the metrics `row` and, when it is not learning, the state of health."""
        text = summary(row, health)
        self._progress.update(self._task, completed=iteration, numbers=text)
        now = time.monotonic()
        last = iteration == self._total
        if not self._console.is_terminal and (last or not self._printed or now - self._printed > QUIET_SECONDS):
            line = f"{iteration}/{self._total}  {self._left(iteration, now)}  {text}"
            self._console.print(line, highlight=False, soft_wrap=True)
            if not self._printed:  # the first interval compiled, and says nothing of those to come
                self._start, self._first = now, iteration
            self._printed = now

    def _left(self, iteration: int, now: float) -> str:
        if not self._printed and iteration < self._total:
            return "compiled"
        seconds = (now - self._start) / max(iteration - self._first, 1) * (self._total - iteration)
        return f"{seconds / 60:.1f} min left"


def summary(row: dict[str, Any], health: str = "learning") -> str:
    """The numbers to watch in one metrics row and the state of health; a bad one and its numbers come first.

    A narrow terminal cuts the end off.
    """
    parts = [
        f"{row['env_steps'] / 1e6:.2f}M steps {row['env_steps_per_second'] / 1e3:.1f}k/s",
        f"length {row['episode_length']:.0f}  {row['forward_velocity']:.2f} m/s",
    ]
    if "disc_acc" in row:
        real, fake = row["disc_real_mean"], row["disc_fake_mean"]
        parts.append(f"D {real:.2f}/{fake:.2f} acc {row['disc_acc']:.2f}  style {row['amp_reward']:.2f}")
    return "  ".join([*parts, health] if health == "learning" else [health, *reversed(parts)])
