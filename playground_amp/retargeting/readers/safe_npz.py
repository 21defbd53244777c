"""`.npz` and `.npy` files of strangers: what an array claims is checked against the file before it is allocated."""

from __future__ import annotations

import math
import zipfile
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.lib import format as npy

from playground_amp.core.errors import InputError
from playground_amp.retargeting.readers.safe_pickle import plain

MOST_BYTES = 2**30  # of one array; an hour of SMPL-H at 120 Hz is half of it
BOMB_BYTES, BOMB_RATIO = 2**24, 100  # a larger array that shrank further than recorded motion does is a bomb
HEADERS = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}


def names(path: Path) -> frozenset[str]:
    """Names of the arrays in an `.npz`; raises InputError if it is not one."""
    try:
        with zipfile.ZipFile(path) as file:
            return frozenset(name.removesuffix(".npy") for name in file.namelist())
    except Exception:  # zipfile raises a different type for every kind of damage
        raise _unreadable(path) from None


def read(path: Path, wanted: tuple[str, ...]) -> dict[str, np.ndarray]:
    """Those of the `wanted` arrays that the file has; others (gender may be a pickled object) stay unread.

    Raises InputError for a file that is no `.npz`, is damaged, holds pickled objects under a wanted name, or claims
    more than it has.
    """
    try:
        with zipfile.ZipFile(path) as file:
            present = set(file.namelist())
            return {key: _array(file, f"{key}.npy", path) for key in wanted if f"{key}.npy" in present}
    except InputError:
        raise
    except Exception:  # NumPy and zipfile raise a different type for every kind of damage
        raise _unreadable(path) from None


def read_npy(path: Path) -> Any:
    """What an `.npy` holds: an array of numbers, or the plain values that were pickled into it, without running them.

    Raises InputError for a file that is no `.npy`, is damaged, claims more than it has, or has more than plain values.
    """
    size = path.stat().st_size
    try:
        with path.open("rb") as stream:
            version = npy.read_magic(stream)
            _, _, dtype = HEADERS[version](stream)
            if dtype.hasobject:
                return plain(stream.read(), path)
        with path.open("rb") as stream:
            _check_header(stream, size, path, path.name)
        with path.open("rb") as stream:
            return npy.read_array(stream, allow_pickle=False)
    except InputError:
        raise
    except Exception:  # as above
        raise _unreadable(path) from None


def _array(file: zipfile.ZipFile, member: str, path: Path) -> np.ndarray:
    info = file.getinfo(member)
    bomb = info.file_size > max(BOMB_BYTES, BOMB_RATIO * info.compress_size)
    if info.file_size > MOST_BYTES or bomb or info.compress_size > path.stat().st_size:
        raise InputError(
            f"'{path}': {member.removesuffix('.npy')} claims {info.file_size} bytes, more than a motion file of "
            f"{path.stat().st_size} bytes can hold; download it again"
        )
    with file.open(member) as stream:
        _check_header(stream, info.file_size, path, member)
    with file.open(member) as stream:
        return npy.read_array(stream, allow_pickle=False)


def _check_header(stream: IO[bytes], size: int, path: Path, member: str) -> None:
    """The shape of the header must be what follows it, to the byte."""
    version = npy.read_magic(stream)
    shape, _, dtype = HEADERS[version](stream)
    if dtype.hasobject:
        raise _unreadable(path)
    claimed = math.prod(shape) * dtype.itemsize
    if min(shape, default=0) < 0 or claimed != size - stream.tell():
        raise InputError(
            f"'{path}': {member.removesuffix('.npy')} claims the shape {_brief(shape)} and holds "
            f"{size - stream.tell()} bytes instead of {_brief(claimed)}; download it again"
        )


def _brief(value: object) -> str:
    """A number or shape in at most 40 characters: a hostile one has thousands of digits."""
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:36]}..."


def _unreadable(path: Path) -> InputError:
    return InputError(
        f"'{path}' is not a readable {path.suffix or '.npz'} file (truncated, damaged or of another kind); copy or "
        "download it again"
    )
