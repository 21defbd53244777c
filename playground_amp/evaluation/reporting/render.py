"""Pictures: the robot beside its reference as frames, a video, a strip of stills."""

from __future__ import annotations

import itertools
import os
import sys
import warnings
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import imageio.v2 as imageio
import mujoco
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from mujoco.rendering.classic import gl_context

from playground_amp.core.commands import STANDS
from playground_amp.motion.clip_commands import facing
from playground_amp.robots import Robot

FPS = 25
STRIP_SECONDS = 0.8  # a little more than a stride
SPACING = 0.75  # of the robot's height, to the reference ahead of it
STILL_HEIGHT = 1.15  # of the robot's height
BELOW = 0.06  # share of a still that is under the ground
NARROW = 10.0  # degrees, field of view of stills: nearly without perspective
SKYBOX = mujoco.mjtTexture.mjTEXTURE_SKYBOX
SKY = (0.93, 0.95, 0.98), (0.72, 0.78, 0.86)  # colours, above and below
TILES = (0.84, 0.86, 0.88), (0.78, 0.80, 0.83)
GHOST = (0.95, 0.62, 0.25, 1.0)  # colour of the reference
GO, TURN = (0.10, 0.45, 0.85, 1.0), (0.80, 0.20, 0.55, 1.0)  # colours of a command's velocity and of its turning
ARC = 4  # arrows that show the turning
CROP = slice(60, -40), slice(100, -100)  # rows and columns of a frame that a still shows
CAPTION = 30, 440  # height and width of a line of words, pixels; it fills the top of the crop


def side_by_side_model(robot: Robot) -> mujoco.MjModel:
    """A scene of the robot and of a second one in another colour, the reference; its qpos is both in this order."""
    scene, other = robot.spec(), robot.spec()
    for geom in list(other.worldbody.geoms):
        other.delete(geom)
    for unneeded in [*other.worldbody.lights, *other.keys]:
        other.delete(unneeded)
    for geom in other.geoms:
        geom.rgba, geom.material = GHOST, ""
    scene.attach(other, prefix="reference_", frame=scene.worldbody.add_frame())
    _paint(scene)
    return scene.compile()


def _paint(scene: mujoco.MjSpec) -> None:
    """The same sky and floor for every robot."""
    for texture in [texture for texture in scene.textures if texture.type == SKYBOX]:
        scene.delete(texture)
    _texture(scene, "sky", SKYBOX, mujoco.mjtBuiltin.mjBUILTIN_GRADIENT, SKY, 64)
    _texture(scene, "tiles", mujoco.mjtTexture.mjTEXTURE_2D, mujoco.mjtBuiltin.mjBUILTIN_CHECKER, TILES, 256)
    floor = scene.add_material(name="tiles", texrepeat=[4.0, 4.0], texuniform=True)
    floor.textures[mujoco.mjtTextureRole.mjTEXROLE_RGB] = "tiles"
    for geom in scene.worldbody.geoms:
        if geom.type == mujoco.mjtGeom.mjGEOM_PLANE:
            geom.material, geom.rgba = "tiles", [1.0, 1.0, 1.0, 1.0]
    scene.visual.headlight.ambient = [0.45, 0.45, 0.45]


def _texture(scene: mujoco.MjSpec, name: str, kind: int, builtin: int, colours: tuple, size: int) -> None:
    first, second = colours
    scene.add_texture(name=name, type=kind, builtin=builtin, rgb1=first, rgb2=second, width=size, height=size)


def make_renderer(model: mujoco.MjModel, size: tuple[int, int]) -> mujoco.Renderer:
    """A renderer of pictures `size` (width, height) pixels, without the costly effects.

    MuJoCo chooses how to draw when it is imported, by MUJOCO_GL. Where neither that nor a screen is there, EGL draws.
    """
    if sys.platform.startswith("linux") and not os.environ.get("MUJOCO_GL") and not os.environ.get("DISPLAY"):
        from mujoco.egl import GLContext  # imported late: loads the driver

        gl_context.GLContext = GLContext
    renderer = mujoco.Renderer(model, height=size[1], width=size[0])
    renderer.scene.flags[mujoco.mjtRndFlag.mjRND_SHADOW] = False
    renderer.scene.flags[mujoco.mjtRndFlag.mjRND_REFLECTION] = False
    return renderer


def _height(robot: Robot) -> float:
    """Height of the robot's highest point in its home pose, m."""
    data = next(robot.poses(robot.home_qpos[None]))
    return float(np.max(data.geom_xpos[:, 2] + robot.model.geom_rbound))


def render(
    robot: Robot,
    motion: np.ndarray,
    reference: np.ndarray,
    *,
    commands: np.ndarray | None = None,
    size: tuple[int, int] = (640, 480),
) -> list[np.ndarray]:
    """N frames [H, W, 3] uint8 of the states `motion` [N, nq], and of `reference` [N, nq] ahead, seen from their right.

    The camera follows the robot, and the reference is kept at one distance from it whatever their speeds. `size` is the
    width and height of a frame, pixels. Of `commands` [N, 3] (m/s, m/s, rad/s) the velocity is an arrow on the ground,
    and the turning an arc of arrows, as far round as a second takes.
    """
    model = side_by_side_model(robot)
    data = mujoco.MjData(model)
    camera = mujoco.MjvCamera()
    height = _height(robot)
    spacing = SPACING * height
    camera.distance, camera.azimuth, camera.elevation = 2.4 * height, 100.0, -10.0
    frames = []
    with make_renderer(model, size) as renderer:
        for row, (robot_qpos, reference_qpos) in enumerate(zip(motion, reference, strict=True)):
            beside = reference_qpos.copy()
            beside[:2] = robot_qpos[0] + spacing, robot_qpos[1]
            data.qpos[:] = np.concatenate([robot_qpos, beside])
            mujoco.mj_forward(model, data)
            camera.lookat[:] = [robot_qpos[0] + 0.5 * spacing, robot_qpos[1], 0.46 * height]
            renderer.update_scene(data, camera)
            if commands is not None:
                _draw_command(renderer.scene, robot_qpos, commands[row], height)
            frames.append(renderer.render())
    return frames


def _draw_command(scene: mujoco.MjvScene, qpos: np.ndarray, command: np.ndarray, height: float) -> None:
    """Add the arrows of a command [3] to a scene, on the ground under a robot in state `qpos` [nq]."""
    heading = float(facing(qpos[None, 3:7])[0])
    foot = np.array([qpos[0], qpos[1], 0.02 * height])
    forward, left = (np.array([np.cos(heading + turned), np.sin(heading + turned), 0.0]) for turned in (0.0, np.pi / 2))
    speed = command[0] * forward + command[1] * left
    if np.linalg.norm(speed) > STANDS:
        _arrow(scene, foot, foot + height * speed, 0.02 * height, GO)
    if abs(command[2]) > STANDS:
        angles = heading + np.linspace(0.0, command[2], ARC + 1)
        points = foot + 0.45 * height * np.stack([np.cos(angles), np.sin(angles), np.zeros(ARC + 1)], axis=1)
        for start, end in itertools.pairwise(points):
            _arrow(scene, start, end, 0.015 * height, TURN)


def _arrow(scene: mujoco.MjvScene, start: np.ndarray, end: np.ndarray, width: float, colour: tuple) -> None:
    if scene.ngeom >= scene.maxgeom:
        return
    geom = scene.geoms[scene.ngeom]
    mujoco.mjv_initGeom(
        geom, mujoco.mjtGeom.mjGEOM_ARROW, np.zeros(3), np.zeros(3), np.zeros(9), np.array(colour, np.float32)
    )
    mujoco.mjv_connector(geom, mujoco.mjtGeom.mjGEOM_ARROW, width, start, end)
    scene.ngeom += 1


def stills(
    robot: Robot, motion: np.ndarray, *, height: float | None = None, size: tuple[int, int] = (300, 400)
) -> list[np.ndarray]:
    """N frames [H, W, 3] uint8 of the robot alone in the states `motion` [N, nq], straight from its right.

    A picture is `height` m high (default: a little more than the robot), a share BELOW of it under the ground; the
    robot's root is in its middle.
    """
    scene = robot.spec()
    _paint(scene)
    model, height = scene.compile(), height or still_height(robot)
    model.vis.global_.fovy = NARROW
    data, camera = mujoco.MjData(model), mujoco.MjvCamera()
    camera.azimuth, camera.elevation = 90.0, 0.0
    camera.distance = 0.5 * height / np.tan(np.deg2rad(0.5 * NARROW))
    frames = []
    with make_renderer(model, size) as renderer:
        for qpos in motion:
            data.qpos[:] = qpos
            mujoco.mj_forward(model, data)
            camera.lookat[:] = [qpos[0], qpos[1], (0.5 - BELOW) * height]
            renderer.update_scene(data, camera)
            frames.append(renderer.render())
    return frames


def still_height(robot: Robot) -> float:
    """What a still shows of the robot from its lower to its upper edge, m."""
    return STILL_HEIGHT * _height(robot)


def loop(motion: np.ndarray, frames: int) -> np.ndarray:
    """The first `frames` rows of `motion` [N, nq], played again from the start as often as needed."""
    return motion[np.arange(frames) % len(motion)]


def caption(frame: np.ndarray, text: str) -> np.ndarray:
    """A copy of `frame` [H, W, 3] with a line of words in the upper left corner of what a still shows."""
    top, left = (part.start for part in CROP)
    height, width = CAPTION
    where = slice(top, top + height), slice(left, left + width)
    written = frame.copy()
    written[where] = (frame[where] * _paper(text)).astype(np.uint8)
    return written


@cache
def _paper(text: str) -> np.ndarray:
    """Black words on white [H, W, 3], 0 to 1."""
    height, width = CAPTION
    figure = Figure(figsize=(width / 100, height / 100), dpi=100, facecolor="white")
    figure.text(0.03, 0.3, text, fontsize=13, parse_math=False)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3] / 255.0


def write_video(path: Path, frames: Sequence[np.ndarray]) -> None:
    """Write frames [H, W, 3] as an H.264 mp4 at FPS, which every browser plays."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # JAX warns of every fork; ffmpeg's child only runs ffmpeg
        imageio.mimwrite(path, list(frames), fps=FPS, codec="libx264", quality=7, macro_block_size=2)


def write_strip(path: Path, frames: Sequence[np.ndarray], count: int = 8, seconds: float = STRIP_SECONDS) -> None:
    """Write `count` of the frames side by side as one PNG, evenly spaced over `seconds`.

    They start two seconds after the first frame, or earlier where there are fewer.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    last = len(frames) - 1
    first = min(2 * FPS, max(0, last - round(seconds * FPS)))
    rows = np.linspace(first, min(last, first + seconds * FPS), count).astype(int)
    imageio.imwrite(path, np.concatenate([frames[row][CROP] for row in rows], axis=1))
