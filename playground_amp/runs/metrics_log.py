"""The metrics of a run: metrics.jsonl, one JSON line an iteration."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from playground_amp.core.files import write_whole


def read_metrics(path: Path) -> dict[str, np.ndarray]:
    """Columns of a metrics.jsonl, one entry an iteration; NaN where an iteration lacks a metric."""
    rows = [json.loads(line) for line in path.read_text().splitlines()]
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
        rows = [json.loads(line) for line in self.path.read_text().splitlines() if line.endswith("}")]
        kept = [row for row in rows if row["iteration"] <= iteration]
        write_whole(self.path, "".join(json.dumps(row) + "\n" for row in kept))
        return kept[-1]["seconds"] if kept else 0.0
