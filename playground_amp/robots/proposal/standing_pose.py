"""How a robot stands: the pose of a keyframe, or knees a little bent, flat feet under its weight, and hanging arms."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import mujoco
import numpy as np
from scipy.optimize import least_squares

from playground_amp.robots.compile import joint_range
from playground_amp.robots.kinematic_tree import ancestors, kind_of, position_of
from playground_amp.robots.proposal.anatomy import LegAnatomy
from playground_amp.robots.record import KeyBodies
from playground_amp.robots.symmetry import Symmetry, mirrored_angles, pose

KEYFRAMES = ("home", "stand", "standing", "default", "neutral", "init", "knees_bent")  # keyframes, best first
KNEE = 0.4  # rad
UPRIGHT = 0.95  # cosine of the lean that a standing root may have
ROUNDING = 1e-4  # rad
DOWN = np.array([0.0, 0.0, -1.0])
EASY = 0.05  # m/rad, of an arm's joint away from zero: of all ways to hang the least turned one
ROOM = 0.3  # rad, that hanging arms keep to their limits, to swing
TRY = 0.5  # rad, from which the arms are hung, besides zero
SKEW = 0.02  # rad, by which a standing pose may differ from its reflection

Angles = dict[str, float]


def keyframe_pose(model: mujoco.MjModel, joints: Sequence[str], root: str, symmetry: Symmetry) -> tuple[str, Angles]:
    """Name and joint angles, rad, of the keyframe that stands best: upright, symmetric, by its name, by its height.

    Both are empty where none stands.
    """
    standing = {}
    for i in range(model.nkey):
        angles = {joint: float(model.key_qpos[i, model.joint(joint).qposadr[0]]) for joint in joints}
        start = int(model.jnt_qposadr[model.body(root).jntadr[0]])
        w, x, y, z = model.key_qpos[i, start + 3 : start + 7]
        if np.array_equal(model.key_qpos[i], model.qpos0):
            continue  # announced by <size nkey>, and empty
        if 1.0 - 2.0 * (x * x + y * y) > UPRIGHT * (w * w + x * x + y * y + z * z) and skew(angles, symmetry) < SKEW:
            standing[model.key(i).name] = (model.key_qpos[i, start + 2], angles)
    named = next((name for name in KEYFRAMES if name in standing), None)
    name = named or max(standing, key=lambda key: standing[key][0], default="")
    return name, within_ranges(model, standing[name][1]) if standing else {}


def skew(angles: Mapping[str, float], symmetry: Symmetry) -> float:
    """Greatest difference between a pose and its reflection, rad."""
    other = mirrored_angles(symmetry, angles)
    return max(abs(angles[joint] - other[joint]) for joint in angles)


def within_ranges(model: mujoco.MjModel, angles: Mapping[str, float]) -> Angles:
    """Joint angles, rad, cut to the joints' ranges, less what rounding may take."""
    cut = {}
    for joint, angle in angles.items():
        low, high = joint_range(model, joint)
        cut[joint] = float(np.clip(angle, low + ROUNDING, high - ROUNDING)) if high - low > 2 * ROUNDING else low
    return cut


def bent_knees(
    model: mujoco.MjModel, symmetry: Symmetry, anatomy: LegAnatomy, middle: np.ndarray, ahead: np.ndarray | None
) -> Angles:
    """Joint angles, rad, of a robot with bent knees, flat feet, hanging arms, its weight over the middle of its feet.

    middle: of the left sole, and ahead: from its heel to its toe, in the frame of the left foot [3] m. A foot without
    heel and toe is as flat as in the zero pose.
    """
    foot = model.body(anatomy.bodies.feet[0]).id
    ahead = pose(model, {}).xmat[foot].reshape(3, 3).T @ [1.0, 0.0, 0.0] if ahead is None else ahead
    movable = [joint for joint in (anatomy.hip_pitch, anatomy.ankle_pitch) if joint]
    low, high = np.array([joint_range(model, joint) for joint in movable]).T
    bent = _bend_direction(model, anatomy) * KNEE
    arms = hanging_arms(model, symmetry, anatomy.bodies)

    def angles_of(x: np.ndarray) -> Angles:
        left = {anatomy.leg.bend: bent, **dict(zip(movable, x, strict=True))}
        return {joint: 0.0 for joint in symmetry.joints} | arms | left | mirrored_angles(symmetry, left)

    def miss(x: np.ndarray) -> np.ndarray:
        data = pose(model, within_ranges(model, angles_of(x)))
        turn = data.xmat[foot].reshape(3, 3)
        under = data.xpos[foot] + turn @ middle - data.subtree_com[0]
        return np.array([under[0], (turn @ ahead)[2] / np.linalg.norm(ahead)])[: len(movable)]

    start = np.clip(np.zeros(len(movable)), low + 1e-6, high - 1e-6)
    return within_ranges(model, angles_of(least_squares(miss, start, bounds=(low, high)).x))


def hanging_arms(model: mujoco.MjModel, symmetry: Symmetry, bodies: KeyBodies) -> Angles:
    """Joint angles, rad, of arms down along the body, as far as their joints let them; none where there are no arms.

    Inverse kinematics starts there: from arms stretched out ahead it may not find those of somebody who walks.
    """
    if not (bodies.shoulders and bodies.elbows and bodies.hands):
        return {}
    names = bodies.shoulders[0], bodies.elbows[0], bodies.hands[0]
    left, right = (ancestors(model, model.body(elbow).id) for elbow in bodies.elbows)
    chain = [joint for joint in symmetry.joints if int(model.joint(joint).bodyid[0]) in set(left) - set(right)]
    low, high = np.array([joint_range(model, joint) for joint in chain]).T
    room = np.minimum(ROOM, 0.4 * (high - low))
    low, high = low + room, high - room

    def miss(x: np.ndarray) -> np.ndarray:
        data = pose(model, dict(zip(chain, x, strict=True)))
        along = np.diff([position_of(data, (name, kind_of(data, name))) for name in names], axis=0)
        along /= np.maximum(np.linalg.norm(along, axis=1, keepdims=True), 1e-9)
        return np.append((along - DOWN).ravel(), EASY * x)

    starts = [np.clip(np.full(len(chain), start), low + 1e-6, high - 1e-6) for start in (0.0, TRY, -TRY)]
    found = min((least_squares(miss, start, bounds=(low, high)) for start in starts), key=lambda result: result.cost)
    angles = dict(zip(chain, (float(x) for x in found.x), strict=True))
    return angles | mirrored_angles(symmetry, angles)


def _bend_direction(model: mujoco.MjModel, anatomy: LegAnatomy) -> float:
    """The way the knee's range allows, or that which brings the foot back."""
    low, high = joint_range(model, anatomy.leg.bend)
    if high < KNEE or low > -KNEE:
        return 1.0 if high >= KNEE else -1.0
    feet = [pose(model, {anatomy.leg.bend: angle}).body(anatomy.bodies.feet[0]).xipos[0] for angle in (KNEE, -KNEE)]
    return 1.0 if feet[0] < feet[1] else -1.0
