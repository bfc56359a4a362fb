"""One live session or group of calls, and one call of it, as plain numbers: cheap enough for every request.

Keeps no list and tells nobody: its ledger does.
"""

import hashlib
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Protocol

from gateway.core.access import Principal
from gateway.core.ports import Asking
from gateway.core.routes import Endpoint
from gateway.services.audit import Recorder
from gateway.services.called import Called, said_by
from gateway.services.client_info import UNKNOWN, ClientInfo, Said, of_modern
from gateway.services.counts import Counts
from gateway.services.pace import Pace
from gateway.services.traffic_secrets import sentence
from gateway.wire.mcp import Era
from gateway.wire.names import AdapterName
from gateway.wire.resources import LiveSession

type Key = tuple[bytes, str] | tuple[str, str, ClientInfo, Era]


class Live:
    """One session or group under way. Times are seconds since the epoch."""

    __slots__ = (
        "adapter", "bytes_in", "bytes_out", "calls", "client", "endpoint", "era", "errors", "id", "in_flight",
        "is_dirty", "is_kept", "key", "last_error", "last_error_at", "opened_at", "pace", "principal", "session",
        "streams", "under_way", "used_at",
    )  # fmt: skip

    def __init__(
        self, key: Key, adapter: AdapterName, endpoint: Endpoint, *, principal: Principal, era: Era,
        session: bytes | None, client: ClientInfo, now: float,
    ) -> None:  # fmt: skip
        self.key, self.id = key, _digest(key)
        self.adapter, self.endpoint, self.principal, self.era = adapter, endpoint, principal, era
        self.session, self.client = session, client
        self.opened_at = self.used_at = now
        self.calls = self.in_flight = self.streams = self.errors = self.bytes_in = self.bytes_out = 0
        self.is_dirty = False
        self.is_kept = True  # by its ledger, which takes this back when it lets go of it
        self.pace = Pace()
        self.under_way: dict[Call, None] = {}  # the oldest first
        self.last_error, self.last_error_at = "", 0.0

    def is_idle(self, now: float, seconds: float) -> bool:
        return not self.in_flight and not self.streams and now - self.used_at > seconds

    def count(self, more: Counts) -> None:
        """What somebody else has counted of it."""
        self.calls += more.calls
        self.in_flight += more.in_flight
        self.streams += more.streams
        self.errors += more.errors
        self.bytes_in += more.bytes_in
        self.bytes_out += more.bytes_out

    def failed(self, now: float, told: str) -> None:
        self.errors += 1
        self.last_error, self.last_error_at = told, now

    def shown(self, now: float) -> LiveSession:
        oldest = next(iter(self.under_way), None)
        return LiveSession(
            id=self.id,
            adapter=self.adapter,
            instance=self.endpoint.instance,
            era=self.era,
            principal=self.principal.id,
            principal_name=self.principal.name,
            client_name=self.client.name,
            client_version=self.client.version,
            protocol_version=self.client.protocol,
            opened_at=datetime.fromtimestamp(self.opened_at, UTC),
            last_used_at=datetime.fromtimestamp(self.used_at, UTC),
            calls=self.calls,
            in_flight=self.in_flight,
            streams=self.streams,
            errors=self.errors,
            bytes_in=self.bytes_in,
            bytes_out=self.bytes_out,
            rate=round(self.pace.rate(now), 4),
            p95=self.pace.p95(),
            last_error=self.last_error,
            last_error_at=datetime.fromtimestamp(self.last_error_at, UTC) if self.last_error_at else None,
            oldest_call_at=datetime.fromtimestamp(oldest.opened_at, UTC) if oldest is not None else None,
        )


class Ledger(Protocol):
    """What calls are entered in: see `sessions`."""

    audit: Recorder | None
    clock: Callable[[], float]

    def session(
        self, session: bytes, adapter: AdapterName, endpoint: Endpoint, principal: Principal, era: Era,
        client: ClientInfo, now: float,
    ) -> "Live": ...  # fmt: skip

    def group(
        self, adapter: AdapterName, endpoint: Endpoint, principal: Principal, era: Era, client: ClientInfo, now: float
    ) -> "Live": ...

    def touch(self, live: "Live") -> None: ...

    def closed(self, live: "Live") -> None: ...

    def settled(self, call: "Call") -> None:
        """Whose it is, is known."""


class Series:
    """core.ports.Series. `live` is None until a session id is known, and for a call that never gets one."""

    __slots__ = ("adapter", "client", "endpoint", "era", "live", "owner", "principal", "said")

    def __init__(
        self, owner: Ledger, live: Live | None, adapter: AdapterName, endpoint: Endpoint, principal: Principal,
        era: Era, client: ClientInfo,
    ) -> None:  # fmt: skip
        self.owner, self.live, self.adapter, self.endpoint = owner, live, adapter, endpoint
        self.principal, self.era, self.client = principal, era, client
        self.said: Said | None = None

    def opened(self, asking: Asking, request_id: bytes) -> "Call | None":
        live = self.live
        if live is None or not live.is_kept:
            return None
        if live.session is None:
            if not self._is_said_again(asking.request.body):
                return None
            live.endpoint = self.endpoint
        return Call(self, False, self.owner.clock(), asking, request_id)

    def _is_said_again(self, body: bytes) -> bool:
        """Whether it is the same program that calls. How it says so is learned from the second call."""
        if self.said is not None:
            return self.said.again(body)
        if self.client is UNKNOWN or of_modern(body) != self.client:
            return False
        self.said = Said.of(body)
        return True


class Call:
    """core.ports.Account."""

    __slots__ = ("_asking", "_is_stream", "_live", "_request_id", "opened_at", "series")

    def __init__(self, series: Series, is_stream: bool, now: float, asking: Asking | None, request_id: bytes) -> None:
        self.series, self.opened_at, self._is_stream = series, now, is_stream
        self._asking, self._request_id = asking, request_id
        self._live = live = series.live
        if live is not None:
            self._begin(live)

    @property
    def session_id(self) -> str:
        return self._live.id if self._live is not None else ""

    def _begin(self, live: Live) -> None:
        live.used_at = self.opened_at
        if self._is_stream:
            live.streams += 1
        else:
            live.in_flight += 1
            live.under_way[self] = None
        if not live.is_dirty:
            self.series.owner.touch(live)

    def waits(self) -> None:
        """Nobody knows yet whether there will be a session: shown as calls without one are, so that it is seen."""
        if self._live is None:
            self._without_session(self.opened_at)

    def learned(self, session: bytes) -> None:
        it, group = self.series, self._live
        it.owner.settled(self)
        if group is not None and group.session is None:
            self._leaves(group)
        if self._live is None:
            self._live = it.live = it.owner.session(
                session, it.adapter, it.endpoint, it.principal, it.era, it.client, self.opened_at
            )
            self._begin(self._live)

    def _leaves(self, group: Live) -> None:
        self._live = None
        group.in_flight -= 1
        del group.under_way[self]
        if group.calls or group.in_flight or group.streams:
            self.series.owner.touch(group)
        else:
            self.series.owner.closed(group)

    def ended(self, *, status: int, bytes_in: int, bytes_out: int, problem: str = "") -> None:
        owner, live = self.series.owner, self._live
        now = owner.clock()
        if live is None:
            owner.settled(self)
            live = self._without_session(now)
        if self._is_stream:
            live.streams -= 1
        else:
            live.in_flight -= 1
            live.calls += 1
            del live.under_way[self]
            durations = live.pace.waiting
            durations.append(now - self.opened_at)
            if len(durations) >= Pace.MANY:
                live.pace.fold()
        if problem or status >= 400 or status == 0:
            self._failed(live, now, status, problem)
        live.bytes_in += bytes_in
        live.bytes_out += bytes_out
        live.used_at = now
        if not live.is_dirty:
            owner.touch(live)
        if owner.audit is not None:
            owner.audit.record(self._called(status, bytes_in, bytes_out, now))

    def closed(self) -> None:
        if self._live is not None and self._live.session is not None:
            self.series.owner.closed(self._live)

    def _without_session(self, now: float) -> Live:
        """Its server has none."""
        it = self.series
        self._live = live = it.owner.group(it.adapter, it.endpoint, it.principal, it.era, it.client, now)
        self._begin(live)
        return live

    def _failed(self, live: Live, now: float, status: int, problem: str) -> None:
        if problem:
            live.failed(now, sentence(problem))
        elif status >= 400:
            live.failed(now, f"HTTP {status}")
        elif not self._is_stream:
            live.failed(now, "no answer: it broke off, or its client left")

    def _called(self, status: int, bytes_in: int, bytes_out: int, now: float) -> Called:
        asking, it = self._asking, self.series
        return Called(
            action="mcp.stream" if self._is_stream else "mcp.call",
            opened_at=self.opened_at,
            ended_at=now,
            principal=it.principal,
            target=it.adapter,
            instance=it.endpoint.instance,
            verb=asking.request.method if asking is not None else "",
            said=said_by(asking.request) if asking is not None else b"",
            status=status,
            bytes_in=bytes_in,
            bytes_out=bytes_out,
            request_id=self._request_id,
            peer=asking.peer if asking is not None else "",
        )


def _digest(key: Key) -> str:
    """The same on every replica; says nothing of the id that the client holds."""
    if isinstance(key[0], bytes):
        said = b"\0".join((key[0], str(key[1]).encode()))
    else:
        said = "\0".join(map(str, key)).encode(errors="surrogatepass")
    return hashlib.blake2s(said, person=b"session", digest_size=8).hexdigest()
