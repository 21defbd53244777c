"""The reference: discriminator inputs and start states of recorded motion, and how rows of them are drawn."""

from __future__ import annotations

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct
from numpy.typing import ArrayLike

from playground_amp.motion.clip import MotionClip
from playground_amp.motion.clip_set import ClipSet
from playground_amp.motion.features import Normalizer
from playground_amp.motion.weighted_sampling import cumulate, sample_indices, spread_indices

SPEED_BAND = 0.03  # m/s to both sides of a speed asked for


class GaitLabels(struct.PyTreeNode):
    """Where the windows of each of L gaits are: those of one stand together."""

    names: tuple[str, ...] = struct.field(pytree_node=False)  # labels of the clips, in the order they appear
    first: jax.Array  # [L] int32, row of the first window
    count: jax.Array  # [L] int32, number of windows
    of: jax.Array  # [N] int32, gait of each window
    by_speed: jax.Array  # [N] int32, rows of each gait from its slowest window to its fastest
    speed_range: jax.Array  # [L, 2] m/s, forward speed that the slowest and the fastest clip count as
    mass: jax.Array | None = None  # [N + 1] cumulative weight of the windows; None where all weigh the same
    mass_by_speed: jax.Array | None = None  # [N + 1] the same in the order of by_speed


@dataclass(frozen=True, eq=False)
class ReferenceClips:
    """The clips behind a reference, read once: what evaluation, report and video show and measure."""

    training: tuple[MotionClip, ...]
    held_out: tuple[MotionClip, ...] = ()  # that nothing is trained on; style is measured on them, too


class Reference(struct.PyTreeNode):
    """What training knows of the recorded motion. N windows in all; window i ends at start state i."""

    windows: jax.Array  # [N, S, F] AMP features of S consecutive steps, oldest first, not normalised
    qpos: jax.Array  # [N, nq] state at the end of each window
    qvel: jax.Array  # [N, nv]
    normalizer: Normalizer
    mean_pose: jax.Array  # [J] rad, mean joint positions, of the motion and its reflection: the same left and right
    speed: jax.Array  # [N] m/s, forward, mean over about a stride around the end of each window, or as declared
    gaits: GaitLabels
    weight: jax.Array | None  # [N] of each window; None where all weigh the same
    clip_set: ClipSet = struct.field(pytree_node=False)  # what it is made of: names, figures, a hash
    clips: ReferenceClips = struct.field(pytree_node=False)

    def as_one_gait(self) -> Reference:
        """The same motion without its labels."""
        speeds, by_speed = self.gaits.speed_range, jnp.argsort(self.speed).astype(jnp.int32)
        gaits = GaitLabels(
            names=("",),
            first=jnp.zeros(1, jnp.int32),
            count=jnp.full(1, len(self.windows), jnp.int32),
            of=jnp.zeros_like(self.gaits.of),
            by_speed=by_speed,
            speed_range=jnp.stack([speeds.min(), speeds.max()])[None],
            **masses(self.weight, by_speed),
        )
        return self.replace(gaits=gaits)

    def spread(self) -> np.ndarray | slice:
        """Rows that show the motion as it weighs: every window once, or in proportion to its weight."""
        return slice(None) if self.weight is None else spread_indices(np.asarray(self.weight))

    def sample(self, key: jax.Array, count: int) -> jax.Array:
        """Indices [count] out of all windows, by their weight, with replacement; consumes `key`."""
        if self.gaits.mass is not None:
            first = jnp.zeros(count, jnp.int32)
            return sample_indices(key, self.gaits.mass, first, first + len(self.windows))
        return jax.random.randint(key, (count,), 0, len(self.windows))

    def sample_label(self, key: jax.Array, label: jax.Array) -> jax.Array:
        """An index of the gait of each `label` [N] int, out of that gait's windows by their weight; consumes `key`."""
        count = self.gaits.count[label]
        if self.gaits.mass is not None:
            return sample_indices(key, self.gaits.mass, self.gaits.first[label], self.gaits.first[label] + count)
        row = (jax.random.uniform(key, label.shape) * count).astype(jnp.int32)
        return self.gaits.first[label] + jnp.minimum(row, count - 1)  # 0.9999999 of many may round up to all

    def sample_near_command(self, key: jax.Array, label: jax.Array, speed: jax.Array) -> jax.Array:
        """An index of the gait `label` [N] near the forward `speed` [N] m/s; consumes `key`.

        By their weight out of the gait's windows within SPEED_BAND of the speed, or of the nearest speed it has.
        """
        gaits, speeds = self.gaits, self.speed[self.gaits.by_speed]  # ascending within each gait
        first, end = gaits.first[label], gaits.first[label] + gaits.count[label]
        above = jnp.minimum(_search(speeds, speed, first, end), end - 1)
        below = jnp.maximum(above - 1, first)
        nearest = jnp.where(jnp.abs(speeds[above] - speed) <= jnp.abs(speeds[below] - speed), above, below)
        middle = jnp.clip(speed, speeds[nearest] - SPEED_BAND, speeds[nearest] + SPEED_BAND)
        low = jnp.minimum(_search(speeds, middle - SPEED_BAND, first, end), nearest)
        high = jnp.maximum(_search(speeds, middle + SPEED_BAND, first, end, after_equals=True), nearest + 1)
        if gaits.mass_by_speed is not None:
            return gaits.by_speed[sample_indices(key, gaits.mass_by_speed, low, high)]
        rank = low + (jax.random.uniform(key, speed.shape) * (high - low)).astype(jnp.int32)
        return gaits.by_speed[jnp.minimum(rank, high - 1)]


def _search(
    values: jax.Array, wanted: jax.Array, first: jax.Array, end: jax.Array, *, after_equals: bool = False
) -> jax.Array:
    """Where each `wanted` [N] goes among the ascending values[first:end] [N]: before those that equal it, or after."""

    def halve(_: int, bounds: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array]:
        low, high = bounds
        middle = (low + high) // 2
        here = values[jnp.minimum(middle, len(values) - 1)]
        further = (low < high) & ((here <= wanted) if after_equals else (here < wanted))
        return jnp.where(further, middle + 1, low), jnp.where(further, high, jnp.maximum(middle, low))

    return jax.lax.fori_loop(0, len(values).bit_length(), halve, (first, end))[0]


def masses(weight: ArrayLike | None, by_speed: ArrayLike) -> dict[str, jax.Array]:
    """What Gaits knows of the windows' weights [N], if they are not all the same."""
    if weight is None:
        return {}
    weight = np.asarray(weight)
    return {"mass": cumulate(weight), "mass_by_speed": cumulate(weight[np.asarray(by_speed)])}
