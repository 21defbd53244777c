"""What training on many devices costs on paper: bytes exchanged, seconds, efficiency; a row for each number of devices.

example:
  python scripts/scaling.py --devices 8 --bandwidth 300 --latency 25
"""

import argparse

from playground_amp.core.console import run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--config", metavar="NAME_OR_PATH", default="ppo_amass_training", help="what is trained")
    parser.add_argument("--set", metavar="KEY=VALUE", action="append", default=[], help="override section.key")
    parser.add_argument("--devices", metavar="N", type=int, nargs="+", default=[1, 8, 64], help="how many")
    parser.add_argument("--robots", metavar="N", type=int, default=4096, help="robots on each device")
    parser.add_argument("--rate", metavar="STEPS", type=float, default=816e3, help="environment steps/s of one device")
    parser.add_argument("--bandwidth", metavar="GB/S", type=float, default=40.0, help="into each device")
    parser.add_argument("--latency", metavar="US", type=float, default=60.0, help="microseconds of one small exchange")
    options = parser.parse_args()

    from rich.console import Console  # imported late: --help answers at once
    from rich.table import Table

    from playground_amp.builder import make_amp, resolve_quietly
    from playground_amp.config import load_config
    from playground_amp.experiments.scaling import exchange

    table = Table(box=None)
    for column in ("devices", "robots", "MB received", "exchange, ms", "iteration, ms", "efficiency", "steps/s"):
        table.add_column(column, justify="right")
    for devices in options.devices:
        robots = options.robots * devices
        config = resolve_quietly(load_config(options.config, [*options.set, f"env.num_envs={robots}"]))
        told, computing = exchange(make_amp(config)), options.robots * config.ppo.rollout_length / options.rate
        how = (devices, 1e9 * options.bandwidth, 1e-6 * options.latency)
        share, seconds = told.efficiency(computing, *how), told.seconds(*how)
        figures = (robots, told.received(devices) / 1e6, 1e3 * seconds, 1e3 * (computing + seconds))
        rate = devices * options.rate * share
        table.add_row(f"{devices}", *(f"{value:,.0f}" for value in figures), f"{share:.0%}", f"{rate:,.0f}")
    Console().print(table)


if __name__ == "__main__":
    run(main)
