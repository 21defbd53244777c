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
from playground_amp.retargeting.footsteps import Stance, dead_zone, pin, pinned_ankle
from playground_amp.retargeting.human_motion import HumanMotion, extract_motion, resample, runs
from playground_amp.retargeting.inverse_kinematics import IKTargets
from playground_amp.retargeting.reachability import at_reachable_height, fastest_turn, turns, unfolded
from playground_amp.retargeting.readers.amass import Take
from playground_amp.retargeting.readers.robot_motion import RobotMotion
from playground_amp.retargeting.robot_geometry import robot_geometry
from playground_amp.retargeting.robot_to_robot import adopt
from playground_amp.retargeting.zmp_balance import GRAVITY, balanced, pendulum
from playground_amp.robots import Robot

HUMAN_LEG = 0.90  # m, hip to sole of the mean skeleton
FREQUENCY = 50.0  # Hz, the control rate
SHORTEST = 0.8  # s of the robot; less is not a walk to learn from
LATE = 1  # frames at 50 Hz by which the speed threshold sees a contact begin early and end late
PITCH_ZONE = (np.deg2rad(2.0), np.deg2rad(6.0))  # of the foot: flat within, and onset of the rockers
HEEL_GAIN, TOE_GAIN = 0.9, 0.8  # of the foot's pitch, toes up and down: the robot's heel is long and its motors weak
LIFT_GAIN = 0.6  # of the height of the ankle in swing, for the same reason
EVENNESS = 0.65  # share of the person's swing in the robot's, the rest is the cubic of least acceleration
CLEARANCE = 0.023 / 0.42  # of the leg's length, least height of the sole in mid-swing
PIVOT = np.deg2rad(20.0)  # by which a foot turns on the ground that does not only wobble
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
    length_scale = robot.leg_length / HUMAN_LEG
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
    known = np.flatnonzero(np.isfinite(_feet(motion, path, robot)[..., 0]).all(axis=0))
    if len(known) < SHORTEST * FREQUENCY:
        raise InputError(
            f"'{name}': no steps of both feet for {SHORTEST:g} s of the robot's time, only for "
            f"{len(known) / FREQUENCY:.1f} s: what is before the first and after the last whole step of a foot is left "
            f"out; give a take, or a longer part, of somebody who walks"
        )
    keep = slice(known[0], known[-1] + 1)
    path = path.beginning(known[0])
    feet, heading = _feet(motion, path, robot), path.heading[keep]
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
    strikes = _strikes(motion.contacts)
    if len(strikes) < 2:
        return 1.0
    return min(1.0, robot_geometry(robot).longest_step * FREQUENCY / float(np.median(np.diff(strikes))))


def _feet(motion: HumanMotion, path: GroundPath, robot: Robot) -> np.ndarray:
    return np.stack([_foot_path(motion, path, side, robot) for side in (0, 1)])


def _foot_path(motion: HumanMotion, path: GroundPath, side: int, robot: Robot) -> np.ndarray:
    """Ankle, pitch and yaw [N, 5] of a foot that stands still in contact; NaN outside the first and last stance."""
    pitch = np.where(motion.pitches[side] < 0.0, HEEL_GAIN, TOE_GAIN) * motion.pitches[side]
    geometry = robot_geometry(robot)
    if geometry.legs[side].is_ball:
        pitch = np.zeros_like(pitch)  # a ball's is that of the shank
    flat = gaussian_filter1d(dead_zone(pitch, *PITCH_ZONE), 1.0)
    ankle = motion.ankles[side] + [geometry.foot_forward, 0.0, 0.0]
    line, sole = _lines(motion, path, robot)[side], geometry.legs[side].sole
    flat_place = ankle[:, 0] - pinned_ankle(flat, sole)[:, 0]  # where the ankle would be with the foot level
    places = path.world(np.stack([flat_place, line, 0.0 * line], axis=-1))
    stances = []
    for first, last in runs(motion.contacts[side]):
        still = np.flatnonzero(np.abs(flat[first : last + 1]) < 1e-3) + first
        x, y, _ = np.median(places[still if len(still) >= 3 else slice(first, last + 1)], axis=0)
        yaw = _stance_yaw(motion, path, side, (first, last), robot)
        first, last = first + LATE * (first > 0), last - LATE * (last < len(flat) - 1)
        if last > first:
            stances.append(Stance(first, last, float(x), float(y), yaw))
    way = path.world(np.stack([EVENNESS * ankle[:, 0], line, LIFT_GAIN * ankle[:, 2]], axis=-1))
    free = np.column_stack([way, pitch, path.heading])
    return pin(free, flat, stances, sole, clearance=CLEARANCE * robot.leg_length)


def _lines(motion: HumanMotion, path: GroundPath, robot: Robot) -> np.ndarray:
    """How far [2, N] m to the left of the path the feet stand: further apart where, aside, one would close up too far.

    They come as near as leaves room for another foot between their middles, or as they are in a straight walk.
    """
    geometry, leg = robot_geometry(robot), robot_geometry(robot).legs[0]
    nearest = min(2.0 * geometry.foot_line, 4.0 * max(leg.half_width, leg.sole.radius))
    closing = np.abs(path.velocity(FREQUENCY)[:, 1]) * _step_frames(motion.contacts) / FREQUENCY
    apart = np.maximum(2.0 * geometry.foot_line, nearest + closing)
    return 0.5 * apart * np.array([[1.0], [-1.0]])


def _stance_yaw(
    motion: HumanMotion, path: GroundPath, side: int, stance: tuple[int, int], robot: Robot
) -> float | np.ndarray:
    """Yaw of a foot that stands from the first to the last frame of `stance`: the path's in the middle of it.

    A foot on which the person pivots turns as the person's; one that the leg does not turn goes with the heading.
    """
    first, last = stance
    leg, middle = robot_geometry(robot).legs[side], (first + last) // 2
    if not turns(leg):
        return path.heading
    own = (motion.yaws[side] + path.heading)[np.clip(np.arange(len(path.heading)), first, last)]
    turned = own - own[middle] if np.ptp(own) > PIVOT else 0.0
    return path.heading[middle] + turned


def sway(contacts: np.ndarray, robot: Robot) -> np.ndarray:
    """Lateral way [N] m of the root over feet with `contacts` [2, N], from a linear inverted pendulum.

    y - tau^2 y'' = p, with tau^2 = height / g and p the zero moment point: inward of the standing foot's line in single
    support, gliding over in double support. The walk is thought to go on beyond the ends, left and right in turn.
    """
    left, right = contacts.astype(float)
    support = (left - right) / np.maximum(left + right, 1.0)  # +1 on the left foot, -1 on the right, 0 on both
    step = _step_frames(contacts)
    head, tail = support[:step], support[-step:]
    endless = gaussian_filter1d(np.concatenate([head, -head, support, -tail, tail]), 0.03 * FREQUENCY)
    zmp = robot_geometry(robot).zmp_share * robot_geometry(robot).foot_line * endless
    return pendulum(zmp, robot_geometry(robot).height, FREQUENCY)[2 * len(head) : -2 * len(tail)]


def _own_sway(motion: HumanMotion) -> np.ndarray:
    """Lateral way [N] m of the pelvis of a person who stands, over the middle of the feet."""
    return motion.pelvis[:, 1] - motion.ankles[..., 1].mean()


def _step_frames(contacts: np.ndarray) -> int:
    """Median time between the heel strikes of left and right in `contacts` [2, N], frames."""
    strikes = _strikes(contacts)
    return int(np.median(np.diff(strikes))) if len(strikes) > 1 else contacts.shape[1] // 2


def _strikes(contacts: np.ndarray) -> np.ndarray:
    """Frames before each heel strike, left or right, in `contacts` [2, N]."""
    return np.sort(np.concatenate([np.flatnonzero(np.diff(contact.astype(int)) == 1) for contact in contacts]))
