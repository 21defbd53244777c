"""Train while physics blows up under some of the robots, beside the same training left in peace."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import jax
import numpy as np

from playground_amp.amp import AMP, TrainState
from playground_amp.builder import make_amp, resolve_here
from playground_amp.config import load_config
from playground_amp.core.types import Dynamics
from playground_amp.envs.physics.native import NativePhysics
from playground_amp.experiments.seed_tables import markdown, spread
from playground_amp.robots import Robot
from playground_amp.runs.divergence import is_finite
from playground_amp.training.loop import make_chunk

SETTINGS = ["env.num_envs=64", "env.physics=native"]
CURVES = ("episode_length", "task_reward", "amp_reward", "disc_acc", "value_loss")  # shown at the end of a training
LAST = 10  # iterations that the end is a mean of
BLASTS = (np.nan, np.inf, 1e9)  # what a joint's velocity becomes


class ExplodingPhysics(NativePhysics):
    """The native engine, in which every robot blows up with the probability `share` in a control step."""

    def __init__(self, robot: Robot, substeps: int):
        super().__init__(robot, substeps)
        self.share, self.rng, self.blasts = 0.0, np.random.default_rng(0), 0

    def _host_step(
        self, qpos: jax.Array, qvel: jax.Array, warmstart: jax.Array, ctrl: jax.Array, dynamics: Dynamics | None
    ) -> tuple[np.ndarray, ...]:
        after = super()._host_step(qpos, qvel, warmstart, ctrl, dynamics)
        hit = np.argwhere(self.rng.random(after[1].shape[:-1]) < self.share)
        for robot in hit:
            after[1][(*robot, self.rng.integers(after[1].shape[-1]))] = self.rng.choice(BLASTS)
        self.blasts += len(hit)
        return after


def measure(
    shares: Sequence[float], seeds: Sequence[int], iterations: int, watch: Callable[[str], None] = print
) -> str:
    """A table: the end of trainings in which a share of the robots blows up in each iteration; mean (least, most)."""
    amp, physics = make_exploding([*SETTINGS, f"ppo.iterations={iterations}"])
    init, chunk = jax.jit(amp.init), make_chunk(amp, 1)
    rows = []
    for share in shares:
        ends, blasts, counted = [], [], []
        for seed in seeds:
            physics.share, physics.blasts = share / amp.config.ppo.rollout_length, 0
            physics.rng = np.random.default_rng(seed)
            found = train(chunk, init(jax.random.key(seed)), iterations)
            ends.append({name: float(found[name][-LAST:].mean()) for name in CURVES})
            blasts.append(physics.blasts)
            counted.append(round(float(found["diverged_rate"].sum()) * amp.config.steps_per_iteration))
            watch(f"{share:.0%} seed {seed}: {blasts[-1]} blown up, {counted[-1]} counted, {ends[-1]}")
        ended = (spread([end[name] for end in ends]) for name in CURVES)
        rows.append([f"{share:.0%}", str(sum(blasts)), str(sum(counted)), *ended])
    return markdown(["robots an iteration", "blown up", "counted", *(name.replace("_", " ") for name in CURVES)], rows)


def make_exploding(overrides: list[str]) -> tuple[AMP, ExplodingPhysics]:
    """The default algorithm in physics that blows up, and that physics."""
    amp = make_amp(resolve_here(load_config("ppo_amass_training", overrides)))
    substeps = round(amp.env.config.control_dt / amp.env.robot.model.opt.timestep)
    physics = ExplodingPhysics(amp.env.robot, substeps)
    amp.env.physics = physics
    return amp, physics


def train(chunk: Callable, state: TrainState, iterations: int) -> dict[str, np.ndarray]:
    """Metrics [iterations] of a training; raises FloatingPointError where one, or the state, is not finite."""
    series: list[dict[str, Any]] = []
    for _ in range(iterations):
        state, metrics = chunk(state, 1)
        series.append({name: float(values[0]) for name, values in jax.device_get(metrics).items()})
    found = {name: np.array([row[name] for row in series]) for name in series[0]}
    if not all(np.isfinite(values).all() for values in found.values()) or not bool(is_finite(state)):
        raise FloatingPointError("a number became none")
    return found
