"""A batch of robots in plain MuJoCo or MJX, stepped by servo targets; no JAX for the former."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

import mujoco
import numpy as np
from mujoco.batch import Batch

from playground_amp.export.transfer.conditions import Condition


class Engine(Protocol):
    """B robots; qpos [B, nq], qvel [B, nv] are read and written between steps."""

    qpos: np.ndarray
    qvel: np.ndarray
    timestep: float
    gravity: np.ndarray  # [3] m/s^2

    def step(self, ctrl: np.ndarray, count: int) -> None:
        """`count` time steps under targets [B, J] rad."""
        ...


def make_engine(robot: Path, condition: Condition, qpos: np.ndarray, qvel: np.ndarray) -> Engine:
    """The world of a condition, with robots at qpos [B, nq] and qvel [B, nv]."""
    spec = mujoco.MjSpec.from_file(str(robot))
    if condition.edit:
        condition.edit(spec)
    model = spec.compile()
    if condition.change:
        condition.change(model)
        mujoco.mj_setConst(model, mujoco.MjData(model))
    return (MjxEngine if condition.engine == "mjx" else MujocoEngine)(model, qpos, qvel)


class MujocoEngine:
    """MuJoCo's batched engine on CPU threads."""

    def __init__(self, model: mujoco.MjModel, qpos: np.ndarray, qvel: np.ndarray):
        self._batch = Batch(model, nsim=len(qpos))
        self.qpos, self.qvel = self._batch.qpos, self._batch.qvel  # views: what is written there is stepped
        self.qpos[:], self.qvel[:] = qpos, qvel
        self.timestep, self.gravity = float(model.opt.timestep), np.array(model.opt.gravity)

    def step(self, ctrl: np.ndarray, count: int) -> None:
        """See Engine."""
        self._batch.ctrl[:] = ctrl
        self._batch.step(nstep=count)


class MjxEngine:
    """MuJoCo's engine in JAX."""

    def __init__(self, model: mujoco.MjModel, qpos: np.ndarray, qvel: np.ndarray):
        import jax

        from playground_amp.core.quiet_imports import mjx

        self._model, self.qpos, self.qvel = mjx.put_model(model), np.array(qpos), np.array(qvel)
        self.timestep, self.gravity = float(model.opt.timestep), np.array(model.opt.gravity)
        data = mjx.make_data(model)
        self._warmstart = np.zeros_like(self.qvel)

        def one(qpos: jax.Array, qvel: jax.Array, warmstart: jax.Array, ctrl: jax.Array, count: int) -> tuple:
            now = data.replace(qpos=qpos, qvel=qvel, qacc_warmstart=warmstart, ctrl=ctrl)
            now = jax.lax.fori_loop(0, count, lambda _, now: mjx.step(self._model, now), now)
            return now.qpos, now.qvel, now.qacc_warmstart

        self._step = jax.jit(jax.vmap(one, in_axes=(0, 0, 0, 0, None)))

    def step(self, ctrl: np.ndarray, count: int) -> None:
        """See Engine."""
        qpos, qvel, warmstart = self._step(self.qpos, self.qvel, self._warmstart, ctrl, count)
        self.qpos, self.qvel, self._warmstart = np.array(qpos), np.array(qvel), np.array(warmstart)
