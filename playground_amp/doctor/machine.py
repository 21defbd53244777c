"""The machine that a training will run on: devices, rendering, disk."""

from __future__ import annotations

import contextlib
import io
import os
import shutil
import subprocess
import sys
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from pathlib import Path

import jax

from playground_amp.config import ResolvedConfig
from playground_amp.core.devices import missing_accelerator
from playground_amp.doctor.finding import Finding
from playground_amp.runs.run_directory import RUNS, SPACE_NEEDED
from playground_amp.training.wandb_logger import choose_mode

RENDER = """
import mujoco
from playground_amp.evaluation.reporting.render import make_renderer
model = mujoco.MjModel.from_xml_string('<mujoco><worldbody><geom size="1"/></worldbody></mujoco>')
data = mujoco.MjData(model)
mujoco.mj_forward(model, data)
with make_renderer(model, (32, 32)) as renderer:
    renderer.update_scene(data)
    renderer.render()
"""
RENDER_SECONDS = 60


@dataclass(frozen=True)
class Machine:
    """The hardware, and what a run will choose on it."""

    backend: str
    devices: tuple[str, ...]
    cores: int
    physics: str
    num_envs: int
    rendering: str  # yes, or why not
    wandb: str  # online, offline or off
    free_disk: float  # bytes
    missing_accelerator: str = ""  # why the CPU computes though there seems to be a GPU


@contextlib.contextmanager
def start_rendering() -> Generator[subprocess.Popen]:
    """Begin to render one frame in a process of its own: a broken OpenGL may take its process with it.

    The process is gone at the end of the context, answer or not.
    """
    command = [sys.executable, "-c", RENDER]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()  # nothing to one that has ended


def look_at_machine(config: ResolvedConfig, rendering: subprocess.Popen) -> Machine:
    """The machine, and what a resolved configuration chooses on it; waits for the frame of `start_rendering`."""
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        wandb = choose_mode(config.logging.wandb)
    return Machine(
        backend=jax.default_backend(),
        devices=tuple(device.device_kind for device in jax.devices()),
        cores=len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1,
        physics=config.env.physics,
        num_envs=config.env.num_envs,
        rendering=_rendered(rendering),
        wandb=wandb,
        free_disk=float(shutil.disk_usage(RUNS if RUNS.is_dir() else Path()).free),
        missing_accelerator=missing_accelerator(),
    )


def examine_machine(machine: Machine) -> Iterator[Finding]:
    """What of the machine would stop a run, cost its video or slow it."""
    if machine.free_disk < SPACE_NEEDED:
        sentence = f"{machine.free_disk / 1e6:.0f} MB of disk are free, a run needs {SPACE_NEEDED / 1e6:.0f} MB"
        yield Finding("error", "disk", sentence)
    if machine.rendering != "yes":
        sentence = (
            f"no frame can be rendered ({machine.rendering}), so there will be no video; on Debian or Ubuntu install "
            f"libegl1 and libgl1-mesa-dri, or set logging.video_seconds=0"
        )
        yield Finding("warning", "rendering", sentence)
    if machine.missing_accelerator:
        yield Finding("warning", "accelerator", f"this machine computes on its CPU: {machine.missing_accelerator}")
    if machine.backend != "cpu" and machine.physics == "native":
        sentence = "env.physics is native on a machine with an accelerator; auto would take mjx, which is faster there"
        yield Finding("warning", "physics", sentence)


def _rendered(process: subprocess.Popen) -> str:
    """'yes', or why no frame could be rendered."""
    try:
        error = process.communicate(timeout=RENDER_SECONDS)[1]
    except subprocess.TimeoutExpired:
        return f"no answer in {RENDER_SECONDS} s"
    lines = [line for line in error.strip().splitlines() if line and not line[0].isspace()]
    return "yes" if process.returncode == 0 else (lines[-1][:120] if lines else f"exit code {process.returncode}")
