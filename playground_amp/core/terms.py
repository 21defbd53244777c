"""Tables of terms: what is concatenated to an array, in its order, and what each part of it is.

Sizes, names, reflections and whatever else follows the layout are read off the table, so that it stands in one place.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np

FeatureGroup = Literal[
    "joint_positions", "joint_velocities", "root_direction", "root_angular_velocity", "root_height", "foot_contacts"
]  # groups of AMP features: motion.features.FEATURES has the table


@dataclass(frozen=True, eq=False)
class Mirror:
    """How an array [N] looks after a reflection left to right: entry i is sign[i] times entry partner[i]."""

    partner: np.ndarray  # [N] int
    sign: np.ndarray  # [N] 1 or -1

    def __post_init__(self) -> None:
        assert len(self.partner) == len(self.sign)


class Term(Protocol):
    """One part of an array."""

    @property
    def labels(self) -> Sequence[str]:
        """One name a number, in order."""
        ...

    @property
    def mirror(self) -> Mirror:
        """Of this part alone."""
        ...


def unchanged(size: int) -> Mirror:
    """Of numbers that a reflection leaves as they are."""
    return signed(*np.ones(size))


def signed(*signs: float) -> Mirror:
    """Of numbers that stay in their places: (1, -1, 1) for a vector, (-1, 1, -1) for a turning about an axis."""
    return Mirror(np.arange(len(signs)), np.array(signs))


def paired(partner: Sequence[int] | np.ndarray, sign: Sequence[float] | np.ndarray | None = None) -> Mirror:
    """Of numbers that change places with a partner."""
    partner = np.asarray(partner, int)
    return Mirror(partner, np.ones(len(partner)) if sign is None else np.asarray(sign, float))


def labels_of(terms: Sequence[Term]) -> list[str]:
    """One name a number of the whole array."""
    return [label for term in terms for label in term.labels]


def sizes_of(terms: Sequence[Term]) -> list[int]:
    """Numbers of each part."""
    return [len(term.labels) for term in terms]


def mirror_of(terms: Sequence[Term]) -> tuple[np.ndarray, np.ndarray]:
    """Where each number of the whole array is found in that of the reflection, and its sign: [N] each."""
    starts = np.cumsum([0, *sizes_of(terms)])
    partners = [start + term.mirror.partner for start, term in zip(starts, terms, strict=False)]
    signs = [term.mirror.sign for term in terms]
    return np.concatenate(partners).astype(int), np.concatenate(signs).astype(np.float32)
