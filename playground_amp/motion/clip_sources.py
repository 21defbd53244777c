"""The entries of `reference.clips`: which clip files they name, and which entry speaks for each file."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from glob import glob
from pathlib import Path

from playground_amp.config import ClipSource, find_path, said_of_clips
from playground_amp.core.errors import InputError
from playground_amp.core.files import parse_json

HELD_OUT = "held_out"  # name of a folder of clips, inside a folder of clips, that nothing is trained on


def find_clips(sources: Sequence[ClipSource]) -> list[Path]:
    """Clip files named by paths, folders and patterns with *; raises InputError for one that names none.

    A folder stands for the clips right in it; neither it nor a pattern with * finds those of a folder `held_out`.
    """
    return list(entries_by_clip(sources))


def entries_by_clip(sources: Sequence[ClipSource]) -> dict[Path, ClipSource]:
    """Clip file -> its entry: the first of those that name it.

    Raises InputError for an entry without clips, for one whose clips are all taken by entries before it that say
    something else, and for labels that differ in case or spaces only.
    """
    _check_labels(source.label for source in sources)
    owners: dict[Path, tuple[Path, ClipSource]] = {}
    for number, source in enumerate(sources, 1):
        found = {path.resolve(): path for path in _named(find_path(source.path))}
        if not found:
            raise InputError(f"reference.clips: '{source.path}' names no clip; make clips with playground-amp retarget")
        taken = [owners[file][1] for file in found if file in owners]
        if len(taken) == len(found) and any(said_of_clips(owner) != said_of_clips(source) for owner in taken):
            raise InputError(
                f"reference.clips, entry {number}: '{source.path}' has no effect, as entries before it name all its "
                f"clips and the first counts; put it before them"
            )
        owners |= {file: (path, source) for file, path in found.items() if file not in owners}
    return dict(owners.values())


def failed_clips(sources: Sequence[ClipSource]) -> list[Path]:
    """Clips that the verdict beside them, NAME.json of playground-amp retarget, calls a fail."""
    return [path for path in find_clips(sources) if _verdict_beside(path) == "fail"]


def _verdict_beside(path: Path) -> object:
    """None where there is no verdict, or something else of that name."""
    try:
        said = parse_json(path.with_suffix(".json").read_text())
    except (OSError, ValueError):
        return None
    return said.get("verdict") if isinstance(said, dict) else None


def _check_labels(labels: Iterable[str]) -> None:
    known: dict[str, str] = {}
    for label in labels:
        other = known.setdefault(label.strip().casefold(), label)
        if other != label:
            raise InputError(
                f"reference.clips: the labels '{other}' and '{label}' differ in case or spaces only and would be two "
                f"gaits; write '{other}' in both places"
            )


def _named(path: Path) -> list[Path]:
    """A file, the files of a folder, or those a pattern matches; held-out ones only where it names their folder."""
    if path.is_dir():
        return sorted(path.glob("*.npz"))
    if path.is_file():
        return [path]
    found = (Path(match) for match in glob(str(path), recursive=True) if match.endswith(".npz"))
    return sorted(match for match in found if match.parent.name != HELD_OUT or HELD_OUT in path.parts)
