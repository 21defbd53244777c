"""The bodies of a model: who hangs from whom, and where they are."""

from __future__ import annotations

import mujoco
import numpy as np

from playground_amp.core.errors import InputError

ALONG = 0.7  # least component of a joint's axis along a direction for the joint to turn about it


def ancestors(model: mujoco.MjModel, body: int) -> list[int]:
    """A body and all it hangs from, up to the world (0)."""
    path = [body]
    while path[-1]:
        path.append(int(model.body_parentid[path[-1]]))
    return path


def place(data: mujoco.MjData, named: tuple[str, str]) -> np.ndarray:
    """World position [3] m of a (name, kind): of a body's origin, a site, a geom's middle."""
    name, kind = named
    return data.body(name).xpos if kind == "body" else getattr(data, kind)(name).xpos


def kind_of(data: mujoco.MjData, name: str) -> str:
    """Whether `name` is a body, a site or a geom."""
    for kind in ("body", "site", "geom"):
        try:
            getattr(data, kind)(name)
        except KeyError:
            continue
        return kind
    raise InputError(f"there is no body, site or geom '{name}' in the model")
