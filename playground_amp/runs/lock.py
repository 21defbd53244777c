"""One trainer in a folder at a time: a lock of the operating system, which a crash or a kill releases."""

from __future__ import annotations

import errno
import fcntl
import os
import socket
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path

from playground_amp.core.errors import InputError
from playground_amp.core.reporter import say

FILE = ".lock"  # in the folder of a run, while it is trained; what a crash leaves of it locks nothing
NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP, errno.EINVAL)  # of a file system that has none


@contextmanager
def locked(run_dir: Path) -> Generator[None]:
    """The folder for this process alone; raises InputError when another one trains in it."""
    descriptor = _lock(run_dir)
    try:
        yield
    finally:
        with suppress(OSError):  # as where the disk is read-only by now: a file that stays locks nothing
            (run_dir / FILE).unlink()  # before the lock is let go of: see `_lock`
        os.close(descriptor)


def _lock(run_dir: Path) -> int:
    """File descriptor that holds the lock: of the file that has the name, not of one that was just taken away."""
    path = run_dir / FILE
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            owner = os.read(descriptor, 200).decode(errors="replace").strip() or "unknown"
            os.close(descriptor)
            raise InputError(
                f"another training is at work in '{run_dir}' ({owner}); wait for its end, or choose another --run-dir"
            ) from None
        except OSError as error:
            if error.errno not in NO_LOCKS:
                os.close(descriptor)
                raise
            say(f"the file system of '{run_dir}' knows no locks: see to it that nothing else trains there")
        if _is_named(descriptor, path):
            with suppress(OSError):  # as where the disk is full: it is locked all the same, by somebody unknown
                os.ftruncate(descriptor, 0)
                os.write(descriptor, f"process {os.getpid()} on {socket.gethostname()}".encode())
            return descriptor
        os.close(descriptor)


def _is_named(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False
