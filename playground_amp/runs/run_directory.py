"""A run's folder: where it is, what it was made with, its restarts, and its configuration."""

from __future__ import annotations

import dataclasses
import datetime
import importlib.metadata
import itertools
import json
import os
import platform
import shutil
import subprocess
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from playground_amp.config import Config, load_config, to_dict
from playground_amp.config.yaml_schema import read_yaml
from playground_amp.core.errors import InputError, nearest
from playground_amp.core.files import PACKAGE, parse_json, write_whole
from playground_amp.motion.clip_set import ClipSet, difference
from playground_amp.runs.checkpoint_compatibility import check_command, trained_on

RUNS = Path("runs")
NESTED = ("env.command",)  # settings with keys of their own
SPACE_NEEDED = 200_000_000  # bytes: checkpoints, video, offline wandb
PACKAGES = ("playground_amp", "jax", "jaxlib", "mujoco", "mujoco-mjx", "brax", "flax", "optax", "orbax-checkpoint")


def new_run_dir(config: Config, config_name: str, run_dir: Path | None) -> Path:
    """Make the folder of a new run; raises InputError if it cannot hold one."""
    stamp = datetime.datetime.now().strftime("%Y%m%d-%H%M%S")
    path = run_dir or RUNS / (config.logging.run_name or f"{Path(config_name).stem}-{stamp}")
    if (path / "config.yaml").exists() or has_checkpoint(path):
        raise InputError(f"'{path}' already holds a run; go on with it by --resume {path}, or choose another --run-dir")
    check_writable(path)
    return path


def branch_dir(source: Path, iteration: int, run_dir: Path | None) -> Path:
    """Where a run that leaves `source` at `iteration` goes: `run_dir`, or beside it; with -2, -3 ... when taken."""
    path = run_dir or _named(source).with_name(f"{_named(source).name}-from-{iteration}")
    others = (_named(path).with_name(f"{_named(path).name}-{number}") for number in itertools.count(2))
    return next(free for free in itertools.chain([path], others) if not _taken(free))


def _named(path: Path) -> Path:
    """The same folder by its own name, which '.' and '..' do not tell."""
    return Path(os.path.abspath(path)) if path.name in ("", "..") else path


def _taken(path: Path) -> bool:
    return path.exists() and not (path.is_dir() and not any(path.iterdir()))


@contextmanager
def whole_folder(path: Path) -> Generator[Path, None, None]:
    """An empty folder to fill, which becomes `path` at the end; after an error there is none."""
    check_writable(path.parent)
    part = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        part.mkdir()
        yield part
        part.rename(path)
    except OSError as error:
        raise unwritable(path, error) from None
    finally:
        shutil.rmtree(part, ignore_errors=True)


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
    known = (path / "config.yaml").is_file()  # then there is a run, to be gone on with
    advice = f"mend that and go on with --resume {path}" if known else "choose another place with --run-dir"
    return InputError(f"cannot write to the run directory '{path}': {reason}; {advice}")


def find_run(name: str) -> Path:
    """Folder of an earlier run by its path or its name in runs/."""
    for path in (Path(name), RUNS / name):
        if (path / "config.yaml").is_file():
            return path
    known = [path.parent.name for path in RUNS.glob("*/config.yaml")]
    hint = nearest(name, known) if known else f"give the folder that holds its config.yaml, as '{RUNS}' has none yet"
    raise InputError(f"there is no run '{name}'; {hint}")


def newest_run() -> Path:
    """Folder of the newest run in runs/ that can be gone on with."""
    runs = sorted(RUNS.glob("*/config.yaml"), key=lambda path: path.stat().st_mtime)
    going = [run.parent for run in runs if has_checkpoint(run.parent)]
    if not going:
        raise InputError(f"--resume auto: no run in '{RUNS}' has a checkpoint; start one without --resume")
    return going[-1]


def has_checkpoint(run_dir: Path) -> bool:
    """Whether a run can be gone on with."""
    return any(path.name.isdigit() for path in (run_dir / "checkpoints").glob("*"))


def starts_over(run_dir: Path) -> bool:
    """Whether a run was stopped before its first checkpoint, and has nothing to lose."""
    begun = (run_dir / "config.yaml").is_file() and not has_checkpoint(run_dir)
    return begun and not any((run_dir / name).exists() for name in ("evaluation.json", "report.html", "damaged"))


def write_config(run_dir: Path, config: Config) -> None:
    """Write config.yaml: the resolved configuration under the versions it ran with."""
    header = "".join(f"# {key}: {value}\n" for key, value in versions().items())
    write_whole(run_dir / "config.yaml", header + yaml.safe_dump(to_dict(config), sort_keys=False))


def write_reference(run_dir: Path, clips: ClipSet) -> None:
    """Write reference.json: the clips that are trained on, and the hash that they are known again by."""
    write_whole(run_dir / "reference.json", json.dumps(clips.to_json(), indent=1) + "\n")


def read_config(run_dir: Path, overrides: list[str]) -> Config:
    """The configuration of an earlier run, with `section.key=value` overrides."""
    path = run_dir / "config.yaml"
    check_command(read_yaml(path), f"'{run_dir}'")
    return load_config(str(path), overrides)


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
    clone = PACKAGE.parent
    if not (clone / ".git").exists():  # installed; a repository around it is somebody else's
        return "none, installed"
    try:
        command = ["git", "-C", str(clone), "describe", "--always", "--dirty", "--abbrev=12"]
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=5).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return "unknown"


@dataclass(frozen=True)
class OtherClips:
    """Clips that took the place of those before."""

    before: str  # SHA-256 of the set
    now: str
    difference: str  # in words


@dataclass(frozen=True)
class Restart:
    """One time that training went on from a checkpoint; a line of restarts.jsonl."""

    iteration: int
    time: str  # ISO 8601
    source: str | None  # folder of the run that was left; None when the run itself went on
    changed: dict[str, list[Any]]  # section.key -> [old, new]
    clips: OtherClips | None = None  # where training sees other motion than before
    diverged: str | None = None  # what was not finite, where training went back for it with lower learning rates

    @property
    def sentence(self) -> str:
        """What is different from there on."""
        if self.diverged:
            return f"gone back to, with half the learning rates: {self.diverged}"
        changed = show_changes(self.changed) if self.changed else "no setting changed"
        changed += f"; other clips ({self.clips.difference})" if self.clips else ""
        return f"branched from {self.source}: {changed}" if self.source else changed


def read_restarts(run_dir: Path) -> list[Restart]:
    """Restarts of a run, oldest first."""
    path = run_dir / "restarts.jsonl"
    if not path.exists():
        return []
    try:
        return [_restart(parse_json(line)) for line in path.read_text().splitlines()]
    except (ValueError, KeyError, TypeError, AttributeError):
        raise InputError(f"'{path}' cannot be read; move it away to go on without the record it holds") from None


def _restart(row: dict[str, Any]) -> Restart:
    changed = {name: [old, new] for name, (old, new) in row["changed"].items()}
    clips = OtherClips(**row["clips"]) if "clips" in row else None
    return Restart(int(row["iteration"]), row["time"], row["from"], changed, clips, row.get("diverged"))


def next_restarts(
    source: Path, iteration: int, about: Mapping[str, Any], config: Config, clips: ClipSet, *, branches: bool
) -> list[Restart]:
    """Restarts of a run that goes on from a checkpoint of `source` with `config` and `clips`, this one as the last.

    `about` is what is kept beside the checkpoint. Restarts go the way of the metrics: those further on are dropped, and
    by a run that branches off also those from this checkpoint, in which it has no part.
    """
    last = iteration - 1 if branches else iteration
    earlier = [one for one in read_restarts(source) if one.iteration <= last]
    since = [one for one in earlier if one.iteration == iteration]
    changed, others = changes(about.get("config", {}), since, config), other_clips(trained_on(about), since, clips)
    return [*earlier, Restart(iteration, _now(), str(source.absolute()) if branches else None, changed, others)]


def record_divergence(run_dir: Path, iteration: int, diverged: str) -> None:
    """Add to restarts.jsonl that training goes back to `iteration` because something was not finite."""
    write_restarts(run_dir, [*read_restarts(run_dir), Restart(iteration, _now(), None, {}, diverged=diverged)])


def _now() -> str:
    return datetime.datetime.now().astimezone().isoformat(timespec="seconds")


def write_settings(run_dir: Path, config: Config, restarts: Sequence[Restart]) -> None:
    """Write restarts.jsonl and config.yaml, each whole or not at all."""
    write_restarts(run_dir, restarts)
    write_config(run_dir, config)


def write_restarts(run_dir: Path, restarts: Sequence[Restart]) -> None:
    """Write restarts.jsonl."""
    write_whole(run_dir / "restarts.jsonl", "".join(json.dumps(_row(restart)) + "\n" for restart in restarts))


def _row(restart: Restart) -> dict[str, Any]:
    row = {"iteration": restart.iteration, "time": restart.time, "from": restart.source, "changed": restart.changed}
    row |= {"clips": dataclasses.asdict(restart.clips)} if restart.clips else {}
    return row | ({"diverged": restart.diverged} if restart.diverged else {})


def changes(made_with: Mapping[str, Any], since: Sequence[Restart], config: Config) -> dict[str, list[Any]]:
    """Settings of `config` that training did not have before, section.key -> [old, new].

    Before are the sections that a checkpoint was made with, and what the restarts `since` then changed. A setting that
    is newer than the checkpoint had its default.
    """
    before = _flat(to_dict(Config())) | _flat(made_with)
    for restart in since:
        before |= {name: new for name, (_, new) in restart.changed.items()}
    return {name: [before[name], new] for name, new in _flat(to_dict(config)).items() if before[name] != new}


def other_clips(trained: ClipSet | None, since: Sequence[Restart], clips: ClipSet) -> OtherClips | None:
    """How `clips` are not those of before, which are a checkpoint's or what the restarts `since` took instead."""
    if trained is None:
        return None
    before = [trained.sha256, *(restart.clips.now for restart in since if restart.clips)][-1]
    if before == clips.sha256:
        return None
    return OtherClips(before, clips.sha256, difference(trained, clips) or "those of the checkpoint again")


def _flat(sections: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """section.key -> value, and section.key.key -> value of what has keys of its own; see config/settings.py."""
    found = {f"{section}.{key}": value for section, content in sections.items() for key, value in content.items()}
    for name in NESTED:
        found |= {f"{name}.{key}": value for key, value in found.pop(name, {}).items()}
    return found


def show_changes(changed: Mapping[str, Sequence[Any]]) -> str:
    """Changed settings in words."""
    pairs = ((name, *(json.dumps(value, ensure_ascii=False) for value in pair)) for name, pair in changed.items())
    return ", ".join(f"{name} {old} -> {new}" for name, old, new in pairs)
