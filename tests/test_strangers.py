"""What strangers give: YAML, MJCF and checkpoints are data, bounded, and never run."""

from __future__ import annotations

import ast
import time
from pathlib import Path

import pytest
from conftest import ONE_SENTENCE
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from playground_amp.config import load_config
from playground_amp.config.yaml_schema import DEEPEST, MOST_BYTES, read_yaml
from playground_amp.core.errors import InputError
from playground_amp.robots.places import ALLOWED, check_places

pytestmark = ONE_SENTENCE
PACKAGE = Path(__file__).parents[1] / "playground_amp"
SHIPPED = (PACKAGE.parent / "configs" / "ppo_amass_training.yaml").read_text()


# YAML

BOMB = "a: &a [1, 1, 1, 1, 1, 1, 1, 1, 1]\n" + "".join(
    f"{name}: &{name} [{', '.join([f'*{before}'] * 9)}]\n" for before, name in zip("abcdefg", "bcdefgh", strict=True)
)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("ppo:\n  seed: 1\n  seed: 2\n", "line 3: the key 'seed' appears twice"),
        ("ppo: 1\nppo: 2\n", "line 2: the key 'ppo' appears twice"),
        ("a: " + "[" * (DEEPEST + 1) + "]" * (DEEPEST + 1), "deep"),
        ("a: " + "[" * 5000, "not valid YAML"),
        (BOMB, "more than 20000 values, aliases counted"),
        ("a: &a [*a]", "a value contains itself"),
        ("a: " + "x" * MOST_BYTES, "larger than the 1048576 bytes"),
        ("a: !!python/object/apply:os.system [echo]", "not valid YAML"),
        ("a: !!bool perhaps", "not valid YAML"),
        ("a: !!timestamp x", "not valid YAML"),
        ("? [1]\n: 2", "not valid YAML"),
    ],
    ids=range(11),
)
def test_yaml_is_plain_bounded_and_says_everything_once(tmp_path, text, said):
    path = tmp_path / "strange.yaml"
    path.write_text(text)
    with pytest.raises(InputError, match=said) as error:
        read_yaml(path)
    assert str(path) in str(error.value) and "\n" not in str(error.value)


def damaged(text: str) -> st.SearchStrategy[bytes]:
    """A configuration with up to four pieces taken out, doubled or put in."""
    pieces = ["", "&a ", "*a", "[", "{", "]", ": ", "\n", "!!bool ", "!!int x", "- ", "\t", "\0", "é", "1e999", ".nan"]
    place = st.integers(0, len(text))
    step = st.tuples(place, st.integers(0, 40), st.sampled_from(pieces) | st.text(max_size=6))

    def apply(steps: list[tuple[int, int, str]]) -> bytes:
        changed = text
        for where, length, new in steps:
            changed = changed[:where] + new + changed[where + length :]
        return changed.encode("utf-8", "surrogatepass")

    return st.lists(step, min_size=1, max_size=4).map(apply) | st.binary(max_size=60)


def check_config(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    began = time.process_time()
    try:
        load_config(str(path))
    except InputError as error:
        assert str(path) in str(error) or "--set" in str(error)
    assert time.process_time() - began < 5.0


QUIET = {"deadline": None, "suppress_health_check": list(HealthCheck), "database": None, "derandomize": True}


@settings(max_examples=15, **QUIET)
@given(damaged(SHIPPED))
def test_a_damaged_configuration_is_one_or_a_sentence(tmp_path_factory, content):
    check_config(tmp_path_factory.getbasetemp() / "damaged.yaml", content)


@pytest.mark.soak
@settings(max_examples=10_000, **QUIET)
@given(damaged(SHIPPED))
def test_ten_thousand_damaged_configurations(tmp_path_factory, content):
    check_config(tmp_path_factory.getbasetemp() / "damaged.yaml", content)


@settings(max_examples=30, **QUIET)
@given(st.text(max_size=30) | st.sampled_from(["ppo.seed=[[", "ppo.seed=!!bool x", "=", "a.b.c.d=1", "ppo=1"]))
def test_any_override_is_one_or_a_sentence(override):
    try:
        load_config("ppo_amass_training", [override])
    except InputError as error:
        assert "--set" in str(error)


# MJCF


@pytest.mark.parametrize(
    "body",
    [
        '<include file="../secret.xml"/>',
        '<include file="/etc/passwd"/>',
        '<compiler meshdir="../meshes"/><asset><mesh file="a.stl"/></asset>',
        '<compiler assetdir="/srv"/><asset><texture file="a.png"/></asset>',
        '<asset><texture fileup="../../a.png"/></asset>',
        '<asset><model file="../other.xml"/></asset>',
        '<include file="part.xml"/>',
    ],
)
def test_an_mjcf_reads_nothing_from_outside_its_folder_unless_allowed(tmp_path, monkeypatch, body):
    mjcf = tmp_path / "robot" / "robot.xml"
    mjcf.parent.mkdir()
    mjcf.write_text(f"<mujoco>{body}</mujoco>")
    (mjcf.parent / "part.xml").write_text('<mujocoinclude><include file="../secret.xml"/></mujocoinclude>')
    with pytest.raises(InputError, match=r"outside of its folder .* PLAYGROUND_AMP_MJCF_PATH=") as error:
        check_places(mjcf)
    assert str(mjcf) in str(error.value) and "\n" not in str(error.value)
    monkeypatch.setenv(ALLOWED, "/nowhere:/")
    check_places(mjcf)


def test_an_mjcf_reads_from_its_own_folder_and_package(tmp_path):
    for folder in (tmp_path / "robot", tmp_path / "site-packages" / "robots" / "mjcf"):
        folder.mkdir(parents=True)
        (folder / "a.xml").write_text('<mujoco><include file="sub/b.xml"/><include file="a.xml"/></mujoco>')
        check_places(folder / "a.xml")
    (folder / "a.xml").write_text('<mujoco><asset><mesh file="../meshes/a.stl"/></asset></mujoco>')
    check_places(folder / "a.xml")
    (tmp_path / "robot" / "no.xml").write_text("no XML")
    check_places(tmp_path / "robot" / "no.xml")


# Code


def test_no_text_becomes_code():
    """No eval or exec, no pickle that runs, no shell: what reads pickles reads plain values only."""
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.Call):
                continue
            name, named = ast.unparse(node.func), {one.arg: ast.unparse(one.value) for one in node.keywords}
            place = f"{path}, line {node.lineno}: {name}"
            assert name not in ("eval", "exec", "compile", "os.system", "os.popen", "pickle.load", "pickle.loads"), (
                place
            )
            assert named.get("shell", "False") == "False" and named.get("allow_pickle", "False") == "False", place
            assert name != "yaml.load" or ast.unparse(node.args[1]) == "_Loader", place
            assert name != "np.load" or "allow_pickle" in named, f"{place} without allow_pickle=False"
