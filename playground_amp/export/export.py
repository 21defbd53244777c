"""Write the folder of a policy, whole or not at all, after holding it against JAX."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from playground_amp.amp import AMP, TrainState
from playground_amp.builder import make_amp, resolve_to_evaluate
from playground_amp.core.errors import InputError
from playground_amp.core.files import PACKAGE
from playground_amp.core.reporter import SILENT, Reporter
from playground_amp.deploy.contract import FILES, FORMAT, NAME, canonical, sha256_of
from playground_amp.deploy.load import load
from playground_amp.deploy.observations import gravity_of
from playground_amp.deploy.replay import TOLERANCE, replay
from playground_amp.evaluation.policy import choose_iteration
from playground_amp.export.describe import interface_of
from playground_amp.export.episodes import Episodes, roll
from playground_amp.export.graph import policy_arrays, write_numpy, write_onnx
from playground_amp.export.readme import readme
from playground_amp.export.robot_file import robot_xml
from playground_amp.runs import run_directory
from playground_amp.runs.checkpoint import Checkpoints, tell_clips

ROBOTS, STEPS = 64, 160  # of the episodes an export is held against: 10,240 observations
TRACED = 4  # robots of the golden trace
SEED = 2


@dataclass(frozen=True)
class Export:
    """What was written."""

    folder: Path
    iteration: int
    observations: int  # that the engines were held against JAX on
    errors: dict[str, float]  # engine -> largest difference of an action or target to JAX


def export_run(
    run: str | Path,
    out: str | Path,
    *,
    checkpoint: str | int = "best",
    robots: int = ROBOTS,
    steps: int = STEPS,
    reporter: Reporter = SILENT,
) -> Export:
    """Export the policy of a run's checkpoint to the new folder `out`.

    Raises InputError where there is no run or checkpoint, the folder exists, or an engine differs from JAX by more
    than 1e-5 on the observations of episodes. Nothing is left after an error.
    """
    path, out = run_directory.find_run(str(run)), Path(out)
    with new_folder(out) as folder, reporter.status("reading the run") as tell:
        amp = make_amp(resolve_to_evaluate(run_directory.read_config(path, [])))
        with Checkpoints(path / "checkpoints", read_only=True) as checkpoints:
            state, about = checkpoints.restore(amp, choose_iteration(checkpoints, checkpoint))
        tell_clips(about, amp)
        tell("rolling out the policy")
        episodes = roll(amp, state, robots=robots, steps=steps, seed=SEED)
        tell("writing")
        source = {"run": path.resolve().name, "iteration": int(state.iteration)}
        errors = write_export(folder, amp, state, episodes, source)
    return Export(out, int(state.iteration), episodes.observation[..., 0].size, errors)


def write_export(
    folder: Path, amp: AMP, state: TrainState, episodes: Episodes, source: dict[str, Any]
) -> dict[str, float]:
    """Fill `folder`; the largest difference of each engine to JAX on the episodes."""
    arrays = policy_arrays(amp, state)
    interface = interface_of(amp, arrays, episodes)
    inside = canonical(interface)
    write_onnx(folder / "policy.onnx", arrays, inside)
    write_numpy(folder / "policy.npz", arrays, inside)
    (folder / "robot.xml").write_text(robot_xml(amp.env.robot))
    np.savez(folder / "trace.npz", **trace_of(episodes, interface))
    shutil.copyfile(PACKAGE / "deploy" / "player.py", folder / "player.py")
    versions = {name: value for name, value in run_directory.versions().items() if name != "git"}
    files = {name: sha256_of(folder / name) for name in FILES}
    contract = {"format": FORMAT, "interface": interface, "files": files, "source": source, "versions": versions}
    (folder / NAME).write_text(json.dumps(contract, indent=1) + "\n")
    errors = {engine: _hold(folder, engine, episodes) for engine in ("onnx", "numpy")}
    (folder / "README.md").write_text(readme(interface, source, errors, episodes.observation[..., 0].size))
    return errors


def _hold(folder: Path, engine: str, episodes: Episodes) -> float:
    """Largest difference of an engine's actions and targets to JAX's, on all observations; and the golden trace."""
    deployment = load(folder, engine=engine)
    action, target = deployment.policy(episodes.observation.reshape(-1, episodes.observation.shape[-1]))
    pairs = ((action, episodes.action), (target, episodes.target))
    error = max(float(np.abs(found - expected.reshape(found.shape)).max()) for found, expected in pairs)
    if not error < TOLERANCE:
        raise InputError(
            f"the policy in {engine} differs from JAX by {error:.1e}, more than {TOLERANCE:g}; not exported"
        )
    replay(deployment)
    return error


def trace_of(episodes: Episodes, interface: dict[str, Any]) -> dict[str, Any]:
    """The golden trace: readings of TRACED robots, one after the other, [N, ...], and the start of every episode."""
    few = {name: np.moveaxis(value[:, :TRACED], 0, 1) for name, value in vars(episodes).items()}
    flat = {name: value.reshape(-1, *value.shape[2:]) for name, value in few.items()}
    flat["first"] = few["first"].copy()
    flat["first"][:, 0] = True
    places = {term["reading"]: (term["offset"], term["size"]) for term in interface["observation"]}
    own = {
        "gyro": flat["qvel"][:, 3:6],
        "gravity": gravity_of(flat["qpos"][:, 3:7]).astype(np.float32),
        "joint_positions": flat["qpos"][:, 7:],
        "joint_velocities": flat["qvel"][:, 6:],
        "command": flat["command"],
    }
    others = {reading["name"] for reading in interface["readings"]} - set(own)
    newest = flat["observation"][:, -sum(term["size"] for term in interface["observation"]) :]
    own |= {name: newest[:, slice(places[name][0], sum(places[name]))] for name in others}
    starts = {f"start_{name}": vars(episodes)[name][0] for name in ("qpos", "qvel", "command", "label")}
    results = {name: flat[name] for name in ("observation", "action", "target")}
    return own | results | {"first": flat["first"].reshape(-1)} | starts


@contextmanager
def new_folder(path: Path) -> Generator[Path]:
    """An empty folder to fill, which becomes `path` at the end; after an error there is none.

    Raises InputError where `path` exists or cannot be written.
    """
    if path.exists() or path.is_symlink():
        raise InputError(f"--out {path}: there is something already; give the name of a new folder")
    part = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    made = [parent for parent in path.parents if not parent.exists()]  # the innermost first
    try:
        part.mkdir(parents=True)
        yield part
        part.rename(path)
    except OSError as error:
        raise InputError(f"--out {path}: cannot be written: {error.strerror or error}; give another folder") from None
    finally:
        shutil.rmtree(part, ignore_errors=True)
        if not path.exists():
            for parent in made:
                with suppress(OSError):
                    parent.rmdir()
