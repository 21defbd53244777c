"""What a run shows at its end: the video of the robot beside its reference, stills, and the report."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from playground_amp.amp import AMP
from playground_amp.core.files import write_whole
from playground_amp.evaluation.bounds import faults, figures
from playground_amp.evaluation.columns import without_nan
from playground_amp.evaluation.evaluate import Evaluation
from playground_amp.evaluation.gait_labels import GaitEvaluation, middle_speeds, sentences
from playground_amp.evaluation.reference_pace import reference_pace
from playground_amp.evaluation.rollout import Recording, parts_of
from playground_amp.evaluation.style import held_out_windows, training_distances
from playground_amp.metrics.gait import measure
from playground_amp.motion.clip import MotionClip
from playground_amp.reporting import render
from playground_amp.reporting.run_report import write_report
from playground_amp.runs.run_directory import read_restarts


def showcase(
    run_dir: Path,
    amp: AMP,
    recording: Recording,
    evaluation: Evaluation,
    verdict: str = "",
    gaits: GaitEvaluation | None = None,
    turns: Recording | None = None,
) -> list[str]:
    """Write videos/, evaluation.json and report.html of a run; returns what to tell the user.

    `verdict` is a paragraph for the top of the report: what became of the run. `gaits` are those of a policy that is
    asked for one of several, and `turns` episodes that were asked for all of them in turn, to be filmed.
    """
    write_evaluation(run_dir, evaluation, gaits)
    reference = _reference(amp, evaluation)
    numbers = figures(amp, recording, evaluation)
    out = faults(numbers, amp.env.config, labelled=amp.env.labelled)
    notes = [_sentence(evaluation), *_gait(evaluation, reference), *_bounds(numbers, out)]
    notes += sentences(gaits) if gaits else []
    if amp.config.logging.video_seconds > 0.0:
        try:
            path = run_dir / "videos" / "final.mp4"
            if turns:
                film_turns(path, amp, turns)
            else:
                film(path, amp, recording)
            notes.append(f"video: {path}")
        except Exception as error:  # no OpenGL on this machine must not cost the report
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            notes.append(f"no video: {reason}; on Debian or Ubuntu install libegl1 and libgl1-mesa-dri")
    restarts = [(restart.iteration, restart.sentence) for restart in read_restarts(run_dir)]
    report = write_report(run_dir, run_dir.name, dataclasses.asdict(evaluation), reference, notes, verdict, restarts)
    return [*notes, f"report: {report}"]


def write_evaluation(run_dir: Path, evaluation: Evaluation, gaits: GaitEvaluation | None = None) -> Path:
    """Write evaluation.json, whole or not at all; what does not exist is null."""
    path = run_dir / "evaluation.json"
    figures = evaluation.to_json() | ({"gaits": without_nan(dataclasses.asdict(gaits))} if gaits else {})
    write_whole(path, json.dumps(figures, indent=2, allow_nan=False) + "\n")
    return path


def _sentence(evaluation: Evaluation) -> str:
    survived = (
        f"evaluation: {evaluation.episodes} episodes, {evaluation.survival:.0%} without a fall, "
        f"mean length {evaluation.episode_length:.0f} steps"
    )
    if math.isnan(evaluation.forward_velocity):
        return f"{survived}, none long enough to measure a gait"
    return f"{survived}, {evaluation.forward_velocity:.2f} m/s at {evaluation.command:.2f} m/s commanded"


def _gait(evaluation: Evaluation, reference: dict[str, float]) -> list[str]:
    """One line, or none where there were no steps."""
    if not evaluation.cadence > 0.0:
        return []
    known = not math.isnan(reference["cadence"])  # the clips are long enough to tell
    cadence, length = (
        f" (reference {reference[name]:{style}})" if known else ""
        for name, style in (("cadence", ".0f"), ("step_length", ".2f"))
    )
    return [
        f"gait: {evaluation.cadence:.0f} steps a minute{cadence} of {evaluation.step_length:.2f} m{length}, "
        f"left and right {evaluation.step_asymmetry:.0%} apart"
    ]


def _bounds(numbers: dict[str, float], faults: list[str]) -> list[str]:
    """Which figures are not those of a robot that walks like its reference; nothing where there were no steps."""
    if not numbers["cadence"] > 0.0:
        return []
    wrong = [f"{name.replace('_', ' ')} {numbers[name]:.3g}" for name in faults]
    if not wrong:
        return ["every figure is within the bounds that playground-amp evaluate shows"]
    return [f"out of the bounds that playground-amp evaluate shows: {', '.join(wrong)}"]


def film(path: Path, amp: AMP, recording: Recording) -> None:
    """Of the longest episodes the one with the middlemost command, beside the clip nearest to its speed."""
    lengths, command = np.asarray(recording.alive).sum(axis=0), np.asarray(recording.command)
    longest = np.flatnonzero(lengths == lengths.max())
    best = int(longest[np.abs(command[longest] - command.mean()).argmin()])
    length, every = min(int(lengths[best]), video_steps(amp)), _steps_of_a_frame(amp)
    motion = np.asarray(recording.qpos[:length:every, best])
    clip = _nearest_clip(amp.env.reference.clips.training, float(recording.command[best]))
    reference = render.loop(clip.qpos[::every], len(motion))
    frames = render.render(amp.env.robot, motion, reference)
    render.write_video(path, frames)
    render.write_strip(path.with_suffix(".png"), frames)


def film_turns(path: Path, amp: AMP, recording: Recording) -> None:
    """Of episodes that were asked for what `in_turn` says one of the longest, with the words for what is asked for.

    Beside the robot is a clip of that gait.
    """
    lengths, every = np.asarray(recording.alive).sum(axis=0), _steps_of_a_frame(amp)
    best, names = int(lengths.argmax()), amp.env.reference.gaits.names
    parts = np.asarray(parts_of(len(recording.alive), len(names)))[: lengths[best] : every]
    clips, speeds = amp.env.reference.clips.training, np.asarray(middle_speeds(amp))
    reference = []
    for part, (name, speed) in enumerate(zip(names, speeds, strict=True)):
        clip = _nearest_clip([clip for clip in clips if clip.label == name], speed)
        reference.append(render.loop(clip.qpos[::every], int((parts == part).sum())))
    motion = np.asarray(recording.qpos[: lengths[best] : every, best])
    frames = render.render(amp.env.robot, motion, np.concatenate(reference))
    words = [f"asked for {name}, {speed:.2f} m/s" for name, speed in zip(names, speeds, strict=True)]
    frames = [render.caption(frame, words[part]) for frame, part in zip(frames, parts, strict=True)]
    render.write_video(path, frames)
    render.write_strip(path.with_suffix(".png"), frames, seconds=len(frames) / render.FPS)


def video_steps(amp: AMP) -> int:
    """Control steps that the video shows, if the episode lasts."""
    return round(amp.config.logging.video_seconds / amp.config.env.control_dt)


def _steps_of_a_frame(amp: AMP) -> int:
    return max(1, round(1.0 / (render.FPS * amp.config.env.control_dt)))


def _reference(amp: AMP, evaluation: Evaluation) -> dict[str, float]:
    """Figures of the reference, under the names of the evaluation's.

    Cadence and step length are those at the robot's speed, style distances those of the held-out clips: what can be
    hoped for. The rest is of the clip nearest to the command.
    """
    quality = measure(_nearest_clip(amp.env.reference.clips.training, evaluation.command), amp.env.robot)
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


def _nearest_clip(clips: Sequence[MotionClip], speed: float) -> MotionClip:
    return min(clips, key=lambda clip: abs(clip.speed - speed))
