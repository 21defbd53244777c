"""Checkpoints: the whole TrainState and what it was made with, by Orbax; whole or not at all."""

from __future__ import annotations

import logging
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import orbax.checkpoint as ocp
from orbax.checkpoint.checkpoint_managers import AnyPreservationPolicy, BestN, LatestN

from playground_amp.amp import AMP, TrainState
from playground_amp.config import Config, ResolvedConfig, to_dict
from playground_amp.core.errors import InputError
from playground_amp.core.reporter import say
from playground_amp.core.terms import labels_of
from playground_amp.motion.clip_set import difference
from playground_amp.motion.features import feature_names
from playground_amp.runs.checkpoint_compatibility import check_layout, trained_on

SCORE = "score"


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

    The newest `kept` of them stay, and the one with the highest score.
    """

    def __init__(self, folder: Path, *, kept: int = 1, read_only: bool = False):
        self.folder = folder
        best = BestN(get_metric_fn=_score, n=1, keep_checkpoints_without_metrics=False)
        with _quiet():
            options = ocp.CheckpointManagerOptions(
                preservation_policy=AnyPreservationPolicy([LatestN(kept), best]),
                best_fn=_score,
                create=not read_only,
                read_only=read_only,
                enable_async_checkpointing=False,
            )
        try:
            with _quiet():
                self._manager = ocp.CheckpointManager(folder.absolute(), options=options)
        except ValueError:  # Orbax reads the scores at once
            raise InputError(f"a score in '{folder}/*/metrics' cannot be read; delete that metrics folder") from None

    def __enter__(self) -> Checkpoints:
        return self

    def __exit__(self, *_: object) -> None:
        self._manager.close()

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
        """Write a checkpoint; an interrupted save leaves the earlier ones as they were."""
        if iteration in self._manager.all_steps():
            return
        arguments = ocp.args.Composite(state=ocp.args.StandardSave(state), about=ocp.args.JsonSave(about))
        metrics = None if score is None else {SCORE: score}
        with _quiet():
            self._manager.save(iteration, args=arguments, metrics=metrics, force=True)

    def restore(self, amp: AMP, iteration: int | None = None) -> tuple[TrainState, dict[str, Any]]:
        """State and `about` of a checkpoint (the newest by default), for training to go on with `amp`.

        Raises InputError when there is none, when it is damaged, or when it was made for another robot's features,
        other inputs or other shapes.
        """
        iteration = self.latest if iteration is None else iteration
        if iteration is None:
            raise InputError(f"'{self.folder}' holds no checkpoint; start the run anew without --resume")
        about, env = self._read(iteration, about=ocp.args.JsonRestore())["about"], amp.env
        place = f"the checkpoint '{self.folder / str(iteration)}'"
        check_layout(about, amp.config, env.robot, env.reference.gaits.names, labels_of(env.critic_terms), place)
        device = jax.sharding.SingleDeviceSharding(jax.devices()[0])
        template = jax.tree.map(
            lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=device),
            jax.eval_shape(amp.init, jax.random.key(0)),
        )
        state = self._read(iteration, state=ocp.args.StandardRestore(template))["state"]
        if not _finite(state):
            raise InputError(
                f"{place} holds numbers that are not finite: it is damaged; delete that folder to go on from the one "
                f"before"
            )
        return state, about

    def _read(self, iteration: int, **items: Any) -> Any:
        """Items of a checkpoint by name."""
        try:
            with _quiet():
                return self._manager.restore(iteration, args=ocp.args.Composite(**items))
        except Exception:  # Orbax raises a different type for every kind of damage
            raise InputError(
                f"the checkpoint '{self.folder / str(iteration)}' cannot be read: either sizes were changed since "
                f"(env.num_envs, networks, amp.replay_size, or the discriminator's shape: amp.hidden, amp.trunk, "
                f"amp.window, amp.normalization and the like), or it is damaged; undo the change, or delete that "
                f"folder to go on from the one before"
            ) from None


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


def _finite(state: TrainState) -> bool:
    leaves = [leaf for leaf in jax.tree.leaves(state) if jnp.issubdtype(leaf.dtype, jnp.floating)]
    return all(bool(jnp.isfinite(leaf).all()) for leaf in leaves)
