"""What the checkpoints of a run are worth: fresh episodes of each policy, measured and held against bounds."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax

from playground_amp.amp import AMP
from playground_amp.builder import make_amp, resolve_to_evaluate
from playground_amp.config import ResolvedConfig, asks_for_gaits
from playground_amp.core.errors import InputError
from playground_amp.core.files import json_values, parse_json
from playground_amp.core.reporter import SILENT, Reporter
from playground_amp.evaluation.bounds import bounds, faults, figures
from playground_amp.evaluation.columns import between, number
from playground_amp.evaluation.evaluate import Evaluation, evaluate
from playground_amp.evaluation.gait_labels import GaitEvaluation, evaluate_gaits, switch_sentence, switching_schedule
from playground_amp.evaluation.policy import choose_iteration
from playground_amp.evaluation.rollout import Recording, make_recorder
from playground_amp.runs import run_directory
from playground_amp.runs.checkpoint import Checkpoints, tell_clips


@dataclass(frozen=True)
class CheckpointEvaluation:
    """What one checkpoint of one run is worth; `print` shows the figures that have bounds."""

    run: str  # folder
    iteration: int
    env_steps: int
    minutes: float  # of training until it; NaN where metrics.jsonl does not say
    evaluation: Evaluation
    figures: dict[str, float]  # the evaluation's, and the speed at 0.6 m/s commanded
    limits: dict[str, tuple[float, float]]  # least and greatest value of the figures that have bounds
    faults: list[str]  # names of the figures that are out of bounds
    gaits: GaitEvaluation | None  # of a policy that is commanded one of several

    @property
    def passed(self) -> bool:
        """Whether every figure is within its bounds."""
        return not self.faults

    @property
    def title(self) -> str:
        """Run, iteration, steps and minutes."""
        time = "" if math.isnan(self.minutes) else f", {self.minutes:.1f} minutes"
        return f"{self.run}, iteration {self.iteration}, {self.env_steps / 1e6:.2f}M steps{time}"

    def __repr__(self) -> str:
        figures = [f"{name} {number(self.figures[name])}" for name in self.faults]
        outcome = "passed" if self.passed else f"failed by {', '.join(figures)}"
        return f"<{type(self).__name__} of {self.title}: {outcome}>"

    def __str__(self) -> str:
        lines = [f"{self.title}: {'passed' if self.passed else 'failed'}"]
        for name, (low, high) in self.limits.items():
            outcome = "fail" if name in self.faults else "pass"
            value, bound = number(self.figures[name]), between(low, high)
            lines.append(f"  {name.replace('_', ' '):18}{value:>8}  {bound:14}{outcome}")
        return "\n".join(lines + ([f"  {switch_sentence(self.gaits)}"] if self.gaits else []))

    def to_json(self) -> dict[str, Any]:
        """Everything, as JSON knows it."""
        about = {"run": self.run, "iteration": self.iteration, "env_steps": self.env_steps, "minutes": self.minutes}
        return json_values(
            about
            | {"passed": self.passed, "faults": self.faults, "bounds": self.limits}
            | {"evaluation": self.evaluation.to_json() | {"speed_at_0.6": self.figures["speed_at_0.6"]}}
            | ({"gaits": self.gaits.to_json()} if self.gaits else {})
        )


def evaluate_checkpoints(
    path: Path,
    *,
    checkpoint: str | int = "best",
    episodes: int = 64,
    speeds: tuple[float, float] | None = None,
    seed: int = 1,
    reporter: Reporter = SILENT,
) -> Iterator[CheckpointEvaluation]:
    """Evaluate the checkpoints of the run in `path`, one after the other; what makes the episodes compiles once.

    `checkpoint` is newest, best, an iteration, or all. Every policy acts by its mean in `episodes` episodes with start
    states of `seed`, at forward speeds from `speeds` (lowest and highest, m/s; by default those of the run). Nothing is
    written into the run. Raises InputError for what the run does not have.
    """
    check_episodes(episodes)
    check_speeds(speeds, [path])
    overrides = [f"env.command.forward=[{speeds[0]}, {speeds[1]}]"] if speeds else []
    config = resolve_to_evaluate(run_directory.read_config(path, overrides))
    if not run_directory.has_checkpoint(path):
        raise InputError(f"'{path}' holds no checkpoint to evaluate yet")
    return _evaluate(path, config, checkpoint, episodes, seed, reporter)


def check_episodes(episodes: int) -> None:
    """Raise InputError unless there is something to evaluate."""
    if episodes < 1:
        raise InputError(f"--episodes is {episodes}; expected at least 1")


def check_speeds(speeds: tuple[float, float] | None, runs: Sequence[Path]) -> None:
    """Raise InputError for speeds that are none, and for a run that is not commanded by speed alone."""
    if speeds is None:
        return
    low, high = speeds
    if not -math.inf < low <= high < math.inf:
        raise InputError(f"--speeds are {low:g} {high:g}; expected two numbers, the lowest first")
    for path in runs:
        if asks_for_gaits(run_directory.read_config(path, []).amp):
            raise InputError(f"'{path}' is asked for gaits, each at the speeds of its clips; leave --speeds out")


def choose_iterations(checkpoints: Checkpoints, which: str | int) -> list[int]:
    """Iterations of the checkpoints that `which` names: all, or one."""
    return checkpoints.all if which == "all" else [choose_iteration(checkpoints, which)]


def _evaluate(
    path: Path, config: ResolvedConfig, which: str | int, episodes: int, seed: int, reporter: Reporter
) -> Iterator[CheckpointEvaluation]:
    with (
        Checkpoints(path / "checkpoints", read_only=True) as checkpoints,
        reporter.status(f"evaluating {path}") as describe,
    ):
        iterations = choose_iterations(checkpoints, which)
        amp = make_amp(config)
        steady = make_recorder(amp, episodes)
        switched = make_recorder(amp, episodes, switching_schedule(amp, episodes)) if amp.env.labelled else None
        clips_told = None  # of the checkpoint before: of the same clips nothing more is to be said
        for iteration in iterations:
            describe(f"evaluating {path}, iteration {iteration}")
            state, about = checkpoints.restore(amp, iteration)
            if about.get("reference") != clips_told:
                tell_clips(about, amp)
            clips_told = about.get("reference")
            params, statistics = state.policy.params.actor, state.statistics
            recording = steady(params, statistics, jax.random.key(seed))
            gaits = None
            if switched:
                gaits = evaluate_gaits(amp, recording, switched(params, statistics, jax.random.key(seed + 1)))
            yield _evaluation_of(amp, path, iteration, about.get("env_steps", 0), recording, gaits)


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
    """Minutes of training until `iteration`; NaN where metrics.jsonl does not say."""
    metrics = path / "metrics.jsonl"
    lines = metrics.read_text().splitlines() if metrics.is_file() else []
    rows = [parse_json(line) for line in lines if line.endswith("}")]
    return next((row["seconds"] / 60.0 for row in rows if row["iteration"] == iteration), math.nan)
