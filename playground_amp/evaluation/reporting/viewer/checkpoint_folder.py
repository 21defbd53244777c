"""The checkpoints of a run that may still be training: which there are now, and the networks in each."""

from __future__ import annotations

from pathlib import Path

from flax import struct

from playground_amp.amp import AMP, Statistics
from playground_amp.builder import make_amp, resolve_to_evaluate
from playground_amp.core.errors import InputError
from playground_amp.discriminator.motion_prior import DiscriminatorState
from playground_amp.evaluation.policy import choose_iteration
from playground_amp.runs import run_directory
from playground_amp.runs.checkpoint import Checkpoints, tell_clips


class Networks(struct.PyTreeNode):
    """What of a checkpoint acts and judges."""

    actor: dict
    statistics: Statistics
    discriminator: DiscriminatorState


class CheckpointFolder:
    """The checkpoints of the run in `path`; a running training adds and drops some at any time."""

    def __init__(self, path: Path, amp: AMP):
        self.path, self._amp = path, amp
        self._loaded: dict[int, Networks] = {}
        self._told = False

    def iterations(self) -> list[int]:
        """Iterations of the complete checkpoints on the disk, ascending: Orbax names one by its number when whole."""
        return sorted(int(entry.name) for entry in (self.path / "checkpoints").glob("*") if entry.name.isdigit())

    def choose(self, which: str | int) -> int:
        """The iteration that `which` names: newest, best or a number; raises InputError where there is none."""
        with Checkpoints(self.path / "checkpoints", read_only=True) as checkpoints:
            return choose_iteration(checkpoints, which)

    @property
    def loaded(self) -> tuple[int, ...]:
        """Iterations whose networks are at hand, even if training has dropped the checkpoint since."""
        return tuple(self._loaded)

    def load(self, iteration: int) -> Networks:
        """The networks of a checkpoint, which stay loaded; raises InputError for one that is gone or does not fit."""
        if iteration not in self._loaded:
            with Checkpoints(self.path / "checkpoints", read_only=True) as checkpoints:
                state, about = checkpoints.restore(self._amp, iteration)
            if not self._told:  # once: of the same clips nothing more is to be said
                tell_clips(about, self._amp)
                self._told = True
            networks = Networks(state.policy.params.actor, state.statistics, state.discriminator)
            self._loaded[iteration] = networks
        return self._loaded[iteration]


def open_run(name: str) -> tuple[AMP, CheckpointFolder]:
    """The algorithm of a run (its folder, or its name in runs/) and its checkpoints.

    Without an accelerator the physics are native, whatever it was trained with. Raises InputError for a run without a
    checkpoint.
    """
    path = run_directory.find_run(name)
    if not run_directory.has_checkpoint(path):
        raise InputError(f"'{path}' holds no checkpoint yet; the first comes after logging.checkpoint_interval")
    amp = make_amp(resolve_to_evaluate(run_directory.read_config(path, [])))
    return amp, CheckpointFolder(path, amp)
