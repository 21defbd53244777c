"""What a checkpoint was made for: another robot, other inputs or other gaits are refused, with both shown."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from conftest import make_clip

from playground_amp.config import Config, load_config, to_dict
from playground_amp.core.errors import InputError
from playground_amp.motion.clip_set import describe_clips
from playground_amp.motion.features import feature_names
from playground_amp.robots import Robot, load_robot
from playground_amp.runs.checkpoint_compatibility import check_layout, trained_on
from playground_amp.runs.run_directory import changes, read_config

PLACE = "the checkpoint 'runs/a/checkpoints/4'"
GAITS = ("stand", "walk")
PADS = "left_toe, left_heel, right_toe, right_heel"


def config_of(*overrides: str) -> Config:
    return load_config("ppo_amass_training", list(overrides))


def about_of(robot: Robot, *overrides: str) -> dict:
    return {"features": feature_names(robot), "config": to_dict(config_of(*overrides))}


def refusal(about: dict, config: Config, robot: Robot, gaits: tuple[str, ...] = GAITS) -> str:
    with pytest.raises(InputError) as error:
        check_layout(about, config, robot, gaits, (), PLACE)
    assert "\n" not in str(error.value)
    return str(error.value)


def test_another_robot_is_refused_with_both_layouts(robot: Robot) -> None:
    told = refusal(about_of(robot), config_of("env.robot=humanoid"), load_robot("humanoid"))
    assert told.startswith(
        f"{PLACE} was made for 29 features (9 joints, 4 pads: {PADS}), but the robot 'humanoid' now gives 43 features "
        f"(17 joints, 2 pads: "
    )
    assert (
        "the joints are without waist_yaw, left_hip_pitch, left_hip_roll, left_knee_pitch and 5 more and with" in told
    )
    assert told.endswith("; set env.robot=wildrobot, or start a new run")


def test_the_same_robot_with_other_joints_or_pads_is_refused(robot: Robot) -> None:
    swapped = replace(robot, joints=(robot.joints[1], robot.joints[0], *robot.joints[2:]))
    told = refusal(about_of(robot), config_of(), swapped)
    assert "the joints were in the order waist_yaw, left_hip_pitch" in told
    assert "and are in the order left_hip_pitch, waist_yaw" in told
    assert told.endswith("; undo the change of the robot, or start a new run")
    fewer = replace(robot, pads={name: robot.pads[name] for name in list(robot.pads)[:2]})
    told = refusal(about_of(robot), config_of(), fewer)
    assert (
        "now gives 27 features (9 joints, 2 pads: left_toe, left_heel): the pads are without right_toe, right_heel;"
        in told
    )


@pytest.mark.parametrize(
    ("before", "now", "told"),
    [
        ((), ("amp.window=2",), "with amp.window 1, now with amp.window 2;"),
        (("amp.window=2", "amp.dilation=3"), ("amp.window=2",), "with amp.dilation 3, now with amp.dilation 1;"),
        ((), ("amp.condition=command",), "with amp.condition none, now with amp.condition command;"),
        (
            (),
            ("reference.follow_command=true",),
            "with reference.follow_command false, now with reference.follow_command true;",
        ),
        (
            ("amp.feature_weights={foot_contacts: 0}",),
            (),
            'with amp.feature_weights {"foot_contacts": 0}, now with amp.feature_weights {};',
        ),
    ],
)
def test_settings_that_shape_an_input_are_named(robot: Robot, before: tuple, now: tuple, told: str) -> None:
    assert f"{PLACE} was made for other inputs of the discriminator: {told} set it back" in refusal(
        about_of(robot, *before), config_of(*now), robot
    )


@pytest.mark.parametrize(
    ("before", "now"),
    [
        ((), ("amp.dilation=3",)),  # of a single frame
        ((), ("amp.feature_weights={foot_contacts: 0.5}", "amp.r1_gamma=3", "env.num_envs=8")),
        (("amp.condition=command",), ("amp.condition=command", "reference.follow_command=true")),
    ],
)
def test_settings_that_shape_nothing_may_change(robot: Robot, before: tuple, now: tuple) -> None:
    check_layout(about_of(robot, *before), config_of(*now), robot, GAITS, (), PLACE)


def test_a_checkpoint_that_knows_a_speed_alone_is_refused_with_both_layouts(robot: Robot) -> None:
    """Whatever its folder's config.yaml was changed to since."""
    about = about_of(robot)
    about["config"]["env"]["command_speed"] = [0.4, 0.8]
    del about["config"]["env"]["command"]
    told = refusal(about, config_of(), robot)
    assert told.startswith(f"{PLACE} was made by an older version, where a command was the speed ahead alone")
    assert "(env.command_speed)" in told and "three numbers, forward, sideways, turn (env.command)" in told
    assert told.endswith("; go on with that version, or start a new run")


def test_a_run_of_before_is_refused_in_the_same_words_wherever_it_is_read(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("env: {command_speed: [0.4, 0.8], command_interval: 250}\n")
    with pytest.raises(InputError) as error:
        read_config(tmp_path, ["env.num_envs=8"])
    assert str(error.value).startswith(f"'{tmp_path}' was made by an older version, where a command was the speed")
    assert "\n" not in str(error.value)


def test_changes_of_a_command_are_told_key_by_key() -> None:
    before = config_of("env.command.turn=[-1, 1]", "amp.feature_weights={foot_contacts: 0}")
    after = config_of("env.command.turn=[-1, 2]", "env.command.resample=9")
    found = changes(to_dict(before), [], after)
    assert found == {
        "env.command.turn": [[-1.0, 1.0], [-1.0, 2.0]],
        "env.command.resample": [250, 9],
        "amp.feature_weights": [{"foot_contacts": 0.0}, {}],
    }


def test_gaits_in_another_order_are_refused_where_they_are_asked_for(robot: Robot, walk: np.ndarray) -> None:
    clips = [make_clip(robot, walk, name, label=name) for name in GAITS]
    told = config_of("amp.condition=label")
    about = about_of(robot, "amp.condition=label") | {"reference": describe_clips(clips, mirror=True).to_json()}
    check_layout(about, told, robot, GAITS, (), PLACE)
    sentence = refusal(about, told, robot, ("walk", "stand"))
    assert (
        "was made for the gaits 'stand', 'walk', in this order, but reference.clips now gives 'walk', 'stand'"
        in sentence
    )
    check_layout(about | {"config": to_dict(config_of())}, config_of(), robot, ("walk", "stand"), (), PLACE)


def test_what_an_older_checkpoint_does_not_say_is_not_held_against_it(robot: Robot) -> None:
    check_layout({}, config_of(), robot, GAITS, (), PLACE)
    about = about_of(robot)
    del about["config"]["reference"], about["config"]["amp"]["condition"]
    check_layout(about, config_of(), robot, GAITS, (), PLACE)
    assert trained_on(about) is trained_on({"reference": {"sha256": "0"}}) is None
