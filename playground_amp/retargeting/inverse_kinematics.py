"""Inverse kinematics: targets of pelvis, chest, arms and feet -> qpos within the joint limits, by mink."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import mink
import mujoco
import numpy as np
from scipy.spatial.transform import Rotation

from playground_amp.motion.ground_path import about_vertical
from playground_amp.retargeting.robot_geometry import Leg, RobotGeometry, robot_geometry
from playground_amp.robots import Robot
from playground_amp.robots.kinematic_tree import position_of

IK_STEPS = 6  # iterations a frame
LIMIT_MARGIN = 0.02  # rad kept from every joint limit
POSTURE = 1e-4  # cost of leaving the home pose; an arm's is in the record: it rather swings less than hits its limits
STRAIGHT_COST = 0.5  # of a shank without a foot turned from straight ahead
TWIST_COST = 0.09  # of a foot turned on the ground by a leg that cannot yaw: the pelvis gives way a little
ARM_COST = 0.3  # of an elbow or hand out of its place
ROLLING_PASSES = 2  # that a foot without an ankle takes to find how far it rolls
SIDES = (0, 1)  # left, right


@dataclass(frozen=True, eq=False)
class IKTargets:
    """What the inverse kinematics follows, at the control rate, in the world. N frames; feet and arms are left, right.

    Angles are yaw, pitch (nose down), roll.
    """

    pelvis: np.ndarray  # [N, 3] m
    pelvis_euler: np.ndarray  # [N, 3] rad
    chest_euler: np.ndarray  # [N, 3] rad
    arms: np.ndarray  # [2, 2, N, 3] unit vectors: side; upper arm, forearm
    feet: np.ndarray  # [2, N, 5] ankle x, y, z in m, pitch, yaw in rad
    heading: np.ndarray  # [N] rad, of the path that the motion follows
    person: np.ndarray  # [N, 22, 3] m, the scaled person, for pictures


def follow(targets: IKTargets, robot: Robot) -> tuple[np.ndarray, dict[str, float]]:
    """qpos [N, nq] that follows the targets within the joint limits, and each key body's distance from its target.

    The distances are root mean squares over the frames, m, by the names of the bodies.

    The first pass shows how far each foot leans sideways where no ankle keeps it level, and how a ball without an
    ankle rolls over the ground; the next one puts the feet where they touch the ground and do not slip on it.
    """
    geometry = robot_geometry(robot)
    qpos, errors = _solve(targets, robot, geometry)
    for _ in range(ROLLING_PASSES if any(leg.is_ball for leg in geometry.legs) else 1):
        tilts = [_tilt(qpos, robot, geometry, side) for side in SIDES]
        feet = [_corrected(targets.feet[side], tilts[side], geometry.legs[side]) for side in SIDES]
        qpos, errors = _solve(replace(targets, feet=np.stack(feet)), robot, geometry)
    return qpos, {name: float(np.sqrt(np.mean(error**2))) for name, error in errors.items()}


def _corrected(foot: np.ndarray, tilt: np.ndarray, leg: Leg) -> np.ndarray:
    """A foot [N, 5] that touches the ground where the target's level sole does, for its tilt [N, 3, 3].

    Leaning sideways it pivots about the middle of its sole, its lowest edge on the ground. A ball rolls without slip:
    its middle moves by radius x angle.
    """
    lean = tilt[:, 2, 1]
    moved = np.stack([np.zeros_like(lean), -leg.sole.drop * lean, leg.half_width * np.abs(lean)], axis=-1)
    if leg.is_ball:
        _, pitch, roll = Rotation.from_matrix(tilt).as_euler("ZYX").T
        moved[:, 0] += leg.sole.radius * (pitch - pitch.mean())
        moved[:, 1] -= leg.sole.radius * (roll - roll.mean())
    return np.concatenate([foot[:, :3] + about_vertical(moved, foot[:, 4]), foot[:, 3:]], axis=-1)


def _tilt(qpos: np.ndarray, robot: Robot, geometry: RobotGeometry, side: int) -> np.ndarray:
    """Rotation [N, 3, 3] of a foot from where it is in the home pose."""
    name = geometry.legs[side].carrier
    upright = geometry.rotations[name].T
    return np.stack([data.body(name).xmat.reshape(3, 3) @ upright for data in robot.poses(qpos)])


@dataclass(frozen=True, eq=False)
class _Tasks:
    """Feet before chest and pelvis before arms before posture. What no joint of its own turns, follows."""

    pelvis: mink.FrameTask
    chest: mink.RelativeFrameTask | None
    feet: tuple[mink.FrameTask, ...]
    arms: tuple[tuple[mink.RelativeFrameTask, mink.RelativeFrameTask], ...]  # elbow and hand, seen from the chest
    posture: mink.PostureTask

    @cached_property
    def placed(self) -> dict[str, mink.FrameTask | mink.RelativeFrameTask]:
        """Those that have a place to be at, by the name of what they move."""
        feet = dict(zip(("left foot", "right foot"), self.feet, strict=True))
        elbows = dict(zip(("left elbow", "right elbow"), (arm[0] for arm in self.arms), strict=False))
        hands = dict(zip(("left hand", "right hand"), (arm[1] for arm in self.arms), strict=False))
        return {"pelvis": self.pelvis} | feet | elbows | hands

    @cached_property
    def all(self) -> list[mink.Task]:
        return [*self.placed.values(), *([self.chest] if self.chest else []), self.posture]


def _solve(targets: IKTargets, robot: Robot, geometry: RobotGeometry) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Frame by frame, each started from the one before: [N, nq], and the distances [N] m of the bodies with a place."""
    configuration = mink.Configuration(robot.model, q=robot.home_qpos)
    tasks = _tasks(robot, geometry)
    limits = [mink.ConfigurationLimit(robot.model, min_distance_from_limits=LIMIT_MARGIN)]
    qpos = np.empty((len(targets.pelvis), robot.model.nq))
    errors = {name: np.empty(len(qpos)) for name in tasks.placed}
    for i in range(len(qpos)):
        _aim(tasks, targets, i, geometry)
        for _ in range(IK_STEPS if i else 5 * IK_STEPS):
            _aim_arms(tasks, targets, i, geometry, configuration.data)
            velocity = mink.solve_ik(configuration, tasks.all, 1.0, "daqp", damping=1e-9, limits=limits)
            configuration.integrate_inplace(velocity, 1.0)
        qpos[i] = configuration.q
        for name, task in tasks.placed.items():
            errors[name][i] = np.linalg.norm(task.compute_error(configuration)[:3])
    return qpos, errors


def _tasks(robot: Robot, geometry: RobotGeometry) -> _Tasks:
    chest = None
    if geometry.chest:
        turns = _costs(geometry.chest_turns, geometry.rotations[geometry.chest])
        chest = mink.RelativeFrameTask(geometry.chest, "body", geometry.pelvis, "body", 0.0, turns)
    posture = mink.PostureTask(robot.model, cost=np.where(geometry.of_arms, robot.retarget.arm_posture, POSTURE))
    posture.set_target(robot.home_qpos)
    return _Tasks(
        pelvis=mink.FrameTask(geometry.pelvis, "body", [0.5, 0.5, 0.5], 0.2),
        chest=chest,
        feet=tuple(
            mink.FrameTask(leg.foot[0], leg.foot[1], 20.0, _costs(_foot_costs(leg), geometry.rotations[leg.carrier]))
            for leg in geometry.legs
        ),
        arms=tuple(
            (_of_arm(geometry, (arm.elbow, "body")), _of_arm(geometry, arm.hand)) for arm in geometry.arms or ()
        ),
        posture=posture,
    )


def _of_arm(geometry: RobotGeometry, named: tuple[str, str]) -> mink.RelativeFrameTask:
    """The task of an elbow or a hand, by its name and kind, seen from the chest."""
    name, kind = named
    return mink.RelativeFrameTask(name, kind, geometry.chest or geometry.pelvis, "body", ARM_COST, 0.0)


def _foot_costs(leg: Leg) -> np.ndarray:
    """Costs [3] of a foot turned out of its target's yaw, pitch, roll."""
    if leg.is_ball:
        return np.array([STRAIGHT_COST, 0.0, 0.0])
    return np.maximum(4.0 * leg.steers, [TWIST_COST, 0.0, 0.0])


def _costs(turns: np.ndarray, rotation: np.ndarray) -> np.ndarray:
    """Costs [3] about the axes of a body, `rotation` [3, 3] when upright, of what `turns` in yaw, pitch, roll."""
    return np.abs(rotation.T) @ turns[::-1]


def _aim(tasks: _Tasks, targets: IKTargets, i: int, geometry: RobotGeometry) -> None:
    """Set the targets of frame `i`, the arms' apart."""
    pelvis = _pose(targets.pelvis[i], targets.pelvis_euler[i], geometry.rotations[geometry.pelvis])
    tasks.pelvis.set_target(pelvis)
    if tasks.chest and geometry.chest:
        chest = _pose(targets.pelvis[i], targets.chest_euler[i], geometry.rotations[geometry.chest])
        tasks.chest.set_target(pelvis.inverse() @ chest)
    for task, foot, leg in zip(tasks.feet, targets.feet[:, i], geometry.legs, strict=True):
        task.set_target(_pose(foot[:3], np.array([foot[4], foot[3], 0.0]), geometry.rotations[leg.carrier]))


def _aim_arms(tasks: _Tasks, targets: IKTargets, i: int, geometry: RobotGeometry, data: mujoco.MjData) -> None:
    """Elbow and hand in the person's directions from where the shoulder is now."""
    chest = data.body(geometry.chest or geometry.pelvis)
    for arm, (elbow, hand), (upper, fore) in zip(geometry.arms or (), tasks.arms, targets.arms[:, :, i], strict=False):
        joint = position_of(data, (arm.shoulder, "body")) + arm.upper * upper
        for task, there in ((elbow, joint), (hand, joint + arm.fore * fore)):
            seen = chest.xmat.reshape(3, 3).T @ (there - chest.xpos)
            task.set_target(mink.SE3.from_translation(seen))


def _pose(position: np.ndarray, euler: np.ndarray, rotation: np.ndarray) -> mink.SE3:
    """Where a body is whose upright rotation is `rotation` [3, 3] turned by yaw, pitch, roll."""
    turned = Rotation.from_euler("ZYX", euler) * Rotation.from_matrix(rotation)
    return mink.SE3.from_rotation_and_translation(mink.SO3(turned.as_quat(scalar_first=True)), np.asarray(position))
