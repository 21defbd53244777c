"""Make the AMASS-layout walking takes that ship with the project, from textbook gait curves."""

from __future__ import annotations

import argparse
from pathlib import Path

from playground_amp.cli import run
from playground_amp.motion.normative import held_out_walks, shipped_walks, write_takes


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__,
        epilog="example: python scripts/make_walk.py --out data/takes",
    )
    parser.add_argument(
        "--out", type=Path, default=Path("data/takes"), help="folder for the takes (default data/takes)"
    )
    parser.add_argument(
        "--held-out", action="store_true", help="make the takes that style is measured on and nothing is trained on"
    )
    args = parser.parse_args()
    for path in write_takes(held_out_walks() if args.held_out else shipped_walks(), args.out):
        print(path)


if __name__ == "__main__":
    run(main)
