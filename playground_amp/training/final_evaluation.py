"""The end of a training: fresh episodes, their figures, the video and the report."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jax

from playground_amp.amp import AMP, TrainState
from playground_amp.evaluation.evaluate import evaluate
from playground_amp.evaluation.gait_labels import changes, evaluate_gaits, in_turn
from playground_amp.evaluation.rollout import record

FILMED = 8  # episodes of which the longest is filmed, where the video shows several gaits


def evaluate_and_show(path: Path, amp: AMP, state: TrainState, verdict: str) -> tuple[dict[str, Any], list[str]]:
    """Write evaluation.json, videos/ and report.html of the run in `path`; returns figures, and what to tell the user.

    `verdict` is what became of the run, for the top of the report.
    """
    from playground_amp.reporting.final_report import (  # imported late: rendering is not needed to train
        showcase,
        video_steps,
    )

    key, episodes = jax.random.key(amp.config.ppo.seed + 1), amp.config.logging.evaluation_episodes
    policy = state.policy.params.actor, state.statistics
    recording = record(amp, *policy, key, episodes)
    evaluation = evaluate(amp, recording)
    gaits = turns = None
    if amp.env.labelled:
        change_key, turn_key = jax.random.split(jax.random.fold_in(key, 1))
        changed = record(amp, *policy, change_key, episodes, changes(amp, episodes))
        gaits = evaluate_gaits(amp, recording, changed)
        if steps := video_steps(amp):
            turns = record(amp, *policy, turn_key, FILMED, in_turn(amp, FILMED), steps)
    notes = showcase(path, amp, recording, evaluation, verdict, gaits, turns)
    return {name: value for name, value in evaluation.to_json().items() if name != "speeds"}, notes
