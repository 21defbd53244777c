"""The table of conditions: each is the world of the training with one thing changed."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import mujoco
import numpy as np

from playground_amp.core.errors import InputError, nearest

TILE = 0.4  # m, depth of a step of the ground
REACH = 20.0  # m, ground with steps to each side
SOLVED = 100  # iterations of a solver that is let converge
AS_TRAINED = "as trained"


@dataclass(frozen=True)
class Condition:
    """What is changed of the world."""

    group: str
    name: str
    edit: Callable[[mujoco.MjSpec], None] | None = None  # of the robot and its ground, before it is compiled
    change: Callable[[mujoco.MjModel], None] | None = None  # of the compiled model
    delay: float = 0.0  # s from readings to targets
    push: float = 0.0  # m/s, change of the root's velocity in a random horizontal direction every PUSH_EVERY s
    engine: str = "mujoco"


def conditions(*, mjx: bool) -> list[Condition]:
    """All conditions, `mjx` among them if asked for; the first is the world of the training."""
    found = [Condition("engine", AS_TRAINED), *_engines(), *_grounds(), *_robots(), *_disturbances()]
    return found + ([Condition("engine", "MJX", engine="mjx")] if mjx else [])


def is_as_trained(condition: Condition, model: mujoco.MjModel) -> bool:
    """Whether a condition asks for settings of the engine that a model has already."""
    if condition.group != "engine" or not condition.change:
        return False
    other = copy.copy(model)
    condition.change(other)
    names = ("timestep", "solver", "cone", "integrator", "iterations", "ls_iterations", "tolerance")
    return all(getattr(model.opt, name) == getattr(other.opt, name) for name in names)


def choose(found: Sequence[Condition], groups: Sequence[str]) -> list[Condition]:
    """Those of some groups, and the first one to compare with; raises InputError for a group that does not exist."""
    known = list(dict.fromkeys(condition.group for condition in found))
    for group in groups:
        if group not in known:
            raise InputError(f"--only: there is no group '{group}'; {nearest(group, known)}")
    return [one for one in found if not groups or one.group in groups or one.name == AS_TRAINED]


def _engines() -> list[Condition]:
    def option(**values: float) -> Callable[[mujoco.MjModel], None]:
        def change(model: mujoco.MjModel) -> None:
            for name, value in values.items():
                setattr(model.opt, name, value)

        return change

    def finer(factor: int) -> Callable[[mujoco.MjModel], None]:
        def change(model: mujoco.MjModel) -> None:
            model.opt.timestep /= factor

        return change

    iterations = {"iterations": SOLVED, "ls_iterations": 50, "tolerance": 1e-8}
    solver, cone, integrator = mujoco.mjtSolver, mujoco.mjtCone, mujoco.mjtIntegrator
    return [
        Condition("engine", "1/2 time step", change=finer(2)),
        Condition("engine", "1/4 time step", change=finer(4)),
        Condition("engine", "Newton, converged", change=option(solver=solver.mjSOL_NEWTON, **iterations)),
        Condition("engine", "CG, converged", change=option(solver=solver.mjSOL_CG, **iterations)),
        Condition("engine", "pyramidal friction", change=option(cone=cone.mjCONE_PYRAMIDAL)),
        Condition("engine", "elliptic friction", change=option(cone=cone.mjCONE_ELLIPTIC)),
        Condition("engine", "integrator RK4", change=option(integrator=integrator.mjINT_RK4)),
        Condition("engine", "integrator implicitfast", change=option(integrator=integrator.mjINT_IMPLICITFAST)),
    ]


def _grounds() -> list[Condition]:
    def friction(factor: float) -> Callable[[mujoco.MjModel], None]:
        def change(model: mujoco.MjModel) -> None:
            model.geom_friction[:, 0] *= factor

        return change

    def slope(degrees: float) -> Callable[[mujoco.MjModel], None]:
        """Of the ground along x: gravity turns instead, which is the same. Uphill is positive."""

        def change(model: mujoco.MjModel) -> None:
            angle, size = np.radians(degrees), np.linalg.norm(model.opt.gravity)
            model.opt.gravity[:] = size * np.array([-np.sin(angle), 0.0, -np.cos(angle)])

        return change

    return [
        *(Condition("ground", f"friction x {f:g}", change=friction(f)) for f in (0.4, 0.6, 0.8, 1.3)),
        *(
            Condition("ground", f"{abs(d)} degrees {'up' if d > 0 else 'down'}hill", change=slope(d))
            for d in (2, 4, 6, -2, -4, -6)
        ),
        *(Condition("ground", f"steps of {h} cm", edit=steps_of(0.01 * h)) for h in (1, 2, 3)),
    ]


def steps_of(height: float) -> Callable[[mujoco.MjSpec], None]:
    """Bars across the way, as high as a step, with as much flat ground between; the start is flat."""

    def edit(spec: mujoco.MjSpec) -> None:
        floor = next(geom for geom in spec.worldbody.geoms if geom.type == mujoco.mjtGeom.mjGEOM_PLANE)
        for middle in np.arange(1.5 * TILE, REACH, 2.0 * TILE):
            for side in (1.0, -1.0):
                spec.worldbody.add_geom(
                    type=mujoco.mjtGeom.mjGEOM_BOX,
                    pos=[side * middle, 0.0, 0.5 * height],
                    size=[0.5 * TILE, REACH, 0.5 * height],
                    contype=1,
                    conaffinity=0,
                    condim=floor.condim,
                    friction=floor.friction,
                    solref=floor.solref,
                    solimp=floor.solimp,
                )

    return edit


def _robots() -> list[Condition]:
    def mass(factor: float) -> Callable[[mujoco.MjModel], None]:
        def change(model: mujoco.MjModel) -> None:
            model.body_mass *= factor
            model.body_inertia *= factor

        return change

    def motors(*, torque: float = 1.0, stiffness: float = 1.0) -> Callable[[mujoco.MjModel], None]:
        def change(model: mujoco.MjModel) -> None:
            model.actuator_forcerange *= torque
            model.actuator_gainprm[:, 0] *= stiffness
            model.actuator_biasprm[:, 1] *= stiffness

        return change

    return [
        *(Condition("robot", f"mass x {f:g}", change=mass(f)) for f in (0.8, 0.9, 1.1, 1.2)),
        *(Condition("robot", f"torque x {f:g}", change=motors(torque=f)) for f in (0.8, 0.6)),
        *(Condition("robot", f"stiffness x {f:g}", change=motors(stiffness=f)) for f in (0.8, 1.2)),
    ]


def _disturbances() -> list[Condition]:
    return [
        *(Condition("delay", f"delay of {ms} ms", delay=1e-3 * ms) for ms in (5, 10, 20, 30, 40)),
        *(Condition("push", f"pushes of {v:g} m/s", push=v) for v in (0.1, 0.2, 0.3, 0.5, 0.8)),
    ]
