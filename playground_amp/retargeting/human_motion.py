"""What retargeting takes from a person: the path, and pelvis, chest, arms, feet and their contacts seen from it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy.interpolate import CubicSpline
from scipy.signal import butter, sosfiltfilt
from scipy.spatial.transform import Rotation

from playground_amp.core.errors import InputError
from playground_amp.motion.ground_path import GroundPath, path_of, resting
from playground_amp.retargeting.readers.amass import JOINTS, Take

CUTOFF = 6.0  # Hz, low-pass of the person's motion (walking has little above)
HEEL, BALL = np.array([0.0, -0.08, -0.05]), np.array([0.0, -0.02, 0.01])  # m, from ankle and toe joint, rest frame
ARM = ("shoulder", "elbow", "wrist")
ANKLE_HEIGHT = 0.08  # m above the sole
CONTACT_HEIGHT, CONTACT_SPEED = 0.05, 0.30  # m, m/s: a heel or ball lower and slower than this is on the ground
SHORTEST_STANCE, SHORTEST_SWING = 0.15, 0.12  # s; shorter ones are noise, and who runs stands for 0.2 s
MOST_TURN = np.deg2rad(10.0)  # of the heading, and between heading and way, in a walk that is meant to be straight
MOST_ASIDE = 0.15  # m from its line, of the smoothed way of such a walk
SHORTEST_WAY = 0.5  # m; who goes less from end to end goes nowhere


@dataclass(frozen=True, eq=False)
class HumanMotion:
    """A person's motion on a floor at z = 0, seen from its path. N frames; feet and arms are left, right.

    The path begins at the origin and heads +x. That of a straight walk rests there.
    """

    path: GroundPath
    pelvis: np.ndarray  # [N, 3] m
    pelvis_euler: np.ndarray  # [N, 3] rad: yaw, pitch (nose down), roll
    chest_euler: np.ndarray  # [N, 3] rad: yaw, pitch (nose down), roll
    arms: np.ndarray  # [2, 2, N, 3] unit vectors: side; shoulder to elbow, elbow to wrist
    joints: np.ndarray  # [N, 22, 3] m, the whole body, for comparisons and pictures
    ankles: np.ndarray  # [2, N, 3] m
    pitches: np.ndarray  # [2, N] rad, nose down, zero for a level sole
    yaws: np.ndarray  # [2, N] rad, direction of the foot
    contacts: np.ndarray  # [2, N] bool
    rate: float  # Hz


@dataclass(frozen=True, eq=False)
class _Foot:
    ankle: np.ndarray  # [N, 3] m, above the floor
    pitch: np.ndarray  # [N] rad, nose down, zero for a level sole
    yaw: np.ndarray  # [N] rad
    contact: np.ndarray  # [N] bool
    floor: np.ndarray  # [N] m


def extract_motion(take: Take) -> HumanMotion:
    """The motion of a take, smoothed and turned to begin at the origin heading +x, at the person's own size and rate.

    Raises InputError for a take of less than a second.
    """
    if take.duration < 1.0:
        raise InputError(f"'{take.name}' lasts {take.duration:.2f} s; a walk to learn from needs 1 s or more")
    smooth = _low_pass(take.positions, take.fps)
    facing = _euler(take.rotations[:, 0])[:, 0]
    straight = _straight_heading(smooth[:, 0, :2], facing, take.fps)
    beginning = path_of(smooth[:, 0, :2], facing, take.fps).heading[0] if straight is None else straight
    turn = Rotation.from_euler("z", -beginning).as_matrix()
    start = smooth[0, 0] * [1.0, 1.0, 0.0]
    positions = (smooth - start) @ turn.T
    rotations = turn @ take.rotations
    feet = [_extract_foot(positions, rotations, side, take.fps) for side in (0, 1)]
    pelvis_euler = _low_pass(_euler(rotations[:, 0]), take.fps)
    chest_euler = _low_pass(_euler(rotations[:, JOINTS.index("spine3")]), take.fps)
    floor = 0.5 * (feet[0].floor + feet[1].floor)
    path = path_of(positions[:, 0, :2], pelvis_euler[:, 0], take.fps) if straight is None else resting(len(positions))
    joints = positions - floor[:, None, None] * [0.0, 0.0, 1.0]
    joints = path.seen(joints.swapaxes(0, 1)).swapaxes(0, 1)
    ankles, pitches, yaws, contacts = (
        np.stack([getattr(foot, name) for foot in feet]) for name in ("ankle", "pitch", "yaw", "contact")
    )
    heading = path.heading[:, None] * [1.0, 0.0, 0.0]
    return HumanMotion(
        path=path,
        pelvis=joints[:, 0],
        pelvis_euler=pelvis_euler - heading,
        chest_euler=chest_euler - heading,
        arms=_arms(joints),
        joints=joints,
        ankles=path.seen(ankles),
        pitches=pitches,
        yaws=yaws - path.heading,
        contacts=contacts,
        rate=take.fps,
    )


def _arms(joints: np.ndarray) -> np.ndarray:
    """Directions [2, 2, N, 3] of the upper arms and forearms of joints [N, 22, 3]."""
    ways = [[joints[:, JOINTS.index(f"{side}_{name}")] for name in ARM] for side in ("left", "right")]
    return _unit(np.diff(ways, axis=1))


def _unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


def _extract_foot(positions: np.ndarray, rotations: np.ndarray, side: int, fps: float) -> _Foot:
    """One foot of smoothed positions [N, 22, 3] and rotations [N, 22, 3, 3], its floor taken out.

    The body's shape is not known to the centimetre and the floor of a recording may be tilted: where heel and ball
    stand still is the floor, a straight line over time for each of them.
    """
    ankle, rotation = positions[:, 7 + side], rotations[:, 7 + side]
    heel = ankle + rotation @ HEEL
    ball = positions[:, 10 + side] + rotations[:, 10 + side] @ BALL
    heel_contact, _ = _contact(heel, fps)
    ball_contact, floor = _contact(ball, fps)
    contact = _steady(heel_contact | ball_contact, fps)
    yaw, pitch, _ = _low_pass(_euler(rotation), fps).T
    flat = heel_contact & ball_contact
    if flat.any():
        pitch = pitch - np.median(pitch[flat])
        floor = floor + np.median((ankle[:, 2] - floor)[flat]) - ANKLE_HEIGHT
    return _Foot(ankle - floor[:, None] * [0.0, 0.0, 1.0], pitch, yaw, contact, floor)


def _low_pass(signal: np.ndarray, fps: float) -> np.ndarray:
    """Zero-phase fourth-order Butterworth along the first axis."""
    if fps <= 2.5 * CUTOFF:
        return signal
    return sosfiltfilt(butter(2, CUTOFF, fs=fps, output="sos"), signal, axis=0, padtype="odd", padlen=int(fps / 2))


def _straight_heading(way: np.ndarray, facing: np.ndarray, fps: float) -> float | None:
    """Direction, rad, of a straight walk ahead or back, or of standing; None for what turns or goes aside.

    `way` [N, 2] m and `facing` [N] rad are the pelvis's. Of a walk ahead it is that of the way.
    """
    path = path_of(way, facing, fps)
    mean = float(np.mean(facing))
    along = way[-1] - way[0]
    askew = float(np.arctan2(*along[::-1])) - mean
    ahead = np.linalg.norm(along) >= SHORTEST_WAY and np.cos(askew) > np.cos(MOST_TURN)
    heading = mean + np.angle(np.exp(1j * askew)) if ahead else mean
    aside = path.place @ [-np.sin(heading), np.cos(heading)]
    return heading if np.ptp(path.heading) <= MOST_TURN and np.ptp(aside) <= MOST_ASIDE else None


def _euler(rotations: np.ndarray) -> np.ndarray:
    """Yaw, pitch (nose down) and roll [N, 3] rad of SMPL frames [N, 3, 3]; yaw zero faces +x, continuous in time."""
    body = rotations[..., [2, 0, 1]]  # columns: forward, left, up
    return np.unwrap(Rotation.from_matrix(body).as_euler("ZYX"), axis=0)


def _contact(point: np.ndarray, fps: float) -> tuple[np.ndarray, np.ndarray]:
    """Whether a point [N, 3] of the sole is on the ground, [N] bool, and the height [N] m of the floor under it."""
    speed = np.linalg.norm(np.gradient(point, 1.0 / fps, axis=0), axis=-1)
    slow = speed < CONTACT_SPEED
    if slow.sum() < 3:
        return np.zeros(len(point), bool), np.full(len(point), np.min(point[:, 2]))
    time = np.arange(len(point))
    still = slow & (speed <= np.median(speed[slow]))
    floor = np.polyval(np.polyfit(time[still], point[still, 2], 1), time)
    return slow & (point[:, 2] < floor + CONTACT_HEIGHT), floor


def _steady(contact: np.ndarray, fps: float) -> np.ndarray:
    """Contact [N] without gaps and touches too short for a walk, except at the ends."""
    steady = contact.copy()
    for wanted, shortest in ((False, SHORTEST_SWING), (True, SHORTEST_STANCE)):
        for first, last in runs(steady == wanted):
            inside = first > 0 and last < len(steady) - 1
            if inside and last - first + 1 < shortest * fps:
                steady[first : last + 1] = not wanted
    return steady


def runs(mask: np.ndarray) -> Iterator[tuple[int, int]]:
    """First and last index of every run of true values in `mask` [N], in order."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], mask, [False]]).astype(int)))
    yield from ((int(first), int(last) - 1) for first, last in edges.reshape(-1, 2))


def resample(motion: HumanMotion, length_scale: float, time_scale: float, rate: float) -> HumanMotion:
    """The motion with its lengths and times multiplied by the scales, at `rate` Hz, by cubic splines in time."""
    old = np.arange(len(motion.pelvis)) / motion.rate * time_scale
    new = np.arange(0.0, old[-1], 1.0 / rate)

    def at(signal: np.ndarray, axis: int = 0) -> np.ndarray:
        return CubicSpline(old, signal, axis=axis)(new)

    nearest = np.clip(np.searchsorted(old, new), 0, len(old) - 1)
    return HumanMotion(
        path=GroundPath(length_scale * at(motion.path.place), at(motion.path.heading)),
        pelvis=length_scale * at(motion.pelvis),
        pelvis_euler=at(motion.pelvis_euler),
        chest_euler=at(motion.chest_euler),
        arms=_unit(at(motion.arms, axis=2)),
        joints=length_scale * at(motion.joints),
        ankles=length_scale * at(motion.ankles, axis=1),
        pitches=at(motion.pitches, axis=1),
        yaws=at(motion.yaws, axis=1),
        contacts=motion.contacts[:, nearest],
        rate=rate,
    )
