"""Evaluation: what recorded episodes say of survival, speed, gait, style and effort, and the bounds of good ones."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import Any

import jax
import numpy as np

from playground_amp.amp import AMP
from playground_amp.config import EnvConfig
from playground_amp.evaluation.reference_pace import Pace, reference_pace, step_length
from playground_amp.evaluation.rollout import Recording, settled
from playground_amp.evaluation.style import held_out_distances, recording_windows, training_distances
from playground_amp.metrics.gait import Quality, measure
from playground_amp.motion.clip import MotionClip
from playground_amp.motion.features import MOVING
from playground_amp.robots import Robot

SHORTEST_WALK = 2.0  # s of an episode, after its first second, below which it tells nothing of the gait
SPEED_BINS = 5  # of the range of commands

BOUNDS = {  # least and greatest figure of a robot that walks, and walks like its reference
    "episode_length": (0.9, 1.0),  # times the time limit
    "velocity_error": (0.0, 0.1),
    "speed_at_0.6": (0.5, math.inf),  # where 0.6 m/s is asked for
    "alternation": (0.95, 1.0),
    "step_asymmetry": (0.0, 0.10),
    "duty_factor": (0.5, 0.75),
    "cadence_error": (0.0, 0.15),
    "step_length_error": (0.0, 0.20),
}


@dataclasses.dataclass(frozen=True)
class SpeedRow:
    """Means over the episodes of one part of the range of commands, as in Evaluation."""

    episodes: int
    command: float  # m/s
    forward_velocity: float  # m/s
    velocity_error: float  # m/s
    survival: float  # share of episodes that reached the time limit
    cadence: float  # steps a minute
    reference_cadence: float  # steps a minute, of the clips at the speeds walked
    step_length: float  # m
    reference_step_length: float  # m, of the clips at the speeds walked
    duty_factor: float  # share of a stride
    step_asymmetry: float  # relative


@dataclasses.dataclass(frozen=True)
class Evaluation:
    """Means over the episodes of a recording; speed, gait, style and effort leave out the first second.

    NaN is what does not exist: a gait where nothing walked, a distance to clips that there are none of.
    """

    episodes: int
    episode_length: float  # control steps
    survival: float  # share of episodes that reached the time limit
    command: float  # m/s
    forward_velocity: float  # m/s
    velocity_error: float  # m/s, mean over episodes of |mean speed - command|
    cadence: float  # steps a minute
    cadence_error: float  # mean over episodes of |cadence / the clips' at the speed walked - 1|
    step_length: float  # m
    step_length_error: float  # mean over episodes of |step length / the clips' at the speed walked - 1|
    duty_factor: float  # share of a stride that a foot is on the ground
    alternation: float  # share of the strikes that are of the other foot than the one before
    phase: float  # of the right strikes in the left stride cycle; 0.5 is even
    step_asymmetry: float  # left against right: greatest of step time, step length and duty, relative to their mean
    asymmetry: float  # left against right joint angles, relative to their range
    foot_skating: float  # m/s, horizontal speed of pads in contact
    style_frechet: float  # distance from the training clips per dimension, see distribution_distance.frechet
    style_kernel: float  # distance from the training clips, see distribution_distance.kernel
    style_kernel_p: float  # p-value of that
    held_out_frechet: float  # distance from the held-out clips
    held_out_kernel: float  # distance from the held-out clips
    action_rate: float  # rad, root mean square change of the servo targets in one control step
    cost_of_transport: float  # mechanical work, positive and negative, over weight times distance
    speeds: tuple[SpeedRow, ...] = ()  # slowest commands first


@dataclasses.dataclass(frozen=True)
class EpisodeGait:
    """What one episode says, its first second left out."""

    command: float  # m/s
    speed: float  # m/s
    gait: Quality
    action_rate: float  # rad
    cost_of_transport: float

    @property
    def step_length(self) -> float:
        """m; NaN without steps."""
        return step_length(self.speed, self.gait.cadence)


def evaluate(amp: AMP, recording: Recording) -> Evaluation:
    """Survival, speed, gait, style and effort of a recording."""
    recording = jax.tree.map(np.asarray, recording)
    everything, reference, windows = (
        measure_walks(amp, recording),
        reference_pace(amp),
        recording_windows(amp, recording),
    )
    walks = [walk for walk in everything if walk.command >= MOVING or not amp.env.labelled]  # the others stand
    speed, cadence = _mean([walk.speed for walk in walks]), _mean([walk.gait.cadence for walk in walks])
    paces = [reference.at(walk.speed) for walk in walks]
    return Evaluation(
        episodes=len(recording.command),
        episode_length=float(recording.alive.sum(axis=0).mean()),
        survival=float(1.0 - recording.fell.mean()),
        command=float(recording.command.mean()),
        forward_velocity=_mean([walk.speed for walk in everything]),
        velocity_error=_mean([abs(walk.speed - walk.command) for walk in everything]),
        cadence=cadence,
        cadence_error=_mean(
            [abs(walk.gait.cadence / there - 1.0) for walk, (there, _) in zip(walks, paces, strict=True)]
        ),
        step_length=step_length(speed, cadence),
        step_length_error=_mean(
            [abs(walk.step_length / there - 1.0) for walk, (_, there) in zip(walks, paces, strict=True)]
        ),
        duty_factor=_mean([walk.gait.duty for walk in walks]),
        alternation=_mean([walk.gait.alternation for walk in walks]),
        phase=_mean([walk.gait.phase for walk in walks]),
        step_asymmetry=_mean([walk.gait.step_asymmetry for walk in walks]),
        asymmetry=_mean([walk.gait.asymmetry for walk in walks]),
        foot_skating=_mean([walk.gait.skating for walk in walks]),
        **training_distances(amp, windows),
        **held_out_distances(amp, windows),
        action_rate=_mean([walk.action_rate for walk in walks]),
        cost_of_transport=_mean([walk.cost_of_transport for walk in walks]),
        speeds=_speed_rows(amp.env.speed_range, recording, everything, reference),
    )


def measure_walks(amp: AMP, recording: Recording) -> list[EpisodeGait]:
    """Figures of every episode that is long enough."""
    frames = settled(amp, recording)
    long = frames.sum(axis=0) >= round(SHORTEST_WALK / amp.env.config.control_dt)
    return [_walk(amp, recording, frames[:, i], i) for i in np.flatnonzero(long)]


def speed_near(amp: AMP, recording: Recording, command: float, within: float = 0.03) -> float:
    """Mean speed, m/s, of the long enough episodes asked for `command` give or take `within` m/s; NaN without one."""
    frames = settled(amp, recording)
    long = frames.sum(axis=0) >= round(SHORTEST_WALK / amp.env.config.control_dt)
    asked, velocity = np.asarray(recording.command), np.asarray(recording.forward_velocity)
    near = np.flatnonzero(long & (np.abs(asked - command) <= within + 1e-6))
    return _mean([velocity[frames[:, i], i].mean() for i in near])


def plain(evaluation: Evaluation) -> dict[str, Any]:
    """An evaluation as JSON knows it: NaN is null."""
    return without_nan(dataclasses.asdict(evaluation))


def without_nan(value: Any) -> Any:
    """Nested dictionaries and sequences with None for NaN."""
    if isinstance(value, dict):
        return {key: without_nan(entry) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [without_nan(entry) for entry in value]
    return None if isinstance(value, float) and math.isnan(value) else value


def bounds(config: EnvConfig, *, labelled: bool = False) -> dict[str, tuple[float, float]]:
    """BOUNDS for an environment: lengths in control steps, nothing of a speed that is not asked for.

    With `labelled` gaits the speeds asked for are those of their clips.
    """
    low, high = config.command_speed
    shortest, longest = BOUNDS["episode_length"]
    asked = low <= 0.6 <= high and not labelled
    found = {name: limits for name, limits in BOUNDS.items() if name != "speed_at_0.6" or asked}
    return found | {"episode_length": (shortest * config.episode_length, longest * config.episode_length)}


def figures(amp: AMP, recording: Recording, evaluation: Evaluation) -> dict[str, float]:
    """The numbers of an evaluation, and the speed at 0.6 m/s asked for, which BOUNDS names, too."""
    numbers = {name: value for name, value in dataclasses.asdict(evaluation).items() if name != "speeds"}
    return numbers | {"speed_at_0.6": speed_near(amp, recording, 0.6)}


def faults(figures: dict[str, float], config: EnvConfig, *, labelled: bool = False) -> list[str]:
    """Names of the figures that are out of bounds; what does not exist is.

    A robot that walks is not held to the pace of clips that are too short to have one.
    """
    limits = bounds(config, labelled=labelled)
    if math.isnan(figures["cadence_error"]) and figures["cadence"] > 0.0:
        limits = {name: limit for name, limit in limits.items() if name not in ("cadence_error", "step_length_error")}
    return [name for name, (low, high) in limits.items() if not low <= figures[name] <= high]


def _walk(amp: AMP, recording: Recording, frames: np.ndarray, i: int) -> EpisodeGait:
    """Figures of the steps `frames` [T] of episode `i`."""
    robot, config = amp.env.robot, amp.env.config
    qpos, speed = np.asarray(recording.qpos)[frames, i], float(recording.forward_velocity[frames, i].mean())
    target = np.asarray(amp.env.reference.mean_pose) + config.action_scale * recording.action[frames, i]
    change = np.diff(np.clip(target, *robot.joint_range.T), axis=0)
    power = np.abs(recording.torque[frames, i] * recording.qvel[frames, i, 6:]).sum(axis=-1).mean()
    return EpisodeGait(
        command=float(recording.command[i]),
        speed=speed,
        gait=measure(MotionClip("episode", robot.name, robot.joints, qpos, 1.0 / config.control_dt, "policy"), robot),
        action_rate=float(np.sqrt(np.mean(change**2))),
        cost_of_transport=_cost_of_transport(float(power), speed, robot),
    )


def _cost_of_transport(power: float, speed: float, robot: Robot) -> float:
    """P / (m g v), for power in W and speed in m/s; NaN for a robot that stays where it is."""
    weight = robot.model.body_mass.sum() * np.linalg.norm(robot.model.opt.gravity)
    return power / (weight * speed) if speed > 0.05 else math.nan


def _speed_rows(
    speed_range: tuple[float, float], recording: Recording, walks: list[EpisodeGait], reference: Pace
) -> tuple[SpeedRow, ...]:
    edges = np.linspace(*speed_range, SPEED_BINS + 1)[1:-1]
    mine = np.digitize(recording.command, edges)
    theirs = np.digitize([walk.command for walk in walks], edges)
    return tuple(
        _speed_row(recording, mine == part, [walks[j] for j in np.flatnonzero(theirs == part)], reference)
        for part in np.unique(mine)
    )


def _speed_row(recording: Recording, episodes: np.ndarray, walks: list[EpisodeGait], reference: Pace) -> SpeedRow:
    """Of the `episodes` [B] (bool), of which `walks` were long enough."""
    paces = [reference.at(walk.speed) for walk in walks]
    return SpeedRow(
        episodes=int(episodes.sum()),
        command=float(recording.command[episodes].mean()),
        forward_velocity=_mean([walk.speed for walk in walks]),
        velocity_error=_mean([abs(walk.speed - walk.command) for walk in walks]),
        survival=float(1.0 - recording.fell[episodes].mean()),
        cadence=_mean([walk.gait.cadence for walk in walks]),
        reference_cadence=_mean([cadence for cadence, _ in paces]),
        step_length=_mean([walk.step_length for walk in walks]),
        reference_step_length=_mean([length for _, length in paces]),
        duty_factor=_mean([walk.gait.duty for walk in walks]),
        step_asymmetry=_mean([walk.gait.step_asymmetry for walk in walks]),
    )


def _mean(values: Sequence[float]) -> float:
    """Of the values that exist."""
    values = [value for value in values if not math.isnan(value)]
    return float(np.mean(values)) if values else math.nan
