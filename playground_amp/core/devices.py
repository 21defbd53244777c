"""Many devices: each holds its share of the robots and of every minibatch, and a copy of all else.

Data parallelism by JAX's partitioner. What is compiled inside `on_all_devices` is laid over a mesh of all devices of
all processes: a mean over robots, a gradient's among them, becomes a mean over devices, and random numbers are those of
one device, as JAX draws them by their place in the array. Elsewhere, and with one device, these functions give back
what they were given.
"""

from __future__ import annotations

import functools
import importlib.metadata
import os
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from jax.experimental import multihost_utils
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec, get_abstract_mesh

ROBOTS = "robots"  # the one axis of the mesh
COPIED = PartitionSpec()
GPUS = Path("/proc/driver/nvidia/gpus")  # one entry for each that the driver knows

Tree = TypeVar("Tree")


def missing_accelerator() -> str:
    """Why a machine that seems to have an NVIDIA GPU computes on its CPU; empty where that is so by choice, or is not.

    JAX falls back to the CPU where its plugin for CUDA does not start, with no more than a line in its log.
    """
    chosen = bool(getattr(jax.config, "jax_platforms", None)) or os.environ.get("CUDA_VISIBLE_DEVICES") in ("", "-1")
    if chosen or jax.default_backend() != "cpu":
        return ""
    plugins = [entry.name for entry in importlib.metadata.entry_points(group="jax_plugins") if "cuda" in entry.name]
    gpus = list(GPUS.glob("*"))
    if not plugins and not gpus:
        return ""
    if not plugins:
        return "there is an NVIDIA GPU, but JAX's plugin for CUDA is not installed: pip install 'playground_amp[gpu]'"
    found = f"JAX's plugin {plugins[0]} is installed, but " + ("did not start" if gpus else "sees no NVIDIA GPU")
    return (
        f"""{found}: JAX_PLATFORMS=cuda python -c "import jax; jax.devices()" says why; JAX_PLATFORMS=cpu is the CPU"""
    )


@contextmanager
def on_all_devices() -> Generator[None]:
    """What is compiled and called within runs on all devices of all processes; as ever where there is one."""
    if jax.device_count() == 1:
        yield
        return
    with jax.set_mesh(_mesh()):
        yield


# --- under jit


def shard(tree: Tree, axis: int = 0) -> Tree:
    """Arrays shared out evenly along `axis`, of robots or samples; those without it, such as keys, are copied."""
    spec = PartitionSpec(*[None] * axis, ROBOTS)
    return _constrain(tree, lambda leaf: spec if leaf.ndim > axis else COPIED)


def replicate(tree: Tree) -> Tree:
    """Arrays of which every device has a copy."""
    return _constrain(tree, lambda leaf: COPIED)


def per_device(function: Callable[..., Tree]) -> Callable[..., Tree]:
    """A function of arrays [B, ...] that treats each robot by itself, called on every device with the robots there.

    A solver's loop then ends on each device by itself, and a callback gets the robots of its process.
    """
    if get_abstract_mesh().empty:
        return function
    spec = PartitionSpec(ROBOTS)
    return jax.shard_map(function, in_specs=spec, out_specs=spec, check_vma=False)


# --- on the host


def gather(tree: Tree) -> Tree:
    """A copy of every array on each device, for one process to read them; all processes have to call it."""
    if jax.device_count() == 1:
        return tree
    return jax.jit(lambda tree: tree, out_shardings=NamedSharding(_mesh(), COPIED))(tree)


def local(tree: Tree) -> Tree:
    """Copied arrays, as `gather` gives them, on the first device of this process alone."""
    if jax.device_count() == 1:
        return tree
    return jax.tree.map(lambda leaf: jax.device_put(leaf.addressable_data(0), jax.local_devices()[0]), tree)


def from_first(tree: Tree, shapes: Tree) -> Tree:
    """The arrays that process 0 holds, on every process, for a compiled function on any devices to take.

    All have to call it with the `shapes`; what others give as `tree` is not looked at.
    """
    if jax.device_count() == 1:
        return tree
    here = jax.process_index() == 0
    data = jax.tree.map(lambda leaf: np.asarray(_data(leaf)), tree) if here else jax.tree.map(_blank, shapes)
    if jax.process_count() > 1:
        data = multihost_utils.broadcast_one_to_all(data, is_source=here)
    return jax.tree.map(lambda like, leaf: jax.random.wrap_key_data(leaf) if _is_key(like) else leaf, shapes, data)


def largest(values: Sequence[int]) -> list[int]:
    """The largest of each number over all processes; all have to call it."""
    if jax.process_count() == 1:
        return list(values)
    mine = np.tile(np.asarray(values, np.int32), (jax.local_device_count(), 1))
    return _largest()(
        jax.make_array_from_process_local_data(NamedSharding(_mesh(), PartitionSpec(ROBOTS)), mine)
    ).tolist()


@functools.cache
def _largest() -> Callable[[jax.Array], np.ndarray]:
    compiled = jax.jit(lambda values: values.max(axis=0), out_shardings=NamedSharding(_mesh(), COPIED))
    return lambda values: np.asarray(compiled(values))


def _mesh() -> Mesh:
    return Mesh(np.array(jax.devices()), (ROBOTS,), axis_types=(AxisType.Auto,))


def _constrain(tree: Tree, spec_of: Callable[[jax.Array], PartitionSpec]) -> Tree:
    if get_abstract_mesh().empty:
        return tree
    return jax.lax.with_sharding_constraint(tree, jax.tree.map(spec_of, tree))


def _is_key(leaf: jax.Array | jax.ShapeDtypeStruct) -> bool:
    return jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)


def _data(leaf: jax.Array) -> jax.Array:
    return jax.random.key_data(leaf) if _is_key(leaf) else leaf


def _blank(shape: jax.ShapeDtypeStruct) -> np.ndarray:
    plain = jax.eval_shape(jax.random.key_data, shape) if _is_key(shape) else shape
    return np.zeros(plain.shape, plain.dtype)
