"""A person's walk -> a robot's: an AMASS take becomes a MotionClip (qpos at the control rate). Offline only.

    take --face +x, start at the origin--> path, and motion of pelvis, chest, arms, ankles seen from it
         --lengths x (robot leg / human leg), time x sqrt(robot leg / human leg)--> dynamic similarity
         --contacts of heel and ball--> stances --pin the feet--> paths that do not skate
         --root: scaled way and bounce, sway from a linear inverted pendulum (of standing: the person's)--> targets
         --inverse kinematics (mink) with joint limits--> qpos

The robot keeps the person's path and heading from the first one on, which is +x, with its feet on two lines beside the
path: straight, along arcs, aside, back, and turning on the spot.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np
from scipy.ndimage import gaussian_filter1d

from playground_amp.core.errors import InputError
from playground_amp.motion.clip import MotionClip
from playground_amp.motion.ground_path import GroundPath, about_vertical
from playground_amp.motion.metrics.bounds import PERSON_LEG
from playground_amp.retargeting.foot_paths import foot_paths, step_frames, strikes_of
from playground_amp.retargeting.human_motion import HumanMotion, extract_motion, resample
from playground_amp.retargeting.inverse_kinematics import IKTargets
from playground_amp.retargeting.reachability import at_reachable_height, fastest_turn, unfolded
from playground_amp.retargeting.readers.amass import Take
from playground_amp.retargeting.readers.robot_motion import RobotMotion
from playground_amp.retargeting.robot_geometry import robot_geometry
from playground_amp.retargeting.robot_to_robot import adopt
from playground_amp.retargeting.zmp_balance import GRAVITY, balanced, pendulum
from playground_amp.robots import Robot

FREQUENCY = 50.0  # Hz, the control rate
SHORTEST = 0.8  # s of the robot; less is not a walk to learn from
STRIDES = np.arange(1.0, 0.49, -0.05)  # lengths and times of steps that are tried


@dataclass(frozen=True, eq=False)
class Retargeted:
    """A clip of the robot, and what it was made to follow."""

    clip: MotionClip
    person: np.ndarray | None  # [N, 22, 3] m, the scaled person frame by frame beside the clip; None without a person
    tracking_error: dict[str, float]  # m, root mean square distance of key bodies from where they should be
    physics: dict[str, float] | None = None  # how it was walked through physics, see Refined; None: it was not
    planting: dict[str, float] | None = None  # what planting its feet changed, see Planting; None: they were not
    notes: tuple[str, ...] = ()  # what there is to be told of it, a sentence each


def retarget(
    recording: Take | RobotMotion, robot: Robot, *, time_scaling: bool = True, source: str = "", plant: bool = True
) -> Retargeted:
    """The motion of a person, or of the robot itself, as a clip of `robot` at FREQUENCY; `source` is kept in the clip.

    The feet of the robot's own motion are planted where they stand, unless `plant` is false.

    A person's becomes one with the speed and cadence of dynamic similarity, or with no `time_scaling` the person's own
    cadence. Where the robot's legs do not reach as far as the person's, or it could not balance from side to side for
    as long as a step takes, its steps are shorter and as much quicker: same speed. Where its legs do not turn under it
    its curves are wider, and `notes` say so. Raises InputError for a recording without steps or standing long enough,
    and for a robot without `bodies` or with other joints.
    """
    if isinstance(recording, RobotMotion):
        return _adopted(recording, robot, source, plant=plant)
    length_scale = robot.leg_length / PERSON_LEG
    time_scale = float(np.sqrt(length_scale)) if time_scaling else 1.0
    motion = extract_motion(recording)
    quickest = _balanced_stride(resample(motion, length_scale, time_scale, FREQUENCY), robot) if time_scaling else 1.0
    for stride in quickest * STRIDES:
        scaled = resample(motion, stride * length_scale, stride * time_scale, FREQUENCY)
        targets, reached = plan(scaled, robot, recording.name)
        if reached:
            break
    qpos, errors = balanced(targets, robot, FREQUENCY)
    start = qpos[0, 0]
    qpos[:, 0] -= start
    name, scale = recording.name, float(stride * time_scale)
    clip = MotionClip(name, robot.name, robot.joints, qpos, FREQUENCY, source or f"AMASS take {name}", scale)
    return Retargeted(clip, targets.person - [start, 0.0, 0.0], errors, notes=_told(scaled.path, robot))


def _told(path: GroundPath, robot: Robot) -> tuple[str, ...]:
    """What there is to be told of a robot that turns less than the person on `path`."""
    turned, asked = _followed(path, robot).turned, path.turned
    if turned > 0.95 * asked or asked == 0.0:
        return ()
    return (
        f"it turns by {np.rad2deg(turned):.0f} of the person's {np.rad2deg(asked):.0f} degrees: its legs do not turn "
        f"under it, and its feet are not to slide by more",
    )


def _followed(path: GroundPath, robot: Robot) -> GroundPath:
    """The path with the turning that the robot can do."""
    return path.turning(fastest_turn(robot) / FREQUENCY)


def _adopted(motion: RobotMotion, robot: Robot, source: str, *, plant: bool) -> Retargeted:
    clip, planting = adopt(motion, robot, FREQUENCY, source or f"motion {motion.name}", plant=plant)
    if planting is None:
        return Retargeted(clip, None, {})
    return Retargeted(clip, None, {}, planting=dataclasses.asdict(planting), notes=(planting.sentence(),))


def plan(motion: HumanMotion, robot: Robot, name: str) -> tuple[IKTargets, bool]:
    """Targets of the whole body for a motion at the robot's size, and whether the robot's legs reach them.

    They are cut to the frames in which both feet are known; raises InputError where these are too few, naming `name`.
    """
    path = _followed(motion.path, robot)
    known = np.flatnonzero(np.isfinite(foot_paths(motion, path, robot)[..., 0]).all(axis=0))
    if len(known) < SHORTEST * FREQUENCY:
        raise InputError(
            f"'{name}': no steps of both feet for {SHORTEST:g} s of the robot's time, only for "
            f"{len(known) / FREQUENCY:.1f} s: what is before the first and after the last whole step of a foot is left "
            f"out; give a take, or a longer part, of somebody who walks"
        )
    keep = slice(known[0], known[-1] + 1)
    path = path.beginning(known[0])
    feet, heading = foot_paths(motion, path, robot), path.heading[keep]
    pelvis = _pelvis(motion, path, feet, robot)
    euler, chest = _trunk(motion, path, keep, robot)
    feet = feet[:, keep]
    pelvis, reached = at_reachable_height(pelvis[keep], heading, euler[:, 1], feet, robot)
    feet = unfolded(pelvis, heading, euler[:, 1], feet, robot)
    arms = about_vertical(motion.arms, path.heading)[:, :, keep]
    person = path.world(motion.joints.swapaxes(0, 1)).swapaxes(0, 1)[keep]
    yaw = heading[:, None] * [1.0, 0.0, 0.0]
    return IKTargets(pelvis, euler + yaw, chest + yaw, arms, feet, heading, person), reached


def _trunk(motion: HumanMotion, path: GroundPath, keep: slice, robot: Robot) -> tuple[np.ndarray, np.ndarray]:
    """Yaw, pitch and roll of pelvis and chest [N, 3] rad seen from the path, in the frames to keep.

    They lean into a curve as a mass on a rope hangs out of it.
    """
    geometry = robot_geometry(robot)
    turns, chest = (angles[keep] - angles[keep].mean(axis=0) for angles in (motion.pelvis_euler, motion.chest_euler))
    euler = geometry.pelvis_gain * turns + [0.0, geometry.lean, 0.0]
    lean = path.acceleration(FREQUENCY)[keep, 1:] / GRAVITY * [0.0, 0.0, 1.0]
    return euler - lean, np.where(geometry.chest_turns > 0.0, chest, euler) - lean


def _pelvis(motion: HumanMotion, path: GroundPath, feet: np.ndarray, robot: Robot) -> np.ndarray:
    """Way [N, 3] m of the pelvis: the person's along the path, aside that of a pendulum over feet [2, N, 5].

    Beside the sway of a straight walk it leans to the inside of a curve, and follows feet that stand off their lines.
    """
    height = robot_geometry(robot).height
    pelvis = motion.pelvis.copy()
    pelvis[:, 1] = _own_sway(motion) if motion.contacts.all() else sway(motion.contacts, robot)
    pelvis[:, 1] += height / GRAVITY * path.acceleration(FREQUENCY)[:, 1]
    pelvis[:, 1] += pendulum(_off_lines(motion, path, feet, robot), height, FREQUENCY)
    return path.world(pelvis)


def _off_lines(motion: HumanMotion, path: GroundPath, feet: np.ndarray, robot: Robot) -> np.ndarray:
    """How far [N] m to the left of foot_line the feet [2, N, 5] stand, in the mean: they stay, and the path goes on."""
    lines = robot_geometry(robot).foot_line * np.array([[1.0], [-1.0]])
    standing = motion.contacts & np.isfinite(feet[..., 0])
    aside = np.where(standing, path.seen(feet[..., :3])[..., 1] - lines, 0.0)
    return gaussian_filter1d(aside.sum(axis=0) / np.maximum(standing.sum(axis=0), 1), 0.03 * FREQUENCY)


def _balanced_stride(motion: HumanMotion, robot: Robot) -> float:
    """Length and time of steps, 1 for those of `motion`, at which a step takes no longer than the robot can balance."""
    strikes = strikes_of(motion.contacts)
    if len(strikes) < 2:
        return 1.0
    return min(1.0, robot_geometry(robot).longest_step * FREQUENCY / float(np.median(np.diff(strikes))))


def sway(contacts: np.ndarray, robot: Robot) -> np.ndarray:
    """Lateral way [N] m of the root over feet with `contacts` [2, N], from a linear inverted pendulum.

    y - tau^2 y'' = p, with tau^2 = height / g and p the zero moment point: inward of the standing foot's line in single
    support, gliding over in double support. The walk is thought to go on beyond the ends, left and right in turn.
    """
    left, right = contacts.astype(float)
    support = (left - right) / np.maximum(left + right, 1.0)  # +1 on the left foot, -1 on the right, 0 on both
    step = step_frames(contacts)
    head, tail = support[:step], support[-step:]
    endless = gaussian_filter1d(np.concatenate([head, -head, support, -tail, tail]), 0.03 * FREQUENCY)
    zmp = robot_geometry(robot).zmp_share * robot_geometry(robot).foot_line * endless
    return pendulum(zmp, robot_geometry(robot).height, FREQUENCY)[2 * len(head) : -2 * len(tail)]


def _own_sway(motion: HumanMotion) -> np.ndarray:
    """Lateral way [N] m of the pelvis of a person who stands, over the middle of the feet."""
    return motion.pelvis[:, 1] - motion.ankles[..., 1].mean()
