"""A population equals its members trained alone, and each of them is a run of its own on the disk."""

from __future__ import annotations

import json
import os
import re
import signal
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from playground_amp import rundir, sweep, trainer
from playground_amp.amp import TrainState, make_amp
from playground_amp.checkpoint import Checkpoints, score
from playground_amp.config import Config, load_config, resolve, to_dict
from playground_amp.errors import InputError
from playground_amp.judge import judge

CONFIG = "ppo_amass_training.yaml"
SMALL = [
    "env.num_envs=8",
    "env.physics=native",
    "env.episode_length=6",
    "env.command_interval=4",
    "ppo.rollout_length=8",
    "ppo.epochs=2",
    "ppo.iterations=3",
    "networks.actor=[16]",
    "networks.critic=[16]",
    "amp.hidden=[16]",
    "amp.batch_size=32",
    "amp.replay_size=128",
    "logging.interval=2",
    "logging.wandb=off",
]
# the one has 0 where it means 'not at all'; the other another value for everything that can be swept
ONE = ["ppo.target_kl=0", "ppo.learning_rate=3e-3", "amp.noise_half_life=0", "amp.r1_gamma=0"]
OTHER = [
    "env.episode_length=5",
    "env.action_scale=0.3",
    "env.command_speed=[0.2, 0.9]",
    "env.command_interval=3",
    "env.reference_start_share=0.5",
    "env.start_noise=0.1",
    "env.min_height=0.4",
    "env.max_tilt=0.1",
    "env.speed_tolerance=0.3",
    "env.action_rate_cost=0.05",
    "ppo.seed=7",
    "ppo.learning_rate=1e-3",
    "ppo.learning_rate_range=[1e-4, 1.2e-3]",
    "ppo.target_kl=0.002",
    "ppo.gamma=0.9",
    "ppo.gae_lambda=0.8",
    "ppo.clip=0.05",
    "ppo.entropy_cost=0.01",
    "ppo.value_cost=0.9",
    "ppo.max_gradient_norm=0.1",
    "amp.style_weight=0.5",
    "amp.task_weight=0.6",
    "amp.label_smoothing=0.1",
    "amp.warm_up=1",
    "amp.r1_gamma=3",
    "amp.r2_gamma=2",
    "amp.gp_weight=1",
    "amp.gp_target=0.5",
    "amp.logit_decay=0.1",
    "amp.weight_decay=0.01",
    "amp.discriminator_lr=1e-2",
    "amp.adam_b1=0.8",
    "amp.adam_b2=0.9",
    "amp.update_every=2",
    "amp.input_noise=0.4",
    "amp.noise_half_life=1",
    "amp.control_range=[0.99, 1.01]",
    "amp.target_accuracy=0.9",
]
STATIC = {  # numbers that decide sizes or what is computed
    "env": {"num_envs", "control_dt"},
    "ppo": {"iterations", "rollout_length", "epochs", "batch_size"},
    "amp": {
        "targets",
        "window",
        "dilation",
        "patch_frames",
        "hidden",
        "dropout",
        "update_steps",
        "batch_size",
        "replay_size",
        "replay_share",
    },
}

NAMES = ("one", "other")


@pytest.fixture(scope="module")
def small(clips_folder: Path) -> list[str]:
    return [*SMALL, f"reference.clips={clips_folder}"]


@pytest.fixture(scope="module")
def configs(small: list[str]) -> list[Config]:
    return [resolve(load_config(CONFIG, [*small, *own]), accelerator=False) for own in (ONE, OTHER)]


@pytest.fixture(scope="module")
def trained(configs: list[Config], tmp_path_factory: pytest.TempPathFactory) -> SimpleNamespace:
    """A sweep of both, three iterations: its folder, the state it began with, and what it was compiled to."""
    caught = SimpleNamespace(path=tmp_path_factory.mktemp("sweeps") / "both")

    def make_chunk(population: sweep.Population, length: int) -> Callable:
        caught.chunk = trainer.make_chunk(population, length)

        def chunk(state: TrainState, count: int) -> tuple:
            if not hasattr(caught, "first"):
                caught.first = copy(state)
            return caught.chunk(state, count)

        return chunk

    members = [sweep.Member(name, config) for name, config in zip(NAMES, configs, strict=True)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sweep, "make_members", lambda *_: members)
        patch.setattr(sweep, "make_chunk", make_chunk)
        sweep.main(CONFIG, [], [], caught.path)
    return caught


def take(tree, i: int):
    return jax.tree.map(lambda leaf: leaf[i], tree)


def copy(state: TrainState) -> TrainState:
    """The same state, as training takes its own apart."""
    return jax.tree.map(jnp.copy, state)


def restored(run: Path) -> tuple[TrainState, dict]:
    """State and description of the newest checkpoint."""
    with Checkpoints(run / "checkpoints", read_only=True) as checkpoints:
        return checkpoints.restore(make_amp(rundir.read_config(run, [])))


def rows(run: Path) -> list[dict]:
    return [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]


def saved(run: Path) -> list[int]:
    with Checkpoints(run / "checkpoints", read_only=True) as checkpoints:
        return checkpoints.all


def plain(leaf: jax.Array) -> np.ndarray:
    key = jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)
    return np.asarray(jax.random.key_data(leaf) if key else leaf)


def assert_close(ours: TrainState, theirs: TrainState, *, tolerance: float) -> None:
    for (path, a), b in zip(jax.tree.leaves_with_path(ours), jax.tree.leaves(theirs), strict=True):
        assert a.dtype == b.dtype
        np.testing.assert_allclose(
            plain(a), plain(b), rtol=tolerance, atol=tolerance, err_msg=jax.tree_util.keystr(path)
        )


# --- the population


def test_every_number_is_swept_or_has_a_reason_not_to_be() -> None:
    numeric = {
        f"{section}.{key}"
        for section in ("env", "ppo", "amp")
        for key, value in to_dict(resolve(Config(), accelerator=False))[section].items()
        if isinstance(value, int | float | list) and not isinstance(value, bool)
    }
    static = {f"{section}.{key}" for section, keys in STATIC.items() for key in keys}
    assert numeric == set(sweep.SWEEPABLE) | static
    assert {entry.partition("=")[0] for entry in OTHER} == set(sweep.SWEEPABLE)
    assert len({key.split(".")[1] for key in sweep.SWEEPABLE}) == len(sweep.SWEEPABLE)  # the names of members


def test_only_what_differs_is_traced(configs: list[Config]) -> None:
    assert set(sweep.numbers(configs)) == set(sweep.SWEEPABLE) - {"ppo.seed"}
    assert sweep.numbers([configs[1], configs[1]]) == {}
    assert sweep.numbers([configs[0], configs[0]]) == {}


def test_a_population_equals_its_members_trained_alone(trained: SimpleNamespace, configs: list[Config]) -> None:
    for i, (name, config) in enumerate(zip(NAMES, configs, strict=True)):
        amp = make_amp(config)
        state = jax.jit(amp.init)(jax.random.key(config.ppo.seed))
        assert_close(take(trained.first, i), state, tolerance=1e-5)
        iterate = jax.jit(amp.train_iteration)
        for row in rows(trained.path / name):
            state, metrics = iterate(state)
            for metric, value in metrics.items():
                assert row[metric] == pytest.approx(float(value), rel=1e-3, abs=1e-4), metric
        assert_close(restored(trained.path / name)[0], state, tolerance=1e-3)


def test_no_qr_is_batched(configs: list[Config]) -> None:
    """That of jaxlib shares its work with the threads that wait for it: on two cores a large one never ended."""
    factors = re.findall(
        r"f32\[([\d,]+)\] = qr\[", str(jax.make_jaxpr(sweep.Population(make_amp(configs[0]), configs).init)())
    )
    assert factors
    assert all(shape.count(",") == 1 for shape in factors)


def test_a_member_that_is_no_number_leaves_the_others_as_they_are(
    trained: SimpleNamespace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # MuJoCo writes a log of what is no number
    first = trained.first
    params = jax.tree.map(lambda leaf: leaf.at[1].set(jnp.nan), first.trainee.params)
    sick, metrics = trained.chunk(copy(first.replace(trainee=first.trainee.replace(params=params))), 2)
    assert np.isnan(metrics["value_loss"][:, 1]).all()
    well, _ = trained.chunk(copy(first), 2)
    pairs = zip(jax.tree.leaves(take(well, 0)), jax.tree.leaves(take(sick, 0)), strict=True)
    assert all(np.array_equal(plain(a), plain(b)) for a, b in pairs)


# --- the grid


def test_the_grid_is_the_product_of_its_lists(small: list[str]) -> None:
    members = sweep.make_members(CONFIG, small, ["amp.r1_gamma=0.5, 1", "env.command_speed=[0.4,0.6],[0.2,0.8]"])
    assert [member.name for member in members] == [
        f"r1_gamma={gamma},command_speed={speed}" for gamma in ("0.5", "1") for speed in ("0.4..0.6", "0.2..0.8")
    ]
    assert members[3].config.env.command_speed == (0.2, 0.8)
    assert members[3].config.env.num_envs == 8


@pytest.mark.parametrize(
    ("grid", "sentence"),
    [
        ([], "nothing to sweep; give .*--grid amp.r1_gamma=0.5,1,5"),
        (["amp.r1_gamma"], "--grid amp.r1_gamma: expected section.key=VALUE,VALUE"),
        (["amp.r1_gamma="], "expected section.key=VALUE,VALUE"),
        (["amp.r1_gamma=1,,5"], "expected section.key=VALUE,VALUE"),
        (["=1,5"], "expected section.key=VALUE,VALUE"),
        (["amp.r1_gama=1,5"], "there is no setting 'amp.r1_gama'; did you mean 'amp.r1_gamma'"),
        (["amp.update_steps=1,2"], "'amp.update_steps' .*cannot be swept; did you mean 'amp.update_every'"),
        (["amp.loss=lsgan,hinge"], "'amp.loss' .*cannot be swept"),
        (["ppo.seed=0,1", "ppo.seed=2"], "'ppo.seed' is given twice"),
        (["amp.r1_gamma=1,1.0"], "has 'r1_gamma=1' twice"),
        (["amp.r1_gamma=1,-1"], "--set amp.r1_gamma=-1: amp.r1_gamma is -1; expected a number at least 0"),
        (["ppo.seed=0,half"], "ppo.seed is 'half'; expected a whole number"),
        (["env.command_speed=0.4,0.8"], r"env.command_speed is 0.4; expected \[lowest, highest\]"),
    ],
)
def test_a_wrong_grid_is_one_sentence(grid: list[str], sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        sweep.make_members(CONFIG, SMALL, grid)


def test_a_member_that_contradicts_itself_is_refused() -> None:
    wasserstein = ["amp.loss=wasserstein", "amp.reward=linear"]
    with pytest.raises(InputError, match=r"amp\.loss wasserstein grows without end"):
        sweep.make_members(CONFIG, [*SMALL, *wasserstein], ["amp.r1_gamma=1,0"])


# --- the folders


@pytest.fixture
def instant(monkeypatch: pytest.MonkeyPatch, trained: SimpleNamespace) -> Callable:
    """Training of two members that counts iterations and computes nothing."""

    def make_chunk(algorithm: sweep.Population, length: int) -> Callable:
        def chunk(state: TrainState, count: int) -> tuple:
            values = {"episode_length": 6.0, "forward_velocity": 0.0, "velocity_error": 0.1, "task_reward": 1.0}
            shape = (length, *state.iteration.shape)
            metrics = {name: np.full(shape, value) for name, value in values.items()}
            return state.replace(iteration=state.iteration + count), metrics

        return chunk

    monkeypatch.setattr(sweep, "make_chunk", make_chunk)
    monkeypatch.setattr(trainer, "make_chunk", make_chunk)
    monkeypatch.setattr(sweep.Population, "init", lambda self: copy(trained.first))
    return make_chunk


def test_a_sweep_has_a_whole_run_of_every_member(trained: SimpleNamespace) -> None:
    assert {path.name for path in trained.path.iterdir()} == {*NAMES, "sweep.png"}
    for name, seed, limit in zip(NAMES, (0, 7), (6, 5), strict=True):
        run = trained.path / name
        config = rundir.read_config(run, [])
        assert (config.ppo.seed, config.env.episode_length) == (seed, limit)
        assert [(row["iteration"], row["env_steps"]) for row in rows(run)] == [(1, 64), (2, 128), (3, 192)]
        assert [row["seconds"] for row in rows(run)] == sorted(row["seconds"] for row in rows(run))
        assert saved(run) == [3]


def test_a_member_is_gone_on_with_and_judged_as_any_run(
    trained: SimpleNamespace, tmp_path: Path, instant: Callable
) -> None:
    run = trained.path / "other"
    state, about = restored(run)
    assert (int(state.iteration), about["env_steps"], about["config"]["ppo"]["seed"]) == (3, 192, 7)
    more = ["ppo.iterations=5", "logging.evaluation_episodes=0"]
    branch = trainer.resume(str(run), more, run_dir=tmp_path / "branch")
    assert [row["iteration"] for row in rows(branch)] == [1, 2, 3, 4, 5]
    (verdict,) = judge(run, checkpoint="best", episodes=2, speeds=None, seed=1)
    assert (verdict.iteration, verdict.env_steps) == (3, 192)


def test_a_checkpoint_is_scored_as_that_of_a_run(trained: SimpleNamespace, configs: list[Config]) -> None:
    for name, config in zip(NAMES, configs, strict=True):
        with Checkpoints(trained.path / name / "checkpoints", read_only=True) as checkpoints:
            expected = np.mean([score(row, config) for row in rows(trained.path / name)])
            assert checkpoints.score(3) == pytest.approx(expected)


def test_a_folder_that_holds_a_sweep_is_not_written_over(trained: SimpleNamespace, small: list[str]) -> None:
    before = rows(trained.path / "one")
    with pytest.raises(InputError, match="already holds a sweep"):
        sweep.main(CONFIG, small, ["ppo.seed=0,5"], trained.path)
    with pytest.raises(InputError, match="already holds a run"):
        sweep.main(CONFIG, small, ["ppo.seed=0,5"], trained.path / "one")
    assert rows(trained.path / "one") == before
    assert not (trained.path / "seed=5").exists()


def test_a_place_that_cannot_be_written_is_one_sentence(small: list[str], tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="cannot write to the run directory"):
        sweep.main(CONFIG, small, ["ppo.seed=0,1"], tmp_path / "file" / "sweep")


def test_a_member_that_diverges_is_marked_and_the_others_go_on(
    small: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, instant: Callable, capsys: pytest.CaptureFixture
) -> None:
    def diverging(algorithm: sweep.Population, length: int) -> Callable:
        chunk = instant(algorithm, length)

        def step(state: TrainState, count: int) -> tuple:
            sick = np.arange(length)[:, None] + np.asarray(state.iteration) >= np.array([3, 99])  # of the first member
            state, metrics = chunk(state, count)
            return state, metrics | {"value_loss": np.where(sick, np.nan, 0.0)}

        return step

    monkeypatch.setattr(sweep, "make_chunk", diverging)
    path = sweep.main(CONFIG, [*small, "ppo.iterations=6"], ["ppo.seed=0,1"], tmp_path / "sweep")
    sick, well = path / "seed=0", path / "seed=1"
    assert [row["iteration"] for row in rows(sick)] == [1, 2, 3]
    assert not (sick / "checkpoints").exists()
    assert [row["iteration"] for row in rows(well)] == [1, 2, 3, 4, 5, 6]
    assert saved(well) == [6]
    told = capsys.readouterr()
    assert told.err.count("seed=0: diverged: value_loss is not a number in iteration 4") == 1
    assert "1 of 2 members" in told.err
    assert "diverged" in next(line for line in told.out.splitlines() if "seed=0" in line)


def test_ctrl_c_saves_every_member_and_says_how_to_go_on(
    small: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, instant: Callable, capsys: pytest.CaptureFixture
) -> None:
    def killed(algorithm: sweep.Population, length: int) -> Callable:
        chunk = instant(algorithm, length)

        def step(state: TrainState, count: int) -> tuple:
            os.kill(os.getpid(), signal.SIGINT)
            return chunk(state, count)

        return step

    monkeypatch.setattr(sweep, "make_chunk", killed)
    with pytest.raises(SystemExit) as stop:
        sweep.main(CONFIG, [*small, "ppo.iterations=100"], ["ppo.seed=0,1"], tmp_path / "sweep")
    assert stop.value.code == 130
    assert f"scripts/train.py --resume '{tmp_path / 'sweep'}/MEMBER'" in capsys.readouterr().err
    assert [saved(tmp_path / "sweep" / name) for name in ("seed=0", "seed=1")] == [[2], [2]]


def test_the_measurement_compares_both_ways(
    small: list[str], instant: Callable, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jax, "clear_caches", lambda: None)  # those of the other tests
    monkeypatch.setattr(sweep, "_start", lambda amp: lambda: jnp.zeros(()))
    monkeypatch.setattr(sweep, "make_chunk", lambda algorithm, length: lambda state, count: (state, {}))
    assert sweep.measure(CONFIG, small, ["ppo.seed=0,1"]) > 0.0
    assert "2 members at once train at" in capsys.readouterr().out
