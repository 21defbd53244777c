"""Presets: settings of known methods, a file each, laid under or over those of a configuration."""

from __future__ import annotations

from collections.abc import Sequence

from playground_amp.config.yaml_schema import Values, apply_override, read_yaml
from playground_amp.core.errors import InputError, nearest
from playground_amp.core.files import SHIPPED

PRESETS = SHIPPED / "configs" / "presets"


def with_preset(values: Values, source: str, overrides: Sequence[str]) -> Values:
    """Sections of `values` over the preset that they name, or under the one that the overrides name last.

    `source` is where `values` come from.
    """
    asked: Values = {}
    for override in overrides:
        if override.partition("=")[0].strip() == "amp.preset":
            apply_override(asked, override)
            source = f"--set {override}"
    if "amp" in asked:
        return _merge(values, read_preset(asked["amp"]["preset"], source))
    amp = values.get("amp")
    if isinstance(amp, dict) and "preset" in amp:
        return _merge(read_preset(amp["preset"], source), values)
    return values


def _merge(under: Values, over: Values) -> Values:
    """Sections of both, the keys of `over` first; what is no section is left for `fill` to complain of."""
    merged = dict(under)
    for section, content in over.items():
        below = under.get(section, {})
        wrong = next((part for part in (below, content) if not isinstance(part, dict)), None)
        merged[section] = {**below, **content} if wrong is None else wrong
    return merged


def read_preset(name: object, source: str) -> Values:
    """Sections of a preset by its name, 'none' has no values; raises InputError with the names that exist.

    `source` is where the name stands.
    """
    if name == "none":
        return {}
    files = {path.stem: path for path in PRESETS.glob("*.yaml")}
    if not (isinstance(name, str) and name in files):
        raise InputError(f"{source}: amp.preset is '{name}'; {nearest(str(name), [*files, 'none'])}")
    return read_yaml(files[name])
