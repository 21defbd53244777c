"""What the documents say is so: commands parse, settings, files, tests and links exist, the interface is described."""

from __future__ import annotations

import argparse
import ast
import inspect
import json
import re
import runpy
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from test_layers import LAYERS
from training_runs import SMALL

import playground_amp as pga
from playground_amp import __main__ as command_line
from playground_amp.config import Config, load_config, to_dict
from playground_amp.config.validation import VALID_REWARDS
from playground_amp.core.reporter import LOGGER
from playground_amp.envs.observations import actor_terms, critic_terms, label_terms
from playground_amp.experiments.discriminators.rows import ROWS
from playground_amp.motion.features import FEATURES, group_sizes
from playground_amp.robots import Robot
from playground_amp.training.sweep_grid import parse_grid

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "data" / "README.md", *sorted(DOCS.glob("*.md"))]
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
API = (DOCS / "api.md").read_text()

every_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))


@dataclass(frozen=True)
class Block:
    """A code block of a page."""

    language: str
    text: str


def blocks(text: str) -> list[Block]:
    return [Block(*match.groups()) for match in FENCE.finditer(text)]


def prose(text: str) -> str:
    return FENCE.sub("", text)


# Commands


def commands(block: str) -> Iterator[list[str]]:
    """The words of every command in a shell block: lines are continued by a backslash, shell variables are 0."""
    joined = re.sub(r"\$\w+", "0", block.replace("\\\n", " "))
    for line in joined.splitlines():
        words = shlex.shlex(line, posix=True, punctuation_chars=True)
        words.whitespace_split = True
        command: list[str] = []
        for word in words:
            if set(word) <= set(";&|()<>"):
                yield command
                command = []
            else:
                command.append(word)
        yield command


def program(words: list[str]) -> tuple[str, list[str]] | None:
    """The program of this project that a command runs, by its name, and the arguments; None for any other."""
    for place, word in enumerate(words):
        rest = words[place + 1 :]
        if re.fullmatch(r"(.*/)?playground-amp", word) or words[place - 1 : place + 1] == ["-m", "playground_amp"]:
            return (rest[0], rest[1:]) if rest else None
        if script := re.fullmatch(r"(?:.*/)?scripts/(\w+)\.py", word):
            return script[1], rest
    return None


def commands_of(page: Path) -> list[tuple[str, list[str]]]:
    shell = [block.text for block in blocks(page.read_text()) if block.language == "bash"]
    inline = re.findall(r"`(python scripts/[^`]+)`", prose(page.read_text()))
    found = (
        program(words) for text in [*shell, *(" ".join(line.split()) for line in inline)] for words in commands(text)
    )
    return [one for one in found if one]


class Parsed(Exception):
    """Ends a command as soon as its arguments are read."""


def read_arguments(name: str, arguments: list[str]) -> tuple[argparse.ArgumentParser, argparse.Namespace]:
    """The parser of a command, and the arguments as it reads them; nothing is done with them."""
    understood = argparse.ArgumentParser.parse_args

    def stop(parser: argparse.ArgumentParser, *given: list[str]) -> None:
        raise Parsed(parser, understood(parser, *given))

    with pytest.MonkeyPatch.context() as patch, pytest.raises(Parsed) as parsed:
        patch.setattr(argparse.ArgumentParser, "parse_args", stop)
        if name in command_line.COMMANDS:
            command_line._dispatch([name, *arguments])
        else:
            patch.setattr("sys.argv", [f"{name}.py", *arguments])
            runpy.run_path(str(ROOT / "scripts" / f"{name}.py"))["main"]()
    return parsed.value.args


@every_page
def test_commands_parse_and_their_settings_are_valid(page: Path) -> None:
    for name, arguments in commands_of(page):
        _, options = read_arguments(name, arguments)
        if hasattr(options, "set"):
            load_config(options.config or "ppo_amass_training", options.set)
        if grid := getattr(options, "grid", None):
            parse_grid(grid)


def test_the_pages_show_every_command() -> None:
    shown = {name for page in PAGES for name, _ in commands_of(page)}
    assert set(command_line.COMMANDS) <= shown


def test_a_command_that_is_wrong_is_found() -> None:
    text = "cd x && .venv/bin/python scripts/train.py --config a \\\n    --set amp.hidden='[1, 2]' | grep x  # more\n"
    (found,) = [one for words in commands(text) if (one := program(words))]
    assert found == ("train", ["--config", "a", "--set", "amp.hidden=[1, 2]"])
    with pytest.raises(SystemExit):
        read_arguments("train", ["--confg", "a"])


def test_options_that_are_spoken_of_exist() -> None:
    """Words such as --resume in the prose are options of a command."""
    needed = {
        "evaluate": ["run"],
        "view": ["run"],
        "sweep": ["--config", "a"],
        "train": ["--config", "a"],
        "doctor": ["--config", "a"],
    }
    needed |= {"retarget": ["take", "--out", "a"], "results": ["run"], "soak": ["kills"]}
    needed |= {"export": ["run", "--out", "a"], "deploy": ["a"], "transfer": ["run"]}
    names = {*command_line.COMMANDS, *(path.stem for path in (ROOT / "scripts").glob("*.py"))}
    parsers = [read_arguments(name, needed.get(name, []))[0] for name in names]
    known = {option for parser in parsers for option in parser._option_string_actions} | {"--version"}
    code = [code for page in PAGES for code in re.findall(r"`([^`]+)`", prose(page.read_text()))]
    spoken = {word for text in code if text.startswith(("--", "playground-amp ")) for word in text.split()}
    assert {word for word in spoken if re.match("--[a-z]", word)} - known == set()


# Settings


@every_page
def test_settings_that_are_spoken_of_exist(page: Path) -> None:
    """Words such as `amp.r1_gamma`, alone or in a --set."""
    sections = to_dict(Config())
    text = FENCE.sub(lambda block: "" if block[1] == "python" else block[0], page.read_text())
    words = re.findall(rf"\b({'|'.join(sections)})\.(?!py\b|yaml\b|png\b|json\b)([a-z][a-z0-9_]+)\b(?!\()", text)
    unknown = {f"{section}.{key}" for section, key in words if key not in sections[section]}
    assert unknown == set()


def test_the_table_of_pairs_is_the_one_that_is_checked() -> None:
    page = (DOCS / "discriminators.md").read_text()
    for loss, rewards in VALID_REWARDS.items():
        (line,) = [line for line in page.splitlines() if line.startswith(f"| `{loss}` |")]
        last = line.split("|")[-2]
        assert {reward for reward in re.findall(r"`(\w+)`", last)} == set(rewards)


def test_every_discriminator_setting_is_on_its_page_or_in_the_comparison() -> None:
    """What can be switched is said where discriminators are compared."""
    page = (DOCS / "discriminators.md").read_text()
    spoken = set(re.findall(r"`(?:amp\.)?(\w+)`", page)) | {
        key for row in ROWS.values() for key in re.findall(r"amp\.(\w+)", " ".join(row))
    }
    silent = {"batch_size", "replay_size", "replay_share", "adam_b1", "adam_b2", "activation", "hidden"}
    silent |= {"control_range", "style_weight", "task_weight"}
    assert set(to_dict(Config())["amp"]) - spoken - silent == set()


def test_every_preset_and_configuration_that_ships_is_named() -> None:
    page = (DOCS / "training.md").read_text()
    names = {path.stem for path in (ROOT / "configs").glob("**/*.yaml")}
    assert {name for name in names if f"`{name}`" not in page} == set()


# Tables


def table(page: str, first: str) -> list[list[str]]:
    """Cells of every row of the tables of a page whose first heading is `first`."""
    text = (DOCS / page).read_text()
    found = re.findall(rf"^\| {first} \|.*\n\|[-|]+\|\n((?:\|.*\n)+)", text, re.MULTILINE)
    return [[cell.strip(" `") for cell in row.strip("|").split("|")] for rows in found for row in rows.splitlines()]


def test_observations_are_those_of_the_tables(robot: Robot) -> None:
    gaits = ["stand", "walk"]
    terms = [*actor_terms(robot), *label_terms(gaits), *critic_terms(robot)]
    sizes = {"J": robot.num_joints, "P": len(robot.pads), "L": len(gaits)}
    rows = [
        (name, sizes.get(size) or int(size), unit, frame)
        for name, size, _, unit, frame in table("tasks.md", "observation term")
    ]
    assert rows == [(term.name, len(term.labels), term.unit.partition(",")[0], term.frame) for term in terms]


def test_features_are_those_of_the_table(robot: Robot) -> None:
    ends = np.cumsum([0, *group_sizes(robot).values()])
    spans = [f"{a}-{b - 1}" if b - a > 1 else f"{a}" for a, b in pairwise(ends)]
    expected = [
        [term.group, span, term.what, term.unit, term.frame] for term, span in zip(FEATURES, spans, strict=True)
    ]
    assert table("design.md", "group") == expected


def test_every_room_is_in_its_layer_in_the_design() -> None:
    rooms = [(int(number), name) for number, names, _ in table("design.md", "layer") for name in names.split("`")[:1]]
    assert {name for _, name in rooms} == set().union(*LAYERS) - {""}
    assert all(name in LAYERS[number - 1] for number, name in rooms)


# Links, files and tests


def slug(heading: str) -> str:
    """The anchor that GitHub gives a heading."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def anchors(page: Path) -> set[str]:
    return {slug(heading) for heading in re.findall(r"^#+ (.*)$", prose(page.read_text()), re.MULTILINE)}


@every_page
def test_links_lead_somewhere(page: Path) -> None:
    links = re.findall(r"\]\(([^)\s]+)\)", prose(page.read_text()))
    for link in (link for link in links if not link.startswith("https://")):
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


@pytest.mark.parametrize("index", ["README.md", "docs/README.md"])
def test_every_page_is_in_the_tables_of_pages(index: str) -> None:
    text = (ROOT / index).read_text()
    pages = {path.name for path in [*DOCS.glob("*.md"), *DOCS.glob("*.ipynb")]} - {"README.md"}
    assert {name for name in pages if f"[{name}](" not in text} == set()


@every_page
def test_files_that_are_named_exist(page: Path) -> None:
    """Paths from the root of the project, and files of the package by their place in it."""
    text = page.read_text()
    named = re.findall(r"(?<![\w/])(?:configs|docs|playground_amp|scripts|tests)/[\w./-]*\w", text)
    named += [
        f"playground_amp/{name}"
        for name in re.findall(r"`(?!tests/|scripts/|playground_amp/)(\w+/[\w/]*\w\.py)`", text)
    ]
    assert [name for name in named if not (ROOT / name).exists()] == []


def functions(name: str) -> set[str]:
    module = ast.parse((ROOT / "tests" / f"{name}.py").read_text())
    return {node.name for node in module.body if isinstance(node, ast.FunctionDef)}


def test_the_tests_that_the_design_names_exist() -> None:
    named = re.findall(r"`(test_\w+)::(test_\w+)`", (DOCS / "design.md").read_text())
    assert len(named) > 30
    missing = [f"{module}::{test}" for module, test in named if test not in functions(module)]
    assert missing == []


def test_the_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_text().splitlines()) <= 120


# The Python interface


def section(name: str) -> str:
    """What docs/api.md says of a name."""
    (found,) = re.findall(rf"^### {name}$(.*?)(?=^##)", API, re.DOTALL | re.MULTILINE)
    return found


def signatures() -> list[tuple[str, str]]:
    """Dotted name and parameters of every signature on the page."""
    lines = "\n".join(block.text for block in blocks(API) if block.language == "text").splitlines()
    return [(match[1], match[2]) for line in lines if (match := re.fullmatch(r"([\w.]+)\((.*)\) -> .+", line))]


def parameters(text: str) -> list[tuple[str, object, object]]:
    """Name, kind and default of each, as they are written."""
    scope: dict[str, object] = {"SILENT": "SILENT"}
    exec(f"def function({text}): pass", scope)
    return [(one.name, one.kind, one.default) for one in inspect.signature(scope["function"]).parameters.values()]


def lookup(name: str) -> object:
    """A public name, or a member of one."""
    first, _, member = name.partition(".")
    return getattr(getattr(pga, first), member) if member else getattr(pga, first)


def members(cls: type) -> set[str]:
    """What an instance has: fields, methods, properties, and what its constructor sets."""
    assigned = re.findall(r"self\.(\w+)", inspect.getsource(cls))
    return {*dir(cls), *getattr(cls, "__dataclass_fields__", {}), *assigned}


@pytest.mark.parametrize("name", pga.__all__)
def test_every_public_name_is_described(name: str) -> None:
    public = getattr(pga, name)
    if isinstance(public, type) and issubclass(public, Exception):
        assert re.search(rf"^\| `{name}` \| `{public.__base__.__name__}` \|", API, re.MULTILINE)
    else:
        assert section(name).strip()
    if inspect.isfunction(public):
        assert name in dict(signatures())


@pytest.mark.parametrize(("name", "written"), signatures(), ids=lambda text: text.partition("(")[0])
def test_signatures_are_as_written(name: str, written: str) -> None:
    found = inspect.signature(lookup(name)).parameters.values()
    actual = [(one.name, one.kind, "SILENT" if one.name == "reporter" else one.default) for one in found]
    assert parameters(written) == [one for one in actual if one[0] != "self"]


@pytest.mark.parametrize("name", ["AMP", "MotionClip", "Policy", "Robot", "Run", "TrainState"])
def test_members_that_are_described_exist(name: str) -> None:
    rows = re.findall(r"^\| (`.*?`) \|", section(name), re.MULTILINE)
    described = {word for row in rows for word in re.findall(r"`(\w+)", row)}
    assert described and described <= members(getattr(pga, name))


def python_blocks(page: Path) -> list[str]:
    return [block.text for block in blocks(page.read_text()) if block.language == "python"]


@every_page
def test_python_in_the_pages_compiles(page: Path) -> None:
    for number, block in enumerate(python_blocks(page)):
        compile(block, f"{page.name}, block {number + 1}", "exec")


@pytest.mark.slow
@pytest.mark.parametrize("page", [ROOT / "README.md", DOCS / "api.md"], ids=lambda page: page.name)
def test_examples_run(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All blocks of a page one after the other, at the sizes of the tests."""
    code, size = "\n".join(python_blocks(page)), '"ppo.iterations=100"'
    assert code.count(size) == 1
    monkeypatch.setattr(LOGGER, "handlers", [])
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data").symlink_to(ROOT / "data")
    exec(compile(code.replace(size, ", ".join(json.dumps(setting) for setting in SMALL)), page.name, "exec"), {})
