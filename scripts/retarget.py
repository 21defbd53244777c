"""Turn AMASS takes of walking people into motion clips of a robot."""

from __future__ import annotations

import argparse
from pathlib import Path

from playground_amp.cli import run
from playground_amp.motion.batch import retarget_sources

EXAMPLE = "example: python scripts/retarget.py AMASS/CMU/02 --robot wildrobot --out data/wildrobot"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, epilog=EXAMPLE)
    parser.add_argument("sources", nargs="+", type=Path, metavar="SOURCE", help="AMASS .npz files, or folders of them")
    parser.add_argument("--robot", default="wildrobot", help="robot to make the clips for (default wildrobot)")
    parser.add_argument("--out", type=Path, required=True, help="folder for the clips, one .npz for every take")
    parser.add_argument(
        "--no-time-scale",
        action="store_true",
        help="keep the person's timing; by default time shrinks with the square root of the leg's length",
    )
    parser.add_argument("--source", default="", help="where the motion comes from and its licence, kept in the clips")
    args = parser.parse_args()
    retarget_sources(args.sources, args.robot, args.out, time_scaling=not args.no_time_scale, source=args.source)


if __name__ == "__main__":
    run(main)
