"""A headless Chromium for tests, driven by its devtools protocol; nothing but a browser has to be installed."""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FLAGS = [
    "--headless=new",
    "--no-sandbox",
    "--no-first-run",
    "--disable-extensions",
    "--disable-background-networking",
    "--use-gl=angle",
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
    "--remote-debugging-port=0",
]


def find_browser() -> str | None:
    """The path of a browser, or None."""
    return next(filter(None, map(shutil.which, NAMES)), None)


class Page:
    """One page: what it says, shows and is told."""

    def __init__(self, address: str):
        from websockets.sync.client import connect

        self._socket = connect(address, max_size=None, open_timeout=60)
        self._number = 0
        self.complaints: list[str] = []  # errors of the console and of loading
        self.requests: list[str] = []  # addresses that it asked for
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Ask the browser for something, and wait for it."""
        self._number += 1
        self._socket.send(json.dumps({"id": self._number, "method": method, "params": parameters}))
        while True:
            message = json.loads(self._socket.recv(timeout=120))
            if message.get("id") == self._number:
                assert "error" not in message, message
                return message["result"]
            self._note(message)

    def _note(self, message: dict[str, Any]) -> None:
        about = message.get("params", {})
        match message.get("method"):
            case "Runtime.exceptionThrown":
                self.complaints.append(json.dumps(about["exceptionDetails"])[:500])
            case "Runtime.consoleAPICalled" if about["type"] == "error":
                self.complaints.append(" ".join(str(one.get("value", one)) for one in about["args"])[:500])
            case "Log.entryAdded" if about["entry"]["level"] == "error":
                self.complaints.append(f"{about['entry']['text']} {about['entry'].get('url', '')}")
            case "Network.requestWillBeSent":
                self._note_request(about["request"]["url"])
            case "Network.webSocketCreated":
                self._note_request(about["url"])

    def _note_request(self, address: str) -> None:
        if not address.startswith(("data:", "blob:")):  # what the page brought with it
            self.requests.append(address)

    def open(self, address: str, size: tuple[int, int] = (1280, 800)) -> None:
        """Go to an address, in a window of `size`, pixels."""
        width, height = size
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)
        self.call("Page.navigate", url=address)

    def evaluate(self, script: str) -> Any:
        """The value of an expression in JavaScript."""
        return self.call("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)["result"].get(
            "value"
        )

    def text(self) -> str:
        """The words on the page."""
        return self.evaluate("document.body ? document.body.innerText : ''") or ""

    def wait_for(self, words: str, seconds: float = 60.0) -> str:
        """The words on the page, as soon as `words` are among them."""
        end = time.monotonic() + seconds
        while words not in (text := self.text()):
            assert time.monotonic() < end, f"'{words}' did not come within {seconds:g} s; there is: {text[:800]}"
            time.sleep(0.25)
        return text

    def press(self, key: str, code: str) -> None:
        """Press and release a key, for example 'w' of 'KeyW'."""
        number = {"Space": 32}.get(code, ord(key.upper()[0]))
        for kind in ("keyDown", "keyUp"):
            self.call("Input.dispatchKeyEvent", type=kind, key=key, code=code, windowsVirtualKeyCode=number)

    def click(self, x: float, y: float) -> None:
        """Click at a place of the window, pixels."""
        for kind in ("mousePressed", "mouseReleased"):
            self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)

    def screenshot(self, path: Path | None = None) -> bytes:
        """A PNG of what is shown, also written to `path`."""
        image = base64.b64decode(self.call("Page.captureScreenshot", format="png")["data"])
        if path:
            path.write_bytes(image)
        return image


@contextmanager
def browse() -> Iterator[Page]:
    """A page of a fresh browser, which ends afterwards."""
    browser = find_browser()
    assert browser, "there is no browser"
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        process = subprocess.Popen(
            [browser, *FLAGS, f"--user-data-dir={profile}", "about:blank"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            yield Page(_devtools(Path(profile) / "DevToolsActivePort"))
        finally:
            process.terminate()
            process.wait(30)


def _devtools(file: Path) -> str:
    """The websocket of the first page, by the port that the browser wrote into its profile."""
    end = time.monotonic() + 60.0
    while time.monotonic() < end:
        if file.is_file() and len(lines := file.read_text().splitlines()) == 2:
            with urllib.request.urlopen(f"http://127.0.0.1:{lines[0]}/json/list", timeout=30) as answer:
                pages = [one for one in json.load(answer) if one["type"] == "page"]
            if pages:
                return pages[0]["webSocketDebuggerUrl"]
        time.sleep(0.1)
    raise AssertionError("the browser did not start within a minute")
