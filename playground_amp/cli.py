"""What every script shares: exit codes (0 done, 2 bad input, 130 Ctrl-C) and messages without a traceback."""

from __future__ import annotations

import sys
from collections.abc import Callable

from playground_amp.errors import InputError


def run(main: Callable[[], None]) -> None:
    """Run a script's `main` and exit with its code."""
    try:
        main()
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        print("stopped by Ctrl-C", file=sys.stderr)
        sys.exit(130)
