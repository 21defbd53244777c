"""Adversarial motion priors for MuJoCo robots, in JAX (Peng et al. 2021, https://arxiv.org/abs/2104.02180).

    import playground_amp as pga

    run = pga.train(pga.load_config("ppo_amass_training", ["ppo.iterations=100"]))
    run.metrics()["disc_real_mean"], run.evaluate(), run.policy()

Names below are looked up when they are asked for, so that the import is quick; docs/api.md describes them.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playground_amp.amp import AMP, TrainState
    from playground_amp.builder import make_amp
    from playground_amp.config import Config, ResolvedConfig, load_config, resolve
    from playground_amp.core.errors import InputError, Interrupted, TrainingCollapsed, TrainingDiverged
    from playground_amp.evaluation.policy import Policy, load_policy
    from playground_amp.motion.clip import MotionClip, load_clip
    from playground_amp.robots import Robot, load_robot
    from playground_amp.training.run import Run
    from playground_amp.training.trainer import resume, train

__version__ = "0.2.0"

__all__ = [
    "AMP",
    "Config",
    "InputError",
    "Interrupted",
    "MotionClip",
    "Policy",
    "ResolvedConfig",
    "Robot",
    "Run",
    "TrainState",
    "TrainingCollapsed",
    "TrainingDiverged",
    "load_clip",
    "load_config",
    "load_policy",
    "load_robot",
    "make_amp",
    "resolve",
    "resume",
    "train",
]

_PLACES = {
    "amp": ("AMP", "TrainState"),
    "builder": ("make_amp",),
    "config": ("Config", "ResolvedConfig", "load_config", "resolve"),
    "core.errors": ("InputError", "Interrupted", "TrainingCollapsed", "TrainingDiverged"),
    "evaluation.policy": ("Policy", "load_policy"),
    "motion.clip": ("MotionClip", "load_clip"),
    "robots": ("Robot", "load_robot"),
    "training.run": ("Run",),
    "training.trainer": ("resume", "train"),
}
_PLACE = {name: module for module, names in _PLACES.items() for name in names}


def __getattr__(name: str) -> object:
    if name not in _PLACE:
        raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
    return getattr(importlib.import_module(f"{__name__}.{_PLACE[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
