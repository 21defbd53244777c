"""A full disk, a folder that is read-only or gone, a clock set back, two trainers, damage: a sentence, and no loss."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import jax
import pytest
import training_runs
from conftest import slow
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from training_runs import SMALL, compiled_once, make_instant_chunk
from training_runs import train as run

from playground_amp.amp import AMP
from playground_amp.builder import make_amp
from playground_amp.config import Config
from playground_amp.core.console import run as run_command
from playground_amp.core.errors import DamagedCheckpoint, InputError
from playground_amp.experiments import soak
from playground_amp.experiments.attempts import start_command
from playground_amp.experiments.soak import settings_of
from playground_amp.runs import run_directory
from playground_amp.runs.checkpoint import Checkpoints, _checksum
from playground_amp.training import loop
from playground_amp.training.command import train

ITERATIONS, DAMAGES = 6, 20
AMPS: dict[str, AMP] = {}


def make_amp_once(config: Config) -> AMP:
    """The same algorithm for the same configuration."""
    if repr(config) not in AMPS:
        AMPS[repr(config)] = make_amp(config)
    return AMPS[repr(config)]


@pytest.fixture
def command(capsys, monkeypatch) -> Callable[..., tuple[int, str]]:
    """Exit code of `playground-amp train`, and what it said at last, which is one line."""

    monkeypatch.setattr(training_runs, "make_amp", make_amp_once)

    def call(run_dir: Path, *overrides: str) -> tuple[int, str]:
        arguments = ["--config", "ppo_amass_training", "--resume", "auto", "--run-dir", str(run_dir)]
        for one in (*SMALL, f"ppo.iterations={ITERATIONS}", *overrides):
            arguments += ["--set", one]
        code: object = 0
        capsys.readouterr()
        with compiled_once():
            try:
                run_command(lambda: train(arguments))
            except SystemExit as end:
                code = end.code
        said = capsys.readouterr().err
        assert "Traceback" not in said
        errors = [line for line in said.splitlines() if line.startswith("error: ")]
        assert len(errors) == (code == 2), said
        return int(str(code)), errors[0] if errors else said

    return call


def rows(run_dir: Path) -> list[int]:
    return [json.loads(line)["iteration"] for line in (run_dir / "metrics.jsonl").read_text().splitlines()]


def saved(run_dir: Path) -> list[int]:
    with Checkpoints(run_dir / "checkpoints", read_only=True) as checkpoints:
        return checkpoints.all


def meanwhile(monkeypatch, instant: Callable, iteration: int, happens: Callable[[], object]) -> None:
    """Something happens while an iteration is trained, once."""
    done: list[bool] = []

    def make(amp, length):
        chunk = instant(amp, length)

        def step(state, count):
            if int(state.iteration) + 1 == iteration and not done:
                done.append(True)
                happens()
            return chunk(state, count)

        return step

    monkeypatch.setattr(loop, "make_chunk", make)


# Disks and folders


def mount(*arguments: str) -> None:
    """Mount, or skip: a sandbox may not allow it, and root minds no permission bits."""
    done = subprocess.run(["mount", *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"mounting is not allowed here: {done.stderr.strip()}")


def unmount(folder: Path) -> None:
    while subprocess.run(["umount", "--lazy", str(folder)], capture_output=True, check=False).returncode == 0:
        pass


@pytest.fixture
def small_disk(tmp_path) -> Iterator[Path]:
    """A file system of 4 MB in memory."""
    folder = tmp_path / "disk"
    folder.mkdir()
    if shutil.which("mount") is None:
        pytest.skip("there is no command to mount with")
    mount("-t", "tmpfs", "-o", "size=4m", "tmpfs", str(folder))
    yield folder
    unmount(folder)


def fill(folder: Path, left: int) -> Path:
    """A file that leaves so many bytes of the disk, on which others may be writing."""
    filler = folder.parent / "filler"
    with filler.open("wb") as file:
        while (size := shutil.disk_usage(folder).free - left) > 0:
            try:
                os.posix_fallocate(file.fileno(), file.seek(0, os.SEEK_END), size)
            except OSError:
                continue
    return filler


def test_a_disk_that_is_nearly_full_is_told_before_anything_is_written(small_disk, command, instant):
    code, said = command(small_disk / "run")
    assert code == 2 and "MB free, a run needs 200 MB" in said
    assert list((small_disk / "run").iterdir()) == []


@pytest.mark.parametrize("left", [0, *slow(4_096, 16_384, 40_000, 90_000, 120_000)])
def test_a_disk_that_fills_up_in_training_costs_nothing(small_disk, command, monkeypatch, instant, left):
    monkeypatch.setattr(run_directory, "SPACE_NEEDED", 0)
    folder = small_disk / "run"
    meanwhile(monkeypatch, instant, 3, lambda: fill(folder, left))
    code, said = command(folder)
    assert code == 2 and "No space left on device" in said and str(folder) in said
    assert saved(folder) == [2]
    code, said = command(folder)
    assert code == 2 and "No space left on device" in said
    (small_disk / "filler").unlink()
    done = command(folder)
    assert done[0] == 0, done
    assert rows(folder) == [1, 2, 3, 4, 5, 6] and saved(folder)[-1] == 6


@pytest.mark.slow
def test_the_command_on_a_disk_that_fills_up_says_one_sentence_and_goes_on_with_space(tmp_path):
    """The process itself, with all that its threads may say."""
    disk, log = tmp_path / "disk", tmp_path / "log"
    disk.mkdir()
    mount("-t", "tmpfs", "-o", "size=300m", "tmpfs", str(disk))
    try:
        attempt = start_command([*settings_of(disk / "run"), "--set", "ppo.iterations=100000"], log)
        while attempt.poll() is None and not run_directory.has_checkpoint(disk / "run"):
            time.sleep(0.01)
        filler = fill(disk / "run", 20_000)
        assert attempt.wait() == 2, attempt.said()
        said = log.read_text()
        assert said.count("error: ") == 1 and "Traceback" not in said and "Exception" not in said, said
        filler.unlink()
        iterations = saved(disk / "run")[-1] + 2
        attempt = start_command([*settings_of(disk / "run"), "--set", f"ppo.iterations={iterations}"], log)
        assert attempt.wait() == 0, attempt.said()
        assert rows(disk / "run") == list(range(1, iterations + 1))
    finally:
        unmount(disk)


def test_a_folder_that_becomes_read_only_is_one_sentence_and_keeps_what_it_has(
    small_disk, command, monkeypatch, instant
):
    monkeypatch.setattr(run_directory, "SPACE_NEEDED", 0)
    folder = small_disk / "run"

    def lock_up() -> None:
        mount("--bind", str(folder), str(folder))
        mount("-o", "remount,bind,ro", str(folder))

    meanwhile(monkeypatch, instant, 3, lock_up)
    try:
        for _ in range(2):  # while it trains, and when it is started again
            code, said = command(folder)
            assert code == 2 and "Read-only file system" in said and str(folder) in said
            assert saved(folder) == [2]
    finally:
        unmount(folder)
    done = command(folder)
    assert done[0] == 0, done
    assert rows(folder) == [1, 2, 3, 4, 5, 6]


def test_a_folder_that_is_taken_away_is_one_sentence_and_goes_on_where_it_is_put(
    tmp_path, command, monkeypatch, instant
):
    folder, elsewhere = tmp_path / "run", tmp_path / "elsewhere"
    meanwhile(monkeypatch, instant, 3, lambda: folder.rename(elsewhere))
    code, said = command(folder)
    assert code == 2 and f"cannot write to the run directory '{folder}': No such file or directory" in said
    assert not folder.exists() and saved(elsewhere) == [2]
    done = command(elsewhere)
    assert done[0] == 0, done
    assert rows(elsewhere) == [1, 2, 3, 4, 5, 6]


# The clock


@pytest.mark.parametrize("interval", slow("1s", "2"))
def test_a_clock_that_is_set_back_changes_nothing(tmp_path, command, monkeypatch, instant, interval):
    """The clock of the day goes back by an hour in every iteration; it is asked for by `time.time`."""
    now, day = time.time, [0.0]
    monkeypatch.setattr(time, "time", lambda: now() - day[0])

    def make(amp, length):
        chunk = instant(amp, length)

        def step(state, count):
            day[0] += 3600.0
            return chunk(state, count)

        return step

    monkeypatch.setattr(loop, "make_chunk", make)
    folder = tmp_path / "run"
    done = command(folder, f"logging.checkpoint_interval={interval}", "ppo.iterations=2")
    assert done[0] == 0, done
    done = command(folder, "ppo.iterations=6")
    assert done[0] == 0, done
    assert rows(folder) == [1, 2, 3, 4, 5, 6] and saved(folder)[-1] == 6
    seconds = [json.loads(line)["seconds"] for line in (folder / "metrics.jsonl").read_text().splitlines()]
    assert seconds == sorted(seconds) and seconds[0] >= 0.0


# Two trainers

HOLD = """
import fcntl, os, sys
file = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT)
fcntl.flock(file, fcntl.LOCK_EX)
os.write(file, b"process of another")
print("locked", flush=True)
sys.stdin.read()
"""


def test_a_second_trainer_is_turned_away_until_the_first_is_killed(tmp_path, command, instant):
    folder = tmp_path / "run"
    done = command(folder, "ppo.iterations=2")
    assert done[0] == 0, done
    first = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(folder / ".lock")], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    try:
        assert first.stdout and first.stdout.readline() == b"locked\n"
        before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
        code, said = command(folder)
        assert code == 2 and f"another training is at work in '{folder}' (process of another)" in said
        assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before
    finally:
        first.kill()
        first.communicate()
    done = command(folder)
    assert done[0] == 0, done
    assert rows(folder) == [1, 2, 3, 4, 5, 6]


@pytest.mark.slow
def test_of_two_trainers_started_at_once_one_trains(tmp_path):
    attempts = [start_command(settings_of(tmp_path / "run"), tmp_path / f"log-{i}") for i in range(2)]
    codes = [attempt.wait() for attempt in attempts]
    assert sorted(codes) == [0, 2], [attempt.said() for attempt in attempts]
    said = attempts[codes.index(2)].said()
    told = ("another training is at work in", "already holds a run")  # the second before or after the first's lock
    assert any(one in said for one in told) and "Traceback" not in said
    assert rows(tmp_path / "run") == list(range(1, soak.SMALL["ppo.iterations"] + 1))


# Damage


@pytest.fixture(scope="module")
def whole_run(tmp_path_factory) -> Path:
    """A run with checkpoints of iterations 2 and 4."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loop, "make_chunk", make_instant_chunk)
        patch.setattr(training_runs, "make_amp", make_amp_once)
        return run(tmp_path_factory.mktemp("runs") / "whole")


@pytest.fixture(scope="module")
def amp(whole_run) -> AMP:
    made = make_amp(run_directory.read_config(whole_run, []))
    made.init = jax.jit(made.init)  # traced once
    return made


def files_of(checkpoint: Path) -> list[Path]:
    return sorted(path for path in checkpoint.rglob("*") if path.is_file())


def place(files: list[Path], share: float) -> tuple[Path, int]:
    """The file and the offset at a share of all bytes of the files: the small ones have their turn, too."""
    file = files[int(share * len(files))]
    return file, int((share * len(files) % 1.0) * file.stat().st_size)


def cut(checkpoint: Path, share: float) -> None:
    file, offset = place(files_of(checkpoint), share)
    file.write_bytes(file.read_bytes()[:offset])


def flip(checkpoint: Path, share: float) -> None:
    file, offset = place(files_of(checkpoint), share)
    content = bytearray(file.read_bytes())
    if content:
        content[offset] ^= 1 << int(share * 1e4) % 8
    file.write_bytes(content)


@pytest.mark.parametrize(
    ("damage", "number"),
    [(cut, 11), *slow((flip, 11), *((how, n) for how in (cut, flip) for n in range(DAMAGES) if n != 11))],
)
def test_a_damaged_checkpoint_is_told_and_never_trained_from(
    whole_run, tmp_path, command, monkeypatch, instant, damage, number
):
    folder = shutil.copytree(whole_run, tmp_path / "run")
    damage(folder / "checkpoints" / "4", (number + 0.5) / DAMAGES)
    began: list[int] = []
    meanwhile(monkeypatch, instant, 5, lambda: began.append(4))
    code, said = command(folder)
    assert code == 0
    laid_aside = (folder / "damaged" / "checkpoint-4").exists()
    assert laid_aside == ("goes on from the one before, of iteration 2" in said)
    assert laid_aside or damage is flip or files_of(folder / "checkpoints" / "4")
    assert rows(folder) == [1, 2, 3, 4, 5, 6] and saved(folder)[-1] == 6


def read_damaged(checkpoints: Path, amp: AMP, whole: str) -> None:
    """The newest checkpoint is the one that was saved, or is told to be damaged in a sentence, soon."""
    began = time.process_time()
    try:
        with Checkpoints(checkpoints, read_only=True) as found:
            if 4 in found.all:
                state, about = found.restore(amp, 4)
                assert _checksum(state) == whole and about["iteration"] == 4
    except (DamagedCheckpoint, InputError) as error:
        assert "\n" not in str(error) and str(checkpoints) in str(error)
    assert time.process_time() - began < 10.0


JSON = ["", "{}", "[]", "null", "0", '{"a": {}}', "[" * 5000, '{"score": null}', "\0", "é", "1e999", "NaN"]
DAMAGE = st.lists(
    st.tuples(
        st.floats(0.0, 0.9999),
        st.one_of(
            st.tuples(st.just("cut"), st.just(0)),
            st.tuples(st.just("flip"), st.integers(0, 7)),
            st.tuples(st.just("put"), st.binary(max_size=20)),
            st.tuples(st.just("replace"), st.sampled_from([one.encode() for one in JSON]) | st.binary(max_size=60)),
            st.tuples(st.just("remove"), st.just(0)),
            st.tuples(st.just("swap"), st.floats(0.0, 0.9999)),
        ),
    ),
    min_size=1,
    max_size=2,
)


def do_damage(checkpoint: Path, steps: list) -> None:
    for share, (kind, what) in steps:
        files = files_of(checkpoint)
        file, offset = place(files, share)
        content = file.read_bytes()
        if kind == "remove":
            file.unlink()
        elif kind == "swap":
            other = place(files, what)[0]
            file.write_bytes(other.read_bytes())
            other.write_bytes(content)
        elif kind == "cut":
            file.write_bytes(content[:offset])
        elif kind == "flip":
            flipped = bytes([content[offset] ^ 1 << what]) if content else b""
            file.write_bytes(content[:offset] + flipped + content[offset + 1 :])
        else:
            file.write_bytes(what if kind == "replace" else content[:offset] + what + content[offset:])


@pytest.mark.parametrize("text", ["[]", "7", '{"commit_timestamp_nsecs": "x"}'])
def test_dates_of_a_checkpoint_that_are_none_cost_the_dates_alone(whole_run, tmp_path, amp, text):
    copy = shutil.copytree(whole_run / "checkpoints", tmp_path / "checkpoints")
    (copy / "4" / "_CHECKPOINT_METADATA").write_text(text)
    with Checkpoints(copy, read_only=True) as found:
        assert found.restore(amp, 4)[1]["iteration"] == 4


QUIET = {"deadline": None, "suppress_health_check": list(HealthCheck), "database": None, "derandomize": True}


@pytest.fixture(scope="module")
def damage_and_read(whole_run, amp, tmp_path_factory) -> Callable[[list], None]:
    """Damages a copy of the run's checkpoints and reads them."""
    whole = whole_run / "checkpoints"
    with Checkpoints(whole, read_only=True) as found:
        checksum = _checksum(found.restore(amp, 4)[0])
    place = tmp_path_factory.mktemp("damaged") / "checkpoints"

    def call(steps: list) -> None:
        shutil.rmtree(place, ignore_errors=True)
        shutil.copytree(whole, place)
        do_damage(place / "4", steps)
        read_damaged(place, amp, checksum)

    return call


@settings(max_examples=10, **QUIET)
@given(DAMAGE)
def test_a_damaged_checkpoint_is_what_was_saved_or_a_sentence(damage_and_read, steps):
    damage_and_read(steps)


@pytest.mark.soak
@settings(max_examples=10_000, **QUIET)
@given(DAMAGE)
def test_ten_thousand_damaged_checkpoints(damage_and_read, steps):
    damage_and_read(steps)
