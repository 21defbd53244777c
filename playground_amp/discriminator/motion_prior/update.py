"""The parts of one discriminator update: the batch of fakes, the noise, and the penalties."""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp

from playground_amp.config import ResolvedAMPConfig, is_enabled
from playground_amp.discriminator import penalties
from playground_amp.discriminator.motion_prior.control import EffectiveHyperparams
from playground_amp.discriminator.motion_prior.inputs import InputBuilder
from playground_amp.discriminator.network import InputShape
from playground_amp.learning import replay

Score = Callable[[jax.Array], jax.Array]  # inputs [..., D] -> scores [...]


def fake_batch(
    config: ResolvedAMPConfig,
    builder: InputBuilder,
    fresh: jax.Array,
    buffer: replay.Replay,
    *,
    fresh_key: jax.Array,
    replay_key: jax.Array,
    mirror_key: jax.Array,
) -> tuple[jax.Array, int]:
    """A batch [batch_size, D] of the policy's inputs, fresh ones [N, D] first, and how many are fresh."""
    size = config.batch_size
    replayed = int(config.replay_share * size)
    fake = fresh[jax.random.randint(fresh_key, (size - replayed,), 0, len(fresh))]
    fake = jnp.concatenate([fake, replay.sample(buffer, replay_key, replayed)])
    if config.mirror_policy:
        fake = jnp.where(jax.random.bernoulli(mirror_key, shape=(size, 1)), builder.mirrored(fake), fake)
    return fake, size - replayed


def with_noise(
    shape: InputShape, real: jax.Array, fake: jax.Array, deviation: jax.Array, key: jax.Array
) -> tuple[jax.Array, jax.Array]:
    """Inputs [N, D] of both sides with noise on the frames; the condition stays exact."""
    frames = shape.frames * shape.features
    noise = deviation * jax.random.normal(key, (2, len(real), frames))
    if shape.condition:
        noise = jnp.pad(noise, ((0, 0), (0, 0), (0, shape.condition)))
    return real + noise[0], fake + noise[1]


def weighted_penalties(
    config: ResolvedAMPConfig,
    hyperparams: EffectiveHyperparams,
    shape: InputShape,
    score: Score,
    params: dict,
    real: jax.Array,
    fake: jax.Array,
    key: jax.Array,
) -> tuple[jax.Array, dict[str, jax.Array]]:
    """Sum [] of the weighted penalties that are in use on inputs [N, D], and the gradient penalties by themselves."""
    total, metrics = jnp.float32(0.0), {}
    if is_enabled(config.r1_gamma):
        metrics["disc_r1"] = penalties.squared_gradient(*_of_frames(shape, score, real))
        total += 0.5 * hyperparams.r1_gamma * metrics["disc_r1"]
    if is_enabled(config.r2_gamma):
        metrics["disc_r2"] = penalties.squared_gradient(*_of_frames(shape, score, fake))
        total += 0.5 * config.r2_gamma * metrics["disc_r2"]
    if is_enabled(config.gp_weight):
        between = penalties.interpolate(key, real, fake)
        metrics["disc_gp"] = penalties.gradient_penalty(*_of_frames(shape, score, between), config.gp_target)
        total += config.gp_weight * metrics["disc_gp"]
    if is_enabled(config.logit_decay):
        total += config.logit_decay * penalties.squared_output_weights(params)
    if is_enabled(config.weight_decay):
        total += config.weight_decay * penalties.squared_weights(params)
    return total, metrics


def _of_frames(shape: InputShape, score: Score, inputs: jax.Array) -> tuple[Score, jax.Array]:
    """What a gradient is taken of, and where: the score as a function of the frames [N, K * F] alone."""
    if shape.condition == 0:
        return score, inputs
    frames, condition = jnp.split(inputs, [shape.frames * shape.features], axis=-1)
    return lambda frames: score(jnp.concatenate([frames, condition], axis=-1)), frames
