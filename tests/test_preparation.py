"""What is done before retargeting: up axis, T-pose, treadmill and frame rate, on synthetic walks and what is none."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from motion_files import write_npz
from scipy.ndimage import gaussian_filter1d
from scipy.spatial.transform import Rotation

from playground_amp.core.errors import InputError
from playground_amp.retargeting.gait import gait_of
from playground_amp.retargeting.preparation import prepared
from playground_amp.retargeting.preparation.treadmill import belt_velocity
from playground_amp.retargeting.readers.amass import JOINTS, Take, forward_kinematics, load_take
from playground_amp.retargeting.readers.any import read_recordings
from playground_amp.retargeting.readers.hints import ReadHints
from playground_amp.retargeting.readers.robot_motion import RobotMotion
from playground_amp.retargeting.retarget import retarget
from playground_amp.retargeting.synthetic_human import Stand, WalkStyle, synthetic_take
from playground_amp.retargeting.walker import Walker, walker_of
from playground_amp.robots import Robot

SPEEDS = (0.5, 0.9, 1.3)  # m/s
FPS = 120.0


def take_of(arrays: dict[str, np.ndarray]) -> Take:
    poses, trans = (arrays[key].astype(np.float64) for key in ("poses", "trans"))
    return Take("walk", *forward_kinematics(poses[:, :66], trans), FPS)


@pytest.fixture(scope="module", params=SPEEDS)
def take(request: pytest.FixtureRequest) -> Take:
    return take_of(synthetic_take(WalkStyle(request.param, seed=3, strides=5.0)))


@pytest.fixture(scope="module")
def arrays() -> dict[str, np.ndarray]:
    return synthetic_take(WalkStyle(1.1, seed=5, strides=4.0))


@pytest.fixture(scope="module")
def standing() -> Take:
    return take_of(synthetic_take(Stand(seed=1, seconds=4.0)))


def walker(take: Take) -> Walker:
    found = walker_of(take, None)
    assert found is not None
    return found


def moved(take: Take, velocity: list[float]) -> Take:
    """The take over a floor that goes at `velocity` [2] m/s."""
    time = np.arange(len(take.positions)) / take.fps
    return replace(take, positions=take.positions + time[:, None, None] * np.array([*velocity, 0.0]))


def on_belt(take: Take) -> tuple[Take, float]:
    """The take walked on the spot, and its speed, m/s."""
    way = take.positions[-1, 0, :2] - take.positions[0, 0, :2]
    return moved(take, [-x / take.duration for x in way]), float(np.linalg.norm(way)) / take.duration


def test_a_plain_walk_and_standing_stay_as_they_are(take: Take, standing: Take) -> None:
    for recording in (take, standing):
        assert prepared(recording) is recording


# Up.


@pytest.mark.parametrize("up", ["x", "y", "-y"])
def test_a_walk_recorded_with_another_axis_up_is_the_same_walk(
    tmp_path: Path, arrays: dict[str, np.ndarray], up: str
) -> None:
    """Of poses and trans, as a file has them: the root turns about the pelvis joint."""
    axis = np.array({"x": [1.0, 0, 0], "y": [0, 1.0, 0], "-y": [0, -1.0, 0]}[up])
    turn = Rotation.align_vectors(axis[None], [[0.0, 0.0, 1.0]])[0]
    poses = arrays["poses"].astype(np.float64)
    poses[:, :3] = (turn * Rotation.from_rotvec(poses[:, :3])).as_rotvec()
    changed = arrays | {"poses": poses, "trans": turn.apply(arrays["trans"])}
    plain = load_take(write_npz(tmp_path / "plain.npz", arrays))
    (read,) = read_recordings(write_npz(tmp_path / "tilted.npz", changed))
    assert isinstance(read, Take) and read.notes == (f"the {up} axis of its world is up; --up says another",)
    heights, expected = (track.positions[..., 2] - track.positions[0, 0, 2] for track in (read, plain))
    np.testing.assert_allclose(heights, expected, atol=1e-6)
    (forced,) = read_recordings(write_npz(tmp_path / "tilted.npz", changed), ReadHints(up="z"))
    assert isinstance(forced, Take)
    assert forced.notes == (f"--up=z is what was asked for, but the body stands along {up}",)


# T-pose.


def posed(take: Take, seconds: float, lift: float = 0.0, drift: float = 0.0) -> Take:
    """The take after some time in a T-pose, arms lifted by `lift` degrees, sliding by `drift` m/s."""
    frames = round(seconds * take.fps)
    poses = np.zeros((1, 22, 3))
    for side, sign in (("left", 1.0), ("right", -1.0)):
        poses[0, JOINTS.index(f"{side}_shoulder"), 2] = sign * np.deg2rad(lift)
    facing = Rotation.from_matrix(take.rotations[0, 0])
    yaw = np.arctan2(*facing.apply([0.0, 0.0, 1.0])[[1, 0]])
    poses[0, 0] = (Rotation.from_euler("z", yaw + np.pi / 2) * Rotation.from_euler("x", np.pi / 2)).as_rotvec()
    positions, rotations = forward_kinematics(poses.reshape(1, 66), np.zeros((1, 3)))
    positions = positions + take.positions[0, 0] - positions[0, 0]
    slide = drift * np.arange(frames)[:, None, None] / take.fps * np.array([1.0, 0.0, 0.0])
    return replace(
        take,
        positions=np.concatenate([positions + slide, take.positions]),
        rotations=np.concatenate([np.tile(rotations, (frames, 1, 1, 1)), take.rotations]),
    )


@pytest.mark.parametrize("seconds", [1.0 / FPS, 0.2, 1.0])
def test_a_t_pose_is_left_out_at_the_beginning_and_the_end(take: Take, seconds: float) -> None:
    before = posed(take, seconds)
    after = replace(before, positions=before.positions[::-1], rotations=before.rotations[::-1])
    for recording, place in ((before, "first"), (after, "last")):
        found = prepared(recording)
        assert len(found.positions) == len(take.positions)
        assert found.notes == (f"its {place} {seconds:.2f} s are a T-pose and left out",)


@pytest.mark.parametrize("lift", [-45.0, -20.0, 10.0])
def test_an_a_pose_is_left_out(take: Take, lift: float) -> None:
    assert len(prepared(posed(take, 1.0, lift)).positions) == len(take.positions)


def test_arms_that_hang_or_a_body_that_moves_are_no_t_pose(take: Take, standing: Take) -> None:
    assert len(prepared(posed(take, 1.0, lift=-65.0)).positions) == len(take.positions) + 120
    assert len(prepared(posed(take, 1.0, drift=0.5)).positions) == len(take.positions) + 120
    arms = [i for i, joint in enumerate(JOINTS) if joint.endswith(("shoulder", "elbow", "wrist"))]
    positions = take.positions.copy()
    out = positions[:, [JOINTS.index("left_hip")]] - positions[:, [JOINTS.index("right_hip")]]
    for i in arms:
        sign = 1.0 if JOINTS[i].startswith("left") else -1.0
        reach = 2.0 + ("elbow" in JOINTS[i]) + 2.0 * ("wrist" in JOINTS[i])
        positions[:, i] = positions[:, JOINTS.index("neck")] + sign * reach * out[:, 0] * [1.0, 1.0, 0.0]
    walks_with_arms_out = replace(take, positions=positions)
    assert prepared(walks_with_arms_out) is walks_with_arms_out


def test_the_lowering_of_the_arms_goes_with_the_t_pose(standing: Take) -> None:
    lowering = [posed(standing, 1.0 / FPS, lift) for lift in np.linspace(0.0, -70.0, 60)]
    positions = np.concatenate([take.positions[:1] for take in lowering])
    rotations = np.concatenate([take.rotations[:1] for take in lowering])
    recording = replace(
        standing,
        positions=np.concatenate([positions, standing.positions]),
        rotations=np.concatenate([rotations, standing.rotations]),
    )
    kept = len(prepared(recording).positions) - len(standing.positions)
    assert 0 <= kept <= 12


@pytest.mark.parametrize(("seconds", "left_out"), [(1.0, True), (0.1, False)])
def test_a_t_pose_after_some_standing_is_left_out_with_it(take: Take, seconds: float, left_out: bool) -> None:
    stood, posing = posed(take, 0.75, lift=-75.0), posed(take, seconds)
    recording = replace(
        take,
        positions=np.concatenate([stood.positions[:90], posing.positions]),
        rotations=np.concatenate([stood.rotations[:90], posing.rotations]),
    )
    kept = len(prepared(recording).positions)
    assert kept == (len(take.positions) if left_out else len(recording.positions))


def test_nothing_but_a_t_pose_is_refused(standing: Take) -> None:
    still = posed(standing, 2.0)
    alone = replace(still, positions=still.positions[:240], rotations=still.rotations[:240])
    with pytest.raises(InputError, match="is a T-pose all the time"):
        prepared(alone)


# Treadmill.


def test_a_treadmill_is_taken_off(take: Take) -> None:
    treadmill, speed = on_belt(take)
    found = prepared(treadmill)
    told = re.fullmatch(
        r"it walks on a treadmill, or on the spot, at (\S+) m/s: it was made to go forward", *found.notes
    )
    assert told and float(told[1]) == pytest.approx(speed, abs=0.02)
    np.testing.assert_allclose(found.positions[..., :2], take.positions[..., :2], atol=0.02 * speed * take.duration)
    np.testing.assert_array_equal(found.rotations, take.rotations)


def test_a_clip_of_a_treadmill_is_that_of_the_walk(robot: Robot, arrays: dict[str, np.ndarray]) -> None:
    take = take_of(arrays)
    walked, belt = (retarget(prepared(t), robot).clip.qpos for t in (take, on_belt(take)[0]))
    assert abs(len(walked) - len(belt)) <= 2
    speeds = [(qpos[-1, 0] - qpos[0, 0]) / len(qpos) for qpos in (walked, belt)]
    assert speeds[1] == pytest.approx(speeds[0], rel=0.02)


def test_a_belt_that_starts_and_stops_is_followed() -> None:
    take = take_of(synthetic_take(WalkStyle(1.0, seed=4, strides=6.0, from_standing=True)))
    way = gaussian_filter1d(take.positions[:, 0, :2], 0.4 * take.fps, axis=0, mode="nearest")
    way = np.concatenate([way, 0.0 * way[:, :1]], axis=1)
    (note,) = (found := prepared(replace(take, positions=take.positions - way[:, None]))).notes
    assert "on a treadmill, or on the spot, at 0.0" in note
    moved = found.positions[:, 0, :2] - take.positions[:, 0, :2]
    np.testing.assert_allclose(moved - moved[0], 0.0, atol=0.35)


@pytest.mark.parametrize("fps", [120.0, 480.0])
def test_noise_of_a_recording_changes_nothing(take: Take, fps: float) -> None:
    """Two millimetres at every joint, at many frames a second: velocities of half a metre a second."""
    times = np.linspace(0.0, len(take.positions) - 1, round(take.duration * fps))
    nearest = np.round(times).astype(int)
    noise = np.random.default_rng(0).normal(scale=0.002, size=(len(times), 22, 3))
    noisy = replace(take, positions=take.positions[nearest] + noise, rotations=take.rotations[nearest], fps=fps)
    assert prepared(noisy) is noisy
    treadmill, speed = on_belt(noisy)
    found = prepared(treadmill)
    way = np.linalg.norm(found.positions[-1, 0, :2] - found.positions[0, 0, :2])
    assert way == pytest.approx(speed * take.duration, rel=0.03)
    with pytest.raises(InputError, match="steps a minute"):
        prepared(replace(noisy, fps=2.0 * fps))


@pytest.mark.parametrize("slip", [0.05, 0.15, 0.25])
def test_feet_that_slide_are_no_treadmill(take: Take, slip: float) -> None:
    way = (take.positions[-1, 0, :2] - take.positions[0, 0, :2]) / take.duration
    assert belt_velocity(walker(moved(take, [-slip * x for x in way]))) is None


def test_standing_on_a_moving_floor_and_sliding_forward_are_no_treadmill(take: Take, standing: Take) -> None:
    assert belt_velocity(walker(moved(standing, [-1.0, 0.0]))) is None
    way = (take.positions[-1, 0, :2] - take.positions[0, 0, :2]) / take.duration
    assert belt_velocity(walker(moved(take, [float(x) for x in way]))) is None


# Rate.


def test_twice_the_frame_rate_is_implausible_and_fps_vouches_for_it(take: Take) -> None:
    double = replace(take, fps=2.0 * take.fps)
    gait = gait_of(walker(double))
    assert gait is not None
    with pytest.raises(InputError) as caught:
        prepared(double)
    told = str(caught.value)
    for words in ("'walk': at 240 frames a second", f"{gait.cadence:.0f} steps a minute", "m/s", "--fps, such as 120"):
        assert words in told
    assert prepared(double, ReadHints(fps=240.0)) is double


def test_half_the_frame_rate_looks_like_slow_motion(take: Take) -> None:
    (note,) = prepared(replace(take, fps=0.5 * take.fps)).notes
    assert "as in slow motion: --fps" in note


@pytest.mark.parametrize("size", [0.4, 0.7, 1.2])
def test_children_and_giants_walk_alike(take: Take, size: float) -> None:
    """By dynamic similarity: lengths by the size, times by its root."""
    other = replace(take, positions=size * take.positions, fps=take.fps / np.sqrt(size))
    assert prepared(other) is other
    with pytest.raises(InputError, match="steps a minute"):
        prepared(replace(other, fps=2.0 * other.fps))


def runner(take: Take, cadence: float) -> Take:
    """Somebody whose feet never stand at once: the ankles swing past each other evenly, steps a minute."""
    time = np.arange(4 * round(take.fps)) / take.fps
    phase = np.pi * cadence / 60.0 * time
    positions = np.tile(take.positions[:1] * [0.0, 0.0, 1.0], (len(time), 1, 1))
    forward = cadence / 60.0 * 1.1 * time
    for i, joint in enumerate(JOINTS):
        sign = 1.0 if joint.startswith("left") else -1.0 if joint.startswith("right") else 0.0
        positions[:, i, 0] = forward
        positions[:, i, 1] = 0.1 * sign
        if "ankle" in joint or "foot" in joint:
            positions[:, i, 0] += 0.4 * sign * np.sin(phase)
    return Take("run", positions, np.tile(take.rotations[:1], (len(time), 1, 1, 1)), take.fps)


def test_a_jog_is_plausible_and_five_steps_a_second_are_not(take: Take) -> None:
    for cadence in (150.0, 180.0, 200.0):
        assert prepared(runner(take, cadence)).notes == ()
    with pytest.raises(InputError, match="steps a minute"):
        prepared(runner(take, 360.0))


# Robots.


@pytest.fixture(scope="module")
def robot_walk(robot: Robot, arrays: dict[str, np.ndarray]) -> RobotMotion:
    qpos = retarget(take_of(arrays), robot).clip.qpos
    return RobotMotion("walk", qpos[:, :3], qpos[:, 3:7], qpos[:, 7:], robot.joints, 50.0)


def test_a_robots_motion_is_held_to_the_same(robot: Robot, robot_walk: RobotMotion) -> None:
    assert prepared(robot_walk, robot=robot) is robot_walk
    with pytest.raises(InputError, match="at 100 frames a second"):
        prepared(replace(robot_walk, fps=100.0), robot=robot)
    time = np.arange(len(robot_walk.root_pos))[:, None] / robot_walk.fps
    way = (robot_walk.root_pos[-1] - robot_walk.root_pos[0]) / robot_walk.duration * [1.0, 1.0, 0.0]
    belt = prepared(replace(robot_walk, root_pos=robot_walk.root_pos - way * time), robot=robot)
    assert "on a treadmill" in belt.notes[0]
    np.testing.assert_allclose(belt.root_pos, robot_walk.root_pos, atol=0.03)


def test_the_motion_of_another_robot_is_left_alone(robot_walk: RobotMotion, robot: Robot) -> None:
    for joints in (None, tuple(f"other_{joint}" for joint in robot.joints)):
        motion = replace(robot_walk, joints=joints, fps=100.0)
        assert prepared(motion, robot=robot) is motion
    assert prepared(robot_walk) is robot_walk


@pytest.mark.parametrize("frames", [1, 2, 9, 10, 11, 30])
def test_no_length_breaks_it(frames: int, robot: Robot, robot_walk: RobotMotion, standing: Take) -> None:
    for fps in (10.0, 50.0, 1000.0):
        cut = replace(standing, positions=standing.positions[:frames], rotations=standing.rotations[:frames], fps=fps)
        assert len(prepared(cut).positions) == frames
        part = {key: getattr(robot_walk, key)[:frames] for key in ("root_pos", "root_quat", "joint_pos")}
        assert len(prepared(replace(robot_walk, fps=fps, **part), robot=robot).root_pos) == frames


AMASS_DIR = os.environ.get("AMASS_DIR", "")
REAL = sorted(Path(AMASS_DIR).rglob("*_poses.npz"))[:20] if AMASS_DIR else []


@pytest.mark.skipif(not REAL, reason="AMASS_DIR names no folder with *_poses.npz")
@pytest.mark.parametrize("change", ["none", "SMPL", "double", "treadmill"])
def test_real_takes(tmp_path: Path, change: str) -> None:
    for path in REAL:
        take = load_take(path)
        gait = gait_of(walker(take))
        if gait is None or gait.speed < 0.5:
            continue
        CHANGES[change](take, path, tmp_path)


def _as_smpl(take: Take, path: Path, folder: Path) -> None:
    with np.load(path) as file:
        arrays = {key: file[key] for key in ("poses", "trans", "mocap_framerate")}
    smpl = load_take(write_npz(folder / "smpl.npz", arrays | {"poses": arrays["poses"][:, :72]}))
    np.testing.assert_array_equal(smpl.positions, take.positions)


def _plain(take: Take, *_: Path) -> None:
    assert prepared(take) is take


def _double(take: Take, *_: Path) -> None:
    with pytest.raises(InputError, match="steps a minute"):
        prepared(replace(take, fps=2.0 * take.fps))


def _treadmill(take: Take, *_: Path) -> None:
    treadmill, speed = on_belt(take)
    found = prepared(treadmill)
    assert np.linalg.norm(found.positions[-1, 0, :2] - found.positions[0, 0, :2]) == pytest.approx(
        speed * take.duration, rel=0.05
    )


CHANGES: dict[str, Callable[[Take, Path, Path], None]] = {
    "none": _plain,
    "SMPL": _as_smpl,
    "double": _double,
    "treadmill": _treadmill,
}


def test_a_unit_that_makes_the_way_shorter_than_the_steps_is_refused(
    tmp_path: Path, arrays: dict[str, np.ndarray]
) -> None:
    """A hundredth of the way under the same steps looks like a treadmill."""
    hints = ReadHints(unit="cm")
    (read,) = read_recordings(write_npz(tmp_path / "walk.npz", arrays), hints)
    with pytest.raises(InputError, match=r"with --unit cm it steps as if at [01]\.\d+ m/s and hardly leaves its place"):
        prepared(read, hints)
