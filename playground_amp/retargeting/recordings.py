"""Which recordings are asked for: files, folders and patterns, and the name of the clip that each becomes."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Iterator
from glob import glob, has_magic
from pathlib import Path

from playground_amp.core.errors import InputError
from playground_amp.retargeting.readers.any import READERS

NO_MOTION = ("shape.npz", "stagei.npz")  # how files end that hold a body's shape and no motion


def find_recordings(sources: Iterable[str | Path], without: Path | None = None) -> tuple[dict[str, Path], list[Path]]:
    """Recordings by the name of their clip, and the files of body shapes that were met in folders.

    A folder stands for every file below it that can be a recording, except those below `without`, where clips are
    written; a pattern for what it matches. Raises InputError for a source that does not exist, and when there is none.
    """
    sources = list(sources)
    named = [path for source in sources for path in _expanded(source, without)]
    given = {Path(source) for source in sources}
    paths = {path.resolve(): path for path in named if path in given or not path.name.endswith(NO_MOTION)}
    skipped = [path for path in named if path.resolve() not in paths]
    if not paths:
        kinds = ", ".join(READERS)
        raise InputError(f"no recordings ({kinds}) in {', '.join(repr(str(source)) for source in sources)}")
    return _clip_names(list(paths.values())), skipped


def _expanded(source: str | Path, without: Path | None) -> Iterator[Path]:
    path = Path(source).expanduser()
    if path.is_dir():
        yield from _below(path, without)
    elif path.exists() or not has_magic(str(path)):
        if not path.exists():
            raise InputError(f"there is no file or folder '{source}'; give recordings, folders of them, or a pattern")
        yield path
    else:
        matches = sorted(map(Path, glob(str(path), recursive=True)))
        if not matches:
            raise InputError(f"no file matches the pattern '{source}'; put ** in it to search folders below")
        for match in matches:
            yield from _below(match, without) if match.is_dir() else [match]


def _below(folder: Path, without: Path | None) -> Iterator[Path]:
    """Files below a folder that can be recordings, in order."""
    for place, folders, files in os.walk(folder, followlinks=True):
        folders[:] = sorted(name for name in folders if not _same(Path(place, name), without))
        for path in (Path(place, name) for name in sorted(files)):
            if path.suffix.lower() in READERS and (path.suffix.lower() != ".txt" or _is_json(path)):
                yield path


def _same(folder: Path, other: Path | None) -> bool:
    return other is not None and folder.resolve() == other.resolve()


def _is_json(path: Path) -> bool:
    """Whether a text file may be a DeepMimic motion: a folder holds other texts, too."""
    try:
        with path.open("rb") as file:
            return file.read(64).lstrip().startswith(b"{")
    except OSError:
        return True  # reading it will say why not


def _clip_names(paths: list[Path]) -> dict[str, Path]:
    """Clip name of every recording: its file's.

    Where two files are called alike, their folders' names stand before it, and within one folder their kinds behind it.
    """
    stems = Counter(path.stem for path in paths)
    beside = Counter((path.resolve().parent, path.stem) for path in paths)
    named: dict[str, Path] = {}
    for path in paths:
        name = path.stem if stems[path.stem] == 1 else f"{path.resolve().parent.name}_{path.stem}"
        if beside[path.resolve().parent, path.stem] > 1:
            alone = stems[path.stem] == beside[path.resolve().parent, path.stem]
            name = f"{path.stem if alone else name}_{path.suffix[1:].lower()}"
        if name in named:
            raise InputError(f"'{path}' and '{named[name]}' would both become the clip '{name}'; rename one of them")
        named[name] = path
    return named
