"""From a key, a click or a typed line to a command that nothing stands in the way of. What it does is in `actions`."""

import asyncio
from abc import abstractmethod
from collections.abc import Callable, Iterable
from functools import partial
from typing import Final

from textual import on

from mcpdeck.model import filters
from mcpdeck.model.commands import Command, Situation, Takes, View, obstacle
from mcpdeck.model.prompt import Misunderstood, Order, hint, parse, resolve, ways
from mcpdeck.model.registry import BY_ID
from mcpdeck.model.tools import find as find_tools
from mcpdeck.model.values import values_of
from mcpdeck.tui.one_by_one import is_typed_into
from mcpdeck.tui.rooms import RoomsApp
from mcpdeck.tui.surroundings import Opening, Surroundings
from mcpdeck.tui.widgets.prompt import Mode, Prompt
from mcpdeck.tui.widgets.row_table import RowTable

STARTS_WITHIN: Final = 60.0  # seconds, on the slowest machine
OPENS: Final = {  # by a second click on a row
    View.ADAPTERS: "adapter.describe",
    View.SESSIONS: "session.traffic",
    View.TRAFFIC: "traffic.open",
    View.TOOLS: "tool.describe",
    View.APPROVALS: "approval.describe",
    View.CONTEXTS: "context.switch",
    View.AUDIT: "deed.describe",
    View.XRAY: "xray.open",
}


class OrdersApp(RoomsApp):
    ENABLE_COMMAND_PALETTE = False  # Textual's own opens above a dialog too; this deck's is a command like others

    def __init__(self, surroundings: Surroundings, opening: Opening, *, ansi_color: bool | None) -> None:
        super().__init__(surroundings, opening, ansi_color=ansi_color)
        self.themes = surroundings.themes
        self._refused: dict[tuple[str, str], str] = {}
        self._awaited: Order | None = None  # where the command line wants to, until what it names has arrived
        self._is_whole = asyncio.Event()  # every place stands; a command that came before waits for it

    def obstacle(self, command: Command, target: str = "") -> str:
        """Why it can not run now, in words; empty when it can. target: what it was told to act on."""
        return obstacle(command, self._situation(command, target))

    def _situation(self, command: Command, target: str) -> Situation:
        place, state = self.place, self.state

        def named(kind: Takes, here: Iterable[str]) -> str:
            return target if target and command.takes is kind else next(iter(here), "")

        rows = find_tools(state, target) if target and command.takes is Takes.TOOL else place.tool_rows
        row, held = next(iter(rows), None), next(iter(place.approval_ids), "")
        return Situation(
            state=state,
            view=place.view,
            adapter=state.adapters.get(named(Takes.ADAPTER, place.adapter_names)),
            session=state.sessions.get(named(Takes.SESSION, place.session_ids)),
            tool=row.tool if row else None,
            tool_name=row.registered if row else named(Takes.TOOL, ()),
            approval=next((each for each in state.approvals if each.id == held), None),
            context=named(Takes.CONTEXT, place.context_names),
            refused=self._refused,
            read_only=self.opening.read_only,
        )

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """A key is a command only where it is not typed into something, and nothing stands above the deck."""
        if action == "run":
            while_typing = bool(parameters) and BY_ID[str(parameters[0])].while_typing
            return len(self.screen_stack) == 1 and (while_typing or not is_typed_into(self.focused))
        return super().check_action(action, parameters)

    def action_run(self, command_id: str) -> None:
        """What every key, click and palette entry comes down to."""
        self._once_whole(self.obey, Order(command=BY_ID[command_id]))

    def _once_whole[*Arguments](self, do: Callable[[*Arguments], None], *arguments: *Arguments) -> None:
        """At once, unless there are places that do not stand yet: it may lead there."""
        if self._is_whole.is_set():
            do(*arguments)
            return

        async def wait() -> None:
            await self._is_whole.wait()
            do(*arguments)

        self.begin(wait, group="early", exclusive=False, opens_within=STARTS_WITHIN)

    def obey_text(self, text: str) -> None:
        """What was typed after `:`."""
        match parse(text):
            case Misunderstood(sentence):
                self.say(sentence, "warning")
            case Order() as order:
                self.obey(order)

    def obey(self, order: Order) -> None:
        self._awaited = None  # whoever goes elsewhere meanwhile is not called back
        if order.context:
            self.switch(order.context)
        match resolve(order, self.state):
            case Misunderstood(sentence):
                self.say(sentence, "warning")
            case Order() as sure:
                if why := self.obstacle(sure.command, next(iter(sure.arguments), "")):
                    self.say(f"{sure.command.title}: {why}", "warning")
                else:
                    self.perform(sure)

    @abstractmethod
    def switch(self, context: str) -> None:
        """Look at another gateway."""

    @abstractmethod
    def perform(self, order: Order) -> None:
        """Do it. Nothing stands in its way."""

    def refuse(self, command: Command, target: str, sentence: str) -> None:
        """The gateway does not allow it: the verb stays dim for this target, and says why."""
        self._refused[command.id, target] = sentence
        self.show_shell()

    def _ways(self, mode: Mode, text: str) -> Iterable[str]:
        if mode == "/":
            return filters.ways(text, self.place.filter_fields, self.place.filter_values)
        values = partial(values_of, state=self.state, themes=self.themes)
        return ways(text, values=values, history=self.prompt.history)

    def _hint(self, mode: Mode, text: str) -> str:
        return filters.hint(text, self.place.filter_fields) if mode == "/" else hint(text)

    @on(Prompt.Submitted)
    def _typed(self, event: Prompt.Submitted) -> None:
        self.place.focus_content()
        if event.mode == "/":
            self.place.set_filter(event.text)
            self.place.lifted_filter = ""
        elif event.text:
            self._once_whole(self.obey_text, event.text)

    @on(Prompt.Typed)
    def _filtering(self, event: Prompt.Typed) -> None:
        self.place.set_filter(event.text)

    @on(Prompt.Cancelled)
    def _cancelled(self, event: Prompt.Cancelled) -> None:
        self.place.focus_content()
        if event.mode == "/":
            self.place.set_filter(event.original)

    @on(RowTable.Opened)
    def _row_opened(self) -> None:
        self.action_run(OPENS[self.place.view])
