"""Handshake-era sessions: opened with a child of their own or a share of one, looked up by id, ended when they rest.

Opening may wait for a process and for its answer to `initialize`, so it is a task; all that follows is callbacks.
"""

import asyncio
import secrets
from collections.abc import Callable
from enum import StrEnum
from typing import Final

import msgspec

from gateway.wire import envelope, jsonrpc, mcp
from gateway.wire.envelope import Message
from gateway.wire.mcp import Era
from gateway.wire.replies import Reply
from sidecar.bridge.calls import TICK
from sidecar.bridge.legacy import RESTED, LegacyBridge, Session
from sidecar.child import CannotStart, Child
from sidecar.household import Household, Timeouts
from sidecar.logs import Log

_NEVER_INITIALIZES: Final = (mcp.UNSUPPORTED_VERSION, jsonrpc.METHOD_NOT_FOUND, jsonrpc.INVALID_REQUEST)
_ID_BYTES: Final = 16


class Isolation(StrEnum):
    """Whether sessions have a process each, or share one."""

    PROCESS = "process"
    SHARED = "shared"


class _Home(msgspec.Struct):
    """A child and the session it was initialized for; `answer` is what it said to that."""

    child: Child
    bridge: LegacyBridge
    first: Session
    answer: Message


class _Declined(msgspec.Struct, frozen=True):
    """No session: the error's code and sentence, or the server's own error in `answer`."""

    status: int
    code: int = jsonrpc.INTERNAL_ERROR
    sentence: str = ""
    data: dict[str, object] = {}
    answer: Message | None = None

    def body(self, raw_id: bytes) -> bytes:
        if self.answer is not None:
            return envelope.line(self.answer | {"id": msgspec.Raw(raw_id)})
        return envelope.own_error(raw_id, self.code, self.sentence, "no-session", **self.data)


class Sessions:
    """modern_versions: what to name to clients of a server that speaks these only."""

    def __init__(
        self,
        household: Household,
        log: Log,
        *,
        tasks: asyncio.TaskGroup,
        timeouts: Timeouts,
        isolation: Isolation,
        limit: int,
        name: str,
        modern_versions: Callable[[], tuple[str, ...]],
    ) -> None:
        self._household, self._log, self._tasks, self._timeouts = household, log, tasks, timeouts
        self._isolation, self._limit, self._name, self._modern_versions = isolation, limit, name, modern_versions
        self._by_id: dict[bytes, Session] = {}
        self._children: dict[LegacyBridge, Child] = {}
        self._opening = 0
        self._common: asyncio.Task[_Home | _Declined] | None = None
        self._is_refused = False  # the server said that it will never take the handshake

    def find(self, session_id: bytes) -> Session | None:
        return self._by_id.get(session_id)

    @property
    def under_way(self) -> int:
        return sum(len(session.calls) for session in self._by_id.values()) + self._opening

    @property
    def have_rested(self) -> bool:
        """Whether nobody has called in any of them for a while; who only listens may begin anew elsewhere."""
        return all(session.ticks >= RESTED for session in self._by_id.values())

    @property
    def is_refused(self) -> bool:
        return self._is_refused

    def open(self, message: Message, reply: Reply) -> None:
        """`initialize`."""
        raw_id = envelope.raw_id(message) or b"null"
        if len(self._by_id) + self._opening >= self._limit:
            full = _Declined(503, sentence=f"{self._name} has {self._limit} sessions already, which is its limit")
            reply.headers = ((b"retry-after", b"10"),)
            reply.final(full.body(raw_id), full.status)
        elif self._is_refused:
            refused = self._only_modern(message)
            reply.final(refused.body(raw_id), refused.status)
        else:
            self._opening += 1
            self._tasks.create_task(self._open(message, raw_id, reply), name="open a session")

    def end(self, session: Session, reason: str) -> None:
        """The client is done, or gone. A child of its own goes with it."""
        self._by_id.pop(session.id, None)
        session.bridge.end(session, reason)
        child = self._children.get(session.bridge)
        if child is not None and self._isolation is Isolation.PROCESS:
            self._household.retire(child)

    def end_all(self, reason: str) -> None:
        for session in tuple(self._by_id.values()):
            self.end(session, reason)

    def finish_streams(self) -> None:
        """The GET streams, which have no end of their own."""
        for session in self._by_id.values():
            if session.stream is not None:
                session.stream.finish()

    def tick(self) -> None:
        """Every `calls.TICK` seconds."""
        for bridge in tuple(self._children):
            bridge.tick()
        idle = self._timeouts.idle / TICK
        for session in tuple(self._by_id.values()):
            if idle and session.ticks >= idle and not session.is_busy:
                self._log.say(f"a session of {self._name} rested for {self._timeouts.idle:g} s and is ended")
                self.end(session, "the session rested for too long")

    # opening

    async def _open(self, message: Message, raw_id: bytes, reply: Reply) -> None:
        try:
            home = await (self._share(message) if self._isolation is Isolation.SHARED else self._settle_in(message))
        finally:
            self._opening -= 1
        if isinstance(home, _Declined):
            reply.final(home.body(raw_id), home.status)
        elif reply.is_open:
            self._admit(home, raw_id, reply)
        elif self._isolation is Isolation.PROCESS:  # the client did not wait
            self._household.retire(home.child)

    def _admit(self, home: _Home, raw_id: bytes, reply: Reply) -> None:
        session = home.first
        if self._isolation is Isolation.SHARED:
            session = Session(_new_id(), home.bridge)
            home.bridge.sessions.append(session)
        result = envelope.members(home.answer["result"])
        session.version = envelope.text(result.get("protocolVersion", b"")) or mcp.ASSUMED_VERSION
        self._by_id[session.id] = session
        reply.headers = ((mcp.SESSION_HEADER, session.id),)
        reply.final(envelope.line(home.answer | {"id": msgspec.Raw(raw_id)}))

    async def _share(self, message: Message) -> _Home | _Declined:
        """The one child of all, initialized as its first client asked."""
        if self._common is None:
            self._common = self._tasks.create_task(self._settle_in(message), name="start the shared server")
        common = self._common
        home = await asyncio.shield(common)
        if isinstance(home, _Declined):
            if self._common is common:
                self._common = None
        elif home.first in home.bridge.sessions:
            home.bridge.sessions.remove(home.first)  # it stood for whoever would come
        return home

    async def _settle_in(self, message: Message) -> _Home | _Declined:
        """A child, initialized with this client's own message."""
        try:
            child = await self._household.take()
        except CannotStart as problem:
            return _Declined(502, sentence=str(problem))
        pause = _pause(child) if self._isolation is Isolation.PROCESS else None
        bridge = LegacyBridge(child.send, self._log.say, pause=pause, call_ticks=int(self._timeouts.call / TICK))
        session = Session(_new_id(), bridge)
        bridge.sessions.append(session)
        answered: asyncio.Future[Message] = asyncio.get_running_loop().create_future()
        child.listener = _Resident(self, bridge)
        self._children[bridge] = child
        bridge.request(session, dict(message), None, settle=_once(answered))
        try:
            async with asyncio.timeout(self._timeouts.start):
                answer = await answered
        except TimeoutError:
            self._household.retire(child)
            seconds = self._timeouts.start
            return _Declined(504, sentence=f"{self._name} did not answer initialize within {seconds:g} s")
        if "result" in answer:
            return _Home(child, bridge, session, answer)
        if not child.ended.is_set():
            self._household.retire(child)
        return self._declined(message, answer, child)

    def _declined(self, message: Message, answer: Message, child: Child) -> _Declined:
        if child.ended.is_set():
            return _Declined(502, answer=answer)
        if self._household.era is Era.MODERN and envelope.error_code(answer) in _NEVER_INITIALIZES:
            self._is_refused = True
            self._log.say(f"{self._name} takes no handshake: it speaks {', '.join(self._modern_versions())} only")
            return self._only_modern(message)
        return _Declined(200, answer=answer)

    def _only_modern(self, message: Message) -> _Declined:
        asked = envelope.text(envelope.members(message.get("params")).get("protocolVersion", b"")) or "none"
        spoken = self._modern_versions()
        sentence = f"{self._name} speaks MCP {', '.join(spoken)} only; this client asked for {asked}"
        data: dict[str, object] = {"supported": spoken, "requested": asked}
        return _Declined(400, code=mcp.UNSUPPORTED_VERSION, sentence=sentence, data=data)

    def moved_out(self, bridge: LegacyBridge) -> None:
        """Its child is gone, and with it every session that it had: they are unknown from now on."""
        self._children.pop(bridge, None)
        for session in [session for session in self._by_id.values() if session.bridge is bridge]:
            del self._by_id[session.id]
        if self._isolation is Isolation.SHARED:
            self._common = None


class _Resident:
    """Listens to a child that has sessions."""

    def __init__(self, sessions: Sessions, bridge: LegacyBridge) -> None:
        self._sessions, self._bridge = sessions, bridge

    def received(self, line: bytes) -> None:
        self._bridge.received(line)

    def lost(self, reason: str) -> None:
        self._sessions.moved_out(self._bridge)
        self._bridge.lost(reason)


def _pause(child: Child) -> Callable[[bool], None]:
    return lambda is_paused: child.pause() if is_paused else child.resume()


def _new_id() -> bytes:
    return secrets.token_hex(_ID_BYTES).encode()


def _once(answered: asyncio.Future[Message]) -> Callable[[Message], None]:
    """Settles it, unless it was given up meanwhile."""
    return lambda answer: None if answered.done() else answered.set_result(answer)
