"""The tables of results: figures of curves by hand, and a table that says what passed."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from playground_amp.core.errors import InputError
from playground_amp.evaluation.evaluate import SpeedRow
from playground_amp.experiments import seed_tables as seed_tables_module
from playground_amp.experiments.seed_tables import (
    CURVES,
    curve_figures,
    limit,
    markdown,
    moving_mean,
    number,
    seed_tables,
    speed_table,
    spread,
)


def test_moving_means_are_those_of_whole_windows() -> None:
    means = moving_mean(np.arange(30.0))
    np.testing.assert_allclose(means, np.arange(9.5, 20.0))
    np.testing.assert_allclose(moving_mean(np.array([1.0, 3.0])), [2.0])


def test_figures_of_a_curve_by_hand() -> None:
    """300 iterations of 10,000 steps: accuracy falls in a line from 0.9 to 0.601, the scores dip once."""
    count = np.arange(300)
    columns = {
        "env_steps": (count + 1) * 1e4,
        "disc_acc": 0.9 - 0.001 * count,
        "disc_acc_clean": np.full(300, 0.8),
        "disc_real_mean": np.where((count >= 220) & (count < 240), 0.58, 0.6),
        "disc_fake_mean": np.full(300, 0.45),
        "amp_reward": np.where(count >= 280, 0.5, 0.1),
    }
    figures = curve_figures(columns)
    assert list(figures) == list(CURVES)
    assert figures["acc at 1.3M"] == pytest.approx(0.9 - 0.001 * (129 - 9.5))  # the mean of the 20 up to it
    assert figures["acc"] == pytest.approx(0.9 - 0.001 * 289.5)
    assert figures["acc, last third, least"] == pytest.approx(0.9 - 0.001 * 289.5)
    assert figures["acc, last third, most"] == pytest.approx(0.9 - 0.001 * (200 - 9.5))
    assert figures["acc clean"] == pytest.approx(0.8)
    assert figures["D apart"] == pytest.approx(0.15)
    assert figures["D apart, last third, least"] == pytest.approx(0.13)
    assert figures["style reward"] == pytest.approx(0.5)
    short = curve_figures({name: values[:50] for name, values in columns.items()})
    assert math.isnan(short["acc at 1.3M"]) and short["acc"] == pytest.approx(0.9 - 0.001 * 39.5)


def test_means_by_speed_stand_beside_the_references() -> None:
    row = SpeedRow(13, 0.5, 0.52, 0.02, 1.0, 180.0, 160.0, 0.17, 0.2, 0.65, 0.02)
    quicker = dataclasses.replace(row, cadence=188.0)
    runs = [SimpleNamespace(evaluation=SimpleNamespace(speeds=(part,))) for part in (row, quicker)]
    last = speed_table(runs).splitlines()[-1]
    assert last == "| 0.5 | 0.52 | 184 (160), +15% | 0.17 (0.2), -15% | 0.65 | 0.02 |"


def test_numbers_and_bounds_in_few_letters() -> None:
    assert [number(x) for x in (0.12345, 499.6, math.nan, math.inf)] == ["0.123", "500", "-", "none"]
    assert [limit(*x) for x in ((0.5, 0.75), (0.0, 0.1), (0.5, math.inf))] == ["0.5-0.75", "≤ 0.1", "≥ 0.5"]
    assert spread([1.0, 3.0]) == "2 (1, 3)"
    assert spread([]) == ""


def test_a_table_in_markdown() -> None:
    assert markdown(["a", "b"], [["1", "2"]]) == "| a | b |\n| --- | --- |\n| 1 | 2 |"


def test_the_minutes_of_a_run_and_those_to_its_first_checkpoint_that_passes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One run passes after 2 of 10 minutes, one after 6 of 12, one never."""
    passes, runs = {"a": [1, 2], "b": [3], "c": []}, [tmp_path / name for name in "abc"]
    for run, minutes in zip(runs, (10, 12, 11), strict=True):
        run.mkdir()
        (run / "metrics.jsonl").write_text(json.dumps({"iteration": 4, "seconds": 60.0 * minutes}) + "\n")

    def evaluations(run: Path, **_: object) -> Iterator[SimpleNamespace]:
        for i in range(4):
            yield SimpleNamespace(passed=i in passes[run.name], minutes=2.0 * i, env_steps=1_000_000 * i)

    monkeypatch.setattr(seed_tables_module, "evaluate_checkpoints", evaluations)
    lines = seed_tables_module.time_table(runs, 4).splitlines()[2:]
    assert lines[:3] == ["| a | 10 | 2 | 1 |", "| b | 12 | 6 | 3 |", "| c | 11 | none | none |"]
    assert lines[3:] == ["| median | 11 | 6 | 3 |", "| worst | 12 | none | none |"]


def test_a_page_has_a_heading_over_every_table_and_is_returned_not_printed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A run without a discriminator has no table of it."""
    (tmp_path / "metrics.jsonl").write_text('{"iteration": 1, "seconds": 60}\n')
    monkeypatch.setattr(seed_tables_module, "check_run", Path)
    monkeypatch.setattr(seed_tables_module, "evaluate_checkpoints", lambda *_, **__: iter([None]))
    for name in ("end_table", "speed_table", "style_table", "time_table"):
        monkeypatch.setattr(seed_tables_module, name, lambda *_, name=name, **__: f"| {name} |")
    page = seed_tables([str(tmp_path)], episodes=4)
    assert page.startswith(
        "### At the end\n\n| end_table |\n\n### By the speed asked for\n\n| speed_table |\n\n### Style"
    )
    assert page.endswith("\n\n### Minutes\n\n| time_table |")
    assert capsys.readouterr() == ("", "")


def test_a_run_without_its_metrics_is_refused_before_anything_is_shown(tmp_path, capsys) -> None:
    run = tmp_path / "run"
    run.mkdir()
    (run / "config.yaml").write_text("")
    with pytest.raises(InputError, match=r"run' has no metrics.jsonl"):
        seed_tables([str(run)], [], episodes=4)
    (run / "metrics.jsonl").write_text("")
    with pytest.raises(InputError, match=r"run' holds no checkpoint"):
        seed_tables([str(run)], [], episodes=4)
    with pytest.raises(InputError, match="--episodes is 0"):
        seed_tables([str(run)], [], episodes=0)
    with pytest.raises(InputError, match="there is no run"):
        seed_tables([str(tmp_path / "gone")], [], episodes=4)
    assert capsys.readouterr().out == ""
