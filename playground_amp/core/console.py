"""What every script shares: exit codes and messages without a traceback.

0 is done, 1 a run that diverged or a check that failed, 2 bad input, 3 a run ended by `logging.stop_on_collapse`,
130 Ctrl-C.
"""

from __future__ import annotations

import atexit
import errno
import logging
import os
import sys
import threading
from collections.abc import Callable
from typing import NoReturn

from playground_amp.core.errors import InputError

BAD_INPUT, INTERRUPTED = 2, 130
DISK = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM)  # full, read-only or not ours


def run(main: Callable[[], object]) -> None:
    """Run a script's `main` and exit with its code."""
    logging.getLogger("jax._src.callback").setLevel(logging.CRITICAL)  # what it logs it raises, too
    try:
        main()
        sys.stdout.flush()
    except InputError as error:
        _refuse(str(error))
    except KeyboardInterrupt:
        _leave()
    except BrokenPipeError:  # whoever read our output has left, for example `| head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except Exception as error:
        if isinstance(error, OSError) and error.errno in DISK:
            _refuse(f"cannot write '{error.filename or 'the output'}': {error.strerror}")
        if "RESOURCE_EXHAUSTED" in str(error):
            _refuse("out of memory; lower env.num_envs, ppo.rollout_length, amp.batch_size or amp.replay_size")
        if "KeyboardInterrupt" in str(error) and type(error).__name__ == "JaxRuntimeError":
            _leave()  # Ctrl-C came while JAX was calling back
        raise


def say(text: str) -> None:
    """Tell the user one sentence, beside the output."""
    from rich.console import Console  # imported late: --help answers at once

    Console(stderr=True).print(text, markup=False, highlight=False, soft_wrap=True)


def _refuse(message: str) -> NoReturn:
    print(f"error: {message}", file=sys.stderr)
    atexit.register(_hush)
    sys.exit(BAD_INPUT)


def _hush() -> None:
    """Nothing after the sentence: threads of a library whose work was broken off complain while Python shuts down."""
    sys.unraisablehook = lambda _: None
    threading.excepthook = lambda _: None
    logging.disable(logging.CRITICAL)


def _leave() -> NoReturn:
    """End at once: computations under way in JAX's threads crash a Python that shuts down under them."""
    print("stopped by Ctrl-C", file=sys.stderr, flush=True)
    sys.stdout.flush()
    os._exit(INTERRUPTED)
