"""The Python interface: what `import playground_amp` gives, and that importing changes nothing."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
from pathlib import Path

import jax
import numpy as np
import pytest
from training_runs import SMALL, compiled_once

import playground_amp
from playground_amp import InputError, load_config, load_policy, make_amp, train
from playground_amp.config import Config, ResolvedConfig, resolve
from playground_amp.training.run import Run

IMPORTING = """
import json, logging, os, sys
before = dict(os.environ)
import playground_amp
quick = "jax" in sys.modules
from playground_amp import *
import playground_amp.evaluation.reporting.final_report, playground_amp.retargeting.batch, playground_amp.training.sweep
import playground_amp.doctor
import matplotlib
unchosen = matplotlib.rcParams._get_backend_or_none() is None
levels = [logging.getLogger(name).level for name in ("", "absl", "jax", "playground_amp")]
print(json.dumps([quick, before == dict(os.environ), unchosen, levels]))
"""


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run from Python, four small iterations."""
    with compiled_once():
        return train(load_config("ppo_amass_training", SMALL), tmp_path_factory.mktemp("runs") / "api")


def test_importing_sets_nothing_prints_nothing_and_waits_with_jax() -> None:
    done = subprocess.run([sys.executable, "-c", IMPORTING], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == [False, True, True, [logging.WARNING, 0, 0, 0]]
    assert done.stderr == ""


def test_every_name_of_the_interface_is_there() -> None:
    for name in playground_amp.__all__:
        assert getattr(playground_amp, name) is not None
        assert name in dir(playground_amp)
    with pytest.raises(AttributeError, match="no attribute 'trian'"):
        playground_amp.trian  # noqa: B018


def test_training_returns_its_run_and_prints_nothing(
    tmp_path: Path, capfd: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    logger = logging.getLogger("playground_amp")
    monkeypatch.setattr(logger, "handlers", [])  # those of the command line
    rows: list = []
    with compiled_once():
        run = train(load_config("ppo_amass_training", SMALL), tmp_path / "run", callback=rows.append)
    assert capfd.readouterr() == ("", "")
    assert [row["iteration"] for row in rows] == [1, 2, 3, 4] and run.path == tmp_path / "run"


@pytest.mark.slow
def test_a_callback_ends_a_training_which_is_saved_and_gone_on_with(tmp_path: Path) -> None:
    def enough(row: dict) -> bool:
        return row["iteration"] >= 2

    with compiled_once():
        run = train(load_config("ppo_amass_training", SMALL), tmp_path / "run", callback=enough)
        assert len(run.metrics()["iteration"]) == 2
        again = playground_amp.resume(run.path)
    assert len(again.metrics()["iteration"]) == 4


def test_metrics_are_columns(run: Run) -> None:
    metrics = run.metrics()
    assert {"disc_real_mean", "disc_fake_mean", "amp_reward", "env_steps"} <= set(metrics)
    assert all(values.shape == (4,) for values in metrics.values())


def test_a_run_is_found_by_its_name_and_knows_its_configuration(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(run.path.parent)
    assert Run.find("api").path == Path("api")
    assert run.config.ppo.iterations == 4
    with pytest.raises(InputError, match="there is no run 'apj'"):
        Run.find("apj")


def test_a_loaded_policy_acts_as_in_training(run: Run) -> None:
    policy = load_policy(run.path, "newest")
    env = policy.env
    state = jax.jit(lambda key: env.reset(key, 3))(jax.random.key(0))
    observation, _ = env.observe(state)
    action = policy(observation)
    assert action.shape == (3, env.num_actions) and action.dtype == np.float32
    np.testing.assert_allclose(policy(observation[0]), action[0], atol=1e-5)
    state, outcome = jax.jit(env.step)(state, action)
    assert np.isfinite(outcome.task_reward).all()
    assert run.policy("2").iteration == run.policy(2).iteration == 2 and policy.iteration == 4


def test_a_run_is_evaluated_from_python(run: Run) -> None:
    found = run.evaluate("newest", episodes=2)
    assert (found.iteration, found.evaluation.episodes) == (4, 2)
    assert set(found.faults) <= set(found.limits)


def test_what_is_resolved_is_another_type() -> None:
    config = load_config("ppo_amass_training", SMALL[:1])
    assert type(config) is Config and config.ppo.batch_size == "auto"
    numbers = resolve(config, accelerator=False)
    assert isinstance(numbers, ResolvedConfig) and isinstance(numbers.ppo.batch_size, int)
    assert numbers.steps_per_iteration == 8 * config.ppo.rollout_length
    assert resolve(numbers, accelerator=True) == numbers


def test_an_algorithm_is_made_of_a_configuration_that_is_not_resolved_yet() -> None:
    amp = make_amp(load_config("ppo_amass_training", SMALL))
    assert isinstance(amp.config, ResolvedConfig)


def test_a_clip_that_ships_is_found_from_anywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    clip = playground_amp.load_clip("data/wildrobot/walk_0.6_a.npz", playground_amp.load_robot("wildrobot"))
    assert clip.qpos.shape[1] == 16
    with pytest.raises(InputError, match=r"there is no clip 'mine\.npz'"):
        playground_amp.load_clip("mine.npz", playground_amp.load_robot("wildrobot"))
