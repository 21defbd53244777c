"""The command `playground-amp view`: what is to be seen, and where."""

from __future__ import annotations

import importlib.util
import secrets
import socket
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from playground_amp.core.console import ConsoleReporter, make_parser
from playground_amp.core.errors import InputError

if TYPE_CHECKING:
    from playground_amp.evaluation.reporting.viewer.session import RunSession

VIEW = """Watch a run or clips in a browser, and steer the policy.

Of a run: its robot, walked by the policy, beside the reference clip; sliders and keys for the command, a push, the
checkpoints, what the discriminator thinks of the last second and what it tells the robot by. Works while it trains.

example:
  playground-amp view runs/NAME
  playground-amp view runs/NAME --checkpoint best --port 8081
  playground-amp view data/wildrobot
  playground-amp view walk.npz --robot my_robot.yaml
"""

PACKAGES = ("viser", "mjviser")
PORT = 8080


def view(arguments: Sequence[str]) -> None:
    """Serve the viewer until Ctrl-C."""
    parser = make_parser("view", VIEW)
    parser.add_argument(
        "what", metavar="RUN_OR_CLIP", help="folder of a run, or its name in runs/; or a clip, or a folder of clips"
    )
    parser.add_argument(
        "--checkpoint",
        metavar="newest|best|N",
        default="newest",
        help="of a run, to begin with: by its age (default; then later ones as they come), score or iteration",
    )
    parser.add_argument("--robot", metavar="NAME_OR_PATH", help="of clips (default: the one that they name)")
    parser.add_argument("--port", metavar="N", type=int, default=PORT, help=f"default: {PORT}; 0 is any that is free")
    parser.add_argument(
        "--host",
        metavar="ADDRESS",
        default="127.0.0.1",
        help="default: 127.0.0.1, this machine alone; 0.0.0.0 opens it to others, who need the token in the address",
    )
    options = parser.parse_args(arguments)
    missing = [name for name in PACKAGES if importlib.util.find_spec(name) is None]
    if missing:
        raise InputError(
            f"the viewer needs {' and '.join(missing)}, not installed here; pip install 'playground_amp[view]'"
        )

    from playground_amp.evaluation.reporting.viewer.clips import (
        clip_playback,
        is_clips,
    )  # imported late: --help answers at once
    from playground_amp.evaluation.reporting.viewer.gate import check_free, is_loopback

    check_free(options.host, options.port)  # before a checkpoint is read
    if is_clips(options.what):
        session = clip_playback(Path(options.what), options.robot)
    else:
        with ConsoleReporter().status(f"loading {options.what}, and compiling a control step"):
            session = _run_session(options.what, options.checkpoint, options.robot)

    from playground_amp.evaluation.reporting.viewer.window import Window

    window = Window(session, title=Path(options.what).name)
    token = "" if is_loopback(options.host) else secrets.token_urlsafe(16)
    port = window.open(options.host, options.port, token)
    print(f"watch at {address(options.host, port, token)}  (Ctrl-C ends it)", flush=True)
    window.run()


def _run_session(name: str, checkpoint: str, robot: str | None) -> RunSession:
    from playground_amp.evaluation.reporting.viewer.checkpoint_folder import open_run
    from playground_amp.evaluation.reporting.viewer.session import RunSession

    if robot:
        raise InputError("--robot is for clips; a run has its own")
    amp, folder = open_run(name)
    session = RunSession(amp, folder, checkpoint)
    session.warm_up()
    return session


def address(host: str, port: int, token: str) -> str:
    """What a browser opens, for a viewer that listens on `host`."""
    name = socket.gethostname() if host in ("0.0.0.0", "::") else f"[{host}]" if ":" in host else host
    return f"http://{name}:{port}/{token}/" if token else f"http://{name}:{port}/"
