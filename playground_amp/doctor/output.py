"""A diagnosis for people and programs: tables for a terminal of 80 columns, sentences, JSON."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

from rich.table import Table

from playground_amp.core.files import json_values
from playground_amp.doctor.clips import ClipReport
from playground_amp.doctor.diagnosis import Diagnosis
from playground_amp.doctor.machine import Machine
from playground_amp.doctor.separability import FeatureStats, Summary

AUC = "the number's or its distance's from the reference's median, the greater"
CLIP_COLUMNS = (  # of figures, with their unit
    "speed\nm/s",
    "forward\n-1..1",
    "skating\nm/s",
    "sinking\nm",
    "at limits\nframes",
    "asym.\nratio",
    "torque\nof limit",
)


def to_json(diagnosis: Diagnosis) -> str:
    """A diagnosis as one JSON object; NaN and infinity become null."""
    fields: dict[str, Any] = dataclasses.asdict(diagnosis)
    about = {"giveaway": diagnosis.giveaway, "verdict": diagnosis.verdict, "errors": diagnosis.errors}
    return json.dumps(json_values(fields | about), allow_nan=False)


def features_table(features: list[FeatureStats]) -> Table:
    """Reference beside policy, by kind of feature, with the separability of each."""
    title, caption = "features: mean ± std, 5th..95th percentile", f"AUC: {AUC}"
    table = Table(box=None, padding=(0, 1, 0, 0), title=title, caption=caption)
    for column in ("", "reference", "", "policy", "", "AUC"):
        table.add_column(column, justify="right" if table.columns else "left", no_wrap=True)
    for group in dict.fromkeys(feature.group for feature in features):
        members = [feature for feature in features if feature.group == group]
        table.add_row(f"[bold]{group}[/bold]", f"[bold]{members[0].unit}[/bold]")
        for feature in members:
            name = feature.name.removeprefix(group).removesuffix(group.split()[-1]).strip() or group
            style = "bold" if feature.separability > 0.9 else ""
            numbers = (*_cells(feature.reference), *_cells(feature.policy), f"{feature.separability:.2f}")
            table.add_row(f" {name}", *numbers, style=style)
    return table


def clips_table(clips: list[ClipReport]) -> Table:
    """One row a clip: the figures that decide whether it can be learned from."""
    table = Table(box=None, padding=(0, 1, 0, 0), title="clips")
    table.add_column("", max_width=24, no_wrap=True)
    for column in CLIP_COLUMNS:
        table.add_column(column, justify="right", no_wrap=True)
    for clip in clips:
        quality = clip.quality
        numbers = (f"{clip.speed:.2f}", f"{clip.forward:+.2f}", f"{quality.skating:.3f}", f"{quality.penetration:.3f}")
        shares = (f"{quality.limit_share:.0%}", f"{quality.asymmetry:.2f}", f"{clip.torque_share:.0%}")
        table.add_row(clip.name, *numbers, *shares)
    return table


def sentences(diagnosis: Diagnosis) -> list[str]:
    """The machine, the feature that tells policy from reference best, the findings (errors first) and the verdict."""
    findings = sorted(diagnosis.findings, key=lambda finding: finding.severity)
    said = [f"{finding.severity} ({finding.code}): {finding.sentence}" for finding in findings]
    return [machine_sentence(diagnosis.machine), diagnosis.giveaway, *said, diagnosis.verdict]


def machine_sentence(machine: Machine) -> str:
    """Hardware, and what a run will choose on it."""
    return (
        f"machine: {', '.join(machine.devices)} ({machine.backend}), {machine.cores} cores, physics {machine.physics}, "
        f"{machine.num_envs} robots, rendering {'works' if machine.rendering == 'yes' else 'fails'}, wandb "
        f"{machine.wandb}, {machine.free_disk / 1e9:.1f} GB free"
    )


def _cells(summary: Summary) -> tuple[str, str]:
    return f"{_short(summary.mean)} ±{_short(summary.std)}", f"{_short(summary.low)}..{_short(summary.high)}"


def _short(value: float) -> str:
    return f"{value:.2f}" if abs(value) < 100.0 else f"{value:.3g}"
