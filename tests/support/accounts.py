"""core.ports.Accounts in memory: what the data plane said of each call, and live sessions counted."""

import asyncio

from gateway.core.access import Principal
from gateway.core.ports import Asking
from gateway.core.routes import Endpoint
from gateway.wire.mcp import Era
from gateway.wire.names import AdapterName

PATIENCE = 10.0

type Session = tuple[str, bytes]  # the instance's uid and its own id


class Call:
    """core.ports.Account: one request, and what became of it."""

    __slots__ = ("_accounts", "endpoint", "ends", "era", "initialized", "is_stream", "session")

    def __init__(
        self,
        accounts: "CountingAccounts",
        session: bytes | None,
        endpoint: Endpoint,
        era: Era,
        initialized: bytes | None,
        is_stream: bool,
    ) -> None:
        self._accounts = accounts
        self.session, self.endpoint, self.era = session, endpoint, era
        self.initialized, self.is_stream = initialized, is_stream
        self.ends: list[tuple[int, int, int]] = []

    @property
    def opened_at(self) -> float:
        return 0.0

    @property
    def session_id(self) -> str:
        return self.session.decode() if self.session is not None else ""

    def learned(self, session: bytes) -> None:
        self.session = session
        self._accounts.live[self.endpoint.uid, session] = 0

    def ended(self, *, status: int, bytes_in: int, bytes_out: int, problem: str = "") -> None:
        self.ends.append((status, bytes_in, bytes_out))
        self._accounts.under_way -= 1
        if self._accounts.keeps_calls:
            self._accounts.an_end.set()
        if self.session is not None and (self.endpoint.uid, self.session) in self._accounts.live:
            self._accounts.live[self.endpoint.uid, self.session] += 1

    def closed(self) -> None:
        if self.session is not None:
            self._accounts.live.pop((self.endpoint.uid, self.session), None)


class CountingAccounts:
    """`live`: calls by session. `refused`: sessions that were ended here. calls are kept only where asked."""

    def __init__(self, *, keeps_calls: bool = False) -> None:
        self.live: dict[Session, int] = {}
        self.refused: set[Session] = set()
        self.calls: list[Call] = []
        self.keeps_calls = keeps_calls
        self.under_way = 0
        self.an_end = asyncio.Event()

    async def all_ended(self) -> None:
        """Returns once no call is under way."""
        async with asyncio.timeout(PATIENCE):
            while self.under_way:
                self.an_end.clear()
                await self.an_end.wait()

    def opened(
        self,
        session: bytes | None,
        adapter: AdapterName,
        endpoint: Endpoint,
        principal: Principal,
        era: Era,
        body: bytes | None,
        *,
        asking: Asking | None = None,
        request_id: bytes = b"",
        is_stream: bool = False,
    ) -> Call:
        call = Call(self, session, endpoint, era, body, is_stream)
        self.under_way += 1
        if self.keeps_calls:
            self.calls.append(call)
        return call

    def has_room(self, principal: Principal, most: int) -> bool:
        return len(self.live) < most

    def is_ended(self, session: bytes, endpoint: Endpoint) -> bool:
        return (endpoint.uid, session) in self.refused
