"""Rotations against scipy, over batch shapes, a third of the cases near the identity."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from playground_amp.core import rotations

cases = pytest.mark.parametrize(("shape", "seed"), [(shape, seed) for shape in [(), (7,), (2, 3)] for seed in range(3)])

# compiled once a shape, which is quicker than operation by operation
multiply = jax.jit(rotations.multiply)
rotate = jax.jit(rotations.rotate)
rotate_inverse = jax.jit(rotations.rotate_inverse)
to_rotation_vector = jax.jit(rotations.to_rotation_vector)
yaw = jax.jit(rotations.yaw)
from_yaw = jax.jit(rotations.from_yaw)
to_heading = jax.jit(rotations.to_heading)
angular_velocity = jax.jit(rotations.angular_velocity)


def draw(shape: tuple[int, ...], seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Two unit quaternions [*shape, 4] and a vector [*shape, 3]; every third seed lies near the identity."""
    rng = np.random.default_rng(seed)
    spread = 1e-5 if seed % 3 == 0 else 1.0
    q = rng.normal(scale=spread, size=(2, *shape, 4))
    q[..., 0] += 1.0 if seed % 3 == 0 else 0.0
    q /= np.linalg.norm(q, axis=-1, keepdims=True)
    return q[0], q[1], rng.normal(size=(*shape, 3))


def scipy(q: np.ndarray) -> Rotation:
    return Rotation.from_quat(q.reshape(-1, 4), scalar_first=True)


def same_rotation(actual: jax.Array, expected: np.ndarray) -> None:
    """q and -q are one rotation."""
    assert actual.shape == expected.shape
    np.testing.assert_allclose(np.abs(np.sum(np.asarray(actual) * expected, axis=-1)), 1.0, atol=1e-6)


@cases
def test_product_applies_the_right_factor_first(shape: tuple, seed: int) -> None:
    a, b, v = draw(shape, seed)
    product = multiply(a, b)
    same_rotation(product, (scipy(a) * scipy(b)).as_quat(scalar_first=True).reshape(*shape, 4))
    twice = rotate(a, rotate(b, v))
    np.testing.assert_allclose(rotate(product, v), twice, atol=2e-6)


@cases
def test_rotate_turns_body_vectors_into_world_vectors(shape: tuple, seed: int) -> None:
    q, _, v = draw(shape, seed)
    expected = scipy(q).apply(v.reshape(-1, 3)).reshape(*shape, 3)
    np.testing.assert_allclose(rotate(q, v), expected, atol=2e-6)
    inverse = rotate_inverse(q, expected)
    np.testing.assert_allclose(inverse, v, atol=2e-6)


@cases
def test_conjugate_undoes_a_rotation(shape: tuple, seed: int) -> None:
    q = draw(shape, seed)[0]
    product = multiply(q, rotations.conjugate(jnp.asarray(q)))
    same_rotation(product, np.broadcast_to([1.0, 0.0, 0.0, 0.0], product.shape))


@cases
@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_rotation_vector_takes_the_short_way_for_either_sign(shape: tuple, seed: int, sign: float) -> None:
    q = draw(shape, seed)[0]
    expected = scipy(q).as_rotvec().reshape(*shape, 3)
    np.testing.assert_allclose(to_rotation_vector(sign * q), expected, atol=5e-6)


@cases
def test_angular_velocity_is_the_worlds(shape: tuple, seed: int) -> None:
    previous, current, _ = draw(shape, seed)
    expected = (scipy(current) * scipy(previous).inv()).as_rotvec().reshape(*shape, 3) / 0.02
    actual = angular_velocity(previous, current, 0.02)
    np.testing.assert_allclose(actual, expected, atol=1e-5 / 0.02)


@cases
def test_yaw_is_the_heading_of_the_x_axis(shape: tuple, seed: int) -> None:
    q = draw(shape, seed)[0]
    forward = scipy(q).apply([1.0, 0.0, 0.0]).reshape(*shape, 3)
    expected = np.arctan2(forward[..., 1], forward[..., 0])
    np.testing.assert_allclose(yaw(q), expected, atol=1e-5)


@cases
def test_yaw_adds_up_under_turns_of_the_world(shape: tuple, seed: int) -> None:
    q, _, v = draw(shape, seed)
    turn = from_yaw(v[..., 0])
    difference = yaw(multiply(turn, q)) - yaw(q) - v[..., 0]
    np.testing.assert_allclose(np.cos(difference), 1.0, atol=1e-6)


@cases
def test_heading_frame_keeps_length_and_height_and_ignores_turns(shape: tuple, seed: int) -> None:
    q, _, v = draw(shape, seed)
    seen = to_heading(q, v)
    np.testing.assert_allclose(np.linalg.norm(seen, axis=-1), np.linalg.norm(v, axis=-1), rtol=1e-5)
    np.testing.assert_allclose(seen[..., 2], v[..., 2], atol=1e-6)
    turn = from_yaw(np.full(shape, 2.1))
    np.testing.assert_allclose(to_heading(multiply(turn, q), rotate(turn, v)), seen, atol=1e-5)


def test_forward_in_the_heading_frame_is_plus_x() -> None:
    facing_left = from_yaw(jnp.float32(np.pi / 2))
    seen = to_heading(facing_left, jnp.array([0.0, 3.0, 0.0]))
    np.testing.assert_allclose(seen, [3.0, 0.0, 0.0], atol=1e-6)


@jax.jit
def slope(u: jax.Array) -> jax.Array:
    """Derivative [3, 3] of the rotation vector by the vector part of a quaternion (1, u)."""
    return jax.jacobian(lambda u: rotations.to_rotation_vector(jnp.concatenate([jnp.ones(1), u])))(u)


@pytest.mark.parametrize("scale", [0.0, 1e-12, 1e-7, 1e-5, 1.1e-5, 1e-3])
def test_rotation_vector_is_smooth_at_the_identity(scale: float) -> None:
    np.testing.assert_allclose(slope(scale * np.array([0.6, 0.0, 0.8])), 2.0 * np.eye(3), atol=1e-5)


def test_angular_velocity_of_a_still_body_has_finite_gradients() -> None:
    q = jnp.array([0.5, 0.5, -0.5, 0.5])
    gradient = jax.jit(jax.jacobian(angular_velocity))(q, q, 0.02)
    assert np.isfinite(gradient).all()
    assert np.abs(gradient).max() > 1.0


@pytest.mark.parametrize("function", [multiply, rotate, to_heading])
def test_leading_axes_broadcast(function: object) -> None:
    rng = np.random.default_rng(0)
    width = 4 if function is multiply else 3
    q, x = jnp.asarray(rng.normal(size=(5, 1, 4))), jnp.asarray(rng.normal(size=(3, width)))
    full = function(jnp.broadcast_to(q, (5, 3, 4)), jnp.broadcast_to(x, (5, 3, width)))
    np.testing.assert_allclose(function(q, x), full, atol=1e-6)
