"""The one-page report of a run: curves, the final evaluation, pictures. One file of HTML that opens anywhere."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import Any, get_args

import numpy as np
from matplotlib.figure import Figure

from playground_amp.core.files import write_whole
from playground_amp.core.terms import FeatureGroup
from playground_amp.evaluation.columns import GROUPS, SPEED_COLUMNS, number
from playground_amp.evaluation.reporting.html_page import drawn, image, page
from playground_amp.runs.metrics_log import read_metrics

PANELS = [  # title, metrics on one axis, what the axis reaches from and to at least
    ("Discriminator: reference and policy", ["disc_real_mean", "disc_fake_mean"], (-0.1, 1.1)),
    ("Discriminator accuracy", ["disc_acc", "disc_acc_clean", "disc_auc_clean"], (0.4, 1.02)),
    ("Rewards", ["amp_reward", "amp_reward_reference", "task_reward"], (0.0, 1.0)),
    ("What the discriminator goes by (share)", [f"disc_by_{group}" for group in get_args(FeatureGroup)], (0.0, 1.0)),
    ("Episode length (control steps)", ["episode_length"], None),
    ("Forward velocity (m/s)", ["forward_velocity", "velocity_error"], None),
    ("Error of the turning (rad/s)", ["turn_error"], None),
    ("Variety of the policy's motion", ["feature_diversity", "mode_coverage"], (0.0, 1.2)),
    ("Input noise of the discriminator", ["disc_input_noise"], None),
    ("Policy entropy (nats)", ["policy_entropy"], None),
    ("Policy divergence per update", ["policy_kl"], None),
    ("Value loss", ["value_loss"], None),
]


def write_report(
    run_dir: Path,
    title: str,
    evaluation: dict[str, Any],
    reference: dict[str, float],
    notes: list[str],
    health: str = "",
    restarts: Sequence[tuple[int, str]] = (),
    pictures: Sequence[str] = (),
) -> Path:
    """Write `report.html` of a run from its metrics.jsonl, its config.yaml and what its videos folder holds.

    `evaluation` has the figures of Evaluation by their names, `reference` those of the reference motion that stand
    beside them. `health` says at the top what became of the run, `notes` are sentences under it; `restarts` are
    iterations and what changed there, `pictures` further parts of the page.
    """
    columns = read_metrics(run_dir / "metrics.jsonl")
    parts = [f"<h1>{escape(title)}</h1>", f"<p>{_summary(columns)}</p>"]
    parts += [f"<p><strong>{escape(health)}</strong></p>"] if health else []
    parts += [f"<p>{escape(note)}</p>" for note in notes]
    parts += [_media(run_dir), _table(evaluation, reference), _speeds(evaluation.get("speeds", ()))]
    parts += pictures
    parts += ['<h2>Curves</h2><div class="grid">']
    parts += [_panel(columns, index) for index in range(len(PANELS))]
    parts += ["</div>", _restarts(restarts)]
    parts += ["<h2>Configuration</h2>", f"<pre>{escape((run_dir / 'config.yaml').read_text())}</pre>"]
    path = run_dir / "report.html"
    write_whole(path, page(title, parts))
    return path


def _summary(columns: dict[str, np.ndarray]) -> str:
    steps, seconds = columns["env_steps"][-1], columns["seconds"][-1]
    return f"{len(columns['iteration'])} iterations, {steps:,.0f} environment steps, {seconds / 60:.1f} minutes"


def _media(run_dir: Path) -> str:
    videos = sorted((run_dir / "videos").glob("*.mp4"))
    strips = sorted((run_dir / "videos").glob("*.png"))
    html = "".join(f'<video controls loop muted src="videos/{video.name}"></video>' for video in videos[-1:])
    html += "".join(image(strip.read_bytes(), "frames of the robot beside its reference") for strip in strips[-1:])
    return f"<h2>The robot (left) and its reference (right, orange)</h2>{html}" if html else ""


def _table(evaluation: dict[str, Any], reference: dict[str, float]) -> str:
    rows = "<tr><th></th><th>robot</th><th>reference</th><th></th></tr>"
    for group, units in GROUPS.items():
        rows += f'<tr><th colspan="4"><h3>{group}</h3></th></tr>'
        rows += "".join(_row(name, unit, evaluation[name], reference.get(name)) for name, unit in units.items())
    return f"<h2>Evaluation: fresh episodes, mean action</h2><table>{rows}</table>"


def _row(name: str, unit: str, value: Any, beside: float | None) -> str:
    there = "" if beside is None else _number(beside)
    return f"<tr><th>{name.replace('_', ' ')}</th><td>{_number(value)}</td><td>{there}</td><td>{unit}</td></tr>"


def _speeds(rows: Sequence[dict[str, Any]]) -> str:
    """The table of the parts of the range of commands."""
    if not rows:
        return ""
    html = "<tr>" + "".join(f"<th>{heading}</th>" for heading in SPEED_COLUMNS) + "</tr>"
    for row in rows:
        cells = [_pair(row, name, reference) for name, reference in SPEED_COLUMNS.values()]
        html += "<tr>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>"
    return f"<h3>by the speed asked for (the reference's at the robot's speed in brackets)</h3><table>{html}</table>"


def _pair(row: dict[str, Any], name: str, reference: str | None) -> str:
    return _number(row[name]) + (f" ({_number(row[reference])})" if reference else "")


def _restarts(restarts: Sequence[tuple[int, str]]) -> str:
    if not restarts:
        return ""
    rows = "".join(f"<tr><td>{iteration}</td><td>{escape(text)}</td></tr>" for iteration, text in restarts)
    return f"<h2>Restarts</h2><table><tr><th>after iteration</th><th>what changed</th></tr>{rows}</table>"


def _number(value: Any) -> str:
    return number(value) if isinstance(value, float) else escape(str(value))


def _panel(columns: dict[str, np.ndarray], index: int) -> str:
    title, names, limits = PANELS[index]
    names = [name for name in names if name in columns]
    if not names:
        return ""
    figure = Figure(figsize=(10, 3.2) if index == 0 else (5, 2.6), layout="constrained")
    axis = figure.subplots()
    for name in names:
        axis.plot(columns["env_steps"] / 1e6, columns[name], label=name, linewidth=1.2)
    axis.set(title=title, xlabel="million environment steps")
    if limits:
        low, high = axis.get_ylim()
        axis.set_ylim(min(low, limits[0]), max(high, limits[1]))
    axis.grid(alpha=0.3)
    axis.legend(fontsize="small")
    return drawn(figure, title)
