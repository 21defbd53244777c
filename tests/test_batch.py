"""Many recordings to clips and verdicts: what is found, left out, redone and mirrored, and the script's exit codes."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import imageio.v2 as imageio
import numpy as np
import pytest

from playground_amp.core.errors import InputError
from playground_amp.core.files import whole
from playground_amp.motion.clip import MotionClip, load_clip
from playground_amp.motion.metrics.bounds import BOUNDS
from playground_amp.motion.reference_builder import clip_features
from playground_amp.retargeting.batch import retarget_sources
from playground_amp.retargeting.clip_verdict import assess_clip, from_json
from playground_amp.retargeting.command import print_table
from playground_amp.retargeting.html_report import write_report
from playground_amp.retargeting.job import Job, RetargetOptions
from playground_amp.retargeting.pipeline import earlier_result, mirrored_clip, run_job
from playground_amp.retargeting.readers.any import read_recording
from playground_amp.retargeting.recordings import find_recordings
from playground_amp.retargeting.synthetic_human import WalkStyle, synthetic_take
from playground_amp.robots import Robot, load_robot

SCRIPT = Path(__file__).parents[1] / "scripts/retarget.py"
DT = 0.02


@pytest.fixture(scope="module")
def takes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with one short walk, twice, and files that are none."""
    folder = tmp_path_factory.mktemp("takes")
    arrays = synthetic_take(WalkStyle(0.85, seed=7, strides=3.0))
    for subject in ("01", "02"):
        (folder / subject).mkdir()
        np.savez_compressed(folder / subject / "walk_poses.npz", allow_pickle=False, **arrays)
    for name in ("shape.npz", "neutral_stagei.npz"):
        np.savez(folder / name, betas=np.zeros(16))
    (folder / "broken.npz").write_bytes(b"PK")
    (folder / "README.txt").write_text("about these takes")
    return folder


@pytest.fixture(scope="module")
def take(takes: Path) -> Path:
    return takes / "01" / "walk_poses.npz"


@pytest.fixture(scope="module")
def made(take: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a clip and its mirrored copy."""
    out = tmp_path_factory.mktemp("made")
    retarget_sources([take], "wildrobot", out, RetargetOptions(mirror=True, source="mine"))
    return out


# ---------------------------------------------------------------- what is written over


def test_no_recording_is_written_over(take: Path, tmp_path: Path) -> None:
    mine = tmp_path / "walk_poses.npz"
    mine.write_bytes(take.read_bytes())
    with pytest.raises(InputError, match="would take the place of a recording; give another --out"):
        retarget_sources([mine], "wildrobot", tmp_path)
    assert mine.read_bytes() == take.read_bytes() and list(tmp_path.iterdir()) == [mine]


def test_no_clip_is_written_over_by_the_mirrored_copy_of_another(take: Path, tmp_path: Path) -> None:
    for name in ("a", "a_mirrored"):
        (tmp_path / f"{name}.npz").write_bytes(take.read_bytes())
    with pytest.raises(InputError, match="would both become the clip 'a_mirrored'; rename one of them"):
        retarget_sources([tmp_path], "wildrobot", tmp_path / "out", RetargetOptions(mirror=True))
    assert not (tmp_path / "out").exists()


# ---------------------------------------------------------------- what is found


def test_folders_files_and_patterns_are_searched(takes: Path, take: Path) -> None:
    found, skipped = find_recordings([takes])
    assert set(found) == {"01_walk_poses", "02_walk_poses", "broken"}
    assert {path.name for path in skipped} == {"shape.npz", "neutral_stagei.npz"}
    assert find_recordings([f"{takes}/**/*_poses.npz"])[0] == {name: found[name] for name in found if name != "broken"}
    assert find_recordings([take, takes / "01", str(take)])[0] == {"walk_poses": take}
    assert find_recordings([takes / "shape.npz"])[0] == {"shape": takes / "shape.npz"}  # asked for by name: it is tried


def test_clips_written_below_a_source_are_no_sources(takes: Path, tmp_path: Path) -> None:
    (tmp_path / "clips").mkdir()
    (tmp_path / "clips" / "old.npz").touch()
    (tmp_path / "new.bvh").touch()
    assert set(find_recordings([tmp_path], without=tmp_path / "clips")[0]) == {"new"}
    assert set(find_recordings([tmp_path])[0]) == {"new", "old"}


def test_a_text_of_a_folder_is_a_recording_where_it_is_json(tmp_path: Path) -> None:
    (tmp_path / "walk.txt").write_text(' {"Frames": []}')
    (tmp_path / "notes.txt").write_text("notes")
    assert set(find_recordings([tmp_path])[0]) == {"walk"}


def test_what_does_not_exist_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there is no file or folder"):
        find_recordings([tmp_path / "nothing"])
    with pytest.raises(InputError, match="no file matches the pattern"):
        find_recordings([f"{tmp_path}/*.npz"])
    with pytest.raises(InputError, match="no recordings"):
        find_recordings([tmp_path])
    for folder in ("a/x", "b/x"):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "walk.npz").touch()
    with pytest.raises(InputError, match="would both become the clip 'x_walk'"):
        find_recordings([tmp_path])


# ---------------------------------------------------------------- good and bad recordings together


def test_bad_files_are_left_out_and_the_others_made_side_by_side(
    takes: Path, tmp_path: Path, robot: Robot, capsys: pytest.CaptureFixture[str]
) -> None:
    verdicts = retarget_sources([takes], "wildrobot", tmp_path, RetargetOptions(source="mine"), jobs=2)
    assert [verdict.clip for verdict in verdicts] == ["01_walk_poses", "02_walk_poses"]
    names = {f"{name}.{kind}" for name in ("01_walk_poses", "02_walk_poses") for kind in ("npz", "json")}
    assert {path.name for path in tmp_path.iterdir()} == names
    assert load_clip(tmp_path / "01_walk_poses.npz", robot).source == "mine"
    told = capsys.readouterr()
    assert "left out" in told.err and "broken.npz" in told.err and "shape.npz" in told.err
    assert "2 clips made, 1 left out" in told.err and not told.out
    print_table(verdicts)
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 130 and all(len(line) <= 100 for line in lines if "walk_poses" in line[:24])


def test_nothing_at_all_is_an_error_and_writes_nothing(takes: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="not a readable"):
        retarget_sources([takes / "broken.npz"], "wildrobot", tmp_path / "out")
    with pytest.raises(InputError, match=r"no clip could be made; the first: .*broken"):
        retarget_sources([takes / "broken.npz", takes / "shape.npz"], "wildrobot", tmp_path / "out", jobs=1)
    assert not (tmp_path / "out").exists()
    with pytest.raises(InputError, match="there is no robot"):
        retarget_sources([takes], "wildrobt", tmp_path / "out")
    with pytest.raises(InputError, match="--jobs is 0"):
        retarget_sources([takes], "wildrobot", tmp_path / "out", jobs=0)


def test_an_unwritable_folder_is_one_sentence(take: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="cannot write into"):
        retarget_sources([take], "wildrobot", tmp_path / "file" / "out")


def test_an_accident_of_one_file_is_not_the_end_of_the_others(
    take: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def explode(*_: object) -> None:
        raise ZeroDivisionError("odd file")

    monkeypatch.setattr("playground_amp.retargeting.pipeline.read_recordings", explode)
    assert (
        "could not be retargeted (ZeroDivisionError: odd file)"
        in run_job(Job("walk", take, "wildrobot", tmp_path, RetargetOptions())).error
    )


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"start": -1.0}, "--start is -1"),
        ({"start": float("nan")}, "--start is nan"),
        ({"start": 2.0, "end": 1.0}, "--end is 1"),
        ({"speed_min": 0.0}, "--speed-min is 0"),
    ],
)
def test_options_that_make_no_sense_are_told(options: dict[str, float], said: str) -> None:
    with pytest.raises(InputError, match=said):
        RetargetOptions(**options)


# ---------------------------------------------------------------- the second run


def test_a_second_run_makes_nothing(take: Path, made: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = {path: path.stat().st_mtime_ns for path in made.iterdir()}
    verdicts = retarget_sources([take], "wildrobot", made, RetargetOptions(mirror=True, source="mine"))
    assert {path: path.stat().st_mtime_ns for path in made.iterdir()} == before
    assert [verdict.clip for verdict in verdicts] == ["walk_poses", "walk_poses_mirrored"]
    assert "2 unchanged" in capsys.readouterr().err


@pytest.mark.parametrize("change", ["option", "source", "clip gone", "json spoiled", "robot", "code"])
def test_what_changed_is_redone(
    change: str, take: Path, made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for path in made.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    source = tmp_path / "source" / "walk_poses.npz"
    source.parent.mkdir()
    source.write_bytes(take.read_bytes())
    options = RetargetOptions(mirror=True, source="mine")
    job = Job("walk_poses", source, "wildrobot", tmp_path, options)
    assert earlier_result(job)
    if change == "option":
        job = replace(job, options=replace(options, start=0.1))
    elif change == "source":
        source.write_bytes(source.read_bytes() + b" ")
    elif change == "clip gone":
        (tmp_path / "walk_poses_mirrored.npz").unlink()
    elif change == "json spoiled":
        (tmp_path / "walk_poses.json").write_text("{")
    else:
        name = {"robot": "_fingerprint", "code": "_code"}[change]
        monkeypatch.setattr(f"playground_amp.retargeting.provenance.{name}", lambda *_: "another")
    assert earlier_result(job) is None


def test_only_the_part_that_is_asked_for_becomes_the_clip(take: Path, tmp_path: Path) -> None:
    """The person walks at 0.85 m/s all the way: a lower bound keeps all of it."""
    job = Job("walk", take, "wildrobot", tmp_path, RetargetOptions())

    def clip(**options: float) -> MotionClip:
        return run_job(replace(job, options=RetargetOptions(**options))).clips[0][0]

    kept, part = clip(speed_min=0.5), clip(end=read_recording(take).duration - 0.3)
    assert kept.name == "walk" and 0.1 < kept.duration - part.duration < 0.8
    assert "never as fast" in run_job(replace(job, options=RetargetOptions(speed_min=3.0))).error


def test_a_record_is_proposed_into_a_folder_and_never_over_another(tmp_path: Path) -> None:
    xml = Path(__file__).parents[1] / "playground_amp/robots/wildrobot/wildrobot.xml"
    done = script("--propose-robot", xml, "--out", tmp_path)
    assert done.returncode == 0 and "wildrobot.yaml" in done.stderr and not done.stdout
    assert load_robot(tmp_path / "wildrobot.yaml").num_joints == 9
    done = script("--propose-robot", xml, "--out", tmp_path)
    assert done.returncode == 2 and "is there already" in done.stderr


def test_the_json_says_what_the_clip_was_made_from_and_holds_the_verdict(take: Path, made: Path, robot: Robot) -> None:
    values = json.loads((made / "walk_poses.json").read_text())
    assert values["source"]["sha256"] == hashlib.sha256(take.read_bytes()).hexdigest()
    assert values["options"] == {
        **{"start": 0.0, "end": None, "speed_min": None, "mirror": True, "time_scale": True, "source": "mine"},
        **{"refine": False, "split": False, "as_is": False, "fps": None, "unit": None, "up": None, "joints": None},
    }
    assert values["physics"] is None and values["planting"] is None
    assert values["clips"] == ["walk_poses", "walk_poses_mirrored"] and values["notes"] == []
    verdict = from_json(values)
    clip = load_clip(made / "walk_poses.npz", robot)
    again = assess_clip(clip, robot)[0]
    assert verdict.clip == "walk_poses" and verdict.seconds == pytest.approx(clip.duration)
    for name in ("penetration", "joint_speed", "torque_peak", "zmp_inside"):
        assert verdict.figures[name].value == pytest.approx(again.figures[name].value, rel=1e-2, abs=0.05)
    assert set(verdict.tracking_error) and verdict.figures["speed_ratio"].value == pytest.approx(1.0, abs=0.1)


# ---------------------------------------------------------------- mirrored copies


def test_a_mirrored_copy_is_the_mirrored_motion(made: Path, robot: Robot) -> None:
    """By hand from wildrobot's axes: hips' pitch and roll and the waist change sign, knees and ankles do not."""
    clip, copy = (load_clip(made / f"{name}.npz", robot) for name in ("walk_poses", "walk_poses_mirrored"))
    signs = {"waist_yaw": -1, "hip_pitch": -1, "hip_roll": -1, "knee_pitch": 1, "ankle_pitch": 1}
    for i, joint in enumerate(robot.joints):
        side, _, kind = joint.partition("_")
        other = {"left": f"right_{kind}", "right": f"left_{kind}"}.get(side, joint)
        sign = signs[joint if side == "waist" else kind]
        there = clip.qpos[:, 7 + robot.joints.index(other)]
        np.testing.assert_allclose(copy.qpos[:, 7 + i], sign * there, atol=1e-6)
    np.testing.assert_allclose(copy.qpos[:, :3], clip.qpos[:, :3] * [1, -1, 1], atol=1e-6)
    assert mirrored_clip(mirrored_clip(clip, robot), robot).qpos == pytest.approx(clip.qpos)


def test_features_of_a_mirrored_copy_are_mirrored_features(made: Path, robot: Robot) -> None:
    clip, copy = (load_clip(made / f"{name}.npz", robot) for name in ("walk_poses", "walk_poses_mirrored"))
    mine, other = (clip_features(one.qpos, robot, control_dt=DT) for one in (clip, copy))
    joints, (partner, sign) = robot.num_joints, robot.mirror_joints
    expected = mine.copy()
    for block in (slice(0, joints), slice(joints, 2 * joints)):
        expected[:, block] = mine[:, block][:, list(partner)] * sign
    root = slice(2 * joints, 2 * joints + 7)  # direction, angular velocity, height
    expected[:, root] = mine[:, root] * [1, -1, 1, -1, 1, -1, 1]
    expected[:, root.stop :] = mine[:, root.stop :][:, list(robot.mirror_pads)]
    np.testing.assert_allclose(other, expected, atol=2e-3)
    assert np.abs(mine - expected).max() > 0.1  # the walk is not its own reflection, frame by frame


# ---------------------------------------------------------------- the script


def script(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(SCRIPT), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.slow
def test_exit_codes_and_json_of_the_script(takes: Path, made: Path, tmp_path: Path) -> None:
    done = script(takes / "broken.npz", "--out", tmp_path / "out")
    assert done.returncode == 2 and done.stderr.startswith("error: '") and "Traceback" not in done.stderr
    done = script(takes / "01", takes / "broken.npz", "--out", made, "--mirror", "--source", "mine", "--json")
    assert done.returncode == 0 and "left out" in done.stderr and "2 unchanged" in done.stderr
    said = json.loads(done.stdout)
    assert [one["clip"] for one in said] == ["walk_poses", "walk_poses_mirrored"]
    assert said[0]["figures"]["skating"]["unit"] == "cm/s"
    done = script("--out", tmp_path)
    assert done.returncode == 2 and "SOURCE" in done.stderr


@pytest.mark.parametrize("wait", [2.5, pytest.param(6.0, marks=pytest.mark.slow)])
def test_ctrl_c_leaves_no_half_written_file(wait: float, takes: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    arguments = [sys.executable, str(SCRIPT), str(takes), "--out", str(out), "--jobs", "2"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    process = subprocess.Popen(arguments, start_new_session=True, **pipes)
    time.sleep(wait)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does it: to all processes of the command
    _, said = process.communicate(timeout=60)
    assert process.returncode in (0, 130) and "Traceback" not in said, said
    files = sorted(out.iterdir()) if out.exists() else []
    assert all(path.suffix in (".npz", ".json") for path in files)
    for path in files:
        if path.suffix == ".json":
            json.loads(path.read_text())
        else:
            np.load(path)["qpos"]


def test_a_file_broken_off_leaves_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "clip.npz"
    path.write_text("before")
    with pytest.raises(KeyboardInterrupt), whole(path) as temporary:
        temporary.write_text("half")
        raise KeyboardInterrupt
    assert os.listdir(tmp_path) == ["clip.npz"] and path.read_text() == "before"


# ---------------------------------------------------------------- the report


@pytest.mark.slow
def test_the_report_holds_every_verdict_and_its_pictures_within_one_file(
    take: Path, made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also of clips that stand unchanged, and without rendering where OpenGL is missing."""
    page = tmp_path / "pages" / "report.html"
    options = RetargetOptions(mirror=True, source="mine <&> yours")
    retarget_sources([take], "wildrobot", tmp_path, options, report=page)
    html = page.read_text()
    assert "http" not in html.split("<style>")[0] and 'src="' in html and 'src="http' not in html
    images = re.findall(r'src="data:image/png;base64,([^"]+)"', html)
    sizes = [imageio.imread(base64.b64decode(image)).shape[:2] for image in images]
    assert len(images) == 3 and all(height > 200 and width > 1000 for height, width in sizes), html[-2000:]
    assert "walk_poses_mirrored" in html and "mine &lt;&amp;&gt; yours" in html
    assert all(bound.label.replace("'", "&#x27;") in html for bound in BOUNDS.values())

    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("no OpenGL")

    monkeypatch.setattr("playground_amp.retargeting.plots.stills", broken)
    before = (tmp_path / "walk_poses.json").stat().st_mtime_ns
    retarget_sources([take], "wildrobot", tmp_path, options, report=page)
    assert (tmp_path / "walk_poses.json").stat().st_mtime_ns == before
    assert "no picture of" in page.read_text() and page.read_text().count("data:image") == 2


def test_a_report_that_cannot_be_written_is_told(take: Path, made: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="--report"):
        write_report(tmp_path / "file" / "report.html", [], load_robot("wildrobot"))
