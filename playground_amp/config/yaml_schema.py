"""Frozen dataclasses filled from YAML: numbers as people write them, every mistake one sentence.

What the settings are stands in config/settings.py; nothing here knows them. The tree is two deep, sections of keys, but
where the value of a key is a dataclass of keys itself.
"""

from __future__ import annotations

import dataclasses
import re
import types
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

import yaml
from annotated_types import Ge, Gt, Le, Lt
from pydantic import AfterValidator, AllowInfNan, BeforeValidator, Strict, TypeAdapter, ValidationError

from playground_amp.core.errors import InputError, nearest

T = TypeVar("T")
Values = dict[str, Any]  # section -> key -> value, as YAML gives them

MOST_BYTES, MOST_VALUES, DEEPEST = 2**20, 20_000, 20  # of a YAML file
BASES = {int: "a whole number", float: "a number", bool: "true or false", str: "text"}
BOUNDS = {Gt: ("gt", "above"), Ge: ("ge", "at least"), Lt: ("lt", "below"), Le: ("le", "at most")}


def _whole(value: Any) -> Any:
    """1e6 is a whole number, 1.5 stays what it is."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _one_or_more(value: Any) -> Any:
    """A path, or {path: ..., label: ...}, stands for a list of one, and a path for what has no other key."""
    entries = [value] if isinstance(value, str | dict) else value
    if not isinstance(entries, list | tuple):
        return entries
    return [{"path": entry} if isinstance(entry, str) else entry for entry in entries]


def _ordered(value: tuple[float, float]) -> tuple[float, float]:
    """Refuses [high, low]."""
    if value[0] > value[1]:
        raise ValueError
    return value


def _duration(value: str) -> str:
    """Refuses what is no time, and no time at all."""
    if not re.fullmatch(r"[0-9]{1,6}(\.[0-9]{1,3})?[smh]", value) or seconds(value) <= 0.0:
        raise ValueError
    return value


def seconds(duration: str) -> float:
    """Of a `Duration`."""
    return float(duration[:-1]) * {"s": 1.0, "m": 60.0, "h": 3600.0}[duration[-1]]


Whole = Annotated[int, Strict(), BeforeValidator(_whole)]
Duration = Annotated[str, Strict(), AfterValidator(_duration)]
Number = Annotated[float, Strict(), AllowInfNan(False)]
Flag = Annotated[bool, Strict()]
LowestFirst = AfterValidator(_ordered)
OneIsList = BeforeValidator(_one_or_more)


class _Loader(yaml.SafeLoader):
    """YAML 1.2's scalars (3e-4 is a number, `off` is text), no key twice, and not too much of anything."""

    def get_single_node(self) -> yaml.Node | None:
        node = super().get_single_node()
        if node is not None:
            _weigh(node, {}, DEEPEST)
        return node

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict:
        seen = set()
        for key in (key for key, _ in node.value if isinstance(key, yaml.ScalarNode)):
            if key.value in seen:
                raise InputError(f"line {key.start_mark.line + 1}: the key '{key.value}' appears twice")
            seen.add(key.value)
        return super().construct_mapping(node, deep)


def _weigh(node: yaml.Node, known: dict[int, int], depth: int) -> int:
    """How many values a node holds with all that its aliases stand for; InputError for too many or too deep."""
    if id(node) in known:
        if not known[id(node)]:
            raise InputError(f"line {node.start_mark.line + 1}: a value contains itself")
        return known[id(node)]
    if depth == 0:
        raise InputError(f"line {node.start_mark.line + 1}: values within values, more than {DEEPEST} deep")
    known[id(node)] = 0
    parts = [part for pair in node.value for part in pair] if isinstance(node, yaml.MappingNode) else node.value
    inside = parts if isinstance(node, yaml.CollectionNode) else []
    known[id(node)] = 1 + sum(_weigh(part, known, depth - 1) for part in inside)
    if known[id(node)] > MOST_VALUES:
        raise InputError(f"line {node.start_mark.line + 1}: more than {MOST_VALUES} values, aliases counted")
    return known[id(node)]


_Loader.yaml_implicit_resolvers = {}
for _tag, _pattern, _first in (
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("bool", r"true|True|TRUE|false|False|FALSE", list("tTfF")),
    ("int", r"[-+]?[0-9][0-9_]*", list("-+0123456789")),
    ("float", r"[-+]?(\.[0-9]+|[0-9][0-9_]*(\.[0-9]*)?)([eE][-+]?[0-9]+)?", list("-+.0123456789")),
    ("float", r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)", list("-+.")),
):
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(rf"(?:{_pattern})$"), _first)
_Loader.add_constructor("tag:yaml.org,2002:int", lambda loader, node: int(loader.construct_scalar(node)))


def read_yaml(path: Path) -> Values:
    """Sections of a YAML file; raises InputError naming file and line."""
    try:
        with path.open("rb") as file:
            content = file.read(MOST_BYTES + 1)
        if len(content) > MOST_BYTES:
            raise InputError(f"larger than the {MOST_BYTES} bytes that a YAML file may have")
        values = yaml.load(content.decode("utf-8"), _Loader)
    except OSError as error:
        raise InputError(f"'{path}' cannot be read: {error.strerror}") from None
    except InputError as error:
        raise InputError(f"{path}, {error}") from None
    except Exception as error:  # PyYAML's own, and whatever its constructors of bool, timestamp and the like raise
        mark, problem = getattr(error, "problem_mark", None), getattr(error, "problem", None)
        place = f"{path}, line {mark.line + 1}" if mark else f"{path}"
        raise InputError(f"{place}: not valid YAML ({problem or 'not plain text'})") from None
    if not isinstance(values, dict | None):
        raise InputError(f"{path}: expected sections, each with 'key: value' lines")
    return {section: {} if content is None else content for section, content in (values or {}).items()}


def apply_override(values: Values, override: str) -> tuple[str, ...]:
    """Put `section.key=value`, or `section.key.key=value`, into `values`; returns the path."""
    path, equals, text = override.partition("=")
    section, dot, key = path.strip().partition(".")
    if not (equals and dot and key):
        raise InputError(f"--set {override}: expected section.key=value, for example amp.discriminator_lr=5e-5")
    try:
        value = yaml.load(text, _Loader)
    except Exception:  # as in `read_yaml`
        raise InputError(f"--set {override}: '{text}' is not a YAML value") from None
    place = (section, *key.split("."))
    content = {} if values.get(section) is None else values[section]
    if isinstance(content, dict):  # else `fill` says that the section is none
        values[section] = _with(content, place[1:], value)
    return place


def _with(content: Any, path: Sequence[str], value: Any) -> Any:
    """`content` with `value` at a path in it; what has no keys gives way to what has, for `fill` to complain of."""
    if not path:
        return value
    content = content if isinstance(content, dict) else {}
    return {**content, path[0]: _with(content.get(path[0]), path[1:], value)}


def fill(
    cls: type[T], values: Values, source: str, overrides: Sequence[str] = (), renamed: Mapping[str, str] | None = None
) -> T:
    """The dataclass of sections `cls` from `values` and overrides; one sentence a mistake in the InputError.

    `renamed` has what keys of old are called now, as `section.key`.
    """
    given, sentences = values, []
    origins: dict[tuple, str] = {}
    for override in overrides:
        changed = dict(values)
        section, *keys = apply_override(changed, override)
        if said := _keyless(cls, section, *keys):
            sentences.append(f"--set {override}: {said}")
            continue
        within: Any = values.get(section, {})
        for depth, key in enumerate(keys, 1):  # what was there before is not the override's, but for its very key
            within = within.get(key) if isinstance(within, dict) else None
            if depth == len(keys) or within is None:
                origins[section, *keys[:depth]] = f"--set {override}"
        if section not in given:
            origins[section,] = f"--set {override}"
        values = changed
    try:
        filled = TypeAdapter(cls).validate_python(values)
    except ValidationError as error:
        for place in _places(error, cls):
            said = _nested(cls, values, place) if _is_nested(cls, place) else _mistake(cls, values, *place)
            new = (renamed or {}).get(".".join(map(str, place[:2])))
            said = f"there is no key '{'.'.join(place[:2])}': it is called {new} now" if new else said
            sentences.append(f"{_origin(origins, place) or source}: {said}")
    if sentences:
        raise InputError("\n".join(dict.fromkeys(sentences)))
    return filled


def _keyless(cls: type, section: str, key: str, *within: str) -> str:
    """What is wrong with a path into the value of a key that has no keys of its own, or nothing."""
    home = get_type_hints(cls).get(section)
    kind = get_type_hints(home, include_extras=True).get(key) if home else None
    if not within or kind is None or (len(within) == 1 and _has_keys(kind)):
        return ""
    path = ".".join([section, key, *within])
    if not _has_keys(kind):
        return f"there is no key '{path}': {section}.{key} has no keys of its own; expected {expected(kind)}"
    return f"there is no key '{path}': {path.rpartition('.')[0]} has no keys of its own"


def _has_keys(kind: Any) -> bool:
    """Whether the value of a key is {name: value, ...}."""
    kind = get_args(kind)[0] if get_origin(kind) is Annotated else kind
    return dataclasses.is_dataclass(kind) or get_origin(kind) is dict


def _origin(origins: Mapping[tuple, str], place: tuple[Any, ...]) -> str | None:
    """The override that a mistake came by."""
    return next((origins[place[:depth]] for depth in (3, 2, 1) if place[:depth] in origins), None)


def _is_nested(cls: type, place: tuple[Any, ...]) -> bool:
    """Whether a place is a key within the value of a key."""
    section = get_type_hints(cls).get(place[0])
    return len(place) > 2 and section is not None and dataclasses.is_dataclass(get_type_hints(section).get(place[1]))


def _nested(cls: type, values: Values, place: tuple[Any, ...]) -> str:
    """What is wrong with a key within the value of a key."""
    section, key, name = place[:3]
    names = get_type_hints(get_type_hints(get_type_hints(cls)[section])[key], include_extras=True)
    if name not in names:
        return f"there is no key '{section}.{key}.{name}'; {nearest(str(name), names)}"
    return f"{section}.{key}.{name} is {_show(values[section][key][name])}; expected {expected(names[name])}"


def _places(error: ValidationError, cls: type) -> list[tuple[Any, ...]]:
    """Section and key of every mistake, also entry and name in a list of {name: value, ...}; each place once.

    A list with a wrong entry is named by the entry: that it is also too short without it is the same mistake.
    """
    paths = [tuple(mistake["loc"]) for mistake in error.errors()]
    nested = [path[:3] for path in paths if _is_nested(cls, path)]
    paths = [path for path in paths if path[:3] not in nested]
    deep = [path[:4] for path in paths if len(path) > 3 and isinstance(path[2], int)]
    keys = {path[:2] for path in deep}
    found = [path[:4] if path[:4] in deep else path[:2] for path in paths if path not in keys]
    return list(dict.fromkeys([*nested, *found]))


def _mistake(cls: type, values: Values, section: Any, key: Any = None, entry: int = 0, name: str | None = None) -> str:
    """What is wrong with a section, with a key, or with a name in an entry of its list, and what would be right."""
    sections = get_type_hints(cls)
    if section not in sections:
        homes = _homes(sections, section)
        return f"there is no section '{section}'; {homes or nearest(str(section), sections)}"
    if key is None:
        return f"section '{section}' is {_show(values[section])}; expected 'key: value' lines"
    keys = get_type_hints(sections[section], include_extras=True)
    if key not in keys:
        return f"there is no key '{section}.{key}'; {_homes(sections, key) or nearest(str(key), keys)}"
    if name is not None:
        return f"{section}.{key}, entry {entry + 1}: {_entry_mistake(keys[key], values[section][key], entry, name)}"
    return f"{section}.{key} is {_show(values[section][key])}; expected {expected(keys[key])}"


def _entry_mistake(kind: Any, value: Any, entry: int, name: str) -> str:
    """What is wrong with a name of an entry {name: value, ...}, and what would be right."""
    cls = _dataclass_in(kind)
    names, given = get_type_hints(cls, include_extras=True), _one_or_more(value)[entry]
    if name not in names:
        return f"there is no key '{name}'; {nearest(str(name), names)}"
    if name not in given:
        return f"it has no {name}; expected {expected(cls)}"
    return f"{name} is {_show(given[name])}; expected {expected(names[name])}"


def _dataclass_in(kind: Any) -> type:
    """The dataclass that a type is a list of."""
    return kind if dataclasses.is_dataclass(kind) else _dataclass_in(get_args(kind)[0])


def _homes(sections: Mapping[str, type], key: Any) -> str:
    """A hint at the sections that have such a key, or nothing."""
    homes = [f"'{name}.{key}'" for name, section in sections.items() if key in get_type_hints(section)]
    return f"did you mean {' or '.join(homes)}?" if homes else ""


def _show(value: Any) -> str:
    """A value as YAML writes it, more or less."""
    return {"None": "empty", "True": "true", "False": "false"}.get(repr(value), repr(value))


def expected(kind: Any) -> str:
    """What a type admits, in words."""
    origin, arguments = get_origin(kind), get_args(kind)
    if kind == Duration:
        return "a time such as 90s, 15m or 1h"
    if origin is Annotated:
        return " ".join([expected(arguments[0]), *_bounds(arguments[1:])])
    if origin is Literal:
        return _either(list(map(str, arguments)))
    if origin in (Union, types.UnionType):
        words = [expected(argument) for argument in arguments if argument is not types.NoneType]
        return ", or ".join(words) if any(", " in word for word in words) else _either(words)
    if origin is tuple and arguments[-1] is ...:
        return f"a list of at least one, each {expected(arguments[0])}"
    if origin is tuple and len(arguments) == 2:
        return f"[lowest, highest] in this order, each {expected(arguments[0])}"
    if origin is tuple:
        return f"a list of {len(arguments)}, each {expected(arguments[0])}"
    if origin is dict:
        return f"{{NAME: value, ...}}, each name {expected(arguments[0])}, each value {expected(arguments[1])}"
    if dataclasses.is_dataclass(kind) and "path" not in get_type_hints(kind):
        return f"{{{', '.join(f'{field.name}: ...' for field in dataclasses.fields(kind))}}}"
    if dataclasses.is_dataclass(kind):
        keys = ", ".join(f"{field.name}: ..." for field in dataclasses.fields(kind))
        return f"text or {{{keys}}}"
    return BASES.get(kind, getattr(kind, "__name__", str(kind)))


def _bounds(metadata: Sequence[Any]) -> list[str]:
    """The bounds among a type's annotations, in words."""
    named = [(BOUNDS[type(bound)], bound) for bound in metadata if type(bound) in BOUNDS]
    words = [f"{word} {str(getattr(bound, attribute)).removesuffix('.0')}" for (attribute, word), bound in named]
    return [" and ".join(words)] if words else []


def _either(words: Sequence[str]) -> str:
    *others, last = words
    return f"{', '.join(others)} or {last}" if others else last
