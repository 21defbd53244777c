"""Train under a schedule of faults for a given time, and print what was tried and what was lost.

A small run is trained once undisturbed. Then it is trained again and again by one command, --resume auto --run-dir, and
killed, stopped and damaged on the way: its rows and final numbers must be those of the undisturbed one, bit for bit.
"""

from __future__ import annotations

import json
import random
import resource
import signal
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from playground_amp.experiments.attempts import Attempt, QuickStart, start_command

SMALL = {
    "env.num_envs": 8,
    "env.episode_length": 6,
    "ppo.rollout_length": 4,
    "ppo.epochs": 2,
    "ppo.iterations": 16,
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
BEFORE_END, AT_END = ("start", "compiling", "row", "save", "evaluation", "report"), ("start", "evaluation", "report")
PAUSES = {"start": 0.3, "compiling": 0.4, "evaluation": 0.2}  # after a moment at most, as a share of a whole run
DAMAGE = ("none", "none", "none", "cut", "bit", "row")  # done to what a killed process left
LONGEST = 900.0  # s a process may take without being killed
TOUCHES = 200  # of files of the checkpoints, of which one is the last
PER_RUN = 8  # faults before a run is left to its end
WHERE = (
    "before the first checkpoint",
    "while saving the first checkpoint",
    "between two checkpoints",
    "while saving",
    "in the final evaluation",
    "in the report",
    "after the end",
)  # a kill may fall

Start = Callable[[list[str], Path], Attempt]  # the arguments of `playground-amp train`, and a file for what it says


@dataclass
class Tally:
    """What was tried, and what was lost."""

    tried: Counter = field(default_factory=Counter)
    fell: Counter = field(default_factory=Counter)  # kills, by what the run was doing: WHERE
    lost: list[str] = field(default_factory=list)
    runs: int = 0
    attempts: int = 0  # processes started
    cpu: float = 0.0  # s they took, all together

    def lines(self) -> list[str]:
        """For people."""
        counts = [f"  {count:5}  {what}" for what, count in sorted(self.tried.items())]
        fell = [f"  {self.fell[where]:5}  {where}" for where in WHERE]
        lost = [f"  lost: {one}" for one in self.lost] or ["  nothing was lost"]
        each = self.cpu / max(self.attempts, 1)
        return [
            f"{self.runs} runs to their end, {self.tried.total()} faults, {each:.1f} CPU s a process:",
            *counts,
            f"{self.fell.total()} of them kills, which fell:",
            *fell,
            *lost,
        ]


def settings_of(run_dir: Path) -> list[str]:
    """Arguments of the one command that starts the run, and goes on with it."""
    settings = [part for key, value in SMALL.items() for part in ("--set", f"{key}={json.dumps(value)}")]
    return ["--config", "ppo_amass_training", "--resume", "auto", "--run-dir", str(run_dir), *settings]


def soak(
    out: Path, *, seconds: float, kills: int, seed: int = 0, start: Start = start_command, watch: Callable | None = None
) -> Tally:
    """Train under faults for `seconds` or until `kills` times SIGKILL, in the folder `out`.

    `start` starts a process that trains; `watch` is called with the tally after every run.
    """
    rng, tally, end = random.Random(seed), Tally(), time.monotonic() + seconds
    took = 0.0
    for name in ("undisturbed", "again"):  # the first one may compile what the others find compiled
        began = time.monotonic()
        code, said = to_its_end(out / name, tally, start)
        if code:
            tally.lost.append(f"the undisturbed run itself ended with code {code}: {said}")
            return tally
        took = time.monotonic() - began
    tally.lost += [f"again: {what}" for what in differences(out / "undisturbed", out / "again")]
    while time.monotonic() < end and tally.fell.total() < kills:
        folder, faults = out / f"run-{tally.runs}", 0
        while faults < PER_RUN and time.monotonic() < end and tally.fell.total() < kills:
            if not disturb(folder, rng, tally, took, start):
                break
            faults += 1
        code, said = to_its_end(folder, tally, start)
        if code:
            tally.lost.append(f"{folder} ended with code {code}: {said}")
        else:
            tally.lost += [f"{folder}: {what}" for what in differences(out / "undisturbed", folder)]
        tally.runs += 1
        if watch:
            watch(tally)
    return tally


def to_its_end(folder: Path, tally: Tally, start: Start) -> tuple[int, str]:
    """Exit code of the run left alone, and the end of what it said."""
    attempt = start(settings_of(folder), folder.with_suffix(".log"))
    limit = time.monotonic() + LONGEST
    while attempt.poll() is None and time.monotonic() < limit:
        time.sleep(0.05)
    return ended(attempt, tally), attempt.said()


def ended(attempt: Attempt, tally: Tally) -> int:
    """Exit code of a process that has ended, or that is ended here for it hangs; it enters the tally."""
    if attempt.poll() is None:
        attempt.signal(signal.SIGKILL)
    code = attempt.wait()
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    tally.attempts, tally.cpu = tally.attempts + 1, used.ru_utime + used.ru_stime
    return code


def disturb(folder: Path, rng: random.Random, tally: Tally, took: float, start: Start) -> bool:
    """Start the run, stop it at a random moment, and damage what it left; False when it came to its end before."""
    moment = rng.choice(AT_END if is_trained(folder) else BEFORE_END)
    number = rng.choice((signal.SIGKILL,) * 9 + (signal.SIGTERM,))
    rows, limit, parts = len(read_rows(folder)), time.monotonic() + LONGEST, unfinished(folder)
    arguments, log = settings_of(folder), folder.with_suffix(".log")
    dies = isinstance(start, QuickStart) and moment == "save"  # by itself: from outside, most saves are over too soon
    attempt = start(arguments, log, dies_at=rng.randint(1, TOUCHES)) if dies else start(arguments, log)
    wanted = rows + rng.randint(1, 6)
    while attempt.poll() is None and time.monotonic() < limit and (dies or not reached(moment, folder, wanted, parts)):
        time.sleep(0.003)
    time.sleep(rng.uniform(0.0, PAUSES.get(moment, 0.0) * took + 0.02))
    if not dies and time.monotonic() < limit and attempt.poll() is None:
        attempt.signal(number)
        while attempt.poll() is None and time.monotonic() < limit:
            time.sleep(0.01)
    code = ended(attempt, tally)
    if code == 0:
        return False
    number = signal.SIGKILL if dies else number
    if code not in (-number, 128 + number) or time.monotonic() > limit:
        tally.lost.append(f"{folder} ended with code {code}: {attempt.said()}")
        return False
    if code == -signal.SIGKILL:
        tally.fell[where_it_fell(folder, parts)] += 1
    damage = rng.choice(DAMAGE)
    done = damaged(folder, damage, rng) if damage != "none" else ""
    tally.tried[f"{signal.Signals(number).name} at {moment}{done}"] += 1
    return True


def where_it_fell(folder: Path, before: set[Path]) -> str:
    """What a run that was killed had been doing: one of WHERE; `before` is what earlier kills left of saves."""
    saved = any(path.name.isdigit() for path in (folder / "checkpoints").glob("*"))
    if unfinished(folder) - before:
        return "while saving" if saved else "while saving the first checkpoint"
    if not saved:
        return "before the first checkpoint"
    if not is_trained(folder):
        return "between two checkpoints"
    if (folder / "report.html").exists():
        return "after the end"
    return "in the report" if (folder / "evaluation.json").exists() else "in the final evaluation"


def is_trained(folder: Path) -> bool:
    """Whether a run has its last checkpoint."""
    return (folder / "checkpoints" / str(SMALL["ppo.iterations"])).exists()


def unfinished(folder: Path) -> set[Path]:
    """Saves under way, or what a kill left of them."""
    return set((folder / "checkpoints").glob("*.orbax-checkpoint-tmp*"))


def reached(moment: str, folder: Path, rows: int, before: set[Path]) -> bool:
    """Whether a run is where it is to be stopped; `before` is what earlier kills left of saves."""
    if moment == "row":
        return len(read_rows(folder)) >= rows
    if moment == "save":
        return bool(unfinished(folder) - before)
    if moment == "evaluation":
        return is_trained(folder)
    if moment == "report":
        return is_trained(folder) and (folder / "evaluation.json").exists()
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
