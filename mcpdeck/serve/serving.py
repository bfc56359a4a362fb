"""Runs the site on a socket until it is told to stop. Prints nothing."""

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from typing import Final

from hypercorn.asyncio import serve
from hypercorn.config import Config

from mcpdeck.serve.gate import Gate
from mcpdeck.serve.site import Tabs, site
from mcpdeck.serve.tab import GRACE_SECONDS, Tab, opened

LONGEST_MESSAGE: Final = 1 << 20  # bytes: what somebody pastes
END_SECONDS: Final = 8.0  # for tabs to end, and for browsers to take notice
PING_SECONDS: Final = 20.0  # a browser that answers none of them has gone


@asynccontextmanager
async def served(
    arguments: Sequence[str], *, host: str, port: int, names: Iterable[str] = (), most: int
) -> AsyncIterator[str]:
    """The address, with its token, for as long as the block lasts. arguments: of each tab's deck. Raises OSError."""
    listener = _listener(host, port)
    bound = listener.getsockname()[1]
    gate = Gate(port=bound, names=names)
    tabs = Tabs(most)
    app = site(gate, partial(_open, arguments), tabs)
    stop = asyncio.Event()
    async with asyncio.TaskGroup() as tasks:
        serving = tasks.create_task(serve(app, _config(listener), shutdown_trigger=stop.wait), name="site")
        try:
            yield f"http://{_shown(host)}:{bound}/?token={gate.token}"
        finally:
            tabs.ending.set()
            stop.set()
            await asyncio.wait({serving}, timeout=END_SECONDS)  # Hypercorn itself waits for the last connection
            serving.cancel()


def _open(arguments: Sequence[str], width: int, height: int) -> AbstractAsyncContextManager[Tab]:
    return opened(arguments, os.environ, width=width, height=height)


def _listener(host: str, port: int) -> socket.socket:
    family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
    return socket.create_server((host, port), family=family)


def _shown(host: str) -> str:
    if host in ("0.0.0.0", "::"):
        return socket.gethostname()
    return f"[{host}]" if ":" in host else host


def _config(listener: socket.socket) -> Config:
    config = Config()
    config.bind = [f"fd://{listener.detach()}"]
    config.accesslog = config.errorlog = None
    config.websocket_max_message_size = LONGEST_MESSAGE
    config.websocket_ping_interval = PING_SECONDS
    config.graceful_timeout = GRACE_SECONDS + 2
    return config
