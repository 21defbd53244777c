"""The seam for the task: a user's own command, reward, termination and observations, named in the configuration."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import get_args

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from conftest import ONE_SENTENCE
from training_runs import SMALL, resume, train

from playground_amp.builder import make_amp
from playground_amp.config import EnvConfig, load_config
from playground_amp.core.errors import InputError
from playground_amp.core.terms import FeatureGroup, labels_of, signed, sizes_of
from playground_amp.envs.env import Env
from playground_amp.envs.observations import ObservationTerm
from playground_amp.envs.task import TaskStep, WalkingTask, find_task
from playground_amp.motion.features import FEATURES, feature_mirror, feature_names
from playground_amp.robots import Robot

DOCS = Path(__file__).parents[1] / "docs"


class Sideways(WalkingTask):
    """Half of the reward of walking, and an observation that a reflection turns round."""

    def reward(self, step: TaskStep) -> jax.Array:
        return 0.5 * super().reward(step)

    def observation_terms(self) -> list[ObservationTerm]:
        term = ObservationTerm("y", "m", "world", ["y"], signed(-1.0), lambda view: view.physics.qpos[:, 1:2])
        return [term]


@pytest.fixture
def own_task(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The task that docs/tasks.md shows, in a file of the working directory."""
    page = (DOCS / "tasks.md").read_text()
    (code,) = [block for block in re.findall(r"(?s)```python\n(.*?)```", page) if "class Crouch" in block]
    (tmp_path / "own_task.py").write_text(code)
    monkeypatch.setitem(sys.modules, "own_task", None)  # forgotten afterwards
    del sys.modules["own_task"]
    monkeypatch.chdir(tmp_path)
    return "env.task=own_task:Crouch"


@pytest.mark.slow
def test_a_users_task_is_trained_and_gone_on_with_and_no_other_takes_its_checkpoint(
    own_task: str, tmp_path: Path
) -> None:
    run = train(tmp_path / "run", own_task)
    with pytest.raises(InputError, match=r"other observations: they are without root height; env\.task is 'walk'"):
        resume(run, ["env.task=walk", "ppo.iterations=6"])
    assert resume(run, ["ppo.iterations=6"]) == run
    metrics = (run / "metrics.jsonl").read_text().splitlines()
    assert len(metrics) == 6


def test_a_users_task_rewards_ends_and_observes(own_task: str) -> None:
    env = make_amp(load_config("ppo_amass_training", [*SMALL, own_task])).env
    state = jax.jit(lambda key: env.reset(key, 3))(jax.random.key(0))
    _, outcome = jax.jit(env.step)(state, jnp.zeros((3, env.num_actions)))
    assert (outcome.task_reward >= 0.0).all() and (outcome.task_reward <= 1.0).all()
    tall = state.replace(physics=state.physics.replace(qpos=state.physics.qpos.at[:, 2].set(0.7)))
    assert jax.jit(env.step)(tall, jnp.zeros((3, env.num_actions)))[1].terminated.all()
    observation, privileged = env.observe(state)
    assert labels_of(env.actor_terms)[-1] == "root height"
    assert observation.shape[1] == len(labels_of(env.actor_terms))
    np.testing.assert_array_equal(observation[:, -1], state.physics.qpos[:, 2])
    assert privileged.shape[1] == len(labels_of(env.critic_terms))


def test_the_reward_of_a_task_is_what_training_sees(make_env, robot: Robot) -> None:
    walking = make_env()
    halved = Env(EnvConfig(), robot, walking.physics, walking.reference, task=Sideways)
    state = jax.jit(lambda key: walking.reset(key, 4))(jax.random.key(1))
    action = jnp.zeros((4, walking.num_actions))
    whole, half = jax.jit(walking.step)(state, action)[1], jax.jit(halved.step)(state, action)[1]
    np.testing.assert_array_equal(half.task_reward, 0.5 * whole.task_reward)


def test_an_observation_of_a_task_is_reflected_by_its_own_sign(make_env, robot: Robot) -> None:
    walking = make_env()
    env = Env(EnvConfig(), robot, walking.physics, walking.reference, task=Sideways)
    observation = jnp.arange(float(len(labels_of(env.actor_terms))))[None]
    assert float(env.mirror(observation)[0, -1]) == -float(observation[0, -1])
    np.testing.assert_array_equal(env.mirror(env.mirror(observation)), observation)


def test_a_task_that_asks_for_a_speed_alone_is_one_sentence(make_env, robot: Robot) -> None:
    """As tasks did when a command was one number: it would be spread over three."""

    class OneNumber(WalkingTask):
        def sample_command(self, key: jax.Array, count: int) -> tuple[jax.Array, jax.Array]:
            return jnp.zeros(count, jnp.int32), jnp.full(count, 0.5)

    walking = make_env()
    env = Env(EnvConfig(), robot, walking.physics, walking.reference, task=OneNumber)
    with pytest.raises(InputError, match=r"sample_command\(\) gives commands of shape \(3,\); expected \(3, 3\)"):
        env.reset(jax.random.key(0), 3)


def test_a_task_under_other_numbers_is_made_anew(make_env) -> None:
    """A sweep puts traced numbers into the settings."""
    env = make_env(speed_tolerance=0.1)
    assert env.with_config(speed_tolerance=0.7).task.config.speed_tolerance == 0.7
    assert env.task.config.speed_tolerance == 0.1


@ONE_SENTENCE
@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("run", "env.task is 'run'; expected walk, or package.module:Class"),
        ("math:", "expected walk, or package.module:Class"),
        ("no_such_module:Task", "there is no Python module 'no_such_module'"),
        ("playground_amp.envs.task:WalkingTusk", "has no 'WalkingTusk'; valid: .*WalkingTask"),
        ("playground_amp.envs.env:Env", r"Env has no sample_command\(\)"),
    ],
)
def test_a_task_that_is_none_is_one_sentence(name: str, said: str) -> None:
    with pytest.raises(InputError, match=said) as raised:
        find_task(name)
    assert "\n" not in str(raised.value)


# The tables


def test_the_groups_of_features_are_those_that_configurations_name() -> None:
    assert tuple(term.group for term in FEATURES) == get_args(FeatureGroup)


def test_every_row_of_the_feature_table_fits_itself(robot: Robot) -> None:
    sizes = {"J": robot.num_joints, "P": len(robot.pads), "3": 3, "1": 1}
    for term in FEATURES:
        size = sizes[term.size]
        assert len(term.labels(robot)) == len(term.bodies(robot)) == len(term.mirror(robot).sign) == size, term.group
        assert term.unit and term.frame and term.floor(robot) > 0.0
    partner, sign = feature_mirror(robot)
    assert len(feature_names(robot)) == len(partner) == 2 * robot.num_joints + 7 + len(robot.pads)
    np.testing.assert_array_equal(partner[partner], np.arange(len(partner)))
    np.testing.assert_array_equal(sign * sign[partner], np.ones(len(sign)))


def test_every_row_of_the_observation_tables_fits_itself(make_env) -> None:
    env = make_env()
    state = jax.jit(lambda key: env.reset(key, 2))(jax.random.key(0))
    observation, privileged = env.observe(state)
    assert observation.shape == (2, sum(sizes_of(env.actor_terms)))
    assert privileged.shape == (2, sum(sizes_of(env.critic_terms)))
    assert [len(term.mirror.sign) for term in env.critic_terms] == sizes_of(env.critic_terms)
    assert isinstance(env.task, WalkingTask)
