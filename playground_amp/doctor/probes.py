"""What the doctor looks at: a short rollout, and the reference's own motion sent through both sides of the pipeline."""

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

Policy = Callable[[jax.Array, jax.Array], jax.Array]  # (observation [B, O], key) -> action [B, A]


@dataclass(frozen=True, eq=False)
class ProbeData:
    """Everything that is examined; a test can alter any part."""

    policy: np.ndarray  # [M, F] features of the rollout
    passages: list[FeatureTrace]
    starts: EnvState  # of the rollout


def gather(amp: AMP, policy: Policy | None = None) -> ProbeData:
    """Roll out `policy`, by default an untrained one and the home pose, and turn the reference's motion."""
    starts, rollout = roll_out(amp, policy or untrained(amp))
    steps = consecutive(amp.env.reference)
    chosen = steps[np.linspace(0, len(steps) - 1, min(PAIRS, len(steps))).astype(int)]
    turned = [turn(amp.env.reference, chosen, yaw) for yaw in np.deg2rad(YAWS)]
    states = [np.concatenate(states) for states in zip(*turned, strict=True)]
    passages = [rollout, as_stored(amp.env.reference, steps), on_policy_side(amp, *states)]
    return ProbeData(rollout.features, [*passages, on_reference_side(amp, states[0], states[2])], starts)


def untrained(amp: AMP) -> Policy:
    """Half of the robots hold the home pose, the others act as the untrained actor with its noise does."""
    env = amp.env
    home = (jnp.asarray(env.robot.home, jnp.float32) - env.reference.mean_pose) / env.config.action_scale
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


def roll_out(amp: AMP, policy: Policy) -> tuple[EnvState, FeatureTrace]:
    """Fresh states, and every step of a rollout that ended no episode."""

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
    """Rows i of the reference that follow row i - 1 in one motion: no jump of the root."""
    jump = np.linalg.norm(np.diff(np.asarray(reference.qpos)[:, :3], axis=0), axis=1)
    return 1 + np.flatnonzero(jump <= max(10.0 * float(np.median(jump)), 0.02))


def as_stored(reference: Reference, rows: np.ndarray) -> FeatureTrace:
    """The reference's windows as training samples them."""
    qpos = np.asarray(reference.qpos)
    return FeatureTrace("reference", qpos[rows - 1], qpos[rows], np.asarray(reference.windows)[rows, -1])


def turn(reference: Reference, rows: np.ndarray, yaw: float) -> list[np.ndarray]:
    """States (qpos, qvel) before and after each step, turned by `yaw` rad about the vertical and shifted."""
    qpos, qvel = np.asarray(reference.qpos, np.float64), np.asarray(reference.qvel, np.float64)
    states = [(qpos[at].copy(), qvel[at].copy()) for at in (rows - 1, rows)]
    spin = Rotation.from_rotvec([0.0, 0.0, yaw])
    for q, v in states:
        q[:, :3] = spin.apply(q[:, :3]) + np.array([*SHIFT, 0.0])
        q[:, 3:7] = (spin * Rotation.from_quat(q[:, 3:7], scalar_first=True)).as_quat(scalar_first=True)
        v[:, :3] = spin.apply(v[:, :3])
    return [array.astype(np.float32) for state in states for array in state]


def on_policy_side(
    amp: AMP, qpos0: np.ndarray, qvel0: np.ndarray, qpos1: np.ndarray, qvel1: np.ndarray
) -> FeatureTrace:
    """Steps of the reference through the engine and `Env.features`."""

    @jax.jit
    def features(*states: jax.Array) -> jax.Array:
        previous, current = (amp.env.physics.init(*states[i : i + 2]) for i in (0, 2))
        return amp.env.features(environment.frame_of(previous), environment.frame_of(current))

    return FeatureTrace("policy", qpos0, qpos1, np.asarray(features(qpos0, qvel0, qpos1, qvel1)))


def on_reference_side(amp: AMP, qpos0: np.ndarray, qpos1: np.ndarray) -> FeatureTrace:
    """The same steps through what makes the reference, a motion of two frames each."""
    steps = list(np.stack([qpos0, qpos1], axis=1))
    features = reference_builder.motion_features(steps, amp.env.robot, control_dt=amp.env.config.control_dt)
    return FeatureTrace("reference", qpos0, qpos1, np.concatenate(features))
