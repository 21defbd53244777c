"""Runs that are killed at random moments end as if they had not been: experiments/soak.py says how."""

from __future__ import annotations

import pytest

from playground_amp.experiments.soak import soak


@pytest.mark.slow
def test_a_few_kills_lose_nothing(tmp_path):
    tally = soak(tmp_path, seconds=3600.0, kills=4, seed=1)
    assert tally.lost == [] and tally.tried.total() == 4, tally.lines()


@pytest.mark.soak
def test_two_hundred_kills_lose_nothing(tmp_path):
    tally = soak(tmp_path, seconds=36_000.0, kills=200)
    assert tally.lost == [] and tally.tried.total() >= 200, tally.lines()
