"""The grid of a sweep: which settings may differ between its members, and the configuration of each of them."""

from __future__ import annotations

import dataclasses
import functools
import itertools
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp

from playground_amp.builder import resolve_quietly
from playground_amp.config import RENAMED, Config, ResolvedConfig, load_config, to_dict
from playground_amp.core.errors import InputError, nearest
from playground_amp.envs.env import Env
from playground_amp.envs.robot_settings import fit_to_robot

SEED = "ppo.seed"  # swept by the random key
SWEEPABLE = (  # numbers that decide no size and nothing of what is computed
    "env.episode_length",
    "env.action_scale",
    "env.command.forward",
    "env.command.sideways",
    "env.command.turn",
    "env.command.stand_share",
    "env.command.clip_share",
    "env.command.resample",
    "env.command.retry_share",
    "env.reference_start_share",
    "env.start_noise",
    "env.min_height",
    "env.max_tilt",
    "env.speed_tolerance",
    "env.turn_tolerance",
    "env.action_rate_cost",
    SEED,
    "ppo.learning_rate",
    "ppo.learning_rate_range",
    "ppo.target_kl",
    "ppo.target_kl_half_life",
    "ppo.gamma",
    "ppo.gae_lambda",
    "ppo.clip",
    "ppo.entropy_cost",
    "ppo.value_cost",
    "ppo.max_gradient_norm",
    "amp.style_weight",
    "amp.task_weight",
    "amp.label_smoothing",
    "amp.warm_up",
    "amp.r1_gamma",
    "amp.r2_gamma",
    "amp.gp_weight",
    "amp.gp_target",
    "amp.logit_decay",
    "amp.weight_decay",
    "amp.discriminator_lr",
    "amp.adam_b1",
    "amp.adam_b2",
    "amp.update_every",
    "amp.input_noise",
    "amp.noise_half_life",
    "amp.control_range",
    "amp.target_accuracy",
)
OFF = {  # what 0 means: never halves; no divergence compares
    "amp.noise_half_life": math.inf,
    "ppo.target_kl_half_life": math.inf,
    "ppo.target_kl": math.nan,
}
EXAMPLE = "--grid amp.r1_gamma=0.5,1,5"
COMMA = re.compile(r",(?![^\[]*\])")  # that is in no [lowest, highest]


@dataclass(frozen=True)
class Member:
    """One setting of the grid."""

    name: str  # such as r1_gamma=0.5,seed=1
    config: ResolvedConfig


def make_members(config_name: str, overrides: Sequence[str], grid: Sequence[str]) -> list[Member]:
    """All combinations of the values of a grid, each a valid configuration."""
    choices = parse_grid(grid)
    members = [
        _member(config_name, overrides, dict(zip(choices, values, strict=True)))
        for values in itertools.product(*choices.values())
    ]
    names = [member.name for member in members]
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise InputError(f"--grid has '{twice}' twice; give every value once")
    return members


def _member(config_name: str, overrides: Sequence[str], values: dict[str, str]) -> Member:
    own = [f"{key}={value}" for key, value in values.items()]
    config = resolve_quietly(load_config(config_name, [*overrides, *own]))
    return Member(",".join(f"{key.rpartition('.')[2]}={_show(setting(config, key))}" for key in values), config)


def fitted(config: ResolvedConfig, env: Env) -> ResolvedConfig:
    """A configuration with the numbers of the robot and the clips, which are the same for all members."""
    return dataclasses.replace(config, env=fit_to_robot(config.env, env.robot, env.reference))


def _show(value: Any) -> str:
    """A number, or lowest..highest, fit for the name of a folder."""
    return "..".join(map(_show, value)) if isinstance(value, tuple) else str(value).removesuffix(".0")


def parse_grid(grid: Sequence[str]) -> dict[str, list[str]]:
    """Key -> values as written, of entries such as 'amp.r1_gamma=0.5,1,5'; raises InputError in one sentence."""
    choices: dict[str, list[str]] = {}
    for entry in grid:
        key, _, text = (part.strip() for part in entry.partition("="))
        values = [value.strip() for value in COMMA.split(text)]
        if not key or not all(values):
            raise InputError(f"--grid {entry}: expected section.key=VALUE,VALUE,..., for example {EXAMPLE}")
        if key not in SWEEPABLE:
            raise InputError(f"--grid {entry}: {_why_not(key)}; {nearest(key, SWEEPABLE)}")
        if key in choices:
            raise InputError(f"--grid {entry}: '{key}' is given twice; list all its values in one, as in {EXAMPLE}")
        choices[key] = values
    if not choices:
        raise InputError(f"there is nothing to sweep; give one or more lists of values, for example {EXAMPLE}")
    return choices


def _why_not(key: str) -> str:
    section, _, name = key.partition(".")
    if name in to_dict(Config()).get(section, {}):
        return f"'{key}' is no number of the computation, or decides its sizes, and cannot be swept"
    return f"there is no setting '{key}'" + (f": it is called {RENAMED[key]} now" if key in RENAMED else "")


def setting(config: Config, key: str) -> Any:
    """The value of a key such as 'amp.r1_gamma'."""
    return functools.reduce(getattr, key.split("."), config)


def numbers(configs: Sequence[ResolvedConfig]) -> dict[str, jax.Array]:
    """Settings that differ, seeds apart: key -> values [P], or [P, 2] of a range."""
    columns = {key: [traced(config, key) for config in configs] for key in SWEEPABLE if key != SEED}
    scales = columns["env.action_scale"]
    if joints := max((len(scale) for scale in scales if isinstance(scale, tuple)), default=0):
        columns["env.action_scale"] = [one if isinstance(one, tuple) else (one,) * joints for one in scales]
    return {key: jnp.asarray(values) for key, values in columns.items() if len(set(values)) > 1}


def traced(config: ResolvedConfig, key: str) -> Any:
    """The value of a setting for a computation that cannot ask whether it is 0."""
    if key == "ppo.learning_rate_range" and config.ppo.target_kl == 0:
        return 0.0, math.inf  # a learning rate that is kept is not cut, either
    value = setting(config, key)
    return OFF.get(key, value) if value == 0 else value
