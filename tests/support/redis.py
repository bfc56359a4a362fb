"""A real Redis for tests, on a port of its own, that can be killed and come back empty."""

import shutil
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from gateway.dataplane.certificates import Tls
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
    """tls: its certificate and whose clients it lets in; it then speaks nothing else. more: options of its own."""

    def __init__(self, *more: str, tls: Tls | None = None, clients_of: Path | None = None) -> None:
        self.port = free_port()  # redis-server has no port 0
        self._more, self._tls, self._clients_of = more, tls, clients_of

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Program]:
        argv = [str(REDIS), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", *self._doors(), *self._more]
        async with program(argv) as server:
            await server.hear("Ready to accept connections")
            yield server

    def _doors(self) -> list[str]:
        if self._tls is None:
            return ["--port", str(self.port)]
        authority = self._clients_of or self._tls.certfile
        files = ["--tls-cert-file", str(self._tls.certfile), "--tls-key-file", str(self._tls.keyfile)]
        clients = ["--tls-ca-cert-file", str(authority), "--tls-auth-clients", "yes" if self._clients_of else "no"]
        return ["--port", "0", "--tls-port", str(self.port), *files, *clients]
