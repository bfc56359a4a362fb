"""Calls to choose from, and a name for one. Runs none."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Input, Label

from mcpdeck.model.call_rows import CallRow, table
from mcpdeck.model.playground import Call
from mcpdeck.model.table import Sort
from mcpdeck.model.words import Glyphs
from mcpdeck.tui.widgets.row_table import RowTable


class CallsScreen(ModalScreen[Call | None]):
    """forget: takes a kept one away; None where these are not kept but remembered."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "choose", "Take", show=False, priority=True),
        Binding("ctrl+d", "forget", "Forget", show=False, priority=True),
        Binding("escape,q", "dismiss(None)", "Close", show=False),
    ]

    def __init__(
        self,
        title: str,
        calls: Sequence[Call],
        *,
        glyphs: Glyphs,
        clock: Callable[[], datetime],
        forget: Callable[[str], None] | None = None,
    ) -> None:
        super().__init__()
        self._title = title
        self._rows = [CallRow(number, call) for number, call in enumerate(calls)]
        self._glyphs = glyphs
        self._clock = clock
        self._forget = forget

    def compose(self) -> ComposeResult:
        more = "   ctrl+d forgets" if self._forget else ""
        with Vertical(classes="dialog -calls"):
            yield Label(self._title, classes="dialog-title", markup=False)
            yield RowTable(table(), sort=Sort("when"), glyphs=self._glyphs, clock=self._clock)
            yield Label(f"enter takes it to the playground{more}   esc closes", classes="answer-hint")

    def on_mount(self) -> None:
        self._table.show(self._rows)
        self.set_focus(self._table)

    @property
    def _table(self) -> RowTable[CallRow]:
        return self.query_one(RowTable)

    def action_choose(self) -> None:
        row = self._table.current
        self.dismiss(row.call if row else None)

    @on(RowTable.Opened)
    def _opened(self) -> None:
        self.action_choose()

    def action_forget(self) -> None:
        row = self._table.current
        if self._forget is not None and row is not None:
            self._forget(row.call.name)
            self._rows = [each for each in self._rows if each is not row]
            self._table.show(self._rows)


class NameScreen(ModalScreen[str | None]):
    """A name for a call."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "dismiss(None)", "Cancel", show=False)]

    def __init__(self, what: str, *, name: str) -> None:
        super().__init__()
        self._what = what
        self._name_so_far = name

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog"):
            yield Label("Keep this call", classes="dialog-title")
            yield Label(self._what, classes="answer-message", markup=False)
            yield Input(self._name_so_far, placeholder="its name", compact=True)
            yield Label("mcpdeck call --saved NAME runs it too.   enter keeps, esc does not", classes="answer-hint")

    @on(Input.Submitted)
    def _named(self, event: Input.Submitted) -> None:
        if event.value.strip():
            self.dismiss(event.value.strip())
