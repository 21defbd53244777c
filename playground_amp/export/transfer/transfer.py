"""A policy under every condition: exported if it is not yet, then walked by the deploy runner's own code."""

from __future__ import annotations

import tempfile
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path

import mujoco

from playground_amp.core.reporter import SILENT, Reporter
from playground_amp.deploy.contract import NAME
from playground_amp.deploy.load import Deployment, load
from playground_amp.deploy.replay import read_trace
from playground_amp.export.transfer.conditions import choose, conditions, is_as_trained
from playground_amp.export.transfer.summary import Row, summarise, worst_first
from playground_amp.export.transfer.walk import check_readings, starts_of, walk

SECONDS, EPISODES = 10.0, 64


@contextmanager
def deployment_of(source: str, checkpoint: str, reporter: Reporter = SILENT) -> Generator[Deployment]:
    """An exported folder, or a run, which is exported to a temporary one."""
    if (Path(source) / NAME).is_file():
        yield load(source)
        return
    from playground_amp.export.export import export_run  # imported late: an exported folder needs no JAX

    with tempfile.TemporaryDirectory() as folder:
        export = export_run(source, Path(folder) / "exported", checkpoint=checkpoint, reporter=reporter)
        yield load(export.folder)


def transfer(
    deployment: Deployment,
    *,
    groups: Sequence[str] = (),
    mjx: bool = False,
    episodes: int = EPISODES,
    seconds: float = SECONDS,
    seed: int = 1,
    reporter: Reporter = SILENT,
) -> list[Row]:
    """Every condition of `groups` (default: all), worst first; `mjx` adds that engine, which is slow on a CPU.

    The same deployment and seed give the same rows.
    """
    check_readings(deployment.contract)
    model = mujoco.MjModel.from_xml_path(str(deployment.folder / "robot.xml"))
    chosen = [one for one in choose(conditions(mjx=mjx), groups) if not is_as_trained(one, model)]
    starts = starts_of(deployment.contract, read_trace(deployment.folder, deployment.contract), episodes)
    rows = []
    with reporter.progress("transfer", len(chosen)) as bar:
        for condition in chosen:
            bar.describe(condition.name)
            rows.append(summarise(condition, walk(deployment, condition, starts, seconds, seed), seed))
            bar.show(len(rows), f"{condition.name}: {rows[-1].survival:.0%} survived")
    return worst_first(rows)
