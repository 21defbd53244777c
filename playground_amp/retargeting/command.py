"""The command `playground-amp retarget`: its arguments, and one call."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from playground_amp.core.console import make_parser

RETARGET = """Turn recordings of walking people, or of robots, into motion clips of a robot, each with a verdict on it.

example:
  playground-amp retarget AMASS/CMU/02 --robot wildrobot --out data/mine --report
"""


def retarget(arguments: Sequence[str]) -> None:
    """Make clips, or a first description of a robot."""
    parser = make_parser("retarget", RETARGET)
    add = parser.add_argument
    add("sources", nargs="*", metavar="SOURCE", help="recordings, folders, or quoted patterns like 'CMU/**/*.npz'")
    add("--robot", default="wildrobot", metavar="NAME", help="a shipped robot, or a robot's YAML file")
    add("--out", type=Path, metavar="DIR", help="folder for the clips: NAME.npz, and the verdict on it in NAME.json")
    add("--start", type=float, default=0.0, metavar="S", help="leave out what is before this second of a recording")
    add("--end", type=float, metavar="S", help="leave out what is after this second of a recording")
    add("--speed-min", type=float, metavar="V", help="keep only the longest stretch at V m/s or faster")
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
    add("--propose-robot", metavar="FILE.xml", help="write a first robot YAML for an MJCF into --out, and nothing else")
    options = parser.parse_args(arguments)
    if options.propose_robot:
        from playground_amp.robots.proposal.propose import write_proposal  # imported late: --help answers at once

        write_proposal(options.propose_robot, options.out)
        return
    if not options.sources or options.out is None:
        parser.error("give one SOURCE or more, and --out DIR for the clips")

    from playground_amp.retargeting.batch import retarget_sources
    from playground_amp.retargeting.pipeline import RetargetOptions

    made_with = RetargetOptions(
        start=options.start,
        end=options.end,
        speed_min=options.speed_min,
        mirror=options.mirror,
        time_scale=not options.no_time_scale,
        source=options.source,
        refine=options.refine,
    )
    report = None if options.report is None else Path(options.report or options.out / "report.html")
    retarget_sources(
        options.sources,
        options.robot,
        options.out,
        made_with,
        jobs=options.jobs,
        report=report,
        as_json=options.json,
    )
