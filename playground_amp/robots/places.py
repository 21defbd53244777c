"""Where an MJCF may read from: its own folder, its package, and the folders that the user allows."""

from __future__ import annotations

import os
import xml.etree.ElementTree as ET
from collections.abc import Iterator, Sequence
from pathlib import Path

from playground_amp.core.errors import InputError

ALLOWED = "PLAYGROUND_AMP_MJCF_PATH"  # environment variable: folders, separated as in PATH
MOST_BYTES, MOST_FILES = 2**26, 100  # of an MJCF, and that includes each other
MESHES, TEXTURES = ("mesh", "hfield", "skin", "flexcomp", "flex"), ("texture",)
SOURCES = ("site-packages", "dist-packages", ".cache")  # folders that installers and fetchers keep robots in


def check_places(mjcf: Path) -> None:
    """Raise InputError for an MJCF that includes, or reads a mesh or texture, from outside the folders it may."""
    first = Path(os.path.abspath(mjcf))
    allowed = [_home(first.parent)]
    allowed += [Path(os.path.abspath(one)) for one in os.environ.get(ALLOWED, "").split(os.pathsep) if one]
    trees: dict[Path, ET.Element] = {}
    waiting = [first]
    while waiting:
        file = waiting.pop()
        if file in trees or (root := _parsed(file)) is None:
            continue
        trees[file] = root
        if len(trees) > MOST_FILES:
            raise InputError(f"{mjcf}: more than {MOST_FILES} files that include each other")
        for element in root.iter("include"):
            places = [Path(os.path.abspath(one / element.get("file", ""))) for one in (first.parent, file.parent)]
            path = next((place for place in places if place.is_file()), places[0])
            _check("include", path, mjcf, allowed)
            waiting.append(path)
    compilers = [compiler for root in trees.values() for compiler in root.iter("compiler")]
    for root in trees.values():
        for kind, path in _assets(root, compilers, first.parent):
            _check(kind, path, mjcf, allowed)


def _check(what: str, path: Path, mjcf: Path, allowed: Sequence[Path]) -> None:
    if not any(path.is_relative_to(folder) for folder in allowed):
        raise InputError(
            f"{mjcf}: it reads the {what} '{path}', which is outside of its folder '{allowed[0]}'; move it there, or "
            f"allow it by the environment variable {ALLOWED}={path.parent}"
        )


def _home(folder: Path) -> Path:
    """The folder of an MJCF, or what was installed or fetched with it: meshes may lie beside it there."""
    for place in range(len(folder.parts) - 2, 0, -1):
        if folder.parts[place] in SOURCES:
            return Path(*folder.parts[: place + 2])
    return folder


def _parsed(file: Path) -> ET.Element | None:
    """The root of an XML file; None for what is none, which MuJoCo says better."""
    try:
        if file.stat().st_size > MOST_BYTES:
            raise InputError(f"{file}: larger than the {MOST_BYTES} bytes that an MJCF may have")
        return ET.parse(file).getroot()
    except InputError:
        raise
    except (ET.ParseError, OSError, ValueError, LookupError):
        return None


def _assets(root: ET.Element, compilers: Sequence[ET.Element], top: Path) -> Iterator[tuple[str, Path]]:
    """Files that an MJCF names beside its includes, where MuJoCo would look for them."""
    bare = any(compiler.get("strippath") == "true" for compiler in compilers)
    for element in root.iter():
        keys = ("meshdir", "assetdir") if element.tag in MESHES else ("texturedir", "assetdir")
        named = [one.get(key) for one in compilers for key in keys] if element.tag in (*MESHES, *TEXTURES) else []
        folders = [folder for folder in named if folder] or [""]
        for name, value in element.attrib.items():
            if name.startswith("file") and value and element.tag != "include":
                value = os.path.basename(value) if bare else value
                yield from ((element.tag, Path(os.path.abspath(top / folder / value))) for folder in folders)
