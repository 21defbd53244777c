"""Evaluation: what recorded episodes of a policy say of survival, speed, gait, style and effort."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import Any

import jax
import numpy as np

from playground_amp.amp import AMP
from playground_amp.config import asks_for_every_way
from playground_amp.core.files import json_values
from playground_amp.evaluation.reference_pace import Pace, reference_pace, step_length
from playground_amp.evaluation.rollout import Recording, settled_steps
from playground_amp.evaluation.style import held_out_distances, recording_windows, training_distances
from playground_amp.motion.clip import MotionClip
from playground_amp.motion.features import MOVING
from playground_amp.motion.metrics.gait import Quality, measure
from playground_amp.robots import Robot

SHORTEST_WALK = 2.0  # s of an episode, after its first second, below which it tells nothing of the gait
SPEED_BINS = 5  # of the range of commands


@dataclasses.dataclass(frozen=True)
class SpeedRow:
    """Means over the episodes whose command is in one part of the range, as in Evaluation."""

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
    velocity_error: float  # m/s, mean over episodes of |mean velocity - command|
    turn_error: float  # rad/s, mean over episodes of |mean turning - command|
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

    def to_json(self) -> dict[str, Any]:
        """Everything, as JSON knows it: NaN is null."""
        return json_values(dataclasses.asdict(self))


@dataclasses.dataclass(frozen=True)
class EpisodeGait:
    """How the robot moves in one episode, its first second left out."""

    command: np.ndarray  # [3] m/s, m/s, rad/s
    velocity: np.ndarray  # [3] as the command, its mean
    figures: Quality  # of its steps and joints
    action_rate: float  # rad
    cost_of_transport: float

    @property
    def speed(self) -> float:
        """m/s ahead."""
        return float(self.velocity[0])

    @property
    def is_ahead(self) -> bool:
        """Whether it was asked for a walk straight ahead."""
        return self.command[0] >= MOVING and not self.command[1:].any()

    @property
    def velocity_error(self) -> float:
        """m/s; of the speed ahead alone where nothing else is asked for."""
        error = self.velocity - self.command
        return float(np.linalg.norm(error[:2])) if self.command[1:].any() else abs(float(error[0]))

    @property
    def turn_error(self) -> float:
        """rad/s."""
        return float(abs(self.velocity[2] - self.command[2]))

    @property
    def step_length(self) -> float:
        """m; NaN without steps."""
        return step_length(self.speed, self.figures.cadence)


def evaluate(amp: AMP, recording: Recording) -> Evaluation:
    """Survival, speed, gait, style and effort of the episodes of a recording."""
    recording = jax.tree.map(np.asarray, recording)
    gaits, reference = measure_gaits(amp, recording), reference_pace(amp)
    windows = recording_windows(amp, recording)
    one_way = not (amp.env.labelled or asks_for_every_way(amp.env.config.command))
    walking = [gait for gait in gaits if one_way or gait.is_ahead]  # the others stand, turn or go another way
    speed, cadence = _mean([gait.speed for gait in walking]), _mean([gait.figures.cadence for gait in walking])
    return Evaluation(
        episodes=len(recording.command),
        episode_length=float(recording.alive.sum(axis=0).mean()),
        survival=float(1.0 - recording.fell.mean()),
        command=float(recording.forward_command.mean()),
        forward_velocity=_mean([gait.speed for gait in gaits]),
        velocity_error=_mean([gait.velocity_error for gait in gaits]),
        turn_error=_mean([gait.turn_error for gait in gaits]),
        cadence=cadence,
        cadence_error=_mean([abs(gait.figures.cadence / reference.at(gait.speed)[0] - 1.0) for gait in walking]),
        step_length=step_length(speed, cadence),
        step_length_error=_mean([abs(gait.step_length / reference.at(gait.speed)[1] - 1.0) for gait in walking]),
        duty_factor=_mean([gait.figures.duty for gait in walking]),
        alternation=_mean([gait.figures.alternation for gait in walking]),
        phase=_mean([gait.figures.phase for gait in walking]),
        step_asymmetry=_mean([gait.figures.step_asymmetry for gait in walking]),
        asymmetry=_mean([gait.figures.asymmetry for gait in walking]),
        foot_skating=_mean([gait.figures.skating for gait in walking]),
        **training_distances(amp, windows),
        **held_out_distances(amp, windows),
        action_rate=_mean([gait.action_rate for gait in walking]),
        cost_of_transport=_mean([gait.cost_of_transport for gait in walking]),
        speeds=_speed_rows(amp.env.speed_range, *_walks(recording, gaits, one_way), reference),
    )


def measure_gaits(amp: AMP, recording: Recording) -> list[EpisodeGait]:
    """The gait of every episode that is long enough to tell."""
    return list(gaits_of_episodes(amp, recording).values())


def gaits_of_episodes(amp: AMP, recording: Recording) -> dict[int, EpisodeGait]:
    """The gait of every episode that is long enough to tell, by the episode's index."""
    measured, long_enough = _measured_steps(amp, recording)
    return {int(i): _episode_gait(amp, recording, measured[:, i], i) for i in np.flatnonzero(long_enough)}


def speed_near(amp: AMP, recording: Recording, command: float, within: float = 0.03) -> float:
    """Mean speed, m/s, of the long enough episodes whose command is within `within` m/s of `command` m/s, or NaN."""
    measured, long_enough = _measured_steps(amp, recording)
    distance = np.linalg.norm(np.asarray(recording.command) - [command, 0.0, 0.0], axis=-1)
    velocity = np.asarray(recording.forward_velocity)
    near = np.flatnonzero(long_enough & (distance <= within + 1e-6))
    return _mean([velocity[measured[:, i], i].mean() for i in near])


def _measured_steps(amp: AMP, recording: Recording) -> tuple[np.ndarray, np.ndarray]:
    """The settled steps [T, B] of the episodes, and which episodes [B] have enough of them to show a gait."""
    measured = settled_steps(amp, recording)
    return measured, measured.sum(axis=0) >= round(SHORTEST_WALK / amp.env.config.control_dt)


def _episode_gait(amp: AMP, recording: Recording, steps: np.ndarray, i: int) -> EpisodeGait:
    """Of the control steps `steps` [T] (bool) of episode `i`."""
    robot, config = amp.env.robot, amp.env.config
    qpos, velocity = np.asarray(recording.qpos)[steps, i], np.asarray(recording.velocity)[steps, i].mean(axis=0)
    target = np.asarray(amp.env.reference.mean_pose) + amp.env.action_scale * recording.action[steps, i]
    lower, upper = robot.joint_range.T
    change = np.diff(np.clip(target, lower, upper), axis=0)
    power = np.abs(recording.torque[steps, i] * recording.qvel[steps, i, 6:]).sum(axis=-1).mean()
    clip = MotionClip("episode", robot.name, robot.joints, qpos, 1.0 / config.control_dt, "policy")
    return EpisodeGait(
        command=np.asarray(recording.command)[i],
        velocity=velocity,
        figures=measure(clip, robot),
        action_rate=float(np.sqrt(np.mean(change**2))),
        cost_of_transport=_cost_of_transport(float(power), float(np.linalg.norm(velocity[:2])), robot),
    )


def _cost_of_transport(power: float, speed: float, robot: Robot) -> float:
    """P / (m g v), for power in W and speed in m/s; NaN for a robot that stays where it is."""
    weight = robot.model.body_mass.sum() * np.linalg.norm(robot.model.opt.gravity)
    return power / (weight * speed) if speed > 0.05 else math.nan


def _walks(recording: Recording, gaits: list[EpisodeGait], one_way: bool) -> tuple[Recording, list[EpisodeGait]]:
    """What was asked to walk straight ahead: all of it with `one_way`, or the episodes without another way in them."""
    if one_way:
        return recording, gaits
    ahead = (recording.command[:, 0] >= MOVING) & ~recording.command[:, 1:].any(axis=-1)
    kept = recording.replace(command=recording.command[ahead], fell=recording.fell[ahead])
    return kept, [gait for gait in gaits if gait.is_ahead]


def _speed_rows(
    speed_range: tuple[float, float], recording: Recording, gaits: list[EpisodeGait], reference: Pace
) -> tuple[SpeedRow, ...]:
    low, high = speed_range
    edges = np.linspace(low, high, SPEED_BINS + 1)[1:-1]
    bin_of_episode = np.digitize(recording.forward_command, edges)
    bin_of_gait = np.digitize([gait.command[0] for gait in gaits], edges)
    return tuple(
        _speed_row(recording, bin_of_episode == i, [gaits[j] for j in np.flatnonzero(bin_of_gait == i)], reference)
        for i in np.unique(bin_of_episode)
    )


def _speed_row(recording: Recording, episodes: np.ndarray, gaits: list[EpisodeGait], reference: Pace) -> SpeedRow:
    """Of the `episodes` [B] (bool) of one part of the range, `gaits` of those that are long enough."""
    return SpeedRow(
        episodes=int(episodes.sum()),
        command=float(recording.forward_command[episodes].mean()),
        forward_velocity=_mean([gait.speed for gait in gaits]),
        velocity_error=_mean([gait.velocity_error for gait in gaits]),
        survival=float(1.0 - recording.fell[episodes].mean()),
        cadence=_mean([gait.figures.cadence for gait in gaits]),
        reference_cadence=_mean([reference.at(gait.speed)[0] for gait in gaits]),
        step_length=_mean([gait.step_length for gait in gaits]),
        reference_step_length=_mean([reference.at(gait.speed)[1] for gait in gaits]),
        duty_factor=_mean([gait.figures.duty for gait in gaits]),
        step_asymmetry=_mean([gait.figures.step_asymmetry for gait in gaits]),
    )


def _mean(values: Sequence[float]) -> float:
    """Of the values that exist."""
    values = [value for value in values if not math.isnan(value)]
    return float(np.mean(values)) if values else math.nan
