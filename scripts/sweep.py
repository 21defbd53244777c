"""Train a grid of settings and seeds side by side in one compiled function; each becomes a run with its own folder.

example:
  python scripts/sweep.py --config ppo_amass_training.yaml --grid amp.r1_gamma=0.5,1,5 --grid ppo.seed=0,1
  python scripts/train.py --resume runs/SWEEP/r1_gamma=0.5,seed=1
"""

import argparse
from pathlib import Path

from playground_amp.core.console import run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
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
    options = parser.parse_args()

    from playground_amp.training import sweep  # imported late: --help answers at once

    if options.measure:
        sweep.measure(options.config, options.set, options.grid)
    else:
        sweep.main(options.config, options.set, options.grid, options.run_dir)


if __name__ == "__main__":
    run(main)
