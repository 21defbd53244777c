"""The doctor: silent on the healthy default, and every classic breakage found and named, on either side."""

from __future__ import annotations

import dataclasses
import io
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import jax
import mujoco
import numpy as np
import pytest
from conftest import slow
from rich.console import Console
from scipy.spatial.transform import Rotation

from playground_amp.amp import AMP
from playground_amp.builder import make_amp
from playground_amp.config import CommandConfig, Config, build, resolve
from playground_amp.core.errors import InputError, listed
from playground_amp.core.types import Frame
from playground_amp.doctor import diagnose
from playground_amp.doctor import probes as gathering
from playground_amp.doctor.clips import examine_clips, examine_speeds, report_clip
from playground_amp.doctor.command import doctor
from playground_amp.doctor.commands import examine_commands
from playground_amp.doctor.diagnosis import Diagnosis
from playground_amp.doctor.examination import examine
from playground_amp.doctor.feature_consistency import FeatureTrace, examine_traces, recomputed_features
from playground_amp.doctor.finding import Finding
from playground_amp.doctor.machine import Machine, examine_machine, start_rendering
from playground_amp.doctor.output import clips_table
from playground_amp.doctor.probes import ProbeData, gather
from playground_amp.doctor.reference import examine_fall, examine_reference
from playground_amp.doctor.separability import FeatureStats, Summary, auc, separability
from playground_amp.doctor.stance import find_stance
from playground_amp.envs.env import Env
from playground_amp.motion import reference_builder
from playground_amp.motion.clip import MotionClip, load_clip, save_clip
from playground_amp.motion.features import amp_features, feature_floor
from playground_amp.motion.metrics.inverse_dynamics import required_torques, torque_limits
from playground_amp.retargeting.batch import retarget_sources
from playground_amp.robots import Robot, load_robot
from playground_amp.robots.proposal.propose import write_proposal

ROOT = Path(__file__).parents[1]
CLIPS = [ROOT / "data/wildrobot" / name for name in ("walk_0.5_a.npz", "walk_0.7_a.npz")]
DT = 0.02
TURN = np.array([0.0, 0.0, 0.0, 1.0])  # half a turn about the vertical
VECTORS = ("root direction x", "root direction y")


def config_of(*clips: Path) -> Config:
    values = {
        "reference": {"clips": [str(clip) for clip in clips]},
        "logging": {"wandb": "off"},
        "env": {"command": {"forward": [0.5, 0.7]}},
    }
    return resolve(build(values, "test"), accelerator=False)


@pytest.fixture(scope="module", autouse=True)
def small() -> Iterator[None]:
    """Short rollouts and few steps are enough to find what is wrong."""
    with pytest.MonkeyPatch.context() as patch:
        for name, size in {"ROBOTS": 16, "STEPS": 30, "PAIRS": 48}.items():
            patch.setattr(gathering, name, size)
        yield


@pytest.fixture(scope="module")
def amp() -> AMP:
    return make_amp(config_of(*CLIPS))


@pytest.fixture(scope="module")
def healthy(amp: AMP) -> ProbeData:
    return gather(amp)


@pytest.fixture(scope="module")
def clips(robot: Robot) -> list[MotionClip]:
    return [load_clip(path, robot) for path in CLIPS]


def findings(amp: AMP, probe: ProbeData, clips: list[MotionClip]) -> list[Finding]:
    return examine(amp, probe, clips, [report_clip(clip, amp.env.robot) for clip in clips])


def with_reference(amp: AMP, reference: reference_builder.Reference) -> AMP:
    return AMP(amp.config, Env(amp.env.config, amp.env.robot, amp.env.physics, reference))


def errors(found: list[Finding]) -> list[tuple[str, str]]:
    return [(finding.side, finding.code) for finding in found if finding.severity == "error"]


def the_error(found: list[Finding], code: str, side: str) -> Finding:
    """The one error of that cause and side."""
    assert (side, code) in errors(found), [finding.sentence for finding in found]
    return next(finding for finding in found if (finding.side, finding.code) == (side, code))


# what breaks such projects: each turns (features, previous, current) into broken features


def contacts_zeroed(features: jax.Array, _: Frame, __: Frame) -> jax.Array:
    return features.at[..., 25:].set(0.0)


def world_frame(features: jax.Array, previous: Frame, current: Frame) -> jax.Array:
    upright = Frame(
        root_pos=current.root_pos,
        root_quat=jax.numpy.zeros_like(current.root_quat).at[..., 0].set(1.0),
        joint_pos=current.joint_pos,
        pad_height=current.pad_height,
    )
    turned = amp_features(previous, upright, dt=DT, contact_clearance=(0.0, 1.0))
    return features.at[..., 18:21].set(turned[..., 18:21])


def joints_swapped(features: jax.Array, _: Frame, __: Frame) -> jax.Array:
    return features.at[..., jax.numpy.array([3, 7, 12, 16])].set(features[..., jax.numpy.array([7, 3, 16, 12])])


def height_in_cm(features: jax.Array, _: Frame, __: Frame) -> jax.Array:
    return features.at[..., 24].multiply(100.0)


def half_a_turn(features: jax.Array, _: Frame, __: Frame) -> jax.Array:
    return features.at[..., jax.numpy.array([18, 19, 21, 22])].multiply(-1.0)


BREAKAGES = {
    "contacts": (contacts_zeroed, "constant", ("left_toe contact", "right_heel contact"), "stuck at 0"),
    "frame": (world_frame, "frame", VECTORS, "world frame instead of the heading frame"),
    "order": (
        joints_swapped,
        "order",
        ("left_knee_pitch position", "right_knee_pitch velocity"),
        "'left_knee_pitch position' holds 'right_knee_pitch position'",
    ),
    "height": (height_in_cm, "unit", ("root height",), "100 times the true values, cm instead of m"),
    "facing": (half_a_turn, "facing", VECTORS, "turned by 180 degrees"),
}


@pytest.mark.parametrize("name", ["contacts", "frame", *slow("order", "height", "facing")])
def test_a_breakage_of_the_policys_features_is_named(
    name: str, amp: AMP, clips: list[MotionClip], monkeypatch: pytest.MonkeyPatch
) -> None:
    broken, code, dimensions, words = BREAKAGES[name]
    sound = Env.features
    monkeypatch.setattr(Env, "features", lambda self, a, b: broken(sound(self, a, b), a, b))
    found = findings(amp, gather(amp), clips)
    error = the_error(found, code, "policy")
    assert set(dimensions) <= set(error.dimensions) and words in error.sentence
    assert errors(found) == [("policy", code)]


@pytest.mark.parametrize("name", BREAKAGES)
def test_a_breakage_of_the_references_features_is_named(
    name: str, amp: AMP, healthy: ProbeData, clips: list[MotionClip], monkeypatch: pytest.MonkeyPatch
) -> None:
    broken, code, dimensions, words = BREAKAGES[name]
    monkeypatch.setattr(reference_builder, "amp_features", lambda a, b, **kw: broken(amp_features(a, b, **kw), a, b))
    amp = make_amp(amp.config)
    traces = [
        gathering.as_stored(amp.env.reference, gathering.consecutive(amp.env.reference)),
        gathering.on_reference_side(amp, healthy.traces[2].previous, healthy.traces[2].current),
    ]
    probe = dataclasses.replace(healthy, traces=[*healthy.traces[::2], *traces])
    found = findings(amp, probe, clips)
    error = the_error(found, code, "reference")
    assert set(dimensions) <= set(error.dimensions) and words in error.sentence
    assert ("policy", code) not in errors(found)


@pytest.mark.slow
@pytest.mark.parametrize("name", BREAKAGES)
def test_a_breakage_of_both_sides_is_one_error_of_features_py(name: str, amp: AMP, healthy: ProbeData) -> None:
    broken, code, _, words = BREAKAGES[name]
    traces = [with_features(trace, broken) for trace in healthy.traces]
    found = examine_traces(traces, amp.env.robot, DT)
    assert [(finding.side, finding.code) for finding in found] == [("both", code)]
    assert words in found[0].sentence and found[0].sentence.count("amp_features in motion/features.py") == 1
    assert "env.py" not in found[0].sentence and "library.py" not in found[0].sentence


def with_features(trace: FeatureTrace, broken: Callable[[jax.Array, Frame, Frame], jax.Array]) -> FeatureTrace:
    """A trace whose features are broken."""
    previous, current = (frame(qpos) for qpos in (trace.previous, trace.current))
    features = broken(jax.numpy.asarray(trace.features), previous, current)
    return dataclasses.replace(trace, features=np.asarray(features))


def frame(qpos: np.ndarray) -> Frame:
    """States [N, nq] without their pads."""
    pads = np.zeros((len(qpos), 4), np.float32)
    parts = (jax.numpy.asarray(part) for part in (qpos[:, :3], qpos[:, 3:7], qpos[:, 7:], pads))
    return Frame(*parts)


@pytest.mark.parametrize("side", ["policy", "reference"])
def test_a_root_in_another_unit_is_its_height_alone(side: str, amp: AMP, healthy: ProbeData) -> None:
    """A height in centimetres bends the root direction, too."""
    traces = [in_cm(trace) if trace.side == side else trace for trace in healthy.traces]
    (error,) = examine_traces(traces, amp.env.robot, DT)
    assert (error.side, error.code, error.dimensions) == (side, "unit", ("root height",))


def in_cm(trace: FeatureTrace) -> FeatureTrace:
    """A trace seen by a side that takes the root height for centimetres: its vertical velocity is 100 times."""
    features = trace.features.copy()
    features[:, 20] *= 100.0
    features[:, 18:21] /= np.maximum(np.linalg.norm(features[:, 18:21], axis=1, keepdims=True), 1e-6)
    features[:, 24] *= 100.0
    return dataclasses.replace(trace, features=features)


def test_no_phrase_is_said_twice(amp: AMP, healthy: ProbeData) -> None:
    random = np.random.default_rng(0)
    traces = []
    for trace in healthy.traces:
        features = trace.features.copy()
        features[:, 18:21] = random.uniform(-1.0, 1.0, (len(features), 3))
        traces.append(dataclasses.replace(trace, features=features))
    (error,) = examine_traces(traces, amp.env.robot, DT)
    assert (error.side, error.code) == ("both", "mismatch")
    assert error.sentence.count("as nothing usual explains") == 1


def test_no_fault_is_said_only_without_errors() -> None:
    summary = Summary(0.0, 1.0, -1.0, 1.0)
    features = [FeatureStats("root height", "root height", "m", summary, summary, 0.98)]
    machine = Machine("cpu", ("cpu",), 2, "native", 256, "yes", "offline", 1e12)
    other = Finding("error", "facing", "", ("root direction x",))
    own = Finding("error", "unit", "", ("root height",))
    said = [Diagnosis(features, found, [], machine).giveaway for found in ([], [other], [other, own])]
    first = "root height gives the policy away most (AUC 0.98)"
    assert said == [
        f"{first}; no fault was found in it, so this is what it has to learn",
        first,
        f"{first}; likely cause: unit",
    ]


def test_the_clip_table_fits_80_columns(clips: list[MotionClip], robot: Robot) -> None:
    report = dataclasses.replace(report_clip(clips[0], robot), name="a" * 24)
    console = Console(width=80, record=True, file=io.StringIO())
    console.print(clips_table([report]))
    lines = console.export_text().splitlines()
    assert any("a" * 24 in line for line in lines) and any("of limit" in line for line in lines)


def test_a_checkpoint_before_the_first_run_is_refused_in_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=r"there is no run 'nosuchrun'; give the folder .* 'runs' has none yet"):
        doctor(["--checkpoint", "nosuchrun"])


def test_nothing_is_wrong_with_the_default(amp: AMP, healthy: ProbeData, clips: list[MotionClip]) -> None:
    assert findings(amp, healthy, clips) == []


def test_a_world_frame_is_found_in_the_stored_windows_alone(amp: AMP, clips: list[MotionClip]) -> None:
    """Along +x it is hardly another; its tolerance is tighter than the sway of the heading."""
    reference = amp.env.reference
    trace = gathering.as_stored(reference, gathering.consecutive(reference))
    world = recomputed_features(trace.previous, trace.current, amp.env.robot, DT, frame="world")
    found = examine_traces([dataclasses.replace(trace, features=world)], amp.env.robot, DT)
    assert the_error(found, "frame", "reference").dimensions


def test_swapped_columns_in_the_reference_pytree_are_named(amp: AMP, healthy: ProbeData) -> None:
    swapped = amp.env.reference.windows[..., np.r_[0, 5:9, 1:5, 9:29]]
    reference = amp.env.reference.replace(windows=swapped)
    trace = gathering.as_stored(reference, gathering.consecutive(reference))
    error = the_error(examine_traces([trace], amp.env.robot, DT), "order", "reference")
    assert "left_hip_pitch position" in error.dimensions


@pytest.mark.parametrize("floor", [1e-8, None])
def test_a_variance_floor_of_nothing_is_named(
    floor: float | None, amp: AMP, healthy: ProbeData, clips: list[MotionClip], monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the library alone, and in features.py for everybody."""
    low = lambda robot: np.full(robot.num_features, floor or 1e-8, np.float32)  # noqa: E731
    monkeypatch.setattr(reference_builder, "feature_floor", low)
    if floor is None:
        monkeypatch.setattr("playground_amp.doctor.reference.feature_floor", low)
    error = the_error(findings(make_amp(amp.config), healthy, clips), "floor", "reference")
    assert "root direction x" in error.dimensions and "variance floor" in error.sentence


def test_a_sound_floor_under_a_still_joint_is_no_fault(amp: AMP, robot: Robot) -> None:
    assert (np.asarray(amp.env.reference.normalizer.std) >= 0.999 * feature_floor(robot)).all()


def examined_clip(clip: MotionClip, robot: Robot, qpos: np.ndarray, tmp_path: Path) -> list[Finding]:
    """Findings on an altered clip, written to a file and read again."""
    save_clip(tmp_path / "altered.npz", dataclasses.replace(clip, qpos=qpos))
    altered = load_clip(tmp_path / "altered.npz", robot)
    return examine_clips([altered], [report_clip(altered, robot)], robot, 0.55)


@pytest.mark.parametrize("factor, unit", [(100.0, "cm instead of m"), (1000.0, "mm instead of m")])
def test_a_clip_in_another_unit_is_named(
    factor: float, unit: str, clips: list[MotionClip], robot: Robot, tmp_path: Path
) -> None:
    qpos = clips[0].qpos.copy()
    qpos[:, 2] *= factor
    error = the_error(examined_clip(clips[0], robot, qpos, tmp_path), "unit", "reference")
    assert error.dimensions == ("root height",) and unit in error.sentence


def turned(qpos: np.ndarray) -> np.ndarray:
    """Root quaternions [N, 4] turned by 180 degrees about the vertical."""
    result = np.empty_like(qpos)
    for row, q in zip(result, qpos, strict=True):
        mujoco.mju_mulQuat(row, TURN, q)
    return result


def test_a_clip_that_faces_away_from_its_way_is_named(clips: list[MotionClip], robot: Robot, tmp_path: Path) -> None:
    qpos = clips[0].qpos.copy()
    qpos[:, 3:7] = turned(qpos[:, 3:7])
    error = the_error(examined_clip(clips[0], robot, qpos, tmp_path), "facing", "reference")
    assert set(VECTORS) == set(error.dimensions) and "orientation is turned" in error.sentence


def test_a_clip_turned_as_a_whole_is_harmless(clips: list[MotionClip], robot: Robot, tmp_path: Path) -> None:
    qpos = clips[0].qpos.copy()
    qpos[:, 3:7] = turned(qpos[:, 3:7])
    qpos[:, :2] *= -1.0
    assert examined_clip(clips[0], robot, qpos, tmp_path) == []


@pytest.mark.parametrize("pair", [(3, 7), (4, 8)])
def test_joints_exchanged_in_a_clip_are_named(
    pair: tuple[int, int], clips: list[MotionClip], robot: Robot, tmp_path: Path
) -> None:
    qpos, columns = clips[0].qpos.copy(), [7 + i for i in pair]
    qpos[:, columns] = qpos[:, columns[::-1]]
    error = the_error(examined_clip(clips[0], robot, qpos, tmp_path), "order", "reference")
    assert error.dimensions == tuple(f"{robot.joints[i]} position" for i in pair)


def lifted(clip: MotionClip, height: float, *, dips: float = 0.0, every: int = 50) -> np.ndarray:
    """qpos of a clip `height` m higher, and `dips` m lower in every so many frames."""
    qpos = clip.qpos.copy()
    qpos[:, 2] += height
    qpos[::every, 2] -= dips
    return qpos


@pytest.mark.parametrize(
    ("height", "dips", "words"),
    [
        (0.016, 0.018, "its feet stand 16 mm over the ground, where contact is 0.00 and not 1"),
        (0.05, 0.0, "its feet stand 50 mm over the ground, where contact is 0.00 and not 1"),
        (-0.015, 0.0, "its feet stand 15 mm under the ground"),
    ],
)
def test_feet_that_stand_off_the_ground_are_named_and_nothing_else(
    height: float, dips: float, words: str, clips: list[MotionClip], robot: Robot, tmp_path: Path
) -> None:
    (error,) = examined_clip(clips[0], robot, lifted(clips[0], height, dips=dips), tmp_path)
    assert (error.severity, error.code, error.clip) == ("error", "float", "altered")
    assert words in error.sentence and "playground-amp retarget" in error.sentence
    assert {"root height", "left_toe contact", "right_heel contact"} <= set(error.dimensions)


def test_feet_a_little_off_the_ground_are_a_warning(clips: list[MotionClip], robot: Robot, tmp_path: Path) -> None:
    (warning,) = examined_clip(clips[0], robot, lifted(clips[0], 0.006), tmp_path)
    assert (warning.severity, warning.code) == ("warning", "float")
    assert examined_clip(clips[0], robot, lifted(clips[0], 0.003), tmp_path) == []


@pytest.mark.parametrize("every, severity", [(50, "warning"), (5, "error")])
def test_feet_that_dip_through_the_ground_are_told_from_feet_that_stand_under_it(
    every: int, severity: str, clips: list[MotionClip], robot: Robot, tmp_path: Path
) -> None:
    (found,) = examined_clip(clips[0], robot, lifted(clips[0], 0.0, dips=0.02, every=every), tmp_path)
    assert (found.severity, found.code) == (severity, "dip")
    assert "dip up to 20 mm through it" in found.sentence


@pytest.mark.slow
def test_floating_clips_are_the_one_cause_of_contacts_that_never_change(
    robot: Robot, clips: list[MotionClip], tmp_path: Path
) -> None:
    for clip in clips:
        save_clip(tmp_path / f"{clip.name}.npz", dataclasses.replace(clip, qpos=lifted(clip, 0.05)))
    paths = sorted(tmp_path.glob("*.npz"))
    floating = make_amp(config_of(*paths))
    found = findings(floating, gather(floating), [load_clip(path, robot) for path in paths])
    assert errors(found) == [("reference", "float")]
    assert "(the same: walk_0.7_a)" in found[0].sentence


def test_a_sound_walk_whose_sides_are_exchanged_is_named_for_all_joints(
    clips: list[MotionClip], robot: Robot, tmp_path: Path
) -> None:
    """Its feet slide with every step, so the order is the cause."""
    qpos = np.concatenate([clips[0].qpos[:, :7], clips[0].qpos[:, 7:][:, list(robot.mirror_joints[0])]], axis=1)
    altered = dataclasses.replace(clips[0], qpos=qpos)
    report = report_clip(altered, robot)
    assert report.stance.share < 0.1 and report_clip(clips[0], robot).stance.share > 0.95
    (error,) = (found for found in examine_clips([altered], [report], robot, 0.55) if found.code == "order")
    assert "hold still in 2% of the frames" in error.sentence


def test_a_walk_backward_on_standing_feet_is_no_turned_quaternion(clips: list[MotionClip], robot: Robot) -> None:
    back = dataclasses.replace(clips[0], qpos=clips[0].qpos[::-1])  # the film run backwards
    (error,) = examine_clips([back], [report_clip(back, robot)], robot, 0.55)
    assert error.code == "facing" and "quaternion" not in error.sentence and "the speed that it walks" in error.sentence


def test_a_clip_with_joints_out_of_their_ranges_names_the_order(clips: list[MotionClip], tmp_path: Path) -> None:
    qpos = clips[0].qpos.copy()
    qpos[:, [8, 12]] = qpos[:, [12, 8]]
    save_clip(tmp_path / "altered.npz", dataclasses.replace(clips[0], qpos=qpos))
    with pytest.raises(InputError, match="left_hip_pitch and right_hip_pitch exchanged"):
        diagnose(config_of(tmp_path / "altered.npz"))


def test_commands_that_no_clip_walks_are_a_warning(clips: list[MotionClip], robot: Robot) -> None:
    reports = [report_clip(clip, robot) for clip in clips]
    assert list(examine_speeds(reports, (0.5, 0.7))) == []
    (warning,) = examine_speeds(reports, (0.5, 1.2))
    assert (warning.severity, warning.code) == ("warning", "speed")
    low, high = sorted(report.ahead for report in reports)
    assert f"env.command.forward=[{low:.2f},{high:.2f}]" in warning.sentence


@pytest.mark.parametrize(
    ("min_height", "found"), [(0.33, []), (0.5, ["error"]), (0.44, ["error"]), (0.1, ["warning"]), (0.0, ["warning"])]
)
def test_the_height_of_a_fall_goes_with_the_robot(amp: AMP, min_height: float, found: list[str]) -> None:
    said = list(examine_fall(amp.env.reference, amp.env.robot, min_height))
    assert [finding.severity for finding in said] == found
    assert all("set env.min_height to about 0.33" in finding.sentence for finding in said)


@pytest.mark.parametrize("command", [(1.0, 1.5), (0.1, 0.2), (-0.6, -0.4)])
def test_commands_apart_from_all_clips_are_an_error(
    command: tuple[float, float], clips: list[MotionClip], robot: Robot
) -> None:
    reports = [report_clip(clip, robot) for clip in clips]
    low, high = sorted(report.ahead for report in reports)
    (error,) = examine_speeds(reports, command)
    assert (error.severity, error.code) == ("error", "speed")
    assert f"env.command.forward=[{low:.2f},{high:.2f}]" in error.sentence


def test_a_declared_speed_is_what_a_clip_walks_at(clips: list[MotionClip], robot: Robot) -> None:
    declared = [dataclasses.replace(clip, declared_speed=speed) for clip, speed in zip(clips, (1.0, 1.5), strict=True)]
    reports = [report_clip(clip, robot) for clip in declared]
    assert list(examine_speeds(reports, (1.0, 1.5))) == []
    (error,) = examine_speeds(reports, (0.5, 0.7))
    assert error.severity == "error" and "env.command.forward=[1.00,1.50]" in error.sentence


def test_walking_backwards_is_no_fault_of_a_clip_that_is_declared_to(clips: list[MotionClip], robot: Robot) -> None:
    back = dataclasses.replace(clips[0], qpos=clips[0].qpos[::-1])  # the film run backwards
    for speed, faults in ((None, ["facing"]), (-0.5, []), (0.5, ["facing"])):
        clip = dataclasses.replace(back, declared_speed=speed)
        found = examine_clips([clip], [report_clip(clip, robot)], robot, 0.6)
        assert [finding.code for finding in found if finding.code == "facing"] == faults
        assert all("reference.clips declares +0.50" in finding.sentence for finding in found if speed == 0.5 and faults)


def test_walking_backwards_is_no_fault_of_a_clip_where_that_is_asked_for(clips: list[MotionClip], robot: Robot) -> None:
    back = dataclasses.replace(clips[0], qpos=clips[0].qpos[::-1])
    skating = dataclasses.replace(clips[0], qpos=clips[0].qpos.copy())
    skating.qpos[:, 3:7] = turned(skating.qpos[:, 3:7])
    every_way = ((-0.6, 0.8), (-0.1, 0.1), (-0.5, 0.5))
    for clip, ranges, faults in (
        (back, every_way, []),
        (back, ((0.0, 0.8), (-0.1, 0.1), (-0.5, 0.5)), ["facing"]),
        (skating, every_way, ["facing"]),
    ):
        found = examine_clips([clip], [report_clip(clip, robot)], robot, 0.1, ranges)
        assert [finding.code for finding in found if finding.code == "facing"] == faults


WAYS = (((0.3, 0.8), (-0.2, 0.1), (-0.05, 0.9)), ((0.5, 0.6), (0.0, 0.0), (0.0, 0.0)))  # that two clips show


@pytest.mark.parametrize(
    ("asked", "mirrored", "said"),
    [
        ({"turn": (-0.1, 0.9), "sideways": (-0.2, 0.1)}, False, None),
        ({"turn": (-0.9, 0.9), "sideways": (-0.2, 0.2)}, True, None),
        ({"turn": (-0.9, 0.9)}, False, ("warning", "turn", "-0.9 to 0.9 rad/s", "[-0.05,0.90]")),
        ({"turn": (1.5, 2.0)}, True, ("error", "turn", "1.5 to 2 rad/s", "[-0.90,0.90]")),
        ({"sideways": (-0.4, 0.0)}, True, ("warning", "sideways", "-0.4 to 0 m/s", "[-0.20,0.20]")),
        (
            {"forward": (-0.5, 1.2), "stand_share": 0.1},
            True,
            ("warning", "forward", "-0.5 to 1.2 m/s", "[0.30,0.80]"),
        ),
        (
            {"forward": (-0.5, -0.1), "turn": (-0.5, 0.5)},
            True,
            ("error", "forward", "-0.5 to -0.1 m/s", "[0.30,0.80]"),
        ),
    ],
)
def test_commands_that_nobody_has_followed_are_told(asked: dict, mirrored: bool, said: tuple | None) -> None:
    reports = [SimpleNamespace(shown=shown) for shown in WAYS]
    command = CommandConfig(**{"forward": (0.3, 0.8)} | asked)
    found = list(examine_commands(reports, command, mirrored=mirrored))
    assert [finding.code for finding in found] == (["speed"] if said else [])
    if said:
        severity, name, wanted, shown = said
        assert found[0].severity == severity
        does = "turn" if name == "turn" else "go"
        assert found[0].sentence.startswith(f"env.command.{name} asks for {wanted}, the clips {does} ")
        assert found[0].sentence.endswith(f"add clips or set env.command.{name}={shown}")


def test_clips_that_walk_straight_on_show_nothing_of_a_turn(clips: list[MotionClip], robot: Robot) -> None:
    """A range around zero holds what they do, and yet nothing that is asked for."""
    reports = [report_clip(clip, robot) for clip in clips]
    command = CommandConfig(forward=(0.5, 0.7), sideways=(-0.3, 0.3), turn=(-1.0, 1.0))
    found = list(examine_commands(reports, command, mirrored=True))
    assert [(one.severity, one.dimensions) for one in found] == [
        ("error", ("root direction y",)),
        ("error", ("root angular velocity z",)),
    ]
    for finding, name in zip(found, ("sideways", "turn"), strict=True):
        assert "nobody in the reference does what is asked for" in finding.sentence
        assert finding.sentence.endswith(f"set env.command.{name}=[0,0]")


def test_the_speed_of_a_clip_that_faces_away_is_not_reported_again(
    amp: AMP, healthy: ProbeData, clips: list[MotionClip]
) -> None:
    qpos = clips[0].qpos.copy()
    qpos[:, 3:7] = turned(qpos[:, 3:7])
    away = dataclasses.replace(clips[0], qpos=qpos)
    assert errors(findings(amp, healthy, [away])) == [("reference", "facing")]
    assert "speed" not in [finding.code for finding in findings(amp, healthy, [away])]


def test_degrees_read_as_radians_are_named(amp: AMP, healthy: ProbeData, robot: Robot) -> None:
    degrees = dataclasses.replace(robot, home=tuple(np.rad2deg(robot.home)))
    found = examine_reference(amp.env.reference, healthy.policy_features, healthy.starts, degrees, mirrored=True)
    error = the_error(found, "start", "policy")
    assert "left_hip_pitch position" in error.dimensions and "degrees and radians" in error.sentence


def test_a_wrong_mirror_table_is_named(amp: AMP, healthy: ProbeData, robot: Robot) -> None:
    partner, sign = robot.mirror_joints
    wrong = dataclasses.replace(robot, mirror_joints=(partner, tuple(-s for s in sign)))
    found = examine_reference(amp.env.reference, healthy.policy_features, healthy.starts, wrong, mirrored=True)
    assert "left_knee_pitch position" in the_error(found, "mirror", "reference").dimensions


def test_auc_is_the_share_of_pairs_with_ties_counted_half() -> None:
    random = np.random.default_rng(0)
    a, b = random.integers(0, 4, 50).astype(float), random.integers(1, 6, 70).astype(float)
    pairs = (a[:, None] > b).mean() + 0.5 * (a[:, None] == b).mean()
    assert auc(a, b) == pytest.approx(pairs)
    assert separability(a, b) == pytest.approx(max(pairs, 1.0 - pairs))  # both lie on one side of the other
    assert separability(np.zeros(5), np.zeros(7)) == 0.5 and separability(np.zeros(5), np.ones(7)) == 1.0


def test_what_is_too_still_around_the_same_middle_is_told_apart() -> None:
    random = np.random.default_rng(1)
    wild, still = random.normal(0.0, 1.0, 4000), random.normal(0.0, 0.1, 4000)
    assert max(auc(still, wild), auc(wild, still)) < 0.52
    expected = 1.0 - 2.0 / np.pi * np.arctan(0.1)  # P(|wild| > |still|) of centred Gaussians
    assert separability(still, wild) == pytest.approx(expected, abs=0.01)
    assert separability(wild, still) == pytest.approx(expected, abs=0.01)
    assert separability(wild[:2000], wild[2000:]) < 0.53


def test_torques_of_standing_hold_the_robot_still(robot: Robot) -> None:
    """MuJoCo, given those torques at a pose it has come to rest in, accelerates nothing."""
    data = mujoco.MjData(robot.model)
    data.qpos[:], data.ctrl[:] = robot.home_qpos, robot.home
    for _ in range(1000):
        mujoco.mj_step(robot.model, data)
    torque = required_torques(np.tile(data.qpos, (20, 1)), robot, DT).joints[10]
    data.qvel[:], data.ctrl[:] = 0.0, data.qpos[7:]  # the servos' own torque is now zero
    data.qfrc_applied[6:] = torque
    mujoco.mj_forward(robot.model, data)
    assert np.abs(data.qacc).max() < 0.2
    assert np.abs(torque).max() > 0.1 and (np.abs(torque) < torque_limits(robot)).all()


def test_falling_freely_needs_no_torque(robot: Robot) -> None:
    t = DT * np.arange(30)
    qpos = np.tile(robot.home_qpos, (30, 1))
    qpos[:, 2] = 5.0 - 0.5 * 9.81 * t**2
    needed = required_torques(qpos, robot, DT)
    assert np.abs(needed.joints[5:-5]).max() < 1e-6 and needed.root[5:-5].max() < 1e-6


def test_floating_in_the_air_cannot_be_explained(robot: Robot) -> None:
    qpos = np.tile(robot.home_qpos, (20, 1))
    qpos[:, 2] += 1.0
    weight = 9.81 * robot.model.body_mass.sum()
    np.testing.assert_allclose(required_torques(qpos, robot, DT).root, weight, rtol=1e-6)


def test_a_clip_beyond_the_servos_is_a_warning(clips: list[MotionClip], robot: Robot) -> None:
    fast = dataclasses.replace(clips[1], frequency=80.0)
    found = examine_clips([fast], [report_clip(fast, robot)], robot, 0.55)
    assert ("warning", "torque") in [(finding.severity, finding.code) for finding in found]


def test_a_reference_that_only_stands_keeps_its_feet_down_rightly(amp: AMP, healthy: ProbeData) -> None:
    reference = amp.env.reference
    still = reference.windows.at[..., 18:21].set(0.0).at[..., 25:].set(1.0)
    for windows, found in ((still, 0), (still.at[..., 25:].set(0.0), 1), (reference.windows.at[..., 25:].set(1.0), 1)):
        said = examine_reference(
            reference.replace(windows=windows), healthy.policy_features, healthy.starts, amp.env.robot, mirrored=True
        )
        assert [finding.code for finding in said].count("constant") == found


def test_a_policy_of_another_robot_is_refused_in_words(amp: AMP) -> None:
    def fits(observation: jax.Array, _: jax.Array) -> jax.Array:
        return observation @ jax.numpy.zeros((3, 29))

    with pytest.raises(InputError, match=r"does not fit the robot 'wildrobot' .* leave --config out"):
        diagnose(amp.config, fits)


def test_the_process_that_renders_is_gone_whatever_happens() -> None:
    with pytest.raises(InputError), start_rendering() as process:
        raise InputError("the configuration is wrong")
    assert process.returncode is not None


def test_disk_and_rendering_are_reported() -> None:
    machine = Machine("cpu", ("cpu",), 2, "native", 256, "no EGL", "offline", 1e6)
    assert [(finding.severity, finding.code) for finding in examine_machine(machine)] == [
        ("error", "disk"),
        ("warning", "rendering"),
    ]


def test_names_are_listed_in_words() -> None:
    assert [listed("a"), listed("ab"), listed("abc"), listed("abcdef")] == [
        "a",
        "a and b",
        "a, b and c",
        "a, b, c and 3 more",
    ]


def doctor_script(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(ROOT / "scripts/doctor.py"), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)


@pytest.mark.slow
def test_json_is_one_object_and_health_is_exit_code_0() -> None:
    settings = ["--set", f"reference.clips={CLIPS[0]}", "--set", "env.command.forward=[0.4, 0.8]"]
    done = doctor_script("--config", "ppo_amass_training", "--json", *settings)
    said = json.loads(done.stdout)
    assert done.returncode == 0 and said["verdict"] == "ready to train"
    assert len(said["features"]) == 29 and all(0.5 <= row["separability"] <= 1.0 for row in said["features"])
    assert {"severity", "code", "sentence", "dimensions"} <= set(said["findings"][0])


@pytest.mark.slow
def test_a_spoiled_run_is_exit_code_1_and_bad_input_2(
    clips: list[MotionClip], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    qpos = clips[0].qpos.copy()
    qpos[:, 3:7] = turned(qpos[:, 3:7])
    save_clip(tmp_path / "away.npz", dataclasses.replace(clips[0], qpos=qpos))
    code = doctor(["--config", "ppo_amass_training", "--set", f"reference.clips={tmp_path / 'away.npz'}"])
    assert code == 1
    assert "1 problem would spoil a run" in capsys.readouterr().out
    done = doctor_script("--config", "no_such_config")
    assert done.returncode == 2 and done.stderr.startswith("error: there is no configuration") and not done.stdout


# --- recorded motion: nothing is named that is not so

TAKES = sorted(Path(os.environ["AMASS_DIR"]).rglob("*_poses.npz"))[:4] if os.environ.get("AMASS_DIR") else []
G1_MOTIONS, G1_MJCF = os.environ.get("G1_MOTIONS", ""), os.environ.get("G1_MJCF", "")
ALSO = {"torque", "clip", "speed"}  # said of some sound recordings, too: bounds that they pass a little


@pytest.mark.slow
@pytest.mark.skipif(not TAKES, reason="AMASS_DIR names no folder with *_poses.npz")
def test_recorded_takes_have_no_cause_and_with_joints_exchanged_that_one(robot: Robot, tmp_path: Path) -> None:
    retarget_sources(TAKES, robot.name, tmp_path)
    for path in sorted(tmp_path.glob("*.npz")):
        clip = load_clip(path, robot)
        assert causes(clip, robot) <= ALSO
        for pair in ((3, 7), (4, 8)):
            assert "order" in causes(exchanged(clip, *pair), robot)
        assert "float" in causes(dataclasses.replace(clip, qpos=lifted(clip, 0.016, dips=0.018)), robot)


@pytest.fixture(scope="module")
def g1_clips(tmp_path_factory: pytest.TempPathFactory) -> tuple[Robot, list[MotionClip]]:
    """A Unitree G1 by its proposed record, and its recorded motions as they are: the lowest frame on the ground."""
    record, _ = write_proposal(G1_MJCF, tmp_path_factory.mktemp("g1"))
    robot = load_robot(str(record))
    return robot, [g1_clip(path, robot) for path in sorted(Path(G1_MOTIONS).glob("*.npz"))]


def g1_clip(path: Path, robot: Robot) -> MotionClip:
    with np.load(path) as file:
        root, turn, joints = file["body_pos_w"][:, 0], file["body_quat_w"][:, 0], file["joint_pos"]
        qpos = np.concatenate([root, turn, np.clip(joints, *robot.joint_range.T)], axis=1).astype(np.float64)
        frequency = float(np.ravel(file["fps"])[0])
    heading = Rotation.from_euler("z", np.arctan2(*(qpos[-1, :2] - qpos[0, :2])[::-1])).inv()
    qpos[:, :3] = heading.apply(qpos[:, :3] - qpos[0, :3] * [1.0, 1.0, 0.0])
    qpos[:, 3:7] = (heading * Rotation.from_quat(qpos[:, 3:7], scalar_first=True)).as_quat(scalar_first=True)
    qpos[:, 2] -= np.percentile(robot.pad_heights(qpos).min(axis=1), 2.0)
    return MotionClip(path.stem, robot.name, robot.joints, qpos, frequency, "recorded")


@pytest.mark.skipif(not (G1_MOTIONS and G1_MJCF), reason="G1_MOTIONS and G1_MJCF name no motions and no robot")
def test_recorded_motions_that_float_are_said_to_float_and_never_to_be_in_another_order(
    g1_clips: tuple[Robot, list[MotionClip]],
) -> None:
    robot, motions = g1_clips
    for motion in motions:
        assert causes(motion, robot) <= ALSO | {"float", "facing"}
        floats = np.median(robot.pad_heights(motion.qpos).min(axis=1)) > 0.012
        assert ("float" in causes(motion, robot)) or not floats, motion.name
        grounded = dataclasses.replace(motion, qpos=lifted(motion, -find_stance(motion, robot).height))
        assert causes(grounded, robot) <= ALSO | {"dip", "facing"}, motion.name
    walk = next(motion for motion in motions if motion.name.startswith("walk_forward"))
    assert causes(exchanged(walk, 3, 9), robot) & {"order", "clip"}


def causes(clip: MotionClip, robot: Robot) -> set[str]:
    """Codes of what is found, of a robot that is asked to walk as the clip does."""
    report = report_clip(clip, robot)
    return {finding.code for finding in examine_clips([clip], [report], robot, report.speed)}


def exchanged(clip: MotionClip, one: int, other: int) -> MotionClip:
    qpos = clip.qpos.copy()
    qpos[:, [7 + one, 7 + other]] = qpos[:, [7 + other, 7 + one]]
    return dataclasses.replace(clip, qpos=qpos)
