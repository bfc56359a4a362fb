"""Where tools, prompts and resources are tried: what there is, its arguments, what came back. Sends nothing itself."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, ClassVar, Final

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.message import Message
from textual.suggester import Suggester
from textual.widgets import Input, TextArea

from mcpdeck.model import completing, playground
from mcpdeck.model.commands import View
from mcpdeck.model.formatting import count
from mcpdeck.model.playground import OTHER, OWN, Kind, Request, Subject
from mcpdeck.model.runs import Run
from mcpdeck.model.shell import Part
from mcpdeck.model.state import State
from mcpdeck.model.table import Sort
from mcpdeck.model.words import Glyphs, Tone
from mcpdeck.tui.bindings import bindings_of
from mcpdeck.tui.views.call_arguments import ArgumentsPane
from mcpdeck.tui.views.call_outcome import OutcomePane
from mcpdeck.tui.views.place import Place, titled
from mcpdeck.tui.widgets.completer import Completer
from mcpdeck.tui.widgets.part_line import TitleLine
from mcpdeck.tui.widgets.row_table import RowTable

if TYPE_CHECKING:
    from mcpdeck.mcp.peer import Peer, ServerInfo

ERAS: Final = ("", "modern", "legacy")
SETTLED: Final = 0.05  # seconds that the cursor rests on a row before its form is built


class PlaygroundView(Place):
    """endpoint: `/mcp`, `/mcp/TOOLSET`, or an adapter's name. peer: connected to it, None while it is not."""

    view = View.PLAYGROUND
    BINDINGS: ClassVar[list[BindingType]] = [
        *bindings_of(View.PLAYGROUND),
        Binding("escape", "leave_field", "To the list", show=False, priority=True),
        Binding("enter", "enter_row", "To its arguments", show=False),
        Binding("space", "fold", "Fold", show=False),
    ]

    class Wanted(Message):
        """Another endpoint, or the same anew."""

    def __init__(self, *, glyphs: Glyphs, clock: Callable[[], datetime]) -> None:
        super().__init__(id=View.PLAYGROUND)
        self._glyphs = glyphs
        self._clock = clock
        self._state = State()
        self._uncompleted: set[str] = set()  # subjects of which the server would complete nothing
        self._asked_for: Request | None = None  # to be put there once the lists are read
        self._recalled = ("", 0)
        self._trouble = ""
        self._opening = False
        self.endpoint = OWN
        self.era = ""
        self.peer: Peer | None = None
        self.info: ServerInfo | None = None
        self.subjects: Sequence[Subject] = ()

    def compose(self) -> ComposeResult:
        yield TitleLine(classes="-first -last")
        with Horizontal(id="bench"):
            yield RowTable(playground.table(), sort=Sort("name"), glyphs=self._glyphs, clock=self._clock)
            with Vertical(id="work"):
                yield ArgumentsPane(self._suggester)
                yield OutcomePane(glyphs=self._glyphs)

    # What it is asked

    @property
    def table(self) -> RowTable[Subject]:
        return self.query_one(RowTable)

    @property
    def arguments(self) -> ArgumentsPane:
        """Those of what the cursor is on, also where it has not rested there yet."""
        self._look()
        return self.query_one(ArgumentsPane)

    @property
    def outcome(self) -> OutcomePane:
        return self.query_one(OutcomePane)

    @property
    def crumb(self) -> str:
        return "" if self.endpoint == OWN else self.endpoint

    @property
    def of_adapter(self) -> str:
        return self.endpoint if self.endpoint in self._state.adapters else ""

    @property
    def wants_peer(self) -> bool:
        """Whether nothing is connected, nor on the way to it."""
        return self.peer is None and not self._opening

    @property
    def subject(self) -> Subject:
        return self.table.current or OTHER

    def request(self) -> Request | None:
        """What would be sent now; None, and the reader is told, where that is not right."""
        arguments = self.arguments.values()
        if arguments is None:
            return None
        if self.subject.kind is Kind.REQUEST and not isinstance(arguments.get("method"), str):
            self.arguments.tell_error('wants {"method": "…", "params": {…}}')
            return None
        return playground.request_of(self.subject, arguments, self.endpoint)

    # What it is told

    def fill(self, endpoint: str, method: str, params: Mapping[str, Any]) -> None:
        """Put a request there as it was once made, ready to be run. endpoint: `/mcp`, `/mcp/TOOLSET`, an adapter."""
        request = Request(endpoint=endpoint, method=method, params=dict(params))
        if endpoint == self.endpoint and self.peer is not None:
            self._put(request)
            return
        self._asked_for = request
        self.choose(endpoint)

    def choose(self, endpoint: str) -> None:
        """Another endpoint; what was typed for the tools of the last one is left there."""
        self.opening()
        self.endpoint = endpoint
        self.query_one(ArgumentsPane).forget()
        self._uncompleted.clear()
        self.subjects = ()
        self.table.show(())
        self.post_message(self.Wanted())

    def close(self) -> None:
        self.peer, self.info, self._trouble, self._opening = None, None, "", False

    def opening(self) -> None:
        """Somebody connects."""
        self.close()
        self._opening = True
        self._tell()

    def opened(self, peer: "Peer", subjects: Sequence[Subject], trouble: str) -> None:
        self.peer, self.info, self.subjects, self._trouble = peer, peer.info, subjects, trouble
        self._opening = False
        self.table.show(subjects)
        asked, self._asked_for = self._asked_for, None
        if asked is not None:
            self._put(asked)
        else:
            self._look()
        self._tell()

    def failed(self, reason: str) -> None:
        """There is no server there, or it is not to be reached."""
        self.close()
        self._trouble = reason
        self.table.show(())
        self.query_one(ArgumentsPane).forget()
        self._look()
        self._tell()

    def _put(self, request: Request) -> None:
        subject, arguments = playground.subject_of(request, self.subjects)
        if self.table.keep:
            self.set_filter("")
        self.table.go_to(subject.key)
        self.arguments.put(arguments)

    def turn(self) -> str:
        """Form or JSON; empty if it turned, else why it did not."""
        if why := self.arguments.turn():
            return why
        self.screen.set_focus(self.arguments.first or self.table)
        return ""

    def back_in_time(self, step: int, length: int) -> int:
        """The place in a history of so many to look at next; it begins behind its end."""
        if self._recalled[0] != self.subject.key:
            self._recalled = (self.subject.key, length)
        place = max(0, min(self._recalled[1] + step, length - 1))
        self._recalled = (self.subject.key, place)
        return place

    def ended(self, run: Run) -> None:
        self._recalled = ("", 0)
        self.outcome.ended(run)

    def action_fold(self) -> None:
        if self.outcome.lines.has_focus:
            self.outcome.lines.fold_here()

    # Place

    @property
    def spot(self) -> tuple[str, str]:
        return self.endpoint, self.subject.key

    def focus_content(self) -> None:
        self.screen.set_focus(self.table)

    def apply_filter(self, text: str) -> None:
        self.table.filter_by(text)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if action == "leave_field":
            return len(self.app.screen_stack) == 1 and isinstance(self.screen.focused, Input | TextArea)
        return super().check_action(action, parameters)

    def action_leave_field(self) -> None:
        self.screen.set_focus(self.table)

    def action_enter_row(self) -> None:
        """From the list to what the row under the cursor takes; on a folded line, open it."""
        if self.outcome.lines.has_focus:
            self.outcome.lines.fold_here()
        else:
            self.screen.set_focus(self.arguments.first or self.outcome.lines)

    def show_state(self, state: State) -> None:
        if state.context != self._state.context:
            self.close()
            self.endpoint, self.subjects = OWN, ()
            self.query_one(ArgumentsPane).forget()
            self.outcome.forget()
        self._state = state
        if self.display:
            self._tell()

    def on_resize(self) -> None:
        self.outcome.draw()

    def tick(self) -> None:
        if self.outcome.is_running:
            self.outcome.draw()

    # Showing

    @on(RowTable.CursorMoved)
    def _moved(self) -> None:
        self.set_timer(SETTLED, self._look)

    @on(RowTable.Arranged)
    def _tell(self) -> None:
        where = Part(f"  {self.endpoint}", Tone.ACCENT, "call.where")
        info = self.info
        parts = [*titled("Playground"), where]
        if info is not None:
            parts.append(Part(f"  {' '.join(f'{info.name} {info.version}'.split())}", Tone.DIM))
        shown, total = len(self.table.shown), len(self.subjects)
        if total:
            of = "" if shown == total else f" of {count(total)}"
            parts.append(Part(f"  {count(shown)}{of}", Tone.DIM))
        parts += self._filter_parts()
        if self._trouble:
            parts.append(Part(f"  {self._trouble}", Tone.WARN))
        elif info is None:
            parts.append(Part("  connecting", Tone.BUSY))
        era = info.protocol_version if info is not None else ""
        wanted = f"{self.era} alone  " if self.era else ""
        self.title_line.show(parts, [Part(f"{wanted}{era} ", Tone.DIM, "call.era")])

    def _look(self) -> None:
        """At what the cursor is on."""
        if self.is_mounted and self.query_one(ArgumentsPane).show(self.subject):
            self.outcome.here = (self.endpoint, self.subject.key)
            self.outcome.draw()

    def _suggester(self, subject: Subject, name: str) -> Suggester | None:
        """What proposes how an argument goes on, where the server does."""
        info = self.info
        if info is None or completing.CAPABILITY not in info.capabilities or not completing.is_completed(subject):
            return None
        return Completer(lambda value: self._proposals(subject, name, value))

    async def _proposals(self, subject: Subject, name: str, value: str) -> list[str]:
        from mcpdeck.errors import ProblemError, Unreachable
        from mcpdeck.mcp.exchange import McpError, Refused

        peer = self.peer
        if peer is None or subject.key in self._uncompleted:
            return []
        params = completing.params_of(subject, name, value, self.arguments.draft.entries)
        try:
            found = completing.proposed(await peer.request(completing.METHOD, params))
        except (McpError, Refused, ProblemError, Unreachable):  # it is a courtesy; a call tells what is wrong
            self._uncompleted.add(subject.key)
            return []
        if self.subject.key == subject.key:
            self.arguments.form.propose(name, [each for each in found if each != value])
        return found
