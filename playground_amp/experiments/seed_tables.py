"""Results over seeds: what runs reach at their end, in the tables of docs/results.md."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from playground_amp.core.errors import InputError
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


def main(runs: Sequence[str], baseline: Sequence[str], *, episodes: int) -> None:
    """Print the tables for runs of one configuration that differ by their seeds, and for `baseline` beside them."""
    check_episodes(episodes)
    paths, others = [check_run(run) for run in runs], [check_run(run) for run in baseline]
    verdicts = [judge_newest(path, episodes) for path in paths]
    beside = [judge_newest(path, episodes) for path in others]
    print("### At the end\n")
    print(end_table(verdicts))
    print("\n### By the speed asked for\n")
    print(speed_table(verdicts))
    if all("disc_acc" in read_metrics(path / "metrics.jsonl") for path in paths):
        print("\n### The discriminator\n")
        print(curve_table(paths))
    print("\n### Style\n")
    print(style_table(verdicts, beside))
    print("\n### Minutes\n")
    print(time_table(paths, episodes))


def check_run(name: str) -> Path:
    """Folder of a run that has what the tables are made of; raises InputError for one that lacks it."""
    path = run_directory.find_run(name)
    if not (path / "metrics.jsonl").is_file():
        raise InputError(f"'{path}' has no metrics.jsonl, which tells of its training; leave that run out")
    if not run_directory.has_checkpoint(path):
        raise InputError(f"'{path}' holds no checkpoint to evaluate yet")
    return path


def judge_newest(run: Path, episodes: int) -> CheckpointEvaluation:
    """Evaluation of the newest checkpoint of a run, over fresh episodes."""
    return next(iter(evaluate_checkpoints(run, checkpoint="newest", episodes=episodes, speeds=None, seed=1)))


def end_table(verdicts: Sequence[CheckpointEvaluation]) -> str:
    """One row a run: the figures that BOUNDS names, and whether all are within."""
    names = [name for name in BOUNDS if name in verdicts[0].limits]
    rows = [
        [Path(v.run).name, *(number(v.figures[name]) for name in names), "yes" if not v.faults else ", ".join(v.faults)]
        for v in verdicts
    ]
    limits = ["within", *(limit(*verdicts[0].limits[name]) for name in names), ""]
    return markdown(["run", *(name.replace("_", " ") for name in names), "passes"], [*rows, limits])


def speed_table(verdicts: Sequence[CheckpointEvaluation]) -> str:
    """One row a part of the range of commands: means over the runs, the reference's at the speeds walked beside."""
    rows = []
    for parts in zip(*(v.evaluation.speeds for v in verdicts), strict=True):
        means = {name: float(np.mean([getattr(part, name) for part in parts])) for name in vars(parts[0])}
        pairs = [(means[name], means[f"reference_{name}"]) for name in ("cadence", "step_length")]
        cells = [f"{number(mine)} ({number(theirs)}), {mine / theirs - 1.0:+.0%}" for mine, theirs in pairs]
        plain = (number(means[name]) for name in ("duty_factor", "step_asymmetry"))
        rows.append([number(means["command"]), number(means["forward_velocity"]), *cells, *plain])
    headings = ["asked, m/s", "walked, m/s", "steps a minute", "step length, m", "duty factor", "step asymmetry"]
    return markdown(headings, rows)


def curve_table(runs: Sequence[Path]) -> str:
    """One row a run: what the curves of its discriminator show, means over SMOOTHING iterations."""
    rows = [[run.name, *map(number, curve_figures(read_metrics(run / "metrics.jsonl")).values())] for run in runs]
    return markdown(["run", *CURVES], [*rows, ["within", *(limit(*bounds) for bounds in CURVES.values())]])


def curve_figures(columns: Columns) -> dict[str, float]:
    """Figures of the curves under the names of CURVES."""
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


def style_table(verdicts: Sequence[CheckpointEvaluation], baseline: Sequence[CheckpointEvaluation]) -> str:
    """Distances from the training and the held-out clips: mean (least, most) over the seeds, and the ratio of means."""
    rows = []
    for name in STYLE:
        mine, theirs = ([v.figures[name] for v in side] for side in (verdicts, baseline))
        ratio = number(float(np.mean(mine) / np.mean(theirs))) if theirs else ""
        rows.append([name.replace("_", " "), spread(mine), spread(theirs), ratio])
    return markdown(["distance", "runs", "baseline", "ratio"], rows)


def time_table(runs: Sequence[Path], episodes: int) -> str:
    """Minutes of training in all, and until the first checkpoint that passes; median and worst."""
    rows = []
    for run in runs:
        verdicts = evaluate_checkpoints(run, checkpoint="all", episodes=episodes, speeds=None, seed=1)
        first = next((v for v in verdicts if not v.faults), None)
        total = read_metrics(run / "metrics.jsonl")["seconds"][-1] / 60.0
        rows.append(
            (run.name, total, first.minutes if first else math.inf, first.env_steps / 1e6 if first else math.inf)
        )
    figures = [(name, *map(number, values)) for name, *values in rows]
    summaries = [
        (name, *(number(float(of([row[i] for row in rows]))) for i in (1, 2, 3))) for name, of in SUMMARIES.items()
    ]
    return markdown(["run", "minutes", "minutes to the first that passes", "M steps to it"], [*figures, *summaries])


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
