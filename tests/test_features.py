"""The AMP features: one definition for the clips and the policy, by hand, invariant, and normalised with a floor."""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from playground_amp.core.rotations import multiply
from playground_amp.core.types import Frame
from playground_amp.envs.env import Env, frame_of
from playground_amp.motion.features import (
    CLIP,
    MOVING,
    amp_features,
    contact,
    direction,
    feature_floor,
    feature_names,
    make_normalizer,
)
from playground_amp.motion.reference_builder import clip_features, clip_frames
from playground_amp.robots import Robot

DT = 0.02
CLEARANCE = (0.004, 0.012)


def frame(pos: list, yaw: float, joints: float, pads: list) -> Frame:
    """An upright robot, all its joints at one angle."""
    quat = [np.cos(yaw / 2), 0.0, 0.0, np.sin(yaw / 2)]
    return Frame(*map(jnp.array, (pos, quat, [joints] * 9, pads)))


def features(previous: Frame, current: Frame) -> np.ndarray:
    return np.asarray(amp_features(previous, current, dt=DT, contact_clearance=CLEARANCE))


def test_names_are_in_the_order_of_the_table(robot: Robot) -> None:
    names = feature_names(robot)
    assert len(names) == robot.num_features == len(feature_floor(robot)) == 29
    assert names[0] == "waist_yaw position"
    assert names[8] == "right_ankle_pitch position"
    assert names[9:18] == [f"{joint} velocity" for joint in robot.joints]
    assert names[18:21] == [f"root direction {axis}" for axis in "xyz"]
    assert names[21:24] == [f"root angular velocity {axis}" for axis in "xyz"]
    assert names[24:] == [
        "root height",
        *(f"{p} contact" for p in ("left_toe", "left_heel", "right_toe", "right_heel")),
    ]


def test_one_step_by_hand() -> None:
    """Facing +y, moving 0.6 m/s along +y (forward) and 0.8 m/s along +x (to the right), turning left at 0.5 rad/s."""
    turn, heading = 0.5 * DT, np.pi / 2
    previous = frame([1.0, 2.0, 0.4], heading - turn, 0.10, [0.1] * 4)
    current = frame([1.0 + 0.8 * DT, 2.0 + 0.6 * DT, 0.4], heading, 0.12, [0.0, 0.004, 0.008, 0.02])
    expected = [*[0.12] * 9, *[1.0] * 9, 0.6, -0.8, 0.0, 0.0, 0.0, 0.5, 0.4, 1.0, 1.0, 0.5, 0.0]
    np.testing.assert_allclose(features(previous, current), expected, atol=2e-5)


def test_positions_and_contacts_are_those_after_the_step() -> None:
    """A feature of step t must not mix in the frame before it."""
    previous = frame([0.0, 0.0, 0.9], 0.0, -1.0, [0.0] * 4)
    current = frame([0.0, 0.0, 0.5], 0.0, 1.0, [1.0] * 4)
    result = features(previous, current)
    np.testing.assert_allclose(result[:9], 1.0)
    np.testing.assert_allclose(result[24:], [0.5, 0.0, 0.0, 0.0, 0.0])
    np.testing.assert_allclose(result[18:21], [0.0, 0.0, -1.0], atol=1e-6)


@pytest.mark.parametrize("axis", range(3))
def test_angular_velocity_is_in_the_heading_frame(axis: int) -> None:
    """A robot that faces +y and leans about its own axes."""
    rate, heading = 0.7, np.array([np.cos(np.pi / 4), 0.0, 0.0, np.sin(np.pi / 4)])
    half = 0.5 * rate * DT
    lean = np.zeros(4)
    lean[0], lean[1 + axis] = np.cos(half), np.sin(half)
    previous = frame([0.0, 0.0, 0.4], np.pi / 2, 0.0, [0.0] * 4)
    current = previous.replace(root_quat=multiply(jnp.asarray(heading), jnp.asarray(lean)))
    np.testing.assert_allclose(features(previous, current)[21 + axis], rate, atol=0.01)


def turned(qpos: np.ndarray, angle: float, shift: np.ndarray) -> np.ndarray:
    """The motion [N, nq] in a world turned by `angle` rad about the vertical and shifted by [2] m."""
    c, s = np.cos(angle), np.sin(angle)
    ch, sh = np.cos(angle / 2), np.sin(angle / 2)
    x, y, (w, a, b, d) = qpos[:, 0], qpos[:, 1], qpos[:, 3:7].T
    moved = qpos.copy()
    moved[:, 0], moved[:, 1] = c * x - s * y + shift[0], s * x + c * y + shift[1]
    moved[:, 3:7] = np.stack([ch * w - sh * d, ch * a - sh * b, ch * b + sh * a, ch * d + sh * w], axis=-1)
    return moved


def tumbling(robot: Robot) -> np.ndarray:
    """Random smooth motion of root and joints [40, nq]."""
    rng = np.random.default_rng(3)
    qpos = np.cumsum(rng.normal(0.0, 0.02, (40, robot.model.nq)), axis=0)
    qpos[:, 2:4] += 1.0
    qpos[:, 3:7] /= np.linalg.norm(qpos[:, 3:7], axis=1, keepdims=True)
    return qpos


def features_of(robot: Robot, qpos: np.ndarray) -> np.ndarray:
    """Features [N - 1, 29] in the widest type enabled."""
    frames = Frame(*map(jnp.asarray, (qpos[:, :3], qpos[:, 3:7], qpos[:, 7:], robot.pad_heights(qpos))))
    return features(jax.tree.map(lambda x: x[:-1], frames), jax.tree.map(lambda x: x[1:], frames))


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("motion", ["walk", "tumbling"])
@pytest.mark.parametrize("angle", [0.4, np.pi / 2, np.pi, -2.5])
def test_turning_and_shifting_the_world_changes_nothing(
    robot: Robot, walk: np.ndarray, motion: str, angle: float
) -> None:
    """Also a clip that faces -x is the clip that faces +x."""
    qpos = walk if motion == "walk" else tumbling(robot)
    moved = turned(qpos, angle, np.array([3.0, -7.0]))
    np.testing.assert_allclose(features_of(robot, moved), features_of(robot, qpos), atol=1e-5)


@pytest.mark.usefixtures("float64")
def test_walking_backwards_is_not_walking_forwards(robot: Robot, walk: np.ndarray) -> None:
    forward, backward = features_of(robot, walk)[:, 18], features_of(robot, walk[::-1])[:, 18]
    assert forward.min() > 0.5
    assert backward.max() < -0.5


def test_features_are_those_of_the_clip_when_the_clip_runs_through_the_environment(
    robot: Robot, walk: np.ndarray, make_env: Callable[..., Env]
) -> None:
    """Reference side and policy side are one: the same 29 numbers from the engine and from the file."""
    env = make_env()
    previous, current = (
        frame_of(env.physics.init(jnp.asarray(qpos, jnp.float32), jnp.zeros((len(qpos), robot.model.nv))))
        for qpos in (walk[:-1], walk[1:])
    )
    ours, theirs = np.asarray(env.features(previous, current)), clip_features(walk, robot, control_dt=DT)
    np.testing.assert_allclose(ours, theirs, atol=1e-5)
    assert theirs[:, 25:].min() == 0.0  # a foot swings
    assert theirs[:, 25:].max() == 1.0  # a foot stands


def test_frames_of_a_clip_are_the_engines_kinematics(robot: Robot, walk: np.ndarray) -> None:
    frames = clip_frames(walk, robot)
    np.testing.assert_allclose(frames.pad_height, robot.pad_heights(walk), atol=1e-6)
    np.testing.assert_allclose(frames.root_pos, walk[:, :3], atol=1e-6)
    np.testing.assert_allclose(frames.joint_pos, walk[:, 7:], atol=1e-6)


@pytest.mark.parametrize(
    ("speed", "expected"), [(0.0, 0.0), (0.5 * MOVING, 0.0), (0.99 * MOVING, 0.0), (1.01 * MOVING, 1.0), (3.0, 1.0)]
)
def test_direction_is_a_unit_vector_or_nothing(speed: float, expected: float) -> None:
    result = direction(speed * jnp.array([0.6, -0.8, 0.0]))
    np.testing.assert_allclose(result, expected * np.array([0.6, -0.8, 0.0]), atol=1e-5)


def test_direction_of_a_still_root_has_finite_gradients() -> None:
    assert np.isfinite(jax.jacobian(direction)(jnp.zeros(3))).all()


@pytest.mark.parametrize(
    ("height", "expected"),
    [(-0.01, 1.0), (0.0, 1.0), (0.004, 1.0), (0.006, 0.75), (0.010, 0.25), (0.012, 0.0), (1.0, 0.0)],
)
def test_contact_is_a_ramp_of_the_clearance(height: float, expected: float) -> None:
    assert float(contact(jnp.float32(height), CLEARANCE)) == pytest.approx(expected, abs=1e-5)


def test_normaliser_by_hand() -> None:
    normalizer = make_normalizer(
        jnp.array([[0.0, 5.0], [4.0, 5.0]]), jnp.array([0.25, 0.75]), np.array([0.5, 0.1], np.float32)
    )
    np.testing.assert_allclose(normalizer.mean, [3.0, 5.0])
    np.testing.assert_allclose(normalizer.std, [np.sqrt(3.0), 0.1], rtol=1e-6)
    np.testing.assert_allclose(normalizer(jnp.array([3.0 + np.sqrt(3.0), 5.2])), [1.0, 2.0], rtol=1e-4)
    np.testing.assert_allclose(normalizer(jnp.array([1e6, -1e6])), [CLIP, -CLIP])


def test_a_joint_that_never_moves_is_not_amplified(robot: Robot, walk: np.ndarray) -> None:
    """The policy's servo jitter in a joint the clips keep still must not give it away."""
    still = walk.copy()
    still[:, 7] = 0.0
    reference = clip_features(still, robot, control_dt=DT)
    normalizer = make_normalizer(
        jnp.asarray(reference), jnp.full(len(reference), 1 / len(reference)), feature_floor(robot)
    )
    jitter = jnp.asarray(reference[10]).at[0].add(0.02).at[9].add(0.3)  # rad and rad/s
    change = np.abs(normalizer(jitter) - normalizer(reference[10]))
    assert change.max() < 0.5
    assert (np.asarray(normalizer.std) >= feature_floor(robot)).all()


def test_floor_has_the_unit_of_its_feature(robot: Robot) -> None:
    floor = dict(zip(feature_names(robot), feature_floor(robot), strict=True))
    for name, least, most in (
        ("position", 0.05, 0.2),
        ("_pitch velocity", 0.5, 2.0),
        ("height", 0.01, 0.1),
        ("contact", 0.2, 0.5),
    ):
        values = [value for key, value in floor.items() if name in key]
        assert values
        assert least <= min(values) <= max(values) <= most
