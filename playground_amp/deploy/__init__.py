"""The robot's side: runs an exported policy from raw readings. Needs NumPy (and onnxruntime), never JAX.

from playground_amp.deploy import Readings, Runner, load

runner = Runner(load("exported", robot=what_my_driver_says))
output = runner.step(Readings(time=t, gyro=..., gravity=..., joint_positions=..., joint_velocities=...), now=t)
"""

from __future__ import annotations

from playground_amp.deploy.contract import Contract, check_robot, read_contract
from playground_amp.deploy.limits import Limits
from playground_amp.deploy.load import Deployment, load
from playground_amp.deploy.observations import Readings, gravity_of, observe
from playground_amp.deploy.replay import replay
from playground_amp.deploy.runner import Output, Runner

__all__ = [
    "Contract",
    "Deployment",
    "Limits",
    "Output",
    "Readings",
    "Runner",
    "check_robot",
    "gravity_of",
    "load",
    "observe",
    "read_contract",
    "replay",
]
