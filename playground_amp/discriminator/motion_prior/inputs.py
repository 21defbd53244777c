"""What the discriminator is shown: windows of normalised features, and the condition that goes with them."""

from __future__ import annotations

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np

from playground_amp.config import ResolvedAMPConfig, asks_for_gaits
from playground_amp.core.commands import UNIT, mirrored
from playground_amp.core.terms import FeatureGroup
from playground_amp.core.types import Outcome
from playground_amp.discriminator import attribution
from playground_amp.discriminator.network import InputShape
from playground_amp.motion.features import feature_mirror, feature_parts, feature_weights, group_sizes
from playground_amp.motion.reference import Reference
from playground_amp.robots import Robot

COMMAND = 3  # numbers of a command


class InputBuilder:
    """Makes the discriminator's inputs [..., K * F + C] of a rollout and of the reference; holds no state.

    With `follow_command` inputs end with the command, also where the network is not told it: reference samples are then
    drawn near the commands of the policy samples that they are compared with.
    """

    def __init__(self, config: ResolvedAMPConfig, reference: Reference, robot: Robot, *, follow_command: bool):
        labels = len(reference.gaits.names) if asks_for_gaits(config) else 0
        self.reference, self.labels, self._dilation = reference, labels, config.dilation
        self._pool = reference if labels else reference.as_one_gait()  # that samples are drawn from
        weights = feature_weights(robot, config.feature_weights)
        self._kept = np.flatnonzero(weights)
        self._weights = None if (weights == 1.0).all() else weights[self._kept]
        partner, sign = feature_mirror(robot)
        self._mirror = np.searchsorted(self._kept, partner[self._kept]), sign[self._kept]
        sizes = group_sizes(robot)
        self.groups = tuple(sizes)
        self._group = np.repeat(np.arange(len(sizes)), list(sizes.values()))[self._kept]
        command_visible = config.condition in ("command", "both")
        self.shape = InputShape(
            frames=config.window,
            features=len(self._kept),
            condition=labels + COMMAND * (command_visible or follow_command),
            parts=_parts(feature_parts(robot), self._kept),
        )
        self._num_hidden_inputs = COMMAND * (follow_command and not command_visible)  # at the end of an input

    @property
    def network_shape(self) -> InputShape:
        """The part of an input that the network is given."""
        return dataclasses.replace(self.shape, condition=self.shape.condition - self._num_hidden_inputs)

    def network_input(self, inputs: jax.Array) -> jax.Array:
        """What the network is given of inputs [..., K * F + C]."""
        return inputs[..., : -self._num_hidden_inputs] if self._num_hidden_inputs else inputs

    def of_rollout(self, outcome: Outcome) -> jax.Array:
        """Inputs [..., K * F + C] of a rollout: frames normalised by the reference, then the condition."""
        return self.normalized(outcome.amp_window, self.condition(outcome.label, outcome.command))

    def of_reference(self, key: jax.Array, count: int, fake: jax.Array) -> jax.Array:
        """Inputs [count, K * F + C] of the reference; conditions are those of `fake` [count, K * F + C], row by row.

        Reference and policy then differ in the motion alone, never in how often something was asked for.
        """
        if self.shape.condition == 0:
            return self.normalized(self.reference.windows[self._pool.sample(key, count)], None)
        condition = fake[:, -self.shape.condition :]
        label = jnp.argmax(condition[:, : self.labels], axis=-1) if self.labels else jnp.zeros(count, jnp.int32)
        if self.shape.condition > self.labels:
            indices = self._pool.sample_near_command(key, label, condition[:, -COMMAND:] * UNIT)
        else:
            indices = self._pool.sample_label(key, label)
        return self.normalized(self.reference.windows[indices], condition)

    def condition(self, label: jax.Array, command: jax.Array) -> jax.Array:
        """What goes with the motion [..., C]: the label, one of L, and the command [..., 3] in UNIT."""
        parts = [jax.nn.one_hot(label, self.labels)] if self.labels else []
        parts += [command / UNIT] if self.shape.condition > self.labels else []
        return jnp.concatenate(parts, axis=-1) if parts else jnp.zeros((*label.shape, 0))

    def mirrored(self, inputs: jax.Array) -> jax.Array:
        """Inputs [..., K * F + C] of the reflected motion under the reflected condition."""
        frames, condition = self.shape.split(inputs)
        partner, sign = self._mirror
        frames = frames[..., partner] * sign
        if self.shape.condition > self.labels:
            label, command = condition[..., : self.labels], condition[..., self.labels :]
            condition = jnp.concatenate([label, mirrored(command)], axis=-1)
        return jnp.concatenate([frames.reshape(*condition.shape[:-1], -1), condition], axis=-1)

    def frames(self, inputs: jax.Array) -> jax.Array:
        """The motion [..., K * F] of inputs [..., K * F + C], without the condition."""
        return inputs[..., : self.shape.frames * self.shape.features]

    def shares(self, parts: jax.Array) -> dict[FeatureGroup, jax.Array]:
        """The share of each group of features in parts [K * F + C] of a difference: see `attribution.shares`."""
        groups = np.tile(self._group, self.shape.frames)
        return dict(zip(self.groups, attribution.shares(self.frames(parts), groups, len(self.groups)), strict=True))

    def normalized(self, windows: jax.Array, condition: jax.Array | None) -> jax.Array:
        """Windows [..., S, F] of features and conditions [..., C] -> inputs [..., K * F + C]."""
        frames = self.reference.normalizer(windows[..., :: self._dilation, :])
        if len(self._kept) < frames.shape[-1]:
            frames = frames[..., self._kept]
        if self._weights is not None:
            frames = frames * self._weights
        flat = frames.reshape(*frames.shape[:-2], -1)
        return flat if condition is None or self.shape.condition == 0 else jnp.concatenate([flat, condition], axis=-1)


def _parts(parts: list[np.ndarray], kept: np.ndarray) -> tuple[tuple[int, ...], ...]:
    """Body parts as places among the features that were kept; parts without any are left out."""
    places = [np.searchsorted(kept, np.intersect1d(part, kept)) for part in parts]
    return tuple(tuple(place.tolist()) for place in places if len(place))
