"""Pictures of a clip: the person and the robot at the same instants, and curves over time."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Circle

from playground_amp.evaluation.reporting.render import BELOW, still_height, stills
from playground_amp.motion.metrics.bounds import good_range
from playground_amp.retargeting.clip_verdict import ClipAssessment
from playground_amp.retargeting.job import ClipView
from playground_amp.retargeting.readers.amass import JOINTS, PARENTS
from playground_amp.robots import Robot

LEFT, RIGHT, MIDDLE, GROUND = "#2b6cb0", "#dd6b20", "#4a5568", "#a0aec0"
INSTANTS = 8
STRIDE = 1.1  # s at a leg of 0.42 m, which the instants span: about one and a half strides
STILL = (300, 400)  # pixels, width and height
COLUMNS, MOST_COLUMNS = 4, 5  # of the joints' curves; one line where so many hold all


def instants(frames: int, rate: float, leg: float) -> np.ndarray:
    """Indices [INSTANTS] of the frames shown of a clip of `frames` at `rate` Hz, around its middle.

    They span the same part of a stride for every robot: its time goes with the root of the `leg`, m.
    """
    span = min(frames - 1, round(STRIDE * np.sqrt(leg / 0.42) * rate))
    first = (frames - 1 - span) // 2
    return np.linspace(first, first + span, INSTANTS).round().astype(int)


def strip(view: ClipView, robot: Robot) -> Figure:
    """The robot at some instants, and below it the person at the same ones and the same scale, from their right."""
    clip = view.clip
    shown = instants(len(clip.qpos), clip.frequency, robot.leg_length)
    person = None if view.person is None else view.person[shown]
    height = still_height(robot) if person is None else max(still_height(robot), 1.22 * float(person[..., 2].max()))
    lines = 1 if person is None else 2
    size, between = (1.5 * INSTANTS, 2.0 * lines + 0.25), {"wspace": 0.03, "hspace": 0.03}
    figure = Figure(figsize=size)
    axes = figure.subplots(lines, INSTANTS, squeeze=False, gridspec_kw=between)
    figure.subplots_adjust(0.0, 0.0, 1.0, 0.94)
    for axis, still, i in zip(axes[0], stills(robot, clip.qpos[shown], height=height, size=STILL), shown, strict=True):
        axis.imshow(still)
        axis.set_title(f"{i / clip.frequency:.2f} s", fontsize=9, pad=3)
        axis.axis("off")
    if person is not None:
        for axis, joints, i in zip(axes[1], person, shown, strict=True):
            _stick_figure(axis, joints, clip.qpos[i, 0])
            half = 0.5 * height * STILL[0] / STILL[1]
            axis.set(xlim=(-half, half), ylim=(-BELOW * height, (1.0 - BELOW) * height))
    return figure


def _stick_figure(axis: Axes, joints: np.ndarray, along: float) -> None:
    """Bones of joints [22, 3] m in the plane of the way, with x from `along`."""
    axis.axhline(0.0, color=GROUND, linewidth=1.0)
    points = joints[:, [0, 2]] - [along, 0.0]
    for joint, parent in reversed(list(enumerate(PARENTS))):
        if parent >= 0:
            colour = {"left": LEFT, "righ": RIGHT}.get(JOINTS[joint][:4], MIDDLE)
            axis.plot(*points[[parent, joint]].T, color=colour, linewidth=2.2, solid_capstyle="round")
    neck, head = points[JOINTS.index("neck")], points[JOINTS.index("head")]
    size = 1.3 * float(np.linalg.norm(head - neck))
    axis.add_patch(Circle(tuple(neck + 1.4 * (head - neck)), size, color=MIDDLE, fill=False, linewidth=1.8))
    axis.set_aspect("equal")
    axis.axis("off")


def curves(view: ClipView, assessment: ClipAssessment, robot: Robot) -> Figure:
    """Feet and contacts, speed, torque and balance over time; grey where the walkable part is not."""
    signals, time = view.signals, np.arange(len(view.clip.qpos)) / view.clip.frequency
    figure = Figure(figsize=(11, 8.5), layout="constrained")
    feet, speed, torque, balance = figure.subplots(4, 1, sharex=True, height_ratios=(1.4, 1, 1.2, 1))
    _feet(feet, view, time)
    speed.plot(time[1:], signals.root_speed[1:], color=MIDDLE, linewidth=1.2)
    speed.set(title="speed of the root (m/s)")
    speed.set_ylim(0.0, max(0.1, 1.1 * float(signals.root_speed.max())))
    _torque(torque, view, time, robot)
    balance.plot(time, 1000.0 * signals.zmp_distance, color=MIDDLE, linewidth=1.2)
    balance.axhline(
        1000.0 * good_range("zmp_distance", robot.leg_length)[1], color="#c53030", linestyle="--", linewidth=1
    )
    balance.set(title="zero moment point, way outside the feet on the ground (mm)", xlabel="s")
    for axis in (feet, speed, torque, balance):
        _outside(axis, assessment, time)
    return figure


def _feet(axis: Axes, view: ClipView, time: np.ndarray) -> None:
    """Heights of the feet; bars below show when each is in contact."""
    heights = 1000.0 * view.signals.feet
    top = max(20.0, 1.1 * float(heights.max()))
    for side, (name, colour) in enumerate((("left", LEFT), ("right", RIGHT))):
        axis.plot(time, heights[:, side], color=colour, linewidth=1.4, label=name)
        low = -(0.08 + 0.1 * side) * top
        axis.fill_between(time, low, low + 0.07 * top, where=view.signals.contact[:, side], color=colour, linewidth=0)
    axis.axhline(0.0, color=GROUND, linewidth=1.0)
    axis.set(title="height of the feet (mm), bars: in contact", ylim=(-0.22 * top, 1.15 * top))
    axis.legend(loc="upper right", fontsize="small", ncols=2)


def _torque(axis: Axes, view: ClipView, time: np.ndarray, robot: Robot) -> None:
    """Torque of the joints that need most of their limits."""
    torque = view.signals.torque
    most = np.argsort(-np.nan_to_num(torque).max(axis=0))[:4]
    for joint in most:
        axis.plot(time, torque[:, joint], linewidth=1.2, label=robot.joints[joint].replace("_", " "))
    axis.axhline(1.0, color="#c53030", linestyle="--", linewidth=1)
    axis.set(title="torque, in the servo's limit", ylim=(0.0, max(1.3, 1.25 * float(np.nanmax(torque, initial=0.0)))))
    axis.legend(loc="upper right", fontsize="small", ncols=4)


def joints(view: ClipView, assessment: ClipAssessment, robot: Robot) -> Figure:
    """Angles of the joints against their limits; left and right in one panel, the right one mirrored."""
    time = np.arange(len(view.clip.qpos)) / view.clip.frequency
    pairs = list(_pairs(robot))
    columns = len(pairs) if len(pairs) <= MOST_COLUMNS else COLUMNS
    lines = -(-len(pairs) // columns)
    figure = Figure(figsize=(11, 1.9 * lines + 0.3), layout="constrained")
    axes = figure.subplots(lines, columns, sharex=True, squeeze=False)
    angles = np.rad2deg(view.clip.qpos[:, 7:])
    for axis, (own, other) in zip(axes.flat, pairs, strict=False):
        if other != own:
            axis.plot(time, angles[:, other] * robot.mirror_joints[1][other], color=RIGHT, linewidth=1.2)
        axis.plot(time, angles[:, own], color=LEFT if other != own else MIDDLE, linewidth=1.2)
        for limit in np.rad2deg(robot.joint_range[own]):
            axis.axhline(limit, color="#c53030", linestyle="--", linewidth=1)
        axis.set_title(robot.joints[own].replace("left", "").replace("_", " ").strip() + " (°)", fontsize=10)
        _outside(axis, assessment, time)
    for axis in axes[-1]:
        axis.set_xlabel("s")
    for axis in axes.flat[len(pairs) :]:
        axis.axis("off")
    return figure


def _pairs(robot: Robot) -> Iterator[tuple[int, int]]:
    """Joints with their mirror partners, each pair once, left first; a joint in the middle with itself."""
    for own, other in enumerate(robot.mirror_joints[0]):
        if own <= other:
            yield (other, own) if "left" in robot.joints[other] else (own, other)


def _outside(axis: Axes, assessment: ClipAssessment, time: np.ndarray) -> None:
    """Grey where the clip is not walkable."""
    first, last = assessment.walkable
    axis.set_xlim(time[0], time[-1])
    axis.grid(alpha=0.3)
    for start, end in ((time[0], first), (last, time[-1])):
        if end > start:
            axis.axvspan(start, end, color="#718096", alpha=0.18, linewidth=0)
