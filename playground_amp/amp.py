"""The algorithm: adversarial motion priors (Peng et al. 2021, https://arxiv.org/abs/2104.02180, algorithm 1) with PPO.

`AMP.train_iteration` is read top to bottom; everything below it is called from it in that order.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any, TypeVar

import jax
import jax.numpy as jnp
from flax import struct

from playground_amp.config import ResolvedConfig, is_enabled, with_hyperparams
from playground_amp.core.devices import replicate, shard
from playground_amp.core.quiet_imports import running_statistics
from playground_amp.core.types import Outcome, Transition
from playground_amp.discriminator.motion_prior import DiscriminatorState, Metrics, MotionPrior
from playground_amp.envs.env import Env, EnvState
from playground_amp.learning import ppo, replay
from playground_amp.learning.networks import Actor, ActorCriticParams, Critic, gaussian_log_prob, normalize

REWARD_SCALE = 3.0  # rewards are multiplied by this times (1 - gamma), so that values stay within 0..3
EPISODE_MEMORY = 100.0  # finished episodes over which episode metrics are averaged

Samples = TypeVar("Samples")  # a pytree


class Statistics(struct.PyTreeNode):
    """Running mean and standard deviation of what the networks see."""

    observation: running_statistics.RunningStatisticsState
    privileged: running_statistics.RunningStatisticsState


class Episodes(struct.PyTreeNode):
    """Averages over the episodes finished last."""

    length: jax.Array  # [] control steps
    total: jax.Array  # [] task reward
    falls: jax.Array  # [] share that ended by a fall
    count: jax.Array  # [] episodes the averages stand for, at most EPISODE_MEMORY


class TrainState(struct.PyTreeNode):
    """Everything that changes during training; a checkpoint holds it whole."""

    policy: ppo.PolicyState
    statistics: Statistics
    discriminator: DiscriminatorState
    replay: replay.Replay
    env: EnvState
    episodes: Episodes
    iteration: jax.Array  # [] int32
    key: jax.Array


class AMP:
    """Binds environment, networks and settings (resolved: no `auto` left); all that changes is in TrainState."""

    def __init__(self, config: ResolvedConfig, env: Env):
        self.config, self.env = config, env
        mirror = env.robot.mirror_joints if config.networks.symmetric else None
        self.actor = Actor(config.networks.actor, env.num_actions, config.networks.initial_log_std, mirror)
        self.critic = Critic(config.networks.critic)
        follow_command = config.reference.follow_command
        self.prior = MotionPrior(config.amp, env.reference, env.robot, follow_command=follow_command)

    def with_hyperparams(self, numbers: Mapping[str, Any]) -> AMP:
        """The same algorithm with other values for numeric settings such as 'amp.r1_gamma', which may be traced."""
        changed = copy.copy(self)
        changed.config = with_hyperparams(self.config, numbers)
        changed.prior, changed.env = copy.copy(self.prior), self.env.with_hyperparams(changed.config.env)
        changed.prior.config = changed.config.amp
        return changed

    def init(self, key: jax.Array) -> TrainState:
        """State before the first iteration; consumes `key`. To be called under jit, as train_iteration is."""
        key, env_key, actor_key, critic_key, disc_key = jax.random.split(key, 5)
        env = self.env.reset(env_key, self.config.env.num_envs)
        observation, privileged = self.env.observe(env)
        params = ActorCriticParams(
            actor=self.actor.init(actor_key, self.actor_input(observation)),
            critic=self.critic.init(critic_key, privileged),
        )
        state = TrainState(
            policy=ppo.PolicyState(params=params, opt_state=ppo.make_optimizer(self.config.ppo).init(params)),
            statistics=Statistics(
                observation=running_statistics.init_state(observation[0]),
                privileged=running_statistics.init_state(privileged[0]),
            ),
            discriminator=self.prior.init(disc_key),
            replay=replay.init(self.config.amp.replay_size, self.prior.shape.width),
            env=env,
            episodes=Episodes(*(jnp.float32(0.0) for _ in range(4))),
            iteration=jnp.int32(0),
            key=key,
        )
        return laid_out(state)

    def train_iteration(self, state: TrainState) -> tuple[TrainState, Metrics]:
        """Collect, score with the discriminator as it was, update the discriminator, update the policy."""
        key, collect_key, clean_key, disc_key, ppo_key = jax.random.split(state.key, 5)
        env, rollout = self.collect(state, collect_key)
        sound = without_diverged(rollout, rollout.outcome.diverged)
        style, metrics = jnp.zeros_like(rollout.outcome.task_reward), {}
        if is_enabled(self.config.amp.style_weight):
            inputs = self.prior.inputs(sound.outcome)
            scores = self.prior.score_rollout(state.discriminator, inputs)
            style = self.prior.style(state.discriminator, scores, state.iteration)
            clean = self.prior.clean_metrics(state.discriminator, inputs, scores, clean_key)
            metrics = {"amp_reward": jnp.mean(style)} | clean
            fresh = replicate(inputs.reshape(-1, inputs.shape[-1]))
            state, disc_metrics = self.update_discriminator(state, fresh, disc_key)
            metrics |= disc_metrics
        reward = self.reward(rollout.outcome, style)
        policy, ppo_metrics = self.update_policy(state, rollout, reward, ppo_key)
        episodes = count_episodes(state.episodes, rollout.outcome)
        metrics |= ppo_metrics | task_metrics(sound.outcome, episodes)
        metrics["diverged_rate"] = jnp.mean(rollout.outcome.diverged.astype(jnp.float32))
        state = state.replace(
            policy=policy,
            statistics=update_statistics(state.statistics, sound),
            env=env,
            episodes=episodes,
            iteration=state.iteration + 1,
            key=key,
        )
        return laid_out(state), replicate(metrics)

    def collect(self, state: TrainState, key: jax.Array) -> tuple[EnvState, Transition]:
        """One rollout [T, B] with the policy of `state`."""

        def step(env: EnvState, key: jax.Array) -> tuple[EnvState, Transition]:
            observation, privileged = self.env.observe(env)
            mean, log_std = self.policy(state.policy.params.actor, state.statistics, observation)
            action = mean + jnp.exp(log_std) * jax.random.normal(key, mean.shape)
            env, outcome = self.env.step(env, action)
            return shard(env), Transition(
                observation=observation,
                privileged=privileged,
                action=action,
                log_prob=gaussian_log_prob(action, mean, log_std),
                mean=mean,
                outcome=outcome,
            )

        return jax.lax.scan(step, state.env, jax.random.split(key, self.config.ppo.rollout_length))

    def policy(self, params: dict, statistics: Statistics, observation: jax.Array) -> tuple[jax.Array, jax.Array]:
        """Mean action [..., A] and log standard deviation [A] for observations [..., O]."""
        return self.actor.apply(params, normalize(self.actor_input(observation), statistics.observation))

    def actor_input(self, observation: jax.Array) -> jax.Array:
        """Observations [..., O] as the actor takes them: a symmetric one beside their reflections, [..., 2, O]."""
        if not self.config.networks.symmetric:
            return observation
        return jnp.stack([observation, self.env.mirror(observation)], axis=-2)

    def update_discriminator(self, state: TrainState, fresh: jax.Array, key: jax.Array) -> tuple[TrainState, Metrics]:
        """Learn from the rollout's inputs [N, D], and measure their variety."""
        discriminator, buffer, metrics = self.prior.update(
            state.discriminator, state.replay, fresh, state.iteration, key
        )
        metrics |= self.prior.diversity(fresh)
        return state.replace(discriminator=discriminator, replay=buffer), metrics

    def reward(self, outcome: Outcome, style: jax.Array) -> jax.Array:
        """What PPO maximises [T, B]: weighted task and style, less the cost of the action, scaled."""
        amp = self.config.amp
        total = amp.task_weight * outcome.task_reward + amp.style_weight * style - outcome.cost
        return REWARD_SCALE * (1.0 - self.config.ppo.gamma) * total

    def update_policy(
        self, state: TrainState, rollout: Transition, reward: jax.Array, key: jax.Array
    ) -> tuple[ppo.PolicyState, Metrics]:
        """PPO on the rollout [T, B], with the statistics it was collected with.

        A step in which physics diverged is not learned from; it cuts the episode off before it, as a time limit does.
        """
        config, statistics, outcome = self.config.ppo, state.statistics, rollout.outcome
        privileged = normalize(rollout.privileged, statistics.privileged)
        critic = state.policy.params.critic
        value = self.critic.apply(critic, privileged)
        next_value = self.critic.apply(critic, normalize(outcome.privileged, statistics.privileged))
        advantage, value_target = ppo.advantages(
            jnp.where(outcome.diverged, value - config.gamma * next_value, reward),
            outcome.terminated & ~outcome.diverged,
            outcome.truncated | outcome.diverged,
            value,
            next_value,
            gamma=config.gamma,
            gae_lambda=config.gae_lambda,
        )
        rollout, privileged, advantage, value_target = without_diverged(
            (rollout, privileged, advantage, value_target), outcome.diverged
        )
        batch = ppo.Batch(
            observation=normalize(self.actor_input(rollout.observation), statistics.observation),
            privileged=privileged,
            action=rollout.action,
            log_prob=rollout.log_prob,
            mean=rollout.mean,
            advantage=(advantage - advantage.mean()) / (advantage.std() + 1e-8),
            value_target=value_target,
        )
        if config.mirror:
            batch = self.with_reflections(state, rollout, batch)
        batch = replicate(jax.tree.map(lambda x: x.reshape(-1, *x.shape[2:]), batch))
        return ppo.update(state.policy, batch, key, self.actor.apply, self.critic.apply, config, state.iteration)

    def with_reflections(self, state: TrainState, rollout: Transition, batch: ppo.Batch) -> ppo.Batch:
        """The batch [T, B] and its mirror image, [T, 2 B]: the reflected action would have done as well.

        After Abdolhosseini et al. 2019, https://arxiv.org/abs/1910.01720, section 3.1 (duplicate tuples); probabilities
        are those that the behaviour policy gives to the reflected action, so that the ratios start at 1.
        """
        partner, sign = (jnp.asarray(values) for values in self.env.robot.mirror_joints)
        observation = self.env.mirror(rollout.observation)
        mean, log_std = self.policy(state.policy.params.actor, state.statistics, observation)
        action = sign * rollout.action[..., partner]
        reflected = batch.replace(
            observation=normalize(self.actor_input(observation), state.statistics.observation),
            privileged=normalize(self.env.mirror_privileged(rollout.privileged), state.statistics.privileged),
            action=action,
            log_prob=gaussian_log_prob(action, mean, log_std),
            mean=mean,
        )
        return jax.tree.map(lambda one, other: jnp.concatenate([one, other], axis=1), batch, reflected)


def laid_out(state: TrainState) -> TrainState:
    """A state as many devices hold it: each its share of the robots and a copy of all else."""
    return replicate(state.replace(env=())).replace(env=shard(state.env))


def without_diverged(samples: Samples, diverged: jax.Array) -> Samples:
    """Samples [T, B, ...] of which those whose physics `diverged` [T, B] are the last ones before them that did not.

    All is as it was where none did.
    """

    def replace(samples: Samples) -> Samples:
        bad = diverged.reshape(-1)
        rows = jax.lax.cummax(jnp.where(bad, -1, jnp.arange(len(bad))))
        rows = jnp.where(rows < 0, jnp.argmin(bad), rows)
        return jax.tree.map(lambda x: x.reshape(-1, *x.shape[2:])[rows].reshape(x.shape), samples)

    return shard(jax.lax.cond(jnp.any(diverged), replace, lambda samples: samples, samples), axis=1)


def update_statistics(statistics: Statistics, rollout: Transition) -> Statistics:
    """Statistics with the observations of a rollout [T, B] counted in."""
    return Statistics(
        observation=running_statistics.update(statistics.observation, rollout.observation, std_min_value=1e-2),
        privileged=running_statistics.update(statistics.privileged, rollout.privileged, std_min_value=1e-2),
    )


def count_episodes(episodes: Episodes, outcome: Outcome) -> Episodes:
    """Averages with the episodes that ended in a rollout [T, B] counted in; unfinished ones never count.

    Nor do those that ended because physics diverged.
    """
    ended = ((outcome.terminated | outcome.truncated) & ~outcome.diverged).astype(jnp.float32)
    new = jnp.sum(ended)
    share = new / jnp.maximum(episodes.count + new, 1.0)

    def average(old: jax.Array, values: jax.Array) -> jax.Array:
        mean = jnp.sum(ended * values) / jnp.maximum(new, 1.0)
        return old + share * (mean - old)

    return Episodes(
        length=average(episodes.length, outcome.episode_length),
        total=average(episodes.total, outcome.episode_return),
        falls=average(episodes.falls, outcome.terminated),
        count=jnp.minimum(episodes.count + new, EPISODE_MEMORY),
    )


def task_metrics(outcome: Outcome, episodes: Episodes) -> Metrics:
    """How the robots do at the task, over a rollout [T, B] and over finished episodes.

    Errors are those of the running mean of the velocity: a walk sways and turns with every step of the feet.
    """
    error = outcome.mean_velocity - outcome.command
    return {
        "task_reward": jnp.mean(outcome.task_reward),
        "forward_velocity": jnp.mean(outcome.velocity[..., 0]),
        "velocity_error": jnp.mean(jnp.linalg.norm(error[..., :2], axis=-1)),
        "turn_error": jnp.mean(jnp.abs(error[..., 2])),
        "episode_length": episodes.length,
        "episode_return": episodes.total,
        "fall_rate": episodes.falls,
    }
