"""The compiled robot against its data sheet, its mirror by kinematics, and its stand."""

from __future__ import annotations

import mujoco
import numpy as np
import pytest

from playground_amp.core.errors import InputError
from playground_amp.robots import Robot, available, load_robot

# joint: world axis at the zero pose, range in rad
JOINTS = {
    "waist_yaw": ((0, 0, -1), (-0.524, 0.524)),
    "left_hip_pitch": ((0, -1, 0), (-0.0873, 1.571)),
    "left_hip_roll": ((-1, 0, 0), (-1.571, 0.1745)),
    "left_knee_pitch": ((0, 1, 0), (0.0, 1.396)),
    "left_ankle_pitch": ((0, 1, 0), (-0.785, 0.785)),
    "right_hip_pitch": ((0, 1, 0), (-1.571, 0.0873)),
    "right_hip_roll": ((-1, 0, 0), (-0.1745, 1.571)),
    "right_knee_pitch": ((0, 1, 0), (0.0, 1.396)),
    "right_ankle_pitch": ((0, 1, 0), (-0.785, 0.785)),
}

# kind of body: kg, principal inertia in kg m^2 from large to small
BODIES = {
    "waist": (0.4396, (0.00100, 0.00070, 0.00070)),
    "chassis": (0.8412, (0.00154, 0.00122, 0.00091)),
    "hip": (0.0850, (0.00002, 0.00002, 0.00002)),
    "upper_leg": (0.2366, (0.00099, 0.00098, 0.00013)),
    "lower_leg": (0.3807, (0.00178, 0.00169, 0.00067)),
    "foot": (0.3464, (0.00093, 0.00069, 0.00029)),
}

# anchor of each joint at the zero pose, m from the waist's origin; the right side mirrors y
ANCHORS = {
    "waist_yaw": (0.0, 0.0, 0.0482),
    "left_hip_pitch": (0.0, 0.0536, -0.0336),
    "left_hip_roll": (0.0268, 0.090, -0.0334),
    "left_knee_pitch": (0.0268, 0.090, -0.2260),
    "left_ankle_pitch": (0.0268, 0.090, -0.4060),
}


def at(robot: Robot, qpos: np.ndarray) -> mujoco.MjData:
    """Kinematics at `qpos`."""
    data = mujoco.MjData(robot.model)
    data.qpos[:] = qpos
    mujoco.mj_forward(robot.model, data)
    return data


@pytest.fixture(scope="module")
def zero(robot: Robot) -> mujoco.MjData:
    """All joints at zero, soles on the ground, at the origin."""
    qpos = np.zeros(robot.model.nq)
    qpos[3] = 1.0
    qpos[2] = -robot.pad_heights(qpos[None]).min()
    return at(robot, qpos)


def side_free(name: str) -> str:
    return name.removeprefix("left_").removeprefix("right_")


def other_side(name: str) -> str:
    return name.replace("left", "@").replace("right", "left").replace("@", "right")


def test_sizes(robot: Robot) -> None:
    assert (robot.model.nq, robot.model.nv, robot.model.nu) == (16, 15, 9)
    assert robot.num_features == 29


def test_compiled_model_is_the_mjcf_as_it_stands(robot: Robot) -> None:
    """Editing changes nothing where there is nothing to change: every array and every option, bit for bit."""
    plain = mujoco.MjModel.from_xml_path(str(robot.mjcf))
    for ours, theirs in ((robot.model, plain), (robot.model.opt, plain.opt)):
        for field in (name for name in dir(theirs) if not name.startswith("_")):
            value = getattr(theirs, field)
            if isinstance(value, np.ndarray | int | float | bytes):
                np.testing.assert_array_equal(getattr(ours, field), value, err_msg=field)


def test_total_mass(robot: Robot) -> None:
    assert robot.model.body_mass.sum() == pytest.approx(3.385, rel=5e-3)


@pytest.mark.parametrize("side", ["left_", "right_"])
@pytest.mark.parametrize("kind", BODIES)
def test_mass_and_inertia_of_each_body(robot: Robot, kind: str, side: str) -> None:
    body = robot.model.body(kind if kind in ("waist", "chassis") else side + kind)
    mass, inertia = BODIES[kind]
    assert body.mass[0] == pytest.approx(mass, abs=1e-6)
    assert sorted(body.inertia, reverse=True) == pytest.approx(inertia, abs=1e-8)


def test_every_body_is_on_the_data_sheet(robot: Robot) -> None:
    names = {side_free(robot.model.body(i).name) for i in range(1, robot.model.nbody)}
    assert names == set(BODIES)


def test_joints_actuators_and_qpos_share_one_order(robot: Robot) -> None:
    model = robot.model
    assert robot.joints == tuple(JOINTS)
    assert [model.joint(model.actuator_trnid[i, 0]).name for i in range(model.nu)] == list(JOINTS)
    assert [model.joint(name).qposadr[0] for name in JOINTS] == list(range(7, 16))
    assert [model.joint(name).dofadr[0] for name in JOINTS] == list(range(6, 15))


def test_free_joint_is_on_the_waist(robot: Robot) -> None:
    assert robot.root == "waist"
    assert robot.model.body("waist").jntadr[0] == 0
    assert robot.model.jnt_type[0] == mujoco.mjtJoint.mjJNT_FREE


@pytest.mark.parametrize("joint", JOINTS)
def test_joint_axis_and_range_in_radians(robot: Robot, zero: mujoco.MjData, joint: str) -> None:
    axis, limits = JOINTS[joint]
    index = robot.model.joint(joint).id
    np.testing.assert_allclose(zero.xaxis[index], axis, atol=1e-9)
    np.testing.assert_allclose(robot.joint_range[robot.joints.index(joint)], limits, atol=1e-9)
    assert robot.model.jnt_limited[index]


@pytest.mark.parametrize("joint", JOINTS)
def test_joint_anchor(robot: Robot, zero: mujoco.MjData, joint: str) -> None:
    x, y, z = ANCHORS[joint.replace("right", "left")]
    anchor = zero.xanchor[robot.model.joint(joint).id] - zero.body("waist").xpos
    np.testing.assert_allclose(anchor, [x, -y if "right" in joint else y, z], atol=5e-4)


def test_standing_height_at_the_zero_pose(zero: mujoco.MjData) -> None:
    assert zero.body("waist").xpos[2] == pytest.approx(0.470, abs=1e-3)


def test_highest_point(robot: Robot, zero: mujoco.MjData) -> None:
    head = robot.model.geom("head").id
    assert zero.geom_xpos[head, 2] + robot.model.geom_size[head, 0] == pytest.approx(0.701, abs=1e-3)
    assert (zero.geom_xpos[1:, 2] <= zero.geom_xpos[head, 2]).all()


@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize(("pad", "x"), [("toe", (0.020, 0.095)), ("heel", (-0.0535, -0.011))])
def test_pad_extents(robot: Robot, zero: mujoco.MjData, side: str, pad: str, x: tuple[float, float]) -> None:
    geom = robot.model.geom(f"{side}_{pad}_pad").id
    middle, half = zero.geom_xpos[geom], robot.model.geom_size[geom]
    np.testing.assert_allclose([middle[0] - half[0], middle[0] + half[0]], x, atol=1e-4)
    across = sorted(abs(middle[1] + sign * half[1]) for sign in (-1, 1))
    np.testing.assert_allclose(across, [0.047, 0.137], atol=1e-4)
    assert 2.0 * half[2] == pytest.approx(0.004)
    assert middle[2] - half[2] == pytest.approx(0.0, abs=1e-6)  # the sole


def test_contact_spheres_are_corners_of_their_pads(robot: Robot, zero: mujoco.MjData) -> None:
    for pad, spheres in zip(robot.pads, robot.pad_geoms, strict=True):
        box = robot.model.geom(f"{pad}_pad").id
        offsets = np.abs(zero.geom_xpos[spheres] - zero.geom_xpos[box])[:, :2]
        np.testing.assert_allclose(offsets, np.tile(robot.model.geom_size[box, :2], (2, 1)), atol=1e-6)
        bottoms = zero.geom_xpos[spheres, 2] - robot.model.geom_size[spheres, 0]
        np.testing.assert_allclose(bottoms, 0.0, atol=1e-6)


def test_only_the_pads_touch_the_ground(robot: Robot) -> None:
    touching = set(np.flatnonzero(robot.model.geom_contype | robot.model.geom_conaffinity))
    assert touching == {robot.model.geom("floor").id, *map(int, robot.pad_geoms.ravel())}


def test_servos(robot: Robot) -> None:
    model = robot.model
    np.testing.assert_allclose(model.actuator_gainprm[:, 0], 21.1)
    np.testing.assert_allclose(model.actuator_biasprm[:, 1], -21.1)
    np.testing.assert_allclose(model.actuator_biasprm[:, 2], -0.5)
    np.testing.assert_allclose(model.actuator_forcerange, np.tile([-4.0, 4.0], (9, 1)))
    assert model.actuator_forcelimited.all()
    np.testing.assert_allclose(model.actuator_ctrlrange, robot.joint_range)


def test_joint_damping_friction_and_armature(robot: Robot) -> None:
    np.testing.assert_allclose(robot.model.dof_damping[6:], 0.085)
    np.testing.assert_allclose(robot.model.dof_frictionloss[6:], 0.0223)
    np.testing.assert_allclose(robot.model.dof_armature[6:], 0.0250)
    np.testing.assert_allclose(robot.model.dof_damping[:6], 0.0)
    np.testing.assert_allclose(robot.model.dof_armature[:6], 0.0)


def test_home_pose_lies_in_the_compiled_ranges(robot: Robot) -> None:
    lower, upper = robot.joint_range.T
    assert (robot.home_qpos[7:] >= lower).all()
    assert (robot.home_qpos[7:] <= upper).all()


def test_home_pose_stands_flat_on_all_pads(robot: Robot) -> None:
    np.testing.assert_allclose(robot.pad_heights(robot.home_qpos[None]), np.zeros((1, 4)), atol=1e-6)
    np.testing.assert_allclose(robot.mirror_qpos(robot.home_qpos), robot.home_qpos, atol=1e-12)


def test_leg_length_is_hip_to_sole_at_home(robot: Robot) -> None:
    hip = at(robot, robot.home_qpos).xanchor[robot.model.joint("left_hip_pitch").id]
    assert hip[2] == pytest.approx(robot.leg_length, abs=0.01)


def test_home_pose_stands_for_ten_seconds(robot: Robot) -> None:
    data = at(robot, robot.home_qpos)
    data.ctrl[:] = robot.home
    for _ in range(round(10.0 / robot.model.opt.timestep)):
        mujoco.mj_step(robot.model, data)
        assert data.qpos[2] > 0.9 * robot.home_qpos[2], f"fell after {data.time:.1f} s"
    np.testing.assert_allclose(data.qpos[:3], robot.home_qpos[:3], atol=0.03)
    assert np.abs(robot.pad_heights(data.qpos[None])).max() < robot.contact_clearance[0]


def anywhere(robot: Robot, seed: int) -> np.ndarray:
    """Random root pose and random joints within their ranges: [8, nq]."""
    rng = np.random.default_rng(seed)
    root = rng.normal(size=(8, 7))
    root[:, 3:] /= np.linalg.norm(root[:, 3:], axis=1, keepdims=True)
    return np.concatenate([root, rng.uniform(*robot.joint_range.T, size=(8, robot.num_joints))], axis=1)


@pytest.mark.parametrize("seed", range(3))
def test_mirrored_pose_is_the_reflection_of_every_body(robot: Robot, seed: int) -> None:
    model, partners = robot.model, []
    for i in range(model.nbody):
        partners.append(model.body(other_side(model.body(i).name)).id)
    for qpos in anywhere(robot, seed):
        data, mirrored = at(robot, qpos), at(robot, robot.mirror_qpos(qpos))
        np.testing.assert_allclose(mirrored.xpos, data.xpos[partners] * [1, -1, 1], atol=1e-9)
        np.testing.assert_allclose(mirrored.xipos, data.xipos[partners] * [1, -1, 1], atol=1e-9)


@pytest.mark.parametrize("seed", range(3))
def test_mirrored_pads_change_sides(robot: Robot, seed: int) -> None:
    qpos = anywhere(robot, seed)
    heights = robot.pad_heights(qpos)
    np.testing.assert_allclose(
        robot.pad_heights(robot.mirror_qpos(qpos)), heights[:, list(robot.mirror_pads)], atol=1e-9
    )
    assert [other_side(pad) for pad in robot.pads] == [list(robot.pads)[i] for i in robot.mirror_pads]


@pytest.mark.parametrize("seed", range(3))
def test_mirror_twice_is_nothing(robot: Robot, seed: int) -> None:
    qpos = anywhere(robot, seed)
    np.testing.assert_allclose(robot.mirror_qpos(robot.mirror_qpos(qpos)), qpos, atol=1e-12)


def test_mirror_stays_within_the_ranges(robot: Robot) -> None:
    mirrored = robot.mirror_qpos(anywhere(robot, 3))[:, 7:]
    lower, upper = robot.joint_range.T
    assert (mirrored >= lower - 1e-12).all()
    assert (mirrored <= upper + 1e-12).all()


def test_pad_height_is_the_lowest_point_of_the_pad(robot: Robot) -> None:
    """A toe-down foot: the toes are lower than the heels by the length of the foot times the sine of the pitch."""
    qpos = robot.home_qpos.copy()
    pitch = 0.2
    qpos[3:7] = [np.cos(pitch / 2), 0.0, np.sin(pitch / 2), 0.0]
    left_toe, left_heel, *_ = robot.pad_heights(qpos[None])[0]
    assert left_heel - left_toe == pytest.approx(0.1485 * np.sin(pitch), abs=1e-4)


def test_unknown_robot_names_the_nearest() -> None:
    assert available() == ["humanoid", "unitree_g1", "wildrobot"]
    with pytest.raises(InputError, match=r"'wildrobt'.*'wildrobot'"):
        load_robot("wildrobt")
