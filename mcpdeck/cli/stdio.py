"""`mcpdeck stdio`: an adapter on stdin and stdout. Nothing but protocol is written to stdout."""

import argparse
import asyncio
import signal
import sys
import threading
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import TYPE_CHECKING

from mcpdeck.cli.desk import Desk
from mcpdeck.cli.exits import OK

if TYPE_CHECKING:
    from mcpdeck.cli.words import Words


def add_parser(commands: "argparse._SubParsersAction[Words]") -> None:
    line = "Serve an adapter on stdin and stdout, for clients that speak nothing but stdio."
    stdio = commands.add_parser("stdio", help=line, description=line)
    stdio.add_argument("adapter", metavar="ADAPTER")
    stdio.set_defaults(run=_stdio)


def _stdio(words: argparse.Namespace, desk: Desk) -> int:
    with suppress(asyncio.CancelledError):
        asyncio.run(_serve(words, desk))
    return OK


async def _serve(words: argparse.Namespace, desk: Desk) -> None:
    from mcpdeck.client import open_http
    from mcpdeck.front.front import serve

    target = desk.target
    url = target.mcp_url(words.adapter)
    _end_on_signals()
    async with open_http(url, auth=target.auth(), ca_file=target.context.ca_file) as http:
        with suppress(BrokenPipeError):  # the client is gone
            await serve(_lines(), _write, http, url, tell=lambda sentence: desk.printer.tell(f"mcpdeck: {sentence}"))


def _end_on_signals() -> None:
    """As the end of the lines, but at once."""
    task = asyncio.current_task()
    assert task is not None  # noqa: S101  (this runs in one)
    with suppress(NotImplementedError):  # where a loop can not, the default does
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, task.cancel)


async def _lines() -> AsyncIterator[bytes]:
    """stdin, read on a thread that nobody waits for: on no platform can a read of it be taken back."""
    loop = asyncio.get_running_loop()
    queue: asyncio.Queue[bytes | None] = asyncio.Queue()

    def put(line: bytes | None) -> None:
        with suppress(RuntimeError):  # the loop has ended meanwhile
            loop.call_soon_threadsafe(queue.put_nowait, line)

    def read() -> None:
        for line in sys.stdin.buffer:
            if stripped := line.strip():
                put(stripped)
        put(None)

    threading.Thread(target=read, daemon=True, name="stdin").start()
    while (line := await queue.get()) is not None:
        yield line


async def _write(message: bytes) -> None:
    sys.stdout.buffer.write(message + b"\n")
    sys.stdout.buffer.flush()
