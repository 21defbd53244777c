"""One door for every file of motion: the format is known by the suffix and the content."""

from __future__ import annotations

from pathlib import Path

from playground_amp.motion.amass import Take, load_take
from playground_amp.motion.gmr import RobotMotion


def read_source(path: Path) -> Take | RobotMotion:
    """Read a person's take (AMASS `.npz`) or a robot's motion; raises InputError naming the file and what is wrong."""
    return load_take(Path(path))
