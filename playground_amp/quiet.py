"""Imports MuJoCo's MJX once without the line it prints when the optional package warp is absent.

Brax imports MJX too: a module that imports either imports this one first.
"""

import contextlib
import io

with contextlib.redirect_stdout(io.StringIO()):
    from mujoco import mjx

__all__ = ["mjx"]
