"""What many devices exchange: the formula by hand, and against the program that is compiled for them."""

from __future__ import annotations

import math
import os
import re
import subprocess
import sys

import pytest
from training_runs import SMALL

from playground_amp.builder import make_amp
from playground_amp.config import load_config, resolve
from playground_amp.experiments.scaling import Exchange, exchange

PROGRAM = """
import sys
import jax
from jax.sharding import AxisType, NamedSharding, PartitionSpec
from playground_amp.builder import make_amp
from playground_amp.config import load_config, resolve
from playground_amp.core import devices

amp = make_amp(resolve(load_config("ppo_amass_training", sys.argv[1:]), accelerator=False))
with devices.on_all_devices():
    state = jax.jit(amp.init)(jax.random.key(0))
    print(jax.jit(amp.train_iteration).lower(state).compile().as_text())
"""


def test_seconds_and_efficiency_by_hand() -> None:
    told = Exchange(samples=800, gradients=100, sums=10)
    assert told.received(4) == 0.75 * (800 + 2 * 100)
    assert told.seconds(4, bandwidth=750.0, latency=0.1) == pytest.approx(1.0 + 1.0)
    assert told.efficiency(6.0, 4, bandwidth=750.0, latency=0.1) == pytest.approx(0.75)
    assert told.efficiency(6.0, 1, bandwidth=750.0, latency=0.1) == 1.0


def test_samples_of_the_small_robot_by_hand() -> None:
    """36 observations and their reflection, 44 of the critic, 9 actions and means, 29 features, and 4 numbers."""
    told = exchange(make_amp(resolve(load_config("ppo_amass_training", SMALL), accelerator=False)))
    assert told.samples == 4 * 8 * 4 * (2 * 36 + 44 + 2 * 9 + 29 + 4)
    assert told.sums == 4 + 2 * 4 + 6 * 2 + 12


@pytest.mark.slow
def test_the_compiled_program_gathers_each_sample_once_and_waits_once_in_a_control_step() -> None:
    flags = f"{os.environ.get('XLA_FLAGS', '')} --xla_force_host_platform_device_count=4"
    settings = [*SMALL, "env.num_envs=64", "ppo.batch_size=64"]
    command = [sys.executable, "-c", PROGRAM, *settings]
    done = subprocess.run(command, env={**os.environ, "XLA_FLAGS": flags}, capture_output=True, text=True, timeout=900)
    assert done.returncode == 0, done.stderr
    lines = [line for line in done.stdout.splitlines() if "/cond/" not in line]  # they are for physics that diverged
    gathered = [line for line in lines if re.search(r" all-gather(-start)?\(", line)]
    samples = [shape for line in gathered for shape in re.findall(r"= f32\[(4,64[\d,]*)\]", line)]
    told = exchange(make_amp(resolve(load_config("ppo_amass_training", settings), accelerator=False)))
    assert sum(4 * math.prod(map(int, shape.split(","))) for shape in samples) == told.samples
    waits = [line for line in lines if re.search(r" all-reduce(-start)?\(", line) and " = pred[]" in line]
    assert len(waits) == 1, "of the control step: whether any robot starts anew"
