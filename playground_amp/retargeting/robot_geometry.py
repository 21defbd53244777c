"""What retargeting reads from a robot's model: where its legs hang, how far they reach, what its soles are.

All of it comes from MuJoCo's kinematics at two poses: all joints at zero, and the home pose, in which the feet are
flat. Pairs are (left, right); the root is upright and faces +x.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import mujoco
import numpy as np

from playground_amp.core.errors import InputError
from playground_amp.retargeting.footsteps import Sole
from playground_amp.robots import KeyBodies, Robot
from playground_amp.robots.kinematic_tree import ALONG, ancestors, kind_of, position_of
from playground_amp.robots.symmetry import pose

BENT = 0.25  # rad, bend of the knee that a reaching leg keeps
ROOM = 0.06  # rad, that a folded knee keeps to its limit


@dataclass(frozen=True, eq=False)
class Leg:
    """One leg of a robot. Vectors of the sagittal plane are (forward, up)."""

    hip: np.ndarray  # [3] m, hip pitch axis from the pelvis body
    thigh: np.ndarray  # [2] m, hip pitch axis to knee axis in the sagittal plane, joints at zero
    shank: float  # m, knee axis to foot in the sagittal plane
    extension: float  # rad, how far the thigh turns backward from where it hangs at zero
    spread: float  # rad, how far the leg opens to its side from where it hangs at zero, the foot still level
    reach: float  # m, hip pitch axis to foot with the knee bent by BENT
    folded: float  # m, the same with the knee bent as far as it goes but for ROOM
    foot: tuple[str, str]  # name and kind (body, geom) of what stands for the foot: its body, or the ball of a stump
    carrier: str  # body that carries the sole
    sole: Sole
    half_width: float  # m, of the sole
    steers: np.ndarray  # [3] 0 or 1: whether joints turn the foot in yaw, pitch, roll without moving it

    @property
    def is_ball(self) -> bool:
        """Whether the leg ends in a ball without an ankle."""
        return self.foot[1] == "geom"


@dataclass(frozen=True, eq=False)
class RobotGeometry:
    """The measures of a robot that retargeting works with. Pairs are (left, right)."""

    pelvis: str  # body
    chest: str | None  # body; None where it is the pelvis
    chest_turns: np.ndarray  # [3] 0 or 1: whether joints turn the chest against the pelvis in yaw, pitch, roll
    height: float  # m, of the pelvis in the home pose
    mass_height: float  # m, of the centre of mass in the home pose
    legs: tuple[Leg, Leg]
    arms: tuple[Arm, Arm] | None
    of_arms: np.ndarray  # [nv] bool, velocities of the joints between chest and hands
    foot_line: float  # m, from the middle to the line on which a foot walks
    foot_forward: float  # m, ankle of a foot under the person's hip ahead of the pelvis
    pelvis_gain: np.ndarray  # [3] share of the person's pelvis yaw, pitch, roll that the robot's makes
    lean: float  # rad, forward pitch of the pelvis that the person's is added to
    longest_step: float  # s, heel strike to heel strike; a slower step needs more sway than the legs allow
    zmp_share: float  # lateral place of the zero moment point in single support, as a share of foot_line
    rotations: dict[str, np.ndarray]  # world rotation [3, 3] of every body in the home pose


@dataclass(frozen=True)
class Arm:
    """One arm of a robot: the bodies whose origins are its joints, and the lengths between them."""

    shoulder: str
    elbow: str
    hand: tuple[str, str]  # name and kind (body, site, geom)
    upper: float  # m, shoulder to elbow
    fore: float  # m, elbow to hand


@lru_cache(maxsize=8)
def robot_geometry(robot: Robot) -> RobotGeometry:
    """The measures of `robot`, read from its model.

    Raises InputError where its YAML does not name the key bodies, or they carry no pitch joints.
    """
    if robot.bodies is None:
        raise InputError(
            f"robot '{robot.name}' has no `bodies` in its YAML, which retargeting needs; see docs/robots.md"
        )
    zero, home = pose(robot.model, {}), pose(robot.model, dict(zip(robot.joints, robot.home, strict=True)))
    bodies, model = robot.bodies, robot.model
    legs = _leg(robot, bodies, zero, home, 0), _leg(robot, bodies, zero, home, 1)
    chest = bodies.chest if bodies.chest != bodies.pelvis else None
    table, pelvis = robot.retarget, home.body(bodies.pelvis).xpos
    left = position_of(home, legs[0].foot)
    return RobotGeometry(
        pelvis=bodies.pelvis,
        chest=chest,
        chest_turns=_turns(robot, home, _between(model, bodies.pelvis, chest)) if chest else np.zeros(3),
        height=float(robot.home_qpos[2] + pelvis[2]),
        legs=legs,
        mass_height=float(robot.home_qpos[2] + home.subtree_com[0, 2]),
        arms=_arms(bodies, home),
        of_arms=_of_arms(robot, bodies, home),
        foot_line=_given(table.foot_line, left[1] - pelvis[1]),
        foot_forward=_given(table.foot_forward, legs[0].hip[0]),
        pelvis_gain=np.array(table.pelvis_gain),
        lean=table.lean,
        longest_step=_given(table.longest_step, np.inf),
        zmp_share=table.zmp_share,
        rotations={model.body(i).name: home.xmat[i].reshape(3, 3).copy() for i in range(model.nbody)},
    )


def _given(value: float | None, measured: float) -> float:
    return float(measured) if value is None else value


def _leg(robot: Robot, bodies: KeyBodies, zero: mujoco.MjData, home: mujoco.MjData, side: int) -> Leg:
    model = robot.model
    chain = _between(model, bodies.pelvis, bodies.feet[side])
    pitch = _pitch_joint(zero, _joints_of(model, chain), f"'{robot.name}': no hip pitch joint")
    knees = _joints_of(model, [model.body(bodies.knees[side]).id])
    knee = _pitch_joint(zero, knees, f"'{robot.name}': {bodies.knees[side]} carries no knee joint")
    below = chain[chain.index(model.body(bodies.knees[side]).id) + 1 :]
    above = chain[: chain.index(model.body(bodies.knees[side]).id)]
    spheres = robot.pad_geoms.reshape(2, -1)[side]
    ball = not _joints_of(model, below) and len(set(spheres)) == 1
    foot = (model.geom(spheres[0]).name, "geom") if ball else (bodies.feet[side], "body")
    hip, ankle = zero.xanchor[pitch], position_of(zero, foot)
    thigh, shank = (zero.xanchor[knee] - hip)[[0, 2]], (ankle - zero.xanchor[knee])[[0, 2]]
    direction = float(np.sign(zero.xaxis[pitch][1]))
    bend = float(np.sign(zero.xaxis[knee][1] * model.jnt_range[knee].mean()))
    most = float(np.max(bend * np.sign(zero.xaxis[knee][1]) * model.jnt_range[knee])) - ROOM
    steers = np.array([1.0, 0.0, 0.0]) * _turns(robot, home, above) + [0.0, 1.0, 1.0] * _turns(robot, home, below)
    steers = np.zeros(3) if ball else steers
    outward, ankle_joints = 1 - 2 * side, _joints_of(model, below)
    return Leg(
        hip=hip - zero.body(bodies.pelvis).xpos,
        thigh=thigh,
        shank=float(np.linalg.norm(shank)),
        extension=float(np.max(direction * model.jnt_range[pitch])),
        spread=min(_roll(zero, _joints_of(model, above), outward), _roll(zero, ankle_joints, -outward, fixed=np.inf)),
        reach=_given(robot.retarget.leg_reach, float(np.linalg.norm(thigh + _turned(shank, bend * BENT)))),
        folded=float(np.linalg.norm(thigh + _turned(shank, bend * most))),
        foot=foot,
        carrier=model.body(model.geom_bodyid[spheres[0]]).name,
        sole=_sole(robot, home, spheres, foot),
        half_width=float(np.ptp(home.geom_xpos[spheres, 1]) / 2.0),
        steers=steers,
    )


def _roll(data: mujoco.MjData, joints: list[int], side: int, *, fixed: float = 0.0) -> float:
    """How far, rad, the first of `joints` that turns about x swings what hangs from it to a side, +1 left, -1 right.

    `fixed` where none does.
    """
    rolls = [j for j in joints if abs(data.xaxis[j][0]) > ALONG]
    if not rolls:
        return fixed
    return float(np.max(side * np.sign(data.xaxis[rolls[0]][0]) * data.model.jnt_range[rolls[0]]))


def _turned(vector: np.ndarray, pitch: float) -> np.ndarray:
    """A (forward, up) vector turned by `pitch` rad about +y."""
    forward, up = vector
    return np.array([forward * np.cos(pitch) + up * np.sin(pitch), up * np.cos(pitch) - forward * np.sin(pitch)])


def _between(model: mujoco.MjModel, first: str, last: str) -> list[int]:
    """Bodies on the way from `first` to `last`, those at whose joints the one moves against the other."""
    ways = [ancestors(model, model.body(name).id) for name in (first, last)]
    common = next(body for body in ways[0] if body in ways[1])
    up, down = (way[: way.index(common)] for way in ways)
    return [*up, *reversed(down)]


def _joints_of(model: mujoco.MjModel, bodies: list[int]) -> list[int]:
    """Hinge joints of bodies."""
    return [
        j
        for j in range(model.njnt)
        if model.jnt_bodyid[j] in bodies and model.jnt_type[j] == mujoco.mjtJoint.mjJNT_HINGE
    ]


def _pitch_joint(data: mujoco.MjData, joints: list[int], fault: str) -> int:
    """The first of `joints` that turns about y; raises InputError, which begins with `fault`, where none does."""
    found = [j for j in joints if abs(data.xaxis[j][1]) > ALONG]
    if not found:
        raise InputError(f"{fault} that turns about the robot's y axis; name the bodies in its YAML, and face it to +x")
    return found[0]


def _turns(robot: Robot, data: mujoco.MjData, bodies: list[int]) -> np.ndarray:
    """[3] 0 or 1: whether joints of `bodies` turn about the vertical (yaw), y (pitch), x (roll)."""
    axes = [np.abs(data.xaxis[j]) for j in _joints_of(robot.model, bodies)]
    strongest = np.max(axes, axis=0, initial=0.0) if axes else np.zeros(3)
    return (strongest[::-1] > ALONG).astype(float)


def _sole(robot: Robot, home: mujoco.MjData, spheres: np.ndarray, foot: tuple[str, str]) -> Sole:
    """Contact lines of a foot, flat in the home pose, seen from its ankle."""
    places = home.geom_xpos[spheres] - position_of(home, foot)
    radius = float(robot.model.geom_size[spheres[0], 0])
    return Sole(float(places[:, 0].min()), float(places[:, 0].max()), float(-places[:, 2].min()), radius)


def _arms(bodies: KeyBodies, home: mujoco.MjData) -> tuple[Arm, Arm] | None:
    if bodies.shoulders is None or bodies.elbows is None or bodies.hands is None:
        return None
    left, right = (_arm(bodies, home, side) for side in (0, 1))
    return left, right


def _arm(bodies: KeyBodies, home: mujoco.MjData, side: int) -> Arm:
    assert bodies.shoulders and bodies.elbows and bodies.hands
    shoulder, elbow, hand = (
        bodies.shoulders[side],
        bodies.elbows[side],
        (bodies.hands[side], kind_of(home, bodies.hands[side])),
    )
    joints = [home.body(shoulder).xpos, home.body(elbow).xpos, position_of(home, hand)]
    upper, fore = np.linalg.norm(np.diff(joints, axis=0), axis=1)
    return Arm(shoulder, elbow, hand, float(upper), float(fore))


def _of_arms(robot: Robot, bodies: KeyBodies, home: mujoco.MjData) -> np.ndarray:
    model, mask = robot.model, np.zeros(robot.model.nv, bool)
    for hand in bodies.hands or ():
        carrier = _carrier(model, (hand, kind_of(home, hand)))
        mask[[model.jnt_dofadr[j] for j in _joints_of(model, _between(model, bodies.chest, carrier))]] = True
    return mask


def _carrier(model: mujoco.MjModel, named: tuple[str, str]) -> str:
    """The body that a (name, kind) is, or is fixed to."""
    name, kind = named
    return name if kind == "body" else model.body(int(np.ravel(getattr(model, kind)(name).bodyid)[0])).name
