"""Clients of the demo: they come under several names, call gently, err now and then, leave, and come again."""

import asyncio
import random
import sys
from typing import Any, Final, NamedTuple

from gateway.wire.mcp import Era
from mcpdeck.errors import ProblemError, Unreachable
from mcpdeck.mcp.exchange import McpError, Refused
from mcpdeck.mcp.peer import Peer, connected

type Call = tuple[str, dict[str, Any]]


class Visitor(NamedTuple):
    """adapter: empty for every tool of the team, at /mcp."""

    name: str
    version: str
    adapter: str
    era: Era
    calls: tuple[Call, ...]


WEATHER: Final[tuple[Call, ...]] = (
    ("get_forecast", {"city": "Oslo", "days": 3}),
    ("get_forecast", {"city": "Kyoto"}),
    ("get_alerts", {"city": "Bergen"}),
    ("get_forecast", {"city": "Atlantis"}),  # not known: the tool says so
)
NOTES: Final[tuple[Call, ...]] = (
    ("list_notes", {}),
    ("add_note", {"text": "Look at the logs of weather"}),
    ("search_notes", {"word": "deploy"}),
    ("shred_notes", {}),  # no such tool
)
DICE: Final[tuple[Call, ...]] = (
    ("roll", {"dice": "2d6"}),
    ("roll_slowly", {"dice": "4d20", "pause": 0.2}),
    ("roll", {"dice": "lots"}),
)
TEAM: Final[tuple[Call, ...]] = (*WEATHER[:2], *NOTES[:2], *DICE[:1])
VISITORS: Final = (
    Visitor("claude-desktop", "1.9.0", "", Era.LEGACY, TEAM),
    Visitor("claude-code", "2.1.0", "weather", Era.LEGACY, WEATHER),
    Visitor("vscode", "1.107.0", "weather", Era.LEGACY, WEATHER[:3]),
    Visitor("cursor", "2.3.1", "notes", Era.LEGACY, NOTES),
    Visitor("claude-code", "2.1.0", "notes", Era.LEGACY, NOTES[:3]),
    Visitor("codex", "0.98.0", "dice", Era.MODERN, DICE),
    Visitor("inspector", "2.0.0", "dice", Era.MODERN, DICE[:2]),
)


async def visit(gateway: str, visitor: Visitor, pace: float) -> None:
    """One stay: some calls in one session. pace: mean seconds between two calls."""
    url = f"{gateway}/adapters/{visitor.adapter}/mcp" if visitor.adapter else f"{gateway}/mcp"
    async with connected(url, era=visitor.era, client=(visitor.name, visitor.version)) as peer:
        await peer.request("tools/list", {})
        for _ in range(random.randint(6, 20)):  # noqa: S311  (no secret)
            await asyncio.sleep(random.uniform(0.3, 1.7) * pace)  # noqa: S311
            await _call(peer, *random.choice(visitor.calls))  # noqa: S311


async def _call(peer: Peer, tool: str, arguments: dict[str, Any]) -> None:
    try:
        await peer.request("tools/call", {"name": tool, "arguments": arguments})
    except McpError:
        return  # some are meant to fail


async def come_again(gateway: str, visitor: Visitor, pace: float) -> None:
    while True:
        try:
            await visit(gateway, visitor, pace)
        except (McpError, Refused, ProblemError, Unreachable) as error:
            sys.stderr.write(f"{visitor.name} at {visitor.adapter or '/mcp'}: {error}\n")
        await asyncio.sleep(random.uniform(1, 3) * pace)  # noqa: S311


async def main(gateway: str, pace: float = 3.0) -> None:
    async with asyncio.TaskGroup() as tasks:
        for number, visitor in enumerate(VISITORS):
            tasks.create_task(come_again(gateway, visitor, pace), name=f"visitor {number}: {visitor.name}")


if __name__ == "__main__":
    try:
        asyncio.run(main(sys.argv[1]))
    except KeyboardInterrupt:
        sys.exit(0)
