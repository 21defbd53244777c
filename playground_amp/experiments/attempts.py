"""Processes that train and may be killed: as the command line starts them, or cheaply, by the hundred."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol
from unittest import mock

import jax
import jax.numpy as jnp
from jax import export

from playground_amp.amp import AMP, TrainState
from playground_amp.core.files import whole
from playground_amp.core.types import PhysicsState
from playground_amp.robots import Robot
from playground_amp.training.loop import Chunk, make_chunk

CHECKPOINTS = "/checkpoints/"  # in the path of every file of them
LAST = 500  # characters that are shown of what a process said
# What is compiled is small and run a few times: see tests/conftest.py.
QUICK_XLA = "--xla_cpu_use_fusion_emitters=false --xla_cpu_parallel_codegen_split_count=1"


class Attempt(Protocol):
    """A process that trains."""

    def poll(self) -> int | None:
        """Its exit code, -N for signal N, or None while it runs."""
        ...

    def wait(self) -> int:
        """Its exit code, when it has ended."""
        ...

    def signal(self, number: int) -> None:
        """Send it a signal."""
        ...

    def said(self) -> str:
        """The end of what it said."""
        ...


class CommandAttempt:
    """`python -m playground_amp train`, as a user starts it."""

    def __init__(self, arguments: list[str], log: Path):
        self._log = log
        with log.open("w") as file:
            command = [sys.executable, "-m", "playground_amp", "train", *arguments]
            self._process = subprocess.Popen(command, stdout=file, stderr=file, start_new_session=True)

    def poll(self) -> int | None:
        return self._process.poll()

    def wait(self) -> int:
        return self._process.wait()

    def signal(self, number: int) -> None:
        os.killpg(self._process.pid, number)

    def said(self) -> str:
        return self._log.read_text(errors="replace")[-LAST:]


def start_command(arguments: list[str], log: Path) -> Attempt:
    """A process as the command line starts it."""
    return CommandAttempt(arguments, log)


class ForkedAttempt:
    """The same command in a fork of this process, which has imported everything; see `make_quick_start`."""

    def __init__(self, arguments: list[str], log: Path, cache: Path, dies_at: int):
        self._log = log
        with warnings.catch_warnings():  # of JAX's threads: there are none before its first computation
            warnings.simplefilter("ignore", RuntimeWarning)
            self._process = multiprocessing.get_context("fork").Process(
                target=_train, args=(arguments, log, cache, dies_at)
            )
            self._process.start()

    def poll(self) -> int | None:
        return self._process.exitcode

    def wait(self) -> int:
        self._process.join()
        return self._process.exitcode or 0

    def signal(self, number: int) -> None:
        os.kill(self._process.pid or 0, number)

    def said(self) -> str:
        return self._log.read_text(errors="replace")[-LAST:]


def make_quick_start(cache: Path) -> QuickStart:
    """How to start processes that take a few CPU seconds each, for hundreds of kills.

    They are forks of this process, which imports all that a training needs and must not compute in JAX before; what one
    of them traces and compiles is kept in the folder `cache` for the others, which train by the same configuration. JAX
    keeps no program that calls back to Python, so the robots move in a stand-in for the physics engine. All else is
    what the command line runs.
    """
    from playground_amp import builder
    from playground_amp.evaluation.reporting import film, final_report
    from playground_amp.training import command, trainer

    assert all((builder, film, final_report, command, trainer))  # imported once, here
    cache.mkdir(exist_ok=True)
    os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} {QUICK_XLA}"
    jax.config.update("jax_platforms", "cpu")
    jax.config.update("jax_disable_most_optimizations", True)
    jax.config.update("jax_compilation_cache_dir", str(cache))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)
    return QuickStart(cache)


@dataclass(frozen=True)
class QuickStart:
    """Starts processes as `make_quick_start` says."""

    cache: Path

    def __call__(self, arguments: list[str], log: Path, *, dies_at: int = 0) -> Attempt:
        """A process; with `dies_at` it kills itself the so many-th time that it touches a file of its checkpoints."""
        return ForkedAttempt(arguments, log, self.cache, dies_at)


def _die_at(touches: int) -> None:
    left = touches

    def hook(event: str, arguments: tuple) -> None:
        nonlocal left
        if event.startswith(("open", "os.", "shutil.")) and arguments and CHECKPOINTS in str(arguments[0]):
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(hook)


def _train(arguments: list[str], log: Path, cache: Path, dies_at: int) -> None:
    from playground_amp import builder
    from playground_amp.core.console import run
    from playground_amp.training import loop
    from playground_amp.training.command import train

    os.setsid()
    if dies_at:
        _die_at(dies_at)
    with log.open("w") as file:
        for stream in (1, 2):
            os.dup2(file.fileno(), stream)
    with (
        mock.patch.object(builder, "make_physics", lambda _, robot, *, control_dt: Puppets(robot, control_dt)),
        mock.patch.object(loop, "make_chunk", lambda amp, length: kept_chunk(amp, length, cache / f"chunk-{length}")),
    ):
        run(lambda: train(arguments))


def kept_chunk(amp: AMP, length: int, path: Path) -> Chunk:
    """`loop.make_chunk` as it was traced before, from the file `path`, or traced and kept there."""
    shape = jax.eval_shape(amp.init, jax.random.key(0))
    leaves, tree = jax.tree.flatten(shape)
    keys = [jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key) for leaf in leaves]

    def plain(state: TrainState) -> list[jax.Array]:
        found = jax.tree.leaves(state)
        return [jax.random.key_data(leaf) if key else leaf for leaf, key in zip(found, keys, strict=True)]

    def whole_again(arrays: list[jax.Array]) -> TrainState:
        found = [jax.random.wrap_key_data(leaf) if key else leaf for leaf, key in zip(arrays, keys, strict=True)]
        return jax.tree.unflatten(tree, found)

    if not path.exists():
        chunk = make_chunk(amp, length)

        def traced(arrays: list[jax.Array], count: int) -> tuple[list[jax.Array], dict[str, jax.Array]]:
            state, metrics = chunk(whole_again(arrays), count)
            return plain(state), metrics

        with whole(path) as temporary:
            temporary.write_bytes(export.export(jax.jit(traced))(jax.eval_shape(plain, shape), 1).serialize())
    call = jax.jit(export.deserialize(bytearray(path.read_bytes())).call)

    def kept(state: TrainState, count: int) -> tuple[TrainState, dict[str, jax.Array]]:
        arrays, metrics = call(plain(state), count)
        return whole_again(arrays), metrics

    return kept


class Puppets:
    """A stand-in for physics that is a few additions: joints go half of the way to their targets, the body hangs."""

    def __init__(self, robot: Robot, control_dt: float):
        self._pads, self._dt = len(robot.pads), control_dt

    def init(self, qpos: jax.Array, qvel: jax.Array) -> PhysicsState:
        """State of qpos [B, nq] and qvel [B, nv]."""
        pads, torque = jnp.zeros((len(qpos), self._pads)), jnp.zeros((len(qpos), qpos.shape[1] - 7))
        return PhysicsState(qpos=qpos, qvel=qvel, warmstart=jnp.zeros_like(qvel), pad_height=pads, torque=torque)

    def step(self, state: PhysicsState, ctrl: jax.Array) -> PhysicsState:
        """State one control step later under the targets `ctrl` [B, A] in rad."""
        moved = 0.5 * (ctrl - state.qpos[:, 7:])
        qpos = state.qpos.at[:, 7:].add(moved)
        return state.replace(qpos=qpos, qvel=state.qvel.at[:, 6:].set(moved / self._dt), torque=moved)
