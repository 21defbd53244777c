"""Legs, arms and trunk of a robot, found by its kinematics and its two sides; names decide the hands alone."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property

import mujoco
import numpy as np

from playground_amp.core.errors import InputError
from playground_amp.robots.kinematic_tree import ancestors
from playground_amp.robots.record import KeyBodies
from playground_amp.robots.symmetry import Symmetry, partner_name, pose

BEND = 1.2  # rad, by which a joint is moved to see how much the limb shortens; less, and a straight leg hides its knee
AHEAD = 0.7  # way of the toes' joint from the ankle's: ahead over down, at the least
HANDS = [re.compile(words, re.IGNORECASE) for words in ("hand|palm|gripper", "wrist")]
TRUNK = re.compile("torso|chest|trunk|chassis|upper_body", re.IGNORECASE)


@dataclass(frozen=True)
class Limb:
    """A left leg or arm of a robot: the joints from the trunk to its end. Bodies by id."""

    joints: tuple[str, ...]
    bend: str  # knee or elbow: the joint whose bending shortens the limb most
    trunk: int  # body from which it and its partner hang
    end: int  # last body with a joint


@dataclass(frozen=True)
class LegAnatomy:
    """The key bodies of a robot, and the joints of its left leg that set its stance."""

    bodies: KeyBodies
    leg: Limb
    hip_pitch: str
    ankle_pitch: str | None


class Tree:
    """The kinematic tree of a model, with its left and right sides. Bodies by id."""

    def __init__(self, model: mujoco.MjModel, symmetry: Symmetry):
        self.model, self.symmetry = model, symmetry
        self.zero = pose(model, {})
        self.joint_body = {joint: int(model.joint(joint).bodyid[0]) for joint in symmetry.joints}

    def name(self, body: int) -> str:
        return self.model.body(body).name

    def path(self, body: int) -> list[int]:
        """A body and all it hangs from, up to the world."""
        return ancestors(self.model, body)

    def meeting(self, one: int, other: int) -> int:
        """The nearest body from which both hang."""
        above = self.path(other)
        return next(body for body in self.path(one) if body in above)

    def partner(self, body: int) -> int:
        return self.symmetry.bodies.get(body, body)

    def children(self, body: int) -> list[int]:
        return [i for i in range(1, self.model.nbody) if self.model.body_parentid[i] == body]

    @cached_property
    def limbs(self) -> list[Limb]:
        """Left limbs, one for each last body on the left with a partner on the right."""
        jointed = set(self.joint_body.values())
        above = {body for end in jointed for body in self.path(end)[1:]}
        ends = [end for end in sorted(jointed - above) if self.partner(end) != end]
        return [self._limb(end) for end in ends if self.zero.xpos[end, 1] > self.zero.xpos[self.partner(end), 1]]

    def _limb(self, end: int) -> Limb:
        trunk = self.meeting(end, self.partner(end))
        path = self.path(end)
        path = path[: path.index(trunk)]
        joints = [joint for joint, body in self.joint_body.items() if body in path]
        return Limb(tuple(joints), max(joints, key=lambda joint: self._shortening(joint, joints[0], end)), trunk, end)

    def _shortening(self, joint: str, first: str, end: int) -> float:
        """How much nearer the end's centre of mass comes to the limb's first joint as a joint bends, m."""
        start = self.model.joint(first).id
        lengths = []
        for angle in (0.0, BEND, -BEND):
            data = pose(self.model, {joint: angle})
            lengths.append(np.linalg.norm(data.xipos[end] - data.xanchor[start]))
        return float(lengths[0] - min(lengths))


def find_anatomy(model: mujoco.MjModel, symmetry: Symmetry, source: str) -> LegAnatomy:
    """The legs and arms of a model; raises InputError, which names `source`, where there are no two legs."""
    tree = Tree(model, symmetry)
    if not tree.limbs:
        raise InputError(
            f"{source}: no legs were found: no joint on the left has a partner on the right; "
            f"name them alike, such as left_knee and right_knee, and let the robot face +x"
        )
    if any("right" in joint.lower() for limb in tree.limbs for joint in limb.joints):
        raise InputError(f"{source}: what is called right lies to the left; the robot must face +x")
    leg = min(tree.limbs, key=lambda limb: tree.zero.xipos[limb.end, 2])
    if any(_stands_beside(tree, leg, limb) for limb in tree.limbs):
        raise InputError(f"{source}: more than two limbs reach the ground; the robot must have two legs")
    hip_pitch, ankle_pitch = _pitch_joints(tree, leg)
    arm = _arm(tree, leg)
    bodies = KeyBodies(
        pelvis=tree.name(leg.trunk),
        chest=_chest(tree, leg, arm),
        hips=_both(tree, tree.joint_body[hip_pitch]),
        knees=_both(tree, tree.joint_body[leg.bend]),
        feet=_both(tree, _foot(tree, leg)),
        shoulders=_both(tree, tree.joint_body[arm.joints[0]]) if arm else None,
        elbows=_both(tree, tree.joint_body[arm.bend]) if arm else None,
        hands=_hands(tree, arm) if arm else None,
    )
    if any("" in value for value in vars(bodies).values() if value is not None and not isinstance(value, str)):
        raise InputError(f"{source}: a body of the legs or arms has no name; give each one a name")
    return LegAnatomy(bodies, leg, hip_pitch, ankle_pitch)


def toe_joints(model: mujoco.MjModel, symmetry: Symmetry, anatomy: LegAnatomy) -> list[str]:
    """Joints below the ankle that bend the toes, left and right: they turn across, ahead of the ankle."""
    tree, leg = Tree(model, symmetry), anatomy.leg.joints
    if anatomy.ankle_pitch is None:
        return []
    below = leg[leg.index(anatomy.ankle_pitch) + 1 :]
    first = next((i for i, joint in enumerate(below) if _bends_toes(tree, anatomy.ankle_pitch, joint)), len(below))
    return [name for joint in below[first:] for name in (joint, symmetry.joints[joint][0])]


def _bends_toes(tree: Tree, ankle: str, joint: str) -> bool:
    start, end = (tree.zero.xanchor[tree.model.joint(name).id] for name in (ankle, joint))
    return _across(tree, joint) > 0.7 and end[0] - start[0] > AHEAD * abs(end[2] - start[2])


def _pitch_joints(tree: Tree, leg: Limb) -> tuple[str, str | None]:
    """Joints above and below the knee whose axes lie most across."""
    knee = leg.joints.index(leg.bend)
    hips, ankles = leg.joints[:knee] or leg.joints[:1], leg.joints[knee + 1 :]
    hip = max(hips, key=lambda joint: _across(tree, joint))
    ankle = max(ankles, key=lambda joint: _across(tree, joint), default=None)
    return hip, ankle if ankle and _across(tree, ankle) > 0.7 else None


def _stands_beside(tree: Tree, leg: Limb, limb: Limb) -> bool:
    """Whether another limb ends in the lowest quarter of the robot, too."""
    low, high = tree.zero.xipos[leg.end, 2], tree.zero.xipos[1:, 2].max()
    return not set(limb.joints) & set(leg.joints) and tree.zero.xipos[limb.end, 2] < low + 0.25 * (high - low)


def _across(tree: Tree, joint: str) -> float:
    return float(abs(tree.zero.xaxis[tree.model.joint(joint).id, 1]))


def _foot(tree: Tree, leg: Limb) -> int:
    """The last body with a joint; without an ankle it is the shin, and what is fixed to that is the foot."""
    fixed = tree.children(leg.end)
    return fixed[0] if fixed and leg.joints[-1] == leg.bend else leg.end


def _arm(tree: Tree, leg: Limb) -> Limb | None:
    """The left limb with most joints that does not hang from a leg; the first of those with equally many."""
    legs = {tree.joint_body[joint] for joint in leg.joints}
    arms = [limb for limb in tree.limbs if not legs & set(tree.path(limb.end)) and len(limb.joints) > 1]
    return max(arms, key=lambda limb: len(limb.joints), default=None)


def _chest(tree: Tree, leg: Limb, arm: Limb | None) -> str:
    """Where the arms hang; else a trunk by name; else the heaviest body in the middle."""
    if arm:
        return tree.name(arm.trunk)
    legs = {tree.joint_body[joint] for joint in leg.joints}
    middle = [i for i in range(1, tree.model.nbody) if tree.partner(i) == i and not legs & set(tree.path(i))]
    named = [i for i in middle if TRUNK.search(tree.name(i))]
    return tree.name(max(named or middle, key=lambda i: tree.model.body_mass[i]))


def _both(tree: Tree, body: int) -> tuple[str, str]:
    return tree.name(body), tree.name(tree.partner(body))


def _hands(tree: Tree, arm: Limb) -> tuple[str, str]:
    """A body, site or geom at the end of the arm called hand, palm, gripper or wrist, else the arm's last body."""
    lefts, rights = _places(tree, arm.end), _places(tree, tree.partner(arm.end))
    for called in HANDS:
        for left in lefts:
            right = partner_name(left, rights)
            if called.search(left) and right:
                return left, right
    return _both(tree, arm.end)


def _places(tree: Tree, body: int) -> list[str]:
    """Names of the bodies, then the sites, then the geoms that a body carries."""
    model = tree.model
    below = [i for i in range(1, model.nbody) if body in tree.path(i)]
    sites = [model.site(i).name for i in range(model.nsite) if model.site_bodyid[i] in below]
    geoms = [model.geom(i).name for i in range(model.ngeom) if model.geom_bodyid[i] in below]
    return [name for name in [*map(tree.name, below), *sites, *geoms] if name]
