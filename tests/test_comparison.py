"""The comparison of discriminators: when a run counts as walking, what is kept of it, and what is done again."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from playground_amp.config import load_config
from playground_amp.core.errors import InputError
from playground_amp.core.reporter import Reporter
from playground_amp.experiments.discriminators import comparison
from playground_amp.experiments.discriminators.comparison import compare, folder, measure, measure_costs, walks_after
from playground_amp.experiments.discriminators.page import table
from playground_amp.experiments.discriminators.results import Result, read_costs, read_results
from playground_amp.experiments.discriminators.rows import ROWS

LIMIT = 500
PER_ITERATION = 8192


def curves(length: np.ndarray, error: np.ndarray) -> dict[str, np.ndarray]:
    return {
        "env_steps": PER_ITERATION * np.arange(1.0, len(length) + 1.0),
        "episode_length": np.asarray(length, float),
        "velocity_error": np.asarray(error, float),
    }


def test_it_walks_when_twenty_iterations_on_average_last_and_follow() -> None:
    """450 steps are enough, and 0.1 m/s: from iteration 31 on, so that the mean of 31 to 50 is the first."""
    count = np.arange(1, 81)
    length = np.where(count > 30, 455.0, 50.0)
    assert walks_after(curves(length, np.full(80, 0.05)), LIMIT) == 50 * PER_ITERATION
    length = np.where(count > 30, 500.0, 0.0)  # of which 18 of 20 make 450
    assert walks_after(curves(length, np.full(80, 0.05)), LIMIT) == 48 * PER_ITERATION
    error = np.where(count > 40, 0.05, 0.3)  # 0.05 x 16 + 0.3 x 4 is 0.1 x 20
    assert walks_after(curves(np.full(80, 500.0), error + 1e-9), LIMIT) == 57 * PER_ITERATION
    assert walks_after(curves(np.full(80, 500.0), np.zeros(80)), LIMIT) == 20 * PER_ITERATION


def test_both_at_once_are_asked_for() -> None:
    """First it lasts without following, then it follows without lasting."""
    count = np.arange(100)
    length, error = np.where(count < 50, 500.0, 100.0), np.where(count < 50, 0.5, 0.01)
    assert walks_after(curves(length, error), LIMIT) is None


@pytest.mark.parametrize("length", [449.0, 0.0])
def test_a_run_that_never_walks_has_no_number(length: float) -> None:
    assert walks_after(curves(np.full(60, length), np.zeros(60)), LIMIT) is None


@pytest.mark.parametrize("count", [1, 19])
def test_a_run_shorter_than_the_mean_is_taken_of_never_walked(count: int) -> None:
    assert walks_after(curves(np.full(count, 500.0), np.zeros(count)), LIMIT) is None


def row(iteration: int, **changes: float) -> dict[str, float]:
    return {
        "iteration": iteration,
        "env_steps": PER_ITERATION * iteration,
        "env_steps_per_second": 4096.0,
        "episode_length": 500.0,
        "velocity_error": 0.04,
        "disc_acc": 0.7,
        "disc_acc_clean": 0.8,
        "mode_coverage": 0.5,
    } | changes


EVALUATION = {
    "episode_length": 498.123456,
    "velocity_error": 0.0312349,
    "cadence_error": None,
    "style_frechet": 0.12,
    "held_out_frechet": 0.2,
    "cadence": 170.0,
}


def finished(path: Path, rows: list[dict], evaluation: dict | None = None) -> Path:
    (path / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in rows))
    if evaluation is not None:
        (path / "evaluation.json").write_text(json.dumps(evaluation))
    return path


def test_the_figures_of_a_run_by_hand(tmp_path: Path) -> None:
    """Ends are means of the last 20 of 40 iterations; an iteration took 2 s, and one was slow."""
    rows = [row(i, disc_acc=0.5 if i <= 20 else 0.6 + 0.01 * (i % 2), mode_coverage=i / 100) for i in range(1, 41)]
    rows[5]["env_steps_per_second"] = 10.0
    result = measure("no R1", 3, finished(tmp_path, rows, EVALUATION), LIMIT, diverged=False)
    assert (result.row, result.seed, result.settings) == ("no R1", 3, ("amp.r1_gamma=0",))
    assert (result.steps, result.walks_after) == (40 * PER_ITERATION, 20 * PER_ITERATION)
    assert (result.disc_acc, result.disc_acc_clean) == (0.605, 0.8)
    assert result.mode_coverage == pytest.approx(0.305)
    assert result.seconds == 2.0
    assert (result.episode_length, result.velocity_error, result.cadence_error) == (498.1235, 0.0312, None)
    assert (result.style_frechet, result.held_out_frechet) == (0.12, 0.2)
    assert not result.diverged


def test_a_run_that_diverged_has_curves_and_no_evaluation(tmp_path: Path) -> None:
    result = measure("default", 0, finished(tmp_path, [row(i) for i in range(1, 31)]), LIMIT, diverged=True)
    assert result.diverged and result.episode_length is None and result.style_frechet is None
    assert (result.steps, result.disc_acc) == (30 * PER_ITERATION, 0.7)


def test_a_run_that_diverged_before_its_first_figures_does_not_end_the_comparison(tmp_path: Path) -> None:
    """The first rows are checked before they are written: there may be no metrics.jsonl."""
    result = measure("default", 0, tmp_path, LIMIT, diverged=True)
    assert result.diverged and result.steps == 0 and result.walks_after is None


def result(**changes: Any) -> Result:
    numbers = dict(zip([field.name for field in dataclasses.fields(Result)], ["default", 0, (), 100], strict=False))
    rest = {field.name: 0.5 for field in dataclasses.fields(Result) if field.name not in numbers}
    return Result(**numbers | rest | {"walks_after": 2_000_000, "diverged": False} | changes)


def written(path: Path, *results: Result) -> Path:
    path.write_text("".join(json.dumps(dataclasses.asdict(one)) + "\n" for one in results))
    return path


def test_results_come_back_as_they_were_written(tmp_path: Path) -> None:
    kept = [result(), result(row="no R1", seed=2, walks_after=None, settings=("amp.r1_gamma=0",), diverged=True)]
    found = read_results(written(tmp_path / "results.jsonl", *kept))
    assert [dataclasses.replace(one, settings=tuple(one.settings)) for one in found] == kept
    assert read_results(tmp_path / "gone.jsonl") == []


@pytest.mark.parametrize(
    "content",
    [
        "hello",
        "3\n",
        "[1, 2]\n",
        '{"iteration": 1, "env_steps": 8192}\n',  # of a metrics.jsonl
        '{"row": "default", "seed": 0}\n',
        '{"row": "default", "seed": 0, "what": 1}\n',
        '{"row": "default"',
    ],
)
def test_a_file_of_another_kind_is_refused(content: str, tmp_path: Path) -> None:
    path = tmp_path / "results.jsonl"
    path.write_text(content)
    with pytest.raises(InputError, match=r"results.jsonl' is not a results file of scripts/compare.py") as error:
        read_results(path)
    assert "\n" not in str(error.value)


def test_only_what_is_missing_is_trained_and_each_run_is_kept_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Seed by seed, so that every row has one figure before any has two."""
    out, done = written(tmp_path / "results.jsonl", result(row="no R1", seed=0)), []

    def train(name: str, seed: int, path: Path, *, reporter: Reporter) -> Result:
        assert len(read_results(out)) == 1 + len(done)
        done.append((name, seed))
        assert path.parent == tmp_path / "runs"
        return result(row=name, seed=seed)

    monkeypatch.setattr(comparison, "train_row", train)
    compare(out, ["no R1", "lsgan -1/1, quadratic"], 2, tmp_path / "runs")
    assert done == [("lsgan -1/1, quadratic", 0), ("no R1", 1), ("lsgan -1/1, quadratic", 1)]
    compare(out, ["no R1"], 2, tmp_path / "runs")
    assert len(done) == 3 and len(read_results(out)) == 4


def test_costs_and_results_share_a_file_and_leave_each_other_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = written(tmp_path / "results.jsonl", result())
    monkeypatch.setattr(comparison, "seconds_of_iteration", lambda name: 2.0 if name == "default" else 3.0)
    measure_costs(out, ["default", "5 frames"])
    assert read_costs(out) == {"default": 2.0, "5 frames": 3.0}
    assert len(read_results(out)) == 1
    monkeypatch.setattr(comparison, "train_row", lambda name, seed, path, reporter: result(row=name, seed=seed))
    compare(out, ["5 frames"], 1, tmp_path)
    assert read_costs(out) == {"default": 2.0, "5 frames": 3.0}
    assert [one.row for one in read_results(out)] == ["default", "5 frames"]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("style 0.8, task 0.2", "style-0.8-task-0.2-3"),
        ("lsgan -1/1, quadratic", "lsgan-1-1-quadratic-3"),
        ("../a\\b: *?<>|\"'$\n", "a-b-3"),
        ("größe", "gr-e-3"),
        ("..", "row-3"),
    ],
)
def test_a_folder_has_the_name_of_its_row_without_odd_characters(name: str, expected: str) -> None:
    assert folder(name, 3) == expected


def test_every_row_has_a_folder_of_its_own() -> None:
    assert len({folder(name, 0) for name in ROWS}) == len(ROWS)


def test_a_row_that_does_not_exist_is_named_with_the_nearest(tmp_path: Path) -> None:
    for ask in (
        lambda: compare(tmp_path / "a", ["no R2"], 1, tmp_path),
        lambda: measure_costs(tmp_path / "a", ["no R2"]),
    ):
        with pytest.raises(InputError, match=r"there is no row 'no R2'; did you mean 'no R1'"):
            ask()
    assert not (tmp_path / "a").exists()


@pytest.mark.parametrize("name", ROWS)
def test_every_row_is_a_configuration_and_each_is_another(name: str) -> None:
    config = load_config(comparison.CONFIG, ROWS[name])
    others = [load_config(comparison.CONFIG, ROWS[other]) for other in ("default", "no replay") if other != name]
    assert config not in others


def test_the_table_has_medians_in_the_order_of_the_rows() -> None:
    runs = [
        result(row="no R1", seed=0, walks_after=None, disc_acc=0.61),
        result(row="default", seed=0, walks_after=1_000_000, velocity_error=0.02, cadence_error=None),
        result(row="default", seed=1, walks_after=1_400_000, velocity_error=0.03, cadence_error=None),
        result(row="default", seed=2, walks_after=None, velocity_error=0.07, cadence_error=None),
    ]
    heads, _, default, other = (line.split(" | ") for line in table(runs, {"default": 2.0, "no R1": 1.5}).splitlines())
    by_head = dict(
        zip([head.strip("| ") for head in heads[1:]], [cell.strip("| ") for cell in default[1:]], strict=True)
    )
    assert default[0] == "| default" and other[0] == "| no R1"
    assert by_head["seeds"] == "3"
    assert by_head["M steps to walk"] == "1.20 (1.00-1.40), 2 of 3"
    assert by_head["speed error"] == "0.030 (0.020-0.070)"
    assert by_head["cadence error"] == "-"
    assert by_head["cost"] == "1.00"
    assert other[2] == "-, 0 of 1" and other[-1].strip(" |") == "0.75"
