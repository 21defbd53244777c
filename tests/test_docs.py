"""What the documents say exists: the tests that guard the design, and the settings that are spoken of."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from playground_amp.config import Config, to_dict
from playground_amp.config.validation import VALID_REWARDS
from playground_amp.experiments.discriminators.rows import ROWS

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def functions(name: str) -> set[str]:
    module = ast.parse((ROOT / "tests" / f"{name}.py").read_text())
    return {node.name for node in module.body if isinstance(node, ast.FunctionDef)}


def test_the_tests_that_the_design_names_exist() -> None:
    named = re.findall(r"`(test_\w+)::(test_\w+)`", (ROOT / "docs" / "design.md").read_text())
    assert len(named) > 30
    missing = [f"{module}::{test}" for module, test in named if test not in functions(module)]
    assert missing == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_settings_that_are_spoken_of_exist(page: Path) -> None:
    """Words such as `amp.r1_gamma`, alone or in a --set."""
    sections = to_dict(Config())
    words = re.findall(rf"\b({'|'.join(sections)})\.(?!py\b|yaml\b|png\b|json\b)([a-z][a-z0-9_]+)\b", page.read_text())
    unknown = {f"{section}.{key}" for section, key in words if key not in sections[section]}
    assert unknown == set()


def test_the_table_of_pairs_is_the_one_that_is_checked() -> None:
    page = (ROOT / "docs" / "discriminators.md").read_text()
    for loss, rewards in VALID_REWARDS.items():
        (line,) = [line for line in page.splitlines() if line.startswith(f"| `{loss}` |")]
        last = line.split("|")[-2]
        assert {reward for reward in re.findall(r"`(\w+)`", last)} == set(rewards)


def test_every_discriminator_setting_is_on_its_page_or_in_the_comparison() -> None:
    """What can be switched is said where discriminators are compared."""
    page = (ROOT / "docs" / "discriminators.md").read_text()
    spoken = set(re.findall(r"`(?:amp\.)?(\w+)`", page)) | {
        key for row in ROWS.values() for key in re.findall(r"amp\.(\w+)", " ".join(row))
    }
    silent = {"batch_size", "replay_size", "replay_share", "adam_b1", "adam_b2", "activation", "hidden"}
    silent |= {"control_range", "style_weight", "task_weight"}
    assert set(to_dict(Config())["amp"]) - spoken - silent == set()
