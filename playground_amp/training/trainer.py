"""The host loop: train, log, save, stop when asked, and show at the end what was learned."""

from __future__ import annotations

import json
import signal
import time
from collections import deque
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

import jax
import jax.numpy as jnp
import numpy as np
from rich.console import Console

from playground_amp.amp import AMP, TrainState, make_amp
from playground_amp.config import Config, load_config, resolve, to_dict
from playground_amp.core.console import say
from playground_amp.core.errors import InputError, listed
from playground_amp.discriminator.motion_prior import Metrics
from playground_amp.evaluation.evaluate import evaluate, plain
from playground_amp.evaluation.gait_labels import changes, evaluate_gaits, in_turn
from playground_amp.evaluation.rollout import record
from playground_amp.motion.clip_sources import failed_clips
from playground_amp.runs import run_directory
from playground_amp.runs.checkpoint import Checkpoints, describe, score
from playground_amp.training import health, wandb_logger
from playground_amp.training.progress import TrainingProgress

Chunk = Callable[[TrainState, int], tuple[TrainState, dict[str, jax.Array]]]

FILMED = 8  # episodes of which the longest is filmed, where the video shows several gaits
COLLAPSED = 3  # exit code of a run ended by logging.stop_on_collapse
AT_THE_START = ("ppo.seed", "ppo.learning_rate", "networks.initial_log_std")  # a checkpoint has its own instead


class Algorithm(Protocol):
    """What can be trained: an AMP, or many at once."""

    def train_iteration(self, state: TrainState) -> tuple[TrainState, Metrics]: ...


class Diverged(RuntimeError):
    """A loss became NaN or infinite."""


def main(
    config_name: str | None,
    overrides: list[str],
    run_dir: Path | None,
    resume_name: str | None,
    checkpoint: str | None = None,
) -> Path:
    """Start a run, or go on with one; returns its folder.

    `resume_name` is a run's folder or name. 'auto' is the newest run with a checkpoint, or `run_dir` if one is given:
    with nothing there yet it starts, so that one command serves a job that may be interrupted and started again.
    `checkpoint` and `run_dir` are those of `resume`.
    """
    if checkpoint and not resume_name:
        raise InputError("--checkpoint says where an earlier run is gone on from; give --resume RUN, or leave it out")
    if resume_name == "auto" and run_dir:
        if checkpoint:
            raise InputError("--resume auto --run-dir takes the newest checkpoint; name the run to take another")
        if run_directory.has_checkpoint(run_dir):
            return resume(str(run_dir), overrides)
    elif resume_name:
        return resume(resume_name, overrides, checkpoint or "newest", run_dir)
    if not config_name:
        raise InputError(f"'{run_dir}' holds no checkpoint yet; give --config NAME_OR_PATH to start a run there")
    return train(load_config(config_name, overrides), config_name, run_dir)


def train(config: Config, config_name: str, run_dir: Path | None = None) -> Path:
    """A new run from its start to its report; returns its folder."""
    config = resolve_here(config)
    amp = make_amp(config)
    path = run_directory.new_run_dir(config, config_name, run_dir)
    run_directory.write_config(path, config)
    run_directory.write_reference(path, amp.env.reference.clips)
    if failed := failed_clips(config.reference.clips):
        say(
            f"warning: reference.clips: the verdict on {listed(clip.stem for clip in failed)} is a fail; the NAME.json "
            f"beside the clip says why and what mends it, and scripts/doctor.py what it may do to a training"
        )
    return _run(amp, path, None)


def resume(name: str, overrides: list[str], which: str = "newest", run_dir: Path | None = None) -> Path:
    """Go on with an earlier run from the checkpoint `which`, with its own configuration under `overrides`.

    From the newest the run itself goes on. From an older one, or with a `run_dir`, a new run does, and the earlier one
    keeps all it has.
    """
    source = run_directory.newest_run() if name == "auto" else run_directory.find_run(name)
    with Checkpoints(source / "checkpoints", read_only=True) as checkpoints:
        iteration = checkpoints.choose(which)
        newest = ", its newest," if iteration == checkpoints.latest else ""
        say(f"resuming {source} from iteration {iteration}{newest} with its own configuration")
        branches = run_dir is not None or iteration != checkpoints.latest
        config = resolve_here(run_directory.read_config(source, overrides))
        _check_unfinished(source, config, iteration, branches=branches)
        amp = make_amp(config)
        state, about = checkpoints.restore(amp, iteration)
        value = checkpoints.score(iteration)
    clips = amp.env.reference.clips
    restarts = run_directory.next_restarts(source, iteration, about, amp.config, clips, branches=branches)
    _tell_changes(restarts[-1], config)
    if not branches:
        run_directory.check_writable(source)
        run_directory.write_settings(source, config, restarts)
        run_directory.write_reference(source, clips)
        return _run(amp, source, state)
    path = run_directory.branch_dir(source, iteration, run_dir)
    with run_directory.whole_folder(path) as folder:
        with Checkpoints(folder / "checkpoints") as copies:
            copies.save(iteration, state, about, value)
        run_directory.copy_metrics(source, folder, iteration)
        run_directory.write_settings(folder, config, restarts)
        run_directory.write_reference(folder, clips)
    say(f"going on from iteration {iteration} in the new run {path}")
    return _run(amp, path, state)


def _check_unfinished(source: Path, config: Config, iteration: int, *, branches: bool) -> None:
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


def resolve_here(config: Config) -> Config:
    """Every `auto` replaced by what it means on this machine, and printed."""
    resolved = resolve(config, accelerator=jax.default_backend() != "cpu")
    device = jax.devices()[0].device_kind
    say(
        f"{resolved.env.num_envs} robots, physics {resolved.env.physics}, PPO batches of {resolved.ppo.batch_size}, "
        f"discriminator batches of {resolved.amp.batch_size}, replay of {resolved.amp.replay_size}, on {device}"
    )
    return resolved


def make_chunk(algorithm: Algorithm, length: int) -> Chunk:
    """A jitted loop of up to `length` iterations whose count is an argument: one compile serves every call.

    Its metrics are [length] each; only the first `count` entries are filled. The state passed in is donated.
    """

    def chunk(state: TrainState, count: int) -> tuple[TrainState, dict[str, jax.Array]]:
        shapes = jax.eval_shape(algorithm.train_iteration, state)[1]
        blank = jax.tree.map(lambda shape: jnp.zeros((length, *shape.shape), shape.dtype), shapes)

        def step(i: jax.Array, carry: tuple[TrainState, dict]) -> tuple[TrainState, dict]:
            state, metrics = algorithm.train_iteration(carry[0])
            return state, jax.tree.map(lambda all_, one: all_.at[i].set(one), carry[1], metrics)

        return jax.lax.fori_loop(0, count, step, (state, blank))

    return jax.jit(chunk, donate_argnums=0)


def _run(amp: AMP, path: Path, state: TrainState | None) -> Path:
    try:
        return _Run(amp, path).go(state)
    except Diverged as error:
        say(f"error: {error}")
        raise SystemExit(1) from None
    except OSError as error:
        raise run_directory.unwritable(path, error) from None


class _Run:
    """One run in progress."""

    def __init__(self, amp: AMP, path: Path):
        self.amp, self.config, self.path = amp, amp.config, path
        self.metrics_file = run_directory.MetricsFile(path)
        self.seconds = 0.0  # trained so far, earlier parts of a resumed run counted
        self.recent: deque[dict[str, Any]] = deque(maxlen=health.HISTORY)  # rows that the health is judged by
        self.health = health.assess_health([], amp.config)
        self.scores: list[float] = []  # of the iterations since the last checkpoint
        self.wandb = None

    def go(self, state: TrainState | None) -> Path:
        """Train from a restored state, which is donated, or from the start."""
        logging = self.config.logging
        with Checkpoints(self.path / "checkpoints", kept=logging.checkpoints_kept) as self.checkpoints:
            if state is None:
                state = jax.jit(self.amp.init)(jax.random.key(self.config.ppo.seed))
            else:
                self._take_up(int(state.iteration))
            mode = wandb_logger.choose_mode(logging.wandb)
            self.wandb = wandb_logger.start(mode, self.path, logging.wandb_project, to_dict(self.config))
            try:
                state = self._train(state)
                self._finish(state)
                self._tell_best()
            finally:
                if self.wandb:
                    self.wandb.finish()
        if int(state.iteration) < self.config.ppo.iterations:
            self._tell_collapsed(int(state.iteration))
        return self.path

    def _take_up(self, iteration: int) -> None:
        self.seconds = self.metrics_file.cut_after(iteration)
        if iteration >= self.config.ppo.iterations:  # else the health starts afresh: settings may have changed
            self._judge([json.loads(line) for line in self.metrics_file.path.read_text().splitlines()])

    def _train(self, state: TrainState) -> TrainState:
        logging, total = self.config.logging, self.config.ppo.iterations
        length = min(logging.interval, total)
        chunk = make_chunk(self.amp, length)
        iteration = int(state.iteration)
        with TrainingProgress(iteration, total, self.path) as progress, stop_on_signal() as stop:
            while iteration < total:
                began = time.perf_counter()
                count = min(length, total - iteration)
                state, metrics = chunk(state, count)
                rows = self._rows(jax.device_get(metrics), iteration, count, began)
                self._log(rows)
                iteration += count
                if self._judge(rows):
                    progress.say(f"health: {self.health.state}: {self.health.sentence}")
                progress.show(iteration, rows[-1], self.health.state)
                if (
                    stop
                    or iteration // logging.checkpoint_interval > (iteration - count) // logging.checkpoint_interval
                ):
                    self._save(state)
                if stop:
                    progress.close()
                    self._stopped(iteration, stop[0])
                if logging.stop_on_collapse and self.health.dead:
                    break
        self._save(state)
        return state

    def _rows(self, metrics: dict[str, np.ndarray], iteration: int, count: int, began: float) -> list[dict[str, Any]]:
        before, self.seconds = self.seconds, self.seconds + (time.perf_counter() - began)
        interval = run_directory.Interval(iteration, count, before, self.seconds)
        rows = interval.rows(metrics, self.config.steps_per_iteration)
        for row in rows:
            self._check_numbers(row)
        return rows

    def _check_numbers(self, row: dict[str, Any]) -> None:
        status = health.assess_health([row], self.config)
        if status.state != health.DIVERGED:
            return
        if self.wandb:
            self.wandb.summary["health"] = status.state
        last = self.checkpoints.latest
        kept = f"the checkpoint of iteration {last} is kept" if last else "there was no checkpoint yet"
        raise Diverged(
            f"training diverged: {status.sentence}, and start again, or --resume {self.path} with --set ({kept})"
        )

    def _judge(self, rows: list[dict[str, Any]]) -> bool:
        """Bring the verdict up to date; whether it has changed in a way to tell."""
        before = self.health.state
        self.recent.extend(rows)
        self.health = health.assess_health(self.recent, self.config, before)
        if self.wandb and self.health.state != before:
            self.wandb.summary["health"] = self.health.state
        return self.health.state != before and {before, self.health.state} != {health.TOO_EARLY, health.LEARNING}

    def _log(self, rows: list[dict[str, Any]]) -> None:
        self.metrics_file.append(rows)
        self.scores += [score(row, self.config) for row in rows]
        if self.wandb:
            for row in rows:
                self.wandb.log(row, step=row["iteration"])

    def _save(self, state: TrainState) -> None:
        iteration = int(state.iteration)
        about = describe(iteration, self.config, self.amp)
        if iteration == self.config.ppo.iterations:
            (self.path / "report.html").unlink(missing_ok=True)  # it shows an earlier end of this run
        flat = health.is_flat(self.recent, self.config)  # its style reward of a half is worth nothing
        counts = self.scores and not flat
        self.checkpoints.save(iteration, state, about, float(np.mean(self.scores)) if counts else None)
        self.scores.clear()

    def _stopped(self, iteration: int, number: int) -> None:
        name = "Ctrl-C" if number == signal.SIGINT else signal.Signals(number).name
        say(f"{name}: saved iteration {iteration}; go on with --resume {self.path}")
        raise SystemExit(128 + number)

    def _tell_best(self) -> None:
        best = self.checkpoints.best
        if best is None:
            say("no best checkpoint: whenever one was saved, the discriminator scored everything alike")
            return
        value = self.checkpoints.score(best)
        if self.wandb:
            self.wandb.summary.update({"best_iteration": best, "best_score": value})
        say(f"best checkpoint: iteration {best}, score {value:.3f} (share of the episode survived x reward)")

    def _tell_collapsed(self, iteration: int) -> None:
        say(
            f"stopped: {self.health.state} for {health.HISTORY} iterations, saved iteration {iteration}: "
            f"{self.health.sentence}; start again, or go on with --resume {self.path} --set KEY=VALUE"
        )
        raise SystemExit(COLLAPSED)

    def _finish(self, state: TrainState) -> None:
        """Evaluation, video and report."""
        if self.config.logging.evaluation_episodes == 0:
            return
        from playground_amp.reporting.final_report import (  # imported late: rendering is not needed to train
            showcase,
            video_steps,
        )

        key, episodes = jax.random.key(self.config.ppo.seed + 1), self.config.logging.evaluation_episodes
        policy = state.policy.params.actor, state.statistics
        with Console(stderr=True).status("evaluating, rendering, writing the report"):
            recording = record(self.amp, *policy, key, episodes)
            evaluation = evaluate(self.amp, recording)
            gaits = turns = None
            if self.amp.env.labelled:
                change_key, turn_key = jax.random.split(jax.random.fold_in(key, 1))
                changed = record(self.amp, *policy, change_key, episodes, changes(self.amp, episodes))
                gaits = evaluate_gaits(self.amp, recording, changed)
                if steps := video_steps(self.amp):
                    turns = record(self.amp, *policy, turn_key, FILMED, in_turn(self.amp, FILMED), steps)
            verdict = f"{self.health.state}: {self.health.sentence}"
            notes = showcase(self.path, self.amp, recording, evaluation, verdict, gaits, turns)
        if self.wandb:
            figures = {name: value for name, value in plain(evaluation).items() if name != "speeds"}
            self.wandb.summary.update({f"evaluation/{name}": value for name, value in figures.items()})
        for note in notes:
            say(note)


@contextmanager
def stop_on_signal() -> Generator[list[int], None, None]:
    """A list that a first Ctrl-C or SIGTERM appends its number to; a second one interrupts at once."""
    received: list[int] = []

    def handle(number: int, _frame: object) -> None:
        received.append(number)
        signal.signal(number, signal.default_int_handler)
        say("stopping after this interval to save a checkpoint; again to stop at once")

    previous = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield received
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
