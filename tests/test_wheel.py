"""The wheel in an empty virtual environment and an empty folder: nothing of the repository is needed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SMALL = ["env.num_envs=8", "ppo.rollout_length=4", "amp.batch_size=16", "amp.replay_size=64", "ppo.iterations=2"]
SETTINGS = [word for setting in [*SMALL, "logging.wandb=off"] for word in ("--set", setting)]
SESSION = """
import jax
import playground_amp as pga

settings = ["env.num_envs=8", "ppo.rollout_length=4", "amp.batch_size=16", "amp.replay_size=64", "ppo.iterations=2"]
config = pga.load_config("ppo_amass_training", [*settings, "logging.wandb=off", "logging.evaluation_episodes=0"])
run = pga.train(config, "runs/session")
evaluation = run.evaluate("newest", episodes=2)
policy = pga.load_policy("runs/session", "newest")
state = policy.env.reset(jax.random.key(0), 2)
for _ in range(3):
    action = policy(policy.env.observe(state)[0])
    state, outcome = policy.env.step(state, action)
print(len(run.metrics()["disc_real_mean"]), evaluation.iteration, action.shape, pga.__file__)
"""

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bin folder of a virtual environment that holds the wheel and what it depends on."""
    folder = tmp_path_factory.mktemp("wheel")
    run([sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "-w", str(folder), str(ROOT)], folder)
    (wheel,) = folder.glob("*.whl")
    run([sys.executable, "-m", "venv", str(folder / "venv")], folder)
    pip = [str(folder / "venv/bin/python"), "-m", "pip", "install", "--quiet", "-c", str(ROOT / "constraints.txt")]
    run([*pip, str(wheel)], folder)
    return folder / "venv/bin"


def run(command: list[str], folder: Path) -> str:
    """What a command prints, both streams; it has to succeed."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "JAX_"))}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=1200)
    assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
    return done.stdout + done.stderr


def test_a_training_by_name_as_the_readme_has_it(installed: Path, tmp_path: Path) -> None:
    command = ["train", "--config", "ppo_amass_training", "--set", "ppo.iterations=2", "--set", "logging.wandb=off"]
    said = run([str(installed / "playground-amp"), *command], tmp_path)
    assert "2/2" in said and "report: " in said
    (report,) = tmp_path.glob("runs/*/report.html")
    assert (report.parent / "evaluation.json").is_file()


def test_the_module_takes_a_preset_and_its_own_configuration_goes_first(installed: Path, tmp_path: Path) -> None:
    (tmp_path / "ppo_amass_training.yaml").write_text("ppo: {seed: 7}\nlogging: {evaluation_episodes: 0}\n")
    module = [str(installed / "python"), "-m", "playground_amp"]
    run([*module, "train", "--config", "ppo_amass_training", "--set", "amp.preset=peng2021", *SETTINGS], tmp_path)
    (config,) = tmp_path.glob("runs/*/config.yaml")
    assert "seed: 7" in config.read_text() and "preset: peng2021" in config.read_text()


def test_humanoid_and_gaits_find_their_clips(installed: Path, tmp_path: Path) -> None:
    for name in ("ppo_amass_humanoid", "ppo_amass_gaits", "ppo_amass_best"):
        command = ["train", "--config", name, *SETTINGS, "--set", "logging.evaluation_episodes=0"]
        run([str(installed / "playground-amp"), *command], tmp_path)


def test_the_doctor_and_the_versions(installed: Path, tmp_path: Path) -> None:
    said = run([str(installed / "playground-amp"), "doctor", "--config", "ppo_amass_training", "--json"], tmp_path)
    assert json.loads(said[said.index("{") : said.rindex("}") + 1])["errors"] == 0
    assert "mujoco 4" in run([str(installed / "playground-amp"), "--version"], tmp_path)


def test_a_python_session_trains_evaluates_and_steps_a_policy(installed: Path, tmp_path: Path) -> None:
    said = run([str(installed / "python"), "-c", SESSION], tmp_path)
    assert said.startswith("2 2 (2, 9) ") and str(ROOT) not in said
