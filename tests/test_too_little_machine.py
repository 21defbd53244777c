"""A machine that is less than was hoped for: too little memory, a GPU that JAX does not find."""

from __future__ import annotations

from types import SimpleNamespace

import jax
import numpy as np
import pytest
from training_runs import SMALL, train

from playground_amp import builder
from playground_amp.builder import make_amp
from playground_amp.config import load_config, resolve
from playground_amp.core import console, devices
from playground_amp.core.errors import InputError
from playground_amp.doctor.machine import Machine, examine_machine
from playground_amp.training import loop
from playground_amp.training.footprint import footprint

FULL = "RESOURCE_EXHAUSTED: Out of memory while trying to allocate 12345 bytes."


def amp_of(*settings: str):
    return make_amp(resolve(load_config("ppo_amass_training", [*SMALL, *settings]), accelerator=False))


def test_the_setting_that_takes_most_memory_is_named_with_half_of_it(tmp_path, monkeypatch) -> None:
    def make_chunk(amp, length):
        def chunk(state, count):
            raise jax.errors.JaxRuntimeError(FULL)

        return chunk

    monkeypatch.setattr(loop, "make_chunk", make_chunk)
    with pytest.raises(
        InputError, match=r"lower env\.num_envs to 4, or the next of env\.num_envs 8 \(.*replay_size 64 "
    ):
        train(tmp_path / "run")


def test_a_device_that_is_full_ends_with_one_sentence_and_exit_code_2(monkeypatch, capsys) -> None:
    def full() -> None:
        raise jax.errors.JaxRuntimeError(FULL)

    with pytest.raises(SystemExit, match="2"):
        console.run(full)
    assert capsys.readouterr().err.startswith("error: out of memory; lower env.num_envs, ppo.batch_size")


def test_the_footprint_follows_its_settings_and_the_rollout_is_that_of_its_arrays() -> None:
    small, large = footprint(amp_of()), footprint(amp_of("env.num_envs=16", "amp.replay_size=128"))
    assert large["env.num_envs"] == pytest.approx(2 * small["env.num_envs"], rel=0.01)
    assert large["amp.replay_size"] == pytest.approx(2 * small["amp.replay_size"], rel=0.01)
    amp = amp_of()
    state = jax.eval_shape(amp.init, jax.random.key(0))
    rollout = jax.tree.leaves(jax.eval_shape(amp.collect, state, jax.random.key(0))[1])
    assert small["env.num_envs"] > sum(np.prod(leaf.shape) * leaf.dtype.itemsize for leaf in rollout)


@pytest.mark.parametrize(
    ("plugin", "gpu", "platforms", "visible", "backend", "said"),
    [
        (True, True, None, None, "cpu", "xla_cuda13 is installed, but did not start"),
        (True, False, None, None, "cpu", "sees no NVIDIA GPU"),
        (False, True, None, None, "cpu", "not installed: pip install"),
        (False, False, None, None, "cpu", ""),
        (True, True, "cpu", None, "cpu", ""),
        (True, True, None, "", "cpu", ""),
        (True, True, None, None, "gpu", ""),
    ],
)
def test_a_gpu_that_is_not_used_is_told_unless_by_choice(
    monkeypatch, tmp_path, plugin, gpu, platforms, visible, backend, said
) -> None:
    if gpu:
        (tmp_path / "0000:01:00.0").mkdir()
    monkeypatch.setattr(devices, "GPUS", tmp_path)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if visible is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    plugins = [SimpleNamespace(name="xla_cuda13")] if plugin else []
    monkeypatch.setattr(devices.importlib.metadata, "entry_points", lambda group: plugins)
    jax_here = SimpleNamespace(config=SimpleNamespace(jax_platforms=platforms), default_backend=lambda: backend)
    monkeypatch.setattr(devices, "jax", jax_here)
    found = devices.missing_accelerator()
    assert said in found
    assert bool(found) == bool(said)


def test_train_and_doctor_tell_of_a_gpu_that_is_not_used(monkeypatch, capsys) -> None:
    monkeypatch.setattr(builder, "missing_accelerator", lambda: "the plugin did not start")
    builder.resolve_here(load_config("ppo_amass_training"))
    assert "warning: training on the CPU: the plugin did not start" in capsys.readouterr().err
    machine = Machine("cpu", ("cpu",), 2, "native", 256, "yes", "off", 1e12, "the plugin did not start")
    (finding,) = examine_machine(machine)
    assert (finding.severity, finding.code) == ("warning", "accelerator")
    assert "the plugin did not start" in finding.sentence
