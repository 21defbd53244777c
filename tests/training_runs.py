"""Small trainings for tests: what the command line asks for, and the folder of what came of it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import jax
import numpy as np
import pytest

from playground_amp.amp import AMP
from playground_amp.builder import make_amp
from playground_amp.config import LoggingConfig, ResolvedConfig, load_config
from playground_amp.core.console import ConsoleReporter
from playground_amp.training import loop, trainer

SMALL = [
    "env.num_envs=8",
    "ppo.rollout_length=4",
    "ppo.epochs=2",
    "ppo.iterations=4",
    "networks.actor=[16]",
    "networks.critic=[16]",
    "amp.hidden=[16]",
    "amp.batch_size=16",
    "amp.replay_size=64",
    "env.episode_length=6",
    "logging.interval=2",
    "logging.checkpoint_interval=2",
    "logging.wandb=off",
    "logging.evaluation_episodes=0",
]

STARTS: dict[Hashable, Callable] = {}
CHUNKS: dict[Hashable, loop.Chunk] = {}
make_chunk = loop.make_chunk


def program_of(amp: AMP) -> Hashable:
    """What an iteration is compiled from: all settings but those of the log and the length, the clips, the task."""
    ppo = dataclasses.replace(amp.config.ppo, iterations=1)
    settings = dataclasses.replace(amp.config, logging=LoggingConfig(), ppo=ppo)
    return repr(settings), amp.env.reference.clip_set.sha256, type(amp.env.task)


def make_instant_chunk(amp: AMP, length: int) -> loop.Chunk:
    """Iterations that are counted and compute nothing, for tests of what happens around them."""

    def chunk(state, count):
        metrics = {
            "loss": np.zeros(length),
            "episode_length": np.full(length, 6.0),
            "forward_velocity": np.zeros(length),
            "task_reward": np.full(length, 1.0 / (1 + state.iteration)),  # the first checkpoint is the best
        }
        return state.replace(iteration=state.iteration + count), metrics

    return chunk


@contextmanager
def compiled_once() -> Iterator[None]:
    """Trainings that are the same program are compiled the first time only, which takes most of the time of each."""

    def make_sharing(config: ResolvedConfig) -> AMP:
        amp = make_amp(config)
        amp.init = STARTS.setdefault(program_of(amp), jax.jit(amp.init))
        return amp

    def make_shared_chunk(amp: AMP, length: int) -> loop.Chunk:
        program = (program_of(amp), length)
        if program not in CHUNKS:
            CHUNKS[program] = make_chunk(amp, length)
        return CHUNKS[program]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(trainer, "make_amp", make_sharing)
        if loop.make_chunk is make_chunk:  # else a test has another in its place
            patch.setattr(loop, "make_chunk", make_shared_chunk)
        yield


def train(run_dir: Path, *overrides: str, config: str = "ppo_amass_training") -> Path:
    """The folder of a new run of a few small iterations."""
    with compiled_once():
        return trainer.train(load_config(config, [*SMALL, *overrides]), run_dir, reporter=ConsoleReporter()).path


def resume(
    name: str | Path, overrides: Sequence[str] = (), checkpoint: str = "newest", run_dir: Path | None = None
) -> Path:
    """The folder of the run that goes on."""
    with compiled_once():
        return trainer.resume(name, overrides, checkpoint=checkpoint, run_dir=run_dir, reporter=ConsoleReporter()).path


def start_or_resume(
    config: str | None,
    overrides: Sequence[str],
    run_dir: Path | None,
    name: str | None,
    checkpoint: str | None = None,
) -> Path:
    """As the command line asks for it."""
    with compiled_once():
        return trainer.start_or_resume(
            config, overrides, run_dir=run_dir, resume_name=name, checkpoint=checkpoint, reporter=ConsoleReporter()
        ).path
