"""Which joint is which column of a robot's motion: by names, or by the order that fits the robot.

Where a file has no names, every known order of that many joints is tried on the robot: it must stay within the limits
of the joints, the lowest foot must keep to one height, as that of a robot on the ground does, and the sides must be
alike on average.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from playground_amp.core.errors import InputError, listed, nearest
from playground_amp.retargeting.readers.robot_layouts import LAYOUTS, USUAL, breadth_first
from playground_amp.robots import Robot

BEYOND = 0.11  # rad by which a motion may pass the limits of its own robot
CLEARER = 0.5  # of the next best, below which an order is far better
UNEVEN, ASYMMETRIC = 0.01, 0.04  # m, rad: of the lowest foot's height and between the sides, what a wrong order has
MOSTLY = 0.5  # share of a robot's joints that a layout has, of its kin
SAMPLES = 60  # frames whose feet are looked at
OWN, ISAAC_LAB = "as in the robot's MJCF", "as Isaac Lab numbers them"
LEVEL_WISE = (ISAAC_LAB, "_isaac_lab")  # how such orders are called
RIGID = 0.003  # m by which the distance of two bodies on one joint varies: rounding
LIMBS, LEVELS = 0.75, 0.65  # shares of bodies at a fixed distance from the one before, limb by limb and level by level
ALIKE = 0.02  # rad within which two orders say the same

Names = tuple[str, ...] | None


def given_joints(joints: tuple[str, ...], count: int, path: Path) -> tuple[str, ...]:
    """The names of `--joints`, one layout or every joint; raises InputError where they are not `count`."""
    if len(joints) == 1 and count != 1 and joints[0] not in LAYOUTS:
        raise InputError(
            f"--joints is '{joints[0]}', no known layout ({nearest(joints[0], LAYOUTS)}); or name all joints"
        )
    names = LAYOUTS.get(joints[0], joints) if len(joints) == 1 else joints
    if len(names) != count or len(set(names)) != count:
        raise InputError(f"'{path}' moves {count} joints and --joints names {len(set(names))}; name every one once")
    return names


def renamed(names: tuple[str, ...], robot: Robot | None) -> tuple[str, ...]:
    """The names as the robot spells them, where each of its joints is found: case, 'joint' and punctuation aside."""
    if robot is None or set(robot.joints) <= set(names):
        return names
    plain = Counter(map(_plain, names))
    spelled = {_plain(joint): joint for joint in robot.joints}
    if len(spelled) < len(robot.joints) or any(plain[name] != 1 for name in spelled):
        return names
    return tuple(spelled.get(_plain(name), name) for name in names)


def _plain(name: str) -> str:
    """'robot/Left_Knee_joint_pos' -> 'leftknee'."""
    name = re.split(r"[/:]", name)[-1].lower()
    return re.sub(
        r"[^a-z0-9]|(?<![a-z0-9])(joint|dof|pos|position|angle|rad|q)(?![a-z0-9])", "", name.replace("_", " ")
    )


def limb_by_limb(bodies: np.ndarray) -> bool | None:
    """Whether bodies [N, B, 3] are numbered limb by limb (MuJoCo), or level by level (Isaac Lab); None: not to be seen.

    Limb by limb most bodies hang on the one before, at a distance that never changes.
    """
    distances = np.linalg.norm(np.diff(bodies, axis=1), axis=-1)
    varies = np.ptp(distances, axis=0) > RIGID
    if not varies.any():
        return None
    share = float((~varies).mean())
    return True if share > LIMBS else False if share < LEVELS else None


def unnamed_joints(
    root: np.ndarray, joint_pos: np.ndarray, robot: Robot | None, path: Path, by_limb: bool | None = None
) -> tuple[Names, tuple[str, ...]]:
    """Names of the joints of a motion [N, J] that has none, or None, and notes; root [N, 7] m and quaternion w x y z.

    `by_limb` says how the file numbers bodies, if that is known: its joints go the same way. Raises InputError where
    several orders fit the robot and say something else, and where one fits that has not all of its joints.
    """
    count = joint_pos.shape[1]
    orders = _orders(count, robot)
    orders = {name: joints for name, joints in orders.items() if by_limb in (None, not name.endswith(LEVEL_WISE))}
    usual = LAYOUTS.get(f"{USUAL.get(count)}{'' if by_limb is not False else '_isaac_lab'}")
    if robot is None or not orders:
        return usual, ()
    best = _fitting(orders, root, joint_pos, robot) or [next(iter(orders))]
    if len(best) > 1 and set(best) != {OWN, ISAAC_LAB}:
        raise InputError(
            f"'{path}' does not name its {count} joints, and several orders fit '{robot.name}'; name all joints with "
            f"--joints, or one of {', '.join(name for name in (*best, *_same(orders, best)) if name in LAYOUTS)}"
        )
    chosen = best[0]
    lacking = sorted(set(robot.joints) - set(orders[chosen]))
    if lacking:
        raise InputError(
            f"'{path}' does not name its {count} joints; they move as those of the layout {chosen}, without "
            f"{listed(lacking)} of '{robot.name}'; give the --robot that it was made for, or --joints"
        )
    note = f"its {count} joints have no names and are taken {_told(chosen)}: --joints names others"
    return orders[chosen], (note,) if len(best) > 1 or chosen != OWN else ()


def _told(order: str) -> str:
    return order if order.startswith("as ") else f"as in the layout {order}"


def _same(orders: Mapping[str, tuple[str, ...]], best: list[str]) -> list[str]:
    """Layouts that are one of the best under another name."""
    return [name for name, joints in LAYOUTS.items() if any(joints == orders[other] for other in best)]


def _orders(count: int, robot: Robot | None) -> dict[str, tuple[str, ...]]:
    """The orders of `count` joints, most of them the robot's, the likeliest first; each once."""
    if robot is None:
        return {}
    orders = {OWN: robot.joints, ISAAC_LAB: breadth_first(robot)} if count == robot.num_joints else {}
    orders |= {name: joints for name, joints in LAYOUTS.items() if len(joints) == count}
    known = {name: joints for name, joints in orders.items() if _shared(joints, robot) > MOSTLY * robot.num_joints}
    complete = {name: joints for name, joints in known.items() if _shared(joints, robot) == robot.num_joints}
    unique = {joints: name for name, joints in reversed(known.items())}
    return {name: known[name] for name in (*complete, *known) if name in unique.values()} if complete else {}


def _shared(joints: tuple[str, ...], robot: Robot) -> int:
    return len(set(joints) & set(robot.joints))


def _fitting(orders: Mapping[str, tuple[str, ...]], root: np.ndarray, joint_pos: np.ndarray, robot: Robot) -> list[str]:
    """The orders within the limits; the one alone whose feet keep to the ground, or whose sides are alike, by far."""
    angles = {name: _in_order(joint_pos, joints, robot) for name, joints in orders.items()}
    fits = [name for name in orders if robot.beyond_limits(angles[name]).max() <= BEYOND]
    fits = [name for i, name in enumerate(fits) if not any(_alike(angles[name], angles[o]) for o in fits[:i])]
    if len(fits) < 2:
        return fits
    sample = np.unique(np.linspace(0, len(root) - 1, SAMPLES).astype(int))
    feet = {name: _unevenness(np.concatenate([root, angles[name]], axis=1)[sample], robot) for name in fits}
    sides = {name: _asymmetry(joint_pos, orders[name]) for name in fits}
    return _clearest(feet, UNEVEN) or _clearest(sides, ASYMMETRIC) or fits


def _in_order(joint_pos: np.ndarray, joints: tuple[str, ...], robot: Robot) -> np.ndarray:
    """Angles [N, J] of the robot's joints; those that the file lacks stand as at home."""
    home = np.clip(robot.home, *robot.joint_range.T)
    columns = [
        joint_pos[:, joints.index(joint)] if joint in joints else np.full(len(joint_pos), angle)
        for joint, angle in zip(robot.joints, home, strict=True)
    ]
    return np.stack(columns, axis=1)


def _clearest(values: Mapping[str, float], least: float) -> list[str]:
    """The name of the least value, where the next is more than `least` and far from it; else none."""
    first, second = sorted(values, key=lambda name: values[name])[:2]
    return [first] if values[second] > least and values[first] < CLEARER * values[second] else []


def _alike(one: np.ndarray, other: np.ndarray) -> bool:
    return float(np.abs(one - other).max()) < ALIKE


def _unevenness(qpos: np.ndarray, robot: Robot) -> float:
    """How much the height of the lowest foot varies over a motion [N, nq], m: a standard deviation."""
    return float(robot.pad_heights(qpos).min(axis=1).std())


def _asymmetry(joint_pos: np.ndarray, joints: tuple[str, ...]) -> float:
    """How far the sides differ in the size of their mean angles, rad, a mean over the pairs: limbs hang alike."""
    mean = dict(zip(joints, np.abs(joint_pos.mean(axis=0)), strict=True))
    pairs = [(joint, joint.replace("left", "right", 1)) for joint in joints if "left" in joint]
    differences = [abs(mean[left] - mean[right]) for left, right in pairs if right in mean]
    return float(np.mean(differences)) if differences else 0.0
