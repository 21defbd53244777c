"""A population equals its members trained alone, and each of them is a run of its own on the disk."""

from __future__ import annotations

import json
import os
import re
import signal
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from rich.console import Console
from test_grid import CONFIG, ONE, OTHER, SMALL
from training_runs import resume

from playground_amp.amp import TrainState
from playground_amp.builder import make_amp
from playground_amp.config import Config, load_config, resolve
from playground_amp.core.console import ConsoleReporter
from playground_amp.core.errors import InputError, Interrupted
from playground_amp.evaluation.checkpoints import evaluate_checkpoints
from playground_amp.runs import run_directory
from playground_amp.runs.checkpoint import Checkpoints, score
from playground_amp.training import loop, sweep
from playground_amp.training.sweep_grid import Member

NAMES = ("one", "other")


@pytest.fixture(scope="module")
def small(clips_folder: Path) -> list[str]:
    return [*SMALL, f"reference.clips={clips_folder}"]


@pytest.fixture(scope="module")
def configs(small: list[str]) -> list[Config]:
    return [resolve(load_config(CONFIG, [*small, *own]), accelerator=False) for own in (ONE, OTHER)]


@pytest.fixture(scope="module")
def trained(configs: list[Config], tmp_path_factory: pytest.TempPathFactory) -> SimpleNamespace:
    """A sweep of both, three iterations: its folder, the state it began with, and what it was compiled to."""
    caught = SimpleNamespace(path=tmp_path_factory.mktemp("sweeps") / "both")

    def make_chunk(population: sweep.Population, length: int) -> Callable:
        caught.chunk = loop.make_chunk(population, length)

        def chunk(state: TrainState, count: int) -> tuple:
            if not hasattr(caught, "first"):
                caught.first = copy(state)
            return caught.chunk(state, count)

        return chunk

    members = [Member(name, config) for name, config in zip(NAMES, configs, strict=True)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sweep, "make_members", lambda *_: members)
        patch.setattr(sweep, "make_chunk", make_chunk)
        sweep.sweep(CONFIG, [], [], caught.path)
    return caught


def take(tree, i: int):
    return jax.tree.map(lambda leaf: leaf[i], tree)


def copy(state: TrainState) -> TrainState:
    """The same state, as training takes its own apart."""
    return jax.tree.map(jnp.copy, state)


def restored(run: Path) -> tuple[TrainState, dict]:
    """State and description of the newest checkpoint."""
    with Checkpoints(run / "checkpoints", read_only=True) as checkpoints:
        return checkpoints.restore(make_amp(run_directory.read_config(run, [])))


def rows(run: Path) -> list[dict]:
    return [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]


def saved(run: Path) -> list[int]:
    with Checkpoints(run / "checkpoints", read_only=True) as checkpoints:
        return checkpoints.all


def plain(leaf: jax.Array) -> np.ndarray:
    key = jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)
    return np.asarray(jax.random.key_data(leaf) if key else leaf)


def assert_close(ours: TrainState, theirs: TrainState, *, tolerance: float) -> None:
    for (path, a), b in zip(jax.tree.leaves_with_path(ours), jax.tree.leaves(theirs), strict=True):
        assert a.dtype == b.dtype
        np.testing.assert_allclose(
            plain(a), plain(b), rtol=tolerance, atol=tolerance, err_msg=jax.tree_util.keystr(path)
        )


# --- the population


@pytest.mark.slow
def test_a_population_equals_its_members_trained_alone(trained: SimpleNamespace, configs: list[Config]) -> None:
    for i, (name, config) in enumerate(zip(NAMES, configs, strict=True)):
        amp = make_amp(config)
        state = jax.jit(amp.init)(jax.random.key(config.ppo.seed))
        assert_close(take(trained.first, i), state, tolerance=1e-5)
        iterate = jax.jit(amp.train_iteration)
        for row in rows(trained.path / name):
            state, metrics = iterate(state)
            for metric, value in metrics.items():
                assert row[metric] == pytest.approx(float(value), rel=1e-3, abs=1e-4), metric
        assert_close(restored(trained.path / name)[0], state, tolerance=1e-3)


def test_no_qr_is_batched(configs: list[Config]) -> None:
    """That of jaxlib shares its work with the threads that wait for it: on two cores a large one never ended."""
    factors = re.findall(
        r"f32\[([\d,]+)\] = qr\[", str(jax.make_jaxpr(sweep.Population(make_amp(configs[0]), configs).init)())
    )
    assert factors
    assert all(shape.count(",") == 1 for shape in factors)


@pytest.mark.slow
def test_a_member_that_is_no_number_leaves_the_others_as_they_are(
    trained: SimpleNamespace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # MuJoCo writes a log of what is no number
    first = trained.first
    params = jax.tree.map(lambda leaf: leaf.at[1].set(jnp.nan), first.policy.params)
    sick, metrics = trained.chunk(copy(first.replace(policy=first.policy.replace(params=params))), 2)
    assert np.isnan(metrics["value_loss"][:, 1]).all()
    well, _ = trained.chunk(copy(first), 2)
    pairs = zip(jax.tree.leaves(take(well, 0)), jax.tree.leaves(take(sick, 0)), strict=True)
    assert all(np.array_equal(plain(a), plain(b)) for a, b in pairs)


# --- the folders


@pytest.fixture
def instant(monkeypatch: pytest.MonkeyPatch, trained: SimpleNamespace) -> Callable:
    """Training of two members that counts iterations and computes nothing."""

    def make_chunk(algorithm: sweep.Population, length: int) -> Callable:
        def chunk(state: TrainState, count: int) -> tuple:
            values = {"episode_length": 6.0, "forward_velocity": 0.0, "velocity_error": 0.1, "task_reward": 1.0}
            shape = (length, *state.iteration.shape)
            metrics = {name: np.full(shape, value) for name, value in values.items()}
            return state.replace(iteration=state.iteration + count), metrics

        return chunk

    monkeypatch.setattr(sweep, "make_chunk", make_chunk)
    monkeypatch.setattr(loop, "make_chunk", make_chunk)
    monkeypatch.setattr(sweep.Population, "init", lambda self: copy(trained.first))
    return make_chunk


@pytest.mark.slow
def test_a_sweep_has_a_whole_run_of_every_member(trained: SimpleNamespace) -> None:
    assert {path.name for path in trained.path.iterdir()} == {*NAMES, "sweep.png"}
    for name, seed, limit in zip(NAMES, (0, 7), (6, 5), strict=True):
        run = trained.path / name
        config = run_directory.read_config(run, [])
        assert (config.ppo.seed, config.env.episode_length) == (seed, limit)
        assert [(row["iteration"], row["env_steps"]) for row in rows(run)] == [(1, 64), (2, 128), (3, 192)]
        assert [row["seconds"] for row in rows(run)] == sorted(row["seconds"] for row in rows(run))
        assert saved(run) == [3]


@pytest.mark.slow
def test_a_member_is_gone_on_with_and_judged_as_any_run(
    trained: SimpleNamespace, tmp_path: Path, instant: Callable
) -> None:
    run = trained.path / "other"
    state, about = restored(run)
    assert (int(state.iteration), about["env_steps"], about["config"]["ppo"]["seed"]) == (3, 192, 7)
    more = ["ppo.iterations=5", "logging.evaluation_episodes=0"]
    branch = resume(str(run), more, run_dir=tmp_path / "branch")
    assert [row["iteration"] for row in rows(branch)] == [1, 2, 3, 4, 5]
    (verdict,) = evaluate_checkpoints(run, checkpoint="best", episodes=2, speeds=None, seed=1)
    assert (verdict.iteration, verdict.env_steps) == (3, 192)


@pytest.mark.slow
def test_a_checkpoint_is_scored_as_that_of_a_run(trained: SimpleNamespace, configs: list[Config]) -> None:
    for name, config in zip(NAMES, configs, strict=True):
        with Checkpoints(trained.path / name / "checkpoints", read_only=True) as checkpoints:
            expected = np.mean([score(row, config) for row in rows(trained.path / name)])
            assert checkpoints.score(3) == pytest.approx(expected)


@pytest.mark.slow
def test_a_folder_that_holds_a_sweep_is_not_written_over(trained: SimpleNamespace, small: list[str]) -> None:
    before = rows(trained.path / "one")
    with pytest.raises(InputError, match="already holds a sweep"):
        sweep.sweep(CONFIG, small, ["ppo.seed=0,5"], trained.path)
    with pytest.raises(InputError, match="already holds a run"):
        sweep.sweep(CONFIG, small, ["ppo.seed=0,5"], trained.path / "one")
    assert rows(trained.path / "one") == before
    assert not (trained.path / "seed=5").exists()


def test_a_place_that_cannot_be_written_is_one_sentence(small: list[str], tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="cannot write to the run directory"):
        sweep.sweep(CONFIG, small, ["ppo.seed=0,1"], tmp_path / "file" / "sweep")


@pytest.mark.slow
def test_a_member_that_diverges_is_marked_and_the_others_go_on(
    small: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, instant: Callable, capsys: pytest.CaptureFixture
) -> None:
    def diverging(algorithm: sweep.Population, length: int) -> Callable:
        chunk = instant(algorithm, length)

        def step(state: TrainState, count: int) -> tuple:
            sick = np.arange(length)[:, None] + np.asarray(state.iteration) >= np.array([3, 99])  # of the first member
            state, metrics = chunk(state, count)
            return state, metrics | {"value_loss": np.where(sick, np.nan, 0.0)}

        return step

    monkeypatch.setattr(sweep, "make_chunk", diverging)
    path, settings = tmp_path / "sweep", [*small, "ppo.iterations=6"]
    runs = sweep.sweep(CONFIG, settings, ["ppo.seed=0,1"], path, reporter=ConsoleReporter())
    sick, well = path / "seed=0", path / "seed=1"
    assert [row["iteration"] for row in rows(sick)] == [1, 2, 3]
    assert not (sick / "checkpoints").exists()
    assert [row["iteration"] for row in rows(well)] == [1, 2, 3, 4, 5, 6]
    assert saved(well) == [6]
    told = capsys.readouterr().err
    assert told.count("seed=0: diverged: value_loss is not a number in iteration 4") == 1
    assert "1 of 2 members" in told
    Console().print(sweep.table(runs))
    assert "diverged" in next(line for line in capsys.readouterr().out.splitlines() if "seed=0" in line)


@pytest.mark.slow
def test_ctrl_c_saves_every_member_and_says_how_to_go_on(
    small: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, instant: Callable, capsys: pytest.CaptureFixture
) -> None:
    def killed(algorithm: sweep.Population, length: int) -> Callable:
        chunk = instant(algorithm, length)

        def step(state: TrainState, count: int) -> tuple:
            os.kill(os.getpid(), signal.SIGINT)
            return chunk(state, count)

        return step

    monkeypatch.setattr(sweep, "make_chunk", killed)
    with pytest.raises(Interrupted, match="MEMBER") as stop:
        sweep.sweep(CONFIG, [*small, "ppo.iterations=100"], ["ppo.seed=0,1"], tmp_path / "sweep")
    assert stop.value.signal == signal.SIGINT
    assert f"train --resume '{tmp_path / 'sweep'}/MEMBER'" in str(stop.value)
    assert [saved(tmp_path / "sweep" / name) for name in ("seed=0", "seed=1")] == [[2], [2]]


@pytest.mark.slow
def test_the_measurement_compares_both_ways(
    small: list[str], instant: Callable, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jax, "clear_caches", lambda: None)  # those of the other tests
    monkeypatch.setattr(sweep, "_start", lambda amp: lambda: jnp.zeros(()))
    monkeypatch.setattr(sweep, "make_chunk", lambda algorithm, length: lambda state, count: (state, {}))
    members, ratio = sweep.measure(CONFIG, small, ["ppo.seed=0,1"])
    assert members == 2 and ratio > 0.0
    said = capsys.readouterr().err
    assert "at once: " in said and "one after another: " in said
