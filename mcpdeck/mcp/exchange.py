"""One POST to an MCP endpoint and the JSON-RPC messages that come back, as JSON or as a stream. Knows no era."""

from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import httpx
import msgspec

from gateway.wire import mcp, sse
from gateway.wire.problems import MEDIA_TYPE, Problem
from mcpdeck.client import translated, whole
from mcpdeck.errors import ProblemError, Unreachable
from mcpdeck.model.plain import decode, plain

Message = dict[str, Any]

ACCEPT = "application/json, text/event-stream"
OWN_SOURCE = "mcpdeck"  # what the gateway's own errors name in their data
_EXCERPT = 200
_ABOUT_ERAS = (mcp.HEADER_MISMATCH, mcp.MISSING_CLIENT_CAPABILITY, mcp.UNSUPPORTED_VERSION)  # said for the server


class McpError(Exception):
    """The server's own JSON-RPC error. status: of the HTTP answer that carried it."""

    def __init__(self, code: int, message: str, data: Any = None, *, status: int = 200) -> None:
        super().__init__(f"{message} ({code})" if message else f"error {code}")
        self.code = code
        self.data = data
        self.status = status


class Refused(Exception):
    """An HTTP status other than 2xx without a JSON-RPC error: something that is no MCP server of this era."""

    def __init__(self, status: int, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status


class Endpoint:
    """One server's URL. Everything raises McpError, Refused, Unreachable; ProblemError for the gateway's own errors."""

    def __init__(self, http: httpx.AsyncClient, url: str) -> None:
        self.url = url
        self._http = http

    @asynccontextmanager
    async def post(self, message: Message, headers: Mapping[str, str]) -> AsyncGenerator[httpx.Response]:
        """The answer's head; `messages` reads its body."""
        head = {"accept": ACCEPT, "content-type": "application/json", **headers}
        body = msgspec.json.encode(message)
        with translated(self.url):
            async with self._http.stream("POST", self.url, content=body, headers=head) as answer:
                if not answer.is_success:
                    await answer.aread()
                    raise refusal(answer)
                yield answer

    @asynccontextmanager
    async def stream(self, headers: Mapping[str, str]) -> AsyncGenerator[httpx.Response]:
        """What the server says unasked, for as long as it likes."""
        endless = httpx.Timeout(None, connect=5.0)
        head = {"accept": "text/event-stream", **headers}
        with translated(self.url):
            async with self._http.stream("GET", self.url, headers=head, timeout=endless) as answer:
                if not answer.is_success:
                    await answer.aread()
                    raise refusal(answer)
                yield answer

    async def delete(self, headers: Mapping[str, str]) -> None:
        """The end of a session, whatever the server says to it."""
        with translated(self.url):
            await self._http.delete(self.url, headers=dict(headers))


async def messages(answer: httpx.Response) -> AsyncGenerator[Message]:
    """What an answer says, as far as it comes. Raises Unreachable where it breaks off."""
    with translated(str(answer.request.url)):
        if not answer.headers.get("content-type", "").startswith("text/event-stream"):
            if body := await answer.aread():
                for message in _several(body):
                    yield message
            return
        decoder = sse.Decoder()
        async for chunk in answer.aiter_bytes():
            for event in whole(decoder, chunk):
                if event.data:
                    for message in _several(event.data):
                        yield message


def _several(body: bytes) -> list[Message]:
    """One message, or a 2025-03-26 batch. Raises Unreachable."""
    try:
        return decode(body, list[Message]) if body.lstrip()[:1] == b"[" else [decode(body, Message)]
    except msgspec.DecodeError as error:
        raise Unreachable(f"the server answered what is no JSON-RPC: {plain(str(error))}") from error


def refusal(answer: httpx.Response) -> Exception:
    """What an answer that is not 2xx means."""
    try:
        error = decode(answer.content, dict[str, Any]).get("error")
    except msgspec.DecodeError:
        error = None
    if not isinstance(error, dict):
        if (told := _problem(answer)) is not None:
            return Refused(answer.status_code, f"{told} ({answer.status_code})")
        excerpt = plain(" ".join(answer.text.split()))[:_EXCERPT]
        sentence = f"{answer.request.method} {answer.request.url} gave {answer.status_code}"
        return Refused(answer.status_code, sentence + (f": {excerpt}" if excerpt else ""))
    return error_of(error, status=answer.status_code)


def _problem(answer: httpx.Response) -> str | None:
    """What a problem of RFC 9457 says; None if it is none."""
    if not answer.headers.get("content-type", "").startswith(MEDIA_TYPE):
        return None
    try:
        told = decode(answer.content, Problem)
    except msgspec.DecodeError:
        return None
    return told.detail or told.title


def error_of(error: Mapping[str, Any], *, status: int = 200) -> Exception:
    """A JSON-RPC error's members as an exception."""
    code, message, data = error.get("code", 0), str(error.get("message", "")), error.get("data")
    if isinstance(data, dict) and data.get("source") == OWN_SOURCE and code not in _ABOUT_ERAS and status != 200:
        slug = str(data.get("code", ""))
        return ProblemError(Problem(title=message or slug, status=status, detail=message, code=slug))
    return McpError(code if isinstance(code, int) else 0, message, data, status=status)
