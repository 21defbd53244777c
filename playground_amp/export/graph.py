"""The policy as numbers, as an ONNX graph, and as the arrays of the NumPy player."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from playground_amp.amp import AMP, TrainState
from playground_amp.core.errors import InputError
from playground_amp.learning.networks import OBSERVATION_CLIP

OPSET, IR_VERSION = 17, 8  # read by onnxruntime 1.12 (2022) and newer


@dataclass(frozen=True)
class PolicyArrays:
    """Everything that the mean policy computes with; float32. O observations, J joints."""

    layers: list[tuple[np.ndarray, np.ndarray]]  # weight [in, out] and bias [out]; ELU between them
    mean: np.ndarray  # [O] of the observations
    std: np.ndarray  # [O]
    default: np.ndarray  # [J] rad, target of action 0
    scale: np.ndarray  # [J] rad
    lower: np.ndarray  # [J] rad
    upper: np.ndarray  # [J] rad
    mirror: tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray] | None
    """Of a symmetric policy: partner and sign of the observation [O] each, then of the action [J] each."""


def policy_arrays(amp: AMP, state: TrainState) -> PolicyArrays:
    """The mean policy of a state of the training."""
    env = amp.env
    network = state.policy.params.actor["params"]["MLP_0"]
    names = sorted(network, key=lambda name: int(name.rpartition("_")[2]))
    observation = state.statistics.observation
    lower, upper = env.robot.joint_range.T
    mirror = None
    if amp.config.networks.symmetric:
        partner, sign = env.actor_mirror
        action_partner, action_sign = env.robot.mirror_joints
        mirror = (partner.astype(np.int64), _float(sign), np.array(action_partner, np.int64), _float(action_sign))
    return PolicyArrays(
        layers=[(_float(network[name]["kernel"]), _float(network[name]["bias"])) for name in names],
        mean=_float(observation.mean),
        std=_float(observation.std),
        default=_float(env.reference.mean_pose),
        scale=_float(np.broadcast_to(np.asarray(env.action_scale), env.num_actions)),
        lower=_float(lower),
        upper=_float(upper),
        mirror=mirror,
    )


def write_numpy(path: Path, arrays: PolicyArrays, interface: str) -> None:
    """The file of deploy/player.py."""
    values: dict[str, Any] = {f"weight_{i}": weight for i, (weight, _) in enumerate(arrays.layers)}
    values |= {f"bias_{i}": bias for i, (_, bias) in enumerate(arrays.layers)}
    values |= {name: getattr(arrays, name) for name in ("mean", "std", "default", "scale", "lower", "upper")}
    if arrays.mirror:
        names = ("observation_partner", "observation_sign", "action_partner", "action_sign")
        values |= dict(zip(names, arrays.mirror, strict=True))
    values |= {"layers": np.int64(len(arrays.layers)), "clip": np.float32(OBSERVATION_CLIP)}
    np.savez(path, interface=np.array(interface), **values)


def write_onnx(path: Path, arrays: PolicyArrays, interface: str) -> None:
    """observation [batch, O] -> action [batch, J] and target [batch, J] rad; `interface` goes into its metadata."""
    try:
        import onnx
        from onnx import TensorProto, helper
    except ImportError:
        raise InputError(
            "the package onnx is not installed, which writes policy.onnx; pip install 'playground_amp[export]'"
        ) from None
    builder = _Graph()
    action = _symmetric(builder, arrays) if arrays.mirror else _network(builder, arrays, "observation")
    builder.add("Identity", [action], "action")
    scaled = builder.add("Mul", ["action", builder.constant("scale", arrays.scale)])
    wanted = builder.add("Add", [scaled, builder.constant("default", arrays.default)])
    above = builder.add("Max", [wanted, builder.constant("lower", arrays.lower)])
    builder.add("Min", [above, builder.constant("upper", arrays.upper)], "target")

    def tensor(name: str, size: int) -> Any:
        return helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", size])

    joints = len(arrays.default)
    graph = helper.make_graph(
        builder.nodes,
        "policy",
        [tensor("observation", len(arrays.mean))],
        [tensor("action", joints), tensor("target", joints)],
        builder.constants,
    )
    opset = [helper.make_opsetid("", OPSET)]
    model = helper.make_model(graph, opset_imports=opset, producer_name="playground_amp", ir_version=IR_VERSION)
    helper.set_model_props(model, {"interface": interface})
    onnx.checker.check_model(model)
    path.write_bytes(model.SerializeToString(deterministic=True))


class _Graph:
    """Nodes and constants, in the order in which they are added."""

    def __init__(self) -> None:
        self.nodes: list[Any] = []
        self.constants: list[Any] = []
        self._names: dict[str, str] = {}

    def constant(self, name: str, value: np.ndarray) -> str:
        from onnx import numpy_helper

        if name not in self._names:
            self.constants.append(numpy_helper.from_array(np.ascontiguousarray(value), name))
            self._names[name] = name
        return name

    def add(self, kind: str, inputs: list[str], output: str = "", **attributes: Any) -> str:
        from onnx import helper

        output = output or f"{kind.lower()}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, inputs, [output], **attributes))
        return output


def _network(graph: _Graph, arrays: PolicyArrays, observation: str) -> str:
    """Normalisation, dense layers, ELU between them."""
    centred = graph.add("Sub", [observation, graph.constant("mean", arrays.mean)])
    normal = graph.add("Div", [centred, graph.constant("std", arrays.std)])
    bounds = [
        graph.constant("low", _float(-OBSERVATION_CLIP)),
        graph.constant("high", _float(OBSERVATION_CLIP)),
    ]
    x = graph.add("Clip", [normal, *bounds])
    for i, (weight, bias) in enumerate(arrays.layers):
        x = x if i == 0 else graph.add("Elu", [x], alpha=1.0)
        x = graph.add("Gemm", [x, graph.constant(f"weight_{i}", weight), graph.constant(f"bias_{i}", bias)])
    return x


def _symmetric(graph: _Graph, arrays: PolicyArrays) -> str:
    """(f(s) + M f(M s)) / 2, as learning.networks.Actor has it."""
    assert arrays.mirror
    partner, sign, action_partner, action_sign = arrays.mirror
    own = _network(graph, arrays, "observation")
    exchanged = graph.add("Gather", ["observation", graph.constant("observation_partner", partner)], axis=1)
    reflected = graph.add("Mul", [exchanged, graph.constant("observation_sign", sign)])
    other = _network(graph, arrays, reflected)
    back = graph.add("Gather", [other, graph.constant("action_partner", action_partner)], axis=1)
    back = graph.add("Mul", [back, graph.constant("action_sign", action_sign)])
    total = graph.add("Add", [own, back])
    return graph.add("Mul", [total, graph.constant("half", _float(0.5))])


def _float(values: Any) -> np.ndarray:
    return np.asarray(values, np.float32)
