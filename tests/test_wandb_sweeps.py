"""The sweeps that wandb runs: what its agent calls is a command that parses, and every value a setting may have."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from playground_amp.config import load_config
from playground_amp.evaluation.evaluate import Evaluation
from playground_amp.training import command, trainer

SWEEPS = sorted((Path(__file__).parents[1] / "configs" / "sweeps").glob("*.yaml"))
METRICS = {"best_score", *(f"evaluation/{field.name}" for field in dataclasses.fields(Evaluation))}


def values_of(parameter: dict) -> list:
    """All of them, or the ends of a range."""
    return parameter["values"] if "values" in parameter else [parameter["min"], parameter["max"]]


def calls(sweep: dict) -> Iterator[list[str]]:
    """What the agent calls with each value of each parameter, the others at their first: program and arguments."""
    parameters = sweep["parameters"]
    first = {name: values_of(parameter)[0] for name, parameter in parameters.items()}
    for name, parameter in parameters.items():
        for value in values_of(parameter):
            settings = [f"{key}={chosen}" for key, chosen in (first | {name: value}).items()]
            macros = {"${program}": [sweep["program"]], "${args_no_hyphens}": settings}
            yield [word for part in sweep["command"] for word in macros.get(part, [part])]


@pytest.mark.parametrize("path", SWEEPS, ids=lambda path: path.stem)
def test_a_sweep_calls_commands_that_parse_with_settings_that_are_valid(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sweep, started = yaml.safe_load(path.read_text()), []
    monkeypatch.setattr(trainer, "start_or_resume", lambda config, overrides, **_: started.append((config, overrides)))
    for program, name, *arguments in calls(sweep):
        assert (program, name) == ("playground-amp", "train")
        command.train(arguments)
    assert len(started) >= len(sweep["parameters"])
    for config, overrides in started:
        loaded = load_config(config, overrides)
        assert loaded.logging.wandb == "online" and loaded.logging.evaluation_episodes > 0
        assert len(overrides) == 1 + len(sweep["parameters"])


@pytest.mark.parametrize("path", SWEEPS, ids=lambda path: path.stem)
def test_a_sweep_looks_for_a_figure_that_runs_have(path: Path) -> None:
    sweep = yaml.safe_load(path.read_text())
    assert sweep["method"] in ("grid", "random", "bayes") and sweep["metric"]["goal"] in ("minimize", "maximize")
    assert sweep["metric"]["name"] in METRICS
    assert sweep["method"] != "grid" or all("values" in one for one in sweep["parameters"].values())


def test_several_settings_may_follow_one_set(monkeypatch: pytest.MonkeyPatch) -> None:
    started = []
    monkeypatch.setattr(trainer, "start_or_resume", lambda config, overrides, **_: started.append(overrides))
    command.train(["--config", "ppo_amass_training", "--set", "ppo.seed=1", "ppo.clip=0.1", "--set", "env.history=2"])
    assert started == [["ppo.seed=1", "ppo.clip=0.1", "env.history=2"]]


def test_there_are_sweeps() -> None:
    assert len(SWEEPS) >= 3
