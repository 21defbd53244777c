"""How the library ends what it cannot go on with: bad input, said in one sentence, and trainings that end early."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class InputError(ValueError):
    """Something the user gave is wrong; the message names it and says what would be right.

    The command line prints the message alone, without a traceback, and exits with code 2.
    """


class DamagedCheckpoint(InputError):
    """A checkpoint is not what was saved: cut short, with bits that changed, or with numbers that are none."""


class TrainingDiverged(RuntimeError):
    """A number became NaN or infinite, again and again; the message says which. The last checkpoint is kept."""


class TrainingCollapsed(RuntimeError):
    """The run ended early by `logging.stop_on_collapse`: its policy had nothing left to learn from."""


class Interrupted(RuntimeError):
    """A signal asked the training to stop; its state is saved, and the message says how to go on."""

    def __init__(self, message: str, signal: int):
        super().__init__(message)
        self.signal = signal


class OtherProcessLost(RuntimeError):
    """A process of a training in several is gone, and the others cannot go on without it."""


class Followed(RuntimeError):
    """A training in several processes was ended by process 0, which has said why; `code` is its exit code."""

    def __init__(self, code: int):
        super().__init__("process 0 ended the training and said why")
        self.code = code


def nearest(word: str, choices: Iterable[str]) -> str:
    """'did you mean X?' for the choice nearest to `word`, or the list of all choices when none is near."""
    choices = sorted(choices)
    close = difflib.get_close_matches(word, choices, n=1, cutoff=0.5)
    return f"did you mean '{close[0]}'?" if close else f"valid: {', '.join(choices)}"


def listed(names: Iterable[str], most: int = 4) -> str:
    """'a, b and c', or the first ones and how many more."""
    names = list(names)
    if len(names) > most:
        return f"{', '.join(names[: most - 1])} and {len(names) - most + 1} more"
    return " and ".join(filter(None, [", ".join(names[:-1]), names[-1]])) if names else ""
