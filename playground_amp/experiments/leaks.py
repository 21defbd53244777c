"""Train for long, and look at the memory and the open files of the process."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from playground_amp.config import load_config
from playground_amp.experiments.seed_tables import markdown
from playground_amp.experiments.soak import SMALL
from playground_amp.training.trainer import train

EVERY = 10  # iterations between two looks
FLAT = 0.02  # that memory may grow by, see `growth`
PARTS = 10  # of a training, whose means are compared


@dataclass(frozen=True)
class Look:
    """One look at the process."""

    iteration: int
    megabytes: float  # resident
    files: int  # open


def look(iteration: int) -> Look:
    """At this process as it is."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return Look(iteration, pages * os.sysconf("SC_PAGE_SIZE") / 1e6, len(os.listdir("/proc/self/fd")))


def measure(run_dir: Path, iterations: int, watch: Callable[[str], None] = print) -> list[Look]:
    """Looks at a small training of `iterations` in `run_dir`, a checkpoint every fifty iterations."""
    settings = SMALL | {"ppo.iterations": iterations, "logging.interval": 1, "logging.checkpoint_interval": 50}
    settings["logging.evaluation_episodes"] = 0
    looks: list[Look] = []

    def see(row: Mapping[str, float]) -> None:
        if int(row["iteration"]) % EVERY == 0:
            looks.append(look(int(row["iteration"])))
            if len(looks) % 20 == 0:
                watch(str(looks[-1]))

    train(
        load_config("ppo_amass_training", [f"{key}={value}" for key, value in settings.items()]), run_dir, callback=see
    )
    return looks


def growth(looks: list[Look]) -> float:
    """How much larger the process is in the last part of a training than in the second, as a share."""
    parts = np.array_split([one.megabytes for one in looks], PARTS)
    return float(parts[-1].mean() / parts[1].mean() - 1.0)


def table(looks: list[Look]) -> str:
    """Memory and open files in each part of a training."""
    rows = []
    for part in np.array_split(np.array(looks, dtype=object), PARTS):
        files = sorted({one.files for one in part})
        size = np.mean([one.megabytes for one in part])
        rows.append([f"{part[0].iteration}-{part[-1].iteration}", f"{size:.1f}", ", ".join(map(str, files))])
    return markdown(["iterations", "MB", "open files"], rows)
