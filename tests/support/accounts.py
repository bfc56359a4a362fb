"""core.ports.Accounts in memory: what the data plane said of each call, and live sessions counted."""

import asyncio

from gateway.core.access import Principal
from gateway.core.ports import Account, Asking
from gateway.core.routes import Endpoint
from gateway.wire.mcp import Era
from gateway.wire.names import AdapterName

PATIENCE = 10.0

type Session = tuple[str, bytes]  # the instance's uid and its own id


class Call:
    """core.ports.Account: one request, and what became of it."""

    __slots__ = ("accounts", "endpoint", "ends", "era", "initialized", "is_stream", "problem", "session")

    def __init__(
        self,
        accounts: "CountingAccounts",
        session: bytes | None,
        endpoint: Endpoint,
        era: Era,
        initialized: bytes | None,
        *,
        is_stream: bool,
    ) -> None:
        self.accounts = accounts
        self.session, self.endpoint, self.era = session, endpoint, era
        self.initialized, self.is_stream = initialized, is_stream
        self.ends: list[tuple[int, int, int]] = []
        self.problem = ""

    @property
    def opened_at(self) -> float:
        return 0.0

    @property
    def series(self) -> "Series":
        return Series(self)

    @property
    def session_id(self) -> str:
        return self.session.decode() if self.session is not None else ""

    def learned(self, session: bytes) -> None:
        self.session = session
        self.accounts.live[self.endpoint.uid, session] = 0

    def ended(self, *, status: int, bytes_in: int, bytes_out: int, problem: str = "") -> None:
        self.ends.append((status, bytes_in, bytes_out))
        self.problem = problem
        self.accounts.under_way -= 1
        if self.accounts.keeps_calls:
            self.accounts.an_end.set()
        if self.session is not None and (self.endpoint.uid, self.session) in self.accounts.live:
            self.accounts.live[self.endpoint.uid, self.session] += 1

    def closed(self) -> None:
        if self.session is not None:
            self.accounts.live.pop((self.endpoint.uid, self.session), None)


class Series:
    """core.ports.Series: calls like this one, of a session that was not ended meanwhile."""

    def __init__(self, call: Call) -> None:
        self._call = call

    def opened(self, asking: Asking, request_id: bytes) -> Account | None:
        call, accounts = self._call, self._call.accounts
        session = call.session
        if session is not None and accounts.is_ended(session, call.endpoint):
            return None
        body = asking.request.body if call.era is Era.MODERN else None
        return accounts.entered(Call(accounts, session, call.endpoint, call.era, body, is_stream=False))


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
        return self.entered(Call(self, session, endpoint, era, body, is_stream=is_stream))

    def entered(self, call: Call) -> Call:
        self.under_way += 1
        if self.keeps_calls:
            self.calls.append(call)
        return call

    def has_room(self, principal: Principal, most: int) -> bool:
        return len(self.live) < most

    def is_ended(self, session: bytes, endpoint: Endpoint) -> bool:
        return (endpoint.uid, session) in self.refused
