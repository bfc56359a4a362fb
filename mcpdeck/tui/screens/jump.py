"""Waits for one letter above a view whose rows have letters. Shows nothing itself."""

from typing import Final

from textual import events
from textual.screen import ModalScreen

LETTERS: Final = "asdfghjklqwertyuiopzxcvbnmASDFGHJKLQWERTYUIOPZXCVBNM"  # the nearest to the fingers first


class JumpScreen(ModalScreen[str]):
    """Dismissed with the letter; empty for any other key."""

    def on_key(self, event: events.Key) -> None:
        event.stop()
        event.prevent_default()
        letter = event.character or ""
        self.dismiss(letter if letter in LETTERS else "")

    def on_click(self) -> None:
        self.dismiss("")
