"""Train the default robot under many discriminators, and write the table of what each reaches.

Goes on where it was stopped: a run that stands in the results file is not done again.

example:
  python scripts/compare.py --rows default "no R1" --seeds 3
  python scripts/compare.py --page docs/discriminators.md
"""

import argparse
from pathlib import Path

from playground_amp.core.console import ConsoleReporter, run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", metavar="NAME", nargs="+", default=[], help="rows of the table (default: all)")
    parser.add_argument("--seeds", metavar="N", type=int, default=3, help="seeds of each row (default: 3)")
    parser.add_argument(
        "--results",
        metavar="FILE",
        type=Path,
        default=Path("docs/discriminators.jsonl"),
        help="results file, a line a run (default: docs/discriminators.jsonl)",
    )
    parser.add_argument(
        "--runs", metavar="DIR", type=Path, default=Path("runs/comparison"), help="where the runs are kept"
    )
    parser.add_argument("--page", metavar="FILE", type=Path, help="train nothing; write the table into this page")
    parser.add_argument("--costs", action="store_true", help="train nothing; measure the seconds of an iteration")
    options = parser.parse_args()

    from playground_amp.experiments.discriminators.comparison import compare, measure_costs  # late: --help is quick
    from playground_amp.experiments.discriminators.page import write_page

    if options.page:
        write_page(options.page, options.results)
    elif options.costs:
        measure_costs(options.results, options.rows)
    else:
        compare(options.results, options.rows, options.seeds, options.runs, reporter=ConsoleReporter())


if __name__ == "__main__":
    run(main)
