"""What is done in the playground: choose, run, cancel, answer. `results` is what came, `calls` what was called."""

import shlex
from typing import Any

import msgspec
from textual.app import SuspendNotSupported

from mcpdeck.model.call_rows import subject_name
from mcpdeck.model.commands import View
from mcpdeck.model.playground import OWN
from mcpdeck.model.prompt import Order
from mcpdeck.tui.actions.handlers import do_plainly, does
from mcpdeck.tui.deck import Deck
from mcpdeck.tui.playground import cancel_call, open_bench, start_call
from mcpdeck.tui.views.playground import ERAS


@does("view.playground")
def show(deck: Deck, order: Order) -> None:
    """Of what is named, else of the tool or adapter that one is at. `/mcp` reads like a filter, and is none here."""
    if deck.place.view is View.TOOL and not order.arguments and order.filter is None:
        call_tool(deck, order)
        return
    view = deck.playground_view
    text = order.filter or ""
    is_own = text == OWN[1:] or text.startswith(f"{OWN[1:]}/")
    here = deck.place.of_adapter or view.endpoint
    wanted = order.arguments[0] if order.arguments else f"/{text}" if is_own else here
    if wanted != view.endpoint:
        view.choose(wanted)
    deck.go(View.PLAYGROUND)
    if order.filter is not None and not is_own:
        view.set_filter(text)


@does("adapter.playground")
def try_adapter(deck: Deck, _order: Order) -> None:
    name = next(iter(deck.place.adapter_names), "")
    if name and name != deck.playground_view.endpoint:
        deck.playground_view.choose(name)
    deck.go(View.PLAYGROUND)


@does("tool.call")
def call_tool(deck: Deck, order: Order) -> None:
    """The named tool, or the one under the cursor; `name=value` words become its arguments."""
    row = next(iter(deck.place.tool_rows), None) if not order.arguments else None
    name = order.arguments[0] if order.arguments else row.name if row else ""
    endpoint, named = OWN, name
    if row is not None and not row.is_offered:
        adapter = row.tool.adapter if row.tool else row.source
        if adapter not in deck.state.adapters:
            deck.say(f"{row.name} is not offered, and its server is no adapter that you may read", "warning")
            return
        endpoint, named = adapter, row.original
    words = [word.partition("=") for word in order.arguments[1:]]
    arguments = {key: _value(text) for key, equals, text in words if equals}
    deck.playground_view.fill(endpoint, "tools/call", {"name": named, "arguments": arguments})
    deck.go(View.PLAYGROUND)


def _value(text: str) -> Any:
    """As JSON where it is that, else as text."""
    try:
        return msgspec.json.decode(text)
    except msgspec.DecodeError:
        return text


def _run(deck: Deck) -> None:
    view = deck.playground_view
    if view.outcome.is_running:
        deck.say("a call is under way; ctrl+x cancels it", "warning")
        return
    if view.peer is None:
        deck.say(f"{view.endpoint} is not connected yet; R tries again", "warning")
        return
    if (request := view.request()) is not None:
        start_call(deck, request, view.subject)


def _cancel(deck: Deck) -> None:
    if not cancel_call(deck):
        deck.say("nothing is under way")


def _turn(deck: Deck) -> None:
    if why := deck.playground_view.turn():
        deck.say(why, "warning")


def _answer(deck: Deck) -> None:
    from mcpdeck.tui.screens.answer import screen_for

    view = deck.playground_view
    questions = view.outcome.questions
    if not questions:
        deck.say("nothing is asked")
        return
    question = questions[0]
    who = view.info.name if view.info and view.info.name else view.endpoint

    def answered(given: tuple[dict[str, Any] | None] | None) -> None:
        if given is not None and not question.answer.done():
            question.answer.set_result(given[0])

    deck.push_screen(screen_for(question.method, question.params, who=who), answered)


def _where(deck: Deck) -> None:
    text = f"playground {deck.playground_view.endpoint}"
    deck.prompt.open(":", text, select_from=len("playground "))


def _era(deck: Deck) -> None:
    view = deck.playground_view
    view.era = ERAS[(ERAS.index(view.era) + 1) % len(ERAS)]
    deck.say(f"era: {view.era or 'the newest that the server speaks'}")
    open_bench(deck)


def _edit(deck: Deck) -> None:
    arguments = deck.playground_view.arguments
    try:
        text = deck.surroundings.edit_json(deck, arguments.text())
    except SuspendNotSupported:
        deck.say("there is no terminal here to hand over to an editor; f2 edits JSON here", "warning")
        return
    except Exception as error:
        from mcpdeck.errors import NoEditor

        if not isinstance(error, NoEditor):
            raise
        deck.say(str(error), "error")
        return
    if text is None:
        return
    try:
        told = msgspec.json.decode(text, type=dict[str, Any])
    except msgspec.DecodeError as error:
        arguments.put_text(text)
        deck.say(f"no JSON object yet: {error}", "warning")
    else:
        arguments.put(told)


def _copy_command(deck: Deck) -> None:
    view = deck.playground_view
    request = view.request()
    if request is None or request.method != "tools/call":
        deck.say("only a tool's call is a command")
        return
    arguments = msgspec.json.encode(request.params["arguments"]).decode()
    words = ["mcpdeck", "--context", deck.state.context, "call", request.endpoint, subject_name(request)]
    deck.copy(shlex.join([*words, "--args-json", arguments]), "the command")


do_plainly(
    {
        "call.run": _run,
        "call.cancel": _cancel,
        "call.turn": _turn,
        "call.answer": _answer,
        "call.where": _where,
        "call.era": _era,
        "call.reload": open_bench,
        "call.edit": _edit,
        "call.copy-command": _copy_command,
    }
)
