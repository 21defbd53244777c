"""The layers follow from the folders: a room imports only from rooms above its own, and nothing in a circle."""

from __future__ import annotations

from pathlib import Path

import pytest
from import_graph import PACKAGE, circles, import_graph, imports, modules, reachable, room, rooms

LAYERS = [  # from the top; a room imports from rooms above its own, never from its neighbours
    {"", "core"},  # "" is the package itself: its version, and names that it looks up when they are asked for
    {"config", "deploy"},
    {"robots", "learning"},
    {"motion"},
    {"discriminator", "envs"},
    {"amp"},
    {"builder", "runs"},
    {"evaluation"},
    {"export", "training", "retargeting"},
    {"doctor", "experiments"},
    {"__main__"},
]
OFFLINE = {"retargeting", "experiments", "robots.proposal"}  # what training must not need
NO_MUJOCO = ("learning.", "discriminator.losses", "discriminator.penalties", "discriminator.rewards")
ENTRIES = 20  # at the top of the package: what a newcomer can take in at a glance

MODULES, GRAPH = modules(), import_graph()
ROOMS = rooms(GRAPH)


def layer(name: str) -> int:
    return next(i for i, names in enumerate(LAYERS) if name in names)


def libraries(names: set[str]) -> set[str]:
    """Top-level names of everything that the modules import."""
    return {imported.split(".")[0] for name in names for imported in imports(MODULES[name])}


def test_every_room_has_its_place() -> None:
    assert set(ROOMS) <= set().union(*LAYERS), "give the new room a layer, here and in docs/design.md"


@pytest.mark.parametrize("name", sorted(set(ROOMS) - {""}))
def test_a_room_imports_from_rooms_above_only(name: str) -> None:
    below = {other for other in ROOMS[name] if layer(other) >= layer(name)}
    assert not below, f"{name} imports {below}, which is not above it"


def test_nothing_is_imported_in_a_circle() -> None:
    assert circles(ROOMS) == []
    assert circles(GRAPH) == []


def test_the_top_of_the_package_is_small() -> None:
    assert len([path for path in PACKAGE.iterdir() if path.name != "__pycache__"]) <= ENTRIES


@pytest.mark.parametrize("name", sorted(name for name in MODULES if name.startswith(NO_MUJOCO)))
def test_learning_code_knows_no_mujoco(name: str) -> None:
    assert not libraries(reachable(GRAPH, name, without="core.quiet_imports")) & {"mujoco", "brax", "mink"}


def test_training_loads_nothing_that_works_offline() -> None:
    found = reachable(GRAPH, "training.trainer")
    assert not {name for name in found for prefix in OFFLINE if f"{name}.".startswith(f"{prefix}.")}


@pytest.mark.parametrize("name", sorted(name for name in MODULES if name.startswith("deploy")))
def test_a_robot_needs_no_jax(name: str) -> None:
    found = libraries(reachable(GRAPH, name))
    assert found & {"jax", "flax", "brax", "optax", "scipy", "pydantic", "yaml", "matplotlib"} == set()


def test_brax_and_mjx_come_through_the_quiet_door() -> None:
    """They print a line about an absent package when imported."""
    for name, path in MODULES.items():
        noisy = {i for i in imports(path) if i.startswith(("brax", "mujoco.mjx"))}
        assert name == "core.quiet_imports" or not noisy, f"{name} imports {noisy}"


def test_imports_are_found_wherever_they_stand() -> None:
    """The walk itself: a late import inside a function counts."""
    assert "envs.physics.native" in GRAPH["envs.physics"]
    assert room("envs.physics.native") == "envs"


def test_circles_are_found() -> None:
    assert circles({"a": {"b"}, "b": {"c"}, "c": {"a"}, "d": {"a"}, "e": {"e"}}) == [["a", "b", "c"], ["e"]]


def test_imports_for_type_checkers_do_not_count_and_those_beside_them_do(tmp_path: Path) -> None:
    file = tmp_path / "some.py"
    file.write_text("if TYPE_CHECKING:\n    import a\nelse:\n    import b\nif DEBUG:\n    import c\n")
    assert imports(file) == {"b", "c"}
