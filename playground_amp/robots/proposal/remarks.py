"""Sentences about a proposed record: what was guessed, what needs a hand, what goes wrong when it is tried."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import mujoco
import numpy as np

from playground_amp.core.errors import listed
from playground_amp.robots import Robot
from playground_amp.robots.compile import joint_range
from playground_amp.robots.kinematic_tree import ALONG, ancestors
from playground_amp.robots.record import Gains, KeyBodies
from playground_amp.robots.servos import KEYS, servos_of
from playground_amp.robots.symmetry import Symmetry

EXACT = 1e-6  # m, residual of a reflection that is one
LEVEL = 0.005  # height over the lowest pad at which a pad still stands, as a share of the leg's length
INWARD = 0.12  # rad, that a leg should be able to lean inward
FAR = 0.5  # rad
SHAKING = 50.0  # rad/s
TRIAL = 40  # time steps


def lacking(model: mujoco.MjModel, guesses: Mapping[str, Gains]) -> dict[str, Gains]:
    """Of the guessed gains only what the MJCF does not say."""
    own = servos_of(model)
    missing = {
        joint: {key: vars(guess)[key] for key in KEYS if vars(own.get(joint, Gains()))[key] is None}
        for joint, guess in guesses.items()
    }
    return {joint: Gains(**values) for joint, values in missing.items() if any(values.values())}


def remarks(
    model: mujoco.MjModel, symmetry: Symmetry, welded: Sequence[str], key: str, gains: Mapping[str, Gains]
) -> list[str]:
    """Sentences on what was guessed of joints, their mirror, the home pose (`key` is its keyframe) and the servos."""
    return [*_on_joints(model, list(symmetry.joints), welded), *_on_mirror(symmetry), _on_home(key), *_on_gains(gains)]


def _on_joints(model: mujoco.MjModel, joints: Sequence[str], welded: Sequence[str]) -> list[str]:
    sentences = []
    if not servos_of(model):
        sentences.append("the MJCF has no actuators: every hinge joint is taken as actuated")
    if welded:
        sentences.append(f"joints that no actuator drives are welded at zero: {listed(welded)}")
    if unlimited := [joint for joint in joints if not model.jnt_limited[model.joint(joint).id]]:
        sentences.append(f"joints without a range may turn by half a turn each way: {listed(unlimited)}")
    return sentences


def _on_mirror(symmetry: Symmetry) -> list[str]:
    sentences = []
    if symmetry.alone:
        sentences.append(f"no partner on the other side was found, check 'mirror': {listed(symmetry.alone)}")
    if symmetry.residual > EXACT:
        sentences.append(
            f"left and right are not exactly alike: bodies are up to {symmetry.residual:.1g} m "
            f"from their reflection ({symmetry.worst})"
        )
    return sentences


def _on_home(key: str) -> str:
    if key:
        return f"the home pose is the keyframe '{key}'"
    return "the home pose is guessed: knees bent by 0.4 rad, the feet flat and under the weight, the arms hanging"


def _on_gains(gains: Mapping[str, Gains]) -> list[str]:
    sentences = []
    if any(guess.kp for guess in gains.values()):
        sentences.append("kp and kv are guessed from torque and inertia; put the real servos' into 'gains'")
    if guessed := [joint for joint, guess in gains.items() if guess.armature]:
        sentences.append(f"armature is guessed from torque, the MJCF has none: {listed(guessed)}")
    if guessed := [joint for joint, guess in gains.items() if guess.torque]:
        sentences.append(f"torque is guessed from weights, put the data sheet's into 'gains': {listed(guessed)}")
    return sentences


def on_wrists(model: mujoco.MjModel, joints: Sequence[str], bodies: KeyBodies) -> list[str]:
    """That joints beyond the elbows may be held, where there are any: a walk needs none of them."""
    elbows = {model.body(name).id for name in bodies.elbows or ()}
    beyond = [joint for joint in joints if elbows & set(ancestors(model, int(model.joint(joint).bodyid[0]))[1:])]
    if not beyond:
        return []
    return [
        f"joints beyond the elbows can be held at the clips' mean, for the policy to be without them: write joints as "
        f"{{names: [...], fixed: [{', '.join(beyond)}]}}"
    ]


def trial(robot: Robot) -> list[str]:
    """Sentences on what goes wrong with a proposed robot in its home pose."""
    heights = robot.pad_heights(robot.home_qpos[None])[0]
    sentences = []
    if heights.max() > LEVEL * robot.leg_length:
        pad = list(robot.pads)[int(heights.argmax())]
        sentences.append(f"in the home pose {pad} is {1000 * heights.max():.0f} mm above the floor; mend 'home'")
    data = mujoco.MjData(robot.model)
    data.qpos[:], data.ctrl[:] = robot.home_qpos, robot.home
    sentences += [*_on_weight(robot, data), *_on_hips(robot)]
    mujoco.mj_step(robot.model, data, nstep=TRIAL)
    if not np.isfinite(data.qpos).all() or np.abs(data.qvel).max() > SHAKING:
        sentences.append("the servos shake in the home pose; lower kp or kv in 'gains', or options.timestep")
    return sentences


def _on_hips(robot: Robot) -> list[str]:
    """Legs that lean inward too little stop there in every step of a walk, unless the feet are set further apart."""
    if robot.bodies is None:
        return []
    left, right = (robot.model.body(name).id for name in robot.bodies.feet)
    home = next(robot.poses(robot.home_qpos[None]))
    own = set(ancestors(robot.model, left)) - set(ancestors(robot.model, right))
    joints = [robot.model.joint(name).id for name in robot.joints]
    rolling = [i for i in joints if int(robot.model.jnt_bodyid[i]) in own and abs(home.xaxis[i, 0]) > ALONG]
    lean = max((_lean(robot, left, joint) for joint in rolling), default=0.0)
    if lean >= INWARD:
        return []
    line = float(home.xpos[left, 1]) + robot.leg_length * (INWARD - lean)
    added = f"retarget: {{foot_line: {line:.3f}, pelvis_gain: [1.0, 1.0, 0.4]}}"
    return [
        f"the legs lean inward by {np.rad2deg(lean):.0f} degrees only, a person's walk needs more: if its clips have "
        f"joints at limits, add the line '{added}' to the record"
    ]


def _lean(robot: Robot, foot: int, joint: int) -> float:
    """How far the left leg leans inward at the ends of a joint's range, rad; of a wide one, FAR from home."""
    states = np.tile(robot.home_qpos, (3, 1))
    home = float(robot.home_qpos[robot.model.jnt_qposadr[joint]])
    ends = joint_range(robot.model, robot.model.joint(joint).name)
    states[1:, robot.model.jnt_qposadr[joint]] = np.clip(ends, home - FAR, home + FAR)
    aside = np.array([data.xpos[foot, 1] for data in robot.poses(states)])
    return float(np.arcsin(np.clip((aside[0] - aside.min()) / robot.leg_length, 0.0, 1.0)))


def _on_weight(robot: Robot, data: mujoco.MjData) -> list[str]:
    mujoco.mj_forward(robot.model, data)
    ahead = data.subtree_com[0, 0] - data.geom_xpos[robot.pad_geoms.ravel(), 0]
    outside = max(ahead.min(), -ahead.max()) - robot.model.geom_size[robot.pad_geoms.ravel(), 0].max()
    if outside <= 0.0:
        return []
    where = "ahead of" if ahead.min() > 0.0 else "behind"
    return [f"in the home pose the weight is {1000 * outside:.0f} mm {where} the feet; mend 'home'"]
