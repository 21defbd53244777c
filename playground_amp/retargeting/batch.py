"""Many recordings to many clips, in parallel, each with the verdict on it beside it."""

from __future__ import annotations

import contextlib
import json
import multiprocessing
import os
import signal
import threading
from collections.abc import Collection, Generator, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

from playground_amp.core.errors import InputError
from playground_amp.core.files import write_whole
from playground_amp.core.reporter import SILENT, Bar, Reporter, say
from playground_amp.motion.clip import save_clip
from playground_amp.retargeting.clip_verdict import ClipAssessment
from playground_amp.retargeting.job import Job, JobResult, RetargetOptions
from playground_amp.retargeting.pipeline import earlier_result, run_job
from playground_amp.retargeting.provenance import made_of
from playground_amp.retargeting.recordings import find_recordings
from playground_amp.robots import load_robot

DEFAULT = RetargetOptions()


def retarget_sources(
    sources: Sequence[str | Path],
    robot: str,
    out: Path,
    options: RetargetOptions = DEFAULT,
    *,
    jobs: int | None = None,
    report: Path | None = None,
    reporter: Reporter = SILENT,
) -> list[ClipAssessment]:
    """Write NAME.npz and NAME.json into `out` for every recording; the assessments of the clips, by the clips' names.

    `sources` are files, folders and patterns with *; `robot` is a shipped robot's name or a YAML file. A bad recording
    is told in one sentence and left out; InputError when there is no clip at all. `jobs` processes work side by side
    (default: one a processor). `report` is the page of HTML to write, if any.
    """
    if jobs is not None and jobs < 1:
        raise InputError(f"--jobs is {jobs}; expected 1 process or more")
    load_robot(robot)  # a mistake in it is one error, not one for every recording
    _check_writable(out)
    found, skipped = find_recordings(sources, without=out)
    for path in skipped:
        say(f"skipped '{path}': it holds a body's shape, no motion")
    tasks = [Job(name, path, robot, out, options, report is not None) for name, path in found.items()]
    _check_names(tasks)
    done = _all_done(tasks, jobs or os.cpu_count() or 1, reporter)
    results = sorted(done, key=lambda result: result.job.name)
    errors = [result.error for result in results if result.error]
    if len(errors) == len(results):
        raise InputError(errors[0] if len(errors) == 1 else f"no clip could be made; the first: {errors[0]}")
    for sentence in [note for result in results for note in result.notes] + [f"left out: {error}" for error in errors]:
        say(sentence)
    say(summary(results))
    if report:
        _report(report, results, robot)
    return [assessment for result in results for assessment in result.assessments]


def _check_writable(out: Path) -> None:
    """Raise InputError before hours of work, not after."""
    there = next(folder for folder in (out, *out.absolute().parents) if folder.exists())
    if not there.is_dir() or not os.access(there, os.W_OK | os.X_OK):
        raise InputError(f"cannot write into '{out}'; choose another folder with --out")


def _check_names(tasks: Sequence[Job]) -> None:
    """Raise InputError where a clip would take the place of a recording, or of another clip."""
    recordings = {task.path.resolve() for task in tasks}
    makers: dict[Path, Job] = {}
    for task in tasks:
        for name in task.clip_names:
            clip = (task.out / f"{name}.npz").resolve()
            if clip in recordings:
                raise InputError(f"the clip '{clip}' would take the place of a recording; give another --out")
            other = makers.setdefault(clip, task)
            if other is not task:
                raise InputError(
                    f"'{other.path}' and '{task.path}' would both become the clip '{name}'; rename one of them"
                )


def _all_done(tasks: list[Job], jobs: int, reporter: Reporter) -> list[JobResult]:
    """What became of every recording, in the order it was finished; clips are written as they come."""
    results: list[JobResult] = []
    taken = {task.path.resolve() for task in tasks}
    with _progress(reporter, len(tasks)) as bar:
        for result in _results(tasks, jobs):
            result = _without_collision(result, taken)
            taken |= {_place(result.job, assessment.clip) for assessment in result.assessments}
            _write(result)
            results.append(result)
            bar.show(len(results), result.job.name)
    return results


@contextlib.contextmanager
def _progress(reporter: Reporter, total: int) -> Generator[Bar]:
    """A bar over several recordings; one alone has no steps to show."""
    if total > 1:
        with reporter.progress("retargeting", total) as bar:
            yield bar
    else:
        with reporter.status("retargeting"):
            yield Bar()


def _results(tasks: list[Job], jobs: int) -> Iterator[JobResult]:
    """What became of each recording, in the order it is finished: first what stands unchanged."""
    new = []
    for task in tasks:
        earlier = None if task.pictures else earlier_result(task)
        if earlier:
            yield earlier
        else:
            new.append(task)
    if min(jobs, len(new)) > 1:
        yield from _side_by_side(new, min(jobs, len(new)))
    else:
        yield from map(run_job, new)


def _side_by_side(tasks: list[Job], jobs: int) -> Iterator[JobResult]:
    spawn = multiprocessing.get_context("spawn")  # a fork would copy the progress bar's thread in whatever state it is
    with ProcessPoolExecutor(jobs, mp_context=spawn) as pool:
        with _without_interrupts():
            waiting = {pool.submit(run_job, task): task for task in tasks}
        try:
            for future in as_completed(waiting):
                yield _result(future, waiting[future])
        except BaseException:
            _end(pool)
            raise


def _result(future: Future[JobResult], task: Job) -> JobResult:
    try:
        return future.result()
    except BrokenProcessPool:
        error = f"'{task.path}': a process was killed, perhaps for want of memory; try again with --jobs 1"
        return JobResult(task, [], [], error)


@contextlib.contextmanager
def _without_interrupts() -> Generator[None]:
    """Processes that begin in here never see Ctrl-C, which is their parent's to deal with."""
    if threading.current_thread() is not threading.main_thread():  # which alone has to do with signals
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _end(pool: ProcessPoolExecutor) -> None:
    """Let no process outlive an interruption."""
    children = multiprocessing.active_children()
    pool.shutdown(wait=False, cancel_futures=True)
    for child in children:
        child.terminate()


def _place(job: Job, clip: str) -> Path:
    """File of a clip."""
    return (job.out / f"{clip}.npz").resolve()


def _without_collision(result: JobResult, taken: Collection[Path]) -> JobResult:
    """The result, or an error where one of its clips would take the place of a recording or of another's clip.

    Names of parts are known once they are made.
    """
    clash = next((one.clip for one in result.assessments if _place(result.job, one.clip) in taken), None)
    if clash is None:
        return result
    error = f"'{result.job.path}': its clip '{clash}' would take the place of another file; rename one of them"
    return JobResult(result.job, [], [], error)


def _write(result: JobResult) -> None:
    """The clips first, then their JSON: a clip without the right one is made again.

    Clips of the same recording that other options made are removed: a folder of clips is trained on as a whole.
    """
    if result.clips:
        for path in made_of(result.job, besides=[clip.name for clip, _ in result.clips]):
            path.unlink()
            path.with_suffix(".json").unlink()
            say(f"removed '{path}', which was made of the same recording with other options")
    for clip, values in result.clips:
        path = result.job.out / f"{clip.name}.npz"
        try:
            with contextlib.suppress(FileNotFoundError):
                path.with_suffix(".json").unlink()
            save_clip(path, clip)
            write_whole(path.with_suffix(".json"), json.dumps(values, indent=2, allow_nan=False) + "\n")
        except OSError as error:
            raise InputError(f"cannot write '{path}': {error.strerror}; choose another folder with --out") from None


def summary(results: Sequence[JobResult]) -> str:
    """How many clips were made and stood unchanged, and how many recordings were left out."""
    made = sum(len(result.clips) for result in results)
    kept = sum(len(result.assessments) for result in results if result.unchanged)
    missed = sum(bool(result.error) for result in results)
    parts = [f"{made} clips made" if made != 1 else "1 clip made"] if made else []
    parts += [f"{kept} unchanged"] if kept else []
    parts += [f"{missed} left out"] if missed else []
    return ", ".join(parts)


def _report(path: Path, results: list[JobResult], robot: str) -> None:
    from playground_amp.retargeting.html_report import write_report  # imported late: drawing takes a second to load

    say(f"report: {write_report(path, results, load_robot(robot))}")
