"""Checkpoints: the whole TrainState and what it was made with, by Orbax; whole or not at all.

What is kept beside the state has its checksum, and the shapes: on load damage is told from sizes that were changed.
"""

from __future__ import annotations

import errno
import functools
import hashlib
import itertools
import json
import logging
import shutil
import sys
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import orbax.checkpoint as ocp
from flax import struct
from orbax.checkpoint._src.metadata.array_metadata_store import Store, Validator  # without a public name
from orbax.checkpoint.checkpoint_managers import AnyPreservationPolicy, BestN, LatestN

from playground_amp.amp import AMP, TrainState
from playground_amp.config import Config, ResolvedConfig, to_dict
from playground_amp.core import devices
from playground_amp.core.errors import DamagedCheckpoint, InputError
from playground_amp.core.files import parse_json, to_disk
from playground_amp.core.reporter import say
from playground_amp.core.terms import labels_of
from playground_amp.motion.clip_set import difference
from playground_amp.motion.features import feature_names
from playground_amp.runs.checkpoint_compatibility import check_layout, trained_on
from playground_amp.runs.divergence import is_finite

SCORE = "score"
SEAL = "seal"  # in what is kept beside a state: the checksums of both, and the shapes of the state
SIZES = (
    "env.num_envs, env.randomize, networks, amp.replay_size, or the discriminator's shape: amp.hidden, amp.trunk, "
    "amp.window, amp.normalization and the like"
)
DATES = "_CHECKPOINT_METADATA"  # when a checkpoint was made, and by what: nothing that is needed to read it
UNFINISHED = "*.orbax-checkpoint-tmp*"  # what a kill leaves of a save


def score(row: Mapping[str, float], config: Config) -> float:
    """What checkpoints are ranked by, of a row of metrics: (episode length / limit) (w_task task + w_style style)."""
    reward = config.amp.task_weight * row["task_reward"] + config.amp.style_weight * row.get("amp_reward", 0.0)
    return row["episode_length"] / config.env.episode_length * reward


def describe(iteration: int, config: ResolvedConfig, amp: AMP) -> dict[str, Any]:
    """What is kept beside the state: how far it was trained, and with what settings, robot and clips."""
    return {
        "iteration": iteration,
        "env_steps": iteration * config.steps_per_iteration,
        "features": feature_names(amp.env.robot),
        "observations": labels_of(amp.env.critic_terms),
        "reference": amp.env.reference.clip_set.to_json(),
        "config": to_dict(config),
    }


def tell_clips(about: Mapping[str, Any], amp: AMP) -> None:
    """Say so when a policy is looked at with other clips than it was trained on."""
    before, paths = trained_on(about), ", ".join(source.path for source in amp.config.reference.clips)
    if changed := difference(before, amp.env.reference.clip_set) if before else "":
        say(
            f"reference.clips: the clips in {paths} are not those that iteration {about['iteration']} was trained on "
            f"({changed}); the pose that its actions start from and what it is compared with are those of the clips "
            f"as they are now"
        )


class Checkpoints:
    """The checkpoints of one run, in `folder`, by iteration. Use as a context manager.

    The newest `kept` of them stay, and the one with the highest score. A checkpoint knows nothing of the devices it was
    made on. Of several processes, process 0 alone has them.
    """

    def __init__(self, folder: Path, *, kept: int = 1, read_only: bool = False):
        self.folder = folder
        if not read_only:
            for part in folder.glob(UNFINISHED):
                shutil.rmtree(part, ignore_errors=True)
        self._lay_scores_aside()
        best = BestN(get_metric_fn=_score, n=1, keep_checkpoints_without_metrics=False)
        if not read_only:
            folder.mkdir(parents=True, exist_ok=True)
        with _quiet():
            options = ocp.CheckpointManagerOptions(
                preservation_policy=AnyPreservationPolicy([LatestN(kept), best]),
                best_fn=_score,
                create=False,
                read_only=read_only,
                enable_async_checkpointing=False,
                **_alone(),
            )
        self._manager = self._open(options)

    def __enter__(self) -> Checkpoints:
        return self

    def __exit__(self, *_: object) -> None:
        self._manager.close()

    def _open(self, options: ocp.CheckpointManagerOptions) -> ocp.CheckpointManager:
        """Orbax's manager, which reads the dates of all checkpoints at once: those that stop it are renamed."""
        dates = sorted(self.folder.glob(f"[0-9]*/{DATES}"))
        while True:
            try:
                with _quiet():
                    handlers = _handlers() if jax.process_count() > 1 else None
                    return ocp.CheckpointManager(self.folder.absolute(), options=options, item_handlers=handlers)
            except OSError:
                raise
            except Exception:  # a different type for every kind of damage
                if not dates:
                    raise
                file = dates.pop()
                try:
                    file.rename(_free(file.with_name(f"{DATES}.damaged")))
                except OSError as error:
                    raise InputError(f"'{file}' cannot be read, nor moved: {error.strerror}") from None

    def _lay_scores_aside(self) -> None:
        """Scores that cannot be read are renamed, and those checkpoints have none: Orbax reads all of them at once."""
        for metrics in self.folder.glob("[0-9]*/metrics"):
            if _is_score(metrics / "metrics"):
                continue
            try:
                metrics.rename(_free(metrics.with_name("metrics.damaged")))
            except OSError as error:
                raise InputError(f"the score in '{metrics}' cannot be read, nor moved: {error.strerror}") from None
            say(f"the score of the checkpoint '{metrics.parent}' cannot be read: that checkpoint goes without one")

    def lay_aside(self, iteration: int) -> Path:
        """Move a damaged checkpoint to the folder `damaged` beside the others, for a new one to take its place."""
        place = _free(self.folder.with_name("damaged") / f"checkpoint-{iteration}")
        place.parent.mkdir(exist_ok=True)
        (self.folder / str(iteration)).rename(place)
        self._manager.reload()
        return place

    @property
    def latest(self) -> int | None:
        """Iteration of the newest complete checkpoint."""
        return self._manager.latest_step()

    @property
    def best(self) -> int | None:
        """Iteration of the checkpoint with the highest score, the newest of equals; None without any score."""
        return self._manager.best_step()

    @property
    def all(self) -> list[int]:
        """Iterations of the complete checkpoints, ascending."""
        return sorted(self._manager.all_steps())

    def choose(self, which: str | int) -> int:
        """Iteration of the checkpoint that `which` names: newest, best or a number."""
        which = str(which)
        kept = self.all
        if not kept:
            raise InputError(f"'{self.folder}' holds no checkpoint; start the run anew without --resume")
        if which == "newest":
            return kept[-1]
        if which == "best" and self.best is not None:
            return self.best
        if which.isdecimal() and int(which) in kept:
            return int(which)
        known = "none has a score" if which == "best" else "that is no word for one, such as newest or best"
        wrong = "it is not there" if which.isdecimal() else known
        raise InputError(
            f"--checkpoint {which}: {wrong}; '{self.folder}' keeps {', '.join(map(str, kept))} (newest)"
            + ("" if self.best is None else f", the best of them is {self.best}")
        )

    def score(self, iteration: int) -> float | None:
        """Score that a checkpoint was saved with."""
        metrics = self._manager.metrics(iteration)
        return None if metrics is None else _score(metrics)

    def save(self, iteration: int, state: TrainState, about: dict[str, Any], score: float | None = None) -> None:
        """Write a checkpoint; an interrupted save leaves the earlier ones as they were. OSError when it cannot.

        Of a state on many devices every device has all, as `devices.gather` gives it.
        """
        if iteration in self._manager.all_steps():
            return
        _hush_dropped_work()  # before it fails: threads complain at once
        here = devices.local(state)
        about = sealed(about, here)
        several = jax.process_count() > 1  # Orbax then takes no arrays of one process
        kept = ocp.args.PyTreeSave(_stored(state)) if several else ocp.args.StandardSave(_stored(here))
        arguments = ocp.args.Composite(state=kept, about=ocp.args.JsonSave(about))
        metrics = None if score is None else {SCORE: score}
        try:
            with _quiet():
                self._manager.save(iteration, args=arguments, metrics=metrics, force=True)
        except ValueError as error:  # TensorStore's, which wraps the operating system's
            raise _of_the_disk(error) from None
        folder = self.folder / str(iteration)
        for path in [*folder.rglob("*"), folder, self.folder]:
            to_disk(path)

    def restore(self, amp: AMP, iteration: int | None = None) -> tuple[TrainState, dict[str, Any]]:
        """State and `about` of a checkpoint (the newest by default), for training to go on with `amp`.

        Raises InputError when there is none, or when it was made for another robot's features, other inputs or other
        shapes, and DamagedCheckpoint when it is not what was saved.
        """
        iteration = self.latest if iteration is None else iteration
        if iteration is None:
            raise InputError(f"'{self.folder}' holds no checkpoint; start the run anew without --resume")
        place, env = self._place(iteration), amp.env
        about = self._about(iteration)
        try:
            check_layout(about, amp.config, env.robot, env.reference.gaits.names, labels_of(env.critic_terms), place)
        except (AttributeError, KeyError, TypeError):
            raise self._damaged(iteration) from None
        device = jax.sharding.SingleDeviceSharding(jax.local_devices()[0])
        template = jax.tree.map(
            lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=device),
            jax.eval_shape(amp.init, jax.random.key(0)),
        )
        seal = about.get(SEAL)
        if seal and seal["arrays"] != _shapes(template):
            raise InputError(f"{place} cannot be read: sizes were changed since ({SIZES}); undo the change")
        try:
            with _quiet():
                arguments = ocp.args.Composite(state=_restoring(_stored(template)))
                state = self._manager.restore(iteration, args=arguments)["state"]
            state = state.replace(env=_filled(state.env, template.env))
        except Exception:  # Orbax raises a different type for every kind of damage
            _hush_dropped_work()
            if seal:
                raise self._damaged(iteration) from None
            raise InputError(
                f"{place} cannot be read: either sizes were changed since ({SIZES}), or it is damaged; undo the "
                f"change, or delete that folder to go on from the one before"
            ) from None
        if (seal and seal["state"] != _checksum(state)) or not bool(is_finite(state)):
            raise self._damaged(iteration)
        return state, about

    def _about(self, iteration: int) -> dict[str, Any]:
        """What is kept beside a state, whole; one of an older version has no seal."""
        try:
            with _quiet():
                arguments = ocp.args.Composite(about=ocp.args.JsonRestore())
                about = self._manager.restore(iteration, args=arguments)["about"]
            if about["iteration"] == iteration and (
                SEAL not in about or about[SEAL]["about"] == checksum_of_about(about)
            ):
                return about
        except Exception:  # as above
            pass
        raise self._damaged(iteration)

    def _place(self, iteration: int) -> str:
        return f"the checkpoint '{self.folder / str(iteration)}'"

    def _damaged(self, iteration: int) -> DamagedCheckpoint:
        others = [str(other) for other in self.all if other != iteration]
        choice = (
            f"; intact ones may be {', '.join(others)}: choose by --checkpoint"
            if others
            else "; it is the only one: train anew in another --run-dir"
        )
        return DamagedCheckpoint(
            f"{self._place(iteration)} cannot be read: it is damaged, its content is not what was saved{choice}"
        )


def _alone() -> dict[str, Any]:
    """Options by which Orbax, which waits for all processes otherwise, works in this one alone."""
    if jax.process_count() == 1:
        return {}
    return {"multiprocessing_options": ocp.options.MultiprocessingOptions(primary_host=0, active_processes={0})}


class _OneWriter(Validator):
    """In the place of Orbax's check that every process has written something."""

    def validate_all_array_metadatas(self, array_metadatas: object) -> None:
        pass


def _handlers() -> dict[str, Any]:
    """How one of several processes writes arrays that all of them have: whole, and not its part of them."""
    whole = ocp.type_handlers.ArrayHandler(use_replica_parallel=False, array_metadata_store=Store())
    registry = ocp.type_handlers.create_type_handler_registry((jax.Array, whole))
    state = ocp.PyTreeCheckpointHandler(
        type_handler_registry=registry, array_metadata_validator=_OneWriter(), **_alone()
    )
    return {"state": state, "about": ocp.JsonCheckpointHandler(**_alone())}


def _restoring(template: TrainState) -> ocp.args.CheckpointArgs:
    if jax.process_count() == 1:
        return ocp.args.StandardRestore(template)
    return ocp.args.PyTreeRestore(template, restore_args=ocp.checkpoint_utils.construct_restore_args(template))


@functools.cache
def _hush_dropped_work() -> None:
    """Nothing is printed, from now on, of what Orbax drops when a read or write fails: its threads complain late."""
    tell = sys.unraisablehook

    def hush(args: sys.UnraisableHookArgs) -> None:
        if str(args.exc_value) != "Event loop is closed" and "_read_array" not in repr(args.object):
            tell(args)

    sys.unraisablehook = hush


def sealed(about: Mapping[str, Any], state: TrainState) -> dict[str, Any]:
    """`about` with what it and the state are known again by."""
    content = {**about, SEAL: {"state": _checksum(state), "arrays": _shapes(state)}}
    content[SEAL]["about"] = checksum_of_about(content)
    return content


def checksum_of_about(about: Mapping[str, Any]) -> str:
    """SHA-256 of what is kept beside a state, all of it but this checksum."""
    seal = {name: value for name, value in about[SEAL].items() if name != "about"}
    return hashlib.sha256(json.dumps({**about, SEAL: seal}, sort_keys=True).encode()).hexdigest()


def _checksum(state: TrainState) -> str:
    """SHA-256 of all numbers of a state."""
    found = hashlib.sha256()
    for leaf in jax.tree.leaves(state):
        key = jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)
        found.update(np.asarray(jax.random.key_data(leaf) if key else leaf).tobytes())
    return found.hexdigest()


def _stored(state: TrainState) -> TrainState:
    """As it lies on the disk: what is off in the environment has no place there, as in versions that do not know it."""
    return state.replace(env=_without_nones(state.env))


def _without_nones(node: Any) -> Any:
    """A node as it is, or as a dictionary of the fields that it has."""
    if not isinstance(node, struct.PyTreeNode):
        return node
    fields = {name: _without_nones(value) for name, value in vars(node).items() if value is not None}
    return fields if len(fields) < len(vars(node)) else node.replace(**fields)


def _filled(stored: Any, like: Any) -> Any:
    """What `_without_nones` was given; `like` has the same fields."""
    if not isinstance(like, struct.PyTreeNode):
        return stored
    values = stored if isinstance(stored, dict) else vars(stored)
    return like.replace(**{name: _filled(values[name], was) for name, was in vars(like).items() if was is not None})


def _shapes(state: TrainState) -> dict[str, str]:
    """Shape and type of every array of a state, by its path."""
    leaves = jax.tree.leaves_with_path(state)
    return {jax.tree_util.keystr(path): f"{leaf.dtype}{list(leaf.shape)}" for path, leaf in leaves}


def _is_score(path: Path) -> bool:
    try:
        return isinstance(parse_json(path.read_text())[SCORE], float | int)
    except (OSError, ValueError, KeyError, TypeError):
        return False


def _free(path: Path) -> Path:
    """The path, or with a number behind it when it is taken."""
    others = (path.with_name(f"{path.name}-{number}") for number in itertools.count(2))
    return next(free for free in itertools.chain([path], others) if not free.exists())


def _of_the_disk(error: ValueError) -> OSError:
    full = "No space left" in str(error)
    return OSError(errno.ENOSPC if full else errno.EIO, "No space left on device" if full else "cannot be written")


@contextmanager
def _quiet() -> Generator[None]:
    """Without what Orbax tells of every step it takes, through Abseil's logger."""
    logger = logging.getLogger("absl")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        logger.setLevel(level)


def _score(metrics: dict[str, float]) -> float:
    return metrics[SCORE]
