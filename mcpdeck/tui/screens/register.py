"""A tool's registration: of an adapter by name, or any as YAML or JSON. Submits through the function it is given."""

from collections.abc import Awaitable, Callable, Sequence
from typing import ClassVar

import msgspec
from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.screen import ModalScreen
from textual.suggester import SuggestFromList
from textual.widgets import Input, Label, TextArea

from gateway.wire.tools import ALL, ToolSpec, problems_of
from mcpdeck.model.form import Errors
from mcpdeck.model.shell import Part
from mcpdeck.model.words import Tone
from mcpdeck.tui.widgets.part_line import PartLine

type Submit = Callable[[ToolSpec], Awaitable[Errors]]
"""Registers. Answers with errors by wire field, none when it is done; raises nothing."""

_FIELDS = {  # the form's, each with an example
    "adapter": ("Adapter", "whose tools"),
    "tool": ("Tool", "one of them by its own name; * for all, prompts and resources too"),
    "name": ("Name", "of the registration; the adapter's if left out"),
    "roles": ("Roles", "who else may use it: role, role"),
}
_EXAMPLE = """\
name: score
imageName: ghcr.io/acme/score
imageVersion: "1.0"
requiredRoles: []
toolDefinition:
  port: 8000
  path: /score
  tool:
    name: score
    description: What it does, as a model reads it.
    inputSchema:
      type: object
      properties:
        text: {type: string}
      required: [text]
"""


def spec_of(values: dict[str, str]) -> ToolSpec:
    adapter, tool = values["adapter"].strip(), values["tool"].strip() or ALL
    name = values["name"].strip() or (adapter if tool == ALL else f"{adapter}-{tool}".lower().replace("_", "-"))
    roles = [role.strip() for role in values["roles"].split(",") if role.strip()]
    return ToolSpec(name=name, adapter=adapter, tool_name=tool, required_roles=roles)


def from_text(text: str) -> ToolSpec:
    """YAML, of which JSON is a part. Raises ValueError with what is wrong, for its writer."""
    import yaml

    try:
        plain = yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"line {mark.line + 1}: " if mark else ""
        raise ValueError(f"{where}{getattr(error, 'problem', None) or 'neither YAML nor JSON'}") from error
    return msgspec.convert(plain, ToolSpec)


class RegisterScreen(ModalScreen[None]):
    """text: YAML to begin with, and no form. adapter: what the form begins with."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+s,ctrl+j", "register", "Register", show=False),
        Binding("ctrl+e", "turn", "YAML or form", show=False, priority=True),
        Binding("escape", "dismiss(None)", "Cancel", show=False, priority=True),
    ]

    def __init__(
        self,
        submit: Submit,
        *,
        adapters: Sequence[str],
        adapter: str = "",
        text: str = "",
        title: str = "Register tools at /mcp",
    ) -> None:
        super().__init__()
        self._submit = submit
        self._adapters = adapters
        self._adapter = adapter
        self._text = text
        self._title = title
        self.as_text = bool(text)

    def compose(self) -> ComposeResult:
        begin = {"adapter": self._adapter, "tool": ALL}
        with Vertical(classes="dialog -register"):
            yield Label(self._title, classes="dialog-title", markup=False)
            with Vertical(id="register-form"):
                for field, (label, example) in _FIELDS.items():
                    suggester = SuggestFromList(self._adapters) if field == "adapter" else None
                    with Horizontal(classes="field-row field"):
                        yield Label(label, classes="field-label")
                        yield Input(begin.get(field, ""), id=f"register-{field}", compact=True,
                                    placeholder=example, suggester=suggester)  # fmt: skip
            yield TextArea(self._text, id="register-text", compact=True, show_line_numbers=True, tab_behavior="indent")
            yield Label("", id="form-error", classes="error", markup=False)
            yield PartLine(id="form-foot")

    def on_mount(self) -> None:
        self._arrange()

    def _arrange(self) -> None:
        form, text = self.query_one("#register-form"), self.query_one("#register-text", TextArea)
        form.display, text.display = not self.as_text, self.as_text
        self.set_focus(text if self.as_text else self.query_one("#register-adapter"))
        self._tell("")
        parts = [Part("ctrl+s", Tone.ACCENT), Part(" Save  " if self._text else " Register  ")]
        if not self._text:
            other = "An adapter's tools" if self.as_text else "An HTTP server, or paste YAML or JSON"
            parts += [Part("ctrl+e", Tone.ACCENT), Part(f" {other}  ")]
        self.query_one("#form-foot", PartLine).show(parts, [Part("esc", Tone.ACCENT), Part(" Cancel ")])

    def _values(self) -> dict[str, str]:
        return {field: self.query_one(f"#register-{field}", Input).value for field in _FIELDS}

    def action_turn(self) -> None:
        """What the form says so far, as text; back again it is what it was."""
        if self._text:
            return
        if not self.as_text and not self.query_one("#register-text", TextArea).text:
            values = self._values()
            spec = msgspec.to_builtins(spec_of(values)) if values["adapter"] else None
            import yaml

            text = yaml.safe_dump(spec, sort_keys=False) if spec else _EXAMPLE
            self.query_one("#register-text", TextArea).text = text
        self.as_text = not self.as_text
        self._arrange()

    @on(Input.Submitted)
    def action_register(self) -> None:
        try:
            text = self.query_one("#register-text", TextArea).text
            spec = from_text(text) if self.as_text else spec_of(self._values())
        except ValueError as error:
            self._tell(str(error))
            return
        if errors := problems_of(spec):
            self._tell(_sentences(errors))
        else:
            self._send(spec)

    @work(exclusive=True, group="register", exit_on_error=False)
    async def _send(self, spec: ToolSpec) -> None:
        self._tell("")
        if errors := await self._submit(spec):
            self._tell(_sentences(errors))
        else:
            self.dismiss(None)

    def _tell(self, sentence: str) -> None:
        label = self.query_one("#form-error", Label)
        label.update(sentence)
        label.display = bool(sentence)


def _sentences(errors: Errors) -> str:
    return "\n".join(
        f"{field}: {', '.join(sentences)}" if field else ", ".join(sentences) for field, sentences in errors.items()
    )
