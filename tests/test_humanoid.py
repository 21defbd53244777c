"""Brax's humanoid as a shipped robot: its numbers, its mirror by kinematics, its servos, its stand."""

from __future__ import annotations

from pathlib import Path

import jax
import mujoco
import numpy as np
import pytest
from conftest import roll

from playground_amp.config import EnvConfig
from playground_amp.core.types import Frame, Outcome
from playground_amp.envs.env import Env, EnvState
from playground_amp.envs.physics import make_physics
from playground_amp.motion.clip import MotionClip
from playground_amp.motion.features import amp_features, feature_floor, feature_mirror, feature_names, feature_parts
from playground_amp.motion.reference_builder import make_reference
from playground_amp.robots import Robot, load_robot

# torque limits: gear times the motors' control range of 0.4
TORQUE = {
    "abdomen_z": 40, "abdomen_y": 40, "abdomen_x": 40,
    "right_hip_x": 40, "right_hip_z": 40, "right_hip_y": 120, "right_knee": 80,
    "left_hip_x": 40, "left_hip_z": 40, "left_hip_y": 120, "left_knee": 80,
    "right_shoulder1": 10, "right_shoulder2": 10, "right_elbow": 10,
    "left_shoulder1": 10, "left_shoulder2": 10, "left_elbow": 10,
}  # fmt: skip


@pytest.fixture(scope="module")
def humanoid() -> Robot:
    return load_robot("humanoid")


def at(robot: Robot, qpos: np.ndarray) -> mujoco.MjData:
    """Kinematics at `qpos`."""
    data = mujoco.MjData(robot.model)
    data.qpos[:] = qpos
    mujoco.mj_forward(robot.model, data)
    return data


def other_side(name: str) -> str:
    return name.replace("left", "@").replace("right", "left").replace("@", "right")


def anywhere(robot: Robot, seed: int) -> np.ndarray:
    """Random root pose and random joints within their ranges: [8, nq]."""
    rng = np.random.default_rng(seed)
    root = rng.normal(size=(8, 7))
    root[:, 3:] /= np.linalg.norm(root[:, 3:], axis=1, keepdims=True)
    return np.concatenate([root, rng.uniform(*robot.joint_range.T, size=(8, robot.num_joints))], axis=1)


def hold(robot: Robot, targets: np.ndarray, seconds: float) -> mujoco.MjData:
    """The robot hung up by its root, 1 m above its stand, its servos told to go to `targets`."""
    data = at(robot, robot.home_qpos + np.eye(robot.model.nq)[2])
    root = data.qpos[:7].copy()
    data.ctrl[:] = targets
    for _ in range(round(seconds / robot.model.opt.timestep)):
        data.qpos[:7], data.qvel[:6] = root, 0.0
        mujoco.mj_step(robot.model, data)
    return data


def test_sizes_and_mass(humanoid: Robot) -> None:
    assert (humanoid.model.nq, humanoid.model.nv, humanoid.model.nu) == (24, 23, 17)
    assert humanoid.model.body_mass.sum() == pytest.approx(42.1, abs=0.1)
    assert humanoid.num_features == len(feature_names(humanoid)) == 2 * 17 + 7 + 2 == 43


def test_every_feature_belongs_to_one_part_of_the_body(humanoid: Robot) -> None:
    parts = feature_parts(humanoid)
    assert sorted(np.concatenate(parts).tolist()) == list(range(43))
    names = feature_names(humanoid)
    firsts = {names[part[0]]: len(part) for part in parts}
    assert firsts == {
        "abdomen_z position": 2 * 3,
        "right_hip_x position": 2 * 4 + 1,  # legs hang from the pelvis, and have a foot
        "left_hip_x position": 2 * 4 + 1,
        "right_shoulder1 position": 2 * 3,
        "left_shoulder1 position": 2 * 3,
        "root direction x": 7,
    }


def test_mjcf_is_that_of_the_installed_package(humanoid: Robot) -> None:
    assert humanoid.mjcf.parts[-4:] == ("brax", "envs", "assets", "humanoid.xml")
    assert not list((Path(load_robot.__code__.co_filename).parent / "humanoid").glob("*.xml"))


def test_joints_servos_and_qpos_share_one_order(humanoid: Robot) -> None:
    model = humanoid.model
    assert humanoid.joints == tuple(TORQUE)
    assert [model.joint(model.actuator_trnid[i, 0]).name for i in range(model.nu)] == list(TORQUE)
    assert [int(model.joint(name).qposadr[0]) for name in TORQUE] == list(range(7, 24))


def test_motors_became_position_servos_with_the_motors_torque(humanoid: Robot) -> None:
    model = humanoid.model
    np.testing.assert_allclose(model.actuator_forcerange[:, 1], list(TORQUE.values()))
    np.testing.assert_allclose(model.actuator_forcerange[:, 0], -model.actuator_forcerange[:, 1])
    np.testing.assert_allclose(model.actuator_gear[:, 0], 1.0)
    np.testing.assert_allclose(model.actuator_ctrlrange, humanoid.joint_range)
    np.testing.assert_allclose(model.actuator_biasprm[:, 1], -model.actuator_gainprm[:, 0])
    knee = humanoid.joints.index("left_knee")
    assert (model.actuator_gainprm[knee, 0], model.actuator_biasprm[knee, 2]) == (200.0, -8.0)


@pytest.mark.parametrize("seed", range(2))
def test_mirrored_pose_is_the_reflection_of_every_body(humanoid: Robot, seed: int) -> None:
    model = humanoid.model
    partners = [model.body(other_side(model.body(i).name)).id for i in range(model.nbody)]
    for qpos in anywhere(humanoid, seed):
        data, mirrored = at(humanoid, qpos), at(humanoid, humanoid.mirror_qpos(qpos))
        np.testing.assert_allclose(mirrored.xpos, data.xpos[partners] * [1, -1, 1], atol=1e-9)
        np.testing.assert_allclose(mirrored.xipos, data.xipos[partners] * [1, -1, 1], atol=1e-9)
        heights = [humanoid.pad_heights(q[None])[0] for q in (qpos, humanoid.mirror_qpos(qpos))]
        np.testing.assert_allclose(heights[1], heights[0][::-1], atol=1e-9)


def test_home_stands_on_both_feet_with_its_weight_over_them(humanoid: Robot) -> None:
    data = at(humanoid, humanoid.home_qpos)
    feet = data.geom_xpos[humanoid.pad_geoms[:, 0]]
    np.testing.assert_allclose(feet[:, 2], 0.075, atol=1e-9)  # spheres of that radius
    np.testing.assert_allclose(data.subtree_com[1, :2], feet.mean(axis=0)[:2], atol=0.005)
    np.testing.assert_allclose(humanoid.mirror_qpos(humanoid.home_qpos), humanoid.home_qpos, atol=1e-12)


def test_leg_length_is_measured_from_hip_to_sole(humanoid: Robot) -> None:
    """Thigh 0.403 - 0.02, shin 0.02 + 0.35 and the sphere's 0.075, bent by 0.225 and -0.175 rad: 0.81."""
    knee, hip = np.array([0.01, 0.383]), 0.225
    shin = 0.37 * np.cos(0.4 - hip)
    assert humanoid.leg_length == pytest.approx(knee[1] * np.cos(hip) + shin + 0.075, abs=0.005)
    assert at(humanoid, humanoid.home_qpos).xanchor[humanoid.model.joint("left_hip_y").id, 2] == pytest.approx(
        humanoid.leg_length
    )


def test_contact_clearance_is_that_of_the_default_robot_scaled_by_the_legs(humanoid: Robot, robot: Robot) -> None:
    ratio = humanoid.leg_length / robot.leg_length
    np.testing.assert_allclose(humanoid.contact_clearance, np.array(robot.contact_clearance) * ratio, rtol=0.05)


def test_hung_up_by_its_chest_it_holds_its_pose_against_gravity(humanoid: Robot) -> None:
    data = hold(humanoid, np.array(humanoid.home), 3.0)
    np.testing.assert_allclose(data.qpos[7:], humanoid.home, atol=0.05)
    assert np.abs(data.qvel[6:]).max() < 1e-3


@pytest.mark.parametrize("seed", range(3))
def test_steps_of_5_ms_are_stable_from_any_pose_to_any_targets(humanoid: Robot, seed: int) -> None:
    """Springs of the MJCF pull towards zero with up to 20 N m/rad of 200: a target of 2 rad is missed by up to 0.2."""
    targets = np.random.default_rng(seed).uniform(*humanoid.joint_range.T)
    data = hold(humanoid, targets, 2.5)
    assert humanoid.model.opt.timestep == 0.005
    assert np.abs(data.qvel[6:]).max() < 0.1
    np.testing.assert_allclose(data.qpos[7:], targets, atol=0.2)


def test_home_pose_stands_for_a_second_though_nothing_balances_it(humanoid: Robot) -> None:
    """On two spheres it must tip over in the end, as a whole: its joints stay where they are."""
    data = at(humanoid, humanoid.home_qpos)
    data.ctrl[:] = humanoid.home
    for _ in range(200):
        mujoco.mj_step(humanoid.model, data)
        np.testing.assert_allclose(data.qpos[7:], humanoid.home, atol=0.1)
    assert data.qpos[2] == pytest.approx(humanoid.home_qpos[2], abs=0.02)
    assert np.abs(data.actuator_force).max() < 40.0


def frame(robot: Robot, qpos: np.ndarray) -> Frame:
    heights, qpos = robot.pad_heights(qpos).astype(np.float32), qpos.astype(np.float32)
    return Frame(root_pos=qpos[..., :3], root_quat=qpos[..., 3:7], joint_pos=qpos[..., 7:], pad_height=heights)


def test_features_of_the_reflected_motion_are_the_reflected_features(humanoid: Robot) -> None:
    previous = anywhere(humanoid, 0)
    current = previous + np.random.default_rng(1).normal(0.0, 0.01, previous.shape)
    current[:, 3:7] /= np.linalg.norm(current[:, 3:7], axis=1, keepdims=True)
    partner, sign = feature_mirror(humanoid)

    def features(*motion: np.ndarray) -> np.ndarray:
        before, after = (frame(humanoid, qpos) for qpos in motion)
        return np.asarray(amp_features(before, after, dt=0.02, contact_clearance=humanoid.contact_clearance))

    ours = features(previous, current)
    assert ours.shape == (8, 43) == (8, len(feature_floor(humanoid)))
    mirrored = features(humanoid.mirror_qpos(previous), humanoid.mirror_qpos(current))
    np.testing.assert_allclose(mirrored, ours[:, partner] * sign, atol=2e-3)


def test_environment_follows_the_robot(humanoid: Robot) -> None:
    """Widths of observation, action and window; nobody falls in the first steps of standing, and the feet touch."""
    qpos = np.tile(humanoid.home_qpos, (60, 1))
    clip = MotionClip("stand", humanoid.name, humanoid.joints, qpos, 50.0, "made by the tests")
    reference = make_reference([clip], humanoid, window=2, mirror=True, control_dt=0.02)
    physics = make_physics("native", humanoid, control_dt=0.02)
    env = Env(EnvConfig(robot="humanoid", min_height=0.9, start_noise=0.0), humanoid, physics, reference)

    @jax.jit
    def stand(key: jax.Array) -> tuple[jax.Array, jax.Array, Outcome]:
        def step(state: EnvState, _: None) -> tuple[EnvState, Outcome]:
            return env.step(state, np.zeros((3, 17), np.float32))

        state, outcomes = jax.lax.scan(step, env.reset(key, 3), None, 5)
        return *env.observe(state), outcomes

    observation, privileged, outcomes = jax.device_get(stand(jax.random.key(0)))
    assert observation.shape == (3, 6 + 3 * 17 + 3)
    assert privileged.shape == (3, observation.shape[1] + 3 + 1 + 2)
    assert outcomes.amp_window.shape == (5, 3, 2, 43)
    assert not outcomes.terminated.any()
    np.testing.assert_allclose(outcomes.amp_window[-1, :, -1, -2:], 1.0)


@pytest.mark.slow  # MJX compiles for a minute or two
def test_mjx_follows_native_over_12_control_steps(humanoid: Robot) -> None:
    """From 3 mm above the ground, under small random targets; float32 against float64 measures 6e-7 in qpos."""
    rng = np.random.default_rng(0)
    qpos = np.tile(humanoid.home_qpos + 0.003 * np.eye(humanoid.model.nq)[2], (2, 1)).astype(np.float32)
    targets = (np.array(humanoid.home) + 0.05 * rng.standard_normal((12, 2, 17))).astype(np.float32)
    start = qpos, np.zeros((2, humanoid.model.nv), np.float32)
    ours, theirs = (roll(make_physics(name, humanoid, control_dt=0.02), *start, targets) for name in ("native", "mjx"))
    assert ours.pad_height.min() < 0.0  # it has landed
    for name, tolerance in (("qpos", 1e-5), ("pad_height", 1e-5), ("qvel", 1e-3), ("torque", 1e-2)):
        np.testing.assert_allclose(getattr(theirs, name), getattr(ours, name), atol=tolerance, err_msg=name)
