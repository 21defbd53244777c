"""MJX and what we use of Brax, imported without the line they print when the optional package warp is absent."""

import contextlib
import io

with contextlib.redirect_stdout(io.StringIO()):
    from brax.training.acme import running_statistics
    from brax.training.agents.ppo.losses import compute_gae
    from mujoco import mjx

__all__ = ["compute_gae", "mjx", "running_statistics"]
