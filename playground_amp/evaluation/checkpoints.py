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

from playground_amp.amp import AMP, make_amp
from playground_amp.config import asks_for_gaits, resolve
from playground_amp.core.errors import InputError
from playground_amp.core.files import write_whole
from playground_amp.evaluation.columns import GROUPS, SPEED_COLUMNS
from playground_amp.evaluation.evaluate import Evaluation, bounds, evaluate, faults, figures, plain, without_nan
from playground_amp.evaluation.gait_labels import Gaits, changes, evaluate_gaits, switching
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
class Verdict:
    """What one checkpoint of one run is worth."""

    run: str
    iteration: int
    env_steps: int
    minutes: float  # of training until it; NaN where metrics.jsonl does not say
    evaluation: Evaluation
    figures: dict[str, float]
    limits: dict[str, tuple[float, float]]
    faults: list[str]
    gaits: Gaits | None  # of a policy that is asked for one of several

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
    found: list[Verdict] = []
    for path in paths:
        verdicts = list(judge(path, checkpoint=checkpoint, episodes=episodes, speeds=speeds, seed=seed))
        _show(verdicts, as_line=checkpoint == "all")
        found += verdicts
    if output:
        write_whole(output, json.dumps([verdict.to_json() for verdict in found], indent=2) + "\n")


def judge(
    path: Path, *, checkpoint: str, episodes: int, speeds: tuple[float, float] | None, seed: int
) -> Iterator[Verdict]:
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
                policy = state.trainee.params.actor, state.statistics
                recording = recorder(*policy, jax.random.key(seed))
                changed = changing(*policy, jax.random.key(seed + 1)) if changing else None
                gaits = evaluate_gaits(amp, recording, changed) if changed else None
                yield _verdict(amp, path, iteration, about.get("env_steps", 0), recording, gaits)


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


def _verdict(
    amp: AMP, path: Path, iteration: int, env_steps: int, recording: Recording, gaits: Gaits | None
) -> Verdict:
    evaluation = evaluate(amp, recording)
    numbers = figures(amp, recording, evaluation)
    return Verdict(
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


def _show(verdicts: list[Verdict], *, as_line: bool) -> None:
    console = Console()
    if as_line:
        console.print(_history(verdicts), _first(verdicts), highlight=False)
        return
    for verdict in verdicts:
        gaits = [_gaits(verdict.gaits), f"{switching(verdict.gaits)}\n"] if verdict.gaits else []
        for part in (_figures(verdict), _speeds(verdict), *gaits, _overall(verdict)):
            console.print(part, highlight=False)


def _figures(verdict: Verdict) -> Table:
    """Every figure, and whether it is within its bounds."""
    table = Table(
        "", Column("figure", no_wrap=True), Column("value", justify="right"), "bounds", "", title=verdict.title
    )
    for group, names in (GROUPS | {"task": GROUPS["task"] | {"speed_at_0.6": ""}}).items():
        for name in names:
            table.add_row(group, name.replace("_", " "), *_cells(verdict, name))
            group = ""
        table.add_section()
    return table


def _cells(verdict: Verdict, name: str) -> tuple[str, str, str]:
    """Value, bounds, and whether it is within them."""
    value = _number(verdict.figures[name])
    if name not in verdict.limits:
        return value, "", ""
    return value, _limits(*verdict.limits[name]), "[red]fail[/red]" if name in verdict.faults else "[green]pass[/green]"


def _limits(low: float, high: float) -> str:
    if math.isinf(high):
        return f"at least {low:g}"
    return f"at most {high:g}" if low == 0.0 else f"{low:g} to {high:g}"


def _speeds(verdict: Verdict) -> Table:
    """One row a part of the range of commands; the reference's figures in brackets."""
    table = _slim(SPEED_COLUMNS, "by the speed asked for (the reference's at the robot's speed)")
    for row in plain(verdict.evaluation)["speeds"]:
        pairs = SPEED_COLUMNS.values()
        table.add_row(*(_number(row[a]) + (f" ({_number(row[b])})" if b else "") for a, b in pairs))
    return table


def _gaits(gaits: Gaits) -> Table:
    """One row a gait: how it is done, and how far it is from the clips of each."""
    labels = [gait.label for gait in gaits.gaits]
    heads = ["gait", "episodes", "no fall", "asked (m/s)", "speed (m/s)", *(f"to {label}" for label in labels)]
    table = _slim(heads, "by the gait asked for (distance from the clips of each)")
    for gait in gaits.gaits:
        figures = (gait.survival, gait.command, gait.forward_velocity, *gait.distances.values())
        table.add_row(gait.label, str(gait.episodes), *map(_number, figures))
    return table


def _overall(verdict: Verdict) -> str:
    if not verdict.faults:
        return "[green]passed[/green]"
    return f"[red]failed[/red]: {', '.join(name.replace('_', ' ') for name in verdict.faults)}"


def _history(verdicts: list[Verdict]) -> Table:
    """One line a checkpoint."""
    names = list(verdicts[0].limits)
    heads = ["iter.", "M steps", "min.", *(SHORT[name] for name in names), ""]
    table = _slim(heads, verdicts[0].run)
    for verdict in verdicts:
        texts = {name: _short(verdict.figures[name]) for name in names}
        cells = [f"[red]{text}[/red]" if name in verdict.faults else text for name, text in texts.items()]
        about = [str(verdict.iteration), f"{verdict.env_steps / 1e6:.2f}", _short(verdict.minutes)]
        table.add_row(*about, *cells, "[red]fail[/red]" if verdict.faults else "[green]pass[/green]")
    return table


def _slim(headings: Iterable[str], title: str) -> Table:
    """A table of many columns."""
    columns = (Column(heading, justify="right") for heading in headings)
    return Table(*columns, title=title, box=box.SIMPLE_HEAD, padding=0, pad_edge=False)


def _first(verdicts: list[Verdict]) -> str:
    passed = next((verdict for verdict in verdicts if not verdict.faults), None)
    return f"first that passes: {passed.title}" if passed else "none passes"


def _number(value: float | None) -> str:
    return "–" if value is None or math.isnan(value) else f"{value:.3g}"


def _short(value: float) -> str:
    return _number(value) if math.isnan(value) or value >= 10.0 else f"{value:.2f}"
