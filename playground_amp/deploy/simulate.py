"""The runner on a robot of plain MuJoCo, in real time: what a robot's driver has to do, and the loop's jitter."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

from playground_amp.core.errors import InputError
from playground_amp.deploy.contract import Contract
from playground_amp.deploy.limits import Limits
from playground_amp.deploy.load import Deployment
from playground_amp.deploy.loop import run_loop
from playground_amp.deploy.observations import Readings, gravity_of
from playground_amp.deploy.runner import Output, Runner

NOISE = 0.005  # rad and rad/s, standard deviation: without any, a symmetric policy would never lift one foot first


class SimulatedRobot:
    """robot.xml of an exported folder, standing; free joint first, then the J joints. Its sensors have noise."""

    def __init__(self, deployment: Deployment):
        try:
            import mujoco
        except ImportError:
            raise InputError("--simulate needs MuJoCo, which is not installed; pip install mujoco") from None
        self._mujoco, contract = mujoco, deployment.contract
        self._rng = np.random.default_rng(0)
        self._period = contract.period
        self.model = mujoco.MjModel.from_xml_path(str(deployment.folder / "robot.xml"))
        self.data = mujoco.MjData(self.model)
        self.data.qpos[7:] = contract.of_joints("home")
        self.data.qpos[:7] = [0.0, 0.0, standing_height(self.model, contract), 1.0, 0.0, 0.0, 0.0]

    def read(self, now: float, command: Sequence[float], run: bool) -> Readings:
        """What its sensors tell."""
        return Readings(
            time=now,
            gyro=self._noisy(self.data.qvel[3:6]),
            gravity=gravity_of(self.data.qpos[3:7]),
            joint_positions=self._noisy(self.data.qpos[7:]),
            joint_velocities=self._noisy(self.data.qvel[6:]),
            command=command,
            run=run,
        )

    def _noisy(self, values: np.ndarray) -> np.ndarray:
        return values + self._rng.normal(0.0, NOISE, len(values))

    def write(self, output: Output) -> None:
        """Drive the servos for one control step."""
        self.model.actuator_gainprm[:, 0], self.model.actuator_biasprm[:, 1] = output.kp, -output.kp
        self.model.actuator_biasprm[:, 2] = -output.kd
        self.data.ctrl[:] = output.target
        self._mujoco.mj_step(self.model, self.data, nstep=round(self._period / self.model.opt.timestep))


def standing_height(model: Any, contract: Contract) -> float:
    """Height of the root at which the lowest colliding sphere of the home pose touches the ground, m."""
    import mujoco

    data = mujoco.MjData(model)
    data.qpos[:] = [0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, *contract.of_joints("home")]
    mujoco.mj_kinematics(model, data)
    pads = np.flatnonzero(model.geom_conaffinity * (model.geom_bodyid > 0))
    return -float((data.geom_xpos[pads, 2] - model.geom_size[pads, 0]).min())


def simulate(deployment: Deployment, limits: Limits, seconds: float, command: Sequence[float] | None) -> str:
    """Hold the standing pose, then walk; the loop's timing and how far the robot went, in a sentence."""
    contract = deployment.contract
    robot, runner = SimulatedRobot(deployment), Runner(deployment, limits)
    asked = contract.command_range.mean(axis=0) if command is None else command
    gait = contract.gaits[-1] if contract.gaits else None
    if any(reading["needs_estimator"] for reading in contract.interface["readings"]):
        raise InputError("--simulate: the policy takes readings of a task of its own, which nobody gives here")

    def step(now: float) -> bool:
        readings = robot.read(now, asked, run=runner.phase in ("hold", "run"))
        output = runner.step(dataclasses.replace(readings, gait=gait), now)
        robot.write(output)
        return output.phase != "stopped"

    timing = run_loop(step, contract.period, round(seconds * contract.interface["rate"]))
    ahead, left = robot.data.qpos[:2]
    end = f"it stopped: {runner.stopped().reason}" if runner.phase == "stopped" else f"it ended in phase {runner.phase}"
    return f"{ahead:+.2f} m ahead, {left:+.2f} m to the left; {end}; {timing.sentence()}"
