"""The verdicts in a terminal of 100 columns: a row a clip, and below what is wrong and what mends it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich import box
from rich.table import Column, Table

from playground_amp.motion.metrics.bounds import BOUNDS
from playground_amp.retargeting.clip_verdict import FAIL, NONE, PASS, WARN, ClipAssessment, in_words

COLOURS = {PASS: "green", WARN: "yellow", FAIL: "bold red", NONE: "dim"}
COLUMNS = {  # figure -> heading, width, format
    "skating": ("skate cm/s", 5, ".1f"),
    "penetration": ("sunk mm", 4, ".1f"),
    "limit_share": ("stop %", 4, ".0f"),
    "step_asymmetry": ("limp %", 4, ".0f"),
    "torque_peak": ("torque ratio", 6, ".2f"),
    "zmp_inside": ("zmp %", 4, ".0f"),
    "tracking": ("track mm", 5, ".0f"),
    "speed_ratio": ("speed ratio", 5, ".2f"),
}
LEGEND = (
    "skate: speed of touching feet; sunk: into the ground; stop: frames with a joint at its limit; limp: steps left "
    "against right; torque: peak, in the servo's limit; zmp: frames with it inside the feet; track: distance from the "
    "source; good part: the longest in which nothing fails"
)
NAME_WIDTH = 24
NARROWEST = 100  # columns that the table needs


def table(assessments: Sequence[ClipAssessment]) -> Table:
    """One row a clip with its verdict, length, speed and figures; what warns is yellow, what fails is red."""
    wide = min(NAME_WIDTH, max(len(assessment.clip) for assessment in assessments))
    first = [Column("clip", no_wrap=True, width=wide), Column("verdict", width=7)]
    numbers = [("s", 4), ("m/s", 5), *((heading, width) for heading, width, _ in COLUMNS.values()), ("good part s", 9)]
    columns = [Column(heading, justify="right", width=width) for heading, width in numbers]
    result = Table(*first, *columns, box=box.SIMPLE_HEAD, padding=0, pad_edge=False)
    for assessment in assessments:
        result.add_row(assessment.clip, *_row(assessment))
    return result


def _row(assessment: ClipAssessment) -> Iterator[str]:
    yield _coloured(assessment.verdict, assessment.verdict)
    yield f"{assessment.seconds:.1f}"
    yield f"{assessment.speed:.2f}"
    for name, (_, _, style) in COLUMNS.items():
        figure = assessment.figures[name]
        yield _coloured("–" if figure.value is None else f"{figure.value:{style}}", figure.verdict)
    yield "{:.1f}–{:.1f}".format(*assessment.walkable)


def _coloured(text: str, verdict: str) -> str:
    return f"[{COLOURS[verdict]}]{text}[/]"


def reasons(assessments: Sequence[ClipAssessment]) -> list[str]:
    """One line for every figure that fails or warns somewhere: the values, the clips, the bounds, what mends it."""
    return [line for level in (FAIL, WARN) for name in BOUNDS for line in _reason(name, level, assessments)]


def _reason(name: str, level: str, assessments: Sequence[ClipAssessment]) -> Iterator[str]:
    every = [assessment for assessment in assessments if assessment.figures[name].verdict == level]
    for kind in dict.fromkeys(assessment.figures[name].kind for assessment in every):
        yield _line(name, level, [assessment for assessment in every if assessment.figures[name].kind == kind])


def _line(name: str, level: str, hit: Sequence[ClipAssessment]) -> str:
    """The clips `hit` have a figure out of the bounds of one kind of motion."""
    figure = hit[0].figures[name]
    values = [f"{assessment.figures[name].value or 0.0:.3g}" for assessment in hit]
    values = values[:1] if len(hit) == 1 else [min(values, key=float), max(values, key=float)]
    clips = hit[0].clip if len(hit) == 1 else f"{len(hit)} clips"
    unit = f" {figure.unit}".rstrip()
    said = f"{BOUNDS[name].label} {' to '.join(dict.fromkeys(values))}{unit} in {clips}"
    good = f"good for {figure.kind}" if figure.kind else "good"
    return f"{_coloured(level, level)} {said}, {good} is {in_words(figure.good, figure.unit)}{unit}: {figure.mend}"
