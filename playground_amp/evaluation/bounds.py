"""The bounds of a robot that walks, and walks like its reference; which figures of an evaluation are out of them."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping

from playground_amp.amp import AMP
from playground_amp.config import FittedEnvConfig
from playground_amp.evaluation.evaluate import Evaluation, speed_near
from playground_amp.evaluation.rollout import Recording

BOUNDS = {  # figure -> its least and its greatest value, in the figure's unit
    "episode_length": (0.9, 1.0),  # times the time limit
    "velocity_error": (0.0, 0.1),
    "speed_at_0.6": (0.5, math.inf),  # where 0.6 m/s is commanded
    "alternation": (0.95, 1.0),
    "step_asymmetry": (0.0, 0.10),
    "duty_factor": (0.5, 0.75),
    "cadence_error": (0.0, 0.15),
    "step_length_error": (0.0, 0.20),
}
OF_PACE = ("cadence_error", "step_length_error")  # figures that compare with the pace of the clips


def bounds(config: FittedEnvConfig, *, labelled: bool = False) -> dict[str, tuple[float, float]]:
    """BOUNDS for an environment: lengths in control steps, nothing of a speed that is never commanded.

    With `labelled` gaits the speeds commanded are those of their clips.
    """
    low, high = config.command.forward
    shortest, longest = BOUNDS["episode_length"]
    commanded = low <= 0.6 <= high and not labelled
    found = {name: limits for name, limits in BOUNDS.items() if name != "speed_at_0.6" or commanded}
    return found | {"episode_length": (shortest * config.episode_length, longest * config.episode_length)}


def figures(amp: AMP, recording: Recording, evaluation: Evaluation) -> dict[str, float]:
    """The numbers of an evaluation, and `speed_at_0.6`, m/s, of the episodes in which 0.6 m/s is commanded."""
    numbers = {name: value for name, value in dataclasses.asdict(evaluation).items() if name != "speeds"}
    return numbers | {"speed_at_0.6": speed_near(amp, recording, 0.6)}


def faults(figures: Mapping[str, float], config: FittedEnvConfig, *, labelled: bool = False) -> list[str]:
    """Names of the figures that are out of bounds; what does not exist is.

    A robot that walks is not held to the pace of clips that are too short to have one.
    """
    limits = bounds(config, labelled=labelled)
    if math.isnan(figures["cadence_error"]) and figures["cadence"] > 0.0:
        limits = {name: limit for name, limit in limits.items() if name not in OF_PACE}
    if math.isnan(figures.get("speed_at_0.6", 0.0)) and not math.isnan(figures.get("forward_velocity", math.nan)):
        limits = {name: limit for name, limit in limits.items() if name != "speed_at_0.6"}  # too few episodes for it
    return [name for name, (low, high) in limits.items() if not low <= figures[name] <= high]
