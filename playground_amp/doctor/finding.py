"""What the doctor found: one sentence each, with the features or the clip it is about."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Finding:
    """Something that is wrong with a run to be. An error would spoil it; a warning is worth knowing."""

    severity: Literal["error", "warning"]
    code: str  # cause: constant frame facing order unit offset floor ..., one word
    sentence: str  # what, likely cause, what to do
    dimensions: tuple[str, ...] = ()  # features concerned, by name
    side: str = ""  # of the feature pipeline: policy, reference or both, where it matters
    clip: str = ""  # name of the clip concerned

    @property
    def spoils(self) -> bool:
        """Whether it would spoil a run."""
        return self.severity == "error"
