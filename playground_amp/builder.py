"""From a configuration to the algorithm: robot, clips, physics and environment, bound together."""

from __future__ import annotations

import dataclasses

import jax

from playground_amp.amp import AMP
from playground_amp.config import CommandConfig, Config, ResolvedConfig, asks_for_gaits, resolve
from playground_amp.core.devices import missing_accelerator
from playground_amp.core.errors import InputError, listed
from playground_amp.core.reporter import say
from playground_amp.envs.env import Env
from playground_amp.envs.physics import make_physics
from playground_amp.envs.robot_settings import fit_to_robot, in_words, is_auto, speeds_of_clips
from playground_amp.envs.task import find_task
from playground_amp.motion.reference import Reference
from playground_amp.motion.reference_builder import held_out_clips, hold_fixed, load_clips, make_reference
from playground_amp.robots import Robot, load_robot


def make_amp(config: Config) -> AMP:
    """The algorithm of a configuration; raises InputError for a robot or clips that do not fit.

    One that is not resolved yet gets the numbers of this machine; the algorithm's own has those of the robot, too.
    """
    config = config if isinstance(config, ResolvedConfig) else resolve_here(config)
    task, robot = find_task(config.env.task), robot_of(config)
    if robot.held:
        say(f"held at the clips' mean: {listed(f'{joint} {one.angle:.2f} rad' for joint, one in robot.held.items())}")
    physics = make_physics(config.env.physics, robot, control_dt=config.env.control_dt)
    reference = load_reference(config, robot)
    labelled = asks_for_gaits(config.amp)
    if labelled:
        _check_gaits(config, reference)
    env = fit_to_robot(config.env, robot, reference)
    if numbers := in_words(config.env, env):
        say(f"by robot and clips: {numbers}")
    config = dataclasses.replace(config, env=env)
    return AMP(config, Env(env, robot, physics, reference, labelled=labelled, task=task))


def robot_of(config: Config) -> Robot:
    """The robot that is trained: that of `env.robot`, its fixed joints held at the mean of the clips."""
    robot = load_robot(config.env.robot)
    return hold_fixed(robot, config.reference.clips, control_dt=config.env.control_dt)


def resolve_here(config: Config) -> ResolvedConfig:
    """Every `auto` replaced by what it means on this machine, and told."""
    resolved = resolve_quietly(config)
    count, processes = jax.device_count(), jax.process_count()
    device = f"{count} x {jax.devices()[0].device_kind}" if count > 1 else jax.devices()[0].device_kind
    device += f" in {processes} processes" if processes > 1 else ""
    if missing := missing_accelerator():
        say(f"warning: training on the CPU: {missing}")
    say(
        f"{resolved.env.num_envs} robots, physics {resolved.env.physics}, PPO batches of {resolved.ppo.batch_size}, "
        f"discriminator batches of {resolved.amp.batch_size}, replay of {resolved.amp.replay_size}, on {device}"
    )
    return resolved


def resolve_quietly(config: Config) -> ResolvedConfig:
    """`resolve_here` without a word."""
    return resolve(config, accelerator=_has_accelerator())


def resolve_to_evaluate(config: Config) -> ResolvedConfig:
    """`resolve_quietly`, and in the native engine where there is no accelerator, whatever the run's was.

    The engines agree to float32 rounding, and MJX takes minutes to compile on a CPU.
    """
    resolved = resolve_quietly(config)
    if _has_accelerator() or resolved.env.physics == "native":
        return resolved
    return dataclasses.replace(resolved, env=dataclasses.replace(resolved.env, physics="native"))


def _has_accelerator() -> bool:
    return jax.default_backend() != "cpu"


def load_reference(config: ResolvedConfig, robot: Robot) -> Reference:
    """The reference of a configuration's clips."""
    sources, control_dt = config.reference.clips, config.env.control_dt
    return make_reference(
        load_clips(sources, robot, control_dt=control_dt),
        robot,
        window=(config.amp.window - 1) * config.amp.dilation + 1,
        mirror=config.reference.mirror,
        control_dt=control_dt,
        held_out=held_out_clips(sources, robot, control_dt=control_dt),
    )


def _check_gaits(config: ResolvedConfig, reference: Reference) -> None:
    """Raise InputError unless there are several gaits to ask for; say so where a setting has no part in it."""
    if len(reference.gaits.names) < 2:
        raise InputError(
            f"amp.condition is {config.amp.condition}, but reference.clips names one gait only; give at least two "
            f"labels, such as [{{path: a.npz, label: stand}}, {{path: b.npz, label: walk}}]"
        )
    command, plain = config.env.command, CommandConfig()
    idle = [name for name in ("sideways", "turn", "stand_share") if getattr(command, name) != getattr(plain, name)]
    if not is_auto(command.forward) and command.forward != speeds_of_clips(reference):
        idle.insert(0, "forward")
    if idle:
        keys, verb = listed(f"env.command.{name}" for name in idle), "has" if len(idle) == 1 else "have"
        say(f"{keys} {verb} no effect: amp.condition asks for each gait straight ahead, at the speeds of its own clips")
