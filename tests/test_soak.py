"""Runs that are killed at random moments end as if they had not been: scripts/soak.py, which says how."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest

soak = runpy.run_path(str(Path(__file__).parents[1] / "scripts" / "soak.py"))["soak"]


@pytest.mark.slow
def test_a_few_kills_lose_nothing(tmp_path):
    tally = soak(tmp_path, seconds=3600.0, kills=4, seed=1)
    assert tally.lost == [] and tally.tried.total() == 4, tally.lines()


@pytest.mark.soak
def test_two_hundred_kills_lose_nothing(tmp_path):
    tally = soak(tmp_path, seconds=36_000.0, kills=200)
    assert tally.lost == [] and tally.tried.total() >= 200, tally.lines()
