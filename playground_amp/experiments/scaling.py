"""What an iteration on many devices exchanges, and what that costs on paper.

A rollout needs one bit of all devices in each control step (whether any robot starts anew). Then the samples of all
robots go to every device, as an epoch draws its minibatches from all of them, and each gradient is summed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import jax
import numpy as np

from playground_amp.amp import AMP
from playground_amp.config import is_enabled

OTHERS = 12  # sums in an iteration beside those of gradients and control steps: statistics, metrics, samples


@dataclass(frozen=True)
class Exchange:
    """What one iteration of all devices together exchanges."""

    samples: int  # bytes of the samples of all robots, which every device is given
    gradients: int  # bytes of all gradients of one device, which are summed over the devices
    sums: int  # exchanges, each of which waits for all devices

    def received(self, devices: int) -> float:
        """Bytes that each device receives: its part of a gather, and of rings that sum."""
        return (devices - 1) / devices * (self.samples + 2 * self.gradients)

    def seconds(self, devices: int, bandwidth: float, latency: float) -> float:
        """At `bandwidth` bytes/s into each device and `latency` s an exchange, none hidden behind computing."""
        return self.received(devices) / bandwidth + self.sums * latency if devices > 1 else 0.0

    def efficiency(self, computing: float, devices: int, bandwidth: float, latency: float) -> float:
        """Share of `devices` times the speed of one, where an iteration of its robots takes `computing` s on it."""
        return computing / (computing + self.seconds(devices, bandwidth, latency))


def exchange(amp: AMP) -> Exchange:
    """Of an algorithm whose `env.num_envs` are the robots of all devices."""
    config, key = amp.config, jax.random.key(0)
    state = jax.eval_shape(amp.init, key)
    _, rollout = jax.eval_shape(amp.collect, state, key)
    observation = jax.eval_shape(amp.actor_input, rollout.observation)
    per_policy = _bytes((observation, rollout.privileged, rollout.action, rollout.mean)) + 3 * _bytes(rollout.log_prob)
    style = is_enabled(config.amp.style_weight)
    per_style = config.steps_per_iteration * 4 * (amp.prior.shape.width + 1) if style else 0  # and its score
    copies = 2 if config.ppo.mirror else 1
    steps = config.ppo.epochs * copies * config.steps_per_iteration // config.ppo.batch_size
    updates = config.amp.update_steps if style else 0
    return Exchange(
        samples=copies * per_policy + per_style,
        gradients=steps * _bytes(state.policy.params) + updates * _bytes(state.discriminator.params),
        sums=config.ppo.rollout_length + steps + 6 * updates + OTHERS,
    )


def _bytes(tree: Any) -> int:
    return sum(int(np.prod(leaf.shape)) * leaf.dtype.itemsize for leaf in jax.tree.leaves(tree))
