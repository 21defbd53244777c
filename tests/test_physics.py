"""The native engine against a plain MuJoCo loop, its purity, and MJX against it."""

from __future__ import annotations

import importlib.util
import threading
from collections.abc import Callable

import jax
import jax.numpy as jnp
import mujoco
import numpy as np
import pytest
from conftest import roll

from playground_amp.core.errors import InputError
from playground_amp.core.types import PhysicsState
from playground_amp.envs.physics import Physics, make_physics
from playground_amp.robots import Robot

CONTROL_DT = 0.02
SUBSTEPS = 4
WARP = importlib.util.find_spec("warp") is not None


@pytest.fixture(scope="module")
def step(native: Physics) -> Callable[[PhysicsState, jax.Array], PhysicsState]:
    return jax.jit(native.step)


def starts(robot: Robot, count: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Standing robots, disturbed: qpos [count, nq], qvel [count, nv]."""
    rng = np.random.default_rng(seed)
    qpos = np.tile(robot.home_qpos, (count, 1))
    qpos[:, 2] += 0.003
    qpos[:, 7:] += rng.uniform(0.0, 0.05, (count, robot.num_joints))
    return qpos.astype(np.float32), rng.normal(0.0, 0.2, (count, robot.model.nv)).astype(np.float32)


def controls(robot: Robot, steps: int, count: int, scale: float = 0.2, seed: int = 1) -> np.ndarray:
    """Servo targets around the standing pose [steps, count, A]."""
    noise = np.random.default_rng(seed).uniform(-scale, scale, (steps, count, robot.num_joints))
    return (np.array(robot.home) + noise).astype(np.float32)


def same_bits(a: PhysicsState, b: PhysicsState) -> None:
    for name, x, y in zip(arrays(a), jax.tree.leaves(a), jax.tree.leaves(b), strict=True):
        np.testing.assert_array_equal(x, y, err_msg=name)


def arrays(state: PhysicsState) -> dict[str, np.ndarray]:
    """Its fields by name; robots that are as the model is have no dynamics."""
    return {name: np.asarray(value) for name, value in vars(state).items() if value is not None}


def plain_step(robot: Robot, state: dict[str, np.ndarray], ctrl: np.ndarray) -> dict[str, np.ndarray]:
    """One control step of one robot in MuJoCo's C engine; the state travels in float32."""
    data = mujoco.MjData(robot.model)
    data.qpos[:], data.qvel[:], data.qacc_warmstart[:] = state["qpos"], state["qvel"], state["warmstart"]
    data.ctrl[:] = ctrl
    for _ in range(SUBSTEPS):
        mujoco.mj_step(robot.model, data)
    after = {
        "qpos": data.qpos,
        "qvel": data.qvel,
        "warmstart": data.qacc_warmstart,
        "pad_height": robot.pad_heights(data.qpos[None])[0],
        "torque": data.actuator_force,
    }
    return {name: value.astype(np.float32) for name, value in after.items()}


def test_native_equals_a_plain_mujoco_loop(robot: Robot, native: Physics, step: Callable) -> None:
    state = native.init(*starts(robot, 3))
    plain = [{name: value[i] for name, value in arrays(state).items()} for i in range(3)]
    for ctrl in controls(robot, 25, 3):
        state = step(state, ctrl)
        plain = [plain_step(robot, row, target) for row, target in zip(plain, ctrl, strict=True)]
        for name, value in arrays(state).items():
            np.testing.assert_allclose(value, [row[name] for row in plain], rtol=1e-6, atol=1e-6, err_msg=name)
    assert (np.asarray(state.pad_height).min(axis=1) < 0.0).any()  # they stand: contacts were part of it


def test_init_pad_heights_are_those_of_the_kinematics(robot: Robot, native: Physics) -> None:
    qpos, qvel = starts(robot, 5)
    state = native.init(qpos, qvel)
    np.testing.assert_allclose(state.pad_height, robot.pad_heights(qpos), atol=1e-7)
    np.testing.assert_array_equal(state.qpos, qpos)
    np.testing.assert_array_equal(state.qvel, qvel)


def test_native_gives_the_same_bits_whatever_was_computed_between(
    robot: Robot, native: Physics, step: Callable
) -> None:
    state, ctrl = native.init(*starts(robot, 4)), controls(robot, 1, 4)[0]
    first = step(state, ctrl)
    other = native.init(*starts(robot, 4, seed=7))
    for target in controls(robot, 5, 4, scale=1.0):
        other = step(other, target)
    native.init(*starts(robot, 4, seed=9))
    same_bits(first, step(state, ctrl))


def test_native_keeps_nothing_to_itself(robot: Robot, native: Physics, step: Callable) -> None:
    """Ten steps are five steps, and five more by an engine that was made anew: all that matters is in the state."""
    state, targets = native.init(*starts(robot, 2)), controls(robot, 10, 2)
    for target in targets[:5]:
        state = step(state, target)
    anew = jax.jit(make_physics("native", robot, control_dt=CONTROL_DT).step)
    carried = PhysicsState(*(jnp.asarray(np.asarray(x)) for x in jax.tree.leaves(state)))
    for target in targets[5:]:
        state, carried = step(state, target), anew(carried, target)
    same_bits(state, carried)


def test_native_rows_do_not_know_of_each_other(robot: Robot, native: Physics, step: Callable) -> None:
    (qpos, qvel), ctrl = starts(robot, 4), controls(robot, 1, 4)[0]
    together, order = step(native.init(qpos, qvel), ctrl), np.array([2, 0, 3, 1])
    shuffled = step(native.init(qpos[order], qvel[order]), ctrl[order])
    same_bits(jax.tree.map(lambda x: x[order], together), shuffled)
    alone = step(native.init(qpos[1:2], qvel[1:2]), ctrl[1:2])
    same_bits(jax.tree.map(lambda x: x[1:2], together), alone)


def test_native_mapped_over_a_population_steps_it_at_once_and_gives_the_same_bits(
    robot: Robot, native: Physics, step: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    (qpos, qvel), ctrl = starts(robot, 6), controls(robot, 1, 6)[0]
    sizes, batch = [], native._batch
    monkeypatch.setattr(native, "_batch", lambda size: sizes.append(size) or batch(size))

    @jax.vmap
    def go(qpos: jax.Array, qvel: jax.Array, ctrl: jax.Array) -> tuple[PhysicsState, PhysicsState]:
        start = native.init(qpos, qvel)
        return start, native.step(start, ctrl)

    start, after = jax.device_get(jax.jit(go)(*(x.reshape(3, 2, -1) for x in (qpos, qvel, ctrl))))
    assert sizes == [6, 6]
    for i in range(3):
        alone = native.init(qpos[2 * i : 2 * i + 2], qvel[2 * i : 2 * i + 2])
        same_bits(jax.tree.map(lambda x, i=i: x[i], start), alone)
        same_bits(jax.tree.map(lambda x, i=i: x[i], after), step(alone, ctrl[2 * i : 2 * i + 2]))


def test_native_mapped_over_targets_alone_gives_every_member_the_same_start(
    robot: Robot, native: Physics, step: Callable
) -> None:
    state, targets = native.init(*starts(robot, 2)), controls(robot, 6, 2).reshape(2, 3, 2, -1)
    mapped = jax.vmap(jax.vmap(native.step, in_axes=(None, 0)), in_axes=(None, 0))(state, targets)
    for i in range(2):
        for j in range(3):
            same_bits(jax.tree.map(lambda x, i=i, j=j: x[i, j], mapped), step(state, targets[i, j]))


def test_native_may_be_called_from_several_threads(robot: Robot, native: Physics, step: Callable) -> None:
    """A viewer or an evaluation beside training must not write into its robots."""
    inputs = [(native.init(*starts(robot, 64, seed)), controls(robot, 1, 64, seed=seed)[0]) for seed in range(2)]
    alone = [jax.device_get(step(*one)) for one in inputs]
    wrong = []

    def repeat(i: int) -> None:
        for _ in range(50):
            wrong.append(not np.array_equal(step(*inputs[i]).qpos, alone[i].qpos))

    threads = [threading.Thread(target=repeat, args=(i,)) for i in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not any(wrong), f"{sum(wrong)} of {len(wrong)} steps came out wrong"


def test_servos_pull_towards_their_targets_within_the_force_range(
    robot: Robot, native: Physics, step: Callable
) -> None:
    qpos, qvel = starts(robot, 2)
    middle, reach = robot.joint_range.mean(axis=1), 0.3
    qpos[:, 2], qvel[:] = 1.0, 0.0
    qpos[:, 7:] = middle
    state = step(native.init(qpos, qvel), np.stack([middle + reach, middle - reach]).astype(np.float32))
    assert (state.qpos[0, 7:] > state.qpos[1, 7:]).all()
    assert (state.torque[0] > 0.0).all()
    assert (state.torque[1] < 0.0).all()
    assert np.abs(state.torque).max() <= 4.0 + 1e-6


@pytest.mark.skipif(WARP, reason="warp-lang is installed")
def test_warp_that_is_not_installed_is_one_sentence(robot: Robot) -> None:
    with pytest.raises(InputError, match=r"env.physics is 'mjx-warp', which needs .* warp-lang: .* env.physics=mjx$"):
        make_physics("mjx-warp", robot, control_dt=CONTROL_DT)


@pytest.mark.parametrize("control_dt", [0.021, 0.0075, 0.001])
@pytest.mark.parametrize("engine", ["native", "mjx"])
def test_control_step_must_be_a_multiple_of_the_time_step(robot: Robot, engine: str, control_dt: float) -> None:
    with pytest.raises(InputError, match=rf"env.control_dt is {control_dt}.*'wildrobot', 0.005 s"):
        make_physics(engine, robot, control_dt=control_dt)


def test_control_step_sets_the_simulated_time(robot: Robot) -> None:
    """A robot in free fall loses g t^2 / 2 in one control step (to the engine's discretisation)."""
    qpos, qvel = starts(robot, 1)
    qpos[:, 2], qvel[:] = 1.0, 0.0
    for control_dt in (0.02, 0.04):
        physics = make_physics("native", robot, control_dt=control_dt)
        state = physics.step(physics.init(qpos, qvel), qpos[:, 7:])
        assert float(state.qvel[0, 2]) == pytest.approx(-9.81 * control_dt, rel=0.05)


@pytest.mark.slow
@pytest.mark.parametrize(
    "engine", ["mjx", pytest.param("mjx-warp", marks=pytest.mark.skipif(not WARP, reason="warp-lang is not installed"))]
)
def test_mjx_follows_native_over_200_control_steps(robot: Robot, native: Physics, engine: str) -> None:
    """4 s of standing under small random targets, from a few mm above the ground.

    MJX computes in float32 and native in float64. Rounding of 6e-8 a substep, over 800 substeps and contacts that
    amplify it, measures 8e-5 in qpos; the bounds leave a factor of ten, far below any difference in the model
    (box feet alone: 2e-2).
    """
    qpos, _ = starts(robot, 4)
    qpos[:, 7:] = robot.home
    targets = controls(robot, 200, 4, scale=0.05)
    ours, theirs = (
        roll(physics, qpos, np.zeros((4, robot.model.nv), np.float32), targets)
        for physics in (native, make_physics(engine, robot, control_dt=CONTROL_DT))
    )
    assert ours.qpos[:, :, 2].min() > 0.4  # nobody fell
    for name, tolerance in (("qpos", 1e-3), ("pad_height", 1e-3), ("qvel", 3e-2), ("torque", 3e-2)):
        np.testing.assert_allclose(getattr(theirs, name), getattr(ours, name), atol=tolerance, err_msg=name)
