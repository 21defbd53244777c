"""The end of a training: fresh episodes, their figures, the video and the report."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp

from playground_amp.amp import AMP, TrainState
from playground_amp.config import asks_for_every_way
from playground_amp.evaluation.command_grid import evaluate_grid, grid_of, tour_of
from playground_amp.evaluation.evaluate import evaluate
from playground_amp.evaluation.gait_labels import evaluate_gaits, sequential_schedule, switching_schedule
from playground_amp.evaluation.rollout import CommandSchedule, record

GRID_EPISODES = 8  # at most, of each command
FILMED = 8  # episodes of which the longest becomes the video that shows several gaits or commands


def evaluate_and_show(path: Path, amp: AMP, state: TrainState, health: str) -> tuple[dict[str, Any], list[str]]:
    """Evaluate the policy of `state`, and write evaluation.json, videos/ and report.html of the run in `path`.

    Returns the figures of the evaluation, and sentences that tell of all this. `health` is what became of the run, for
    the top of the report.
    """
    from playground_amp.evaluation.reporting.film import video_steps  # imported late: rendering is not needed to train
    from playground_amp.evaluation.reporting.final_report import write_final_report

    key, episodes = jax.random.key(amp.config.ppo.seed + 1), amp.config.logging.evaluation_episodes
    params, statistics = state.policy.params.actor, state.statistics
    recording = record(amp, params, statistics, key, episodes)
    evaluation = evaluate(amp, recording)
    gaits = gaits_in_turn = None
    if amp.env.labelled:
        change_key, turn_key = jax.random.split(jax.random.fold_in(key, 1))
        schedule = switching_schedule(amp, episodes)
        gaits = evaluate_gaits(amp, recording, record(amp, params, statistics, change_key, episodes, schedule))
        if steps := video_steps(amp):
            schedule = sequential_schedule(amp, FILMED)
            gaits_in_turn = record(amp, params, statistics, turn_key, FILMED, schedule, steps)
    grid = tour = None
    if not amp.env.labelled and asks_for_every_way(amp.env.config.command):
        commands = grid_of(amp.env.config.command)
        each = max(1, min(GRID_EPISODES, episodes // 8))
        grid = evaluate_grid(amp, params, statistics, jax.random.fold_in(key, 2), commands, each)
        if video_steps(amp):
            turns = tour_of(amp.env.config.command)
            schedule = CommandSchedule(
                jnp.zeros((len(turns), FILMED), jnp.int32), jnp.repeat(jnp.asarray(turns)[:, None], FILMED, axis=1)
            )
            tour = turns, record(amp, params, statistics, jax.random.fold_in(key, 3), FILMED, schedule)
    notes = write_final_report(
        path, amp, recording, evaluation, health=health, gaits=gaits, gaits_in_turn=gaits_in_turn, grid=grid, tour=tour
    )
    return {name: value for name, value in evaluation.to_json().items() if name != "speeds"}, notes
