"""The reference: clips turned into discriminator inputs and start states."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from glob import glob
from pathlib import Path

import jax
import jax.numpy as jnp
import mujoco
import numpy as np
from flax import struct

from playground_amp.config import ClipSource, find_path
from playground_amp.errors import InputError
from playground_amp.features import Normalizer, amp_features, feature_floor, make_normalizer
from playground_amp.motion.clip import MotionClip, load_clip
from playground_amp.robots import Robot
from playground_amp.types import Frame

SPEED_SPAN = 0.8  # s, about a stride
SPEED_BAND = 0.03  # m/s to both sides of a speed asked for
HELD_OUT = "held_out"  # name of a folder of clips, inside a folder of clips, that nothing is trained on


class Gaits(struct.PyTreeNode):
    """Where the windows of each of L gaits are: those of one stand together."""

    names: tuple[str, ...] = struct.field(pytree_node=False)  # labels of the clips, in the order they appear
    first: jax.Array  # [L] int32, row of the first window
    count: jax.Array  # [L] int32, number of windows
    of: jax.Array  # [N] int32, gait of each window
    by_speed: jax.Array  # [N] int32, rows of each gait from its slowest window to its fastest
    speed_range: jax.Array  # [L, 2] m/s, mean forward speed of the slowest and of the fastest clip


class Reference(struct.PyTreeNode):
    """What training knows of the recorded motion. N windows in all; window i ends at start state i."""

    windows: jax.Array  # [N, S, F] AMP features of S consecutive steps, oldest first, not normalised
    qpos: jax.Array  # [N, nq] state at the end of each window
    qvel: jax.Array  # [N, nv]
    normalizer: Normalizer
    mean_pose: jax.Array  # [J] rad, mean joint positions, of the motion and its reflection: the same left and right
    speed: jax.Array  # [N] m/s, forward, mean over about a stride around the end of each window
    gaits: Gaits

    def as_one_gait(self) -> Reference:
        """The same motion without its labels."""
        speeds = self.gaits.speed_range
        gaits = Gaits(
            names=("",),
            first=jnp.zeros(1, jnp.int32),
            count=jnp.full(1, len(self.windows), jnp.int32),
            of=jnp.zeros_like(self.gaits.of),
            by_speed=jnp.argsort(self.speed).astype(jnp.int32),
            speed_range=jnp.stack([speeds.min(), speeds.max()])[None],
        )
        return self.replace(gaits=gaits)

    def draw(self, key: jax.Array, count: int) -> jax.Array:
        """Rows [count], uniform over all windows, with replacement; consumes `key`."""
        return jax.random.randint(key, (count,), 0, len(self.windows))

    def draw_of(self, key: jax.Array, label: jax.Array) -> jax.Array:
        """A row of the gait of each `label` [N] int, uniform over that gait's windows; consumes `key`."""
        count = self.gaits.count[label]
        row = (jax.random.uniform(key, label.shape) * count).astype(jnp.int32)
        return self.gaits.first[label] + jnp.minimum(row, count - 1)  # 0.9999999 of many may round up to all

    def draw_at(self, key: jax.Array, label: jax.Array, speed: jax.Array) -> jax.Array:
        """A row of the gait `label` [N] near the forward `speed` [N] m/s; consumes `key`.

        Uniform over the gait's windows within SPEED_BAND of the speed, or of the nearest speed it has.
        """
        gaits = self.gaits
        first, last = gaits.first[label], gaits.first[label] + gaits.count[label] - 1
        sorted_keys, wanted = _speed_key(gaits.of, self.speed)[gaits.by_speed], _speed_key(label, speed)
        above = jnp.clip(jnp.searchsorted(sorted_keys, wanted), first, last)
        below = jnp.maximum(above - 1, first)
        is_above = jnp.abs(sorted_keys[above] - wanted) <= jnp.abs(sorted_keys[below] - wanted)
        nearest = jnp.where(is_above, above, below)
        middle = jnp.clip(wanted, sorted_keys[nearest] - SPEED_BAND, sorted_keys[nearest] + SPEED_BAND)
        low = jnp.searchsorted(sorted_keys, middle - SPEED_BAND)
        high = jnp.searchsorted(sorted_keys, middle + SPEED_BAND, side="right")
        low = jnp.clip(low, first, nearest)
        high = jnp.clip(high, nearest + 1, last + 1)
        rank = low + (jax.random.uniform(key, speed.shape) * (high - low)).astype(jnp.int32)
        return gaits.by_speed[jnp.minimum(rank, high - 1)]


def _speed_key(label: jax.Array, speed: jax.Array) -> jax.Array:
    """A number that sorts by gait first and by speed within a gait."""
    return 100.0 * label + jnp.clip(speed, -40.0, 40.0)


def find_clips(sources: Sequence[ClipSource]) -> list[Path]:
    """Clip files named by paths, folders and patterns with *; raises InputError for one that names none.

    A folder stands for the clips right in it; neither it nor a pattern with * finds those of a folder `held_out`.
    """
    return list(_labels(sources))


def _labels(sources: Sequence[ClipSource]) -> dict[Path, str]:
    """Clip file -> its label; what is named twice keeps the first."""
    labels: dict[Path, str] = {}
    for source in sources:
        found = _named(find_path(source.path))
        if not found:
            raise InputError(f"reference.clips: '{source.path}' names no clip; make clips with scripts/retarget.py")
        for path in found:
            labels.setdefault(path, source.label)
    return labels


def _named(path: Path) -> list[Path]:
    """A file, the files of a folder, or those a pattern matches; held-out ones only where it names their folder."""
    if path.is_dir():
        return sorted(path.glob("*.npz"))
    if path.is_file():
        return [path]
    found = map(Path, glob(str(path), recursive=True))
    return sorted(match for match in found if match.parent.name != HELD_OUT or HELD_OUT in path.parts)


def load_clips(sources: Sequence[ClipSource], robot: Robot, *, control_dt: float) -> list[MotionClip]:
    """Read, check and label every clip; their frequency must be the control rate."""
    labels = _labels(sources)
    clips = _load(list(labels), robot, control_dt)
    return [replace(clip, label=label) for clip, label in zip(clips, labels.values(), strict=True)]


def held_out_clips(sources: Sequence[ClipSource], robot: Robot, *, control_dt: float) -> list[MotionClip]:
    """The clips kept to measure style by: those in the folder `held_out` of every folder among `sources`, if any.

    None of them is one that training knows: a clip that `sources` name by itself is left out.
    """
    folders = [path for path in (find_path(source.path) for source in sources) if path.is_dir()]
    known = {path.resolve() for path in find_clips(sources)}
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
    """Features, start states, gaits and normaliser of `clips`; with `mirror` also of their reflections.

    `window` is the number of consecutive control steps that one input of the discriminator spans.
    """
    names = tuple(dict.fromkeys(clip.label for clip in clips))
    by_gait = [[clip for clip in clips if clip.label == name] for name in names]
    gaits = [_long_motions(group, robot, mirror=mirror, window=window) for group in by_gait]
    motions = [qpos for gait in gaits for qpos in gait]
    features = motion_features(motions, robot, control_dt=control_dt)
    windows = np.concatenate([_windows(feature, window) for feature in features])
    everything = jnp.asarray(np.concatenate(features))
    weights = jnp.full(len(everything), 1.0 / len(everything))
    mean, (partner, sign) = everything[:, : robot.num_joints].mean(axis=0), robot.mirror_joints
    qvel = np.concatenate([velocities(qpos, robot, control_dt)[window:] for qpos in motions])
    speed = np.concatenate([_forward_speed(qpos, control_dt)[window:] for qpos in motions])
    return Reference(
        windows=jnp.asarray(windows),
        qpos=jnp.asarray(np.concatenate([qpos[window:] for qpos in motions])),
        qvel=jnp.asarray(qvel),
        normalizer=make_normalizer(everything, weights, feature_floor(robot)),
        mean_pose=0.5 * (mean + mean[np.array(partner)] * np.array(sign, np.float32)),
        speed=jnp.asarray(speed),
        gaits=_gaits(names, by_gait, [sum(len(qpos) - window for qpos in gait) for gait in gaits], speed),
    )


def _long_motions(clips: Sequence[MotionClip], robot: Robot, *, mirror: bool, window: int) -> list[np.ndarray]:
    """The motions of one gait that hold a window; raises InputError when there is none."""
    motions = [qpos for qpos in clip_motions(clips, robot, mirror=mirror) if len(qpos) > window]
    if not motions:
        label = f" labelled '{clips[0].label}'" if clips[0].label else ""
        raise InputError(
            f"amp.window is {window} control steps (with amp.dilation), longer than every clip{label}; use longer "
            f"clips or a smaller window"
        )
    return motions


def _gaits(names: tuple[str, ...], by_gait: list[list[MotionClip]], counts: list[int], speed: np.ndarray) -> Gaits:
    of = np.repeat(np.arange(len(counts)), counts)
    speeds = [[clip.speed for clip in clips] for clips in by_gait]
    return Gaits(
        names=names,
        first=jnp.asarray(np.cumsum([0, *counts[:-1]]), jnp.int32),
        count=jnp.asarray(counts, jnp.int32),
        of=jnp.asarray(of, jnp.int32),
        by_speed=jnp.asarray(np.lexsort((speed, of)), jnp.int32),
        speed_range=jnp.asarray([[min(gait), max(gait)] for gait in speeds], jnp.float32),
    )


def _forward_speed(qpos: np.ndarray, dt: float) -> np.ndarray:
    """Speed [N] m/s over SPEED_SPAN seconds around each frame of a motion [N, nq], or what there is of them."""
    half = round(0.5 * SPEED_SPAN / dt)
    rows = np.arange(len(qpos))
    before, after = np.maximum(rows - half, 0), np.minimum(rows + half, len(qpos) - 1)
    way = np.linalg.norm(qpos[after, :2] - qpos[before, :2], axis=1)
    return (way / (dt * np.maximum(after - before, 1))).astype(np.float32)


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
