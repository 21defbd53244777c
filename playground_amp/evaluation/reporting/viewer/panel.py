"""The controls beside the scene: what each shows of a session, and what it asks of it."""

from __future__ import annotations

import html
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import viser
from viser import uplot

from playground_amp.core.commands import in_words
from playground_amp.evaluation.reporting.viewer.controls import Do, Key, add_keys, by_hand
from playground_amp.evaluation.reporting.viewer.playback import SPEEDS, Playback
from playground_amp.evaluation.reporting.viewer.session import NEAREST, REMEMBERED, RunSession
from playground_amp.evaluation.reporting.viewer.simulation import Comparison

PLOTTED = 10.0  # s of D that are plotted
ROBOT, REFERENCE = "#3b78c3", "#e8923a"  # colours of the lines
FRAME = 0.02  # s, that a key moves on or back
WIDTH = 310  # of the panel on the left, pixels
WAYS = {"left": 0.5 * np.pi, "right": -0.5 * np.pi, "ahead": 0.0, "back": np.pi}  # rad, from the robot's heading


@dataclass(frozen=True)
class Axis:
    """One number of the command."""

    name: str
    more: str  # the key for more of it
    less: str
    keys_do: str


AXES = (
    Axis("ahead, m/s", "I", "K", "faster, slower"),
    Axis("to the left, m/s", "U", "O", "to the left, right"),
    Axis("turn left, rad/s", "J", "L", "turn left, right"),
)  # W, A, S, D, Q, E and the arrows move viser's camera


class PlaybackPanel:
    """Play, the moment, speed, camera, clip: what a run and clips have in common."""

    def __init__(self, server: viser.ViserServer, session: Playback, do: Do, on_follow: Callable[[bool], None]):
        self._session, self._do, self._gui = session, do, server.gui
        self._run = session if isinstance(session, RunSession) else None
        with self._gui.add_folder("Playback"):
            self._add_playback(on_follow)
        with self._gui.add_folder("Reference clip" if self._run else "Clip"):
            choices = [*([NEAREST] if self._run else []), *session.clips]
            self._clip = self._gui.add_dropdown("clip", choices, initial_value=choices[0])
            self._clip.on_update(by_hand(lambda name: do(lambda: session.choose_clip(name))))
            self._about_clip = self._gui.add_html("")
        keys = {
            "Play or pause": ("space", self._toggle),
            "One frame on": ("N", lambda: session.seek(session.time + FRAME)),
            "One frame back": ("B", lambda: session.seek(session.time - FRAME)),
        }
        add_keys(server, do, keys | ({"Start again": ("R", session.restart)} if self._run else {}))

    def _add_playback(self, on_follow: Callable[[bool], None]) -> None:
        gui, session, do = self._gui, self._session, self._do
        self._play = gui.add_button("Pause", icon=viser.Icon.PLAYER_PAUSE, hint="space")
        self._play.on_click(lambda _: do(self._toggle))
        if self._run:
            name, low, high, hint = "moment, s", -REMEMBERED, 0.0, "0 is now; drag back to see what was"
        else:
            name, low, high, hint = "time, s", 0.0, session.end, "keys B and N: frame by frame"
        self._moment = gui.add_slider(name, min=low, max=high, step=FRAME, initial_value=0.0, hint=hint)
        self._moment.on_update(by_hand(lambda value: do(lambda: session.seek(self._origin + value))))
        self._speed = gui.add_dropdown("speed", [f"{speed:g}" for speed in SPEEDS], initial_value="1")
        self._speed.on_update(by_hand(lambda value: do(lambda: session.set_speed(float(value)))))
        gui.add_checkbox("camera follows", initial_value=True).on_update(by_hand(on_follow))
        if self._run:
            again = gui.add_button("Start again", icon=viser.Icon.REFRESH, hint="R")
            again.on_click(lambda _: do(session.restart))

    @property
    def _origin(self) -> float:
        """The time that the slider calls 0."""
        return self._session.end if self._run else 0.0

    def _toggle(self) -> None:
        self._session.playing = not self._session.playing

    def refresh(self) -> None:
        """Show the session as it is now."""
        session, playing = self._session, self._session.playing
        self._play.label = "Pause" if playing else "Play"
        self._play.icon = viser.Icon.PLAYER_PAUSE if playing else viser.Icon.PLAYER_PLAY
        if not self._run:
            self._moment.max = max(session.end, FRAME)
        self._moment.value = round(session.time - self._origin if not self._is_live() else 0.0, 2)
        name = self._run.reference_name if self._run else self._clip.value
        clip = session.clips[name].clip
        said = f"{name}: {_words(session.clips[name].command)}, {clip.duration:.1f} s"
        self._about_clip.content = _small(html.escape(said if self._run else f"{said}. {clip.source}"))

    def _is_live(self) -> bool:
        return self._run is not None and self._run.is_live


class RunPanel:
    """What only a run has: its checkpoints, the command, a push, and the discriminator."""

    def __init__(self, server: viser.ViserServer, session: RunSession, do: Do):
        self._session, self._do, self._gui, self._server = session, do, server.gui, server
        self._random = np.random.default_rng(0)
        with self._gui.add_folder("Command"):
            self._add_command()
        with self._gui.add_folder("Push"):
            self._add_push()
        beside = self._gui.add_panel()
        beside.dock_left()
        beside.set_width(WIDTH)
        with beside.add_tab("Training", icon=viser.Icon.CHART_LINE):
            with self._gui.add_folder("Checkpoint"):
                self._add_checkpoints()
            if session.simulation.has_discriminator:
                with self._gui.add_folder("Discriminator"):
                    self._add_discriminator()
            self._gui.add_html(_keys())
        self._add_keys()

    # --- command

    def _add_command(self) -> None:
        session, do = self._session, self._do
        if session.gaits:
            gait = self._gui.add_dropdown("gait", session.gaits, initial_value=session.gaits[session.gait])
            gait.on_update(by_hand(lambda name: do(lambda: session.choose_gait(name))))
        self._sliders = [self._slider(axis, number) for number, axis in enumerate(AXES)]
        stop = self._gui.add_button("Stop", icon=viser.Icon.HAND_STOP, hint="X: the command nearest to standing")
        stop.on_click(lambda _: do(session.stop))
        self._walks = self._gui.add_html("")

    def _slider(self, axis: Axis, number: int) -> viser.GuiSliderHandle[float]:
        low, high = (round(float(bound), 3) for bound in self._session.ranges[number])
        asked = high > low
        hint = f"keys {axis.more} and {axis.less}" if asked else "this run is never asked for it"
        if self._session.may_stand and asked:
            low, high = min(low, 0.0), max(high, 0.0)
        slider = self._gui.add_slider(
            axis.name,
            min=low,
            max=high if asked else low + 1.0,
            step=0.01,
            initial_value=low,
            disabled=not asked,
            hint=hint,
        )
        slider.on_update(by_hand(lambda value: self._do(lambda: self._steer(number, value))))
        return slider

    def _steer(self, number: int, value: float) -> None:
        command = self._session.command.copy()
        command[number] = value
        self._session.steer(command)

    # --- push

    def _add_push(self) -> None:
        self._strength = self._gui.add_slider("push, m/s", min=0.1, max=2.0, step=0.1, initial_value=0.5)
        self._way = self._gui.add_dropdown("to the", ["any side", *WAYS], initial_value="any side")
        push = self._gui.add_button("Push", icon=viser.Icon.HAND_CLICK, hint="P")
        push.on_click(lambda _: self._do(self._push))

    def _push(self) -> None:
        angle = WAYS.get(self._way.value, self._random.uniform(-np.pi, np.pi))
        self._session.push(float(self._strength.value), angle)

    # --- checkpoints

    def _add_checkpoints(self) -> None:
        session = self._session
        self._shown_iterations: list[int] = []
        self._scrub = self._gui.add_slider(
            "checkpoint", min=1, max=2, step=1, initial_value=1, hint="page up and page down; each begins anew"
        )
        self._scrub.on_update(by_hand(lambda number: self._do(lambda: self._choose(int(number) - 1))))
        self._newest = self._gui.add_checkbox(
            "newest", session.follows_training, hint="take each checkpoint that training saves, as it comes"
        )
        self._newest.on_update(by_hand(lambda on: self._do(lambda: session.follow_training(on))))
        self._about_checkpoint = self._gui.add_html("")

    def _choose(self, place: int) -> None:
        iterations = self._session.iterations
        place = min(max(place, 0), len(iterations) - 1)
        if iterations[place] != self._session.iteration:
            self._session.choose_checkpoint(iterations[place])

    def _step_checkpoint(self, way: int) -> None:
        self._choose(self._session.iterations.index(self._session.iteration) + way)

    # --- discriminator

    def _add_discriminator(self) -> None:
        self._verdict = self._gui.add_html("")
        self._plot = self._gui.add_uplot(
            data=(np.array([-PLOTTED, 0.0]), np.zeros(2), np.zeros(2)),
            series=(
                uplot.Series(label="s"),
                uplot.Series(label="robot", stroke=ROBOT, width=2),
                uplot.Series(label="reference, mean", stroke=REFERENCE, width=2, dash=(6, 4)),
            ),
            scales={"x": uplot.Scale(time=False, range=(-PLOTTED, 0.0)), "y": uplot.Scale(auto=True)},
            legend=uplot.Legend(show=False),
            height=110,
        )
        self._shares = self._gui.add_html("")

    def refresh_discriminator(self) -> None:
        """Ask the discriminator about the last second; nothing changes where there is nothing to ask about."""
        session = self._session
        found = session.compare() if session.simulation.has_discriminator else None
        if found is None:
            return
        trace = session.trace(PLOTTED)
        self._plot.data = (trace.time, trace.score, np.full(len(trace.time), found.reference))
        self._verdict.content = _verdict(found)
        self._shares.content = _bars(found)

    # --- all of it

    def _add_keys(self) -> None:
        session = self._session
        keys: dict[str, Key] = {"Push": ("P", self._push), "Stop": ("X", session.stop)}
        keys |= {"Next checkpoint": ("pageup", lambda: self._step_checkpoint(1))}
        keys |= {"Checkpoint before": ("pagedown", lambda: self._step_checkpoint(-1))}
        for number, axis in enumerate(AXES):
            keys[f"More {axis.name}"] = axis.more, lambda number=number: session.nudge(number, 1)
            keys[f"Less {axis.name}"] = axis.less, lambda number=number: session.nudge(number, -1)
        add_keys(self._server, self._do, keys)

    def refresh(self) -> None:
        """Show the session as it is now."""
        session = self._session
        for slider, value in zip(self._sliders, session.command, strict=True):
            slider.value = round(float(value), 3)
        self._walks.content = _small(f"asked for {_words(session.command)}<br>goes {_words(session.velocity())}")
        self._newest.value = session.follows_training
        if session.iterations != self._shown_iterations:
            self._shown_iterations = list(session.iterations)
            self._scrub.max = max(len(session.iterations), 2)
            self._scrub.disabled = len(session.iterations) < 2
        self._scrub.value = number = session.iterations.index(session.iteration) + 1
        self._about_checkpoint.content = _small(
            f"iteration <b>{session.iteration:,}</b>, {number} of {len(session.iterations)} checkpoints"
        )


def _keys() -> str:
    """What the keys do, HTML."""
    keys = [(f"{axis.more} {axis.less}", axis.keys_do) for axis in AXES]
    keys += [("X", "stop"), ("P", "push"), ("R", "start again"), ("space", "play, pause")]
    keys += [("B N", "a frame back, on"), ("page up, down", "checkpoint")]
    return _small("<br>".join(f"<b>{html.escape(key)}</b> {html.escape(what)}" for key, what in keys))


def status(session: Playback, message: str) -> str:
    """The line at the top, HTML: what is shown, and what went wrong last."""
    words = [f"{session.time:.2f} s"]
    if isinstance(session, RunSession):
        words = [f"iteration {session.iteration}", *words]
        words.append("now" if session.is_live else f"{session.end - session.time:.1f} s ago")
        words += ["fell"] if session.frame.fell else []
    line = _small(" · ".join(words))
    return line + (f'<div style="color:#c0392b;padding:0 1em 0.5em">{html.escape(message)}</div>' if message else "")


def _words(command: np.ndarray) -> str:
    return in_words(np.round(command, 2))


def _small(text: str) -> str:
    return f'<div style="font-size:0.85em;line-height:1.35;padding:0 1em 0.5em;opacity:0.85">{text}</div>'


def _verdict(found: Comparison) -> str:
    columns = "".join(
        f'<span style="white-space:nowrap">{name} <b style="color:{colour};font-size:1.4em">{value:.2f}</b></span>'
        for name, colour, value in (("robot", ROBOT, found.robot), ("reference", REFERENCE, found.reference))
    )
    return (
        f'<div style="padding:0 1em"><span style="font-size:0.85em">D, mean of the last second</span>'
        f'<div style="display:flex;align-items:baseline;gap:1.2em">{columns}</div></div>'
    )


def _bars(found: Comparison) -> str:
    """What gives the robot away, as bars."""
    rows = "".join(
        f'<div style="display:flex;align-items:center;gap:0.5em;height:1.5em">'
        f'<span style="width:11em">{html.escape(name.replace("_", " "))}</span>'
        f'<span style="flex:1"><span style="display:block;height:0.7em;border-radius:2px;background:{ROBOT};'
        f'width:{100 * share:.0f}%"></span></span>'
        f'<span style="width:2.6em;text-align:right">{100 * share:.0f} %</span></div>'
        for name, share in found.shares.items()
    )
    return f'<div style="padding:0.3em 1em 0.6em;font-size:0.85em"><b>What gives the robot away</b>{rows}</div>'
