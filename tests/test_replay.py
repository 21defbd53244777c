"""The replay buffer: items carry ids, so what was written and what is drawn can be told."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from playground_amp.learning import replay

WIDTH = 3


def items(first: int, last: int) -> jax.Array:
    """Samples [last - first, WIDTH] that carry the ids first..last-1 in every column."""
    return jnp.asarray(np.tile(np.arange(first, last, dtype=np.float32)[:, None], (1, WIDTH)))


def filled(capacity: int, *batches: int) -> replay.Replay:
    """A buffer after batches of these sizes, ids counted from 1 (0 is what an unwritten row holds)."""
    buffer, first = replay.init(capacity, WIDTH), 1
    for size in batches:
        buffer = jax.jit(replay.add)(buffer, items(first, first + size))
        first += size
    return buffer


def held(buffer: replay.Replay) -> set[int]:
    return {int(x) for x in buffer.data[: int(buffer.size), 0]}


def drawn(buffer: replay.Replay, count: int = 4000) -> np.ndarray:
    return np.asarray(jax.jit(replay.sample, static_argnums=2)(buffer, jax.random.key(0), count))


@pytest.mark.parametrize(
    ("batches", "newest"),
    [
        ((4,), range(1, 5)),
        ((4, 4), range(1, 9)),
        ((4, 4, 4), range(3, 13)),  # wraps around
        ((10,), range(1, 11)),  # fills it exactly
        ((10, 10), range(11, 21)),
        ((25,), range(16, 26)),  # more than the capacity at once
        ((4, 25, 3), range(23, 33)),
        ((7, 7, 7, 7), range(19, 29)),
    ],
)
def test_the_newest_samples_are_kept_and_only_they(batches: tuple[int, ...], newest: range) -> None:
    buffer = filled(10, *batches)
    assert held(buffer) == set(newest)
    assert int(buffer.size) == len(newest)
    assert {int(x) for x in drawn(buffer)[:, 0]} == set(newest)


def test_oldest_rows_are_overwritten_first() -> None:
    assert held(filled(5, 5, 1)) == {2, 3, 4, 5, 6}
    assert held(filled(5, 5, 1, 1)) == {3, 4, 5, 6, 7}


def test_unwritten_rows_are_never_drawn() -> None:
    assert drawn(filled(1000, 3)).min() >= 1.0


def test_drawn_rows_are_whole_items() -> None:
    rows = drawn(filled(10, 7, 7))
    assert (rows == rows[:, :1]).all()


def test_every_sample_is_equally_likely() -> None:
    counts = np.bincount(drawn(filled(10, 25), 20_000)[:, 0].astype(int))[16:]
    expected = 2000.0
    chi_squared = float(np.sum((counts - expected) ** 2 / expected))
    assert chi_squared < 27.9  # 99.9 % of fair draws of 10 kinds stay below


def test_draws_follow_the_key() -> None:
    buffer = filled(50, 50)
    first, again, other = (replay.sample(buffer, jax.random.key(seed), 20) for seed in (1, 1, 2))
    assert (first == again).all()
    assert (first != other).any()


def test_adding_leaves_the_given_buffer_alone() -> None:
    before = filled(5, 3)
    replay.add(before, items(90, 95))
    assert held(before) == {1, 2, 3}
