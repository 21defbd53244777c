"""The networks that give a window of motion its score: one trunk for all of it, a convolution over time, or patches."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import flax.linen as nn
import jax
import jax.numpy as jnp

from playground_amp.config import AMPConfig

ACTIVATIONS: dict[str, Callable[[jax.Array], jax.Array]] = {
    "elu": nn.elu,
    "relu": nn.relu,
    "leaky_relu": lambda x: nn.leaky_relu(x, 0.2),
}
KERNEL = 3  # frames that a convolution over time sees at once


@dataclass(frozen=True)
class InputShape:
    """What one input [K * F + C] is made of, in this order: K frames of F features, oldest first, and the condition."""

    frames: int
    features: int
    condition: int
    parts: tuple[tuple[int, ...], ...]  # features of each body part; every feature in one part at least

    @property
    def width(self) -> int:
        """Numbers in one input."""
        return self.frames * self.features + self.condition

    def split(self, inputs: jax.Array) -> tuple[jax.Array, jax.Array]:
        """[..., K * F + C] -> frames [..., K, F] and condition [..., C]."""
        frames, condition = jnp.split(inputs, [self.frames * self.features], axis=-1)
        return frames.reshape(*frames.shape[:-1], self.frames, self.features), condition


@dataclass(frozen=True)
class Layers:
    """How the hidden layers of a trunk are built."""

    widths: tuple[int, ...]
    activation: str = "elu"
    normalization: str = "none"
    dropout: float = 0.0
    deviation: bool = False  # of the batch, as one more input of the last layer
    output_bias: float = 0.0


class Head(nn.Module):
    """Dense layers and one score: [..., D] -> [...]."""

    layers: Layers

    @nn.compact
    def __call__(self, x: jax.Array, *, train: bool = False) -> jax.Array:
        for width in self.layers.widths:
            x = hidden(nn.Dense(width, kernel_init=nn.initializers.orthogonal(jnp.sqrt(2.0))), x, self.layers, train)
        return output(x, self.layers, train)


class Convolution(nn.Module):
    """Convolutions over the frames of a window, their mean over time, and one score: [..., K * F + C] -> [...]."""

    layers: Layers
    shape: InputShape

    @nn.compact
    def __call__(self, inputs: jax.Array, *, train: bool = False) -> jax.Array:
        frames, condition = self.shape.split(inputs)
        x = with_condition(frames, condition)
        for width in self.layers.widths:
            convolve = nn.Conv(width, (KERNEL,), kernel_init=nn.initializers.orthogonal(jnp.sqrt(2.0)))
            x = hidden(convolve, x, self.layers, train)
        return output(x.mean(axis=-2), self.layers, train)


class Patches(nn.Module):
    """A head for every body part, moved over all runs of `length` frames; the score is the mean of all of theirs.

    Each head sees a part of the body for a part of the time, so no single give-away decides everything. After Isola et
    al. 2017, https://arxiv.org/abs/1611.07004, section 3.2.2: [..., K * F + C] -> [...].
    """

    layers: Layers
    shape: InputShape
    length: int

    @nn.compact
    def __call__(self, inputs: jax.Array, *, train: bool = False) -> jax.Array:
        frames, condition = self.shape.split(inputs)
        scores = []
        for part in self.shape.parts:
            head, features = Head(self.layers), frames[..., jnp.asarray(part)]
            patches = jnp.stack([_flat(features[..., i : i + self.length, :]) for i in self._starts()], axis=-2)
            scores.append(head(with_condition(patches, condition), train=train).mean(axis=-1))
        return jnp.mean(jnp.stack(scores), axis=0)

    def _starts(self) -> range:
        return range(self.shape.frames - self.length + 1)


def make_discriminator(config: AMPConfig, shape: InputShape, output_bias: float) -> nn.Module:
    """The network of a configuration; its first scores lie near `output_bias`, the midpoint of the loss."""
    layers = Layers(
        widths=tuple(config.hidden),
        activation=config.activation,
        normalization=config.normalization,
        dropout=config.dropout,
        deviation=config.minibatch_deviation,
        output_bias=output_bias,
    )
    if config.trunk == "convolution":
        return Convolution(layers, shape)
    if config.trunk == "patches":
        return Patches(layers, shape, config.patch_frames)
    return Head(layers)


def hidden(layer: nn.Module, x: jax.Array, layers: Layers, train: bool) -> jax.Array:
    """A layer, its normalisation, activation and dropout; to be called within a compact module."""
    x = _bounded(layer, x, layers, train)
    if layers.normalization == "layer":
        x = nn.LayerNorm()(x)
    return nn.Dropout(layers.dropout, deterministic=not train)(ACTIVATIONS[layers.activation](x))


def output(x: jax.Array, layers: Layers, train: bool) -> jax.Array:
    """The score [...] of the last hidden layer [..., H]; to be called within a compact module."""
    if layers.deviation:
        x = jnp.concatenate([x, _deviation(x)], axis=-1)
    bias = nn.initializers.constant(layers.output_bias)
    return _bounded(nn.Dense(1, kernel_init=nn.initializers.orthogonal(0.1), bias_init=bias), x, layers, train)[..., 0]


def with_condition(x: jax.Array, condition: jax.Array) -> jax.Array:
    """The condition [..., C] beside each of the K vectors of [..., K, D]: [..., K, D + C]."""
    if condition.shape[-1] == 0:
        return x
    repeated = jnp.broadcast_to(condition[..., None, :], (*x.shape[:-1], condition.shape[-1]))
    return jnp.concatenate([x, repeated], axis=-1)


def _bounded(layer: nn.Module, x: jax.Array, layers: Layers, train: bool) -> jax.Array:
    """The layer, its weights divided by their largest singular value where the normalisation is `spectral`.

    Miyato et al. 2018, https://arxiv.org/abs/1802.05957; the estimate goes on by one power iteration a training step.
    """
    if layers.normalization == "spectral":
        return nn.SpectralNorm(layer)(x, update_stats=train)
    return layer(x)


def _deviation(x: jax.Array) -> jax.Array:
    """Mean over the features of their standard deviation over the batch, the same number for all: [..., H] -> [..., 1].

    Karras et al. 2018, https://arxiv.org/abs/1710.10196, section 3: a batch that is all alike is told by it.
    """
    rows = x.reshape(-1, x.shape[-1])
    deviation = jnp.mean(jnp.sqrt(jnp.var(rows, axis=0) + 1e-8))
    return jnp.broadcast_to(deviation, (*x.shape[:-1], 1))


def _flat(x: jax.Array) -> jax.Array:
    """[..., K, D] -> [..., K * D]."""
    return x.reshape(*x.shape[:-2], -1)
