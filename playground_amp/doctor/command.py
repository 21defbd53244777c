"""The command `playground-amp doctor`: its arguments, and what it prints."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from playground_amp.core.console import FAILED, make_parser

DOCTOR = """Examine a configuration, its clips and this machine before training.

Exit code 1 means that something would spoil a run.

example:
  playground-amp doctor --config ppo_amass_training
  playground-amp doctor --checkpoint runs/my-run --json
  playground-amp doctor --replay runs/my-run/diverged.npz
"""
NARROWEST = 80  # columns that the tables need of a terminal
WIDE = 140  # columns elsewhere, where nothing has to fit


def doctor(arguments: Sequence[str]) -> int:
    """Examine, and print what was found; exit code 1 when something would spoil a run."""
    parser = make_parser("doctor", DOCTOR)
    parser.add_argument("--config", metavar="NAME_OR_PATH", help="a configuration by name, or any path")
    parser.add_argument("--set", metavar="KEY=VALUE", action="append", default=[], help="override section.key")
    parser.add_argument(
        "--checkpoint", metavar="RUN", help="take the newest policy of a run instead of an untrained one"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of tables")
    parser.add_argument(
        "--replay", metavar="FILE", type=Path, help="explain the diverged.npz of a run: do its iteration again"
    )
    options = parser.parse_args(arguments)
    if options.replay:
        return _replay(options.replay)
    if not (options.config or options.checkpoint):
        parser.error("give --config NAME_OR_PATH, or --checkpoint RUN to examine a run's own configuration")

    from rich.console import Console  # imported late: --help answers at once

    from playground_amp.config import load_config
    from playground_amp.doctor.examination import diagnose, trained_policy
    from playground_amp.doctor.output import clips_table, features_table, sentences, to_json
    from playground_amp.runs.run_directory import find_run, read_config

    run = find_run(options.checkpoint) if options.checkpoint else Path()
    config = load_config(options.config, options.set) if options.config else read_config(run, options.set)
    diagnosis = diagnose(config, trained_policy(run) if options.checkpoint else None)
    if options.json:
        print(to_json(diagnosis))
    else:
        console = Console()
        least = NARROWEST if console.is_terminal else WIDE
        console = console if console.width >= least else Console(width=least)
        console.print(features_table(diagnosis.features))
        console.print(clips_table(diagnosis.clips))
        for sentence in sentences(diagnosis):
            console.print(sentence, highlight=False, markup=False)
    return FAILED if diagnosis.errors else 0


def _replay(path: Path) -> int:
    """Print what became of an iteration that diverged; exit code 0, as the run is over."""
    from playground_amp.doctor.replay import explain  # imported late: --help answers at once

    print("\n".join(explain(path)))
    return 0
