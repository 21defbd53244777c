"""Domain randomization: dynamics, sensors, delays and pushes that differ from robot to robot and episode to episode.

After Tobin et al. 2017, https://arxiv.org/abs/1703.06907, and Peng et al. 2018, https://arxiv.org/abs/1710.06537. All
draws are even over the ranges of `env.randomize`, but the noise, which is normal. What is off takes no part in the
computation: its state is None.
"""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct

from playground_amp.config import RandomizeConfig, is_number
from playground_amp.core import rotations
from playground_amp.core.terms import Mirror, paired, signed, unchanged
from playground_amp.core.types import Dynamics, PhysicsState
from playground_amp.envs.observations import ObservationTerm, View
from playground_amp.robots import Robot

OFF = RandomizeConfig()
OF_DYNAMICS = (
    "friction",
    "mass",
    "center_of_mass",
    "stiffness",
    "damping",
    "armature",
    "torque_limit",
    "slope",
)
SENSORS = {  # the observation terms that sensors give, in their order -> their name in env.randomize
    "gravity": "gravity",
    "angular_velocity": "gyro",
    "joint_positions": "encoder",
    "joint_velocities": "joint_velocity",
}


class Sensors(struct.PyTreeNode):
    """What the sensors of B robots tell: S numbers, those of the terms of SENSORS."""

    readings: jax.Array  # [B, D + 1, S] the last ones, newest last
    bias: jax.Array  # [B, S]
    delay: jax.Array  # [B, 1] int32, control steps, at most D

    @property
    def told(self) -> jax.Array:
        """[B, S] the readings that have come through."""
        return _delayed(self.readings, self.delay)


class Servos(struct.PyTreeNode):
    """Targets on their way to the servos of B robots."""

    targets: jax.Array  # [B, D, A] rad, the last ones, newest last; the pose at the start before there was one
    delay: jax.Array  # [B, 1] int32, control steps, at most D


class Randomization:
    """Binds the ranges and the robot; holds no state."""

    def __init__(self, config: RandomizeConfig, robot: Robot):
        self.config, self._joints = config, robot.num_joints
        self._mirror_joints = paired(*robot.mirror_joints)
        self._mirror_factors = paired(robot.mirror_joints[0])
        self._names = robot.joints
        self.varies_dynamics = any(self._is_on(name) for name in OF_DYNAMICS)
        self.varies_sensors = self._is_on("observation_delay") or any(
            self._is_on(f"{name}_{error}") for name in SENSORS.values() for error in ("noise", "bias")
        )
        self.delays_actions = self._is_on("action_delay")

    def _is_on(self, name: str) -> bool:
        value = getattr(self.config, name)
        traced = isinstance(value, tuple) and not all(map(is_number, value))
        return traced or value != getattr(OFF, name)

    def dynamics(self, key: jax.Array, count: int) -> Dynamics | None:
        """Of `count` robots; consumes `key`."""
        if not self.varies_dynamics:
            return None
        config, keys = self.config, iter(jax.random.split(key, 9))

        def factor(bounds: tuple[float, float], size: int = 1) -> jax.Array:
            return jax.random.uniform(next(keys), (count, size), minval=bounds[0], maxval=bounds[1])

        shift = config.center_of_mass
        return Dynamics(
            friction=factor(config.friction),
            mass=factor(config.mass),
            center_of_mass=factor((-shift, shift), 3),
            stiffness=factor(config.stiffness, self._joints),
            damping=factor(config.damping, self._joints),
            armature=factor(config.armature, self._joints),
            torque_limit=factor(config.torque_limit),
            gravity=downward(factor((0.0, config.slope)), factor((0.0, 2.0 * np.pi))),
        )

    def start_sensors(self, key: jax.Array, truth: jax.Array) -> Sensors | None:
        """Sensors at the start of an episode, of the true readings [B, S]; consumes `key`."""
        if not self.varies_sensors:
            return None
        bias_key, delay_key, noise_key = jax.random.split(key, 3)
        bias = self._scales("bias") * jax.random.uniform(bias_key, truth.shape, minval=-1.0)
        delay = _draw_delay(delay_key, len(truth), self.config.observation_delay)
        first = self._measured(noise_key, truth, bias)
        readings = jnp.repeat(first[:, None], self.config.observation_delay[1] + 1, axis=1)
        return Sensors(readings=readings, bias=bias, delay=delay)

    def measure(self, key: jax.Array, sensors: Sensors, truth: jax.Array) -> Sensors:
        """Sensors one control step later, of the true readings [B, S] then; consumes `key`."""
        newest = self._measured(key, truth, sensors.bias)
        return sensors.replace(readings=jnp.concatenate([sensors.readings[:, 1:], newest[:, None]], axis=1))

    def _measured(self, key: jax.Array, truth: jax.Array, bias: jax.Array) -> jax.Array:
        """Readings with noise and bias [B, S]; gravity, which comes first, stays a unit vector where it has any."""
        found = truth + bias + self._scales("noise") * jax.random.normal(key, truth.shape)
        if not (self.config.gravity_noise or self.config.gravity_bias):
            return found
        gravity = found[:, :3] / jnp.linalg.norm(found[:, :3], axis=-1, keepdims=True)
        return found.at[:, :3].set(gravity)

    def _scales(self, error: str) -> jax.Array:
        """Size of the noise or the bias of every reading [S]."""
        sizes = (3, 3, self._joints, self._joints)
        values = [getattr(self.config, f"{name}_{error}") for name in SENSORS.values()]
        return jnp.asarray(np.repeat(values, sizes), jnp.float32)

    def start_servos(self, key: jax.Array, pose: jax.Array) -> Servos | None:
        """Servos at the start of an episode, which hold the pose [B, A] rad; consumes `key`."""
        if not self.delays_actions:
            return None
        most = self.config.action_delay[1]
        delay = _draw_delay(key, len(pose), self.config.action_delay)
        return Servos(targets=jnp.repeat(pose[:, None], most, axis=1), delay=delay)

    def send(self, servos: Servos, target: jax.Array) -> tuple[jax.Array, Servos]:
        """The targets [B, A] that arrive in the control step in which `target` [B, A] is sent; and the others."""
        targets = jnp.concatenate([servos.targets, target[:, None]], axis=1)
        return _delayed(targets, servos.delay), servos.replace(targets=targets[:, 1:])

    def push(self, key: jax.Array, physics: PhysicsState, steps: jax.Array) -> PhysicsState:
        """Robots with a push due after `steps` [B] control steps get other velocities of the root; consumes `key`."""
        if not self._is_on("push"):
            return physics
        size_key, angle_key = jax.random.split(key)
        low, high = self.config.push
        size = jax.random.uniform(size_key, (len(steps), 1), minval=low, maxval=high)
        angle = jax.random.uniform(angle_key, (len(steps), 1), maxval=2.0 * np.pi)
        change = size * jnp.concatenate([jnp.cos(angle), jnp.sin(angle)], axis=-1)
        due = (steps > 0) & (steps % self.config.push_interval == 0)
        return physics.replace(qvel=physics.qvel.at[:, :2].add(jnp.where(due[:, None], change, 0.0)))

    def critic_terms(self) -> list[ObservationTerm]:
        """What was drawn for each robot, for the critic: the parameters that are randomized, in order."""
        one, vector = unchanged(1), signed(1.0, -1.0, 1.0)
        known: list[tuple[str, str, str, list[str], Mirror, Callable[[View], jax.Array]]] = [
            ("friction", "factor", "", ["friction"], one, lambda view: view.dynamics.friction),
            ("mass", "factor", "", ["mass"], one, lambda view: view.dynamics.mass),
            (
                "center_of_mass",
                "m",
                "body",
                [f"center of mass {axis}" for axis in "xyz"],
                vector,
                lambda view: view.dynamics.center_of_mass,
            ),
            self._of_joints("stiffness", lambda view: view.dynamics.stiffness),
            self._of_joints("damping", lambda view: view.dynamics.damping),
            self._of_joints("armature", lambda view: view.dynamics.armature),
            ("torque_limit", "factor", "", ["torque limit"], one, lambda view: view.dynamics.torque_limit),
            ("slope", "unit vector", "heading", ["slope x", "slope y"], signed(1.0, -1.0), _slope),
            ("action_delay", "control steps", "", ["action delay"], one, lambda view: _delay_of(view.servos)),
            (
                "observation_delay",
                "control steps",
                "",
                ["observation delay"],
                one,
                lambda view: _delay_of(view.sensors),
            ),
        ]
        terms = [ObservationTerm(*term) for term in known if self._is_on(term[0])]
        if any(self._is_on(f"{name}_bias") for name in SENSORS.values()):
            terms.append(self._bias_term())
        return terms

    def _of_joints(self, name: str, value: Callable[[View], jax.Array]) -> tuple:
        labels = [f"{joint} {name}" for joint in self._names]
        return name, "factor", "joint", labels, self._mirror_factors, value

    def _bias_term(self) -> ObservationTerm:
        joints = [f"{joint} {kind} bias" for kind in ("encoder", "joint velocity") for joint in self._names]
        labels = [f"{kind} bias {axis}" for kind in ("gravity", "gyro") for axis in "xyz"] + joints
        vectors = signed(1.0, -1.0, 1.0, -1.0, 1.0, -1.0)
        joint = self._mirror_joints
        partner = [vectors.partner, 6 + joint.partner, 6 + self._joints + joint.partner]
        mirror = Mirror(np.concatenate(partner), np.concatenate([vectors.sign, joint.sign, joint.sign]))
        return ObservationTerm("bias", "as the reading", "as the reading", labels, mirror, _bias)


def downward(slope: jax.Array, direction: jax.Array) -> jax.Array:
    """Direction of gravity [..., 3] where the ground falls by a = `slope` towards b = `direction`, [..., 1] rad each.

    In the frame of the ground, whose z is perpendicular to it: (sin a cos b, sin a sin b, -cos a).
    """
    along = jnp.sin(slope)
    return jnp.concatenate([along * jnp.cos(direction), along * jnp.sin(direction), -jnp.cos(slope)], axis=-1)


def _draw_delay(key: jax.Array, count: int, bounds: tuple[int, int]) -> jax.Array:
    return jax.random.randint(key, (count, 1), bounds[0], bounds[1] + 1)


def _delayed(series: jax.Array, delay: jax.Array) -> jax.Array:
    """Of the last values [B, N, n], newest last, those `delay` [B, 1] before the newest: [B, n]."""
    place = series.shape[1] - 1 - delay
    return jnp.take_along_axis(series, place[..., None], axis=1)[:, 0]


def _delay_of(late: Sensors | Servos | None) -> jax.Array:
    assert late is not None
    return late.delay.astype(jnp.float32)


def _bias(view: View) -> jax.Array:
    assert view.sensors is not None
    return view.sensors.bias


def _slope(view: View) -> jax.Array:
    """Horizontal part of the direction of gravity, ahead and to the left [B, 2]: where the ground falls to."""
    return rotations.to_heading(view.physics.qpos[:, 3:7], view.dynamics.gravity)[:, :2]
