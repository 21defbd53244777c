"""Physics that blows up and numbers that are none: what is kept out, what is gone back to, and what explains it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from training_runs import train as run

from playground_amp.amp import TrainState, without_diverged
from playground_amp.core.errors import InputError
from playground_amp.core.types import PhysicsState
from playground_amp.doctor.replay import explain
from playground_amp.envs.env import FASTEST, is_sound
from playground_amp.envs.physics import Physics, native
from playground_amp.runs.divergence import FILE, read_about
from playground_amp.runs.run_directory import read_restarts
from playground_amp.training import loop

BROKEN = 1  # the robot whose physics blows up


class Exploding:
    """An engine that gives one robot a state that is none."""

    def __init__(self, engine: Physics, value: float = np.nan):
        self.engine, self.value = engine, value

    def init(self, qpos: jax.Array, qvel: jax.Array) -> PhysicsState:
        return self.engine.init(qpos, qvel)

    def step(self, state: PhysicsState, ctrl: jax.Array) -> PhysicsState:
        after = self.engine.step(state, ctrl)
        broken = jax.tree.map(lambda values: values.at[BROKEN].set(self.value), after)
        return broken


def test_a_state_is_sound_when_it_is_finite_and_no_robot_is_that_fast():
    values = {"qpos": 7, "qvel": 6, "warmstart": 6, "pad_height": 4, "torque": 9}
    state = PhysicsState(**{name: jnp.zeros((5, width)) for name, width in values.items()})
    qvel = state.qvel.at[0, 0].set(jnp.nan).at[1, 2].set(-2.0 * FASTEST).at[2, 3].set(0.5 * FASTEST)
    torque = state.torque.at[3, 0].set(jnp.inf)
    assert is_sound(state.replace(qvel=qvel, torque=torque)).tolist() == [False, False, True, False, True]


def test_samples_of_robots_that_diverged_are_the_sound_ones_before_them():
    values, diverged = jnp.arange(6.0).reshape(2, 3), np.array([[True, False, False], [True, True, False]])
    assert without_diverged(values, jnp.asarray(diverged)).tolist() == [[1.0, 1.0, 2.0], [2.0, 2.0, 5.0]]
    assert without_diverged(values, jnp.zeros((2, 3), bool)).tolist() == values.tolist()


def test_a_robot_that_blows_up_starts_anew_and_troubles_no_other(make_env, native: Physics):
    whole, broken = make_env(), make_env(physics=Exploding(native))
    start = jax.jit(lambda key: whole.reset(key, 4))(jax.random.key(0))
    action = jnp.full((4, whole.num_actions), 0.05)
    after, outcome = jax.jit(broken.step)(start, action)
    expected = jax.jit(whole.step)(start, action)[1]
    others = np.arange(4) != BROKEN
    assert outcome.diverged.tolist() == [False, True, False, False]
    assert outcome.terminated[BROKEN] and not outcome.truncated[BROKEN]
    assert after.steps.tolist() == [1, 0, 1, 1]
    for one, other in zip(jax.tree.leaves(outcome), jax.tree.leaves(expected), strict=True):
        assert np.isfinite(np.asarray(one, float)).all()
        np.testing.assert_array_equal(np.asarray(one)[others], np.asarray(other)[others])
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves((after.physics, after.history, after.mean_velocity)))


@pytest.mark.slow
def test_training_goes_on_while_robots_blow_up(tmp_path, monkeypatch):
    step = native.NativePhysics._host_step
    count = 0

    def explode(self, *state: jax.Array) -> tuple[np.ndarray, ...]:
        nonlocal count
        after, count = step(self, *state), count + 1
        after[0][count % 8] = np.nan if count % 2 else 1e9
        return after

    monkeypatch.setattr(native.NativePhysics, "_host_step", explode)
    folder = run(tmp_path / "run", "ppo.iterations=6", "env.num_envs=16", "ppo.batch_size=16")
    rows = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    assert [row["iteration"] for row in rows] == [1, 2, 3, 4, 5, 6]
    assert all(np.isfinite(list(row.values())).all() for row in rows)
    assert [row["diverged_rate"] for row in rows] == pytest.approx([1 / 16] * 6)


def spoil_once(monkeypatch, change: Callable[[TrainState], TrainState]) -> None:
    """The state after the third iteration is changed, the first time that it is reached."""
    make_chunk, done = loop.make_chunk, []

    def make(amp, length):
        chunk = make_chunk(amp, length)

        def spoiled(state, count):
            state, metrics = chunk(state, count)
            if int(state.iteration) == 3 and not done:
                done.append(True)
                state = change(state)
            return state, metrics

        return spoiled

    monkeypatch.setattr(loop, "make_chunk", make)


def with_nan(tree):
    """A NaN in the last array."""
    leaves, structure = jax.tree.flatten(tree)
    return jax.tree.unflatten(structure, [*leaves[:-1], leaves[-1].at[(0,) * leaves[-1].ndim].set(jnp.nan)])


def in_actor(state):
    params = state.policy.params
    return state.replace(policy=state.policy.replace(params=params.replace(actor=with_nan(params.actor))))


def in_critic(state):
    params = state.policy.params
    return state.replace(policy=state.policy.replace(params=params.replace(critic=with_nan(params.critic))))


def in_discriminator(state):
    return state.replace(discriminator=state.discriminator.replace(params=with_nan(state.discriminator.params)))


def in_statistics(state):
    return state.replace(statistics=with_nan(state.statistics))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("spoil", "part"),
    [
        (in_actor, "the actor's weights"),
        (in_critic, "the critic's weights"),
        (in_discriminator, "discriminator's weights"),
        (in_statistics, "the running statistics of the observations"),
    ],
)
def test_a_nan_in_a_network_or_its_statistics_is_recovered_from_and_explained(
    tmp_path, monkeypatch, capsys, spoil, part
):
    spoil_once(monkeypatch, spoil)
    folder = run(tmp_path / "run")
    rows = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    assert [row["iteration"] for row in rows] == [1, 2, 3, 4]
    assert rows[3]["disc_learning_rate"] == pytest.approx(0.5 * rows[1]["disc_learning_rate"])
    assert "going back to iteration 2 with 0.5 times the learning rates (1 of 3 times)" in capsys.readouterr().err
    (restart,) = read_restarts(folder)
    assert restart.iteration == 2 and "not finite after iteration 3" in restart.diverged
    told = " ".join(explain(folder / FILE))
    assert part in told and "the computation is not the cause" in told


@pytest.mark.slow
def test_an_iteration_that_began_with_a_nan_says_in_what(tmp_path, monkeypatch):
    spoil_once(monkeypatch, in_critic)
    looks = loop.is_finite
    monkeypatch.setattr(loop, "is_finite", lambda state: int(state.iteration) == 3 or looks(state))
    folder = run(tmp_path / "run", "logging.checkpoint_interval=100")
    assert "the critic's weights held numbers that are none when it began" in explain(folder / FILE)[-1]


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"{}"])
def test_what_is_no_dump_is_one_sentence(tmp_path, content):
    path: Path = tmp_path / FILE
    with pytest.raises(InputError, match="No such file"):
        read_about(path)
    path.write_bytes(content)
    with pytest.raises(InputError, match="or it is damaged") as error:
        read_about(path)
    assert "\n" not in str(error.value)
    np.savez_compressed(path, about=np.zeros(4))
    with pytest.raises(InputError, match="or it is damaged"):
        read_about(path)
