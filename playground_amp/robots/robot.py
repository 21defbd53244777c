"""A robot: its compiled model, and what its record says of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from functools import cached_property
from pathlib import Path

import mujoco
import numpy as np

from playground_amp.robots.compile import joint_range, make_spec
from playground_amp.robots.files import compile_spec
from playground_amp.robots.fixed import HeldJoint, servo_of
from playground_amp.robots.record import KeyBodies, RetargetTable, RobotDescription

FALLEN = 0.74  # share of the height at which it stands below which a root has fallen


@dataclass(frozen=True, eq=False)
class Robot:
    """A biped with a floating base and position servos. Arrays follow the order of `joints` and `pads`.

    qpos is (root position 3, root quaternion w x y z 4, joints J), qvel (root linear 3, root angular 3, joints J).
    """

    name: str
    mjcf: Path
    root: str  # body that carries the free joint
    joints: tuple[str, ...]  # [J] actuated joints, in actuator order
    pads: dict[str, tuple[str, ...]]  # foot pad -> sphere geoms at its corners, order of the contact features
    home: tuple[float, ...]  # [J] rad, standing pose
    mirror_joints: tuple[tuple[int, ...], tuple[float, ...]]  # partner index and sign of each joint, [J] each
    mirror_pads: tuple[int, ...]  # [P] partner index of each pad
    contact_clearance: tuple[float, float]  # m, pad heights at which contact is 1 and 0
    record: RobotDescription = field(repr=False)  # what the model is compiled with
    source: str = ""  # file of the record
    bodies: KeyBodies | None = None  # what a person's motion is carried over to
    retarget: RetargetTable = field(default_factory=RetargetTable)  # for making clips from people's motion
    fixed: tuple[str, ...] = ()  # of the joints, those that a policy is to be without: see `holding`
    held: Mapping[str, HeldJoint] = field(default_factory=dict)  # joints that are welded, and no longer among `joints`

    @cached_property
    def _compiled(self) -> tuple[mujoco.MjModel, list[str]]:
        spec, notes = make_spec(self.record, self.mjcf, self.source, self._held_angles)
        return compile_spec(spec, self.mjcf), notes

    @property
    def model(self) -> mujoco.MjModel:
        """The compiled MuJoCo model; angles in radians."""
        return self._compiled[0]

    @property
    def notes(self) -> list[str]:
        """A sentence for each thing of the MJCF that is left out because a file is missing."""
        return self._compiled[1]

    def spec(self) -> mujoco.MjSpec:
        """What the model is compiled from, anew: for scenes with more than the robot."""
        return make_spec(self.record, self.mjcf, self.source, self._held_angles)[0]

    @property
    def _held_angles(self) -> dict[str, float]:
        return {joint: held.angle for joint, held in self.held.items()}

    def holding(self, angles: Mapping[str, tuple[float, float]]) -> Robot:
        """The robot whose joints `fixed` are welded: joint -> its angle, and its spread in what it is taken from, rad.

        Its `joints` are the others, in the same order, and so is everything that follows from them.
        """
        kept = [i for i, joint in enumerate(self.joints) if joint not in angles]
        partner, sign = self.mirror_joints
        return replace(
            self,
            joints=tuple(self.joints[i] for i in kept),
            home=tuple(self.home[i] for i in kept),
            mirror_joints=(tuple(kept.index(partner[i]) for i in kept), tuple(sign[i] for i in kept)),
            fixed=(),
            held={joint: HeldJoint(*angle, servo_of(self.model, joint)) for joint, angle in angles.items()},
        )

    @property
    def num_joints(self) -> int:
        """Number J of actuated joints."""
        return len(self.joints)

    @property
    def num_features(self) -> int:
        """Width of the AMP features: 2 per joint, 7 for the root, 1 per pad."""
        return 2 * self.num_joints + 7 + len(self.pads)

    @cached_property
    def leg_length(self) -> float:
        """Hip pitch axis to sole in the home pose, m: as recorded, else measured."""
        return self.record.leg_length or _measure_leg(self)

    @cached_property
    def joint_range(self) -> np.ndarray:
        """Lower and upper limit of every joint, [J, 2] rad."""
        return np.array([joint_range(self.model, joint) for joint in self.joints])

    @cached_property
    def speed_limits(self) -> np.ndarray:
        """Largest speed of every joint's motor, [J] rad/s; infinite where the record does not say it."""
        fitting = [[g.speed for p, g in self.record.gains.items() if fnmatchcase(joint, p)] for joint in self.joints]
        return np.array([next((speed for speed in speeds[::-1] if speed), np.inf) for speeds in fitting])

    def beyond_limits(self, joint_pos: np.ndarray) -> np.ndarray:
        """How far each joint of a motion [N, J] rad goes beyond its limits at the most, [J] rad; negative within."""
        lower, upper = self.joint_range.T
        return np.maximum(lower - joint_pos, joint_pos - upper).max(axis=0)

    @cached_property
    def pad_geoms(self) -> np.ndarray:
        """Geom ids of the pads' spheres, [P, corners]; a pad with fewer spheres than others repeats its last one."""
        corners = max(map(len, self.pads.values()))
        names = [(*geoms, *geoms[-1:] * (corners - len(geoms))) for geoms in self.pads.values()]
        return np.array([[self.model.geom(name).id for name in row] for row in names])

    @cached_property
    def home_qpos(self) -> np.ndarray:
        """Standing at the world origin, facing +x, soles on the ground: [nq]."""
        qpos = np.concatenate([[0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0], self.home])
        qpos[2] = -self.pad_heights(qpos[None]).min()
        return qpos

    @property
    def fallen_height(self) -> float:
        """Height of the root below which the robot has fallen, m."""
        return FALLEN * float(self.home_qpos[2])

    def pad_heights(self, qpos: np.ndarray) -> np.ndarray:
        """Height [N, P] m of each pad's lowest point above the ground over a motion [N, nq], by MuJoCo's kinematics."""
        heights = np.empty((len(qpos), len(self.pads)))
        for row, data in zip(heights, self.poses(qpos), strict=True):
            row[:] = (data.geom_xpos[self.pad_geoms, 2] - self.model.geom_size[self.pad_geoms, 0]).min(axis=-1)
        return heights

    def poses(self, qpos: np.ndarray) -> Iterator[mujoco.MjData]:
        """MuJoCo's kinematics in each frame of a motion [N, nq]; one MjData, filled anew for every frame."""
        data = mujoco.MjData(self.model)
        for q in qpos:
            data.qpos[:] = q
            mujoco.mj_kinematics(self.model, data)
            yield data

    def velocities(self, qpos: np.ndarray, dt: float) -> np.ndarray:
        """Generalised velocities [N, nv] of a motion [N, nq] at steps of `dt` s, by differences over two steps.

        At the ends over one.
        """
        before = np.concatenate([qpos[:1], qpos[:-1]]).astype(np.float64)
        after = np.concatenate([qpos[1:], qpos[-1:]]).astype(np.float64)
        span = np.full(len(qpos), 2.0 * dt)
        span[[0, -1]] = dt
        qvel = np.empty((len(qpos), self.model.nv))
        for row, seconds, start, end in zip(qvel, span, before, after, strict=True):
            mujoco.mj_differentiatePos(self.model, row, seconds, start, end)
        return qvel

    def mirror_qpos(self, qpos: np.ndarray) -> np.ndarray:
        """Reflection of [..., nq] through the world's x-z plane, left and right exchanged."""
        partner, sign = self.mirror_joints
        position = qpos[..., :3] * [1.0, -1.0, 1.0]
        rotation = qpos[..., 3:7] * [1.0, -1.0, 1.0, -1.0]
        return np.concatenate([position, rotation, qpos[..., 7:][..., partner] * sign], axis=-1)


def _measure_leg(robot: Robot) -> float:
    assert robot.bodies, "the record was checked"
    data = next(robot.poses(robot.home_qpos[None]))
    body = robot.model.body(robot.bodies.hips[0])
    own = np.arange(body.jntadr[0], body.jntadr[0] + body.jntnum[0])
    pitch = own[np.abs(data.xaxis[own, 1]).argmax()]
    return float(data.xanchor[pitch, 2])
