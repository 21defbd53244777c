"""The window: viser's server, the scene of MuJoCo geometry, and the loop that lets a session's time pass."""

from __future__ import annotations

import contextlib
import io
import queue
import time
from collections.abc import Callable

import mujoco
import numpy as np
import viser
from mjviser import ViserMujocoScene

from playground_amp.core.errors import InputError
from playground_amp.evaluation.reporting.render import side_by_side_model, still_height
from playground_amp.evaluation.reporting.viewer import panel
from playground_amp.evaluation.reporting.viewer.gate import Gate
from playground_amp.evaluation.reporting.viewer.playback import Playback, Shown
from playground_amp.evaluation.reporting.viewer.session import RunSession

FRAME = 1.0 / 30.0  # s between two pictures
NUMBERS = 0.2  # s between two looks at the numbers
DISCRIMINATOR = 0.4  # s between two questions to the discriminator
CHECKPOINTS = 2.0  # s between two looks for new checkpoints
PANEL = 380  # width, pixels
LONGEST = 0.2  # s of the wall's clock that pass at once: after a pause of the machine it does not hurry


class _Server(viser.ViserServer):
    """viser without its tunnel to a public server: nothing leaves this machine but to who was told the address."""

    def request_share_url(self, verbose: bool = True) -> None:
        return None


class Window:
    """Shows a session, and asks of it what the controls ask for, all in the thread that calls `run`."""

    def __init__(self, session: Playback, title: str):
        self._session, self._title = session, title
        self._asked: queue.SimpleQueue[Callable[[], object]] = queue.SimpleQueue()
        self._message, self._follows = "", True

    def open(self, host: str, port: int, token: str) -> int:
        """Serve it, and return the port; raises InputError where that is taken."""
        with contextlib.redirect_stdout(io.StringIO()):  # viser shows its own address, which is not the gate's
            self._server = _Server(host="127.0.0.1", port=0, label=self._title, verbose=False)
        self._scene = Scene(self._server, self._session)
        gui = self._server.gui
        gui.configure_theme(show_logo=False, show_share_button=False, brand_color=(59, 120, 195))
        gui.set_panel_label(self._title)
        gui.main_panel.dock_right()
        gui.main_panel.set_width(PANEL)
        self._status = gui.add_html("")
        self._panels: list = [panel.PlaybackPanel(self._server, self._session, self._ask, self._follow)]
        if isinstance(self._session, RunSession):
            self._panels.append(panel.RunPanel(self._server, self._session, self._ask))
        return Gate(host, port, self._server.get_port(), token).port

    def _ask(self, deed: Callable[[], object]) -> None:
        self._asked.put(deed)

    def _follow(self, follows: bool) -> None:
        self._follows = follows

    def run(self) -> None:
        """Show it until the process is told to end."""
        last, due = time.monotonic(), dict.fromkeys(("numbers", "discriminator", "checkpoints"), 0.0)
        while True:
            now = time.monotonic()
            self.tick(min(now - last, LONGEST), due, now)
            last = now
            time.sleep(max(0.001, FRAME - (time.monotonic() - now)))

    def tick(self, seconds: float, due: dict[str, float], now: float) -> None:
        """Do what was asked for, let `seconds` pass, and show what is due at `now`, s."""
        while not self._asked.empty():
            self._try(self._asked.get())
        self._session.advance(seconds)
        self._scene.show(self._session.shown(), follow=self._follows)
        run = self._session if isinstance(self._session, RunSession) else None
        if run and _is_due(due, "checkpoints", CHECKPOINTS, now):
            self._try(run.look_for_checkpoints)
        if _is_due(due, "numbers", NUMBERS, now):
            self._status.content = panel.status(self._session, self._message)
            for part in self._panels:
                part.refresh()
        if run and _is_due(due, "discriminator", DISCRIMINATOR, now):
            self._panels[-1].refresh_discriminator()

    def _try(self, deed: Callable[[], object]) -> None:
        """Do what may be refused, for example because training has dropped the checkpoint; the reason is shown."""
        try:
            deed()
            self._message = ""
        except InputError as error:
            self._message = str(error)


def _is_due(due: dict[str, float], what: str, interval: float, now: float) -> bool:
    if now < due[what]:
        return False
    due[what] = now + interval
    return True


class Scene:
    """The robot, and the reference beside it where there is one, on the ground."""

    def __init__(self, server: viser.ViserServer, session: Playback):
        is_run = isinstance(session, RunSession)
        self._model = side_by_side_model(session.robot) if is_run else session.robot.model
        self._data = mujoco.MjData(self._model)
        self._view = ViserMujocoScene(server, self._model, num_envs=1)
        self._view.camera_tracking_enabled = False  # the world is moved here instead, without the root's sway
        height = still_height(session.robot)
        aside = 0.5 * height if is_run else 0.0
        server.initial_camera.position = np.array([1.2 * height, -1.7 * height, 0.8 * height])
        server.initial_camera.look_at = np.array([0.0, 0.6 * aside, 0.45 * height])
        server.initial_camera.fov = np.deg2rad(45.0)

    def show(self, shown: Shown, *, follow: bool) -> None:
        """Draw a moment; with `follow` its centre is where the camera looks."""
        parts = [shown.robot] if shown.reference is None else [shown.robot, shown.reference]
        self._data.qpos[:] = np.concatenate(parts)
        mujoco.mj_kinematics(self._model, self._data)
        offset = np.array([-shown.centre[0], -shown.centre[1], 0.0]) if follow else np.zeros(3)
        place, turn = self._data.xpos + offset, self._data.xmat.reshape(-1, 3, 3)
        self._view.update_from_arrays(place[None], turn[None])
        self._view.fixed_bodies_frame.position = offset
