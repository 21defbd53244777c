"""The commands that train: their arguments, and one call each."""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Sequence
from pathlib import Path

from playground_amp.core.console import ConsoleReporter, make_parser
from playground_amp.core.errors import InputError

TRAIN = """Train a robot to walk like the reference motion.

example:
  playground-amp train --config ppo_amass_training --set amp.discriminator_lr=5e-5
  playground-amp train --resume auto
  playground-amp train --resume runs/NAME --checkpoint best --set amp.discriminator_lr=5e-5
  playground-amp train --config ppo_amass_training --resume auto --run-dir runs/job  (starts it, or goes on)
  srun playground-amp train --config ppo_amass_training --run-dir runs/job --distributed auto
"""

SWEEP = """Train a grid of settings and seeds side by side in one compiled function; each becomes a run of its own.

example:
  playground-amp sweep --config ppo_amass_training --grid amp.r1_gamma=0.5,1,5 --grid ppo.seed=0,1
  playground-amp train --resume runs/SWEEP/r1_gamma=0.5,seed=1
"""

BENCHMARK = """Measure environment steps a second: the engine, rollouts, training with and without the motion prior.

Takes about two minutes; the comparison with physics mjx is most of it (leave it out with --no-mjx).

example:
  playground-amp benchmark --json benchmark.json
  playground-amp benchmark --no-mjx --set env.num_envs=512
"""

CONFIG_HELP = "a configuration by name (in ./, ./configs or the package), or any path"


def train(arguments: Sequence[str]) -> None:
    """Start a run, or go on with one."""
    parser = make_parser("train", TRAIN)
    parser.add_argument("--config", metavar="NAME_OR_PATH", help=CONFIG_HELP)
    parser.add_argument(
        "--set", metavar="KEY=VALUE", action="extend", nargs="+", default=[], help="override section.key; also several"
    )
    parser.add_argument("--run-dir", metavar="DIR", type=Path, help="folder of a new run (default: runs/NAME-TIME)")
    parser.add_argument(
        "--resume",
        metavar="RUN|auto",
        help="go on with a run and its own configuration; auto: the newest, or --run-dir's, begun if need be",
    )
    parser.add_argument(
        "--checkpoint",
        metavar="newest|best|N",
        help="where --resume goes on from (default: newest); from an older one a new run does, the earlier is kept",
    )
    parser.add_argument(
        "--distributed",
        metavar="auto|HOST:PORT",
        help="train in several processes, each started by this same line; auto: as Slurm, Kubernetes or Open MPI say, "
        "else the address of process 0",
    )
    parser.add_argument("--process", metavar="INDEX/COUNT", help="which process this is, with HOST:PORT")
    options = parser.parse_args(arguments)
    if not (options.config or options.resume):
        parser.error("give --config NAME_OR_PATH to start a run, or --resume RUN to go on with one")
    if options.process and not options.distributed:
        parser.error("--process says which of several processes this is; give --distributed HOST:PORT, too")

    from playground_amp.training import processes, trainer  # imported late: --help answers at once

    if options.distributed:
        processes.join(options.distributed, options.process)
    trainer.start_or_resume(
        options.config,
        options.set,
        run_dir=options.run_dir,
        resume_name=options.resume,
        checkpoint=options.checkpoint,
        reporter=ConsoleReporter(),
    )


def sweep(arguments: Sequence[str]) -> int:
    """Train a grid; exit code 1 when every member diverged."""
    parser = make_parser("sweep", SWEEP)
    parser.add_argument("--config", metavar="NAME_OR_PATH", required=True, help="what all have in common")
    parser.add_argument("--set", metavar="KEY=VALUE", action="append", default=[], help="override section.key for all")
    parser.add_argument(
        "--grid",
        metavar="KEY=VALUE,VALUE",
        action="append",
        default=[],
        help="values of a setting; with more than one --grid, all their combinations are trained",
    )
    parser.add_argument(
        "--run-dir", metavar="DIR", type=Path, help="folder of the sweep (default: runs/NAME-sweep-TIME)"
    )
    parser.add_argument(
        "--measure",
        action="store_true",
        help="train the grid at once and one after another, print how much faster that was, and keep nothing",
    )
    options = parser.parse_args(arguments)

    from rich.console import Console  # imported late: --help answers at once

    from playground_amp.training import sweep

    if options.measure:
        members, ratio = sweep.measure(options.config, options.set, options.grid)
        Console().print(f"{members} members at once train at {ratio:.2f} times the throughput")
        return 0
    runs = sweep.sweep(options.config, options.set, options.grid, options.run_dir, reporter=ConsoleReporter())
    Console().print(sweep.table(runs))
    return 1 if all(run.fault for run in runs) else 0


def benchmark(arguments: Sequence[str]) -> None:
    """Measure, and print a table."""
    parser = make_parser("benchmark", BENCHMARK)
    parser.add_argument("--config", metavar="NAME_OR_PATH", default="ppo_amass_training", help="what to measure")
    parser.add_argument("--set", metavar="KEY=VALUE", action="append", default=[], help="override section.key")
    parser.add_argument("--json", metavar="FILE", type=Path, help="also write the figures to this file")
    parser.add_argument("--repeats", metavar="N", type=int, default=10, help="times each is measured (default: 10)")
    parser.add_argument("--no-mjx", action="store_true", help="leave out the slow comparison with physics mjx")
    options = parser.parse_args(arguments)
    if options.repeats < 1:
        raise InputError(f"--repeats is {options.repeats}; expected at least 1")
    if options.json and not (options.json.parent.is_dir() and os.access(options.json.parent, os.W_OK)):
        raise InputError(f"--json {options.json}: there is no folder '{options.json.parent}' to write to")

    from rich.console import Console  # imported late: --help answers at once

    from playground_amp.builder import resolve_quietly
    from playground_amp.config import load_config
    from playground_amp.core.files import write_whole
    from playground_amp.training.benchmark import benchmark, table

    config = resolve_quietly(load_config(options.config, options.set))
    report = benchmark(config, repeats=options.repeats, mjx=not options.no_mjx, reporter=ConsoleReporter())
    Console().print(table(report))
    if options.json:
        write_whole(options.json, json.dumps(dataclasses.asdict(report), indent=2) + "\n")
