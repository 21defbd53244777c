"""Clips that are watched by themselves: the files, and the robot that they name."""

from __future__ import annotations

from pathlib import Path

from playground_amp.config import ClipSource, find_path
from playground_amp.core.errors import InputError
from playground_amp.evaluation.reporting.viewer.playback import ClipPlayback
from playground_amp.motion.clip import load_clip, robot_of_clip
from playground_amp.motion.clip_sources import find_clips
from playground_amp.robots import load_robot


def is_clips(what: str) -> bool:
    """Whether `what` names a clip or a folder of clips, not a run."""
    path = find_path(what)
    if path.suffix == ".npz":
        return True
    return path.is_dir() and not (path / "config.yaml").is_file() and any(path.glob("*.npz"))


def clip_playback(path: Path, robot_name: str | None) -> ClipPlayback:
    """The clip or the folder of clips at `path`; raises InputError for what does not fit the robot."""
    files = find_clips([ClipSource(path=str(path))])
    named = robot_name or robot_of_clip(files[0])
    try:
        robot = load_robot(named)
    except InputError:
        if robot_name:
            raise
        raise InputError(
            f"'{files[0]}' is a clip for the robot '{named}', none of those that ship; give its file by --robot"
        ) from None
    return ClipPlayback(robot, [load_clip(file, robot) for file in files])
