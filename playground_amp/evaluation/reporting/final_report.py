"""What a run says at its end: its evaluation in sentences, in evaluation.json, and in the report."""

from __future__ import annotations

import dataclasses
import json
import math
from pathlib import Path

import numpy as np

from playground_amp.amp import AMP
from playground_amp.core.files import write_whole
from playground_amp.evaluation.bounds import faults, figures
from playground_amp.evaluation.command_grid import GridEvaluation
from playground_amp.evaluation.evaluate import Evaluation
from playground_amp.evaluation.gait_labels import GaitEvaluation, gait_sentences
from playground_amp.evaluation.reference_pace import reference_pace
from playground_amp.evaluation.reporting.command_maps import heat_maps, paths_from_above
from playground_amp.evaluation.reporting.film import film, film_commands, film_gaits, nearest_clip
from playground_amp.evaluation.reporting.html_page import drawn
from playground_amp.evaluation.reporting.run_report import write_report
from playground_amp.evaluation.rollout import Recording
from playground_amp.evaluation.style import held_out_windows, training_distances
from playground_amp.motion.metrics.gait import measure
from playground_amp.runs.run_directory import read_restarts


def write_final_report(
    run_dir: Path,
    amp: AMP,
    recording: Recording,
    evaluation: Evaluation,
    *,
    health: str = "",
    gaits: GaitEvaluation | None = None,
    gaits_in_turn: Recording | None = None,
    grid: GridEvaluation | None = None,
    tour: tuple[np.ndarray, Recording] | None = None,
) -> list[str]:
    """Write videos/, evaluation.json and report.html of a run; returns sentences that tell of them.

    `evaluation` is that of `recording`. `health` is the paragraph at the top of the report: what became of the run.
    `gaits` are those of a policy that is commanded one of several, and `gaits_in_turn` episodes under
    `sequential_schedule`, to be filmed. `grid` is that of a policy that is commanded any way, and
    `tour` are commands [S, 3] and episodes under one after the other, to be filmed.
    """
    write_evaluation(run_dir, evaluation, gaits, grid)
    reference = _reference(amp, evaluation)
    numbers = figures(amp, recording, evaluation)
    out_of_bounds = faults(numbers, amp.env.config, labelled=amp.env.labelled)
    notes = [_survival(evaluation), *_gait(evaluation, reference), *_bounds(numbers, out_of_bounds)]
    notes += gait_sentences(gaits) if gaits else []
    notes += grid.sentences if grid else []
    notes += _film(run_dir / "videos" / "final.mp4", amp, recording, gaits_in_turn, tour)
    restarts = [(restart.iteration, restart.sentence) for restart in read_restarts(run_dir)]
    pictures = _maps(grid) if grid else []
    report = write_report(
        run_dir, run_dir.name, dataclasses.asdict(evaluation), reference, notes, health, restarts, pictures
    )
    return [*notes, f"report: {report}"]


def _maps(grid: GridEvaluation) -> list[str]:
    """Pictures of the commands, as parts of a page."""
    maps = drawn(heat_maps(grid), "figures of each command")
    return ["<h2>Commands</h2>", maps, drawn(paths_from_above(grid), "ways of the robots from above")]


def write_evaluation(
    run_dir: Path, evaluation: Evaluation, gaits: GaitEvaluation | None = None, grid: GridEvaluation | None = None
) -> Path:
    """Write evaluation.json, whole or not at all; what does not exist is null."""
    path = run_dir / "evaluation.json"
    figures = evaluation.to_json() | ({"gaits": gaits.to_json()} if gaits else {})
    figures |= {"grid": grid.to_json()} if grid else {}
    write_whole(path, json.dumps(figures, indent=2, allow_nan=False) + "\n")
    return path


def _survival(evaluation: Evaluation) -> str:
    """One sentence on falls and speed."""
    survived = (
        f"evaluation: {evaluation.episodes} episodes, {evaluation.survival:.0%} without a fall, "
        f"mean length {evaluation.episode_length:.0f} steps"
    )
    if math.isnan(evaluation.forward_velocity):
        return f"{survived}, none long enough to measure a gait"
    return f"{survived}, {evaluation.forward_velocity:.2f} m/s at {evaluation.command:.2f} m/s commanded"


def _gait(evaluation: Evaluation, reference: dict[str, float]) -> list[str]:
    """One sentence on cadence, step length and symmetry, or none where there were no steps."""
    if not evaluation.cadence > 0.0:
        return []
    known = not math.isnan(reference["cadence"])  # the clips are long enough to tell
    cadence, length = (
        f" (reference {reference[name]:{style}})" if known else ""
        for name, style in (("cadence", ".0f"), ("step_length", ".2f"))
    )
    said = f"gait: {evaluation.cadence:.0f} steps a minute{cadence} of {evaluation.step_length:.2f} m{length}"
    even = evaluation.step_asymmetry  # NaN for too few strides
    return [said if math.isnan(even) else f"{said}, left and right {even:.0%} apart"]


def _bounds(numbers: dict[str, float], faults: list[str]) -> list[str]:
    """Which figures are not those of a robot that walks like its reference; nothing where there were no steps."""
    if not numbers["cadence"] > 0.0:
        return []
    wrong = [f"{name.replace('_', ' ')} {numbers[name]:.3g}" for name in faults]
    if not wrong:
        return ["every figure is within the bounds that playground-amp evaluate shows"]
    return [f"out of the bounds that playground-amp evaluate shows: {', '.join(wrong)}"]


def _film(
    path: Path,
    amp: AMP,
    recording: Recording,
    gaits_in_turn: Recording | None,
    tour: tuple[np.ndarray, Recording] | None,
) -> list[str]:
    """Write the video, if one is wanted; where it is, or why there is none."""
    if amp.config.logging.video_seconds == 0.0:
        return []
    try:
        if gaits_in_turn:
            film_gaits(path, amp, gaits_in_turn)
        elif tour:
            film_commands(path, amp, tour[1], tour[0])
        else:
            film(path, amp, recording)
    except Exception as error:  # no OpenGL on this machine must not cost the report
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        return [f"no video: {reason}; on Debian or Ubuntu install libegl1 and libgl1-mesa-dri"]
    return [f"video: {path}"]


def _reference(amp: AMP, evaluation: Evaluation) -> dict[str, float]:
    """Figures of the reference, under the names and in the units of Evaluation.

    Cadence and step length are those at the robot's speed, style distances those of the held-out clips: what can be
    hoped for. The rest is of the clip nearest to the command.
    """
    clip = nearest_clip(amp.env.reference.clips.training, np.array([evaluation.command, 0.0, 0.0]))
    quality = measure(clip, amp.env.robot)
    speed = evaluation.command if math.isnan(evaluation.forward_velocity) else evaluation.forward_velocity
    cadence, step_length = reference_pace(amp).at(speed)
    return {
        "forward_velocity": quality.speed,
        "cadence": cadence,
        "step_length": step_length,
        "duty_factor": quality.duty,
        "alternation": quality.alternation,
        "phase": quality.phase,
        "step_asymmetry": quality.step_asymmetry,
        "asymmetry": quality.asymmetry,
        "foot_skating": quality.skating,
        **(training_distances(amp, held_out_windows(amp)) if amp.env.reference.clips.held_out else {}),
    }
