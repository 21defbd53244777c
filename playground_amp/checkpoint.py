"""Checkpoints: the whole TrainState and what it was made with, by Orbax; whole or not at all."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import jax
import orbax.checkpoint as ocp

from playground_amp.amp import AMP, TrainState
from playground_amp.errors import InputError

logging.getLogger("absl").setLevel(logging.CRITICAL)  # Orbax tells of every step it takes


class Checkpoints:
    """The checkpoints of one run, in `folder`, by iteration. Use as a context manager."""

    def __init__(self, folder: Path, *, kept: int = 1, read_only: bool = False):
        self.folder = folder
        options = ocp.CheckpointManagerOptions(
            max_to_keep=kept, create=not read_only, read_only=read_only, enable_async_checkpointing=False
        )
        self._manager = ocp.CheckpointManager(folder.absolute(), options=options)

    def __enter__(self) -> Checkpoints:
        return self

    def __exit__(self, *_: object) -> None:
        self._manager.close()

    @property
    def latest(self) -> int | None:
        """Iteration of the newest complete checkpoint."""
        return self._manager.latest_step()

    def save(self, iteration: int, state: TrainState, about: dict[str, Any]) -> None:
        """Write a checkpoint; an interrupted save leaves the earlier ones as they were."""
        if iteration in self._manager.all_steps():
            return
        arguments = ocp.args.Composite(state=ocp.args.StandardSave(state), about=ocp.args.JsonSave(about))
        self._manager.save(iteration, args=arguments, force=True)

    def restore(self, amp: AMP, iteration: int | None = None) -> tuple[TrainState, dict[str, Any]]:
        """State and `about` of a checkpoint (the newest by default), for training to go on with `amp`.

        Raises InputError when there is none, when it is damaged, or when it was made with other shapes.
        """
        iteration = self.latest if iteration is None else iteration
        if iteration is None:
            raise InputError(f"'{self.folder}' holds no checkpoint; start the run anew without --resume")
        device = jax.sharding.SingleDeviceSharding(jax.devices()[0])
        template = jax.tree.map(
            lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=device),
            jax.eval_shape(amp.init, jax.random.key(0)),
        )
        arguments = ocp.args.Composite(state=ocp.args.StandardRestore(template), about=ocp.args.JsonRestore())
        try:
            restored = self._manager.restore(iteration, args=arguments)
        except Exception:  # Orbax raises a different type for every kind of damage
            raise InputError(
                f"the checkpoint '{self.folder / str(iteration)}' cannot be read: either sizes were changed since "
                f"(env.num_envs, networks, amp.hidden, amp.window or amp.replay_size), or it is damaged; undo the "
                f"change, or delete that folder to go on from the one before"
            ) from None
        return restored["state"], restored["about"]
