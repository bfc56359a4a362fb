"""A gateway's control plane as methods, over httpx. All text it returns is plain; it retries nothing and shows nothing.

`control` knows what each method asks; what streams is here.
"""

import asyncio
import codecs
import re
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from types import TracebackType
from typing import Any, Final, Self
from urllib.parse import urlsplit

import httpx
import msgspec

from gateway.wire import sse
from gateway.wire.problems import Problem
from gateway.wire.resources import Adapter, AdapterSpec, AdapterStatus, ChangeEvent, LiveSession, WhoAmI
from gateway.wire.traffic import DROPPED, END, JSONL, MESSAGE, Dropped, Ended, TrafficMessage
from mcpdeck import control
from mcpdeck.auth.errors import AuthError
from mcpdeck.control import Ask, Reply
from mcpdeck.errors import ProblemError, Unreachable, plainly
from mcpdeck.model.plain import decode, plain
from mcpdeck.trust import trust_in

CONNECT_SECONDS: Final = 5.0
ANSWER_SECONDS: Final = 30.0
SILENCE_SECONDS: Final = 40.0  # of the event stream, which the gateway keeps alive with a comment every 15 s
_CLOSED: Final = re.compile("disconnected|closed")  # in the words of h11
LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "::1"})


class Synced(msgspec.Struct, frozen=True):
    """The event stream has named everything there is; from here on it tells changes."""


class Heard(msgspec.Struct, frozen=True):
    """A message of a traffic stream, how many were lost, or the stream's end. event_id: what to go on from."""

    what: TrafficMessage | Dropped | Ended
    event_id: str | None = None


_HEARD: Final[Mapping[str, type[TrafficMessage | Dropped | Ended]]] = {
    MESSAGE: TrafficMessage,
    DROPPED: Dropped,
    END: Ended,
}


class GatewayClient:
    """One gateway, as one caller. Everything raises ProblemError and Unreachable. `auth` carries the caller's token.

    Who leaves it takes nobody's answer away: it closes once what was asked has been answered.
    """

    def __init__(self, url: str, *, auth: httpx.Auth | None = None, ca_file: str = "") -> None:
        self.url = url.rstrip("/")
        self.auth = auth
        self.ca_file = ca_file
        self.last_event_id: str | None = None  # of the event that `events` gave last
        self._http = open_http(self.url, auth=auth, ca_file=ca_file)
        self._asked = 0  # questions under way
        self._is_left = False

    async def __aenter__(self) -> Self:
        await self._http.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._is_left = True
        if not self._asked:
            await self._http.aclose()

    async def do[Value](self, ask: Ask[Value]) -> Value:
        self._asked += 1
        try:
            with translated(self.url):
                self._must_be_open()
                answer = await self._http.request(
                    ask.method, ask.path, content=ask.body, headers=ask.headers, timeout=_patience(ask.takes)
                )
        finally:
            self._asked -= 1
            if self._is_left and not self._asked:
                await self._http.aclose()
        return control.answer(ask, _reply(answer), self.url)

    def _must_be_open(self) -> None:
        if self._is_left:
            raise Unreachable(f"the connection to {self.url} was given up for another")

    async def whoami(self) -> WhoAmI:
        return await self.do(control.whoami())

    async def list(self) -> list[Adapter]:
        return await self.do(control.adapters())

    async def get(self, name: str) -> Adapter:
        return await self.do(control.adapter(name))

    async def create(self, spec: AdapterSpec) -> Adapter:
        return await self.do(control.create(spec))

    async def replace(self, name: str, spec: AdapterSpec, etag: str | None = None) -> Adapter:
        return await self.do(control.replace(name, spec, etag))

    async def patch(self, name: str, merge: Mapping[str, Any], etag: str | None = None) -> Adapter:
        return await self.do(control.patch(name, merge, etag))

    async def delete(self, name: str, etag: str | None = None) -> None:
        await self.do(control.delete(name, etag))

    async def status(self, name: str) -> AdapterStatus:
        return await self.do(control.status(name))

    async def restart(self, name: str) -> None:
        await self.do(control.restart(name))

    async def sessions(self, note: Callable[[str], None] | None = None) -> Sequence[LiveSession]:
        return await self.do(control.sessions(note))

    def _must_be(self, wanted: str, answer: httpx.Response) -> None:
        """A page would otherwise be taken for a log."""
        found = answer.headers.get("content-type", "nothing of a known kind")
        if not found.startswith(wanted):
            told = f"GET {answer.request.url.path} gave {plain(found)}, wanted {wanted}"
            raise Unreachable(f"what answers at {self.url} is no gateway of this version: {told}")

    async def logs(
        self,
        adapter: str,
        *,
        instance: str = "all",
        follow: bool = False,
        since: str | None = None,
        tail: int | None = None,
        previous: bool = False,
        timestamps: bool = False,
        begun: Callable[[], None] = lambda: None,
    ) -> AsyncGenerator[str]:
        """Lines without their ends. instance: an ordinal, or `all`. since: RFC 3339. Following ends with its reader.

        begun: called once the gateway listens, which may be long before the first line.
        """
        wanted = {"follow": follow, "previous": previous, "timestamps": timestamps}
        query = {"instance": instance} | {name: "true" for name, is_wanted in wanted.items() if is_wanted}
        query |= {} if since is None else {"since": since}
        query |= {} if tail is None else {"tail": str(tail)}
        path = control.path("adapters", adapter, "logs")
        silence = None if follow else ANSWER_SECONDS
        async with self._stream(path, query=query, accept="text/plain", silence=silence) as answer:
            begun()
            decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
            rest = ""
            async for chunk in answer.aiter_bytes():
                *lines, rest = (rest + decoder.decode(chunk)).split("\n")
                for line in lines:
                    yield plain(line.removesuffix("\r"))
            if rest:
                yield plain(rest)

    async def metrics(self) -> str:
        """The gateway's counters, as Prometheus has them."""
        async with self._stream("/metrics", accept="text/plain", silence=ANSWER_SECONDS) as answer:
            return plain((await answer.aread()).decode(errors="replace"))

    async def events(
        self,
        last_event_id: str | None = None,
        *,
        begun: Callable[[], None] = lambda: None,
        alive: Callable[[], None] = lambda: None,
    ) -> AsyncGenerator[ChangeEvent | Synced]:
        """What there is, `Synced`, then changes; with an id, what came after it, which may be nothing for long. Ends
        when the gateway ends it.

        begun: called once the gateway listens. alive: each time that it says anything, a comment that keeps the stream
        alive among it. Raises msgspec.DecodeError for a change that can not be read.
        """
        headers = {} if last_event_id is None else {"last-event-id": last_event_id}
        decoder = sse.Decoder()
        async with self._stream(
            "/events", accept="text/event-stream", headers=headers, silence=SILENCE_SECONDS
        ) as answer:
            begun()
            async for chunk in answer.aiter_bytes():
                alive()
                for event in whole(decoder, chunk):
                    if event.id is not None:
                        self.last_event_id = event.id
                    if event.event == "change" and event.data is not None:
                        yield decode(event.data, ChangeEvent)
                    elif event.event == "synced":
                        yield Synced()

    async def traffic(
        self,
        *,
        session: str = "",
        adapter: str = "",
        reveal: bool = False,
        last_event_id: str | None = None,
        begun: Callable[[], None] = lambda: None,
    ) -> AsyncGenerator[Heard]:
        """Messages as they flow: of a session, an adapter, or all. With an id, what came after it first, if recorded.

        begun: called once the gateway listens, which may be long before the first message.
        Raises msgspec.DecodeError for a message that can not be read.
        """
        path = control.traffic_path(session=session, adapter=adapter)
        headers = {} if last_event_id is None else {"last-event-id": last_event_id}
        query = {"reveal": "true"} if reveal else None
        decoder = sse.Decoder()
        async with self._stream(
            path, accept="text/event-stream", query=query, headers=headers, silence=SILENCE_SECONDS
        ) as answer:
            begun()
            async for chunk in answer.aiter_bytes():
                for event in whole(decoder, chunk):
                    kind = _HEARD.get(event.event)
                    if kind is not None and event.data is not None:
                        yield Heard(decode(event.data, kind), event.id)

    async def recording(self, adapter: str, *, session: str = "") -> AsyncGenerator[TrafficMessage]:
        """What the gateway holds of an adapter's traffic, the oldest first."""
        path = control.path("adapters", adapter, "recording")
        query = {"session": session} if session else None
        rest = b""
        async with self._stream(path, accept=JSONL, query=query, silence=ANSWER_SECONDS) as answer:
            async for chunk in answer.aiter_bytes():
                *lines, rest = (rest + chunk).split(b"\n")
                for line in lines:
                    yield decode(line, TrafficMessage)

    @asynccontextmanager
    async def _stream(
        self,
        path: str,
        *,
        accept: str,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        silence: float | None,
    ) -> AsyncGenerator[httpx.Response]:
        timeout = httpx.Timeout(ANSWER_SECONDS, connect=CONNECT_SECONDS, read=silence)
        head = {"accept": accept, **(headers or {})}
        with translated(self.url):
            self._must_be_open()
            async with (
                asyncio.timeout(ANSWER_SECONDS) as patience,  # however long may be kept silent after the head
                self._http.stream("GET", path, params=query, headers=head, timeout=timeout) as answer,
            ):
                if not answer.is_success:
                    await answer.aread()
                    raise control.problem("GET", path, _reply(answer), url=self.url)
                self._must_be(accept, answer)
                patience.reschedule(None)
                try:
                    yield answer
                except httpx.ReadTimeout as error:
                    raise Unreachable(f"{self.url} has said nothing for {silence:g} s on an open stream") from error


def open_http(url: str, *, auth: httpx.Auth | None = None, ca_file: str = "") -> httpx.AsyncClient:
    """For one server: no redirects, no proxy to this machine, one more authority trusted. Raises Misconfigured."""
    parts = urlsplit(url)
    is_near = parts.hostname in LOOPBACK
    return httpx.AsyncClient(
        base_url=url,
        auth=auth,
        verify=trust_in(ca_file) if parts.scheme == "https" else False,
        trust_env=not is_near,
        follow_redirects=False,
        timeout=_patience(),
        limits=httpx.Limits(max_connections=None),
    )


def _patience(more: float = 0.0) -> httpx.Timeout:
    return httpx.Timeout(ANSWER_SECONDS, connect=CONNECT_SECONDS, read=ANSWER_SECONDS + more)


@contextmanager
def translated(url: str) -> Iterator[None]:
    """httpx's errors, and those of signing in, in this program's words."""
    try:
        yield
    except AuthError as error:
        raise ProblemError(
            Problem(title="Sign in first", status=401, code="unauthenticated", detail=str(error))
        ) from error
    except (httpx.TimeoutException, TimeoutError) as error:
        raise Unreachable(f"{url} does not answer in time") from error
    except httpx.UnsupportedProtocol as error:
        raise Unreachable(f"{url!r} is no http(s) URL") from error
    except httpx.ConnectError as error:
        raise Unreachable(f"{url} can not be reached: {plain(plainly(error))}") from error
    except httpx.InvalidURL as error:
        raise Unreachable(f"{url!r} is no URL: {plain(str(error))}") from error
    except httpx.RemoteProtocolError as error:
        said = str(error)
        if not _CLOSED.search(said):
            raise Unreachable(f"what answers at {url} speaks no HTTP: {plain(said)}") from error
        raise Unreachable(f"{url} broke off: it closed the connection before its answer was whole") from error
    except httpx.HTTPError as error:
        raise Unreachable(f"{url} broke off: {plain(plainly(error)) or 'it closed the connection'}") from error


def _reply(answer: httpx.Response) -> Reply:
    return Reply(
        status=answer.status_code,
        reason=answer.reason_phrase,
        headers={name.lower(): value for name, value in answer.headers.items()},
        body=answer.content,
    )


def whole(decoder: sse.Decoder, chunk: bytes) -> Iterator[sse.Event]:
    """The events that a chunk completes. Raises Unreachable."""
    try:
        yield from decoder.feed(chunk)
    except ValueError as error:
        raise Unreachable(f"the stream can not be read: {error}") from error
