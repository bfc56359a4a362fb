"""Where tools, prompts and resources are tried: what there is, its arguments, what came back. Sends nothing itself."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, ClassVar, Final

import msgspec
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.message import Message
from textual.suggester import Suggester
from textual.widgets import Input, Label, TextArea

from mcpdeck.model import completing, playground, runs
from mcpdeck.model.commands import View
from mcpdeck.model.folding import FoldLine, foldable, wrapped
from mcpdeck.model.formatting import count, plural
from mcpdeck.model.playground import OTHER, OWN, Kind, Request, Subject
from mcpdeck.model.runs import Run, Stage
from mcpdeck.model.schema_form import Field, arguments_of, blank, entries_of, extra_of, fields_of
from mcpdeck.model.shell import Part
from mcpdeck.model.state import State
from mcpdeck.model.table import Sort
from mcpdeck.model.words import Cell, Glyphs, Tone
from mcpdeck.tui.bindings import bindings_of
from mcpdeck.tui.views.place import Place, titled
from mcpdeck.tui.widgets.completer import Completer
from mcpdeck.tui.widgets.fold_view import FoldView
from mcpdeck.tui.widgets.part_line import PartLine, TitleLine
from mcpdeck.tui.widgets.row_table import RowTable
from mcpdeck.tui.widgets.schema_fields import SchemaFields

if TYPE_CHECKING:
    from mcpdeck.mcp.peer import Peer, ServerInfo

ERAS: Final = ("", "modern", "legacy")
SETTLED: Final = 0.05  # seconds that the cursor rests on a row before its form is built
DRAWN: Final = 0.1  # what comes of a call within it is drawn at once
SHALLOW: Final = 2  # what is deeper folds when all is folded
BY_HAND: Final = {"method": "tools/list", "params": {}}


class Draft(msgspec.Struct):
    """One subject's arguments as they stand. extra: what no field is for; text: as JSON, where that is shown."""

    fields: list[Field]
    entries: dict[str, str]
    extra: dict[str, Any]
    text: str = "{}"
    as_json: bool = False


class Question:
    """What a server asks while a call is under way. answer: set once somebody has answered, or will not."""

    def __init__(self, message: Mapping[str, Any]) -> None:
        self.method = str(message.get("method", ""))
        params = message.get("params")
        self.params: dict[str, Any] = params if isinstance(params, dict) else {}
        self.answer: asyncio.Future[dict[str, Any] | None] = asyncio.get_running_loop().create_future()

    @property
    def sentence(self) -> str:
        if self.method == "sampling/createMessage":
            return "the server asks for a model's answer"
        return f"the server asks: {' '.join(str(self.params.get('message') or 'something').split())}"


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
        self._drafts: dict[str, Draft] = {}
        self._built = ""  # the subject whose form stands there
        self._uncompleted: set[str] = set()  # subjects of which the server would complete nothing
        self._ran = ("", "")  # the endpoint and the subject of the last call
        self._asked_for: Request | None = None  # to be put there once the lists are read
        self._folded: set[str] = set()
        self._draw_due = False
        self._recalled = ("", 0)
        self._trouble = ""
        self._opening = False
        self.endpoint = OWN
        self.era = ""
        self.peer: Peer | None = None
        self.info: ServerInfo | None = None
        self.subjects: Sequence[Subject] = ()
        self.run: Run | None = None
        self.began = 0.0  # of the loop's clock
        self.questions: list[Question] = []

    def compose(self) -> ComposeResult:
        yield TitleLine(classes="-first -last")
        with Horizontal(id="bench"):
            yield RowTable(playground.table(), sort=Sort("name"), glyphs=self._glyphs, clock=self._clock)
            with Vertical(id="work"):
                with Vertical(id="call-arguments"):
                    yield PartLine(id="call-head")
                    yield Label("", id="call-told", markup=False)
                    yield SchemaFields(id="call-form")
                    yield TextArea("{}", id="call-json", compact=True, tab_behavior="indent")
                    yield Label("", id="call-error", classes="error", markup=False)
                with Vertical(id="call-outcome"):
                    yield PartLine(id="call-result")
                    yield FoldView(self._fold)

    def on_mount(self) -> None:
        self.query_one("#call-json").display = False
        self.query_one("#call-error").display = False

    # What it is asked

    @property
    def table(self) -> RowTable[Subject]:
        return self.query_one(RowTable)

    @property
    def form(self) -> SchemaFields:
        return self.query_one(SchemaFields)

    @property
    def json(self) -> TextArea:
        return self.query_one("#call-json", TextArea)

    @property
    def outcome(self) -> FoldView:
        return self.query_one(FoldView)

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
    def is_running(self) -> bool:
        return self.run is not None and self.run.stage is Stage.RUNNING

    @property
    def subject(self) -> Subject:
        return self.table.current or OTHER

    @property
    def draft(self) -> Draft:
        subject = self.subject
        if subject.key not in self._drafts:
            self._drafts[subject.key] = _fresh(subject)
        return self._drafts[subject.key]

    def request(self) -> Request | None:
        """What would be sent now; None, and the reader is told, where that is not right."""
        arguments = self.arguments()
        if arguments is None:
            return None
        if self.subject.kind is Kind.REQUEST and not isinstance(arguments.get("method"), str):
            self._tell_error('wants {"method": "…", "params": {…}}')
            return None
        return playground.request_of(self.subject, arguments, self.endpoint)

    def arguments(self) -> dict[str, Any] | None:
        self._build()
        draft = self.draft
        if draft.as_json:
            draft.text = self.json.text
            return self._from_json(draft.text)
        draft.entries |= self.form.texts
        arguments, errors = arguments_of(draft.fields, draft.entries, extra=draft.extra)
        self.form.tell(errors)
        self._tell_error("")
        return None if errors else arguments

    def _from_json(self, text: str) -> dict[str, Any] | None:
        try:
            value = msgspec.json.decode(text)
        except (msgspec.DecodeError, UnicodeError) as error:
            self._tell_error(f"no JSON: {str(error).removeprefix('JSON is malformed: ')}")
            return None
        if not isinstance(value, dict):
            self._tell_error("arguments are an object: {…}")
            return None
        self._tell_error("")
        return value

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
        self._drafts.clear()
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
            self._build()
        self._tell()

    def failed(self, reason: str) -> None:
        """There is no server there, or it is not to be reached."""
        self.close()
        self._trouble = reason
        self.table.show(())
        self._built = ""
        self._build()
        self._tell()

    def _put(self, request: Request) -> None:
        subject, arguments = playground.subject_of(request, self.subjects)
        if self.table.keep:
            self.set_filter("")
        self.table.go_to(subject.key)
        self.put(arguments)

    def put(self, arguments: Mapping[str, Any]) -> None:
        """As the arguments of what is chosen: in the form where it can say them, else as JSON."""
        draft = _fresh(self.subject)
        if not arguments:
            self._drafts[self.subject.key], self._built = draft, ""
            self._build()
            return
        draft.text = _json_text(arguments)
        entries = entries_of(draft.fields, arguments)
        if entries is None or not draft.fields:
            draft.as_json = bool(arguments) or draft.as_json
        else:
            draft.entries, draft.extra = entries, extra_of(draft.fields, arguments)
        self._drafts[self.subject.key] = draft
        self._built = ""
        self._build()

    def turn(self) -> str:
        """Form or JSON; empty if it turned, else why it did not."""
        arguments = self.arguments() if self.draft.as_json else self._typed_so_far()
        draft = self.draft
        if arguments is None:
            return "what is no JSON object can not be a form"
        if draft.as_json:
            entries = entries_of(draft.fields, arguments)
            if entries is None:
                return "the form can not say this, and stays JSON so that nothing is lost"
            draft.entries, draft.extra = entries, extra_of(draft.fields, arguments)
        draft.as_json = not draft.as_json
        draft.text = _json_text(arguments)
        self._built = ""
        self._build()
        self.screen.set_focus(self.json if draft.as_json else self.form.first or self.table)
        return ""

    def _typed_so_far(self) -> dict[str, Any]:
        """Without what is not right yet."""
        arguments, _ = arguments_of(self.draft.fields, self.draft.entries, extra=self.draft.extra)
        return arguments

    def put_text(self, text: str) -> None:
        """As JSON that is not right yet."""
        self.draft.text, self.draft.as_json = text, True
        self._built = ""
        self._build()

    def back_in_time(self, step: int, length: int) -> int:
        """The place in a history of so many to look at next; it begins behind its end."""
        if self._recalled[0] != self.subject.key:
            self._recalled = (self.subject.key, length)
        place = max(0, min(self._recalled[1] + step, length - 1))
        self._recalled = (self.subject.key, place)
        return place

    def text(self) -> str:
        """The arguments as JSON, for an editor."""
        return self.draft.text if self.draft.as_json else _json_text(self._typed_so_far())

    # A call

    def begun(self, request: Request, subject: Subject) -> Run:
        self._ran = (request.endpoint, subject.key)
        self.run, self.began, self._folded = Run(request=request), asyncio.get_running_loop().time(), set()
        self.draw(is_new=True)
        return self.run

    def heard(self, message: Mapping[str, Any]) -> None:
        """A notification of the call under way; many within a tenth of a second are drawn at once."""
        if self.run is not None:
            self.run = runs.hearing(self.run, message)
            if not self._draw_due:
                self._draw_due = True
                self.set_timer(DRAWN, self._draw_soon)

    def _draw_soon(self) -> None:
        self._draw_due = False
        self.draw()

    def ended(self, run: Run) -> None:
        self.run = run
        self._recalled = ("", 0)
        self.drop_questions()
        self.draw()

    def asks(self, question: Question) -> None:
        self.questions.append(question)
        self.draw()

    def answered(self, question: Question) -> None:
        if question in self.questions:
            self.questions.remove(question)
        self.draw()

    def drop_questions(self) -> None:
        """Nobody waits for an answer any more."""
        for question in self.questions:
            question.answer.cancel()
        self.questions.clear()

    def toggle_fold(self) -> None:
        """All that is deep, or nothing."""
        if self._folded:
            self._folded = set()
        elif self.run is not None and self.run.result is not None:
            paths = [
                *foldable(self.run.result.get("structuredContent"), "structured"),
                *(found for number, value in runs.json_blocks(self.run.result)
                  for found in foldable(value, f"text{number}")),
            ]  # fmt: skip
            self._folded = {path for path, depth in paths if depth >= SHALLOW - 1}
        self.draw()

    def _fold(self, path: str) -> None:
        self._folded ^= {path}
        self.draw()

    def action_fold(self) -> None:
        if self.outcome.has_focus:
            self.outcome.fold_here()

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
        if self.outcome.has_focus:
            self.outcome.fold_here()
            return
        self._build()
        self.screen.set_focus(self.json if self.draft.as_json else self.form.first or self.outcome)

    def show_state(self, state: State) -> None:
        if state.context != self._state.context:
            self.close()
            self.endpoint, self.subjects, self.run = OWN, (), None
            self._drafts.clear()
            self.drop_questions()
        self._state = state
        if self.display:
            self._tell()

    def on_resize(self) -> None:
        self.draw()

    def tick(self) -> None:
        if self.is_running:
            self.draw()

    # Showing

    @on(RowTable.CursorMoved)
    def _moved(self) -> None:
        self.set_timer(SETTLED, self._build)

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

    def _build(self) -> None:
        """The form of what the cursor is on."""
        subject, draft = self.subject, self.draft
        if self._built == subject.key or not self.is_mounted:
            return
        self._built = subject.key
        self._tell_error("")
        self.query_one("#call-told", Label).update(_first_words(subject))
        is_json = draft.as_json
        self.form.display, self.json.display = not is_json, is_json
        if is_json:
            self.json.text = draft.text
        else:
            self.form.show(draft.fields, draft.entries, suggester=self._suggester)
        word = "JSON" if is_json else "form" if draft.fields else "takes nothing"
        title = Part(subject.title or subject.name, Tone.STRONG)
        needs = [Part("  * needed", Tone.DIM)] if any(field.required for field in draft.fields) and not is_json else []
        self.query_one("#call-head", PartLine).show([title, *needs], [Part(f" {word} ", Tone.DIM, "call.turn")])
        self.draw()

    def _suggester(self, name: str) -> Suggester | None:
        """What proposes how an argument goes on, where the server does."""
        info, subject = self.info, self.subject
        if info is None or completing.CAPABILITY not in info.capabilities or not completing.is_completed(subject):
            return None
        return Completer(lambda value: self._proposals(subject, name, value))

    async def _proposals(self, subject: Subject, name: str, value: str) -> list[str]:
        from mcpdeck.errors import ProblemError, Unreachable
        from mcpdeck.mcp.exchange import McpError, Refused

        peer = self.peer
        if peer is None or subject.key in self._uncompleted:
            return []
        params = completing.params_of(subject, name, value, self.draft.entries)
        try:
            found = completing.proposed(await peer.request(completing.METHOD, params))
        except (McpError, Refused, ProblemError, Unreachable):  # it is a courtesy; a call tells what is wrong
            self._uncompleted.add(subject.key)
            return []
        if self._built == subject.key:
            self.form.propose(name, [each for each in found if each != value])
        return found

    @on(SchemaFields.Changed)
    def _typed(self) -> None:
        if self._built == self.subject.key:
            self.draft.entries = self.form.entries

    @on(TextArea.Changed)
    def _typed_json(self, event: TextArea.Changed) -> None:
        if event.control is self.json and self._built == self.subject.key and self.draft.as_json:
            self.draft.text = self.json.text

    def _tell_error(self, sentence: str) -> None:
        label = self.query_one("#call-error", Label)
        label.update(sentence)
        label.display = bool(sentence)

    def _draw_head(self) -> None:
        """Whose result it is, where the cursor is on something else, and how long it takes."""
        run = self.run
        head = [Part(" Result", Tone.STRONG)]
        if run is not None and self._ran != (self.endpoint, self.subject.key):
            head.append(Part(f" of {playground.named(run.request, self.endpoint)}", Tone.WARN))
        if run is not None and run.stage is Stage.RUNNING:
            seconds = max(0.0, asyncio.get_running_loop().time() - self.began)
            head.append(Part(f"  {seconds:.0f}s", Tone.BUSY))
            head.append(Part("  ctrl+x cancels", Tone.DIM, "call.cancel"))
        if self.questions:
            head = [Part(f" {plural(len(self.questions), 'question')} to answer", Tone.WARN, "call.answer")]
            self.query_one("#call-result", PartLine).show(head, [Part(" A answers ", Tone.ACCENT, "call.answer")])
        else:
            self.query_one("#call-result", PartLine).show(head)

    def draw(self, *, is_new: bool = False) -> None:
        """What came of the last call, or what to do for a first one."""
        self._draw_head()
        run = self.run
        if run is None:
            lines = [FoldLine(tuple(cells)) for cells in playground.welcome()]
        else:
            asked = [FoldLine((Cell(question.sentence, Tone.WARN),)) for question in self.questions]
            lines = [*asked, *runs.lines(run, self._glyphs, self._folded)]
        width = self.outcome.scrollable_content_region.width
        self.outcome.show([piece for line in lines for piece in wrapped(line, width)], is_new=is_new)


def _fresh(subject: Subject) -> Draft:
    fields = fields_of(playground.schema_of(subject))
    by_hand = subject.kind is Kind.REQUEST
    text = _json_text(BY_HAND) if by_hand else "{}"
    return Draft(fields=fields, entries=blank(fields), extra={}, text=text, as_json=by_hand)


def _json_text(arguments: Mapping[str, Any]) -> str:
    return msgspec.json.format(msgspec.json.encode(dict(arguments)), indent=2).decode()


def _first_words(subject: Subject) -> str:
    """Enough to know what it is for."""
    text = " ".join(subject.description.split())
    return text if len(text) <= 280 else f"{text[:279]}…"
