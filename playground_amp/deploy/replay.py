"""The golden trace: readings of real episodes, and what observations, actions and targets have to come of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from playground_amp.core.errors import InputError
from playground_amp.deploy.contract import Contract
from playground_amp.deploy.load import Deployment
from playground_amp.deploy.observations import Readings
from playground_amp.deploy.runner import Runner

TOLERANCE = 1e-5  # of observations, actions and targets


def read_trace(folder: Path, contract: Contract) -> dict[str, np.ndarray]:
    """Arrays [N, ...] of trace.npz; raises InputError for one that the contract does not go with."""
    path = folder / "trace.npz"
    try:
        with np.load(path, allow_pickle=False) as file:
            trace = dict(file)
    except (ValueError, OSError) as error:
        raise InputError(f"{path}: cannot be read: {error}; export the run again") from None
    sizes = {reading["name"]: reading["size"] for reading in contract.interface["readings"]}
    sizes |= {"observation": contract.observation_size, "action": len(contract.joints), "target": len(contract.joints)}
    for name, size in sizes.items():
        if name not in trace or trace[name].shape[1:] != (size,):
            found = list(trace[name].shape) if name in trace else "nothing"
            raise InputError(f"{path}: {name} is {found}; expected [N, {size}]; export the run again")
    return trace


def replay(deployment: Deployment) -> dict[str, float]:
    """Run the trace's readings through the runner: the largest error of observation, action and target.

    Raises InputError where one is above TOLERANCE.
    """
    contract = deployment.contract
    trace, runner = read_trace(deployment.folder, contract), Runner(deployment)
    worst = dict.fromkeys(("observation", "action", "target"), 0.0)
    for step in range(len(trace["action"])):
        if trace["first"][step]:
            runner.reset()
        found = runner.act(_readings(contract, trace, step))
        for name, value in zip(worst, found, strict=True):
            error = float(np.abs(value - trace[name][step]).max())
            worst[name] = max(worst[name], error if np.isfinite(error) else np.inf)
    for name, error in worst.items():
        if error > TOLERANCE:
            place = deployment.folder / "trace.npz"
            raise InputError(f"{place}: the {name} differs by {error:.1e}, more than {TOLERANCE:g}; export again")
    return worst


def _readings(contract: Contract, trace: dict[str, np.ndarray], step: int) -> Readings:
    own = ("gyro", "gravity", "joint_positions", "joint_velocities", "command", "gait")
    names = [reading["name"] for reading in contract.interface["readings"]]
    return Readings(
        time=0.0,
        **{name: trace[name][step] for name in own[:5]},
        gait=contract.gaits[int(trace["gait"][step].argmax())] if contract.gaits else None,
        extra={name: trace[name][step] for name in names if name not in own},
    )
