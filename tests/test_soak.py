"""Runs that are killed at random moments end as if they had not been: experiments/soak.py says how."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from playground_amp.experiments.leaks import FLAT, growth, measure
from playground_amp.experiments.soak import soak

SCRIPT = Path(__file__).parents[1] / "scripts" / "soak.py"


@pytest.mark.slow
def test_a_few_kills_lose_nothing(tmp_path):
    tally = soak(tmp_path, seconds=3600.0, kills=4, seed=1)
    assert tally.lost == [] and tally.fell.total() == 4, tally.lines()


@pytest.mark.soak
def test_two_hundred_kills_lose_nothing(tmp_path):
    """In a process of its own, which has not computed in JAX: it forks those that are killed."""
    command = [sys.executable, str(SCRIPT), "kills", "--quick", "--kills", "200", "--seconds", "36000"]
    done = subprocess.run([*command, "--out", str(tmp_path)], capture_output=True, text=True, check=False)
    assert done.returncode == 0 and "nothing was lost" in done.stdout, done.stdout[-3000:] + done.stderr[-3000:]


@pytest.mark.soak
def test_memory_and_open_files_are_flat_over_two_thousand_iterations(tmp_path):
    looks = measure(tmp_path / "run", 2000)
    assert growth(looks) < FLAT
    assert len({one.files for one in looks}) == 1
