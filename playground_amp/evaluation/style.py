"""Style: windows of normalised AMP features, of episodes and of clips, and how far the ones are from the others."""

from __future__ import annotations

from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np

from playground_amp.amp import AMP
from playground_amp.core.types import Frame
from playground_amp.evaluation.reference_cache import once_per_reference
from playground_amp.evaluation.rollout import Recording, settled_steps
from playground_amp.motion.clip import MotionClip
from playground_amp.motion.features import amp_features
from playground_amp.motion.metrics import distribution_distance
from playground_amp.motion.reference_builder import clip_motions, motion_features

_amp_features = jax.jit(amp_features, static_argnames=("dt", "contact_clearance"))


def recording_windows(amp: AMP, recording: Recording) -> np.ndarray:
    """Windows [N, WINDOW * F] of normalised features of all episodes, where they have settled."""
    return episode_windows(amp, recording, np.arange(recording.qpos.shape[1]))


def episode_windows(amp: AMP, recording: Recording, episodes: np.ndarray) -> np.ndarray:
    """Windows [N, WINDOW * F] of normalised features of some episodes, by their indices, where they have settled."""
    qpos = jnp.asarray(recording.qpos)[:, episodes]
    frames = Frame(
        root_pos=qpos[..., :3],
        root_quat=qpos[..., 3:7],
        joint_pos=qpos[..., 7:],
        pad_height=jnp.asarray(recording.pad_height)[:, episodes],
    )
    previous, current = jax.tree.map(lambda x: x[:-1], frames), jax.tree.map(lambda x: x[1:], frames)
    clearance = amp.env.robot.contact_clearance
    steps = _amp_features(previous, current, dt=amp.env.config.control_dt, contact_clearance=clearance)
    features = np.asarray(amp.env.reference.normalizer(steps))
    measured = settled_steps(amp, recording)[:, episodes]
    both = measured[1:] & measured[:-1]  # a step has two frames
    return distribution_distance.all_windows(features[both[:, i], i] for i in range(both.shape[1]))


def clip_windows(amp: AMP, clips: Sequence[MotionClip]) -> np.ndarray:
    """Windows [N, WINDOW * F] of normalised features of clips, with their reflections where the reference has them."""
    if not clips:
        return distribution_distance.all_windows([])
    reference = amp.env.reference
    motions = clip_motions(clips, amp.env.robot, mirror=reference.clip_set.mirror)
    features = motion_features(motions, amp.env.robot, control_dt=amp.env.config.control_dt)
    return distribution_distance.all_windows(np.asarray(reference.normalizer(jnp.asarray(steps))) for steps in features)


@once_per_reference
def training_windows(amp: AMP) -> np.ndarray:
    """Windows [N, WINDOW * F] of the training clips."""
    return clip_windows(amp, amp.env.reference.clips.training)


@once_per_reference
def held_out_windows(amp: AMP) -> np.ndarray:
    """Windows [N, WINDOW * F] of the held-out clips; none, where there are no such clips."""
    return clip_windows(amp, amp.env.reference.clips.held_out)


def training_distances(amp: AMP, windows: np.ndarray) -> dict[str, float]:
    """Distances of `windows` [N, WINDOW * F] from those of the training clips, under the names of Evaluation."""
    distance, p = distribution_distance.kernel(windows, training_windows(amp))
    frechet = distribution_distance.frechet(windows, training_windows(amp))
    return {"style_frechet": frechet, "style_kernel": distance, "style_kernel_p": p}


def held_out_distances(amp: AMP, windows: np.ndarray) -> dict[str, float]:
    """Distances of `windows` [N, WINDOW * F] from those of the held-out clips, under the names of Evaluation."""
    distance, _ = distribution_distance.kernel(windows, held_out_windows(amp))
    return {
        "held_out_frechet": distribution_distance.frechet(windows, held_out_windows(amp)),
        "held_out_kernel": distance,
    }
