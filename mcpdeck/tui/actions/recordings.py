"""The flight recorder, revealing, and calls made again, in the deck. Talks with the gateway in workers."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from mcpdeck.model.commands import View
from mcpdeck.model.formatting import plural
from mcpdeck.model.prompt import Order
from mcpdeck.model.words import Cell, Glyphs, Tone
from mcpdeck.traffic.columns import lasted
from mcpdeck.traffic.recording import calls
from mcpdeck.traffic.replaying import Left, Outcome, plan
from mcpdeck.traffic.wishes import Wish
from mcpdeck.tui.actions.asking import ask
from mcpdeck.tui.actions.handlers import does
from mcpdeck.tui.actions.traffic import chosen, open_wish
from mcpdeck.tui.changes import named, start
from mcpdeck.tui.deck import Deck
from mcpdeck.tui.traffic import replay, reveal

if TYPE_CHECKING:
    from mcpdeck.traffic.ledger import Exchange
    from mcpdeck.traffic.replaying import Step

_SHOWN = 12  # differences of one call


@does("traffic.record")
def record(deck: Deck, order: Order) -> None:
    """On, or off if it was; what is recorded is gone then, so that asks first."""
    name = next(iter(order.arguments or deck.place.adapter_names), "")
    adapter = deck.state.adapters[name]
    is_on = adapter.recording.enabled
    merge = {"recording": {"enabled": not is_on}}

    def run() -> None:
        said = "records nothing any more" if is_on else f"keeps its last {adapter.recording.max_messages:,} messages"

        async def change() -> object:
            return await deck.client.patch(name, merge)

        start(deck, order.command, named(name), change=change, said=said, arguments=["--off"] if is_on else [])

    if is_on:
        lost = "What is recorded is gone then. w saves it first."
        ask(deck, f"Stop recording {name}?", facts=[("Adapter", name)], lost=lost, verb="Stop", then=run, name=name)
    else:
        run()


@does("traffic.recording")
def show_recording(deck: Deck, order: Order) -> None:
    """What is recorded; from there, what flows now."""
    name = next(iter(order.arguments or deck.place.adapter_names), "")
    here = deck.traffic_view.wish
    if not order.arguments and here is not None and here.recorded:
        open_wish(deck, Wish(adapter=name))
    else:
        open_wish(deck, Wish(adapter=name, recorded=True))
    if order.filter is not None:
        deck.traffic_view.set_filter(order.filter)


@does("traffic.reveal")
def reveal_secrets(deck: Deck, order: Order) -> None:
    view = deck.traffic_view
    if view.wish is not None and view.wish.recorded:
        deck.say("what is recorded had its secrets hidden before it was kept", "warning")
    elif view.reveals_until is not None:
        view.hide_revealed()
        deck.workers.cancel_group(deck, "traffic revealed")
        view.show_state(deck.state)
    else:
        reveal(deck, order.command)


# Again


@does("traffic.replay")
def replay_one(deck: Deck, order: Order) -> None:  # noqa: ARG001
    """In the playground, where one may change it first; several, or what it can not show, at once."""
    found = chosen(deck)
    requests = [exchange.first for exchange in found]
    if len(requests) == 1 and isinstance(requests[0].payload, dict) and requests[0].method == "tools/call":
        params = requests[0].payload.get("params")
        if isinstance(params, dict):
            asked = {name: value for name, value in params.items() if name != "_meta"}
            deck.playground_view.fill(requests[0].adapter, requests[0].method, asked)
            deck.go(View.PLAYGROUND)
            return
    if found:
        _make_again(deck, found, found[0].first.adapter)


@does("traffic.replay-all")
def replay_against(deck: Deck, order: Order) -> None:
    """What is marked, else all that is shown."""
    view = deck.traffic_view
    found = chosen(deck) if view.table.marked else view.shown
    name = next(iter(order.arguments or deck.place.adapter_names), "")
    if view.is_of_all:  # what was said elsewhere it does not know
        found = [exchange for exchange in found if exchange.first.adapter == name]
    if not found or not name:
        deck.say("there is nothing to make again yet", "warning")
    else:
        _make_again(deck, found, name)


def _make_again(deck: Deck, found: "Sequence[Exchange]", adapter: str) -> None:
    messages = sorted((message for each in found for message in each.messages), key=lambda it: (it.at, it.number))
    steps, left = plan(calls(messages))
    if not steps:
        why = left[0].reason if left else "only a client's calls can be made again"
        deck.say(f"nothing of it can be made again: {why}", "warning")
        return
    tools = sorted({step.call.request.target for step in steps if step.method == "tools/call"})
    facts = [("Adapter", adapter), ("Calls", f"{len(steps)}, and {len(left)} left out" if left else str(len(steps)))]
    if tools:
        facts.append(("Tools", ", ".join(tools)))
    lost = "Tools are really called." if tools else ""

    def run() -> None:
        deck.begin(_replay, deck, adapter, steps, left, group="traffic replay")

    ask(deck, f"Make {plural(len(steps), 'call')} again?", facts=facts, lost=lost, verb="Call", then=run, name=adapter)


async def _replay(deck: Deck, adapter: str, steps: "Sequence[Step]", left: Sequence[Left]) -> None:
    from mcpdeck.errors import ProblemError, Unreachable
    from mcpdeck.mcp.exchange import McpError, Refused
    from mcpdeck.tui.screens.page import PageScreen

    deck.say(f"{plural(len(steps), 'call')} to be made at {adapter}")
    try:
        outcomes = await replay(deck, adapter, steps)
    except (McpError, Refused, ProblemError, Unreachable) as error:
        deck.say(f"Replay at {adapter}: {error}", "error")
        return
    different = sum(not outcome.is_same for outcome in outcomes)
    told = f"{different} of {plural(len(outcomes), 'call')} different" if different else "all the same"
    lines = list(outcome_lines(outcomes, left, deck.glyphs))
    deck.push_screen(PageScreen(f"Replayed at {adapter}: {told}", lines))


def outcome_lines(outcomes: Sequence[Outcome], left: Sequence[Left], glyphs: Glyphs) -> Iterator[list[Cell]]:
    """What is different, path by path, those that are the same in one line each."""
    for outcome in outcomes:
        step = outcome.step
        before = step.call.response.duration if step.call.response is not None else None
        took = lasted(outcome.seconds or 0.0) + (f", was {lasted(before)}" if before is not None else "")
        sign = Cell(f"{glyphs.yes} same  ", Tone.OK) if outcome.is_same else Cell(f"{glyphs.broken} other ", Tone.BAD)
        yield [sign, Cell(step.name, Tone.STRONG), Cell(f"  {took}", Tone.DIM)]
        for change in outcome.changes[:_SHOWN]:
            yield [Cell(f"    {change.path}", Tone.ACCENT)]
            yield [Cell("      - ", Tone.BAD), Cell(change.before or "(absent)", Tone.BAD)]
            yield [Cell("      + ", Tone.OK), Cell(change.after or "(absent)", Tone.OK)]
        if len(outcome.changes) > _SHOWN:
            yield [Cell(f"    {glyphs.ellipsis} and {len(outcome.changes) - _SHOWN} more", Tone.DIM)]
    if left:
        yield []
        yield [Cell("Left out", Tone.ACCENT)]
    for each in left:
        yield [Cell(f"  {each.call.request.method} {each.call.request.target}: {each.reason}", Tone.DIM)]
