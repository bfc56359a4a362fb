"""The sessions held here with one adapter of the handshake era, each for one principal and what its client can do."""

import itertools
from collections.abc import Callable, Sequence
from typing import Final

from msgspec import Raw

from gateway.bridge import older, words
from gateway.bridge.declared import Declared
from gateway.bridge.legacy_server import LegacyServer
from gateway.bridge.legacy_session import Connect, Identity
from gateway.bridge.modern_call import PARK_SECONDS, Parked, digest_of, refuse_state
from gateway.bridge.sides import Answer, Header
from gateway.core import render
from gateway.core.access import Principal
from gateway.core.errors import TooManyRequests
from gateway.wire import envelope, jsonrpc, mcp
from gateway.wire.names import PrincipalId
from gateway.wire.validation import ModernRequest

IDLE_TICKS: Final = 60  # five minutes without a request or a listener
MOST_OF_ONE: Final = (
    32  # sessions of one principal with one adapter: as many as it has clients that can do different things
)
_NO_NAME: Final = Raw(b"null")
_INFO: Final = ("name", "title", "version")

type Seal = Callable[[Parked, PrincipalId], bytes]
type ConnectAs = Callable[[Principal], Connect]


class LegacyServers:
    """connect: to an instance, as somebody. most_parked: calls of one principal, 0 for any; the oldest makes room.

    home: this replica's address; "" where there is but one.

    clock: seconds since the epoch. Whose roles change gets another session: the server is told of them as it opens one.
    """

    def __init__(
        self,
        adapter: str,
        connect: ConnectAs,
        seal: Seal,
        *,
        home: str,
        clock: Callable[[], float],
        most_parked: int = 0,
    ) -> None:
        self._adapter, self._connect, self._seal = adapter, connect, seal
        self._home, self._clock, self._most_parked = home, clock, most_parked
        self._declared = Declared()
        self._numbers = itertools.count(1)
        self._by_identity: dict[tuple[Principal, Identity], int] = {}
        self._servers: dict[int, LegacyServer] = {}

    def __len__(self) -> int:
        return len(self._servers)

    def is_mirrored(self, request: ModernRequest, headers: Sequence[Header], answer: Answer) -> bool:
        """Whether a call's `Mcp-Param-*` headers agree with its arguments; otherwise it is answered here."""
        name = envelope.text(request.params.name or _NO_NAME) if request.method == "tools/call" else None
        problem = None if name is None else self._declared.mismatch(name, request.params.arguments, headers)
        if problem is not None:
            status = mcp.HTTP_STATUS_OF_CODE[mcp.HEADER_MISMATCH]
            answer.final(jsonrpc.error(request.raw_id, mcp.HEADER_MISMATCH, problem), status)
        return problem is None

    def request(self, principal: Principal, request: ModernRequest, answer: Answer) -> None:
        """A sound request without a requestState."""
        identity = _identity_of(request)
        number = self._by_identity.get((principal, identity))
        if number is None:
            if sum(who.id == principal.id for who, _ in self._by_identity) >= MOST_OF_ONE:
                error = TooManyRequests(
                    f"{MOST_OF_ONE} sessions with adapter '{self._adapter}' are open for you", retry=300
                )
                answer.final(render.as_jsonrpc(error, request.raw_id), error.status)
                return
            number = self._open(principal, identity)
        self._servers[number].request(request, answer)

    def resume(self, principal: Principal, request: ModernRequest, answer: Answer, parked: Parked) -> None:
        """The same with a requestState that this replica sealed for this principal."""
        if parked.call:
            server = self._servers.get(parked.session)
            if server is None:
                refuse_state(request, answer)
            else:
                server.resume(request, answer, parked)
        elif parked.digest != digest_of(request):
            refuse_state(request, answer)
        elif (action := _unaccepted(request)) is not None:
            sentence = f"adapter '{self._adapter}' wants URLs visited first, and the answer to that was {action!r}"
            answer.final(envelope.own_error(request.raw_id, jsonrpc.INTERNAL_ERROR, sentence, "declined"))
        else:
            self.request(principal, request, answer)

    def tick(self) -> None:
        """Every `guest.TICK` seconds."""
        for (principal, identity), number in tuple(self._by_identity.items()):
            server = self._servers[number]
            server.tick()
            if server.ticks >= IDLE_TICKS:
                del self._by_identity[principal, identity], self._servers[number]
                server.end()

    def end(self) -> None:
        servers, self._servers = self._servers, {}
        self._by_identity.clear()
        for server in servers.values():
            server.end()

    def _make_room(self, who: PrincipalId) -> None:
        """For one more parked call: the one that has waited longest ends, as if its client had not come back."""
        if not self._most_parked:
            return
        servers = [self._servers[number] for (principal, _), number in self._by_identity.items() if principal.id == who]
        parked = [(call, server) for server in servers for call in server.parked]
        if len(parked) >= self._most_parked:
            call, server = min(parked, key=lambda each: each[0].parked_at)
            server.displace(call)

    def _open(self, principal: Principal, identity: Identity) -> int:
        number = self._by_identity[principal, identity] = next(self._numbers)

        def park(call: int, round: int, digest: bytes) -> bytes:  # noqa: A002 - MRTR's word
            if call:
                self._make_room(principal.id)
            expires_at = int(self._clock()) + PARK_SECONDS
            parked = Parked(
                home=self._home if call else "",
                session=number,
                call=call,
                round=round,
                digest=digest,
                expires_at=expires_at,
            )
            return self._seal(parked, principal.id)

        self._servers[number] = LegacyServer(self._adapter, identity, self._connect(principal), self._declared, park)
        return number


def _identity_of(request: ModernRequest) -> Identity:
    """As whom to open a session: what the client can do and who it says it is, in one fixed order."""
    meta = envelope.members(envelope.members(request.message.get("params")).get("_meta"))
    info = envelope.members(meta.get(mcp.META_CLIENT_INFO))
    named = {"name": Raw(b'"unnamed"'), "version": Raw(b'"unknown"')} | {key: info[key] for key in _INFO if key in info}
    capabilities = envelope.members(older.client_capabilities(request.meta.capabilities))
    return Identity(words.dumped(capabilities.items()), words.dumped(named.items()))


def _unaccepted(request: ModernRequest) -> str | None:
    """What the user said to a URL, if it was not yes."""
    responses = envelope.members(envelope.members(request.message.get("params")).get("inputResponses"))
    actions = [envelope.text(envelope.members(each).get("action", Raw(b'""'))) for each in responses.values()]
    return next((action or "nothing" for action in actions if action != "accept"), None)
