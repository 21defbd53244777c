"""One control step after the other: a ramp to the standing pose, the policy, and a stop at the first doubt."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from playground_amp.deploy.limits import Limits, fault_of, limit_targets
from playground_amp.deploy.load import Deployment
from playground_amp.deploy.observations import History, Readings, by_name, observe

Phase = Literal["ramp", "hold", "run", "stopped"]


@dataclass(frozen=True)
class Output:
    """What the servos are told; J joints in the contract's order."""

    phase: Phase
    target: np.ndarray  # [J] rad
    kp: np.ndarray  # [J] N m/rad; zero once stopped: the joints then only damp
    kd: np.ndarray  # [J] N m s/rad
    reason: str = ""  # why it stopped


class Runner:
    """Holds what is remembered between steps: the phase, the last target, the previous action, earlier frames.

    ramp     from the pose that is read first to the standing pose, along a half cosine
    hold     the standing pose, until `readings.run` is true
    run      the policy; when `readings.run` becomes false, a ramp again
    stopped  after a reading that is stale or absurd: no stiffness, full damping, until `reset`
    """

    def __init__(self, deployment: Deployment, limits: Limits = Limits()):  # noqa: B008, frozen
        self.contract, self.policy, self.limits = deployment.contract, deployment.policy, limits
        self._kp, self._kd = self.contract.of_joints("kp"), self.contract.of_joints("kd")
        self._home = self.contract.of_joints("home")
        self._history = History(self.contract)
        self.reset()

    def reset(self) -> None:
        """Start anew with a ramp, also after a stop."""
        self.phase: Phase = "ramp"
        self._reason = ""
        self._start: np.ndarray | None = None  # where the ramp starts
        self._ramp_steps = 0
        self._target = np.zeros(len(self._home))
        self._forget()

    def _forget(self) -> None:
        """As at the start of an episode."""
        self._previous_action = np.zeros(len(self._home), np.float32)
        self._history.clear()

    def stop(self, reason: str) -> None:
        """No stiffness from here on; the first reason is kept."""
        if self.phase != "stopped":
            self.phase, self._reason = "stopped", reason

    def step(self, readings: Readings, now: float) -> Output:
        """What the servos are told for one control step; `now` in s, by the clock of `readings.time`."""
        if self.phase != "stopped" and (fault := fault_of(self.contract, self.limits, readings, now)):
            self.stop(fault)
        if self.phase == "stopped":
            return self.stopped()
        if self.phase == "run" and not readings.run:
            self.phase, self._start = "ramp", self._target
        if self.phase == "ramp":
            self._ramp(readings)
        elif self.phase == "hold" and readings.run:
            self.phase = "run"
            self._forget()
        if self.phase == "run":
            _, _, target = self.act(readings)
            self._target = limit_targets(self.contract, self.limits, target, self._target)
        return Output(self.phase, self._target.copy(), self._kp, self._kd)

    def stopped(self) -> Output:
        """What the servos are told after a stop."""
        return Output("stopped", self._target.copy(), np.zeros_like(self._kp), self._kd, self._reason)

    def act(self, readings: Readings) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Observation [O], action [J] and target [J] rad of the policy as it is, which is remembered as the last."""
        frame = observe(self.contract, by_name(self.contract, readings), self._previous_action)
        observation = self._history.add(frame)
        action, target = (values[0] for values in self.policy(observation[None]))
        self._previous_action = action
        return observation, action, np.asarray(target, np.float64)

    def _ramp(self, readings: Readings) -> None:
        if self._start is None:
            self._start = np.asarray(readings.joint_positions, np.float64)
        way = np.abs(self._home - self._start).max()
        seconds = max(self.limits.least_ramp, 0.5 * np.pi * way / self.limits.ramp_speed)
        self._ramp_steps += 1
        share = min(1.0, self._ramp_steps * self.contract.period / seconds)
        self._target = self._start + 0.5 * (1.0 - np.cos(np.pi * share)) * (self._home - self._start)
        if share == 1.0:
            self.phase, self._ramp_steps = "hold", 0
