"""Records of robots that are asked for by name, proposed at their first use and kept in the user's cache."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from playground_amp import __version__
from playground_amp.core.errors import InputError
from playground_amp.core.files import write_whole
from playground_amp.core.reporter import say
from playground_amp.robots.proposal.propose import propose


def record_of(name: str, mjcf: Path) -> Path:
    """Path of the record of the robot `name`, whose MJCF is at `mjcf`; proposes it where there is none yet.

    A changed MJCF, or another version of this package, has a record of its own.
    """
    seen = f"{__version__}\n{mjcf}\n".encode() + mjcf.read_bytes()
    path = cache() / f"{name}-{hashlib.sha256(seen).hexdigest()[:8]}.yaml"
    if path.is_file():
        return path
    text, _ = propose(name)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, text)
    except OSError as error:
        raise InputError(
            f"the record of '{name}' cannot be kept in {path.parent} ({error.strerror}); set XDG_CACHE_HOME to a "
            f"folder that can be written"
        ) from None
    say(
        f"'{name}' is taken as proposed from {mjcf}: {path} says what was guessed; for a copy to edit: "
        f"playground-amp retarget --propose-robot {name} --out DIR"
    )
    return path


def cache() -> Path:
    """Folder of the records of robots by name."""
    home = os.environ.get("XDG_CACHE_HOME")
    return (Path(home) if home else Path.home() / ".cache") / "playground_amp" / "robots"
