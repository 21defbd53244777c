"""Motions of robots as tables: `.csv` with a header or without, as Unitree's data set, and plain arrays in `.npy`.

Without a header a row is root x y z, quaternion, then the joints, 30 frames a second: Unitree's LAFAN1 data and the
tools that write alike. A header names the columns in any order, and a column of time, if there is one, gives the rate.
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from playground_amp.core.errors import InputError
from playground_amp.retargeting.readers.hints import NO_HINTS, ReadHints
from playground_amp.retargeting.readers.quaternion_order import W_FIRST, W_LAST
from playground_amp.retargeting.readers.robot_motion import RobotMotion, WrittenMotion, finished
from playground_amp.retargeting.readers.validation import check_file, frame_rate, frames_of
from playground_amp.robots import Robot

USUAL_RATE = 30.0  # Hz, of Unitree's data set and the default of tools that write alike
_ROOT = r"(?:root|base|pelvis|floating_base|free|body)_?"
_POSITION = re.compile(rf"(?:{_ROOT})?(?:(?:pos|position|trans|translation|translate|t|p)_?)?([xyz])(?:_m)?")
_QUATERNION = re.compile(rf"(?:{_ROOT})?(?:quat|quaternion|rot|rotation|orientation|ori|q|r)_?([wxyz])")
_EULER = re.compile(rf"(?:{_ROOT})?(?:roll|pitch|yaw|rotate_?[xyz]|euler_?[xyz])(?:_deg|_rad)?")
_TIME = re.compile(r"(time|timestamp|t|seconds|sec|time_s)")
_NO_JOINT = re.compile(r"(frame|frame_?(id|index|number)|index|id|)|.*(_vel|_velocity|_acc|_torque|_tau)")


def load_csv(path: Path, hints: ReadHints = NO_HINTS, robot: Robot | None = None) -> RobotMotion:
    """Read a `.csv`; raises InputError naming the file, what is wrong and what would be right."""
    check_file(path)
    header, rows = _rows(path)
    if header is None:
        return load_table(rows, path, hints, robot)
    return finished(_named(header, rows, path, hints), path, hints, robot)


def load_table(rows: np.ndarray, path: Path, hints: ReadHints, robot: Robot | None) -> RobotMotion:
    """A motion of rows [N, 7 + J] without names."""
    if rows.shape[1] < 8:
        raise InputError(
            f"'{path}' has {rows.shape[1]} columns, expected root x y z, quaternion x y z w, then every joint"
        )
    notes = _rate_notes(hints)
    written = WrittenMotion(path.stem, rows[:, :3], rows[:, 3:7], rows[:, 7:], USUAL_RATE, W_LAST, notes=notes)
    return finished(written, path, hints, robot)


def _rate_notes(hints: ReadHints) -> tuple[str, ...]:
    told = f"it does not say its frame rate and is taken to have {USUAL_RATE:g} frames a second: --fps gives another"
    return (told,) if hints.fps is None else ()


def _rows(path: Path) -> tuple[list[str] | None, np.ndarray]:
    """The names of the columns, or None, and the numbers [N, columns] of a `.csv`."""
    text = path.read_text(encoding="utf-8", errors="replace").lstrip("\ufeff")
    lines = [line for line in text.splitlines() if line.strip()]
    widths = [line.count(",") + 1 for line in lines]
    odd = next((i for i, width in enumerate(widths) if width != widths[0]), None)
    if odd is not None:
        raise InputError(f"'{path}': row {odd + 1} has {widths[odd]} values, the first one {widths[0]}; is it cut off?")
    header = [cell.strip().strip("\"'") for cell in lines[0].split(",")] if lines else []
    numbered = len(header) > 8 and header[-1] == str(len(header) - 1 - (header[0] == "")) and header[1] in ("0", "1")
    lines = lines[1:] if numbered or not any(map(_is_number, header)) else lines
    if not lines:
        raise InputError(f"'{path}' has no rows; a motion needs at least one frame")
    try:
        table = np.loadtxt(lines, delimiter=",", comments=None, ndmin=2)
    except ValueError:
        raise InputError(
            f"'{path}' holds something else than numbers and commas below its header; a row is the root and the joints"
        ) from None
    rows = frames_of(table, "the table", None, path)
    if numbered:  # by pandas, with a column of its own for the rows if the first cell is empty
        return None, rows[:, 1:] if header[0] == "" else rows
    return None if any(map(_is_number, header)) else header, rows


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _named(header: list[str], rows: np.ndarray, path: Path, hints: ReadHints) -> WrittenMotion:
    """The motion of a table whose header names the columns."""
    plain = [_plain(name) for name in header]
    columns = {f"q{m[1]}": i for i, name in enumerate(plain) if (m := _QUATERNION.fullmatch(name))}
    columns |= {m[1]: i for i, name in enumerate(plain) if (m := _POSITION.fullmatch(name))}
    lacking = [key for key in ("x", "y", "z", "qw", "qx", "qy", "qz") if key not in columns]
    if lacking:
        angles = [name for name, told in zip(header, plain, strict=True) if _EULER.fullmatch(told)]
        instead = f"; {angles[0]} is an angle, write a quaternion instead" if angles else ""
        raise InputError(
            f"'{path}': no column of its header is the root's {', '.join(lacking)} (such as root_x, root_qw){instead}"
        )
    time = next((i for i, name in enumerate(plain) if _TIME.fullmatch(name)), None)
    used = {*columns.values(), time}
    joints = [i for i, name in enumerate(plain) if i not in used and not _NO_JOINT.fullmatch(name)]
    names = tuple(header[i] for i in joints)
    if not names or len(set(names)) < len(names):
        raise InputError(f"'{path}': the columns after the root must be the joints, each with a name of its own")
    return WrittenMotion(
        path.stem,
        rows[:, [columns[key] for key in "xyz"]],
        rows[:, [columns[f"q{key}"] for key in "wxyz"]],
        rows[:, joints],
        USUAL_RATE if time is None else _rate(rows[:, time], hints, path),
        W_FIRST,
        order_certain=True,
        joints=names,
        notes=_rate_notes(hints) if time is None else (),
    )


def _plain(name: str) -> str:
    """'Root_translateX' -> 'root_translate_x'."""
    snake = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name[:80]).lower()
    return re.sub(r"[^a-z0-9]+", "_", snake).strip("_")


def _rate(time: np.ndarray, hints: ReadHints, path: Path) -> float:
    """Frames per second of a column of seconds."""
    if hints.fps is not None:
        return hints.fps
    steps = np.diff(time)
    usual = float(np.median(steps)) if len(steps) else 0.0
    if not usual > 0.0 or float(np.abs(steps - usual).max()) > 0.5 * usual:
        raise InputError(f"'{path}': its column of time does not rise evenly; expected seconds, or --fps")
    return frame_rate(1.0 / usual, "the rate of its column of time", path)
