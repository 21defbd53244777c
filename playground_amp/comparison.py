"""The same training under many discriminators: runs one after the other, and the table of what they reach.

Every finished run is a line of the results file, so that a comparison can be interrupted and gone on with.
"""

from __future__ import annotations

import dataclasses
import json
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import jax
import numpy as np
from rich.console import Console

from playground_amp.amp import make_amp
from playground_amp.cli import say
from playground_amp.config import load_config, resolve
from playground_amp.errors import InputError, nearest
from playground_amp.files import write_whole
from playground_amp.report import read_metrics
from playground_amp.trainer import make_chunk, train

CONFIG = "ppo_amass_training.yaml"
ITERATIONS = 245  # 2.0M steps of 256 robots
TIMED, INTERVALS = 5, 3  # iterations in an interval, and intervals, that the cost is measured by
SMOOTHING = 20  # iterations that a figure of a curve is the mean of
WALKS, FOLLOWS = 0.9, 0.1  # share of the episode's limit, m/s: from there on it counts as walking
START, END = "<!-- table -->", "<!-- end of table -->"

NOISE_OFF = ["amp.input_noise=0", "amp.control=off"]
ROWS: dict[str, list[str]] = {  # what is changed of the default configuration
    "default": [],
    "preset review": ["amp.preset=review"],
    "preset peng2021": ["amp.preset=peng2021"],
    "preset isaacgym": ["amp.preset=isaacgym"],
    "preset wgan-gp": ["amp.preset=wgan-gp"],
    "preset hinge-spectral": ["amp.preset=hinge-spectral"],
    "preset nonsaturating-r1": ["amp.preset=nonsaturating-r1"],
    "preset cautious": ["amp.preset=cautious"],
    "no replay": ["amp.replay_share=0"],
    "no R1": ["amp.r1_gamma=0"],
    "R1 and R2": ["amp.r2_gamma=1"],
    "noise off": NOISE_OFF,
    "2 frames": ["amp.window=2"],
    "3 frames": ["amp.window=3"],
    "5 frames": ["amp.window=5"],
    "layer norm": ["amp.normalization=layer"],
    "spectral norm": ["amp.normalization=spectral"],
    "label smoothing 0.1": ["amp.label_smoothing=0.1"],
    "lsgan -1/1, quadratic": ["amp.targets=[-1, 1, 1]", "amp.reward=quadratic"],
    "lsgan, linear": ["amp.reward=linear"],
    "vanilla, sigmoid": ["amp.loss=vanilla", "amp.reward=sigmoid"],
    "vanilla, gail": ["amp.loss=vanilla", "amp.reward=gail"],
    "vanilla, softplus": ["amp.loss=vanilla", "amp.reward=softplus"],
    "hinge, linear": ["amp.loss=hinge", "amp.reward=linear"],
    "hinge, softplus": ["amp.loss=hinge", "amp.reward=softplus"],
    "wasserstein, linear": ["amp.loss=wasserstein", "amp.reward=linear", "amp.r1_gamma=0", "amp.gp_weight=10"],
    "dropout 0.3": ["amp.dropout=0.3"],
    "command as input": ["amp.condition=command"],
    "minibatch deviation": ["amp.minibatch_deviation=true"],
    "patches of 1 frame": ["amp.trunk=patches", "amp.hidden=[256, 128]"],
    "convolution, 5 frames": ["amp.trunk=convolution", "amp.window=5", "amp.hidden=[128, 128]"],
    "style 0.8, task 0.2": ["amp.style_weight=0.8", "amp.task_weight=0.2"],
}


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


def main(out: Path, names: Sequence[str], seeds: int, runs: Path) -> None:
    """Train what is missing in the results file `out`: `names` (default all rows) with seeds 0..seeds-1."""
    check_rows(names)
    done = {(result.row, result.seed) for result in read_results(out)}
    wanted = [(name, seed) for seed in range(seeds) for name in names or ROWS]
    missing = [place for place in wanted if place not in done]
    for i, (name, seed) in enumerate(missing):
        Console(stderr=True).print(f"[bold]{name}, seed {seed}[/] ({i + 1} of {len(missing)} to do)", highlight=False)
        result = run(name, seed, runs / f"{name.replace(' ', '-').replace(',', '').replace('/', '')}-{seed}")
        _write(out, [*read_results(out), result], read_costs(out))
        jax.clear_caches()


def read_results(path: Path) -> list[Result]:
    """Every run of a results file; none when there is no file yet."""
    try:
        return [Result(**line) for line in _lines(path) if "cost" not in line]
    except TypeError:
        raise InputError(f"'{path}' is not a results file of scripts/compare.py; choose another one") from None


def run(name: str, seed: int, path: Path) -> Result:
    """Train and evaluate one row with one seed in the run folder `path`, which is made anew."""
    common = ["logging.wandb=off", "logging.video_seconds=0", f"ppo.iterations={ITERATIONS}", f"ppo.seed={seed}"]
    config = load_config(CONFIG, [*ROWS[name], *common])
    shutil.rmtree(path, ignore_errors=True)  # of a run that was broken off
    diverged = False
    try:
        train(config, CONFIG, path)
    except SystemExit as ending:
        if ending.code != 1:  # anything but a run that diverged
            raise
        diverged = True
    return measure(name, seed, path, config.env.episode_length, diverged=diverged)


def measure(name: str, seed: int, path: Path, limit: int, *, diverged: bool) -> Result:
    """The figures of a run that is over."""
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
    """Steps after which the mean of the last SMOOTHING iterations first lasts and follows the speed asked for."""
    if len(metrics["env_steps"]) < SMOOTHING:
        return None
    window = np.ones(SMOOTHING) / SMOOTHING
    length = np.convolve(metrics["episode_length"], window, "valid")
    error = np.convolve(metrics["velocity_error"], window, "valid")
    walking = np.flatnonzero((length >= WALKS * limit) & (error <= FOLLOWS))
    return int(metrics["env_steps"][walking[0] + SMOOTHING - 1]) if len(walking) else None


def write_page(page: Path, results: Path) -> None:
    """Put the table of a results file between the marks of a page; the rest of the page stays."""
    rows = read_results(results)
    if not rows:
        raise InputError(f"there are no results in '{results}' yet; make some with scripts/compare.py")
    try:
        text = page.read_text(encoding="utf-8")
    except OSError as error:
        raise InputError(f"'{page}' cannot be read: {error.strerror}") from None
    before, start, rest = text.partition(START)
    _, end, after = rest.partition(END)
    if not (start and end):
        raise InputError(f"'{page}' has no place for the table; it needs the lines {START} and {END}")
    write_whole(page, f"{before}{START}\n{table(rows, read_costs(results))}\n{END}{after}")


def table(results: Sequence[Result], costs: Mapping[str, float]) -> str:
    """A line for each row, in the order of ROWS: medians over its seeds, the least and greatest in brackets."""
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
    """Millions of steps, and of how many seeds if not of all."""
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


def measure_costs(out: Path, names: Sequence[str]) -> None:
    """Seconds of an iteration of each row, on a machine that does nothing else; replaces those in the results file."""
    check_rows(names)
    found = read_costs(out)
    for name in names or ROWS:
        found[name] = seconds_of_iteration(name)
        say(f"{name}: {found[name]:.3f} s")
        _write(out, read_results(out), found)
        jax.clear_caches()


def seconds_of_iteration(name: str) -> float:
    """Of one row, the least of a few intervals: what else the machine does only adds to it."""
    amp = make_amp(resolve(load_config(CONFIG, ROWS[name]), accelerator=jax.default_backend() != "cpu"))
    state, chunk = jax.jit(amp.init)(jax.random.key(0)), make_chunk(amp, TIMED)
    times = []
    for _ in range(1 + INTERVALS):
        began = time.perf_counter()
        state, metrics = chunk(state, TIMED)
        jax.block_until_ready(metrics)
        times.append((time.perf_counter() - began) / TIMED)
    return round(min(times[1:]), 4)


def check_rows(names: Sequence[str]) -> None:
    """Raise InputError for a name that is no row."""
    for name in names:
        if name not in ROWS:
            raise InputError(f"there is no row '{name}'; {nearest(name, ROWS)}")


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


def _write(path: Path, results: Sequence[Result], costs: Mapping[str, float]) -> None:
    lines = [dataclasses.asdict(result) for result in results]
    lines += [{"row": name, "cost": seconds} for name, seconds in costs.items()]
    write_whole(path, "".join(json.dumps(line) + "\n" for line in lines))
