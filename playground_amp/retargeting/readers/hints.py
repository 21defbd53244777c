"""What a file of motion cannot say of itself, and a user can."""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite

from playground_amp.core.errors import InputError, nearest

UNITS = {"m": 1.0, "cm": 0.01, "mm": 0.001, "cmu": 0.0254 / 0.45, "inches": 0.0254}  # m in one
UP_AXES = ("x", "y", "z", "-x", "-y", "-z")


@dataclass(frozen=True)
class ReadHints:
    """What is known of a recording; None: found from the file. Raises InputError for what no recording can have."""

    fps: float | None = None  # Hz, --fps
    unit: str | None = None  # of lengths, --unit: one of UNITS
    up: str | None = None  # the axis that points up, --up: one of UP_AXES
    joints: tuple[str, ...] | None = None  # of a robot's motion in the file's order, or one known layout; --joints

    def __post_init__(self) -> None:
        if self.fps is not None and not (isfinite(self.fps) and self.fps > 0.0):
            raise InputError(f"--fps is {self.fps:g}; expected frames per second, more than 0")
        if self.unit is not None and self.unit not in UNITS:
            raise InputError(f"--unit is '{self.unit}'; {nearest(self.unit, UNITS)}")
        if self.up is not None and self.up not in UP_AXES:
            raise InputError(f"--up is '{self.up}'; valid: {', '.join(UP_AXES)}")

    @property
    def scale(self) -> float | None:
        """Metres in the unit that was given."""
        return None if self.unit is None else UNITS[self.unit]


NO_HINTS = ReadHints()
