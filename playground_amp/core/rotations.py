"""Rotations as unit quaternions (w, x, y, z), Hamilton product. Leading axes broadcast.

The heading frame is the world frame turned about +z by the yaw of the root, its origin unmoved: what is said in it does
not change when the whole motion is turned about the vertical.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp


def multiply(a: jax.Array, b: jax.Array) -> jax.Array:
    """Hamilton product a b, [..., 4]: first rotates by b, then by a."""
    aw, ax, ay, az = (a[..., i] for i in range(4))
    bw, bx, by, bz = (b[..., i] for i in range(4))
    return jnp.stack(
        [
            aw * bw - ax * bx - ay * by - az * bz,
            aw * bx + ax * bw + ay * bz - az * by,
            aw * by - ax * bz + ay * bw + az * bx,
            aw * bz + ax * by - ay * bx + az * bw,
        ],
        axis=-1,
    )


def conjugate(q: jax.Array) -> jax.Array:
    """Inverse of a unit quaternion, [..., 4]."""
    return q * jnp.array([1.0, -1.0, -1.0, -1.0], q.dtype)


def rotate(q: jax.Array, v: jax.Array) -> jax.Array:
    """Vector v [..., 3] rotated by q [..., 4]: v + 2 w (u x v) + 2 u x (u x v), q = (w, u)."""
    w, u = q[..., :1], q[..., 1:]
    t = 2.0 * jnp.cross(u, v)
    return v + w * t + jnp.cross(u, t)


def rotate_inverse(q: jax.Array, v: jax.Array) -> jax.Array:
    """Vector v [..., 3] rotated by the inverse of q [..., 4]."""
    return rotate(conjugate(q), v)


def to_rotation_vector(q: jax.Array) -> jax.Array:
    """Rotation vector [..., 3] in rad, of norm at most pi; smooth (values and gradients) at the identity.

    log(q) = 2 atan2(|u|, w) u / |u|; for |u| -> 0 the factor tends to 2 / w.
    """
    q = jnp.where(q[..., :1] < 0.0, -q, q)
    w, u = q[..., 0], q[..., 1:]
    squared = jnp.sum(u * u, axis=-1)
    small = squared < 1e-10
    norm = jnp.sqrt(jnp.where(small, 1.0, squared))
    factor = jnp.where(small, 2.0 / jnp.where(small, w, 1.0), 2.0 * jnp.arctan2(norm, w) / norm)
    return factor[..., None] * u


def yaw(q: jax.Array) -> jax.Array:
    """Heading angle [...] in rad: direction of the body's x axis on the ground plane, atan2 of its world y and x."""
    w, x, y, z = (q[..., i] for i in range(4))
    return jnp.arctan2(2.0 * (w * z + x * y), 1.0 - 2.0 * (y * y + z * z))


def from_yaw(angle: jax.Array) -> jax.Array:
    """Quaternion [..., 4] of a turn by `angle` [...] rad about +z."""
    half, zero = 0.5 * angle, jnp.zeros_like(angle)
    return jnp.stack([jnp.cos(half), zero, zero, jnp.sin(half)], axis=-1)


def to_heading(q: jax.Array, v: jax.Array) -> jax.Array:
    """World vector v [..., 3] expressed in the heading frame of q [..., 4]."""
    return rotate_inverse(from_yaw(yaw(q)), v)


def angular_velocity(previous: jax.Array, current: jax.Array, dt: float) -> jax.Array:
    """World-frame angular velocity [..., 3] in rad/s that turns `previous` into `current` [..., 4] in `dt` seconds."""
    return to_rotation_vector(multiply(current, conjugate(previous))) / dt
