"""Many takes to many clips, with progress and a table of their quality: what scripts/retarget.py does."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from rich import box
from rich.console import Console
from rich.progress import track
from rich.table import Column, Table

from playground_amp.errors import InputError
from playground_amp.motion.amass import load_take
from playground_amp.motion.clip import MotionClip, save_clip
from playground_amp.motion.quality import Quality, faults, measure
from playground_amp.motion.retarget import retarget
from playground_amp.robots import load_robot

NO_MOTION = ("shape.npz", "stagei.npz")  # how files end that hold a body's shape and no motion
COLUMNS = {  # heading, field, factor, format
    "s": ("seconds", 1.0, ".1f"),
    "m/s": ("speed", 1.0, ".2f"),
    "steps /min": ("cadence", 1.0, ".0f"),
    "duty": ("duty", 1.0, ".2f"),
    "slip cm/s": ("skating", 100.0, ".1f"),
    "sunk mm": ("penetration", 1000.0, ".1f"),
    "lift mm": ("float_height", 1000.0, ".1f"),
    "toe mm": ("clearance", 1000.0, ".0f"),
    "stop %": ("limit_share", 100.0, ".0f"),
    "joint rad/s": ("joint_speed", 1.0, ".1f"),
    "limp %": ("asymmetry", 100.0, ".0f"),
}


def find_takes(sources: Iterable[Path]) -> tuple[dict[str, Path], list[Path]]:
    """The takes among files and (recursively) folders by the name of their clip, and the files without motion."""
    paths: list[Path] = []
    for source in sources:
        if not source.exists():
            raise InputError(f"there is no file or folder '{source}'; give AMASS .npz takes or a folder of them")
        paths += [source] if source.is_file() else sorted(source.rglob("*.npz"))
    skipped = [path for path in paths if path.name.endswith(NO_MOTION) and path not in sources]
    takes = _named([path for path in paths if path not in skipped])
    if not takes:
        raise InputError(f"no takes (*.npz with motion) in {', '.join(repr(str(source)) for source in sources)}")
    return takes, skipped


def _named(paths: list[Path]) -> dict[str, Path]:
    """Clip name of every take: its file's, with the folder's before it where two files are called alike."""
    stems = Counter(path.stem for path in paths)
    named: dict[str, Path] = {}
    for path in paths:
        name = path.stem if stems[path.stem] == 1 else f"{path.resolve().parent.name}_{path.stem}"
        if name in named:
            raise InputError(f"'{path}' and '{named[name]}' would both become the clip '{name}'; rename one of them")
        named[name] = path
    return named


def retarget_sources(
    sources: list[Path], robot_name: str, out: Path, *, time_scaling: bool = True, source: str = ""
) -> dict[str, Quality]:
    """Write a clip into `out` for every take; one bad take alone is an error, among others it is named and left out."""
    robot = load_robot(robot_name)
    takes, skipped = find_takes(sources)
    for path in skipped:
        print(f"skipped '{path}': it holds a body's shape, no motion", file=sys.stderr)
    qualities: dict[str, Quality] = {}
    bad: list[InputError] = []
    progress = track(takes.items(), description="retargeting", console=Console(stderr=True), transient=True)
    for name, path in progress:
        try:
            clip = retarget(load_take(path), robot, time_scaling=time_scaling, source=source).clip
        except InputError as error:
            bad.append(error)
            continue
        _save(out / f"{name}.npz", clip)
        qualities[name] = measure(clip, robot)
    if qualities:
        Console().print(table(qualities))
    if bad and not qualities:
        raise bad[0]
    for error in bad:
        print(f"left out: {error}", file=sys.stderr)
    return qualities


def _save(path: Path, clip: MotionClip) -> None:
    try:
        save_clip(path, clip)
    except OSError as error:
        raise InputError(f"cannot write '{path}': {error.strerror}; choose another folder with --out") from None


def table(qualities: dict[str, Quality]) -> Table:
    """One row a clip; figures out of bounds are red."""
    columns = (Column(heading, justify="right", min_width=max(map(len, heading.split()))) for heading in COLUMNS)
    name = Column("clip", no_wrap=True, min_width=min(24, max(map(len, qualities))))
    result = Table(name, *columns, title="quality of the clips", box=box.SIMPLE_HEAD, padding=0, pad_edge=False)
    for name, quality in qualities.items():
        wrong = faults(quality)
        cells = [
            f"[red]{getattr(quality, field) * factor:{style}}[/red]"
            if field in wrong
            else f"{getattr(quality, field) * factor:{style}}"
            for field, factor, style in COLUMNS.values()
        ]
        result.add_row(name, *cells)
    return result
