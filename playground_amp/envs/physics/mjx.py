"""MuJoCo's physics in JAX (MJX), for accelerators."""

from __future__ import annotations

import copy
from functools import partial

import jax
import jax.numpy as jnp
import mujoco

from playground_amp.core.errors import InputError
from playground_amp.core.quiet_imports import mjx
from playground_amp.core.types import Dynamics, PhysicsState
from playground_amp.envs.physics.dynamics import model_fields
from playground_amp.robots import Robot

CONTACTS = 24  # of a robot at once, for which Warp keeps room: 8 pads, and a heap of limbs that ends the episode


class MjxPhysics:
    """`mujoco.mjx` mapped over robots, float32, with impl jax or warp (NVIDIA Warp, package warp-lang)."""

    def __init__(self, robot: Robot, substeps: int, impl: str = "jax"):
        self._impl = impl
        self._model = _on_device(robot, impl)
        self._robot = robot
        self._substeps = substeps
        self._geoms = jnp.asarray(robot.pad_geoms)
        self._radii = jnp.asarray(robot.model.geom_size[robot.pad_geoms, 0], jnp.float32)

    def init(self, qpos: jax.Array, qvel: jax.Array) -> PhysicsState:
        """State with pad heights from the engine's kinematics; qpos [B, nq], qvel [B, nv]."""
        return PhysicsState(
            qpos=qpos,
            qvel=qvel,
            warmstart=jnp.zeros_like(qvel),
            pad_height=jax.vmap(partial(self._pad_heights, self._blank(len(qpos))))(qpos),
            torque=jnp.zeros((qpos.shape[0], self._model.nu), jnp.float32),
        )

    def step(self, state: PhysicsState, ctrl: jax.Array) -> PhysicsState:
        """State one control step later under the servo targets `ctrl` [B, A]."""
        return jax.vmap(partial(self._step_one, self._blank(len(ctrl))))(state, ctrl)

    def _blank(self, robots: int) -> mjx.Data:
        if self._impl == "jax":
            return mjx.make_data(self._robot.model, impl="jax")
        rows = 4 * CONTACTS + self._robot.model.njnt  # a friction pyramid of 4 for each contact, and limits
        return mjx.make_data(_for_warp(self._robot.model), impl="warp", naconmax=robots * CONTACTS, njmax=rows)

    def _step_one(self, blank: mjx.Data, state: PhysicsState, ctrl: jax.Array) -> PhysicsState:
        model = self._model if state.dynamics is None else self._model_of(state.dynamics)
        data = blank.replace(qpos=state.qpos, qvel=state.qvel, qacc_warmstart=state.warmstart, ctrl=ctrl)

        def substep(data: mjx.Data, _: None) -> tuple[mjx.Data, None]:
            return mjx.step(model, data), None

        data, _ = jax.lax.scan(substep, data, None, self._substeps)
        return PhysicsState(
            qpos=data.qpos,
            qvel=data.qvel,
            warmstart=data.qacc_warmstart,
            pad_height=self._pad_heights(blank, data.qpos),
            torque=data.actuator_force,
            dynamics=state.dynamics,
        )

    def _model_of(self, dynamics: Dynamics) -> mjx.Model:
        """The model of one robot."""
        fields = model_fields(self._robot.model, dynamics)
        return self._model.tree_replace({name: jnp.asarray(value, jnp.float32) for name, value in fields.items()})

    def _pad_heights(self, blank: mjx.Data, qpos: jax.Array) -> jax.Array:
        data = mjx.kinematics(self._model, blank.replace(qpos=qpos))
        return (data.geom_xpos[self._geoms, 2] - self._radii).min(axis=-1)


def _on_device(robot: Robot, impl: str) -> mjx.Model:
    """The robot's model for JAX; raises InputError for what MJX has not."""
    try:
        if impl == "jax":
            return mjx.put_model(robot.model, impl=impl)
        return _quiet(mjx.put_model(_for_warp(robot.model), impl=impl))
    except NotImplementedError as error:
        raise InputError(
            f"MJX cannot simulate '{robot.name}': {error}; change 'options' in {robot.source or robot.mjcf}, "
            f"or set env.physics=native"
        ) from None
    except RuntimeError as error:
        if "warp-lang" not in str(error):
            raise
        raise InputError(
            "env.physics is 'mjx-warp', which needs the package warp-lang: install it, or set env.physics=mjx"
        ) from None


def _for_warp(model: mujoco.MjModel) -> mujoco.MjModel:
    """Without the flag that Warp, which never resets a robot by itself, does not know."""
    model = copy.copy(model)
    model.opt.disableflags &= ~int(mujoco.mjtDisableBit.mjDSBL_AUTORESET)
    return model


def _quiet(model: mjx.Model) -> mjx.Model:
    """Without a printed line for each solver that stops at its limit of iterations, as it is meant to."""
    overflow = mjx.third_party.mujoco_warp.OverflowType
    told = model.opt._impl.warn_overflow & ~int(overflow.ITERATIONS | overflow.LS_ITERATIONS)
    return model.tree_replace({"opt._impl.warn_overflow": told})
