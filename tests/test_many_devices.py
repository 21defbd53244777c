"""Many devices and processes: what they learn is what one learns, and who takes part in what."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import jax
import numpy as np
import pytest
from training_runs import SMALL

from playground_amp.config import load_config, resolve
from playground_amp.core import devices
from playground_amp.core.errors import InputError
from playground_amp.training import processes

TESTS = Path(__file__).parent
OVER_ITERATIONS = 3e-3  # relative; sums in another order differ by 1e-7, and 20 iterations of learning carry that on
TIMES = ("seconds", "env_steps_per_second")


def on(count: int) -> dict[str, str]:
    """The environment of a process with so many devices."""
    flags = f"{os.environ.get('XLA_FLAGS', '')} --xla_force_host_platform_device_count={count}"
    cache = jax.config.jax_compilation_cache_dir or ""
    always = {"JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0"}
    return {**os.environ, "XLA_FLAGS": flags, "JAX_COMPILATION_CACHE_DIR": cache, **always}


def command(run_dir: Path, *arguments: str) -> list[str]:
    small = [word for setting in [*SMALL, "ppo.iterations=20"] for word in ("--set", setting)]
    train = [sys.executable, "-m", "playground_amp", "train", "--config", "ppo_amass_training", *small]
    return [*train, "--resume", "auto", "--run-dir", str(run_dir), *arguments]


def train(run_dir: Path, *settings: str, count: int = 1) -> Path:
    """A run in one process of so many devices, begun or gone on with."""
    words = [word for setting in settings for word in ("--set", setting)]
    subprocess.run(command(run_dir, *words), env=on(count), check=True, timeout=600)
    return run_dir


def start_two(run_dir: Path, *settings: str) -> list[subprocess.Popen]:
    """The two processes of one run."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    words = ["--distributed", address, *(word for setting in settings for word in ("--set", setting))]
    return [
        subprocess.Popen(command(run_dir, *words, "--process", f"{i}/2"), env=on(1), stderr=subprocess.PIPE, text=True)
        for i in range(2)
    ]


def ended(processes: Sequence[subprocess.Popen]) -> list[tuple[int, str]]:
    """Exit code and sentences of each process."""
    said = [process.communicate(timeout=600)[1] for process in processes]
    return [(process.returncode, text) for process, text in zip(processes, said, strict=True)]


def curve(run_dir: Path) -> list[dict[str, float]]:
    rows = [json.loads(line) for line in (run_dir / "metrics.jsonl").read_text().splitlines()]
    return [{name: value for name, value in row.items() if name not in TIMES} for row in rows]


def assert_same_curve(one: Path, other: Path) -> None:
    assert [row["iteration"] for row in curve(other)] == list(range(1, 21))
    for a, b in zip(curve(one), curve(other), strict=True):
        np.testing.assert_allclose(list(a.values()), [b[name] for name in a], rtol=OVER_ITERATIONS, atol=1e-3)


def test_two_devices_learn_what_one_learns() -> None:
    script = TESTS / "learning_on_two_devices.py"
    done = subprocess.run([sys.executable, str(script)], env=on(2), capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("settings", "local", "sentence"),
    [
        (["env.physics=native"], 2, "one process for each device"),
        (["env.physics=mjx", "env.num_envs=7", "ppo.batch_size=7"], 2, r"env\.num_envs is 7, which 2 .* are 6 and 8"),
        (["env.num_envs=8", "ppo.batch_size=1"], 1, r"ppo\.batch_size is 1, which 2 .* are 2 and 2"),
        (["amp.batch_size=513"], 1, r"amp\.batch_size is 513"),
    ],
)
def test_what_devices_cannot_share_is_refused(monkeypatch, settings, local, sentence) -> None:
    config = resolve(load_config("ppo_amass_training", settings), accelerator=False)
    processes.check_shares(config)
    monkeypatch.setattr(jax, "device_count", lambda: 2)
    monkeypatch.setattr(jax, "local_device_count", lambda: local)
    with pytest.raises(InputError, match=sentence):
        processes.check_shares(config)


def test_native_physics_is_shared_by_processes_of_one_device_each(monkeypatch) -> None:
    monkeypatch.setattr(jax, "device_count", lambda: 2)
    processes.check_shares(resolve(load_config("ppo_amass_training"), accelerator=False))


@pytest.mark.parametrize(
    ("address", "process", "sentence"),
    [
        ("node1", "0/2", "HOST:PORT of process 0"),
        ("node1:8476", None, "expected INDEX/COUNT"),
        ("node1:8476", "2/2", "'2/2'.*such as 0/2 and 1/2"),
        ("auto", "0/2", "goes with --distributed HOST:PORT"),
    ],
)
def test_a_place_among_processes_that_is_none_is_refused(address, process, sentence) -> None:
    with pytest.raises(InputError, match=sentence):
        processes.join(address, process)


@pytest.mark.parametrize(
    ("error", "sentence"),
    [(ValueError("no coordinator"), "no job of Slurm"), (RuntimeError("DEADLINE"), r"did not meet .*\(DEADLINE\)")],
)
def test_processes_that_are_not_found_are_told_in_one_sentence(monkeypatch, error, sentence) -> None:
    def initialize(**_: object) -> None:
        raise error

    monkeypatch.setattr(jax.distributed, "initialize", initialize)
    with pytest.raises(InputError, match=sentence):
        processes.join("auto", None)


def test_one_process_agrees_with_itself() -> None:
    assert devices.largest([0, 15, True]) == [0, 15, True]


@pytest.mark.slow
def test_any_number_of_devices_gives_one_curve_and_takes_up_the_checkpoints_of_any_other(tmp_path) -> None:
    mjx, half = "env.physics=mjx", "ppo.iterations=10"
    one = train(tmp_path / "one", mjx)
    assert_same_curve(one, train(tmp_path / "two", mjx, count=2))
    assert_same_curve(one, train(tmp_path / "four", mjx, count=4))
    for name, before, after in (("fewer", 4, 1), ("more", 1, 4)):
        train(tmp_path / name, mjx, half, count=before)
        assert_same_curve(one, train(tmp_path / name, mjx, count=after))


@pytest.mark.slow
def test_two_processes_give_the_curve_of_one_and_process_0_alone_writes_it(tmp_path) -> None:
    one = train(tmp_path / "one")
    (leader, said), (follower, heard) = ended(start_two(tmp_path / "two"))
    assert (leader, follower) == (0, 0), said + heard
    assert "on 2 x cpu in 2 processes" in said
    assert "run: " not in heard
    assert_same_curve(one, tmp_path / "two")
    assert_same_curve(one, train_on(tmp_path, one))


def train_on(tmp_path: Path, one: Path) -> Path:
    """A run that two processes began, stopped by a signal to the follower alone, and one process ends."""
    run_dir = tmp_path / "begun"
    both = start_two(run_dir, "logging.checkpoint_interval=4")
    wait_for(run_dir / "checkpoints" / "4", both)
    both[1].send_signal(signal.SIGTERM)
    assert [code for code, _ in ended(both)] == [128 + signal.SIGTERM] * 2
    return train(run_dir)


@pytest.mark.slow
@pytest.mark.parametrize("killed", [0, 1])
def test_a_process_that_is_killed_ends_the_others_and_all_go_on_by_the_same_line(tmp_path, killed) -> None:
    whole, run_dir = train(tmp_path / "one"), tmp_path / "two"
    both = start_two(run_dir, "logging.checkpoint_interval=4")
    wait_for(run_dir / "checkpoints" / "4", both)
    both[killed].kill()
    (code, said) = ended(both)[1 - killed]
    assert code != 0
    if killed == 1:
        assert "another process of this training is gone" in said, said
        assert "Traceback" not in said
    both = ended(start_two(run_dir))
    assert [code for code, _ in both] == [0, 0], both
    assert "resuming" in both[0][1]
    assert_same_curve(whole, run_dir)


@pytest.mark.slow
def test_bad_input_is_told_by_process_0_and_ends_both(tmp_path) -> None:
    (leader, said), (follower, heard) = ended(start_two(tmp_path / "two", "env.num_envs=7", "ppo.batch_size=7"))
    assert (leader, follower) == (2, 2), said + heard
    assert "env.num_envs is 7" in said
    assert "env.num_envs is 7" not in heard
    assert not (tmp_path / "two").exists()


def wait_for(path: Path, both: Sequence[subprocess.Popen]) -> None:
    end = time.monotonic() + 600
    while not path.exists():
        assert time.monotonic() < end
        assert all(process.poll() is None for process in both), ended(both)
        time.sleep(0.05)
