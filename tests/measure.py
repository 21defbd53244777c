"""What a run of the tests costs: wall time, and of every worker CPU seconds and peak memory, its children's included.

`python -m pytest --measure` prints it at the end, and a line for every file; CPU seconds hardly depend on what else the
machine does, unlike wall time.
"""

from __future__ import annotations

import resource
import time
from collections import defaultdict
from collections.abc import Iterator

import pytest


def cpu_seconds() -> float:
    """Of this process and of its children that have ended."""
    usages = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def peak_mb(who: int) -> float:
    return resource.getrusage(who).ru_maxrss / 1024.0


def resident_mb() -> float:
    with open("/proc/self/statm") as numbers:
        return int(numbers.read().split()[1]) * resource.getpagesize() / 2**20


class Measure:
    """A plugin of pytest, in every worker and in the process that hands out the work to them."""

    def __init__(self, config: pytest.Config) -> None:
        self.config = config
        self.began = time.monotonic()
        self.files: dict[str, float] = defaultdict(float)
        self.resident: dict[str, float] = {}
        self.raised: list[tuple[float, str]] = []  # MB by which a test raised the peak
        self.workers: dict[str, dict] = {}

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[None]:
        before, peak = cpu_seconds(), peak_mb(resource.RUSAGE_SELF)
        result = yield
        self.files[item.path.name] += cpu_seconds() - before
        self.resident[item.path.name] = resident_mb()
        self.raised.append((peak_mb(resource.RUSAGE_SELF) - peak, f"{item.path.name}::{item.name}"))
        return result

    def figures(self) -> dict:
        return {
            "cpu": cpu_seconds(),
            "peak": peak_mb(resource.RUSAGE_SELF),
            "child": peak_mb(resource.RUSAGE_CHILDREN),
            "files": dict(self.files),
            "resident": self.resident,
            "raised": sorted(self.raised, reverse=True)[:5],
        }

    def pytest_sessionfinish(self) -> None:
        output = getattr(self.config, "workeroutput", None)
        if output is not None:
            output["measure"] = self.figures()

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: object) -> None:
        output = getattr(node, "workeroutput", None)
        if output and "measure" in output:
            self.workers[node.gateway.id] = output["measure"]

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        workers = self.workers or {"this process": self.figures()}
        write = terminalreporter.write_line
        terminalreporter.section("measured")
        files = {file: (cpu, one) for one in workers.values() for file, cpu in one["files"].items()}
        for file, (cpu, one) in sorted(files.items(), key=lambda each: -each[1][0]):
            write(f"{cpu:7.1f} s CPU  {file}, {one['resident'][file]:.0f} MB in memory after it")
        for name, one in sorted(workers.items()):
            write(
                f"{name}: {one['cpu']:.0f} s CPU, peak {one['peak']:.0f} MB, of a child process {one['child']:.0f} MB"
            )
            write("     raised by " + ", ".join(f"{test} {by:.0f} MB" for by, test in one["raised"]))
        total = sum(one["cpu"] for one in workers.values())
        write(f"together: {total:.0f} s CPU, {time.monotonic() - self.began:.0f} s wall")
