"""THE definition of the AMP features, used for the reference motion and for the policy alike.

Per control step, F = 2 J + 7 + P numbers for J joints and P foot pads:

| group of features | numbers | what | unit, frame |
|---|---|---|---|
| joint_positions | J | joint positions, actuator order | rad |
| joint_velocities | J | joint velocities | rad/s |
| root_direction | 3 | direction of the root's linear velocity; zero below 0.1 m/s | unit vector, heading frame |
| root_angular_velocity | 3 | root angular velocity | rad/s, heading frame |
| root_height | 1 | root height above the ground | m |
| foot_contacts | P | contact of each foot pad | 0..1, a ramp of the pad's clearance |

All velocities are differences of two frames over one control step, on both sides. The heading frame is that of the
current root.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import get_args

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct

from playground_amp.core import rotations
from playground_amp.core.errors import InputError
from playground_amp.core.types import FeatureGroup, Frame
from playground_amp.robots import Robot
from playground_amp.robots.kinematic_tree import ancestors

MOVING = 0.1  # m/s, below which the direction of motion is noise and reported as zero
CLIP = 6.0  # standard deviations


def feature_names(robot: Robot) -> list[str]:
    """One name per feature, in order: [F]."""
    return [
        *(f"{joint} position" for joint in robot.joints),
        *(f"{joint} velocity" for joint in robot.joints),
        *(f"root direction {axis}" for axis in "xyz"),
        *(f"root angular velocity {axis}" for axis in "xyz"),
        "root height",
        *(f"{pad} contact" for pad in robot.pads),
    ]


def amp_features(previous: Frame, current: Frame, *, dt: float, contact_clearance: tuple[float, float]) -> jax.Array:
    """Features [..., F] of the step from `previous` to `current`, taken `dt` seconds apart."""
    velocity = rotations.to_heading(current.root_quat, (current.root_pos - previous.root_pos) / dt)
    angular = rotations.angular_velocity(previous.root_quat, current.root_quat, dt)
    return jnp.concatenate(
        [
            current.joint_pos,
            (current.joint_pos - previous.joint_pos) / dt,
            direction(velocity),
            rotations.to_heading(current.root_quat, angular),
            current.root_pos[..., 2:3],
            contact(current.pad_height, contact_clearance),
        ],
        axis=-1,
    )


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
    joints, pads = robot.num_joints, len(robot.pads)
    return dict(zip(get_args(FeatureGroup), (joints, joints, 3, 3, 1, pads), strict=True))


def feature_floor(robot: Robot) -> np.ndarray:
    """Least standard deviation to divide each feature by, [F]: a joint that never moves must not be amplified."""
    floors = (0.1, 1.0, 0.3, 1.0, 0.07 * robot.leg_length, 0.4)
    return np.repeat(np.array(floors, np.float32), list(group_sizes(robot).values()))


def feature_weights(robot: Robot, weights: Mapping[FeatureGroup, float]) -> np.ndarray:
    """Factor on each normalised feature, [F]: that of its group in `weights`, else 1."""
    sizes = group_sizes(robot)
    factors = np.repeat([weights.get(group, 1.0) for group in sizes], list(sizes.values()))
    if not factors.any():
        raise InputError(f"amp.feature_weights leaves no feature; give one of {', '.join(sizes)} a weight above 0")
    return factors.astype(np.float32)


def feature_mirror(robot: Robot) -> tuple[np.ndarray, np.ndarray]:
    """Where each feature is found in the features of the reflected motion, and its sign: [F] each."""
    joints, signs = (np.asarray(values) for values in robot.mirror_joints)
    root = 2 * len(joints) + np.arange(7)
    pads = root[-1] + 1 + np.asarray(robot.mirror_pads)
    partner = np.concatenate([joints, len(joints) + joints, root, pads])
    axes = [1.0, -1.0, 1.0], [-1.0, 1.0, -1.0], [1.0]  # direction, angular velocity, height
    sign = np.concatenate([signs, signs, *axes, np.ones(len(pads))])
    return partner, sign.astype(np.float32)


def feature_parts(robot: Robot) -> list[np.ndarray]:
    """Features of each part of the body: a part for every chain of joints from one fork to the next, and the root."""
    joint_chain = [_chain(robot, robot.model.jnt_bodyid[robot.model.joint(joint).id]) for joint in robot.joints]
    pad_chain = [_chain(robot, robot.model.geom_bodyid[geoms[0]]) for geoms in robot.pad_geoms]
    joints = np.array([*joint_chain, *joint_chain])
    root = np.full(7, -1)
    owner = np.concatenate([joints, root, np.array(pad_chain)])
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
