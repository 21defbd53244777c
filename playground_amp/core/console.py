"""The command line's side: exit codes, messages without a traceback, and the reporter that draws.

0 is done, 1 a run that diverged or a check that failed, 2 bad input, 3 a run ended by `logging.stop_on_collapse`,
130 Ctrl-C, 128 + N another signal.
"""

from __future__ import annotations

import argparse
import atexit
import errno
import logging
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING, NoReturn

from playground_amp.core.errors import (
    Followed,
    InputError,
    Interrupted,
    OtherProcessLost,
    TrainingCollapsed,
    TrainingDiverged,
)
from playground_amp.core.reporter import LOGGER, Bar, Reporter

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress

FAILED, BAD_INPUT, COLLAPSED, INTERRUPTED = 1, 2, 3, 130
DISK = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM)  # full, read-only or not ours
QUIET_SECONDS = 10.0  # between two lines of progress where the output is no terminal
SPEED_SECONDS = 120.0  # over which the time left is estimated


def run(main: Callable[[], int | None]) -> None:
    """Run a command and exit with its code; what it says goes to standard error, a sentence a line."""
    show_sentences()
    _stop_by_sigterm()
    logging.getLogger("jax._src.callback").setLevel(logging.CRITICAL)  # what it logs it raises, too
    try:
        code = main()
        sys.stdout.flush()
        if code:
            sys.exit(code)
    except InputError as error:
        _refuse(str(error))
    except TrainingDiverged as error:
        _refuse(str(error), FAILED)
    except TrainingCollapsed as error:
        _say_and_exit(str(error), COLLAPSED)
    except Interrupted as error:
        _say_and_exit(str(error), 128 + error.signal)
    except Followed as error:
        sys.exit(error.code)
    except OtherProcessLost as error:
        _leave(f"error: {error}", FAILED)
    except KeyboardInterrupt:
        _stop()
    except BrokenPipeError:  # whoever read our output has left, for example `| head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except Exception as error:
        if isinstance(error, OSError) and error.errno in DISK:
            _break_off(f"cannot write '{error.filename or 'the output'}': {error.strerror}")
        if "RESOURCE_EXHAUSTED" in str(error):
            _refuse("out of memory; lower env.num_envs, ppo.batch_size, amp.batch_size or amp.replay_size")
        if "KeyboardInterrupt" in str(error) and type(error).__name__ == "JaxRuntimeError":
            _stop()  # it came while JAX was calling back
        if _is_one_of_several():
            traceback.print_exc()
            _break_off("this process of a training in several ends with what stands above", FAILED)
        raise


def make_parser(command: str, description: str) -> argparse.ArgumentParser:
    """The parser of a command; `description` is shown as it stands, examples included."""
    return argparse.ArgumentParser(
        prog=f"playground-amp {command}",
        description=description,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )


class _Sentences(logging.Handler):
    """One line on standard error for each sentence, as it stands."""

    def emit(self, record: logging.LogRecord) -> None:
        _console().print(record.getMessage(), markup=False, highlight=False, soft_wrap=True)


def show_sentences() -> None:
    """Show what the library says on standard error."""
    if not any(isinstance(handler, _Sentences) for handler in LOGGER.handlers):
        LOGGER.addHandler(_Sentences())
        LOGGER.setLevel(logging.INFO)
        LOGGER.propagate = False


_live: list[Console] = []  # the console of a bar or spinner that is being drawn


def _console() -> Console:
    """Standard error as it is now: sentences go above what is being drawn there."""
    from rich.console import Console  # imported late: --help answers at once

    return _live[-1] if _live else Console(stderr=True)


class ConsoleReporter(Reporter):
    """Draws on standard error: a live line in a terminal; plain lines, one every few seconds, elsewhere."""

    @contextmanager
    def status(self, text: str) -> Generator[Callable[[str], None]]:
        with _drawing() as console, console.status(text) as status:
            yield status.update

    @contextmanager
    def progress(self, what: str, total: int, done: int = 0) -> Generator[Bar]:
        with _drawing() as console, _progress(console) as progress:
            yield ConsoleBar(console, progress, what, total, done)


@contextmanager
def _drawing() -> Generator[Console]:
    console = _console()
    _live.append(console)
    try:
        yield console
    finally:
        _live.pop()


def _progress(console: Console) -> Progress:
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
    from rich.table import Column

    return Progress(
        MofNCompleteColumn(table_column=Column(no_wrap=True)),
        TimeRemainingColumn(elapsed_when_finished=True, compact=True, table_column=Column(no_wrap=True)),
        BarColumn(bar_width=10, table_column=Column(no_wrap=True)),
        TextColumn("{task.fields[text]}", table_column=Column(no_wrap=True, overflow="ellipsis", ratio=1)),
        expand=True,
        console=console,
        disable=not console.is_terminal,
        speed_estimate_period=SPEED_SECONDS,
    )


class ConsoleBar(Bar):
    """A bar, how much is done, the time left, and a text that says more."""

    def __init__(self, console: Console, progress: Progress, what: str, total: int, done: int):
        self._console, self._progress, self._total = console, progress, total
        self._start, self._first, self._printed = time.monotonic(), done, 0.0
        self._task = progress.add_task(what, total=total, completed=done, text=what)

    def describe(self, text: str) -> None:
        self._progress.update(self._task, text=text)

    def show(self, done: int, text: str = "") -> None:
        self._progress.update(self._task, completed=done)
        if text:
            self.describe(text)
        now = time.monotonic()
        due = done == self._total or not self._printed or now - self._printed > QUIET_SECONDS
        if not self._console.is_terminal and due:
            line = f"{done}/{self._total}  {self._left(done, now)}  {text}".rstrip()
            self._console.print(line, markup=False, highlight=False, soft_wrap=True)
            if not self._printed:  # the first steps may have compiled, and say nothing of those to come
                self._start, self._first = now, done
            self._printed = now

    def _left(self, done: int, now: float) -> str:
        if not self._printed and done < self._total:
            return "time left not known yet"
        seconds = (now - self._start) / max(done - self._first, 1) * (self._total - done)
        return f"{seconds / 60:.1f} min left"


def _refuse(message: str, code: int = BAD_INPUT) -> NoReturn:
    _say_and_exit(f"error: {message}", code)


def _break_off(message: str, code: int = BAD_INPUT) -> NoReturn:
    """Refuse in the middle of a training: other processes, which wait for this one, are not waited for."""
    if _is_one_of_several():
        _leave(f"error: {message}", code)
    _refuse(message, code)


def _is_one_of_several() -> bool:
    jax = sys.modules.get("jax")  # --help answers without it
    return jax is not None and jax.distributed.is_initialized()


def _say_and_exit(message: str, code: int) -> NoReturn:
    print(message, file=sys.stderr)
    atexit.register(_hush)
    sys.exit(code)


def _hush() -> None:
    """Nothing after the sentence: threads of a library whose work was broken off complain while Python shuts down."""
    sys.unraisablehook = lambda _: None
    threading.excepthook = lambda _: None
    logging.disable(logging.CRITICAL)


_signals: list[int] = []  # by which the command is being stopped, other than Ctrl-C


def _stop_by_sigterm() -> None:
    """SIGTERM ends a command as Ctrl-C does, also before and after what `training.loop.stop_on_signal` holds."""

    def handle(number: int, _frame: object) -> None:
        _signals.append(number)
        raise KeyboardInterrupt

    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, handle)


def _stop() -> NoReturn:
    if not _signals:
        _leave()
    _leave(f"stopped by {signal.Signals(_signals[0]).name}", 128 + _signals[0])


def _leave(message: str = "stopped by Ctrl-C", code: int = INTERRUPTED) -> NoReturn:
    """End at once: computations under way in JAX's threads crash a Python that shuts down under them.

    Nor are processes waited for that are gone, or wait for this one.
    """
    print(message, file=sys.stderr, flush=True)
    sys.stdout.flush()
    os._exit(code)
