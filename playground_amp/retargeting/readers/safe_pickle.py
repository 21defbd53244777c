"""Pickles of strangers, read without running anything: arrays, numbers, text, lists and dicts, nothing else.

A pickle is a program of a small stack machine, and Python's own machine calls whatever function the program names.
This one knows the opcodes that plain data needs, and the handful of names under which NumPy writes its arrays; an array
is put together from its bytes here, so not even NumPy's constructors see what the file says.
"""

from __future__ import annotations

import math
import pickletools
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from playground_amp.core.errors import InputError

MOST_OPCODES = 1_000_000
NUMERIC = re.compile(r"[biuf][1248]|[US][0-9]{1,4}")  # dtypes admitted: numbers, and text for names
MODULES = (*(f"numpy.{core}.{part}" for core in ("core", "_core") for part in ("multiarray", "numeric")), "numpy")
FUNCTIONS = ("_reconstruct", "ndarray", "dtype", "scalar", "_frombuffer")
GLOBALS = {(module, name) for module in MODULES for name in FUNCTIONS}
GLOBALS |= {("_codecs", "encode"), ("__builtin__", "bytes")}  # how protocol 2 writes bytes, and empty ones
GLOBALS |= {("collections", "OrderedDict")}
# zlib, gzip, bzip2, xz, lzma and lz4, as joblib does
COMPRESSED = (b"\x78", b"\x1f\x8b", b"BZh", b"\xfd7zXZ", b"\x5d\x00\x00", b"\x04\x22\x4d\x18")
CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
LITERALS = {
    "LONG1",
    "LONG4",
    "BININT",
    "BININT1",
    "BININT2",
    "BINFLOAT",
    "SHORT_BINUNICODE",
    "BINUNICODE",
    "BINUNICODE8",
    "SHORT_BINBYTES",
    "BINBYTES",
    "BINBYTES8",
    "BYTEARRAY8",
}
IGNORED = {"PROTO", "FRAME", "READONLY_BUFFER"}
MARK = object()


@dataclass(frozen=True)
class _Global:
    module: str
    name: str


@dataclass
class _DType:
    code: str
    order: str = "="


@dataclass
class _Array:
    """An array whose bytes come with a later BUILD."""

    value: Any = None


class _Refused(Exception):
    """A sentence for the user, yet without the file."""


def load_plain(path: Path) -> Any:
    """The object of the pickle `path`, with NumPy arrays and plain values only; raises InputError for any other."""
    return plain(path.read_bytes(), path)


def plain(program: bytes, path: Path) -> Any:
    """The object of a pickle within the file `path`; raises InputError as `load_plain`."""
    if program.startswith(COMPRESSED):
        raise _joblib(path)
    try:
        return _resolved(_run(program))
    except _Refused as error:
        raise InputError(f"'{path}' {error}; nothing of it was run, save plain NumPy arrays instead") from None
    except Exception:  # a damaged pickle underflows the stack or breaks off in any of a dozen ways
        if b"joblib" in program[:100_000]:
            raise _joblib(path) from None
        raise InputError(
            f"'{path}' is not a readable pickle (truncated, damaged or of another kind); copy or make it again"
        ) from None


def _joblib(path: Path) -> InputError:
    name = path.name.replace("'", "")
    return InputError(
        f"'{path}' is compressed or written by joblib, which is not read; if you trust it, save it again: python -c "
        f"\"import joblib, pickle; pickle.dump(joblib.load('{name}'), open('plain_{name}', 'wb'))\""
    )


def _run(program: bytes) -> Any:
    """The object a pickle leaves on the stack."""
    stack: list[Any] = []
    memo: dict[int, Any] = {}
    for count, (opcode, argument, _) in enumerate(pickletools.genops(program)):
        if count > MOST_OPCODES:
            raise _Refused("holds more parts than a motion has")
        if opcode.name == "STOP":
            (result,) = stack
            return result
        _step(opcode.name, argument, stack, memo)
    raise ValueError("no STOP")


def _step(name: str, argument: Any, stack: list[Any], memo: dict[int, Any]) -> None:
    if name in LITERALS:
        stack.append(argument)
    elif name in CONSTANTS:
        stack.append(CONSTANTS[name])
    elif name in ("MEMOIZE", "BINPUT", "LONG_BINPUT"):
        memo[len(memo) if name == "MEMOIZE" else argument] = stack[-1]
    elif name in ("BINGET", "LONG_BINGET"):
        stack.append(memo[argument])
    elif name in ACTIONS:
        ACTIONS[name](stack)
    elif name in ("GLOBAL", "STACK_GLOBAL"):
        module, attribute = argument.split(" ", 1) if name == "GLOBAL" else (stack.pop(), stack.pop())[::-1]
        stack.append(_global(module, attribute))
    elif name not in IGNORED:
        raise _Refused(f"holds more than plain values (pickle opcode {name})")


def _global(module: str, name: str) -> _Global:
    if str(module).startswith("joblib"):
        raise ValueError("NumpyArrayWrapper, with raw bytes behind it")
    if (module, name) not in GLOBALS:
        raise _Refused(f"wants to call {str(module)[:40]}.{str(name)[:40]}, which no motion needs")
    return _Global(module, name)


def _marked(stack: list[Any]) -> list[Any]:
    """What stands above the last mark, taken off together with it."""
    start = len(stack) - 1 - next(i for i, item in enumerate(reversed(stack)) if item is MARK)
    items = stack[start + 1 :]
    del stack[start:]
    return items


def _take(stack: list[Any], count: int) -> list[Any]:
    items = stack[-count:]
    if len(items) < count or any(item is MARK for item in items):
        raise ValueError("stack underflow")
    del stack[-count:]
    return items


def _set_items(stack: list[Any], pairs: list[Any]) -> None:
    target = stack[-1]
    if type(target) is not dict or not all(isinstance(key, str | int) for key in pairs[::2]):
        raise _Refused("holds a dict with keys that are neither text nor numbers")
    target.update(zip(map(str, pairs[::2]), pairs[1::2], strict=True))


def _append(stack: list[Any], items: list[Any]) -> None:
    if type(stack[-1]) is not list:
        raise ValueError("APPEND to no list")
    stack[-1].extend(items)


def _reduce(stack: list[Any]) -> None:
    """The few calls that NumPy's arrays are written as."""
    function, arguments = _take(stack, 2)
    if type(function) is not _Global or type(arguments) is not tuple:
        raise ValueError("REDUCE of no function")
    if function.name == "dtype":
        stack.append(_DType(str(arguments[0])))
    elif function.name == "_reconstruct":
        stack.append(_Array())
    elif function.name == "scalar":
        stack.append(_from_bytes(arguments[1], (), arguments[0]))
    elif function.name == "_frombuffer":
        stack.append(_from_bytes(*arguments))
    elif function.name == "encode":
        stack.append(arguments[0].encode("latin1"))
    elif function.name == "bytes" and not arguments:
        stack.append(b"")
    elif function.name == "OrderedDict" and not arguments:
        stack.append({})
    else:
        raise _Refused(f"wants to call {function.module}.{function.name}, which no motion needs")


def _build(stack: list[Any]) -> None:
    """The state of a dtype (its byte order) or of an array (its shape and bytes)."""
    target, state = _take(stack, 2)
    if type(target) is _DType:
        target.order = state[1] if state[1] in ("<", ">") else "="
    elif type(target) is _Array:
        _, shape, dtype, fortran, data = state
        if dtype.code in ("O8", "O4", "O") and type(data) is list and shape == () and len(data) == 1:
            target.value = data[0]  # as `numpy.save` writes a dict
        else:
            target.value = _from_bytes(data, dtype, shape, "F" if fortran else "C")
    else:
        raise _Refused("sets the state of an object")
    stack.append(target)


def _from_bytes(data: Any, second: Any, third: Any, order: str = "C") -> np.ndarray:
    """An array of bytes, dtype and shape, the last two in either order; every byte must be used."""
    dtype, shape = (second, third) if type(second) is _DType else (third, second)
    code = dtype.code.lstrip("<>=|")
    if not NUMERIC.fullmatch(code):
        raise _Refused(f"holds an array of {code[:20]!r} instead of numbers")
    numpy_type = np.dtype(dtype.order + code)
    size = math.prod(shape) * numpy_type.itemsize
    if not isinstance(data, bytes | bytearray) or min(shape, default=0) < 0 or size != len(data):
        raise _Refused("holds an array whose shape and bytes do not fit")
    return np.frombuffer(data, numpy_type).reshape(shape, order="F" if order == "F" else "C")


ACTIONS = {
    "MARK": lambda stack: stack.append(MARK),
    "EMPTY_DICT": lambda stack: stack.append({}),
    "EMPTY_LIST": lambda stack: stack.append([]),
    "EMPTY_TUPLE": lambda stack: stack.append(()),
    "TUPLE1": lambda stack: stack.append(tuple(_take(stack, 1))),
    "TUPLE2": lambda stack: stack.append(tuple(_take(stack, 2))),
    "TUPLE3": lambda stack: stack.append(tuple(_take(stack, 3))),
    "TUPLE": lambda stack: stack.append(tuple(_marked(stack))),
    "SETITEM": lambda stack: _set_items(stack, _take(stack, 2)),
    "SETITEMS": lambda stack: _set_items(stack, _marked(stack)),
    "APPEND": lambda stack: _append(stack, _take(stack, 1)),
    "APPENDS": lambda stack: _append(stack, _marked(stack)),
    "REDUCE": _reduce,
    "BUILD": _build,
}


def _resolved(result: Any) -> Any:
    """The arrays in dicts and lists, however deep, in the place of what they were read as; each part is met once."""
    box = [result]
    seen, waiting = {id(box)}, [box]
    while waiting:
        part: Any = waiting.pop()
        for key, value in list(part.items() if type(part) is dict else enumerate(part)):
            value = part[key] = value.value if type(value) is _Array else value
            if type(value) is _Array:
                raise _Refused("holds an array within an array")
            if type(value) in (dict, list) and id(value) not in seen:
                seen.add(id(value))
                waiting.append(value)
    return box[0]
