"""A real Redis for tests, on a port of its own, that can be killed and come back empty."""

import shutil
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from tests.support.programs import Program, program

REDIS = shutil.which("redis-server")
needs_redis = pytest.mark.skipif(REDIS is None, reason="no redis-server on PATH")


def free_port() -> int:
    """For what must be told a port before it takes it. Nobody else has it, with some luck."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class RedisServer:
    def __init__(self) -> None:
        self.port = free_port()  # redis-server has no port 0

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Program]:
        argv = [str(REDIS), "--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
        async with program(argv) as server:
            await server.hear("Ready to accept connections")
            yield server
