"""What a server asks in the middle of a call: a form, a page to open, a model's answer. Sends nothing."""

from collections.abc import Mapping
from typing import Any, ClassVar, Final

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.screen import ModalScreen
from textual.widgets import Button, Input, Label, TextArea

from mcpdeck.model.sampling import conversation, written
from mcpdeck.model.schema_form import arguments_of, blank, fields_of
from mcpdeck.tui.widgets.schema_fields import SchemaFields
from mcpdeck.tui.widgets.sheet import Sheet

type Answered = dict[str, Any] | None
"""The result to send; None where whoever was asked refuses, as far as the protocol has no word for it."""

MODEL: Final = "human"  # who wrote an answer that a model was asked for


class _Dialog(ModalScreen[tuple[Answered] | None]):
    """Dismissed with what to send, in a tuple; with None where the question goes on waiting."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+j,ctrl+s,ctrl+enter", "accept", "Send", show=False, priority=True),
        Binding("escape", "dismiss(None)", "Later", show=False, priority=True),
    ]

    def __init__(self, params: Mapping[str, Any], *, who: str) -> None:
        super().__init__()
        self._params = params
        self._who = who

    def action_accept(self) -> None:
        raise NotImplementedError

    def send(self, answer: Answered) -> None:
        self.dismiss((answer,))

    def tell(self, sentence: str) -> None:
        label = self.query_one("#answer-error", Label)
        label.update(sentence)
        label.display = bool(sentence)

    def buttons(self, accept: str, **others: str) -> ComposeResult:
        """What esc does stands there too."""
        error = Label("", id="answer-error", classes="error", markup=False)
        error.display = False
        yield error
        with Horizontal(classes="buttons"):
            yield Label("esc answers later", classes="answer-hint")
            for name, label in others.items():
                yield Button(label, id=f"answer-{name}", compact=True)
            yield Button(accept, id="answer-accept", compact=True)

    @on(Button.Pressed, "#answer-accept")
    def _accepted(self) -> None:
        self.action_accept()


class FormScreen(_Dialog):
    """elicitation/create, mode form."""

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog -answer"):
            yield Label(f"{self._who} asks", classes="dialog-title", markup=False)
            yield Label(str(self._params.get("message") or ""), classes="answer-message", markup=False)
            yield SchemaFields(id="answer-form")
            yield from self.buttons("Accept", decline="Decline", cancel="Cancel the question")

    def on_mount(self) -> None:
        self._fields = fields_of(self._params.get("requestedSchema"))
        form = self.query_one(SchemaFields)
        form.show(self._fields, blank(self._fields), titled=True)
        self.call_after_refresh(self.set_focus, form.first or self.query_one("#answer-accept"))

    def action_accept(self) -> None:
        form = self.query_one(SchemaFields)
        content, errors = arguments_of(self._fields, form.entries, extra={})
        form.tell(errors)
        if not errors:
            self.send({"action": "accept", "content": content})

    @on(Input.Submitted)
    def _next(self) -> None:
        self.focus_next()

    @on(Button.Pressed, "#answer-decline")
    def _declined(self) -> None:
        self.send({"action": "decline"})

    @on(Button.Pressed, "#answer-cancel")
    def _cancelled(self) -> None:
        self.send({"action": "cancel"})


class PageToOpenScreen(_Dialog):
    """elicitation/create, mode url: nothing that is typed there comes by here. The reader opens it, or doesn't."""

    def compose(self) -> ComposeResult:
        url = str(self._params.get("url") or "")
        with Vertical(classes="dialog -answer"):
            yield Label(f"{self._who} asks you to open a page", classes="dialog-title", markup=False)
            yield Label(str(self._params.get("message") or ""), classes="answer-message", markup=False)
            yield Label(url, classes="answer-url", markup=False)
            yield Label("Look at the address first: the server chose it.", classes="consequence")
            yield from self.buttons("I opened it", decline="Decline", copy="Copy the address")

    def on_mount(self) -> None:
        self.set_focus(self.query_one("#answer-copy"))

    def action_accept(self) -> None:
        self.send({"action": "accept"})

    @on(Button.Pressed, "#answer-decline")
    def _declined(self) -> None:
        self.send({"action": "decline"})

    @on(Button.Pressed, "#answer-copy")
    def _copied(self) -> None:
        self.app.copy_to_clipboard(str(self._params.get("url") or ""))


class SamplingScreen(_Dialog):
    """sampling/createMessage: the reader is the model."""

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog -answer"):
            yield Label(f"{self._who} asks for a model's answer", classes="dialog-title", markup=False)
            yield Sheet()
            with Horizontal(classes="field-row"):
                yield Label("Model", classes="schema-label")
                yield Input(MODEL, id="answer-model", compact=True)
            yield TextArea(id="answer-text", compact=True)
            yield from self.buttons("Send", refuse="Refuse")

    def on_mount(self) -> None:
        sheet = self.query_one(Sheet)
        sheet.wrap = True
        sheet.show(conversation(self._params))
        self.set_focus(self.query_one("#answer-text"))

    def action_accept(self) -> None:
        text, model = self.query_one("#answer-text", TextArea).text, self.query_one("#answer-model", Input).value
        if text:
            self.send(written(text, model.strip() or MODEL))
        else:
            self.tell("an answer has some text; Refuse sends none")

    @on(Button.Pressed, "#answer-refuse")
    def _refused(self) -> None:
        self.send(None)


def screen_for(method: str, params: Mapping[str, Any], *, who: str) -> _Dialog:
    if method == "sampling/createMessage":
        return SamplingScreen(params, who=who)
    return PageToOpenScreen(params, who=who) if params.get("mode") == "url" else FormScreen(params, who=who)
