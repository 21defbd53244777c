"""Physics engines behind one protocol: batched over robots, pure functions that run inside jit."""

from __future__ import annotations

from typing import Protocol

import jax

from playground_amp.core.errors import InputError
from playground_amp.core.types import PhysicsState
from playground_amp.robots import Robot


class Physics(Protocol):
    """One robot model, one control step."""

    def init(self, qpos: jax.Array, qvel: jax.Array) -> PhysicsState:
        """State at rest of the solver: qpos [B, nq], qvel [B, nv]."""
        ...

    def step(self, state: PhysicsState, ctrl: jax.Array) -> PhysicsState:
        """State one control step later under the servo targets `ctrl` [B, A] in rad."""
        ...


def make_physics(name: str, robot: Robot, *, control_dt: float) -> Physics:
    """The engine of that name (native, mjx or mjx-warp); `control_dt` must be a multiple of the model's time step."""
    substeps = round(control_dt / robot.model.opt.timestep)
    if substeps < 1 or abs(substeps * robot.model.opt.timestep - control_dt) > 1e-9:
        raise InputError(
            f"env.control_dt is {control_dt} s; it must be a multiple of the time step of '{robot.name}', "
            f"{robot.model.opt.timestep:g} s"
        )
    if name == "native":
        from playground_amp.envs.physics.native import NativePhysics

        return NativePhysics(robot, substeps)
    from playground_amp.envs.physics.mjx import MjxPhysics

    return MjxPhysics(robot, substeps, impl="warp" if name == "mjx-warp" else "jax")
