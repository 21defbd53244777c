"""What every script shares: exit codes (0 done, 2 bad input, 130 Ctrl-C) and messages without a traceback."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Callable

from playground_amp.errors import InputError

BAD_INPUT, INTERRUPTED = 2, 130
DISK = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM)  # full, read-only or not ours


def run(main: Callable[[], object]) -> None:
    """Run a script's `main` and exit with its code."""
    try:
        main()
        sys.stdout.flush()
    except InputError as error:
        _stop(f"error: {error}", BAD_INPUT)
    except KeyboardInterrupt:
        _stop("stopped by Ctrl-C", INTERRUPTED)
    except BrokenPipeError:  # whoever read our output has left, for example `| head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except OSError as error:
        if error.errno not in DISK:
            raise
        _stop(f"error: cannot write '{error.filename or 'the output'}': {error.strerror}", BAD_INPUT)


def _stop(message: str, code: int) -> None:
    print(message, file=sys.stderr)
    sys.exit(code)
