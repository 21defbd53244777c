"""An exported folder, loaded and checked: the contract, and the policy in ONNX or NumPy."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from playground_amp.core.errors import InputError
from playground_amp.deploy import player
from playground_amp.deploy.contract import Contract, check_exported_with, check_robot, read_contract

Policy = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]  # observation [B, O] -> action, target [B, J]


@dataclass(frozen=True)
class Deployment:
    """What a robot runs."""

    folder: Path
    contract: Contract
    policy: Policy


def load(folder: str | Path, *, robot: Mapping[str, Any] | None = None, engine: str = "onnx") -> Deployment:
    """An exported folder. Raises InputError, in one sentence, for the smallest difference of its files to each other.

    With `robot`, what its driver says (see contract.check_robot), also for any difference to that. `engine` is onnx
    (onnxruntime, on one core) or numpy.
    """
    contract = read_contract(folder)
    if robot is not None:
        check_robot(contract, robot)
    engines = {"onnx": _onnx, "numpy": _numpy}
    if engine not in engines:
        raise InputError(f"there is no engine '{engine}'; valid: {', '.join(engines)}")
    return Deployment(Path(folder), contract, engines[engine](Path(folder), contract))


def _onnx(folder: Path, contract: Contract) -> Policy:
    try:
        import onnxruntime
    except ImportError:
        raise InputError("onnxruntime is not installed; pip install onnxruntime, or use the engine numpy") from None
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1  # a thread more takes longer than the network
    path = folder / "policy.onnx"
    try:
        session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's own, of several kinds
        raise InputError(f"{path}: onnxruntime {onnxruntime.__version__} cannot read it: {_first(error)}") from None
    _check_interface(contract, session.get_modelmeta().custom_metadata_map.get("interface"), path)
    sizes = session.get_inputs()[0].shape[-1], session.get_outputs()[0].shape[-1]
    _check_sizes(contract, sizes, path)

    def policy(observation: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        found = session.run(["action", "target"], {"observation": np.asarray(observation, np.float32)})
        return np.asarray(found[0]), np.asarray(found[1])

    return policy


def _numpy(folder: Path, contract: Contract) -> Policy:
    path = folder / "policy.npz"
    try:
        with np.load(path, allow_pickle=False) as file:
            interface, sizes = str(file["interface"]), (len(file["mean"]), len(file["scale"]))
    except (ValueError, KeyError, OSError) as error:
        raise InputError(f"{path}: cannot be read: {_first(error)}; export the run again") from None
    _check_interface(contract, interface, path)
    _check_sizes(contract, sizes, path)
    return player.load(path)


def _check_interface(contract: Contract, interface: str | None, path: Path) -> None:
    if not interface:
        raise InputError(f"{path}: does not say what it was exported for; export the run again")
    check_exported_with(contract, interface, path.name)


def _check_sizes(contract: Contract, found: tuple[int, int], path: Path) -> None:
    expected = contract.observation_size, len(contract.joints)
    if found != expected:
        raise InputError(
            f"{path}: takes {found[0]} numbers and gives {found[1]}; the contract has observations of {expected[0]} "
            f"and {expected[1]} joints; export the run again"
        )


def _first(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
