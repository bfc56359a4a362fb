"""The playground's connection to an endpoint, and the calls through it, in workers. Draws nothing."""

import asyncio
from typing import TYPE_CHECKING, Any, Final

import msgspec

from mcpdeck.errors import ProblemError, Unreachable
from mcpdeck.model.playground import LISTS, OWN, Call, Kind, Request, Subject, subjects
from mcpdeck.model.runs import Run, Stage, finished
from mcpdeck.tui.deck import Deck
from mcpdeck.tui.views.call_outcome import Question

if TYPE_CHECKING:
    from mcpdeck.mcp.peer import Peer

SILENCE: Final = 900.0  # seconds that an answer may take: a person may have to be asked
CONNECTED: Final = "bench"
CALLING: Final = "call"
_POLL: Final = 0.2


def open_bench(deck: Deck) -> None:
    """Connect to the view's endpoint, anew if it is connected."""
    deck.playground_view.opening()
    deck.begin(_stay, deck, group=CONNECTED)


async def _stay(deck: Deck) -> None:
    """As long as the endpoint is the one that is wanted."""
    from gateway.wire.mcp import Era
    from mcpdeck.mcp.exchange import McpError, Refused
    from mcpdeck.mcp.peer import connected

    view = deck.playground_view
    while not deck.is_connected:  # noqa: ASYNC110  (it comes and goes; an event would only say that it came)
        await asyncio.sleep(_POLL)
    client, era = deck.client, Era(view.era) if view.era else None

    async def answer(message: dict[str, Any]) -> dict[str, Any]:
        return await _ask(deck, message)

    try:
        async with connected(
            f"{client.url}{path_of(view.endpoint)}",
            auth=client.auth,
            ca_file=client.ca_file,
            era=era,
            silence=SILENCE,
            answer=answer,
        ) as peer:
            found, trouble = await _listed(peer)
            view.opened(peer, found, trouble)
            await asyncio.Event().wait()
    except (McpError, Refused, Unreachable) as error:
        view.failed(str(error))
    except ProblemError as error:
        view.failed(str(error))
        if error.problem.status == 401:
            deck.retry()  # the stream finds out too, and the banner says what to do


def path_of(endpoint: str) -> str:
    from mcpdeck import control

    is_own = endpoint == OWN or endpoint.startswith(f"{OWN}/")
    return endpoint if is_own else control.path("adapters", endpoint, "mcp")


async def _listed(peer: "Peer") -> tuple[list[Subject], str]:
    """All that the server says it has. One list that fails does not take the others with it."""
    from mcpdeck.mcp.exchange import McpError
    from mcpdeck.mcp.peer import everything

    listed: dict[str, list[dict[str, Any]]] = {}
    trouble = ""
    for method, (member, capability) in LISTS.items():
        if capability in peer.info.capabilities:
            try:
                listed[member] = await everything(peer, method, member)
            except McpError as error:
                trouble = f"{method}: {error}"
    return subjects(listed), trouble


async def _ask(deck: Deck, message: dict[str, Any]) -> dict[str, Any]:
    """Wait until the reader has answered. Raises Declined."""
    from mcpdeck.mcp.peer import Declined

    question = Question(message)
    outcome = deck.playground_view.outcome
    outcome.asks(question)
    deck.say(f"{question.sentence}; A answers", "warning")
    try:
        answer = await question.answer
    finally:
        outcome.answered(question)
    if answer is None:
        raise Declined("the user does not answer")
    return answer


def start_call(deck: Deck, request: Request, subject: Subject) -> None:
    deck.begin(_call, deck, request, subject, group=CALLING)


def cancel_call(deck: Deck) -> bool:
    """False if none is under way."""
    if not deck.playground_view.outcome.is_running:
        return False
    deck.workers.cancel_group(deck, CALLING)
    return True


async def _call(deck: Deck, request: Request, subject: Subject) -> None:
    view, loop = deck.playground_view, asyncio.get_running_loop()
    peer = view.peer
    if peer is None:
        deck.say(f"{request.endpoint} is not connected; R tries again", "warning")
        return
    blank, context = view.outcome.begun(request, subject), deck.state.context
    began = loop.time()

    def run() -> Run:
        """As far as it has come; as it began, where the reader looks at another gateway by now."""
        now = view.outcome.run
        return now if now is not None and deck.state.context == context else blank

    def end(ended: Run) -> None:
        if deck.state.context == context:
            view.ended(ended)
        _keep(deck, ended)

    try:
        result = await _sent(peer, request, subject, deck)
    except asyncio.CancelledError:
        end(_over(run(), Stage.CANCELLED, began=began, told="The server was told that nobody waits."))
        raise
    except Exception as error:
        ended = _failed(run(), error, began)
        if ended is None:
            raise
        end(ended)
        _look_after(deck, error)
    else:
        end(finished(run(), result, loop.time() - began, note=_note(subject, result)))


def _note(subject: Subject, result: dict[str, Any]) -> str:
    from mcpdeck.model.promised import misfit

    return misfit(subject.definition, result) if subject.kind is Kind.TOOL else ""


async def _sent(peer: "Peer", request: Request, subject: Subject, deck: Deck) -> dict[str, Any]:
    from mcpdeck.mcp.peer import call

    hear = deck.playground_view.outcome.heard
    if subject.kind is Kind.TOOL:
        return await call(peer, subject.definition, request.params["arguments"], hear=hear)
    return await peer.request(request.method, request.params, hear=hear)


def _over(run: Run, stage: Stage, *, began: float, told: str, data: Any = None) -> Run:
    seconds = asyncio.get_running_loop().time() - began
    return msgspec.structs.replace(run, stage=stage, seconds=seconds, told=told, data=data)


def _failed(run: Run, error: Exception, began: float) -> Run | None:
    """What an exception of the client's means; None if it is none of them."""
    from mcpdeck.mcp.exchange import McpError, Refused

    match error:
        case McpError():
            return _over(run, Stage.ERROR, began=began, told=str(error), data=error.data)
        case ProblemError():
            return _over(run, Stage.BROKEN, began=began, told=_with_advice(error, error.problem.status))
        case Refused():
            return _over(run, Stage.BROKEN, began=began, told=_with_advice(error, error.status))
        case Unreachable():
            return _over(run, Stage.BROKEN, began=began, told=str(error))
        case _:
            return None


def _with_advice(error: Exception, status: int) -> str:
    advice = {401: "L signs in.", 403: "Ask for a role that may.", 429: "It is too much at once."}
    return "\n".join([str(error), *([advice[status]] if status in advice else [])])


def _look_after(deck: Deck, error: Exception) -> None:
    """A session that the server lost is opened anew; a caller that it no longer knows is told how to sign in."""
    from mcpdeck.mcp.exchange import McpError, Refused

    status = error.problem.status if isinstance(error, ProblemError) else 0
    status = error.status if isinstance(error, Refused | McpError) else status
    if status == 401:
        deck.retry()
    if status == 404 or isinstance(error, Unreachable):
        deck.say("the session is lost; it is opened anew, then run again", "warning")
        open_bench(deck)


def _keep(deck: Deck, run: Run) -> None:
    book = deck.surroundings.calls
    if book is not None:
        call = Call(request=run.request, at=deck.surroundings.clock(), outcome=str(run.stage))
        deck.begin(_remember, deck, call, group="history", exclusive=False)


async def _remember(deck: Deck, call: Call) -> None:
    book = deck.surroundings.calls
    if book is None:
        return
    try:
        await asyncio.to_thread(book.remember, call)
    except OSError as error:
        deck.say_once(f"what is called can not be remembered: {error}")
