"""The controller that keeps the discriminator near its target accuracy, and the schedules of its settings."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from flax import struct

from playground_amp.config import ResolvedAMPConfig, is_enabled, is_number

CONTROL_GAIN = 0.2  # change of the factor's logarithm by the error of the accuracy


class EffectiveHyperparams(struct.PyTreeNode):
    """The discriminator's settings as schedule and controller have them."""

    input_noise: jax.Array  # [] standard deviation, normalised input
    r1_gamma: jax.Array  # []
    learning_rate: jax.Array  # []
    update_share: jax.Array  # [] share of the updates that are done


def effective_hyperparams(
    config: ResolvedAMPConfig, control_factor: jax.Array, iteration: jax.Array
) -> EffectiveHyperparams:
    """The settings as configured and scheduled, but the one of `amp.control`, which the controller has changed."""
    factor = {config.control: control_factor}  # more noise and penalty weaken; so do smaller and fewer steps
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


def update_control_factor(config: ResolvedAMPConfig, control_factor: jax.Array, accuracy: jax.Array) -> jax.Array:
    """Weaken the discriminator more when it is surer than the target accuracy, less when it is less sure.

    w <- clip(w exp(g (accuracy - target)), lowest, highest): an integral controller on log w.
    """
    if config.control == "off":
        return control_factor
    change = jnp.exp(CONTROL_GAIN * (accuracy - config.target_accuracy))
    return jnp.clip(control_factor * change, *config.control_range)
