"""Actor, critic, the Gaussian head, and the running normaliser of their inputs (Brax's)."""

from __future__ import annotations

from collections.abc import Sequence

import flax.linen as nn
import jax
import jax.numpy as jnp
from flax import struct

from playground_amp.core.quiet_imports import running_statistics

OBSERVATION_CLIP = 10.0  # standard deviations
LOG_TWO_PI = 1.8378770664093453


class MLP(nn.Module):
    """Dense layers with ELU between them; orthogonal weights of gain sqrt(2), `output_gain` in the last layer."""

    hidden: Sequence[int]
    outputs: int
    output_gain: float
    output_bias: float = 0.0

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """[..., inputs] -> [..., outputs]."""
        for width in self.hidden:
            x = nn.elu(nn.Dense(width, kernel_init=nn.initializers.orthogonal(jnp.sqrt(2.0)))(x))
        return nn.Dense(
            self.outputs,
            kernel_init=nn.initializers.orthogonal(self.output_gain),
            bias_init=nn.initializers.constant(self.output_bias),
        )(x)


class Actor(nn.Module):
    """Mean [..., A] and logarithm of the standard deviation [A] (of the state independent) of the action.

    With `mirror` the input is a pair [..., 2, O]: what is observed, and its reflection M s. The mean is
    (f(s) + M f(M s)) / 2, so that a reflected robot does the reflected thing (Abdolhosseini et al. 2019,
    https://arxiv.org/abs/1910.01720, network symmetry).
    """

    hidden: Sequence[int]
    actions: int
    initial_log_std: float
    mirror: tuple[tuple[int, ...], tuple[float, ...]] | None = None  # partner and sign of every action

    @nn.compact
    def __call__(self, observation: jax.Array) -> tuple[jax.Array, jax.Array]:
        mean = MLP(self.hidden, self.actions, output_gain=0.01)(observation)
        log_std = self.param("log_std", nn.initializers.constant(self.initial_log_std), (self.actions,))
        if self.mirror is None:
            return mean, log_std
        partner, sign = jnp.asarray(self.mirror[0]), jnp.asarray(self.mirror[1])
        mean = 0.5 * (mean[..., 0, :] + sign * mean[..., 1, :][..., partner])
        return mean, 0.5 * (log_std + log_std[partner])


class Critic(nn.Module):
    """Value [...] of a state."""

    hidden: Sequence[int]

    @nn.compact
    def __call__(self, privileged: jax.Array) -> jax.Array:
        return MLP(self.hidden, 1, output_gain=1.0)(privileged)[..., 0]


class ActorCriticParams(struct.PyTreeNode):
    """Parameters of both networks."""

    actor: dict
    critic: dict


def gaussian_log_prob(action: jax.Array, mean: jax.Array, log_std: jax.Array) -> jax.Array:
    """Log density [...] of a diagonal Gaussian at action [..., A]."""
    z = (action - mean) * jnp.exp(-log_std)
    return jnp.sum(-0.5 * z**2 - log_std - 0.5 * LOG_TWO_PI, axis=-1)


def gaussian_entropy(log_std: jax.Array) -> jax.Array:
    """Entropy [] in nats of a diagonal Gaussian with log_std [A]."""
    return jnp.sum(log_std + 0.5 * (1.0 + LOG_TWO_PI))


def gaussian_kl(mean0: jax.Array, log_std0: jax.Array, mean1: jax.Array, log_std1: jax.Array) -> jax.Array:
    """KL(N0 || N1) [...] of diagonal Gaussians with means [..., A] and log_std [A]."""
    ratio = jnp.exp(2.0 * (log_std0 - log_std1))
    distance = ((mean0 - mean1) * jnp.exp(-log_std1)) ** 2
    return 0.5 * jnp.sum(ratio + distance - 1.0 - 2.0 * (log_std0 - log_std1), axis=-1)


def normalize(x: jax.Array, statistics: running_statistics.RunningStatisticsState) -> jax.Array:
    """(x - mean) / std by running statistics, clipped to +-OBSERVATION_CLIP."""
    return running_statistics.normalize(x, statistics, max_abs_value=OBSERVATION_CLIP)
