"""The settings: frozen dataclasses, one sentence under each field.

A `Config` may hold `auto`; a `ResolvedConfig` has the numbers of this machine in its place, and an environment those
of its robot and clips.
"""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Mapping
from typing import Annotated, Any, Literal, TypeVar

from annotated_types import Ge, Gt, Le, Len, Lt
from pydantic import ConfigDict, PlainSerializer
from pydantic.dataclasses import dataclass

from playground_amp.config.yaml_schema import Duration, Flag, LowestFirst, Number, OneIsList, Whole
from playground_amp.core.terms import FeatureGroup

frozen = dataclass(frozen=True, config=ConfigDict(extra="forbid"))


Seed = Annotated[Whole, Ge(0), Le(2**32 - 1)]
PositiveInt = Annotated[Whole, Gt(0)]
Count = Annotated[Whole, Ge(0)]
Positive = Annotated[Number, Gt(0.0)]
NonNegative = Annotated[Number, Ge(0.0)]
Share = Annotated[Number, Ge(0.0), Le(1.0)]
Discount = Annotated[Number, Gt(0.0), Lt(1.0)]
Fraction = Annotated[Number, Ge(0.0), Lt(1.0)]
Range = Annotated[tuple[Number, Number], LowestFirst]
PositiveRange = Annotated[tuple[Positive, Positive], LowestFirst]
NonNegativeRange = Annotated[tuple[NonNegative, NonNegative], LowestFirst]
Delay = Annotated[Whole, Ge(0), Le(10)]
DelayRange = Annotated[tuple[Delay, Delay], LowestFirst]
Widths = Annotated[tuple[PositiveInt, ...], Len(1)]
Speed = Annotated[Number, Ge(-20.0), Le(20.0)]


@frozen
class ClipSource:
    """An entry of reference.clips: motion to learn from, what gait it is, and how it counts."""

    path: str
    """A clip, a folder of clips, or a pattern with *."""
    label: str = ""
    """Name of the gait, such as walk, run, turn or stand; one network tells them apart with amp.condition."""
    weight: Positive = 1.0
    """How often a second of its motion is shown, compared with a second of an entry of weight 1."""
    speed: Speed | None = None
    """Forward speed that its clips count as where a speed is asked for, m/s; without it, the speed they go at."""


def said_of_clips(source: ClipSource) -> dict[str, str | float]:
    """What an entry says about its clips, without what is as it would be unsaid."""
    unsaid = {field.name: field.default for field in dataclasses.fields(source) if field.name != "path"}
    return {name: getattr(source, name) for name, value in unsaid.items() if getattr(source, name) != value}


def _shortest(source: ClipSource) -> str | dict[str, str | float]:
    """As a YAML file would have it."""
    said = said_of_clips(source)
    return {"path": source.path, **said} if said else source.path


Clips = Annotated[tuple[Annotated[ClipSource, PlainSerializer(_shortest)], ...], Len(1), OneIsList]
AUTO: Literal["auto"] = "auto"  # until `resolve` puts the number of this machine in its place
Size = PositiveInt | Literal["auto"]


@frozen
class CommandConfig:
    """What the robots are asked for: a velocity and a turning in the heading frame, anew every few seconds."""

    forward: Range | Literal["auto"] = AUTO
    """Lowest and highest velocity ahead, m/s, negative backward; auto is what the clips walk at."""
    sideways: Range | Literal["auto"] = (0.0, 0.0)
    """Lowest and highest velocity to the left, m/s; auto is what the clips walk at."""
    turn: Range | Literal["auto"] = (0.0, 0.0)
    """Lowest and highest turning to the left, rad/s; auto is how the clips turn."""
    stand_share: Share = 0.0
    """Share of the commands that are zero: to stand."""
    clip_share: Share | Literal["auto"] = AUTO
    """Share of the others that are what the clips do at some moment, and a little noise; the rest is drawn evenly from
    the ranges. auto is 0.7, and 0 where nothing but the velocity ahead is asked for."""
    resample: PositiveInt = 250
    """Control steps after which a robot gets a new command."""
    retry_share: Share = 0.0
    """Share of the robots that fell which are asked for the same again: what is hard is then asked for more often."""


@frozen
class RandomizeConfig:
    """Domain randomization: what differs from robot to robot, drawn evenly at every restart; nothing by default."""

    friction: PositiveRange = (1.0, 1.0)
    """Factor on the sliding friction of ground and feet."""
    mass: PositiveRange = (1.0, 1.0)
    """Factor on mass and inertia of all bodies, one for the whole robot."""
    center_of_mass: NonNegative = 0.0
    """Largest shift of the centre of mass of the heaviest body along each of its axes, m."""
    stiffness: PositiveRange = (1.0, 1.0)
    """Factor on the stiffness of the servos, one for each joint."""
    damping: PositiveRange = (1.0, 1.0)
    """Factor on the damping of the servos, one for each joint."""
    armature: PositiveRange = (1.0, 1.0)
    """Factor on the rotor inertia of the servos, one for each joint."""
    torque_limit: PositiveRange = (1.0, 1.0)
    """Factor on the largest torque of the servos, one for the whole robot, as its battery would have it."""
    slope: Annotated[Number, Ge(0.0), Le(0.5)] = 0.0
    """Steepest slope of the ground, in any direction, rad; gravity is tilted instead, which is the same."""
    push: NonNegativeRange = (0.0, 0.0)
    """Lowest and highest change of the root's velocity by a push in a random horizontal direction, m/s."""
    push_interval: PositiveInt = 100
    """Control steps from one push of an episode to the next."""
    action_delay: DelayRange = (0, 0)
    """Fewest and most control steps from an action to the servos."""
    observation_delay: DelayRange = (0, 0)
    """Fewest and most control steps from the sensors to the policy."""
    gravity_noise: NonNegative = 0.0
    """Standard deviation of the direction of gravity about each axis at every step, rad."""
    gravity_bias: NonNegative = 0.0
    """Largest constant error of the direction of gravity about each axis, rad."""
    gyro_noise: NonNegative = 0.0
    """Standard deviation of the angular velocity at every step, rad/s."""
    gyro_bias: NonNegative = 0.0
    """Largest constant error of the angular velocity, rad/s."""
    encoder_noise: NonNegative = 0.0
    """Standard deviation of the joint positions at every step, rad."""
    encoder_bias: NonNegative = 0.0
    """Largest constant error of the joint positions, rad."""
    joint_velocity_noise: NonNegative = 0.0
    """Standard deviation of the joint velocities at every step, rad/s."""
    joint_velocity_bias: NonNegative = 0.0
    """Largest constant error of the joint velocities, rad/s."""


@frozen
class EnvConfig:
    """The robot, its physics, the task and how episodes start and end."""

    robot: str = "wildrobot"
    """A shipped robot, the path of a robot's YAML file, or one of mujoco-menagerie, such as unitree_g1."""
    task: str = "walk"
    """What the robots are asked to do: walk, or package.module:Class of your own (docs/tasks.md)."""
    physics: Literal["auto", "native", "mjx", "mjx-warp"] = "auto"
    """Physics engine: native (MuJoCo on CPU threads), mjx (JAX) or mjx-warp (NVIDIA Warp); auto is the fastest one."""
    num_envs: Size = AUTO
    """Robots simulated at once; auto is 256 on a CPU and 4096 on an accelerator."""
    control_dt: Positive = 0.02
    """Seconds between two actions; a whole multiple of the robot's simulation time step."""
    episode_length: PositiveInt = 500
    """Control steps after which an episode is cut off; the value of the last state is bootstrapped."""
    action_scale: Positive | tuple[Positive, ...] | Literal["auto"] = AUTO
    """Servo targets are the mean pose of the clips plus this times the action, rad; one number, or one a joint."""
    command: CommandConfig = CommandConfig()
    """What the robots are asked for."""
    reference_start_share: Share = 0.9
    """Share of the episodes that start on a frame of the clips; the others start standing."""
    start_noise: NonNegative = 0.04
    """Half range of the uniform noise on the joints at the start, rad."""
    min_height: NonNegative | Literal["auto"] = AUTO
    """The episode ends when the root is lower than this, m; auto is 0.74 of its height when it stands."""
    max_tilt: Annotated[Number, Gt(0.0), Le(3.1416)] = 0.72
    """The episode ends when the root leans further than this from upright, rad."""
    speed_tolerance: Positive | Literal["auto"] = AUTO
    """Variance s of the reward exp(-(v - command)^2 / s) of velocities, (m/s)^2; auto is 0.24 for each m of the leg."""
    turn_tolerance: Positive = 0.2
    """Variance s of the reward exp(-(w - command)^2 / s) for the mean turning, (rad/s)^2."""
    action_rate_cost: NonNegative = 0.02
    """Weight of the squared change of the action from step to step."""
    history: Annotated[Whole, Ge(1), Le(32)] = 1
    """Observations that the actor sees at once, of this control step and those before it."""
    randomize: RandomizeConfig = RandomizeConfig()
    """What differs from robot to robot."""


@frozen
class PPOConfig:
    """Proximal policy optimisation (Schulman et al. 2017)."""

    seed: Seed = 0
    """Seed of every random number of the run."""
    iterations: PositiveInt = 800
    """Iterations of the run: collect, score, update."""
    rollout_length: PositiveInt = 32
    """Control steps of every robot in one iteration."""
    epochs: PositiveInt = 4
    """Passes over the rollout; each sees every sample once."""
    batch_size: Size = AUTO
    """Samples of one gradient step; auto is a quarter of the rollout."""
    learning_rate: Positive = 3e-4
    """Adam's learning rate at the start."""
    learning_rate_range: PositiveRange = (1e-5, 2e-3)
    """Lowest and highest learning rate the target divergence may choose."""
    target_kl: NonNegative = 0.012
    """Divergence of new from old policy which the learning rate is steered to; 0 keeps the learning rate."""
    target_kl_half_life: Count = 0
    """Iterations in which that divergence halves; 0: never. Large steps find a gait, small ones make it sure."""
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
    mirror: Flag = False
    """Whether the policy also learns from the mirror image of every sample."""


@frozen
class NetworksConfig:
    """Shapes of actor and critic."""

    actor: Widths = (128, 128)
    """Hidden layers of the actor."""
    critic: Widths = (128, 128)
    """Hidden layers of the critic."""
    initial_log_std: Number = -1.0
    """Logarithm of the action's standard deviation at the start."""
    symmetric: Flag = True
    """Whether the policy answers the mirror image of an observation with the mirror image of its action."""


@frozen
class AMPConfig:
    """The adversarial motion prior (Peng et al. 2021)."""

    style_weight: NonNegative = 0.7
    """Weight of the discriminator's reward; 0 trains the task alone and never updates the discriminator."""
    task_weight: NonNegative = 0.3
    """Weight of the task reward."""
    preset: str = "none"
    """Settings of a known method, a file of configs/presets; a file's own keys and --set go over them."""
    loss: Literal["lsgan", "vanilla", "hinge", "wasserstein"] = "lsgan"
    """Loss of the discriminator; which rewards belong to it stands in docs/discriminators.md."""
    targets: tuple[Number, Number, Number] = (0.0, 1.0, 1.0)
    """[a, b, c] of lsgan: scores of policy and reference that are aimed at, and the score rewarded in full."""
    label_smoothing: Share = 0.0
    """Share of the way from b (or probability 1) back to the policy's label that the reference's label is moved."""
    reward: Literal["clipped_linear", "quadratic", "sigmoid", "gail", "softplus", "linear"] = "clipped_linear"
    """Style reward of the score D; clipped_linear is clip(D, 0, 1)."""
    warm_up: Count = 0
    """Iterations in which the discriminator learns and its reward does not count yet."""
    window: Annotated[Whole, Ge(1), Le(16)] = 1
    """Feature frames in one input of the discriminator."""
    dilation: PositiveInt = 1
    """Control steps from one frame of the window to the next."""
    feature_weights: dict[FeatureGroup, NonNegative] = dataclasses.field(default_factory=dict)
    """Factor on normalised features by group; 0 drops the group, groups not named have 1."""
    condition: Literal["none", "label", "command", "both"] = "none"
    """What the discriminator is told beside the motion; with label, the policy is told the label, too."""
    mirror_policy: Flag = False
    """Whether half of the policy's samples, drawn at random, are shown to the discriminator mirrored."""
    trunk: Literal["mlp", "convolution", "patches"] = "mlp"
    """Network of the discriminator: all at once, convolutions over time, or a head for each body part and patch."""
    patch_frames: PositiveInt = 1
    """Frames that a head of the trunk patches sees at once."""
    hidden: Widths = (512, 256)
    """Hidden layers of the discriminator."""
    activation: Literal["elu", "relu", "leaky_relu"] = "elu"
    """Activation of its hidden layers."""
    normalization: Literal["none", "layer", "spectral"] = "none"
    """Layer norm after each hidden layer, or spectral norm of all weights."""
    dropout: Fraction = 0.0
    """Share of hidden units left out at random while it learns."""
    minibatch_deviation: Flag = False
    """Whether its last layer sees the spread of the batch, too."""
    r1_gamma: NonNegative = 1.0
    """Weight g of the penalty g/2 |grad D|^2 on reference samples, taken at the normalised, noisy input."""
    r2_gamma: NonNegative = 0.0
    """Weight of the same penalty on the policy's samples."""
    gp_weight: NonNegative = 0.0
    """Weight of the penalty (|grad D| - gp_target)^2 on samples between reference and policy."""
    gp_target: NonNegative = 1.0
    """Slope that gp_weight holds the discriminator to."""
    logit_decay: NonNegative = 0.0
    """Weight of the squared weights of the output layer."""
    weight_decay: NonNegative = 0.0
    """Weight of the squared weights of all layers."""
    discriminator_lr: Positive = 1e-4
    """Adam's learning rate for the discriminator."""
    adam_b1: Fraction = 0.5
    """Adam's first decay rate for the discriminator; low, because its target moves."""
    adam_b2: Fraction = 0.999
    """Adam's second decay rate for the discriminator."""
    update_steps: PositiveInt = 2
    """Discriminator updates in one iteration."""
    update_every: PositiveInt = 1
    """Iterations from one with discriminator updates to the next."""
    batch_size: Size = AUTO
    """Reference samples, and as many policy samples, of one update; auto is 512 on a CPU and 4096 on an accelerator."""
    replay_size: Size = AUTO
    """Policy samples kept from earlier iterations; auto is 50,000 on a CPU and 400,000 on an accelerator."""
    replay_share: Fraction = 0.5
    """Share of an update's policy samples from the replay buffer; below 1, as the fresh ones give the metrics."""
    input_noise: NonNegative = 0.2
    """Standard deviation of the noise on the discriminator's normalised inputs while it learns."""
    noise_half_life: Count = 0
    """Iterations in which the noise falls to half; 0 keeps it."""
    control: Literal["off", "input_noise", "r1_gamma", "discriminator_lr", "update_steps"] = "input_noise"
    """Which setting the controller changes to hold the target accuracy; off leaves all as they are."""
    control_range: PositiveRange = (0.1, 2.0)
    """Lowest and highest factor by which the controller may weaken the discriminator; 1 is the setting as given."""
    target_accuracy: Annotated[Number, Gt(0.5), Lt(1.0)] = 0.72
    """Accuracy which the controller holds."""


@frozen
class ReferenceConfig:
    """The motion to learn from."""

    clips: Clips = (ClipSource("data/wildrobot"),)
    """Clips of playground-amp retarget, folders, patterns with *; {path, label, weight, speed} says what they are."""
    mirror: Flag = True
    """Also use every clip reflected left to right."""
    follow_command: Flag = False
    """Whether the policy's samples are compared with reference samples near the speeds that were asked for."""


@frozen
class LoggingConfig:
    """What is written down, and how often."""

    run_name: str = ""
    """Name of the run's folder in runs/; empty takes the configuration's name and the time."""
    interval: PositiveInt = 5
    """Iterations in one call of the device, and from one progress line to the next."""
    checkpoint_interval: PositiveInt | Duration = 100
    """From one checkpoint to the next: iterations, or a time such as 90s, 15m or 1h."""
    checkpoints_kept: PositiveInt = 3
    """Newest checkpoints kept; the one with the best score is kept always."""
    stop_on_collapse: Flag = False
    """Whether a run ends as soon as its health says that it is dead."""
    wandb: Literal["auto", "online", "offline", "off"] = "auto"
    """auto logs online when logged in to wandb and offline otherwise."""
    wandb_project: str = "playground_amp"
    """Project in wandb."""
    evaluation_episodes: Count = 64
    """Fresh episodes of the mean policy at the end; 0 skips evaluation, video and report."""
    video_seconds: NonNegative = 8.0
    """Length of the video at the end; 0 makes none."""
    video_interval: Count = 0
    """Iterations from one video of the policy while it trains to the next; 0 makes none."""


@frozen
class Config:
    """Everything a run needs."""

    env: EnvConfig = dataclasses.field(default_factory=EnvConfig)
    ppo: PPOConfig = dataclasses.field(default_factory=PPOConfig)
    networks: NetworksConfig = dataclasses.field(default_factory=NetworksConfig)
    amp: AMPConfig = dataclasses.field(default_factory=AMPConfig)
    reference: ReferenceConfig = dataclasses.field(default_factory=ReferenceConfig)
    logging: LoggingConfig = dataclasses.field(default_factory=LoggingConfig)


resolved = dataclass(frozen=True, kw_only=True, config=ConfigDict(extra="forbid"))


@resolved
class FittedCommandConfig(CommandConfig):
    """CommandConfig with the numbers of the clips."""

    forward: Range
    sideways: Range
    turn: Range
    clip_share: Share


@resolved
class FittedEnvConfig(EnvConfig):
    """EnvConfig with the numbers of a robot and its clips: what an environment has."""

    action_scale: Positive | tuple[Positive, ...]
    command: FittedCommandConfig
    min_height: NonNegative
    speed_tolerance: Positive


@resolved
class ResolvedEnvConfig(EnvConfig):
    """EnvConfig without `auto` of this machine; that of the robot stays until robot and clips are known."""

    physics: Literal["native", "mjx", "mjx-warp"]
    num_envs: PositiveInt


@resolved
class ResolvedPPOConfig(PPOConfig):
    """PPOConfig without `auto`."""

    batch_size: PositiveInt


@resolved
class ResolvedAMPConfig(AMPConfig):
    """AMPConfig without `auto`."""

    batch_size: PositiveInt
    replay_size: PositiveInt


@resolved
class ResolvedConfig(Config):
    """A configuration with the numbers of this machine: made by `config.resolve`, read by everything that computes."""

    env: ResolvedEnvConfig
    ppo: ResolvedPPOConfig
    amp: ResolvedAMPConfig

    @property
    def steps_per_iteration(self) -> int:
        """Environment steps of all robots in one iteration."""
        return self.env.num_envs * self.ppo.rollout_length


C = TypeVar("C", bound=Config)


def is_number(value: Any) -> bool:
    """Whether a setting is known before the computation runs: a sweep has arrays in the place of numbers."""
    return isinstance(value, int | float)


def is_enabled(weight: Any) -> bool:
    """Whether a weight may be above zero: a term that surely has none is left out of the computation."""
    return not is_number(weight) or weight > 0


def asks_for_every_way(command: CommandConfig) -> bool:
    """Whether anything but a speed ahead is asked for; a range that is traced is taken to be asked for."""
    sides = (command.sideways, command.turn)
    return any(not isinstance(side, tuple) or any(not is_number(x) or x != 0.0 for x in side) for side in sides) or (
        is_enabled(command.stand_share)
    )


def asks_for_gaits(amp: AMPConfig) -> bool:
    """Whether the robots are asked for gaits, by the labels of the clips."""
    return amp.condition in ("label", "both")


def with_hyperparams(config: C, numbers: Mapping[str, Any]) -> C:
    """`config` with other values for keys such as 'amp.r1_gamma', unchecked: they may be traced arrays."""
    changed = copy.copy(config)
    for name, value in numbers.items():
        _put(changed, name.split("."), value)
    return changed


def _put(config: Any, path: list[str], value: Any) -> None:
    """Set what is at a path in a dataclass, copying all on the way."""
    if len(path) > 1:
        content = copy.copy(getattr(config, path[0]))
        _put(content, path[1:], value)
        value = content
    object.__setattr__(config, path[0], value)  # frozen for everyone else, and validated numbers are no arrays
