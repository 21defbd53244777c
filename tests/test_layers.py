"""The layers: a module imports only from layers above its own; the learning code knows no MuJoCo."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1] / "playground_amp"

# from the top; a module imports from higher layers only, never from its neighbours
LAYERS: list[set[str]] = [
    {"", "errors", "files", "quiet"},  # utilities; "" is the package itself
    {"cli", "compatibility", "schema", "rotations", "types", "robots.tree"},
    {"robots.files", "robots.record", "robots.symmetry"},
    {"robots.anatomy", "robots.check", "robots.servos", "robots.soles", "robots.writing"},
    {"robots.compile", "robots.strength"},
    {"robots", "robots.stance"},
    {"robots.remarks"},
    {"robots.propose"},
    {"presets"},
    {"config", "networks", "replay", "motion", "motion.bounds", "motion.clip", "features"},
    {"motion.quality", "motion.clip_set", "motion.draws", "motion.entries"},
    {"motion.dynamics", "motion.reference", "layout"},
    {
        "discriminator",
        "discriminator.losses",
        "discriminator.network",
        "discriminator.penalties",
        "diversity",
        "ppo",
        "style",
        "motion.library",
        "physics.native",
        "physics.mjx",
    },
    {"discriminator.rewards", "physics"},  # physics picks one of the engines
    {"env"},
    {"prior"},
    {"amp"},
    {"recording"},
    # side by side
    {
        "health",
        "checkpoint",
        "evaluate",
        "export",
        "visualize",
        "report",
        "rundir",
        "grid",
        "progress",
        "tracking",
        "benchmark",
    },
    {"gaits"},
    {"doctor.finding", "doctor.separability"},
    {"doctor.order", "doctor.passage"},
    {"doctor.clips", "doctor.evidence", "doctor.machine", "doctor.reference"},
    {"doctor.output"},
    {"showcase", "judge", "doctor"},
    {"trainer", "results"},
    {"comparison.rows", "comparison.results"},
    {"comparison.page"},
    {"comparison", "sweep"},
]

# what the modules that make clips may know of the others
FOR_CLIPS = {"", "cli", "errors", "files", "rotations", "types", "robots", "report", "visualize"}
FOR_CLIPS |= {"robots.symmetry", "robots.tree", "motion.bounds", "motion.clip", "motion.dynamics", "motion.quality"}

NO_MUJOCO = [
    "ppo",
    "discriminator",
    "discriminator.losses",
    "discriminator.network",
    "discriminator.penalties",
    "discriminator.rewards",
    "diversity",
    "replay",
    "networks",
]


def modules() -> dict[str, Path]:
    """Dotted name inside the package -> file."""
    found = {}
    for path in sorted(ROOT.rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        found[".".join(part for part in parts if part != "__init__")] = path
    return found


MODULES = modules()


PLACED = set().union(*LAYERS)
OFFLINE = {name for name in MODULES if name.startswith("motion.")} - PLACED  # they make clips, before training


def statements(node: ast.AST) -> Iterator[ast.AST]:
    """Everything below a node that runs: what stands under `if TYPE_CHECKING:` never does."""
    yield node
    types_only = isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"
    for child in node.orelse if types_only else ast.iter_child_nodes(node):
        yield from statements(child)


def imports(path: Path) -> set[str]:
    """Absolute dotted names that a file imports, wherever in the file."""
    names = set()
    for node in statements(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import in line {node.lineno}"
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def own_imports(name: str) -> set[str]:
    """Modules of the package that module `name` imports."""
    found = set()
    for imported in imports(MODULES[name]):
        if imported.split(".")[0] != ROOT.name:
            continue
        path = imported.split(".")[1:]
        while ".".join(path) not in MODULES:
            path.pop()
        found.add(".".join(path))
    return found


def reachable(name: str, without: str = "") -> set[str]:
    """Modules of the package imported by `name`, by those, and so on; not through `without`."""
    seen, waiting = set(), [name]
    while waiting:
        module = waiting.pop()
        if module not in seen and module != (without or None):
            seen.add(module)
            waiting += own_imports(module)
    return seen


def layer(name: str) -> int:
    return next(i for i, names in enumerate(LAYERS) if name in names)


def libraries(names: set[str]) -> set[str]:
    """Top-level names of everything that the modules import."""
    return {imported.split(".")[0] for name in names for imported in imports(MODULES[name])}


def test_every_module_has_its_place() -> None:
    assert set(MODULES) <= PLACED | OFFLINE, "give the new module a layer, here and in the design"


@pytest.mark.parametrize("name", sorted(PLACED & set(MODULES)))
def test_a_module_imports_from_higher_layers_only(name: str) -> None:
    for imported in own_imports(name):
        assert imported not in OFFLINE, f"{name} imports {imported}, which training must not need"
        assert imported in PLACED and layer(imported) < layer(name), f"{name} imports {imported}, which is not above it"


@pytest.mark.parametrize("name", sorted(OFFLINE))
def test_making_clips_needs_no_training(name: str) -> None:
    assert own_imports(name) <= OFFLINE | FOR_CLIPS, f"{name} imports {own_imports(name) - OFFLINE - FOR_CLIPS}"
    assert not any(name in reachable(imported) for imported in own_imports(name)), f"{name} imports itself in a circle"


@pytest.mark.parametrize("name", NO_MUJOCO)
def test_learning_code_knows_no_mujoco(name: str) -> None:
    assert not libraries(reachable(name, without="quiet")) & {"mujoco", "brax", "mink"}


def test_training_loads_no_retargeting() -> None:
    last = "trainer" if "trainer" in MODULES else "amp"
    assert not reachable(last) & OFFLINE


def test_brax_and_mjx_come_through_the_quiet_door() -> None:
    """They print a line about an absent package when imported."""
    for name, path in MODULES.items():
        noisy = {i for i in imports(path) if i.startswith(("brax", "mujoco.mjx"))}
        assert name == "quiet" or not noisy, f"{name} imports {noisy}"


def test_imports_are_found_wherever_they_stand() -> None:
    """The walk itself: a late import inside a function counts."""
    assert "physics.native" in own_imports("physics")
    assert {"env", "ppo", "motion.library"} <= own_imports("amp")


def test_imports_for_type_checkers_do_not_count_and_those_beside_them_do(tmp_path: Path) -> None:
    assert "config" not in own_imports("compatibility")
    file = tmp_path / "some.py"
    file.write_text("if TYPE_CHECKING:\n    import a\nelse:\n    import b\nif DEBUG:\n    import c\n")
    assert imports(file) == {"b", "c"}
