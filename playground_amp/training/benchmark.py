"""How fast training is: environment steps per second of its parts, measured side by side in one run.

One environment step is one control step of one robot. The repeats of all cases alternate, so that whatever else the
machine does slows them alike; the figures are medians over the repeats, after compiling and warming up.
"""

from __future__ import annotations

import dataclasses
import os
import platform
import resource
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import jax
import numpy as np
from mujoco.batch import Batch
from rich.table import Table

from playground_amp.amp import AMP
from playground_amp.builder import make_amp, robot_of
from playground_amp.config import ResolvedConfig
from playground_amp.core.reporter import SILENT, Reporter
from playground_amp.envs.robot_settings import action_scale

WARM_UPS = 3  # calls before the clock runs; robots start together and need a second to fall out of step
MJX_REPEATS = 3  # at most, where it is slow
LABELS = {
    "engine": "(a) native engine alone, no JAX",
    "rollout": "(b) rollouts",
    "task_only": "(c) training, task reward alone",
    "whole": "(d) training",
    "mjx": "(e) training, physics mjx",
}
RATIOS = {
    "whole_to_engine": ("whole", "engine", "(d)/(a): what training leaves of the engine's speed"),
    "whole_to_mjx": ("whole", "mjx", "(d)/(e): gain over physics mjx"),
    "task_only_to_whole": ("task_only", "whole", "(c)/(d): what the motion prior costs, 1 is nothing"),
}


@dataclasses.dataclass(frozen=True)
class Case:
    """One thing to time: `call` makes one rollout, or one iteration, and returns when it is done."""

    name: str
    call: Callable[[], None]
    compile_seconds: float = 0.0
    repeats: int = 1
    warm_ups: int = WARM_UPS


@dataclasses.dataclass(frozen=True)
class Report:
    """What was measured, and on what."""

    machine: dict[str, Any]
    settings: dict[str, Any]
    steps_per_second: dict[str, float]  # case -> median over the repeats
    repeats: dict[str, list[float]]  # case -> steps per second of each repeat
    compile_seconds: dict[str, float]  # without a compilation cache
    ratios: dict[str, float]
    peak_memory_mb: dict[str, float]  # of the process, all cases together; of the accelerator if it tells


def benchmark(config: ResolvedConfig, *, repeats: int, mjx: bool, reporter: Reporter = SILENT) -> Report:
    """Measure a resolved configuration; `mjx` adds the slow comparison where physics is native."""
    jax.config.update("jax_enable_compilation_cache", False)
    names = [name for name in LABELS if name != "mjx" or (mjx and config.env.physics == "native")]
    with reporter.progress("compiling", len(names) + repeats) as bar:
        cases = []
        for name in names:
            bar.describe(f"compiling {LABELS[name]}")
            cases.append(make_case(name, config, repeats))
            bar.show(len(cases))
        seconds = measure(cases, lambda done: bar.show(len(names) + done, f"measured {done} of {repeats} times"))
    return make_report(config, cases, seconds)


def make_case(name: str, config: ResolvedConfig, repeats: int) -> Case:
    """Compile one case and warm it up."""
    if name == "mjx":
        env = dataclasses.replace(config.env, physics="mjx")
        case = training_case(name, dataclasses.replace(config, env=env))
        case = dataclasses.replace(case, repeats=min(repeats, MJX_REPEATS), warm_ups=1)
    elif name == "task_only":
        amp = dataclasses.replace(config.amp, style_weight=0.0)
        case = dataclasses.replace(training_case(name, dataclasses.replace(config, amp=amp)), repeats=repeats)
    else:
        make = {"engine": engine_case, "rollout": rollout_case, "whole": training_case}[name]
        case = dataclasses.replace(make(name, config), repeats=repeats)
    for _ in range(case.warm_ups):
        case.call()
    return case


def engine_case(name: str, config: ResolvedConfig) -> Case:
    """MuJoCo's batched engine alone: robots at home under random targets as wide as the untrained policy's."""
    robot = robot_of(config)
    batch = Batch(robot.model, nsim=config.env.num_envs)
    substeps = round(config.env.control_dt / robot.model.opt.timestep)
    spread = action_scale(config.env, robot) * np.exp(config.networks.initial_log_std)
    shape = (config.ppo.rollout_length, config.env.num_envs, robot.num_joints)
    targets = np.asarray(robot.home) + spread * np.random.default_rng(config.ppo.seed).standard_normal(shape)
    targets = np.clip(targets, *robot.joint_range.T)

    def call() -> None:
        batch.qpos[:], batch.qvel[:] = robot.home_qpos, 0.0
        for target in targets:
            batch.ctrl[:] = target
            batch.step(nstep=substeps)

    return Case(name, call)


def rollout_case(name: str, config: ResolvedConfig) -> Case:
    """Environment and policy, nothing learned."""
    amp = make_amp(config)
    state = _init(amp)
    collect, seconds = _compile(lambda state: amp.collect(state, state.env.key), state)

    def call() -> None:
        nonlocal state
        env, _ = jax.block_until_ready(collect(state))
        state = state.replace(env=env)

    return Case(name, call, seconds)


def training_case(name: str, config: ResolvedConfig) -> Case:
    """Whole iterations."""
    amp = make_amp(config)
    state = _init(amp)
    iteration, seconds = _compile(amp.train_iteration, state, donate_argnums=0)

    def call() -> None:
        nonlocal state
        state, _ = jax.block_until_ready(iteration(state))

    return Case(name, call, seconds)


def measure(cases: Sequence[Case], show: Callable[[int], None] = lambda done: None) -> dict[str, list[float]]:
    """Seconds of every repeat of every case; the cases alternate."""
    seconds: dict[str, list[float]] = {case.name: [] for case in cases}
    for repeat in range(max(case.repeats for case in cases)):
        for case in (case for case in cases if repeat < case.repeats):
            began = time.perf_counter()
            case.call()
            seconds[case.name].append(time.perf_counter() - began)
        show(repeat + 1)
    return seconds


def make_report(config: ResolvedConfig, cases: Sequence[Case], seconds: dict[str, list[float]]) -> Report:
    """Medians, ratios and surroundings of measured seconds."""
    steps = config.steps_per_iteration
    rates = {name: [steps / value for value in values] for name, values in seconds.items()}
    median = {name: statistics.median(values) for name, values in rates.items()}
    return Report(
        machine=machine(),
        settings={
            "robot": config.env.robot,
            "physics": config.env.physics,
            "num_envs": config.env.num_envs,
            "rollout_length": config.ppo.rollout_length,
            "steps_per_repeat": steps,
        },
        steps_per_second=median,
        repeats=rates,
        compile_seconds={case.name: case.compile_seconds for case in cases if case.compile_seconds},
        ratios={name: median[a] / median[b] for name, (a, b, _) in RATIOS.items() if a in median and b in median},
        peak_memory_mb=peak_memory(),
    )


def machine() -> dict[str, Any]:
    """Devices and versions."""
    packages = ("jax", "mujoco", "mujoco-mjx", "brax", "flax", "optax")
    return {
        "cpu": _cpu_name(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "devices": [device.device_kind for device in jax.devices()],
        "versions": {"python": platform.python_version(), **{name: version(name) for name in packages}},
    }


def peak_memory() -> dict[str, float]:
    """Most memory held so far, MB."""
    unit = 1 if sys.platform == "darwin" else 1024  # of ru_maxrss, bytes
    peak = {"process": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6}
    stats = jax.devices()[0].memory_stats() or {}
    if "peak_bytes_in_use" in stats:
        peak["accelerator"] = stats["peak_bytes_in_use"] / 1e6
    return peak


def table(report: Report) -> Table:
    """The report for a terminal."""
    memory = ", ".join(f"{name} {value:.0f} MB" for name, value in report.peak_memory_mb.items())
    ratios = [f"{report.ratios[name]:.2f}  {label}" for name, (_, _, label) in RATIOS.items() if name in report.ratios]
    result = Table(caption="\n".join([*ratios, f"peak memory: {memory}"]), caption_justify="left")
    for column in ("environment steps per second", "median", "slowest", "fastest", "compile"):
        result.add_column(column, justify="left" if "steps" in column else "right")
    for name, rates in report.repeats.items():
        compiled = f"{report.compile_seconds[name]:.1f} s" if name in report.compile_seconds else ""
        numbers = (report.steps_per_second[name], min(rates), max(rates))
        result.add_row(LABELS[name], *(f"{number:,.0f}" for number in numbers), compiled)
    return result


def _init(amp: AMP) -> Any:
    return jax.jit(amp.init)(jax.random.key(amp.config.ppo.seed))


def _compile(function: Callable, *arguments: Any, **options: Any) -> tuple[Callable, float]:
    """The compiled function and how long tracing and compiling took, seconds."""
    began = time.perf_counter()
    return jax.jit(function, **options).lower(*arguments).compile(), time.perf_counter() - began


def _cpu_name() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.is_file() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()
