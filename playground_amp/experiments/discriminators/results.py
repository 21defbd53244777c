"""The results file of a comparison: a line for each finished run, and one for what an iteration of each row costs."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from playground_amp.core.errors import InputError
from playground_amp.core.files import write_whole


@dataclasses.dataclass(frozen=True)
class Result:
    """One finished run: a line of the results file."""

    row: str
    seed: int
    settings: tuple[str, ...]
    steps: int  # environment steps trained
    walks_after: int | None = None  # environment steps until it walked; None never
    episode_length: float | None = None  # this and the next of fresh episodes of the mean policy; None without any
    velocity_error: float | None = None  # m/s
    cadence_error: float | None = None  # relative, of the reference's at the same speed
    style_frechet: float | None = None
    held_out_frechet: float | None = None
    disc_acc: float | None = None  # at the end of training
    disc_acc_clean: float | None = None
    mode_coverage: float | None = None
    seconds: float | None = None  # of one iteration, median; of a machine that may do other work
    diverged: bool = False


def read_results(path: Path) -> list[Result]:
    """Every run of a results file; none when there is no file yet."""
    try:
        return [Result(**line) for line in _lines(path) if "cost" not in line]
    except TypeError:
        raise InputError(f"'{path}' is not a results file of scripts/compare.py; choose another one") from None


def read_costs(path: Path) -> dict[str, float]:
    """Seconds of an iteration by row."""
    return {line["row"]: line["cost"] for line in _lines(path) if "cost" in line}


def _lines(path: Path) -> list[dict[str, Any]]:
    if not path.is_file():
        return []
    lines: list[Any] = [None]
    with suppress(ValueError):
        lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    if not all(isinstance(line, dict) and "row" in line for line in lines):
        raise InputError(f"'{path}' is not a results file of scripts/compare.py; choose another one")
    return lines


def write_results(path: Path, results: Sequence[Result], costs: Mapping[str, float]) -> None:
    """Write the file, whole or not at all."""
    lines = [dataclasses.asdict(result) for result in results]
    lines += [{"row": name, "cost": seconds} for name, seconds in costs.items()]
    write_whole(path, "".join(json.dumps(line) + "\n" for line in lines))
