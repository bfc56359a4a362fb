"""Reads what /mcp offers while somebody looks, and which calls wait as long as the deck is open. Draws nothing."""

import asyncio
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from gateway.wire.tools import ToolsCost
from mcpdeck.errors import ProblemError, Unreachable
from mcpdeck.model import approvals
from mcpdeck.model.commands import TOOL_VIEWS, View
from mcpdeck.model.state import ApprovalsFailed, ApprovalsRead, Catalogue, CatalogueFailed, CatalogueRead
from mcpdeck.model.tools import ToolRow
from mcpdeck.tui.deck import Deck
from mcpdeck.tui.patience import Patience

if TYPE_CHECKING:
    from mcpdeck.client import GatewayClient

type Trouble = ProblemError | Unreachable

SECONDS = 2.0  # between readings of what somebody looks at
WAITING_SECONDS = 5.0  # between readings of what waits
_WHERE_TOOLS_SHOW = frozenset({*TOOL_VIEWS, View.APPROVALS, View.XRAY})


def watch_tools(deck: Deck) -> None:
    deck.begin(_watch, deck, group="catalogue")


async def _watch(deck: Deck) -> None:
    """Nothing is asked of a gateway that does not answer: the stream finds out when it does again."""
    patience = Patience(deck.surroundings.random)
    while deck.place.view in _WHERE_TOOLS_SHOW:
        if deck.state.is_stale:
            await asyncio.sleep(SECONDS)
        else:
            error = await read_tools(deck)
            await rest(patience, SECONDS, await read_approvals(deck) or error)


async def rest(patience: Patience, seconds: float, error: Trouble | None) -> None:
    """Until it is read again: longer each time that it went wrong, and as long as the gateway asks for."""
    if error is None:
        patience.reset()
        await asyncio.sleep(seconds)
    else:
        asked_for = error.retry_after if isinstance(error, ProblemError) else None
        await patience.wait(max(seconds, patience.next_delay(at_least=asked_for)))


async def read_tools(deck: Deck) -> Trouble | None:
    """What went wrong, which is shown too."""
    from mcpdeck import control

    if not deck.is_connected:
        return None
    client = deck.client
    try:
        offers = await client.do(control.offers())
        registered = await client.do(control.tools())
        toolsets = await client.do(control.toolsets())
        costs = await _costs(client)
    except (ProblemError, Unreachable) as error:
        if deck.is_with(client):
            deck.apply(CatalogueFailed(str(error)))
        return error
    found = Catalogue(
        offers=tuple(offers),
        tools=tuple(registered),
        toolsets=tuple(toolsets),
        costs=costs,
        at=deck.surroundings.clock(),
    )
    if deck.is_with(client):
        deck.apply(CatalogueRead(found))
    return None


async def _costs(client: "GatewayClient") -> tuple[ToolsCost, ...]:
    """None of a gateway that does not tell them."""
    from mcpdeck import control

    try:
        return tuple(await client.do(control.costs()))
    except ProblemError as error:
        if error.problem.status != 404:
            raise
        return ()


def watch_approvals(deck: Deck) -> None:
    """As long as the deck is open: somebody waits at the other end."""
    deck.begin(_watch_approvals, deck, group="approvals")


async def _watch_approvals(deck: Deck) -> None:
    patience = Patience(deck.surroundings.random)
    while True:
        error = None if deck.state.is_stale else await read_approvals(deck)
        await rest(patience, WAITING_SECONDS, error)


async def read_approvals(deck: Deck) -> Trouble | None:
    """What waits, and a notice of each that is new. What went wrong is shown too."""
    from mcpdeck import control

    if not deck.is_connected:
        return None
    client = deck.client
    try:
        reasons: list[str] = []
        found = await client.do(control.approvals(reasons.append))
    except (ProblemError, Unreachable) as error:
        if deck.is_with(client):
            deck.apply(ApprovalsFailed(str(error)))
        return error
    read = ApprovalsRead(tuple(found), "".join(reasons))
    state = deck.state
    if not deck.is_with(client) or (
        not state.approvals_trouble and read == ApprovalsRead(state.approvals, state.partial)
    ):
        return None
    known = {each.id for each in state.approvals}
    deck.apply(read)
    for each in found:
        if each.id not in known and deck.place.view is not View.APPROVALS:
            deck.say_once(f"{approvals.sentence(each)}; :approvals decides")
    return None


def read_definition(deck: Deck, row: ToolRow) -> None:
    deck.begin(_read_definition, deck, row, group="definition")


async def _read_definition(deck: Deck, row: ToolRow) -> None:
    definition, trouble = await definition_of(deck, row)
    deck.tool_view.told(row.key, definition, trouble)


async def definition_of(deck: Deck, row: ToolRow) -> tuple[Mapping[str, Any] | None, str]:
    """As its server gives it now, held back or not; else why there is none."""
    tool = row.tool
    if tool is not None and tool.tool_definition is not None:
        return tool.tool_definition.tool, ""
    if not deck.is_connected:
        return None, "The gateway does not answer, so its schema can not be read."
    from mcpdeck.mcp.exchange import McpError, Refused
    from mcpdeck.mcp.peer import connected, tools

    where = f"/adapters/{tool.adapter}/mcp" if tool is not None else "/mcp"
    name = row.original if tool is not None else row.name
    try:
        client = deck.client
        async with connected(f"{client.url}{where}", auth=client.auth, ca_file=client.ca_file, silence=15) as peer:
            found = next((each for each in await tools(peer) if each.get("name") == name), None)
    except (McpError, Refused, ProblemError, Unreachable) as error:
        return None, f"Its server does not tell its schema: {error}"
    return found, "" if found else f"{where} lists no tool {name!r} now."
