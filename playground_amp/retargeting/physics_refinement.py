"""A clip -> what the robot really does of it: tracked through physics by model-predictive control, unassisted.

Sampling-based predictive control (MPPI, Williams et al. 2017, https://arxiv.org/abs/1509.01149, with the annealed
sampling of DIAL-MPC, Xue et al. 2024, https://arxiv.org/abs/2409.15610): from the state the robot is in, offsets of the
servo targets from the clip are drawn for the next HORIZON steps, all of them are simulated, and the plan moves to the
mean of the offsets weighted by exp(-cost / temperature). The first steps of the plan are done, then it is made anew.
No force but the servos' and the ground's acts on the robot.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import mujoco
import numpy as np
from mujoco.batch import Batch

from playground_amp.core.errors import InputError
from playground_amp.motion.clip import MotionClip
from playground_amp.robots import Robot

HORIZON = 24  # control steps that are looked ahead
KNOT = 2  # control steps between two knots of the offsets, and those done of a plan
SAMPLES = 128  # plans that are simulated at once
ROUNDS = 4  # times that a plan is improved
SPREAD = 0.08  # rad, standard deviation of the offsets in the first round
ANNEAL = 0.6  # factor on the spread from round to round
TEMPERATURE = 0.1  # of the spread of costs
LOST = 0.3  # leg lengths from its place at which the root does not follow any more
WEIGHTS = {  # of squared distances, lengths in leg lengths
    "position": 20.0,  # of the root over the ground
    "height": 40.0,  # of the root
    "rotation": 4.0,  # of the root, rad
    "joints": 1.0,  # rad, summed
    "feet": 80.0,  # middle of each pad, mean
    "velocity": 0.2,  # of the root
    "offset": 3.0,  # rad, of the knots, summed
}


@dataclass(frozen=True, eq=False)
class Refined:
    """A clip as the simulated robot walked it."""

    clip: MotionClip
    distance: float  # m, root mean square of the root from its place in the clip
    joint_error: float  # rad, root mean square of the joints from their angles in the clip


@dataclass(frozen=True, eq=False)
class ReferenceTrack:
    """The clip that is tracked, with its velocities and the places of its feet. N frames."""

    qpos: np.ndarray  # [N, nq]
    qvel: np.ndarray  # [N, nv]
    feet: np.ndarray  # [N, P, 3] m, middle of each pad


@dataclass(frozen=True, eq=False)
class RobotState:
    """The state of one simulated robot, with the warm start of its solver."""

    qpos: np.ndarray  # [nq]
    qvel: np.ndarray  # [nv]
    warmstart: np.ndarray  # [nv]


def refine(clip: MotionClip, robot: Robot, *, seed: int = 0) -> Refined:
    """The clip as the robot walks it under its servos and gravity alone, from the clip's first state on.

    `seed` is that of the sampled plans. Raises InputError where the robot falls or is left behind, with the second
    until which it follows.
    """
    simulation, track = _Simulation(robot, clip.frequency), make_track(clip, robot)
    rng = np.random.default_rng(seed)
    state = RobotState(track.qpos[0], track.qvel[0], np.zeros(robot.model.nv))
    plan, frames = np.zeros((HORIZON // KNOT + 1, robot.num_joints)), [state.qpos]
    while len(frames) < len(track.qpos):
        first = len(frames) - 1
        plan = _improve(plan, state, track, first, simulation, rng)
        targets = _targets(plan[None], track, first)[0]
        for target in targets[: min(KNOT, len(track.qpos) - len(frames))]:
            state = simulation.one(state, target)
            frames.append(state.qpos)
        away = np.linalg.norm(state.qpos[:3] - track.qpos[len(frames) - 1, :3])
        if not away <= LOST * robot.leg_length:  # NaN, too
            raise InputError(
                f"'{clip.name}': by itself the robot cannot follow it beyond {len(frames) / clip.frequency:.1f} s of "
                f"the clip; leave out --refine, or cut it with --start and --end"
            )
        plan = np.concatenate([plan[1:], plan[-1:]])
    return _refined(clip, np.stack(frames), robot)


def _refined(clip: MotionClip, qpos: np.ndarray, robot: Robot) -> Refined:
    away = qpos - clip.qpos
    qpos[:, 7:] = np.clip(qpos[:, 7:], *robot.joint_range.T)  # a stop gives way by some milliradians
    return Refined(
        replace(clip, qpos=qpos),
        distance=float(np.sqrt(np.mean(np.sum(away[:, :3] ** 2, axis=1)))),
        joint_error=float(np.sqrt(np.mean(away[:, 7:] ** 2))),
    )


def make_track(clip: MotionClip, robot: Robot) -> ReferenceTrack:
    """Velocities and feet of a clip, by MuJoCo's kinematics."""
    feet = np.stack([data.geom_xpos[robot.pad_geoms].mean(axis=1) for data in robot.poses(clip.qpos)])
    return ReferenceTrack(clip.qpos, robot.velocities(clip.qpos, 1.0 / clip.frequency), feet)


class _Simulation:
    """Copies of a robot in MuJoCo's batched engine: one that walks, and SAMPLES that try out plans."""

    def __init__(self, robot: Robot, frequency: float):
        self.robot, self.substeps = robot, round(1.0 / (frequency * robot.model.opt.timestep))
        self.many, self.single = (self._batch(size) for size in (SAMPLES, 1))

    def _batch(self, size: int) -> Batch:
        batch = Batch(self.robot.model, nsim=size)
        batch.bind("geom_xpos")
        return batch

    def one(self, state: RobotState, target: np.ndarray) -> RobotState:
        """The state one control step later under servo targets [J]."""
        self._load(self.single, state)
        self._step(self.single, target[None])
        return RobotState(self.single.qpos[0].copy(), self.single.qvel[0].copy(), self.single.qacc_warmstart[0].copy())

    def cost(self, state: RobotState, targets: np.ndarray, track: ReferenceTrack, first: int) -> np.ndarray:
        """Costs [SAMPLES] of servo targets [SAMPLES, H, J] from `state`, which is at frame `first`."""
        self._load(self.many, state)
        total = np.zeros(len(targets))
        for step in range(targets.shape[1]):
            self._step(self.many, targets[:, step])
            total += self._distance(track, min(first + step + 1, len(track.qpos) - 1))
        return total

    def _load(self, batch: Batch, state: RobotState) -> None:
        batch.qpos[:], batch.qvel[:], batch.qacc_warmstart[:] = state.qpos, state.qvel, state.warmstart

    def _step(self, batch: Batch, targets: np.ndarray) -> None:
        batch.ctrl[:] = np.clip(targets, *self.robot.joint_range.T)
        batch.step(nstep=self.substeps, stage=mujoco.mjtStage.mjSTAGE_POS)

    def _distance(self, track: ReferenceTrack, i: int) -> np.ndarray:
        """Squared distances [SAMPLES] from frame i, lengths in leg lengths."""
        batch, leg, w = self.many, self.robot.leg_length, WEIGHTS
        place = (batch.qpos[:, :3] - track.qpos[i, :3]) / leg
        turned = 1.0 - (batch.qpos[:, 3:7] @ track.qpos[i, 3:7]) ** 2
        joints = batch.qpos[:, 7:] - track.qpos[i, 7:]
        feet = (batch.geom_xpos[:, self.robot.pad_geoms].mean(axis=2) - track.feet[i]) / leg
        velocity = (batch.qvel[:, :3] - track.qvel[i, :3]) / leg
        cost = w["position"] * (place[:, :2] ** 2).sum(axis=1) + w["height"] * place[:, 2] ** 2
        cost += w["rotation"] * 4.0 * turned + w["joints"] * (joints**2).sum(axis=1)
        cost += w["feet"] * (feet**2).mean(axis=1).sum(axis=1) + w["velocity"] * (velocity**2).sum(axis=1)
        return np.where(np.isfinite(cost), cost, 1e6)


def _improve(
    plan: np.ndarray,
    state: RobotState,
    track: ReferenceTrack,
    first: int,
    simulation: _Simulation,
    rng: np.random.Generator,
) -> np.ndarray:
    """A better plan [K, J]; the plan itself and none at all are among the samples."""
    for round_ in range(ROUNDS):
        noise = SPREAD * ANNEAL**round_ * rng.standard_normal((SAMPLES, *plan.shape))
        plans = plan + noise
        plans[0], plans[1] = plan, 0.0
        targets = _targets(plans, track, first)
        cost = simulation.cost(state, targets, track, first) + WEIGHTS["offset"] * (plans**2).sum(axis=(1, 2))
        weight = np.exp(-(cost - cost.min()) / (TEMPERATURE * (np.median(cost) - cost.min()) + 1e-9))
        plan = np.einsum("s,skj->kj", weight / weight.sum(), plans)
    return plan


def _targets(plans: np.ndarray, track: ReferenceTrack, first: int) -> np.ndarray:
    """Servo targets [S, HORIZON, J] of offsets [S, K, J] at the knots, linear between them."""
    steps = np.arange(HORIZON)
    knot, share = steps // KNOT, (steps % KNOT / KNOT)[:, None]
    offsets = (1.0 - share) * plans[:, knot] + share * plans[:, knot + 1]
    frames = np.minimum(first + 1 + steps, len(track.qpos) - 1)
    return track.qpos[frames, 7:] + offsets
