"""Rows of the reference near a command, found at once: a grid over the commands, with a list of rows for each cell."""

from __future__ import annotations

import math

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct
from scipy.spatial import KDTree

SCALE = np.array([0.1, 0.2, 0.4], np.float32)  # m/s, m/s, rad/s: as far from a command as each other
CELLS = (0.25, 0.4, 0.7, 1.0, 2.0, 4.0)  # sizes in units of SCALE, of which the finest that fits is taken
MOST_CELLS = 20_000
MOST_ROWS = 1_000_000  # of all cells together
NEAR = 0.4  # units of SCALE: rows this near to the middle of a cell are in its list; of larger cells, their size
LEAST = 64  # rows in a list: the nearest ones where fewer are near


class CommandIndex(struct.PyTreeNode):
    """Lists of R rows for each of K cells; those of a label's cells stand together. L labels."""

    low: jax.Array  # [L, 3] command of the first cell, units of SCALE
    counts: jax.Array  # [L, 3] int32, cells along each axis
    first: jax.Array  # [L] int32, the first cell
    rows: jax.Array  # [K, R] int32
    size: float = struct.field(pytree_node=False)  # of a cell, units of SCALE

    def sample(self, key: jax.Array, label: jax.Array, command: jax.Array) -> jax.Array:
        """A row [N] near each command [N, 3] of the gait `label` [N], or of the nearest there are; consumes `key`."""
        counts = self.counts[label]
        place = jnp.round((command / SCALE - self.low[label]) / self.size).astype(jnp.int32)
        x, y, z = jnp.moveaxis(jnp.clip(place, 0, counts - 1), -1, 0)
        cell = self.first[label] + (x * counts[:, 1] + y) * counts[:, 2] + z
        return self.rows[cell, jax.random.randint(key, label.shape, 0, self.rows.shape[1])]


def make_index(commands: np.ndarray, label: np.ndarray, weight: np.ndarray | None) -> CommandIndex:
    """The index of rows with `commands` [N, 3], a `label` [N] of 0..L - 1 each, and a weight [N], None for the same."""
    units, labels = commands / SCALE, np.unique(label)
    of = [np.flatnonzero(label == one) for one in labels]
    size = next((size for size in CELLS if sum(_cells(units[rows], size) for rows in of) <= MOST_CELLS), CELLS[-1])
    low, counts = zip(*(_grid(units[rows], size) for rows in of), strict=True)
    totals = np.prod(counts, axis=1)
    length = max(LEAST, min(MOST_ROWS // int(totals.sum()), max(map(len, of))))
    weight = np.ones(len(units)) if weight is None else weight
    grids = [(begin, count, size) for begin, count in zip(low, counts, strict=True)]
    lists = [_lists(units[rows], rows, weight, grid, length) for rows, grid in zip(of, grids, strict=True)]
    return CommandIndex(
        low=jnp.asarray(np.stack(low), jnp.float32),
        counts=jnp.asarray(np.stack(counts), jnp.int32),
        first=jnp.asarray(np.cumsum([0, *totals[:-1]]), jnp.int32),
        rows=jnp.asarray(np.concatenate(lists), jnp.int32),
        size=size,
    )


def _grid(units: np.ndarray, size: float) -> tuple[np.ndarray, np.ndarray]:
    """The first cell's middle [3], and the number of cells along each axis [3], over commands [N, 3]."""
    low, high = units.min(axis=0), units.max(axis=0)
    return low, np.ceil((high - low) / size - 1e-6).astype(int) + 1


def _cells(units: np.ndarray, size: float) -> int:
    return math.prod(_grid(units, size)[1].tolist())


def _lists(
    units: np.ndarray, rows: np.ndarray, weight: np.ndarray, grid: tuple[np.ndarray, np.ndarray, float], length: int
) -> np.ndarray:
    """Rows [K, length] near each cell of a grid, each as often as its weight has it, out of `rows` with `units`.

    A grid is its first cell [3], its numbers of cells [3] and their size.
    """
    low, counts, size = grid
    tree, generator = KDTree(units), np.random.default_rng(0)
    middles = low + size * np.stack(np.unravel_index(np.arange(counts.prod()), counts), axis=1)
    near = tree.query_ball_point(middles, max(NEAR, size))
    nearest = tree.query(middles, min(LEAST, len(units)))[1].reshape(len(middles), -1)
    found = [rows[own if len(own) >= LEAST else list(others)] for own, others in zip(near, nearest, strict=True)]
    return np.stack([_spread(generator.permutation(own), weight, length) for own in found])


def _spread(rows: np.ndarray, weight: np.ndarray, length: int) -> np.ndarray:
    """`length` of the rows, each about as often as its weight has it."""
    mass = np.cumsum(weight[rows], dtype=np.float64)
    wanted = (np.arange(length) + 0.5) / length * mass[-1]
    return rows[np.searchsorted(mass, wanted, side="right").clip(max=len(rows) - 1)]
