"""A name server for one process tree: on a loopback address of its own, told by a resolv.conf that only that tree sees.

Needs root, for port 53 and a mount namespace.
"""

import asyncio
import os
import random
import shutil
import struct
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

needs_mounts = pytest.mark.skipif(
    os.name != "posix" or os.geteuid() != 0 or shutil.which("unshare") is None,
    reason="a resolv.conf of one's own needs root and unshare",
)
HANGS = 90  # seconds that the platform's resolver waits for an answer, in all: longer than a test's patience
_NAME_ERROR = 3


class NameServer(asyncio.DatagramProtocol):
    """addresses: of the names that it knows. silent: whether, and for names that end so, it answers nothing at all."""

    def __init__(self) -> None:
        self.host = f"127.{random.randint(2, 250)}.{random.randint(2, 250)}.{random.randint(2, 250)}"
        self.addresses: dict[str, str] = {}
        self.silent: tuple[str, ...] = ()
        self.asked = Counter[str]()
        self._news = asyncio.Event()
        self._transport: asyncio.DatagramTransport

    async def until_asked(self, *names: str) -> None:
        """For each of them, or since `asked` was cleared."""
        async with asyncio.timeout(60):
            while not all(self.asked[name] for name in names):
                self._news.clear()
                await self._news.wait()

    def connection_made(self, transport: asyncio.DatagramTransport) -> None:  # type: ignore[override]
        self._transport = transport

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        name, end = _question(data)
        self.asked[name] += 1
        self._news.set()
        if self.silent and name.endswith(self.silent):
            return
        is_v4 = data[end - 4 : end - 2] == b"\0\1"
        address = self.addresses.get(name)
        answers = 1 if address is not None and is_v4 else 0
        flags = 0x8180 | (0 if address is not None else _NAME_ERROR)
        reply = data[:2] + struct.pack(">HHHHH", flags, 1, answers, 0, 0) + data[12:end]
        if address is not None and is_v4:
            reply += struct.pack(">HHHIH4B", 0xC00C, 1, 1, 0, 4, *map(int, address.split(".")))
        self._transport.sendto(reply, addr)

    def seen_by(self, folder: Path, argv: Sequence[str]) -> list[str]:
        """The command that runs argv where this is the only name server."""
        told = folder / "resolv.conf"
        told.write_text(f"nameserver {self.host}\noptions timeout:30 attempts:{HANGS // 30}\n")
        script = 'mount --bind "$0" /etc/resolv.conf && exec "$@"'
        return ["unshare", "--mount", "--propagation", "private", "sh", "-c", script, str(told), *argv]


def _question(data: bytes) -> tuple[str, int]:
    """The name that is asked for, and where the question ends."""
    at, labels = 12, list[str]()
    while length := data[at]:
        labels.append(data[at + 1 : at + 1 + length].decode("ascii").lower())
        at += 1 + length
    return ".".join(labels), at + 5


@asynccontextmanager
async def name_server() -> AsyncIterator[NameServer]:
    server = NameServer()
    transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(
        lambda: server, local_addr=(server.host, 53)
    )
    try:
        yield server
    finally:
        transport.close()
