"""THE definition of the AMP features, used for the reference motion and for the policy alike.

Per control step, for J joints and P foot pads (29 numbers for the default robot):

| index (J = 9, P = 4) | feature | unit, frame |
|---|---|---|
| 0-8 | joint positions, actuator order | rad |
| 9-17 | joint velocities | rad/s |
| 18-20 | direction of the root's linear velocity; zero below 0.1 m/s | unit vector, heading frame |
| 21-23 | root angular velocity | rad/s, heading frame |
| 24 | root height above the ground | m |
| 25-28 | contact of each foot pad | 0..1, a ramp of the pad's clearance |

All velocities are differences of two frames over one control step, on both sides. The heading frame is that of the
current root.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct

from playground_amp import rotations
from playground_amp.robots import Robot
from playground_amp.types import Frame

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


def feature_floor(robot: Robot) -> np.ndarray:
    """Least standard deviation to divide each feature by, [F]: a joint that never moves must not be amplified."""
    joints, pads = robot.num_joints, len(robot.pads)
    groups = [(0.1, joints), (1.0, joints), (0.3, 3), (1.0, 3), (0.07 * robot.leg_length, 1), (0.4, pads)]
    return np.concatenate([np.full(count, floor, np.float32) for floor, count in groups])


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
