"""Handshake-era sessions at /mcp: an id that says all there is to know, and what this replica remembers beside it.

What is remembered (the adapters' own sessions, the open stream) can be lost with no harm but a new handshake with an
adapter. Speaks with no adapter itself.
"""

import secrets
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Final

import msgspec

from gateway.core.access import Principal
from gateway.core.affinity import SESSION_LIFETIME, Binding, Sealer
from gateway.core.routes import TOOLS_PATH
from gateway.toolrouter.links import Link
from gateway.toolrouter.streams import ClientStream
from gateway.wire import mcp
from gateway.wire.names import AdapterName

MOST: Final = 20_000  # sessions that are remembered
MOST_ENDED: Final = 100_000
LONGEST: Final = 6 * 1024  # bytes of what a client said in initialize, which its session id repeats
_UID: Final = "mcp"


class Words(msgspec.Struct, frozen=True, array_like=True):
    """What a session id says. capabilities, client: raw JSON, as the client sent them to initialize."""

    nonce: bytes
    version: str
    capabilities: bytes = b"{}"
    client: bytes = b"{}"


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Words).decode


class Session:
    """One client's session. links: to adapters, by name. calls: which link a request under way went to, by raw id."""

    def __init__(self, words: Words, principal: Principal) -> None:
        self.words, self.principal = words, principal
        self.links: dict[AdapterName, Link] = {}
        self.calls: dict[bytes, Link] = {}
        self.stream: ClientStream | None = None
        self.level: bytes | None = None  # of logging/setLevel, raw

    def end(self) -> None:
        for link in self.links.values():
            link.end()
        self.links.clear()
        if self.stream is not None:
            self.stream.finish()


class Sessions:
    def __init__(self, sealer: Sealer, clock: Callable[[], float] = time.time) -> None:
        self._sealer, self._clock = sealer, clock
        self._by_nonce: OrderedDict[bytes, Session] = OrderedDict()
        self._ended: OrderedDict[bytes, None] = OrderedDict()

    def open(self, version: str, capabilities: bytes, client: bytes, principal: Principal, toolset: str) -> bytes:
        """The id of a new session. Raises ValueError when what it must say is too long for a header."""
        if len(capabilities) + len(client) > LONGEST:
            raise ValueError(f"capabilities and clientInfo have more than {LONGEST} bytes")
        words = Words(secrets.token_bytes(16), version, capabilities, client)
        binding = Binding(_UID, _encode(words), int(self._clock()) + SESSION_LIFETIME)
        self._remember(Session(words, principal))
        return self._sealer.seal(binding, _scope(toolset), principal.id)

    def find(self, sealed: bytes, principal: Principal, toolset: str) -> Session | None:
        """None for an id that was ended here, has expired, or is somebody else's or another toolset's."""
        binding = self._sealer.open(sealed, _scope(toolset), principal.id, now=self._clock())
        if binding is None or binding.uid != _UID:
            return None
        words = _decode(binding.upstream)
        if words.nonce in self._ended:
            return None
        found = self._by_nonce.get(words.nonce)
        if found is None:
            found = Session(words, principal)
            self._remember(found)
        else:
            self._by_nonce.move_to_end(words.nonce)
            found.principal = principal
        return found

    def is_live(self, session: Session) -> bool:
        """Whether one that was found before may go on."""
        return session.words.nonce not in self._ended

    def without_id(self, version: str | None, principal: Principal) -> Session:
        """For clients that never send their id back: all of a principal's are one."""
        words = Words(b"\0" + principal.id.encode(), version or mcp.ASSUMED_VERSION)
        found = self._by_nonce.get(words.nonce)
        if found is None or found.words.version != words.version:
            found = Session(words, principal)
            self._remember(found)
        found.principal = principal
        return found

    def end(self, session: Session) -> None:
        self._by_nonce.pop(session.words.nonce, None)
        self._ended[session.words.nonce] = None
        if len(self._ended) > MOST_ENDED:
            self._ended.popitem(last=False)
        session.end()

    def all(self) -> list[Session]:
        return list(self._by_nonce.values())

    def _remember(self, session: Session) -> None:
        self._by_nonce[session.words.nonce] = session
        if len(self._by_nonce) > MOST:
            _, oldest = self._by_nonce.popitem(last=False)
            oldest.end()


def _scope(toolset: str) -> AdapterName:
    """What sessions are sealed for; no adapter can have such a name."""
    return AdapterName(f"{TOOLS_PATH}/{toolset}")
