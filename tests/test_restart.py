"""Restarts: a run goes on with other settings, from any checkpoint, and nothing of the earlier training is lost."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import jax
import numpy as np
import pytest
from conftest import make_clip
from test_trainer import assert_same_training, final_state, kept, rows
from training_runs import resume, start_or_resume
from training_runs import train as run

from playground_amp.builder import make_amp
from playground_amp.core.errors import InputError
from playground_amp.evaluation.reporting.run_report import write_report
from playground_amp.motion.clip import save_clip
from playground_amp.motion.clip_set import ClipSet
from playground_amp.runs import run_directory
from playground_amp.runs.checkpoint import Checkpoints, checksum_of_about
from playground_amp.training import loop, trainer


def contents(folder: Path) -> dict[str, bytes | None]:
    """Every file of a folder with its bytes, and every folder in it."""
    found = sorted(folder.rglob("*"))
    return {str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None for path in found}


def records(run_dir: Path) -> list[dict]:
    """restarts.jsonl without the time."""
    lines = (run_dir / "restarts.jsonl").read_text().splitlines()
    return [{key: value for key, value in json.loads(line).items() if key != "time"} for line in lines]


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> Path:
    """A run of four iterations with checkpoints at two and four, left alone by the tests that use it."""
    return run(tmp_path_factory.mktemp("runs") / "finished")


@pytest.fixture(scope="module")
def branched(finished, tmp_path_factory) -> Path:
    """That run from iteration two on, with half the learning rate of the discriminator, and with a report."""
    settings = ["amp.discriminator_lr=5e-5", "logging.evaluation_episodes=2", "logging.video_seconds=0"]
    return resume(str(finished), settings, "2", tmp_path_factory.mktemp("runs") / "slower")


@pytest.fixture
def copy(finished, tmp_path) -> Path:
    """A copy of the finished run that a test may write to."""
    return shutil.copytree(finished, tmp_path / "runs" / "copy")


@pytest.fixture
def untrained(monkeypatch) -> None:
    """A restart stops where training would begin."""
    monkeypatch.setattr(loop.TrainingLoop, "run", lambda self, state: None)


# What a branch is


@pytest.mark.slow
def test_a_branch_without_changes_equals_the_run_it_left_bit_for_bit(finished, tmp_path):
    before = contents(finished)
    branch = resume(str(finished), [], "2", tmp_path / "branch")
    assert_same_training(finished, branch)
    assert kept(branch) == kept(finished)
    assert rows(branch)[:2] == rows(finished)[:2]
    assert records(branch) == [{"iteration": 2, "from": str(finished), "changed": {}}]
    assert contents(finished) == before


def test_a_branch_holds_the_one_checkpoint_and_the_metrics_until_it(finished, tmp_path, untrained):
    branch = resume(str(finished), [], "2", tmp_path / "branch")
    assert kept(branch) == ([2], 2)
    assert rows(branch) == rows(finished)[:2]
    with Checkpoints(finished / "checkpoints", read_only=True) as old, Checkpoints(branch / "checkpoints") as new:
        assert new.score(2) == old.score(2)
    files = {"checkpoints", "config.yaml", "metrics.jsonl", "reference.json", "restarts.jsonl"}
    assert {path.name for path in branch.iterdir()} == files
    assert [path.name for path in tmp_path.iterdir()] == ["branch"]


@pytest.mark.slow
def test_a_changed_setting_takes_effect(finished, branched):
    assert [row["disc_learning_rate"] for row in rows(branched)] == pytest.approx([1e-4, 1e-4, 5e-5, 5e-5])
    assert run_directory.read_config(branched, []).amp.discriminator_lr == 5e-5
    assert run_directory.read_config(finished, []).amp.discriminator_lr == 1e-4
    old, new = (jax.tree.leaves(final_state(path).discriminator.params) for path in (finished, branched))
    assert not all(np.array_equal(a, b) for a, b in zip(old, new, strict=True))


def test_a_changed_setting_is_recorded_and_told(finished, tmp_path, capsys, untrained):
    branch = resume(str(finished), ["amp.discriminator_lr=5e-5", "networks.symmetric=true"], "2", tmp_path / "b")
    changed = {"amp.discriminator_lr": [1e-4, 5e-5]}
    assert records(branch) == [{"iteration": 2, "from": str(finished), "changed": changed}]
    told = capsys.readouterr().err
    assert "settings changed: amp.discriminator_lr 0.0001 -> 5e-05\n" in told
    assert "without effect" not in told


@pytest.mark.slow
def test_the_report_shows_the_restart(finished, branched):
    page = (branched / "report.html").read_text()
    assert "<h2>Restarts</h2>" in page
    assert f"<td>2</td><td>branched from {finished}: amp.discriminator_lr 0.0001 -&gt; 5e-05, logging." in page


@pytest.mark.slow
def test_a_report_without_restarts_has_no_table_of_them(branched, tmp_path):
    for name in ("metrics.jsonl", "config.yaml"):
        shutil.copy(branched / name, tmp_path)
    evaluation = json.loads((branched / "evaluation.json").read_text())
    assert "Restarts" not in write_report(tmp_path, "a run", evaluation, {}, []).read_text()


def test_a_setting_of_the_start_is_told_to_have_no_effect(finished, tmp_path, capsys, untrained):
    resume(str(finished), ["ppo.learning_rate=1e-3"], "2", tmp_path / "branch")
    assert "without effect on training that has begun: ppo.learning_rate\n" in capsys.readouterr().err


# In place


def test_from_the_newest_the_run_itself_goes_on_and_keeps_a_record(copy, untrained):
    assert resume(str(copy), ["ppo.iterations=6", "amp.r1_gamma=2"]) == copy
    assert resume(str(copy), ["amp.r1_gamma=3"], "4") == copy
    assert [restart["changed"] for restart in records(copy)] == [
        {"ppo.iterations": [4, 6], "amp.r1_gamma": [1.0, 2.0]},
        {"amp.r1_gamma": [2.0, 3.0]},
    ]
    assert [restart["from"] for restart in records(copy)] == [None, None]
    assert run_directory.read_config(copy, []).amp.r1_gamma == 3.0


def test_a_resumed_run_has_changed_nothing_though_no_checkpoint_came_between(copy, capsys, untrained):
    resume(str(copy), ["ppo.iterations=6"])
    capsys.readouterr()
    resume(str(copy), [])
    assert records(copy)[-1]["changed"] == {}
    assert "settings changed" not in capsys.readouterr().err


def test_a_setting_changed_in_the_file_is_recorded_too(copy, untrained):
    text = (copy / "config.yaml").read_text()
    assert "iterations: 4" in text
    (copy / "config.yaml").write_text(text.replace("iterations: 4", "iterations: 6"))
    resume(str(copy), [])
    assert records(copy)[-1]["changed"] == {"ppo.iterations": [4, 6]}


def test_restarts_after_the_checkpoint_go_the_way_of_the_metrics(copy, untrained):
    resume(str(copy), ["ppo.iterations=6", "amp.r1_gamma=2"])
    changed = {"ppo.iterations": [4, 6], "amp.r1_gamma": [1.0, 2.0]}
    for iteration in (2, 4):
        branch = resume(str(copy), [], str(iteration), copy.with_name(f"branch-{iteration}"))
        assert records(branch) == [{"iteration": iteration, "from": str(copy), "changed": changed}]
    shutil.rmtree(copy / "checkpoints" / "4")
    resume(str(copy), [])
    assert [restart["iteration"] for restart in records(copy)] == [2]


@pytest.mark.slow
def test_a_branch_of_a_branch_has_the_history_of_both(branched, tmp_path, untrained):
    twig = resume(str(branched), ["ppo.iterations=8", "amp.discriminator_lr=1e-4"], "newest", tmp_path / "twig")
    first, second = records(twig)
    assert [first] == records(branched)
    changed = {"ppo.iterations": [4, 8], "amp.discriminator_lr": [5e-5, 1e-4]}
    assert second == {"iteration": 4, "from": str(branched), "changed": changed}
    assert kept(twig) == ([4], 4)


def test_a_damaged_record_is_one_sentence(copy, untrained):
    for text in ("{", "[]", '{"iteration": 2}', '{"iteration": 2, "time": "", "from": null, "changed": {"a.b": [1]}}'):
        (copy / "restarts.jsonl").write_text(text + "\n")
        with pytest.raises(InputError, match=r"restarts\.jsonl' cannot be read") as error:
            resume(str(copy), ["ppo.iterations=6"])
        assert "\n" not in str(error.value)


# With what clips


@pytest.fixture(scope="module")
def on_own_clips(robot, walk, tmp_path_factory) -> Path:
    """A run of four iterations on the clips of a folder `clips` beside it."""
    folder = tmp_path_factory.mktemp("own")
    save_clip(folder / "clips" / "a.npz", make_clip(robot, walk[:60]))
    save_clip(folder / "clips" / "b.npz", make_clip(robot, walk))
    return run(folder / "run", f"reference.clips={folder / 'clips'}")


@pytest.fixture
def own(on_own_clips, tmp_path) -> Path:
    """A copy of it, with a copy of its clips, that a test may write to."""
    folder = shutil.copytree(on_own_clips.parent, tmp_path / "own")
    config = (folder / "run" / "config.yaml").read_text()
    (folder / "run" / "config.yaml").write_text(config.replace(str(on_own_clips.parent), str(folder)))
    for path in (folder / "run" / "checkpoints").glob("*/about/metadata"):
        about = json.loads(path.read_text().replace(str(on_own_clips.parent), str(folder)))
        about["seal"]["about"] = checksum_of_about(about)
        path.write_text(json.dumps(about))
    return folder / "run"


def clip_set(run_dir: Path) -> ClipSet:
    return ClipSet.from_json(json.loads((run_dir / "reference.json").read_text()))


def test_a_run_and_its_checkpoints_know_their_clips(on_own_clips):
    found = clip_set(on_own_clips)
    assert [(clip.name, clip.frames, clip.seconds) for clip in found.clips] == [("a", 60, 1.18), ("b", 120, 2.38)]
    with Checkpoints(on_own_clips / "checkpoints", read_only=True) as checkpoints:
        about = checkpoints.restore(make_amp(run_directory.read_config(on_own_clips, [])), 2)[1]
    assert ClipSet.from_json(about["reference"]) == found


def test_clips_that_are_only_renamed_are_the_same(own, capsys, untrained):
    (own.parent / "clips" / "a.npz").rename(own.parent / "clips" / "z.npz")
    resume(str(own), ["ppo.iterations=6"])
    assert records(own) == [{"iteration": 4, "from": None, "changed": {"ppo.iterations": [4, 6]}}]
    assert "reference.clips" not in capsys.readouterr().err


def test_clips_whose_content_changed_are_told_and_recorded(own, robot, walk, capsys, untrained):
    before = clip_set(own)
    save_clip(own.parent / "clips" / "a.npz", make_clip(robot, walk[:70]))
    resume(str(own), ["ppo.iterations=6"])
    told = capsys.readouterr().err
    clips = own.parent / "clips"
    assert f"reference.clips: the clips in {clips} are not those that the run was trained on (changed: a);" in told
    (record,) = records(own)
    assert record["clips"] == {"before": before.sha256, "now": clip_set(own).sha256, "difference": "changed: a"}
    assert record["changed"] == {"ppo.iterations": [4, 6]}
    assert run_directory.read_restarts(own)[0].sentence == "ppo.iterations 4 -> 6; other clips (changed: a)"
    resume(str(own), [])
    assert "clips" not in records(own)[-1]
    assert "are not those" not in capsys.readouterr().err  # no news since


def test_clips_that_are_put_back_are_told_too(own, robot, walk, untrained):
    before = clip_set(own)
    save_clip(own.parent / "clips" / "a.npz", make_clip(robot, walk[:70]))
    resume(str(own), ["ppo.iterations=6"])
    save_clip(own.parent / "clips" / "a.npz", make_clip(robot, walk[:60]))
    resume(str(own), [])
    assert records(own)[-1]["clips"]["now"] == before.sha256 == clip_set(own).sha256
    assert records(own)[-1]["clips"]["difference"] == "those of the checkpoint again"


def test_other_clips_by_a_setting_are_a_restart_like_any_other(own, capsys, untrained):
    entry = {"path": str(own.parent / "clips" / "a.npz"), "weight": 3}
    branch = resume(str(own), [f"reference.clips={json.dumps([entry])}"], "2", own.with_name("branch"))
    (record,) = records(branch)
    assert list(record["changed"]) == ["reference.clips"]
    assert record["clips"]["difference"] == "changed: a; gone: b"
    told = " ".join(capsys.readouterr().err.split())
    assert "training goes on with other clips: changed: a; gone: b" in told and "are not those" not in told
    assert [clip.name for clip in clip_set(branch).clips] == ["a"]
    assert [clip.name for clip in clip_set(own).clips] == ["a", "b"]


def test_a_robot_with_other_features_is_refused_before_the_shapes_are(own, untrained):
    before = contents(own)
    clips = "reference.clips=data/humanoid/walk_0.6_a.npz"
    with pytest.raises(InputError, match=r"was made for 29 features .* 'humanoid' now gives 43 features") as error:
        resume(str(own), ["env.robot=humanoid", clips, "ppo.iterations=6"])
    assert "checkpoints/4'" in str(error.value) and "\n" not in str(error.value)
    with pytest.raises(InputError, match=r"with amp.window 1, now with amp.window 2; set it back"):
        resume(str(own), ["amp.window=2", "ppo.iterations=6"])
    assert contents(own) == before


@pytest.mark.slow
def test_a_run_with_weights_that_follows_commands_goes_on_bit_for_bit(on_own_clips, tmp_path):
    clips = on_own_clips.parent / "clips"
    entries = [{"path": str(clips / "a.npz"), "weight": 3}, {"path": str(clips / "b.npz"), "speed": 0.6}]
    settings = [f"reference.clips={json.dumps(entries)}", "reference.follow_command=true"]
    whole = run(tmp_path / "whole", *settings)
    assert_same_training(whole, resume(str(whole), [], "2", tmp_path / "second half"))
    assert final_state(whole).replay.data.shape[-1] == 32  # 29 features and a command


# Which checkpoint


@pytest.mark.parametrize("which", ["3", "first", "-2", "²", "2.0"])
def test_an_unknown_checkpoint_is_one_sentence_naming_those_there_are(copy, which, untrained):
    before = contents(copy.parent)
    with pytest.raises(InputError, match=r"keeps 2, 4 \(newest\), the best of them is \d$") as error:
        resume(str(copy), [], which)
    assert "\n" not in str(error.value)
    assert contents(copy.parent) == before


def test_a_checkpoint_that_was_never_finished_is_not_the_newest(copy, untrained):
    (copy / "checkpoints" / "6.orbax-checkpoint-tmp").mkdir()
    before = contents(copy)
    assert resume(str(copy), [], "2") == copy.with_name("copy-from-2")
    assert contents(copy) == before
    assert resume(str(copy), ["ppo.iterations=6"]) == copy


def test_the_best_checkpoint_branches_unless_it_is_the_newest(copy, untrained):
    _, best = kept(copy)
    older = resume(str(copy), ["ppo.iterations=6"], "best")
    assert older == (copy if best == 4 else copy.with_name("copy-from-2"))
    (copy / "checkpoints" / "4" / "metrics" / "metrics").write_text('{"score": -1.0}')
    assert resume(str(copy), [], "best") == copy.with_name("copy-from-2" if best == 4 else "copy-from-2-2")
    (copy / "checkpoints" / "4" / "metrics" / "metrics").write_text('{"score": 1e3}')
    assert resume(str(copy), ["ppo.iterations=6"], "best") == copy


def test_without_scores_there_is_no_best(copy, untrained):
    for metrics in (copy / "checkpoints").glob("*/metrics"):
        shutil.rmtree(metrics)
    with pytest.raises(InputError, match=r"best: none has a score; .* keeps 2, 4 \(newest\)$"):
        resume(str(copy), [], "best")
    assert kept(resume(str(copy), [], "2")) == ([2], None)


def test_a_run_without_checkpoints_cannot_be_gone_on_with(copy):
    shutil.rmtree(copy / "checkpoints")
    before = contents(copy)
    with pytest.raises(InputError, match="holds no checkpoint"):
        resume(str(copy), [], "2")
    assert contents(copy) == before


# Where it goes


@pytest.mark.slow
def test_a_taken_name_gets_a_number(copy, tmp_path, untrained):
    names = [resume(str(copy), [], "2").name for _ in range(3)]
    assert names == ["copy-from-2", "copy-from-2-2", "copy-from-2-3"]
    (tmp_path / "empty").mkdir()
    assert start_or_resume(None, [], tmp_path / "empty", str(copy), "2") == tmp_path / "empty"
    assert start_or_resume(None, [], tmp_path / "empty", str(copy), "2") == tmp_path / "empty-2"
    (tmp_path / "file").touch()
    assert start_or_resume(None, [], tmp_path / "file", str(copy), "2") == tmp_path / "file-2"


def test_a_new_folder_branches_from_the_newest_too(copy, tmp_path, untrained):
    before = contents(copy)
    new = start_or_resume(None, ["ppo.iterations=6"], tmp_path / "new", str(copy))
    assert (new, kept(new)[0], [row["iteration"] for row in rows(new)]) == (tmp_path / "new", [4], [1, 2, 3, 4])
    assert contents(copy) == before


def test_a_run_named_by_a_dot_branches_beside_it(copy, monkeypatch, untrained):
    monkeypatch.chdir(copy)
    assert resume(".", [], "2") == copy.with_name("copy-from-2")
    assert resume(".", [], "2", Path()) == copy.with_name("copy-2")


# What stops it leaves nothing behind


@pytest.mark.parametrize("settings", [["ppo.iterations=2"], ["ppo.iterations=1"]])
def test_a_checkpoint_at_the_end_says_how_to_go_on(copy, settings, untrained):
    before = contents(copy.parent)
    with pytest.raises(InputError, match=r"has done its 2 iterations; go on with --set ppo\.iterations=4"):
        resume(str(copy), [*settings, "logging.evaluation_episodes=4"], "2")
    assert contents(copy.parent) == before


def test_other_sizes_are_one_sentence(copy, untrained):
    before = contents(copy.parent)
    with pytest.raises(
        InputError, match=r"env\.num_envs.*networks.*amp\.replay_size.*amp\.hidden.*amp\.trunk"
    ) as error:
        resume(str(copy), ["amp.hidden=[24]"], "2")
    assert "\n" not in str(error.value)
    assert contents(copy.parent) == before


def test_a_damaged_older_checkpoint_is_one_sentence(copy, untrained):
    for path in (copy / "checkpoints" / "2" / "state").rglob("*"):
        if path.is_file():
            path.write_bytes(os.urandom(500))
    before = contents(copy.parent)
    with pytest.raises(InputError, match=r"cannot be read: it is damaged.*intact ones may be 4"):
        resume(str(copy), [], "2")
    assert contents(copy.parent) == before


@pytest.mark.parametrize("error", [KeyboardInterrupt(), OSError(28, "No space left on device")])
@pytest.mark.parametrize("where", ["save", "copy_metrics", "write_settings"])
def test_an_interrupted_branch_leaves_nothing(copy, monkeypatch, untrained, where, error):
    def fails(*_):
        raise error

    owner = {"save": Checkpoints, "copy_metrics": trainer, "write_settings": run_directory}[where]
    monkeypatch.setattr(owner, where, fails)
    before = contents(copy.parent)
    with pytest.raises((KeyboardInterrupt, InputError)) as raised:
        resume(str(copy), [], "2")
    assert contents(copy.parent) == before
    assert isinstance(raised.value, KeyboardInterrupt) or "copy-from-2': No space left" in str(raised.value)


def test_a_place_that_cannot_be_written_is_one_sentence(copy, tmp_path, untrained):
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="cannot write to the run directory") as error:
        resume(str(copy), [], "2", tmp_path / "file" / "branch")
    assert "\n" not in str(error.value) and ".tmp" not in str(error.value)


@pytest.mark.parametrize(("resumed", "run_dir"), [(None, None), ("auto", Path("new"))])
def test_a_checkpoint_is_that_of_a_run_that_is_named(resumed, run_dir):
    with pytest.raises(InputError, match=r"--checkpoint|take another"):
        start_or_resume("ppo_amass_training.yaml", [], run_dir, resumed, "2")
