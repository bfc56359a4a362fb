"""A gateway's control plane (api.md) as methods. All text it returns is plain; it retries nothing and shows nothing."""

import codecs
import ssl
from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from types import TracebackType
from typing import Any, Final, Self
from urllib.parse import quote, urlsplit

import httpx
import msgspec

from gateway.wire import sse
from gateway.wire.problems import Problem
from gateway.wire.resources import Adapter, AdapterSpec, AdapterStatus, ChangeEvent, LiveSession, WhoAmI
from mcpdeck.auth.errors import AuthError
from mcpdeck.errors import ProblemError, Unreachable
from mcpdeck.model.plain import decode, plain

CONNECT_SECONDS: Final = 5.0
ANSWER_SECONDS: Final = 30.0
SILENCE_SECONDS: Final = 60.0  # of the event stream, which the gateway keeps alive with comments
LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "::1"})
_EXCERPT: Final = 200  # characters of an answer that is no problem


class Synced(msgspec.Struct, frozen=True):
    """The event stream has named everything there is; from here on it tells changes."""


class GatewayClient:
    """One gateway, as one caller. Everything raises ProblemError and Unreachable. `auth` carries the caller's token."""

    def __init__(self, url: str, *, auth: httpx.Auth | None = None, ca_file: str = "") -> None:
        self.url = url.rstrip("/")
        self.last_event_id: str | None = None  # of the event that `events` gave last
        self._http = open_http(self.url, auth=auth, ca_file=ca_file)

    async def __aenter__(self) -> Self:
        await self._http.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._http.__aexit__(kind, error, trace)

    async def whoami(self) -> WhoAmI:
        return decoded(await self._ask("GET", "/whoami"), WhoAmI)

    async def version(self) -> str:
        """The gateway's own; empty where it does not say."""
        document = decoded(await self._ask("GET", "/openapi.json"), dict[str, Any])
        return str(document.get("info", {}).get("version", ""))

    async def list(self) -> list[Adapter]:
        """Those that the caller may read."""
        return decoded(await self._ask("GET", "/adapters"), list[Adapter])

    async def get(self, name: str) -> Adapter:
        return decoded(await self._ask("GET", _path("adapters", name)), Adapter)

    async def create(self, spec: AdapterSpec) -> Adapter:
        return decoded(await self._ask("POST", "/adapters", body=spec), Adapter)

    async def replace(self, name: str, spec: AdapterSpec, etag: str | None = None) -> Adapter:
        """Only if it still is what the etag names; whatever it is without one."""
        return decoded(await self._ask("PUT", _path("adapters", name), body=spec, etag=etag), Adapter)

    async def patch(self, name: str, merge: Mapping[str, Any], etag: str | None = None) -> Adapter:
        """RFC 7396: what is named is set, null removes."""
        return decoded(await self._ask("PATCH", _path("adapters", name), body=merge, etag=etag), Adapter)

    async def delete(self, name: str, etag: str | None = None) -> None:
        await self._ask("DELETE", _path("adapters", name), etag=etag)

    async def status(self, name: str) -> AdapterStatus:
        return decoded(await self._ask("GET", _path("adapters", name, "status")), AdapterStatus)

    async def restart(self, name: str) -> None:
        await self._ask("POST", _path("adapters", name, "restart"))

    async def sessions(self) -> Sequence[LiveSession]:
        """The live MCP sessions of every adapter that the caller may read."""
        return decoded(await self._ask("GET", "/sessions/live"), list[LiveSession])

    async def session(self, session_id: str) -> LiveSession:
        return decoded(await self._ask("GET", _path("sessions", "live", session_id)), LiveSession)

    async def end_session(self, session_id: str) -> None:
        await self._ask("DELETE", _path("sessions", "live", session_id))

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
    ) -> AsyncGenerator[str]:
        """Lines without their ends. instance: an ordinal, or `all`. since: RFC 3339. Following ends with its reader."""
        wanted = {"follow": follow, "previous": previous, "timestamps": timestamps}
        query = {"instance": instance} | {name: "true" for name, is_wanted in wanted.items() if is_wanted}
        query |= {} if since is None else {"since": since}
        query |= {} if tail is None else {"tail": str(tail)}
        path = _path("adapters", adapter, "logs")
        silence = None if follow else ANSWER_SECONDS
        async with self._stream(path, query=query, accept="text/plain", silence=silence) as answer:
            decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
            rest = ""
            async for chunk in answer.aiter_bytes():
                *lines, rest = (rest + decoder.decode(chunk)).split("\n")
                for line in lines:
                    yield plain(line.removesuffix("\r"))
            if rest:
                yield plain(rest)

    async def events(self, last_event_id: str | None = None) -> AsyncGenerator[ChangeEvent | Synced]:
        """What there is, `Synced`, then changes; with an id, what came after it. Ends when the gateway ends it.

        Raises msgspec.ValidationError for a change of another shape.
        """
        headers = {} if last_event_id is None else {"last-event-id": last_event_id}
        decoder = sse.Decoder()
        async with self._stream(
            "/events", accept="text/event-stream", headers=headers, silence=SILENCE_SECONDS
        ) as answer:
            async for chunk in answer.aiter_bytes():
                for event in _whole(decoder, chunk):
                    if event.id is not None:
                        self.last_event_id = event.id
                    if event.event == "change" and event.data is not None:
                        yield decode(event.data, ChangeEvent)
                    elif event.event == "synced":
                        yield Synced()

    async def _ask(self, method: str, path: str, *, body: object = None, etag: str | None = None) -> httpx.Response:
        headers = {} if etag is None else {"if-match": etag}
        content = None
        if body is not None:
            content = msgspec.json.encode(body)
            merges = method == "PATCH"
            headers["content-type"] = "application/merge-patch+json" if merges else "application/json"
        with translated(self.url):
            answer = await self._http.request(method, path, content=content, headers=headers)
        if not answer.is_success:
            raise problem_of(answer)
        return answer

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
        with translated(self.url):
            async with self._http.stream(
                "GET", path, params=query, headers={"accept": accept, **(headers or {})}, timeout=timeout
            ) as answer:
                if not answer.is_success:
                    await answer.aread()
                    raise problem_of(answer)
                yield answer


def open_http(url: str, *, auth: httpx.Auth | None = None, ca_file: str = "") -> httpx.AsyncClient:
    """For one server: no redirects, no proxy to this machine, the machine's trust and one more authority."""
    parts = urlsplit(url)
    is_near = parts.hostname in LOOPBACK
    return httpx.AsyncClient(
        base_url=url,
        auth=auth,
        verify=ssl.create_default_context(cafile=ca_file or None) if parts.scheme == "https" else False,
        trust_env=not is_near,
        follow_redirects=False,
        timeout=httpx.Timeout(ANSWER_SECONDS, connect=CONNECT_SECONDS),
        limits=httpx.Limits(max_connections=None),
    )


@contextmanager
def translated(url: str) -> Iterator[None]:
    """httpx's errors, and those of signing in, in this program's words."""
    try:
        yield
    except AuthError as error:
        raise ProblemError(
            Problem(title="Sign in first", status=401, code="unauthenticated", detail=str(error))
        ) from error
    except httpx.TimeoutException as error:
        raise Unreachable(f"{url} does not answer in time") from error
    except httpx.UnsupportedProtocol as error:
        raise Unreachable(f"{url!r} is no http(s) URL") from error
    except httpx.ConnectError as error:
        raise Unreachable(f"{url} can not be reached: {plain(str(error))}") from error
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise Unreachable(f"{url} broke off: {plain(str(error)) or type(error).__name__}") from error


def decoded[Value](answer: httpx.Response, kind: type[Value]) -> Value:
    """Raises Unreachable: what answers there is no gateway, or one of another time."""
    try:
        return decode(answer.content, kind)
    except msgspec.DecodeError as error:
        asked = f"{answer.request.method} {answer.request.url.path}"
        raise Unreachable(
            f"what answers at {_origin(answer)} is no gateway of this version: {asked} gave {plain(str(error))}"
        ) from error


def problem_of(answer: httpx.Response) -> ProblemError:
    """The problem that an answer carries; one made of its status where it carries none."""
    try:
        problem = decode(answer.content, Problem)
    except msgspec.DecodeError:
        excerpt = plain(" ".join(answer.text.split()))[:_EXCERPT]
        asked = f"{answer.request.method} {answer.request.url.path} at {_origin(answer)}"
        detail = f"{asked} gave {answer.status_code}" + (f": {excerpt}" if excerpt else "")
        problem = Problem(title=plain(answer.reason_phrase) or "Error", status=answer.status_code, detail=detail)
    wait = answer.headers.get("retry-after", "")
    return ProblemError(
        problem,
        request_id=plain(answer.headers.get("x-request-id", "")),
        retry_after=float(wait) if wait.isdecimal() else None,
    )


def _whole(decoder: sse.Decoder, chunk: bytes) -> Iterator[sse.Event]:
    try:
        yield from decoder.feed(chunk)
    except ValueError as error:
        raise Unreachable(f"the gateway's event stream can not be read: {error}") from error


def _origin(answer: httpx.Response) -> str:
    url = answer.request.url
    return f"{url.scheme}://{url.netloc.decode('ascii')}"


def _path(*parts: str) -> str:
    return "/" + "/".join(quote(part, safe="") for part in parts)
