"""The library of clips: read, checked, and turned into the reference that training knows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from playground_amp.config import ClipSource, find_path
from playground_amp.core.errors import InputError
from playground_amp.core.types import Frame
from playground_amp.motion.clip import MotionClip, load_clip
from playground_amp.motion.clip_commands import motion_commands
from playground_amp.motion.clip_set import describe_clips
from playground_amp.motion.clip_sources import HELD_OUT, entries_by_clip, find_clips
from playground_amp.motion.command_index import make_index
from playground_amp.motion.features import Normalizer, amp_features, feature_floor, make_normalizer
from playground_amp.motion.reference import GaitLabels, Reference, ReferenceClips
from playground_amp.motion.weighted_sampling import cumulate
from playground_amp.robots import Robot


def load_clips(sources: Sequence[ClipSource], robot: Robot, *, control_dt: float) -> list[MotionClip]:
    """Read and check every clip, and note what its entry says of it; their frequency must be the control rate."""
    entries = entries_by_clip(sources)
    clips = _load(list(entries), robot, control_dt)
    return [_as_told(clip, entry) for clip, entry in zip(clips, entries.values(), strict=True)]


def _as_told(clip: MotionClip, entry: ClipSource) -> MotionClip:
    return replace(clip, label=entry.label, weight=entry.weight, declared_speed=entry.speed)


def held_out_clips(sources: Sequence[ClipSource], robot: Robot, *, control_dt: float) -> list[MotionClip]:
    """The clips kept to measure style by: those in the folder `held_out` of every folder among `sources`, if any.

    None of them is one that training knows: a clip that `sources` name by itself is left out.
    """
    folders = [path for path in (find_path(source.path) for source in sources) if path.is_dir()]
    known = {path.resolve() for path in find_clips(sources)}
    found = dict.fromkeys(path for folder in folders for path in sorted((folder / HELD_OUT).glob("*.npz")))
    return _load([path for path in found if path.resolve() not in known], robot, control_dt)


def hold_fixed(robot: Robot, sources: Sequence[ClipSource], *, control_dt: float) -> Robot:
    """`robot` with its `fixed` joints welded at their mean in the clips, weights counted, left and right alike.

    The mean is what holds them nearest to the clips, in the least squares of the angles. A robot without fixed joints
    is left as it is, and its clips unread.
    """
    if not robot.fixed:
        return robot
    clips = load_clips(sources, robot, control_dt=control_dt)
    weight = np.concatenate([np.full(len(clip.qpos), clip.weight) for clip in clips])
    motion = np.concatenate([clip.qpos[:, 7:] for clip in clips])
    partner, sign = (np.array(table) for table in robot.mirror_joints)
    mean = np.average(motion, axis=0, weights=weight)
    mean = np.clip(0.5 * (mean + sign * mean[partner]), *robot.joint_range.T)
    spread = np.sqrt(np.average((motion - mean) ** 2, axis=0, weights=weight))
    places = {joint: robot.joints.index(joint) for joint in robot.fixed}
    return robot.holding({joint: (float(mean[i]), float(spread[i])) for joint, i in places.items()})


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
    clips: Sequence[MotionClip],
    robot: Robot,
    *,
    window: int,
    mirror: bool,
    control_dt: float,
    held_out: Sequence[MotionClip] = (),
) -> Reference:
    """Features, start states, gaits and normaliser of `clips`; with `mirror` also of their reflections.

    `window` is the number of consecutive control steps that one input of the discriminator spans. A clip of weight 2 is
    in everything as if its motion were there twice. `held_out` are kept beside them, and nothing is made of them.
    """
    names = tuple(dict.fromkeys(clip.label for clip in clips))
    by_gait = [[clip for clip in clips if clip.label == name] for name in names]
    gaits = [_long_motions(group, robot, mirror=mirror, window=window) for group in by_gait]
    motions = [motion for gait in gaits for motion in gait]
    features = motion_features([qpos for qpos, _ in motions], robot, control_dt=control_dt)
    command = np.concatenate([_commands(qpos, clip, control_dt)[window:] for qpos, clip in motions])
    normalizer, mean_pose = _averages(features, [clip.weight for _, clip in motions], robot)
    weight = _weights([len(qpos) - window for qpos, _ in motions], [clip.weight for _, clip in motions])
    counts = [sum(len(qpos) - window for qpos, _ in gait) for gait in gaits]
    qvel = [robot.velocities(qpos, control_dt)[window:] for qpos, _ in motions]
    return Reference(
        windows=jnp.asarray(np.concatenate([_windows(feature, window) for feature in features])),
        qpos=jnp.asarray(np.concatenate([qpos[window:] for qpos, _ in motions])),
        qvel=jnp.asarray(np.concatenate(qvel), jnp.float32),
        normalizer=normalizer,
        mean_pose=mean_pose,
        command=jnp.asarray(command),
        gaits=_gaits(names, by_gait, counts, command, weight),
        weight=None if weight is None else jnp.asarray(weight),
        clip_set=describe_clips(clips, mirror=mirror),
        clips=ReferenceClips(tuple(clips), tuple(held_out)),
    )


def _long_motions(
    clips: Sequence[MotionClip], robot: Robot, *, mirror: bool, window: int
) -> list[tuple[np.ndarray, MotionClip]]:
    """The motions of one gait that hold a window, each with its clip; raises InputError when there is none."""
    of = [*clips, *clips] if mirror else clips
    motions = zip(clip_motions(clips, robot, mirror=mirror), of, strict=True)
    if long := [(qpos, clip) for qpos, clip in motions if len(qpos) > window]:
        return long
    label = f" labelled '{clips[0].label}'" if clips[0].label else ""
    raise InputError(
        f"amp.window is {window} control steps (with amp.dilation), longer than every clip{label}; use longer "
        f"clips or a smaller window"
    )


def _weights(counts: Sequence[int], weights: Sequence[float]) -> np.ndarray | None:
    """The weight of each clip for each of its rows [N], 1 in the mean; None where all weigh the same."""
    if len(set(weights)) == 1:
        return None
    weight = np.repeat(np.asarray(weights, np.float64), counts)
    return (weight / weight.mean()).astype(np.float32)


def _averages(features: Sequence[np.ndarray], weights: Sequence[float], robot: Robot) -> tuple[Normalizer, jax.Array]:
    """Normaliser, and mean pose [J] rad with its left and right made alike, of the steps of all clips."""
    everything, weight = jnp.asarray(np.concatenate(features)), _weights([len(rows) for rows in features], weights)
    share = jnp.full(len(everything), 1.0 / len(everything)) if weight is None else jnp.asarray(weight / len(weight))
    normalizer = make_normalizer(everything, share, feature_floor(robot))
    joints, (partner, sign) = robot.num_joints, robot.mirror_joints
    mean = everything[:, :joints].mean(axis=0) if weight is None else normalizer.mean[:joints]
    return normalizer, 0.5 * (mean + mean[np.array(partner)] * np.array(sign, np.float32))


def _gaits(
    names: tuple[str, ...],
    by_gait: list[list[MotionClip]],
    counts: list[int],
    command: np.ndarray,
    weight: np.ndarray | None,
) -> GaitLabels:
    of = np.repeat(np.arange(len(counts)), counts)
    speeds = [[clip.command_speed for clip in clips] for clips in by_gait]
    return GaitLabels(
        names=names,
        first=jnp.asarray(np.cumsum([0, *counts[:-1]]), jnp.int32),
        count=jnp.asarray(counts, jnp.int32),
        of=jnp.asarray(of, jnp.int32),
        speed_range=jnp.asarray([[min(gait), max(gait)] for gait in speeds], jnp.float32),
        near=make_index(command, of, weight),
        mass=None if weight is None else cumulate(weight),
    )


def _commands(qpos: np.ndarray, clip: MotionClip, dt: float) -> np.ndarray:
    """Commands [N, 3] that the frames of a clip's motion [N, nq] answer, with the speed that it is declared to have."""
    commands = motion_commands(qpos, dt)
    if clip.declared_speed is not None:
        commands[:, 0] = clip.declared_speed
    return commands


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


def _windows(features: np.ndarray, length: int) -> np.ndarray:
    """All runs of `length` consecutive rows of [M, F]: [M - length + 1, length, F]."""
    return np.lib.stride_tricks.sliding_window_view(features, length, axis=0).transpose(0, 2, 1)
