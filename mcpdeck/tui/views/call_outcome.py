"""What comes of a call: as it runs, what the server asks meanwhile, its result. Sends nothing itself."""

import asyncio
from collections.abc import Mapping
from typing import Any, Final

from textual.app import ComposeResult
from textual.containers import Vertical

from mcpdeck.model import playground, runs
from mcpdeck.model.folding import FoldLine, foldable, wrapped
from mcpdeck.model.formatting import plural
from mcpdeck.model.playground import Request, Subject
from mcpdeck.model.runs import Run, Stage
from mcpdeck.model.shell import Part
from mcpdeck.model.words import Cell, Glyphs, Tone
from mcpdeck.tui.widgets.fold_view import FoldView
from mcpdeck.tui.widgets.part_line import PartLine

DRAWN: Final = 0.1  # what comes of a call within it is drawn at once
SHALLOW: Final = 2  # what is deeper folds when all is folded


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


class OutcomePane(Vertical):
    """Of the last call: `run`. here: the endpoint, and the key of the subject, that one is at now."""

    def __init__(self, *, glyphs: Glyphs) -> None:
        super().__init__(id="call-outcome")
        self._glyphs = glyphs
        self._of = ("", "")  # the endpoint and the subject of the last call
        self._folded: set[str] = set()
        self._draw_due = False
        self.began = 0.0  # of the loop's clock
        self.here = ("", "")
        self.run: Run | None = None
        self.questions: list[Question] = []

    def compose(self) -> ComposeResult:
        yield PartLine(id="call-result")
        yield FoldView(self._fold)

    @property
    def lines(self) -> FoldView:
        return self.query_one(FoldView)

    @property
    def is_running(self) -> bool:
        return self.run is not None and self.run.stage is Stage.RUNNING

    # A call

    def begun(self, request: Request, subject: Subject) -> Run:
        self._of = (request.endpoint, subject.key)
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
        self.drop_questions()
        self.draw()

    def forget(self) -> None:
        self.run = None
        self.drop_questions()

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

    # Looking

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

    def draw(self, *, is_new: bool = False) -> None:
        """What came of the last call, or what to do for a first one."""
        self._draw_head()
        if self.run is None:
            lines = [FoldLine(tuple(cells)) for cells in playground.welcome()]
        else:
            asked = [FoldLine((Cell(question.sentence, Tone.WARN),)) for question in self.questions]
            lines = [*asked, *runs.lines(self.run, self._glyphs, self._folded)]
        width = self.lines.scrollable_content_region.width
        self.lines.show([piece for line in lines for piece in wrapped(line, width)], is_new=is_new)

    def _draw_head(self) -> None:
        """Whose result it is, where the cursor is on something else, and how long it takes."""
        head, told = [Part(" Result", Tone.STRONG)], []
        if self.run is not None and self._of != self.here:
            head.append(Part(f" of {playground.named(self.run.request, self.here[0])}", Tone.WARN))
        if self.is_running:
            seconds = max(0.0, asyncio.get_running_loop().time() - self.began)
            head.append(Part(f"  {seconds:.0f}s", Tone.BUSY))
            head.append(Part("  ctrl+x cancels", Tone.DIM, "call.cancel"))
        if self.questions:
            head = [Part(f" {plural(len(self.questions), 'question')} to answer", Tone.WARN, "call.answer")]
            told = [Part(" A answers ", Tone.ACCENT, "call.answer")]
        self.query_one("#call-result", PartLine).show(head, told)
