"""What a training keeps in a device's memory, by the settings that decide it, and what to say when that is too much."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np

from playground_amp.amp import AMP
from playground_amp.core.errors import InputError

COPIES = 4  # of a batch's activations: forward, backward, and the gradient of the discriminator's gradient


def footprint(amp: AMP) -> dict[str, int]:
    """Bytes of the four large parts of a training on one device, by the setting that shrinks each.

    Of the robots it counts the rollout [T, B] and not what an engine keeps for a step; of the batches the samples and
    the activations of the hidden layers.
    """
    config, key = amp.config, jax.random.key(0)
    state = jax.eval_shape(amp.init, key)
    _, rollout = jax.eval_shape(amp.collect, state, key)
    sample = _bytes(rollout) // config.steps_per_iteration
    widths = sum(config.networks.actor) * (2 if config.networks.symmetric else 1) + sum(config.networks.critic)
    return {
        "env.num_envs": _bytes(rollout) + _bytes(state.env),
        "ppo.batch_size": config.ppo.batch_size * (sample + 4 * COPIES * widths),
        "amp.batch_size": 2 * config.amp.batch_size * 4 * (amp.prior.shape.width + COPIES * sum(config.amp.hidden)),
        "amp.replay_size": _bytes(state.replay),
    }


def out_of_memory(amp: AMP) -> InputError:
    """The error for a device whose memory was not enough, with the setting to shrink first."""
    parts = sorted(footprint(amp).items(), key=lambda part: -part[1])
    config: dict[str, Any] = {"env": amp.config.env, "ppo": amp.config.ppo, "amp": amp.config.amp}
    values = {name: getattr(config[name.split(".")[0]], name.split(".")[1]) for name, _ in parts}
    shares = ", ".join(f"{name} {values[name]} ({_gigabytes(size)})" for name, size in parts)
    first = parts[0][0]
    return InputError(
        f"out of memory on {jax.devices()[0].device_kind}: lower {first} to {max(1, values[first] // 2)}, or the next "
        f"of {shares}; these sizes leave out what the physics keeps for each robot (env.num_envs)"
    )


def _gigabytes(size: int) -> str:
    return f"{size / 1e9:.1f} GB" if size >= 1e8 else f"{size / 1e6:.1f} MB"


def _bytes(tree: Any) -> int:
    """Of all arrays of a tree of shapes; random keys are too small to count."""
    leaves = [leaf for leaf in jax.tree.leaves(tree) if not jax.dtypes.issubdtype(leaf.dtype, jax.dtypes.prng_key)]
    return sum(int(np.prod(leaf.shape)) * leaf.dtype.itemsize for leaf in leaves)
