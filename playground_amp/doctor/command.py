"""The command `playground-amp doctor`: its arguments, and one call."""

from __future__ import annotations

from collections.abc import Sequence

from playground_amp.core.console import make_parser

DOCTOR = """Examine a configuration, its clips and this machine before training.

Exit code 1 means that something would spoil a run.

example:
  playground-amp doctor --config ppo_amass_training
  playground-amp doctor --checkpoint runs/my-run --json
"""


def doctor(arguments: Sequence[str]) -> int | None:
    """Examine, and print what was found."""
    parser = make_parser("doctor", DOCTOR)
    parser.add_argument("--config", metavar="NAME_OR_PATH", help="a configuration by name, or any path")
    parser.add_argument("--set", metavar="KEY=VALUE", action="append", default=[], help="override section.key")
    parser.add_argument(
        "--checkpoint", metavar="RUN", help="take the newest policy of a run instead of an untrained one"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of tables")
    options = parser.parse_args(arguments)
    if not (options.config or options.checkpoint):
        parser.error("give --config NAME_OR_PATH, or --checkpoint RUN to examine a run's own configuration")

    from playground_amp import doctor  # imported late: --help answers at once

    return doctor.main(options.config, options.set, options.checkpoint, json=options.json)
