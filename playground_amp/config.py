"""The configuration: frozen dataclasses, one sentence under each field; a YAML file and overrides fill them.

`load_config` reads a file of `configs/` or any path; every mistake is one sentence naming file, key and choices.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, get_type_hints

import yaml
from annotated_types import Ge, Gt, Le, Len, Lt
from pydantic import ConfigDict, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

from playground_amp.errors import InputError, nearest

CONFIGS = Path("configs")

Auto = Literal["auto"]
PositiveInt = Annotated[int, Gt(0)]
Count = Annotated[int, Ge(0)]
Positive = Annotated[float, Gt(0.0)]
NonNegative = Annotated[float, Ge(0.0)]
Share = Annotated[float, Ge(0.0), Le(1.0)]
Discount = Annotated[float, Gt(0.0), Lt(1.0)]
Range = tuple[float, float]
Widths = Annotated[tuple[PositiveInt, ...], Len(1)]

frozen = dataclass(frozen=True, config=ConfigDict(extra="forbid", strict=False))


@frozen
class EnvConfig:
    """The robot, its physics, the task and how episodes start and end."""

    robot: str = "wildrobot"
    """Name of the robot, a folder of playground_amp/robots."""
    physics: Literal["auto", "native", "mjx"] = "auto"
    """Physics engine: native is MuJoCo on CPU threads, mjx its JAX version; auto picks mjx on an accelerator."""
    num_envs: PositiveInt | Auto = "auto"
    """Robots simulated at once; auto is 256 on a CPU and 4096 on an accelerator."""
    control_dt: Positive = 0.02
    """Seconds between two actions; a whole multiple of the robot's simulation time step."""
    episode_length: PositiveInt = 500
    """Control steps after which an episode is cut off; the value of the last state is bootstrapped."""
    action_scale: Positive = 0.4
    """Servo targets are the mean reference pose plus this times the action, rad."""
    command_speed: Range = (0.4, 0.7)
    """Lowest and highest forward speed asked for, m/s."""
    command_interval: PositiveInt = 250
    """Control steps after which a robot gets a new command."""
    reference_start_share: Share = 0.9
    """Share of the episodes that start on a frame of the clips; the others start standing."""
    start_noise: NonNegative = 0.04
    """Half range of the uniform noise on the joints at the start, rad."""
    min_height: NonNegative = 0.33
    """The episode ends when the root is lower than this, m."""
    max_tilt: Annotated[float, Gt(0.0), Le(3.1416)] = 0.72
    """The episode ends when the root leans further than this from upright, rad."""
    speed_tolerance: Positive = 0.25
    """Variance s of the speed reward exp(-(v - command)^2 / s), (m/s)^2."""
    action_rate_cost: NonNegative = 0.02
    """Weight of the squared change of the action from step to step."""


@frozen
class PPOConfig:
    """Proximal policy optimisation (Schulman et al. 2017)."""

    seed: Count = 0
    """Seed of every random number of the run."""
    iterations: PositiveInt = 800
    """Iterations of the run: collect, score, update."""
    rollout_length: PositiveInt = 32
    """Control steps of every robot in one iteration."""
    epochs: PositiveInt = 4
    """Passes over the rollout; each sees every sample once."""
    batch_size: PositiveInt | Auto = "auto"
    """Samples of one gradient step; auto is a quarter of the rollout."""
    learning_rate: Positive = 3e-4
    """Adam's learning rate at the start."""
    learning_rate_range: Range = (1e-5, 2e-3)
    """Lowest and highest learning rate the target divergence may choose."""
    target_kl: NonNegative = 0.012
    """Divergence of new from old policy which the learning rate is steered to; 0 keeps the learning rate."""
    gamma: Discount = 0.98
    """Discount of future rewards."""
    gae_lambda: Share = 0.95
    """Mix of one-step (0) and whole-episode (1) advantages."""
    clip: Positive = 0.2
    """Clip range of the probability ratio."""
    entropy_cost: NonNegative = 0.0
    """Weight of the entropy bonus."""
    value_cost: NonNegative = 0.5
    """Weight of the value loss."""
    max_gradient_norm: Positive = 1.0
    """Gradients longer than this are shortened."""


@frozen
class NetworksConfig:
    """Shapes of actor and critic."""

    actor: Widths = (128, 128)
    """Hidden layers of the actor."""
    critic: Widths = (128, 128)
    """Hidden layers of the critic."""
    initial_log_std: float = -1.0
    """Logarithm of the action's standard deviation at the start."""


@frozen
class AMPConfig:
    """The adversarial motion prior (Peng et al. 2021)."""

    style_weight: NonNegative = 0.7
    """Weight of the discriminator's reward; 0 trains the task alone and never updates the discriminator."""
    task_weight: NonNegative = 0.3
    """Weight of the task reward."""
    window: PositiveInt = 1
    """Feature frames in one input of the discriminator."""
    hidden: Widths = (512, 256)
    """Hidden layers of the discriminator."""
    loss: Literal["lsgan"] = "lsgan"
    """Loss of the discriminator: lsgan has the targets 1 (reference) and 0 (policy)."""
    reward: Literal["clipped_linear"] = "clipped_linear"
    """Style reward: clipped_linear is clip(D, 0, 1)."""
    r1_gamma: NonNegative = 5.0
    """Weight g of the penalty g/2 |grad D|^2 on reference samples, taken at the normalised input."""
    discriminator_lr: Positive = 1e-4
    """Adam's learning rate for the discriminator."""
    adam_b1: Annotated[float, Ge(0.0), Lt(1.0)] = 0.5
    """Adam's first decay rate for the discriminator; low, because its target moves."""
    update_steps: PositiveInt = 2
    """Discriminator updates in one iteration."""
    batch_size: PositiveInt | Auto = "auto"
    """Reference samples, and as many policy samples, of one update; auto is 512 on a CPU and 4096 on an accelerator."""
    replay_size: PositiveInt | Auto = "auto"
    """Policy samples kept from earlier iterations; auto is 50,000 on a CPU and 400,000 on an accelerator."""
    replay_share: Share = 0.5
    """Share of an update's policy samples that comes from the replay buffer."""
    input_noise: NonNegative = 0.2
    """Standard deviation of the noise on the discriminator's normalised inputs while it learns (at the start)."""
    input_noise_range: Range = (0.02, 0.8)
    """Lowest and highest noise the target accuracy may choose."""
    target_accuracy: Annotated[float, Ge(0.0), Lt(1.0)] = 0.72
    """Accuracy which the noise is steered to; 0 keeps the noise."""


@frozen
class ReferenceConfig:
    """The motion to learn from."""

    clips: Annotated[tuple[str, ...], Len(1)] = ("data/wildrobot",)
    """Clips, folders of clips, or patterns with *, made by scripts/retarget.py."""
    mirror: bool = True
    """Also use every clip reflected left to right."""


@frozen
class LoggingConfig:
    """What is written down, and how often."""

    run_name: str = ""
    """Name of the run's folder in runs/; empty takes the configuration's name and the time."""
    interval: PositiveInt = 5
    """Iterations in one call of the device, and from one progress line to the next."""
    checkpoint_interval: PositiveInt = 100
    """Iterations from one checkpoint to the next."""
    checkpoints_kept: PositiveInt = 3
    """Newest checkpoints kept."""
    wandb: Literal["auto", "online", "offline", "off"] = "auto"
    """auto logs online when logged in to wandb and offline otherwise."""
    wandb_project: str = "playground_amp"
    """Project in wandb."""
    evaluation_episodes: Count = 64
    """Fresh episodes of the mean policy at the end; 0 skips evaluation, video and report."""
    video_seconds: NonNegative = 8.0
    """Length of the video at the end; 0 makes none."""


@frozen
class Config:
    """Everything a run needs."""

    env: EnvConfig = dataclasses.field(default_factory=EnvConfig)
    ppo: PPOConfig = dataclasses.field(default_factory=PPOConfig)
    networks: NetworksConfig = dataclasses.field(default_factory=NetworksConfig)
    amp: AMPConfig = dataclasses.field(default_factory=AMPConfig)
    reference: ReferenceConfig = dataclasses.field(default_factory=ReferenceConfig)
    logging: LoggingConfig = dataclasses.field(default_factory=LoggingConfig)


def load_config(name_or_path: str, overrides: Sequence[str] = ()) -> Config:
    """Read a configuration by its name in `configs/` or by path and apply `section.key=value` overrides."""
    path = find_config(name_or_path)
    values = read_yaml(path)
    for override in overrides:
        _apply(values, override)
    return build(values, str(path))


def find_config(name_or_path: str) -> Path:
    """Path of a configuration; raises InputError with the names that exist."""
    for path in (Path(name_or_path), CONFIGS / name_or_path, CONFIGS / f"{name_or_path}.yaml"):
        if path.is_file():
            return path
    names = [path.name for path in CONFIGS.glob("*.yaml")]
    raise InputError(f"there is no configuration '{name_or_path}'; {nearest(name_or_path, names)}")


def build(values: dict[str, Any], source: str) -> Config:
    """Check `values` and make the configuration; every mistake becomes one sentence of the InputError."""
    try:
        config = TypeAdapter(Config).validate_python(values)
    except ValidationError as error:
        raise InputError("\n".join(_sentences(error, source))) from None
    _check_ranges(config, source)
    return config


def to_dict(config: Config) -> dict[str, Any]:
    """Plain nested dictionary of lists, numbers and strings, as YAML stores it."""
    return TypeAdapter(Config).dump_python(config, mode="json")


def resolve(config: Config, *, accelerator: bool) -> Config:
    """Replace every `auto` by the number it stands for on this machine."""
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
        physics = "mjx" if accelerator else "native"
    amp = dataclasses.replace(
        config.amp,
        batch_size=_pick(config.amp.batch_size, 4096 if accelerator else 512),
        replay_size=_pick(config.amp.replay_size, 400_000 if accelerator else 50_000),
    )
    return dataclasses.replace(
        config,
        env=dataclasses.replace(config.env, num_envs=num_envs, physics=physics),
        ppo=dataclasses.replace(config.ppo, batch_size=batch_size),
        amp=amp,
    )


def _pick(value: int | Auto, automatic: int) -> int:
    return automatic if value == "auto" else value


def _check_ranges(config: Config, source: str) -> None:
    for section, key in (
        ("env", "command_speed"),
        ("ppo", "learning_rate_range"),
        ("amp", "input_noise_range"),
    ):
        low, high = getattr(getattr(config, section), key)
        if low > high:
            raise InputError(f"{source}: {section}.{key} is [{low}, {high}]; the lower end must come first")


class _Loader(yaml.SafeLoader):
    """YAML 1.2 numbers (3e-4 is a number) and no duplicate keys."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict:
        seen = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if key in seen:
                raise InputError(f"line {key_node.start_mark.line + 1}: the key '{key}' appears twice")
            seen.add(key)
        return super().construct_mapping(node, deep)


_Loader.yaml_implicit_resolvers = {k: list(v) for k, v in yaml.SafeLoader.yaml_implicit_resolvers.items()}
for _first in "-+0123456789.":
    _Loader.yaml_implicit_resolvers.setdefault(_first, []).insert(
        0, ("tag:yaml.org,2002:float", re.compile(r"^[-+]?(\d+\.?\d*|\.\d+)[eE][-+]?\d+$"))
    )


def read_yaml(path: Path) -> dict[str, Any]:
    """Sections of a YAML file; raises InputError naming file and line."""
    try:
        values = yaml.load(path.read_text(), _Loader)
    except InputError as error:
        raise InputError(f"{path}, {error}") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        mark = getattr(error, "problem_mark", None)
        place = f", line {mark.line + 1}" if mark else ""
        raise InputError(f"{path}{place}: not valid YAML ({getattr(error, 'problem', None) or 'not text'})") from None
    if values is None:
        return {}
    if not isinstance(values, dict) or not all(isinstance(v, dict | None) for v in values.values()):
        raise InputError(f"{path}: expected the sections {', '.join(_keys(Config))}, each with 'key: value' lines")
    return {section: dict(content or {}) for section, content in values.items()}


def _apply(values: dict[str, Any], override: str) -> None:
    key, equals, text = override.partition("=")
    section, dot, field = key.strip().partition(".")
    if not (equals and dot and field):
        raise InputError(f"--set {override}: expected section.key=value, for example amp.discriminator_lr=5e-5")
    try:
        value = yaml.load(text, _Loader)
    except yaml.YAMLError:
        raise InputError(f"--set {override}: '{text}' is not a YAML value") from None
    values.setdefault(section, {})[field] = value


def _keys(cls: type) -> list[str]:
    return [field.name for field in dataclasses.fields(cls)]


def _sentences(error: ValidationError, source: str) -> list[str]:
    """One sentence a mistake; the branches of a union report one mistake together."""
    mistakes: dict[str, list[dict]] = {}
    for mistake in error.errors():
        path = ".".join(str(part) for part in mistake["loc"][:2])
        mistakes.setdefault(path, []).append(mistake)
    return [_sentence(path, group, source) for path, group in mistakes.items()]


def _sentence(path: str, group: list[dict], source: str) -> str:
    section, _, field = path.partition(".")
    sections = get_type_hints(Config)
    if section not in sections:
        return f"{source}: there is no section '{section}'; {nearest(section, sections)}"
    if field and field not in _keys(sections[section]):
        homes = [name for name, cls in sections.items() if field in _keys(cls)]
        hint = f"it belongs to '{homes[0]}'" if homes else nearest(field, _keys(sections[section]))
        return f"{source}: there is no key '{path}'; {hint}"
    wanted = " or ".join(dict.fromkeys(_wanted(mistake) for mistake in group))
    return f"{source}: {path} is {group[0]['input']!r}; expected {wanted}"


def _wanted(mistake: dict) -> str:
    message = mistake["msg"].removeprefix("Input should be ").removeprefix("a valid ")
    return re.sub(r", (unable|got).*", "", message)
