"""The task: what the robots are asked for, how well they do it, and when an episode is lost.

`Env` takes any class with the methods of `Task`; `env.task: package.module:Class` names a user's own. WalkingTask is
the first implementation: follow a forward speed.
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Sequence
from typing import Protocol

import jax
import jax.numpy as jnp
from flax import struct

from playground_amp.config import FittedEnvConfig
from playground_amp.core import rotations
from playground_amp.core.errors import InputError, nearest
from playground_amp.core.types import Frame, PhysicsState
from playground_amp.envs.observations import ObservationTerm
from playground_amp.motion.reference import Reference
from playground_amp.robots import Robot

WALK = "walk"  # the name of WalkingTask in configurations
METHODS = ("sample_command", "reward", "terminated", "observation_terms")


class TaskStep(struct.PyTreeNode):
    """One control step of B robots, as a task sees it."""

    previous: Frame  # before the step
    current: Frame  # after it
    physics: PhysicsState  # after it
    velocity: jax.Array  # [B, 3] m/s, mean of the root over the step, heading frame
    turn: jax.Array  # [B] rad/s, mean turning of the root about the vertical
    action: jax.Array  # [B, A] of the step
    previous_action: jax.Array  # [B, A] of the step before
    command: jax.Array  # [B] m/s, forward speed asked for
    label: jax.Array  # [B] int32, gait asked for
    steps: jax.Array  # [B] int32, control steps of the episode so far, this one counted


class Task(Protocol):
    """What Env asks of a task; it is made by Class(config, robot, reference, labelled=...) and holds no state."""

    def sample_command(self, key: jax.Array, count: int) -> tuple[jax.Array, jax.Array]:
        """Gait [count] int32 and forward speed [count] m/s to ask for; consumes `key`."""
        ...

    def reward(self, step: TaskStep) -> jax.Array:
        """Task reward [B], 0 to 1."""
        ...

    def terminated(self, step: TaskStep) -> jax.Array:
        """Whether the episode is lost [B] bool: its future is worth nothing."""
        ...

    def observation_terms(self) -> Sequence[ObservationTerm]:
        """What policy and critic see besides envs.observations, in order."""
        ...


class TaskFactory(Protocol):
    """A task's class."""

    def __call__(self, config: FittedEnvConfig, robot: Robot, reference: Reference, *, labelled: bool) -> Task: ...


class WalkingTask:
    """Follow a forward speed, upright; with `labelled` in the gait of a label, at a speed of its clips."""

    def __init__(self, config: FittedEnvConfig, robot: Robot, reference: Reference, *, labelled: bool):
        self.config, self.gaits, self.labelled = config, reference.gaits, labelled

    def sample_command(self, key: jax.Array, count: int) -> tuple[jax.Array, jax.Array]:
        """Without labels any speed of `command_speed`, with labels every gait as often."""
        if not self.labelled:
            low, high = self.config.command_speed
            return jnp.zeros(count, jnp.int32), jax.random.uniform(key, (count,), minval=low, maxval=high)
        label_key, speed_key = jax.random.split(key)
        label = jax.random.randint(label_key, (count,), 0, len(self.gaits.names))
        low, high = self.gaits.speed_range[label].T
        return label, low + (high - low) * jax.random.uniform(speed_key, (count,))

    def reward(self, step: TaskStep) -> jax.Array:
        """See `track_speed`."""
        return track_speed(step.velocity, step.turn, step.command, self.config.speed_tolerance)

    def terminated(self, step: TaskStep) -> jax.Array:
        """See `has_fallen`."""
        return has_fallen(step.current, self.config.min_height, self.config.max_tilt)

    def observation_terms(self) -> Sequence[ObservationTerm]:
        """Nothing: the command is there in any case."""
        return ()


def track_speed(velocity: jax.Array, turn: jax.Array, command: jax.Array, tolerance: float) -> jax.Array:
    """Task reward [...] in 0..1: exp(-(vx - command)^2 / tolerance) exp(-2 vy^2 - wz^2 / 10).

    The lateral term is wide: a walk sways at 0.1-0.2 m/s, and a reward for less would be one for hurried short steps.

    velocity [..., 3] m/s in the heading frame, turn [...] rad/s about the vertical, command [...] m/s.
    """
    forward = jnp.exp(-((velocity[..., 0] - command) ** 2) / tolerance)
    straight = jnp.exp(-2.0 * velocity[..., 1] ** 2 - 0.1 * turn**2)
    return forward * straight


def has_fallen(frame: Frame, min_height: float, max_tilt: float) -> jax.Array:
    """Whether the root is too low, or leans too far from upright [...]; a state that is not a number has fallen."""
    up = rotations.rotate(frame.root_quat, jnp.array([0.0, 0.0, 1.0]))[..., 2]
    return ~(frame.root_pos[..., 2] >= min_height) | ~(up >= jnp.cos(max_tilt))


def find_task(name: str) -> TaskFactory:
    """The class that `env.task` names: walk, or package.module:Class, found as Python finds modules.

    A module may lie in the working directory, too. Raises InputError in one sentence.
    """
    if name == WALK:
        return WalkingTask
    module_name, colon, class_name = name.partition(":")
    if not (colon and module_name and class_name.isidentifier()):
        raise InputError(f"env.task is '{name}'; expected {WALK}, or package.module:Class of your own")
    module = _import(name, module_name)
    if not hasattr(module, class_name):
        raise InputError(f"env.task is '{name}', but {module_name} has no '{class_name}'; {_classes(module)}")
    task = getattr(module, class_name)
    if missing := [method for method in METHODS if not callable(getattr(task, method, None))]:
        raise InputError(f"env.task is '{name}', but {class_name} has no {missing[0]}(); docs/tasks.md shows a task")
    return task


def _import(name: str, module_name: str) -> object:
    folder = os.getcwd()
    sys.path.append(folder)
    try:
        return importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        raise InputError(
            f"env.task is '{name}', but there is no Python module '{error.name}', neither installed nor in '{folder}'"
        ) from None
    finally:
        sys.path.remove(folder)


def _classes(module: object) -> str:
    found = [name for name, value in vars(module).items() if isinstance(value, type)]
    return nearest("", found) if found else "it has no class at all"
