"""The bodies of a model and who hangs from whom."""

from __future__ import annotations

import mujoco


def ancestors(model: mujoco.MjModel, body: int) -> list[int]:
    """A body and all it hangs from, up to the world (0)."""
    path = [body]
    while path[-1]:
        path.append(int(model.body_parentid[path[-1]]))
    return path
