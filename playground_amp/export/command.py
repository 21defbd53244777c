"""The command `playground-amp export`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from playground_amp.core.console import ConsoleReporter, make_parser

EXPORT = """Export the policy of a run to a folder that a robot can use: ONNX, NumPy, contract, golden trace, README.

Needs the package onnx: pip install 'playground_amp[export]'.

example:
  playground-amp export runs/NAME --out exported
  playground-amp export runs/NAME --out exported --checkpoint newest
"""


def export(arguments: Sequence[str]) -> None:
    """Export, and say what came of it."""
    parser = make_parser("export", EXPORT)
    parser.add_argument("run", metavar="RUN", help="folder of a run, or its name in runs/")
    parser.add_argument("--out", metavar="DIR", type=Path, required=True, help="new folder to write")
    parser.add_argument("--checkpoint", metavar="newest|best|N", default="best", help="which (default: best)")
    options = parser.parse_args(arguments)

    from playground_amp.export.export import export_run  # imported late: --help answers at once

    done = export_run(options.run, options.out, checkpoint=options.checkpoint, reporter=ConsoleReporter())
    errors = ", ".join(f"{engine} within {error:.1e}" for engine, error in done.errors.items())
    print(f"{done.folder}: iteration {done.iteration}; {errors} of JAX on {done.observations} observations")
    print(f"check it anywhere, without JAX, by: playground-amp deploy {done.folder}")
