"""Walks of a batch of robots under a condition, driven by the deploy runner's own code: observe, policy, limits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from playground_amp.core.errors import InputError
from playground_amp.deploy.contract import Contract
from playground_amp.deploy.limits import Limits, limit_targets
from playground_amp.deploy.load import Deployment
from playground_amp.deploy.observations import History, observe
from playground_amp.export.transfer.conditions import Condition
from playground_amp.export.transfer.engines import Engine, make_engine

MEMORY = 0.5  # s of the running mean of the velocity, as in training
SETTLING = 1.0  # s at the start that the error leaves out
PUSH_EVERY = 2.0  # s
LIMITS = Limits()


@dataclass(frozen=True)
class Walks:
    """What became of B robots."""

    survived: np.ndarray  # [B] bool
    seconds: np.ndarray  # [B] until the fall, or the end
    speed_error: np.ndarray  # [B] m/s, mean distance of the running mean velocity to the command; NaN: fell at once
    turn_error: np.ndarray  # [B] rad/s


@dataclass(frozen=True)
class Starts:
    """Where the robots start, and what they are asked for all the way."""

    qpos: np.ndarray  # [B, nq]
    qvel: np.ndarray  # [B, nv]
    command: np.ndarray  # [B, 3]
    gait: np.ndarray  # [B, L] one-hot


def starts_of(contract: Contract, trace: Mapping[str, np.ndarray], count: int) -> Starts:
    """Starts of the trace with their commands, over again where there are fewer than `count`."""
    rows = np.arange(count) % len(trace["start_qpos"])
    gait = np.eye(len(contract.gaits))[trace["start_label"][rows]] if contract.gaits else np.zeros((count, 0))
    return Starts(
        trace["start_qpos"][rows].astype(np.float64),
        trace["start_qvel"][rows].astype(np.float64),
        trace["start_command"][rows].astype(np.float64),
        gait,
    )


def check_readings(contract: Contract) -> None:
    """Raise InputError for a policy that sees what no simulation of a robot gives."""
    for reading in contract.interface["readings"]:
        if reading["needs_estimator"]:
            raise InputError(
                f"the policy takes the reading '{reading['name']}' of a task of its own, which plain MuJoCo does not "
                f"give; transfer is for policies of readings that an IMU, encoders and the operator give"
            )


def walk(deployment: Deployment, condition: Condition, starts: Starts, seconds: float, seed: int) -> Walks:
    """Episodes under a condition; the pushes are those of `seed`."""
    contract, count = deployment.contract, len(starts.qpos)
    engine = make_engine(deployment.folder / "robot.xml", condition, starts.qpos, starts.qvel)
    servos = _Servos(engine, contract.period, condition.delay, starts.qpos[:, 7:])
    rng, steps = np.random.default_rng(seed), round(seconds / contract.period)
    previous_action = np.zeros((count, len(contract.joints)), np.float32)
    history, target, mean = History(contract), None, np.zeros((count, 3))
    mean[:, :2] = _to_heading(engine.qpos[:, 3:7], engine.qvel)
    alive, lived, errors = np.ones(count, bool), np.zeros(count), []
    for step in range(steps):
        if condition.push and step and step % round(PUSH_EVERY / contract.period) == 0:
            engine.qvel[:, :2] += condition.push * _directions(rng, count)
        frame = observe(contract, _readings(engine, starts), previous_action)
        previous_action, wanted = deployment.policy(history.add(frame))
        target = wanted if target is None else limit_targets(contract, LIMITS, wanted, target)
        before = engine.qpos.copy()
        servos.step(target)
        velocity = _moved(before, engine.qpos, contract.period)
        mean = mean + (contract.period / MEMORY) * (velocity - mean)
        alive = alive & ~_fallen(contract, engine)
        lived += alive * contract.period
        if step * contract.period >= SETTLING:
            errors.append(np.where(alive[:, None], mean - starts.command, np.nan))
        if not alive.any():
            break
        _hold_still(engine, alive, starts)
    speed, turn = _means(errors, count)
    return Walks(alive, lived, speed, turn)


class _Servos:
    """Targets that take effect after a delay, in whole time steps of the engine."""

    def __init__(self, engine: Engine, period: float, delay: float, pose: np.ndarray):
        self._engine, self._substeps = engine, round(period / engine.timestep)
        whole, self._part = divmod(round(delay / engine.timestep), self._substeps)
        self._queue = [pose] * (whole + 2)  # oldest first; the pose at the start until a target arrives

    def step(self, target: np.ndarray) -> None:
        """One control step: the older of two targets for its first part, then the newer."""
        self._queue = [*self._queue[1:], target]
        older, newer = self._queue[:2]
        if self._part:
            self._engine.step(older, self._part)
        self._engine.step(newer, self._substeps - self._part)


def _readings(engine: Engine, starts: Starts) -> dict[str, np.ndarray]:
    """What IMU and encoders tell; the IMU feels gravity as the world has it."""
    down = engine.gravity / np.linalg.norm(engine.gravity)
    return {
        "gyro": engine.qvel[:, 3:6],
        "gravity": _into_root(engine.qpos[:, 3:7], down),
        "joint_positions": engine.qpos[:, 7:],
        "joint_velocities": engine.qvel[:, 6:],
        "command": starts.command,
        "gait": starts.gait,
    }


def _into_root(quat: np.ndarray, vector: np.ndarray) -> np.ndarray:
    """A world vector [3] in the frame of each root, quat [B, 4] -> [B, 3]: v - w t + u x t with t = 2 u x v."""
    w, u = quat[:, :1], quat[:, 1:]
    t = 2.0 * np.cross(u, vector)
    return vector - w * t + np.cross(u, t)


def _yaw(quat: np.ndarray) -> np.ndarray:
    """Heading [B] rad, as core/rotations.py has it."""
    w, x, y, z = quat.T
    return np.arctan2(2.0 * (w * z + x * y), 1.0 - 2.0 * (y * y + z * z))


def _to_heading(quat: np.ndarray, velocity: np.ndarray) -> np.ndarray:
    """World velocity [B, 2+] ahead and to the left, [B, 2] m/s."""
    cos, sin = np.cos(_yaw(quat)), np.sin(_yaw(quat))
    x, y = velocity[:, 0], velocity[:, 1]
    return np.stack([cos * x + sin * y, cos * y - sin * x], axis=-1)


def _moved(before: np.ndarray, after: np.ndarray, dt: float) -> np.ndarray:
    """Velocity over a step as the command, [B, 3], of qpos [B, nq]: the turning is that of the heading."""
    turn = np.angle(np.exp(1j * (_yaw(after[:, 3:7]) - _yaw(before[:, 3:7])))) / dt
    velocity = _to_heading(after[:, 3:7], (after[:, :3] - before[:, :3]) / dt)
    return np.concatenate([velocity, turn[:, None]], axis=-1)


def _fallen(contract: Contract, engine: Engine) -> np.ndarray:
    """Whether a root is too low or leans too far [B]; a state that is not a number has fallen."""
    fallen, quat = contract.interface["fallen"], engine.qpos[:, 3:7]
    up = 1.0 - 2.0 * (quat[:, 1] ** 2 + quat[:, 2] ** 2)
    return ~(engine.qpos[:, 2] >= fallen["lowest_root"]) | ~(up >= np.cos(fallen["largest_tilt"]))


def _hold_still(engine: Engine, alive: np.ndarray, starts: Starts) -> None:
    """Put the fallen back to the start, so that no engine works on what lies about or is not a number."""
    engine.qpos[~alive], engine.qvel[~alive] = starts.qpos[~alive], 0.0


def _directions(rng: np.random.Generator, count: int) -> np.ndarray:
    """Horizontal unit vectors [count, 2]."""
    angle = rng.uniform(0.0, 2.0 * np.pi, count)
    return np.stack([np.cos(angle), np.sin(angle)], axis=-1)


def _means(errors: list[np.ndarray], count: int) -> tuple[np.ndarray, np.ndarray]:
    """Mean error of speed and turning of each robot [B] over the steps that it lived; NaN where there is none."""
    if not errors:
        return np.full(count, np.nan), np.full(count, np.nan)
    found = np.stack(errors)
    lived = np.isfinite(found).all(axis=-1)
    sums = np.where(lived, np.linalg.norm(found[..., :2], axis=-1), 0.0), np.where(lived, np.abs(found[..., 2]), 0.0)
    with np.errstate(invalid="ignore", divide="ignore"):
        speed, turn = (values.sum(axis=0) / lived.sum(axis=0) for values in sums)
    return speed, turn
