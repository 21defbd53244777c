"""The reference: clips turned into discriminator inputs and start states."""

from __future__ import annotations

from collections.abc import Sequence
from glob import glob
from pathlib import Path

import jax
import jax.numpy as jnp
import mujoco
import numpy as np
from flax import struct

from playground_amp.config import find_path
from playground_amp.errors import InputError
from playground_amp.features import Normalizer, amp_features, feature_floor, make_normalizer
from playground_amp.motion.clip import MotionClip, load_clip
from playground_amp.robots import Robot
from playground_amp.types import Frame

HELD_OUT = "held_out"  # name of a folder of clips, inside a folder of clips, that nothing is trained on


class Reference(struct.PyTreeNode):
    """What training knows of the recorded motion. N windows in all; window i ends at start state i."""

    windows: jax.Array  # [N, K, F] AMP features of K consecutive steps, oldest first, not normalised
    qpos: jax.Array  # [N, nq] state at the end of each window
    qvel: jax.Array  # [N, nv]
    normalizer: Normalizer
    mean_pose: jax.Array  # [J] rad, mean joint positions, of the motion and its reflection: the same left and right

    def sample_inputs(self, key: jax.Array, count: int) -> jax.Array:
        """Normalised discriminator inputs [count, K * F], drawn uniformly with replacement; consumes `key`."""
        windows = self.windows[jax.random.randint(key, (count,), 0, len(self.windows))]
        return self.normalizer(windows).reshape(count, -1)


def find_clips(patterns: Sequence[str]) -> list[Path]:
    """Clip files named by paths, folders and patterns with *; raises InputError for one that names none.

    A folder stands for the clips right in it; neither it nor a pattern with * finds those of a folder `held_out`.
    """
    paths: list[Path] = []
    for pattern in patterns:
        path = find_path(pattern)
        found = _named(path)
        if not found:
            raise InputError(f"reference.clips: '{pattern}' names no clip; make clips with scripts/retarget.py")
        paths += found
    return list(dict.fromkeys(paths))


def _named(path: Path) -> list[Path]:
    """A file, the files of a folder, or those a pattern matches; held-out ones only where it names their folder."""
    if path.is_dir():
        return sorted(path.glob("*.npz"))
    if path.is_file():
        return [path]
    found = map(Path, glob(str(path), recursive=True))
    return sorted(match for match in found if match.parent.name != HELD_OUT or HELD_OUT in path.parts)


def load_clips(patterns: Sequence[str], robot: Robot, *, control_dt: float) -> list[MotionClip]:
    """Read and check every clip; their frequency must be the control rate."""
    return _load(find_clips(patterns), robot, control_dt)


def held_out_clips(patterns: Sequence[str], robot: Robot, *, control_dt: float) -> list[MotionClip]:
    """The clips kept to measure style by: those in the folder `held_out` of every folder among `patterns`, if any.

    None of them is one that training knows: a clip that `patterns` names by itself is left out.
    """
    folders = [path for path in map(find_path, patterns) if path.is_dir()]
    known = {path.resolve() for path in find_clips(patterns)}
    found = dict.fromkeys(path for folder in folders for path in sorted((folder / HELD_OUT).glob("*.npz")))
    return _load([path for path in found if path.resolve() not in known], robot, control_dt)


def _load(paths: Sequence[Path], robot: Robot, control_dt: float) -> list[MotionClip]:
    clips = [load_clip(path, robot) for path in paths]
    for clip in clips:
        if abs(clip.frequency * control_dt - 1.0) > 1e-6:
            raise InputError(
                f"clip '{clip.name}' runs at {clip.frequency:g} Hz, but env.control_dt {control_dt} s "
                f"asks for {1 / control_dt:g} Hz; retarget it again"
            )
    return clips


def make_reference(
    clips: Sequence[MotionClip], robot: Robot, *, window: int, mirror: bool, control_dt: float
) -> Reference:
    """Features, start states and normaliser of `clips`; with `mirror` also of their reflections."""
    motions = [qpos for qpos in clip_motions(clips, robot, mirror=mirror) if len(qpos) > window]
    if not motions:
        raise InputError(f"amp.window is {window}, longer than every clip; use longer clips or a smaller window")
    features = motion_features(motions, robot, control_dt=control_dt)
    windows = np.concatenate([_windows(feature, window) for feature in features])
    everything = jnp.asarray(np.concatenate(features))
    weights = jnp.full(len(everything), 1.0 / len(everything))
    mean, (partner, sign) = everything[:, : robot.num_joints].mean(axis=0), robot.mirror_joints
    return Reference(
        windows=jnp.asarray(windows),
        qpos=jnp.asarray(np.concatenate([qpos[window:] for qpos in motions])),
        qvel=jnp.asarray(np.concatenate([velocities(qpos, robot, control_dt)[window:] for qpos in motions])),
        normalizer=make_normalizer(everything, weights, feature_floor(robot)),
        mean_pose=0.5 * (mean + mean[np.array(partner)] * np.array(sign, np.float32)),
    )


def clip_motions(clips: Sequence[MotionClip], robot: Robot, *, mirror: bool) -> list[np.ndarray]:
    """The motions [N_i, nq] of `clips`; with `mirror` also their reflections."""
    motions = [clip.qpos for clip in clips]
    motions += [robot.mirror_qpos(qpos) for qpos in motions] if mirror else []
    return [qpos.astype(np.float32) for qpos in motions]


def clip_frames(qpos: np.ndarray, robot: Robot) -> Frame:
    """Frames [N] of a motion [N, nq], by the engine's kinematics."""
    qpos = qpos.astype(np.float32)
    return Frame(
        root_pos=jnp.asarray(qpos[:, :3]),
        root_quat=jnp.asarray(qpos[:, 3:7]),
        joint_pos=jnp.asarray(qpos[:, 7:]),
        pad_height=jnp.asarray(robot.pad_heights(qpos).astype(np.float32)),
    )


def clip_features(qpos: np.ndarray, robot: Robot, *, control_dt: float) -> np.ndarray:
    """AMP features of the N - 1 steps of a motion [N, nq]: [N - 1, F]."""
    return motion_features([qpos], robot, control_dt=control_dt)[0]


def motion_features(motions: Sequence[np.ndarray], robot: Robot, *, control_dt: float) -> list[np.ndarray]:
    """AMP features of every motion, [N_i, nq] -> [N_i - 1, F].

    All at once, as one shape compiles once; steps from the end of one motion to the start of the next are left out.
    """
    frames = clip_frames(np.concatenate(motions), robot)
    previous, current = jax.tree.map(lambda x: x[:-1], frames), jax.tree.map(lambda x: x[1:], frames)
    compiled = jax.jit(amp_features, static_argnames=("dt", "contact_clearance"))
    steps = compiled(previous, current, dt=control_dt, contact_clearance=robot.contact_clearance)
    ends = np.cumsum([len(motion) for motion in motions])
    steps = np.asarray(steps)
    return [steps[end - len(motion) : end - 1] for motion, end in zip(motions, ends, strict=True)]


def velocities(qpos: np.ndarray, robot: Robot, dt: float) -> np.ndarray:
    """Generalised velocities [N, nv] of a motion [N, nq], by central differences (one-sided at the ends)."""
    before = np.concatenate([qpos[:1], qpos[:-1]]).astype(np.float64)
    after = np.concatenate([qpos[1:], qpos[-1:]]).astype(np.float64)
    span = np.full(len(qpos), 2.0 * dt)
    span[[0, -1]] = dt
    qvel = np.empty((len(qpos), robot.model.nv))
    for row, seconds, start, end in zip(qvel, span, before, after, strict=True):
        mujoco.mj_differentiatePos(robot.model, row, seconds, start, end)
    return qvel.astype(np.float32)


def _windows(features: np.ndarray, length: int) -> np.ndarray:
    """All runs of `length` consecutive rows of [M, F]: [M - length + 1, length, F]."""
    return np.lib.stride_tricks.sliding_window_view(features, length, axis=0).transpose(0, 2, 1)
