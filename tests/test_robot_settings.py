"""Settings that follow the robot and its clips: what `auto` in the section env stands for."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import yaml
from bipeds import biped, write
from conftest import CONTROL_DT, gait_clips, make_clip

from playground_amp.builder import load_reference, make_amp
from playground_amp.config import CommandConfig, EnvConfig, load_config, resolve
from playground_amp.core.errors import InputError
from playground_amp.envs.env import Env
from playground_amp.envs.physics import Physics
from playground_amp.envs.robot_settings import fit_to_robot, in_words
from playground_amp.motion.clip import save_clip
from playground_amp.motion.reference import Reference
from playground_amp.motion.reference_builder import make_reference
from playground_amp.robots import Robot, load_robot
from playground_amp.robots.proposal.propose import write_proposal

WILDROBOT = {"action_scale": 0.4, "forward": (0.4, 0.8), "min_height": 0.33, "speed_tolerance": 0.1}
HUMANOID = {"action_scale": 0.4, "forward": (0.55, 1.1), "min_height": 0.95, "speed_tolerance": 0.2}


def settings_of(config: EnvConfig) -> dict[str, object]:
    return {key: getattr(config.command if key == "forward" else config, key) for key in WILDROBOT}


def reference_of_clips(robot: Robot, *motions: np.ndarray) -> Reference:
    clips = [make_clip(robot, qpos) for qpos in motions]
    return make_reference(clips, robot, window=1, mirror=False, control_dt=CONTROL_DT)


@pytest.mark.parametrize(
    ("name", "numbers"),
    [
        ("ppo_amass_training", WILDROBOT),
        ("ppo_amass_best", WILDROBOT),
        ("ppo_amass_gaits", WILDROBOT),
        ("ppo_amass_humanoid", HUMANOID),
    ],
)
def test_the_shipped_robots_and_clips_give_the_numbers_that_they_were_tuned_with(name: str, numbers: dict) -> None:
    """To the last bit: trainings of the shipped configurations stay as they were."""
    config = resolve(load_config(name), accelerator=False)
    robot = load_robot(config.env.robot)
    assert settings_of(fit_to_robot(config.env, robot, load_reference(config, robot))) == numbers


def test_speeds_are_those_of_the_clips_that_go_anywhere(robot: Robot) -> None:
    clips = gait_clips(robot)  # at 0.55 and 0.25 m/s, and one that stands
    reference = make_reference(clips, robot, window=1, mirror=True, control_dt=CONTROL_DT)
    assert fit_to_robot(EnvConfig(), robot, reference).command.forward == (0.25, 0.55)
    standing = reference_of_clips(robot, clips[1].qpos)
    assert fit_to_robot(EnvConfig(), robot, standing).command.forward == (0.0, 0.0)


def going(robot: Robot, velocity: tuple[float, float], turn: float, frames: int = 200) -> np.ndarray:
    """A root that moves at a velocity (m/s, in its own heading) and turns (rad/s), over legs that stand still."""
    qpos, heading = np.tile(robot.home_qpos, (frames, 1)), turn * CONTROL_DT * np.arange(frames)
    ahead = np.stack([np.cos(heading), np.sin(heading)], axis=1)
    left = np.stack([-ahead[:, 1], ahead[:, 0]], axis=1)
    qpos[1:, :2] = np.cumsum(CONTROL_DT * (velocity[0] * ahead + velocity[1] * left), axis=0)[:-1]
    qpos[:, 3], qpos[:, 6] = np.cos(0.5 * heading), np.sin(0.5 * heading)
    return qpos


def test_ways_and_turns_are_those_of_the_clips(robot: Robot) -> None:
    """With their reflections; the heading is smoothed, so a turn on the spot is all of it."""
    clips = [make_clip(robot, going(robot, *way)) for way in (((0.5, 0.0), 0.0), ((0.0, 0.3), 0.0), ((0.0, 0.0), 0.8))]
    config = EnvConfig(command=CommandConfig(sideways="auto", turn="auto"))
    for mirror, sideways, turn in ((False, (0.0, 0.3), (0.0, 0.8)), (True, (-0.3, 0.3), (-0.8, 0.8))):
        reference = make_reference(clips, robot, window=1, mirror=mirror, control_dt=CONTROL_DT)
        command = fit_to_robot(config, robot, reference).command
        assert (command.sideways, command.turn, command.clip_share) == (sideways, turn, 0.7)
        assert "env.command.sideways=[" in in_words(config, fit_to_robot(config, robot, reference))
    plain = fit_to_robot(EnvConfig(), robot, reference).command
    assert (plain.sideways, plain.turn, plain.clip_share) == ((0.0, 0.0), (0.0, 0.0), 0.0)
    one_way = fit_to_robot(EnvConfig(command=CommandConfig(stand_share=0.1)), robot, reference).command
    assert one_way.clip_share == 0.7


def test_speeds_ahead_go_backward_where_clips_do(robot: Robot) -> None:
    reference = reference_of_clips(robot, going(robot, (0.5, 0.0), 0.0), going(robot, (-0.3, 0.0), 0.0))
    assert fit_to_robot(EnvConfig(), robot, reference).command.forward == (-0.3, 0.5)


def test_clips_that_go_low_lower_the_height_of_a_fall(robot: Robot, walk: np.ndarray) -> None:
    low = walk.copy()
    low[50:60, 2] = 0.3
    assert fit_to_robot(EnvConfig(), robot, reference_of_clips(robot, low)).min_height == 0.27
    assert fit_to_robot(EnvConfig(), robot, reference_of_clips(robot, walk)).min_height == 0.33


@pytest.fixture
def soft(robot: Robot, tmp_path: Path) -> Robot:
    """The default robot with hip roll servos that pull with all their torque at 4 rad only."""
    values = yaml.safe_load(Path(robot.source).read_text())
    values |= {"mjcf": str(robot.mjcf), "gains": {"*_hip_roll": {"kp": 1.0, "torque": 4.0}}}
    (tmp_path / "robot.yaml").write_text(yaml.safe_dump(values))
    return load_robot(tmp_path)


def test_soft_servos_are_given_wider_targets(soft: Robot, native: Physics, walk: np.ndarray) -> None:
    """A quarter of the 4 rad; the environment scales each joint's action by its own."""
    env = Env(EnvConfig(), soft, native, reference_of_clips(soft, walk))
    wide = [1.0 if "hip_roll" in joint else 0.4 for joint in soft.joints]
    assert env.config.action_scale == tuple(wide)
    np.testing.assert_allclose(env.action_scale, wide)


def test_one_number_a_joint_or_one_for_all(robot: Robot, native: Physics, walk: np.ndarray) -> None:
    reference = reference_of_clips(robot, walk)
    numbers = (0.1, 0.2, 0.3, 0.4, 0.5, 0.2, 0.3, 0.4, 0.5)
    np.testing.assert_allclose(Env(EnvConfig(action_scale=numbers), robot, native, reference).action_scale, numbers)
    with pytest.raises(InputError, match=r"env.action_scale has 2 numbers, but 'wildrobot' has 9 joints; give one"):
        Env(EnvConfig(action_scale=(0.1, 0.2)), robot, native, reference)


def test_robot_and_clips_are_all_that_a_new_robot_takes(tmp_path: Path) -> None:
    """A biped of 12 kg, its pelvis at 0.75 m: proposed, one clip of a glide at 1 m/s, and nothing else set."""
    path, _ = write_proposal(write(tmp_path, biped()), tmp_path / "biped")
    robot = load_robot(path)
    qpos = np.tile(robot.home_qpos, (50, 1))
    qpos[:, 0] = CONTROL_DT * np.arange(50)
    save_clip(tmp_path / "clips" / "glide.npz", make_clip(robot, qpos))
    said = [f"env.robot={path}", f"reference.clips={tmp_path / 'clips'}"]
    env = make_amp(resolve(load_config("ppo_amass_training", said), accelerator=False)).config.env
    home = robot.home_qpos[2]
    numbers = {"action_scale": 0.4, "forward": (1.0, 1.0), "min_height": round(0.74 * home, 2)}
    assert settings_of(env) == numbers | {"speed_tolerance": 0.2}


def test_what_is_given_stays_and_only_what_is_not_is_told(robot: Robot, walk: np.ndarray) -> None:
    given = EnvConfig(min_height=0.2, command=CommandConfig(forward=(0.1, 0.9), clip_share=0.0))
    fitted = fit_to_robot(given, robot, reference_of_clips(robot, walk))
    assert (fitted.min_height, fitted.command.forward) == (0.2, (0.1, 0.9))
    assert in_words(given, fitted) == "env.action_scale=0.4, env.speed_tolerance=0.1"
    assert fit_to_robot(fitted, robot, reference_of_clips(robot, walk)) is fitted
    soft = dataclasses.replace(fitted, action_scale=(0.4, 0.55, 0.4))
    said = "env.action_scale=0.4 to 0.55, by joint, env.speed_tolerance=0.1, env.command.forward=[0.1,0.9]"
    assert in_words(EnvConfig(min_height=0.2), soft).startswith(said)
