"""A place that is a sheet of text, drawn anew from the state. Knows not what stands on it."""

from abc import abstractmethod
from collections.abc import Callable
from datetime import datetime

from textual.app import ComposeResult

from mcpdeck.model.state import State
from mcpdeck.model.words import Glyphs
from mcpdeck.tui.views.place import Place
from mcpdeck.tui.widgets.part_line import TitleLine
from mcpdeck.tui.widgets.sheet import Sheet


class SheetPlace(Place):
    """A subclass draws its title and its sheet. What the reader filters by is marked, not left out."""

    fits = False  # long lines go on below

    def __init__(self, *, glyphs: Glyphs, clock: Callable[[], datetime]) -> None:
        super().__init__(id=self.view)
        self._glyphs = glyphs
        self._clock = clock
        self._state = State()

    def compose(self) -> ComposeResult:
        yield TitleLine(classes="-first -last")
        yield Sheet(fits=self.fits)

    @property
    def sheet(self) -> Sheet:
        return self.query_one(Sheet)

    def focus_content(self) -> None:
        self.screen.set_focus(self.sheet)

    def apply_filter(self, text: str) -> None:
        self.sheet.mark(text)
        self._draw()

    def show_state(self, state: State) -> None:
        self._state = state
        if self.display:
            self._draw()

    @abstractmethod
    def _draw(self) -> None: ...
