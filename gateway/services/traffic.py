"""MCP traffic for who watches it, and for who looks at it later: which exchanges are listened to, and who hears them.

While nobody watches and no adapter records, the data plane has no tap at all. Reads no message itself.
"""

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from contextlib import suppress
from typing import Final

from gateway.core.access import Ownership, Principal, may_read, may_write
from gateway.core.errors import Forbidden, NotFound
from gateway.core.observed import Observed
from gateway.core.overhearing import Listener, Talk, Tapped
from gateway.core.recordings import InMemory, Recordings
from gateway.core.routes import Routes
from gateway.core.sharing import Shared
from gateway.services.entries import Audience, chunked
from gateway.services.recorders import Recorders
from gateway.services.sessions import Sessions
from gateway.services.traffic_elsewhere import MOST_AT_ONCE, MOST_BYTES, TrafficElsewhere
from gateway.services.traffic_exchange import Heard, Overheard
from gateway.services.traffic_pairing import Conversation, States
from gateway.services.traffic_readers import Reader, Wish, event
from gateway.wire import sse
from gateway.wire.names import AdapterName
from gateway.wire.traffic import RecordingStatus

KEEP_ALIVE: Final = 15.0  # seconds between comments on a silent stream
LAST_WORDS: Final = 0.5  # seconds in which a session that has ended may still say something
CONVERSATIONS: Final = 10_000


class Traffic:
    """core.overhearing.Tap. Give `observed` to the reconciler as a listener, and to `join` where messages pass."""

    def __init__(
        self,
        routes: Routes,
        sessions: Sessions,
        *,
        recordings: Recordings | None = None,
        clock: Callable[[], float] = time.time,
        keep_alive: float = KEEP_ALIVE,
    ) -> None:
        """recordings: where they lie at rest."""
        self.clock, self.states = clock, States()
        self._routes, self._sessions, self._keep_alive = routes, sessions, keep_alive
        self._plane: Tapped | None = None
        self._readers: set[Reader] = set()
        self._conversations: dict[str, Conversation] = {}
        self._whole: frozenset[AdapterName] = frozenset()  # all of whose exchanges are wanted
        self._some: frozenset[AdapterName] = frozenset()  # of which some sessions are
        self._watched: frozenset[str] = frozenset()  # those sessions
        self.on_turn: Callable[[], None] = _nothing  # is told when other adapters are listened to
        self._recordings = recordings or InMemory()
        self._recorders = Recorders(self._recordings)
        self._number, self._stamp = self._recordings.first, self._recordings.stamp
        self._reserved = self._recordings.reserve(self._number)
        sessions.on_drop = self._dropped
        self._elsewhere: TrafficElsewhere | None = None

    def share(self, shared: Shared) -> None:
        """There are other replicas: what passes through them can be watched here as well."""
        self._elsewhere = TrafficElsewhere(shared, self)
        self._recorders.share(shared)

    @property
    def listened(self) -> frozenset[AdapterName]:
        """Adapters of whose exchanges some at least are wanted."""
        return self._whole | self._some

    @property
    def readers(self) -> int:
        return len(self._readers)

    def join(self, plane: Tapped) -> None:
        self._plane = plane
        self._turn()

    # core.overhearing.Tap

    def listen(self, talk: Talk) -> Listener | None:
        """A session that is not known yet may turn out to be one that is watched."""
        is_watched = talk.adapter in self._some and talk.account.session_id in self._watched
        return Overheard(self, talk) if is_watched or talk.adapter in self._whole else None

    # traffic_exchange.Desk

    def number(self) -> int:
        self._number += 1
        if self._number >= self._reserved:
            self._reserved = self._recordings.reserve(self._number)
        return self._number

    def conversation(self, session: str) -> Conversation:
        found = self._conversations.get(session)
        if found is None:
            if len(self._conversations) >= CONVERSATIONS:
                del self._conversations[next(iter(self._conversations))]
            found = self._conversations[session] = Conversation()
        return found

    def tell(self, heard: Heard) -> None:
        for reader in self._readers:
            if reader.wish.takes(heard.message):
                reader.put(heard)
        self._recorders.take(heard)

    # traffic_elsewhere.Desk

    def admit(self, reader: Reader) -> None:
        self._readers.add(reader)
        self._turn()

    def dismiss(self, reader: Reader) -> None:
        self._readers.discard(reader)
        self._turn()

    def events(self, reader: Reader) -> list[bytes]:
        found, size = [], 0
        for each in reader.taken(self._stamp):
            found.append(each)
            size += len(each)
            if len(found) >= MOST_AT_ONCE or size >= MOST_BYTES:
                break
        return found

    # Those who watch

    def of_session(
        self, principal: Principal, session_id: str, *, reveals: bool = False, last_event_id: str = ""
    ) -> AsyncGenerator[bytes]:
        """From now on, until the session ends; as events. Its user may, and who may change its adapter.

        reveals: secrets are not hidden, for the latter alone. last_event_id: where the adapter records, what came after
        it comes first. Raises NotFound, Forbidden.
        """
        live = self._sessions.one(principal, session_id)
        wish = Wish(AdapterName(live.adapter), session=session_id, reveals=reveals)
        return self._watched_by(principal, wish, live.principal, last_event_id)

    def of_adapter(
        self, principal: Principal, adapter: AdapterName, *, reveals: bool = False, last_event_id: str = ""
    ) -> AsyncGenerator[bytes]:
        """The same of all sessions of an adapter; of one's own, for who may not change it."""
        user = "" if may_write(principal, self._ownership(adapter)) else principal.id
        return self._watched_by(principal, Wish(adapter, principal=user, reveals=reveals), user, last_event_id)

    def of_all(self, principal: Principal, *, last_event_id: str = "") -> AsyncGenerator[bytes]:
        """The same of all adapters that one may read, those that come meanwhile as well. Secrets are hidden."""
        return self._follow(Reader(self._all_of(principal)), lambda: True, last_event_id, principal)

    async def recording(self, principal: Principal, adapter: AdapterName, *, session: str = "") -> AsyncIterator[bytes]:
        """What is recorded, by time: a TrafficMessage a line. Raises Forbidden, NotFound where nothing is."""
        self._recorded(principal, adapter)
        await self._recorders.recall((adapter,))
        return self._recorders.everywhere(adapter, session)

    async def recording_status(self, principal: Principal, adapter: AdapterName) -> RecordingStatus:
        """How much is recorded, and where. Raises the same."""
        self._recorded(principal, adapter)
        return RecordingStatus(adapter=adapter, parts=await self._recorders.parts(adapter))

    def observed(self, adapters: Mapping[AdapterName, Observed]) -> None:
        """What there is has changed, and perhaps which adapters are to record."""
        self._recorders.follow(
            {name: route for name, route in self._routes.table.routes.items() if route.recording.enabled}
        )
        for reader in self._readers:
            if not reader.wish.adapter:
                reader.wake.set()  # it may be others now that one may read
            elif reader.wish.adapter not in adapters:
                reader.close(f"adapter '{reader.wish.adapter}' is gone")
        self._turn()

    def close(self) -> None:
        """Every stream ends."""
        for reader in self._readers:
            reader.close("the gateway stops")

    def _watched_by(self, principal: Principal, wish: Wish, user: str, last_event_id: str) -> AsyncGenerator[bytes]:
        """user: whose traffic it is; "" where it is everybody's."""
        if wish.reveals and not may_write(principal, self._ownership(wish.adapter)):
            raise Forbidden("secrets in traffic are shown to those alone who may change the adapter")

        def may() -> bool:
            route = self._routes.table.routes.get(wish.adapter)
            if route is None:
                return False
            is_writer = may_write(principal, route.ownership)
            return is_writer or (bool(user) and not wish.reveals and Audience(route.ownership, user).admits(principal))

        return self._follow(Reader(wish), may, last_event_id)

    def _all_of(self, principal: Principal) -> Wish:
        routes = self._routes.table.routes.items()
        whole = frozenset(name for name, route in routes if may_write(principal, route.ownership))
        own = frozenset(name for name, route in routes if may_read(principal, route.ownership)) - whole
        return Wish(AdapterName(""), principal=principal.id, whole=whole, own=own)

    async def _follow(
        self, reader: Reader, may: Callable[[], bool], last_event_id: str, everything_of: Principal | None = None
    ) -> AsyncGenerator[bytes]:
        """everything_of: who watches all that they may read, whatever that is at the time."""
        await self._recorders.recall(reader.wish.adapters)
        # No await between here and the admission: nothing comes twice, or not at all.
        past = self._recorders.past(reader.wish, last_event_id)
        self.admit(reader)
        stop = self._watch_elsewhere(reader)
        try:
            yield sse.comment("mcpdeck traffic")
            for chunk in chunked(event(self._stamp, each.number, each.line) for each in past):
                yield chunk
            while True:
                reader.wake.clear()
                if everything_of is not None and (wish := self._all_of(everything_of)) != reader.wish:
                    reader.wish = wish
                    self._turn()
                if not may():
                    reader.shut("you may not watch this any longer")
                for chunk in chunked(reader.taken(self._stamp)):
                    yield chunk
                if reader.end:
                    yield reader.last()
                    return
                if not await self._is_woken(reader):
                    yield sse.comment()
        finally:
            stop()
            self.dismiss(reader)

    def _watch_elsewhere(self, reader: Reader) -> Callable[[], None]:
        if self._elsewhere is None:
            return _nothing
        session = reader.wish.session
        return self._elsewhere.begin(reader, lambda: not session or self._sessions.is_known(session))

    async def _is_woken(self, reader: Reader) -> bool:
        with suppress(TimeoutError):
            async with asyncio.timeout(self._keep_alive):
                return await reader.wake.wait()
        return False

    def _dropped(self, session_id: str) -> None:
        """A session is gone. Who watches it hears its last words."""
        self._conversations.pop(session_id, None)
        if self._sessions.replicas(session_id):  # it goes on there
            return
        leaving = [reader for reader in self._readers if reader.wish.session == session_id]
        if leaving:
            asyncio.get_running_loop().call_later(LAST_WORDS, _end, leaving)

    def _recorded(self, principal: Principal, adapter: AdapterName) -> None:
        """Raises Forbidden, NotFound."""
        if not may_write(principal, self._ownership(adapter)):
            raise Forbidden("a recording is for who may change its adapter: it holds what all its users said")
        if adapter not in self._recorders.names:
            raise NotFound(f"adapter '{adapter}' records nothing; to change that: mcpdeck traffic record {adapter}")

    def _ownership(self, adapter: AdapterName) -> Ownership:
        route = self._routes.table.routes.get(adapter)
        if route is None:
            raise NotFound(f"adapter '{adapter}' is not there yet, or no longer; see: mcpdeck adapters list")
        return route.ownership

    def _turn(self) -> None:
        """On or off, as it is wanted now."""
        wishes = [reader.wish for reader in self._readers]
        self._whole = frozenset(self._recorders.names).union(*(wish.adapters for wish in wishes if not wish.session))
        self._some = frozenset[AdapterName]().union(*(wish.adapters for wish in wishes if wish.session))
        self._watched = frozenset(("", *(wish.session for wish in wishes if wish.session)))
        if self._plane is not None:
            self._plane.tap = self if self._whole or self._some else None
        self.on_turn()


def _nothing() -> None:
    """There is but one replica."""


def _end(readers: list[Reader]) -> None:
    for reader in readers:
        reader.close("the session has ended")
