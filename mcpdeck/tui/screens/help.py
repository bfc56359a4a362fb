"""Every key of the view below, from the registry."""

from collections.abc import Iterator
from itertools import groupby
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Label

from mcpdeck.model.commands import Command, View, key_name
from mcpdeck.model.registry import commands_of
from mcpdeck.model.words import Cell, Tone
from mcpdeck.tui.widgets.sheet import Sheet

MOVING = (
    ("↑ ↓  j k", "move"),
    ("PgUp PgDn", "page"),
    ("g G", "first, last"),
    ("mouse", "click moves, a second click opens; column heads sort"),
)


def help_lines(view: View) -> Iterator[list[Cell]]:
    """The view's commands by area, its own areas first."""
    commands = commands_of(view)
    keys = {command.id: "  ".join(map(key_name, command.keys)) for command in commands}
    wide = max(map(len, keys.values())) + 2
    titles = max(len(command.title) for command in commands) + 2
    for area, group in groupby(sorted(commands, key=_rank), key=lambda command: command.area):
        yield [Cell(area.capitalize(), Tone.ACCENT)]
        for command in group:
            yield [
                Cell(f"  {keys[command.id]:<{wide}}", Tone.STRONG),
                Cell(f"{command.title:<{titles}}"),
                Cell(command.help, Tone.DIM),
            ]
            if command.words:
                typed = f":{command.words[0]} {command.usage}".rstrip()
                yield [Cell(f"  {'':<{wide}}"), Cell(f"{'':<{titles}}"), Cell(typed, Tone.DIM)]
        yield []
    yield [Cell("Moving", Tone.ACCENT)]
    for key, meaning in MOVING:
        yield [Cell(f"  {key:<{wide}}", Tone.STRONG), Cell(meaning, Tone.DIM)]


_AREAS = ("adapter", "log", "table", "view", "deck")


def _rank(command: Command) -> int:
    return _AREAS.index(command.area)


class HelpScreen(ModalScreen[None]):
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q,question_mark,f1,backspace,enter", "dismiss(None)", "Close", show=False)
    ]

    def __init__(self, view: View) -> None:
        super().__init__()
        self._view = view

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog -wide"):
            yield Label(f"Keys in {self._view.capitalize()}", classes="dialog-title")
            yield Sheet()

    def on_mount(self) -> None:
        sheet = self.query_one(Sheet)
        sheet.show(help_lines(self._view))
        sheet.focus()
