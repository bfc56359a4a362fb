"""A page of lines above the deck, to be read and closed."""

from collections.abc import Iterable
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Label

from mcpdeck.tui.widgets.sheet import Sheet, SheetLine


class PageScreen(ModalScreen[None]):
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q,question_mark,f1,backspace,enter", "dismiss(None)", "Close", show=False)
    ]

    def __init__(self, title: str, lines: Iterable[SheetLine]) -> None:
        super().__init__()
        self._title = title
        self._page = tuple(lines)

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog -page"):
            yield Label(self._title, classes="dialog-title", markup=False)
            yield Sheet(fits=True)

    def on_mount(self) -> None:
        sheet = self.query_one(Sheet)
        sheet.show(self._page)
        self.set_focus(sheet)
