"""What policy and critic see: the tables of observation terms.

Names, sizes and reflections of observations, the documentation and the layout of a checkpoint follow from the tables.
The actor sees ACTOR, what the task adds, and the label of the gait where there are several; the critic sees that and
CRITIC, what only a simulator knows, the randomized parameters among it (envs/randomization.py). The critic sees the
truth, the actor what its sensors tell.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import jax
import jax.numpy as jnp

from playground_amp.core import commands, rotations
from playground_amp.core.terms import Mirror, paired, signed, unchanged
from playground_amp.core.types import Dynamics, PhysicsState
from playground_amp.robots import Robot

if TYPE_CHECKING:
    from playground_amp.envs.randomization import Sensors, Servos


class View(NamedTuple):
    """What the terms are worked out from, for B robots at one moment."""

    physics: PhysicsState
    previous_action: jax.Array  # [B, A]
    command: jax.Array  # [B, 3] m/s, m/s, rad/s
    label: jax.Array  # [B] int32, gait asked for
    mean_pose: jax.Array  # [J] rad, mean joint positions of the reference
    sensors: Sensors | None = None  # where they are randomized
    servos: Servos | None = None  # where they are randomized

    @property
    def dynamics(self) -> Dynamics:
        """Of each robot, where they are randomized."""
        assert self.physics.dynamics is not None
        return self.physics.dynamics


@dataclass(frozen=True, eq=False)
class ObservationTerm:
    """A row of a table, for one robot."""

    name: str
    unit: str
    frame: str
    labels: Sequence[str]  # a name for each number
    mirror: Mirror
    value: Callable[[View], jax.Array]  # [B, size]


def actor_terms(robot: Robot) -> list[ObservationTerm]:
    """What an IMU, encoders and the operator tell, in order."""
    joints, mirror = robot.joints, paired(*robot.mirror_joints)
    return [
        ObservationTerm(
            "gravity",
            unit="unit vector",
            frame="root",
            labels=[f"gravity {axis}" for axis in "xyz"],
            mirror=signed(1.0, -1.0, 1.0),
            value=_gravity,
        ),
        ObservationTerm(
            "angular_velocity",
            unit="rad/s",
            frame="root",
            labels=[f"angular velocity {axis}" for axis in "xyz"],
            mirror=signed(-1.0, 1.0, -1.0),
            value=lambda view: view.physics.qvel[:, 3:6],
        ),
        ObservationTerm(
            "joint_positions",
            unit="rad, from the mean reference pose",
            frame="joint",
            labels=[f"{joint} position" for joint in joints],
            mirror=mirror,
            value=lambda view: view.physics.qpos[:, 7:] - view.mean_pose,
        ),
        ObservationTerm(
            "joint_velocities",
            unit="rad/s",
            frame="joint",
            labels=[f"{joint} velocity" for joint in joints],
            mirror=mirror,
            value=lambda view: view.physics.qvel[:, 6:],
        ),
        ObservationTerm(
            "previous_action",
            unit="action",
            frame="joint",
            labels=[f"{joint} previous action" for joint in joints],
            mirror=mirror,
            value=lambda view: view.previous_action,
        ),
        ObservationTerm(
            "command",
            unit="m/s and rad/s",
            frame="heading",
            labels=[f"command {name}" for name in commands.NAMES],
            mirror=signed(*commands.MIRROR),
            value=lambda view: view.command,
        ),
    ]


def label_terms(names: Sequence[str]) -> list[ObservationTerm]:
    """Which of several gaits is asked for, one of L; nothing where there is no choice."""
    if not names:
        return []
    return [
        ObservationTerm(
            "label",
            unit="0 or 1",
            frame="",
            labels=[f"gait {name}" for name in names],
            mirror=unchanged(len(names)),
            value=lambda view: jax.nn.one_hot(view.label, len(names)),
        )
    ]


def critic_terms(robot: Robot) -> list[ObservationTerm]:
    """What only a simulator knows, in order."""
    return [
        ObservationTerm(
            "velocity",
            unit="m/s",
            frame="heading",
            labels=[f"velocity {axis}" for axis in "xyz"],
            mirror=signed(1.0, -1.0, 1.0),
            value=lambda view: rotations.to_heading(view.physics.qpos[:, 3:7], view.physics.qvel[:, :3]),
        ),
        ObservationTerm(
            "root_height",
            unit="m",
            frame="world",
            labels=["root height"],
            mirror=signed(1.0),
            value=lambda view: view.physics.qpos[:, 2:3],
        ),
        ObservationTerm(
            "pad_heights",
            unit="m",
            frame="world",
            labels=[f"{pad} height" for pad in robot.pads],
            mirror=paired(robot.mirror_pads),
            value=lambda view: view.physics.pad_height,
        ),
    ]


def observe(terms: Sequence[ObservationTerm], view: View) -> jax.Array:
    """The observation [B, O] of a table."""
    return jnp.concatenate([term.value(view) for term in terms], axis=-1)


def _gravity(view: View) -> jax.Array:
    down = jnp.array([0.0, 0.0, -1.0])
    if (dynamics := view.physics.dynamics) is not None:  # as an IMU feels it: the ground may slope
        down = dynamics.gravity
    return rotations.rotate_inverse(view.physics.qpos[:, 3:7], down)
