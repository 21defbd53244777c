"""The command line: playground-amp COMMAND, python -m playground_amp COMMAND, or scripts/COMMAND.py in a clone."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence

from playground_amp.core.console import run
from playground_amp.core.errors import InputError, nearest

COMMANDS = {  # name -> what it does, and the function that parses its arguments and does it
    "train": ("train a robot to walk like the reference motion", "training.command:train"),
    "retarget": ("turn recordings of people or robots into clips of a robot", "retargeting.command:retarget"),
    "doctor": ("examine a configuration, its clips and this machine before training", "doctor.command:doctor"),
    "evaluate": ("measure runs by fresh episodes, and hold them against bounds", "evaluation.command:evaluate"),
    "view": ("watch a run or clips in a browser, and steer the policy", "evaluation.reporting.viewer.command:view"),
    "export": ("write a policy as ONNX and NumPy with a contract that a robot checks", "export.command:export"),
    "deploy": ("check and run an exported policy; needs no JAX", "deploy.command:deploy"),
    "transfer": ("try a policy in other engines, grounds and robots", "export.transfer.command:transfer"),
    "sweep": ("train a grid of settings and seeds side by side", "training.command:sweep"),
    "benchmark": ("measure environment steps a second, part by part", "training.command:benchmark"),
}


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a command line, that of this process by default, and exit with its code."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    run(lambda: _dispatch(words))


def _dispatch(words: list[str]) -> int | None:
    if not words or words[0] in ("-h", "--help"):
        print(_usage())
        return None
    if words[0] == "--version":
        from playground_amp.runs.run_directory import versions  # imported late: --help answers at once

        print("\n".join(f"{name} {version}" for name, version in versions().items()))
        return None
    if words[0] not in COMMANDS:
        raise InputError(f"there is no command '{words[0]}'; {nearest(words[0], COMMANDS)}")
    module, _, function = COMMANDS[words[0]][1].partition(":")
    return getattr(importlib.import_module(f"playground_amp.{module}"), function)(words[1:])


def _usage() -> str:
    width = max(map(len, COMMANDS))
    commands = [f"  {name:{width}}  {what}" for name, (what, _) in COMMANDS.items()]
    return "\n".join(
        [
            "usage: playground-amp COMMAND ...",
            "",
            "Adversarial motion priors for MuJoCo robots: teaches a robot to move like recorded motion.",
            "",
            *commands,
            "",
            "playground-amp COMMAND --help says more of one; --version names the versions that matter.",
            "example: playground-amp train --config ppo_amass_training",
        ]
    )


if __name__ == "__main__":
    main()
