"""Whether a model stands as a robot must where its joints and its root's quaternion are zero: upright, facing +x."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import mujoco
import numpy as np

from playground_amp.core.errors import InputError
from playground_amp.robots.symmetry import partner_name, pose

UPRIGHT = 0.9  # cosine of the lean that the root's frame may have
LOW = 0.6  # height of a robot that lies, as a share of its extent ahead or aside
ACROSS = 0.7  # share of the way between partners that must be sideways


def check_stance(model: mujoco.MjModel, root: str, joints: Sequence[str], path: Path) -> None:
    """Raise InputError, which names `path`, unless the root's frame is upright and the robot stands in it along z."""
    _, x, y, _ = model.body(root).quat
    if 1.0 - 2.0 * (x * x + y * y) < UPRIGHT:
        raise InputError(
            f"{path}: the frame of the root '{root}' is turned; its x axis must point ahead and its z axis up: "
            f"put the turn into the bodies inside it"
        )
    zero = pose(model, {})
    own = model.body_rootid == model.body(root).id
    long, wide, high = np.ptp(zero.xipos[own], axis=0)
    if high < LOW * max(long, wide) or not _sideways(model, zero, joints):
        raise InputError(
            f"{path}: the robot does not stand in the frame of its root '{root}': it is {long:.2f} m long, {wide:.2f} "
            f"m wide and {high:.2f} m high with all joints at zero; its z axis must point up, its x axis ahead and its "
            f"y axis to the left: turn the bodies inside '{root}'"
        )


def _sideways(model: mujoco.MjModel, zero: mujoco.MjData, joints: Sequence[str]) -> bool:
    """Whether what is called left lies beside what is called right, not ahead of it or above; True without such."""
    pairs = {joint: other for joint in joints if (other := partner_name(joint, joints))}
    ways = [np.abs(zero.joint(joint).xanchor - zero.joint(other).xanchor) for joint, other in pairs.items()]
    long, wide, high = np.sum(ways, axis=0) if ways else (0.0, 1.0, 0.0)
    return bool(wide >= ACROSS * max(long, high))
