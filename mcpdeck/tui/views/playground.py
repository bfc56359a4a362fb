"""Where tools are tried: what there is, its arguments, what came back."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType

from mcpdeck.model.commands import View
from mcpdeck.model.state import State
from mcpdeck.model.words import Glyphs
from mcpdeck.tui.bindings import bindings_of
from mcpdeck.tui.views.place import Place, titled
from mcpdeck.tui.widgets.part_line import TitleLine
from mcpdeck.tui.widgets.sheet import Sheet


class PlaygroundView(Place):
    view = View.PLAYGROUND
    BINDINGS: ClassVar[list[BindingType]] = bindings_of(View.PLAYGROUND)

    def __init__(self, *, glyphs: Glyphs, clock: Callable[[], datetime]) -> None:
        super().__init__(id=View.PLAYGROUND)
        self._glyphs = glyphs
        self._clock = clock

    def compose(self) -> ComposeResult:
        yield TitleLine(classes="-first -last")
        yield Sheet()

    def fill(self, endpoint: str, method: str, params: Mapping[str, Any]) -> None:
        """Put a request there as it was once made, ready to be run. endpoint: `/mcp`, `/mcp/TOOLSET`, an adapter."""

    def show_state(self, state: State) -> None:  # noqa: ARG002
        self.title_line.show(titled("Playground"))

    def focus_content(self) -> None:
        self.screen.set_focus(self.query_one(Sheet))

    def apply_filter(self, text: str) -> None:
        """Of the list."""
