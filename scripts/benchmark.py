"""Measure environment steps per second: the physics engine alone, rollouts, and training with and without the prior.

Takes about two minutes; the comparison with physics mjx is most of it (leave it out with --no-mjx).

example:
  python scripts/benchmark.py --json benchmark.json
  python scripts/benchmark.py --no-mjx --set env.num_envs=512
"""

import argparse
import dataclasses
import json
import os
from pathlib import Path

from playground_amp.core.console import run
from playground_amp.core.errors import InputError


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--config", metavar="NAME_OR_PATH", default="ppo_amass_training.yaml", help="what to measure")
    parser.add_argument("--set", metavar="KEY=VALUE", action="append", default=[], help="override section.key")
    parser.add_argument("--json", metavar="FILE", type=Path, help="also write the figures to this file")
    parser.add_argument("--repeats", metavar="N", type=int, default=10, help="times each is measured (default: 10)")
    parser.add_argument("--no-mjx", action="store_true", help="leave out the slow comparison with physics mjx")
    options = parser.parse_args()
    if options.repeats < 1:
        raise InputError(f"--repeats is {options.repeats}; expected at least 1")
    if options.json and not (options.json.parent.is_dir() and os.access(options.json.parent, os.W_OK)):
        raise InputError(f"--json {options.json}: there is no folder '{options.json.parent}' to write to")

    import jax  # imported late: --help answers at once
    from rich.console import Console

    from playground_amp.config import load_config, resolve
    from playground_amp.core.files import write_whole
    from playground_amp.training.benchmark import benchmark, table

    config = resolve(load_config(options.config, options.set), accelerator=jax.default_backend() != "cpu")
    report = benchmark(config, repeats=options.repeats, mjx=not options.no_mjx)
    Console().print(table(report))
    if options.json:
        write_whole(options.json, json.dumps(dataclasses.asdict(report), indent=2) + "\n")


if __name__ == "__main__":
    run(main)
