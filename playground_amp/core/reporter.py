"""How the library tells what it does: sentences go to the logger `playground_amp`, long work to a Reporter.

Nothing here prints. The command line passes the reporter that draws (see `core.console`) and shows the logger's
sentences; from Python, `logging.basicConfig(level=logging.INFO)` shows them, too.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Generator
from contextlib import contextmanager

LOGGER = logging.getLogger("playground_amp")


def say(text: str) -> None:
    """Tell one sentence."""
    LOGGER.info(text)


class Bar:
    """The progress of one long piece of work; this one keeps silent."""

    def show(self, done: int, text: str = "") -> None:
        """`done` of the total steps are done; `text` are the numbers to watch."""

    def describe(self, text: str) -> None:
        """What is being done now."""


class Reporter:
    """What is told while long work runs; this one keeps silent, and the command line passes one that draws."""

    @contextmanager
    def status(self, text: str) -> Generator[Callable[[str], None]]:
        """Work of unknown length, described by `text`; yields what brings the description up to date."""
        yield lambda text: None

    @contextmanager
    def progress(self, what: str, total: int, done: int = 0) -> Generator[Bar]:
        """Work of `total` steps of which `done` are done already; yields the bar to bring up to date."""
        yield Bar()


SILENT = Reporter()
