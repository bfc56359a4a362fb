"""A question before something that can not be undone. Cancel has the focus; Enter alone never destroys."""

from collections.abc import Sequence
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.screen import ModalScreen
from textual.widgets import Button, Input, Label


class ConfirmScreen(ModalScreen[bool]):
    """`facts` say what it is about, `consequence` what is lost, `typed` what has to be typed first, if anything."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "answer(False)", "Cancel", show=False),
        Binding("tab,right", "app.focus_next", "Next", show=False),
        Binding("shift+tab,left", "app.focus_previous", "Before", show=False),
        Binding("q,n", "answer(False)", "Cancel", show=False),
        Binding("h,l", "app.focus_next", "Other button", show=False),
    ]

    def __init__(
        self, question: str, *, facts: Sequence[tuple[str, str]], consequence: str, verb: str, typed: str = ""
    ) -> None:
        super().__init__()
        self._question = question
        self._facts = facts
        self._consequence = consequence
        self._verb = verb
        self._typed = typed

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog -danger"):
            yield Label(self._question, classes="dialog-title", markup=False)
            for label, value in self._facts:
                with Horizontal(classes="fact"):
                    yield Label(label, classes="fact-label", markup=False)
                    yield Label(value, classes="fact-value", markup=False)
            yield Label(self._consequence, classes="consequence", markup=False)
            if self._typed:
                yield Label(f"This context is protected. Type {self._typed} to go on.", classes="ask", markup=False)
                yield Input(id="typed", compact=True)
            with Horizontal(classes="buttons"):
                yield Button("Cancel", id="cancel", compact=True)
                yield Button(self._verb, id="confirm", classes="-destroys", compact=True)

    def on_mount(self) -> None:
        self.query_one("#confirm", Button).disabled = bool(self._typed)
        self.set_focus(self.query_one("#typed" if self._typed else "#cancel"))

    @on(Input.Changed)
    def _typing(self, event: Input.Changed) -> None:
        self.query_one("#confirm", Button).disabled = event.value.strip() != self._typed

    @on(Input.Submitted)
    def _typed_whole(self, event: Input.Submitted) -> None:
        if event.value.strip() == self._typed:
            self.dismiss(True)

    @on(Button.Pressed)
    def _pressed(self, event: Button.Pressed) -> None:
        self.dismiss(event.button.id == "confirm")

    def action_answer(self, answer: bool) -> None:
        self.dismiss(answer)
