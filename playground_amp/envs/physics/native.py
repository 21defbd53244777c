"""MuJoCo's batched engine on CPU threads, as a pure function of the state behind a callback."""

from __future__ import annotations

import math
import os
import threading

import jax
import jax.numpy as jnp
import mujoco
import numpy as np
from mujoco.batch import Batch

from playground_amp.core.types import Dynamics, PhysicsState
from playground_amp.envs.physics.dynamics import model_fields
from playground_amp.robots import Robot


class NativePhysics:
    """Every call loads the whole state of every robot and returns it: no call depends on an earlier one.

    States travel in float32, the engine computes in float64. Under `jax.vmap` the host sees further leading axes
    [..., B, n], and the engine steps the robots of all of them in one call.
    """

    def __init__(self, robot: Robot, substeps: int):
        self._robot = robot
        self._substeps = substeps
        self._batches: dict[int, Batch] = {}
        self._randomized: dict[int, Batch] = {}  # whose robots have models of their own
        self._lock = threading.Lock()  # a batch is shared by all calls of one size, and steps without the GIL

    def init(self, qpos: jax.Array, qvel: jax.Array) -> PhysicsState:
        """State with pad heights from the engine's kinematics; qpos [B, nq], qvel [B, nv]."""
        shape = jax.ShapeDtypeStruct((qpos.shape[0], len(self._robot.pads)), jnp.float32)
        pad_height = jax.pure_callback(self._host_pad_heights, shape, qpos, vmap_method="broadcast_all")
        torque = jnp.zeros((qpos.shape[0], self._robot.model.nu), jnp.float32)
        return PhysicsState(qpos=qpos, qvel=qvel, warmstart=jnp.zeros_like(qvel), pad_height=pad_height, torque=torque)

    def step(self, state: PhysicsState, ctrl: jax.Array) -> PhysicsState:
        """State one control step later under the servo targets `ctrl` [B, A]."""
        results = (state.qpos, state.qvel, state.warmstart, state.pad_height, state.torque)
        shapes = tuple(jax.ShapeDtypeStruct(result.shape, jnp.float32) for result in results)
        inputs = (state.qpos, state.qvel, state.warmstart, ctrl, state.dynamics)
        after = PhysicsState(*jax.pure_callback(self._host_step, shapes, *inputs, vmap_method="broadcast_all"))
        return after.replace(dynamics=state.dynamics)

    def _batch(self, size: int) -> Batch:
        if size not in self._batches:
            self._batches[size] = self._make_batch(size)
        return self._batches[size]

    def _batch_of(self, dynamics: Dynamics, size: int) -> Batch:
        """A batch whose robots have the dynamics [..., B, n] given."""
        if size not in self._randomized:
            self._randomized[size] = self._make_batch(size)
        batch, rows = self._randomized[size], jax.tree.map(lambda x: _rows(x).astype(np.float64), dynamics)
        for name, values in model_fields(self._robot.model, rows).items():
            batch.expand(name)[:] = values
        return batch

    def _make_batch(self, size: int) -> Batch:
        batch = Batch(self._robot.model, nsim=size, nthread=_cores())
        batch.bind("geom_xpos")  # a derived field is only filled by the calls after it is bound
        batch.bind("actuator_force")
        return batch

    def _host_pad_heights(self, qpos: jax.Array) -> np.ndarray:
        leading = qpos.shape[:-1]
        with self._lock:
            batch = self._batch(math.prod(leading))
            batch.qpos[:] = _rows(qpos)
            batch.forward(stage=mujoco.mjtStage.mjSTAGE_POS)
            return _unfold(self._pad_heights(batch), leading)

    def _host_step(
        self, qpos: jax.Array, qvel: jax.Array, warmstart: jax.Array, ctrl: jax.Array, dynamics: Dynamics | None
    ) -> tuple[np.ndarray, ...]:
        """The fields of the next PhysicsState, in their order, without the dynamics."""
        leading = qpos.shape[:-1]
        size = math.prod(leading)
        with self._lock:
            batch = self._batch(size) if dynamics is None else self._batch_of(dynamics, size)
            batch.qpos[:] = _rows(qpos)
            batch.qvel[:] = _rows(qvel)
            batch.qacc_warmstart[:] = _rows(warmstart)
            batch.ctrl[:] = _rows(ctrl)
            batch.step(nstep=self._substeps, stage=mujoco.mjtStage.mjSTAGE_POS)
            state = (batch.qpos, batch.qvel, batch.qacc_warmstart, self._pad_heights(batch), batch.actuator_force)
            return tuple(_unfold(field, leading) for field in state)

    def _pad_heights(self, batch: Batch) -> np.ndarray:
        geoms = self._robot.pad_geoms
        bottoms = batch.geom_xpos[:, geoms, 2] - self._robot.model.geom_size[geoms, 0]
        return bottoms.min(axis=-1)


def _cores() -> int:
    """Cores this process may use: a cluster's job or a container has fewer than the machine."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 0


def _rows(array: jax.Array) -> np.ndarray:
    """[..., B, n] -> [N, n], the N robots of all leading axes."""
    return np.asarray(array).reshape(-1, array.shape[-1])


def _unfold(rows: np.ndarray, leading: tuple[int, ...]) -> np.ndarray:
    """[N, n] -> [*leading, n] in float32."""
    return rows.astype(np.float32).reshape(*leading, rows.shape[-1])
