"""The line at the foot where one types: `:` commands with ghost text and history, `/` filters that act as one types."""

from collections.abc import Callable
from typing import ClassVar, Literal

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.message import Message
from textual.suggester import Suggester
from textual.widgets import Input, Label
from textual.widgets._input import Selection

type Mode = Literal[":", "/"]


class _Ghost(Suggester):
    """Asks a function how a text may go on."""

    def __init__(self, complete: Callable[[str], str | None]) -> None:
        super().__init__(use_cache=False, case_sensitive=True)
        self._complete = complete

    async def get_suggestion(self, value: str) -> str | None:
        return self._complete(value)


class PromptInput(Input):
    """What it does with keys that other fields leave alone."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("tab", "accept", "Complete", show=False),
        Binding("up", "recall(-1)", "Earlier", show=False),
        Binding("down", "recall(1)", "Later", show=False),
    ]

    class Recall(Message):
        def __init__(self, step: int) -> None:
            super().__init__()
            self.step = step

    def __init__(self, suggester: Suggester) -> None:
        super().__init__(id="prompt-input", compact=True, select_on_focus=False, suggester=suggester)

    def action_accept(self) -> None:
        self.action_end()
        self.action_cursor_right()  # at the end, this takes the suggestion

    def action_recall(self, step: int) -> None:
        self.post_message(self.Recall(step))


class Prompt(Horizontal):
    """Hidden until opened. Enter runs what is typed, never what is suggested."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "cancel", "Cancel", show=False)]

    class Submitted(Message):
        def __init__(self, mode: Mode, text: str) -> None:
            super().__init__()
            self.mode: Mode = mode
            self.text = text

    class Typed(Message):
        """A filter as far as it is typed."""

        def __init__(self, text: str) -> None:
            super().__init__()
            self.text = text

    class Cancelled(Message):
        """`original` is the filter as it was before."""

        def __init__(self, mode: Mode, original: str) -> None:
            super().__init__()
            self.mode: Mode = mode
            self.original = original

    def __init__(self, complete: Callable[[Mode, str], str | None]) -> None:
        super().__init__(id="prompt")
        self._complete = complete
        self.mode: Mode = ":"
        self.history: list[str] = []
        self._recalled = 0
        self._original = ""

    def compose(self) -> ComposeResult:
        yield Label(":", id="prompt-mode", markup=False)
        yield PromptInput(_Ghost(self._ghost))

    @property
    def input(self) -> PromptInput:
        return self.query_one(PromptInput)

    @property
    def is_open(self) -> bool:
        return self.has_class("-open")

    def open(self, mode: Mode, text: str = "", *, select_from: int | None = None) -> None:
        """Begin typing, with a text to change; from `select_from` on it is replaced by the first key."""
        self.mode, self._original, self._recalled = mode, text, len(self.history)
        self.query_one("#prompt-mode", Label).update(mode)
        self.input.value = text
        self.add_class("-open")
        self.screen.set_focus(self.input)
        self.input.selection = Selection(len(text) if select_from is None else select_from, len(text))

    def _ghost(self, text: str) -> str | None:
        return self._complete(self.mode, text)

    @on(Input.Changed)
    def _changed(self, event: Input.Changed) -> None:
        event.stop()
        if self.is_open and self.mode == "/":
            self.call_after_refresh(self._tell, event.value)  # the letter first: ten thousand rows may take longer

    def _tell(self, text: str) -> None:
        if self.is_open and self.mode == "/" and text == self.input.value:
            self.post_message(self.Typed(text))

    @on(Input.Submitted)
    def _submitted(self, event: Input.Submitted) -> None:
        event.stop()
        self.remove_class("-open")
        text = event.value.strip()
        if self.mode == ":" and text and self.history[-1:] != [text]:
            self.history.append(text)
        self.post_message(self.Submitted(self.mode, text))

    def action_cancel(self) -> None:
        self.remove_class("-open")
        self.post_message(self.Cancelled(self.mode, self._original))

    @on(PromptInput.Recall)
    def _recall(self, event: PromptInput.Recall) -> None:
        event.stop()
        if self.mode == ":" and self.history:
            self._recalled = max(0, min(len(self.history), self._recalled + event.step))
            self.input.value = [*self.history, ""][self._recalled]
            self.input.cursor_position = len(self.input.value)
