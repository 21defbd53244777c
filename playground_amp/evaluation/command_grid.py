"""Evaluation over a grid of commands, and of changes from one command to another.

Every command of the grid is followed for ten seconds by several robots that begin on the reference near it.
"""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from scipy.ndimage import uniform_filter1d

from playground_amp.amp import AMP, Statistics
from playground_amp.config import FittedCommandConfig
from playground_amp.core.commands import STANDS, UNIT, in_words
from playground_amp.core.files import json_values
from playground_amp.evaluation.evaluate import EpisodeGait, gaits_of_episodes
from playground_amp.evaluation.reference_cache import once_per_reference
from playground_amp.evaluation.rollout import CommandSchedule, Recording, make_recorder
from playground_amp.evaluation.style import episode_windows
from playground_amp.motion.clip import MotionClip
from playground_amp.motion.clip_commands import motion_commands
from playground_amp.motion.metrics import distribution_distance
from playground_amp.motion.metrics.gait import foot_motion
from playground_amp.motion.reference_builder import clip_motions, motion_features

MOST = 7  # points along an axis of the grid
STEPS = np.array([0.3, 0.3, 0.4])  # m/s, m/s, rad/s at most between two points, where MOST allows
NEAREST = 400  # windows of the clips that a command's style is compared with
FOLLOWED = np.array([0.15, 0.15, 0.3])  # m/s, m/s, rad/s within which a command counts as followed
MEAN = 0.6  # s of the running mean of the velocity, about a stride
PROMPT = 1.5  # s in which a change of command should be followed
STILL = 2.0  # s after which a robot that is told to stand should not step


@dataclasses.dataclass(frozen=True)
class CommandRow:
    """One command of the grid: means over its episodes."""

    command: tuple[float, float, float]  # m/s, m/s, rad/s
    episodes: int
    survival: float  # share of episodes that reached the time limit
    velocity: tuple[float, float, float]  # m/s, m/s, rad/s, mean
    velocity_error: float  # m/s, mean over episodes of |mean velocity - command|
    turn_error: float  # rad/s, likewise
    cadence: float  # steps a minute
    style: float  # Frechet distance per dimension from the clips' windows nearest to the command
    drift: float  # m from where it began, at the end; NaN where it is told to go
    late_steps: float  # strikes of the feet an episode, after STILL seconds; NaN where it is told to go


@dataclasses.dataclass(frozen=True)
class GridEvaluation:
    """A policy over a grid of commands, and over changes between them."""

    rows: tuple[CommandRow, ...]
    paths: tuple[tuple[tuple[float, float], ...], ...]  # m, way of the first episode of each command, from the origin
    changes: int  # episodes in which the command changes half-way
    change_survival: float
    prompt_share: float  # share of the changes that were followed within PROMPT seconds
    follow_seconds: float  # s, median time until a change is followed; NaN where none was

    @property
    def survival(self) -> float:
        """Share of all episodes without a fall."""
        return float(np.mean([row.survival for row in self.rows]))

    @property
    def velocity_error(self) -> float:
        """m/s, mean over the commands."""
        return float(np.nanmean([row.velocity_error for row in self.rows]))

    @property
    def turn_error(self) -> float:
        """rad/s, mean over the commands."""
        return float(np.nanmean([row.turn_error for row in self.rows]))

    @property
    def standing(self) -> CommandRow | None:
        """The zero command, where the grid has it."""
        return next((row for row in self.rows if not any(row.command)), None)

    @property
    def sentences(self) -> list[str]:
        """What there is to be said of all commands, of standing, and of changes."""
        worst = min(self.rows, key=lambda row: row.survival)
        said = [
            f"{len(self.rows)} commands: {self.survival:.0%} of the episodes without a fall, error "
            f"{self.velocity_error:.2f} m/s and {self.turn_error:.2f} rad/s; least survival {worst.survival:.0%}, at "
            f"{in_words(np.array(worst.command))}"
        ]
        if (still := self.standing) is not None:
            drift, steps = 100.0 * still.drift, still.late_steps
            said.append(f"told to stand: {drift:.0f} cm of drift, {steps:.1f} steps after the first {STILL:.0f} s")
        if self.changes:
            said.append(
                f"{self.changes} changes of command: {self.prompt_share:.0%} followed within {PROMPT:g} s "
                f"(median {self.follow_seconds:.1f} s), {self.change_survival:.0%} without a fall"
            )
        return said

    def to_json(self) -> dict[str, Any]:
        """Everything, as JSON knows it."""
        means = {name: getattr(self, name) for name in ("survival", "velocity_error", "turn_error")}
        return json_values(dataclasses.asdict(self) | means)


def grid_of(config: FittedCommandConfig) -> np.ndarray:
    """Commands [C, 3]: all combinations of points along the ranges, and zero where it may be asked for."""
    axes = [_points(*bounds, step) for bounds, step in zip(_bounds(config), STEPS, strict=True)]
    commands = [list(point) for point in itertools.product(*axes)]
    if config.stand_share and [0.0, 0.0, 0.0] not in commands:
        commands.append([0.0, 0.0, 0.0])
    return np.array(commands, np.float32)


def _bounds(config: FittedCommandConfig) -> Sequence[tuple[float, float]]:
    return config.forward, config.sideways, config.turn


def _points(low: float, high: float, step: float) -> list[float]:
    """Evenly from low to high, with zero among them where it lies between."""
    count = min(MOST, math.ceil((high - low) / step) + 1) if high > low else 1
    points = np.linspace(low, high, max(count, 3) if high > low else 1)
    if low < 0.0 < high:
        points[np.abs(points).argmin()] = 0.0
    return [round(float(point), 3) for point in points]


def tour_of(config: FittedCommandConfig) -> np.ndarray:
    """Commands [S, 3] to look at one after the other: every way there is, each as far as its range goes, and zero."""
    (back, forward), (_, left), (_, turn) = _bounds(config)
    stand = [[0.0, 0.0, 0.0]] if config.stand_share else []
    ways = [[forward, 0.0, 0.0], [0.5 * forward, 0.0, turn], [0.0, left, 0.0], [min(back, 0.0), 0.0, 0.0]]
    ways = [way for way in [*ways, [0.0, 0.0, turn]] if any(way) and (turn or way != [0.5 * forward, 0.0, 0.0])]
    kept = [way for i, way in enumerate(ways) if way not in ways[:i]]
    return np.array([*kept, *stand], np.float32)


def evaluate_grid(
    amp: AMP, params: dict, statistics: Statistics, key: jax.Array, commands: np.ndarray, episodes: int = 8
) -> GridEvaluation:
    """Evaluate the mean policy at `commands` [C, 3], `episodes` each, and at as many changes; consumes `key`."""
    grid_key, change_key, pair_key = jax.random.split(key, 3)
    asked = np.repeat(commands, episodes, axis=0)
    steady = _recorded(amp, params, statistics, grid_key, asked[None])
    change = np.asarray(jax.random.permutation(pair_key, asked))
    changed = _recorded(amp, params, statistics, change_key, np.stack([asked, change]))
    gaits = gaits_of_episodes(amp, steady)
    rows = [_row(amp, steady, gaits, command, np.flatnonzero((asked == command).all(axis=1))) for command in commands]
    seconds = _follow_seconds(amp, changed, change)
    different = (np.abs(change - asked) > FOLLOWED).any(axis=1)
    took = seconds[different]
    return GridEvaluation(
        rows=tuple(rows),
        paths=tuple(_path(steady, i) for i in range(0, len(asked), episodes)),
        changes=int(different.sum()),
        change_survival=float(1.0 - np.mean(changed.fell)),
        prompt_share=float(np.mean(took <= PROMPT)) if len(took) else math.nan,
        follow_seconds=float(np.median(took[np.isfinite(took)])) if np.isfinite(took).any() else math.nan,
    )


def _recorded(amp: AMP, params: dict, statistics: Statistics, key: jax.Array, commands: np.ndarray) -> Recording:
    """Episodes under commands [S, B, 3], one after the other."""
    schedule = CommandSchedule(jnp.zeros(commands.shape[:2], jnp.int32), jnp.asarray(commands))
    recording = make_recorder(amp, commands.shape[1], schedule)(params, statistics, key)
    return jax.tree.map(np.asarray, recording)


def _row(
    amp: AMP, recording: Recording, gaits: dict[int, EpisodeGait], command: np.ndarray, episodes: np.ndarray
) -> CommandRow:
    """Of the episodes (indices) under one command."""
    known = [gaits[i] for i in episodes if i in gaits]
    velocity = np.mean([gait.velocity for gait in known], axis=0) if known else np.full(3, np.nan)
    windows = episode_windows(amp, recording, episodes)
    stands = bool((np.abs(command) < STANDS).all())
    return CommandRow(
        command=_triple(command),
        episodes=len(episodes),
        survival=float(1.0 - recording.fell[episodes].mean()),
        velocity=_triple(velocity),
        velocity_error=_mean([float(np.linalg.norm((gait.velocity - command)[:2])) for gait in known]),
        turn_error=_mean([gait.turn_error for gait in known]),
        cadence=_mean([gait.figures.cadence for gait in known]),
        style=distribution_distance.frechet(windows, windows_near(amp, command)),
        drift=_mean([_drift(recording, i) for i in episodes]) if stands else math.nan,
        late_steps=_mean([_late_steps(amp, recording, i) for i in episodes]) if stands else math.nan,
    )


def _triple(values: np.ndarray) -> tuple[float, float, float]:
    forward, sideways, turn = (round(float(value), 3) for value in values)
    return forward, sideways, turn


def windows_near(amp: AMP, command: np.ndarray) -> np.ndarray:
    """Windows [NEAREST, WINDOW * F] of the training clips nearest to a command [3]."""
    windows, commands = _commanded_windows(amp)
    distance = np.linalg.norm((commands - command) / UNIT, axis=1)
    return windows[np.argsort(distance, kind="stable")[:NEAREST]]


@once_per_reference
def _commanded_windows(amp: AMP) -> tuple[np.ndarray, np.ndarray]:
    """Windows [N, WINDOW * F] of the training clips, and the command [N, 3] at the end of each."""
    reference, dt = amp.env.reference, amp.env.config.control_dt
    motions = clip_motions(reference.clips.training, amp.env.robot, mirror=reference.clip_set.mirror)
    features = [np.asarray(reference.normalizer(jnp.asarray(steps))) for steps in _features(amp, motions)]
    windows = [distribution_distance.all_windows([steps]) for steps in features]
    commands = [motion_commands(qpos, dt)[1:] for qpos in motions]
    ends = [distribution_distance.window_ends(len(steps)) for steps in features]
    return np.concatenate(windows), np.concatenate([own[at] for own, at in zip(commands, ends, strict=True)])


def _features(amp: AMP, motions: list[np.ndarray]) -> list[np.ndarray]:
    return motion_features(motions, amp.env.robot, control_dt=amp.env.config.control_dt)


def _drift(recording: Recording, i: int) -> float:
    way = recording.qpos[recording.alive[:, i], i, :2]
    return float(np.linalg.norm(way[-1] - way[0]))


def _late_steps(amp: AMP, recording: Recording, i: int) -> float:
    robot, config = amp.env.robot, amp.env.config
    qpos = np.asarray(recording.qpos)[np.asarray(recording.alive)[:, i], i]
    clip = MotionClip("episode", robot.name, robot.joints, qpos, 1.0 / config.control_dt, "policy")
    return float((foot_motion(clip, robot).falls.strike > STILL).sum())


def _path(recording: Recording, i: int, every: int = 10) -> tuple[tuple[float, float], ...]:
    way = recording.qpos[recording.alive[:, i], i, :2][::every]
    return tuple((round(float(x), 3), round(float(y), 3)) for x, y in way - way[0])


def _follow_seconds(amp: AMP, recording: Recording, commands: np.ndarray) -> np.ndarray:
    """Time [B] s from the change half-way until the mean velocity is as the new `commands` [B, 3] for half a second.

    Infinite where that never comes to be, or the robot falls.
    """
    dt, half = amp.env.config.control_dt, len(recording.velocity) // 2
    mean = uniform_filter1d(recording.velocity, round(MEAN / dt), axis=0, mode="nearest")[half:]
    near = (np.abs(mean - commands) < FOLLOWED).all(axis=-1) & recording.alive[half:]
    span = round(0.5 / dt)
    held = np.array([near[i : i + span].all(axis=0) for i in range(len(near) - span)])
    return np.where(held.any(axis=0), held.argmax(axis=0) * dt, np.inf)


def _mean(values: Sequence[float]) -> float:
    """Of the values that exist."""
    known = [value for value in values if not math.isnan(value)]
    return float(np.mean(known)) if known else math.nan
