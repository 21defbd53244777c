"""The command `playground-amp retarget`: its arguments, and what it prints."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from playground_amp.core.console import ConsoleReporter, make_parser
from playground_amp.core.files import parse_json
from playground_amp.core.reporter import say
from playground_amp.retargeting.readers.hints import UNITS, UP_AXES

if TYPE_CHECKING:
    from playground_amp.retargeting.clip_verdict import ClipAssessment

RETARGET = """Turn recordings of walking people, or of robots, into motion clips of a robot, each with a verdict on it.

example:
  playground-amp retarget AMASS/CMU/02 --robot wildrobot --out data/mine --report
"""


def retarget(arguments: Sequence[str]) -> None:
    """Make clips, or a first description of a robot."""
    parser = make_parser("retarget", RETARGET)
    add = parser.add_argument
    add("sources", nargs="*", metavar="SOURCE", help="recordings, folders, or quoted patterns like 'CMU/**/*.npz'")
    add("--robot", default="wildrobot", metavar="NAME", help="a shipped robot, a robot's YAML file, or unitree_g1, ...")
    add("--out", type=Path, metavar="DIR", help="folder for the clips: NAME.npz, and the verdict on it in NAME.json")
    add("--start", type=float, default=0.0, metavar="S", help="leave out what is before this second of a recording")
    add("--end", type=float, metavar="S", help="leave out what is after this second of a recording")
    add("--speed-min", type=float, metavar="V", help="keep only the longest stretch at V m/s or faster")
    add(
        "--fps", type=float, metavar="HZ", help="frames per second, where a file does not say them or says them wrongly"
    )
    add(
        "--unit", metavar="UNIT", help=f"unit of a file's lengths ({', '.join(UNITS)}), where it is not found by itself"
    )
    add("--up", metavar="AXIS", help=f"axis that points up, where it is not found: {', '.join(UP_AXES)} (--up=-x)")
    joints_help = "joints of a robot's motion in the file's order, with commas between, or a known layout"
    add("--joints", metavar="NAMES", help=joints_help)
    split_help = "a clip of every part that can be used; standing and what is no walk are left out, with times"
    add("--split", action="store_true", help=split_help)
    add(
        "--as-is",
        action="store_true",
        help="leave the feet of a robot's motion where they are, instead of planting them",
    )
    add("--mirror", action="store_true", help="also write NAME_mirrored.npz, with left and right exchanged")
    time_help = "keep the person's timing; by default time shrinks with the square root of the leg's length"
    add("--no-time-scale", action="store_true", help=time_help)
    refine_help = "walk every clip through physics, unassisted, and keep what the robot really did (half a minute each)"
    add("--refine", action="store_true", help=refine_help)
    add("--source", default="", metavar="TEXT", help="where the motion comes from and its licence, kept in the clips")
    add("--jobs", type=int, metavar="N", help="processes side by side (default: one a processor)")
    add(
        "--report", nargs="?", const="", metavar="FILE.html", help="write a page with curves and pictures of every clip"
    )
    add("--json", action="store_true", help="print the verdicts as JSON instead of the table")
    add("--propose-robot", metavar="MJCF", help="write a first robot YAML for FILE.xml or unitree_g1 into --out")
    options = parser.parse_args(arguments)
    if options.propose_robot:
        _propose_robot(options.propose_robot, options.out)
        return
    if not options.sources or options.out is None:
        parser.error("give one SOURCE or more, and --out DIR for the clips")

    from playground_amp.retargeting.batch import retarget_sources  # imported late: --help answers at once
    from playground_amp.retargeting.job import RetargetOptions

    assessments = retarget_sources(
        options.sources,
        options.robot,
        options.out,
        RetargetOptions(
            start=options.start,
            end=options.end,
            speed_min=options.speed_min,
            fps=options.fps,
            unit=options.unit,
            up=options.up,
            joints=tuple(options.joints.split(",")) if options.joints else None,
            split=options.split,
            as_is=options.as_is,
            mirror=options.mirror,
            time_scale=not options.no_time_scale,
            source=options.source,
            refine=options.refine,
        ),
        jobs=options.jobs,
        report=None if options.report is None else Path(options.report or options.out / "report.html"),
        reporter=ConsoleReporter(),
    )
    if options.json:
        files = [options.out / f"{assessment.clip}.json" for assessment in assessments]
        print(json.dumps([parse_json(file.read_text()) for file in files], indent=2))
    else:
        print_table(assessments)


def print_table(assessments: Sequence[ClipAssessment]) -> None:
    """A row a clip, and below what is wrong and what mends it; a terminal's width is kept, elsewhere there is room."""
    from rich.console import Console  # imported late: --help answers at once

    from playground_amp.retargeting.console_table import LEGEND, NARROWEST, reasons, table

    console = Console()
    if not console.is_terminal:
        console.width = max(console.width, NARROWEST)
    console.print(table(assessments))
    console.print(LEGEND, style="dim", highlight=False)
    for line in reasons(assessments):
        console.print(line, highlight=False, soft_wrap=True)


def _propose_robot(mjcf: str, folder: Path | None) -> None:
    """Write a first record of a robot into a folder, or print it; say what was guessed."""
    from playground_amp.robots.proposal.propose import propose, write_proposal  # imported late: --help answers at once

    text = ""
    if folder is None:
        text, sentences = propose(mjcf)
    else:
        _, sentences = write_proposal(mjcf, folder)
    for sentence in sentences:
        say(sentence)
    print(text, end="")
