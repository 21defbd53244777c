"""The reference: discriminator inputs and start states of recorded motion, and how rows of them are drawn."""

from __future__ import annotations

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct

from playground_amp.motion.clip import MotionClip
from playground_amp.motion.clip_set import ClipSet
from playground_amp.motion.command_index import CommandIndex, make_index
from playground_amp.motion.features import Normalizer
from playground_amp.motion.weighted_sampling import sample_indices, spread_indices


class GaitLabels(struct.PyTreeNode):
    """Where the windows of each of L gaits are: those of one stand together."""

    names: tuple[str, ...] = struct.field(pytree_node=False)  # labels of the clips, in the order they appear
    first: jax.Array  # [L] int32, row of the first window
    count: jax.Array  # [L] int32, number of windows
    of: jax.Array  # [N] int32, gait of each window
    speed_range: jax.Array  # [L, 2] m/s, forward speed that the slowest and the fastest clip count as
    near: CommandIndex  # windows of each gait near a command
    mass: jax.Array | None = None  # [N + 1] cumulative weight of the windows; None where all weigh the same


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
    command: jax.Array  # [N, 3] m/s, m/s, rad/s that the end of each window answers, see motion_commands; as declared
    gaits: GaitLabels
    weight: jax.Array | None  # [N] of each window; None where all weigh the same
    clip_set: ClipSet = struct.field(pytree_node=False)  # what it is made of: names, figures, a hash
    clips: ReferenceClips = struct.field(pytree_node=False)

    def as_one_gait(self) -> Reference:
        """The same motion without its labels."""
        speeds, everything = self.gaits.speed_range, np.zeros(len(self.windows), int)
        gaits = GaitLabels(
            names=("",),
            first=jnp.zeros(1, jnp.int32),
            count=jnp.full(1, len(self.windows), jnp.int32),
            of=jnp.zeros_like(self.gaits.of),
            speed_range=jnp.stack([speeds.min(), speeds.max()])[None],
            near=self.gaits.near if len(self.gaits.names) == 1 else self._index(everything),
            mass=self.gaits.mass,
        )
        return self.replace(gaits=gaits)

    def _index(self, label: np.ndarray) -> CommandIndex:
        return make_index(np.asarray(self.command), label, None if self.weight is None else np.asarray(self.weight))

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

    def sample_near_command(self, key: jax.Array, label: jax.Array, command: jax.Array) -> jax.Array:
        """An index of the gait `label` [N] near the `command` [N, 3], or of the nearest it has; consumes `key`."""
        return self.gaits.near.sample(key, label, command)
