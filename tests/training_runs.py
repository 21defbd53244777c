"""Small trainings for tests: what the command line asks for, and the folder of what came of it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from playground_amp.config import load_config
from playground_amp.core.console import ConsoleReporter
from playground_amp.training import trainer

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


def train(run_dir: Path, *overrides: str, config: str = "ppo_amass_training") -> Path:
    """The folder of a new run of a few small iterations."""
    return trainer.train(load_config(config, [*SMALL, *overrides]), run_dir, reporter=ConsoleReporter()).path


def resume(
    name: str | Path, overrides: Sequence[str] = (), checkpoint: str = "newest", run_dir: Path | None = None
) -> Path:
    """The folder of the run that goes on."""
    return trainer.resume(name, overrides, checkpoint=checkpoint, run_dir=run_dir, reporter=ConsoleReporter()).path


def start_or_resume(
    config: str | None,
    overrides: Sequence[str],
    run_dir: Path | None,
    name: str | None,
    checkpoint: str | None = None,
) -> Path:
    """As the command line asks for it."""
    return trainer.start_or_resume(
        config, overrides, run_dir=run_dir, resume_name=name, checkpoint=checkpoint, reporter=ConsoleReporter()
    ).path
