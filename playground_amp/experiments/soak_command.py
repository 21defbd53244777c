"""Try for long what a training must bear, and print what was tried and what came of it.

  kills       runs that are killed, stopped and damaged at random moments
  explosions  trainings in which physics blows up under some of the robots
  memory      a long training, whose memory and open files are looked at

example:
  python scripts/soak.py kills --seconds 3600
  python scripts/soak.py kills --quick --kills 200 --seconds 36000
  python scripts/soak.py explosions --iterations 60
  python scripts/soak.py memory --iterations 2000
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
from pathlib import Path

KEPT = "an empty folder for the runs, which are kept (default: a temporary one)"


def main() -> int:
    """The command: parse, try, print; the exit code is 1 where something was lost."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    what = parser.add_subparsers(dest="what", required=True, metavar="WHAT")
    one = what.add_parser("kills", help="of runs, at random moments")
    one.add_argument("--seconds", type=float, default=600.0, help="how long (default: 600)")
    one.add_argument("--kills", type=int, default=10**9, help="end after so many times SIGKILL")
    one.add_argument(
        "--quick", action="store_true", help="a few CPU seconds a kill: processes are forked, physics is a stand-in"
    )
    one.add_argument("--seed", type=int, default=0, help="of the schedule of faults")
    one.add_argument("--out", type=Path, help=KEPT)
    one.set_defaults(do=kills)
    one = what.add_parser("explosions", help="of robots, in training")
    one.add_argument("--share", type=float, nargs="+", default=[0.0, 0.01], help="of the robots, in each iteration")
    one.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2], help="of the trainings (default: 0 1 2)")
    one.add_argument("--iterations", type=int, default=60, help="of a training (default: 60)")
    one.set_defaults(do=explosions)
    one = what.add_parser("memory", help="of a long training")
    one.add_argument("--iterations", type=int, default=2000, help="of the training (default: 2000)")
    one.add_argument("--out", type=Path, help=KEPT)
    one.set_defaults(do=memory)
    options = parser.parse_args()
    return options.do(options)


def kills(options: argparse.Namespace) -> int:
    from playground_amp.experiments.attempts import make_quick_start, start_command  # late: --help answers at once
    from playground_amp.experiments.soak import soak

    out = folder(options)
    start = make_quick_start(out / "compiled") if options.quick else start_command
    schedule = {"seconds": options.seconds, "kills": options.kills, "seed": options.seed}
    tally = soak(out, **schedule, start=start, watch=lambda tally: print("\n".join(tally.lines()), flush=True))
    print("\n".join(tally.lines()))
    if not options.out and not tally.lost:
        shutil.rmtree(out)
    return 1 if tally.lost else 0


def explosions(options: argparse.Namespace) -> int:
    from playground_amp.experiments.explosions import measure

    print(measure(options.share, options.seeds, options.iterations, watch=lambda text: print(text, flush=True)))
    return 0


def memory(options: argparse.Namespace) -> int:
    from playground_amp.experiments.leaks import growth, measure, table

    out = folder(options)
    looks = measure(out / "run", options.iterations, watch=lambda text: print(text, flush=True))
    print(table(looks))
    print(f"from the second tenth to the last, memory grew by {growth(looks):.2%}")
    if not options.out:
        shutil.rmtree(out)
    return 0


def folder(options: argparse.Namespace) -> Path:
    """Where the runs are."""
    out = options.out or Path(tempfile.mkdtemp(prefix="soak-"))
    out.mkdir(parents=True, exist_ok=True)
    return out
