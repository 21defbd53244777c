"""The environment: true outcomes before the auto-reset, windows that never mix episodes, ends, starts and commands."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from types import SimpleNamespace
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from playground_amp.config import CommandConfig, EnvConfig
from playground_amp.core.commands import MIRROR
from playground_amp.core.rotations import from_yaw, multiply, rotate
from playground_amp.core.types import Frame, Outcome, PhysicsState
from playground_amp.envs.env import Env, EnvState, frame_of
from playground_amp.envs.task import has_fallen, stand_still, track_command, track_mean
from playground_amp.motion.reference_builder import Reference
from playground_amp.robots import Robot

ROBOTS, STEPS = 6, 17
LENGTH, INTERVAL, WINDOW = 5, 2, 3
Values = tuple | np.ndarray | jax.Array
MIRRORED = np.array(MIRROR)  # signs of a reflected command
FALLING = 1  # the robot that is laid on its side before the first step


class Step(NamedTuple):
    """One control step: state, action, what came of it, state to go on from. On the host."""

    before: EnvState
    action: np.ndarray
    outcome: Outcome
    after: EnvState


def lay_down(state: EnvState, robot: int) -> EnvState:
    """The state with one robot on its side."""
    side = np.array([np.cos(0.7), np.sin(0.7), 0.0, 0.0])
    qpos = np.array(state.physics.qpos)
    qpos[robot, 3:7] = side
    return state.replace(physics=state.physics.replace(qpos=jnp.asarray(qpos)))


@pytest.fixture(scope="module")
def env(make_env: Callable[..., Env]) -> Env:
    """Short episodes, frequent commands, half of the starts at home."""
    return make_env(
        window=WINDOW,
        episode_length=LENGTH,
        command={"resample": INTERVAL},
        reference_start_share=0.5,
        start_noise=0.03,
    )


@pytest.fixture(scope="module")
def reset(env: Env) -> Callable[[jax.Array], EnvState]:
    return jax.jit(lambda key: env.reset(key, ROBOTS))


@pytest.fixture(scope="module")
def step(env: Env) -> Callable[[EnvState, jax.Array], tuple[EnvState, Outcome]]:
    return jax.jit(env.step)


@pytest.fixture(scope="module")
def steps(reset: Callable, step: Callable) -> list[Step]:
    """A rollout under small random actions, one robot of which falls at once."""
    state, rng, result = lay_down(reset(jax.random.key(0)), FALLING), np.random.default_rng(0), []
    for _ in range(STEPS):
        action = rng.normal(0.0, 0.1, (ROBOTS, 9)).astype(np.float32)
        after, outcome = step(state, action)
        result.append(Step(host(state), action, host(outcome), host(after)))
        state = after
    return result


def host(tree: EnvState | Outcome) -> EnvState | Outcome:
    """On the host, keys as their data."""
    raw = jax.tree.map(lambda x: jax.random.key_data(x) if jnp.issubdtype(x.dtype, jax.dtypes.prng_key) else x, tree)
    return jax.device_get(raw)


def ended(outcome: Outcome) -> np.ndarray:
    return outcome.terminated | outcome.truncated


@pytest.fixture(scope="module")
def truth(env: Env, steps: list[Step]) -> list[PhysicsState]:
    """Where the engine takes the robots from each state, with no environment around it."""
    advance = jax.jit(env.physics.step)
    result = []
    for one in steps:
        target = np.asarray(env.reference.mean_pose) + np.float32(env.config.action_scale) * one.action
        result.append(
            jax.device_get(advance(one.before.physics, np.clip(target, *env.robot.joint_range.T.astype(np.float32))))
        )
    return result


# --- the truth, taken before the reset


def test_some_episodes_end_in_the_rollout(steps: list[Step]) -> None:
    """The tests below would say nothing otherwise."""
    assert steps[0].outcome.terminated[FALLING]
    assert sum(int(one.outcome.truncated.sum()) for one in steps) >= 3 * (ROBOTS - 1)


def test_next_observation_is_the_true_one_also_where_the_episode_ended(
    env: Env, steps: list[Step], truth: list[PhysicsState]
) -> None:
    observe = jax.jit(env.observe)
    for one, physics in zip(steps, truth, strict=True):
        moved = one.before.replace(physics=physics, previous_action=one.action, key=jax.random.key(0))
        np.testing.assert_allclose(one.outcome.privileged, observe(moved)[1], atol=1e-5)


def test_robots_that_go_on_carry_the_true_state_and_the_others_a_new_one(
    steps: list[Step], truth: list[PhysicsState]
) -> None:
    for one, physics in zip(steps, truth, strict=True):
        done = ended(one.outcome)
        for carried, true in zip(jax.tree.leaves(one.after.physics), jax.tree.leaves(physics), strict=True):
            np.testing.assert_allclose(carried[~done], true[~done], rtol=1e-4, atol=1e-4)
        assert (np.abs(one.after.physics.qpos - physics.qpos).max(axis=1) > 1e-3)[done].all()


def test_newest_features_are_those_of_the_true_step(env: Env, steps: list[Step], truth: list[PhysicsState]) -> None:
    features = jax.jit(env.features)
    for one, physics in zip(steps, truth, strict=True):
        expected = features(frame_of(one.before.physics), frame_of(physics))
        np.testing.assert_allclose(one.outcome.amp_window[:, -1], expected, atol=2e-3)


def test_reported_speed_is_that_of_the_true_step(steps: list[Step], truth: list[PhysicsState]) -> None:
    for one, physics in zip(steps, truth, strict=True):
        moved = np.linalg.norm((physics.qpos - one.before.physics.qpos)[:, :2], axis=1) / 0.02
        np.testing.assert_allclose(np.linalg.norm(one.outcome.velocity[:, :2], axis=1), moved, rtol=1e-3, atol=1e-4)


# --- windows


def test_no_window_reaches_across_a_reset(steps: list[Step]) -> None:
    """Inside an episode a window is the last steps of this episode; before them, what the reset put there."""
    own = [list(steps[0].before.history[robot]) for robot in range(ROBOTS)]
    for one in steps:
        for robot in range(ROBOTS):
            newest = one.outcome.amp_window[robot, -1]
            own[robot].append(newest)
            np.testing.assert_array_equal(one.outcome.amp_window[robot], own[robot][-WINDOW:])
            if ended(one.outcome)[robot]:
                assert not (one.after.history[robot] == newest).all(axis=-1).any()
                own[robot] = list(one.after.history[robot])


def fresh(steps: list[Step]) -> tuple[np.ndarray, np.ndarray]:
    """History [M, K, F] and qpos [M, nq] of all robots right after a reset."""
    rows = [(one.after, np.flatnonzero(ended(one.outcome))) for one in steps]
    history = np.concatenate([after.history[done] for after, done in rows])
    return history, np.concatenate([after.physics.qpos[done] for after, done in rows])


def test_after_a_reset_the_history_is_that_of_the_start_state(env: Env, steps: list[Step]) -> None:
    """On a clip, the frames that led to the very frame the robot is placed on; at home, standing still."""
    windows, poses = np.asarray(env.reference.windows), np.asarray(env.reference.qpos)
    on_clip = 0
    for history, qpos in zip(*fresh(steps), strict=True):
        found = np.flatnonzero((windows == history).all(axis=(1, 2)))
        on_clip += len(found) > 0
        start = poses[found[0]] if len(found) else env.robot.home_qpos
        np.testing.assert_allclose(qpos[7:], start[7:], atol=env.config.start_noise + 1e-6)
        np.testing.assert_allclose(qpos[3:7], start[3:7], atol=1e-6)
        if not len(found):
            np.testing.assert_array_equal(history[:, 9:24], np.zeros((WINDOW, 15)))
            np.testing.assert_allclose(history[:, :9], np.tile(qpos[7:], (WINDOW, 1)), atol=1e-6)
    assert 0 < on_clip < len(fresh(steps)[0])


# --- ends


def test_time_limit_truncates_and_does_not_terminate(steps: list[Step]) -> None:
    for one in steps:
        late = one.outcome.episode_length >= LENGTH
        np.testing.assert_array_equal(one.outcome.truncated, late & ~one.outcome.terminated)
        assert not (one.outcome.truncated & one.outcome.terminated).any()
    np.testing.assert_array_equal(steps[LENGTH - 1].outcome.truncated, np.arange(ROBOTS) != FALLING)


def test_a_fall_terminates_and_nothing_else_does(steps: list[Step]) -> None:
    for number, one in enumerate(steps):
        np.testing.assert_array_equal(one.outcome.terminated, (np.arange(ROBOTS) == FALLING) & (number == 0))


def test_a_fall_at_the_time_limit_is_a_fall(reset: Callable, step: Callable) -> None:
    state = lay_down(reset(jax.random.key(3)), 0)
    _, outcome = step(state.replace(steps=jnp.full(ROBOTS, LENGTH - 1, jnp.int32)), np.zeros((ROBOTS, 9), np.float32))
    np.testing.assert_array_equal(outcome.terminated, np.arange(ROBOTS) == 0)
    np.testing.assert_array_equal(outcome.truncated, np.arange(ROBOTS) != 0)


@pytest.mark.parametrize(
    ("height", "tilt", "fallen"),
    [
        (0.45, 0.0, False),
        (0.34, 0.0, False),
        (0.32, 0.0, True),
        (0.45, 0.70, False),
        (0.45, 0.74, True),
        (0.45, 3.0, True),
    ],
)
@pytest.mark.parametrize("axis", [1, 2])
@pytest.mark.parametrize("yaw", [0.0, 2.0])
def test_low_or_leaning_robots_have_fallen(height: float, tilt: float, fallen: bool, axis: int, yaw: float) -> None:
    lean = np.zeros(4, np.float32)
    lean[0], lean[axis] = np.cos(tilt / 2), np.sin(tilt / 2)
    quat = multiply(from_yaw(jnp.float32(yaw)), lean)
    frame = Frame(jnp.array([9.0, 9.0, height]), quat, jnp.zeros(9), jnp.zeros(4))
    assert bool(has_fallen(frame, 0.33, 0.72)) == fallen


def test_one_robots_fall_changes_nothing_for_the_others(reset: Callable, step: Callable) -> None:
    state, action = reset(jax.random.key(5)), np.random.default_rng(5).normal(0.0, 0.1, (ROBOTS, 9)).astype(np.float32)
    others = np.arange(ROBOTS) != 2
    upright, fallen = (host(step(one, action)) for one in (state, lay_down(state, 2)))
    assert fallen[1].terminated[2] and not upright[1].terminated[2]
    for tree, again in zip(upright, fallen, strict=True):
        for x, y in zip(jax.tree.leaves(tree), jax.tree.leaves(again), strict=True):
            if len(x) == ROBOTS:
                np.testing.assert_array_equal(x[others], y[others])


# --- counting


def test_episode_length_and_return_count_from_the_reset(steps: list[Step]) -> None:
    length, total = np.zeros(ROBOTS, int), np.zeros(ROBOTS)
    for one in steps:
        length, total = length + 1, total + one.outcome.task_reward
        np.testing.assert_array_equal(one.outcome.episode_length, length)
        np.testing.assert_allclose(one.outcome.episode_return, total, rtol=1e-5)
        length[ended(one.outcome)] = total[ended(one.outcome)] = 0
        np.testing.assert_array_equal(one.after.steps, length)
        np.testing.assert_allclose(one.after.returns, total, rtol=1e-5)


def test_command_changes_at_its_interval_and_at_a_reset_only(steps: list[Step]) -> None:
    for one in steps:
        due = (one.outcome.episode_length % INTERVAL == 0) | ended(one.outcome)
        np.testing.assert_array_equal(one.after.command[:, 0] != one.before.command[:, 0], due)
        assert ((one.after.command[:, 0] >= 0.4) & (one.after.command[:, 0] <= 0.8)).all()
        np.testing.assert_array_equal(one.after.command[:, 1:], 0.0)  # neither to the side nor round, unless asked to
        np.testing.assert_array_equal(one.outcome.command, one.before.command)  # what the reward was measured by
        np.testing.assert_array_equal(one.outcome.privileged[:, 33:36], one.before.command)


def test_commands_differ_between_robots_and_fill_their_range(steps: list[Step]) -> None:
    drawn = np.unique([one.after.command[:, 0] for one in steps])
    assert len(drawn) > 3 * ROBOTS
    assert np.ptp(drawn) > 0.2


def test_action_costs_its_change_since_the_step_before(env: Env, steps: list[Step]) -> None:
    previous = np.zeros((ROBOTS, 9))
    for one in steps:
        expected = env.config.action_rate_cost * ((one.action - previous) ** 2).sum(axis=1)
        np.testing.assert_allclose(one.outcome.cost, expected, rtol=1e-5)
        previous = np.where(ended(one.outcome)[:, None], 0.0, one.action)


def test_random_keys_move_on(steps: list[Step]) -> None:
    keys = [one.before.key.tobytes() for one in steps]
    assert len(set(keys)) == STEPS


# --- starts


@pytest.fixture(scope="module")
def noisy_starts(make_env: Callable[..., Env]) -> tuple[Env, EnvState]:
    env = make_env(start_noise=0.15, reference_start_share=0.8)
    return env, jax.jit(lambda key: env.reset(key, 500))(jax.random.key(1))


def test_share_of_the_starts_lies_on_a_clip_and_the_others_stand(noisy_starts: tuple[Env, EnvState]) -> None:
    """At 0.8, 400 are expected of 500, with a standard deviation of 9."""
    env, state = noisy_starts
    joints, standing = np.asarray(state.physics.qpos[:, 7:]), (np.asarray(state.physics.qvel) == 0.0).all(axis=1)
    assert 365 <= 500 - standing.sum() <= 435
    np.testing.assert_allclose(joints[standing], np.tile(env.robot.home, (standing.sum(), 1)), atol=0.15 + 1e-6)
    assert (state.physics.qvel[~standing, 0] > 0.2).all()  # already walking


def test_nobody_starts_under_the_ground_or_off_the_middle(noisy_starts: tuple[Env, EnvState]) -> None:
    env, state = noisy_starts
    qpos = np.asarray(state.physics.qpos, np.float64)
    heights = env.robot.pad_heights(qpos)
    assert heights.min() > -1e-6
    assert np.median(heights.min(axis=1)) < 0.01  # nor hung in the air
    np.testing.assert_allclose(state.physics.pad_height, heights, atol=1e-5)
    np.testing.assert_array_equal(qpos[:, :2], 0.0)


def test_start_noise_stays_within_the_joint_ranges(noisy_starts: tuple[Env, EnvState]) -> None:
    env, state = noisy_starts
    joints, (lower, upper) = np.asarray(state.physics.qpos[:, 7:]), env.robot.joint_range.T.astype(np.float32)
    assert (joints >= lower).all() and (joints <= upper).all()
    assert joints.std(axis=0).min() > 0.05


def test_starts_differ_from_robot_to_robot(noisy_starts: tuple[Env, EnvState]) -> None:
    assert len(np.unique(np.asarray(noisy_starts[1].physics.qpos), axis=0)) == 500


# --- action, observation and reward


class Puppet:
    """A physics whose joints are where the servos are told to be, at once."""

    def init(self, qpos: jax.Array, qvel: jax.Array) -> PhysicsState:
        zeros = jnp.zeros((len(qpos), 4))
        return PhysicsState(qpos=qpos, qvel=qvel, warmstart=qvel, pad_height=zeros, torque=qpos[:, 7:])

    def step(self, state: PhysicsState, ctrl: jax.Array) -> PhysicsState:
        return state.replace(qpos=state.qpos.at[:, 7:].set(ctrl))


def test_servo_targets_are_the_mean_pose_plus_the_action(make_env: Callable[..., Env]) -> None:
    env = make_env(physics=Puppet(), reference_start_share=0.0, action_scale=0.5)
    action = jnp.array([0.0, 0.1, 1e3, -1e3])[:, None] * jnp.ones(9)
    state, _ = jax.jit(lambda key: env.step(env.reset(key, 4), action))(jax.random.key(0))
    mean, (lower, upper) = np.asarray(env.reference.mean_pose), env.robot.joint_range.T
    expected = [mean, np.clip(mean + 0.05, lower, upper), upper, lower]
    np.testing.assert_allclose(state.physics.qpos[:, 7:], expected, atol=1e-6)


def turn_world(state: EnvState, angle: float) -> EnvState:
    """The same robots in a world turned about the vertical."""
    turn, physics = from_yaw(jnp.float32(angle)), state.physics
    qpos = physics.qpos.at[:, :3].set(rotate(turn, physics.qpos[:, :3]) + jnp.array([2.0, -1.0, 0.0]))
    qpos = qpos.at[:, 3:7].set(multiply(turn, physics.qpos[:, 3:7]))
    return state.replace(
        physics=physics.replace(qpos=qpos, qvel=physics.qvel.at[:, :3].set(rotate(turn, physics.qvel[:, :3])))
    )


@pytest.mark.parametrize("angle", [np.pi / 2, -2.5])
def test_nothing_depends_on_where_in_the_world_a_robot_walks(
    env: Env, reset: Callable, step: Callable, angle: float
) -> None:
    state = reset(jax.random.key(11))
    moved, action = turn_world(state, angle), np.zeros((ROBOTS, 9), np.float32)
    for seen, expected in zip(env.observe(moved), env.observe(state), strict=True):
        np.testing.assert_allclose(seen, expected, atol=1e-5)
    (_, ours), (_, theirs) = step(moved, action), step(state, action)
    np.testing.assert_allclose(ours.task_reward, theirs.task_reward, atol=2e-3)
    np.testing.assert_allclose(ours.velocity, theirs.velocity, atol=2e-3)
    np.testing.assert_allclose(ours.mean_velocity, theirs.mean_velocity, atol=2e-3)
    np.testing.assert_allclose(ours.amp_window[:, -1, :9], theirs.amp_window[:, -1, :9], atol=1e-3)


def test_a_reflected_robot_sees_and_does_the_reflection(env: Env, reset: Callable, step: Callable) -> None:
    """Left and right exchanged in state and action: the observation is the mirrored one, and so is what follows."""
    state, robot = reset(jax.random.key(12)), env.robot
    partner, sign = (np.asarray(values) for values in robot.mirror_joints)
    action = np.random.default_rng(1).normal(0.0, 0.3, (ROBOTS, 9)).astype(np.float32)
    state = state.replace(previous_action=jnp.asarray(action[::-1]))
    qvel = np.asarray(state.physics.qvel)
    physics = state.physics.replace(
        qpos=jnp.asarray(robot.mirror_qpos(np.asarray(state.physics.qpos)), jnp.float32),
        qvel=jnp.asarray(
            np.concatenate([qvel[:, :6] * [1, -1, 1, -1, 1, -1], qvel[:, 6:][:, partner] * sign], axis=-1)
        ),
        warmstart=jnp.zeros_like(state.physics.warmstart),
        pad_height=state.physics.pad_height[:, np.asarray(robot.mirror_pads)],
    )
    state = state.replace(command=jnp.asarray(np.random.default_rng(2).normal(0.0, 0.5, (ROBOTS, 3)), jnp.float32))
    mirrored = state.replace(
        physics=physics,
        previous_action=state.previous_action[:, partner] * sign,
        command=state.command * MIRRORED,
        mean_velocity=state.mean_velocity * MIRRORED,
    )
    np.testing.assert_allclose(env.observe(mirrored)[0], env.mirror(env.observe(state)[0]), atol=1e-5)
    np.testing.assert_allclose(env.observe(mirrored)[1], env.mirror_privileged(env.observe(state)[1]), atol=1e-5)
    assert np.abs(env.observe(mirrored)[1] - env.observe(state)[1])[:, 36:].max() > 1e-2
    state = state.replace(physics=state.physics.replace(warmstart=physics.warmstart))
    (_, ours), (_, theirs) = step(mirrored, action[:, partner] * sign), step(state, action)
    np.testing.assert_allclose(ours.velocity, theirs.velocity * MIRRORED, atol=2e-3)
    np.testing.assert_allclose(ours.mean_velocity, theirs.mean_velocity * MIRRORED, atol=2e-3)
    np.testing.assert_allclose(ours.task_reward, theirs.task_reward, atol=2e-3)
    np.testing.assert_allclose(ours.amp_window[:, -1, :9], theirs.amp_window[:, -1, :9][:, partner] * sign, atol=1e-3)


def test_observation_by_hand(env: Env, reset: Callable) -> None:
    """A robot pitched forward by 90 degrees has gravity along its own x axis."""
    state = reset(jax.random.key(0))
    half = np.float32(np.sqrt(0.5))
    qpos = state.physics.qpos.at[0, 3:7].set(jnp.array([half, 0.0, half, 0.0]))
    state = state.replace(
        physics=state.physics.replace(qpos=qpos),
        previous_action=jnp.full((ROBOTS, 9), 0.7),
        command=jnp.tile(jnp.array([0.6, -0.2, 0.5]), (ROBOTS, 1)),
    )
    observation, privileged = (np.asarray(x) for x in env.observe(state))
    qpos, qvel = np.asarray(state.physics.qpos), np.asarray(state.physics.qvel)
    np.testing.assert_allclose(observation[0, :3], [1.0, 0.0, 0.0], atol=1e-6)
    np.testing.assert_allclose(observation[:, 3:6], qvel[:, 3:6])
    np.testing.assert_allclose(observation[:, 6:15], qpos[:, 7:] - env.reference.mean_pose, atol=1e-6)
    np.testing.assert_allclose(observation[:, 15:24], qvel[:, 6:])
    np.testing.assert_allclose(observation[:, 24:33], 0.7)
    np.testing.assert_allclose(observation[:, 33:], np.tile([0.6, -0.2, 0.5], (ROBOTS, 1)))
    np.testing.assert_array_equal(privileged[:, :36], observation)
    np.testing.assert_allclose(privileged[:, 39], qpos[:, 2])
    np.testing.assert_allclose(privileged[:, 40:], state.physics.pad_height)


# --- several gaits

GAIT_ROBOTS, GAIT_STEPS = 40, 12
WALK, STAND = 0, 1


@pytest.fixture(scope="module")
def labelled(robot: Robot, gaits_of: Callable[[int], Reference]) -> Env:
    """Walking at 0.25 to 0.55 m/s or standing; no robot moves but by its servos."""
    config = EnvConfig(episode_length=8, command=CommandConfig(resample=3), reference_start_share=0.75, start_noise=0.0)
    return Env(config, robot, Puppet(), gaits_of(WINDOW), labelled=True)


@pytest.fixture(scope="module")
def labelled_steps(labelled: Env) -> list[Step]:
    state, action, result = labelled.reset(jax.random.key(0), GAIT_ROBOTS), np.zeros((GAIT_ROBOTS, 9)), []
    step = jax.jit(labelled.step)
    for _ in range(GAIT_STEPS):
        after, outcome = step(state, action)
        result.append(Step(host(state), action, host(outcome), host(after)))
        state = after
    return result


def test_the_policy_is_told_the_gait_after_the_speed(labelled: Env, labelled_steps: list[Step]) -> None:
    for one in labelled_steps:
        state = one.before.replace(key=jax.random.key(0))
        observation, privileged = (np.asarray(x) for x in labelled.observe(state))
        assert observation.shape == (GAIT_ROBOTS, 36 + 2) and privileged.shape == (GAIT_ROBOTS, 38 + 8)
        np.testing.assert_array_equal(observation[:, 33:36], one.before.command)
        np.testing.assert_array_equal(observation[:, 36:], np.eye(2)[one.before.label])
        np.testing.assert_array_equal(privileged[:, :38], observation)
        np.testing.assert_array_equal(privileged[:, 41], one.before.physics.qpos[:, 2])


def test_the_speed_asked_for_is_one_of_the_gaits_clips(labelled: Env) -> None:
    state = jax.jit(lambda key: labelled.reset(key, 2000))(jax.random.key(3))
    label, command = np.asarray(state.label), np.asarray(state.command[:, 0])
    np.testing.assert_array_equal(state.command[:, 1:], 0.0)
    assert 900 < (label == WALK).sum() < 1100
    low, high = np.asarray(labelled.reference.gaits.speed_range[WALK])
    walks = command[label == WALK]
    assert low <= walks.min() < low + 0.02 and high - 0.02 < walks.max() <= high
    assert abs(walks.mean() - 0.5 * (low + high)) < 0.02
    assert command[label == STAND].max() < 0.01
    assert (command < 0.4).any(), "env.command.forward is for policies without labels"


def test_robots_start_on_frames_of_the_gait_they_are_asked_for(labelled: Env) -> None:
    state = jax.jit(lambda key: labelled.reset(key, 400))(jax.random.key(4))
    reference = labelled.reference
    windows, of = np.asarray(reference.windows), np.asarray(reference.gaits.of)
    rows = [np.flatnonzero((windows == one).all(axis=(1, 2))) for one in np.asarray(state.history)]
    on_clip = np.array([len(found) > 0 for found in rows])
    assert 270 < on_clip.sum() < 330
    for robot in np.flatnonzero(on_clip):
        assert int(state.label[robot]) in of[rows[robot]]
        poses = np.asarray(reference.qpos)[rows[robot], 7:]
        assert np.abs(poses - np.asarray(state.physics.qpos[robot, 7:])).max(axis=1).min() < 1e-6
    of_walk = [int(rows[i][0]) for i in np.flatnonzero(on_clip) if state.label[i] == WALK]
    assert len(set(of_walk)) > 80  # of them all, left and right


def test_gait_and_speed_are_asked_for_anew_at_the_interval_and_a_reset_only(labelled_steps: list[Step]) -> None:
    changed = 0
    for one in labelled_steps:
        due = (one.outcome.episode_length % 3 == 0) | ended(one.outcome)
        changed += (one.after.label != one.before.label).sum()
        np.testing.assert_array_equal(one.after.label[~due], one.before.label[~due])
        np.testing.assert_array_equal(one.after.command[~due], one.before.command[~due])
        np.testing.assert_array_equal(one.outcome.label, one.before.label)  # what the step was asked for
        np.testing.assert_array_equal(one.outcome.command, one.before.command)
        walks = one.after.label == WALK
        assert (one.after.command[walks, 0] > 0.2).all() and (one.after.command[~walks] < 0.01).all()
    assert changed > 20
    assert sum(int(ended(one.outcome).sum()) for one in labelled_steps) >= GAIT_ROBOTS


def test_what_is_asked_for_may_be_given(labelled: Env) -> None:
    label, command = jnp.array([STAND, WALK, WALK]), jnp.array([[0.0, 0, 0], [0.3, 0, 0], [0.5, 0.1, -0.2]])
    state = labelled.reset(jax.random.key(0), 3, (label, command))
    np.testing.assert_array_equal(state.label, label)
    np.testing.assert_array_equal(state.command, command)


def test_the_reflection_is_asked_for_the_same_gait_and_the_reflected_command(labelled: Env) -> None:
    observation = jnp.asarray(np.random.default_rng(0).normal(size=(4, 38)), jnp.float32)
    mirrored = labelled.mirror(observation)
    np.testing.assert_array_equal(mirrored[:, 33:36], observation[:, 33:36] * MIRRORED)
    np.testing.assert_array_equal(mirrored[:, 36:], observation[:, 36:])
    np.testing.assert_allclose(labelled.mirror(mirrored), observation)
    privileged = jnp.asarray(np.random.default_rng(1).normal(size=(4, 46)), jnp.float32)
    np.testing.assert_array_equal(labelled.mirror_privileged(privileged)[:, :38], labelled.mirror(privileged[:, :38]))
    np.testing.assert_allclose(labelled.mirror_privileged(labelled.mirror_privileged(privileged)), privileged)


def test_without_labels_nothing_is_told_of_the_gait(robot: Robot, gaits_of: Callable[[int], Reference]) -> None:
    """Clips with labels serve a policy that is not asked for them as clips without."""
    config = EnvConfig(start_noise=0.0, reference_start_share=1.0, command=CommandConfig(forward=(0.4, 0.8)))
    env = Env(config, robot, Puppet(), gaits_of(1))
    state = jax.jit(lambda key: env.reset(key, 600))(jax.random.key(0))
    assert env.observe(state)[0].shape == (600, 36)
    np.testing.assert_array_equal(state.label, 0)
    assert float(state.command[:, 0].min()) >= 0.4 and float(state.command[:, 0].max()) <= 0.8
    np.testing.assert_array_equal(state.command[:, 1:], 0.0)
    moving = np.abs(np.asarray(state.physics.qvel[:, 0])) > 0.1
    assert 0.15 < 1.0 - moving.mean() < 0.35  # 118 of 510 windows stand


def test_an_environment_under_other_settings_keeps_everything_else(labelled: Env) -> None:
    other = labelled.with_config(command=dataclasses.replace(labelled.config.command, resample=99))
    assert (other.config.command.resample, labelled.config.command.resample) == (99, 3)
    assert other.config.episode_length == 8
    assert other.labelled and other.reference is labelled.reference and other.physics is labelled.physics


def follow(velocity: Values, mean: Values, command: Values, speed_tolerance: float, turn_tolerance: float) -> float:
    """Task reward of one moment of a robot that may be told any way."""
    velocity, mean, command = (jnp.asarray(values) for values in (velocity, mean, command))
    moment = track_command(velocity, command, speed_tolerance)
    return float(moment * track_mean(mean, command, speed_tolerance, turn_tolerance))


def test_straight_ahead_the_moment_alone_is_rewarded(make_env: Callable[..., Env]) -> None:
    """Whatever the mean, and however high the feet; where it may be told to stand, both count."""
    physics = SimpleNamespace(pad_height=jnp.full((1, 4), 0.03))
    asked, drifts = jnp.zeros((1, 3)), jnp.array([[0.0, 0.3, 0.0]])
    step = SimpleNamespace(velocity=asked, mean_velocity=drifts, command=asked, physics=physics)
    ahead, any_way = (float(make_env(command=command).task.reward(step)[0]) for command in ({}, {"stand_share": 0.1}))
    assert ahead == 1.0 and any_way < 0.2


def bend(error: float, sway: float) -> float:
    """A square within the sway, steep beyond."""
    return np.hypot(error, sway) - sway


@pytest.mark.parametrize(
    ("velocity", "mean", "expected"),
    [
        ((0.5, 0.1, -0.3), (0.5, 0.1, -0.3), 1.0),
        ((0.0, 0.1, -0.3), (0.5, 0.1, -0.3), np.exp(-1.0)),  # (0.5 m/s)^2 over 0.25
        ((1.0, 0.1, -0.3), (0.5, 0.1, -0.3), np.exp(-1.0)),
        ((0.5, 0.1, -0.3), (0.6, 0.1, -0.3), np.exp(-bend(0.1, 0.05) / 0.5)),
        ((-0.5, 0.1, -0.3), (0.5, 0.1, -0.3), np.exp(-4.0)),
        ((0.5, 0.3, -0.3), (0.5, 0.1, -0.3), np.exp(-0.08)),  # a sway
        ((0.5, -0.1, -0.3), (0.5, 0.1, -0.3), np.exp(-0.08)),
        ((0.5, 0.3, -0.3), (0.5, 0.3, -0.3), np.exp(-0.08 - bend(0.2, 0.05) / 0.5)),  # a way
        ((0.5, 0.1, -0.3), (0.8, 0.5, -0.3), np.exp(-bend(0.5, 0.05) / 0.5)),  # both ways: the distance
        ((0.5, 0.1, -2.3), (0.5, 0.1, -0.3), np.exp(-0.4)),
        ((0.5, 0.1, 0.2), (0.5, 0.1, 0.2), np.exp(-0.025 - bend(0.5, 0.2) / 0.5**0.5)),
    ],
)
def test_task_reward_by_hand(velocity: tuple, mean: tuple, expected: float) -> None:
    """Asked for 0.5 m/s ahead, 0.1 to the left, turning 0.3 rad/s to the right."""
    command = jnp.array([0.5, 0.1, -0.3])
    assert follow(velocity, mean, command, 0.25, 0.5) == pytest.approx(expected, rel=1e-5)
    reflected = [jnp.array(values) * MIRRORED for values in (velocity, mean, command)]
    assert follow(*reflected, 0.25, 0.5) == pytest.approx(expected, rel=1e-5)


def test_creeping_costs_a_robot_that_is_told_to_stand_more() -> None:
    """Of tolerance and sway three tenths are left at the command zero, half of the way back at half a unit."""
    for command, share in ((0.0, 0.3), (0.1, 0.65), (0.2, 1.0), (0.8, 1.0)):
        asked, mean = jnp.array([command, 0.0, 0.0]), jnp.array([command + 0.04, 0.0, 0.0])
        expected = np.exp(-bend(0.04, 0.05 * share) / (0.5 * share))
        assert float(track_mean(mean, asked, 0.25, 0.5)) == pytest.approx(expected, rel=1e-4)


def test_a_lifted_foot_costs_a_robot_that_is_told_to_stand_and_no_other() -> None:
    pads = jnp.array([[-0.001, 0.0, 0.0, 0.0], [0.06, 0.06, 0.0, -0.001], [0.06, 0.06, 0.0, 0.0]])
    commands = jnp.array([[0.0, 0.0, 0.0], [0.0, 0.0, 0.0], [0.0, 0.0, 0.1]])
    assert np.asarray(stand_still(pads, commands)) == pytest.approx([1.0, np.exp(-1.0), 1.0])


@pytest.mark.parametrize("command", [(0.5, 0.2, 0.0), (0.5, 0.0, 0.6), (0.0, 0.0, 0.0), (-0.3, 0.0, 0.0)])
def test_walking_straight_ahead_does_not_answer_another_command(command: tuple) -> None:
    """Neither for one who sways and turns to and fro, nor for one who does not: the mean decides."""
    sway = np.sin(2.0 * np.pi * np.arange(40) / 40)[:, None] * np.array([0.0, 0.15, 0.5])
    asked, straight = np.array(command), np.array([0.5, 0.0, 0.0])
    follows, ignores = (
        np.mean([follow(moment, way, asked, 0.1, 0.2) for moment in way + sway]) for way in (asked, straight)
    )
    assert follows > 0.9 > 0.75 > ignores


# --- commands any way

MEMORY_STEPS = 25  # 0.5 s of running mean


def test_the_running_mean_of_the_velocity_by_hand(steps: list[Step]) -> None:
    """m + (v - m) dt / 0.5 s, whoever goes on; the rest start with what their clip does, or at rest."""
    for one in steps:
        expected = one.before.mean_velocity + (one.outcome.velocity - one.before.mean_velocity) / MEMORY_STEPS
        np.testing.assert_allclose(one.outcome.mean_velocity, expected, atol=1e-5)
        done = ended(one.outcome)
        np.testing.assert_array_equal(one.after.mean_velocity[~done], one.outcome.mean_velocity[~done])


def test_the_running_mean_starts_with_what_the_clip_does(noisy_starts: tuple[Env, EnvState]) -> None:
    env, state = noisy_starts
    standing = (np.asarray(state.physics.qvel) == 0.0).all(axis=1)
    np.testing.assert_array_equal(state.mean_velocity[standing], 0.0)
    apart = np.abs(np.asarray(state.history)[:, None, -1] - np.asarray(env.reference.windows)[None, :, -1]).max(axis=-1)
    same = (np.asarray(state.mean_velocity)[:, None] == np.asarray(env.reference.command)).all(axis=-1)
    assert (same & (apart < 1e-6)).any(axis=1)[~standing].all()


def test_robots_start_near_what_they_are_asked_for_where_every_way_is(
    robot: Robot, gaits_of: Callable[[int], Reference]
) -> None:
    """Walks at 0.55 and 0.25 m/s and standing: who is asked for one of them starts in it; all alike by default."""
    reference = gaits_of(1)
    asked = (jnp.zeros(300, jnp.int32), jnp.tile(jnp.array([[0.0, 0, 0], [0.25, 0, 0], [0.55, 0, 0]]), (100, 1)))
    found = {}
    for turn in ((-1.0, 1.0), (0.0, 0.0)):
        config = EnvConfig(reference_start_share=1.0, command=CommandConfig(turn=turn))
        state = Env(config, robot, Puppet(), reference).reset(jax.random.key(0), 300, asked)
        found[turn] = np.abs(np.asarray(state.mean_velocity - asked[1])[:, 0])
    assert found[-1.0, 1.0].max() < 0.1
    assert (found[0.0, 0.0] > 0.15).mean() > 0.3


def test_a_share_of_the_robots_that_fell_is_asked_for_the_same_again(make_env: Callable[..., Env]) -> None:
    after = []
    for share in (0.0, 1.0):
        env = make_env(window=WINDOW, episode_length=1, command={"retry_share": share, "resample": 100})
        state = lay_down(env.reset(jax.random.key(3), ROBOTS), FALLING)
        after.append(env.step(state, jnp.zeros((ROBOTS, env.num_actions)))[0].command)
    np.testing.assert_array_equal(after[1][FALLING], state.command[FALLING])
    others = np.arange(ROBOTS) != FALLING  # whose episodes ended with their time
    np.testing.assert_array_equal(after[0][others], after[1][others])
    assert (after[0] != state.command).any(axis=1).all()
