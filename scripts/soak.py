"""Try for long what a training must bear: python scripts/soak.py --help."""

from playground_amp.core.console import run
from playground_amp.experiments.soak_command import main

if __name__ == "__main__":
    run(main)
