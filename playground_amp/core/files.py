"""Where what ships with the package is, and files that are written whole or not at all."""

from __future__ import annotations

import errno
import json
import math
import os
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

PACKAGE = Path(__file__).resolve().parents[1]
_INSIDE = PACKAGE / "shipped"
SHIPPED = _INSIDE if _INSIDE.is_dir() else PACKAGE.parent  # configs/ and data/: inside a wheel, beside it in a clone


def parse_json(text: str | bytes) -> Any:
    """What a text says in JSON; ValueError where it is none, or deeper than Python reads."""
    try:
        return json.loads(text)
    except RecursionError:
        raise ValueError("brackets within brackets, deeper than any file of ours") from None


def json_values(value: Any) -> Any:
    """Nested values as JSON has them: NaN and infinity, which it does not know, become null, tuples lists."""
    if isinstance(value, dict):
        return {key: json_values(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [json_values(entry) for entry in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def write_whole(path: Path, text: str) -> None:
    """Write `text` to `path`: an interruption leaves what was there before."""
    with whole(path) as temporary:
        temporary.write_text(text)


@contextmanager
def whole(path: Path) -> Generator[Path]:
    """A file beside `path` to write to, which takes its place at the end; an interruption leaves nothing of it."""
    temporary = path.with_name(path.name + ".tmp")
    try:
        yield temporary
        to_disk(temporary)
        os.replace(temporary, path)
        to_disk(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


def to_disk(path: Path) -> None:
    """Have a file, or the names in a folder, where a power cut leaves them; some file systems know no such thing."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP, errno.EBADF):
            raise
    finally:
        os.close(descriptor)
