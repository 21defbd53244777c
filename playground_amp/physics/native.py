"""MuJoCo's batched engine on CPU threads, as a pure function of the state behind a callback."""

from __future__ import annotations

import threading

import jax
import jax.numpy as jnp
import mujoco
import numpy as np
from mujoco.batch import Batch

from playground_amp.robots import Robot
from playground_amp.types import PhysicsState


class NativePhysics:
    """Every call loads the whole state of every robot and returns it: no call depends on an earlier one.

    States travel in float32, the engine computes in float64.
    """

    def __init__(self, robot: Robot, substeps: int):
        self._robot = robot
        self._substeps = substeps
        self._batches: dict[int, Batch] = {}
        self._lock = threading.Lock()  # a batch is shared by all calls of one size, and steps without the GIL

    def init(self, qpos: jax.Array, qvel: jax.Array) -> PhysicsState:
        """State with pad heights from the engine's kinematics; qpos [B, nq], qvel [B, nv]."""
        shape = jax.ShapeDtypeStruct((qpos.shape[0], len(self._robot.pads)), jnp.float32)
        pad_height = jax.pure_callback(self._host_pad_heights, shape, qpos)
        torque = jnp.zeros((qpos.shape[0], self._robot.model.nu), jnp.float32)
        return PhysicsState(qpos=qpos, qvel=qvel, warmstart=jnp.zeros_like(qvel), pad_height=pad_height, torque=torque)

    def step(self, state: PhysicsState, ctrl: jax.Array) -> PhysicsState:
        """State one control step later under the servo targets `ctrl` [B, A]."""
        results = (state.qpos, state.qvel, state.warmstart, state.pad_height, state.torque)
        shapes = tuple(jax.ShapeDtypeStruct(result.shape, jnp.float32) for result in results)
        after = jax.pure_callback(self._host_step, shapes, state.qpos, state.qvel, state.warmstart, ctrl)
        return PhysicsState(*after)

    def _batch(self, size: int) -> Batch:
        if size not in self._batches:
            batch = self._batches[size] = Batch(self._robot.model, nsim=size)
            batch.bind("geom_xpos")  # a derived field is only filled by the calls after it is bound
            batch.bind("actuator_force")
        return self._batches[size]

    def _host_pad_heights(self, qpos: jax.Array) -> np.ndarray:
        with self._lock:
            batch = self._batch(qpos.shape[0])
            batch.qpos[:] = np.asarray(qpos)
            batch.forward(stage=mujoco.mjtStage.mjSTAGE_POS)
            return self._pad_heights(batch).astype(np.float32)

    def _host_step(
        self, qpos: jax.Array, qvel: jax.Array, warmstart: jax.Array, ctrl: jax.Array
    ) -> tuple[np.ndarray, ...]:
        """The fields of the next PhysicsState, in their order."""
        with self._lock:
            batch = self._batch(qpos.shape[0])
            batch.qpos[:] = np.asarray(qpos)
            batch.qvel[:] = np.asarray(qvel)
            batch.qacc_warmstart[:] = np.asarray(warmstart)
            batch.ctrl[:] = np.asarray(ctrl)
            batch.step(nstep=self._substeps, stage=mujoco.mjtStage.mjSTAGE_POS)
            state = (batch.qpos, batch.qvel, batch.qacc_warmstart, self._pad_heights(batch), batch.actuator_force)
            return tuple(field.astype(np.float32) for field in state)

    def _pad_heights(self, batch: Batch) -> np.ndarray:
        geoms = self._robot.pad_geoms
        bottoms = batch.geom_xpos[:, geoms, 2] - self._robot.model.geom_size[geoms, 0]
        return bottoms.min(axis=-1)
