"""One robot under a policy, a control step at a time, and what the discriminator thinks of it."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from playground_amp.amp import AMP
from playground_amp.config import is_enabled
from playground_amp.core.terms import FeatureGroup
from playground_amp.discriminator import attribution
from playground_amp.envs.env import EnvState
from playground_amp.evaluation.reporting.viewer.checkpoint_folder import Networks
from playground_amp.evaluation.reporting.viewer.placement import next_heading
from playground_amp.motion.clip_commands import facing

ENDLESS = 2**30  # control steps: nothing but a fall ends an episode here
SAMPLES = 50  # inputs of the robot, and as many of the reference, that are held against each other


@dataclass(frozen=True, eq=False)
class Frame:
    """A moment of the simulation, after a control step."""

    state: EnvState  # of one robot: B is 1
    qpos: np.ndarray  # [nq]
    heading: float  # rad, smoothed
    velocity: np.ndarray  # [3] m/s, m/s, rad/s, as the command, over the step
    inputs: np.ndarray | None  # [D] of the discriminator; None before the first step of an episode
    score: float  # D; NaN before the first step of an episode
    episode: int  # how many episodes ended before this one
    fell: bool = False  # with this step; `state` is then that of the next episode, the rest that of the fall


@dataclass(frozen=True)
class Comparison:
    """What the discriminator thinks of a robot and of the reference under the same commands."""

    robot: float  # mean D
    reference: float  # mean D
    shares: dict[str, float]  # of each group of features in the difference, largest first; see `attribution.shares`


class Simulation:
    """Compiled once, whatever checkpoint acts; holds no state."""

    def __init__(self, amp: AMP):
        self.amp, self.control_dt = amp, amp.env.config.control_dt
        self.has_discriminator = is_enabled(amp.config.amp.style_weight)
        never = dataclasses.replace(amp.env.config.command, resample=ENDLESS)
        self.env = amp.env.nominal.with_config(command=never, episode_length=ENDLESS)
        self._reset = jax.jit(lambda key, label, command: self.env.reset(key, 1, (label, command)))
        self._step, self._compare = jax.jit(self._pure_step), jax.jit(self._pure_compare)

    def start(self, seed: int, command: np.ndarray, label: int) -> Frame:
        """The first moment of an episode under `command` [3] and gait `label`; the same for the same arguments."""
        asked = jnp.full(1, label, jnp.int32), jnp.asarray(command, jnp.float32)[None]
        return self._first(self._reset(jax.random.key(seed), *asked), episode=0)

    def _first(self, state: EnvState, episode: int) -> Frame:
        qpos = np.asarray(state.physics.qpos[0], np.float64)
        heading = float(facing(qpos[None, 3:7])[0])
        return Frame(state, qpos, heading, np.asarray(state.mean_velocity[0]), None, float("nan"), episode)

    def step(self, networks: Networks, before: Frame, command: np.ndarray, label: int) -> Frame:
        """The moment one control step later under `command` [3]; after a fall the first of the next episode."""
        if before.fell:
            return self._first(before.state, before.episode + 1)
        asked = jnp.full(1, label, jnp.int32), jnp.asarray(command, jnp.float32)[None]
        state, now = self._step(networks, before.state, *asked)
        now = jax.device_get(now)
        fell = bool(now["fell"])
        qpos = before.qpos if fell else np.asarray(state.physics.qpos[0], np.float64)
        heading = next_heading(before.heading, qpos, self.control_dt)
        return Frame(state, qpos, heading, now["velocity"], now["inputs"], float(now["score"]), before.episode, fell)

    def _pure_step(
        self, networks: Networks, state: EnvState, label: jax.Array, command: jax.Array
    ) -> tuple[EnvState, dict[str, Any]]:
        state = state.replace(label=label, command=command)
        action, _ = self.amp.policy(networks.actor, networks.statistics, self.env.observe(state)[0])
        after, outcome = self.env.step(state, action)
        inputs = self.amp.prior.inputs(outcome)
        score = self.amp.prior.score(networks.discriminator, inputs)
        now = {"velocity": outcome.velocity, "inputs": inputs, "score": score, "fell": outcome.terminated}
        return after, {name: value[0] for name, value in now.items()}

    def push(self, frame: Frame, velocity: np.ndarray) -> Frame:
        """The same moment with the root struck: `velocity` [2] m/s is added to its own, world frame."""
        physics = frame.state.physics
        struck = physics.replace(qvel=physics.qvel.at[0, :2].add(jnp.asarray(velocity, jnp.float32)))
        return dataclasses.replace(frame, state=frame.state.replace(physics=struck))

    def compare(self, networks: Networks, frames: list[Frame], seed: int = 0) -> Comparison | None:
        """What the discriminator tells the robot of `frames` by; None where there is nothing to compare."""
        inputs = [frame.inputs for frame in frames if frame.inputs is not None]
        if not (inputs and self.has_discriminator):
            return None
        rows = np.linspace(0, len(inputs) - 1, SAMPLES).round().astype(int)  # always as many: compiled once
        found = jax.device_get(self._compare(networks, np.stack(inputs)[rows], jax.random.key(seed)))
        robot, reference, shares = found
        ordered = sorted(shares.items(), key=lambda item: -float(item[1]))
        return Comparison(float(robot), float(reference), {name: float(share) for name, share in ordered})

    def _pure_compare(
        self, networks: Networks, fake: jax.Array, key: jax.Array
    ) -> tuple[jax.Array, jax.Array, dict[FeatureGroup, jax.Array]]:
        prior = self.amp.prior

        def score(inputs: jax.Array) -> jax.Array:
            return prior.score(networks.discriminator, inputs)

        real = prior.builder.of_reference(key, SAMPLES, fake)
        parts = attribution.integrated_gradients(score, real, fake)
        return jnp.mean(score(fake)), jnp.mean(score(real)), prior.builder.shares(parts)
