"""Proximal policy optimisation (Schulman et al. 2017, https://arxiv.org/abs/1707.06347): arrays in, arrays out."""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp
import optax
from flax import struct

from playground_amp.config import ResolvedPPOConfig, is_enabled
from playground_amp.core.devices import shard
from playground_amp.core.quiet_imports import compute_gae
from playground_amp.learning.networks import ActorCriticParams, gaussian_entropy, gaussian_kl, gaussian_log_prob

Policy = Callable[[dict, jax.Array], tuple[jax.Array, jax.Array]]  # parameters, observation -> mean, log_std
Value = Callable[[dict, jax.Array], jax.Array]  # parameters, privileged observation -> value

STEP_FACTOR = 1.5  # by which the target divergence changes the learning rate


class Batch(struct.PyTreeNode):
    """Samples to learn from, N in all or in one gradient step."""

    observation: jax.Array  # [N, O] normalised
    privileged: jax.Array  # [N, C] normalised
    action: jax.Array  # [N, A]
    log_prob: jax.Array  # [N] under the behaviour policy
    mean: jax.Array  # [N, A] of the behaviour policy
    advantage: jax.Array  # [N] of mean 0 and standard deviation 1 over the rollout
    value_target: jax.Array  # [N]


class PolicyState(struct.PyTreeNode):
    """What the update changes."""

    params: ActorCriticParams
    opt_state: optax.OptState


def advantages(
    reward: jax.Array,
    terminated: jax.Array,
    truncated: jax.Array,
    value: jax.Array,
    next_value: jax.Array,
    *,
    gamma: float,
    gae_lambda: float,
) -> tuple[jax.Array, jax.Array]:
    """Generalised advantages and value targets, [T, B] each, from [T, B] each.

    A_t = d_t + gamma lambda (1 - done_t) A_{t+1},  d_t = r_t + gamma (1 - terminated_t) V(s'_t) - V(s_t)

    with s'_t the true next state: a time limit ends the sum, but is not a failure. The target is A_t + V(s_t).
    Schulman et al. 2016, https://arxiv.org/abs/1506.02438, equation 16. The sum is Brax's; as its truncated steps learn
    nothing, they enter as ends whose reward holds the bootstrapped value, and within an episode it takes V(s_{t+1}).
    """
    cut = truncated & ~terminated
    target, _ = compute_gae(
        truncation=jnp.zeros_like(reward),
        termination=(terminated | truncated).astype(reward.dtype),
        rewards=reward + gamma * jnp.where(cut, next_value, 0.0),
        values=value,
        bootstrap_value=next_value[-1],
        lambda_=gae_lambda,
        discount=gamma,
    )
    return target - value, target


def make_optimizer(config: ResolvedPPOConfig) -> optax.GradientTransformation:
    """Adam on gradients of bounded norm, its learning rate a part of its state."""
    adam = optax.inject_hyperparams(optax.adam)(learning_rate=config.learning_rate, eps=1e-5)
    return optax.chain(optax.clip_by_global_norm(config.max_gradient_norm), adam)


def loss(
    params: ActorCriticParams,
    batch: Batch,
    old_log_std: jax.Array,
    policy: Policy,
    value: Value,
    config: ResolvedPPOConfig,
) -> tuple[jax.Array, dict[str, jax.Array]]:
    """Clipped surrogate, value loss and entropy bonus, and their metrics.

    L = -E min(r A, clip(r, 1 - c, 1 + c) A) + c_v / 2 E (V - target)^2 - c_e H,  r = pi(a|s) / pi_old(a|s)
    """
    mean, log_std = policy(params.actor, batch.observation)
    ratio = jnp.exp(gaussian_log_prob(batch.action, mean, log_std) - batch.log_prob)
    clipped = jnp.clip(ratio, 1.0 - config.clip, 1.0 + config.clip)
    surrogate = jnp.mean(jnp.minimum(ratio * batch.advantage, clipped * batch.advantage))
    value_loss = 0.5 * jnp.mean((value(params.critic, batch.privileged) - batch.value_target) ** 2)
    entropy = gaussian_entropy(log_std)
    kl = jnp.mean(gaussian_kl(batch.mean, old_log_std, mean, log_std))
    total = -surrogate + config.value_cost * value_loss - config.entropy_cost * entropy
    return total, {"value_loss": value_loss, "policy_entropy": entropy, "policy_kl": kl}


def update(
    policy_state: PolicyState,
    data: Batch,
    key: jax.Array,
    policy: Policy,
    value: Value,
    config: ResolvedPPOConfig,
    iteration: jax.Array | int = 0,
) -> tuple[PolicyState, dict[str, jax.Array]]:
    """All epochs of gradient steps over `data` [N]; each epoch sees every sample once. Metrics are means.

    `iteration` is how many there were before: steps may shrink, see `target_kl`.
    """
    optimizer, target = make_optimizer(config), target_kl(config, iteration)
    _, old_log_std = policy(policy_state.params.actor, data.observation[:1])

    def gradient_step(policy_state: PolicyState, rows: jax.Array) -> tuple[PolicyState, dict[str, jax.Array]]:
        batch = shard(jax.tree.map(lambda x: x[rows], data))
        gradients, metrics = jax.grad(loss, has_aux=True)(
            policy_state.params, batch, old_log_std, policy, value, config
        )
        opt_state = _steer_learning_rate(policy_state.opt_state, metrics["policy_kl"], config, target)
        updates, opt_state = optimizer.update(gradients, opt_state)
        return PolicyState(params=optax.apply_updates(policy_state.params, updates), opt_state=opt_state), metrics

    def epoch(policy_state: PolicyState, key: jax.Array) -> tuple[PolicyState, dict[str, jax.Array]]:
        return jax.lax.scan(gradient_step, policy_state, minibatches(key, len(data.advantage), config.batch_size))

    policy_state, metrics = jax.lax.scan(epoch, policy_state, jax.random.split(key, config.epochs))
    metrics = jax.tree.map(jnp.mean, metrics)
    return policy_state, metrics | {"learning_rate": learning_rate(policy_state.opt_state)}


def minibatches(key: jax.Array, samples: int, batch_size: int) -> jax.Array:
    """Rows of each minibatch of one epoch, [samples / batch_size, batch_size]: one permutation, cut up."""
    return jax.random.permutation(key, samples).reshape(-1, batch_size)


def learning_rate(state: optax.OptState) -> jax.Array:
    """The learning rate held in the optimiser's state."""
    return state[1].hyperparams["learning_rate"]


def scale_learning_rate(state: optax.OptState, factor: float) -> optax.OptState:
    """The optimiser's state with another learning rate."""
    clip, adam = state
    hyperparams = {**adam.hyperparams, "learning_rate": adam.hyperparams["learning_rate"] * factor}
    return clip, adam._replace(hyperparams=hyperparams)


def target_kl(config: ResolvedPPOConfig, iteration: jax.Array | int) -> jax.Array | float:
    """The divergence that the learning rate is steered to: it halves in every target_kl_half_life iterations."""
    if not is_enabled(config.target_kl_half_life):
        return config.target_kl
    return config.target_kl * 0.5 ** (iteration / config.target_kl_half_life)


def _steer_learning_rate(
    state: optax.OptState, kl: jax.Array, config: ResolvedPPOConfig, target: jax.Array | float
) -> optax.OptState:
    """Lower the learning rate when the policy moved over twice the target divergence, raise it below half."""
    if not is_enabled(config.target_kl):
        return state
    clip, adam = state
    rate = adam.hyperparams["learning_rate"]
    rate = jnp.where(kl > 2.0 * target, rate / STEP_FACTOR, rate)
    rate = jnp.where((kl < 0.5 * target) & (kl > 0.0), rate * STEP_FACTOR, rate)
    rate = jnp.clip(rate, *config.learning_rate_range)
    return clip, adam._replace(hyperparams={**adam.hyperparams, "learning_rate": rate})
