"""Where configurations and clips are found: in the working directory first, then among those that ship."""

from __future__ import annotations

import os.path
from glob import glob
from pathlib import Path

from playground_amp.core.errors import InputError, nearest
from playground_amp.core.files import SHIPPED

CONFIGS = Path("configs")


def find_config(name_or_path: str) -> Path:
    """Path of a configuration; raises InputError with the names that exist."""
    for folder in (Path(), CONFIGS, SHIPPED, SHIPPED / CONFIGS):
        for path in (folder / name_or_path, folder / f"{name_or_path}.yaml"):
            if os.path.isfile(path):
                return path
    names = {path.name for folder in (CONFIGS, SHIPPED / CONFIGS) for path in folder.glob("*.yaml")}
    if os.path.isdir(name_or_path):
        raise InputError(f"'{name_or_path}' is a folder; give the YAML file, {nearest(name_or_path, names)}")
    raise InputError(f"there is no configuration '{name_or_path}'; {nearest(name_or_path, names)}")


def find_path(pattern: str) -> Path:
    """A file, folder or pattern with *: in the current directory, else among what ships; as given if in neither."""
    paths = [Path(pattern).expanduser(), SHIPPED / pattern]
    return next((path for path in paths if os.path.exists(path) or glob(str(path), recursive=True)), paths[0])
