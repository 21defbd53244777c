"""The tutorial is a notebook without outputs, and its cells run from top to bottom."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from training_runs import SMALL

NOTEBOOK = Path(__file__).parents[1] / "docs" / "tutorial.ipynb"
SIZES = [*SMALL, "logging.evaluation_episodes=2", "logging.video_seconds=0"]


def cells(kind: str) -> list[dict[str, Any]]:
    return [cell for cell in json.loads(NOTEBOOK.read_text())["cells"] if cell["cell_type"] == kind]


def source(cell: dict[str, Any]) -> str:
    """Its code; the settings are those of the tests."""
    if "settings" in cell["metadata"].get("tags", ()):
        return f"overrides = {SIZES!r}"
    return "".join(cell["source"])


def test_it_is_a_notebook_without_outputs() -> None:
    notebook = json.loads(NOTEBOOK.read_text())
    assert (notebook["nbformat"], notebook["nbformat_minor"]) == (4, 5)
    names = [cell["id"] for cell in notebook["cells"]]
    assert len(names) == len(set(names))
    assert {cell["cell_type"] for cell in notebook["cells"]} == {"markdown", "code"}
    assert all((cell["outputs"], cell["execution_count"]) == ([], None) for cell in cells("code"))
    assert sum("settings" in cell["metadata"].get("tags", ()) for cell in cells("code")) == 1


def test_every_cell_compiles() -> None:
    for number, cell in enumerate(cells("code")):
        compile("".join(cell["source"]), f"code cell {number + 1}", "exec")


def test_its_links_lead_somewhere() -> None:
    links = [link for cell in cells("markdown") for link in re.findall(r"\]\(([^)#]+)", source(cell))]
    assert links and all((NOTEBOOK.parent / link).exists() for link in links)


@pytest.mark.slow
def test_its_cells_run_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In one namespace, at the sizes of the tests, without Jupyter."""
    display, ipython = ModuleType("IPython.display"), ModuleType("IPython")
    display.Video = lambda **about: about
    ipython.version_info, ipython.get_ipython = (9, 0), lambda: None  # what Matplotlib asks for
    monkeypatch.setitem(sys.modules, "IPython", ipython)
    monkeypatch.setitem(sys.modules, "IPython.display", display)
    monkeypatch.setenv("MPLBACKEND", "agg")
    monkeypatch.chdir(tmp_path)
    module = ModuleType("tutorial")  # as __main__ is one: a task is found by the name of its module
    monkeypatch.setitem(sys.modules, "tutorial", module)
    scope: dict[str, Any] = vars(module)
    for number, cell in enumerate(cells("code")):
        exec(compile(source(cell), f"code cell {number + 1}", "exec"), scope)
    assert len(scope["run"].metrics()["disc_real_mean"]) == 4
