"""A form of one control per field of a schema. Knows what is typed; decides nothing about it."""

from collections.abc import Callable, Mapping, Sequence
from typing import ClassVar, Final

from textual import on
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.content import Content
from textual.message import Message
from textual.suggester import Suggester
from textual.widget import Widget
from textual.widgets import Input, Label, Select, Static

from mcpdeck.model.plain import one_line
from mcpdeck.model.schema_form import LEFT_OUT, Errors, Field, Kind

LONGEST_TOLD: Final = 240  # characters of a description that a field shows
PROPOSED: Final = 6  # values that are told under a field


class YesNo(Static, can_focus=True):
    """A switch that says in a word how it stands."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("enter,space,left,right", "turn", "Yes or no", show=False)]

    class Changed(Message):
        """It was turned."""

        def __init__(self, control: "YesNo") -> None:
            super().__init__()
            self._control = control

        @property
        def control(self) -> "YesNo":
            return self._control

    def __init__(self, *, value: bool, words: tuple[str, str] = ("no", "yes"), id: str | None = None) -> None:  # noqa: A002
        super().__init__(markup=False, id=id)
        self.value = value
        self._words = words

    def on_mount(self) -> None:
        self._say()

    def on_click(self) -> None:
        self.action_turn()

    def action_turn(self) -> None:
        self.value = not self.value
        self._say()
        self.post_message(self.Changed(self))

    def _say(self) -> None:
        self.update(f"[{'x' if self.value else ' '}] {self._words[self.value]}")


class SchemaFields(VerticalScroll):
    """Built anew by `show`; `entries` is what stands there now."""

    class Changed(Message):
        """Something was typed or chosen."""

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002  (Textual's name)
        super().__init__(id=id, can_focus=False)
        self._fields: Sequence[Field] = ()
        self._titled = False
        self._controls: dict[str, Input | Select[str] | YesNo] = {}
        self._errors: dict[str, Label] = {}
        self._proposals: dict[str, Label] = {}

    def show(
        self,
        fields: Sequence[Field],
        entries: Mapping[str, str],
        *,
        titled: bool = False,
        suggester: Callable[[str], Suggester | None] = lambda _name: None,
    ) -> None:
        """titled: by the title that a schema gives, else by the name that a call gives. suggester: of a field."""
        self._fields, self._titled = fields, titled
        self._controls = {
            field.name: _control(field, entries.get(field.name, LEFT_OUT), suggester(field.name)) for field in fields
        }
        self._proposals = {field.name: Label("", classes="schema-told", markup=False) for field in fields}
        self._errors = {field.name: Label("", classes="error field-error", markup=False) for field in fields}
        self.remove_children()
        self.mount_all([self._row(field) for field in fields])
        self.scroll_home(animate=False)

    def _row(self, field: Field) -> Widget:
        error = self._errors[field.name]
        error.display = False
        mark = "* " if field.required else "  "
        called = field.label if self._titled else one_line(field.name)
        label = Label(f"{mark}{called}", classes="schema-label", markup=False)
        row = Horizontal(label, self._controls[field.name], classes="field-row")
        told = field.description[:LONGEST_TOLD]
        more = [Label(told, classes="schema-told", markup=False)] if told else []
        proposals = self._proposals[field.name]
        proposals.display = False
        return Vertical(row, *more, proposals, error, classes="schema-field")

    @property
    def entries(self) -> dict[str, str]:
        return {name: _said(control) for name, control in self._controls.items()}

    @property
    def texts(self) -> dict[str, str]:
        """What stands in the lines, told of or not: a key may come before the news of the one before it."""
        return {name: control.value for name, control in self._controls.items() if isinstance(control, Input)}

    @property
    def first(self) -> Widget | None:
        return next(iter(self._controls.values()), None)

    def propose(self, name: str, values: Sequence[str]) -> None:
        """What a field may hold, the first few. How one goes on from what is typed is the suggester's to show."""
        label = self._proposals.get(name)
        if label is not None:
            more = "  …" if len(values) > PROPOSED else ""
            label.update(f"{'  '.join(values[:PROPOSED])}{more}")
            label.display = bool(values)

    def tell(self, errors: Errors) -> None:
        """Each under its field."""
        for name, label in self._errors.items():
            label.update(errors.get(name, ""))
            label.display = name in errors
        first = next((self._controls[field.name] for field in self._fields if field.name in errors), None)
        if first is not None:
            self.screen.set_focus(first)

    @on(Input.Changed)
    @on(Select.Changed)
    @on(YesNo.Changed)
    def _changed(self, event: Message) -> None:
        event.stop()
        if (
            isinstance(event, Input.Changed | Select.Changed | YesNo.Changed)
            and event.control in self._controls.values()
        ):
            self.post_message(self.Changed())


def _control(field: Field, text: str, suggester: Suggester | None) -> Input | Select[str] | YesNo:
    match field.kind:
        case Kind.SWITCH:
            return YesNo(value=text == "true")
        case Kind.CHOICE:
            options = [(Content(option.label), option.value) for option in field.options]
            is_one = text in {option.value for option in field.options}
            return Select(options, value=text if is_one else Select.NULL, compact=True, prompt="left out")
        case _:
            return Input(text, compact=True, placeholder=field.hint, suggester=suggester)


def _said(control: Input | Select[str] | YesNo) -> str:
    match control:
        case YesNo():
            return "true" if control.value else "false"
        case Select():
            return control.value if isinstance(control.value, str) else LEFT_OUT
        case Input():
            return control.value
