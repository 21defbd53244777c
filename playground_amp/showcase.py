"""What a run shows at its end: the video of the robot beside its reference, stills, and the report."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path

import numpy as np

from playground_amp import visualize
from playground_amp.amp import AMP
from playground_amp.evaluate import Evaluation, Recording
from playground_amp.motion.clip import MotionClip
from playground_amp.motion.library import load_clips
from playground_amp.motion.quality import measure
from playground_amp.report import write_report


def showcase(run_dir: Path, amp: AMP, recording: Recording, evaluation: Evaluation) -> list[str]:
    """Write videos/ and report.html of a run; returns what to tell the user."""
    notes = [_sentence(evaluation)]
    if amp.config.logging.video_seconds > 0.0:
        try:
            notes.append(f"video: {_film(run_dir, amp, recording)}")
        except Exception as error:  # no OpenGL on this machine must not cost the report
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            notes.append(f"no video: {reason}; on Debian or Ubuntu install libegl1 and libgl1-mesa-dri")
    reference = _reference_gait(amp, evaluation.command)
    report = write_report(run_dir, run_dir.name, dataclasses.asdict(evaluation), reference, notes)
    return [*notes, f"report: {report}"]


def _sentence(evaluation: Evaluation) -> str:
    survived = (
        f"evaluation: {evaluation.episodes} episodes, {evaluation.survival:.0%} without a fall, "
        f"mean length {evaluation.episode_length:.0f} steps"
    )
    if math.isnan(evaluation.forward_velocity):
        return f"{survived}, none long enough to measure a gait"
    return f"{survived}, {evaluation.forward_velocity:.2f} m/s at {evaluation.command:.2f} m/s commanded"


def _film(run_dir: Path, amp: AMP, recording: Recording) -> Path:
    """The longest episode beside the clip nearest to its speed."""
    alive = np.asarray(recording.alive)
    best = int(alive.sum(axis=0).argmax())
    length = min(int(alive[:, best].sum()), round(amp.config.logging.video_seconds / amp.config.env.control_dt))
    every = max(1, round(1.0 / (visualize.FPS * amp.config.env.control_dt)))
    motion = np.asarray(recording.qpos[:length:every, best])
    clip = _nearest_clip(amp, float(recording.command[best]))
    reference = visualize.loop(clip.qpos[::every], len(motion))
    frames = visualize.render(amp.env.robot, motion, reference)
    path = run_dir / "videos" / "final.mp4"
    visualize.write_video(path, frames)
    visualize.write_strip(path.with_suffix(".png"), frames)
    return path


def _reference_gait(amp: AMP, speed: float) -> dict[str, float]:
    """Figures of the clip nearest to `speed`, under the names of the evaluation's."""
    clip = _nearest_clip(amp, speed)
    quality = measure(clip, amp.env.robot)
    return {
        "forward_velocity": quality.speed,
        "cadence": quality.cadence,
        "step_length": quality.speed * 60.0 / quality.cadence if quality.cadence else float("nan"),
        "duty_factor": quality.duty,
        "foot_skating": quality.skating,
        "asymmetry": quality.asymmetry,
    }


def _nearest_clip(amp: AMP, speed: float) -> MotionClip:
    clips = load_clips(amp.config.reference.clips, amp.env.robot, control_dt=amp.config.env.control_dt)
    return min(clips, key=lambda clip: abs(clip.speed - speed))
