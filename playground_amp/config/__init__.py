"""The configuration: a YAML file and overrides fill frozen dataclasses; every mistake is one sentence.

`load_config` reads a configuration by name or path, and `resolve` puts this machine's numbers in the place of `auto`.
"""

from __future__ import annotations

import dataclasses
import importlib.util
from collections.abc import Sequence
from typing import Any

from pydantic import TypeAdapter

from playground_amp.config.paths import CONFIGS, find_config, find_path
from playground_amp.config.presets import with_preset
from playground_amp.config.settings import (
    AUTO,
    AMPConfig,
    ClipSource,
    CommandConfig,
    Config,
    EnvConfig,
    FittedCommandConfig,
    FittedEnvConfig,
    LoggingConfig,
    NetworksConfig,
    PPOConfig,
    RandomizeConfig,
    ReferenceConfig,
    ResolvedAMPConfig,
    ResolvedConfig,
    ResolvedEnvConfig,
    ResolvedPPOConfig,
    asks_for_every_way,
    asks_for_gaits,
    is_enabled,
    is_number,
    said_of_clips,
    with_hyperparams,
)
from playground_amp.config.validation import contradictions
from playground_amp.config.yaml_schema import Values, fill, read_yaml
from playground_amp.core.errors import InputError

RENAMED = {"env.command_speed": "env.command.forward", "env.command_interval": "env.command.resample"}

__all__ = [
    "AUTO",
    "CONFIGS",
    "RENAMED",
    "AMPConfig",
    "ClipSource",
    "CommandConfig",
    "Config",
    "EnvConfig",
    "FittedCommandConfig",
    "FittedEnvConfig",
    "LoggingConfig",
    "NetworksConfig",
    "PPOConfig",
    "RandomizeConfig",
    "ReferenceConfig",
    "ResolvedAMPConfig",
    "ResolvedConfig",
    "ResolvedEnvConfig",
    "ResolvedPPOConfig",
    "asks_for_every_way",
    "asks_for_gaits",
    "build",
    "find_config",
    "find_path",
    "is_enabled",
    "is_number",
    "load_config",
    "resolve",
    "said_of_clips",
    "to_dict",
    "with_hyperparams",
]


def load_config(name_or_path: str, overrides: Sequence[str] = ()) -> Config:
    """Read a configuration by its name in `configs/` or by path and apply `section.key=value` overrides."""
    path = find_config(name_or_path)
    return build(read_yaml(path), str(path), overrides)


def build(values: Values, source: str, overrides: Sequence[str] = ()) -> Config:
    """The configuration of `values` (section -> key -> value); every mistake a sentence of the InputError.

    A preset that `values` name lies under their own keys, one of the overrides goes over them; the other overrides go
    over both.
    """
    config = fill(Config, with_preset(values, source, overrides), source, overrides, RENAMED)
    if mistakes := list(contradictions(config)):
        raise InputError("\n".join(f"{source}: {mistake}" for mistake in mistakes))
    return config


def to_dict(config: Config) -> Values:
    """Plain nested dictionary of lists, numbers and strings, as YAML stores it."""
    return TypeAdapter(Config).dump_python(config, mode="json")


def resolve(config: Config, *, accelerator: bool) -> ResolvedConfig:
    """Replace every `auto` by the number it stands for on a machine with or without an accelerator.

    What follows the robot and its clips is left to envs/robot_settings.py.
    """
    num_envs = _pick(config.env.num_envs, 4096 if accelerator else 256)
    samples = num_envs * config.ppo.rollout_length
    batch_size = _pick(config.ppo.batch_size, max(1, samples // 4))
    if samples % batch_size:
        raise InputError(
            f"ppo.batch_size is {batch_size}, but it must divide the {samples} samples of a rollout "
            f"(env.num_envs {num_envs} x ppo.rollout_length {config.ppo.rollout_length})"
        )
    physics = config.env.physics
    if physics == "auto":
        physics = _accelerated() if accelerator else "native"
    amp_batch_size = _pick(config.amp.batch_size, 4096 if accelerator else 512)
    replay_size = _pick(config.amp.replay_size, 400_000 if accelerator else 50_000)
    return ResolvedConfig(
        env=ResolvedEnvConfig(**_fields(config.env, num_envs=num_envs, physics=physics)),
        ppo=ResolvedPPOConfig(**_fields(config.ppo, batch_size=batch_size)),
        networks=config.networks,
        amp=ResolvedAMPConfig(**_fields(config.amp, batch_size=amp_batch_size, replay_size=replay_size)),
        reference=config.reference,
        logging=config.logging,
    )


def _accelerated() -> str:
    """MJX on Warp where that is installed, three times as fast as MJX on JAX alone (docs/performance.md)."""
    return "mjx-warp" if importlib.util.find_spec("warp") else "mjx"


def _fields(section: EnvConfig | PPOConfig | AMPConfig, **resolved: int | str) -> dict[str, Any]:
    """Every setting of a section, some of them `resolved`."""
    return {field.name: getattr(section, field.name) for field in dataclasses.fields(section)} | resolved


def _pick(value: int | str, automatic: int) -> int:
    return value if isinstance(value, int) else automatic
