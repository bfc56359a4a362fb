"""The conformance suite at every client version, through the gateway, to servers of every era: the runs and their table.

`python -m tests.support.conformance_eras` runs it all and writes docs/conformance.md; tests/conformance says when the
table is no longer what a run finds.
"""

import asyncio
import tempfile
import tomllib
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Final

import msgspec

from tests.support.borrowed import Borrowed, borrowed
from tests.support.conformance import Difference, Run, differences, run_suite
from tests.support.gateways import gateway
from tests.support.programs import ROOT, fixture_server

VERSIONS: Final = ("2025-06-18", "2025-11-25", "2026-07-28")
SERVERS: Final = ("legacy", "modern", "both")
MODERN: Final = "2026-07-28"
TABLE: Final = ROOT / "docs/conformance.md"
LISTED: Final = ROOT / "tests/conformance/bridged.toml"
_SPOKEN: Final = {"legacy": "2025-11-25 and older", "modern": "2026-07-28 only", "both": "both eras"}


class Listed(msgspec.Struct, frozen=True):
    """A check that may differ, with its reason."""

    client: str
    server: str
    scenario: str
    checks: list[str]
    reason: str


class Pair(msgspec.Struct, frozen=True):
    """A client's version before a server, and what became of the suite's checks on the way."""

    client: str
    server: str
    checks: int
    different: list[Difference]

    @property
    def keys(self) -> set[tuple[str, str]]:
        return {(each.scenario, each.check) for each in self.different}

    def cell(self) -> str:
        """As the table has it."""
        way = "bridged" if is_bridged(self.client, self.server) else "passed"
        same = self.checks - len(self.different)
        return f"{way}: {same} of {self.checks} the same" if self.different else f"{way}: all {same} the same"


def is_bridged(client: str, server: str) -> bool:
    return server != "both" and (client == MODERN) != (server == "modern")


def listed() -> list[Listed]:
    """The exceptions, as the file has them."""
    return msgspec.convert(tomllib.loads(LISTED.read_text())["exception"], list[Listed])


async def run_pairs(borrowed: Borrowed, version: str, folder: Path) -> list[Pair]:
    """All servers at one client version: each run through the gateway against one that is direct."""
    async with AsyncExitStack() as stack:
        enter = stack.enter_async_context
        direct = await run_suite(borrowed, await enter(fixture_server()), version, folder / "direct")
        deck = await enter(gateway(folder / "data"))
        pairs = []
        for server in SERVERS:
            url = await deck.deploy(server, url=await enter(fixture_server("--era", server)))
            through = await run_suite(borrowed, url, version, folder / server)
            pairs.append(Pair(version, server, _verdicts(direct), differences(direct, through)))
    return pairs


def table(pairs: Sequence[Pair], exceptions: Sequence[Listed]) -> str:
    cells = {(pair.client, pair.server): pair.cell() for pair in pairs}
    rows = [f"| {version} | " + " | ".join(cells[version, each] for each in SERVERS) + " |" for version in VERSIONS]
    head = "| Client speaks | " + " | ".join(f"Server speaks {_SPOKEN[each]}" for each in SERVERS) + " |"
    return "\n".join([_HEAD, head, "|---|" + "---|" * len(SERVERS), *rows, "", told(exceptions)])


def told(exceptions: Sequence[Listed]) -> str:
    """What a translation changes, and why."""
    lines = [
        f"- {each.client} client, {each.server} server: `{each.scenario}` ({', '.join(each.checks)}). {each.reason}"
        for each in exceptions
    ]
    return "\n".join(["## What a translation changes", "", *lines, ""])


_HEAD: Final = """\
# Conformance, client by server

The MCP conformance suite (`@modelcontextprotocol/conformance`) at each version of a client, through the gateway, to
servers that speak one era or both. Each cell compares every verdict with a run at the same version that goes directly to
a server that speaks both, so that the gateway is all there is between the two. *Passed*: client and server share an
era, and bytes go through. *Bridged*: they don't, and the gateway translates.

At `/mcp`, with that server as its one adapter, the suite finds at 2025-11-25 and 2026-07-28 what it finds there directly,
but for `server-sse-multiple-streams`: it asks for `tools/list`, which `/mcp` answers as JSON, and looks for a stream
(`tests/conformance/test_conformance_tools.py`).

This table is made by a run: `uv run python -m tests.support.conformance_eras`. A test says when it is stale.
"""


def _verdicts(run: Run) -> int:
    return len(run.checks)


async def main() -> None:
    pairs: list[Pair] = []
    with tempfile.TemporaryDirectory() as folder:
        for version in VERSIONS:
            pairs += await run_pairs(borrowed(), version, Path(folder) / version)
    await asyncio.to_thread(TABLE.write_text, table(pairs, listed()))


if __name__ == "__main__":
    asyncio.run(main())
