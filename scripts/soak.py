"""Train under a schedule of faults for a given time, and print what was tried and what was lost.

example:
  python scripts/soak.py --seconds 3600
  python scripts/soak.py --kills 200 --seconds 36000 --out /tmp/soak
"""

import argparse
import shutil
import tempfile
from pathlib import Path

from playground_amp.core.console import run


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=600.0, help="how long (default: 600)")
    parser.add_argument("--kills", type=int, default=10**9, help="end after so many faults")
    parser.add_argument("--seed", type=int, default=0, help="of the schedule of faults")
    parser.add_argument(
        "--out", type=Path, help="an empty folder for the runs, which are kept (default: a temporary one)"
    )
    options = parser.parse_args()

    from playground_amp.experiments.soak import soak  # imported late: --help answers at once

    out = options.out or Path(tempfile.mkdtemp(prefix="soak-"))
    tally = soak(out, seconds=options.seconds, kills=options.kills, seed=options.seed)
    print("\n".join(tally.lines()))
    if not options.out and not tally.lost:
        shutil.rmtree(out)
    return 1 if tally.lost else 0


if __name__ == "__main__":
    run(main)
