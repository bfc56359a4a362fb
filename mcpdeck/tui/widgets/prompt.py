"""The line at the foot where one types: `:` commands with ghost text and history, `/` filters that act as one types.

What a text may become stands at its right end; Tab goes through it.
"""

from collections.abc import Callable, Iterable, Sequence
from itertools import islice
from typing import ClassVar, Final, Literal

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.message import Message
from textual.suggester import Suggester
from textual.widgets import Input, Label
from textual.widgets._input import Selection

type Mode = Literal[":", "/"]

MOST: Final = 40  # ways that are told


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
        Binding("tab", "complete(1)", "Complete", show=False),
        Binding("shift+tab", "complete(-1)", "Complete the other way", show=False),
        Binding("up", "recall(-1)", "Earlier", show=False),
        Binding("down", "recall(1)", "Later", show=False),
    ]

    def __init__(self, suggester: Suggester, *, complete: Callable[[int], None], recall: Callable[[int], None]) -> None:
        super().__init__(id="prompt-input", compact=True, select_on_focus=False, suggester=suggester)
        self.action_complete = complete
        self.action_recall = recall


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

    def __init__(self, ways: Callable[[Mode, str], Iterable[str]], hint: Callable[[Mode, str], str]) -> None:
        """ways: how a text may go on, the likeliest first. hint: what is wanted where there is but one."""
        super().__init__(id="prompt")
        self._ways_of = ways
        self._hint = hint
        self._ring: Sequence[str] = ()  # what was typed, and what Tab makes of it
        self._at = 0
        self.mode: Mode = ":"
        self.history: list[str] = []
        self._recalled = 0
        self._original = ""

    def compose(self) -> ComposeResult:
        yield Label(":", id="prompt-mode", markup=False)
        yield PromptInput(_Ghost(self._ghost), complete=self._complete, recall=self._recall)
        yield Label("", id="prompt-more", markup=False)

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
        self._ring = ()
        self._tell_more(text)
        self.add_class("-open")
        self.screen.set_focus(self.input)
        self.input.selection = Selection(len(text) if select_from is None else select_from, len(text))

    def _ways(self, text: str) -> Sequence[str]:
        return list(islice(self._ways_of(self.mode, text), MOST))

    def _ghost(self, text: str) -> str | None:
        return next(iter(self._ways_of(self.mode, text)), None)

    def _complete(self, step: int) -> None:
        """Round through all that the typed text may become, and back to it; where it is one, on from there."""
        value = self.input.value
        if len(self._ring) < 3 or value != self._ring[self._at]:
            self._ring, self._at = [value, *(self._ways(value) or self._ways(f"{value.rstrip()} "))], 0
        self._at = (self._at + step) % len(self._ring)
        self.input.value = self._ring[self._at]
        self.input.cursor_position = len(self.input.value)

    def _tell_more(self, text: str) -> None:
        """What several ways differ in, else the hint."""
        turning = len(self._ring) > 2 and text == self._ring[self._at]
        ways = self._ring[1:] if turning else self._ways(text)
        told = self._hint(self.mode, text)
        if len(ways) > 1:
            head = ways[0].rpartition(" ")[0]
            is_shared = all(way.startswith(head) for way in ways)
            told = "  ".join(way[len(head) :].strip() if is_shared else way for way in ways)
        self.query_one("#prompt-more", Label).update(f" {told}" if told else "")

    @on(Input.Changed)
    def _changed(self, event: Input.Changed) -> None:
        event.stop()
        if self.is_open:
            self._tell_more(event.value)
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

    def _recall(self, step: int) -> None:
        if self.mode == ":" and self.history:
            self._recalled = max(0, min(len(self.history), self._recalled + step))
            self.input.value = [*self.history, ""][self._recalled]
            self.input.cursor_position = len(self.input.value)
