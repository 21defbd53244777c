"""The reference on its own: normaliser, start states, contacts, left against right, and the robot's servos."""

from __future__ import annotations

from collections.abc import Iterator

import mujoco
import numpy as np

from playground_amp.core.errors import listed
from playground_amp.doctor.feature_consistency import feature_blocks
from playground_amp.doctor.finding import Finding
from playground_amp.envs.env import EnvState
from playground_amp.motion.clip import LIMIT_TOLERANCE
from playground_amp.motion.features import CLIP, feature_floor, feature_names
from playground_amp.motion.reference_builder import Reference
from playground_amp.robots import Robot

LEAST_FLOOR = {  # of the standard deviation a feature may be divided by, whatever motion/features.py says; its unit
    "joint position": 0.01,
    "joint velocity": 0.1,
    "root direction": 0.03,
    "root angular velocity": 0.1,
    "root height": 0.005,
    "contact": 0.05,
}
SATURATED = 0.5  # share of the policy's samples at the normaliser's clip
USED = (0.02, 0.98)  # share of a motion a pad may touch the ground
WALKS = 0.02  # share of a reference's frames in which its root moves, below which it stands
LOPSIDED = 0.5  # standard deviations between a joint's mean and its mirror image's
LYING = 0.3  # share of its standing height at which a root may lie on the ground
MOVES = 0.2  # rad, standard deviation in the clips of a joint that had better not be held
DEEP, HIGH = -0.02, 0.06  # m, lowest pad of a robot at its start


def examine_reference(
    reference: Reference, policy: np.ndarray, starts: EnvState, robot: Robot, *, mirrored: bool
) -> list[Finding]:
    """What is wrong with the reference of `robot`, its normaliser and the states that robots start in.

    policy: features [M, F] of a rollout. starts: fresh states of the environment. mirrored: whether the reference has
    reflections of its clips.
    """
    features = np.asarray(reference.windows)[:, -1]
    return [
        *_floor(reference, robot),
        *_saturation(reference, policy, robot),
        *_contacts(features, robot),
        *_symmetry(features, robot, mirrored=mirrored),
        *_starts(starts, robot),
        *_servos(robot),
        *examine_held(robot),
    ]


def examine_fall(reference: Reference, robot: Robot, min_height: float) -> Iterator[Finding]:
    """A `min_height`, m, that ends episodes which go well, or that a robot on the floor does not fall below."""
    heights, home = np.asarray(reference.qpos)[:, 2], float(robot.home_qpos[2])
    below = float(np.mean(heights < min_height))
    sentence = f"'{robot.root}' stands {home:.2f} m high, and env.min_height is {min_height:g} m"
    mend = f"set env.min_height to about {robot.fallen_height:.2f}"
    if below > 0.0 or min_height >= home:
        where = f"in {below:.0%} of the clips' frames" if below else "in its home pose"
        yield Finding("error", "fall", f"{sentence}: {where} it counts as fallen; {mend}", ("root height",), "policy")
    elif min_height < LYING * home:
        yield Finding("warning", "fall", f"{sentence}: a robot that crawls has not fallen; {mend}", ("root height",))


def _floor(reference: Reference, robot: Robot) -> Iterator[Finding]:
    """A deviation below the floor makes noise of a joint that hardly moves the surest sign of the policy."""
    least = np.concatenate([np.full(g.where.stop - g.where.start, LEAST_FLOOR[g.name]) for g in feature_blocks(robot)])
    std, floor = np.asarray(reference.normalizer.std), feature_floor(robot)
    low = (std < 0.999 * np.maximum(floor, least)) | (floor < least)
    if low.any():
        names = [name for name, bad in zip(feature_names(robot), low, strict=True) if bad]
        worst = int(np.argmin(np.minimum(std, floor) / least))
        yield Finding(
            "error",
            "floor",
            f"the variance floor is too low for {listed(names)}: {feature_names(robot)[worst]} is divided by "
            f"{std[worst]:.3g} with a floor of {floor[worst]:.3g}, so that noise in what hardly moves tells policy "
            f"from reference; restore feature_floor in motion/features.py, and its use in make_normalizer",
            tuple(names),
            "reference",
        )


def _saturation(reference: Reference, policy: np.ndarray, robot: Robot) -> Iterator[Finding]:
    """The normaliser has to be the reference's own, and the policy within its reach."""
    features = np.asarray(reference.windows)[:, -1]
    mean, std = np.asarray(reference.normalizer.mean), np.asarray(reference.normalizer.std)
    with np.errstate(divide="ignore", invalid="ignore"):
        share = (~(np.abs((policy - mean) / std) < CLIP)).mean(axis=0)
    foreign = ~(np.abs(features.mean(axis=0) - mean) <= std)
    for name, at_clip, far in zip(feature_names(robot), share, foreign, strict=True):
        if far or at_clip > SATURATED:
            what = "is not normalised by its own mean" if far else f"lies at the normaliser's clip in {at_clip:.0%}"
            yield Finding(
                "error",
                "scale",
                f"{name} {what}{'' if far else ' of the policy samples'}: it gives the policy away whatever it does; "
                f"likely a wrong unit, or a normaliser made from other features",
                (name,),
                "reference" if far else "policy",
            )


def _contacts(features: np.ndarray, robot: Robot) -> Iterator[Finding]:
    """A walk lifts and sets down every pad; one that stands keeps it down."""
    direction, where = (feature_blocks(robot)[block].where for block in (2, -1))
    share = features[:, where].mean(axis=0)
    walks = features[:, direction].any(axis=1).mean() > WALKS
    unused = (share < USED[0]) | (share > USED[1]) & walks
    if unused.any():
        names = [name for name, bad in zip(feature_names(robot)[where], unused, strict=True) if bad]
        yield Finding(
            "error" if unused.all() else "warning",
            "constant",
            f"the reference's {listed(names)} hardly ever change{'s' if len(names) == 1 else ''} "
            f"(mean {listed([f'{value:.2f}' for value in share[unused]])}): feet that float or sink, or "
            f"contact_clearance {robot.contact_clearance} of the robot's record is not in m",
            tuple(names),
            "reference",
        )


def _symmetry(features: np.ndarray, robot: Robot, *, mirrored: bool) -> Iterator[Finding]:
    """With the reflections in the reference, left and right must agree: else the mirror table is wrong."""
    joints = features[:, : robot.num_joints]
    partner, sign = (np.array(table) for table in robot.mirror_joints)
    mean, spread = joints.mean(axis=0), np.maximum(joints.std(axis=0), 0.1)
    off = np.abs(mean - sign * mean[partner.astype(int)]) > LOPSIDED * spread
    if off.any():
        names = [name for name, bad in zip(feature_names(robot), off, strict=False) if bad]
        why = "the mirror table of the robot's record is wrong" if mirrored else "the clips limp; set reference.mirror"
        yield Finding(
            "error" if mirrored else "warning",
            "mirror",
            f"left and right differ in the reference's {listed(names)}, likely {why}",
            tuple(names),
            "reference",
        )


def _starts(starts: EnvState, robot: Robot) -> Iterator[Finding]:
    """Robots have to start within their joint ranges, on the ground."""
    lower, upper = robot.joint_range.T
    home = np.asarray(robot.home)
    outside = (home < lower - LIMIT_TOLERANCE) | (home > upper + LIMIT_TOLERANCE)
    advice = "degrees and radians are mixed up, in the MJCF (compiler angle) or the robot's record"
    if outside.any():
        names = [joint for joint, bad in zip(robot.joints, outside, strict=True) if bad]
        sentence = f"the home pose is outside the range of {listed(names)}; likely {advice}"
        yield Finding("error", "start", sentence, tuple(f"{name} position" for name in names), "policy")
    wide = robot.joint_range.max(axis=1) - robot.joint_range.min(axis=1) > 4.0 * np.pi
    if wide.any():
        names = [joint for joint, bad in zip(robot.joints, wide, strict=True) if bad]
        sentence = f"the range of {listed(names)} is more than two turns; likely {advice}"
        yield Finding("error", "start", sentence, tuple(f"{name} position" for name in names), "policy")
    lowest = np.asarray(starts.physics.pad_height).min(axis=1)
    bad = ~((lowest > DEEP) & (lowest < HIGH))
    if bad.mean() > 0.05:
        yield Finding(
            "error",
            "start",
            f"{bad.mean():.0%} of the robots start with their lowest pad {np.median(lowest[bad]):.3g} m above the "
            f"ground; likely the root height of the clips is in another unit or measured from another point",
            ("root height",),
            "policy",
        )


def _servos(robot: Robot) -> Iterator[Finding]:
    """Servo i must drive joint i, and the free joint come first in qpos."""
    model = robot.model
    ids = [model.joint(name).id for name in robot.joints]
    driven = [int(joint) for joint in model.actuator_trnid[:, 0]]
    transmission = bool((model.actuator_trntype == mujoco.mjtTrn.mjTRN_JOINT).all())
    addresses = [int(model.jnt_qposadr[joint]) for joint in ids]
    if driven != ids or not transmission or addresses != list(range(7, 7 + len(ids))):
        yield Finding(
            "error",
            "order",
            f"servos, joints of the record and qpos are not in one order: the servos drive "
            f"{[model.joint(joint).name for joint in driven]}; reorder 'joints' in the robot's record or the MJCF",
            tuple(f"{name} position" for name in robot.joints),
            "policy",
        )


def examine_held(robot: Robot) -> Iterator[Finding]:
    """Joints that the robot holds and the clips move: what they do is lost to the policy."""
    moving = {joint: one.spread for joint, one in robot.held.items() if one.spread > MOVES}
    if moving:
        yield Finding(
            "warning",
            "held",
            f"{listed(moving)} move by up to {max(moving.values()):.2f} rad (standard deviation) in the clips, and the "
            f"robot's record holds them; take them out of joints.fixed, if the policy is to move them",
        )
