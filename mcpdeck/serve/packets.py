"""The packets between a served deck and its server, as Textual's web driver has them: kind, length, payload. Pure.

They are those of `textual.drivers.web_driver`, whose docstring is their only specification: `D` is what a terminal
would send or be sent, `M` is JSON about it. The length is big endian, although that docstring has it otherwise.
"""

import asyncio
from collections.abc import AsyncIterator
from typing import Any, Final, NamedTuple

import msgspec

DRIVER: Final = "mcpdeck.tui.web:TabDriver"
PRELUDE: Final = b"__GANGLION__\n"  # the driver's first line; what a program says before is no packet
LARGEST: Final = 1 << 24  # bytes; a screen is a few thousand


class Packet(NamedTuple):
    kind: bytes
    payload: bytes

    @property
    def is_data(self) -> bool:
        return self.kind == b"D"

    @property
    def told(self) -> dict[str, Any]:
        """What a packet that is no data says. Raises msgspec.DecodeError."""
        return msgspec.json.decode(self.payload, type=dict[str, Any]) if self.kind == b"M" else {}


def data(text: str) -> bytes:
    return _packet(b"D", text.encode(errors="replace"))


def meta(kind: str, **fields: object) -> bytes:
    return _packet(b"M", msgspec.json.encode({"type": kind, **fields}))


def _packet(kind: bytes, payload: bytes) -> bytes:
    return kind + len(payload).to_bytes(4, "big") + payload


async def packets_of(stream: asyncio.StreamReader) -> AsyncIterator[Packet]:
    """Until the stream ends, also in the middle of one."""
    try:
        while True:
            head = await stream.readexactly(5)
            length = int.from_bytes(head[1:], "big")
            if length > LARGEST:
                return
            yield Packet(head[:1], await stream.readexactly(length))
    except asyncio.IncompleteReadError:
        return
