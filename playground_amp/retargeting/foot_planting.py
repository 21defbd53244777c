"""A robot's motion whose feet float, sink or slide -> the nearest one whose feet stand where they stand.

    qpos --speed of the pads' material--> when each pad stands, and where: its height is the ground, its place is held
         --between two stands the correction glides from the one to the next--> paths of the contact spheres
         --inverse kinematics (mink) that leaves the root and the joints as they are where it can--> qpos

Motions of people that others carried over to a robot (General Motion Retargeting, tracking data sets) have such feet:
they follow markers, and no floor.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import mink
import mujoco
import numpy as np
from scipy.ndimage import binary_closing, binary_opening, distance_transform_edt, gaussian_filter1d

from playground_amp.motion.metrics.bounds import PERSON_LEG
from playground_amp.motion.metrics.gait import contact_height, pad_corners
from playground_amp.retargeting.human_motion import runs
from playground_amp.robots import Robot

STANDING_SPEED = 0.3  # m/s of the material of a pad that stands, for legs of PERSON_LEG
STEEPEST = 0.06  # of the leg's length: a pad that is slow this much above the others' ground does not stand on it
RARE = 2.0  # percent of the frames whose lowest pad may be under the ground of a motion in which no foot stands
SHORTEST = 0.06  # s, of a stand and of what interrupts one
PIVOT = 0.1  # of the leg's length: a pad that goes further in one stand slides or turns there, and is not held
CLEARANCE = 0.028  # of the leg's length, least height of a pad on its way through the air
RISING = 0.5  # m/s, at which a pad reaches it and comes down from it, for legs of PERSON_LEG
EASING = 0.04  # s over which a correction of a pad that slides is smoothed
IK_STEPS = 5  # iterations a frame
SPHERES, ROOT, ROOT_TURN, JOINTS = 20.0, 1.0, 1.0, 0.1  # costs, of m and rad
LIMIT_MARGIN = 1e-3  # rad


@dataclass(frozen=True, eq=False)
class Stands:
    """When and where the pads of a motion stand. N frames, P pads."""

    standing: np.ndarray  # [N, P] bool
    ground: float  # m, median height of the pads that stand; where none does, of the lowest ones


@dataclass(frozen=True)
class Planting:
    """What planting the feet changed, and where it found the ground."""

    ground: float  # m, height of the recording's ground above the zero of the recording
    feet: float  # m, furthest way of a contact sphere, once the ground is at zero
    root: float  # m, furthest way of the root, likewise
    joint: float  # rad, greatest change of a joint's angle

    def sentence(self) -> str:
        """What was changed, for people."""
        return (
            f"its feet were planted: the ground was at {1e3 * self.ground:+.0f} mm, feet moved by up to "
            f"{1e3 * self.feet:.0f} mm, the root by {1e3 * self.root:.0f} mm, joints by {self.joint:.2f} rad; "
            f"--as-is leaves them"
        )


def find_stands(qpos: np.ndarray, robot: Robot, frequency: float) -> Stands:
    """When the pads of a motion [N, nq] at `frequency` Hz stand: their material is slow, and near the common ground."""
    corners = pad_corners(qpos, robot)
    height, slow = corners[..., 2].min(axis=-1), _slow(corners, robot, frequency)
    lowest = float(np.percentile(height.min(axis=1), RARE))
    if not slow.any():
        return Stands(slow, lowest)
    near = np.abs(height - np.median(height[slow])) < STEEPEST * robot.leg_length
    standing = np.stack([_stands(h, s, robot, frequency) for h, s in zip(height.T, (slow & near).T, strict=True)], 1)
    return Stands(standing, float(np.median(height[standing])) if standing.any() else lowest)


def _slow(corners: np.ndarray, robot: Robot, frequency: float) -> np.ndarray:
    """Which pads [N, P] of corners [N, P, C, 3] move slower than a foot that stands."""
    speed = np.linalg.norm(np.gradient(corners.mean(axis=2), 1.0 / frequency, axis=0), axis=-1)
    return speed < STANDING_SPEED * np.sqrt(robot.leg_length / PERSON_LEG)


def _stands(height: np.ndarray, slow: np.ndarray, robot: Robot, frequency: float) -> np.ndarray:
    """When a pad of `height` [N] that is `slow` [N] stands: while it stays at the height of that stand."""
    shortest = np.ones(max(2, round(SHORTEST * frequency)), bool)
    standing = np.zeros(len(height), bool)
    for first, last in runs(slow):
        here = height[first : last + 1]
        standing[first : last + 1] = here < np.median(here) + 0.5 * contact_height(robot)
    padded = np.pad(standing, len(shortest), mode="edge")
    steady = binary_opening(binary_closing(padded, shortest), shortest)
    return steady[len(shortest) : -len(shortest)]


def plant_feet(qpos: np.ndarray, robot: Robot, frequency: float) -> tuple[np.ndarray, Planting]:
    """The motion [N, nq] nearest to `qpos` whose feet neither float nor sink nor slide while they stand.

    The ground comes to be at zero. Also what was changed.
    """
    stands = find_stands(qpos, robot, frequency)
    level = qpos - stands.ground * (np.arange(qpos.shape[1]) == 2)
    if not stands.standing.any():
        return level, Planting(stands.ground, 0.0, 0.0, 0.0)
    before = pad_corners(level, robot)
    planted = _solve(level, _targets(before, stands.standing, robot, frequency), robot)
    moved = pad_corners(planted, robot) - before
    return planted, Planting(
        ground=stands.ground,
        feet=float(np.linalg.norm(moved, axis=-1).max()),
        root=float(np.linalg.norm(planted[:, :3] - level[:, :3], axis=-1).max()),
        joint=float(np.abs(planted[:, 7:] - level[:, 7:]).max()),
    )


def _targets(corners: np.ndarray, standing: np.ndarray, robot: Robot, frequency: float) -> np.ndarray:
    """Where the lowest points of the pads' spheres [N, P, C, 3] m should be, for pads `standing` [N, P].

    A pad stands on its lowest sphere: not every ankle can lay a foot flat.
    """
    wanted, lowest = corners.copy(), corners[..., 2].min(axis=-1)
    for pad, stands in enumerate(standing.T):
        for corner in range(corners.shape[2]):
            path = np.column_stack([corners[:, pad, corner, :2], lowest[:, pad]])
            wanted[:, pad, corner] += _correction(path, stands, robot, frequency)
        wanted[:, pad, :, 2] += _missing(wanted[:, pad], stands, robot, frequency)[:, None]
    return np.maximum(wanted, [-np.inf, -np.inf, 0.0])


def _missing(path: np.ndarray, standing: np.ndarray, robot: Robot, frequency: float) -> np.ndarray:
    """By how much [N] m a pad of spheres [N, C, 3] is to be raised where it goes along too near to the ground."""
    scale = np.sqrt(robot.leg_length / PERSON_LEG)
    speed = np.linalg.norm(np.gradient(path[..., :2].mean(axis=1), 1.0 / frequency, axis=0), axis=-1)
    away = distance_transform_edt(~standing) if standing.any() else np.full(len(path), np.inf)
    least = np.minimum(CLEARANCE * robot.leg_length, RISING * scale * away / frequency)
    going = np.clip(speed / (STANDING_SPEED * scale) - 1.0, 0.0, 1.0)
    missing = going * np.maximum(least - path[..., 2].min(axis=1), 0.0)
    return np.where(standing, 0.0, np.maximum(missing, gaussian_filter1d(missing, 1.0)))


def _correction(path: np.ndarray, standing: np.ndarray, robot: Robot, frequency: float) -> np.ndarray:
    """What is to be added [N, 3] m to the path [N, 3] of a point: it is held where it stands, and glides between."""
    frames = np.flatnonzero(standing)
    if not len(frames):
        return np.zeros_like(path)
    held = np.concatenate([_held(path[a : b + 1], robot, frequency) for a, b in runs(standing)])
    every = np.arange(len(path))
    glided = np.stack([np.interp(every, frames, column) for column in held.T], axis=1)
    for (_, before), (after, _) in pairwise(runs(standing)):
        share = np.linspace(0.0, 1.0, after - before + 1)[:, None]
        ease = share**2 * (3.0 - 2.0 * share)
        glided[before : after + 1] = glided[before] + ease * (glided[after] - glided[before])
    return glided


def _held(path: np.ndarray, robot: Robot, frequency: float) -> np.ndarray:
    """What is to be added [S, 3] m to a stand [S, 3] of a point: to the ground, and to where it is in the middle."""
    middle = np.median(path[:, :2], axis=0)
    if np.ptp(path[:, :2], axis=0).max() < PIVOT * robot.leg_length:
        aside = middle - path[:, :2]
    else:
        aside = gaussian_filter1d(path[:, :2], EASING * frequency, axis=0) - path[:, :2]
    return np.concatenate([aside, -path[:, 2:]], axis=1)


def _solve(qpos: np.ndarray, targets: np.ndarray, robot: Robot) -> np.ndarray:
    """qpos [N, nq] near the given one whose pads' spheres have their lowest points at the targets [N, P, C, 3]."""
    model = robot.model
    configuration = mink.Configuration(model, q=qpos[0])
    geoms, corner = np.unique(robot.pad_geoms.ravel(), return_index=True)
    spheres = [mink.FrameTask(model.geom(geom).name, "geom", SPHERES, 0.0) for geom in geoms]
    centres = targets.reshape(len(qpos), -1, 3)[:, corner] + model.geom_size[geoms, :1] * [0.0, 0.0, 1.0]
    root = mink.FrameTask(robot.root, "body", ROOT, ROOT_TURN)
    posture = mink.PostureTask(model, cost=JOINTS)
    limits = [mink.ConfigurationLimit(model, min_distance_from_limits=LIMIT_MARGIN)]
    solved = np.empty_like(qpos)
    for i, q in enumerate(qpos):
        root.set_target(_pose_of(q))
        posture.set_target(q)
        for task, centre in zip(spheres, centres[i], strict=True):
            task.set_target(mink.SE3.from_translation(centre))
        configuration.update(_moved(model, qpos[i - 1], solved[i - 1], q) if i else q)
        for _ in range(IK_STEPS):
            velocity = mink.solve_ik(configuration, [*spheres, root, posture], 1.0, "daqp", damping=1e-9, limits=limits)
            configuration.integrate_inplace(velocity, 1.0)
        solved[i] = configuration.q
    return solved


def _pose_of(qpos: np.ndarray) -> mink.SE3:
    """Place of the root of [nq]."""
    return mink.SE3.from_rotation_and_translation(mink.SO3(qpos[3:7]), qpos[:3])


def _moved(model: mujoco.MjModel, before: np.ndarray, planted: np.ndarray, now: np.ndarray) -> np.ndarray:
    """The frame `now` [nq] changed as the one `before` was when it was `planted`: where the search starts."""
    change, start = np.empty(model.nv), now.copy()
    mujoco.mj_differentiatePos(model, change, 1.0, before, planted)
    mujoco.mj_integratePos(model, start, change, 1.0)
    return start
