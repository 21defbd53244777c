"""Adversarial motion priors for MuJoCo robots, in JAX (Peng et al. 2021, https://arxiv.org/abs/2104.02180)."""

import os
import sys

if sys.platform.startswith("linux") and "DISPLAY" not in os.environ:
    os.environ.setdefault("MUJOCO_GL", "egl")  # MuJoCo chooses how to render, with or without a screen, at its import

__version__ = "0.1.0"
