"""The page of a batch of clips: every verdict in colours, with pictures and curves. One file of HTML, all within."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from html import escape
from pathlib import Path

from matplotlib.figure import Figure

from playground_amp.core.errors import InputError
from playground_amp.core.files import write_whole
from playground_amp.evaluation.reporting.html_page import drawn, page
from playground_amp.motion.metrics.bounds import BOUNDS, Range
from playground_amp.retargeting import plots
from playground_amp.retargeting.clip_verdict import (
    NONE,
    ORDER,
    TORQUE_NOTE,
    ClipAssessment,
    FigureAssessment,
    in_words,
)
from playground_amp.retargeting.job import ClipView, JobResult
from playground_amp.robots import Robot

MOST_PICTURED = 30  # clips with pictures; a page of hundreds would not open
STYLE = """
.pass{color:#276749}.warn{color:#975a16;background:#fefcbf}.fail{color:#9b2c2c;background:#fed7d7;font-weight:600}
.n-a{color:#a0aec0}td.pass,td.warn,td.fail,td.n-a{padding:.15rem .5rem;border-radius:.3rem}
th,td{font-variant-numeric:tabular-nums;vertical-align:top}td.number{text-align:right;white-space:nowrap}
section{border-top:1px solid #ddd;margin-top:2.5rem}h2 .verdict{font-size:1rem;padding:.1rem .6rem;border-radius:1rem}
.small{color:#666;font-size:.9rem}table{font-size:.92rem}"""
OVERVIEW = ("skating", "penetration", "float_height", "limit_share", "torque_peak", "zmp_inside", "tracking")


def write_report(path: Path, results: Sequence[JobResult], robot: Robot) -> Path:
    """Write the page of what became of some recordings to `path`; raises InputError where it cannot be written.

    Every clip has a row; those of the worst recordings, up to MOST_PICTURED, also pictures and curves.
    """
    assessments = [assessment for result in results for assessment in result.assessments]
    counts = {level: sum(assessment.verdict == level for assessment in assessments) for level in reversed(ORDER)}
    title = f"Clips of {robot.name}"
    said = ", ".join(f"{count} {level}" for level, count in counts.items() if count)
    parts = [f"<h1>{escape(title)}</h1>", f"<p>{len(assessments)} clips: {said}</p>", _overview(assessments)]
    told = [note for result in results for note in ([f"left out: {result.error}"] if result.error else result.notes)]
    parts += [f'<p class="small">{escape(sentence)}</p>' for sentence in told]
    views = {name: view for result in results for name, view in result.views.items()}
    seen = sorted((one for one in assessments if one.clip in views), key=_badness)
    parts += [_section(assessment, views[assessment.clip], robot) for assessment in seen[:MOST_PICTURED]]
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, page(title, parts, STYLE))
    except OSError as error:
        raise InputError(f"cannot write '{path}': {error.strerror}; give another file with --report") from None
    return path


def _badness(assessment: ClipAssessment) -> int:
    """What sorts the clips with the worst verdict to the front."""
    return -ORDER.index(assessment.verdict)


def _overview(assessments: Sequence[ClipAssessment]) -> str:
    """One row a clip."""
    units = {name: f" ({BOUNDS[name].unit})" if BOUNDS[name].unit else "" for name in OVERVIEW}
    heads = ["clip", "verdict", "s", "m/s", *(BOUNDS[name].label + units[name] for name in OVERVIEW), "good part (s)"]
    rows = "".join(f"<th>{escape(head)}</th>" for head in heads)
    for assessment in sorted(assessments, key=lambda one: one.clip):
        cells = [f'<td><a href="#{escape(assessment.clip)}">{escape(assessment.clip)}</a></td>']
        cells += [
            _cell(assessment.verdict, assessment.verdict),
            f"<td>{assessment.seconds:.1f}</td><td>{assessment.speed:.2f}</td>",
        ]
        cells += [_cell(_value(assessment.figures[name]), assessment.figures[name].verdict) for name in OVERVIEW]
        cells += ["<td>{:.1f} to {:.1f}</td>".format(*assessment.walkable)]
        rows += f"<tr>{''.join(cells)}</tr>"
    return f"<table>{rows}</table>"


def _section(assessment: ClipAssessment, view: ClipView, robot: Robot) -> str:
    """One clip: its figures, pictures and curves."""
    name, level = escape(assessment.clip), assessment.verdict
    first, last = assessment.walkable
    html = f'<section id="{name}"><h2>{name} <span class="verdict {_class(level)}">{level}</span></h2>'
    html += f"<p>{assessment.seconds:.1f} s at {assessment.speed:.2f} m/s; "
    html += f"nothing fails from {first:.2f} to {last:.2f} s; {escape(_parts(assessment))}. "
    html += f'<span class="small">{escape(view.clip.source)}</span></p>'
    strip = "the robot, and the person at its size, at the same instants" if view.person is not None else "the robot"
    html += _picture(lambda: plots.strip(view, robot), strip)
    html += _figures(assessment)
    html += _picture(lambda: plots.curves(view, assessment, robot), "feet, speed, torque and balance over time")
    caption = "joint angles and limits: left blue, right orange and mirrored; grey where something fails"
    return html + _picture(lambda: plots.joints(view, assessment, robot), caption) + "</section>"


def _parts(assessment: ClipAssessment) -> str:
    """The kinds of motion of a clip, with their times where there are several."""
    if len(assessment.parts) == 1:
        return assessment.parts[0][0]
    return ", ".join(f"{kind} from {first:.1f} to {last:.1f} s" for kind, first, last in assessment.parts)


def _picture(draw: Callable[[], Figure], caption: str) -> str:
    """A drawing and its caption; a sentence where this machine cannot draw, as without OpenGL."""
    try:
        return f'{drawn(draw(), caption)}<div class="small">{escape(caption)}</div>'
    except Exception as error:  # MuJoCo and OpenGL raise what they like
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        return f'<p class="small">no picture of {escape(caption)}: {escape(reason)}</p>'


def _figures(assessment: ClipAssessment) -> str:
    rows = "<tr><th>figure</th><th></th><th>value</th><th>good</th><th>bearable</th><th>what mends it</th></tr>"
    for name, figure in assessment.figures.items():
        rows += f'<tr><td title="{escape(BOUNDS[name].meaning)}">{escape(BOUNDS[name].label)}</td>'
        rows += _cell(figure.verdict, figure.verdict) + f'<td class="number">{_value(figure, unit=True)}</td>'
        good, bearable = (_range(bounds, figure.unit) for bounds in (figure.good, figure.bearable))
        rows += f"<td>{good}</td><td>{bearable}</td><td>{escape(figure.mend)}</td></tr>"
    return f'<table>{rows}</table><p class="small">Torque: {escape(TORQUE_NOTE)}.</p>'


def _cell(text: str, level: str) -> str:
    return f'<td class="{_class(level)}">{escape(text)}</td>'


def _class(level: str) -> str:
    return "n-a" if level == NONE else level


def _value(figure: FigureAssessment, *, unit: bool = False) -> str:
    if figure.value is None:
        return "–"
    number = f"{figure.value:.0f}" if abs(figure.value) >= 100.0 else f"{figure.value:.3g}"
    return f"{number} {figure.unit}".rstrip() if unit else number


def _range(bounds: Range, unit: str) -> str:
    return escape(in_words(bounds, unit))
