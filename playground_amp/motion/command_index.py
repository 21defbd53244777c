"""Rows of the reference near a command, found at once: a grid over the commands, with a list of rows for each cell."""

from __future__ import annotations

import math
from collections.abc import Iterator

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct
from scipy.spatial import KDTree

SCALE = np.array([0.1, 0.2, 0.4], np.float32)  # m/s, m/s, rad/s: as far from a command as each other
CELLS = (0.25, 0.4, 0.7, 1.0, 2.0, 4.0)  # sizes in units of SCALE, of which the finest that fits is taken
MOST_CELLS = 20_000
MANY = 500_000  # rows of the reference, of which each would be in 17 lists of the finest cells
NEAR = 0.4  # units of SCALE: rows this near to the middle of a cell are in its list; of larger cells, their size
LEAST = 64  # rows in a list: the nearest ones where fewer are near,
SPREAD = 1.0  # units of SCALE: but none so much further away than the nearest
AT_ONCE = 1000  # cells whose lists are made together


class CommandIndex(struct.PyTreeNode):
    """Lists of rows, one after the other, for each of K cells; those of a label's cells stand together. L labels."""

    low: jax.Array  # [L, 3] command of the first cell, units of SCALE
    counts: jax.Array  # [L, 3] int32, cells along each axis
    cell: jax.Array  # [L] int32, the first cell
    first: jax.Array  # [K + 1] int32, where the list of each cell begins, and the end
    rows: jax.Array  # [R] int32
    share: jax.Array | None  # [R] of its list's weight, up to each row and with it; None where all weigh the same
    size: float = struct.field(pytree_node=False)  # of a cell, units of SCALE

    def sample(self, key: jax.Array, label: jax.Array, command: jax.Array) -> jax.Array:
        """A row [N] near each command [N, 3] of the gait `label` [N], or of the nearest there are; consumes `key`."""
        counts = self.counts[label]
        place = jnp.round((command / SCALE - self.low[label]) / self.size).astype(jnp.int32)
        x, y, z = jnp.moveaxis(jnp.clip(place, 0, counts - 1), -1, 0)
        cell = self.cell[label] + (x * counts[:, 1] + y) * counts[:, 2] + z
        first, end = self.first[cell], self.first[cell + 1]
        drawn = jax.random.uniform(key, label.shape)
        if self.share is None:
            place = first + (drawn * (end - first)).astype(jnp.int32)
        else:
            place = _search(self.share, drawn, first, end)
        return self.rows[jnp.minimum(place, end - 1)]


def _search(values: jax.Array, wanted: jax.Array, first: jax.Array, end: jax.Array) -> jax.Array:
    """The first place [N] in first..end - 1 [N] whose value is above `wanted` [N]; values ascend there."""

    def halve(_: int, bounds: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array]:
        low, high = bounds
        middle = (low + high) // 2
        further = (low < high) & (values[jnp.minimum(middle, len(values) - 1)] <= wanted)
        return jnp.where(further, middle + 1, low), jnp.where(further, high, jnp.maximum(middle, low))

    return jax.lax.fori_loop(0, len(values).bit_length(), halve, (first, end))[0]


def make_index(commands: np.ndarray, label: np.ndarray, weight: np.ndarray | None) -> CommandIndex:
    """The index of rows with `commands` [N, 3], a `label` [N] of 0..L - 1 each, and a weight [N], None for the same."""
    units = commands / SCALE
    of = [np.flatnonzero(label == one) for one in np.unique(label)]
    size = _cell_size([units[rows] for rows in of])
    low, counts = zip(*(_grid(units[rows], size) for rows in of), strict=True)
    grids = zip(of, low, counts, strict=True)
    lists = [found for rows, begin, count in grids for found in _lists(units[rows], rows, begin, count, size)]
    share = None if weight is None else np.concatenate([_shares(weight[rows]) for rows in lists])
    return CommandIndex(
        low=jnp.asarray(np.stack(low), jnp.float32),
        counts=jnp.asarray(np.stack(counts), jnp.int32),
        cell=jnp.asarray(np.cumsum([0, *np.prod(counts, axis=1)[:-1]]), jnp.int32),
        first=jnp.asarray(np.cumsum([0, *map(len, lists)]), jnp.int32),
        rows=jnp.asarray(np.concatenate(lists), jnp.int32),
        share=None if share is None else jnp.asarray(share, jnp.float32),
        size=size,
    )


def _cell_size(units: list[np.ndarray]) -> float:
    """The finest size of cells for the commands [N, 3] of each label."""
    sizes = CELLS if sum(map(len, units)) <= MANY else CELLS[1:]
    fitting = (size for size in sizes if sum(math.prod(_grid(of, size)[1].tolist()) for of in units) <= MOST_CELLS)
    return next(fitting, CELLS[-1])


def _grid(units: np.ndarray, size: float) -> tuple[np.ndarray, np.ndarray]:
    """The first cell's middle [3], and the number of cells along each axis [3], over commands [N, 3]."""
    low, high = units.min(axis=0), units.max(axis=0)
    return low, np.ceil((high - low) / size - 1e-6).astype(int) + 1


def _lists(
    units: np.ndarray, rows: np.ndarray, low: np.ndarray, counts: np.ndarray, size: float
) -> Iterator[np.ndarray]:
    """The rows near each cell of the grid from `low` [3] with `counts` [3] cells, out of `rows` [N] with `units`."""
    tree, cells = KDTree(units), np.arange(counts.prod())
    for some in np.split(cells, range(AT_ONCE, len(cells), AT_ONCE)):
        middles = low + size * np.stack(np.unravel_index(some, counts), axis=1)
        near = tree.query_ball_point(middles, max(NEAR, size))
        away, nearest = tree.query(middles, range(1, min(LEAST, len(units)) + 1))
        together = away <= np.maximum(away[:, :1] + SPREAD, max(NEAR, size))
        for own, others, close in zip(near, nearest, together, strict=True):
            yield rows[own if len(own) >= LEAST else others[close]].astype(np.int32)


def _shares(weight: np.ndarray) -> np.ndarray:
    """Cumulative shares [N] of the weights of a list [N]."""
    mass = np.cumsum(weight, dtype=np.float64)
    return mass / mass[-1]
