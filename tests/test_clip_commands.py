"""The command that a motion answers: by hand, on made motions."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from playground_amp.motion.clip_commands import mean_command, motion_commands

DT = 0.02


def walk(velocity: tuple[float, float], turn: float = 0.0, sway: float = 0.0, seconds: float = 6.0) -> np.ndarray:
    """qpos [N, 7] of a root that goes ahead and to the left in its own frame, and turns, from a heading of 2 rad on."""
    time = np.arange(round(seconds / DT)) * DT
    heading = 2.0 + turn * time
    ahead = np.stack([np.cos(heading), np.sin(heading)], axis=1)
    left = np.stack([-ahead[:, 1], ahead[:, 0]], axis=1)
    steps = (velocity[0] * ahead + velocity[1] * left) * DT
    place = np.array([1.0, -3.0]) + np.cumsum(steps, axis=0)
    facing = heading + sway * np.sin(2.0 * np.pi * time / 0.7)
    quaternions = Rotation.from_rotvec(facing[:, None] * [0.0, 0.0, 1.0]).as_quat(scalar_first=True)
    return np.concatenate([place, np.full((len(time), 1), 0.5), quaternions], axis=1)


@pytest.mark.parametrize(
    ("velocity", "turn"), [((0.6, 0.0), 0.0), ((-0.4, 0.0), 0.0), ((0.0, 0.3), 0.0), ((0.0, 0.0), 0.0)]
)
def test_a_straight_way_is_its_velocity_at_every_frame(velocity: tuple[float, float], turn: float) -> None:
    np.testing.assert_allclose(
        motion_commands(walk(velocity, turn), DT), np.tile([*velocity, turn], (300, 1)), atol=1e-3
    )


def test_an_arc_is_its_speed_and_turning() -> None:
    """The chord of a stride is shorter than its arc: sin(x) / x with x half the angle that is turned in 0.8 s."""
    commands = motion_commands(walk((0.5, 0.0), 0.8), DT)[60:-60]
    np.testing.assert_allclose(commands[:, 2], 0.8, atol=1e-3)
    np.testing.assert_allclose(commands[:, 0], 0.5 * np.sin(0.32) / 0.32, atol=2e-3)
    np.testing.assert_allclose(commands[:, 1], 0.0, atol=5e-3)


def test_the_sway_of_the_pelvis_is_no_turning() -> None:
    assert np.abs(motion_commands(walk((0.6, 0.0), 0.0, sway=0.15), DT)[:, 2]).max() < 0.1


def test_the_mean_is_of_the_frames_on_the_way() -> None:
    still, going = walk((0.0, 0.0), seconds=4.0), walk((0.6, 0.1), seconds=4.0)
    going[:, :2] += still[-1, :2] - going[0, :2]
    np.testing.assert_allclose(mean_command(np.concatenate([still, going]), DT), [0.56, 0.09, 0.0], atol=0.05)
    np.testing.assert_allclose(mean_command(walk((0.0, 0.0), 0.7), DT), [0.0, 0.0, 0.7], atol=0.02)
