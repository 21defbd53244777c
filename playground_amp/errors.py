"""The one error a user can mend: bad input, said in one sentence."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class InputError(ValueError):
    """Something the user gave is wrong; the message names it and says what would be right.

    Scripts print the message alone, without a traceback, and exit with code 2.
    """


def nearest(word: str, choices: Iterable[str]) -> str:
    """'did you mean X?' for the choice nearest to `word`, or the list of all choices when none is near."""
    choices = sorted(choices)
    close = difflib.get_close_matches(word, choices, n=1, cutoff=0.5)
    return f"did you mean '{close[0]}'?" if close else f"valid: {', '.join(choices)}"
