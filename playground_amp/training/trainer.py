"""Starting a run, and going on with one."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from playground_amp.amp import AMP, TrainState
from playground_amp.builder import make_amp, resolve_here
from playground_amp.config import Config, ResolvedConfig, load_config
from playground_amp.core.errors import DamagedCheckpoint, InputError, TrainingDiverged, listed
from playground_amp.core.reporter import SILENT, Reporter, say
from playground_amp.learning.ppo import scale_learning_rate
from playground_amp.motion.clip_sources import failed_clips
from playground_amp.runs import divergence, run_directory
from playground_amp.runs.checkpoint import Checkpoints
from playground_amp.runs.lock import locked
from playground_amp.runs.metrics_log import copy_metrics
from playground_amp.training import processes
from playground_amp.training.loop import Callback, TrainingLoop
from playground_amp.training.processes import led
from playground_amp.training.run import Run

ROLLBACKS = 3  # times that a run goes back to its last good state because it diverged
RATE = 0.5  # factor on the learning rates each time
AT_THE_START = ("ppo.seed", "ppo.learning_rate", "networks.initial_log_std")  # a checkpoint has its own instead


@led
def train(
    config: Config,
    run_dir: str | Path | None = None,
    *,
    callback: Callback | None = None,
    reporter: Reporter = SILENT,
    name: str = "run",
) -> Run:
    """A new run from its start to its report.

    `run_dir` is its folder; without it, it is `runs/RUN_NAME`, or `runs/NAME-TIME` with `name`. `callback` is given
    every row of metrics, and ends the training by a true answer. Raises InputError, TrainingDiverged,
    TrainingCollapsed, and Interrupted by a signal.
    """
    amp = make_amp(_resolve(config))
    path = run_directory.new_run_dir(amp.config, name, Path(run_dir) if run_dir else None)
    with _alone_in(path):
        return _begin(amp, path, reporter, callback)


@led
def resume(
    name: str | Path,
    overrides: Sequence[str] = (),
    *,
    checkpoint: str | int = "newest",
    run_dir: str | Path | None = None,
    callback: Callback | None = None,
    reporter: Reporter = SILENT,
) -> Run:
    """Go on with an earlier run from a checkpoint: newest, best or an iteration; `overrides` go over its configuration.

    From the newest the run itself goes on; where it is damaged, from the one before, and where there never was one,
    from the start. From an older one, or with a `run_dir`, a new run does, and the earlier one keeps all it has. `name`
    is a run's folder or its name in runs/; 'auto' is the newest run with a checkpoint.
    """
    source = run_directory.newest_run() if name == "auto" else run_directory.find_run(str(name))
    newest = str(checkpoint) == "newest"
    if newest and run_dir is None:
        with _alone_in(source):
            return _go_on(source, overrides, reporter, callback)
    with Checkpoints(source / "checkpoints", read_only=True) as checkpoints:
        iteration = checkpoints.choose(checkpoint)
        latest = iteration == checkpoints.latest
    if latest and run_dir is None:
        with _alone_in(source):
            return _go_on(source, overrides, reporter, callback, iteration)
    return _branch(source, iteration, overrides, run_dir, reporter, callback)


@led
def start_or_resume(
    config_name: str | None,
    overrides: Sequence[str] = (),
    *,
    run_dir: Path | None = None,
    resume_name: str | None = None,
    checkpoint: str | None = None,
    reporter: Reporter = SILENT,
) -> Run:
    """What the command line asks for: a new run, or to go on with one.

    `resume_name` 'auto' with a `run_dir` goes on with the run there, and with nothing there yet starts it, so that one
    command serves a job that may be interrupted and started again; what is done already stays as it is.
    """
    if checkpoint and not resume_name:
        raise InputError("--checkpoint says where an earlier run is gone on from; give --resume RUN, or leave it out")
    if resume_name == "auto" and run_dir:
        if checkpoint:
            raise InputError(
                "--resume auto --run-dir DIR takes the newest checkpoint; for another one: --resume DIR --checkpoint N"
            )
        if (run_dir / "config.yaml").is_file():
            if finished := _is_finished(run_dir, overrides):
                say(f"'{run_dir}' has done its {finished} iterations: there is nothing left to do")
                return Run(run_dir)
            return resume(run_dir, overrides, reporter=reporter)
    elif resume_name:
        return resume(resume_name, overrides, checkpoint=checkpoint or "newest", run_dir=run_dir, reporter=reporter)
    if not config_name:
        raise InputError(f"'{run_dir}' holds no checkpoint yet; give --config NAME_OR_PATH to start a run there")
    return train(load_config(config_name, overrides), run_dir, reporter=reporter, name=Path(config_name).stem)


def _resolve(config: Config) -> ResolvedConfig:
    """The numbers of this machine, told; raises InputError where its devices cannot share them out."""
    resolved = resolve_here(config)
    processes.check_shares(resolved)
    return resolved


@contextmanager
def _alone_in(path: Path) -> Generator[None]:
    """The folder of a run for this process alone."""
    try:
        with locked(path):
            yield
    except OSError as error:
        raise run_directory.unwritable(path, error) from None


def _begin(amp: AMP, path: Path, reporter: Reporter, callback: Callback | None) -> Run:
    """Train from the start in a folder without checkpoints."""
    run_directory.write_config(path, amp.config)
    run_directory.write_reference(path, amp.env.reference.clip_set)
    if failed := failed_clips(amp.config.reference.clips):
        say(
            f"warning: reference.clips: the verdict on {listed(clip.stem for clip in failed)} is a fail; the NAME.json "
            f"beside the clip says why and what mends it, and the doctor what it may do to a training"
        )
    return _run(amp, path, None, reporter, callback)


def _go_on(
    source: Path,
    overrides: Sequence[str],
    reporter: Reporter,
    callback: Callback | None,
    iteration: int | None = None,
) -> Run:
    """Go on with a run itself, from `iteration` or its newest checkpoint that is whole."""
    if iteration is None and run_directory.starts_over(source):
        say(f"{source} was stopped before its first checkpoint; it starts again with its own configuration")
        run_directory.check_writable(source)
        return _begin(
            make_amp(_resolve(run_directory.read_config(source, list(overrides)))), source, reporter, callback
        )
    with Checkpoints(source / "checkpoints", read_only=True) as checkpoints:
        newest = checkpoints.choose("newest" if iteration is None else iteration)
        say(f"resuming {source} from iteration {newest}, its newest, with its own configuration")
        config = _resolve(run_directory.read_config(source, list(overrides)))
        _check_unfinished(source, config, newest, branches=False)
        amp = make_amp(config)
        state, about, iteration = _newest_whole(checkpoints, amp)
    clips = amp.env.reference.clip_set
    restarts = run_directory.next_restarts(source, iteration, about, amp.config, clips, branches=False)
    _tell_changes(restarts[-1], amp.config)
    run_directory.check_writable(source)
    run_directory.write_settings(source, amp.config, restarts)
    run_directory.write_reference(source, clips)
    return _run(amp, source, _slower(state, source, iteration), reporter, callback)


def _newest_whole(checkpoints: Checkpoints, amp: AMP) -> tuple[TrainState, dict[str, Any], int]:
    """State, what is kept beside it, and iteration of the newest checkpoint that is as it was saved.

    Damaged ones after it are laid aside, and told of; raises DamagedCheckpoint, and touches none, when all are.
    """
    damaged: dict[int, DamagedCheckpoint] = {}
    for iteration in reversed(checkpoints.all):
        try:
            state, about = checkpoints.restore(amp, iteration)
        except DamagedCheckpoint as error:
            damaged[iteration] = error
            continue
        for broken in damaged:
            say(
                f"the checkpoint of iteration {broken} is damaged and lies in '{checkpoints.lay_aside(broken)}' now; "
                f"training goes on from the one before, of iteration {iteration}"
            )
        return state, about, iteration
    raise next(iter(damaged.values()))


def _branch(
    source: Path,
    iteration: int,
    overrides: Sequence[str],
    run_dir: str | Path | None,
    reporter: Reporter,
    callback: Callback | None,
) -> Run:
    """A new run that goes on from a checkpoint of `source`, which keeps all it has."""
    with Checkpoints(source / "checkpoints", read_only=True) as checkpoints:
        newest = ", its newest," if iteration == checkpoints.latest else ""
        say(f"resuming {source} from iteration {iteration}{newest} with its own configuration")
        config = _resolve(run_directory.read_config(source, list(overrides)))
        _check_unfinished(source, config, iteration, branches=True)
        amp = make_amp(config)
        state, about = checkpoints.restore(amp, iteration)
        value = checkpoints.score(iteration)
    clips = amp.env.reference.clip_set
    restarts = run_directory.next_restarts(source, iteration, about, amp.config, clips, branches=True)
    _tell_changes(restarts[-1], amp.config)
    path = run_directory.branch_dir(source, iteration, Path(run_dir) if run_dir else None)
    with run_directory.whole_folder(path) as folder:
        with Checkpoints(folder / "checkpoints") as copies:
            copies.save(iteration, state, about, value)
        copy_metrics(source, folder, iteration)
        run_directory.write_settings(folder, amp.config, restarts)
        run_directory.write_reference(folder, clips)
    say(f"going on from iteration {iteration} in the new run {path}")
    with _alone_in(path):
        return _run(amp, path, state, reporter, callback)


def _run(amp: AMP, path: Path, state: TrainState | None, reporter: Reporter, callback: Callback | None) -> Run:
    while True:
        rate = RATE ** _divergences(path)
        processes.start(amp, path, rate, restored=state is not None)
        try:
            TrainingLoop(amp, path, reporter=reporter, callback=callback, rate=rate).run(state)
            return Run(path)
        except TrainingDiverged as error:
            state = _go_back(amp, path, str(error))


def _go_back(amp: AMP, path: Path, said: str) -> TrainState | None:
    """The last good state, its learning rate lowered; None is the start. Raises TrainingDiverged after ROLLBACKS."""
    dump = f"playground-amp doctor --replay '{path / divergence.FILE}' says where it began"
    with Checkpoints(path / "checkpoints", read_only=True) as checkpoints:
        kept = f"the checkpoint of iteration {checkpoints.latest}" if checkpoints.latest else "no checkpoint yet"
        if _divergences(path) >= ROLLBACKS:
            raise TrainingDiverged(
                f"training diverged: {said}, and start again, or --resume {path} with --set ({kept} is there; going "
                f"back with lower learning rates did not help {ROLLBACKS} times); {dump}"
            ) from None
        state, iteration = None, 0
        if checkpoints.latest:
            state, _, iteration = _newest_whole(checkpoints, amp)
    run_directory.record_divergence(path, iteration, said)
    say(
        f"training diverged: {said}; going back to iteration {iteration} with {RATE:g} times the learning rates "
        f"({_divergences(path)} of {ROLLBACKS} times); {dump}"
    )
    return _slower(state, path, iteration) if state else None


def _slower(state: TrainState, path: Path, iteration: int) -> TrainState:
    """A checkpoint's state with the learning rate lowered as often as training went back to it."""
    times = sum(bool(one.diverged) and one.iteration == iteration for one in run_directory.read_restarts(path))
    if not times:
        return state
    policy = state.policy
    return state.replace(policy=policy.replace(opt_state=scale_learning_rate(policy.opt_state, RATE**times)))


def _divergences(path: Path) -> int:
    """How often a run has gone back with lower learning rates."""
    return sum(bool(one.diverged) for one in run_directory.read_restarts(path))


def _is_finished(run_dir: Path, overrides: Sequence[str]) -> int:
    """The iterations of a run that has done them and shown what came of it, else 0."""
    if not run_directory.has_checkpoint(run_dir):
        return 0
    with Checkpoints(run_dir / "checkpoints", read_only=True) as checkpoints:
        done = checkpoints.latest or 0
    config = run_directory.read_config(run_dir, list(overrides))
    return done if done and _nothing_left(run_dir, config, done) else 0


def _nothing_left(run_dir: Path, config: Config, iteration: int) -> bool:
    shown = config.logging.evaluation_episodes == 0 or (run_dir / "report.html").exists()
    return iteration >= config.ppo.iterations and shown


def _check_unfinished(source: Path, config: Config, iteration: int, *, branches: bool) -> None:
    """Raise InputError when there is nothing left to do, not even the report of the run itself."""
    if _nothing_left(source, config, iteration) or (branches and iteration >= config.ppo.iterations):
        raise InputError(
            f"'{source}' has done its {iteration} iterations; go on with --set ppo.iterations={2 * iteration}"
        )


def _tell_changes(restart: run_directory.Restart, config: Config) -> None:
    changed = restart.changed
    if changed:
        say(f"settings changed: {run_directory.show_changes(changed)}")
    if idle := [name for name in AT_THE_START if name in changed]:
        say(f"without effect on training that has begun: {', '.join(idle)}")
    if restart.clips and any(name.startswith("reference.") for name in changed):
        say(f"training goes on with other clips: {restart.clips.difference}")
    elif restart.clips:
        paths = ", ".join(source.path for source in config.reference.clips)
        say(
            f"reference.clips: the clips in {paths} are not those that the run was trained on "
            f"({restart.clips.difference}); it goes on with them as they are now"
        )
