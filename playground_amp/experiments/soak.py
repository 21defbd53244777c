"""Train under a schedule of faults for a given time, and print what was tried and what was lost.

A small run is trained once undisturbed. Then it is trained again and again by one command, --resume auto --run-dir, and
killed, stopped and damaged on the way: its rows and final numbers must be those of the undisturbed one, bit for bit.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

SMALL = {
    "env.num_envs": 8,
    "env.episode_length": 6,
    "ppo.rollout_length": 4,
    "ppo.epochs": 2,
    "ppo.iterations": 40,
    "networks.actor": [16],
    "networks.critic": [16],
    "amp.hidden": [16],
    "amp.batch_size": 16,
    "amp.replay_size": 64,
    "logging.interval": 2,
    "logging.checkpoint_interval": 2,
    "logging.wandb": "off",
    "logging.evaluation_episodes": 2,
    "logging.video_seconds": 0,
}
CLOCK = ("seconds", "env_steps_per_second")  # of a row, which no two runs share
MOMENTS = ("start", "compiling", "row", "save", "evaluation")  # a process is killed at
PAUSES = {"start": 0.2, "compiling": 0.4, "evaluation": 0.2}  # after it at most, as a share of an undisturbed run
DAMAGE = ("none", "none", "none", "cut", "bit", "row")  # done to what a killed process left
LONGEST = 600.0  # s a process may take without being killed
PER_RUN = 6  # faults before a run is left to its end


@dataclass
class Tally:
    """What was tried, and what was lost."""

    tried: Counter = field(default_factory=Counter)
    lost: list[str] = field(default_factory=list)
    runs: int = 0

    def lines(self) -> list[str]:
        """For people."""
        counts = [f"  {count:5}  {what}" for what, count in sorted(self.tried.items())]
        lost = [f"  lost: {one}" for one in self.lost] or ["  nothing was lost"]
        return [f"{self.runs} runs to their end, {self.tried.total()} faults:", *counts, *lost]


def command(run_dir: Path) -> list[str]:
    """The one command that starts the run, and goes on with it."""
    settings = [part for key, value in SMALL.items() for part in ("--set", f"{key}={json.dumps(value)}")]
    start = [sys.executable, "-m", "playground_amp", "train", "--config", "ppo_amass_training"]
    return [*start, "--resume", "auto", "--run-dir", str(run_dir), *settings]


def soak(out: Path, *, seconds: float, kills: int, seed: int = 0) -> Tally:
    """Train under faults for `seconds` or until `kills` faults, in the folder `out`."""
    rng, tally, end = random.Random(seed), Tally(), time.monotonic() + seconds
    began = time.monotonic()
    if code := subprocess.run(command(out / "undisturbed"), stderr=subprocess.DEVNULL, check=False).returncode:
        tally.lost.append(f"the undisturbed run itself ended with code {code}")
        return tally
    took = time.monotonic() - began
    while time.monotonic() < end and tally.tried.total() < kills:
        folder = out / f"run-{tally.runs}"
        before = tally.tried.total()
        while tally.tried.total() < min(kills, before + PER_RUN) and time.monotonic() < end:
            if not disturb(folder, rng, tally, took):
                break
        process = subprocess.run(command(folder), stderr=subprocess.PIPE, text=True, check=False)
        if process.returncode:
            tally.lost.append(f"{folder} ended with code {process.returncode}: {process.stderr[-500:]}")
        else:
            tally.lost += [f"{folder}: {what}" for what in differences(out / "undisturbed", folder)]
        tally.runs += 1
    return tally


def disturb(folder: Path, rng: random.Random, tally: Tally, took: float) -> bool:
    """Start the run, stop it at a random moment, and damage what it left; False when it came to its end before."""
    moment, number = rng.choice(MOMENTS), rng.choice((signal.SIGKILL, signal.SIGKILL, signal.SIGKILL, signal.SIGTERM))
    process = subprocess.Popen(command(folder), stderr=subprocess.PIPE, text=True, start_new_session=True)
    rows, limit = len(read_rows(folder)), time.monotonic() + LONGEST
    wanted = rows + rng.randint(1, 12)
    while process.poll() is None and time.monotonic() < limit and not reached(moment, folder, wanted):
        time.sleep(0.002)
    time.sleep(rng.uniform(0.0, PAUSES.get(moment, 0.0) * took + 0.02))
    if process.poll() is None:
        os.killpg(process.pid, number)
    said = process.communicate()[1]
    if process.returncode == 0:
        return False
    if process.returncode not in (-number, 128 + number):
        tally.lost.append(f"{folder} ended with code {process.returncode}: {said[-500:]}")
        return False
    damage = rng.choice(DAMAGE)
    done = damaged(folder, damage, rng) if damage != "none" else ""
    tally.tried[f"{signal.Signals(number).name} at {moment}{done}"] += 1
    return True


def reached(moment: str, folder: Path, rows: int) -> bool:
    """Whether a run is where it is to be stopped."""
    checkpoints = folder / "checkpoints"
    if moment == "row":
        return len(read_rows(folder)) >= rows
    if moment == "save":
        return any(checkpoints.glob("*.orbax-checkpoint-tmp*"))
    if moment == "evaluation":
        return (checkpoints / str(SMALL["ppo.iterations"])).exists()
    return moment == "start" or (folder / "config.yaml").exists()


def damaged(folder: Path, how: str, rng: random.Random) -> str:
    """Damage what a dead process left: half a row, or the newest of several checkpoints."""
    metrics = folder / "metrics.jsonl"
    if how == "row" and metrics.exists():
        with metrics.open("a") as file:
            file.write('{"iteration": 7, "env_st')
        return ", half a row"
    steps = sorted((int(path.name) for path in (folder / "checkpoints").glob("*") if path.name.isdigit()), reverse=True)
    files = (
        [path for path in (folder / "checkpoints" / str(steps[0]) / "state").rglob("*") if path.is_file()]
        if steps[1:]
        else []
    )
    if not files or how == "row":
        return ""
    file = max(files, key=lambda path: path.stat().st_size)
    content = bytearray(file.read_bytes())
    if how == "cut":
        del content[rng.randrange(len(content)) :]
    else:
        content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
    file.write_bytes(content)
    return f", newest checkpoint: {how}"


def read_rows(folder: Path) -> list[str]:
    """Lines of metrics.jsonl."""
    path = folder / "metrics.jsonl"
    return path.read_text(errors="replace").splitlines() if path.exists() else []


def differences(whole: Path, folder: Path) -> list[str]:
    """How a run is not the undisturbed one; nothing when it is."""
    rows = [
        [{k: v for k, v in json.loads(line).items() if k not in CLOCK} for line in read_rows(one)]
        for one in (whole, folder)
    ]
    found = [] if rows[0] == rows[1] else [f"its {len(rows[1])} rows are not the {len(rows[0])} undisturbed ones"]
    states = [one / "checkpoints" / str(SMALL["ppo.iterations"]) / "about" / "metadata" for one in (whole, folder)]
    sums = [json.loads(path.read_text())["seal"]["state"] if path.exists() else None for path in states]
    found += [] if sums[0] == sums[1] else ["its final numbers are others"]
    found += [f"it has no {name}" for name in ("report.html", "evaluation.json") if not (folder / name).exists()]
    return found + ["it left a lock"] * (folder / ".lock").exists()
