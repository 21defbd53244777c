"""The imports of the package as a graph: python tests/import_graph.py prints its rooms, arrows and circles.

A room is an entry at the top of the package: a module such as `amp`, or a folder such as `motion`.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

PACKAGE = Path(__file__).parents[1] / "playground_amp"


def modules(package: Path = PACKAGE) -> dict[str, Path]:
    """Dotted name inside the package -> file; the package itself is ''."""
    found = {}
    for path in sorted(package.rglob("*.py")):
        parts = path.relative_to(package).with_suffix("").parts
        found[".".join(part for part in parts if part != "__init__")] = path
    return found


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


def import_graph(package: Path = PACKAGE) -> dict[str, set[str]]:
    """Module -> the modules of the package that it imports."""
    known = modules(package)

    def own(imported: str) -> str:
        path = imported.split(".")[1:]
        while ".".join(path) not in known:
            path.pop()
        return ".".join(path)

    return {
        name: {own(imported) for imported in imports(path) if imported.split(".")[0] == package.name}
        for name, path in known.items()
    }


def room(module: str) -> str:
    """The entry at the top of the package that a module is, or is in."""
    return module.partition(".")[0]


def rooms(graph: Mapping[str, set[str]]) -> dict[str, set[str]]:
    """Room -> the other rooms that it imports from."""
    found: dict[str, set[str]] = {}
    for module, imported in graph.items():
        found.setdefault(room(module), set()).update(room(name) for name in imported)
    return {name: arrows - {name} for name, arrows in found.items()}


def reachable(graph: Mapping[str, set[str]], start: str, without: str | None = None) -> set[str]:
    """Nodes that `start` leads to, itself among them; not through `without`."""
    seen, waiting = set(), [start]
    while waiting:
        node = waiting.pop()
        if node not in seen and node != without:
            seen.add(node)
            waiting += graph[node]
    return seen


def circles(graph: Mapping[str, set[str]]) -> list[list[str]]:
    """Groups of nodes that lead to each other."""
    to = {node: reachable(graph, node) for node in graph}
    groups = {tuple(sorted(other for other in to[node] if node in to[other])) for node in graph}
    itself = [[node] for node in graph if node in graph[node]]
    return sorted([list(group) for group in groups if len(group) > 1] + itself)


def main(package: Path) -> None:
    graph = import_graph(package)
    top = rooms(graph)
    for name in sorted(top, key=lambda name: (len(reachable(top, name)), name)):
        print(f"{name or package.name:16s} -> {', '.join(sorted(other or package.name for other in top[name]))}")
    entries = [path for path in package.iterdir() if path.name != "__pycache__"]
    print(f"{len(entries)} entries at the top, {len(top)} rooms, {sum(map(len, top.values()))} arrows between them")
    print(f"{len(graph)} modules, {sum(map(len, graph.values()))} arrows between them")
    print(f"circles between rooms: {circles(top) or 'none'}")
    print(f"circles between modules: {circles(graph) or 'none'}")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else PACKAGE)
