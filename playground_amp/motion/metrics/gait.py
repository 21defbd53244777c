"""Figures of a walk by MuJoCo's kinematics, of a reference clip or of a policy: steps, feet, limits, symmetry."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from scipy.spatial.transform import Rotation

from playground_amp.motion.clip import MotionClip
from playground_amp.motion.metrics.bounds import DEFAULT_LEG, Range, good_range
from playground_amp.robots import Robot

NEAR_LIMIT = 0.021  # rad from a joint limit at which a joint counts as stopped; inverse kinematics keeps 0.02
SKATING_HEIGHT = 0.008  # m below which a pad of the default robot is taken to bear load; see contact_height
SHORTEST_PHASE = 0.06  # s: a shorter swing is chatter of one contact, a shorter contact the scuff of a swing


@dataclass(frozen=True)
class Quality:
    """The figures of one motion of a robot, in SI units."""

    seconds: float  # s
    speed: float  # m/s, mean of the root along +x
    cadence: float  # steps per minute
    duty: float  # share of the cycle a foot is on the ground
    skating: float  # m/s, mean horizontal speed of the material that touches the ground, of pads in contact
    penetration: float  # m, deepest point under the ground
    float_height: float  # m, greatest height of the lowest pad: more is flight
    clearance: float  # m, least height of a foot in the middle of its swings; zero without a swing
    limit_share: float  # share of the frames with a joint at its limit
    joint_speed: float  # rad/s, fastest joint
    asymmetry: float  # left against right joint means and ranges, relative to the range; 0 is symmetric
    sway: float  # m, half of the lateral way of the root
    steps: int  # foot strikes
    step_asymmetry: float  # left against right: greatest of step time, step length, duty, relative to their mean
    phase: float  # of the right foot's strikes in the stride of the left; 0.5 is even
    alternation: float  # share of the strikes that are of the other foot than the one before
    strides: int = 0  # whole ones, from a foot's strike to its next, in which it is seen to lift
    leg: float = DEFAULT_LEG  # m, of the robot: the bounds are scaled by it


@dataclass(frozen=True, eq=False)
class Footfalls:
    """The contacts of two feet whose beginning was seen, S of them in the order they begin."""

    foot: np.ndarray  # [S] 0 left, 1 right
    strike: np.ndarray  # [S] s, when it begins: between two frames, where the height crosses that of contact
    lift: np.ndarray  # [S] s, when it ends; NaN where the motion ends before
    place: np.ndarray  # [S, 2] m, middle of the foot in the frame after the strike


@dataclass(frozen=True, eq=False)
class FootMotion:
    """How the feet of a motion move over the ground: N frames, P pads, those of the left foot first."""

    corners: np.ndarray  # [N, P, corners, 3] m, lowest points of the pads' contact spheres, world
    heights: np.ndarray  # [N, 2] m, lowest point of the left and the right foot
    falls: Footfalls
    slip: np.ndarray  # [N - 1, P] m/s, horizontal speed of the material at each pad's lowest point
    loaded: np.ndarray  # [N - 1, P] bool, pad in contact in both frames


BOUNDED = ("skating", "penetration", "float_height", "clearance", "limit_share", "joint_speed", "duty")
OF_STEPS = ("clearance", "duty")  # figures that say nothing of a motion without steps


def gait_bounds(leg: float = DEFAULT_LEG) -> dict[str, Range]:
    """Least and greatest value of each figure of a clip that is fit to be learned from, for legs of `leg` m."""
    return {name: good_range(name, leg) for name in BOUNDED}


def faults(quality: Quality) -> list[str]:
    """Names of the figures that are out of `gait_bounds`; those of steps only where there are steps."""
    held = {name: bound for name, bound in gait_bounds(quality.leg).items() if quality.steps or name not in OF_STEPS}
    return [name for name, (low, high) in held.items() if not low <= getattr(quality, name) <= high]


def contact_height(robot: Robot) -> float:
    """Height of a pad, m, below which it is taken to bear load: the middle of the robot's ramp of contact."""
    return sum(robot.contact_clearance) / 2.0


def measure(clip: MotionClip, robot: Robot) -> Quality:
    """The figures of a clip of `robot`, whose pads are the left foot's first, then as many of the right."""
    feet = foot_motion(clip, robot)
    falls, loaded = feet.falls, feet.loaded
    return Quality(
        seconds=clip.duration,
        speed=float((clip.qpos[-1, 0] - clip.qpos[0, 0]) / clip.duration),
        cadence=_cadence(falls),
        duty=_duty(falls),
        skating=float(feet.slip[loaded].mean()) if loaded.any() else 0.0,
        penetration=float(max(0.0, -feet.heights.min())),
        float_height=float(feet.heights.min(axis=-1).max()),
        clearance=_clearance(feet.heights, contact_height(robot)),
        limit_share=float(at_limit(clip.qpos, robot).any(axis=1).mean()),
        joint_speed=float(np.abs(np.diff(clip.qpos[:, 7:], axis=0)).max() * clip.frequency),
        asymmetry=_asymmetry(clip.qpos, robot),
        sway=float(0.5 * np.ptp(clip.qpos[:, 1])),
        steps=len(falls.foot),
        step_asymmetry=step_asymmetry(falls),
        phase=phase(falls),
        alternation=alternation(falls),
        strides=int(np.isfinite(np.concatenate(duty_factors(falls))).sum()),
        leg=robot.leg_length,
    )


def foot_motion(clip: MotionClip, robot: Robot) -> FootMotion:
    """The feet of a clip by MuJoCo's kinematics; a pad touches below `contact_height`."""
    corners, turns = pad_motion(clip.qpos, robot)
    heights = corners[..., 2].reshape(len(corners), 2, -1).min(axis=-1)
    places = corners[..., :2].reshape(len(corners), 2, -1, 2).mean(axis=2)
    falls = footfalls(heights, places, clip.frequency, height=contact_height(robot))
    speed, loaded = slip(corners, turns, robot, clip.frequency)
    return FootMotion(corners, heights, falls, speed, loaded)


def pad_corners(qpos: np.ndarray, robot: Robot) -> np.ndarray:
    """Lowest points of the pads' contact spheres over a motion [N, nq], [N, P, corners, 3] m, world."""
    return pad_motion(qpos, robot)[0]


def pad_motion(qpos: np.ndarray, robot: Robot) -> tuple[np.ndarray, np.ndarray]:
    """Lowest points [N, P, corners, 3] m of the pads' spheres over a motion [N, nq], world.

    Also the rotations [N, P, corners, 3, 3] of the bodies that carry them.
    """
    model = robot.model
    corners = np.empty((len(qpos), *robot.pad_geoms.shape, 3))
    turns = np.empty((*corners.shape, 3))
    bodies = model.geom_bodyid[robot.pad_geoms]
    for row, turn, data in zip(corners, turns, robot.poses(qpos), strict=True):
        row[:], turn[:] = data.geom_xpos[robot.pad_geoms], data.xmat[bodies].reshape(turn.shape)
    corners[..., 2] -= model.geom_size[robot.pad_geoms, 0]
    return corners, turns


def slip(corners: np.ndarray, turns: np.ndarray, robot: Robot, frequency: float) -> tuple[np.ndarray, np.ndarray]:
    """Horizontal speed [N - 1, P] m/s of the material at each pad's lowest point from frame to frame, and whether the
    pad is in contact in both frames, [N - 1, P] bool; of what `pad_motion` gives, at `frequency` Hz.

    v = v_centre + omega x (0, 0, -r): a sphere that rolls without slip has none, one that turns on the spot has some.
    """
    lowest = corners[1:, ..., 2].argmin(axis=-1)[..., None]
    way = np.take_along_axis(np.diff(corners[..., :2], axis=0), lowest[..., None], axis=2)[:, :, 0]
    before, after = (
        np.take_along_axis(part, lowest[..., None, None], axis=2)[:, :, 0] for part in (turns[:-1], turns[1:])
    )
    turned = Rotation.from_matrix((after @ np.swapaxes(before, -1, -2)).reshape(-1, 3, 3)).as_rotvec()
    turned = turned.reshape(*way.shape[:2], 3)
    radius = np.take_along_axis(robot.model.geom_size[robot.pad_geoms, 0][None], lowest, axis=2)[..., 0]
    rolled = radius[..., None] * np.stack([-turned[..., 1], turned[..., 0]], axis=-1)
    touching = corners[..., 2].min(axis=-1) < contact_height(robot)
    return np.linalg.norm(way + rolled, axis=-1) * frequency, touching[1:] & touching[:-1]


def at_limit(qpos: np.ndarray, robot: Robot) -> np.ndarray:
    """Whether each joint of a motion [N, nq] is stopped by one of its limits, [N, J] bool."""
    lower, upper = robot.joint_range.T
    return (qpos[:, 7:] < lower + NEAR_LIMIT) | (qpos[:, 7:] > upper - NEAR_LIMIT)


def footfalls(
    heights: np.ndarray, places: np.ndarray, frequency: float, *, height: float = SKATING_HEIGHT
) -> Footfalls:
    """Contacts of two feet (left, right) from the heights [N, 2] m of their lowest points and places [N, 2, 2] m.

    A foot lower than `height` m is in contact. `frequency` is in Hz.
    """
    sides = []
    for side, above in enumerate((heights - height).T):
        on = _settled(above < 0.0, round(SHORTEST_PHASE * frequency))
        starts = np.flatnonzero(on[1:] & ~on[:-1]) + 1
        ends = np.flatnonzero(~on[1:] & on[:-1]) + 1
        lifts = np.append(_crossing(above, ends), np.nan)[np.searchsorted(ends, starts)]
        sides.append((np.full(len(starts), side), _crossing(above, starts), lifts, places[starts, side]))
    foot, strike, lift, place = (np.concatenate(both) for both in zip(*sides, strict=True))
    order = np.argsort(strike, kind="stable")
    return Footfalls(foot[order], strike[order] / frequency, lift[order] / frequency, place[order])


def _settled(contact: np.ndarray, frames: int) -> np.ndarray:
    """Contact [N] without swings, then without contacts, that last less than `frames`."""
    for state in (False, True):
        edges = np.flatnonzero(contact[1:] != contact[:-1]) + 1
        short = [(a, b) for a, b in pairwise(edges) if contact[a] == state and b - a < frames]
        contact = contact.copy()
        for a, b in short:
            contact[a:b] = not state
    return contact


def _crossing(above: np.ndarray, frames: np.ndarray) -> np.ndarray:
    """When the height [N] above that of contact crossed zero on the way to each of `frames`, in frames, by a line.

    Whole frames would make two steps of 0.34 s differ by up to 0.04 s, a limp that is none.
    """
    before, after = above[frames - 1], above[frames]
    return frames - 1 - before / (after - before)


def step_times(falls: Footfalls) -> list[np.ndarray]:
    """Times of the left and of the right foot's steps, s: from the other foot's strike to its own."""
    changed = np.flatnonzero(np.diff(falls.foot)) + 1
    times = falls.strike[changed] - falls.strike[changed - 1]
    return [times[falls.foot[changed] == side] for side in (0, 1)]


def step_lengths(falls: Footfalls) -> list[np.ndarray]:
    """Lengths of the left and of the right foot's steps, m: from the other foot's place to its own.

    They are taken along the way from the other foot's place before to its place after, so that a robot that walks
    askew, or on a curve, does not limp by that.
    """
    inner = np.flatnonzero((falls.foot[:-2] == falls.foot[2:]) & (falls.foot[:-2] != falls.foot[1:-1])) + 1
    stride = falls.place[inner + 1] - falls.place[inner - 1]
    step = falls.place[inner] - falls.place[inner - 1]
    lengths = np.sum(step * stride, axis=-1) / np.maximum(np.linalg.norm(stride, axis=-1), 1e-9)
    return [lengths[falls.foot[inner] == side] for side in (0, 1)]


def duty_factors(falls: Footfalls) -> list[np.ndarray]:
    """Share of each stride that the foot is on the ground, left and right, for strides that are seen whole."""
    sides = [falls.foot == side for side in (0, 1)]
    return [(falls.lift[s] - falls.strike[s])[:-1] / np.diff(falls.strike[s]) for s in sides]


def step_asymmetry(falls: Footfalls) -> float:
    """Greatest of |L - R| / ((L + R) / 2), L and R the means over the left and the right foot's steps of their time,
    their length and the duty factor. What differs from step to step averages out, a steady limp stays. NaN unless
    every foot makes two strides.
    """
    sides = [*step_times(falls), *step_lengths(falls), *duty_factors(falls)]
    if min(map(len, sides)) < 2:
        return float("nan")
    left, right = np.reshape([values.mean() for values in sides], (3, 2)).T
    return float(np.max(np.abs(left - right) / np.maximum(np.abs(left + right) / 2.0, 1e-9)))


def phase(falls: Footfalls) -> float:
    """Mean place of the right strikes in the left stride cycle, 0 to 1, on the circle; 0.5 where the feet alternate
    evenly. NaN without a whole left stride.
    """
    left, right = (falls.strike[falls.foot == side] for side in (0, 1))
    stride = np.searchsorted(left, right, side="right")
    inside = (stride > 0) & (stride < len(left))
    start, end = left[stride[inside] - 1], left[stride[inside]]
    if not inside.any():
        return float("nan")
    turns = np.exp(2j * np.pi * (right[inside] - start) / (end - start))
    return float(np.angle(turns.mean()) / (2.0 * np.pi) % 1.0)


def alternation(falls: Footfalls) -> float:
    """Share of the strikes, from the second on, that are of the other foot than the one before; NaN below two."""
    return float(np.mean(np.diff(falls.foot) != 0)) if len(falls.foot) > 1 else float("nan")


def _cadence(falls: Footfalls) -> float:
    strides = np.concatenate([np.diff(falls.strike[falls.foot == side]) for side in (0, 1)])
    return float(120.0 / np.median(strides)) if len(strides) else 0.0


def _duty(falls: Footfalls) -> float:
    """Mean over whole strides, left and right."""
    shares = [values.mean() for values in duty_factors(falls) if len(values)]
    return float(np.mean(shares)) if shares else 1.0


def _clearance(feet: np.ndarray, ground: float) -> float:
    """Least height of a sole in the middle third of its swings; zero where none is seen whole."""
    lows = []
    for side in (0, 1):
        in_air = np.concatenate([[False], feet[:, side] > ground, [False]])
        starts, ends = np.flatnonzero(np.diff(in_air.astype(int))).reshape(-1, 2).T
        for a, b in zip(starts, ends, strict=True):
            if a > 0 and b < len(feet) and b - a >= 6:
                lows.append(feet[a + (b - a) // 3 : b - (b - a) // 3, side].min())
    return float(min(lows, default=0.0))


def _asymmetry(qpos: np.ndarray, robot: Robot) -> float:
    """Greatest difference of a joint's 5th, 50th and 95th percentile to its mirror image's, relative to its range."""
    own = np.percentile(qpos[:, 7:], [5, 50, 95], axis=0)
    mirrored = np.percentile(robot.mirror_qpos(qpos)[:, 7:], [5, 50, 95], axis=0)
    spread = np.maximum(own[2] - own[0], 0.2)
    return float((np.abs(own - mirrored) / spread).max())
