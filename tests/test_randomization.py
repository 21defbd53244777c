"""Domain randomization: parameters reach the physics, delays and pushes are what they say, by default all is off."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jnp
import mujoco
import numpy as np
import pytest
import training_runs
from test_trainer import assert_same_training

from playground_amp.config import EnvConfig, RandomizeConfig, load_config
from playground_amp.core.errors import InputError
from playground_amp.core.terms import labels_of
from playground_amp.core.types import Dynamics, PhysicsState
from playground_amp.envs.env import Env, EnvState
from playground_amp.envs.physics import Physics, make_physics
from playground_amp.envs.physics.dynamics import heaviest_body, model_fields
from playground_amp.envs.randomization import OF_DYNAMICS, Randomization, downward
from playground_amp.robots import Robot

CONTROL_DT, GRAVITY = 0.02, 9.81
ROBOTS, LENGTH, STEPS = 5, 4, 9
LATE, SLUGGISH, HISTORY = 1, 2, 3  # control steps: of the sensors, of the servos; observations seen at once
SENSED = 6 + 2 * 9  # numbers that the sensors of the default robot give
ALL = {
    "friction": (0.5, 1.5),
    "mass": (0.8, 1.2),
    "center_of_mass": 0.02,
    "stiffness": (0.7, 1.3),
    "damping": (0.6, 1.4),
    "armature": (0.5, 2.0),
    "torque_limit": (0.6, 0.9),
    "slope": 0.1,
    "push": (0.2, 0.4),
    "push_interval": 2,
    "action_delay": (0, 2),
    "observation_delay": (0, 2),
    "gravity_noise": 0.02,
    "gravity_bias": 0.02,
    "gyro_noise": 0.1,
    "gyro_bias": 0.1,
    "encoder_noise": 0.01,
    "encoder_bias": 0.01,
    "joint_velocity_noise": 0.2,
    "joint_velocity_bias": 0.1,
}


class Puppet:
    """Physics that does what it is told: joints are at their targets at once, and the root goes on as it went."""

    def init(self, qpos: jax.Array, qvel: jax.Array) -> PhysicsState:
        zeros = jnp.zeros((len(qpos), 4))
        return PhysicsState(qpos, qvel, jnp.zeros_like(qvel), zeros, jnp.zeros_like(qpos[:, 7:]))

    def step(self, state: PhysicsState, ctrl: jax.Array) -> PhysicsState:
        velocity = (ctrl - state.qpos[:, 7:]) / CONTROL_DT
        qpos, qvel = state.qpos.at[:, 7:].set(ctrl), state.qvel.at[:, 6:].set(velocity)
        return state.replace(qpos=qpos, qvel=qvel, torque=ctrl)


class Play(NamedTuple):
    """Episodes of LENGTH control steps of ROBOTS robots: before each of STEPS steps."""

    env: Env
    state: EnvState  # [T, B, ...]
    seen: np.ndarray  # [T, B, O] by the actor
    known: np.ndarray  # [T, B, C] by the critic
    action: np.ndarray  # [T, B, A]

    def of_sensors(self, values: np.ndarray) -> np.ndarray:
        """Those of the numbers of the last frame of an observation that sensors give."""
        frame = len(labels_of(self.env.actor_terms))
        return values[..., -frame:][..., :SENSED] if values is self.seen else values[..., :SENSED]


def play(make_env: Callable[..., Env], history: int = 1, **ranges: object) -> Play:
    """Robots that stand, and never fall."""
    still = {"reference_start_share": 0.0, "max_tilt": 3.0, "min_height": 0.0, "command": {"resample": 100}}
    randomize = RandomizeConfig(**ranges)
    env = make_env(physics=Puppet(), episode_length=LENGTH, history=history, randomize=randomize, **still)
    actions = np.random.default_rng(1).normal(0.0, 0.1, (STEPS, ROBOTS, 9)).astype(np.float32)

    @jax.jit
    def run(key: jax.Array) -> tuple[EnvState, tuple[jax.Array, jax.Array]]:
        def step(state: EnvState, action: jax.Array) -> tuple[EnvState, tuple]:
            return env.step(state, action)[0], (state.replace(key=None), env.observe(state))

        return jax.lax.scan(step, env.reset(key, ROBOTS), actions)[1]

    state, (seen, known) = jax.device_get(run(jax.random.key(0)))
    return Play(env, state, seen, known, actions)


@pytest.fixture(scope="module")
def plain(make_env: Callable[..., Env]) -> Play:
    return play(make_env)


@pytest.fixture(scope="module")
def robust(make_env: Callable[..., Env]) -> Play:
    fixed = {"push": (0.3, 0.3), "action_delay": (SLUGGISH, SLUGGISH), "observation_delay": (LATE, LATE)}
    return play(make_env, HISTORY, **ALL | fixed)


def nominal(robot: Robot, count: int, **rows: list) -> Dynamics:
    """Dynamics of the model for `count` robots, with other values where `rows` has them."""
    ones = {name: np.ones((count, 1)) for name in ("friction", "mass", "torque_limit")}
    ones |= {name: np.ones((count, robot.num_joints)) for name in ("stiffness", "damping", "armature")}
    ones |= {"center_of_mass": np.zeros((count, 3)), "gravity": np.tile([0.0, 0.0, -1.0], (count, 1))}
    values = {name: np.array(rows.get(name, value)) * np.ones_like(value) for name, value in ones.items()}
    return Dynamics(**{name: jnp.asarray(value, jnp.float32) for name, value in values.items()})


def one_of(count: int, row: int, value: object, usual: object = 1.0) -> list:
    """A value for one robot, the usual one for the others; [count, 1]."""
    return [[value] if i == row else [usual] for i in range(count)]


# --- the physics


@pytest.fixture(scope="module")
def flights(robot: Robot, native: Physics) -> dict[str, PhysicsState]:
    """One control step in the air, from rest, one knee 0.1 rad from its target: of the model, and of others."""
    names = ["model", "mass", "stiffness", "damping", "armature", "torque_limit", "center_of_mass", "gravity"]
    count = len(names)
    rows = {name: one_of(count, row, 2.0) for row, name in enumerate(names) if name in ("mass", "stiffness", "damping")}
    rows["armature"], rows["torque_limit"] = one_of(count, 4, 3.0), one_of(count, 5, 0.1)
    rows["center_of_mass"] = [[0.0, 0.05, 0.0] if name == "center_of_mass" else [0.0] * 3 for name in names]
    rows["gravity"] = [[0.1, 0.2, -0.97] if name == "gravity" else [0.0, 0.0, -1.0] for name in names]
    qpos = np.tile(robot.home_qpos, (count, 1)).astype(np.float32)
    qpos[:, 2] += 1.0
    target = qpos[:, 7:] + 0.1 * (np.arange(9) == 3)
    state = native.init(jnp.asarray(qpos), jnp.zeros((count, robot.model.nv), jnp.float32))
    state = state.replace(dynamics=nominal(robot, count, **rows))
    after = jax.device_get(jax.jit(native.step)(state, target))
    return {name: jax.tree.map(lambda x, row=row: x[row], after) for row, name in enumerate(names)}


def test_a_heavier_robot_falls_as_fast_and_its_joints_start_slower(flights: dict[str, PhysicsState]) -> None:
    model, heavy = flights["model"], flights["mass"]
    knee = 6 + 3
    for flight in (model, heavy):  # the knee that moves pushes the root a little
        assert flight.qvel[2] == pytest.approx(-GRAVITY * CONTROL_DT, rel=0.1)
    assert 0.0 < heavy.qvel[knee] < 0.95 * model.qvel[knee]


def test_servos_are_stiffer_weaker_slower_and_more_damped_as_drawn(flights: dict[str, PhysicsState]) -> None:
    knee, servo = 6 + 3, 3
    model = flights["model"]
    assert flights["stiffness"].qvel[knee] > 1.3 * model.qvel[knee]
    assert flights["damping"].qvel[knee] < 0.9 * model.qvel[knee]
    assert flights["armature"].qvel[knee] < 0.7 * model.qvel[knee]
    assert model.torque[servo] > 0.4 and flights["torque_limit"].torque[servo] == pytest.approx(0.4)


def test_gravity_is_that_of_the_slope_and_a_shifted_mass_turns_the_robot(flights: dict[str, PhysicsState]) -> None:
    change = flights["gravity"].qvel[:3] - flights["model"].qvel[:3]
    np.testing.assert_allclose(change, CONTROL_DT * GRAVITY * np.array([0.1, 0.2, 0.03]), atol=2e-3)
    assert np.abs(flights["center_of_mass"].qvel - flights["model"].qvel).max() > 1e-3


def test_feet_slide_further_on_a_slippery_ground(robot: Robot, native: Physics) -> None:
    qpos = np.tile(robot.home_qpos, (2, 1)).astype(np.float32)
    qvel = np.zeros((2, robot.model.nv), np.float32)
    qvel[:, 0] = 0.5
    state = native.init(jnp.asarray(qpos), jnp.asarray(qvel))
    state = state.replace(dynamics=nominal(robot, 2, friction=[[1.0], [0.05]]))
    step = jax.jit(native.step)
    for _ in range(5):
        state = step(state, qpos[:, 7:])
    assert float(state.qpos[1, 0]) > float(state.qpos[0, 0]) + 0.005


def test_dynamics_of_the_model_are_those_of_no_dynamics_bit_for_bit(robot: Robot, native: Physics) -> None:
    qpos = np.tile(robot.home_qpos, (3, 1)).astype(np.float32)
    plain = native.init(jnp.asarray(qpos), 0.1 * jnp.ones((3, robot.model.nv), jnp.float32))
    step, target = jax.jit(native.step), qpos[:, 7:] + np.float32(0.1)
    drawn = plain.replace(dynamics=nominal(robot, 3))
    for _ in range(3):
        plain, drawn = step(plain, target), step(drawn, target)
    for one, other in zip(jax.tree.leaves(plain), jax.tree.leaves(drawn.replace(dynamics=None)), strict=True):
        np.testing.assert_array_equal(one, other)


def test_fields_of_a_heavier_model_are_those_that_mujoco_derives(robot: Robot) -> None:
    dynamics = jax.tree.map(lambda x: np.asarray(x[0], np.float64), nominal(robot, 1, mass=[[1.25]], armature=1.25))
    fields = model_fields(robot.model, dynamics)
    other = robot.spec().compile()
    other.body_mass *= 1.25
    other.body_inertia *= 1.25
    other.dof_armature *= 1.25
    mujoco.mj_setConst(other, mujoco.MjData(other))
    for name in ("body_mass", "body_inertia", "body_subtreemass", "body_invweight0", "dof_invweight0", "dof_armature"):
        np.testing.assert_allclose(fields[name], getattr(other, name), rtol=1e-6, err_msg=name)


def test_the_mass_that_shifts_is_that_of_the_heaviest_body_alone(robot: Robot) -> None:
    shift = np.array([0.01, -0.02, 0.03])
    dynamics = nominal(robot, 2, center_of_mass=[shift, -shift])
    fields = model_fields(robot.model, jax.tree.map(np.asarray, dynamics))
    moved = fields["body_ipos"] - robot.model.body_ipos
    assert robot.model.body(heaviest_body(robot.model)).name == "chassis"
    np.testing.assert_allclose(moved[:, heaviest_body(robot.model)], [shift, -shift], atol=1e-7)
    assert np.count_nonzero(moved.any(axis=-1)) == 2


@pytest.mark.slow
def test_mjx_follows_native_with_other_dynamics(robot: Robot, native: Physics) -> None:
    keys = {name: ALL[name] for name in OF_DYNAMICS}
    dynamics = Randomization(RandomizeConfig(**keys), robot).dynamics(jax.random.key(0), 3)
    states = []
    for physics in (native, make_physics("mjx", robot, control_dt=CONTROL_DT)):
        qpos = jnp.tile(jnp.asarray(robot.home_qpos, jnp.float32), (3, 1))
        state = physics.init(qpos, jnp.zeros((3, robot.model.nv))).replace(dynamics=dynamics)
        step = jax.jit(physics.step)
        for _ in range(20):
            state = step(state, qpos[:, 7:] + 0.1)
        states.append(jax.device_get(state))
    np.testing.assert_allclose(states[1].qpos, states[0].qpos, atol=5e-3)
    plain = native.init(qpos, jnp.zeros((3, robot.model.nv)))
    for _ in range(20):
        plain = jax.jit(native.step)(plain, qpos[:, 7:] + 0.1)
    assert np.abs(np.asarray(plain.qpos) - states[0].qpos).max() > 2e-2  # else the two would agree on anything


# --- what is drawn, and when


def test_draws_lie_in_their_ranges_and_fill_them(robot: Robot) -> None:
    drawn = Randomization(RandomizeConfig(**ALL), robot).dynamics(jax.random.key(0), 500)
    for name in ("friction", "mass", "stiffness", "damping", "armature", "torque_limit"):
        low, high = ALL[name]
        values = np.asarray(getattr(drawn, name))
        assert low <= values.min() < low + 0.05 * (high - low), name
        assert high - 0.05 * (high - low) < values.max() <= high, name
    assert 0.019 < np.abs(drawn.center_of_mass).max() <= 0.02
    gravity = np.asarray(drawn.gravity)
    np.testing.assert_allclose(np.linalg.norm(gravity, axis=-1), 1.0, rtol=1e-5)
    tilt = np.arccos(-gravity[:, 2])
    assert tilt.max() <= 0.1 + 1e-3 and tilt.max() > 0.09 and np.abs(gravity[:, :2].mean(axis=0)).max() < 0.01


def test_a_ground_that_falls_to_the_left_pulls_to_the_left() -> None:
    pull = downward(jnp.array([0.1]), jnp.array([np.pi / 2]))
    np.testing.assert_allclose(pull, [0.0, np.sin(0.1), -np.cos(0.1)], atol=1e-6)


def test_every_episode_has_draws_of_its_own_and_keeps_them(robust: Play) -> None:
    for values in (robust.state.physics.dynamics.mass, robust.state.sensors.bias):
        first, second = values[:LENGTH], values[LENGTH : 2 * LENGTH]
        assert (first == first[0]).all() and (second == second[0]).all()
        assert (first[0] != second[0]).all() and len(np.unique(first[0])) >= ROBOTS


def test_nothing_is_randomized_unasked_and_what_is_changes_no_other_draw(plain: Play, robust: Play) -> None:
    state = plain.state
    assert state.physics.dynamics is state.sensors is state.servos is state.seen is None
    for name in ("command", "steps", "label"):
        np.testing.assert_array_equal(getattr(state, name), getattr(robust.state, name), err_msg=name)
    starts = np.arange(STEPS) % LENGTH == 0
    np.testing.assert_array_equal(state.physics.qpos[starts], robust.state.physics.qpos[starts])


def test_the_nominal_environment_has_nothing_randomized_and_the_same_history(plain: Play, robust: Play) -> None:
    state = jax.eval_shape(lambda: robust.env.nominal.reset(jax.random.key(0), 2))
    assert state.physics.dynamics is state.sensors is state.servos is None
    assert state.seen.shape == (2, HISTORY - 1, len(labels_of(plain.env.actor_terms)))
    assert plain.env.nominal is plain.env


# --- pushes and delays


def test_a_push_changes_the_velocity_of_the_root_by_what_it_says_when_it_is_due(robot: Robot) -> None:
    randomization = Randomization(RandomizeConfig(push=(0.2, 0.4), push_interval=3), robot)
    before = Puppet().init(jnp.zeros((300, 16)), jnp.ones((300, 15)))
    change = np.asarray(randomization.push(jax.random.key(0), before, jnp.arange(300)).qvel - before.qvel)
    due = (np.arange(300) % 3 == 0) & (np.arange(300) > 0)
    sizes = np.linalg.norm(change[:, :2], axis=-1)
    assert not change[~due].any() and not change[:, 2:].any()
    assert sizes[due].min() > 0.2 - 1e-5 and sizes[due].max() < 0.4 + 1e-5 and np.ptp(sizes[due]) > 0.1
    assert np.abs(change[due, :2].mean(axis=0)).max() < 0.1


def test_pushes_reach_the_physics_between_the_steps_of_an_episode(robust: Play) -> None:
    changes = np.linalg.norm(np.diff(robust.state.physics.qvel[:LENGTH, :, :2], axis=0), axis=-1)
    np.testing.assert_allclose(changes, np.array([[0.0], [0.0], [0.3]]) * np.ones(ROBOTS), atol=1e-6)


def test_an_action_arrives_as_many_steps_late_as_it_says(robust: Play) -> None:
    env = robust.env
    targets = np.clip(np.asarray(env.reference.mean_pose) + env.action_scale * robust.action, *env.robot.joint_range.T)
    waiting = np.repeat(robust.state.physics.qpos[:1, :, 7:], SLUGGISH, axis=0)
    expected = np.concatenate([waiting, targets])[: LENGTH - 1]
    np.testing.assert_allclose(robust.state.physics.torque[1:LENGTH], expected, atol=1e-6)


def test_each_robot_has_the_delay_that_it_was_given(robot: Robot) -> None:
    randomization = Randomization(RandomizeConfig(action_delay=(1, 3), observation_delay=(1, 3)), robot)
    servos = randomization.start_servos(jax.random.key(0), jnp.full((90, 9), -1.0))
    sensors = randomization.start_sensors(jax.random.key(1), jnp.full((90, SENSED), -1.0))
    assert {*np.unique(servos.delay)} == {*np.unique(sensors.delay)} == {1, 2, 3}
    for step in range(6):
        arrived, servos = randomization.send(servos, jnp.full((90, 9), float(step)))
        sensors = randomization.measure(jax.random.key(2), sensors, jnp.full((90, SENSED), float(step)))
        for found, delay in ((arrived, servos.delay), (sensors.told, sensors.delay)):
            np.testing.assert_array_equal(found, np.maximum(step - delay, -1) * np.ones(found.shape))


def test_the_actor_sees_sensors_late_and_all_else_at_once_and_the_critic_sees_the_truth(
    plain: Play, robust: Play
) -> None:
    told, newest = robust.of_sensors(robust.seen), robust.state.sensors.readings[:, :, -1]
    late = np.maximum(np.arange(LENGTH) - LATE, 0)
    np.testing.assert_array_equal(told[:LENGTH], newest[late])
    frame = len(labels_of(robust.env.actor_terms))
    np.testing.assert_array_equal(robust.seen[..., -frame:][..., SENSED:], robust.known[..., SENSED:frame])
    state, truth = robust.state.physics, robust.of_sensors(robust.known)
    np.testing.assert_array_equal(truth[..., 15:24], state.qvel[..., 6:])
    error = newest - truth - robust.state.sensors.bias
    expected = np.repeat([ALL["gyro_noise"], ALL["encoder_noise"], ALL["joint_velocity_noise"]], (3, 9, 9))
    np.testing.assert_allclose((error[..., 3:] / expected).std(), 1.0, atol=0.1)
    np.testing.assert_array_equal(plain.seen, plain.known[..., :frame])


# --- noise, bias and history


def test_noise_and_bias_are_as_large_as_they_say_on_every_sensor(robot: Robot) -> None:
    sizes = dict(zip(("gravity", "gyro", "encoder", "joint_velocity"), (0.01, 0.2, 0.03, 0.4), strict=True))
    ranges = {f"{name}_noise": size for name, size in sizes.items()}
    ranges |= {f"{name}_bias": 0.5 * size for name, size in sizes.items()}
    randomization = Randomization(RandomizeConfig(**ranges), robot)
    truth = np.zeros((4000, SENSED), np.float32)
    truth[:, 2] = -1.0
    sensors = jax.device_get(randomization.start_sensors(jax.random.key(0), truth))
    later = np.asarray(randomization.measure(jax.random.key(1), sensors, truth).readings[:, -1])
    noise = (later - truth - sensors.bias)[:, 3:]
    expected = np.repeat(list(sizes.values()), (3, 3, 9, 9))
    np.testing.assert_allclose(noise.std(axis=0), expected[3:], rtol=0.06)
    np.testing.assert_allclose(np.abs(sensors.bias).max(axis=0), 0.5 * expected, rtol=0.02)
    before = (sensors.readings[:, -1] - truth - sensors.bias)[:, 3:]
    assert abs(np.corrcoef(before[:, 0], noise[:, 0])[0, 1]) < 0.1  # drawn anew at every step
    np.testing.assert_allclose(np.linalg.norm(later[:, :3], axis=-1), 1.0, atol=1e-6)
    assert (later - sensors.bias)[:, 0].std() == pytest.approx(0.01, rel=0.1)


def test_the_actor_sees_the_last_observations_and_the_first_again_before_there_were_more(robust: Play) -> None:
    frame = len(labels_of(robust.env.actor_terms))
    single = robust.seen[..., -frame:]
    for t in range(STEPS):
        start = LENGTH * (t // LENGTH)
        frames = [single[max(start, t - back)] for back in range(HISTORY - 1, -1, -1)]
        np.testing.assert_array_equal(robust.seen[t], np.concatenate(frames, axis=-1))


def test_a_history_is_reflected_frame_by_frame(plain: Play, robust: Play) -> None:
    frames = robust.seen[0].reshape(ROBOTS, HISTORY, -1)
    expected = plain.env.mirror(frames).reshape(ROBOTS, -1)
    np.testing.assert_array_equal(robust.env.mirror(robust.seen[0]), expected)


def test_the_critic_knows_what_was_drawn_and_its_reflection(robust: Play) -> None:
    env, state, labels = robust.env, robust.state, labels_of(robust.env.critic_terms)
    known = robust.known[0]
    assert known.shape[-1] == len(labels)
    values = dict(zip(labels, known.T, strict=True))
    np.testing.assert_array_equal(values["mass"], state.physics.dynamics.mass[0, :, 0])
    np.testing.assert_array_equal(values["left_knee_pitch stiffness"], state.physics.dynamics.stiffness[0, :, 3])
    np.testing.assert_array_equal(values["action delay"], state.servos.delay[0, :, 0])
    np.testing.assert_array_equal(values["gyro bias z"], state.sensors.bias[0, :, 5])
    reflected = dict(zip(labels, np.asarray(env.mirror_privileged(known)).T, strict=True))
    for name, other, sign in (
        ("left_knee_pitch stiffness", "right_knee_pitch stiffness", 1.0),
        ("left_hip_pitch encoder bias", "right_hip_pitch encoder bias", -1.0),
        ("center of mass y", "center of mass y", -1.0),
        ("gravity bias y", "gravity bias y", -1.0),
        ("gyro bias y", "gyro bias y", 1.0),
        ("slope x", "slope x", 1.0),
        ("slope y", "slope y", -1.0),
    ):
        np.testing.assert_array_equal(reflected[name], sign * values[other], err_msg=name)
    np.testing.assert_array_equal(env.mirror_privileged(env.mirror_privileged(known)), known)


def test_the_imu_feels_the_slope(robust: Play) -> None:
    """The robots stand upright, so that the root's frame is the ground's."""
    gravity = robust.known[0, :, :3]
    np.testing.assert_allclose(gravity, robust.state.physics.dynamics.gravity[0], atol=1e-5)
    values = dict(zip(labels_of(robust.env.critic_terms), robust.known[0].T, strict=True))
    np.testing.assert_allclose(np.stack([values["slope x"], values["slope y"]], axis=-1), gravity[:, :2], atol=1e-5)
    assert np.abs(gravity[:, :2]).max() > 0.01


# --- the settings


@pytest.mark.parametrize(
    ("override", "sentence"),
    [
        (
            "mass=[1.2, 0.8]",
            "env.randomize.mass is [1.2, 0.8]; expected [lowest, highest] in this order, each a number above 0",
        ),
        (
            "friction=[0, 1]",
            "env.randomize.friction is [0, 1]; expected [lowest, highest] in this order, each a number above 0",
        ),
        ("slope=1", "env.randomize.slope is 1; expected a number at least 0 and at most 0.5"),
        ("gyro_noise=-1", "env.randomize.gyro_noise is -1; expected a number at least 0"),
        (
            "action_delay=[0, 0.5]",
            "env.randomize.action_delay is [0, 0.5]; expected [lowest, highest] in this order, each a whole number at "
            "least 0 and at most 10",
        ),
        ("masss=[1, 2]", "there is no key 'env.randomize.masss'; did you mean 'mass'?"),
    ],
)
def test_a_wrong_range_is_one_sentence(override: str, sentence: str) -> None:
    with pytest.raises(InputError) as caught:
        load_config("ppo_amass_training", [f"env.randomize.{override}"])
    assert str(caught.value) == f"--set env.randomize.{override}: {sentence}"


def test_pushes_that_never_come_are_refused() -> None:
    with pytest.raises(InputError, match=r"push_interval is 500, so that no push .* less than env.episode_length"):
        load_config("ppo_amass_training", ["env.randomize.push=[0, 1]", "env.randomize.push_interval=500"])


def test_by_default_nothing_is_randomized() -> None:
    config = load_config("ppo_amass_training").env
    assert config.randomize == RandomizeConfig() and config.history == EnvConfig().history == 1


@pytest.mark.parametrize("name", ["ppo_amass_robust", "ppo_amass_humanoid_robust"])
def test_the_robust_configurations_randomize_everything(name: str) -> None:
    config, off = load_config(name).env, RandomizeConfig()
    same = {key for key, value in vars(config.randomize).items() if value == getattr(off, key)}
    assert same <= {"push_interval"} and config.history > 1


def test_every_range_is_on_its_page() -> None:
    page = (Path(__file__).parents[1] / "docs" / "robust.md").read_text()
    assert [key for key in vars(RandomizeConfig()) if f"`{key}`" not in page] == []


# --- training


ROBUST = [f"env.randomize.{key}={list(value) if isinstance(value, tuple) else value}" for key, value in ALL.items()]


@pytest.mark.slow
def test_a_robust_training_interrupted_and_resumed_equals_an_uninterrupted_one_bit_for_bit(tmp_path: Path) -> None:
    settings = ("env.history=3", *ROBUST)
    whole = training_runs.train(tmp_path / "whole", *settings)
    training_runs.train(tmp_path / "part", *settings, "ppo.iterations=2")
    training_runs.resume(tmp_path / "part", ["ppo.iterations=4"])
    assert_same_training(whole, tmp_path / "part")
    with pytest.raises(InputError, match=r"an actor that sees 3 observations at once, env.history is now 2"):
        training_runs.resume(tmp_path / "part", ["ppo.iterations=6", "env.history=2"])
    with pytest.raises(InputError, match=r"made for other observations: they are without mass; .*env.randomize"):
        training_runs.resume(tmp_path / "part", ["ppo.iterations=6", "env.randomize.mass=[1,1]"])
