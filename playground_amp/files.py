"""Where the repository is, and files that are written whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent  # of the repository


def write_whole(path: Path, text: str) -> None:
    """Write `text` to `path`: an interruption leaves what was there before."""
    temporary = path.with_name(path.name + ".tmp")
    temporary.write_text(text)
    os.replace(temporary, path)
