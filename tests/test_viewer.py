"""The viewer: what is shown at which time, steering, checkpoints, the door, and the window in a browser."""

from __future__ import annotations

import importlib.util
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from browser import Page, browse, find_browser
from conftest import CONTROL_DT, make_clip
from training_runs import train

from playground_amp import __main__ as command_line
from playground_amp.core.errors import InputError
from playground_amp.evaluation.reporting.viewer import command, session
from playground_amp.evaluation.reporting.viewer.checkpoint_folder import open_run
from playground_amp.evaluation.reporting.viewer.gate import admitted, check_free, is_loopback, listen
from playground_amp.evaluation.reporting.viewer.placement import beside, next_heading, turned
from playground_amp.evaluation.reporting.viewer.playback import ClipPlayback
from playground_amp.evaluation.reporting.viewer.session import NEAREST, RunSession
from playground_amp.motion.clip import MotionClip, save_clip
from playground_amp.motion.clip_commands import facing
from playground_amp.robots import Robot

HAS_VISER = all(importlib.util.find_spec(name) for name in command.PACKAGES)
needs_viser = pytest.mark.skipif(not HAS_VISER, reason="viser and mjviser are not installed: the extra view")


# Placement and clips


def test_the_reference_stands_beside_the_robot_and_faces_its_way(walk: np.ndarray) -> None:
    robot = turned(walk[10], 1.2)
    placed = beside(robot, 1.2, walk[40], 0.0, spacing=0.5)
    np.testing.assert_allclose(placed[:2] - robot[:2], [0.0, 0.5], atol=1e-9)
    assert placed[2] == walk[40, 2]
    assert facing(placed[None, 3:7])[0] == pytest.approx(facing(walk[40:41, 3:7])[0] + 1.2)
    np.testing.assert_array_equal(placed[7:], walk[40, 7:])


def test_the_heading_follows_across_the_back(walk: np.ndarray) -> None:
    """From just under pi to just over -pi is a small turn."""
    behind = turned(walk[0], -np.pi + 0.1 - facing(walk[:1, 3:7])[0])
    assert np.pi - 0.1 < next_heading(np.pi - 0.1, behind, CONTROL_DT) < np.pi + 0.1


@pytest.fixture
def clips(robot: Robot, walk: np.ndarray) -> ClipPlayback:
    return ClipPlayback(robot, [make_clip(robot, walk), make_clip(robot, walk[:50], "other"), make_clip(robot, walk)])


def test_a_clip_plays_over_and_over_at_any_speed(clips: ClipPlayback, walk: np.ndarray) -> None:
    clips.set_speed(0.5)
    clips.advance(1.0)
    assert clips.time == pytest.approx(0.5)
    np.testing.assert_array_equal(clips.shown().robot, walk[25])
    clips.set_speed(1.0)
    clips.advance(clips.end)
    assert clips.time == pytest.approx(0.5)


def test_seeking_stops_at_the_moment_and_within_the_clip(clips: ClipPlayback, walk: np.ndarray) -> None:
    clips.seek(0.3)
    clips.advance(1.0)
    np.testing.assert_array_equal(clips.shown().robot, walk[15])
    clips.seek(1e9)
    assert clips.time == clips.end
    np.testing.assert_array_equal(clips.shown().robot, walk[-1])


def test_clips_of_one_name_are_told_apart(clips: ClipPlayback) -> None:
    assert list(clips.clips) == ["walk", "other", "walk (2)"]
    clips.choose_clip("other")
    assert clips.end == pytest.approx(49 * CONTROL_DT)
    with pytest.raises(InputError, match="there is no clip 'others' here; did you mean 'other'"):
        clips.choose_clip("others")


# A run


@pytest.fixture(scope="module")
def run_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that keeps two checkpoints and has two more in `later`; it is asked to turn, too."""
    settings = "env.command.turn=[-0.5, 0.5]", "ppo.iterations=8", "logging.checkpoints_kept=4"
    path = train(tmp_path_factory.mktemp("viewer") / "run", *settings)
    (path / "later").mkdir()
    for name in ("6", "8"):
        shutil.move(path / "checkpoints" / name, path / "later" / name)
    return path


@pytest.fixture(scope="module")
def opened(run_dir: Path) -> RunSession:
    return RunSession(*open_run(str(run_dir)))


@pytest.fixture
def run(opened: RunSession) -> RunSession:
    """The session from its start; it compiles once for all tests."""
    for gone in set(opened.folder.loaded) - set(opened.folder.iterations()):  # seen by the test before
        del opened.folder._loaded[gone]
    opened.iterations, opened.follows_training, opened.clip = opened.folder.iterations(), True, NEAREST
    opened.command, opened.playing, opened.speed = session.middle(opened.ranges), True, 1.0
    opened.choose_checkpoint(opened.iterations[-1])
    return opened


def play(run: RunSession, seconds: float) -> None:
    for _ in range(round(seconds / CONTROL_DT)):
        run.advance(CONTROL_DT)


@pytest.mark.slow
def test_the_policy_walks_as_time_passes(run: RunSession) -> None:
    start = run.frame.qpos
    play(run, 0.2)
    assert run.time == pytest.approx(0.2, abs=CONTROL_DT) and run.is_live
    assert not np.array_equal(run.frame.qpos, start)
    assert np.isfinite(run.frame.score)


def test_a_machine_that_cannot_keep_up_falls_behind(run: RunSession) -> None:
    run.advance(10.0)
    assert run.end == pytest.approx(session.MOST_STEPS * CONTROL_DT)
    assert run.time < run.end + CONTROL_DT


def test_what_was_is_shown_again(run: RunSession) -> None:
    play(run, 0.2)
    seen = run.frame.qpos
    play(run, 0.1)
    end = run.end
    run.seek(0.2)
    np.testing.assert_array_equal(run.frame.qpos, seen)
    assert not run.is_live and not run.playing
    run.playing = True
    play(run, 0.06)
    assert run.end == end, "it was played again, not simulated"


def test_steering_in_the_past_goes_on_from_there(run: RunSession) -> None:
    play(run, 0.2)
    run.seek(0.1)
    before = run.frame.qpos
    run.steer(np.array([0.7, 0.0, 0.4]))
    assert run.is_live and run.end == pytest.approx(0.1)
    np.testing.assert_array_equal(run.frame.qpos, before)
    run.playing = True
    play(run, 0.04)
    assert run.end > 0.1


def test_a_command_stays_in_the_ranges_of_the_run(run: RunSession) -> None:
    run.steer(np.array([9.0, 1.0, -9.0]))
    np.testing.assert_allclose(run.command, [run.ranges[0, 1], 0.0, -0.5])
    run.nudge(2, 1)
    assert run.command[2] == pytest.approx(-0.4)
    run.stop()
    np.testing.assert_allclose(run.command, [run.ranges[0, 0], 0.0, 0.0])


def test_the_command_is_what_the_policy_is_asked_for(run: RunSession) -> None:
    run.steer(np.array([0.5, 0.0, -0.3]))
    play(run, 0.02)
    np.testing.assert_allclose(np.asarray(run.frame.state.command[0]), [0.5, 0.0, -0.3])


def test_the_same_checkpoint_and_command_begin_the_same(run: RunSession) -> None:
    play(run, 0.1)
    first = run.frame.qpos
    run.restart()
    play(run, 0.1)
    np.testing.assert_array_equal(run.frame.qpos, first)


def test_a_push_strikes_the_root_to_the_side(run: RunSession) -> None:
    heading, before = run.frame.heading, np.asarray(run.frame.state.physics.qvel[0])
    run.push(1.0, 0.5 * np.pi)
    change = np.asarray(run.frame.state.physics.qvel[0]) - before
    np.testing.assert_allclose(change[:2], [-np.sin(heading), np.cos(heading)], atol=1e-6)
    np.testing.assert_array_equal(change[2:], 0.0)


def test_a_fall_is_shown_a_while_before_the_next_episode(run: RunSession) -> None:
    run.push(20.0, 0.0)
    for _ in range(200):
        play(run, CONTROL_DT)
        if run.frame.fell:
            break
    fallen, episode = run.frame.qpos, run.frame.episode
    play(run, session.LYING - 2 * CONTROL_DT)
    np.testing.assert_array_equal(run.frame.qpos, fallen)
    play(run, 4 * CONTROL_DT)
    assert run.frame.episode == episode + 1 and not run.frame.fell


def test_only_the_last_minute_is_kept(run: RunSession, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "REMEMBERED", 0.1)
    play(run, 0.3)
    assert run.end - run.start == pytest.approx(0.1)
    run.seek(0.0)
    assert run.time == run.start > 0.0


def test_the_discriminator_compares_the_last_second(run: RunSession) -> None:
    assert run.compare() is None, "nothing has happened yet"
    play(run, 0.2)
    found = run.compare()
    assert found is not None
    assert sum(found.shares.values()) == pytest.approx(1.0, abs=1e-5) or not any(found.shares.values())
    assert list(found.shares.values()) == sorted(found.shares.values(), reverse=True)
    assert found.robot == pytest.approx(np.mean(run.trace(1.0).score), abs=0.05)
    assert run.trace(1.0).time[-1] == 0.0


def test_the_reference_follows_the_command_or_the_choice(run: RunSession) -> None:
    run.steer(np.array([0.8, 0.0, 0.0]))
    fast = run.reference_name
    run.steer(np.array([0.4, 0.0, 0.0]))
    assert run.reference_name != fast
    run.choose_clip(fast)
    assert run.reference_name == fast
    shown = run.shown()
    assert np.linalg.norm(shown.reference[:2] - shown.robot[:2]) == pytest.approx(run._spacing)


def test_checkpoints_are_scrubbed_and_begin_anew(run: RunSession) -> None:
    assert run.iterations == [2, 4] and run.iteration == 4
    play(run, 0.1)
    run.choose_checkpoint(2)
    assert run.iteration == 2 and run.time == 0.0 and not run.follows_training


def test_new_checkpoints_are_taken_while_a_run_trains(run: RunSession, run_dir: Path) -> None:
    folder = run_dir / "checkpoints"
    try:
        (folder / "6.orbax-checkpoint-tmp").mkdir()  # half written
        assert not run.look_for_checkpoints()
        shutil.copytree(folder / "4", folder / "6")  # damaged: it is another's
        assert not run.look_for_checkpoints() and run.iteration == 4
        shutil.rmtree(folder / "6")
        shutil.copytree(run_dir / "later" / "6", folder / "6")
        assert run.look_for_checkpoints()
        assert run.iterations == [2, 4, 6] and run.iteration == 6
        run.choose_checkpoint(2)
        shutil.copytree(run_dir / "later" / "8", folder / "8")
        assert run.look_for_checkpoints() and run.iteration == 2, "whoever looks at an old one stays there"
    finally:
        for name in ("6", "8", "6.orbax-checkpoint-tmp"):
            shutil.rmtree(folder / name, ignore_errors=True)


def test_a_checkpoint_that_training_has_dropped_stays_if_it_was_seen(run: RunSession, run_dir: Path) -> None:
    run.choose_checkpoint(2)
    kept = run_dir / "kept"
    shutil.move(run_dir / "checkpoints" / "2", kept)
    try:
        run.look_for_checkpoints()
        assert 2 in run.iterations
        run.choose_checkpoint(2)
        del run.folder._loaded[2]
        run.choose_checkpoint(4)
        with pytest.raises(InputError, match="2"):
            run.choose_checkpoint(2)
        assert run.iteration == 4, "what is shown goes on"
    finally:
        shutil.move(kept, run_dir / "checkpoints" / "2")


# The door

OWN = "GET / HTTP/1.1\r\nHost: 127.0.0.1:8080\r\n{}\r\n"


@pytest.mark.parametrize(
    ("head", "token", "path"),
    [
        (OWN.format(""), "", "/"),
        (OWN.format("Origin: http://127.0.0.1:8080\r\n"), "", "/"),
        (OWN.format("Origin: http://elsewhere.example\r\n"), "", None),  # another page of the same browser
        (OWN.replace("127.0.0.1", "elsewhere.example").format(""), "", None),  # a name that leads here
        (OWN.format(""), "secret", None),
        (OWN.replace("GET /", "GET /secret/").format(""), "secret", "/"),
        (OWN.replace("GET /", "GET /secret?x=1").format(""), "secret", "/?x=1"),
        (OWN.replace("GET /", "GET /secret/a/b").replace("127.0.0.1", "machine").format(""), "secret", "/a/b"),
        (OWN.replace("GET /", "GET /secrets/").format(""), "secret", None),
        ("nonsense\r\n\r\n", "", None),
    ],
)
def test_who_may_come_in(head: str, token: str, path: str | None) -> None:
    passed = admitted(head.encode(), token)
    assert (passed.decode().split(" ")[1] if passed else None) == path
    assert passed is None or passed.endswith(b"\r\n\r\n")


def test_a_port_that_is_taken_is_told_in_a_sentence() -> None:
    with listen("127.0.0.1", 0) as taken, pytest.raises(InputError, match=r"cannot listen .* in use; .* --port"):
        check_free("127.0.0.1", taken.getsockname()[1])
    with pytest.raises(InputError, match="--port is 70000"):
        check_free("127.0.0.1", 70000)


def test_only_the_loopback_needs_no_token() -> None:
    assert is_loopback("localhost") and not is_loopback("0.0.0.0")
    assert command.address("127.0.0.1", 80, "") == "http://127.0.0.1:80/"
    assert command.address("0.0.0.0", 80, "secret") == f"http://{socket.gethostname()}:80/secret/"


# The command


def refusal(capsys: pytest.CaptureFixture, *words: str) -> str:
    """The sentence that ends `playground-amp view` with exit code 2."""
    with pytest.raises(SystemExit) as ended:
        command_line.main(["view", "--port", "0", *words])
    assert ended.value.code == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    return line


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "PACKAGES", ())


@pytest.mark.usefixtures("installed")
def test_what_cannot_be_shown_is_told_in_one_sentence(
    capsys: pytest.CaptureFixture, tmp_path: Path, run_dir: Path, robot: Robot, walk: np.ndarray
) -> None:
    assert "there is no run 'nothing'" in refusal(capsys, "nothing")
    early = tmp_path / "early"
    early.mkdir()
    shutil.copy(run_dir / "config.yaml", early)
    assert "holds no checkpoint yet" in refusal(capsys, str(early))
    assert "--robot is for clips" in refusal(capsys, str(run_dir), "--robot", "wildrobot")
    assert "keeps 2, 4" in refusal(capsys, str(run_dir), "--checkpoint", "3")
    assert "names no clip" in refusal(capsys, str(tmp_path / "none.npz"))
    clip = make_clip(robot, walk)
    save_clip(tmp_path / "other.npz", MotionClip("a", "my_robot", clip.joints, walk, 50.0, "test"))
    assert "a clip for the robot 'my_robot'" in refusal(capsys, str(tmp_path / "other.npz"))


@pytest.mark.usefixtures("installed")
def test_a_run_of_another_version_is_told_in_one_sentence(
    capsys: pytest.CaptureFixture, tmp_path: Path, run_dir: Path
) -> None:
    old = tmp_path / "old"
    shutil.copytree(run_dir, old)
    text = (old / "config.yaml").read_text()
    (old / "config.yaml").write_text(text.replace("  control_dt:", "  command_speed: [0.4, 0.8]\n  control_dt:"))
    assert "was made by an older version" in refusal(capsys, str(old))
    (old / "config.yaml").write_text(text.replace("robot: wildrobot", f"robot: {tmp_path / 'gone.yaml'}"))
    assert "there is no robot file" in refusal(capsys, str(old))


def test_without_viser_it_says_what_to_install(
    capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch, run_dir: Path
) -> None:
    monkeypatch.setattr(command, "PACKAGES", ("no_such_viser",))
    sentence = refusal(capsys, str(run_dir))
    assert "the viewer needs no_such_viser" in sentence and "pip install 'playground_amp[view]'" in sentence


def test_a_folder_of_clips_is_told_from_a_run(tmp_path: Path, robot: Robot, walk: np.ndarray, run_dir: Path) -> None:
    from playground_amp.evaluation.reporting.viewer.clips import clip_playback, is_clips

    for name in ("a", "b"):
        save_clip(tmp_path / f"{name}.npz", make_clip(robot, walk))
    assert is_clips(str(tmp_path)) and is_clips(str(tmp_path / "a.npz"))
    assert not is_clips(str(run_dir)) and not is_clips("nothing")
    assert list(clip_playback(tmp_path, None).clips) == ["a", "b"]


# The window


@needs_viser
def test_the_window_does_what_is_asked_and_shows_it(run: RunSession) -> None:
    from playground_amp.evaluation.reporting.viewer.window import Window

    window = Window(run, "run")
    port = window.open("127.0.0.1", 0, "")
    due = dict.fromkeys(("numbers", "discriminator", "checkpoints"), 0.0)
    window._ask(lambda: run.steer(np.array([0.7, 0.0, 0.1])))
    window._ask(lambda: run.choose_checkpoint(3))  # which is not there
    for step in range(20):
        window.tick(CONTROL_DT, due, now=float(step))
    run_panel = window._panels[1]
    assert [slider.value for slider in run_panel._sliders] == pytest.approx([0.7, 0.0, 0.1])
    assert "iteration 4" in window._status.content
    assert "foot contacts" in run_panel._shares.content
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=30) as answer:
        assert b"<title>" in answer.read()
    window._server.stop()


@needs_viser
def test_clips_are_shown_to_who_has_the_token(clips: ClipPlayback) -> None:
    from playground_amp.evaluation.reporting.viewer.window import Window

    window = Window(clips, "clips")
    port = window.open("127.0.0.1", 0, "secret")
    with pytest.raises(urllib.error.HTTPError, match="403"):
        urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=30)
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/secret/", timeout=30) as answer:
        assert answer.status == 200
    window._ask(lambda: clips.choose_clip("other"))
    for step in range(3):
        window.tick(0.1, dict.fromkeys(("numbers", "discriminator", "checkpoints"), 0.0), now=float(step))
    assert "0.30 s" in window._status.content
    assert window._panels[0]._moment.value == pytest.approx(0.3)
    window._server.stop()


# In a browser


@pytest.fixture
def served(run_dir: Path) -> Iterator[str]:
    """The address of a viewer of the run, in a process of its own."""
    words = [sys.executable, "-m", "playground_amp", "view", str(run_dir), "--port", "0"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            said = process.stdout.readline() if process.stdout else ""
            assert said.startswith("watch at "), process.stderr.read() if process.stderr else said
            yield said.split()[2]
        finally:
            process.kill()


def place_of(page: Page, label: str, share: float) -> tuple[float, float]:
    """Where on the page the slider of that label is at a share of its range."""
    script = f"""(() => {{
        const labels = [...document.querySelectorAll('label, div, span')].filter(e => e.innerText === {label!r});
        let row = labels[labels.length - 1];
        while (!row.querySelector('.mantine-Slider-trackContainer')) row = row.parentElement;
        const box = row.querySelector('.mantine-Slider-trackContainer').getBoundingClientRect();
        return [box.left + {share} * box.width, box.top + 0.5 * box.height];
    }})()"""
    x, y = page.evaluate(script)
    return x, y


def time_shown(page: Page) -> float:
    """Seconds in the line at the top."""
    found = re.search(r"· ([\d.]+) s ·", page.text())
    return float(found[1]) if found else -1.0


def wait_until(holds: Callable[[], bool], what: str, seconds: float = 90.0) -> None:
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, f"it did not happen within {seconds:g} s: {what}"
        time.sleep(0.25)


@pytest.mark.slow
@needs_viser
@pytest.mark.skipif(find_browser() is None, reason="there is no browser here: apt-get install chromium")
def test_a_browser_shows_the_run_and_steers_it(served: str) -> None:
    with browse() as page:
        page.open(served)
        page.wait_for("What gives the robot away")
        before, picture = time_shown(page), page.screenshot()
        wait_until(lambda: time_shown(page) > before + 0.2, "time passes")
        assert page.screenshot() != picture, "robot and clip move"

        page.press("j", "KeyJ")
        page.wait_for("turning +0.10 rad/s")
        page.click(*place_of(page, "ahead, m/s", 0.75))
        page.wait_for("asked for 0.70 m/s, turning +0.10 rad/s")

        page.press(" ", "Space")
        page.wait_for("Play\n")
        wait_until(lambda: time_shown(page) == time_shown(page), "it stands still")
        picture = page.screenshot()
        page.click(*place_of(page, "moment, s", 0.99))
        page.wait_for(" s ago")
        assert page.screenshot() != picture, "the slider moves robot and clip"

        page.click(*place_of(page, "checkpoint", 0.0))
        page.wait_for("iteration 2, 1 of 2 checkpoints")
        assert page.complaints == []
        assert all(address.startswith((served, served.replace("http", "ws").rstrip("/"))) for address in page.requests)
