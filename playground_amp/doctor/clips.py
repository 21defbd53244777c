"""The reference clips one by one: feet, limits, symmetry, heading, units, order of the joints, and torque."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import numpy as np

from playground_amp.core.commands import MIRROR
from playground_amp.core.errors import listed
from playground_amp.doctor.feature_consistency import feature_blocks, recomputed_features
from playground_amp.doctor.finding import Finding
from playground_amp.doctor.joint_order import FEET, SOUND, mending_order
from playground_amp.doctor.stance import Stance, find_stance
from playground_amp.motion.clip import MotionClip
from playground_amp.motion.clip_commands import MOVES, motion_commands
from playground_amp.motion.features import MOVING, feature_names
from playground_amp.motion.metrics.gait import BOUNDED, Quality, faults, gait_bounds, measure
from playground_amp.motion.metrics.inverse_dynamics import required_torques, torque_limits
from playground_amp.robots import Robot

FAR_OUT = 4.0  # times the bound of motion/metrics/gait.py at which a figure is no blemish but a broken clip
BREAKABLE = (*FEET, "joint_speed")  # figures that no sound clip has so far out
LIMP = 0.25  # asymmetry
TOUCHES, HARDLY = 0.9, 0.5  # contact of a standing foot, below which it floats, and below which that spoils a run
RARE = 0.1  # share of the frames; feet that dip through the ground more often are not on it
HEIGHTS = (0.5, 1.5)  # median root height, in root heights of the home pose
UNITS = {100.0: "cm instead of m", 1000.0: "mm instead of m", 39.37: "inches instead of m"}
SLACK = 0.05  # m/s a command may lie beyond the clips' speeds
SLACKS = (SLACK, SLACK, 0.1)  # m/s, m/s, rad/s, the same of every number of a command
EXTREMES = (2.0, 98.0)  # percent of the frames of a clip between which it shows what it does
FIGURE_NAMES = {"float_height": "floating", "limit_share": "joints at their limits", "joint_speed": "joint speed"}

Ranges = tuple[tuple[float, float], tuple[float, float], tuple[float, float]]  # of the numbers of a command


@dataclasses.dataclass(frozen=True)
class ClipReport:
    """Figures of one reference clip."""

    name: str
    speed: float  # m/s of the root over the ground, mean while it moves
    forward: float  # mean x of the direction of motion in the heading frame: 1 forward, -1 backward
    height: float  # m, median of the root
    quality: Quality
    stance: Stance
    torque: float  # N m, greatest 99th percentile of a servo's torque
    torque_joint: str
    torque_share: float  # of the limit
    above: float  # share of the frames with a servo above its limit
    ahead: float  # m/s, forward speed that it answers, as the commands have it
    shown: Ranges  # least and greatest of the commands that its frames answer, rare ones left out
    declared: float | None = None  # m/s, forward speed that the configuration says it counts as


def report_clip(clip: MotionClip, robot: Robot) -> ClipReport:
    """The figures of one clip of `robot`."""
    dt, qpos = 1.0 / clip.frequency, clip.qpos
    velocity = np.linalg.norm(np.diff(qpos[:, :2], axis=0), axis=1) / dt
    moving = velocity > MOVING
    ahead = recomputed_features(qpos[:-1], qpos[1:], robot, dt)[:, feature_blocks(robot)[2].where.start]
    torques, limits = np.abs(required_torques(qpos, robot, dt).joints), torque_limits(robot)
    high = np.percentile(torques, 99, axis=0)
    worst = int((high / limits).argmax())
    return ClipReport(
        name=clip.name,
        speed=float(velocity[moving].mean()) if moving.any() else 0.0,
        forward=float(ahead[moving].mean()) if moving.any() else 0.0,
        height=float(np.median(qpos[:, 2])),
        quality=measure(clip, robot),
        stance=find_stance(clip, robot),
        torque=float(high[worst]),
        torque_joint=robot.joints[worst],
        torque_share=float(high[worst] / limits[worst]),
        above=float((torques > limits).any(axis=1).mean()),
        ahead=clip.command_speed,
        shown=_shown(clip),
        declared=clip.declared_speed,
    )


def _shown(clip: MotionClip) -> Ranges:
    commands = motion_commands(clip.qpos, 1.0 / clip.frequency)
    if clip.declared_speed is not None:
        commands[:, 0] = clip.declared_speed
    low, high = np.percentile(commands, EXTREMES, axis=0).tolist()
    return (low[0], high[0]), (low[1], high[1]), (low[2], high[2])


def examine_clips(
    clips: list[MotionClip], reports: list[ClipReport], robot: Robot, command: float, ranges: Ranges | None = None
) -> list[Finding]:
    """What is wrong with each of the clips, whose figures are `reports`; errors first.

    `command` is the mean forward speed that the policy is asked for, m/s: the way the clips should walk. With `ranges`
    it is asked for other ways, too, and clips may go these.
    """
    pairs = list(zip(clips, reports, strict=True))
    spoiling = [
        found
        for clip, report in pairs
        for found in _spoiling(clip, report, robot, command)
        if not (found.code == "facing" and report.stance.stands and ranges and _is_asked_for(clip, ranges))
    ]
    named = {found.clip for found in spoiling}
    sound = [report for report in reports if report.name not in named]
    fast = too_fast([clip for clip in clips if clip.name not in named], robot)
    return [*_merged(spoiling), *_blemishes(sound), *_too_strong(sound), *fast]


def examine_speeds(reports: list[ClipReport], forward: tuple[float, float]) -> Iterator[Finding]:
    """Commands that no reference clip walks: an error when none of the speeds asked for is walked.

    `forward` is the range of forward speeds that the policy is asked for, m/s.
    """
    walked = [speed for report in reports if (speed := _forward_speed(report)) is not None]
    low, high = min(walked, default=0.0), max(walked, default=0.0)
    slowest, fastest = forward
    if slowest >= low - SLACK and fastest <= high + SLACK:
        return
    apart = slowest > high + SLACK or fastest < low - SLACK
    why = "nobody in the reference walks at any speed asked for" if apart else "style and task pull apart beyond that"
    yield Finding(
        "error" if apart else "warning",
        "speed",
        f"env.command.forward asks for {slowest:g} to {fastest:g} m/s, the clips walk at {low:.2f} to {high:.2f} m/s: "
        f"{why}; add clips or set env.command.forward=[{low:.2f},{high:.2f}]",
        ("root direction x",),
    )


def _forward_speed(report: ClipReport) -> float | None:
    """The forward speed that a clip answers, m/s: as declared, else as measured; None for one that stands."""
    stands = report.declared is None and abs(report.ahead) < MOVES
    return None if stands else report.ahead


def _is_asked_for(clip: MotionClip, ranges: Ranges) -> bool:
    """Whether what a clip does as a whole is in the ranges; its reflection may be instead."""
    low, high = np.array(ranges).T
    ways = clip.command * np.array([[1.0, 1.0, 1.0], MIRROR])
    return bool(((ways >= low - SLACKS) & (ways <= high + SLACKS)).all(axis=1).any())


def _merged(findings: list[Finding]) -> Iterator[Finding]:
    """One finding for each cause: that of the first clip, with the names of the others."""
    for code in dict.fromkeys(finding.code for finding in findings):
        alike = [finding for finding in findings if finding.code == code]
        first, *others = sorted(alike, key=lambda finding: finding.severity)  # errors first
        names = listed(other.clip for other in others)
        yield dataclasses.replace(first, sentence=f"{first.sentence} (the same: {names})") if others else first


def _spoiling(clip: MotionClip, report: ClipReport, robot: Robot, command: float) -> list[Finding]:
    """The first cause that explains the figures of the clip, and before it a way that is not asked for."""
    causes = []
    for check in (_wrong_height, _wrong_heading, _off_the_ground, _wrong_order, _dipping, _broken):
        if found := check(clip, report, robot, command):
            causes.append(found)
            if found.code != "facing" or not report.stance.stands:  # else it explains nothing about the feet
                break
    return causes


def _wrong_height(clip: MotionClip, report: ClipReport, robot: Robot, _: float) -> Finding | None:
    ratio = report.height / float(robot.home_qpos[2])
    if HEIGHTS[0] <= ratio <= HEIGHTS[1]:
        return None
    unit = next((f", {text}" for factor, text in UNITS.items() if 0.7 < ratio / factor < 1.4), "")
    sentence = (
        f"clip '{clip.name}': the root is {report.height:.3g} m high, {ratio:.3g} times the standing robot's "
        f"{robot.home_qpos[2]:.2f} m; likely a wrong unit{unit}; make the clip again with playground-amp retarget"
    )
    return Finding("error", "unit", sentence, ("root height",), "reference", clip.name)


def _wrong_heading(clip: MotionClip, report: ClipReport, _: Robot, command: float) -> Finding | None:
    asked = command if report.declared is None else report.declared
    forward = report.forward * (np.sign(asked) or 1.0)
    if forward > 0.5 or report.speed == 0.0:
        return None
    way = "backward" if forward < -0.5 else "sideways"
    who = "env.command.forward asks for" if report.declared is None else "its entry of reference.clips declares"
    if report.stance.stands:
        why, mend = "", "give its entry in reference.clips the speed that it walks at, or leave it out"
    else:
        why = " and its feet skate, so its orientation is turned, not its way"
        mend = "likely a root quaternion turned about the vertical; make the clip again, or leave it out"
    sentence = (
        f"clip '{clip.name}' walks {way} in its own heading frame (mean root direction x {report.forward:+.2f})"
        f"{why}, while {who} {asked:+.2f} m/s; {mend}"
    )
    dimensions = ("root direction x", "root direction y")
    return Finding("error" if way == "backward" else "warning", "facing", sentence, dimensions, "reference", clip.name)


def _off_the_ground(clip: MotionClip, report: ClipReport, robot: Robot, _: float) -> Finding | None:
    """Feet that stand still over the ground, or under it: the motion is sound, its height is not."""
    stance = report.stance
    sunk = stance.height < -FAR_OUT * gait_bounds(report.quality.leg)["penetration"][1]
    if not stance.stands or (stance.contact >= TOUCHES and not sunk):
        return None
    floats = f"over the ground, where contact is {stance.contact:.2f} and not 1 as of a robot that stands"
    dips = f" (lower in {stance.dips:.0%} of the frames)" if stance.dips else ""
    sentence = (
        f"clip '{clip.name}': its feet stand {1000.0 * abs(stance.height):.0f} mm "
        f"{'under the ground' if sunk else floats}{dips}; the discriminator knows the robot by that alone; set the "
        f"clip on the ground: make it again with playground-amp retarget"
    )
    contacts = feature_names(robot)[feature_blocks(robot)[-1].where]
    severity = "error" if sunk or stance.contact < HARDLY else "warning"
    return Finding(severity, "float", sentence, ("root height", *contacts), "reference", clip.name)


def _wrong_order(clip: MotionClip, report: ClipReport, robot: Robot, _: float) -> Finding | None:
    """Feet that slide, and stand on the ground once joints are exchanged."""
    if report.stance.stands or report.speed == 0.0:
        return None
    names = mending_order(clip, robot, below=SOUND)
    if not names:
        return None
    sentence = (
        f"clip '{clip.name}': with {listed(names)} exchanged the feet stand on the ground, as it is they hold still "
        f"in {report.stance.share:.0%} of the frames; the joints are in the wrong order; write its qpos in the "
        f"robot's joint order"
    )
    return Finding("error", "order", sentence, tuple(f"{name} position" for name in names), "reference", clip.name)


def _dipping(clip: MotionClip, report: ClipReport, _: Robot, __: float) -> Finding | None:
    """Feet that stand on the ground, and in some frames are far below it."""
    stance = report.stance
    if not stance.stands or "penetration" not in _far_out(report):
        return None
    sentence = (
        f"clip '{clip.name}': its feet stand on the ground, but dip up to {1000.0 * report.quality.penetration:.0f} mm "
        f"through it in {stance.dips:.1%} of the frames; leave those out with --start and --end of playground-amp "
        f"retarget, or the clip out of reference.clips"
    )
    return Finding("warning" if stance.dips < RARE else "error", "dip", sentence, (), "reference", clip.name)


def _broken(clip: MotionClip, report: ClipReport, _: Robot, __: float) -> Finding | None:
    figures = _breaks(report)
    if not figures:
        return None
    why = "" if report.stance.stands else "joint order, units or root height may be wrong; "
    sentence = (
        f"clip '{clip.name}' is broken: {listed(figures)}; {why}make it again with playground-amp retarget, or leave "
        f"it out of reference.clips"
    )
    return Finding("error", "clip", sentence, (), "reference", clip.name)


def _breaks(report: ClipReport) -> list[str]:
    """In words, the figures that are far out."""
    most = gait_bounds(report.quality.leg)
    return [_figure(name, getattr(report.quality, name), most[name][1]) for name in _far_out(report)]


def _far_out(report: ClipReport) -> list[str]:
    """The figures that are more than FAR_OUT times their bounds."""
    most = gait_bounds(report.quality.leg)
    return [name for name in BREAKABLE if getattr(report.quality, name) > FAR_OUT * most[name][1]]


def _figure(name: str, value: float, most: float) -> str:
    return f"{FIGURE_NAMES.get(name, name)} {value:.3g} (up to {most:.3g})"


def _blemishes(reports: list[ClipReport]) -> Iterator[Finding]:
    """Figures out of the bounds of motion/metrics/gait.py, one warning a figure; and asymmetric ones."""
    for name in BOUNDED:
        clips = [report for report in reports if name in faults(report.quality)]
        if clips:
            values = [getattr(report.quality, name) for report in clips]
            low, high = gait_bounds(clips[0].quality.leg)[name]
            names = listed(report.name for report in clips)
            span = f"{min(values):.3g} to {max(values):.3g}" if len(values) > 1 else f"{values[0]:.3g}"
            sentence = (
                f"{FIGURE_NAMES.get(name, name)} is {span} in {names}, a sound clip has {low:.3g} to {high:.3g}; the "
                f"policy will learn it; retarget again or leave them out"
            )
            yield Finding("warning", "clip", sentence, clip=clips[0].name)
    for report in reports:
        if report.quality.asymmetry > LIMP:
            sentence = (
                f"left and right of clip '{report.name}' differ (joint asymmetry {report.quality.asymmetry:.2f}); keep "
                f"reference.mirror=true"
            )
            yield Finding("warning", "clip", sentence, clip=report.name)


def _too_strong(reports: list[ClipReport]) -> Iterator[Finding]:
    """Clips that ask for more torque than the servos have, one warning for all."""
    beyond = [report for report in reports if report.torque_share > 1.0]
    if beyond:
        worst = max(beyond, key=lambda report: report.torque_share)
        limit, share = worst.torque / worst.torque_share, max(report.above for report in beyond)
        names, need = listed(report.name for report in beyond), "needs" if len(beyond) == 1 else "need"
        sentence = (
            f"{names} {need} more torque than the servos have: {worst.torque_joint} {worst.torque:.1f} N m of "
            f"{limit:.1f} (99th percentile), above the limit in up to {share:.1%} of the frames; the robot will walk "
            f"them a little differently; or leave them out"
        )
        yield Finding("warning", "torque", sentence, clip=worst.name)


def too_fast(clips: list[MotionClip], robot: Robot) -> Iterator[Finding]:
    """Joints that turn faster than their motors, where the record says how fast these are: told of the worst clip."""
    found = []
    for clip in clips:
        speeds = np.abs(np.diff(clip.qpos[:, 7:], axis=0)).max(axis=0) * clip.frequency
        worst = int((speeds / robot.speed_limits).argmax())
        found.append((speeds[worst] / robot.speed_limits[worst], float(speeds[worst]), robot.joints[worst], clip.name))
    share, speed, joint, name = max(found, default=(0.0, 0.0, "", ""))
    if share > 1.0:
        yield Finding(
            "warning",
            "fast",
            f"clip '{name}': {joint} turns at {speed:.1f} rad/s, its motor at {speed / share:.1f} at most "
            f"(gains.speed); the policy will have to do it slower",
            (f"{joint} velocity",),
            clip=name,
        )
