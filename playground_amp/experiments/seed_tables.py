"""Results over seeds: what the policies of several runs reach at their end, in the tables of docs/results.md."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from playground_amp.core.errors import InputError
from playground_amp.core.reporter import SILENT, Reporter
from playground_amp.evaluation.bounds import BOUNDS
from playground_amp.evaluation.checkpoints import CheckpointEvaluation, check_episodes, evaluate_checkpoints
from playground_amp.runs import run_directory
from playground_amp.runs.metrics_log import read_metrics

SMOOTHING = 20  # iterations that a figure of a curve is the mean of
EARLY = 1.3e6  # environment steps by which the discriminator has to tell reference from policy
STYLE = ("style_frechet", "style_kernel", "held_out_frechet", "held_out_kernel")
CURVES = {  # name -> bounds
    "acc at 1.3M": (0.55, 1.0),
    "acc": (0.60, 0.75),
    "acc, last third, least": (0.55, 0.80),
    "acc, last third, most": (0.55, 0.80),
    "acc clean": (0.0, 0.85),
    "D apart": (0.1, math.inf),
    "D apart, last third, least": (0.1, math.inf),
    "style reward": (0.2, math.inf),
}

Columns = dict[str, np.ndarray]


def seed_tables(
    runs: Sequence[str], baseline: Sequence[str] = (), *, episodes: int = 64, reporter: Reporter = SILENT
) -> str:
    """Markdown of what runs of one configuration reach, which differ by their seeds, with `baseline` beside them.

    Runs are folders, or names in runs/. Every checkpoint of `runs` is evaluated over `episodes` fresh episodes; raises
    InputError before, for a run that lacks something.
    """
    check_episodes(episodes)
    paths, others = [check_run(run) for run in runs], [check_run(run) for run in baseline]
    found, beside = ([_evaluate_newest(path, episodes, reporter) for path in side] for side in (paths, others))
    parts = {"At the end": end_table(found), "By the speed asked for": speed_table(found)}
    if all("disc_acc" in read_metrics(path / "metrics.jsonl") for path in paths):
        parts["The discriminator"] = curve_table(paths)
    parts["Style"] = style_table(found, beside)
    parts["Minutes"] = time_table(paths, episodes, reporter=reporter)
    return "\n\n".join(f"### {heading}\n\n{table}" for heading, table in parts.items())


def check_run(name: str) -> Path:
    """Folder of a run that has what the tables are made of; raises InputError for one that lacks it."""
    path = run_directory.find_run(name)
    if not (path / "metrics.jsonl").is_file():
        raise InputError(f"'{path}' has no metrics.jsonl, which tells of its training; leave that run out")
    if not run_directory.has_checkpoint(path):
        raise InputError(f"'{path}' holds no checkpoint to evaluate yet")
    return path


def _evaluate_newest(run: Path, episodes: int, reporter: Reporter) -> CheckpointEvaluation:
    return next(evaluate_checkpoints(run, checkpoint="newest", episodes=episodes, reporter=reporter))


def end_table(evaluations: Sequence[CheckpointEvaluation]) -> str:
    """One row for each run: the figures that BOUNDS names, and whether all are within."""
    names = [name for name in BOUNDS if name in evaluations[0].limits]
    rows = []
    for found in evaluations:
        outcome = "yes" if found.passed else ", ".join(found.faults)
        rows.append([Path(found.run).name, *(number(found.figures[name]) for name in names), outcome])
    within = [limit(low, high) for low, high in (evaluations[0].limits[name] for name in names)]
    headings = ["run", *(name.replace("_", " ") for name in names), "passes"]
    return markdown(headings, [*rows, ["within", *within, ""]])


def speed_table(evaluations: Sequence[CheckpointEvaluation]) -> str:
    """One row for each part of the range of commands: means over the runs, the reference's in brackets."""
    rows = []
    for parts in zip(*(found.evaluation.speeds for found in evaluations), strict=True):
        means = {name: float(np.mean([getattr(part, name) for part in parts])) for name in vars(parts[0])}
        pairs = [(means[name], means[f"reference_{name}"]) for name in ("cadence", "step_length")]
        cells = [f"{number(mine)} ({number(theirs)}), {mine / theirs - 1.0:+.0%}" for mine, theirs in pairs]
        plain = (number(means[name]) for name in ("duty_factor", "step_asymmetry"))
        rows.append([number(means["command"]), number(means["forward_velocity"]), *cells, *plain])
    headings = ["asked, m/s", "walked, m/s", "steps a minute", "step length, m", "duty factor", "step asymmetry"]
    return markdown(headings, rows)


def curve_table(runs: Sequence[Path]) -> str:
    """One row for each run: what the curves of its discriminator show, means over SMOOTHING iterations."""
    rows = [[run.name, *map(number, curve_figures(read_metrics(run / "metrics.jsonl")).values())] for run in runs]
    return markdown(["run", *CURVES], [*rows, ["within", *(limit(low, high) for low, high in CURVES.values())]])


def curve_figures(columns: Columns) -> dict[str, float]:
    """Figures of the curves `columns` (metric -> [iterations]) under the names of CURVES."""
    smooth = {name: moving_mean(columns[name]) for name in columns if name.startswith(("disc_", "amp_"))}
    steps = columns["env_steps"][-len(smooth["disc_acc"]) :]
    late = steps > 2.0 / 3.0 * steps[-1]
    early = smooth["disc_acc"][np.argmin(np.abs(steps - EARLY))] if steps[-1] >= EARLY else math.nan
    apart = smooth["disc_real_mean"] - smooth["disc_fake_mean"]
    accuracy = smooth["disc_acc"][-1], smooth["disc_acc"][late].min(), smooth["disc_acc"][late].max()
    rest = smooth["disc_acc_clean"][-1], apart[-1], apart[late].min(), smooth["amp_reward"][-1]
    return dict(zip(CURVES, map(float, (early, *accuracy, *rest)), strict=True))


def moving_mean(values: np.ndarray) -> np.ndarray:
    """Means of every SMOOTHING successive values (of all, where there are fewer)."""
    width = min(SMOOTHING, len(values))
    return np.convolve(values, np.full(width, 1.0 / width), mode="valid")


def style_table(evaluations: Sequence[CheckpointEvaluation], baseline: Sequence[CheckpointEvaluation]) -> str:
    """Distances from the training and the held-out clips: mean (least, most) over the seeds, and the ratio of means."""
    rows = []
    for name in STYLE:
        mine, theirs = ([found.figures[name] for found in side] for side in (evaluations, baseline))
        ratio = number(float(np.mean(mine) / np.mean(theirs))) if theirs else ""
        rows.append([name.replace("_", " "), spread(mine), spread(theirs), ratio])
    return markdown(["distance", "runs", "baseline", "ratio"], rows)


def time_table(runs: Sequence[Path], episodes: int, *, reporter: Reporter = SILENT) -> str:
    """Minutes of training in all, and until the first checkpoint that passes; median and worst."""
    rows = [_times(run, episodes, reporter) for run in runs]
    lines = [[run.name, *map(number, row)] for run, row in zip(runs, rows, strict=True)]
    lines += [[name, *map(number, summary(rows, axis=0))] for name, summary in SUMMARIES.items()]
    return markdown(["run", "minutes", "minutes to the first that passes", "M steps to it"], lines)


def _times(run: Path, episodes: int, reporter: Reporter) -> tuple[float, float, float]:
    """Minutes in all, and minutes and millions of steps to the first checkpoint that passes; infinite without one."""
    minutes = float(read_metrics(run / "metrics.jsonl")["seconds"][-1] / 60.0)
    found = evaluate_checkpoints(run, checkpoint="all", episodes=episodes, reporter=reporter)
    first = next((one for one in found if one.passed), None)
    return (minutes, first.minutes, first.env_steps / 1e6) if first else (minutes, math.inf, math.inf)


SUMMARIES: dict[str, Callable] = {"median": np.median, "worst": np.max}


def spread(values: Sequence[float]) -> str:
    """Mean (least, most)."""
    return f"{number(float(np.mean(values)))} ({number(min(values))}, {number(max(values))})" if values else ""


def limit(low: float, high: float) -> str:
    """Bounds in few letters."""
    return f"≥ {low:g}" if math.isinf(high) else f"≤ {high:g}" if low == 0.0 else f"{low:g}-{high:g}"


def number(value: float) -> str:
    """Three digits; a dash for what does not exist, `none` for what never came."""
    if math.isinf(value):
        return "none"
    return "-" if math.isnan(value) else f"{value:.3g}"


def markdown(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table in Markdown."""
    lines = [headings, ["---"] * len(headings), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
