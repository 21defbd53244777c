"""A run that is watched: one robot that its policy walks, steered and pushed, beside a reference clip."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from playground_amp.amp import AMP
from playground_amp.core.commands import UNIT
from playground_amp.core.errors import DamagedCheckpoint
from playground_amp.evaluation.reporting.viewer.checkpoint_folder import CheckpointFolder, Networks
from playground_amp.evaluation.reporting.viewer.placement import CENTRE_SECONDS, ClipPath, beside
from playground_amp.evaluation.reporting.viewer.playback import Playback, Shown
from playground_amp.evaluation.reporting.viewer.simulation import Comparison, Frame, Simulation

NEAREST = "nearest to the command"  # the choice of a clip that follows the command
REMEMBERED = 60.0  # s that can be sought back
RECENT = 1.0  # s that the discriminator is asked about
LYING = 0.8  # s that a fall is shown before the next episode
STEP = 0.1  # of a range, by which a key changes the command
MOST_STEPS = 12  # control steps in one call: a machine that cannot keep up falls behind the clock instead


@dataclass(frozen=True, eq=False)
class Trace:
    """D over the time until the moment that is shown, N steps; those without one are left out."""

    time: np.ndarray  # [N] s, from that moment: at most 0
    score: np.ndarray  # [N]


class RunSession(Playback):
    """What a viewer asks of a run; its methods are called from one thread.

    Time is that of the simulation. What was simulated is kept and can be sought; a command, a push or another gait in
    the past drops what came after and goes on from there.
    """

    def __init__(self, amp: AMP, folder: CheckpointFolder, checkpoint: str | int = "newest", seed: int = 0):
        clips = amp.env.reference.clips
        super().__init__(amp.env.robot, [*clips.training, *clips.held_out])
        self.folder, self.simulation, self.seed = folder, Simulation(amp), seed
        self.gaits = amp.env.reference.gaits.names if amp.env.labelled else ()
        self.gait, self.clip = 0, NEAREST
        self.follows_training = checkpoint == "newest"
        self.command = middle(self.ranges)
        self.iteration = folder.choose(checkpoint)
        self._networks: Networks = folder.load(self.iteration)
        self.iterations = sorted({*folder.iterations(), self.iteration})
        self._spacing = 0.9 * float(self.robot.home_qpos[2])
        self.restart()

    # --- time

    @property
    def _dt(self) -> float:
        return self.simulation.control_dt

    @property
    def start(self) -> float:
        return self._first * self._dt

    @property
    def end(self) -> float:
        return (self._first + len(self._frames) - 1) * self._dt

    @property
    def is_live(self) -> bool:
        """Whether the moment that is shown is the last there is."""
        return self._index == len(self._frames) - 1

    @property
    def _index(self) -> int:
        """Place of the frame that is shown."""
        return min(max(int(self.time / self._dt + 1e-6) - self._first, 0), len(self._frames) - 1)

    @property
    def frame(self) -> Frame:
        """The moment that is shown."""
        return self._frames[self._index]

    def restart(self) -> None:
        """A new episode, from the same start for the same checkpoint, command and gait."""
        self._frames = [self.simulation.start(self.seed, self.command, self.gait)]
        self._first, self.time = 0, 0.0

    def warm_up(self) -> None:
        """Compile what is asked for all the time, so that the first second is not spent on it."""
        self._frames.append(self._next())
        self.time = self.end
        self.compare()
        self.restart()

    def advance(self, seconds: float) -> None:
        if not self.playing:
            return
        self.time += seconds * self.speed
        for _ in range(MOST_STEPS):
            if self.end + self._dt > self.time + 1e-9:
                break
            self._frames.append(self._next())
        self.time = min(self.time, self.end + self._dt * (1.0 - 1e-3))
        surplus = len(self._frames) - 1 - round(REMEMBERED / self._dt)
        if surplus > 0:
            del self._frames[:surplus]
            self._first += surplus
            self.time = max(self.time, self.start)

    def _next(self) -> Frame:
        last = self._frames[-1]
        lying = round(LYING / self._dt)
        if last.fell and not all(frame is last for frame in self._frames[-lying:]):
            return last
        return self.simulation.step(self._networks, last, self.command, self.gait)

    def _go_on_from_here(self) -> None:
        del self._frames[self._index + 1 :]

    # --- what the robot is asked for

    @property
    def ranges(self) -> np.ndarray:
        """Lowest and highest command of the run, [3, 2] m/s, m/s, rad/s; those that it is never asked for are 0, 0."""
        env = self.simulation.env
        if self.gaits:
            low, high = np.asarray(env.reference.gaits.speed_range[self.gait])
            return np.array([[low, high], [0.0, 0.0], [0.0, 0.0]])
        command = env.config.command
        return np.array([command.forward, command.sideways, command.turn], float)

    @property
    def may_stand(self) -> bool:
        """Whether the run is asked to stand at times, which lies in the ranges or beside them."""
        return not self.gaits and self.simulation.env.config.command.stand_share > 0.0

    def steer(self, command: np.ndarray) -> None:
        """Ask for `command` [3], cut to the ranges; all zero is asked for as it is where the run learns to stand."""
        stands = self.may_stand and not np.any(command)
        wanted = np.zeros(3) if stands else np.clip(command, *self.ranges.T)
        if np.any(wanted != self.command):
            self._go_on_from_here()
            self.command = wanted

    def nudge(self, axis: int, direction: int) -> None:
        """Change one number of the command by a tenth of its range, as a key does."""
        change = np.zeros(3)
        change[axis] = direction * STEP * np.ptp(self.ranges[axis])
        moved = np.round(self.command + change, 6)
        self.steer(moved)

    def stop(self) -> None:
        """Ask for what is nearest to standing."""
        self.steer(np.zeros(3))

    def choose_gait(self, name: str) -> None:
        """Ask for another of `gaits`, at the middle of its speeds."""
        self._go_on_from_here()
        self.gait = self.gaits.index(name)
        self.command = middle(self.ranges)

    def push(self, speed: float, angle: float) -> None:
        """Strike the root: `speed` m/s at once, at `angle` rad to the left of the way that the robot faces."""
        self._go_on_from_here()
        way = self._frames[-1].heading + angle
        if not self._frames[-1].fell:
            self._frames[-1] = self.simulation.push(self._frames[-1], speed * np.array([np.cos(way), np.sin(way)]))

    # --- checkpoints

    def choose_checkpoint(self, iteration: int) -> None:
        """Begin anew with the policy of another checkpoint; raises InputError for one that is gone or damaged."""
        self._networks = self.folder.load(iteration)
        self.iteration = iteration
        self.follows_training = self.follows_training and iteration == self.iterations[-1]
        self.restart()

    def follow_training(self, follows: bool) -> None:
        """Take the newest checkpoint now, and each new one as it comes; or stay with what is shown."""
        self.follows_training = follows
        if follows and self.iteration != self.iterations[-1]:
            self.choose_checkpoint(self.iterations[-1])

    def look_for_checkpoints(self) -> bool:
        """Whether there are other checkpoints than before; the newest is taken where training is followed.

        Those that training has dropped since stay in the list once they were loaded.
        """
        found = sorted({*self.folder.iterations(), *self.folder.loaded})
        if found == self.iterations:
            return False
        before, self.iterations = self.iterations, found
        if self.follows_training and found and found[-1] != self.iteration:
            try:
                self.choose_checkpoint(found[-1])
            except DamagedCheckpoint:  # training lays it aside, or is still at it
                self.iterations = before
                return False
        return True

    # --- the reference clip

    def choose_clip(self, name: str) -> None:
        """Show another clip beside the robot: one of `clips`, or NEAREST."""
        if name != NEAREST:
            self.path_of(name)
        self.clip = name

    @property
    def reference(self) -> ClipPath:
        """The clip that is shown."""
        return self.path_of(self.reference_name)

    @property
    def reference_name(self) -> str:
        """Its name; of NEAREST the one that is nearest now, of the gait that is asked for."""
        if self.clip != NEAREST:
            return self.clip
        gait = self.gaits[self.gait] if self.gaits else None
        own = {name: path.command for name, path in self.clips.items() if gait in (None, path.clip.label)}
        return min(own, key=lambda name: float(np.linalg.norm((own[name] - self.command) / UNIT)))

    # --- what is shown

    def shown(self) -> Shown:
        frame, index = self.frame, self._index
        clip, heading = self.reference.at(self.time)
        recent = self._frames[max(0, index + 1 - round(CENTRE_SECONDS / self._dt)) : index + 1]
        centre = np.mean([one.qpos[:2] for one in recent if one.episode == frame.episode], axis=0)
        return Shown(frame.qpos, beside(frame.qpos, frame.heading, clip, heading, self._spacing), centre)

    def compare(self) -> Comparison | None:
        """What the discriminator tells the robot of the last second by; None in the first moment of an episode."""
        index = self._index
        recent = self._frames[max(0, index + 1 - round(RECENT / self._dt)) : index + 1]
        return self.simulation.compare(self._networks, recent)

    def velocity(self) -> np.ndarray:
        """Mean velocity of the last second, [3] m/s, m/s, rad/s, as the command."""
        index = self._index
        recent = self._frames[max(0, index + 1 - round(RECENT / self._dt)) : index + 1]
        return np.mean([one.velocity for one in recent], axis=0)

    def trace(self, seconds: float) -> Trace:
        """D over the last `seconds`."""
        index = self._index
        frames = self._frames[max(0, index + 1 - round(seconds / self._dt)) : index + 1]
        time, score = self._dt * np.arange(1 - len(frames), 1), np.array([frame.score for frame in frames])
        there = np.isfinite(score) & ~np.array([frame.fell for frame in frames])
        return Trace(time[there], score[there])


def middle(ranges: np.ndarray) -> np.ndarray:
    """A command [3] to begin with: the middle of the speeds ahead that are forward, neither aside nor turning."""
    low, high = ranges[0]
    return np.array([0.5 * (max(low, 0.0) + high) if high > 0.0 else 0.5 * (low + high), 0.0, 0.0])
