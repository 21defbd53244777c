"""A policy of several gaits: whether each is done when asked for, like its own clips, and can be changed half-way."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping

import jax
import jax.numpy as jnp
import numpy as np

from playground_amp.amp import AMP
from playground_amp.evaluation.reference_cache import once_per_reference
from playground_amp.evaluation.rollout import CommandSchedule, Recording, one_each, settled
from playground_amp.evaluation.style import clip_windows, recording_windows
from playground_amp.metrics import distribution_distance


@dataclasses.dataclass(frozen=True)
class GaitLabelEvaluation:
    """Means over the episodes that were asked for one gait from start to end."""

    label: str
    episodes: int
    survival: float  # share of episodes that reached the time limit
    command: float  # m/s
    forward_velocity: float  # m/s
    distances: dict[str, float]  # Frechet distance of the motion from the clips of each label
    nearest: str  # label of the nearest clips


@dataclasses.dataclass(frozen=True)
class GaitEvaluation:
    """What a policy makes of its labels."""

    gaits: tuple[GaitLabelEvaluation, ...]
    switches: int  # episodes in which another gait was asked for half-way
    switch_survival: float  # share of those that reached the time limit


def evaluate_gaits(amp: AMP, steady: Recording, changed: Recording) -> GaitEvaluation:
    """Of episodes that were asked for what `one_each` says, and of others asked for what `changes` says."""
    asked, clips = np.asarray(one_each(amp, len(steady.command)).label[0]), windows_by_label(amp)
    return GaitEvaluation(
        gaits=tuple(_gait(amp, steady, asked == i, i, clips) for i in range(amp.env.num_labels)),
        switches=len(changed.fell),
        switch_survival=float(1.0 - np.mean(changed.fell)),
    )


def sentences(gaits: GaitEvaluation) -> list[str]:
    """One for each gait, and one for the changes."""
    return [*map(_sentence, gaits.gaits), switching(gaits)]


def switching(gaits: GaitEvaluation) -> str:
    """One sentence on the changes half-way."""
    return f"another gait asked for half-way: {gaits.switch_survival:.0%} of {gaits.switches} episodes without a fall"


def _sentence(gait: GaitLabelEvaluation) -> str:
    distances = ", ".join(f"{distance:.2f} to {label}" for label, distance in gait.distances.items())
    return (
        f"asked for {gait.label}: {gait.survival:.0%} of {gait.episodes} episodes without a fall, "
        f"{gait.forward_velocity:.2f} m/s at {gait.command:.2f} commanded, distance from the clips {distances}"
    )


def changes(amp: AMP, episodes: int) -> CommandSchedule:
    """One gait for the first half of each episode and another for the second, every pair the same number of times."""
    first = jnp.arange(episodes) % amp.env.num_labels
    step = 1 + jnp.arange(episodes) // amp.env.num_labels % (amp.env.num_labels - 1)
    label = jnp.stack([first, (first + step) % amp.env.num_labels])
    return CommandSchedule(label=label, command=middle_speeds(amp)[label])


def in_turn(amp: AMP, episodes: int) -> CommandSchedule:
    """Every gait for an equal part of each episode, one after the other."""
    label = jnp.tile(jnp.arange(amp.env.num_labels)[:, None], (1, episodes))
    return CommandSchedule(label=label, command=middle_speeds(amp)[label])


def middle_speeds(amp: AMP) -> jax.Array:
    """The speed [L] m/s in the middle of those of each gait's clips."""
    return amp.env.reference.gaits.speed_range.mean(axis=-1)


def _gait(
    amp: AMP, recording: Recording, mine: np.ndarray, label: int, clips: Mapping[str, np.ndarray]
) -> GaitLabelEvaluation:
    """Of the episodes `mine` [B] (bool), which were asked for gait `label`; `clips` are those of `windows_by_label`."""
    own = jax.tree.map(lambda x: np.asarray(x)[mine] if x.ndim == 1 else np.asarray(x)[:, mine], recording)
    names, frames = amp.env.reference.gaits.names, settled(amp, own)
    distances = distances_to(clips, recording_windows(amp, own))
    known = {name: distance for name, distance in distances.items() if not math.isnan(distance)}
    return GaitLabelEvaluation(
        label=names[label],
        episodes=int(mine.sum()),
        survival=float(1.0 - own.fell.mean()),
        command=float(own.command.mean()),
        forward_velocity=float(own.forward_velocity[frames].mean()) if frames.any() else math.nan,
        distances=distances,
        nearest=min(known, key=known.__getitem__) if known else "",
    )


@once_per_reference
def windows_by_label(amp: AMP) -> dict[str, np.ndarray]:
    """Windows [N, WINDOW * F] of the training clips of each gait."""
    clips = amp.env.reference.clips.training
    by_label = {name: [clip for clip in clips if clip.label == name] for name in amp.env.reference.gaits.names}
    return {name: clip_windows(amp, group) for name, group in by_label.items()}


def distances_to(clips: Mapping[str, np.ndarray], rows: np.ndarray) -> dict[str, float]:
    """Frechet distance of windows `rows` [N, WINDOW * F] from those of each label."""
    return {name: distribution_distance.frechet(rows, windows) for name, windows in clips.items()}
