"""What an edit would change, before it is sent."""

import difflib
from collections.abc import Iterator
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.screen import ModalScreen
from textual.widgets import Button, Label

from mcpdeck.model.words import Cell, Tone
from mcpdeck.tui.widgets.sheet import Sheet

_TONES = {"+": Tone.OK, "-": Tone.BAD, "@": Tone.DIM}


def difference(before: str, after: str) -> Iterator[list[Cell]]:
    """The changed lines with two around them, as diff -u writes them; nothing when they are the same."""
    lines = difflib.unified_diff(before.splitlines(), after.splitlines(), n=2, lineterm="")
    for number, line in enumerate(lines):
        if number >= 2:  # the first two name files, and there are none
            yield [Cell(line, _TONES.get(line[:1], Tone.PLAIN))]


class DifferenceScreen(ModalScreen[bool]):
    """Apply has the focus: the reader has just saved this text."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q", "dismiss(False)", "Cancel", show=False),
        Binding("left,right,h,l", "other_button", "Other button", show=False),
    ]

    def __init__(self, title: str, *, before: str, after: str) -> None:
        super().__init__()
        self._title = title
        self._before = before
        self._after = after

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog -difference"):
            yield Label(self._title, classes="dialog-title", markup=False)
            yield Sheet()
            with Horizontal(classes="buttons"):
                yield Button("Cancel", id="cancel", compact=True)
                yield Button("Apply", id="apply", compact=True)

    def on_mount(self) -> None:
        self.query_one(Sheet).show(difference(self._before, self._after))
        self.set_focus(self.query_one("#apply"))

    def action_other_button(self) -> None:
        """Not to the difference itself, where the arrows scroll."""
        self.focus_next(Button)

    @on(Button.Pressed)
    def _pressed(self, event: Button.Pressed) -> None:
        self.dismiss(event.button.id == "apply")
