"""MotionClip: a robot's motion as `qpos` at the control rate, in one `.npz` file."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from playground_amp.config import find_path
from playground_amp.core.errors import InputError
from playground_amp.core.files import whole
from playground_amp.motion.clip_commands import mean_command
from playground_amp.robots import Robot

LIMIT_TOLERANCE = 1e-3  # rad by which a clip may pass a joint limit (float32 rounding and solver tolerance)


@dataclass(frozen=True, eq=False)
class MotionClip:
    """The motion of one robot. Facing +x at the start, z up, ground at z = 0."""

    name: str
    robot: str  # name of the robot it was made for
    joints: tuple[str, ...]  # [J] names of qpos columns 7..7+J
    qpos: np.ndarray  # [N, 7 + J] m, unit quaternion (w, x, y, z), rad
    frequency: float  # Hz
    source: str  # where the motion comes from, and its licence
    time_scale: float = 1.0  # seconds of the robot per second of the person
    label: str = ""  # gait, as the configuration names it; not part of the file, nor is what follows
    weight: float = 1.0  # how often a second of it is shown, compared with one of a clip of weight 1
    declared_speed: float | None = None  # m/s, forward speed that the configuration says it counts as

    @property
    def duration(self) -> float:
        """Seconds from the first frame to the last."""
        return (len(self.qpos) - 1) / self.frequency

    @property
    def speed(self) -> float:
        """Mean horizontal speed of the root from first to last frame, m/s."""
        return float(np.linalg.norm(self.qpos[-1, :2] - self.qpos[0, :2]) / self.duration)

    @property
    def command(self) -> np.ndarray:
        """The command [3] that it is an answer to, m/s, m/s, rad/s: the mean on its way, the speed as declared."""
        command = mean_command(self.qpos, 1.0 / self.frequency)
        if self.declared_speed is not None:
            command[0] = self.declared_speed
        return command

    @property
    def command_speed(self) -> float:
        """The speed ahead of that command, m/s."""
        return float(self.command[0])


def save_clip(path: Path, clip: MotionClip) -> None:
    """Write a clip whole or not at all, and the folder if need be."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with whole(path) as temporary, temporary.open("wb") as file:
        np.savez_compressed(
            file,
            qpos=clip.qpos.astype(np.float32),
            frequency=clip.frequency,
            robot=clip.robot,
            joints=np.array(clip.joints),
            source=clip.source,
            time_scale=clip.time_scale,
        )


def load_clip(path: str | Path, robot: Robot) -> MotionClip:
    """Read a clip and check it against `robot`; raises InputError naming the file and what is wrong.

    It is looked up in the working directory first, then among those that ship. What joints do that the robot holds is
    left out.
    """
    path = find_path(str(path))
    if not path.is_file():
        raise InputError(f"there is no clip '{path}'; make one with playground-amp retarget")
    clip = _without_held(_read(path), robot)
    _validate(clip, path, robot)
    return clip


def robot_of_clip(path: Path) -> str:
    """Name of the robot that a clip was made for; raises InputError as `load_clip` does."""
    return _read(path).robot


def _read(path: Path) -> MotionClip:
    try:
        with np.load(path, allow_pickle=False) as file:
            if "poses" in file and "qpos" not in file:
                raise InputError(f"'{path}' is an AMASS take, not a clip; run playground-amp retarget on it first")
            return MotionClip(
                name=path.stem,
                robot=str(file["robot"]),
                joints=tuple(str(joint) for joint in file["joints"]),
                qpos=np.asarray(file["qpos"], np.float64),
                frequency=float(file["frequency"]),
                source=str(file["source"]),
                time_scale=float(file["time_scale"]),
            )
    except InputError:
        raise
    except KeyError as error:
        raise InputError(
            f"'{path}' is not a motion clip: it has no {str(error.args[0]).split()[0]}; see playground-amp retarget"
        ) from None
    except Exception:  # NumPy and zipfile raise a different type for every kind of damage
        raise InputError(f"'{path}' is not a readable .npz file (truncated or damaged); make it again") from None


def _without_held(clip: MotionClip, robot: Robot) -> MotionClip:
    """A clip of all joints, as clips are made, with those of a robot that holds some."""
    if not robot.held or clip.joints != robot.record.joints or clip.qpos.shape[1:] != (7 + len(clip.joints),):
        return clip
    columns = [*range(7), *(7 + clip.joints.index(joint) for joint in robot.joints)]
    return replace(clip, joints=robot.joints, qpos=clip.qpos[:, columns])


def _validate(clip: MotionClip, path: Path, robot: Robot) -> None:
    if clip.robot != robot.name:
        raise InputError(f"'{path}' is a clip for the robot '{clip.robot}', not for '{robot.name}'; retarget it again")
    if clip.joints != robot.joints:
        raise InputError(f"'{path}' has the joints {list(clip.joints)}, '{robot.name}' has {list(robot.joints)}")
    if clip.qpos.ndim != 2 or clip.qpos.shape[1] != 7 + robot.num_joints or len(clip.qpos) < 3:
        raise InputError(f"'{path}': qpos is {clip.qpos.shape}, expected (3 or more, {7 + robot.num_joints})")
    if not np.isfinite(clip.qpos).all():
        frame = int(np.argwhere(~np.isfinite(clip.qpos))[0, 0])
        raise InputError(f"'{path}': qpos holds NaN or infinity, first in frame {frame}; make the clip again")
    if not np.allclose(np.linalg.norm(clip.qpos[:, 3:7], axis=1), 1.0, atol=1e-3):
        raise InputError(f"'{path}': the root quaternions (qpos 3 to 6) are not of unit length; make the clip again")
    if not (np.isfinite(clip.frequency) and clip.frequency > 0.0):
        raise InputError(f"'{path}': frequency is {clip.frequency}, expected a positive number of Hz")
    lower, upper = robot.joint_range.T
    outside = np.maximum(lower - clip.qpos[:, 7:], clip.qpos[:, 7:] - upper).max(axis=0)
    worst = int(outside.argmax())
    if outside[worst] > LIMIT_TOLERANCE:
        raise InputError(
            f"'{path}': {robot.joints[worst]} passes its limit by {outside[worst]:.3f} rad; are its angles in radians?"
        )
