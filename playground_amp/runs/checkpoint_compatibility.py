"""What the numbers in a checkpoint stand for, and whether a robot and settings still mean the same by them."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from playground_amp.config import Config, asks_for_gaits, to_dict
from playground_amp.core.commands import NAMES
from playground_amp.core.errors import InputError
from playground_amp.motion.clip_set import ClipSet
from playground_amp.motion.features import feature_names
from playground_amp.robots import Robot

SETTINGS = ("amp.window", "amp.dilation", "amp.condition", "amp.feature_weights", "reference.follow_command")
SHOWN = 4  # names in a sentence; of more the number is told


def check_layout(
    about: Mapping[str, Any],
    config: Config,
    robot: Robot,
    gaits: Sequence[str],
    observations: Sequence[str],
    place: str,
) -> None:
    """Raise InputError unless a checkpoint goes with robot, settings, gaits and task; the sentence shows both layouts.

    `about` is what is kept beside it; what an older one does not say is not held against it.
    """
    check_command(about.get("config", {}), place)
    if "features" in about:
        _check_features(about, config, robot, place)
    if "config" in about:
        _check_settings(about, config, place)
    clips = trained_on(about)
    before = clips.labels if clips else gaits
    if asks_for_gaits(config.amp) and tuple(before) != tuple(gaits):
        raise InputError(
            f"{place} was made for the gaits {_quoted(before)}, in this order, but reference.clips now gives "
            f"{_quoted(gaits)}; label the clips as they were, or start a new run"
        )
    _check_history(about.get("config", {}), config, place)
    if "observations" in about:
        _check_observations(about["observations"], observations, config, place)


def check_command(values: Mapping[str, Any], place: str) -> None:
    """Raise InputError for settings (section -> key -> value) of before the command was a velocity and a turning."""
    env = values.get("env")
    if isinstance(env, Mapping) and "command_speed" in env:
        raise InputError(
            f"{place} was made by an older version, where a command was the speed ahead alone (env.command_speed); it "
            f"is now three numbers, {', '.join(NAMES)} (env.command), and a policy of before does not know them; go on "
            f"with that version, or start a new run"
        )


def _check_history(old: Mapping[str, Any], config: Config, place: str) -> None:
    before = _setting(old, "env.history", 1)
    if before != config.env.history:
        raise InputError(
            f"{place} was made for an actor that sees {before} observations at once, env.history is now "
            f"{config.env.history}; set it back, or start a new run"
        )


def _check_observations(old: Sequence[str], new: Sequence[str], config: Config, place: str) -> None:
    if list(old) == list(new):
        return
    gone, come = Counter(old) - Counter(new), Counter(new) - Counter(old)
    words = [f"without {_some(list(gone))}"] if gone else []
    words += [f"with {_some(list(come))}"] if come else []
    raise InputError(
        f"{place} was made for other observations: they are {' and '.join(words) or 'in another order'}; env.task is "
        f"'{config.env.task}', and env.randomize adds what it draws: set them back, or start a new run"
    )


def trained_on(about: Mapping[str, Any]) -> ClipSet | None:
    """The clips that a checkpoint was trained on, if it says so in a way that is known."""
    try:
        return ClipSet.from_json(about["reference"])
    except (KeyError, TypeError):
        return None


def _check_features(about: Mapping[str, Any], config: Config, robot: Robot, place: str) -> None:
    old, new = about["features"], feature_names(robot)
    if old == new:
        return
    differs = [_unlike(kind, _named(old, kind), _named(new, kind)) for kind in ("position", "contact")]
    trained = about.get("config", {}).get("env", {}).get("robot", "")
    raise InputError(
        f"{place} was made for {_counts(old)}, but the robot '{config.env.robot}' now gives {_counts(new)}: "
        f"{'; '.join(filter(None, differs)) or 'other features'}; "
        + (f"set env.robot={trained}" if trained not in ("", config.env.robot) else "undo the change of the robot")
        + ", or start a new run"
    )


def _named(features: Sequence[str], kind: str) -> list[str]:
    """The joints, by their `position`, or the pads, by their `contact`."""
    return [name.removesuffix(f" {kind}") for name in features if name.endswith(f" {kind}")]


def _counts(features: Sequence[str]) -> str:
    joints, pads = _named(features, "position"), _named(features, "contact")
    return f"{len(features)} features ({len(joints)} joints, {len(pads)} pads: {', '.join(pads)})"


def _unlike(kind: str, old: Sequence[str], new: Sequence[str]) -> str:
    """How two lists of names differ, or nothing."""
    what = {"position": "joints", "contact": "pads"}[kind]
    gone, come = [name for name in old if name not in new], [name for name in new if name not in old]
    if old == new:
        return ""
    if not gone and not come:
        return f"the {what} were in the order {_some(old)} and are in the order {_some(new)}"
    words = [f"without {_some(gone)}"] if gone else []
    words += [f"with {_some(come)}"] if come else []
    return f"the {what} are {' and '.join(words)}"


def _some(names: Sequence[str]) -> str:
    more = len(names) - SHOWN
    return ", ".join(names[:SHOWN]) + (f" and {more} more" if more > 0 else "")


def _quoted(names: Sequence[str]) -> str:
    return ", ".join(f"'{name}'" for name in names)


def _check_settings(about: Mapping[str, Any], config: Config, place: str) -> None:
    old, new = _shaping(about["config"]), _shaping(to_dict(config))
    if changed := [name for name in old if name in new and old[name] != new[name]]:
        before, now = (", ".join(f"{name} {_show(side[name])}" for name in changed) for side in (old, new))
        raise InputError(
            f"{place} was made for other inputs of the discriminator: with {before}, now with {now}; set it back, or "
            f"start a new run"
        )


def _shaping(values: Mapping[str, Any]) -> dict[str, Any]:
    """Settings that shape an input, as far as they do; one that is newer than the checkpoint had its default."""
    defaults = to_dict(Config())
    found = {name: _setting(values, name, _setting(defaults, name)) for name in SETTINGS}
    if found["amp.window"] == 1:
        found["amp.dilation"] = 1
    if found["amp.condition"] in ("command", "both"):
        del found["reference.follow_command"]  # the command is there in any case
    weights = found["amp.feature_weights"]
    found["amp.feature_weights"] = {group: 0 for group in sorted(weights) if weights[group] == 0}  # others only scale
    return found


def _setting(values: Mapping[str, Any], name: str, default: Any = None) -> Any:
    section, key = name.split(".")
    return values.get(section, {}).get(key, default)


def _show(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
