"""A question before something that can not be undone. Cancel has the focus; Enter alone never destroys."""

from collections.abc import Sequence
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.screen import ModalScreen
from textual.widgets import Button, Label


class ConfirmScreen(ModalScreen[bool]):
    """`facts` say what it is about; `consequence` what will be lost."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q,n", "answer(False)", "Cancel", show=False),
        Binding("left,right,tab,h,l", "app.focus_next", "Other button", show=False),
    ]

    def __init__(self, question: str, *, facts: Sequence[tuple[str, str]], consequence: str, verb: str) -> None:
        super().__init__()
        self._question = question
        self._facts = facts
        self._consequence = consequence
        self._verb = verb

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog -danger"):
            yield Label(self._question, classes="dialog-title", markup=False)
            for label, value in self._facts:
                with Horizontal(classes="fact"):
                    yield Label(label, classes="fact-label", markup=False)
                    yield Label(value, classes="fact-value", markup=False)
            yield Label(self._consequence, classes="consequence", markup=False)
            with Horizontal(classes="buttons"):
                yield Button("Cancel", id="cancel", compact=True)
                yield Button(self._verb, id="confirm", classes="-destroys", compact=True)

    def on_mount(self) -> None:
        self.set_focus(self.query_one("#cancel"))

    @on(Button.Pressed)
    def _pressed(self, event: Button.Pressed) -> None:
        self.dismiss(event.button.id == "confirm")

    def action_answer(self, answer: bool) -> None:
        self.dismiss(answer)
