"""Many settings and seeds of one algorithm, trained side by side in one compiled function.

Members of a population differ in numbers alone: their sizes and what is computed are the same. Each of them is a run
with a folder of its own, as if it had been trained by itself.
"""

from __future__ import annotations

import itertools
import math
import signal
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import matplotlib
import numpy as np
from matplotlib.figure import Figure
from rich import box
from rich.table import Column, Table

from playground_amp.amp import AMP, TrainState
from playground_amp.builder import make_amp
from playground_amp.config import LoggingConfig, ResolvedConfig
from playground_amp.core.errors import InputError, Interrupted
from playground_amp.core.files import parse_json
from playground_amp.core.reporter import SILENT, Reporter, say
from playground_amp.discriminator.motion_prior import Metrics
from playground_amp.runs import run_directory
from playground_amp.runs.checkpoint import Checkpoints, describe, score
from playground_amp.runs.metrics_log import Interval, MetricsFile, read_metrics
from playground_amp.training import health
from playground_amp.training.loop import Algorithm, make_chunk, stop_on_signal
from playground_amp.training.progress import summary
from playground_amp.training.sweep_grid import Member, fitted, make_members, numbers

CURVES = {
    "episode_length": "Episode length (control steps)",
    "velocity_error": "Velocity error (m/s)",
    "disc_acc": "Discriminator accuracy",
    "amp_reward": "Style reward",
}
SMOOTHING = 20  # iterations that a figure of the table is the mean of


class Population:
    """One algorithm under P settings and seeds: states and metrics have a leading axis [P]."""

    def __init__(self, amp: AMP, configs: Sequence[ResolvedConfig]):
        self.amp, self.numbers = amp, numbers([fitted(config, amp.env) for config in configs])
        self.keys = jnp.stack([jax.random.key(config.ppo.seed) for config in configs])

    def init(self) -> TrainState:
        """States before the first iteration; one after the other, as jaxlib's batched QR waits for itself for ever."""

        def init(member: tuple[dict[str, jax.Array], jax.Array]) -> TrainState:
            numbers, key = member
            return self.amp.with_hyperparams(numbers).init(key)

        return jax.lax.map(init, (self.numbers, self.keys))

    def train_iteration(self, state: TrainState) -> tuple[TrainState, Metrics]:
        """One iteration of every member."""

        def iterate(numbers: dict[str, jax.Array], state: TrainState) -> tuple[TrainState, Metrics]:
            return self.amp.with_hyperparams(numbers).train_iteration(state)

        return jax.vmap(iterate)(self.numbers, state)


class MemberRun:
    """The folder of one member; nothing more is written to it once a number is none."""

    def __init__(self, member: Member, path: Path):
        self.member, self.config, self.path = member, member.config, path
        path.mkdir(exist_ok=True)
        run_directory.write_config(path, self.config)
        self.file = MetricsFile(path)
        self.fault = ""  # what was no number

    def log(self, rows: list[dict[str, Any]]) -> None:
        """Write rows up to the first that holds a number that is none."""
        statuses = [health.assess_health([row], self.config) for row in rows]
        good = list(itertools.takewhile(lambda status: status.state != health.DIVERGED, statuses))
        self.file.append(rows[: len(good)])
        if len(good) < len(rows):
            self.fault = statuses[len(good)].sentence

    def read(self) -> list[dict[str, Any]]:
        """All rows written so far."""
        return [parse_json(line) for line in self.file.path.read_text().splitlines()]

    def save(self, state: TrainState, amp: AMP) -> None:
        """Write the checkpoint of the member's own state, scored as the trainer does."""
        iteration, rows, logging = int(state.iteration), self.read(), self.config.logging
        about = describe(iteration, self.config, amp)
        flat = health.is_flat(rows, self.config)
        value = float(np.mean([score(row, self.config) for row in rows[-_scored(logging.checkpoint_interval) :]]))
        with Checkpoints(self.path / "checkpoints", kept=logging.checkpoints_kept) as checkpoints:
            checkpoints.save(iteration, state, about, None if flat else value)

    def health(self) -> str:
        """The state of health at the end."""
        return health.DIVERGED if self.fault else health.assess_health(self.read(), self.config).state


def sweep(
    config_name: str,
    overrides: Sequence[str],
    grid: Sequence[str],
    run_dir: Path | None = None,
    *,
    reporter: Reporter = SILENT,
) -> list[MemberRun]:
    """Train every member of the grid; returns what became of them. A signal raises Interrupted, after saving them."""
    members = make_members(config_name, overrides, grid)
    amp = make_amp(members[0].config)
    members = [Member(member.name, fitted(member.config, amp.env)) for member in members]
    path = new_sweep_dir(members, config_name, run_dir)
    _tell(members)
    try:
        runs = [MemberRun(member, path / member.name) for member in members]
        for run in runs:
            run_directory.write_reference(run.path, amp.env.reference.clip_set)
        stopped = train(amp, runs, path, reporter=reporter)
        draw(path / "sweep.png", runs)
    except OSError as error:
        raise run_directory.unwritable(path, error) from None
    if stopped:
        name = "Ctrl-C" if stopped == signal.SIGINT else signal.Signals(stopped).name
        command = f"playground-amp train --resume '{path}/MEMBER'"
        raise Interrupted(f"{name}: saved the members; go on with each by {command}", stopped)
    return runs


def new_sweep_dir(members: Sequence[Member], config_name: str, run_dir: Path | None) -> Path:
    """Make the folder of a sweep; raises InputError if it cannot hold one."""
    path = run_directory.new_run_dir(members[0].config, f"{Path(config_name).stem}-sweep.yaml", run_dir)
    if any(path.glob("*/config.yaml")):
        raise InputError(
            f"'{path}' already holds a sweep; go on with a member by playground-amp train --resume '{path}/MEMBER', "
            f"or choose another --run-dir"
        )
    return path


def train(amp: AMP, runs: Sequence[MemberRun], path: Path, *, reporter: Reporter = SILENT) -> int:
    """Train all members, write their rows and checkpoints; returns the number of a signal that ended it, or 0."""
    population, config = Population(amp, [run.config for run in runs]), runs[0].config
    total, length = config.ppo.iterations, min(config.logging.interval, config.ppo.iterations)
    chunk = make_chunk(population, length)
    began, seconds = time.perf_counter(), 0.0
    say(f"run: {path}")
    with stop_on_signal() as stop, reporter.progress("compiling", total) as bar:
        state = jax.jit(population.init)()
        for done in range(0, total, length):
            count = min(length, total - done)
            state, metrics = chunk(state, count)
            metrics = jax.device_get(metrics)
            before, seconds = seconds, time.perf_counter() - began
            bar.show(done + count, _log(runs, metrics, Interval(done, count, before, seconds)))
            if stop or all(run.fault for run in runs):
                break
        _save(amp, runs, state)
    return stop[0] if stop else 0


def _scored(interval: int | str) -> int:
    """Iterations that the score is the mean of; members save at the end only, so that a time says nothing."""
    return interval if isinstance(interval, int) else int(LoggingConfig().checkpoint_interval)


def _log(runs: Sequence[MemberRun], metrics: dict[str, np.ndarray], interval: Interval) -> str:
    """Write what the living members have done, metrics [length, P]; returns their mean in one line."""
    newest = []
    for i, run in enumerate(runs):
        if run.fault:
            continue
        rows = interval.rows({name: values[:, i] for name, values in metrics.items()}, run.config.steps_per_iteration)
        run.log(rows)
        if run.fault:
            say(f"{run.member.name}: diverged: {run.fault}")
        else:
            newest.append(rows[-1])
    return summary(_mean(newest, len(runs)), _count(len(newest), len(runs))) if newest else ""


def _mean(rows: Sequence[dict[str, Any]], members: int) -> dict[str, Any]:
    """Mean row of the living members, with the steps of all."""
    mean = {name: float(np.mean([row[name] for row in rows])) for name in rows[0]}
    return mean | {name: members * mean[name] for name in ("env_steps", "env_steps_per_second")}


def _count(living: int, members: int) -> str:
    return f"{members} members" if living == members else f"{living} of {members} members"


def _save(amp: AMP, runs: Sequence[MemberRun], state: TrainState) -> None:
    take = jax.jit(lambda state, i: jax.tree.map(lambda leaf: leaf[i], state))
    for i, run in enumerate(runs):
        if not run.fault:
            run.save(take(state, i), amp)


def draw(path: Path, runs: Sequence[MemberRun]) -> None:
    """A picture of the curves of all members."""
    figure = Figure(figsize=(12, 8), layout="constrained")
    axes = figure.subplots(2, 2)
    colours = matplotlib.colormaps["viridis"](np.linspace(0.0, 0.95, len(runs)))
    for run, colour in zip(runs, colours, strict=True):
        columns = read_metrics(run.file.path)
        for axis, metric in zip(axes.flat, CURVES, strict=True):
            if metric in columns:
                label = run.member.name + (" (diverged)" if run.fault else "")
                axis.plot(columns["env_steps"] / 1e6, columns[metric], color=colour, linewidth=1.0, label=label)
    for axis, title in zip(axes.flat, CURVES.values(), strict=True):
        axis.set(title=title, xlabel="million environment steps of each member")
        axis.grid(alpha=0.3)
    figure.legend(*axes.flat[0].get_legend_handles_labels(), loc="outside lower center", ncols=3, fontsize="small")
    figure.savefig(path, dpi=110)


def table(runs: Sequence[MemberRun]) -> Table:
    """What every member has reached: means over its last iterations."""
    names = [run.member.name.split(",") for run in runs]
    member = Column("member", min_width=max(len(part) for name in names for part in name))
    headings = ("episode\nlength", "velocity\nerror", "disc\nacc", "style\nreward")
    result = Table(member, *(Column(heading, justify="right") for heading in headings), "health", box=box.SIMPLE)
    for run, name in zip(runs, names, strict=True):
        metrics = read_metrics(run.file.path)
        values = [metrics[name][-SMOOTHING:].mean() if name in metrics else math.nan for name in CURVES]
        figures = ("–" if math.isnan(value) else f"{value:.3g}" for value in values)
        result.add_row(" ".join(name), *figures, run.health())
    return result


def measure(config_name: str, overrides: Sequence[str], grid: Sequence[str]) -> tuple[int, float]:
    """Time the grid at once and one after another, compilation included; returns the members and the ratio.

    Every member alone is compiled anew, as a run of its own would be. Nothing is written.
    """
    jax.config.update("jax_enable_compilation_cache", False)
    members = make_members(config_name, overrides, grid)
    _tell(members)
    amps = [make_amp(member.config) for member in members]
    population = Population(amps[0], [member.config for member in members])
    together = _seconds(population.init, population, members[0].config)
    say(_rate("at once", members, together))
    alone = sum(_seconds(_start(amp), amp, amp.config) for amp in amps)
    say(_rate("one after another", members, alone))
    return len(members), alone / together


def _start(amp: AMP) -> Callable[[], TrainState]:
    return lambda: amp.init(jax.random.key(amp.config.ppo.seed))


def _seconds(init: Callable[[], TrainState], algorithm: Algorithm, config: ResolvedConfig) -> float:
    """Of compiling and training."""
    jax.clear_caches()
    began = time.perf_counter()
    length = min(config.logging.interval, config.ppo.iterations)
    state, chunk = jax.jit(init)(), make_chunk(algorithm, length)
    for done in range(0, config.ppo.iterations, length):
        state, _ = chunk(state, min(length, config.ppo.iterations - done))
    jax.block_until_ready(state)
    return time.perf_counter() - began


def _rate(how: str, members: Sequence[Member], seconds: float) -> str:
    config = members[0].config
    steps = len(members) * config.ppo.iterations * config.steps_per_iteration
    return f"{how}: {seconds:.1f} s, {steps / seconds:,.0f} environment steps a second, compilation included"


def _tell(members: Sequence[Member]) -> None:
    env = members[0].config.env
    say(
        f"{len(members)} members of {env.num_envs} robots, physics {env.physics}, on {jax.devices()[0].device_kind}: "
        + "; ".join(member.name for member in members)
    )
