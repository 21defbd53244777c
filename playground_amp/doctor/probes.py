"""What the doctor measures: a short rollout, and the reference's own motion sent through both feature pipelines."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from scipy.spatial.transform import Rotation

from playground_amp.amp import AMP, Statistics
from playground_amp.core.quiet_imports import running_statistics
from playground_amp.doctor.feature_consistency import FeatureTrace
from playground_amp.envs import env as environment
from playground_amp.envs.env import EnvState
from playground_amp.motion import reference_builder
from playground_amp.motion.reference_builder import Reference

ROBOTS, STEPS = 64, 100  # of the rollout
PAIRS = 128  # steps of the reference sent through both sides, at every yaw
YAWS = (0.0, 90.0, 180.0, 250.0)  # degrees
SHIFT = (3.0, -2.0)  # m

PolicyFunction = Callable[[jax.Array, jax.Array], jax.Array]  # (observation [B, O], key) -> action [B, A]


@dataclass(frozen=True, eq=False)
class ProbeData:
    """The rollout of a policy, and the features that both sides of the pipeline make of known motion."""

    policy_features: np.ndarray  # [M, F] of the rollout, not normalised
    traces: list[FeatureTrace]
    starts: EnvState  # fresh states, of the rollout


def gather(amp: AMP, policy: PolicyFunction | None = None) -> ProbeData:
    """Roll out `policy`, by default that of `untrained`, and send the reference's motion through both pipelines.

    The motion is turned and shifted, for features must not change by it.
    """
    starts, rollout = roll_out(amp, policy or untrained(amp))
    steps = consecutive(amp.env.reference)
    chosen = steps[np.linspace(0, len(steps) - 1, min(PAIRS, len(steps))).astype(int)]
    turned = [turned_states(amp.env.reference, chosen, yaw) for yaw in np.deg2rad(YAWS)]
    qpos0, qvel0, qpos1, qvel1 = (np.concatenate(states) for states in zip(*turned, strict=True))
    traces = [
        rollout,
        as_stored(amp.env.reference, steps),
        on_policy_side(amp, qpos0, qvel0, qpos1, qvel1),
        on_reference_side(amp, qpos0, qpos1),
    ]
    return ProbeData(rollout.features, traces, starts)


def untrained(amp: AMP) -> PolicyFunction:
    """A policy of which half of the robots hold the home pose, and half act as the untrained actor with its noise."""
    env = amp.env
    home = (jnp.asarray(env.robot.home, jnp.float32) - env.reference.mean_pose) / env.action_scale
    observation = jax.eval_shape(lambda: env.observe(env.reset(jax.random.key(0), 1))[0])
    params = amp.actor.init(jax.random.key(amp.config.ppo.seed), jnp.zeros(observation.shape))
    blank = running_statistics.init_state(jnp.zeros(observation.shape[1:]))
    statistics = Statistics(observation=blank, privileged=blank)

    def act(observation: jax.Array, key: jax.Array) -> jax.Array:
        mean, log_std = amp.policy(params, statistics, observation)
        noisy = mean + jnp.exp(log_std) * jax.random.normal(key, mean.shape)
        holds = jnp.arange(len(mean)) < len(mean) // 2
        return jnp.where(holds[:, None], home, noisy)

    return act


def roll_out(amp: AMP, policy: PolicyFunction) -> tuple[EnvState, FeatureTrace]:
    """Fresh states [ROBOTS], and the features of every step of a rollout from them that ended no episode."""

    def step(state: EnvState, key: jax.Array) -> tuple[EnvState, tuple[jax.Array, ...]]:
        after, outcome = amp.env.step(state, policy(amp.env.observe(state)[0], key))
        goes_on = ~(outcome.terminated | outcome.truncated)
        return after, (state.physics.qpos, after.physics.qpos, outcome.amp_window[:, -1], goes_on)

    @jax.jit
    def run(key: jax.Array) -> tuple[EnvState, tuple[jax.Array, ...]]:
        starts = amp.env.reset(key, ROBOTS)
        return starts, jax.lax.scan(step, starts, jax.random.split(key, STEPS))[1]

    starts, series = run(jax.random.key(amp.config.ppo.seed))
    previous, current, features, goes_on = (np.asarray(x).reshape(-1, *x.shape[2:]) for x in series)
    return starts, FeatureTrace("policy", previous[goes_on], current[goes_on], features[goes_on])


def consecutive(reference: Reference) -> np.ndarray:
    """Indices i of the reference's frames that follow frame i - 1 in one motion: no jump of the root."""
    jump = np.linalg.norm(np.diff(np.asarray(reference.qpos)[:, :3], axis=0), axis=1)
    return 1 + np.flatnonzero(jump <= max(10.0 * float(np.median(jump)), 0.02))


def as_stored(reference: Reference, indices: np.ndarray) -> FeatureTrace:
    """The steps to the frames `indices` of the reference, with the features in the windows that training samples."""
    qpos = np.asarray(reference.qpos)
    return FeatureTrace("reference", qpos[indices - 1], qpos[indices], np.asarray(reference.windows)[indices, -1])


def turned_states(reference: Reference, indices: np.ndarray, yaw: float) -> list[np.ndarray]:
    """qpos [N, nq] and qvel [N, nv] before, then after the steps to the frames `indices` of the reference.

    They are turned by `yaw` rad about the vertical and shifted by SHIFT.
    """
    qpos, qvel = np.asarray(reference.qpos, np.float64), np.asarray(reference.qvel, np.float64)
    states = [(qpos[at].copy(), qvel[at].copy()) for at in (indices - 1, indices)]
    spin = Rotation.from_rotvec([0.0, 0.0, yaw])
    for q, v in states:
        q[:, :3] = spin.apply(q[:, :3]) + np.array([*SHIFT, 0.0])
        q[:, 3:7] = (spin * Rotation.from_quat(q[:, 3:7], scalar_first=True)).as_quat(scalar_first=True)
        v[:, :3] = spin.apply(v[:, :3])
    return [array.astype(np.float32) for state in states for array in state]


def on_policy_side(
    amp: AMP, qpos0: np.ndarray, qvel0: np.ndarray, qpos1: np.ndarray, qvel1: np.ndarray
) -> FeatureTrace:
    """Steps between states [N, nq], [N, nv] through the engine and `Env.features`, as the policy's go."""

    @jax.jit
    def features(qpos0: jax.Array, qvel0: jax.Array, qpos1: jax.Array, qvel1: jax.Array) -> jax.Array:
        previous, current = amp.env.physics.init(qpos0, qvel0), amp.env.physics.init(qpos1, qvel1)
        return amp.env.features(environment.frame_of(previous), environment.frame_of(current))

    return FeatureTrace("policy", qpos0, qpos1, np.asarray(features(qpos0, qvel0, qpos1, qvel1)))


def on_reference_side(amp: AMP, qpos0: np.ndarray, qpos1: np.ndarray) -> FeatureTrace:
    """Steps between states [N, nq] through what makes the reference, each as a motion of two frames."""
    steps = list(np.stack([qpos0, qpos1], axis=1))
    features = reference_builder.motion_features(steps, amp.env.robot, control_dt=amp.env.config.control_dt)
    return FeatureTrace("reference", qpos0, qpos1, np.concatenate(features))
