"""Parts of the panel that viser has not: keys, and controls that tell a hand from the program."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import viser

Do = Callable[[Callable[[], object]], None]  # hands what a control asks for to the thread of the session
Key = tuple[Any, Callable[[], object]]  # a name of viser's, and what it does


def by_hand(ask: Callable[[Any], object]) -> Callable[[viser.GuiEvent], None]:
    """A callback of a control's value that leaves out the changes which the program itself makes."""

    def on_update(event: viser.GuiEvent) -> None:
        if event.client is not None:
            ask(event.target.value)

    return on_update


def add_keys(server: viser.ViserServer, do: Do, keys: Mapping[str, Key]) -> None:
    """Bind keys: what one does, in words -> the key and the deed. The words are in viser's list of commands, too."""
    for words, (key, deed) in keys.items():
        command = server.gui.add_command(words, hotkey=key)
        command.on_trigger(lambda _, deed=deed: do(deed))
