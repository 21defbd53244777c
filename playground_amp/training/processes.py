"""One training in several processes, each with its own devices and, in the native engine, its own robots.

All of them run the same command. Process 0 leads: it reads the configuration and the checkpoint, writes every file and
says every sentence. The others follow: they are told what to train, take part in each iteration, and end when the
leader does. The clips and the robot are read by each from its own disk.
"""

from __future__ import annotations

import functools
import itertools
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, ParamSpec

import jax
from jax._src import distributed  # of its key-value store there is no public name

from playground_amp.amp import AMP
from playground_amp.builder import make_amp, resolve_quietly
from playground_amp.config import ResolvedConfig, build, to_dict
from playground_amp.core import devices
from playground_amp.core.errors import Followed, InputError, Interrupted, TrainingCollapsed, TrainingDiverged
from playground_amp.core.reporter import LOGGER, SILENT
from playground_amp.training.loop import TrainingLoop
from playground_amp.training.run import Run

FOREVER = 30 * 24 * 3600 * 1000  # ms; of a leader that is gone the followers hear at once
ENDS = (InputError, TrainingDiverged, TrainingCollapsed, Interrupted)  # in which leader and followers are in step

P = ParamSpec("P")
_messages = itertools.count()
_state = {"leads": False}


def join(address: str, process: str | None, *, seconds: int = 300) -> None:
    """Join the other processes of a training, before anything is computed.

    `address` is auto (Slurm, Kubernetes and Open MPI are known), or HOST:PORT of process 0, with `process` then
    INDEX/COUNT. Raises InputError where the others are not met within `seconds`.
    """
    where: dict[str, Any] = {"initialization_timeout": seconds}
    if address == "auto":
        if process:
            raise InputError(
                "--process goes with --distributed HOST:PORT; with auto the cluster says which one this is"
            )
    else:
        where |= _place(address, process)
    jax.config.update("jax_enable_preemption_service", False)  # SIGTERM is the training's own to handle
    try:
        jax.distributed.initialize(**where)
    except ValueError:  # what was not found
        raise InputError(
            "--distributed auto: this is no job of Slurm, Kubernetes or Open MPI that JAX knows; give "
            "--distributed HOST:PORT --process INDEX/COUNT instead"
        ) from None
    except RuntimeError as error:
        reason = str(error).splitlines()[0][:120]
        raise InputError(f"--distributed {address}: the processes did not meet within {seconds} s ({reason})") from None


def _place(address: str, process: str | None) -> dict[str, Any]:
    if not re.fullmatch(r"\S+:\d{1,5}", address):
        raise InputError(f"--distributed is '{address}'; expected auto, or HOST:PORT of process 0, such as node1:8476")
    found = re.fullmatch(r"(\d+)/(\d+)", process or "")
    if not found or int(found[1]) >= int(found[2]):
        raise InputError(
            f"--process is '{process or ''}'; with --distributed HOST:PORT expected INDEX/COUNT, such as 0/2 and 1/2"
        )
    return {"coordinator_address": address, "process_id": int(found[1]), "num_processes": int(found[2])}


def led(function: Callable[P, Run]) -> Callable[P, Run]:
    """A function that trains: of several processes, process 0 calls it and the others follow."""

    @functools.wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> Run:
        if _state["leads"] or not jax.distributed.is_initialized() or jax.process_count() == 1:
            return function(*args, **kwargs)
        if jax.process_index() > 0:
            return _follow()
        _state["leads"] = True
        try:
            run = function(*args, **kwargs)
        except ENDS as error:
            _tell({"end": _code(error)})
            raise
        finally:
            _state["leads"] = False
        _tell({"end": 0, "run": str(run.path)})
        return run

    return call


def check_shares(config: ResolvedConfig) -> None:
    """Raise InputError where the robots or the batches cannot be shared out evenly over the devices."""
    count = jax.device_count()
    if count == 1:
        return
    if config.env.physics == "native" and jax.local_device_count() > 1:
        raise InputError(
            f"env.physics is native, which steps all robots of a process at once, but this process has "
            f"{jax.local_device_count()} devices; start one process for each device (--distributed), show it one "
            f"device only (CUDA_VISIBLE_DEVICES=0), or set env.physics=mjx"
        )
    sizes = {
        "env.num_envs": config.env.num_envs,
        "ppo.batch_size": config.ppo.batch_size,
        "amp.batch_size": config.amp.batch_size,
    }
    for name, size in sizes.items():
        if size % count:
            raise InputError(
                f"{name} is {size}, which {count} devices cannot share evenly; the nearest are "
                f"{size // count * count or count} and {(size // count + 1) * count}"
            )


def start(amp: AMP, path: Path, rate: float, *, restored: bool) -> None:
    """Have the followers, if there are any, begin the same training; raises InputError unless all of them can."""
    if jax.process_count() == 1:
        return
    about = {"config": to_dict(amp.config), "clips": amp.env.reference.clip_set.sha256}
    _tell({"train": about, "path": str(path), "rate": rate, "restored": restored})
    if trouble := devices.largest([0])[0]:
        raise InputError(f"process {trouble} cannot take part in the training; it says why itself")


def _follow() -> Run:
    level = LOGGER.level
    try:
        while "end" not in (message := json.loads(_hear())):
            LOGGER.setLevel("WARNING")
            try:
                _take_part(message)
            except (TrainingDiverged, TrainingCollapsed, Interrupted):
                continue  # the leader says so, and what comes next
    finally:
        LOGGER.setLevel(level)
    if message["end"]:
        raise Followed(message["end"])
    return Run(Path(message["run"]))


def _take_part(message: dict[str, Any]) -> None:
    about, path = message["train"], Path(message["path"])
    try:
        amp = make_amp(resolve_quietly(build(about["config"], "the configuration of process 0")))
        if amp.env.reference.clip_set.sha256 != about["clips"]:
            raise InputError("reference.clips: the clips here are not those of process 0; give every process the same")
    except InputError:
        devices.largest([jax.process_index()])
        raise
    if devices.largest([0])[0]:
        return
    shapes = jax.eval_shape(amp.init, jax.random.key(0)) if message["restored"] else None
    TrainingLoop(amp, path, reporter=SILENT, rate=message["rate"]).run(shapes)


def _code(error: Exception) -> int:
    codes = {InputError: 2, TrainingCollapsed: 3}
    return 128 + error.signal if isinstance(error, Interrupted) else codes.get(type(error), 1)


def _tell(message: dict[str, Any]) -> None:
    _store().key_value_set(f"playground_amp/{next(_messages)}", json.dumps(message))


def _hear() -> str:
    return _store().blocking_key_value_get(f"playground_amp/{next(_messages)}", FOREVER)


def _store() -> Any:
    """The key-value store of the processes that have joined."""
    return distributed.global_state.client
