"""What the doctor found: one sentence each, with the dimensions or the clip it is about."""

from __future__ import annotations

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

    @property
    def spoils(self) -> bool:
        """Whether it would spoil a run."""
        return self.severity == "error"
