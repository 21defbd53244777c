"""The metrics of a run: metrics.jsonl, one JSON line an iteration."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from playground_amp.core.files import parse_json, to_disk, write_whole
from playground_amp.core.reporter import say


def read_metrics(path: Path) -> dict[str, np.ndarray]:
    """Columns of a metrics.jsonl, one entry an iteration; NaN where an iteration lacks a metric."""
    rows = [parse_json(line) for line in path.read_text().splitlines()]
    names = dict.fromkeys(name for row in rows for name in row)
    return {name: np.array([row.get(name, np.nan) for row in rows], float) for name in names}


def copy_metrics(source: Path, run_dir: Path, iteration: int) -> None:
    """The rows of `source` up to `iteration`, for a run that goes on from there."""
    if (source / "metrics.jsonl").exists():
        shutil.copyfile(source / "metrics.jsonl", run_dir / "metrics.jsonl")
    MetricsFile(run_dir).cut_after(iteration)


@dataclass(frozen=True)
class Interval:
    """Iterations that were trained in one call, and the clock."""

    done: int  # iterations before
    count: int
    start: float  # seconds trained before
    end: float  # seconds trained after

    def rows(self, metrics: Mapping[str, np.ndarray], steps: int) -> list[dict[str, Any]]:
        """Rows of metrics.jsonl of metrics [count or more], for `steps` environment steps an iteration."""
        elapsed = self.end - self.start
        return [
            {
                "iteration": self.done + i + 1,
                "env_steps": (self.done + i + 1) * steps,
                "seconds": round(self.start + elapsed * (i + 1) / self.count, 3),
                "env_steps_per_second": self.count * steps / elapsed,
                **{name: float(values[i]) for name, values in metrics.items()},
            }
            for i in range(self.count)
        ]


class MetricsFile:
    """metrics.jsonl of a run: appended line by line, so that an interrupted run keeps what it had."""

    def __init__(self, run_dir: Path):
        self.path = run_dir / "metrics.jsonl"
        self.path.touch()

    def append(self, rows: list[dict[str, Any]]) -> None:
        """Add one line a row."""
        with self.path.open("a") as file:
            file.writelines(json.dumps(row) + "\n" for row in rows)

    def cut_after(self, iteration: int) -> float:
        """Drop the rows after `iteration`, which a resumed run writes again; returns the seconds trained until it."""
        kept = [row for row in _rows(self.path) if row["iteration"] <= iteration]
        write_whole(self.path, "".join(json.dumps(row) + "\n" for row in kept))
        if missing := set(range(1, iteration + 1)) - {row["iteration"] for row in kept}:
            say(f"'{self.path}' lacks {len(missing)} of the {iteration} iterations that were trained")
        return float(kept[-1].get("seconds", 0.0)) if kept else 0.0

    def to_disk(self) -> None:
        """Have the rows where a power cut leaves them: before the checkpoint that goes on after them."""
        to_disk(self.path)


def _rows(path: Path) -> list[dict[str, Any]]:
    """The rows that can be read, one an iteration: an interruption may leave half of the last one."""
    found: dict[int, dict[str, Any]] = {}
    for line in path.read_text(errors="replace").splitlines():
        try:
            row = parse_json(line)
            found.setdefault(int(row["iteration"]), row)
        except (ValueError, KeyError, TypeError):
            continue
    return [found[iteration] for iteration in sorted(found)]
