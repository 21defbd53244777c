"""The command `playground-amp transfer`: its arguments, the conditions, table and picture."""

from __future__ import annotations

import argparse
import json
import math
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from playground_amp.core.console import ConsoleReporter, make_parser
from playground_amp.core.errors import InputError

if TYPE_CHECKING:
    from rich.table import Table

    from playground_amp.export.transfer.summary import Row

TRANSFER = """Try a policy where it was not trained: other engines, grounds, masses, motors, delays and pushes.

A run is exported first (this needs the package onnx: pip install 'playground_amp[export]'); then the exported policy
walks in plain MuJoCo by the code that runs it on a robot. Takes a minute or two. MJX is left out unless --mjx asks for
it: on a CPU it takes as long as all the others together.

example:
  playground-amp transfer runs/NAME
  playground-amp transfer exported --only delay push --json transfer.json --picture transfer.png
"""


def transfer(arguments: Sequence[str]) -> None:
    """Walk under every condition, and print the table, worst first."""
    parser = make_parser("transfer", TRANSFER)
    parser.add_argument("run", metavar="RUN", help="folder of a run, its name in runs/, or an exported folder")
    parser.add_argument("--checkpoint", metavar="newest|best|N", default="best", help="of a run, which (default: best)")
    parser.add_argument(
        "--only",
        metavar="GROUP",
        nargs="+",
        default=[],
        help="these groups of conditions alone: engine, ground, robot, delay, push",
    )
    parser.add_argument("--mjx", action="store_true", help="also in MJX (slow on a CPU)")
    parser.add_argument("--episodes", metavar="N", type=int, default=64, help="robots for each condition (default: 64)")
    parser.add_argument("--seconds", metavar="S", type=float, default=10.0, help="length of an episode (default: 10)")
    parser.add_argument("--seed", metavar="N", type=int, default=1, help="of pushes and intervals (default: 1)")
    parser.add_argument("--json", metavar="FILE", type=Path, help="also write the figures to this file")
    parser.add_argument(
        "--picture", metavar="FILE", type=Path, help="where to draw them (default: transfer.png in the folder of RUN)"
    )
    options = parser.parse_args(arguments)
    _check(options)

    from rich.console import Console  # imported late: --help answers at once

    from playground_amp.core.files import json_values, whole, write_whole
    from playground_amp.export.transfer.conditions import choose, conditions
    from playground_amp.export.transfer.picture import draw
    from playground_amp.export.transfer.transfer import deployment_of
    from playground_amp.export.transfer.transfer import transfer as try_everywhere
    from playground_amp.runs.run_directory import find_run

    choose(conditions(mjx=options.mjx), options.only)
    folder = Path(options.run) if (Path(options.run) / "contract.json").is_file() else find_run(options.run)
    picture = options.picture or folder / "transfer.png"
    _check_file("picture", picture)
    reporter = ConsoleReporter()
    with deployment_of(options.run, options.checkpoint, reporter) as deployment:
        rows = try_everywhere(
            deployment,
            groups=options.only,
            mjx=options.mjx,
            episodes=options.episodes,
            seconds=options.seconds,
            seed=options.seed,
            reporter=reporter,
        )
        source = deployment.contract.values["source"]
    title = f"{source['run']}, iteration {source['iteration']}: {options.episodes} episodes of {options.seconds:g} s"
    Console().print(table(rows, title), highlight=False)
    with whole(picture) as file:
        draw(rows, title, file)
    print(f"picture: {picture}")
    if options.json:
        found = source | {"episodes": options.episodes, "seconds": options.seconds, "seed": options.seed}
        found |= {"conditions": [row.to_json() for row in rows]}
        write_whole(options.json, json.dumps(json_values(found), indent=2) + "\n")


def table(rows: Sequence[Row], title: str) -> Table:
    """The rows, with 95 % intervals."""
    from rich.box import SIMPLE
    from rich.table import Table

    found = Table(title=title, title_justify="left", box=SIMPLE)
    for name in ("condition", "survived\n%", "walked\ns", "speed error\nm/s", "turn error\nrad/s"):
        found.add_column(name, justify="left" if name == "condition" else "right", no_wrap=name == "condition")
    for row in rows:
        low, high = (100.0 * share for share in row.survival_interval)
        found.add_row(
            row.condition.name,
            f"{100.0 * row.survival:.0f} ({low:.0f}-{high:.0f})",
            f"{row.seconds:.1f}",
            "-" if math.isnan(row.speed_error) else f"{row.speed_error:.3f} ({_between(row.speed_interval)})",
            "-" if math.isnan(row.turn_error) else f"{row.turn_error:.3f}",
        )
    return found


def _between(interval: tuple[float, float]) -> str:
    return f"{interval[0]:.2f}-{interval[1]:.2f}"


def _check(options: argparse.Namespace) -> None:
    """Raise InputError, before minutes of work, for what cannot be."""
    if options.episodes < 2:
        raise InputError(f"--episodes {options.episodes}: expected at least 2, as intervals need them")
    if not (math.isfinite(options.seconds) and options.seconds > 1.0):
        raise InputError(f"--seconds {options.seconds}: expected more than 1, as the first second is left out")
    if options.seed < 0:
        raise InputError(f"--seed {options.seed}: expected 0 or more")
    for name in ("json", "picture"):
        _check_file(name, getattr(options, name))


def _check_file(name: str, file: Path | None) -> None:
    if file and file.is_dir():
        raise InputError(f"--{name} {file}: that is a folder; give the name of a file")
    if file and not (file.parent.is_dir() and os.access(file.parent, os.W_OK)):
        raise InputError(f"--{name} {file}: there is no folder '{file.parent}' that can be written to")
