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


class PhysicsState(struct.PyTreeNode):
    """All that a physics step reads and writes, and what it derives at the new state."""

    qpos: jax.Array  # [B, nq] m, unit quaternion, rad
    qvel: jax.Array  # [B, nv] m/s (world), rad/s (root: body frame)
    warmstart: jax.Array  # [B, nv] acceleration the constraint solver starts from
    pad_height: jax.Array  # [B, P] m, at qpos
    torque: jax.Array  # [B, A] N m, actuator torque over the last substep


class Transition(struct.PyTreeNode):
    """One control step of every robot. `next_*` is the true outcome, taken before any reset."""

    observation: jax.Array  # [..., O] what the actor saw
    privileged: jax.Array  # [..., C] what the critic saw
    next_privileged: jax.Array  # [..., C] what the critic sees after the step, before a reset
    action: jax.Array  # [..., A] sampled action, before scaling and clipping
    log_prob: jax.Array  # [...] of the action under the behaviour policy
    mean: jax.Array  # [..., A] behaviour policy's mean action
    amp_window: jax.Array  # [..., K * F] discriminator input: the last K feature vectors, oldest first
    task_reward: jax.Array  # [...] reward of the task terms
    terminated: jax.Array  # [...] bool, the robot fell: its future is worth nothing
    truncated: jax.Array  # [...] bool, the time limit ended the episode: its future is bootstrapped
    info: dict[str, jax.Array]  # [...] each, for metrics only
