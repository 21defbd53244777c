"""A clip walked through physics: unassisted, close to the clip, and refused where the robot cannot do it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import mujoco
import numpy as np
import pytest

from playground_amp.core.errors import InputError
from playground_amp.motion.clip import MotionClip, load_clip
from playground_amp.retargeting.clip_verdict import DONE_BY_PHYSICS, NONE, assess_clip
from playground_amp.retargeting.job import RetargetOptions
from playground_amp.retargeting.physics_refinement import HORIZON, KNOT, _targets, make_track, refine
from playground_amp.retargeting.pipeline import retargeted
from playground_amp.retargeting.readers.any import read_recording
from playground_amp.retargeting.trim import trim
from playground_amp.robots import Robot

DATA = Path(__file__).parents[1] / "data"


@pytest.fixture(scope="module")
def walk(robot: Robot) -> MotionClip:
    """0.7 s of walking."""
    clip = load_clip(DATA / "wildrobot" / "walk_0.5_a.npz", robot)
    return replace(clip, qpos=clip.qpos[60:95] - np.eye(1, 16) * clip.qpos[60, 0])


@pytest.mark.slow
def test_the_robot_follows_by_itself(walk: MotionClip, robot: Robot) -> None:
    done = refine(walk, robot)
    assert done.clip.qpos.shape == walk.qpos.shape
    assert 0.0 < done.distance < 0.05 and 0.0 < done.joint_error < 0.12
    np.testing.assert_array_equal(done.clip.qpos[0], walk.qpos[0])
    assert (done.clip.qpos[:, 7:] >= robot.joint_range[:, 0]).all()
    figures = assess_clip(done.clip, robot, simulated=True)[0].figures
    assert all(figures[name].verdict == NONE for name in DONE_BY_PHYSICS)


def test_every_frame_follows_from_the_one_before_by_the_robots_own_forces(walk: MotionClip, robot: Robot) -> None:
    """Between two frames the momentum changes by gravity and ground alone: in flight it would fall freely."""
    dropped = replace(walk, qpos=np.tile(robot.home_qpos + np.eye(1, 16, 2)[0], (6, 1)))
    heights = refine_height(dropped, robot)
    time = np.arange(6) / 50.0
    np.testing.assert_allclose(heights, heights[0] - 0.5 * 9.81 * time**2, atol=0.01)


def refine_height(clip: MotionClip, robot: Robot) -> np.ndarray:
    """Height of the centre of mass over a refined clip, m."""
    data = mujoco.MjData(robot.model)
    heights = []
    for qpos in refine(clip, robot).clip.qpos:
        data.qpos[:] = qpos
        mujoco.mj_kinematics(robot.model, data)
        mujoco.mj_comPos(robot.model, data)
        heights.append(data.subtree_com[0, 2])
    return np.array(heights)


@pytest.mark.slow
def test_a_clip_that_no_robot_can_do_is_refused_with_its_time(walk: MotionClip, robot: Robot) -> None:
    flying = walk.qpos.copy()
    flying[:, 2] += np.linspace(0.0, 2.0, len(flying))
    with pytest.raises(InputError, match=r"by itself the robot cannot follow it beyond 0\.\d s"):
        refine(replace(walk, qpos=flying), robot)


def test_offsets_are_linear_between_knots_and_zero_is_the_clip(walk: MotionClip, robot: Robot) -> None:
    track = make_track(walk, robot)
    plans = np.zeros((1, HORIZON // KNOT + 1, robot.num_joints))
    np.testing.assert_array_equal(_targets(plans, track, 0)[0], walk.qpos[1 : HORIZON + 1, 7:])
    plans[0, 1] = 1.0
    raised = _targets(plans, track, 0)[0, :, 0] - walk.qpos[1 : HORIZON + 1, 7]
    np.testing.assert_allclose(raised[: 2 * KNOT + 1], [0.0, 0.5, 1.0, 0.5, 0.0], atol=1e-12)


@pytest.mark.slow
def test_what_was_walked_is_not_held_to_how_well_the_drawing_followed(robot: Robot) -> None:
    motion = trim(read_recording(DATA / "wildrobot" / "walk_0.5_a.npz"), end=1.0)
    done = retargeted("walk", motion, RetargetOptions(refine=True), robot)
    assert done.tracking_error == {} and done.physics and set(done.physics) == {"distance", "joint_error"}
