"""The same training under many discriminators: runs one after the other, and what each policy reaches.

Every finished run is a line of the results file, so that a comparison can be interrupted and gone on with.
"""

from __future__ import annotations

import json
import re
import shutil
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np

from playground_amp.builder import make_amp, resolve_quietly
from playground_amp.config import load_config
from playground_amp.core.errors import TrainingDiverged
from playground_amp.core.reporter import SILENT, Reporter, say
from playground_amp.experiments.discriminators.results import Result, read_costs, read_results, write_results
from playground_amp.experiments.discriminators.rows import ROWS, check_rows
from playground_amp.runs.metrics_log import read_metrics
from playground_amp.training.loop import make_chunk
from playground_amp.training.trainer import train

CONFIG = "ppo_amass_training.yaml"
ITERATIONS = 245  # 2.0M steps of 256 robots
TIMED, INTERVALS = 5, 3  # iterations in an interval, and intervals, that the cost is measured by
SMOOTHING = 20  # iterations that a figure of a curve is the mean of
WALKS, FOLLOWS = 0.9, 0.1  # share of the episode's limit, m/s: from there on it counts as walking


def compare(results: Path, names: Sequence[str], seeds: int, runs: Path, *, reporter: Reporter = SILENT) -> None:
    """Train the rows `names` (default: all) with seeds 0..seeds-1, but for those that the file `results` has already.

    Every run gets a folder of its own in `runs`.
    """
    check_rows(names)
    done = {(result.row, result.seed) for result in read_results(results)}
    wanted = [(name, seed) for seed in range(seeds) for name in names or ROWS]
    missing = [pair for pair in wanted if pair not in done]
    for i, (name, seed) in enumerate(missing):
        say(f"{name}, seed {seed} ({i + 1} of {len(missing)} to do)")
        result = train_row(name, seed, runs / folder(name, seed), reporter=reporter)
        write_results(results, [*read_results(results), result], read_costs(results))
        jax.clear_caches()


def folder(name: str, seed: int) -> str:
    """Name of a run's folder: letters, digits, dots and single dashes, whatever the row is called."""
    return f"{re.sub(r'[^a-zA-Z0-9.]+', '-', name).strip('-.') or 'row'}-{seed}"


def train_row(name: str, seed: int, path: Path, *, reporter: Reporter = SILENT) -> Result:
    """Train and evaluate one row with one seed in the run folder `path`, which is made anew."""
    common = ["logging.wandb=off", "logging.video_seconds=0", f"ppo.iterations={ITERATIONS}", f"ppo.seed={seed}"]
    config = load_config(CONFIG, [*ROWS[name], *common])
    shutil.rmtree(path, ignore_errors=True)  # of a run that was broken off
    diverged = False
    try:
        train(config, path, reporter=reporter)
    except TrainingDiverged:
        diverged = True
    return measure(name, seed, path, config.env.episode_length, diverged=diverged)


def measure(name: str, seed: int, path: Path, limit: int, *, diverged: bool) -> Result:
    """The figures of the run in `path` that is over; `limit` is its time limit, control steps."""
    if not (path / "metrics.jsonl").is_file():  # it diverged before the first row was written
        return Result(name, seed, tuple(ROWS[name]), 0, diverged=True)
    metrics = read_metrics(path / "metrics.jsonl")
    evaluation: dict[str, Any] = {} if diverged else json.loads((path / "evaluation.json").read_text())

    def end(metric: str) -> float:
        return round(float(np.mean(metrics[metric][-SMOOTHING:])), 4)

    def figure(metric: str) -> float | None:
        value = evaluation.get(metric)
        return None if value is None else round(value, 4)

    rates = metrics["env_steps_per_second"]
    per_iteration = metrics["env_steps"][0]
    return Result(
        row=name,
        seed=seed,
        settings=tuple(ROWS[name]),
        steps=int(metrics["env_steps"][-1]),
        walks_after=walks_after(metrics, limit),
        episode_length=figure("episode_length"),
        velocity_error=figure("velocity_error"),
        cadence_error=figure("cadence_error"),
        style_frechet=figure("style_frechet"),
        held_out_frechet=figure("held_out_frechet"),
        disc_acc=end("disc_acc"),
        disc_acc_clean=end("disc_acc_clean"),
        mode_coverage=end("mode_coverage"),
        seconds=round(float(per_iteration / np.median(rates)), 4),
        diverged=diverged,
    )


def walks_after(metrics: dict[str, np.ndarray], limit: int) -> int | None:
    """Environment steps after which the policy walks: its episodes last and follow the command; None if it never does.

    Both are means over the last SMOOTHING iterations, held against WALKS times the time `limit` (control steps) and
    against FOLLOWS.
    """
    if len(metrics["env_steps"]) < SMOOTHING:
        return None
    window = np.ones(SMOOTHING) / SMOOTHING
    length = np.convolve(metrics["episode_length"], window, "valid")
    error = np.convolve(metrics["velocity_error"], window, "valid")
    walking = np.flatnonzero((length >= WALKS * limit) & (error <= FOLLOWS))
    return int(metrics["env_steps"][walking[0] + SMOOTHING - 1]) if len(walking) else None


def measure_costs(results: Path, names: Sequence[str]) -> None:
    """Time an iteration of each of the rows `names` (default: all), on a machine that does nothing else.

    The seconds replace those in the file `results`.
    """
    check_rows(names)
    costs = read_costs(results)
    for name in names or ROWS:
        costs[name] = seconds_of_iteration(name)
        say(f"{name}: {costs[name]:.3f} s")
        write_results(results, read_results(results), costs)
        jax.clear_caches()


def seconds_of_iteration(name: str) -> float:
    """Seconds of a training iteration of one row: the least of a few intervals, as other work only adds to them."""
    amp = make_amp(resolve_quietly(load_config(CONFIG, ROWS[name])))
    state, chunk = jax.jit(amp.init)(jax.random.key(0)), make_chunk(amp, TIMED)
    times = []
    for _ in range(1 + INTERVALS):
        began = time.perf_counter()
        state, metrics = chunk(state, TIMED)
        jax.block_until_ready(metrics)
        times.append((time.perf_counter() - began) / TIMED)
    return round(min(times[1:]), 4)
