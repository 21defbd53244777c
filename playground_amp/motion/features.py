"""THE definition of the AMP features, used for the reference motion and for the policy alike.

FEATURES is the table: what one control step says, F = 2 J + 7 + P numbers for J joints and P foot pads. Names, sizes,
floors, reflections, body parts, the documentation and the layout of a checkpoint follow from it.

All velocities are differences of two frames over one control step, on both sides. The heading frame is that of the
current root.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct

from playground_amp.core import rotations
from playground_amp.core.errors import InputError
from playground_amp.core.terms import FeatureGroup, Mirror, labels_of, mirror_of, paired, signed, sizes_of
from playground_amp.core.types import Frame
from playground_amp.robots import Robot
from playground_amp.robots.kinematic_tree import ancestors

MOVING = 0.1  # m/s, below which the direction of motion is noise and reported as zero
CLIP = 6.0  # standard deviations


class Step(NamedTuple):
    """One control step as the features see it."""

    previous: Frame
    current: Frame
    dt: float  # s from the one to the other
    contact_clearance: tuple[float, float]  # m, below which a pad touches, and above which it does not

    @property
    def velocity(self) -> jax.Array:
        """Mean velocity of the root [..., 3] m/s, heading frame."""
        moved = (self.current.root_pos - self.previous.root_pos) / self.dt
        return rotations.to_heading(self.current.root_quat, moved)

    @property
    def angular_velocity(self) -> jax.Array:
        """Mean angular velocity of the root [..., 3] rad/s, heading frame."""
        turned = rotations.angular_velocity(self.previous.root_quat, self.current.root_quat, self.dt)
        return rotations.to_heading(self.current.root_quat, turned)


@dataclass(frozen=True)
class FeatureTerm:
    """A group of features: a row of the table."""

    group: FeatureGroup  # as configurations call it
    what: str
    unit: str
    frame: str
    size: str  # in joints J and pads P
    floor: Callable[[Robot], float]  # least standard deviation to divide by: what never moves must not be amplified
    labels: Callable[[Robot], Sequence[str]]  # a name for each number
    mirror: Callable[[Robot], Mirror]
    bodies: Callable[[Robot], Sequence[int]]  # the body that each number belongs to, -1 is the root
    value: Callable[[Step], jax.Array]  # [..., size]


def _joint_bodies(robot: Robot) -> list[int]:
    return [int(robot.model.jnt_bodyid[robot.model.joint(joint).id]) for joint in robot.joints]


FEATURES: tuple[FeatureTerm, ...] = (
    FeatureTerm(
        group="joint_positions",
        what="joint positions, in actuator order",
        unit="rad",
        frame="joint",
        size="J",
        floor=lambda robot: 0.1,
        labels=lambda robot: [f"{joint} position" for joint in robot.joints],
        mirror=lambda robot: paired(*robot.mirror_joints),
        bodies=_joint_bodies,
        value=lambda step: step.current.joint_pos,
    ),
    FeatureTerm(
        group="joint_velocities",
        what="joint velocities",
        unit="rad/s",
        frame="joint",
        size="J",
        floor=lambda robot: 1.0,
        labels=lambda robot: [f"{joint} velocity" for joint in robot.joints],
        mirror=lambda robot: paired(*robot.mirror_joints),
        bodies=_joint_bodies,
        value=lambda step: (step.current.joint_pos - step.previous.joint_pos) / step.dt,
    ),
    FeatureTerm(
        group="root_direction",
        what="direction of the root's linear velocity: a unit vector above 0.1 m/s, else zero",
        unit="unit vector",
        frame="heading",
        size="3",
        floor=lambda robot: 0.3,
        labels=lambda robot: [f"root direction {axis}" for axis in "xyz"],
        mirror=lambda robot: signed(1.0, -1.0, 1.0),
        bodies=lambda robot: [-1, -1, -1],
        value=lambda step: direction(step.velocity),
    ),
    FeatureTerm(
        group="root_angular_velocity",
        what="angular velocity of the root",
        unit="rad/s",
        frame="heading",
        size="3",
        floor=lambda robot: 1.0,
        labels=lambda robot: [f"root angular velocity {axis}" for axis in "xyz"],
        mirror=lambda robot: signed(-1.0, 1.0, -1.0),
        bodies=lambda robot: [-1, -1, -1],
        value=lambda step: step.angular_velocity,
    ),
    FeatureTerm(
        group="root_height",
        what="height of the root above the ground",
        unit="m",
        frame="world",
        size="1",
        floor=lambda robot: 0.07 * robot.leg_length,
        labels=lambda robot: ["root height"],
        mirror=lambda robot: signed(1.0),
        bodies=lambda robot: [-1],
        value=lambda step: step.current.root_pos[..., 2:3],
    ),
    FeatureTerm(
        group="foot_contacts",
        what="contact of each foot pad, a ramp of its clearance",
        unit="0..1",
        frame="pad",
        size="P",
        floor=lambda robot: 0.4,
        labels=lambda robot: [f"{pad} contact" for pad in robot.pads],
        mirror=lambda robot: paired(robot.mirror_pads),
        bodies=lambda robot: [int(robot.model.geom_bodyid[geoms[0]]) for geoms in robot.pad_geoms],
        value=lambda step: contact(step.current.pad_height, step.contact_clearance),
    ),
)


@dataclass(frozen=True, eq=False)
class RobotFeatures:
    """A row of the table for one robot."""

    group: FeatureGroup
    labels: tuple[str, ...]
    mirror: Mirror


def feature_terms(robot: Robot) -> list[RobotFeatures]:
    """The table for one robot."""
    return [RobotFeatures(term.group, tuple(term.labels(robot)), term.mirror(robot)) for term in FEATURES]


def feature_names(robot: Robot) -> list[str]:
    """One name per feature, in order: [F]."""
    return labels_of(feature_terms(robot))


def amp_features(previous: Frame, current: Frame, *, dt: float, contact_clearance: tuple[float, float]) -> jax.Array:
    """Features [..., F] of the step from `previous` to `current`, taken `dt` seconds apart."""
    step = Step(previous, current, dt, contact_clearance)
    return jnp.concatenate([term.value(step) for term in FEATURES], axis=-1)


def direction(velocity: jax.Array) -> jax.Array:
    """Unit vector of `velocity` [..., 3], or zero where it is slower than MOVING."""
    speed = jnp.sqrt(jnp.sum(velocity**2, axis=-1, keepdims=True) + 1e-12)
    return jnp.where(speed > MOVING, velocity / speed, 0.0)


def contact(pad_height: jax.Array, clearance: tuple[float, float]) -> jax.Array:
    """1 for a pad lower than clearance[0], 0 higher than clearance[1], linear between: [..., P] m -> [..., P].

    A ramp that is flat below its foot forgives the millimetres by which simulated contacts sink in.
    """
    touching, clear = clearance
    return jnp.clip((clear - pad_height) / (clear - touching), 0.0, 1.0)


def group_sizes(robot: Robot) -> dict[FeatureGroup, int]:
    """Number of features in each group, in their order."""
    terms = feature_terms(robot)
    return dict(zip((term.group for term in terms), sizes_of(terms), strict=True))


def feature_floor(robot: Robot) -> np.ndarray:
    """Least standard deviation to divide each feature by, [F]: a joint that never moves must not be amplified."""
    floors = np.array([term.floor(robot) for term in FEATURES], np.float32)
    return np.repeat(floors, list(group_sizes(robot).values()))


def feature_weights(robot: Robot, weights: Mapping[FeatureGroup, float]) -> np.ndarray:
    """Factor on each normalised feature, [F]: that of its group in `weights`, else 1."""
    sizes = group_sizes(robot)
    factors = np.repeat([weights.get(group, 1.0) for group in sizes], list(sizes.values()))
    if not factors.any():
        raise InputError(f"amp.feature_weights leaves no feature; give one of {', '.join(sizes)} a weight above 0")
    return factors.astype(np.float32)


def feature_mirror(robot: Robot) -> tuple[np.ndarray, np.ndarray]:
    """Where each feature is found in the features of the reflected motion, and its sign: [F] each."""
    return mirror_of(feature_terms(robot))


def feature_parts(robot: Robot) -> list[np.ndarray]:
    """Features of each part of the body: a part for every chain of joints from one fork to the next, and the root."""
    bodies = [body for term in FEATURES for body in term.bodies(robot)]
    owner = np.array([-1 if body == -1 else _chain(robot, body) for body in bodies])
    return [np.flatnonzero(owner == part) for part in dict.fromkeys(owner.tolist())]


def _chain(robot: Robot, body: int) -> int:
    """The first body of the chain that `body` belongs to, next to the root or to a fork; -1 is the root itself."""
    root, parents = robot.model.body(robot.root).id, robot.model.body_parentid
    if body == root:
        return -1
    while parents[body] != root and not _forks(robot, int(parents[body])):
        body = parents[body]
    return int(body)


def _forks(robot: Robot, body: int) -> bool:
    """Whether several chains with joints of their own hang from the body."""
    model = robot.model
    paths = [ancestors(model, int(model.jnt_bodyid[model.joint(joint).id])) for joint in robot.joints]
    return len({path[path.index(body) - 1] for path in paths if body in path[1:]}) > 1


class Normalizer(struct.PyTreeNode):
    """Fixed affine map of the features: (x - mean) / std, clipped to +-CLIP."""

    mean: jax.Array  # [F]
    std: jax.Array  # [F], at least the floor of its group

    def __call__(self, features: jax.Array) -> jax.Array:
        """Normalised features, [..., F]."""
        return jnp.clip((features - self.mean) / self.std, -CLIP, CLIP)


def make_normalizer(features: jax.Array, weights: jax.Array, floor: np.ndarray) -> Normalizer:
    """Weighted mean and floored standard deviation of the reference features [N, F], weights [N] summing to 1."""
    mean = jnp.sum(weights[:, None] * features, axis=0)
    variance = jnp.sum(weights[:, None] * (features - mean) ** 2, axis=0)
    return Normalizer(mean=mean, std=jnp.maximum(jnp.sqrt(variance), floor))
