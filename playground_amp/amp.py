"""The algorithm: adversarial motion priors (Peng et al. 2021, https://arxiv.org/abs/2104.02180, algorithm 1) with PPO.

`AMP.train_iteration` is read top to bottom; everything below it is called from it in that order.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
import optax
from flax import struct

from playground_amp import discriminator as disc
from playground_amp import ppo, replay
from playground_amp.config import Config
from playground_amp.env import Env, EnvState
from playground_amp.motion.library import load_clips, make_reference
from playground_amp.networks import Actor, ActorCriticParams, Critic, gaussian_log_prob, normalize
from playground_amp.physics import make_physics
from playground_amp.quiet import running_statistics
from playground_amp.robots import load_robot
from playground_amp.types import Outcome, Transition

Metrics = dict[str, jax.Array]

REWARD_SCALE = 3.0  # rewards are multiplied by this times (1 - gamma), so that values stay within 0..3
EPISODE_MEMORY = 100.0  # finished episodes over which episode metrics are averaged
CONTROL_GAIN = 0.2  # of the controller: change of the factor's logarithm by the error of the accuracy


class Statistics(struct.PyTreeNode):
    """Running mean and standard deviation of what the networks see."""

    observation: running_statistics.RunningStatisticsState
    privileged: running_statistics.RunningStatisticsState


class DiscriminatorState(struct.PyTreeNode):
    """The discriminator as the policy is rewarded by it."""

    params: dict
    optimizer: optax.OptState
    weakening: jax.Array  # [] factor of the controller on the setting it changes; above 1 the discriminator is weaker


class Levers(struct.PyTreeNode):
    """The discriminator's settings as the controller has them."""

    input_noise: jax.Array  # [] standard deviation, normalised input
    r1_gamma: jax.Array  # []
    learning_rate: jax.Array  # []
    update_share: jax.Array  # [] share of the updates that are done


class Episodes(struct.PyTreeNode):
    """Averages over the episodes finished last."""

    length: jax.Array  # [] control steps
    total: jax.Array  # [] task reward
    falls: jax.Array  # [] share that ended by a fall
    count: jax.Array  # [] episodes the averages stand for, at most EPISODE_MEMORY


class TrainState(struct.PyTreeNode):
    """Everything that changes during training; a checkpoint holds it whole."""

    trainee: ppo.Trainee
    statistics: Statistics
    discriminator: DiscriminatorState
    replay: replay.Replay
    env: EnvState
    episodes: Episodes
    iteration: jax.Array  # [] int32
    key: jax.Array


class AMP:
    """Binds environment, networks and settings (resolved: no `auto` left); all that changes is in TrainState."""

    def __init__(self, config: Config, env: Env):
        self.config, self.env = config, env
        mirror = env.robot.mirror_joints if config.networks.symmetric else None
        self.actor = Actor(config.networks.actor, env.num_actions, config.networks.initial_log_std, mirror)
        self.critic = Critic(config.networks.critic)
        self.discriminator = disc.make_discriminator(config.amp.hidden)
        self.discriminator_optimizer = optax.scale_by_adam(b1=config.amp.adam_b1)

    def init(self, key: jax.Array) -> TrainState:
        """State before the first iteration; consumes `key`. To be called under jit, as train_iteration is."""
        key, env_key, actor_key, critic_key, disc_key = jax.random.split(key, 5)
        env = self.env.reset(env_key, self.config.env.num_envs)
        observation, privileged = self.env.observe(env)
        params = ActorCriticParams(
            actor=self.actor.init(actor_key, self.sights(observation)), critic=self.critic.init(critic_key, privileged)
        )
        width = env.history.shape[1] * env.history.shape[2]
        disc_params = self.discriminator.init(disc_key, jnp.zeros((1, width)))
        return TrainState(
            trainee=ppo.Trainee(params=params, optimizer=ppo.make_optimizer(self.config.ppo).init(params)),
            statistics=Statistics(
                observation=running_statistics.init_state(observation[0]),
                privileged=running_statistics.init_state(privileged[0]),
            ),
            discriminator=DiscriminatorState(
                params=disc_params,
                optimizer=self.discriminator_optimizer.init(disc_params),
                weakening=jnp.float32(1.0),
            ),
            replay=replay.init(self.config.amp.replay_size, width),
            env=env,
            episodes=Episodes(*(jnp.float32(0.0) for _ in range(4))),
            iteration=jnp.int32(0),
            key=key,
        )

    def train_iteration(self, state: TrainState) -> tuple[TrainState, Metrics]:
        """Collect, score with the discriminator as it was, update the discriminator, update the policy."""
        key, collect_key, clean_key, disc_key, ppo_key = jax.random.split(state.key, 5)
        env, rollout = self.collect(state, collect_key)
        style, metrics = jnp.zeros_like(rollout.outcome.task_reward), {}
        if self.config.amp.style_weight > 0.0:
            inputs = self.inputs(rollout.outcome)
            scores = self.score_rollout(state.discriminator.params, inputs)
            style = disc.REWARDS[self.config.amp.reward](scores)
            metrics = {"amp_reward": jnp.mean(style), "disc_acc_clean": self.clean_accuracy(state, scores, clean_key)}
            fresh = inputs.reshape(-1, inputs.shape[-1])
            state, disc_metrics = self.update_discriminator(state, fresh, disc_key)
            metrics |= disc_metrics | {"feature_diversity": self.diversity(fresh)}
        reward = self.reward(rollout.outcome, style)
        trainee, ppo_metrics = self.update_policy(state, rollout, reward, ppo_key)
        episodes = count_episodes(state.episodes, rollout.outcome)
        metrics |= ppo_metrics | task_metrics(rollout.outcome, episodes)
        return state.replace(
            trainee=trainee,
            statistics=update_statistics(state.statistics, rollout),
            env=env,
            episodes=episodes,
            iteration=state.iteration + 1,
            key=key,
        ), metrics

    def collect(self, state: TrainState, key: jax.Array) -> tuple[EnvState, Transition]:
        """One rollout [T, B] with the policy of `state`."""

        def step(env: EnvState, key: jax.Array) -> tuple[EnvState, Transition]:
            observation, privileged = self.env.observe(env)
            mean, log_std = self.policy(state.trainee.params.actor, state.statistics, observation)
            action = mean + jnp.exp(log_std) * jax.random.normal(key, mean.shape)
            env, outcome = self.env.step(env, action)
            return env, Transition(
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
        return self.actor.apply(params, normalize(self.sights(observation), statistics.observation))

    def sights(self, observation: jax.Array) -> jax.Array:
        """Observations [..., O] as the actor takes them: a symmetric one beside their reflections, [..., 2, O]."""
        if not self.config.networks.symmetric:
            return observation
        return jnp.stack([observation, self.env.mirror(observation)], axis=-2)

    def inputs(self, outcome: Outcome) -> jax.Array:
        """Discriminator inputs [..., K * F] of a rollout, normalised by the reference."""
        windows = self.env.reference.normalizer(outcome.amp_window)
        return windows.reshape(*windows.shape[:-2], -1)

    def score(self, params: dict, inputs: jax.Array) -> jax.Array:
        """Discriminator scores [N] of inputs [N, K * F]."""
        return self.discriminator.apply(params, inputs)[..., 0]

    def score_rollout(self, params: dict, inputs: jax.Array) -> jax.Array:
        """Scores [T, B] of inputs [T, B, K * F], one step after the other: the layers then stay in a CPU's cache."""
        return jax.lax.map(lambda step: self.score(params, step), inputs)

    def clean_accuracy(self, state: TrainState, fake_scores: jax.Array, key: jax.Array) -> jax.Array:
        """Accuracy [] on inputs without noise, of the rollout's scores [T, B] and those of reference samples."""
        real = self.env.reference.sample_inputs(key, self.config.amp.batch_size)
        return disc.accuracy(self.score(state.discriminator.params, real), fake_scores)

    def diversity(self, inputs: jax.Array) -> jax.Array:
        """Spread [] of the rollout's inputs [N, K * F] over that of the reference's: near 0 for a single pose."""
        reference = self.env.reference.normalizer(self.env.reference.windows)
        return jnp.mean(inputs.std(axis=0)) / jnp.mean(reference.std(axis=0))

    def update_discriminator(self, state: TrainState, fresh: jax.Array, key: jax.Array) -> tuple[TrainState, Metrics]:
        """Remember the fresh inputs [N, K * F], then learn from reference, fresh and replayed ones."""
        buffer = replay.add(state.replay, fresh)

        def step(state: DiscriminatorState, key: jax.Array) -> tuple[DiscriminatorState, Metrics]:
            return self.discriminator_step(state, fresh, buffer, key)

        keys = jax.random.split(key, self.config.amp.update_steps)
        discriminator, metrics = jax.lax.scan(step, state.discriminator, keys)
        metrics = jax.tree.map(jnp.mean, metrics)
        weakening = self.steer(state.discriminator.weakening, metrics["disc_acc"])
        levers = self.levers(state.discriminator)
        metrics |= {
            "disc_weakening": weakening,
            "disc_input_noise": levers.input_noise,
            "disc_r1_gamma": levers.r1_gamma,
            "disc_learning_rate": levers.learning_rate,
            "disc_update_share": levers.update_share,
        }
        return state.replace(discriminator=discriminator.replace(weakening=weakening), replay=buffer), metrics

    def discriminator_step(
        self, state: DiscriminatorState, fresh: jax.Array, buffer: replay.Replay, key: jax.Array
    ) -> tuple[DiscriminatorState, Metrics]:
        """One gradient step on noisy inputs; the metrics are those of the fresh policy samples."""
        config, levers = self.config.amp, self.levers(state)
        real_key, fresh_key, replay_key, noise_key, skip_key = jax.random.split(key, 5)
        replayed = int(config.replay_share * config.batch_size)
        recent = config.batch_size - replayed
        real = self.env.reference.sample_inputs(real_key, config.batch_size)
        fake = fresh[jax.random.randint(fresh_key, (recent,), 0, len(fresh))]
        fake = jnp.concatenate([fake, replay.sample(buffer, replay_key, replayed)])
        noise = levers.input_noise * jax.random.normal(noise_key, (2, *real.shape))
        real, fake = real + noise[0], fake + noise[1]

        def loss(params: dict) -> tuple[jax.Array, Metrics]:
            real_scores, fake_scores = self.score(params, real), self.score(params, fake)
            adversarial = disc.LOSSES[config.loss](real_scores, fake_scores)
            penalty = disc.r1(lambda x: self.score(params, x), real)
            metrics = score_metrics(real_scores, fake_scores[:recent])
            metrics |= {"disc_loss": adversarial, "disc_r1": penalty}
            return adversarial + 0.5 * levers.r1_gamma * penalty, metrics

        gradients, metrics = jax.grad(loss, has_aux=True)(state.params)
        direction, optimizer = self.discriminator_optimizer.update(gradients, state.optimizer)
        params = optax.apply_updates(state.params, jax.tree.map(lambda x: -levers.learning_rate * x, direction))
        updated = state.replace(params=params, optimizer=optimizer)
        done = jax.random.uniform(skip_key) < levers.update_share
        return jax.tree.map(lambda new, old: jnp.where(done, new, old), updated, state), metrics

    def levers(self, state: DiscriminatorState) -> Levers:
        """The settings as configured, but the one of `amp.control`, which the controller has changed."""
        config = self.config.amp
        factor = {config.control: state.weakening}  # more noise and penalty weaken; so do smaller and fewer steps
        return Levers(
            input_noise=config.input_noise * factor.get("input_noise", jnp.float32(1.0)),
            r1_gamma=config.r1_gamma * factor.get("r1_gamma", jnp.float32(1.0)),
            learning_rate=config.discriminator_lr / factor.get("discriminator_lr", jnp.float32(1.0)),
            update_share=jnp.minimum(1.0, 1.0 / factor.get("update_steps", jnp.float32(1.0))),
        )

    def steer(self, weakening: jax.Array, accuracy: jax.Array) -> jax.Array:
        """Weaken the discriminator more when it is surer than the target accuracy, less when it is less sure.

        w <- clip(w exp(g (accuracy - target)), lowest, highest): an integral controller on log w.
        """
        config = self.config.amp
        if config.control == "off":
            return weakening
        return jnp.clip(weakening * jnp.exp(CONTROL_GAIN * (accuracy - config.target_accuracy)), *config.control_range)

    def reward(self, outcome: Outcome, style: jax.Array) -> jax.Array:
        """What PPO maximises [T, B]: weighted task and style, less the cost of the action, scaled."""
        amp = self.config.amp
        total = amp.task_weight * outcome.task_reward + amp.style_weight * style - outcome.cost
        return REWARD_SCALE * (1.0 - self.config.ppo.gamma) * total

    def update_policy(
        self, state: TrainState, rollout: Transition, reward: jax.Array, key: jax.Array
    ) -> tuple[ppo.Trainee, Metrics]:
        """PPO on the rollout [T, B], with the statistics it was collected with."""
        config, statistics = self.config.ppo, state.statistics
        privileged = normalize(rollout.privileged, statistics.privileged)
        critic = state.trainee.params.critic
        advantage, value_target = ppo.advantages(
            reward,
            rollout.outcome.terminated,
            rollout.outcome.truncated,
            self.critic.apply(critic, privileged),
            self.critic.apply(critic, normalize(rollout.outcome.privileged, statistics.privileged)),
            gamma=config.gamma,
            gae_lambda=config.gae_lambda,
        )
        batch = ppo.Batch(
            observation=normalize(self.sights(rollout.observation), statistics.observation),
            privileged=privileged,
            action=rollout.action,
            log_prob=rollout.log_prob,
            mean=rollout.mean,
            advantage=(advantage - advantage.mean()) / (advantage.std() + 1e-8),
            value_target=value_target,
        )
        batch = jax.tree.map(lambda x: x.reshape(-1, *x.shape[2:]), batch)
        return ppo.update(state.trainee, batch, key, self.actor.apply, self.critic.apply, config)


def make_amp(config: Config) -> AMP:
    """Robot, clips, physics and environment of a resolved configuration, bound into the algorithm."""
    robot, env = load_robot(config.env.robot), config.env
    physics = make_physics(env.physics, robot, control_dt=env.control_dt)
    reference = make_reference(
        load_clips(config.reference.clips, robot, control_dt=env.control_dt),
        robot,
        window=config.amp.window,
        mirror=config.reference.mirror,
        control_dt=env.control_dt,
    )
    return AMP(config, Env(env, robot, physics, reference))


def score_metrics(real: jax.Array, fake: jax.Array) -> Metrics:
    """Mean and spread of the scores of reference [N] and policy [M], and the accuracy."""
    return {
        "disc_real_mean": real.mean(),
        "disc_fake_mean": fake.mean(),
        "disc_real_std": real.std(),
        "disc_fake_std": fake.std(),
        "disc_acc": disc.accuracy(real, fake),
    }


def update_statistics(statistics: Statistics, rollout: Transition) -> Statistics:
    """Statistics with the observations of a rollout [T, B] counted in."""
    return Statistics(
        observation=running_statistics.update(statistics.observation, rollout.observation, std_min_value=1e-2),
        privileged=running_statistics.update(statistics.privileged, rollout.privileged, std_min_value=1e-2),
    )


def count_episodes(episodes: Episodes, outcome: Outcome) -> Episodes:
    """Averages with the episodes that ended in a rollout [T, B] counted in; unfinished ones never count."""
    ended = (outcome.terminated | outcome.truncated).astype(jnp.float32)
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
    """How the robots do at the task, over a rollout [T, B] and over finished episodes."""
    return {
        "task_reward": jnp.mean(outcome.task_reward),
        "forward_velocity": jnp.mean(outcome.forward_velocity),
        "velocity_error": jnp.mean(jnp.abs(outcome.forward_velocity - outcome.command)),
        "episode_length": episodes.length,
        "episode_return": episodes.total,
        "fall_rate": episodes.falls,
    }
