"""Train a robot to walk like the reference motion.

example:
  python scripts/train.py --config ppo_amass_training.yaml --set amp.discriminator_lr=5e-5
  python scripts/train.py --resume auto
  python scripts/train.py --resume runs/NAME --checkpoint best --set amp.discriminator_lr=5e-5
"""

import argparse
from pathlib import Path

from playground_amp.core.console import run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--config", metavar="NAME_OR_PATH", help="a file of configs/ by name, or any path")
    parser.add_argument("--set", metavar="KEY=VALUE", action="append", default=[], help="override section.key")
    parser.add_argument("--run-dir", metavar="DIR", type=Path, help="folder of a new run (default: runs/NAME-TIME)")
    parser.add_argument("--resume", metavar="RUN|auto", help="go on with a run and its own configuration")
    parser.add_argument(
        "--checkpoint",
        metavar="newest|best|N",
        help="where --resume goes on from (default: newest); from an older one a new run does, the earlier is kept",
    )
    options = parser.parse_args()
    if not (options.config or options.resume):
        parser.error("give --config NAME_OR_PATH to start a run, or --resume RUN to go on with one")

    from playground_amp.training import trainer  # imported late: --help answers at once

    trainer.main(options.config, options.set, options.run_dir, options.resume, options.checkpoint)


if __name__ == "__main__":
    run(main)
