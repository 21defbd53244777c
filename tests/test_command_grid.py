"""Evaluation over a grid of commands: which commands, and what is measured of made episodes and of a whole policy."""

from __future__ import annotations

import json
import math
from pathlib import Path
from types import SimpleNamespace

import jax
import numpy as np
import pytest

from playground_amp.amp import AMP
from playground_amp.builder import make_amp
from playground_amp.config import (
    AMPConfig,
    ClipSource,
    CommandConfig,
    Config,
    EnvConfig,
    FittedCommandConfig,
    NetworksConfig,
    PPOConfig,
    ReferenceConfig,
    resolve,
)
from playground_amp.evaluation import command_grid
from playground_amp.evaluation.command_grid import MOST, STEPS, evaluate_grid, grid_of, tour_of, windows_near
from playground_amp.evaluation.reporting.command_maps import heat_maps, paths_from_above
from playground_amp.evaluation.reporting.html_page import drawn

DT = 0.02


def ranges(**given: object) -> FittedCommandConfig:
    return FittedCommandConfig(
        **{"forward": (0.4, 0.8), "sideways": (0.0, 0.0), "turn": (0.0, 0.0), "clip_share": 0.0} | given
    )


def test_a_speed_alone_is_a_line_and_every_way_a_box_with_zero_in_it() -> None:
    line = grid_of(ranges())
    assert (line[:, 1:] == 0.0).all() and line[0, 0] == pytest.approx(0.4) and line[-1, 0] == pytest.approx(0.8)
    box = grid_of(ranges(forward=(-0.4, 1.0), sideways=(-0.3, 0.3), turn=(-0.8, 0.8), stand_share=0.1))
    assert len(box) >= 45 and len(np.unique(box, axis=0)) == len(box)
    assert (box == 0.0).all(axis=1).sum() == 1
    for axis, step in enumerate(STEPS):
        points = np.unique(box[:, axis])
        assert len(points) <= MOST and np.diff(points).max() <= step + 0.11 and 0.0 in points
    assert (grid_of(ranges(stand_share=0.1)) == 0.0).all(axis=1).sum() == 1


def test_the_film_shows_every_way_that_may_be_asked_for_once() -> None:
    every = tour_of(ranges(forward=(-0.4, 1.0), sideways=(-0.3, 0.3), turn=(-0.8, 0.8), stand_share=0.1))
    assert every.tolist() == pytest.approx(
        np.array([[1.0, 0, 0], [0.5, 0, 0.8], [0, 0.3, 0], [-0.4, 0, 0], [0, 0, 0.8], [0, 0, 0]])
    )
    assert tour_of(ranges()).tolist() == pytest.approx(np.array([[0.8, 0, 0]]))


def test_a_change_is_followed_when_the_mean_velocity_stays_near_the_command() -> None:
    """Robots: at once, after a second, for a moment only, never, and one that falls before."""
    steps, half = 400, 200
    velocity = np.zeros((steps, 5, 3))
    velocity[half:, 0, 0] = 0.5
    velocity[half + 50 :, 1, 0] = 0.5
    velocity[half + 50 : half + 70, 2, 0] = 0.5
    velocity[half:, 4, 0] = 0.5
    alive = np.ones((steps, 5), bool)
    alive[half + 5 :, 4] = False
    amp = SimpleNamespace(env=SimpleNamespace(config=SimpleNamespace(control_dt=DT)))
    recording = SimpleNamespace(velocity=velocity, alive=alive)
    seconds = command_grid._follow_seconds(amp, recording, np.tile([0.5, 0.0, 0.0], (5, 1)))
    assert seconds[0] < 0.3 and 0.8 < seconds[1] < 1.4
    assert np.isinf(seconds[2:]).all()


def test_drift_is_the_way_from_the_start_while_the_episode_lasts() -> None:
    qpos = np.zeros((10, 1, 7))
    qpos[:, 0, 0] = np.arange(10)
    alive = np.arange(10)[:, None] < 5
    assert command_grid._drift(SimpleNamespace(qpos=qpos, alive=alive), 0) == pytest.approx(4.0)


@pytest.fixture(scope="module")
def amp(clips_folder: Path) -> AMP:
    command = CommandConfig(forward=(0.3, 0.6), turn=(-0.2, 0.2), stand_share=0.2)
    config = Config(
        env=EnvConfig(num_envs=2, episode_length=160, command=command),
        ppo=PPOConfig(rollout_length=4, batch_size=8),
        networks=NetworksConfig(actor=(8,), critic=(8,)),
        amp=AMPConfig(hidden=(8,), batch_size=8, replay_size=64),
        reference=ReferenceConfig(clips=(ClipSource(str(clips_folder)),), follow_command=True),
    )
    return make_amp(resolve(config, accelerator=False))


def test_the_windows_that_style_is_held_to_are_those_nearest_to_the_command(amp: AMP) -> None:
    windows, commands = command_grid._commanded_windows(amp)
    assert len(windows) == len(commands) > 10
    near = windows_near(amp, commands[3])
    assert (near[0] == windows[np.linalg.norm(commands - commands[3], axis=1).argmin()]).all()


@pytest.mark.slow
def test_a_policy_over_a_grid_has_figures_for_each_command_and_pictures(amp: AMP) -> None:
    state = jax.jit(amp.init)(jax.random.key(0))
    commands = np.array([[0.5, 0.0, 0.0], [0.3, 0.0, 0.2], [0.0, 0.0, 0.0]], np.float32)
    grid = evaluate_grid(amp, state.policy.params.actor, state.statistics, jax.random.key(1), commands, episodes=2)
    assert [row.command for row in grid.rows] == [(0.5, 0.0, 0.0), (0.3, 0.0, 0.2), (0.0, 0.0, 0.0)]
    assert all(row.episodes == 2 and 0.0 <= row.survival <= 1.0 for row in grid.rows)
    assert [math.isnan(row.drift) for row in grid.rows] == [True, True, False]
    assert grid.standing is grid.rows[2] and len(grid.paths) == 3 and grid.paths[0][0] == (0.0, 0.0)
    assert "3 commands" in grid.sentences[0] and "told to stand" in grid.sentences[1]
    assert json.loads(json.dumps(grid.to_json()))["rows"][2]["command"] == [0.0, 0.0, 0.0]
    assert drawn(heat_maps(grid), "maps").startswith("<img") and drawn(paths_from_above(grid), "ways").startswith(
        "<img"
    )
