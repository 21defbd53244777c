"""A run's folder: where it is, what it was made with, and its metrics, one JSON line an iteration."""

from __future__ import annotations

import datetime
import importlib.metadata
import json
import platform
import shutil
import subprocess
from pathlib import Path
from typing import Any

import yaml

from playground_amp.config import Config, load_config, to_dict
from playground_amp.errors import InputError, nearest
from playground_amp.files import write_whole

RUNS = Path("runs")
SPACE_NEEDED = 200_000_000  # bytes: checkpoints, video, offline wandb
PACKAGES = ("playground_amp", "jax", "jaxlib", "mujoco", "mujoco-mjx", "brax", "flax", "optax", "orbax-checkpoint")


def new_run_dir(config: Config, config_name: str, run_dir: Path | None) -> Path:
    """Make the folder of a new run and write its config.yaml; raises InputError if it cannot hold a run."""
    stamp = datetime.datetime.now().strftime("%Y%m%d-%H%M%S")
    path = run_dir or RUNS / (config.logging.run_name or f"{Path(config_name).stem}-{stamp}")
    if (path / "config.yaml").exists():
        raise InputError(f"'{path}' already holds a run; go on with it by --resume {path}, or choose another --run-dir")
    check_writable(path)
    return path


def check_writable(path: Path) -> None:
    """Make the folder `path`; raises InputError when it cannot be written or its disk is nearly full."""
    try:
        path.mkdir(parents=True, exist_ok=True)
        probe = path / ".probe"
        probe.write_bytes(b"0" * 4096)
        probe.unlink()
    except OSError as error:
        raise unwritable(path, error) from None
    free = shutil.disk_usage(path).free
    if free < SPACE_NEEDED:
        raise InputError(
            f"the disk of '{path}' has {free / 1e6:.0f} MB free, a run needs {SPACE_NEEDED / 1e6:.0f} MB; "
            f"free some space or choose another place with --run-dir"
        )


def unwritable(path: Path, error: OSError) -> InputError:
    """The error for a run folder that cannot be written."""
    reason = error.strerror or str(error)
    return InputError(f"cannot write to the run directory '{path}': {reason}; choose another place with --run-dir")


def find_run(name: str) -> Path:
    """Folder of an earlier run by path, by name in runs/, or 'auto' for the newest with a checkpoint."""
    runs = sorted(RUNS.glob("*/config.yaml"), key=lambda path: path.stat().st_mtime)
    if name == "auto":
        runs = [run for run in runs if has_checkpoint(run.parent)]
        if not runs:
            raise InputError(f"--resume auto: no run in '{RUNS}' has a checkpoint; start one without --resume")
        return runs[-1].parent
    for path in (Path(name), RUNS / name):
        if (path / "config.yaml").is_file():
            return path
    hint = nearest(name, [run.parent.name for run in runs]) if runs else f"there is none in '{RUNS}' yet"
    raise InputError(f"--resume {name}: there is no such run; {hint}")


def has_checkpoint(run_dir: Path) -> bool:
    """Whether a run can be gone on with."""
    return any(path.name.isdigit() for path in (run_dir / "checkpoints").glob("*"))


def write_config(run_dir: Path, config: Config) -> None:
    """Write config.yaml: the resolved configuration under the versions it ran with."""
    header = "".join(f"# {key}: {value}\n" for key, value in versions().items())
    write_whole(run_dir / "config.yaml", header + yaml.safe_dump(to_dict(config), sort_keys=False))


def read_config(run_dir: Path, overrides: list[str]) -> Config:
    """The configuration of an earlier run, with `section.key=value` overrides."""
    return load_config(str(run_dir / "config.yaml"), overrides)


def versions() -> dict[str, str]:
    """Python, the packages that shape a result, and the git revision of the project."""
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            found[package] = "not installed"
    return found | {"git": _git_revision()}


def _git_revision() -> str:
    folder = Path(__file__).parent
    try:
        command = ["git", "-C", str(folder), "describe", "--always", "--dirty", "--abbrev=12"]
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=5).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return "unknown"


class MetricsFile:
    """metrics.jsonl of a run: appended line by line, so that an interrupted run keeps what it had."""

    def __init__(self, run_dir: Path):
        self.path = run_dir / "metrics.jsonl"
        self.path.touch()

    def append(self, rows: list[dict[str, Any]]) -> None:
        """Add one line a row."""
        with self.path.open("a") as file:
            file.writelines(json.dumps(row) + "\n" for row in rows)

    def cut_after(self, iteration: int) -> float:
        """Drop the rows after `iteration`, which a resumed run writes again; returns the seconds trained until it."""
        rows = [json.loads(line) for line in self.path.read_text().splitlines() if line.endswith("}")]
        kept = [row for row in rows if row["iteration"] <= iteration]
        write_whole(self.path, "".join(json.dumps(row) + "\n" for row in kept))
        return kept[-1]["seconds"] if kept else 0.0
