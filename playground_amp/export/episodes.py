"""Episodes of the mean policy in the environment it was trained in: what exports are held against."""

from __future__ import annotations

from dataclasses import dataclass

import jax
import numpy as np

from playground_amp.amp import AMP, TrainState
from playground_amp.envs.env import EnvState


@dataclass(frozen=True)
class Episodes:
    """T control steps of B robots; float32."""

    qpos: np.ndarray  # [T, B, nq] m, unit quaternion, rad, before each step
    qvel: np.ndarray  # [T, B, nv] m/s, rad/s (root: body frame), rad/s
    command: np.ndarray  # [T, B, 3]
    label: np.ndarray  # [T, B] int32
    first: np.ndarray  # [T, B] bool, first step of an episode
    observation: np.ndarray  # [T, B, O], the whole history
    action: np.ndarray  # [T, B, J]
    target: np.ndarray  # [T, B, J] rad

    def largest_step(self) -> np.ndarray:
        """Largest change of each target in a control step within an episode, [J] rad."""
        change = np.abs(np.diff(self.target, axis=0))
        return np.where(self.first[1:, :, None], 0.0, change).max(axis=0).max(axis=0)


def roll(amp: AMP, state: TrainState, *, robots: int, steps: int, seed: int) -> Episodes:
    """Episodes of `robots` robots without randomization; those that end start anew."""
    env = amp.env.nominal
    lower, upper = env.joint_range.T
    params, statistics = state.policy.params.actor, state.statistics

    @jax.jit
    def run(key: jax.Array) -> dict[str, jax.Array]:
        def step(now: EnvState, _: object) -> tuple[EnvState, dict[str, jax.Array]]:
            observation = env.observe(now)[0]
            action = amp.policy(params, statistics, observation)[0]
            target = jax.numpy.clip(env.reference.mean_pose + env.action_scale * action, lower, upper)
            after = env.step(now, action)[0]
            return after, {
                "qpos": now.physics.qpos,
                "qvel": now.physics.qvel,
                "command": now.command,
                "label": now.label,
                "first": now.steps == 0,
                "observation": observation,
                "action": action,
                "target": target,
            }

        return jax.lax.scan(step, env.reset(key, robots), None, steps)[1]

    with jax.default_matmul_precision("highest"):  # an accelerator's quicker products are off by 1e-3
        return Episodes(**{name: np.asarray(value) for name, value in run(jax.random.key(seed)).items()})
