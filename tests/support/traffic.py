"""Somebody who watches traffic at a gateway's port, message by message."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import httpx
import msgspec

from gateway.wire import sse
from gateway.wire.traffic import DROPPED, END, MESSAGE, Dropped, Ended, TrafficMessage

PATIENCE = 30.0


class Watcher:
    """`heard` holds all messages so far; `end` why there will be no more."""

    def __init__(self, answer: httpx.Response) -> None:
        self.answer = answer
        self.heard: list[TrafficMessage] = []
        self.dropped = 0
        self.end = ""
        self.last_event_id = ""
        self._events = self._read()

    async def _read(self) -> AsyncIterator[sse.Event]:
        decoder = sse.Decoder()
        async for chunk in self.answer.aiter_bytes():
            for event in decoder.feed(chunk):
                yield event

    async def watching(self) -> None:
        """Returns once the gateway listens."""
        async with asyncio.timeout(PATIENCE):
            event = await anext(aiter(self._events))
            assert event.data is None

    async def until(self, is_it: Callable[[TrafficMessage], bool]) -> TrafficMessage:
        """The first message, past or coming, of which that holds."""
        for message in self.heard:
            if is_it(message):
                return message
        async with asyncio.timeout(PATIENCE):
            async for message in self._messages():
                if is_it(message):
                    return message
        raise AssertionError(f"the stream ended: {self.end}; {[_short(each) for each in self.heard]}")

    async def ended(self) -> str:
        """All that comes until the end, and why it came."""
        async with asyncio.timeout(PATIENCE):
            async for _ in self._messages():
                pass
        return self.end

    async def _messages(self) -> AsyncIterator[TrafficMessage]:
        async for event in self._events:
            if event.event == MESSAGE:
                self.last_event_id = event.id or ""
                self.heard.append(msgspec.json.decode(event.data or b"", type=TrafficMessage))
                yield self.heard[-1]
            elif event.event == DROPPED:
                self.dropped += msgspec.json.decode(event.data or b"", type=Dropped).count
            elif event.event == END:
                self.end = msgspec.json.decode(event.data or b"", type=Ended).reason


def _short(message: TrafficMessage) -> str:
    return f"{message.number} {message.sender} {message.kind} {message.method} {message.error}"


@asynccontextmanager
async def watching(client: httpx.AsyncClient, path: str, **headers: str) -> AsyncIterator[Watcher]:
    """From when this begins nothing is missed."""
    sent: dict[str, Any] = {"headers": {name.replace("_", "-"): value for name, value in headers.items()}}
    async with client.stream("GET", path, timeout=None, **sent) as answer:
        assert answer.status_code == 200, await answer.aread()
        watcher = Watcher(answer)
        await watcher.watching()
        yield watcher
