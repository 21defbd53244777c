"""The command `playground-amp evaluate`: its arguments, and one call."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from playground_amp.core.console import make_parser

EVALUATE = """Evaluate runs: fresh episodes of the mean policy, measured and held against bounds.

Nothing is written into the run.

example:
  playground-amp evaluate runs/NAME
  playground-amp evaluate runs/NAME --checkpoint all
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
    parser.add_argument("--episodes", metavar="N", type=int, default=64, help="episodes (default: 64)")
    parser.add_argument(
        "--speeds",
        metavar=("LOW", "HIGH"),
        type=float,
        nargs=2,
        help="m/s to ask for (default: the run's range; not of a run of several gaits)",
    )
    parser.add_argument("--seed", metavar="N", type=int, default=1, help="of the start states (default: 1)")
    parser.add_argument("--json", metavar="FILE", type=Path, help="also write the figures to this file")
    options = parser.parse_args(arguments)

    from playground_amp.evaluation import checkpoints  # imported late: --help answers at once

    checkpoints.main(
        options.runs,
        checkpoint=options.checkpoint,
        episodes=options.episodes,
        speeds=tuple(options.speeds) if options.speeds else None,
        seed=options.seed,
        output=options.json,
    )
