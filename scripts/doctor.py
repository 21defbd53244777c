"""Examine a configuration, its clips and this machine before training; exit code 1 when a run would be spoiled.

example:
  python scripts/doctor.py --config ppo_amass_training.yaml
  python scripts/doctor.py --checkpoint runs/my-run --json
"""

import argparse

from playground_amp.core.console import run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--config", metavar="NAME_OR_PATH", help="a file of configs/ by name, or any path")
    parser.add_argument("--set", metavar="KEY=VALUE", action="append", default=[], help="override section.key")
    parser.add_argument(
        "--checkpoint", metavar="RUN", help="take the newest policy of a run instead of an untrained one"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of tables")
    options = parser.parse_args()
    if not (options.config or options.checkpoint):
        parser.error("give --config NAME_OR_PATH, or --checkpoint RUN to examine a run's own configuration")

    from playground_amp import doctor  # imported late: --help answers at once

    doctor.main(options.config, options.set, options.checkpoint, json=options.json)


if __name__ == "__main__":
    run(main)
