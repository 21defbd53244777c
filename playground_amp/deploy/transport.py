"""One JSON line a step, over stdin and stdout or UDP on this machine, so that any middleware can be joined.

The first line says what the robot is: {"robot": {"joints": [...], "rate": 50, "kp": [...], "kd": [...],
"torque_limits": [...]}}; it is answered by {"ready": ...} or by {"error": ...} and the end. Every further line has
the readings of a step and is answered by phase, targets and gains. A line that is not understood stops the runner.
"""

from __future__ import annotations

import collections
import dataclasses
import json
import socket
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any, TextIO

import numpy as np

from playground_amp.core.errors import InputError
from playground_amp.core.files import parse_json
from playground_amp.deploy.contract import check_robot
from playground_amp.deploy.limits import Limits
from playground_amp.deploy.load import Deployment
from playground_amp.deploy.loop import Timing, run_loop
from playground_amp.deploy.observations import Readings
from playground_amp.deploy.runner import Output, Runner

NEEDED = ("gyro", "gravity", "joint_positions", "joint_velocities")
OPTIONAL = ("time", "command", "gait", "extra", "run", "reset")
LOOPBACK = "127.0.0.1"
LONGEST = 65_536  # bytes of a line
COUNTED = 25  # lines over whose median the rate is measured
OFF_RATE = 0.1  # share by which it may be off


class Cadence:
    """When lines come: stamps by the runner's clock, and whether they come at the control rate.

    The robot's clock may be another; its offset is the least that was seen, so a stamp that stands still grows old.
    """

    def __init__(self, period: float, stale: float):
        self.period, self.stale = period, stale
        self._offset, self._came = np.inf, collections.deque[float](maxlen=COUNTED + 1)

    def stamped(self, readings: Readings, came: float) -> Readings:
        """Readings with their time by the runner's clock."""
        self._offset = min(self._offset, came - readings.time)
        return dataclasses.replace(readings, time=readings.time + self._offset)

    def fault(self, now: float) -> str:
        """What is wrong with the line that comes `now`; empty where nothing is."""
        self._came.append(now)
        intervals = np.diff(self._came)
        if len(intervals) and intervals[-1] > self.stale * self.period:
            return f"no line came for {1e3 * intervals[-1]:.0f} ms"
        if len(intervals) == COUNTED and abs(np.median(intervals) / self.period - 1.0) > OFF_RATE:
            rate = 1.0 / max(float(np.median(intervals)), 1e-6)
            return f"lines come at {rate:.0f} Hz, the policy runs at {1.0 / self.period:.0f} Hz"
        return ""


def parse_readings(line: str | bytes, now: float) -> tuple[Readings, bool]:
    """Readings of a line, and whether it asks for a reset; without a time of its own it is of `now`."""
    try:
        values = parse_json(line)
    except (ValueError, UnicodeDecodeError):
        raise InputError("a line is not JSON") from None
    if not isinstance(values, dict):
        raise InputError("a line is not a JSON object")
    if missing := [name for name in NEEDED if name not in values]:
        raise InputError(f"a line has no '{missing[0]}'; expected {', '.join(NEEDED)}")
    if unknown := [name for name in values if name not in NEEDED + OPTIONAL]:
        raise InputError(f"a line has '{unknown[0]}', which is unknown; valid: {', '.join(NEEDED + OPTIONAL)}")
    at, extra = values.get("time", now), values.get("extra", {})
    flags = [values.get(name, False) for name in ("run", "reset")]
    numbers = isinstance(at, int | float) and isinstance(extra, dict) and all(isinstance(flag, bool) for flag in flags)
    if not numbers:
        raise InputError("a line has a time, extra, run or reset that is no number, object, true or false")
    readings = Readings(
        time=float(at),
        **{name: values[name] for name in NEEDED},
        command=values.get("command", (0.0, 0.0, 0.0)),
        gait=values.get("gait"),
        extra=extra,
        run=flags[0],
    )
    return readings, flags[1]


def to_line(output: Output) -> str:
    """An output as a line."""
    values: dict[str, Any] = {"phase": output.phase}
    values |= {name: [round(float(x), 6) for x in getattr(output, name)] for name in ("target", "kp", "kd")}
    return json.dumps(values | ({"reason": output.reason} if output.reason else {}))


def greet(deployment: Deployment, line: str | bytes) -> str:
    """The answer to the first line; raises InputError unless it names the contract's robot."""
    try:
        values = parse_json(line)
    except (ValueError, UnicodeDecodeError):
        values = None
    if not isinstance(values, Mapping) or set(values) != {"robot"}:
        raise InputError('the first line is not {"robot": {"joints": [...], "rate": ..., "kp": [...], ...}}')
    check_robot(deployment.contract, values["robot"])
    interface = deployment.contract.interface
    return json.dumps({"ready": interface["robot"], "joints": deployment.contract.joints, "rate": interface["rate"]})


def answer(runner: Runner, cadence: Cadence, line: str | bytes, came: float, now: float, *, new: bool = True) -> Output:
    """One step of the runner for a line that came at `came`; a reset counts only when it is new."""
    try:
        readings, reset = parse_readings(line, came)
    except InputError as error:
        runner.stop(str(error))
        return runner.stopped()
    if reset and new:
        runner.reset()
    return runner.step(cadence.stamped(readings, came), now)


def serve_lines(
    deployment: Deployment,
    limits: Limits = Limits(),  # noqa: B008, frozen
    source: TextIO = sys.stdin,
    sink: TextIO = sys.stdout,
    clock: Callable[[], float] = time.monotonic,
) -> None:
    """Answer each line of `source` at once: whoever writes keeps the rate, and a line that comes late stops."""
    runner, cadence = Runner(deployment, limits), Cadence(deployment.contract.period, limits.stale)
    _write(sink, _greeting(deployment, source.readline(), lambda text: _write(sink, text)))
    for line in source:
        now = clock()
        if (fault := cadence.fault(now)) and runner.phase == "run":
            runner.stop(fault)
        _write(sink, to_line(answer(runner, cadence, line, now, now)))


def _write(sink: TextIO, line: str) -> None:
    sink.write(line + "\n")
    sink.flush()


def _greeting(deployment: Deployment, line: str | bytes, refuse: Callable[[str], object]) -> str:
    try:
        return greet(deployment, line)
    except InputError as error:
        refuse(json.dumps({"error": str(error)}))
        raise


def serve_udp(
    deployment: Deployment,
    limits: Limits = Limits(),  # noqa: B008, frozen
    port: int = 9870,
    steps: int | None = None,
    bound: Callable[[int], object] = lambda port: None,
) -> Timing:
    """Step at the control rate with the newest datagram, and answer its sender; this machine only.

    The first datagram greets. The runner's own clock tells what is stale, by when datagrams came. `bound` is told the
    port. Returns the loop's timing after `steps`, or at a datagram `{"end": true}`.
    """
    with _listen(port) as link:
        bound(link.getsockname()[1])
        link.setblocking(True)
        line, sender = link.recvfrom(LONGEST)
        link.sendto(_greeting(deployment, line, lambda text: link.sendto(text.encode(), sender)).encode(), sender)
        link.setblocking(False)
        runner, cadence = Runner(deployment, limits), Cadence(deployment.contract.period, limits.stale)
        newest: dict[str, Any] = {"line": None, "came": 0.0}

        def step(now: float) -> bool:
            for line in _waiting(link, sender):
                if line.strip() == b'{"end": true}':
                    return False
                newest.update(line=line, came=now)
            if newest["line"] is not None:
                new = newest["came"] == now
                output = answer(runner, cadence, newest["line"], newest["came"], now, new=new)
                link.sendto(to_line(output).encode(), sender)
            return True

        return run_loop(step, deployment.contract.period, steps)


def _waiting(link: socket.socket, sender: tuple[str, int]) -> list[bytes]:
    """Datagrams of the robot that have come since; those of others are dropped."""
    found = []
    while True:
        try:
            line, origin = link.recvfrom(LONGEST)
        except (BlockingIOError, ConnectionRefusedError):
            return found
        if origin == sender:
            found.append(line)


def _listen(port: int) -> socket.socket:
    link = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        link.bind((LOOPBACK, port))
    except (OSError, OverflowError) as error:
        link.close()
        reason = getattr(error, "strerror", None) or str(error)
        raise InputError(f"port {port} of this machine cannot be listened to: {reason}; give another --udp") from None
    return link
