"""Make the AMASS-layout takes of walking and standing that ship with the project, from textbook gait curves."""

from __future__ import annotations

import argparse
from pathlib import Path

from playground_amp.core.console import run
from playground_amp.retargeting.synthetic_human import directions, held_out_walks, shipped_walks, standing, write_takes


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__,
        epilog="example: python scripts/make_walk.py --out data/takes",
    )
    parser.add_argument(
        "--out", type=Path, default=Path("data/takes"), help="folder for the takes (default data/takes)"
    )
    which = parser.add_mutually_exclusive_group()
    which.add_argument(
        "--held-out", action="store_true", help="make the takes that style is measured on and nothing is trained on"
    )
    which.add_argument("--standing", action="store_true", help="make the takes of standing on both feet")
    which.add_argument(
        "--directions", action="store_true", help="make the takes of arcs, steps back and aside, and turns on the spot"
    )
    args = parser.parse_args()
    sets = {held_out_walks: args.held_out, standing: args.standing, directions: args.directions}
    takes = next((takes for takes, asked in sets.items() if asked), shipped_walks)
    for path in write_takes(takes(), args.out):
        print(path)


if __name__ == "__main__":
    run(main)
