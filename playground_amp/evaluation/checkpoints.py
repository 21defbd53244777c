"""Judging runs: fresh episodes of their checkpoints, and what is within the bounds of evaluate.BOUNDS."""

from __future__ import annotations

import dataclasses
import json
import math
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
from rich import box
from rich.console import Console
from rich.table import Column, Table

from playground_amp.amp import AMP
from playground_amp.builder import make_amp
from playground_amp.config import asks_for_gaits, resolve
from playground_amp.core.errors import InputError
from playground_amp.core.files import write_whole
from playground_amp.evaluation.columns import GROUPS, SPEED_COLUMNS
from playground_amp.evaluation.evaluate import Evaluation, bounds, evaluate, faults, figures, plain, without_nan
from playground_amp.evaluation.gait_labels import GaitEvaluation, changes, evaluate_gaits, switching
from playground_amp.evaluation.rollout import Recording, make_recorder
from playground_amp.runs import run_directory
from playground_amp.runs.checkpoint import Checkpoints, tell_clips

SHORT = {  # headings that let a line fit a terminal
    "episode_length": "length",
    "velocity_error": "speed error",
    "speed_at_0.6": "speed at 0.6",
    "alternation": "altern.",
    "step_asymmetry": "step asym.",
    "duty_factor": "duty",
    "cadence_error": "cad. error",
    "step_length_error": "step error",
}


@dataclass(frozen=True)
class CheckpointEvaluation:
    """What one checkpoint of one run is worth."""

    run: str
    iteration: int
    env_steps: int
    minutes: float  # of training until it; NaN where metrics.jsonl does not say
    evaluation: Evaluation
    figures: dict[str, float]
    limits: dict[str, tuple[float, float]]
    faults: list[str]
    gaits: GaitEvaluation | None  # of a policy that is asked for one of several

    @property
    def title(self) -> str:
        time = "" if math.isnan(self.minutes) else f", {self.minutes:.1f} minutes"
        return f"{self.run}, iteration {self.iteration}, {self.env_steps / 1e6:.2f}M steps{time}"

    def to_json(self) -> dict[str, Any]:
        """Everything, as JSON knows it."""
        about = {"run": self.run, "iteration": self.iteration, "env_steps": self.env_steps, "minutes": self.minutes}
        return without_nan(
            about
            | {"passed": not self.faults, "faults": self.faults, "bounds": self.limits}
            | {"evaluation": plain(self.evaluation) | {"speed_at_0.6": self.figures["speed_at_0.6"]}}
            | ({"gaits": dataclasses.asdict(self.gaits)} if self.gaits else {})
        )


def main(
    runs: Sequence[str],
    *,
    checkpoint: str,
    episodes: int,
    speeds: tuple[float, float] | None,
    seed: int,
    output: Path | None,
) -> None:
    """Judge runs (folders, or names in runs/), show tables, and write all of it to `output`."""
    check_episodes(episodes)
    if speeds and not -math.inf < speeds[0] <= speeds[1] < math.inf:
        raise InputError(f"--speeds are {speeds[0]:g} {speeds[1]:g}; expected two numbers, the lowest first")
    if output and output.is_dir():
        raise InputError(f"--json {output}: that is a folder; give the name of a file")
    if output and not (output.parent.is_dir() and os.access(output.parent, os.W_OK)):
        raise InputError(f"--json {output}: there is no folder '{output.parent}' that can be written to")
    paths = [run_directory.find_run(name) for name in runs]
    if speeds:
        check_speeds(paths)
    found: list[CheckpointEvaluation] = []
    for path in paths:
        results = list(evaluate_checkpoints(path, checkpoint=checkpoint, episodes=episodes, speeds=speeds, seed=seed))
        _show(results, as_line=checkpoint == "all")
        found += results
    if output:
        write_whole(output, json.dumps([result.to_json() for result in found], indent=2) + "\n")


def evaluate_checkpoints(
    path: Path, *, checkpoint: str, episodes: int, speeds: tuple[float, float] | None, seed: int
) -> Iterator[CheckpointEvaluation]:
    """Verdicts of the checkpoints of the run in `path` that `checkpoint` names; the episodes compile once."""
    overrides = [f"env.command_speed=[{speeds[0]}, {speeds[1]}]"] if speeds else []
    config = resolve(run_directory.read_config(path, overrides), accelerator=jax.default_backend() != "cpu")
    if not run_directory.has_checkpoint(path):
        raise InputError(f"'{path}' holds no checkpoint to evaluate yet")
    with Checkpoints(path / "checkpoints", read_only=True) as checkpoints:
        chosen = choose(checkpoints, checkpoint)
        with Console(stderr=True).status(f"evaluating {path}") as status:
            amp = make_amp(config)
            recorder = make_recorder(amp, episodes)
            changing = make_recorder(amp, episodes, changes(amp, episodes)) if amp.env.labelled else None
            told = None  # clips of the checkpoint before, which nothing more is to be said of
            for iteration in chosen:
                status.update(f"evaluating {path}, iteration {iteration}")
                state, about = checkpoints.restore(amp, iteration)
                if about.get("reference") != told:
                    tell_clips(about, amp)
                told = about.get("reference")
                policy = state.policy.params.actor, state.statistics
                recording = recorder(*policy, jax.random.key(seed))
                changed = changing(*policy, jax.random.key(seed + 1)) if changing else None
                gaits = evaluate_gaits(amp, recording, changed) if changed else None
                yield _evaluation_of(amp, path, iteration, about.get("env_steps", 0), recording, gaits)


def check_episodes(episodes: int) -> None:
    """Raise InputError unless there is something to evaluate."""
    if episodes < 1:
        raise InputError(f"--episodes is {episodes}; expected at least 1")


def check_speeds(paths: Iterable[Path]) -> None:
    """Raise InputError for a run whose speeds are not asked for by themselves."""
    for path in paths:
        if asks_for_gaits(run_directory.read_config(path, []).amp):
            raise InputError(f"'{path}' is asked for gaits, each at the speeds of its clips; leave --speeds out")


def choose(checkpoints: Checkpoints, which: str) -> list[int]:
    """Iterations that `which` names: all, or one; best is the newest of a run that kept no scores."""
    if which == "all":
        return checkpoints.all
    return [checkpoints.choose("newest" if which == "best" and checkpoints.best is None else which)]


def _evaluation_of(
    amp: AMP, path: Path, iteration: int, env_steps: int, recording: Recording, gaits: GaitEvaluation | None
) -> CheckpointEvaluation:
    evaluation = evaluate(amp, recording)
    numbers = figures(amp, recording, evaluation)
    return CheckpointEvaluation(
        run=str(path),
        iteration=iteration,
        env_steps=env_steps,
        minutes=_minutes(path, iteration),
        evaluation=evaluation,
        figures=numbers,
        limits=bounds(amp.env.config, labelled=amp.env.labelled),
        faults=faults(numbers, amp.env.config, labelled=amp.env.labelled),
        gaits=gaits,
    )


def _minutes(path: Path, iteration: int) -> float:
    """Of training until `iteration`; NaN where metrics.jsonl does not say."""
    metrics = path / "metrics.jsonl"
    lines = metrics.read_text().splitlines() if metrics.is_file() else []
    rows = [json.loads(line) for line in lines if line.endswith("}")]
    return next((row["seconds"] / 60.0 for row in rows if row["iteration"] == iteration), math.nan)


def _show(results: list[CheckpointEvaluation], *, as_line: bool) -> None:
    console = Console()
    if as_line:
        console.print(_history(results), _first(results), highlight=False)
        return
    for result in results:
        gaits = [_gaits(result.gaits), f"{switching(result.gaits)}\n"] if result.gaits else []
        for part in (_figures(result), _speeds(result), *gaits, _overall(result)):
            console.print(part, highlight=False)


def _figures(result: CheckpointEvaluation) -> Table:
    """Every figure, and whether it is within its bounds."""
    table = Table(
        "", Column("figure", no_wrap=True), Column("value", justify="right"), "bounds", "", title=result.title
    )
    for group, names in (GROUPS | {"task": GROUPS["task"] | {"speed_at_0.6": ""}}).items():
        for name in names:
            table.add_row(group, name.replace("_", " "), *_cells(result, name))
            group = ""
        table.add_section()
    return table


def _cells(result: CheckpointEvaluation, name: str) -> tuple[str, str, str]:
    """Value, bounds, and whether it is within them."""
    value = _number(result.figures[name])
    if name not in result.limits:
        return value, "", ""
    return value, _limits(*result.limits[name]), "[red]fail[/red]" if name in result.faults else "[green]pass[/green]"


def _limits(low: float, high: float) -> str:
    if math.isinf(high):
        return f"at least {low:g}"
    return f"at most {high:g}" if low == 0.0 else f"{low:g} to {high:g}"


def _speeds(result: CheckpointEvaluation) -> Table:
    """One row a part of the range of commands; the reference's figures in brackets."""
    table = _slim(SPEED_COLUMNS, "by the speed asked for (the reference's at the robot's speed)")
    for row in plain(result.evaluation)["speeds"]:
        pairs = SPEED_COLUMNS.values()
        table.add_row(*(_number(row[a]) + (f" ({_number(row[b])})" if b else "") for a, b in pairs))
    return table


def _gaits(gaits: GaitEvaluation) -> Table:
    """One row a gait: how it is done, and how far it is from the clips of each."""
    labels = [gait.label for gait in gaits.gaits]
    heads = ["gait", "episodes", "no fall", "asked (m/s)", "speed (m/s)", *(f"to {label}" for label in labels)]
    table = _slim(heads, "by the gait asked for (distance from the clips of each)")
    for gait in gaits.gaits:
        figures = (gait.survival, gait.command, gait.forward_velocity, *gait.distances.values())
        table.add_row(gait.label, str(gait.episodes), *map(_number, figures))
    return table


def _overall(result: CheckpointEvaluation) -> str:
    if not result.faults:
        return "[green]passed[/green]"
    return f"[red]failed[/red]: {', '.join(name.replace('_', ' ') for name in result.faults)}"


def _history(results: list[CheckpointEvaluation]) -> Table:
    """One line a checkpoint."""
    names = list(results[0].limits)
    heads = ["iter.", "M steps", "min.", *(SHORT[name] for name in names), ""]
    table = _slim(heads, results[0].run)
    for result in results:
        texts = {name: _short(result.figures[name]) for name in names}
        cells = [f"[red]{text}[/red]" if name in result.faults else text for name, text in texts.items()]
        about = [str(result.iteration), f"{result.env_steps / 1e6:.2f}", _short(result.minutes)]
        table.add_row(*about, *cells, "[red]fail[/red]" if result.faults else "[green]pass[/green]")
    return table


def _slim(headings: Iterable[str], title: str) -> Table:
    """A table of many columns."""
    columns = (Column(heading, justify="right") for heading in headings)
    return Table(*columns, title=title, box=box.SIMPLE_HEAD, padding=0, pad_edge=False)


def _first(results: list[CheckpointEvaluation]) -> str:
    passed = next((result for result in results if not result.faults), None)
    return f"first that passes: {passed.title}" if passed else "none passes"


def _number(value: float | None) -> str:
    return "–" if value is None or math.isnan(value) else f"{value:.3g}"


def _short(value: float) -> str:
    return _number(value) if math.isnan(value) or value >= 10.0 else f"{value:.2f}"
