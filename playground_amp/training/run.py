"""A run that was trained: its settings, its metrics, its evaluation and its policy."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from playground_amp.config import Config
from playground_amp.core.errors import InputError
from playground_amp.evaluation.checkpoints import CheckpointEvaluation, evaluate_checkpoints
from playground_amp.evaluation.policy import Policy, load_policy
from playground_amp.runs import run_directory
from playground_amp.runs.metrics_log import read_metrics


@dataclass(frozen=True)
class Run:
    """The folder of a run, and what can be asked of it."""

    path: Path

    @classmethod
    def find(cls, name: str | Path) -> Run:
        """A run by its folder, or by its name in runs/; raises InputError with the names that exist."""
        return cls(run_directory.find_run(str(name)))

    @property
    def config(self) -> Config:
        """The configuration that it was trained with."""
        return run_directory.read_config(self.path, [])

    @property
    def video(self) -> Path:
        """The video of the robot beside the reference clip; it may not exist."""
        return self.path / "videos" / "final.mp4"

    def metrics(self) -> dict[str, np.ndarray]:
        """Every metric: name -> [iterations], NaN where one lacks it; `pandas.DataFrame` takes it as it is."""
        return read_metrics(self.path / "metrics.jsonl")

    def evaluate(
        self,
        checkpoint: str | int = "best",
        *,
        episodes: int = 64,
        speeds: tuple[float, float] | None = None,
        seed: int = 1,
    ) -> CheckpointEvaluation:
        """Fresh episodes of the mean policy of a checkpoint (newest, best or an iteration), held against bounds.

        `speeds` are the lowest and the highest forward speed to ask for, m/s.
        """
        if checkpoint == "all":
            raise InputError("checkpoint is 'all'; Run.evaluate judges one of them: newest, best or an iteration")
        found = evaluate_checkpoints(self.path, checkpoint=checkpoint, episodes=episodes, speeds=speeds, seed=seed)
        return next(iter(found))

    def policy(self, checkpoint: str | int = "best") -> Policy:
        """The mean policy of a checkpoint, to be called with observations."""
        return load_policy(self.path, checkpoint)
