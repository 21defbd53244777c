"""The host loop: logging, checkpoints, resume, interruption, and what stops a run before it starts."""

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import jax
import numpy as np
import pytest
from training_runs import SMALL, resume, start_or_resume
from training_runs import train as run

from playground_amp.builder import make_amp, resolve_here
from playground_amp.config import load_config
from playground_amp.core.errors import DamagedCheckpoint, InputError, Interrupted, TrainingCollapsed, TrainingDiverged
from playground_amp.evaluation.reporting import film, render
from playground_amp.runs import run_directory
from playground_amp.runs.checkpoint import Checkpoints, score
from playground_amp.runs.lock import locked
from playground_amp.runs.metrics_log import Interval, MetricsFile
from playground_amp.training import health, loop, videos, wandb_logger
from playground_amp.training.health import symptoms, verdict

ROOT = Path(__file__).parents[1]


def rows(run_dir: Path) -> list[dict]:
    return [json.loads(line) for line in (run_dir / "metrics.jsonl").read_text().splitlines()]


def latest(run_dir: Path) -> int | None:
    with Checkpoints(run_dir / "checkpoints", read_only=True) as checkpoints:
        return checkpoints.latest


def kept(run_dir: Path) -> tuple[list[int], int | None]:
    """Iterations of the checkpoints, and the best of them."""
    with Checkpoints(run_dir / "checkpoints", read_only=True) as checkpoints:
        return checkpoints.all, checkpoints.best


def final_state(run_dir: Path):
    amp = make_amp(run_directory.read_config(run_dir, []))
    with Checkpoints(run_dir / "checkpoints", read_only=True) as checkpoints:
        return checkpoints.restore(amp)[0]


def assert_same_training(one: Path, two: Path) -> None:
    """Two runs have the same state and the same metrics, bit for bit; the clock apart."""
    leaves = zip(jax.tree.leaves_with_path(final_state(one)), jax.tree.leaves(final_state(two)), strict=True)
    for (path, a), b in leaves:
        if jax.dtypes.issubdtype(a.dtype, jax.dtypes.prng_key):
            a, b = jax.random.key_data(a), jax.random.key_data(b)
        np.testing.assert_array_equal(np.asarray(a), np.asarray(b), err_msg=jax.tree_util.keystr(path))
    timing = {"seconds", "env_steps_per_second"}
    for a, b in zip(rows(one), rows(two), strict=True):
        assert {k: v for k, v in a.items() if k not in timing} == {k: v for k, v in b.items() if k not in timing}


def spoil(checkpoint: Path, damage: str) -> None:
    for path in (checkpoint / "state").rglob("*"):
        if path.is_file():
            path.write_bytes(path.read_bytes()[:10] if damage == "truncate" else os.urandom(500))


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> Path:
    """A run of four iterations with wandb offline, left alone by the tests that use it."""
    return run(tmp_path_factory.mktemp("runs") / "finished", "logging.wandb=offline")


def test_every_iteration_is_logged_once_with_the_discriminator_means(finished):
    assert [row["iteration"] for row in rows(finished)] == [1, 2, 3, 4]
    assert all(np.isfinite([row["disc_real_mean"], row["disc_fake_mean"]]).all() for row in rows(finished))
    assert [row["env_steps"] for row in rows(finished)] == [32, 64, 96, 128]


def test_rows_of_an_interval_by_hand():
    """Two iterations of 32 steps in 4 s, after 3; what the metrics hold beyond the count is not theirs."""
    metrics = {"loss": np.array([0.5, 0.25, 9.0], np.float32)}
    assert Interval(done=3, count=2, start=10.0, end=14.0).rows(metrics, 32) == [
        {"iteration": 4, "env_steps": 128, "seconds": 12.0, "env_steps_per_second": 16.0, "loss": 0.5},
        {"iteration": 5, "env_steps": 160, "seconds": 14.0, "env_steps_per_second": 16.0, "loss": 0.25},
    ]


def test_interrupted_and_resumed_equals_uninterrupted_bit_for_bit(finished, tmp_path):
    half = run(tmp_path / "half", "ppo.iterations=2")
    resume(str(half), ["ppo.iterations=4"])
    assert_same_training(finished, half)


@pytest.mark.slow
def test_chunk_compiles_once_whatever_the_count():
    amp = make_amp(resolve_here(load_config("ppo_amass_training.yaml", SMALL)))
    chunk = loop.make_chunk(amp, 3)
    state = jax.jit(amp.init)(jax.random.key(0))
    for count in (3, 1, 2):
        state, _ = chunk(state, count)
    assert chunk._cache_size() == 1
    assert int(state.iteration) == 6


def test_resume_drops_the_lines_after_the_checkpoint(finished, tmp_path, instant):
    copy = tmp_path / "copy"
    shutil.copytree(finished, copy)
    shutil.rmtree(copy / "checkpoints" / "4")
    resume(str(copy), ["logging.wandb=off"])
    assert [row["iteration"] for row in rows(copy)] == [1, 2, 3, 4]


def test_a_finished_run_says_how_to_go_on(finished):
    with pytest.raises(InputError, match=r"ppo\.iterations=8"):
        resume(str(finished), [])


def test_a_run_stopped_before_its_report_is_finished_by_resume(finished, tmp_path, monkeypatch):
    copy = tmp_path / "copy"
    shutil.copytree(finished, copy)
    shown = []
    monkeypatch.setattr(loop.TrainingLoop, "_finish", lambda self, state: shown.append(int(state.iteration)))
    resume(str(copy), ["logging.evaluation_episodes=4", "logging.wandb=off"])
    assert shown == [4]
    (copy / "report.html").touch()
    with pytest.raises(InputError, match="has done its 4 iterations"):
        resume(str(copy), ["logging.evaluation_episodes=4"])


def test_an_earlier_report_does_not_stand_for_a_longer_run(finished, tmp_path, monkeypatch, instant):
    copy = tmp_path / "copy"
    shutil.copytree(finished, copy)
    (copy / "report.html").touch()

    def interrupted(self, state):
        raise KeyboardInterrupt

    monkeypatch.setattr(loop.TrainingLoop, "_finish", interrupted)
    longer = ["ppo.iterations=6", "logging.evaluation_episodes=4", "logging.wandb=off"]
    with pytest.raises(KeyboardInterrupt):
        resume(str(copy), longer)
    shown = []
    monkeypatch.setattr(loop.TrainingLoop, "_finish", lambda self, state: shown.append(int(state.iteration)))
    resume(str(copy), [])
    assert shown == [6]


def test_the_score_is_the_survived_share_times_the_weighted_rewards():
    config = load_config("ppo_amass_training.yaml", ["env.episode_length=500"])
    row = {"episode_length": 250.0, "task_reward": 0.8, "amp_reward": 0.4}
    assert score(row, config) == pytest.approx(0.5 * (0.3 * 0.8 + 0.7 * 0.4))
    alone = load_config("ppo_amass_training.yaml", ["amp.style_weight=0", "amp.task_weight=1"])
    assert score({"episode_length": 500.0, "task_reward": 0.8}, alone) == pytest.approx(0.8)


def test_a_checkpoint_scores_the_iterations_since_the_one_before(finished):
    config = run_directory.read_config(finished, [])
    with Checkpoints(finished / "checkpoints", read_only=True) as checkpoints:
        for iteration in (2, 4):
            expected = np.mean([score(row, config) for row in rows(finished)[iteration - 2 : iteration]])
            assert checkpoints.score(iteration) == pytest.approx(expected)


def test_the_best_checkpoint_survives_those_after_it(tmp_path, capsys, instant):
    folder = run(tmp_path / "run", "ppo.iterations=8", "logging.checkpoints_kept=1")
    assert kept(folder) == ([2, 8], 2)
    assert "best checkpoint: iteration 2, score" in capsys.readouterr().err
    resume(str(folder), ["ppo.iterations=12"])
    assert kept(folder) == ([2, 12], 2)


def test_what_is_off_has_no_place_on_the_disk_so_that_older_checkpoints_load(finished):
    stored = json.loads((finished / "checkpoints" / "4" / "state" / "_METADATA").read_text())["tree_metadata"]
    names = {tuple(part["key"] for part in entry["key_metadata"]) for entry in stored.values()}
    assert ("env", "physics", "qpos") in names and ("env", "steps") in names
    assert not {name for name in names if name[-1] in ("dynamics", "sensors", "servos", "seen")}


def test_checkpoints_without_a_score_load_and_make_room(finished, tmp_path, instant):
    copy = tmp_path / "copy"
    shutil.copytree(finished, copy)
    for metrics in (copy / "checkpoints").glob("*/metrics"):
        shutil.rmtree(metrics)
    assert kept(copy) == ([2, 4], None)
    resume(str(copy), ["ppo.iterations=6", "logging.checkpoints_kept=1", "logging.wandb=off"])
    assert kept(copy) == ([6], 6)


def test_a_checkpoint_with_numbers_that_are_none_is_refused(finished, tmp_path):
    state = final_state(finished)
    bad = state.replace(episodes=state.episodes.replace(length=np.float32(np.nan)))
    with Checkpoints(tmp_path / "checkpoints") as checkpoints:
        checkpoints.save(4, bad, {})
        with pytest.raises(DamagedCheckpoint, match="not what was saved"):
            checkpoints.restore(make_amp(run_directory.read_config(finished, [])))


@pytest.fixture
def flat(monkeypatch, instant):
    """Training whose discriminator is flat after its first interval, with a history short enough for a test."""

    def make_chunk(amp, length):
        chunk = instant(amp, length)
        names = ("disc_real_mean", "disc_fake_mean", "disc_acc", "disc_acc_clean", "amp_reward")
        scores = {name: np.full(length, 0.5) for name in names}

        def step(state, count):
            spread = 0.2 if state.iteration < 2 else 1e-3
            state, metrics = chunk(state, count)
            spreads = {name: np.full(length, spread) for name in ("disc_real_std", "disc_fake_std")}
            return state, metrics | scores | spreads

        return step

    monkeypatch.setattr(loop, "make_chunk", make_chunk)
    for name, value in {"WARM_UP": 10, "WINDOW": 4, "HOLD": 6, "HISTORY": 20}.items():
        for module in (health, symptoms, verdict):
            if hasattr(module, name):
                monkeypatch.setattr(module, name, value)


@pytest.mark.slow
def test_a_dead_run_stops_with_its_report_and_goes_on_by_resume(tmp_path, capsys, monkeypatch, flat):
    finished = []
    monkeypatch.setattr(loop.TrainingLoop, "_finish", lambda self, state: finished.append(int(state.iteration)))
    with pytest.raises(TrainingCollapsed) as stop:
        run(tmp_path / "run", "ppo.iterations=100", "logging.stop_on_collapse=true", "logging.checkpoints_kept=1")
    assert finished == [22]
    assert kept(tmp_path / "run") == ([2, 22], 2)
    told = capsys.readouterr().err
    assert "stopped: discriminator flat for 20 iterations, saved iteration 22" in str(stop.value)
    assert told.count("health: discriminator flat: ") == 1
    assert "amp.r1_gamma" in told
    resume(str(tmp_path / "run"), ["logging.stop_on_collapse=false", "ppo.iterations=50"])
    assert kept(tmp_path / "run") == ([2, 50], 2)


@pytest.mark.slow
def test_a_dead_run_goes_on_unless_told_to_stop(tmp_path, capsys, flat):
    folder = run(tmp_path / "run", "ppo.iterations=40")
    assert rows(folder)[-1]["iteration"] == 40
    assert "discriminator flat  D 0.50/0.50 acc 0.50" in capsys.readouterr().err


@pytest.mark.slow
def test_a_run_of_several_gaits_ends_with_a_video_of_each(tmp_path, monkeypatch, instant, capsys):
    filmed = []
    monkeypatch.setattr(render, "render", lambda robot, *motions: [np.full((480, 640, 3), 200, np.uint8)] * 12)
    monkeypatch.setattr(render, "caption", lambda frame, text: filmed.append(text) or frame)
    overrides = ["env.episode_length=30", "logging.evaluation_episodes=6", "logging.video_seconds=0.48"]
    folder = run(tmp_path / "run", *overrides, config="ppo_amass_gaits")
    assert len(filmed) == 12
    for name, part in zip(("stand", "slow", "fast"), (filmed[:4], filmed[4:8], filmed[8:]), strict=True):
        assert len(set(part)) == 1 and part[0].startswith(f"asked for {name}, "), filmed
    assert (folder / "videos" / "final.mp4").stat().st_size > 0
    written = json.loads((folder / "evaluation.json").read_text())["gaits"]
    assert [(gait["label"], gait["episodes"]) for gait in written["gaits"]] == [("stand", 2), ("slow", 2), ("fast", 2)]
    assert "another gait asked for half-way" in capsys.readouterr().err


def test_a_policy_is_filmed_while_it_trains_at_its_interval_and_sent_to_wandb(tmp_path, monkeypatch, instant):
    sent = []
    monkeypatch.setattr(videos, "make_recorder", lambda *_, **__: lambda *_: None)
    monkeypatch.setattr(film, "film", lambda path, *_: sent.append(path.name))
    folder = run(tmp_path / "filmed", "logging.video_interval=2", "logging.interval=1", "ppo.iterations=5")
    assert sent == ["iteration-2.mp4", "iteration-4.mp4"]
    logged = SimpleNamespace(log=lambda values, step: sent.append((values["video"], step)))
    monkeypatch.setattr("wandb.Video", str)
    wandb_logger.log_video(logged, folder / "a.mp4", 4)
    assert sent[-1] == (str(folder / "a.mp4"), 4)


def test_a_machine_that_cannot_draw_trains_without_videos_and_says_so_once(tmp_path, monkeypatch, instant, capsys):
    def fail(*_):
        raise RuntimeError("no display")

    monkeypatch.setattr(videos, "make_recorder", lambda *_, **__: lambda *_: None)
    monkeypatch.setattr(film, "film", fail)
    run(tmp_path / "blind", "logging.video_interval=1", "logging.interval=1")
    assert capsys.readouterr().err.count("no video while training: no display; on Debian") == 1


def test_videos_without_a_length_are_refused():
    with pytest.raises(InputError, match=r"video_interval is 5, but logging\.video_seconds is 0; give videos a length"):
        load_config("ppo_amass_training", ["logging.video_interval=5", "logging.video_seconds=0"])


@pytest.mark.slow
def test_videos_while_training_can_be_watched_and_change_nothing_of_it(finished, tmp_path):
    folder = run(tmp_path / "run", "logging.video_interval=4", "logging.video_seconds=0.1")
    assert (folder / "videos" / "iteration-4.mp4").stat().st_size > 0
    assert_same_training(finished, folder)


def test_a_folder_that_holds_a_run_is_not_written_over(finished):
    with pytest.raises(InputError, match="already holds a run"):
        run(finished)


@pytest.mark.parametrize("damage", ["truncate", "garbage"])
def test_a_damaged_checkpoint_gives_way_to_the_one_before(finished, tmp_path, damage, capsys, instant):
    copy = tmp_path / "copy"
    shutil.copytree(finished, copy)
    spoil(copy / "checkpoints" / "4", damage)
    resume(str(copy), ["ppo.iterations=6", "logging.wandb=off"])
    assert "checkpoint of iteration 4 is damaged" in capsys.readouterr().err
    assert [row["iteration"] for row in rows(copy)] == [1, 2, 3, 4, 5, 6]
    assert kept(copy)[0] == [2, 4, 6] and (copy / "damaged" / "checkpoint-4").is_dir()


@pytest.mark.parametrize("damage", ["truncate", "garbage"])
def test_damage_everywhere_is_one_sentence(finished, tmp_path, damage):
    copy = tmp_path / "copy"
    shutil.copytree(finished, copy)
    for iteration in ("2", "4"):
        spoil(copy / "checkpoints" / iteration, damage)
    before = (copy / "metrics.jsonl").read_text()
    with pytest.raises(InputError, match=r"checkpoints/4' cannot be read: it is damaged") as error:
        resume(str(copy), ["ppo.iterations=6"])
    assert "\n" not in str(error.value)
    assert (copy / "metrics.jsonl").read_text() == before and not (copy / "damaged").exists()


def test_a_checkpoint_of_another_network_is_refused(finished):
    with pytest.raises(InputError, match="cannot be read"):
        resume(str(finished), ["ppo.iterations=6", "networks.actor=[24]"])


def test_an_unwritable_run_directory_is_one_sentence(tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("")
    with pytest.raises(InputError, match="cannot write to the run directory") as error:
        run(blocked / "run")
    assert "\n" not in str(error.value)


def test_a_full_disk_stops_before_anything_is_written(tmp_path, monkeypatch):
    monkeypatch.setattr(run_directory.shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10, 10, 0))
    with pytest.raises(InputError, match="free"):
        run(tmp_path / "run")
    assert list((tmp_path / "run").glob("*")) == []


def test_a_disk_that_fills_up_keeps_the_last_checkpoint(tmp_path, monkeypatch, instant):
    save = Checkpoints.save

    def full(self, iteration, *arguments):
        if iteration > 2:
            raise OSError(28, "No space left on device")
        save(self, iteration, *arguments)

    monkeypatch.setattr(Checkpoints, "save", full)
    with pytest.raises(InputError, match="No space left on device"):
        run(tmp_path / "run")
    assert latest(tmp_path / "run") == 2


def test_a_missing_clip_leaves_no_run_directory(tmp_path):
    with pytest.raises(InputError, match="names no clip"):
        run(tmp_path / "run", "reference.clips=['nowhere.npz']")
    assert not (tmp_path / "run").exists()


def test_a_diverged_run_exits_with_a_sentence_and_saves_nothing_bad(tmp_path, capsys, monkeypatch, instant):
    def diverging(amp, length):
        chunk = instant(amp, length)

        def step(state, count):
            state, metrics = chunk(state, count)
            return state, metrics | {"loss": np.full(length, np.nan if state.iteration > 2 else 0.0)}

        return step

    monkeypatch.setattr(loop, "make_chunk", diverging)
    with pytest.raises(TrainingDiverged, match="loss is not a number in iteration 3"):
        run(tmp_path / "run")
    assert latest(tmp_path / "run") == 2


def test_a_training_that_diverges_once_goes_back_and_on(tmp_path, capsys, monkeypatch, instant):
    rates = []

    def once(amp, length):
        chunk = instant(amp, length)
        rates.append(amp.config.amp.discriminator_lr)

        def step(state, count):
            state, metrics = chunk(state, count)
            bad = state.iteration == 3 and len(rates) == 1
            return state, metrics | {"loss": np.full(length, np.nan if bad else 0.0)}

        return step

    monkeypatch.setattr(loop, "make_chunk", once)
    folder = run(tmp_path / "run")
    assert rates == [1e-4, 5e-5]
    assert [row["iteration"] for row in rows(folder)] == [1, 2, 3, 4]
    assert kept(folder)[0] == [2, 4] and (folder / "diverged.npz").exists()
    assert run_directory.read_config(folder, []).amp.discriminator_lr == 1e-4  # what was asked for
    assert "going back to iteration 2 with 0.5 times the learning rates (1 of 3 times)" in capsys.readouterr().err


def test_a_run_stopped_before_its_first_checkpoint_starts_again(tmp_path, capsys, monkeypatch, instant):
    def killed(self, rows):
        raise KeyboardInterrupt

    folder, command = tmp_path / "run", ("ppo_amass_training.yaml", [*SMALL], tmp_path / "run", "auto")
    with monkeypatch.context() as patch:
        patch.setattr(loop.TrainingLoop, "_judge", killed)
        with pytest.raises(KeyboardInterrupt):
            start_or_resume(*command)
    assert [row["iteration"] for row in rows(folder)] == [1, 2] and latest(folder) is None
    (folder / "config.yaml.tmp").write_text("half of")
    assert start_or_resume(*command) == folder
    assert [row["iteration"] for row in rows(folder)] == [1, 2, 3, 4] and kept(folder)[0] == [2, 4]
    assert "was stopped before its first checkpoint; it starts again" in capsys.readouterr().err


def test_two_trainers_do_not_share_a_folder(finished, tmp_path, instant):
    copy = shutil.copytree(finished, tmp_path / "copy")
    (copy / ".lock").write_text("left by a crash")
    with (
        locked(copy),
        pytest.raises(InputError, match=rf"another training .*copy' \(process {os.getpid()} on ") as error,
    ):
        resume(str(copy), ["ppo.iterations=6"])
    assert "\n" not in str(error.value) and not (copy / ".lock").exists()
    resume(str(copy), ["ppo.iterations=6", "logging.wandb=off"])


@pytest.mark.parametrize(("interval", "due"), [(5, True), (7, False), ("30s", True), ("1m", False), ("0.01h", True)])
def test_a_checkpoint_is_due_by_iterations_or_by_the_clock(monkeypatch, interval, due):
    monkeypatch.setattr(loop.time, "monotonic", lambda: 140.0)
    assert loop._is_due(interval, 4, 6, saved=100.0) is due


@pytest.mark.parametrize("interval", ["90", "0s", "-1s", "1d", "1e3s", "s", 0, 1.5])
def test_an_interval_that_is_none_is_one_sentence(interval):
    said = "checkpoint_interval is .*; expected a whole number above 0, or a time such as 90s, 15m or 1h"
    with pytest.raises(InputError, match=said) as error:
        load_config("ppo_amass_training", [f"logging.checkpoint_interval='{interval}'"])
    assert "\n" not in str(error.value)


def test_rows_that_cannot_be_read_are_left_out_and_none_comes_twice(tmp_path, capsys):
    lines = ['{"iteration": 1, "seconds": 2.0}', '{"iteration": 1}', "\0\0\0", '{"iteration": 3, "seco', "[1]", "{}"]
    (tmp_path / "metrics.jsonl").write_text("\n".join(lines))
    assert MetricsFile(tmp_path).cut_after(2) == 2.0
    assert rows(tmp_path) == [{"iteration": 1, "seconds": 2.0}]
    assert "lacks 1 of the 2 iterations" in capsys.readouterr().err


@pytest.mark.parametrize("damage", [b"\x00{", b"[" * 100_000], ids=["bytes", "depth"])
def test_a_score_that_cannot_be_read_costs_the_score_alone(finished, tmp_path, capsys, damage):
    copy = shutil.copytree(finished, tmp_path / "copy")
    (copy / "checkpoints" / "4" / "metrics" / "metrics").write_bytes(damage)
    assert kept(copy) == ([2, 4], 2)
    assert "checkpoints/4' cannot be read: that checkpoint goes without one" in capsys.readouterr().err


def test_sigterm_saves_a_checkpoint(tmp_path, capsys, monkeypatch, instant):
    def killed(amp, length):
        chunk = instant(amp, length)

        def step(state, count):
            os.kill(os.getpid(), signal.SIGTERM)
            return chunk(state, count)

        return step

    monkeypatch.setattr(loop, "make_chunk", killed)
    with pytest.raises(Interrupted, match="go on with") as stop:
        run(tmp_path / "run", "logging.checkpoint_interval=1000")
    assert stop.value.signal == signal.SIGTERM
    assert latest(tmp_path / "run") == 1  # within the interval of two


def test_sigterm_in_the_last_save_loses_nothing(tmp_path, monkeypatch, instant):
    save = loop.TrainingLoop._save

    def killed(self, state):
        os.kill(os.getpid(), signal.SIGTERM)
        save(self, state)

    monkeypatch.setattr(loop.TrainingLoop, "_save", killed)
    with pytest.raises(Interrupted, match="saved iteration 4; go on with"):
        run(tmp_path / "run", "logging.checkpoint_interval=1000")
    assert latest(tmp_path / "run") == 4


def test_auto_starts_what_is_not_there_and_leaves_what_is_done(tmp_path, finished, capsys):
    with pytest.raises(InputError, match="holds no checkpoint yet"):
        start_or_resume(None, [], tmp_path / "new", "auto")
    assert start_or_resume("ppo_amass_training.yaml", [], finished, "auto") == finished
    assert "has done its 4 iterations: there is nothing left to do" in capsys.readouterr().err


def test_auto_is_the_newest_run_with_a_checkpoint(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match="--resume auto: no run in 'runs' has a checkpoint"):
        resume("auto", [])
    for age, name in enumerate(("new", "newer", "newest")):
        folder = tmp_path / "runs" / name
        (folder / "checkpoints" / ("4" if name != "newest" else "")).mkdir(parents=True)
        (folder / "config.yaml").touch()
        os.utime(folder / "config.yaml", (1e9 + age, 1e9 + age))
    assert run_directory.newest_run() == Path("runs/newer")
    assert run_directory.find_run("new") == Path("runs/new")
    assert run_directory.find_run(str(tmp_path / "runs/new")) == tmp_path / "runs/new"
    with pytest.raises(InputError, match="there is no run 'auto'; valid: new, newer, newest"):
        run_directory.find_run("auto")


@pytest.mark.slow
def test_ctrl_c_saves_a_checkpoint_and_exits_with_130(tmp_path):
    command = [sys.executable, str(ROOT / "scripts" / "train.py"), "--config", "ppo_amass_training.yaml"]
    command += ["--run-dir", str(tmp_path / "run")]
    command += [part for override in [*SMALL, "ppo.iterations=1000000"] for part in ("--set", override)]
    process = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True)
    for line in process.stderr:
        if "M steps" in line:
            process.send_signal(signal.SIGINT)
            break
    tail = process.stderr.read()
    assert process.wait(timeout=60) == 130
    assert "Traceback" not in tail
    assert "go on with" in tail
    assert latest(tmp_path / "run") == rows(tmp_path / "run")[-1]["iteration"]


def test_offline_wandb_holds_the_metrics_of_every_iteration(finished):
    (log,) = (finished / "wandb").glob("offline-run-*/run-*.wandb")
    wandb = Path(sys.executable).with_name("wandb")
    output = subprocess.run(
        [wandb, "leet", "inspect", "--json", log.parent], capture_output=True, text=True, check=True
    )
    history = [line for line in output.stdout.splitlines() if '"type":"history"' in line]
    for name in ("disc_real_mean", "disc_fake_mean"):
        assert sum(f'"{name}"' in line for line in history) == 4
