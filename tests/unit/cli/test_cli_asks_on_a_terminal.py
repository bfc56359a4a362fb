"""`mcpdeck call` on a real terminal: what a server asks is answered by hand, or given up."""

import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from tests.support.command import surroundings
from tests.support.fake_gateway import FakeGateway
from tests.support.fake_mcp import FakeMcp
from tests.support.terminal import Terminal, terminal
from tests.support.tool_scenes import tooling

ARGUMENTS = '{"room": "Sky", "people": 2, "floor": "roof"}'


@asynccontextmanager
async def asked(folder: Path) -> AsyncIterator[tuple[Terminal, FakeMcp]]:
    """A call whose server has asked for something."""
    scene = tooling()
    async with FakeGateway(scene).running() as gateway:
        command = ("-m", "mcpdeck", "--gateway", gateway.url, "call", "/mcp", "book_room", "--args-json", ARGUMENTS)
        async with terminal(*command, environment=surroundings(folder)) as it:
            await it.sees("the server asks: The roof costs", "Cost centre*")
            yield it, scene.servers["/mcp"]


async def test_a_question_is_answered_line_by_line(tmp_path: Path) -> None:
    async with asked(tmp_path) as (it, server):
        it.write("4711\n")
        await it.sees("Agreed with them")
        it.write("perhaps\ntrue\n")
        await it.sees("Kind")
        it.write("Internal\n")
        await it.sees("Sky is yours.")
        assert await it.ended() == 0
        content = {"cost_centre": "4711", "kind": "int", "agreed": True}
        assert server.called[-1]["inputResponses"] == {"who": {"action": "accept", "content": content}}


async def test_an_interrupt_ends_a_question_without_another_key(tmp_path: Path) -> None:
    async with asked(tmp_path) as (it, server):
        assert it.process is not None
        it.process.send_signal(signal.SIGINT)
        assert await it.ended() == 130
        assert server.called[-1]["inputResponses"] == {"who": {"action": "cancel"}}, "and the server knows"


async def test_the_end_of_input_declines(tmp_path: Path) -> None:
    async with asked(tmp_path) as (it, server):
        it.write("\x04")
        assert await it.ended() == 0
        assert server.called[-1]["inputResponses"] == {"who": {"action": "decline"}}
