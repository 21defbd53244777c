"""What a command is: a velocity and a turning in the heading frame, (vx, vy, wz).

vx is ahead and vy to the left, m/s; wz is to the left, rad/s. The zero command is to stand.
"""

from __future__ import annotations

import jax
import numpy as np

NAMES = ("forward", "sideways", "turn")
UNITS = ("m/s", "m/s", "rad/s")
MIRROR = (1.0, -1.0, -1.0)  # signs of the reflection through the sagittal plane
UNIT = np.array([0.2, 0.2, 0.4], np.float32)  # m/s, m/s, rad/s: a command of one, as networks see it
STANDS = 1e-3  # of all three, below which a command is to stand


def mirrored(command: jax.Array) -> jax.Array:
    """The command [..., 3] of the reflected motion."""
    return command * np.array(MIRROR, np.float32)


def in_words(command: np.ndarray) -> str:
    """'0.60 m/s', '0.60 m/s, 0.20 to the left, turning 0.30 rad/s' of a command [3]; 'standing' where it is zero."""
    forward, sideways, turn = (float(value) for value in command)
    parts = [f"{forward:.2f} m/s"] if abs(forward) >= STANDS else []
    side = "left" if sideways > 0.0 else "right"
    parts += [f"{abs(sideways):.2f} m/s to the {side}"] if abs(sideways) >= STANDS else []
    parts += [f"turning {turn:+.2f} rad/s"] if abs(turn) >= STANDS else []
    return ", ".join(parts) or "standing"
