"""HTTP to the adapter: a POST or a GET, and the messages in its answer as raw bytes. Knows no era."""

from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from typing import Final, NamedTuple

import httpx
import msgspec

from gateway.wire import sse
from mcpdeck.client import translated
from mcpdeck.errors import Unreachable

ACCEPT: Final = "application/json, text/event-stream"
SHORT: Final = 30.0  # seconds for what is answered at once


class Resume(NamedTuple):
    """Where a stream that ended before its answer goes on. pause: seconds to wait first."""

    event_id: str
    pause: float


class Told(NamedTuple):
    """message: raw JSON; empty for an event that only says where the stream is. In an answer that is no stream, there
    is no id."""

    message: bytes
    event_id: str = ""
    retry: float | None = None  # seconds


class _Error(msgspec.Struct):
    code: int = 0


class _Failed(msgspec.Struct):
    error: _Error | None = None


class Upstream:
    """Everything raises Unreachable, and ProblemError where nobody is signed in."""

    def __init__(self, http: httpx.AsyncClient, url: str) -> None:
        self.url = url
        self._http = http

    @asynccontextmanager
    async def post(
        self, body: bytes, headers: Mapping[str, str], *, silence: float | None = None
    ) -> AsyncGenerator[httpx.Response]:
        """silence: seconds that the answer may take between two bytes; None for as long as it likes."""
        head = {"accept": ACCEPT, "content-type": "application/json", **headers}
        timeout = httpx.Timeout(SHORT, read=silence)
        with translated(self.url):
            async with self._http.stream("POST", self.url, content=body, headers=head, timeout=timeout) as answer:
                yield answer

    @asynccontextmanager
    async def get(self, headers: Mapping[str, str]) -> AsyncGenerator[httpx.Response]:
        head = {"accept": "text/event-stream", **headers}
        with translated(self.url):
            async with self._http.stream(
                "GET", self.url, headers=head, timeout=httpx.Timeout(SHORT, read=None)
            ) as answer:
                yield answer

    async def delete(self, headers: Mapping[str, str], *, limit: float) -> None:
        with translated(self.url):
            await self._http.delete(self.url, headers=dict(headers), timeout=limit)


def is_stream(answer: httpx.Response) -> bool:
    return answer.is_success and answer.headers.get("content-type", "").startswith("text/event-stream")


async def messages(answer: httpx.Response) -> AsyncGenerator[Told]:
    """Raises Unreachable for an event beyond all bounds."""
    if not is_stream(answer):
        if body := await answer.aread():
            yield Told(body)
        return
    decoder = sse.Decoder()
    async for chunk in answer.aiter_bytes():
        try:
            events = list(decoder.feed(chunk))
        except ValueError as error:
            raise Unreachable(str(error)) from error
        for event in events:
            yield Told(event.data or b"", event.id or "", None if event.retry is None else event.retry / 1000)


def code_of(body: bytes) -> int | None:
    """The code of a JSON-RPC error; None for what is none."""
    try:
        failed = msgspec.json.decode(body, type=_Failed)
    except msgspec.DecodeError:
        return None
    return None if failed.error is None else failed.error.code
