"""The arguments of a call: as a form of its schema or as JSON, one draft for each thing that can be called."""

from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec
from textual import on
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.suggester import Suggester
from textual.widget import Widget
from textual.widgets import Label, TextArea

from mcpdeck.model import playground
from mcpdeck.model.playground import OTHER, Kind, Subject
from mcpdeck.model.schema_form import Field, arguments_of, blank, entries_of, extra_of, fields_of
from mcpdeck.model.shell import Part
from mcpdeck.model.words import Tone
from mcpdeck.tui.widgets.part_line import PartLine
from mcpdeck.tui.widgets.schema_fields import SchemaFields

BY_HAND: Final = {"method": "tools/list", "params": {}}
_MOST_TOLD: Final = 280  # characters of a description


class Draft(msgspec.Struct):
    """One subject's arguments as they stand. extra: what no field is for; text: as JSON, where that is shown."""

    fields: list[Field]
    entries: dict[str, str]
    extra: dict[str, Any]
    text: str = "{}"
    as_json: bool = False


class ArgumentsPane(Vertical):
    """Those of `subject`, the last that was shown. suggesting: what proposes how a field of one goes on."""

    def __init__(self, suggesting: Callable[[Subject, str], Suggester | None]) -> None:
        super().__init__(id="call-arguments")
        self._suggesting = suggesting
        self._drafts: dict[str, Draft] = {}
        self._stands = ""  # the key of the subject whose fields stand there
        self.subject = OTHER

    def compose(self) -> ComposeResult:
        yield PartLine(id="call-head")
        yield Label("", id="call-told", markup=False)
        yield SchemaFields(id="call-form")
        yield TextArea("{}", id="call-json", compact=True, tab_behavior="indent")
        yield Label("", id="call-error", classes="error", markup=False)

    def on_mount(self) -> None:
        self.query_one("#call-json").display = False
        self.query_one("#call-error").display = False

    @property
    def form(self) -> SchemaFields:
        return self.query_one(SchemaFields)

    @property
    def json(self) -> TextArea:
        return self.query_one("#call-json", TextArea)

    @property
    def first(self) -> Widget | None:
        """Where one begins to type; None if nothing is to be typed."""
        return self.json if self.draft.as_json else self.form.first

    @property
    def draft(self) -> Draft:
        return self._drafts.setdefault(self.subject.key, _fresh(self.subject))

    # What stands there

    def forget(self) -> None:
        """All drafts: they were for another server's."""
        self._drafts.clear()
        self._stands = ""

    def show(self, subject: Subject) -> bool:
        """False if it was there already."""
        self.subject = subject
        if self._stands == subject.key or not self.is_mounted:
            return False
        self._stand()
        return True

    def _stand(self) -> None:
        subject, draft = self.subject, self.draft
        self._stands = subject.key
        self.tell_error("")
        self.query_one("#call-told", Label).update(_first_words(subject))
        self.form.display, self.json.display = not draft.as_json, draft.as_json
        if draft.as_json:
            self.json.text = draft.text
        else:
            self.form.show(draft.fields, draft.entries, suggester=lambda name: self._suggesting(subject, name))
        word = "JSON" if draft.as_json else "form" if draft.fields else "takes nothing"
        title = Part(subject.title or subject.name, Tone.STRONG)
        is_needed = not draft.as_json and any(field.required for field in draft.fields)
        needs = [Part("  * needed", Tone.DIM)] if is_needed else []
        self.query_one("#call-head", PartLine).show([title, *needs], [Part(f" {word} ", Tone.DIM, "call.turn")])

    def put(self, arguments: Mapping[str, Any]) -> None:
        """In the form where it can say them, else as JSON."""
        draft = _fresh(self.subject)
        if arguments:
            draft.text = json_text(arguments)
            entries = entries_of(draft.fields, arguments)
            if entries is None or not draft.fields:
                draft.as_json = True
            else:
                draft.entries, draft.extra = entries, extra_of(draft.fields, arguments)
        self._drafts[self.subject.key] = draft
        self._stand()

    def put_text(self, text: str) -> None:
        """As JSON that is not right yet."""
        self.draft.text, self.draft.as_json = text, True
        self._stand()

    def turn(self) -> str:
        """Form or JSON; empty if it turned, else why it did not."""
        draft = self.draft
        arguments = self.values() if draft.as_json else self._typed_so_far()
        if arguments is None:
            return "what is no JSON object can not be a form"
        if draft.as_json:
            entries = entries_of(draft.fields, arguments)
            if entries is None:
                return "the form can not say this, and stays JSON so that nothing is lost"
            draft.entries, draft.extra = entries, extra_of(draft.fields, arguments)
        draft.as_json = not draft.as_json
        draft.text = json_text(arguments)
        self._stand()
        return ""

    # What it says

    def values(self) -> dict[str, Any] | None:
        """None, and the reader is told, where they are not right."""
        draft = self.draft
        if draft.as_json:
            draft.text = self.json.text
            return self._from_json(draft.text)
        draft.entries |= self.form.texts
        arguments, errors = arguments_of(draft.fields, draft.entries, extra=draft.extra)
        self.form.tell(errors)
        self.tell_error("")
        return None if errors else arguments

    def text(self) -> str:
        """As JSON, for an editor."""
        return self.draft.text if self.draft.as_json else json_text(self._typed_so_far())

    def _typed_so_far(self) -> dict[str, Any]:
        """Without what is not right yet."""
        arguments, _ = arguments_of(self.draft.fields, self.draft.entries, extra=self.draft.extra)
        return arguments

    def _from_json(self, text: str) -> dict[str, Any] | None:
        try:
            value = msgspec.json.decode(text)
        except (msgspec.DecodeError, UnicodeError) as error:
            self.tell_error(f"no JSON: {str(error).removeprefix('JSON is malformed: ')}")
            return None
        if not isinstance(value, dict):
            self.tell_error("arguments are an object: {…}")
            return None
        self.tell_error("")
        return value

    def tell_error(self, sentence: str) -> None:
        label = self.query_one("#call-error", Label)
        label.update(sentence)
        label.display = bool(sentence)

    @on(SchemaFields.Changed)
    def _typed(self) -> None:
        if self._stands == self.subject.key:
            self.draft.entries = self.form.entries

    @on(TextArea.Changed)
    def _typed_json(self, event: TextArea.Changed) -> None:
        if event.control is self.json and self._stands == self.subject.key and self.draft.as_json:
            self.draft.text = self.json.text


def _fresh(subject: Subject) -> Draft:
    fields = fields_of(playground.schema_of(subject))
    by_hand = subject.kind is Kind.REQUEST
    text = json_text(BY_HAND) if by_hand else "{}"
    return Draft(fields=fields, entries=blank(fields), extra={}, text=text, as_json=by_hand)


def json_text(arguments: Mapping[str, Any]) -> str:
    return msgspec.json.format(msgspec.json.encode(dict(arguments)), indent=2).decode()


def _first_words(subject: Subject) -> str:
    """Enough to know what it is for."""
    text = " ".join(subject.description.split())
    return text if len(text) <= _MOST_TOLD else f"{text[: _MOST_TOLD - 1]}…"
