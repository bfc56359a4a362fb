"""Recorded calls made again on one connection, each compared with what it was. Asks nobody whether it should."""

import time
from collections.abc import AsyncGenerator, Collection, Sequence
from typing import Any

from mcpdeck.mcp.exchange import McpError
from mcpdeck.mcp.peer import Peer, call, tools
from mcpdeck.traffic.replaying import Outcome, Step, compared


async def made_again(peer: Peer, steps: Sequence[Step], *, ignored: Collection[str] = ()) -> AsyncGenerator[Outcome]:
    """In their order. Tools are really called. ignored: names of members that may differ anywhere."""
    is_calling = any(step.method == "tools/call" for step in steps)
    known = {str(tool.get("name")): tool for tool in await tools(peer)} if is_calling else {}
    for step in steps:
        yield await _one(peer, step, known, ignored)


async def _one(peer: Peer, step: Step, known: dict[str, dict[str, Any]], ignored: Collection[str]) -> Outcome:
    began = time.monotonic()
    try:
        if step.method == "tools/call":
            name = str(step.params.get("name", ""))
            result = await call(peer, known.get(name, {"name": name}), step.params.get("arguments") or {})
        else:
            result = await peer.request(step.method, step.params)
    except McpError as error:
        return compared(step, None, error=str(error), seconds=time.monotonic() - began, ignored=ignored)
    return compared(step, result, seconds=time.monotonic() - began, ignored=ignored)
