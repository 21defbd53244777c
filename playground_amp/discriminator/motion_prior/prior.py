"""The motion prior: the style reward that the discriminator gives, and how it learns.

`MotionPrior` binds settings, reference and network; all that changes is in DiscriminatorState and the replay buffer.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import struct

from playground_amp.config import ResolvedAMPConfig, is_enabled
from playground_amp.core.devices import shard
from playground_amp.core.types import Outcome
from playground_amp.discriminator import attribution, losses, rewards
from playground_amp.discriminator.diversity import Modes, coverage, find_modes, spread
from playground_amp.discriminator.motion_prior.control import (
    EffectiveHyperparams,
    effective_hyperparams,
    update_control_factor,
)
from playground_amp.discriminator.motion_prior.inputs import InputBuilder
from playground_amp.discriminator.motion_prior.update import fake_batch, weighted_penalties, with_noise
from playground_amp.discriminator.network import InputShape, make_discriminator
from playground_amp.learning import replay
from playground_amp.motion.reference import Reference
from playground_amp.robots import Robot

Metrics = dict[str, jax.Array]

DRAWS = {"dropout": 1, "penalty": 2, "mirror": 3}  # what a step's key is folded with, beside the five it is split in
PAIRS = 64  # of reference and policy that the shares of the feature groups are measured by


class DiscriminatorState(struct.PyTreeNode):
    """The discriminator as the policy is rewarded by it."""

    params: dict
    statistics: dict  # of spectral norm; empty without
    opt_state: optax.OptState
    control_factor: jax.Array  # [] of the controller on the setting it changes; above 1 weakens the discriminator
    scores: rewards.Scores


class MotionPrior:
    """Binds the settings of the motion prior, the reference and the network; holds no state."""

    def __init__(self, config: ResolvedAMPConfig, reference: Reference, robot: Robot, *, follow_command: bool = False):
        self.config, self.reference = config, reference
        self.builder = InputBuilder(config, reference, robot, follow_command=follow_command)
        self.midpoint = losses.midpoint(config.loss, config.targets)
        self.network = make_discriminator(config, self.builder.network_shape, self.midpoint)
        self.modes = self._find_modes()

    @property
    def shape(self) -> InputShape:
        """What one input is made of."""
        return self.builder.shape

    @property
    def optimizer(self) -> optax.GradientTransformation:
        """Adam, without its learning rate."""
        return optax.scale_by_adam(b1=self.config.adam_b1, b2=self.config.adam_b2)

    def init(self, key: jax.Array) -> DiscriminatorState:
        """State before the first update."""
        blank = jnp.zeros((1, self.shape.width))
        variables = self.network.init(key, self.builder.network_input(blank))
        params = {"params": variables["params"]}
        return DiscriminatorState(
            params=params,
            statistics={name: value for name, value in variables.items() if name != "params"},
            opt_state=self.optimizer.init(params),
            control_factor=jnp.float32(1.0),
            scores=rewards.no_scores(self.midpoint),
        )

    # --- what is rewarded

    def inputs(self, outcome: Outcome) -> jax.Array:
        """The discriminator's inputs [..., K * F + C] of a rollout."""
        return self.builder.of_rollout(outcome)

    def score(self, state: DiscriminatorState, inputs: jax.Array) -> jax.Array:
        """Scores [...] of inputs [..., K * F + C]."""
        return self.network.apply({**state.params, **state.statistics}, self.builder.network_input(inputs))

    def score_rollout(self, state: DiscriminatorState, inputs: jax.Array) -> jax.Array:
        """Scores [T, B] of inputs [T, B, D], one step after the other: the layers then stay in a CPU's cache."""
        return jax.lax.map(lambda step: self.score(state, step), inputs)

    def style(self, state: DiscriminatorState, scores: jax.Array, iteration: jax.Array) -> jax.Array:
        """Style reward [...] of scores [...]; none during the warm-up."""
        reward = self._reward(state, scores)
        return jnp.where(iteration < self.config.warm_up, 0.0, reward) if is_enabled(self.config.warm_up) else reward

    def _reward(self, state: DiscriminatorState, scores: jax.Array) -> jax.Array:
        return rewards.REWARDS[self.config.reward](scores, self.config.targets, state.scores)

    def accuracy(self, state: DiscriminatorState, real: jax.Array, fake: jax.Array) -> jax.Array:
        """Share [] of scores told apart rightly; a critic without level is cut at the running mean of its scores."""
        middle = state.scores.mean if self.config.loss == "wasserstein" else self.midpoint
        return losses.accuracy(real, fake, middle)

    def clean_metrics(self, state: DiscriminatorState, inputs: jax.Array, scores: jax.Array, key: jax.Array) -> Metrics:
        """How well, and by what, inputs without noise are told apart: the rollout's [T, B, D] and the reference's.

        `scores` [T, B] are those of the rollout's inputs, `key` draws the reference's.
        """
        size = self.config.batch_size
        flat = inputs.reshape(-1, inputs.shape[-1])
        fake = flat[np.arange(size) * len(flat) // size]
        real = self.builder.of_reference(key, size, fake)
        real_scores = self.score(state, real)
        return {
            "disc_acc_clean": self.accuracy(state, real_scores, scores),
            "disc_auc_clean": losses.auc(real_scores, scores.reshape(-1)),
            "amp_reward_reference": jnp.mean(self._reward(state, real_scores)),
        } | self._told_by(state, real, fake)

    def _told_by(self, state: DiscriminatorState, real: jax.Array, fake: jax.Array) -> Metrics:
        """Share of each group of features in the distance of the scores of reference and policy, inputs [N, D] each."""
        some = np.arange(min(PAIRS, len(real))) * len(real) // min(PAIRS, len(real))
        parts = attribution.integrated_gradients(lambda inputs: self.score(state, inputs), real[some], fake[some])
        return {f"disc_by_{group}": share for group, share in self.builder.shares(parts).items()}

    def diversity(self, inputs: jax.Array) -> Metrics:
        """How much of the reference's variety is in inputs [N, D]: see `diversity.spread` and `diversity.coverage`."""
        frames = self.builder.frames(inputs)
        return {
            "feature_diversity": spread(frames) / self.modes.spread,
            "mode_coverage": coverage(self.modes, frames),
        }

    def _find_modes(self) -> Modes:
        windows = np.asarray(self.builder.normalized(self.reference.windows, None))
        return find_modes(windows[self.reference.spread()])

    # --- what is learned

    def update(
        self, state: DiscriminatorState, buffer: replay.Replay, fresh: jax.Array, iteration: jax.Array, key: jax.Array
    ) -> tuple[DiscriminatorState, replay.Replay, Metrics]:
        """Remember the fresh inputs [N, D], then learn from reference, fresh and replayed ones."""
        buffer = replay.add(buffer, fresh)
        hyperparams = self.hyperparams(state, iteration)

        def step(state: DiscriminatorState, key: jax.Array) -> tuple[DiscriminatorState, Metrics]:
            return self.step(state, hyperparams, fresh, buffer, key)

        after, metrics = jax.lax.scan(step, state, jax.random.split(key, self.config.update_steps))
        metrics = jax.tree.map(jnp.mean, metrics)
        control_factor = update_control_factor(self.config, state.control_factor, metrics["disc_acc"])
        scores = rewards.count_scores(
            state.scores,
            (metrics["disc_real_mean"], metrics["disc_real_std"]),
            (metrics["disc_fake_mean"], metrics["disc_fake_std"]),
        )
        metrics |= {
            "disc_weakening": control_factor,
            "disc_input_noise": hyperparams.input_noise,
            "disc_r1_gamma": hyperparams.r1_gamma,
            "disc_learning_rate": hyperparams.learning_rate,
            "disc_update_share": hyperparams.update_share,
        }
        return after.replace(control_factor=control_factor, scores=scores), buffer, metrics

    def hyperparams(self, state: DiscriminatorState, iteration: jax.Array) -> EffectiveHyperparams:
        """The settings of this iteration's updates."""
        return effective_hyperparams(self.config, state.control_factor, iteration)

    def step(
        self,
        state: DiscriminatorState,
        hyperparams: EffectiveHyperparams,
        fresh: jax.Array,
        buffer: replay.Replay,
        key: jax.Array,
    ) -> tuple[DiscriminatorState, Metrics]:
        """One gradient step on noisy inputs; the metrics are those of the fresh policy samples."""
        real_key, fresh_key, replay_key, noise_key, skip_key = jax.random.split(key, 5)
        keys = {"fresh_key": fresh_key, "replay_key": replay_key, "mirror_key": _draw(key, "mirror")}
        fake, recent = fake_batch(self.config, self.builder, fresh, buffer, **keys)
        real = self.builder.of_reference(real_key, len(fake), fake)
        real, fake = shard(with_noise(self.shape, real, fake, hyperparams.input_noise, noise_key))

        def loss(params: dict) -> tuple[jax.Array, tuple[dict, Metrics]]:
            real_scores, statistics = self._train_score(params, state.statistics, real, _draw(key, "dropout"))
            fake_scores, statistics = self._train_score(params, statistics, fake, _draw(key, "dropout"))
            adversarial = losses.LOSSES[self.config.loss](
                real_scores, fake_scores, self.config.targets, self.config.label_smoothing
            )
            updated = state.replace(params=params, statistics=statistics)
            penalty, metrics = self._penalty(updated, hyperparams, real, fake, _draw(key, "penalty"))
            metrics |= {"disc_loss": adversarial} | self._score_metrics(state, real_scores, fake_scores[:recent])
            return adversarial + penalty, (statistics, metrics)

        gradients, (statistics, metrics) = jax.grad(loss, has_aux=True)(state.params)
        direction, opt_state = self.optimizer.update(gradients, state.opt_state)
        params = optax.apply_updates(state.params, jax.tree.map(lambda x: -hyperparams.learning_rate * x, direction))
        updated = state.replace(params=params, statistics=statistics, opt_state=opt_state)
        done = jax.random.uniform(skip_key) < hyperparams.update_share
        return jax.tree.map(lambda new, old: jnp.where(done, new, old), updated, state), metrics

    def _train_score(self, params: dict, statistics: dict, inputs: jax.Array, key: jax.Array) -> tuple[jax.Array, dict]:
        """Scores with dropout, and the statistics of spectral norm one step on."""
        return self.network.apply(
            {**params, **statistics},
            self.builder.network_input(inputs),
            train=True,
            rngs={"dropout": key},
            mutable=list(statistics),
        )

    def _penalty(
        self,
        state: DiscriminatorState,
        hyperparams: EffectiveHyperparams,
        real: jax.Array,
        fake: jax.Array,
        key: jax.Array,
    ) -> tuple[jax.Array, Metrics]:
        """See `update.weighted_penalties`; scores are those without dropout."""

        def score(inputs: jax.Array) -> jax.Array:
            return self.score(state, inputs)

        return weighted_penalties(self.config, hyperparams, self.shape, score, state.params, real, fake, key)

    def _score_metrics(self, state: DiscriminatorState, real: jax.Array, fake: jax.Array) -> Metrics:
        """Mean and spread of the scores of reference [N] and policy [M], and the accuracy."""
        return {
            "disc_real_mean": real.mean(),
            "disc_fake_mean": fake.mean(),
            "disc_real_std": real.std(),
            "disc_fake_std": fake.std(),
            "disc_acc": self.accuracy(state, real, fake),
        }


def _draw(key: jax.Array, purpose: str) -> jax.Array:
    return jax.random.fold_in(key, DRAWS[purpose])
