"""The video at the end of a run: one episode of the robot, beside the reference clip that it should look like."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from playground_amp.amp import AMP
from playground_amp.core.commands import UNIT, in_words
from playground_amp.evaluation.gait_labels import middle_speeds
from playground_amp.evaluation.reporting import render
from playground_amp.evaluation.rollout import Recording, segment_of_step
from playground_amp.motion.clip import MotionClip


def film(path: Path, amp: AMP, recording: Recording) -> None:
    """Write the video `path`, and stills beside it, of one episode and of the clip nearest to its command.

    The episode is, of the longest ones, that with the middlemost command.
    """
    lengths, command = np.asarray(recording.alive).sum(axis=0), np.asarray(recording.command)
    longest = np.flatnonzero(lengths == lengths.max())
    episode = int(longest[np.abs((command[longest] - command.mean(axis=0)) / UNIT).sum(axis=1).argmin()])
    length, every = min(int(lengths[episode]), video_steps(amp)), _steps_per_frame(amp)
    motion = np.asarray(recording.qpos[:length:every, episode])
    clip = nearest_clip(amp.env.reference.clips.training, command[episode])
    frames = render.render(amp.env.robot, motion, render.loop(clip.qpos[::every], len(motion)))
    render.write_video(path, frames)
    render.write_strip(path.with_suffix(".png"), frames)


def film_gaits(path: Path, amp: AMP, recording: Recording) -> None:
    """Write the video `path`, and stills beside it, of one of the longest episodes under `sequential_schedule`.

    Words say which gait is commanded, and a clip of that gait is played beside the robot.
    """
    lengths, every = np.asarray(recording.alive).sum(axis=0), _steps_per_frame(amp)
    episode = int(lengths.argmax())
    names, speeds = amp.env.reference.gaits.names, np.asarray(middle_speeds(amp))
    gait_of_frame = np.asarray(segment_of_step(len(recording.alive), len(names)))[: lengths[episode] : every]
    reference = []
    for gait, (name, speed) in enumerate(zip(names, speeds, strict=True)):
        own = [clip for clip in amp.env.reference.clips.training if clip.label == name]
        clip = nearest_clip(own, np.array([speed, 0.0, 0.0]))
        reference.append(render.loop(clip.qpos[::every], int((gait_of_frame == gait).sum())))
    motion = np.asarray(recording.qpos[: lengths[episode] : every, episode])
    frames = render.render(amp.env.robot, motion, np.concatenate(reference))
    words = [f"asked for {name}, {speed:.2f} m/s" for name, speed in zip(names, speeds, strict=True)]
    frames = [render.caption(frame, words[gait]) for frame, gait in zip(frames, gait_of_frame, strict=True)]
    render.write_video(path, frames)
    render.write_strip(path.with_suffix(".png"), frames, seconds=len(frames) / render.FPS)


def film_commands(path: Path, amp: AMP, recording: Recording, commands: np.ndarray) -> None:
    """Write the video `path`, and stills beside it, of one of the longest episodes under `commands` [S, 3] in turn.

    An arrow on the ground shows the command, words say it, and the clip nearest to it is played beside the robot.
    """
    lengths, every = np.asarray(recording.alive).sum(axis=0), _steps_per_frame(amp)
    episode = int(lengths.argmax())
    segment = np.asarray(segment_of_step(len(recording.alive), len(commands)))[: lengths[episode] : every]
    clips = [nearest_clip(amp.env.reference.clips.training, command) for command in commands]
    reference = [render.loop(clip.qpos[::every], int((segment == i).sum())) for i, clip in enumerate(clips)]
    motion = np.asarray(recording.qpos[: lengths[episode] : every, episode])
    frames = render.render(amp.env.robot, motion, np.concatenate(reference), commands=commands[segment])
    frames = [render.caption(frame, in_words(commands[i])) for frame, i in zip(frames, segment, strict=True)]
    render.write_video(path, frames)
    render.write_strip(path.with_suffix(".png"), frames, seconds=len(frames) / render.FPS)


def video_steps(amp: AMP) -> int:
    """Control steps that the video shows, if the episode lasts."""
    return round(amp.config.logging.video_seconds / amp.config.env.control_dt)


def nearest_clip(clips: Sequence[MotionClip], command: np.ndarray) -> MotionClip:
    """The clip whose mean velocity and turning are nearest to `command` [3]."""
    return min(clips, key=lambda clip: float(np.linalg.norm((clip.command - command) / UNIT)))


def _steps_per_frame(amp: AMP) -> int:
    """Control steps from one frame of the video to the next."""
    return max(1, round(1.0 / (render.FPS * amp.config.env.control_dt)))
