"""A policy of several gaits: whether it does each on command, like that gait's clips, and changes between them."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from playground_amp.amp import AMP
from playground_amp.core.files import json_values
from playground_amp.envs.task import ahead
from playground_amp.evaluation.reference_cache import once_per_reference
from playground_amp.evaluation.rollout import CommandSchedule, Recording, constant_schedule, settled_steps
from playground_amp.evaluation.style import clip_windows, recording_windows
from playground_amp.motion.metrics import distribution_distance


@dataclasses.dataclass(frozen=True)
class GaitLabelEvaluation:
    """Means over the episodes in which one gait is commanded from start to end; NaN is what does not exist."""

    label: str
    episodes: int
    survival: float  # share of episodes that reached the time limit
    command: float  # m/s
    forward_velocity: float  # m/s
    distances: dict[str, float]  # Frechet distance of the motion from the clips of each label
    nearest: str  # label of the nearest clips


@dataclasses.dataclass(frozen=True)
class GaitEvaluation:
    """How a policy does each of its gaits, and how it changes from one to another."""

    gaits: tuple[GaitLabelEvaluation, ...]
    switches: int  # episodes in which the gait commanded changes half-way
    switch_survival: float  # share of those that reached the time limit

    def to_json(self) -> dict[str, Any]:
        """Everything, as JSON knows it: NaN is null."""
        return json_values(dataclasses.asdict(self))


def evaluate_gaits(amp: AMP, steady: Recording, switched: Recording) -> GaitEvaluation:
    """Evaluate episodes under `constant_schedule`, and others under `switching_schedule`."""
    label, clips = np.asarray(constant_schedule(amp, len(steady.command)).label[0]), windows_by_label(amp)
    return GaitEvaluation(
        gaits=tuple(_evaluate_label(amp, steady, label == i, i, clips) for i in range(amp.env.num_labels)),
        switches=len(switched.fell),
        switch_survival=float(1.0 - np.mean(switched.fell)),
    )


def gait_sentences(gaits: GaitEvaluation) -> list[str]:
    """One sentence on each gait, and one on the changes."""
    return [*(_sentence(gait) for gait in gaits.gaits), switch_sentence(gaits)]


def switch_sentence(gaits: GaitEvaluation) -> str:
    """One sentence on the changes half-way."""
    return f"another gait asked for half-way: {gaits.switch_survival:.0%} of {gaits.switches} episodes without a fall"


def _sentence(gait: GaitLabelEvaluation) -> str:
    distances = ", ".join(f"{distance:.2f} to {label}" for label, distance in gait.distances.items())
    return (
        f"asked for {gait.label}: {gait.survival:.0%} of {gait.episodes} episodes without a fall, "
        f"{gait.forward_velocity:.2f} m/s at {gait.command:.2f} commanded, distance from the clips {distances}"
    )


def switching_schedule(amp: AMP, episodes: int) -> CommandSchedule:
    """One gait for the first half of each episode and another for the second, every pair the same number of times."""
    first = jnp.arange(episodes) % amp.env.num_labels
    offset = 1 + jnp.arange(episodes) // amp.env.num_labels % (amp.env.num_labels - 1)
    label = jnp.stack([first, (first + offset) % amp.env.num_labels])
    return CommandSchedule(label=label, command=ahead(middle_speeds(amp)[label]))


def sequential_schedule(amp: AMP, episodes: int) -> CommandSchedule:
    """Every gait for an equal part of each episode, one after the other."""
    label = jnp.tile(jnp.arange(amp.env.num_labels)[:, None], (1, episodes))
    return CommandSchedule(label=label, command=ahead(middle_speeds(amp)[label]))


def middle_speeds(amp: AMP) -> jax.Array:
    """The forward speed [L] m/s in the middle of those of each gait's clips."""
    return amp.env.reference.gaits.speed_range.mean(axis=-1)


def _evaluate_label(
    amp: AMP, recording: Recording, episodes: np.ndarray, label: int, clips: Mapping[str, np.ndarray]
) -> GaitLabelEvaluation:
    """Of the `episodes` [B] (bool) in which gait `label` is commanded; `clips` are those of `windows_by_label`."""
    own = _episodes_of(recording, episodes)
    names, settled = amp.env.reference.gaits.names, settled_steps(amp, own)
    distances = distances_to(clips, recording_windows(amp, own))
    known = {name: distance for name, distance in distances.items() if not math.isnan(distance)}
    return GaitLabelEvaluation(
        label=names[label],
        episodes=int(episodes.sum()),
        survival=float(1.0 - own.fell.mean()),
        command=float(own.forward_command.mean()),
        forward_velocity=float(own.forward_velocity[settled].mean()) if settled.any() else math.nan,
        distances=distances,
        nearest=min(known, key=known.__getitem__) if known else "",
    )


def _episodes_of(recording: Recording, episodes: np.ndarray) -> Recording:
    """The `episodes` [B] (bool) of a recording."""
    own = jax.tree.map(lambda x: np.asarray(x)[:, episodes], recording.replace(fell=None, command=None))
    fell, command = np.asarray(recording.fell), np.asarray(recording.command)
    return own.replace(fell=fell[episodes], command=command[episodes])


@once_per_reference
def windows_by_label(amp: AMP) -> dict[str, np.ndarray]:
    """Windows [N, WINDOW * F] of normalised features of the training clips of each gait."""
    clips = amp.env.reference.clips.training
    by_label = {name: [clip for clip in clips if clip.label == name] for name in amp.env.reference.gaits.names}
    return {name: clip_windows(amp, group) for name, group in by_label.items()}


def distances_to(clips: Mapping[str, np.ndarray], windows: np.ndarray) -> dict[str, float]:
    """Frechet distance of `windows` [N, WINDOW * F] from those of the clips of each label."""
    return {name: distribution_distance.frechet(windows, known) for name, known in clips.items()}
