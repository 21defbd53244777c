"""A trained policy, to be called with observations."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import jax
import numpy as np
from numpy.typing import ArrayLike

from playground_amp.amp import AMP, TrainState
from playground_amp.builder import make_amp, resolve_to_evaluate
from playground_amp.envs.env import Env
from playground_amp.runs import run_directory
from playground_amp.runs.checkpoint import Checkpoints, tell_clips


class Policy:
    """The mean policy of a checkpoint: observations [..., O] -> actions [..., A].

    `env` is the environment that it was trained in: `env.observe` gives the observations, `env.step` takes the actions.
    """

    def __init__(self, env: Env, iteration: int, mean: Callable[[jax.Array], jax.Array]):
        self.env, self.iteration = env, iteration
        self._mean = jax.jit(mean)

    def __call__(self, observation: ArrayLike) -> np.ndarray:
        """Actions [..., A] before scaling: servo targets are the mean reference pose + action_scale x action, rad."""
        return np.asarray(self._mean(np.asarray(observation, np.float32)))


def load_policy(run: str | Path, checkpoint: str | int = "best") -> Policy:
    """The policy of a run (its folder, or its name in runs/) at a checkpoint: newest, best or an iteration.

    Raises InputError where there is none, and for a damaged one.
    """
    amp, state = restore_to_evaluate(run_directory.find_run(str(run)), checkpoint)
    params, statistics = state.policy.params.actor, state.statistics
    return Policy(amp.env, int(state.iteration), lambda observation: amp.policy(params, statistics, observation)[0])


def restore_to_evaluate(path: Path, checkpoint: str | int) -> tuple[AMP, TrainState]:
    """A run's algorithm on this machine, and its state at a checkpoint: newest, best or an iteration.

    Raises InputError where there is none, and for a damaged one.
    """
    amp = make_amp(resolve_to_evaluate(run_directory.read_config(path, [])))
    with Checkpoints(path / "checkpoints", read_only=True) as checkpoints:
        state, about = checkpoints.restore(amp, choose_iteration(checkpoints, checkpoint))
    tell_clips(about, amp)
    return amp, state


def choose_iteration(checkpoints: Checkpoints, which: str | int) -> int:
    """Iteration of the checkpoint that `which` names; best is the newest of a run that kept no scores."""
    return checkpoints.choose("newest" if which == "best" and checkpoints.best is None else which)
