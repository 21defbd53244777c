"""Tables of what runs of several seeds reach, in Markdown.

example:
  python scripts/results.py runs/default-* --baseline runs/task-*
"""

import argparse

from playground_amp.core.console import ConsoleReporter, run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", metavar="RUN", nargs="+", help="folders of runs that differ by ppo.seed")
    parser.add_argument(
        "--baseline", metavar="RUN", nargs="*", default=[], help="folders of runs to compare style with"
    )
    parser.add_argument("--episodes", metavar="N", type=int, default=64, help="fresh episodes (default: 64)")
    options = parser.parse_args()

    from playground_amp.experiments.seed_tables import seed_tables  # imported late: --help answers at once

    print(seed_tables(options.runs, options.baseline, episodes=options.episodes, reporter=ConsoleReporter()))


if __name__ == "__main__":
    run(main)
