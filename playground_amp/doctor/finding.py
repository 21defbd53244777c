"""What the doctor found: one sentence each, with the dimensions or the clip it is about."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Finding:
    """A fault. An error would spoil a run; a warning is worth knowing."""

    severity: Literal["error", "warning"]
    code: str  # cause: constant frame facing order unit offset floor ..., one word
    sentence: str  # what, likely cause, what to do
    dimensions: tuple[str, ...] = ()  # features concerned, by name
    side: str = ""  # policy, reference or both, where it matters
    clip: str = ""


def listed(names: Iterable[str], most: int = 4) -> str:
    """'a, b and c', or the first ones and how many more."""
    names = list(names)
    if len(names) > most:
        return f"{', '.join(names[: most - 1])} and {len(names) - most + 1} more"
    return " and ".join(filter(None, [", ".join(names[:-1]), names[-1]])) if names else ""
