"""Robots: an MJCF and the record of what it does not say. One folder a robot; `load_robot(name)` reads it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import mujoco
import numpy as np
import yaml

from playground_amp.errors import InputError, nearest

FOLDER = Path(__file__).parent


@dataclass(frozen=True)
class RetargetTable:
    """What retargeting has to know of a robot; pairs are (left, right)."""

    feet: tuple[str, str]  # bodies with the ankle joint at their origin
    heels: tuple[str, str]  # pads
    toes: tuple[str, str]  # pads
    thighs: tuple[str, str]  # bodies with the hip pitch joint at their origin
    trunk_joint: str  # turns the trunk about the vertical; takes the yaw of the person's chest
    foot_line: float  # m, from the middle to the line on which a foot walks
    foot_forward: float  # m, ankle of a foot under the person's hip ahead of the robot's root
    lean: float  # rad, forward pitch of the root that the person's is added to
    leg_reach: float  # m, longest distance from hip pitch axis to ankle that leaves the knee bent
    longest_step: float  # s, heel strike to heel strike; a slower step needs more sway than the legs allow
    zmp_share: float  # lateral place of the zero moment point in single support, as a share of foot_line


@dataclass(frozen=True, eq=False)
class Robot:
    """A legged robot with a floating base and position servos. Arrays follow the order of `joints` and `pads`.

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
    leg_length: float  # m, hip pitch axis to sole
    retarget: RetargetTable | None = None  # for making clips from people's motion; training does without

    @cached_property
    def model(self) -> mujoco.MjModel:
        """The compiled model; angles in radians."""
        return mujoco.MjModel.from_xml_path(str(self.mjcf))

    @property
    def num_joints(self) -> int:
        return len(self.joints)

    @property
    def num_features(self) -> int:
        """Width of the AMP features: 2 per joint, 7 for the root, 1 per pad."""
        return 2 * self.num_joints + 7 + len(self.pads)

    @cached_property
    def joint_range(self) -> np.ndarray:
        """Lower and upper limit of every joint, [J, 2] rad."""
        return self.model.jnt_range[[self.model.joint(name).id for name in self.joints]].copy()

    @cached_property
    def pad_geoms(self) -> np.ndarray:
        """Geom ids of the pads' spheres, [P, corners]."""
        return np.array([[self.model.geom(geom).id for geom in geoms] for geoms in self.pads.values()])

    @cached_property
    def home_qpos(self) -> np.ndarray:
        """Standing at the world origin, facing +x, soles on the ground: [nq]."""
        qpos = np.concatenate([[0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0], self.home])
        qpos[2] = -self.pad_heights(qpos[None]).min()
        return qpos

    def pad_heights(self, qpos: np.ndarray) -> np.ndarray:
        """Lowest point of each pad above the ground, in m: [N, nq] -> [N, P], by MuJoCo's kinematics."""
        data = mujoco.MjData(self.model)
        heights = np.empty((len(qpos), len(self.pads)))
        for row, q in zip(heights, qpos, strict=True):
            data.qpos[:] = q
            mujoco.mj_kinematics(self.model, data)
            row[:] = (data.geom_xpos[self.pad_geoms, 2] - self.model.geom_size[self.pad_geoms, 0]).min(axis=-1)
        return heights

    def mirror_qpos(self, qpos: np.ndarray) -> np.ndarray:
        """Reflection of [..., nq] through the world's x-z plane, left and right exchanged."""
        partner, sign = self.mirror_joints
        position = qpos[..., :3] * [1.0, -1.0, 1.0]
        rotation = qpos[..., 3:7] * [1.0, -1.0, 1.0, -1.0]
        return np.concatenate([position, rotation, qpos[..., 7:][..., partner] * sign], axis=-1)


def available() -> list[str]:
    """Names of the robots that ship with the package."""
    return sorted(path.parent.name for path in FOLDER.glob("*/robot.yaml"))


def load_robot(name: str) -> Robot:
    """Read the robot of that name; raises InputError with the valid names."""
    path = FOLDER / name / "robot.yaml"
    if name not in available():
        raise InputError(f"there is no robot '{name}'; {nearest(name, available())}")
    return _from_record(yaml.safe_load(path.read_text()), path.parent)


def _from_record(record: dict, folder: Path) -> Robot:
    joints, pads = tuple(record["joints"]), record["pads"]
    mirror = record["mirror"]
    return Robot(
        name=record["name"],
        mjcf=folder / record["mjcf"],
        root=record["root"],
        joints=joints,
        pads={pad: tuple(geoms) for pad, geoms in pads.items()},
        home=tuple(float(record["home"].get(joint, 0.0)) for joint in joints),
        mirror_joints=(
            tuple(joints.index(mirror["joints"][joint][0]) for joint in joints),
            tuple(float(mirror["joints"][joint][1]) for joint in joints),
        ),
        mirror_pads=tuple(list(pads).index(mirror["pads"][pad]) for pad in pads),
        contact_clearance=tuple(record["contact_clearance"]),
        leg_length=record["leg_length"],
        retarget=_retarget_table(record.get("retarget")),
    )


def _retarget_table(record: dict | None) -> RetargetTable | None:
    if record is None:
        return None
    return RetargetTable(
        feet=_pair(record["feet"]),
        heels=_pair(record["heels"]),
        toes=_pair(record["toes"]),
        thighs=_pair(record["thighs"]),
        trunk_joint=record["trunk_joint"],
        foot_line=record["foot_line"],
        foot_forward=record["foot_forward"],
        lean=record["lean"],
        leg_reach=record["leg_reach"],
        longest_step=record["longest_step"],
        zmp_share=record["zmp_share"],
    )


def _pair(names: list[str]) -> tuple[str, str]:
    left, right = names
    return left, right
