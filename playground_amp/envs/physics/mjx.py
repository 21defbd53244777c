"""MuJoCo's physics in JAX (MJX), for accelerators."""

from __future__ import annotations

import jax
import jax.numpy as jnp

from playground_amp.core.errors import InputError
from playground_amp.core.quiet_imports import mjx
from playground_amp.core.types import PhysicsState
from playground_amp.robots import Robot


class MjxPhysics:
    """`mujoco.mjx` with impl jax, mapped over robots; float32."""

    def __init__(self, robot: Robot, substeps: int):
        self._model = _on_device(robot)
        self._blank = mjx.make_data(robot.model, impl="jax")
        self._substeps = substeps
        self._geoms = jnp.asarray(robot.pad_geoms)
        self._radii = jnp.asarray(robot.model.geom_size[robot.pad_geoms, 0], jnp.float32)

    def init(self, qpos: jax.Array, qvel: jax.Array) -> PhysicsState:
        """State with pad heights from the engine's kinematics; qpos [B, nq], qvel [B, nv]."""
        return PhysicsState(
            qpos=qpos,
            qvel=qvel,
            warmstart=jnp.zeros_like(qvel),
            pad_height=jax.vmap(self._pad_heights)(qpos),
            torque=jnp.zeros((qpos.shape[0], self._model.nu), jnp.float32),
        )

    def step(self, state: PhysicsState, ctrl: jax.Array) -> PhysicsState:
        """State one control step later under the servo targets `ctrl` [B, A]."""
        return jax.vmap(self._step_one)(state, ctrl)

    def _step_one(self, state: PhysicsState, ctrl: jax.Array) -> PhysicsState:
        data = self._blank.replace(qpos=state.qpos, qvel=state.qvel, qacc_warmstart=state.warmstart, ctrl=ctrl)

        def substep(data: mjx.Data, _: None) -> tuple[mjx.Data, None]:
            return mjx.step(self._model, data), None

        data, _ = jax.lax.scan(substep, data, None, self._substeps)
        return PhysicsState(
            qpos=data.qpos,
            qvel=data.qvel,
            warmstart=data.qacc_warmstart,
            pad_height=self._pad_heights(data.qpos),
            torque=data.actuator_force,
        )

    def _pad_heights(self, qpos: jax.Array) -> jax.Array:
        data = mjx.kinematics(self._model, self._blank.replace(qpos=qpos))
        return (data.geom_xpos[self._geoms, 2] - self._radii).min(axis=-1)


def _on_device(robot: Robot) -> mjx.Model:
    """The robot's model for JAX; raises InputError for what MJX has not."""
    try:
        return mjx.put_model(robot.model, impl="jax")
    except NotImplementedError as error:
        raise InputError(
            f"MJX cannot simulate '{robot.name}': {error}; change 'options' in {robot.source or robot.mjcf}, "
            f"or set env.physics=native"
        ) from None
