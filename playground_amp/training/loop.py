"""The loop of one training: iterate on the devices, log, judge the health, save, and stop when asked.

In several processes each runs it, and all take the same way through it; process 0 leads: it alone logs and saves.
"""

from __future__ import annotations

import signal
import threading
import time
from collections import deque
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any, Protocol

import jax
import jax.numpy as jnp
import numpy as np

from playground_amp.amp import AMP, TrainState, laid_out
from playground_amp.config import to_dict
from playground_amp.config.yaml_schema import seconds
from playground_amp.core import devices
from playground_amp.core.errors import Interrupted, OtherProcessLost, TrainingCollapsed, TrainingDiverged
from playground_amp.core.files import json_values, parse_json
from playground_amp.core.reporter import Reporter, say
from playground_amp.discriminator.motion_prior import Metrics
from playground_amp.runs.checkpoint import Checkpoints, describe, score
from playground_amp.runs.divergence import is_finite, not_finite, write_dump
from playground_amp.runs.metrics_log import Interval, MetricsFile
from playground_amp.training import health, wandb_logger
from playground_amp.training.final_evaluation import evaluate_and_show
from playground_amp.training.footprint import out_of_memory
from playground_amp.training.progress import summary
from playground_amp.training.videos import TrainingVideos

LOST = ("Gloo", "NCCL", "UNAVAILABLE", "DEADLINE_EXCEEDED", "ABORTED", "heartbeat")  # what JAX says of a process gone
REMEDY = "lower the upper end of ppo.learning_rate_range or amp.discriminator_lr"

Chunk = Callable[[TrainState, int], tuple[TrainState, dict[str, jax.Array]]]
Callback = Callable[[Mapping[str, float]], object]  # given each row of metrics; a true answer ends the training


class Algorithm(Protocol):
    """What can be trained: an AMP, or many at once."""

    def train_iteration(self, state: TrainState) -> tuple[TrainState, Metrics]: ...


def lowered(amp: AMP, rate: float) -> AMP:
    """The same algorithm with all learning rates times `rate`."""
    if rate == 1.0:
        return amp
    ppo, prior = amp.config.ppo, amp.config.amp
    low, high = ppo.learning_rate_range
    rates: dict[str, Any] = {
        "ppo.learning_rate": rate * ppo.learning_rate,
        "ppo.learning_rate_range": (rate * low, rate * high),
        "amp.discriminator_lr": rate * prior.discriminator_lr,
    }
    return amp.with_hyperparams(rates)


def make_chunk(algorithm: Algorithm, length: int) -> Chunk:
    """A jitted loop of up to `length` iterations whose count is an argument: one compile serves every call.

    Its metrics are [length] each; only the first `count` entries are filled.
    """

    def chunk(state: TrainState, count: int) -> tuple[TrainState, dict[str, jax.Array]]:
        shapes = jax.eval_shape(algorithm.train_iteration, state)[1]
        blank = jax.tree.map(lambda shape: jnp.zeros((length, *shape.shape), shape.dtype), shapes)

        def step(i: jax.Array, carry: tuple[TrainState, dict]) -> tuple[TrainState, dict]:
            state, metrics = algorithm.train_iteration(carry[0])
            return state, jax.tree.map(lambda all_, one: all_.at[i].set(one), carry[1], metrics)

        return jax.lax.fori_loop(0, count, step, (state, blank))

    return jax.jit(chunk)


class TrainingLoop:
    """One training in progress."""

    def __init__(
        self, amp: AMP, path: Path, *, reporter: Reporter, callback: Callback | None = None, rate: float = 1.0
    ):
        """`rate` is a factor on the learning rates of the configuration."""
        self.amp, self.config, self.path = lowered(amp, rate), amp.config, path
        self.reporter, self.callback = reporter, callback
        self.leads = jax.process_index() == 0
        self.metrics_file = MetricsFile(path) if self.leads else None
        self.seconds = 0.0  # trained so far, earlier parts of a resumed run counted
        self.recent: deque[dict[str, Any]] = deque(maxlen=health.HISTORY)  # rows that the health is judged by
        self.health = health.assess_health([], amp.config)
        self.scores: list[float] = []  # of the iterations since the last checkpoint
        self.wandb = None
        self.videos = TrainingVideos(amp, path)

    def run(self, state: TrainState | None) -> None:
        """Train from a restored state, or from the start, to the report.

        Of a restored state the processes that follow need the shapes alone. Raises TrainingDiverged, TrainingCollapsed,
        OtherProcessLost, and Interrupted by a signal; all of them keep what there is.
        """
        logging = self.config.logging
        with self._open_checkpoints() as self.checkpoints:
            with devices.on_all_devices(), _failures_told(self.amp, self.path):
                state = self._laid_out(state)
            self._take_up(int(state.iteration))
            if self.leads:
                mode = wandb_logger.choose_mode(logging.wandb)
                self.wandb = wandb_logger.start(mode, self.path, logging.wandb_project, to_dict(self.config))
            try:
                with devices.on_all_devices(), _failures_told(self.amp, self.path):
                    state = devices.local(devices.gather(self._train(state)))
                if self.leads:
                    self._finish(state)
                    self._tell_best()
            finally:
                if self.wandb:
                    self.wandb.finish()
        iteration = int(state.iteration)
        if logging.stop_on_collapse and self.health.dead and iteration < self.config.ppo.iterations:
            raise TrainingCollapsed(
                f"stopped: {self.health.state} for {health.HISTORY} iterations, saved iteration {iteration}: "
                f"{self.health.sentence}; start again, or go on with --resume {self.path} --set KEY=VALUE"
            )

    def _open_checkpoints(self) -> AbstractContextManager:
        folder = self.path / "checkpoints"
        return Checkpoints(folder, kept=self.config.logging.checkpoints_kept) if self.leads else nullcontext()

    def _laid_out(self, state: TrainState | None) -> TrainState:
        """The state before the first iteration, on all devices."""
        key = jax.random.key(self.config.ppo.seed)
        if state is None:
            return jax.jit(self.amp.init)(key)
        if jax.device_count() == 1:
            return state
        return jax.jit(laid_out)(devices.from_first(state, jax.eval_shape(self.amp.init, key)))

    def _take_up(self, iteration: int) -> None:
        if self.metrics_file is None:
            return
        self.seconds = self.metrics_file.cut_after(iteration)
        if 0 < self.config.ppo.iterations <= iteration:  # else the health starts afresh: settings may have changed
            self._judge([parse_json(line) for line in self.metrics_file.path.read_text().splitlines()])

    def _train(self, state: TrainState) -> TrainState:
        logging, total = self.config.logging, self.config.ppo.iterations
        length = min(logging.interval, total)
        chunk = make_chunk(self.amp, length)
        iteration, saved = int(state.iteration), time.monotonic()
        say(f"run: {self.path}")
        with stop_on_signal() as stop, self.reporter.progress("compiling", total, iteration) as bar:
            while iteration < total:
                before = iteration
                state, rows = self._iterate(chunk, state, iteration, min(length, total - iteration), stop)
                iteration += len(rows)
                self._log(rows)
                if self._judge(rows):
                    say(f"health: {self.health.state}: {self.health.sentence}")
                bar.show(iteration, summary(rows[-1], self.health.state))
                self._film(state, before)
                enough = self._call_back(rows)
                due = self.leads and _is_due(logging.checkpoint_interval, before, iteration, saved)
                signalled, enough, due = devices.largest([_first(stop), enough, due])
                if signalled or enough or due:
                    self._save(state)
                    saved = time.monotonic()
                if signalled:
                    raise self._interrupted(iteration, signalled)
                if enough or (logging.stop_on_collapse and self.health.dead):
                    break
            self._save(state)
            if signalled := devices.largest([_first(stop)])[0]:
                raise self._interrupted(iteration, signalled)
        return state

    def _iterate(
        self, chunk: Chunk, state: TrainState, iteration: int, count: int, stop: Sequence[int]
    ) -> tuple[TrainState, list[dict[str, Any]]]:
        """Up to `count` iterations after `iteration`, fewer after a signal: at least one, and their rows."""
        began, before, series = time.perf_counter(), self.seconds, []
        while len(series) < count and not (series and any(devices.largest([_first(stop)]))):
            previous = state
            state, metrics = chunk(state, 1)
            row = {name: float(values[0]) for name, values in jax.device_get(metrics).items()}
            self._check_numbers({"iteration": iteration + len(series) + 1, **row}, previous, state)
            series.append(row)
        self.seconds = before + (time.perf_counter() - began)
        interval = Interval(iteration, len(series), before, self.seconds)
        stacked = {name: np.array([row[name] for row in series]) for name in series[0]}
        return state, interval.rows(stacked, self.config.steps_per_iteration)

    def _check_numbers(self, row: dict[str, Any], before: TrainState, after: TrainState) -> None:
        """Raise TrainingDiverged when a metric or the state after an iteration is not finite; keep the one before."""
        status = health.assess_health([row], self.config)
        if status.state != health.DIVERGED and bool(is_finite(after)):
            return
        if self.wandb:
            self.wandb.summary["health"] = health.DIVERGED
        before, after = devices.local(devices.gather(before)), devices.local(devices.gather(after))
        wrong = not_finite(after)
        said = status.sentence
        if status.state != health.DIVERGED:
            said = f"{next(iter(wrong), 'the state')} is not finite after iteration {row['iteration']}; {REMEDY}"
        about = {"iteration": row["iteration"], "said": said, "metrics": json_values(row), "after": wrong}
        if self.leads:
            write_dump(self.path, before, about | {"config": to_dict(self.amp.config)})
        raise TrainingDiverged(said)

    def _judge(self, rows: list[dict[str, Any]]) -> bool:
        """Bring the health up to date; whether it has changed in a way to tell."""
        before = self.health.state
        self.recent.extend(rows)
        self.health = health.assess_health(self.recent, self.config, before)
        if self.wandb and self.health.state != before:
            self.wandb.summary["health"] = self.health.state
        return self.health.state != before and {before, self.health.state} != {health.TOO_EARLY, health.LEARNING}

    def _log(self, rows: list[dict[str, Any]]) -> None:
        if self.metrics_file:
            self.metrics_file.append(rows)
        self.scores += [score(row, self.config) for row in rows]
        if self.wandb:
            for row in rows:
                self.wandb.log(row, step=row["iteration"])

    def _film(self, state: TrainState, before: int) -> None:
        """A video, where one is due since the iteration `before`; also to wandb."""
        interval = self.config.logging.video_interval
        if not interval or not _is_due(interval, before, int(state.iteration), 0.0):
            return
        path = self.videos.film(state)
        if path and self.wandb:
            wandb_logger.log_video(self.wandb, path, int(state.iteration))

    def _call_back(self, rows: Sequence[Mapping[str, float]]) -> bool:
        """Whether the caller has seen enough; it is shown every row."""
        answers = [self.callback(row) for row in rows] if self.callback else []
        return any(answers)

    def _save(self, state: TrainState) -> None:
        iteration, state = int(state.iteration), devices.gather(state)
        scores, self.scores = self.scores, []
        if self.metrics_file is None:
            return
        about = describe(iteration, self.config, self.amp)
        if iteration == self.config.ppo.iterations:
            (self.path / "report.html").unlink(missing_ok=True)  # it shows an earlier end of this run
        flat = health.is_flat(self.recent, self.config)  # its style reward of a half is worth nothing
        counts = scores and not flat
        self.metrics_file.to_disk()
        self.checkpoints.save(iteration, state, about, float(np.mean(scores)) if counts else None)

    def _interrupted(self, iteration: int, number: int) -> Interrupted:
        name = "Ctrl-C" if number == signal.SIGINT else signal.Signals(number).name
        return Interrupted(f"{name}: saved iteration {iteration}; go on with --resume {self.path}", number)

    def _finish(self, state: TrainState) -> None:
        """Evaluation, video and report."""
        if self.config.logging.evaluation_episodes == 0:
            return
        verdict = f"{self.health.state}: {self.health.sentence}"
        with self.reporter.status("evaluating, rendering, writing the report"):
            figures, notes = evaluate_and_show(self.path, self.amp, state, verdict)
        if self.wandb:
            self.wandb.summary.update({f"evaluation/{name}": value for name, value in figures.items()})
        for note in notes:
            say(note)

    def _tell_best(self) -> None:
        best = self.checkpoints.best
        if best is None:
            say("no best checkpoint: all scores were alike, as in the first iterations of a run; the newest one counts")
            return
        value = self.checkpoints.score(best)
        if self.wandb:
            self.wandb.summary.update({"best_iteration": best, "best_score": value})
        say(f"best checkpoint: iteration {best}, score {value:.3f} (share of the episode survived x reward)")


def _is_due(interval: int | str, before: int, now: int, saved: float) -> bool:
    """Whether a multiple of the interval lies between two iterations, or its time has passed since `saved`.

    What is trained does not depend on when it is saved.
    """
    if isinstance(interval, str):
        return time.monotonic() - saved >= seconds(interval)
    return now // interval > before // interval


@contextmanager
def _failures_told(amp: AMP, path: Path) -> Generator[None]:
    """What fails on the devices, told: InputError where memory ran out, OtherProcessLost where a process is gone."""
    try:
        yield
    except (jax.errors.JaxRuntimeError, ValueError) as error:
        if "RESOURCE_EXHAUSTED" in str(error):
            raise out_of_memory(amp) from None
        if jax.process_count() == 1 or not any(sign in str(error) for sign in LOST):
            raise
        reason = str(error).splitlines()[0][:120]
        raise OtherProcessLost(
            f"another process of this training is gone ({reason}); start all of them again with --resume {path}"
        ) from None


def _first(stop: Sequence[int]) -> int:
    return stop[0] if stop else 0


@contextmanager
def stop_on_signal() -> Generator[list[int]]:
    """A list that a first Ctrl-C or SIGTERM appends its number to; a second Ctrl-C interrupts at once.

    A second SIGTERM changes nothing: schedulers send several, and SIGKILL when they mean it.
    Signals are for a process's main thread: in another one the list stays empty.
    """
    received: list[int] = []
    if threading.current_thread() is not threading.main_thread():
        yield received
        return

    def handle(number: int, _frame: object) -> None:
        received.append(number)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        say("stopping after this iteration to save a checkpoint; Ctrl-C to stop at once")

    previous = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield received
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
