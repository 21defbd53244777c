"""In which unit a skeleton is drawn: the one in which its legs are a person's."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np

from playground_amp.core.errors import InputError
from playground_amp.retargeting.readers.hints import UNITS

ADULT, CHILD = (0.6, 1.05), (0.28, 0.6)  # m from hip to ankle: people of 1.4 to 2.3 m, and of 0.7 to 1.4 m
QUICK = 1.35  # tempo of a walk that is a smaller person's
GIVEN = (0.2, 1.3)  # m, in a unit that somebody vouches for
HIPS = (0.06, 0.4)  # of the leg's length, between the hips
NAMES = {"m": "metres", "cm": "centimetres", "mm": "millimetres", "cmu": "CMU's unit (5.6 cm)", "inches": "inches"}


def find_unit(
    legs: float, hips: float, given: str | None, path: Path, tempo: Callable[[str], float | None] = lambda _: None
) -> tuple[str, tuple[str, ...]]:
    """The unit of a skeleton, one of UNITS, and notes on it, by its legs (hip to ankle) and the way between its hips.

    An adult is likelier than a child, unless it steps as quick as only a child does: `tempo` of a unit is that of its
    walk in it, 1 for a usual one, None for no walk. Raises InputError where no unit makes it a person, or the `given`
    one does not.
    """
    if not HIPS[0] * legs <= hips <= HIPS[1] * legs:
        raise InputError(
            f"'{path}': its hips are {hips:.3g} apart and its legs {legs:.3g} long; a person's hips are "
            f"{HIPS[0]:g} to {HIPS[1]:g} of the legs apart"
        )
    fits = [unit for unit in UNITS if _within(legs * UNITS[unit], ADULT)]
    fits += [unit for unit in UNITS if _within(legs * UNITS[unit], CHILD)]
    if given is not None and _within(legs * UNITS[given], GIVEN):
        return given, ()
    if given is not None or not fits:
        tried = [given] if given is not None else list(UNITS)
        raise InputError(
            f"'{path}': its legs are {legs:.4g} long from hip to ankle, no person's in {', '.join(tried)} "
            f"({CHILD[0]} to {ADULT[1]} m); {_others(fits)}"
        )
    if len(fits) > 1 and (tempo(fits[0]) or 1.0) > QUICK:
        fits.sort(key=lambda unit: abs(math.log(tempo(unit) or 1.0)))
    plain = len(fits) == 1 and _within(legs * UNITS[fits[0]], ADULT)
    return fits[0], () if plain else (_note(legs, fits),)


def _within(length: float, bounds: tuple[float, float]) -> bool:
    return bool(np.isfinite(length)) and bounds[0] <= length < bounds[1]


def _others(fits: list[str]) -> str:
    return f"--unit {' or '.join(fits)} fits" if fits else "scale it to metres"


def _note(legs: float, fits: list[str]) -> str:
    readings = [f"{legs * UNITS[unit]:.2f} m, read in {NAMES[unit]}" for unit in fits]
    child = "" if _within(legs * UNITS[fits[0]], ADULT) else ", a child's"
    rest = f" (or {', or '.join(readings[1:])})" if len(fits) > 1 else ""
    return f"its legs are {readings[0]}{child}{rest}: --unit sets another"
