"""The door of the viewer: what comes in by its address is checked before viser sees any of it.

viser listens on a port of its own on the loopback interface; the gate listens on the address that the user is told, and
relays what may pass. A viewer for this machine alone is open to its browser, but to no other page in that browser: a
request has to come from the viewer's own page. A viewer for others asks for a token in the path of the address.
"""

from __future__ import annotations

import asyncio
import hmac
import socket
import threading
from urllib.parse import urlsplit

from playground_amp.core.errors import InputError

LOOPBACK = ("127.0.0.1", "localhost", "::1")
HEAD = 16_384  # bytes of a request's head at most
PATIENCE = 10.0  # s until the head has to be there
CHUNK = 65_536


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach `host`."""
    return host in LOOPBACK


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens; raises InputError where the port is taken or the address none of this machine's."""
    if not 0 <= port <= 65535:
        raise InputError(f"--port is {port}; expected 0 to 65535")
    try:
        return socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    except OSError as error:
        reason = (error.strerror or str(error)).partition(" (")[0].lower()
        raise InputError(
            f"cannot listen on {host}, port {port}: {reason}; choose another with --port, or --host"
        ) from None


def check_free(host: str, port: int) -> None:
    """Raise InputError where `listen` would."""
    listen(host, port).close()


class Gate:
    """Relays connections to `host`:`port` to the loopback port `inner`; runs in a thread until the process ends.

    Raises InputError as `listen` does.
    """

    def __init__(self, host: str, port: int, inner: int, token: str):
        self._inner, self._token = inner, token
        self._socket = listen(host, port)
        self.port = self._socket.getsockname()[1]
        threading.Thread(target=lambda: asyncio.run(self._serve()), daemon=True).start()

    async def _serve(self) -> None:
        server = await asyncio.start_server(self._relay, sock=self._socket)
        async with server:
            await server.serve_forever()

    async def _relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(PATIENCE):
                head = await reader.readuntil(b"\r\n\r\n")
            passed = admitted(head, self._token) if len(head) <= HEAD else None
            if passed is None:
                writer.write(_refusal(self._token))
                await writer.drain()
                return
            inner_reader, inner_writer = await asyncio.open_connection("127.0.0.1", self._inner)
            inner_writer.write(passed)
            await asyncio.gather(_pipe(reader, inner_writer), _pipe(inner_reader, writer))
        except (OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass  # whoever it was has left, or never said what they want
        finally:
            writer.close()


def admitted(head: bytes, token: str) -> bytes | None:
    """The head of a request as viser should see it, without the token in its path; None where it may not pass.

    Browsers name the page that opens a websocket in `Origin`, and the name that they found the server by in `Host`.
    """
    lines = head.decode("latin-1").split("\r\n")
    words = lines[0].split(" ")
    fields = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:])}
    if len(words) != 3:
        return None
    origin, host = fields.get("origin"), fields.get("host", "")
    if origin and urlsplit(origin).netloc != host:
        return None
    if not token:
        return head if is_loopback(urlsplit(f"//{host}").hostname or "") else None
    first, _, rest = words[1].lstrip("/").partition("/")
    first, mark, query = first.partition("?")
    if not hmac.compare_digest(first.encode("latin-1"), token.encode()):
        return None
    words[1] = f"/{rest}{mark}{query}"
    return "\r\n".join([" ".join(words), *lines[1:]]).encode("latin-1")


async def _pipe(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(CHUNK):
            writer.write(data)
            await writer.drain()
    finally:
        writer.close()


def _refusal(token: str) -> bytes:
    asks = "the whole address that playground-amp view printed, token included" if token else "http://127.0.0.1"
    text = f"This viewer opens by {asks}.\n".encode()
    head = f"HTTP/1.1 403 Forbidden\r\nContent-Type: text/plain\r\nContent-Length: {len(text)}\r\nConnection: close\r\n"
    return head.encode() + b"\r\n" + text
