"""The doctor: finds before a training what would spoil it.

    from playground_amp.doctor import diagnose

    diagnose(pga.load_config("ppo_amass_training")).verdict

An untrained policy differs from the reference in almost every feature, and honestly so: that a feature tells the two
apart is no fault. So both sides of the feature pipeline are held to the same motion (feature_consistency.py), the
reference to what is physically plausible (reference.py, clips.py), and how well each feature separates them is shown
(separability.py).
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playground_amp.doctor.examination import diagnose, trained_policy

__all__ = ["diagnose", "trained_policy"]


def __getattr__(name: str) -> object:
    """Looked up when asked for: the command line's --help answers without loading JAX."""
    if name not in __all__:
        raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
    return getattr(importlib.import_module(f"{__name__}.examination"), name)
