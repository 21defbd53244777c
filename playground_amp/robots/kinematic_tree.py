"""The kinematic tree of a model: which body hangs from which, and where bodies, sites and geoms are."""

from __future__ import annotations

import mujoco
import numpy as np

from playground_amp.core.errors import InputError

ALONG = 0.7  # least component of a joint's axis along a direction for the joint to turn about it


def ancestors(model: mujoco.MjModel, body: int) -> list[int]:
    """Ids of a body and of all it hangs from, up to the world (0)."""
    path = [body]
    while path[-1]:
        path.append(int(model.body_parentid[path[-1]]))
    return path


def position_of(data: mujoco.MjData, named: tuple[str, str]) -> np.ndarray:
    """World position [3] m of what is `named` by name and kind: a body's origin, a site, or a geom's middle."""
    name, kind = named
    return data.body(name).xpos if kind == "body" else getattr(data, kind)(name).xpos


def kind_of(data: mujoco.MjData, name: str) -> str:
    """Whether `name` is a 'body', a 'site' or a 'geom'; raises InputError where it is none."""
    for kind in ("body", "site", "geom"):
        try:
            getattr(data, kind)(name)
        except KeyError:
            continue
        return kind
    raise InputError(f"there is no body, site or geom '{name}' in the model")
