"""Reads what /mcp offers while somebody looks, and which calls wait as long as the deck is open. Draws nothing."""

import asyncio
from collections.abc import Mapping
from typing import Any

from gateway.wire.tools import ToolsCost
from mcpdeck.errors import ProblemError, Unreachable
from mcpdeck.model import approvals
from mcpdeck.model.commands import TOOL_VIEWS, View
from mcpdeck.model.state import ApprovalsRead, Catalogue, CatalogueFailed, CatalogueRead, Standing
from mcpdeck.model.tools import ToolRow
from mcpdeck.tui.deck import Deck

SECONDS = 2.0  # between readings of what somebody looks at
WAITING_SECONDS = 5.0  # between readings of what waits
_WHERE_TOOLS_SHOW = frozenset({*TOOL_VIEWS, View.APPROVALS, View.XRAY})


def watch_tools(deck: Deck) -> None:
    deck.begin(_watch, deck, group="catalogue")


async def _watch(deck: Deck) -> None:
    while deck.place.view in _WHERE_TOOLS_SHOW:
        await read_tools(deck)
        await read_approvals(deck)
        await asyncio.sleep(SECONDS)


async def read_tools(deck: Deck) -> None:
    from mcpdeck import control

    if not deck.is_connected:
        return
    try:
        offers = await deck.client.do(control.offers())
        registered = await deck.client.do(control.tools())
        toolsets = await deck.client.do(control.toolsets())
        costs = await _costs(deck)
    except (ProblemError, Unreachable) as error:
        deck.apply(CatalogueFailed(str(error)))
        return
    found = Catalogue(
        offers=tuple(offers),
        tools=tuple(registered),
        toolsets=tuple(toolsets),
        costs=costs,
        at=deck.surroundings.clock(),
    )
    deck.apply(CatalogueRead(found))


async def _costs(deck: Deck) -> tuple[ToolsCost, ...]:
    """None of a gateway that does not tell them."""
    from mcpdeck import control

    try:
        return tuple(await deck.client.do(control.costs()))
    except ProblemError as error:
        if error.problem.status != 404:
            raise
        return ()


def watch_approvals(deck: Deck) -> None:
    """As long as the deck is open: somebody waits at the other end."""
    deck.begin(_watch_approvals, deck, group="approvals")


async def _watch_approvals(deck: Deck) -> None:
    while True:
        if deck.is_connected and deck.state.link.standing is Standing.LIVE:
            await read_approvals(deck)
        await asyncio.sleep(WAITING_SECONDS)


async def read_approvals(deck: Deck) -> None:
    """What waits, and a notice of each that is new. A gateway that has no approvals has nothing that waits."""
    from mcpdeck import control

    if not deck.is_connected:
        return
    try:
        reasons: list[str] = []
        found = await deck.client.do(control.approvals(reasons.append))
    except (ProblemError, Unreachable):
        return  # what is wrong with the gateway is told elsewhere
    read = ApprovalsRead(tuple(found), "".join(reasons))
    if read == ApprovalsRead(deck.state.approvals, deck.state.partial):
        return
    known = {each.id for each in deck.state.approvals}
    deck.apply(read)
    for each in found:
        if each.id not in known and deck.place.view is not View.APPROVALS:
            deck.say_once(f"{approvals.sentence(each)}; :approvals decides")


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
