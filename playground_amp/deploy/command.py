"""The command `playground-amp deploy`: checks an exported folder, and runs it. Works without JAX."""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Sequence

from playground_amp.core.console import make_parser
from playground_amp.core.errors import InputError

DEPLOY = """Run an exported policy: check its folder and replay its golden trace, or serve a robot.

With --stdio and --udp the robot's side writes one JSON line a step and reads one back; docs/deploy.md has the lines.

example:
  playground-amp deploy exported
  playground-amp deploy exported --engine numpy
  playground-amp deploy exported --simulate 10
  playground-amp deploy exported --udp 9870
"""


def deploy(arguments: Sequence[str]) -> None:
    """Check and replay, simulate, or serve."""
    parser = make_parser("deploy", DEPLOY)
    parser.add_argument("folder", metavar="DIR", help="folder that playground-amp export wrote")
    parser.add_argument("--engine", choices=("onnx", "numpy"), default="onnx", help="what computes (default: onnx)")
    modes = parser.add_mutually_exclusive_group()
    modes.add_argument("--stdio", action="store_true", help="serve lines of standard input; who writes keeps the rate")
    modes.add_argument("--udp", metavar="PORT", type=int, help="serve datagrams of this machine at the control rate")
    modes.add_argument("--simulate", metavar="SECONDS", type=float, help="walk in plain MuJoCo, in real time")
    parser.add_argument("--low-pass", metavar="HZ", type=float, help="low pass on the targets (default: none)")
    parser.add_argument(
        "--command",
        metavar=("AHEAD", "LEFT", "TURN"),
        type=float,
        nargs=3,
        help="with --simulate: m/s, m/s, rad/s (default: the middle of the range)",
    )
    options = parser.parse_args(arguments)
    _check(options)

    from playground_amp.deploy import Limits, load, replay  # imported late: --help answers at once

    limits, deployment = Limits(low_pass=options.low_pass), load(options.folder, engine=options.engine)
    errors = replay(deployment)
    words = ", ".join(f"{name} {error:.1e}" for name, error in errors.items())
    print(f"{options.folder}: contract and files agree; the golden trace is replayed to {words}", file=sys.stderr)
    if options.stdio:
        from playground_amp.deploy.transport import serve_lines

        serve_lines(deployment, limits)
    elif options.udp is not None:
        from playground_amp.deploy.transport import serve_udp

        print(serve_udp(deployment, limits, options.udp, bound=_tell_port).sentence(), file=sys.stderr)
    elif options.simulate is not None:
        from playground_amp.deploy.simulate import simulate

        print(simulate(deployment, limits, options.simulate, options.command))


def _check(options: argparse.Namespace) -> None:
    if options.udp is not None and not 0 <= options.udp < 65_536:
        raise InputError(f"--udp {options.udp}: expected a port, 0 to 65535 (0: any that is free)")
    if options.simulate is not None and not (math.isfinite(options.simulate) and options.simulate > 0.0):
        raise InputError(f"--simulate {options.simulate}: expected seconds, above 0")
    if options.command is not None and options.simulate is None:
        raise InputError("--command goes with --simulate; with --stdio and --udp the command is in every line")


def _tell_port(port: int) -> None:
    print(f"listening on 127.0.0.1:{port}", file=sys.stderr, flush=True)
