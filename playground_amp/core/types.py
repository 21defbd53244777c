"""Arrays that travel between the parts: frozen pytrees with the shape and unit on every field.

Leading axes written `...` broadcast: a robot batch [B], a rollout [T, B], a clip [N]. Quaternions are (w, x, y, z) and
rotate from the body frame to the world frame. J: actuated joints, P: foot pads, A: actions (= J).
"""

from __future__ import annotations

import jax
from flax import struct


class Frame(struct.PyTreeNode):
    """The kinematic state of a robot at one control step: what MuJoCo's kinematics give for a `qpos`."""

    root_pos: jax.Array  # [..., 3] m, world
    root_quat: jax.Array  # [..., 4] unit, world from root
    joint_pos: jax.Array  # [..., J] rad, actuator order
    pad_height: jax.Array  # [..., P] m, lowest point of each foot pad above the ground


class Dynamics(struct.PyTreeNode):
    """In what the robots and the world under them differ from the model; factors unless a unit is named."""

    friction: jax.Array  # [..., 1] on sliding friction
    mass: jax.Array  # [..., 1] on mass and inertia of all bodies
    center_of_mass: jax.Array  # [..., 3] m, shift of that of the heaviest body, in the body's frame
    stiffness: jax.Array  # [..., A] of the servos
    damping: jax.Array  # [..., A] of the servos
    armature: jax.Array  # [..., A] of the joints
    torque_limit: jax.Array  # [..., 1] of all servos
    gravity: jax.Array  # [..., 3] direction of gravity, a unit vector in the world: z is perpendicular to the ground


class PhysicsState(struct.PyTreeNode):
    """All that a physics step reads and writes, and what it derives at the new state."""

    qpos: jax.Array  # [B, nq] m, unit quaternion, rad
    qvel: jax.Array  # [B, nv] m/s (world), rad/s (root: body frame)
    warmstart: jax.Array  # [B, nv] acceleration the constraint solver starts from
    pad_height: jax.Array  # [B, P] m, at qpos
    torque: jax.Array  # [B, A] N m, actuator torque over the last substep
    dynamics: Dynamics | None = None  # of each robot; None: all are as the model is


class Outcome(struct.PyTreeNode):
    """What one control step led to: the truth, taken before any reset."""

    privileged: jax.Array  # [..., C] what the critic sees after the step
    amp_window: jax.Array  # [..., S, F] AMP features of the last S steps, oldest first; a window and its dilation
    task_reward: jax.Array  # [...] 0..1
    cost: jax.Array  # [...] at least 0, of the action
    terminated: jax.Array  # [...] bool, the robot fell, or its physics diverged: its future is worth nothing
    truncated: jax.Array  # [...] bool, the time limit ended the episode: its future is bootstrapped
    diverged: jax.Array  # [...] bool, physics gave no state; the rest stands for a step in which nothing moved
    command: jax.Array  # [..., 3] m/s, m/s, rad/s: see core/commands.py
    label: jax.Array  # [...] int32, gait asked for, an index of the reference's labels
    velocity: jax.Array  # [..., 3] as the command: of the root ahead and to the left, and its turning, over the step
    mean_velocity: jax.Array  # [..., 3] the same as a running mean over about a step of the feet
    episode_length: jax.Array  # [...] control steps of the episode so far
    episode_return: jax.Array  # [...] task reward of the episode so far


class Transition(struct.PyTreeNode):
    """One control step of every robot: what was seen, what was done, what came of it."""

    observation: jax.Array  # [..., O] what the actor saw
    privileged: jax.Array  # [..., C] what the critic saw
    action: jax.Array  # [..., A] sampled action, before scaling and clipping
    log_prob: jax.Array  # [...] of the action under the behaviour policy
    mean: jax.Array  # [..., A] behaviour policy's mean action
    outcome: Outcome
