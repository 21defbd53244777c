"""What is shown at which time: playing, seeking, speed, and the clips to choose from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from playground_amp.core.errors import InputError, nearest
from playground_amp.evaluation.reporting.viewer.placement import ClipPath
from playground_amp.motion.clip import MotionClip
from playground_amp.robots import Robot

SPEEDS = (0.1, 0.25, 0.5, 1.0, 2.0, 4.0)  # of real time


@dataclass(frozen=True, eq=False)
class Shown:
    """The scene at one moment."""

    robot: np.ndarray  # [nq]
    reference: np.ndarray | None  # [nq] of the clip beside it, already in its place; None where a clip is shown alone
    centre: np.ndarray  # [2] m, x and y that a camera looks at which follows


class Playback:
    """A time that passes while it plays, between `start` and `end`, and the clips of one robot."""

    def __init__(self, robot: Robot, clips: Sequence[MotionClip]):
        self.robot = robot
        self.clips = by_name(clips)
        self.time, self.playing, self.speed = 0.0, True, 1.0  # s, whether it passes, s a second

    @property
    def start(self) -> float:
        """Earliest time that can be shown, s."""
        return 0.0

    @property
    def end(self) -> float:
        """Latest time that can be shown, s."""
        raise NotImplementedError

    def shown(self) -> Shown:
        """The scene at `time`."""
        raise NotImplementedError

    def advance(self, seconds: float) -> None:
        """Let `seconds` of the clock on the wall pass."""
        raise NotImplementedError

    def choose_clip(self, name: str) -> None:
        """Show another clip; raises InputError for a name that is none of `clips`."""
        raise NotImplementedError

    def restart(self) -> None:
        """Begin anew."""
        self.time = self.start

    def seek(self, time: float) -> None:
        """Show the moment at `time`, s, or the nearest there is, and stay there."""
        self.playing = False
        self.time = min(max(time, self.start), self.end)

    def set_speed(self, speed: float) -> None:
        """Let time pass at `speed` times that on the wall."""
        self.speed = speed

    def path_of(self, name: str) -> ClipPath:
        """The clip of that name; raises InputError for one that is not there."""
        if name not in self.clips:
            raise InputError(f"there is no clip '{name}' here; {nearest(name, self.clips)}")
        return self.clips[name]


class ClipPlayback(Playback):
    """Clips alone, one at a time, over and over."""

    def __init__(self, robot: Robot, clips: Sequence[MotionClip]):
        super().__init__(robot, clips)
        self.clip = next(iter(self.clips))

    @property
    def end(self) -> float:
        return self.clips[self.clip].clip.duration

    def choose_clip(self, name: str) -> None:
        self.path_of(name)
        self.clip, self.time = name, 0.0

    def advance(self, seconds: float) -> None:
        if self.playing:
            self.time = (self.time + seconds * self.speed) % self.end

    def shown(self) -> Shown:
        path = self.clips[self.clip]
        return Shown(path.at(self.time)[0], None, path.centre(self.time))


def by_name(clips: Sequence[MotionClip]) -> dict[str, ClipPath]:
    """Clips by their names; of several with one name the later ones are numbered."""
    found: dict[str, ClipPath] = {}
    for clip in clips:
        same = sum(path.clip.name == clip.name for path in found.values())
        found[f"{clip.name} ({same + 1})" if same else clip.name] = ClipPath(clip)
    return found
