"""Handshake-era sessions at /mcp: an id that says all there is to know, and what this replica remembers beside it.

What is remembered (the adapters' own sessions, the open stream) can be lost with no harm but a new handshake with an
adapter. Replicas tell each other which sessions were ended. Speaks with no adapter itself.
"""

import secrets
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable
from typing import Final

import msgspec

from gateway.core.access import Principal
from gateway.core.affinity import SESSION_LIFETIME, Binding, Sealer
from gateway.core.routes import TOOLS_PATH
from gateway.core.sharing import Shared
from gateway.toolrouter.links import Link
from gateway.toolrouter.streams import ClientStream
from gateway.wire import mcp
from gateway.wire.names import AdapterName

ENDED: Final = "ended tool sessions"
MOST: Final = 20_000  # sessions that are remembered
MOST_ENDED: Final = 100_000
LONGEST: Final = 6 * 1024  # bytes of what a client said in initialize, which its session id repeats
_UID: Final = "mcp"
_OVER: Final = b"1"  # all that there is to say of one


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
    """core.sharing.Table of those that were ended here, where there are other replicas."""

    def __init__(self, sealer: Sealer, clock: Callable[[], float] = time.time) -> None:
        self._sealer, self._clock = sealer, clock
        self._by_nonce: OrderedDict[bytes, Session] = OrderedDict()
        self._ended: OrderedDict[bytes, bool] = OrderedDict()  # by nonce; whether that was here
        self._shared: Shared | None = None

    def share(self, shared: Shared) -> None:
        self._shared = shared
        shared.join(ENDED, self, lasts=True)

    def open(self, version: str, capabilities: bytes, client: bytes, principal: Principal, toolset: str) -> bytes:
        """The id of a new session. Raises ValueError when what it must say is too long for a header."""
        if len(capabilities) + len(client) > LONGEST:
            raise ValueError(f"capabilities and clientInfo have more than {LONGEST} bytes")
        words = Words(secrets.token_bytes(16), version, capabilities, client)
        binding = Binding(_UID, _encode(words), int(self._clock()) + SESSION_LIFETIME)
        self._remember(Session(words, principal))
        return self._sealer.seal(binding, _scope(toolset), principal.id)

    def find(self, sealed: bytes, principal: Principal, toolset: str) -> Session | None:
        """None for an id that was ended, has expired, or is somebody else's or another toolset's."""
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
        """Here, and soon at the others: each of them has its own sessions with adapters behind it."""
        nonce = session.words.nonce
        self._is_over(nonce, was_here=True)
        session.end()
        if self._shared is not None:
            self._shared.stir(ENDED, nonce.hex(), at_once=True)

    def all(self) -> list[Session]:
        return list(self._by_nonce.values())

    # core.sharing.Table

    def rows(self) -> Iterable[str]:
        return [nonce.hex() for nonce, was_here in self._ended.items() if was_here]

    def row(self, name: str) -> bytes | None:
        return _OVER if self._ended.get(bytes.fromhex(name)) else None

    def heard(self, replica: str, name: str, value: bytes | None) -> None:  # noqa: ARG002 - whoever ended it
        nonce = bytes.fromhex(name)
        if value is None or nonce in self._ended:
            return
        session = self._by_nonce.get(nonce)
        self._is_over(nonce, was_here=False)
        if session is not None:
            session.end()

    def lost(self, replica: str) -> None:
        """What was ended stays so."""

    def _is_over(self, nonce: bytes, *, was_here: bool) -> None:
        self._by_nonce.pop(nonce, None)
        self._ended[nonce] = was_here
        if len(self._ended) > MOST_ENDED:
            self._ended.popitem(last=False)

    def _remember(self, session: Session) -> None:
        self._by_nonce[session.words.nonce] = session
        if len(self._by_nonce) > MOST:
            _, oldest = self._by_nonce.popitem(last=False)
            oldest.end()


def _scope(toolset: str) -> AdapterName:
    """What sessions are sealed for; no adapter can have such a name."""
    return AdapterName(f"{TOOLS_PATH}/{toolset}")
