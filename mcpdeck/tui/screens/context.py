"""A gateway's name and where it is, to be added or changed. Writes nothing."""

from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.screen import ModalScreen
from textual.widgets import Button, Input, Label

from mcpdeck.config.contexts import Context, checked_name, checked_url
from mcpdeck.errors import Misconfigured
from mcpdeck.tui.widgets.schema_fields import YesNo


class ContextScreen(ModalScreen[Context | None]):
    """Dismissed with what is to be kept. A known one keeps its name."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "dismiss(None)", "Cancel", show=False),
        Binding("ctrl+s,ctrl+j", "keep", "Keep", show=False),
    ]

    def __init__(self, known: Context | None = None) -> None:
        super().__init__()
        self._known = known

    def compose(self) -> ComposeResult:
        known = self._known or Context(name="", url="")
        with Vertical(classes="dialog -context"):
            title = f"Change {known.name}" if self._known else "Name a gateway"
            yield Label(title, classes="dialog-title", markup=False)
            yield from _row("Name", Input(known.name, id="name", compact=True, placeholder="prod-weu"))
            yield from _row("URL", Input(known.url, id="url", compact=True, placeholder="https://mcp.example.com"))
            hint = "a PEM file, if the machine does not trust it"
            yield from _row("Authority", Input(known.ca_file, id="ca-file", compact=True, placeholder=hint))
            asks, looks = ("what is lost asks for its name",) * 2, ("nothing is changed through it",) * 2
            yield from _row("Protected", YesNo(value=known.protected, words=asks, id="protected"))
            yield from _row("Read-only", YesNo(value=known.read_only, words=looks, id="read-only"))
            yield Label("", id="form-error", classes="error", markup=False)
            with Horizontal(classes="buttons"):
                yield Button("Cancel", id="cancel", compact=True)
                yield Button("Keep", id="keep", compact=True)

    def on_mount(self) -> None:
        self.query_one("#name", Input).disabled = self._known is not None
        self.query_one("#form-error").display = False
        self.set_focus(self.query_one("#url" if self._known else "#name"))

    @on(Button.Pressed)
    def _pressed(self, event: Button.Pressed) -> None:
        if event.button.id == "keep":
            self.action_keep()
        else:
            self.dismiss(None)

    @on(Input.Submitted)
    def action_keep(self) -> None:
        try:
            kept = Context(
                name=checked_name(self._text("name")),
                url=checked_url(self._text("url")),
                ca_file=self._text("ca-file"),
                protected=self.query_one("#protected", YesNo).value,
                read_only=self.query_one("#read-only", YesNo).value,
            )
        except Misconfigured as error:
            told = self.query_one("#form-error", Label)
            told.update(str(error))
            told.display = True
        else:
            self.dismiss(kept)

    def _text(self, field: str) -> str:
        return self.query_one(f"#{field}", Input).value.strip()


def _row(label: str, control: Input | YesNo) -> ComposeResult:
    with Horizontal(classes="field-row field"):
        yield Label(label, classes="field-label")
        yield control
