"""The gateway's own rare calls to instances: is it well, does it speak MCP, its session is over. No client's traffic.

Every call goes to the address that its endpoint names, whatever a name server says meanwhile; no redirect is followed.
"""

import asyncio
import ssl
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Final

import httpx
import msgspec

from gateway.core.routes import Endpoint
from gateway.wire import jsonrpc, sse
from gateway.wire.jsonrpc import Envelope

type Headers = Sequence[tuple[bytes, bytes]]

MAX_BYTES: Final = 1024 * 1024  # of an answer


class Unanswered(Exception):
    """No answer, or none to make sense of. is_slow: it took too long."""

    def __init__(self, sentence: str, *, is_slow: bool = False) -> None:
        super().__init__(sentence)
        self.is_slow = is_slow


class Answer(msgspec.Struct, frozen=True):
    """Of a stream, `body` is the data of its first event that is a JSON-RPC response, or that has `event`'s name."""

    status: int
    headers: httpx.Headers
    body: bytes
    event: str = ""

    @property
    def message(self) -> Envelope | None:
        """The JSON-RPC response that it is; None for anything else."""
        try:
            envelope = jsonrpc.decode(self.body)
        except msgspec.DecodeError:
            return None
        return envelope if envelope.is_response else None


class Caller:
    """Made by `open_caller`. Raises Unanswered."""

    def __init__(self, plain: httpx.AsyncClient, ca_file: Path | None) -> None:
        self._plain, self._ca_file = plain, ca_file
        self._secure: httpx.AsyncClient | None = None

    async def send(
        self,
        endpoint: Endpoint,
        method: str,
        *,
        seconds: float,
        path: str | None = None,
        headers: Headers = (),
        body: bytes | None = None,
    ) -> Answer:
        """path: another one than the endpoint's. seconds: for all of it."""
        with _foreign_errors(seconds):
            async with asyncio.timeout(seconds):
                return await self._send(endpoint, method, path or endpoint.path, headers=headers, body=body)

    async def _send(
        self, endpoint: Endpoint, method: str, path: str, *, headers: Headers, body: bytes | None
    ) -> Answer:
        scheme = "https" if endpoint.is_tls else "http"
        authority = endpoint.authority or f"{endpoint.host}:{endpoint.port}"
        url = httpx.URL(scheme=scheme, host=endpoint.host, port=endpoint.port, raw_path=path.encode())
        told = [(b"host", authority.encode()), (b"accept-encoding", b"identity"), *headers]
        extensions = {"sni_hostname": httpx.URL(f"https://{authority}").host} if endpoint.is_tls else {}
        client = self._client(is_tls=endpoint.is_tls)
        async with client.stream(method, url, headers=told, content=body, extensions=extensions) as answer:
            event, found = await _body(answer)
            return Answer(answer.status_code, answer.headers, found, event)

    async def close(self) -> None:
        if self._secure is not None:
            await self._secure.aclose()

    def _client(self, *, is_tls: bool) -> httpx.AsyncClient:
        if not is_tls:
            return self._plain
        if self._secure is None:  # reading the trust store costs 20 ms: where it is needed, and once
            context = ssl.create_default_context()
            if self._ca_file is not None:
                context.load_verify_locations(self._ca_file)
            self._secure = _new_client(context)
        return self._secure


@asynccontextmanager
async def open_caller(ca_file: Path | None = None) -> AsyncIterator[Caller]:
    """ca_file: an authority that is trusted besides the system's."""
    async with _new_client(False) as plain:
        caller = Caller(plain, ca_file)
        try:
            yield caller
        finally:
            await caller.close()


def _new_client(verify: "ssl.SSLContext | bool") -> httpx.AsyncClient:
    """No connection is used twice: httpx knows them by address, where several names may have certificates."""
    limits = httpx.Limits(max_keepalive_connections=0)
    return httpx.AsyncClient(
        verify=verify,
        follow_redirects=False,
        trust_env=False,
        limits=limits,
        timeout=None,  # noqa: S113 - `send` bounds it
    )


async def _body(answer: httpx.Response) -> tuple[str, bytes]:
    """The name and data of the event that counts, or no name and the whole body."""
    is_stream = answer.headers.get("content-type", "").startswith("text/event-stream")
    decoder, body, size = sse.Decoder(), bytearray(), 0
    async for chunk in answer.aiter_raw():
        size += len(chunk)
        if size > MAX_BYTES:
            raise Unanswered(f"its answer is longer than {MAX_BYTES} bytes")
        if not is_stream:
            body += chunk
            continue
        for event in decoder.feed(chunk):
            if event.data is not None and (event.event == "endpoint" or _is_response(event.data)):
                return event.event, event.data
    return "", bytes(body)


def _is_response(data: bytes) -> bool:
    try:
        return jsonrpc.decode(data).is_response
    except msgspec.DecodeError:
        return False


@contextmanager
def _foreign_errors(seconds: float) -> Iterator[None]:
    try:
        yield
    except (TimeoutError, httpx.TimeoutException) as error:
        raise Unanswered(f"it did not answer within {seconds:g} s", is_slow=True) from error
    except (OSError, httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
        raise Unanswered(f"it can't be reached: {str(error) or type(error).__name__}") from error
