"""The contract of a policy: what is measured, in which order, unit and frame, and what the targets go to."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

import numpy as np

from playground_amp.amp import AMP
from playground_amp.core import commands
from playground_amp.deploy.contract import OBSERVATION_VERSION
from playground_amp.envs.observations import ObservationTerm
from playground_amp.export.episodes import Episodes
from playground_amp.export.graph import PolicyArrays
from playground_amp.motion.features import feature_names
from playground_amp.robots import Robot

LEAST_SPEED = 5.0  # rad/s, of a joint that hardly moved at the export
LEAST_STEP = 0.02  # rad, of a target that hardly moved
GIVEN_BY = {  # term -> the reading it is made of, how, and what gives that reading
    "gravity": ("gravity", "as it is", "IMU: gravity's direction by its orientation filter, not the accelerometer"),
    "angular_velocity": ("gyro", "as it is", "IMU: gyroscope, turned into the frame of the root body"),
    "joint_positions": ("joint_positions", "minus default", "encoders of the joints, zero as in robot.xml"),
    "joint_velocities": ("joint_velocities", "as it is", "servos, or filtered differences of the encoders"),
    "previous_action": ("", "previous action", ""),
    "command": ("command", "as it is", "operator: m/s ahead, m/s to the left, rad/s to the left"),
    "label": ("gait", "one of the gaits", "operator: the gait asked for"),
}
UNITS = {"joint_positions": "rad"}  # of readings that are not their terms'


def interface_of(amp: AMP, arrays: PolicyArrays, episodes: Episodes) -> dict[str, Any]:
    """The part `interface` of contract.json; plain numbers and texts, in the file's order."""
    env, robot, config = amp.env, amp.env.robot, amp.env.config
    labels = list(env.reference.gaits.names) if env.labelled else []
    return {
        "robot": robot.name,
        "root": robot.root,
        "features_sha256": hashlib.sha256(json.dumps(feature_names(robot)).encode()).hexdigest(),
        "observation_version": OBSERVATION_VERSION,
        "rate": round(1.0 / config.control_dt, 9),
        "history": int(config.history),
        "joints": _joints(amp, arrays, episodes),
        "held": _held(amp.env.robot),
        "observation": _terms(env.actor_terms),
        "readings": _readings(env.actor_terms),
        "command": _commands(amp),
        "gaits": labels,
        "fallen": {"lowest_root": float(config.min_height), "largest_tilt": float(config.max_tilt)},
        "symmetric": bool(amp.config.networks.symmetric),
    }


def _joints(amp: AMP, arrays: PolicyArrays, episodes: Episodes) -> list[dict[str, Any]]:
    robot, model = amp.env.robot, amp.env.robot.model
    columns = {
        "default": arrays.default,
        "home": np.asarray(robot.home),
        "scale": arrays.scale,
        "lower": arrays.lower,
        "upper": arrays.upper,
        "kp": model.actuator_gainprm[:, 0],
        "kd": -model.actuator_biasprm[:, 2],
        "torque_limit": model.actuator_forcerange[:, 1],
        "largest_step": np.maximum(episodes.largest_step(), LEAST_STEP),
        "largest_speed": np.maximum(np.abs(episodes.qvel[..., 6:]).max(axis=(0, 1)), LEAST_SPEED),
    }
    exact = {"default", "scale", "lower", "upper"}  # the policy computes with these
    return [
        {"name": joint}
        | {key: float(values[i]) if key in exact else float(f"{values[i]:.6g}") for key, values in columns.items()}
        for i, joint in enumerate(robot.joints)
    ]


def _held(robot: Robot) -> list[dict[str, Any]]:
    """Joints that the policy knows nothing of, and the robot's own servos hold."""
    return [
        {"name": joint} | {"angle": one.angle, "kp": one.servo.kp, "kd": one.servo.kv, "torque_limit": one.servo.torque}
        for joint, one in robot.held.items()
    ]


def _terms(terms: list[ObservationTerm]) -> list[dict[str, Any]]:
    found, offset = [], 0
    for term in terms:
        reading, rule, _ = GIVEN_BY.get(term.name, (term.name, "as it is", ""))
        size, about = len(term.labels), {"unit": term.unit, "frame": term.frame}
        place = {"name": term.name, "offset": offset, "size": size}
        found.append(place | about | {"reading": reading, "rule": rule, "labels": list(term.labels)})
        offset += size
    return found


def _readings(terms: list[ObservationTerm]) -> list[dict[str, Any]]:
    """What the robot has to tell; a term of the task's own is a reading that somebody has to estimate."""
    found = []
    for term in terms:
        own = f"an estimator of your own: the task's observation term '{term.name}'"
        reading, _, source = GIVEN_BY.get(term.name, (term.name, "as it is", own))
        if reading:
            about = {"unit": UNITS.get(term.name, term.unit), "frame": term.frame, "source": source}
            needs = term.name not in GIVEN_BY
            found.append({"name": reading, "size": len(term.labels)} | about | {"needs_estimator": needs})
    return found


def _commands(amp: AMP) -> list[dict[str, Any]]:
    command = amp.env.config.command
    straight = (0.0, 0.0)
    ranges = [amp.env.speed_range, *((straight, straight) if amp.env.labelled else (command.sideways, command.turn))]
    if command.stand_share or amp.env.labelled:
        ranges = [(min(0.0, low), max(0.0, high)) for low, high in ranges]
    return [
        {"name": name, "unit": unit, "low": float(low), "high": float(high)}
        for name, unit, (low, high) in zip(commands.NAMES, commands.UNITS, ranges, strict=True)
    ]


def markdown_of_held(interface: Mapping[str, Any]) -> str:
    """The README's table of the joints that are held; nothing where there are none."""
    if not interface["held"]:
        return ""
    rows = ["| joint held | at, rad | kp | kd | torque, N m |", "|---|---|---|---|---|"]
    rows += [
        f"| {one['name']} | {one['angle']:.4f} | {one['kp']:g} | {one['kd']:g} | {one['torque_limit']:g} |"
        for one in interface["held"]
    ]
    return "\n".join(rows)


def markdown_tables(interface: Mapping[str, Any]) -> tuple[str, str, str]:
    """Readings, observation and joints of the README."""
    readings = ["| reading | numbers | unit | frame | from |", "|---|---|---|---|---|"]
    for one in interface["readings"]:
        source = one["source"] + (" (**needs an estimator**)" if one["needs_estimator"] else "")
        readings.append(f"| `{one['name']}` | {one['size']} | {one['unit']} | {one['frame'] or '-'} | {source} |")
    terms = ["| place | term | made of |", "|---|---|---|"]
    for term in interface["observation"]:
        last = term["offset"] + term["size"] - 1
        made = (
            f"`{term['reading']}`, {term['rule']}" if term["reading"] else "the action of the step before, 0 at first"
        )
        terms.append(f"| {term['offset']}-{last} | {term['name']} | {made} |")
    joints = ["| | joint | default, rad | scale, rad | range, rad | kp | kd | torque, N m |", "|---|" + "---|" * 7]
    for i, one in enumerate(interface["joints"]):
        numbers = f"{one['default']:.4f} | {one['scale']:g} | {one['lower']:.3f} to {one['upper']:.3f}"
        servo = f"{one['kp']:g} | {one['kd']:g} | {one['torque_limit']:g}"
        joints.append(f"| {i} | {one['name']} | {numbers} | {servo} |")
    return "\n".join(readings), "\n".join(terms), "\n".join(joints)
