"""A new adapter: a form with its YAML beside it, or the YAML itself. Submits through the function it is given."""

from collections.abc import Awaitable, Callable
from typing import ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Input, Label, Select, TextArea

from gateway.wire.resources import AdapterSpec, Isolation, problems_of
from mcpdeck.model.form import SOURCE_EXAMPLES, SOURCE_TITLES, Entries, Errors, Source, by_field, entries_of, spec_of
from mcpdeck.model.shell import Part
from mcpdeck.model.words import Cell, Tone
from mcpdeck.model.yaml_lines import from_yaml, to_yaml, toned
from mcpdeck.tui.widgets.part_line import PartLine
from mcpdeck.tui.widgets.sheet import Sheet

type Submit = Callable[[AdapterSpec], Awaitable[Errors]]
"""Deploys. Answers with errors by wire field, none when it is done; raises nothing."""

_LABELS = {
    "name": "Name",
    "source": "Source",
    "location": "Command",
    "replicas": "Replicas",
    "isolation": "Isolation",
    "environment": "Environment",
    "roles": "Roles",
    "description": "Description",
}
_LOCATION_LABELS = {Source.COMMAND: "Command", Source.URL: "URL", Source.IMAGE: "Image"}
_NOT_YET = [[Cell("The YAML stands here as soon as", Tone.DIM)], [Cell("name and source are given.", Tone.DIM)]]
_ISOLATIONS = {Isolation.PROCESS: "a process per session", Isolation.SHARED: "one process for all sessions"}


class DeployScreen(ModalScreen[Entries | None]):
    """Dismissed with the entries as they stand when left, so that nothing typed is lost; None once deployed."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+s,ctrl+j", "deploy", "Deploy", show=False),  # without priority: after what was typed before it
        Binding("ctrl+e", "turn", "YAML or form", show=False, priority=True),
        Binding("escape", "leave", "Cancel", show=False),
    ]

    def __init__(self, submit: Submit, *, draft: Entries) -> None:
        super().__init__()
        self._submit = submit
        self._draft = draft
        self._touched: set[str] = set()  # only what was typed in is told its errors before deploying
        self.as_yaml = False

    def compose(self) -> ComposeResult:
        draft = self._draft
        with Vertical(classes="dialog -form"):
            yield Label("Deploy an adapter", classes="dialog-title")
            with Horizontal(id="form-body", classes="-as-form"):
                with VerticalScroll(id="fields", can_focus=False):
                    yield from _field("name", Input(draft.name, id="name", compact=True, placeholder="weather"))
                    sources = [(title, source) for source, title in SOURCE_TITLES.items()]
                    yield from _field(
                        "source", Select(sources, value=draft.source, allow_blank=False, id="source", compact=True)
                    )
                    yield from _field("location", Input(draft.location, id="location", compact=True))
                    yield from _field("replicas", Input(draft.replicas, id="replicas", compact=True))
                    isolations = [(title, isolation) for isolation, title in _ISOLATIONS.items()]
                    yield from _field(
                        "isolation",
                        Select(isolations, value=draft.isolation, allow_blank=False, id="isolation", compact=True),
                    )
                    yield from _field("environment", _Lines(draft.environment, id="environment", compact=True))
                    yield from _field(
                        "roles", Input(draft.roles, id="roles", compact=True, placeholder="who may use it: role, role")
                    )
                    yield from _field("description", Input(draft.description, id="description", compact=True))
                yield Sheet()
                yield TextArea(id="yaml", compact=True, show_line_numbers=True, tab_behavior="indent")
            yield Label("", id="form-error", classes="error", markup=False)
            yield PartLine(id="form-foot")

    def on_mount(self) -> None:
        self.set_focus(self.query_one("#name"))
        self.query_one("#yaml").display = False
        self.query_one(Sheet).can_focus = False
        self._suit_source()
        self._preview()
        self._tell_keys()

    # Reading the form

    @property
    def entries(self) -> Entries:
        return Entries(
            name=self._input("name"),
            source=self._choice("source", Source),
            location=self._input("location"),
            replicas=self._input("replicas"),
            environment=self.query_one("#environment", TextArea).text,
            roles=self._input("roles"),
            description=self._input("description"),
            isolation=self._choice("isolation", Isolation),
        )

    def _input(self, field: str) -> str:
        return self.query_one(f"#{field}", Input).value

    def _choice[Choice](self, field: str, kind: type[Choice]) -> Choice:
        value = self.query_one(f"#{field}", Select).value
        assert isinstance(value, kind)  # noqa: S101  (the options are of this kind, and blank is not allowed)
        return value

    @on(Input.Changed)
    @on(TextArea.Changed)
    @on(Select.Changed)
    def _edited(self, event: Input.Changed | TextArea.Changed | Select.Changed) -> None:
        field = event.control.id or ""
        if field == "yaml":
            return
        if event.control.has_focus:
            self._touched.add(field)
        if field == "source":
            self._suit_source()
        self._preview()

    def _suit_source(self) -> None:
        source = self._choice("source", Source)
        self.query_one("#location", Input).placeholder = SOURCE_EXAMPLES[source]
        self.query_one("#label-location", Label).update(_LOCATION_LABELS[source])
        self.query_one("#field-isolation").display = source is Source.COMMAND

    def _preview(self) -> None:
        spec, errors = spec_of(self.entries)
        self._tell({field: sentences for field, sentences in errors.items() if field in self._touched})
        self.query_one(Sheet).show(
            toned(to_yaml(spec)) if spec else _NOT_YET,
        )

    # Telling

    def _tell(self, errors: Errors) -> None:
        """Each sentence under its field; those without one at the foot."""
        for field in _LABELS:
            label = self.query_one(f"#error-{field}", Label)
            label.update(" ".join(errors.get(field, [])))
            label.display = bool(errors.get(field))
        rest = [sentence for field, sentences in errors.items() if field not in _LABELS for sentence in sentences]
        self._tell_below(" ".join(rest))

    def _tell_below(self, sentence: str) -> None:
        label = self.query_one("#form-error", Label)
        label.update(sentence)
        label.display = bool(sentence)

    def _tell_keys(self) -> None:
        other = "form" if self.as_yaml else "YAML"
        parts = [Part("ctrl+s", Tone.ACCENT), Part(" Deploy  "), Part("ctrl+e", Tone.ACCENT), Part(f" As {other}  ")]
        self.query_one("#form-foot", PartLine).show(parts, [Part("esc", Tone.ACCENT), Part(" Keep for later ")])

    # Doing

    def action_turn(self) -> None:
        """The same adapter as YAML, or back in the form where the form can hold it."""
        if self.as_yaml:
            spec = self._from_yaml()
            entries = entries_of(spec) if spec else None
            if spec is not None and entries is None:
                self._tell_below("the form has no field for some of this; deploy it from here")
            if entries is None:
                return
            self._fill(entries)
        else:
            spec, _ = spec_of(self.entries)
            text = to_yaml(spec) if spec else to_yaml(AdapterSpec(name=self._input("name") or "name"))
            self.query_one("#yaml", TextArea).text = text
        self.as_yaml = not self.as_yaml
        self.query_one("#fields").display = not self.as_yaml
        self.query_one("#form-body").set_class(not self.as_yaml, "-as-form")
        yaml = self.query_one("#yaml", TextArea)
        yaml.display = self.as_yaml
        (yaml if self.as_yaml else self.query_one("#name")).focus()
        self._tell_below("")
        self._tell_keys()

    def _from_yaml(self) -> AdapterSpec | None:
        try:
            return from_yaml(self.query_one("#yaml", TextArea).text)
        except ValueError as error:  # msgspec.ValidationError is one
            self._tell_below(str(error))
            return None

    def _fill(self, entries: Entries) -> None:
        for field in ("name", "location", "replicas", "roles", "description"):
            self.query_one(f"#{field}", Input).value = getattr(entries, field)
        self.query_one("#environment", TextArea).text = entries.environment
        self.query_one("#source", Select).value = entries.source
        self.query_one("#isolation", Select).value = entries.isolation

    def action_deploy(self) -> None:
        if self.as_yaml:
            spec = self._from_yaml()
            errors = problems_of(spec) if spec else {}
            if errors:
                self._tell_below(_sentences(errors))
        else:
            spec, errors = spec_of(self.entries)
            self._touched.update(_LABELS)
            self._tell(errors)
            if errors:
                self._focus_first(errors)
        if spec is not None and not errors:
            self._send(spec)

    @work(exclusive=True, group="deploy", exit_on_error=False)
    async def _send(self, spec: AdapterSpec) -> None:
        self._tell_below("")
        self.query_one("#form-foot", PartLine).show([Part("Deploying…", Tone.BUSY)])
        errors = await self._submit(spec)
        if not errors:
            self.dismiss(None)
            return
        self._tell_keys()
        if self.as_yaml:
            self._tell_below(_sentences(errors))
        else:
            self._tell(by_field(errors))
            self._focus_first(by_field(errors))

    def _focus_first(self, errors: Errors) -> None:
        if field := next((field for field in _LABELS if field in errors), None):
            self.query_one(f"#{field}").focus()

    def action_leave(self) -> None:
        self.dismiss(self.entries)


class _Lines(TextArea):
    """Several lines in a form: Tab goes on to the next field."""


def _field(field: str, control: Input | Select[str] | Select[Source] | Select[Isolation] | TextArea) -> ComposeResult:
    with Vertical(classes="field", id=f"field-{field}"):
        with Horizontal(classes="field-row"):
            yield Label(_LABELS[field], classes="field-label", id=f"label-{field}")
            yield control
        error = Label("", id=f"error-{field}", classes="error field-error", markup=False)
        error.display = False
        yield error


def _sentences(errors: Errors) -> str:
    return "\n".join(
        f"{field}: {', '.join(sentences)}" if field else ", ".join(sentences) for field, sentences in errors.items()
    )
