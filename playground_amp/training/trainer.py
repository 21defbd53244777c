"""Starting a run, and going on with one."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from playground_amp.amp import AMP, TrainState
from playground_amp.builder import make_amp, resolve_here
from playground_amp.config import Config, ResolvedConfig, load_config
from playground_amp.core.errors import InputError, listed
from playground_amp.core.reporter import SILENT, Reporter, say
from playground_amp.motion.clip_sources import failed_clips
from playground_amp.runs import run_directory
from playground_amp.runs.checkpoint import Checkpoints
from playground_amp.runs.metrics_log import copy_metrics
from playground_amp.training.loop import Callback, TrainingLoop
from playground_amp.training.run import Run

AT_THE_START = ("ppo.seed", "ppo.learning_rate", "networks.initial_log_std")  # a checkpoint has its own instead


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
    amp = make_amp(resolve_here(config))
    config = amp.config
    path = run_directory.new_run_dir(config, name, Path(run_dir) if run_dir else None)
    run_directory.write_config(path, config)
    run_directory.write_reference(path, amp.env.reference.clip_set)
    if failed := failed_clips(config.reference.clips):
        say(
            f"warning: reference.clips: the verdict on {listed(clip.stem for clip in failed)} is a fail; the NAME.json "
            f"beside the clip says why and what mends it, and the doctor what it may do to a training"
        )
    return _run(amp, path, None, reporter, callback)


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

    From the newest the run itself goes on. From an older one, or with a `run_dir`, a new run does, and the earlier one
    keeps all it has. `name` is a run's folder or its name in runs/; 'auto' is the newest run with a checkpoint.
    """
    source = run_directory.newest_run() if name == "auto" else run_directory.find_run(str(name))
    with Checkpoints(source / "checkpoints", read_only=True) as checkpoints:
        iteration = checkpoints.choose(checkpoint)
        newest = ", its newest," if iteration == checkpoints.latest else ""
        say(f"resuming {source} from iteration {iteration}{newest} with its own configuration")
        branches = run_dir is not None or iteration != checkpoints.latest
        config = resolve_here(run_directory.read_config(source, list(overrides)))
        _check_unfinished(source, config, iteration, branches=branches)
        amp = make_amp(config)
        config = amp.config
        state, about = checkpoints.restore(amp, iteration)
        value = checkpoints.score(iteration)
    clips = amp.env.reference.clip_set
    restarts = run_directory.next_restarts(source, iteration, about, amp.config, clips, branches=branches)
    _tell_changes(restarts[-1], config)
    if not branches:
        run_directory.check_writable(source)
        run_directory.write_settings(source, config, restarts)
        run_directory.write_reference(source, clips)
        return _run(amp, source, state, reporter, callback)
    path = run_directory.branch_dir(source, iteration, Path(run_dir) if run_dir else None)
    with run_directory.whole_folder(path) as folder:
        with Checkpoints(folder / "checkpoints") as copies:
            copies.save(iteration, state, about, value)
        copy_metrics(source, folder, iteration)
        run_directory.write_settings(folder, config, restarts)
        run_directory.write_reference(folder, clips)
    say(f"going on from iteration {iteration} in the new run {path}")
    return _run(amp, path, state, reporter, callback)


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
    command serves a job that may be interrupted and started again.
    """
    if checkpoint and not resume_name:
        raise InputError("--checkpoint says where an earlier run is gone on from; give --resume RUN, or leave it out")
    if resume_name == "auto" and run_dir:
        if checkpoint:
            raise InputError("--resume auto --run-dir takes the newest checkpoint; name the run to take another")
        if run_directory.has_checkpoint(run_dir):
            return resume(run_dir, overrides, reporter=reporter)
    elif resume_name:
        return resume(resume_name, overrides, checkpoint=checkpoint or "newest", run_dir=run_dir, reporter=reporter)
    if not config_name:
        raise InputError(f"'{run_dir}' holds no checkpoint yet; give --config NAME_OR_PATH to start a run there")
    return train(load_config(config_name, overrides), run_dir, reporter=reporter, name=Path(config_name).stem)


def _run(amp: AMP, path: Path, state: TrainState | None, reporter: Reporter, callback: Callback | None) -> Run:
    try:
        TrainingLoop(amp, path, reporter=reporter, callback=callback).run(state)
    except OSError as error:
        raise run_directory.unwritable(path, error) from None
    return Run(path)


def _check_unfinished(source: Path, config: ResolvedConfig, iteration: int, *, branches: bool) -> None:
    """Raise InputError when there is nothing left to do, not even the report of the run itself."""
    shown = branches or config.logging.evaluation_episodes == 0 or (source / "report.html").exists()
    if iteration >= config.ppo.iterations and shown:
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
