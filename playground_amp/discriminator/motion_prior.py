"""The motion prior: what the discriminator sees of a rollout, the style reward it gives, and how it learns.

`MotionPrior` binds settings, reference and network; all that changes is in DiscriminatorState and the replay buffer.
"""

from __future__ import annotations

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import struct

from playground_amp.config import ResolvedAMPConfig, asks_for_gaits, is_enabled, is_number
from playground_amp.core.types import Outcome
from playground_amp.discriminator import losses, penalties, rewards
from playground_amp.discriminator.diversity import Modes, coverage, find_modes, spread
from playground_amp.discriminator.network import InputShape, make_discriminator
from playground_amp.learning import replay
from playground_amp.motion.features import feature_mirror, feature_parts, feature_weights
from playground_amp.motion.reference_builder import Reference
from playground_amp.robots import Robot

Metrics = dict[str, jax.Array]

CONTROL_GAIN = 0.2  # of the controller: change of the factor's logarithm by the error of the accuracy
SPEED_UNIT = 0.2  # m/s, one unit of the command as the discriminator sees it
DRAWS = {"dropout": 1, "penalty": 2, "mirror": 3}  # what a step's key is folded with, beside the five it is split in


class DiscriminatorState(struct.PyTreeNode):
    """The discriminator as the policy is rewarded by it."""

    params: dict
    statistics: dict  # of spectral norm; empty without
    opt_state: optax.OptState
    control_factor: jax.Array  # [] of the controller on the setting it changes; above 1 weakens the discriminator
    scores: rewards.Scores


class EffectiveHyperparams(struct.PyTreeNode):
    """The discriminator's settings as schedule and controller have them."""

    input_noise: jax.Array  # [] standard deviation, normalised input
    r1_gamma: jax.Array  # []
    learning_rate: jax.Array  # []
    update_share: jax.Array  # [] share of the updates that are done


class MotionPrior:
    """Binds the settings of the motion prior, the reference and the network; holds no state.

    With `follow_command` inputs end with the speed asked for, also where the network is not told it: reference samples
    are then drawn near the speeds of the policy samples that they are compared with.
    """

    def __init__(self, config: ResolvedAMPConfig, reference: Reference, robot: Robot, *, follow_command: bool = False):
        labels = len(reference.gaits.names) if asks_for_gaits(config) else 0
        self.config, self.reference, self.labels = config, reference, labels
        self._pool = reference if labels else reference.as_one_gait()  # that samples are drawn from
        weights = feature_weights(robot, config.feature_weights)
        self._kept = np.flatnonzero(weights)
        self._weights = None if (weights == 1.0).all() else weights[self._kept]
        partner, sign = feature_mirror(robot)
        self._mirror = np.searchsorted(self._kept, partner[self._kept]), sign[self._kept]
        command_visible = config.condition in ("command", "both")
        self.shape = InputShape(
            frames=config.window,
            features=len(self._kept),
            condition=labels + (command_visible or follow_command),
            parts=_parts(feature_parts(robot), self._kept),
        )
        self._num_hidden_inputs = int(follow_command and not command_visible)  # at the end of an input
        self.midpoint = losses.midpoint(config.loss, config.targets)
        seen = dataclasses.replace(self.shape, condition=self.shape.condition - self._num_hidden_inputs)
        self.network = make_discriminator(config, seen, self.midpoint)
        self.modes = self._find_modes()

    @property
    def optimizer(self) -> optax.GradientTransformation:
        """Adam, without its learning rate."""
        return optax.scale_by_adam(b1=self.config.adam_b1, b2=self.config.adam_b2)

    def init(self, key: jax.Array) -> DiscriminatorState:
        """State before the first update."""
        variables = self.network.init(key, self._network_input(jnp.zeros((1, self.shape.width))))
        params = {"params": variables["params"]}
        return DiscriminatorState(
            params=params,
            statistics={name: value for name, value in variables.items() if name != "params"},
            opt_state=self.optimizer.init(params),
            control_factor=jnp.float32(1.0),
            scores=rewards.no_scores(self.midpoint),
        )

    # --- what is seen

    def inputs(self, outcome: Outcome) -> jax.Array:
        """Inputs [..., K * F + C] of a rollout: frames normalised by the reference, then the condition."""
        return self._normalized(outcome.amp_window, self.condition(outcome.label, outcome.command))

    def condition(self, label: jax.Array, command: jax.Array) -> jax.Array:
        """What goes with the motion [..., C]: the label, one of L, and the speed asked for in SPEED_UNIT."""
        parts = [jax.nn.one_hot(label, self.labels)] if self.labels else []
        parts += [command[..., None] / SPEED_UNIT] if self.shape.condition > self.labels else []
        return jnp.concatenate(parts, axis=-1) if parts else jnp.zeros((*label.shape, 0))

    def real_inputs(self, key: jax.Array, count: int, fake: jax.Array) -> jax.Array:
        """Inputs [count, K * F + C] of the reference; conditions are those of `fake` [count, K * F + C], row by row.

        Reference and policy then differ in the motion alone, never in how often something was asked for.
        """
        if self.shape.condition == 0:
            return self._normalized(self.reference.windows[self._pool.sample(key, count)], None)
        condition = fake[:, -self.shape.condition :]
        label = jnp.argmax(condition[:, : self.labels], axis=-1) if self.labels else jnp.zeros(count, jnp.int32)
        if self.shape.condition > self.labels:
            indices = self._pool.sample_near_command(key, label, SPEED_UNIT * condition[:, -1])
        else:
            indices = self._pool.sample_label(key, label)
        return self._normalized(self.reference.windows[indices], condition)

    def mirrored(self, inputs: jax.Array) -> jax.Array:
        """Inputs [..., K * F + C] of the reflected motion under the same condition."""
        frames, condition = self.shape.split(inputs)
        partner, sign = self._mirror
        frames = frames[..., partner] * sign
        return jnp.concatenate([frames.reshape(*condition.shape[:-1], -1), condition], axis=-1)

    def _normalized(self, windows: jax.Array, condition: jax.Array | None) -> jax.Array:
        """Windows [..., S, F] of features and conditions [..., C] -> inputs."""
        frames = self.reference.normalizer(windows[..., :: self.config.dilation, :])
        if len(self._kept) < frames.shape[-1]:
            frames = frames[..., self._kept]
        if self._weights is not None:
            frames = frames * self._weights
        flat = frames.reshape(*frames.shape[:-2], -1)
        return flat if condition is None or self.shape.condition == 0 else jnp.concatenate([flat, condition], axis=-1)

    def _network_input(self, inputs: jax.Array) -> jax.Array:
        """What the network is given of inputs [..., K * F + C]."""
        return inputs[..., : -self._num_hidden_inputs] if self._num_hidden_inputs else inputs

    # --- what is rewarded

    def score(self, state: DiscriminatorState, inputs: jax.Array) -> jax.Array:
        """Scores [...] of inputs [..., K * F + C]."""
        return self.network.apply({**state.params, **state.statistics}, self._network_input(inputs))

    def score_rollout(self, state: DiscriminatorState, inputs: jax.Array) -> jax.Array:
        """Scores [T, B] of inputs [T, B, D], one step after the other: the layers then stay in a CPU's cache."""
        return jax.lax.map(lambda step: self.score(state, step), inputs)

    def style(self, state: DiscriminatorState, scores: jax.Array, iteration: jax.Array) -> jax.Array:
        """Style reward [...] of scores [...]; none during the warm-up."""
        reward = rewards.REWARDS[self.config.reward](scores, self.config.targets, state.scores)
        return jnp.where(iteration < self.config.warm_up, 0.0, reward) if is_enabled(self.config.warm_up) else reward

    def accuracy(self, state: DiscriminatorState, real: jax.Array, fake: jax.Array) -> jax.Array:
        """Share [] of scores told apart rightly; a critic without level is cut at the running mean of its scores."""
        middle = state.scores.mean if self.config.loss == "wasserstein" else self.midpoint
        return losses.accuracy(real, fake, middle)

    def clean_accuracy(
        self, state: DiscriminatorState, inputs: jax.Array, scores: jax.Array, key: jax.Array
    ) -> jax.Array:
        """Accuracy [] on inputs without noise: scores [T, B] of the rollout's inputs [T, B, D], and the reference's."""
        size = self.config.batch_size
        flat = inputs.reshape(-1, inputs.shape[-1])
        real = self.real_inputs(key, size, flat[np.arange(size) * len(flat) // size])
        return self.accuracy(state, self.score(state, real), scores)

    def diversity(self, inputs: jax.Array) -> Metrics:
        """How much of the reference's variety is in inputs [N, D]: see `diversity.spread` and `diversity.coverage`."""
        frames = inputs[:, : self.shape.frames * self.shape.features]
        return {
            "feature_diversity": spread(frames) / self.modes.spread,
            "mode_coverage": coverage(self.modes, frames),
        }

    def _find_modes(self) -> Modes:
        return find_modes(np.asarray(self._normalized(self.reference.windows, None))[self.reference.spread()])

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
        control_factor = self.update_control_factor(state.control_factor, metrics["disc_acc"])
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
        fake, recent = self._fake_inputs(fresh, buffer, fresh_key, replay_key, _draw(key, "mirror"))
        real = self.real_inputs(real_key, len(fake), fake)
        real, fake = self._noisy(real, fake, hyperparams.input_noise, noise_key)

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

    def _fake_inputs(
        self,
        fresh: jax.Array,
        buffer: replay.Replay,
        fresh_key: jax.Array,
        replay_key: jax.Array,
        mirror_key: jax.Array,
    ) -> tuple[jax.Array, int]:
        """A batch of the policy's inputs, fresh ones first, and how many are fresh."""
        size = self.config.batch_size
        replayed = int(self.config.replay_share * size)
        fake = fresh[jax.random.randint(fresh_key, (size - replayed,), 0, len(fresh))]
        fake = jnp.concatenate([fake, replay.sample(buffer, replay_key, replayed)])
        if self.config.mirror_policy:
            fake = jnp.where(jax.random.bernoulli(mirror_key, shape=(size, 1)), self.mirrored(fake), fake)
        return fake, size - replayed

    def _noisy(
        self, real: jax.Array, fake: jax.Array, deviation: jax.Array, key: jax.Array
    ) -> tuple[jax.Array, jax.Array]:
        """Both with noise on the frames; the condition stays exact."""
        frames = self.shape.frames * self.shape.features
        noise = deviation * jax.random.normal(key, (2, len(real), frames))
        if self.shape.condition:
            noise = jnp.pad(noise, ((0, 0), (0, 0), (0, self.shape.condition)))
        return real + noise[0], fake + noise[1]

    def _train_score(self, params: dict, statistics: dict, inputs: jax.Array, key: jax.Array) -> tuple[jax.Array, dict]:
        """Scores with dropout, and the statistics of spectral norm one step on."""
        return self.network.apply(
            {**params, **statistics},
            self._network_input(inputs),
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
        """Sum [] of the weighted penalties that are in use, and the gradient penalties by themselves."""
        config = self.config
        total, metrics = jnp.float32(0.0), {}
        if is_enabled(config.r1_gamma):
            metrics["disc_r1"] = penalties.squared_gradient(*self._slope(state, real))
            total += 0.5 * hyperparams.r1_gamma * metrics["disc_r1"]
        if is_enabled(config.r2_gamma):
            metrics["disc_r2"] = penalties.squared_gradient(*self._slope(state, fake))
            total += 0.5 * config.r2_gamma * metrics["disc_r2"]
        if is_enabled(config.gp_weight):
            between = penalties.interpolate(key, real, fake)
            metrics["disc_gp"] = penalties.gradient_penalty(*self._slope(state, between), config.gp_target)
            total += config.gp_weight * metrics["disc_gp"]
        if is_enabled(config.logit_decay):
            total += config.logit_decay * penalties.squared_output_weights(state.params)
        if is_enabled(config.weight_decay):
            total += config.weight_decay * penalties.squared_weights(state.params)
        return total, metrics

    def _slope(self, state: DiscriminatorState, inputs: jax.Array) -> tuple[penalties.Score, jax.Array]:
        """What a gradient is taken of, and where: the score as a function of the frames [N, K * F] alone."""
        if self.shape.condition == 0:
            return lambda frames: self.score(state, frames), inputs
        frames, condition = jnp.split(inputs, [self.shape.frames * self.shape.features], axis=-1)
        return lambda frames: self.score(state, jnp.concatenate([frames, condition], axis=-1)), frames

    def _score_metrics(self, state: DiscriminatorState, real: jax.Array, fake: jax.Array) -> Metrics:
        """Mean and spread of the scores of reference [N] and policy [M], and the accuracy."""
        return {
            "disc_real_mean": real.mean(),
            "disc_fake_mean": fake.mean(),
            "disc_real_std": real.std(),
            "disc_fake_std": fake.std(),
            "disc_acc": self.accuracy(state, real, fake),
        }

    def hyperparams(self, state: DiscriminatorState, iteration: jax.Array) -> EffectiveHyperparams:
        """The settings as configured and scheduled, but the one of `amp.control`, which the controller has changed."""
        config = self.config
        factor = {config.control: state.control_factor}  # more noise and penalty weaken; so do smaller and fewer steps
        one = jnp.float32(1.0)
        noise = config.input_noise * factor.get("input_noise", one)
        if is_enabled(config.noise_half_life):
            noise *= 0.5 ** (iteration / config.noise_half_life)
        share = jnp.minimum(1.0, 1.0 / factor.get("update_steps", one))
        if not is_number(config.update_every) or config.update_every > 1:
            share = jnp.where(iteration % config.update_every == 0, share, 0.0)
        return EffectiveHyperparams(
            input_noise=noise,
            r1_gamma=config.r1_gamma * factor.get("r1_gamma", one),
            learning_rate=config.discriminator_lr / factor.get("discriminator_lr", one),
            update_share=share,
        )

    def update_control_factor(self, control_factor: jax.Array, accuracy: jax.Array) -> jax.Array:
        """Weaken the discriminator more when it is surer than the target accuracy, less when it is less sure.

        w <- clip(w exp(g (accuracy - target)), lowest, highest): an integral controller on log w.
        """
        config = self.config
        if config.control == "off":
            return control_factor
        return jnp.clip(
            control_factor * jnp.exp(CONTROL_GAIN * (accuracy - config.target_accuracy)), *config.control_range
        )


def _draw(key: jax.Array, purpose: str) -> jax.Array:
    return jax.random.fold_in(key, DRAWS[purpose])


def _parts(parts: list[np.ndarray], kept: np.ndarray) -> tuple[tuple[int, ...], ...]:
    """Body parts as places among the features that were kept; parts without any are left out."""
    places = [np.searchsorted(kept, np.intersect1d(part, kept)) for part in parts]
    return tuple(tuple(place.tolist()) for place in places if len(place))
