"""A checkpoint of a run over a grid of commands, or at one command."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import jax
import numpy as np

from playground_amp.config import asks_for_gaits
from playground_amp.core.errors import InputError
from playground_amp.core.reporter import SILENT, Reporter
from playground_amp.evaluation.command_grid import GridEvaluation, evaluate_grid, grid_of
from playground_amp.evaluation.policy import restore_to_evaluate
from playground_amp.runs import run_directory


def evaluate_run_over_grid(
    path: Path,
    *,
    checkpoint: str | int = "best",
    commands: Sequence[tuple[float, float, float]] | None = None,
    episodes: int = 8,
    seed: int = 1,
    reporter: Reporter = SILENT,
) -> tuple[int, GridEvaluation]:
    """Iteration and evaluation of a checkpoint at `commands` (m/s, m/s, rad/s), by default over the run's ranges.

    `episodes` are those of each command. Raises InputError for what the run does not have.
    """
    if checkpoint == "all":
        raise InputError("--checkpoint all has no grid; give newest, best or an iteration")
    if asks_for_gaits(run_directory.read_config(path, []).amp):
        raise InputError(f"'{path}' is asked for gaits, not for commands; leave --grid and --command out")
    if not run_directory.has_checkpoint(path):
        raise InputError(f"'{path}' holds no checkpoint to evaluate yet")
    with reporter.status(f"evaluating {path} over commands"):
        amp, state = restore_to_evaluate(path, checkpoint)
        asked = grid_of(amp.env.config.command) if commands is None else np.array(commands, np.float32)
        params, statistics = state.policy.params.actor, state.statistics
        return int(state.iteration), evaluate_grid(amp, params, statistics, jax.random.key(seed), asked, episodes)
