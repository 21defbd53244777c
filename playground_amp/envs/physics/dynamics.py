"""The model of each robot: which fields of MuJoCo's model follow from its `Dynamics`, the same for every engine."""

from __future__ import annotations

from typing import Any

import mujoco
import numpy as np

from playground_amp.core.types import Dynamics

ROOT_DOFS = 6  # of the free joint, before those of the joints


def heaviest_body(model: mujoco.MjModel) -> int:
    """The body whose centre of mass `Dynamics.center_of_mass` shifts: the trunk, mostly."""
    return int(np.argmax(model.body_mass))


def model_fields(model: mujoco.MjModel, dynamics: Dynamics) -> dict[str, Any]:
    """Field of MjModel, or opt.NAME of its options -> values [..., *shape of the field] for dynamics [...].

    Arrays are NumPy's or JAX's, as those of `dynamics`. Constants that MuJoCo derives from mass at the model's qpos0
    (the inverse weights, which the softness of contacts and limits goes by) follow the factor on the mass; what shifted
    centres of mass and other armatures would change of them is left out.
    """
    xp: Any = dynamics.mass.__array_namespace__()
    mass, inertia = dynamics.mass, dynamics.mass[..., None]
    sliding, heaviest = np.array([1.0, 0.0, 0.0]), np.arange(model.nbody)[:, None] == heaviest_body(model)
    rotors = xp.concat([xp.ones_like(dynamics.armature[..., :1])] * ROOT_DOFS + [dynamics.armature], axis=-1)
    stiffness, damping = dynamics.stiffness[..., None], dynamics.damping[..., None]
    is_damping = np.arange(model.actuator_biasprm.shape[1]) == 2  # force = gain[0] ctrl + bias[1] q + bias[2] dq/dt
    return {
        "geom_friction": model.geom_friction * (1.0 + (dynamics.friction[..., None] - 1.0) * sliding),
        "body_mass": model.body_mass * mass,
        "body_inertia": model.body_inertia * inertia,
        "body_subtreemass": model.body_subtreemass * mass,
        "body_invweight0": model.body_invweight0 / inertia,
        "dof_invweight0": model.dof_invweight0 / mass,
        "body_ipos": model.body_ipos + heaviest * dynamics.center_of_mass[..., None, :],
        "dof_armature": model.dof_armature * rotors,
        "actuator_gainprm": model.actuator_gainprm * stiffness,
        "actuator_biasprm": model.actuator_biasprm * xp.where(is_damping, damping, stiffness),
        "actuator_forcerange": model.actuator_forcerange * dynamics.torque_limit[..., None],
        "opt.gravity": np.linalg.norm(model.opt.gravity) * dynamics.gravity,
    }
