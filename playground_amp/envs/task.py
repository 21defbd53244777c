"""The task: what the robots are asked for, how well they do it, and when an episode is lost.

`Env` takes any class with the methods of `Task`; `env.task: package.module:Class` names a user's own. WalkingTask is
the first implementation: follow a command.
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

from playground_amp.config import FittedCommandConfig, FittedEnvConfig, asks_for_every_way, is_enabled
from playground_amp.core import rotations
from playground_amp.core.commands import STANDS, UNIT
from playground_amp.core.errors import InputError, nearest
from playground_amp.core.types import Frame, PhysicsState
from playground_amp.envs.observations import ObservationTerm
from playground_amp.motion.reference import Reference
from playground_amp.robots import Robot

NOISE = 0.25  # of UNIT, standard deviation, on commands that are taken from the reference
CALM = 0.3  # tolerance of the mean velocity of a robot that is told to stand, as a share of that of one that goes
SWAY, YAW = 0.05, 0.2  # m/s and rad/s, of the running mean of a walk that sways and turns with every step
LIFT = 0.03  # m, mean height of the pads at which a robot that is told to stand gets 1/e of its task reward
WALK = "walk"  # the name of WalkingTask in configurations
METHODS = ("sample_command", "reward", "terminated", "observation_terms")


class TaskStep(struct.PyTreeNode):
    """One control step of B robots, as a task sees it."""

    previous: Frame  # before the step
    current: Frame  # after it
    physics: PhysicsState  # after it
    velocity: jax.Array  # [B, 3] m/s, m/s, rad/s, as the command: of the root in the heading frame, over the step
    mean_velocity: jax.Array  # [B, 3] the same as a running mean over about a step of the feet
    action: jax.Array  # [B, A] of the step
    previous_action: jax.Array  # [B, A] of the step before
    command: jax.Array  # [B, 3] m/s, m/s, rad/s, see core/commands.py
    label: jax.Array  # [B] int32, gait asked for
    steps: jax.Array  # [B] int32, control steps of the episode so far, this one counted


class Task(Protocol):
    """What Env asks of a task; it is made by Class(config, robot, reference, labelled=...) and holds no state."""

    def sample_command(self, key: jax.Array, count: int) -> tuple[jax.Array, jax.Array]:
        """Gait [count] int32 and command [count, 3] to ask for; consumes `key`."""
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
    """Follow a command, upright; with `labelled` in the gait of a label, at a speed of its clips."""

    def __init__(self, config: FittedEnvConfig, robot: Robot, reference: Reference, *, labelled: bool):
        self.config, self.reference, self.labelled = config, reference, labelled

    def sample_command(self, key: jax.Array, count: int) -> tuple[jax.Array, jax.Array]:
        """Without labels see `sample_commands`, with labels every gait as often, at a speed ahead of its clips."""
        if not self.labelled:
            return jnp.zeros(count, jnp.int32), sample_commands(key, count, self.config.command, self.reference)
        gaits = self.reference.gaits
        label_key, speed_key = jax.random.split(key)
        label = jax.random.randint(label_key, (count,), 0, len(gaits.names))
        low, high = gaits.speed_range[label].T
        return label, ahead(low + (high - low) * jax.random.uniform(speed_key, (count,)))

    def reward(self, step: TaskStep) -> jax.Array:
        """See `track_command`; where any way may be asked for also `track_mean` and `stand_still`.

        Straight ahead the moment tells the way, and a reward for the mean makes steps quicker (docs/experiments.md).
        """
        tolerance = self.config.speed_tolerance
        follows = track_command(step.velocity, step.command, tolerance)
        if not asks_for_every_way(self.config.command):
            return follows
        mean = track_mean(step.mean_velocity, step.command, tolerance, self.config.turn_tolerance)
        mean *= stand_still(step.physics.pad_height, step.command)
        return follows * jnp.where(any_other_way(self.config.command), mean, 1.0)

    def terminated(self, step: TaskStep) -> jax.Array:
        """See `has_fallen`."""
        return has_fallen(step.current, self.config.min_height, self.config.max_tilt)

    def observation_terms(self) -> Sequence[ObservationTerm]:
        """Nothing: the command is there in any case."""
        return ()


def any_other_way(command: FittedCommandConfig) -> jax.Array:
    """Whether more than a speed ahead is asked for, bool: of a sweep, whose numbers are traced, of each member."""
    return jnp.any(jnp.asarray([*command.sideways, *command.turn, command.stand_share]) != 0.0)


def ahead(speed: jax.Array) -> jax.Array:
    """Commands [..., 3] to walk straight ahead at a speed [...] m/s."""
    return jnp.stack([speed, jnp.zeros_like(speed), jnp.zeros_like(speed)], axis=-1)


def sample_commands(key: jax.Array, count: int, config: FittedCommandConfig, reference: Reference) -> jax.Array:
    """Commands [count, 3]: a share zero, a share what the reference does at some moment, the rest from the ranges.

    Those of the reference get noise of NOISE and are cut to the ranges. Consumes `key`.
    """
    even_key, row_key, noise_key, choice_key = jax.random.split(key, 4)
    low, high = jnp.asarray([config.forward, config.sideways, config.turn], jnp.float32).T
    evenly = low + (high - low) * jax.random.uniform(even_key, (count, 3))
    commands = evenly
    if is_enabled(config.clip_share):
        shown = reference.command[reference.sample(row_key, count)]
        shown = jnp.clip(shown + NOISE * UNIT * jax.random.normal(noise_key, (count, 3)), low, high)
        chosen = jax.random.uniform(choice_key, (count, 1)) < config.clip_share
        commands = jnp.where(chosen, shown, evenly)
    if is_enabled(config.stand_share):
        stands = jax.random.uniform(jax.random.fold_in(choice_key, 1), (count, 1)) < config.stand_share
        commands = jnp.where(stands, 0.0, commands)
    return commands


def track_command(velocity: jax.Array, command: jax.Array, speed_tolerance: float) -> jax.Array:
    """Task reward [...] in 0..1 for going at a command (c, d, e) at each moment:

        exp(-(vx - c)^2 / s - 2 (vy - d)^2 - (wz - e)^2 / 10)

    with (vx, vy, wz) the velocity over the step, s the tolerance. What sways and turns with every step of the feet is
    judged widely: a narrow reward for the moment would be one for hurried short steps. [..., 3] in m/s, m/s, rad/s.
    """
    over = velocity - command
    return jnp.exp(-(over[..., 0] ** 2) / speed_tolerance - 2.0 * over[..., 1] ** 2 - 0.1 * over[..., 2] ** 2)


def track_mean(
    mean_velocity: jax.Array, command: jax.Array, speed_tolerance: float, turn_tolerance: float
) -> jax.Array:
    """Factor [...] in 0..1 of the task reward for going where the command (c, d, e) says, in the mean:

        exp(-h((mx - c, my - d), k SWAY) / (k sqrt(s)) - h(mz - e, k YAW) / (k sqrt(t))), h(x, r) = |(x, r)| - r

    with (mx, my, mz) the running mean of the velocity, s and t the tolerances, and k from CALM for a robot that is told
    to stand to 1 for one that is told to go at UNIT or more. h is a square within what is left of the sway in the mean,
    and steep beyond it: by a square alone a robot that should go aside at 0.3 m/s loses a seventh by going at 0.12. All
    [..., 3] in m/s, m/s, rad/s.
    """
    calm = CALM + (1.0 - CALM) * jnp.minimum(jnp.linalg.norm(command / UNIT, axis=-1), 1.0)
    over = mean_velocity - command
    speed = jnp.sqrt(over[..., 0] ** 2 + over[..., 1] ** 2 + (calm * SWAY) ** 2) - calm * SWAY
    turn = jnp.hypot(over[..., 2], calm * YAW) - calm * YAW
    return jnp.exp(-(speed / speed_tolerance**0.5 + turn / turn_tolerance**0.5) / calm)


def stand_still(pad_height: jax.Array, command: jax.Array) -> jax.Array:
    """Factor [...] in 0..1 of the task reward for feet that stay on the ground: exp(-mean of h / LIFT), 1 where the
    command [..., 3] is not to stand; h, `pad_height` [..., P] m, is that of each pad above the ground.
    """
    lifted = jnp.maximum(pad_height, 0.0).mean(axis=-1)
    stands = (jnp.abs(command) < STANDS).all(axis=-1)
    return jnp.where(stands, jnp.exp(-lifted / LIFT), 1.0)


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
