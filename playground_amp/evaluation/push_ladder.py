"""A ladder of pushes: how a policy bears changes of the root's velocity of growing size, with intervals of 95 %."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import numpy as np

from playground_amp.amp import AMP, Statistics
from playground_amp.config import RandomizeConfig
from playground_amp.core.errors import InputError
from playground_amp.core.files import json_values
from playground_amp.core.reporter import SILENT, Reporter
from playground_amp.evaluation.intervals import Interval, bootstrap, wilson
from playground_amp.evaluation.policy import restore_to_evaluate
from playground_amp.evaluation.rollout import Recording, make_recorder, settled_steps
from playground_amp.runs import run_directory

LADDER = (0.0, 0.1, 0.2, 0.3, 0.5, 0.8)  # m/s
EVERY = 2.0  # s from one push of an episode to the next


@dataclass(frozen=True)
class Rung:
    """Episodes under pushes of one size, each in a random horizontal direction."""

    push: float  # m/s, change of the root's velocity
    episodes: int
    survival: float  # share of episodes without a fall
    survival_interval: Interval
    velocity_error: (
        float  # m/s, mean over episodes of the distance of the mean velocity from the command; NaN: all fell
    )
    velocity_interval: Interval

    def to_json(self) -> dict[str, Any]:
        """Plain values; NaN is null."""
        return json_values(dataclasses.asdict(self))


def evaluate_pushes(
    amp: AMP,
    params: dict,
    statistics: Statistics,
    *,
    pushes: Sequence[float] = LADDER,
    episodes: int = 64,
    seed: int = 1,
    steps: int | None = None,
) -> list[Rung]:
    """One rung for each of `pushes` m/s, all of them from the same starts with the same commands and directions.

    The policy is that of `params`, the actor's, whose observations are normalised by `statistics`.
    """
    every = round(EVERY / amp.env.config.control_dt)
    off = {"env.randomize": RandomizeConfig(push_interval=every)}

    @jax.jit
    def record(push: jax.Array, params: dict, statistics: Statistics, key: jax.Array) -> Recording:
        pushed = amp.with_hyperparams(off | {"env.randomize.push": (push, push)})
        return make_recorder(pushed, episodes, steps=steps, nominal=False)(params, statistics, key)

    found = []
    for push in pushes:
        recording = jax.device_get(record(np.float32(push), params, statistics, jax.random.key(seed)))
        found.append(_rung(push, amp, recording, seed))
    return found


def _rung(push: float, amp: AMP, recording: Recording, seed: int) -> Rung:
    survived, errors = ~np.asarray(recording.fell), _velocity_errors(amp, recording)
    return Rung(
        push=push,
        episodes=len(survived),
        survival=float(survived.mean()),
        survival_interval=wilson(int(survived.sum()), len(survived)),
        velocity_error=float(errors.mean()) if len(errors) else np.nan,
        velocity_interval=bootstrap(errors, seed),
    )


def _velocity_errors(amp: AMP, recording: Recording) -> np.ndarray:
    """Of the episodes that last beyond their first second, [N] m/s."""
    settled = settled_steps(amp, recording)[..., None]
    lasting = settled[..., 0].any(axis=0)
    velocity = np.asarray(recording.velocity)[..., :2]
    mean = np.where(settled, velocity, 0.0).sum(axis=0) / np.maximum(settled.sum(axis=0), 1)
    return np.linalg.norm(mean - np.asarray(recording.command)[:, :2], axis=-1)[lasting]


def evaluate_run_under_pushes(
    path: Path, *, checkpoint: str | int = "best", episodes: int = 64, seed: int = 1, reporter: Reporter = SILENT
) -> tuple[int, list[Rung]]:
    """Iteration and rungs of a checkpoint; raises InputError for what the run does not have."""
    if checkpoint == "all":
        raise InputError("--checkpoint all has no pushes; give newest, best or an iteration")
    if not run_directory.has_checkpoint(path):
        raise InputError(f"'{path}' holds no checkpoint to evaluate yet")
    with reporter.status(f"evaluating {path} under pushes"):
        amp, state = restore_to_evaluate(path, checkpoint)
        params, statistics = state.policy.params.actor, state.statistics
        return int(state.iteration), evaluate_pushes(amp, params, statistics, episodes=episodes, seed=seed)
