"""One stdio client in front of one adapter, for as long as its lines come. Each message goes the way of its era."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Final

import httpx

from gateway.wire.mcp import Era
from mcpdeck.front.client_side import ClientSide, Write
from mcpdeck.front.legacy import LegacySide
from mcpdeck.front.messages import parsed
from mcpdeck.front.modern import ModernSide
from mcpdeck.front.upstream import Upstream

PATIENCE: Final = 5.0  # seconds that requests under way may still take when the client's lines have ended


async def serve(
    lines: AsyncIterator[bytes], write: Write, http: httpx.AsyncClient, url: str, *, tell: Callable[[str], None]
) -> None:
    """tell: what a reader of the log should know."""
    upstream = Upstream(http, url)
    async with asyncio.TaskGroup() as tasks:
        client = ClientSide(write, tell, tasks)
        modern, legacy = ModernSide(upstream, client), LegacySide(upstream, client)
        try:
            async for body in lines:
                line = parsed(body)
                if isinstance(line, bytes):
                    await client.say(line)
                elif line.era is Era.MODERN:
                    modern.take(line)
                else:
                    await legacy.take(line)
            await client.finish(PATIENCE)
        finally:
            await legacy.end()
