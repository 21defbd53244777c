"""What every reader holds its arrays to; each failure is one sentence naming the file and the key."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from playground_amp.core.errors import InputError

FRAME_RATES = (10.0, 1000.0)  # Hz; outside of these a rate is a mistake
FARTHEST = 1000.0  # m from the origin; beyond is no recording, or not metres
MOST_ANGLE = 4.0 * np.pi  # rad; a joint of a robot turns less, an angle in degrees mostly more
MOST_TEXT = 2**27  # bytes of a text file


def check_file(path: Path, most_bytes: int = MOST_TEXT) -> None:
    """Raises InputError unless `path` is a file that can be opened, not empty and not larger than motion ever is."""
    try:
        size = path.stat().st_size
        if not path.is_file():
            raise InputError(f"'{path}' is a folder or a device; give a file of motion")
        path.open("rb").close()
    except FileNotFoundError:
        raise InputError(f"there is no file '{path}'; give a file of motion") from None
    except OSError as error:
        raise InputError(f"'{path}' cannot be read: {error.strerror}; give a file of motion") from None
    if size == 0:
        raise InputError(f"'{path}' is empty; copy or download it again")
    if size > most_bytes:
        raise InputError(f"'{path}' has {size / 2**20:.0f} MiB, more than any motion; cut it into parts")


def numbers(value: object, key: str, path: Path) -> np.ndarray:
    """`value` as finite float64 with at least one frame, or InputError."""
    array = np.asarray(value)
    if array.dtype.kind not in "iuf":
        raise InputError(f"'{path}': {key} holds {array.dtype}, expected numbers")
    if array.ndim == 0 or array.size == 0:
        raise InputError(f"'{path}': {key} has no frames; a take needs at least one")
    with np.errstate(over="ignore", invalid="ignore"):
        array = array.astype(np.float64)
    if not np.isfinite(array).all():
        frame = int(np.argwhere(~np.isfinite(array))[0, 0])
        raise InputError(f"'{path}': {key} holds NaN or infinity, first in frame {frame}; cut or repair the take")
    return array


def frames_of(value: object, key: str, width: int | None, path: Path) -> np.ndarray:
    """`value` as finite [N, width] with N and the width at least 1; width None is any."""
    array = numbers(value, key, path)
    if array.ndim != 2 or (width is not None and array.shape[1] != width):
        raise InputError(f"'{path}': {key} has the shape {array.shape}, expected [N, {width or 'joints'}]")
    return array


def frame_rate(value: object, key: str, path: Path) -> float:
    """Frames per second within FRAME_RATES from a number or an array of one."""
    low, high = FRAME_RATES
    array = np.asarray(value).reshape(-1)
    fps = float(array[0]) if array.dtype.kind in "iuf" and array.size else float("nan")
    if not low <= fps <= high:
        told = "no number" if array.dtype.hasobject else " ".join(str(np.asarray(value)).split())[:60]
        raise InputError(
            f"'{path}': {key} is {told}, expected frames per second from {low:.0f} to {high:.0f}; --fps sets another"
        )
    return fps


def metres(positions: np.ndarray, key: str, path: Path) -> np.ndarray:
    """The positions [N, ..., 3], or InputError where they are farther than any recording goes."""
    farthest = float(np.abs(positions).max())
    if not farthest <= FARTHEST:
        raise InputError(
            f"'{path}': {key} reaches {farthest:.3g} m from the origin, farther than a recording goes "
            f"({FARTHEST:.0f} m); are its lengths in metres?"
        )
    return positions


def unit_quaternions(quaternions: np.ndarray, key: str, path: Path, *, off: float = 0.1) -> np.ndarray:
    """Quaternions [N, 4] made exactly unit; InputError where a length is off by more than `off`."""
    with np.errstate(over="ignore"):
        norms = np.linalg.norm(quaternions, axis=-1, keepdims=True)
    wrong = np.abs(norms - 1.0) > off
    if wrong.any():
        frame = int(np.argwhere(wrong)[0, 0])
        raise InputError(
            f"'{path}': the quaternion {key} of frame {frame} has the length {float(norms[frame, 0]):.3g}, expected 1"
        )
    return quaternions / norms
