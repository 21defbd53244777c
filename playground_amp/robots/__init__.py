"""Robots: an MJCF and the record of what it does not say. `load_robot` reads a shipped one or anybody's YAML file."""

from __future__ import annotations

from playground_amp.robots.load import available, load_robot, make_robot
from playground_amp.robots.record import KeyBodies, RetargetTable
from playground_amp.robots.robot import Robot

__all__ = ["KeyBodies", "RetargetTable", "Robot", "available", "load_robot", "make_robot"]
