"""The command `playground-amp evaluate`: its arguments, the evaluation of each run, and its tables."""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from playground_amp.core.console import ConsoleReporter, make_parser
from playground_amp.core.errors import InputError

if TYPE_CHECKING:
    from rich.console import Console

EVALUATE = """Evaluate runs: fresh episodes of the mean policy, measured and held against bounds.

Nothing is written into the run.

example:
  playground-amp evaluate runs/NAME
  playground-amp evaluate runs/NAME --checkpoint all
  playground-amp evaluate --compare runs/A runs/B
  playground-amp evaluate runs/NAME --grid
  playground-amp evaluate runs/NAME --pushes
  playground-amp evaluate runs/NAME --command 0.5 0 0.3
  playground-amp evaluate runs/A runs/B --speeds 0.5 0.5 --episodes 16 --json figures.json
"""


def evaluate(arguments: Sequence[str]) -> None:
    """Measure, and print tables."""
    parser = make_parser("evaluate", EVALUATE)
    parser.add_argument("runs", metavar="RUN", nargs="+", help="folder of a run, or its name in runs/")
    parser.add_argument(
        "--checkpoint",
        metavar="newest|best|all|N",
        default="best",
        help="which: by its age, by its score (default), one line for each, or of iteration N",
    )
    parser.add_argument(
        "--episodes", metavar="N", type=int, help="episodes (default: 64; with --grid and --command 8 for each command)"
    )
    parser.add_argument(
        "--speeds",
        metavar=("LOW", "HIGH"),
        type=float,
        nargs=2,
        help="m/s to ask for (default: the run's range; not of a run of several gaits)",
    )
    parser.add_argument("--compare", action="store_true", help="show the runs side by side, figure by figure")
    parser.add_argument("--grid", action="store_true", help="measure over a grid of the run's commands, and of changes")
    parser.add_argument(
        "--command",
        metavar=("AHEAD", "LEFT", "TURN"),
        type=float,
        nargs=3,
        help="measure at one command: m/s, m/s, rad/s",
    )
    parser.add_argument("--pushes", action="store_true", help="measure under pushes of growing size")
    parser.add_argument("--seed", metavar="N", type=int, default=1, help="of the start states (default: 1)")
    parser.add_argument("--json", metavar="FILE", type=Path, help="also write the figures to this file")
    options = parser.parse_args(arguments)
    _check_kind(options)

    from rich.console import Console  # imported late: --help answers at once

    from playground_amp.core.files import write_whole
    from playground_amp.evaluation.checkpoints import check_episodes, check_speeds, evaluate_checkpoints
    from playground_amp.evaluation.tables import checkpoint_tables, comparison_table, history_tables
    from playground_amp.runs.run_directory import find_run

    speeds = tuple(options.speeds) if options.speeds else None
    check_episodes(64 if options.episodes is None else options.episodes)
    check_speeds(speeds, ())
    _check_output(options.json)
    paths = [find_run(name) for name in options.runs]
    check_speeds(speeds, paths)
    console, found = Console(), []
    if options.grid or options.command:
        _over_commands(options, paths, console)
        return
    if options.pushes:
        _under_pushes(options, paths, console)
        return
    for path in paths:
        evaluations = list(
            evaluate_checkpoints(
                path,
                checkpoint=options.checkpoint,
                episodes=options.episodes or 64,
                speeds=speeds,
                seed=options.seed,
                reporter=ConsoleReporter(),
            )
        )
        found += evaluations
        if options.compare:
            continue
        whole_run = options.checkpoint == "all"
        for part in history_tables(evaluations) if whole_run else checkpoint_tables(evaluations[0]):
            console.print(part, highlight=False)
    if options.compare:
        console.print(comparison_table(found), highlight=False)
    if options.json:
        write_whole(options.json, json.dumps([evaluation.to_json() for evaluation in found], indent=2) + "\n")


def _over_commands(options: argparse.Namespace, paths: Sequence[Path], console: Console) -> None:
    """Evaluate runs over a grid of commands, or at one, and print a table of each."""
    from playground_amp.core.files import write_whole
    from playground_amp.evaluation.grid_run import evaluate_run_over_grid
    from playground_amp.evaluation.tables import grid_table

    found = []
    for path in paths:
        iteration, grid = evaluate_run_over_grid(
            path,
            checkpoint=options.checkpoint,
            commands=[tuple(options.command)] if options.command else None,
            episodes=options.episodes or 8,
            seed=options.seed,
            reporter=ConsoleReporter(),
        )
        for part in grid_table(grid, f"{path}, iteration {iteration}"):
            console.print(part, highlight=False)
        found.append({"run": str(path), "iteration": iteration} | grid.to_json())
    if options.json:
        write_whole(options.json, json.dumps(found, indent=2) + "\n")


def _under_pushes(options: argparse.Namespace, paths: Sequence[Path], console: Console) -> None:
    """Evaluate runs under pushes of growing size, and print a table of each."""
    from playground_amp.core.files import write_whole
    from playground_amp.evaluation.push_ladder import evaluate_run_under_pushes
    from playground_amp.evaluation.tables import push_table

    found = []
    for path in paths:
        iteration, rungs = evaluate_run_under_pushes(
            path,
            checkpoint=options.checkpoint,
            episodes=options.episodes or 64,
            seed=options.seed,
            reporter=ConsoleReporter(),
        )
        console.print(push_table(rungs, f"{path}, iteration {iteration}"), highlight=False)
        found.append({"run": str(path), "iteration": iteration, "pushes": [rung.to_json() for rung in rungs]})
    if options.json:
        write_whole(options.json, json.dumps(found, indent=2) + "\n")


def _check_kind(options: argparse.Namespace) -> None:
    """Raise InputError for two kinds of evaluation at once, and for a comparison of one run."""
    if options.compare and len(options.runs) < 2:
        raise InputError(f"--compare {options.runs[0]}: expected at least two runs")
    kinds = {
        "--compare": options.compare,
        "--pushes": options.pushes,
        "--grid": options.grid,
        "--command": options.command,
        "--speeds": options.speeds and not options.compare,
        "--checkpoint all": options.checkpoint == "all",
    }
    given = [name for name, value in kinds.items() if value]
    if given[:1] in (["--compare"], ["--pushes"]) and len(given) > 1:
        raise InputError(f"{given[0]} does not go with {given[1]}; leave one of them out")


def _check_output(file: Path | None) -> None:
    """Raise InputError, before hours of work, for a file that cannot be written."""
    if file and file.is_dir():
        raise InputError(f"--json {file}: that is a folder; give the name of a file")
    if file and not (file.parent.is_dir() and os.access(file.parent, os.W_OK)):
        raise InputError(f"--json {file}: there is no folder '{file.parent}' that can be written to")
