"""Settings that go with the robot and its clips: the numbers that stand for `auto` in the configuration's env."""

from __future__ import annotations

import dataclasses
from typing import Any, TypeVar

import numpy as np

from playground_amp.config import AUTO, CommandConfig, EnvConfig, asks_for_every_way
from playground_amp.core.errors import InputError
from playground_amp.motion.reference import Reference
from playground_amp.robots import Robot

LEAST_SCALE = 0.4  # rad, about half of what the joints of a walking leg move
OF_SATURATION = 0.25  # of the error at which a servo pulls with all its torque: more than LEAST_SCALE where it is soft
OF_LOWEST = 0.9  # of the lowest root of the clips
STANDS = 0.05  # m/s, and what speeds are rounded to
TURNS = 0.1  # rad/s, what turning is rounded to
EXTREMES = (2.0, 98.0)  # percent of the moments of the clips between which they go sideways and turn
CLIP_SHARE = 0.7
TOLERANCE = 0.24  # (m/s)^2 for 1 m of leg: squares of speeds go with lengths

KEYS = ("action_scale", "min_height", "speed_tolerance")
OF_COMMAND = ("forward", "sideways", "turn", "clip_share")

E = TypeVar("E", bound=EnvConfig)


def fit_to_robot(config: E, robot: Robot, reference: Reference) -> E:
    """`config` with numbers in place of every `auto` that follows the robot and its clips.

    Raises InputError for as many numbers of action_scale as the robot has no joints.
    """
    if isinstance(config.action_scale, tuple) and len(config.action_scale) != robot.num_joints:
        raise InputError(
            f"env.action_scale has {len(config.action_scale)} numbers, but '{robot.name}' has {robot.num_joints} "
            f"joints; give one number, one for each joint, or auto"
        )
    of = {
        "action_scale": lambda: _action_scale(robot),
        "min_height": lambda: _min_height(robot, reference),
        "speed_tolerance": lambda: float(f"{TOLERANCE * robot.leg_length:.1g}"),
    }
    numbers: dict[str, Any] = {key: number() for key, number in of.items() if is_auto(getattr(config, key))}
    command = _fitted_command(config.command, reference)
    numbers |= {} if command is config.command else {"command": command}
    return dataclasses.replace(config, **numbers) if numbers else config


def _fitted_command(command: CommandConfig, reference: Reference) -> CommandConfig:
    """`command` with the numbers of the clips; the share of commands that are taken from them is decided last."""
    of = {
        "forward": lambda: speeds_of_clips(reference),
        "sideways": lambda: _extremes(reference, 1, STANDS),
        "turn": lambda: _extremes(reference, 2, TURNS),
    }
    numbers: dict[str, Any] = {key: number() for key, number in of.items() if is_auto(getattr(command, key))}
    fitted = dataclasses.replace(command, **numbers) if numbers else command
    if not is_auto(fitted.clip_share):
        return fitted
    return dataclasses.replace(fitted, clip_share=CLIP_SHARE if asks_for_every_way(fitted) else 0.0)


def is_auto(value: Any) -> bool:
    """Whether a setting is not a number yet; what is traced is one."""
    return isinstance(value, str) and value == AUTO


def action_scale(config: EnvConfig, robot: Robot) -> Any:
    """Servo targets are this times the action away from the mean pose, rad: a number, or [J] for each joint."""
    scale = _action_scale(robot) if is_auto(config.action_scale) else config.action_scale
    return np.array(scale, np.float32) if isinstance(scale, tuple) else scale


def speeds_of_clips(reference: Reference) -> tuple[float, float]:
    """From the slowest to the fastest clip that goes ahead, m/s, or furthest backward where some go backward."""
    speeds = [STANDS * round(clip.command_speed / STANDS) for clip in reference.clips.training]
    moving = [round(speed, 2) for speed in speeds if speed] or [0.0]
    return min(moving), max(moving)


def _extremes(reference: Reference, axis: int, step: float) -> tuple[float, float]:
    """Least and greatest of what the clips do on an axis of the command, rare moments left out, rounded to `step`."""
    low, high = np.percentile(np.asarray(reference.command)[:, axis], EXTREMES)
    return round(step * round(float(low) / step), 2), round(step * round(float(high) / step), 2)


def in_words(before: EnvConfig, after: EnvConfig) -> str:
    """The numbers that took the place of `auto`, in one line; nothing where there was none."""
    found = [(key, getattr(before, key), getattr(after, key)) for key in KEYS]
    found += [(f"command.{key}", getattr(before.command, key), getattr(after.command, key)) for key in OF_COMMAND]
    return ", ".join(f"env.{key}={_number(new)}" for key, old, new in found if is_auto(old))


def _number(value: Any) -> str:
    """As the command line takes it; of a number for each joint the least and the greatest."""
    if isinstance(value, tuple) and len(value) > 2:
        return f"{min(value):g} to {max(value):g}, by joint"
    return f"[{','.join(f'{one:g}' for one in value)}]" if isinstance(value, tuple) else f"{value:g}"


def _action_scale(robot: Robot) -> float | tuple[float, ...]:
    """One number where all joints have the same; the servos of the model are those of the joints, in their order."""
    saturation = robot.model.actuator_forcerange[:, 1] / robot.model.actuator_gainprm[:, 0]
    scales = tuple(round(max(LEAST_SCALE, OF_SATURATION * float(error)), 2) for error in saturation)
    return scales if len(set(scales)) > 1 else scales[0]


def _min_height(robot: Robot, reference: Reference) -> float:
    """The height below which a robot that stands has fallen, less where the clips' root goes low, m."""
    lowest = float(np.asarray(reference.qpos)[:, 2].min())
    return round(max(0.0, min(robot.fallen_height, OF_LOWEST * lowest)), 2)
