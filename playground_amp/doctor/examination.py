"""From a configuration to a diagnosis: everything a run would use, looked at in turn."""

from __future__ import annotations

from pathlib import Path

import jax
import numpy as np

from playground_amp.amp import AMP
from playground_amp.builder import make_amp, resolve_quietly, resolve_to_evaluate
from playground_amp.config import Config, ResolvedConfig, asks_for_every_way
from playground_amp.core.errors import InputError
from playground_amp.doctor.clips import ClipReport, examine_clips, report_clip
from playground_amp.doctor.commands import examine_commands, ranges_of
from playground_amp.doctor.diagnosis import Diagnosis
from playground_amp.doctor.feature_consistency import examine_traces, feature_blocks
from playground_amp.doctor.finding import Finding
from playground_amp.doctor.joint_order import check_order
from playground_amp.doctor.machine import examine_machine, look_at_machine, start_rendering
from playground_amp.doctor.probes import PolicyFunction, ProbeData, gather
from playground_amp.doctor.reference import examine_fall, examine_reference
from playground_amp.doctor.separability import FeatureStats, compare
from playground_amp.motion.clip import MotionClip
from playground_amp.motion.features import feature_names
from playground_amp.motion.reference_builder import find_clips, load_clips
from playground_amp.robots import load_robot
from playground_amp.runs import run_directory
from playground_amp.runs.checkpoint import Checkpoints, tell_clips


def diagnose(config: Config, policy: PolicyFunction | None = None) -> Diagnosis:
    """Examine everything that a run of a configuration would use: its clips, features, reference, commands, machine.

    One that is not resolved yet gets the numbers of this machine. `policy` takes the place of the untrained one that
    the reference is compared with, see `trained_policy`. Raises InputError for what no run could start with.
    """
    config = config if isinstance(config, ResolvedConfig) else resolve_quietly(config)
    check_order(find_clips(config.reference.clips), load_robot(config.env.robot))
    with start_rendering() as rendering:
        amp = make_amp(config)
        if policy:
            _check_fits(policy, amp)
        clips = load_clips(config.reference.clips, amp.env.robot, control_dt=config.env.control_dt)
        reports = [report_clip(clip, amp.env.robot) for clip in clips]
        probe = gather(amp, policy)
        machine = look_at_machine(config, rendering)
    findings = examine(amp, probe, clips, reports) + list(examine_machine(machine))
    return Diagnosis(separabilities(amp, probe), findings, reports, machine)


def examine(amp: AMP, probe: ProbeData, clips: list[MotionClip], reports: list[ClipReport]) -> list[Finding]:
    """What is wrong with the clips, the policy's and the reference's features, the reference, and the commands.

    `clips` are those of the reference, with their figures in `reports`. Of the reference only what is not explained yet
    is told: a clip in centimetres also starts its robots in the air. Nor does the speed of a clip with a wrong unit or
    facing say anything new.
    """
    env, mirrored = amp.env, amp.config.reference.mirror
    command = env.config.command
    ranges = ranges_of(command) if asks_for_every_way(command) else None
    causes = [
        *examine_clips(clips, reports, env.robot, 0.5 * sum(command.forward), ranges),
        *examine_traces(probe.traces, env.robot, env.config.control_dt),
    ]
    named = {name for finding in causes for name in finding.dimensions}
    others = examine_reference(env.reference, probe.policy_features, probe.starts, env.robot, mirrored=mirrored)
    fresh = [finding for finding in others if finding.code == "floor" or not set(finding.dimensions) <= named]
    if not _misread(causes):
        fresh += examine_fall(env.reference, env.robot, env.config.min_height)
        fresh += examine_commands(reports, command, mirrored=mirrored)
    return [*causes, *fresh]


def separabilities(amp: AMP, probe: ProbeData) -> list[FeatureStats]:
    """How well each feature tells the policy from the reference, by the newest features of each window."""
    blocks = feature_blocks(amp.env.robot)
    kinds = [(block.name, block.unit) for block in blocks for _ in range(block.where.start, block.where.stop)]
    reference = np.asarray(amp.env.reference.windows)[:, -1]
    return compare(probe.policy_features, reference, feature_names(amp.env.robot), kinds)


def trained_policy(run: str | Path) -> PolicyFunction:
    """The mean policy of the newest checkpoint of a run (its folder, or its name in runs/).

    Raises InputError where there is no run or it has no checkpoint yet.
    """
    run = run_directory.find_run(str(run))
    amp = make_amp(resolve_to_evaluate(run_directory.read_config(run, [])))
    with Checkpoints(run / "checkpoints", read_only=True) as checkpoints:
        if checkpoints.latest is None:
            raise InputError(f"--checkpoint: '{run}' holds no checkpoint yet; leave --checkpoint out")
        state, about = checkpoints.restore(amp)
    tell_clips(about, amp)
    params, statistics = state.policy.params.actor, state.statistics
    return lambda observation, _: amp.policy(params, statistics, observation)[0]


def _check_fits(policy: PolicyFunction, amp: AMP) -> None:
    """Raise InputError for a policy of another robot, or of other observations."""
    env, key = amp.env, jax.random.key(0)
    try:
        action = jax.eval_shape(lambda: policy(env.observe(env.reset(key, 1))[0], key))
    except Exception:  # JAX and Flax raise a different type for every kind of wrong shape
        action = None
    if action is None or action.shape != (1, env.num_actions):
        raise InputError(
            f"the policy does not fit the robot '{env.robot.name}' of the configuration, or its observations; leave "
            f"--config out, to examine a run by its own configuration, or --checkpoint"
        )


def _misread(findings: list[Finding]) -> bool:
    """Whether the unit or the facing of a clip is wrong, and so its speed."""
    return any(found.clip and found.spoils and found.code in ("facing", "unit") for found in findings)
