"""MCP traffic for who watches it, and for who looks at it later: which exchanges are listened to, and who hears them.

While nobody watches and no adapter records, the data plane has no tap at all. Reads no message itself.
"""

import asyncio
import time
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping
from contextlib import suppress
from typing import Final

from gateway.core.access import Ownership, Principal, may_read, may_write
from gateway.core.errors import Forbidden, NotFound
from gateway.core.observed import Observed
from gateway.core.overhearing import Listener, Talk, Tapped
from gateway.core.recordings import InMemory, Kept, Recordings, Which
from gateway.core.routes import Route, Routes
from gateway.core.sharing import Shared
from gateway.services.entries import Audience, chunked
from gateway.services.sessions import Sessions
from gateway.services.traffic_elsewhere import MOST_AT_ONCE, MOST_BYTES, TrafficElsewhere
from gateway.services.traffic_exchange import Heard, Overheard
from gateway.services.traffic_pairing import Conversation, States
from gateway.services.traffic_readers import Reader, Wish, event
from gateway.services.traffic_recorder import Recorder
from gateway.wire import sse
from gateway.wire.names import AdapterName

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
        self._recorders: dict[AdapterName, Recorder] = {}
        self._conversations: dict[str, Conversation] = {}
        self._whole: frozenset[AdapterName] = frozenset()  # all of whose exchanges are wanted
        self._some: frozenset[AdapterName] = frozenset()  # of which some sessions are
        self._watched: frozenset[str] = frozenset()  # those sessions
        self.on_turn: Callable[[], None] = _nothing  # is told when other adapters are listened to
        self._recordings = recordings or InMemory()
        self._number, self._stamp = self._recordings.first, self._recordings.stamp
        self._reserved = self._recordings.reserve(self._number)
        self._is_swept = False
        sessions.on_drop = self._dropped
        self._elsewhere: TrafficElsewhere | None = None

    def share(self, shared: Shared) -> None:
        """There are other replicas: what passes through them can be watched here as well."""
        self._elsewhere = TrafficElsewhere(shared, self)

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
        recorder = self._recorders.get(AdapterName(heard.message.adapter))
        if recorder is not None:
            recorder.take(heard)

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

    async def recording(self, principal: Principal, adapter: AdapterName, *, session: str = "") -> Iterator[bytes]:
        """What is recorded, the oldest first: a TrafficMessage a line. Raises Forbidden, NotFound where nothing is."""
        if not may_write(principal, self._ownership(adapter)):
            raise Forbidden("a recording is for who may change its adapter: it holds what all its users said")
        recorder = self._recorders.get(adapter)
        if recorder is None:
            raise NotFound(f"adapter '{adapter}' records nothing; to change that: mcpdeck traffic record {adapter}")
        await recorder.recall()
        return (b"%b\n" % each.line for each in recorder.kept(Wish(adapter, session=session)))

    def observed(self, adapters: Mapping[AdapterName, Observed]) -> None:
        """What there is has changed, and perhaps which adapters are to record."""
        self._record({name: route for name, route in self._routes.table.routes.items() if route.recording.enabled})
        for reader in self._readers:
            if not reader.wish.adapter:
                reader.wake.set()  # it may be others now that one may read
            elif reader.wish.adapter not in adapters:
                reader.close(f"adapter '{reader.wish.adapter}' is gone")
        self._turn()

    def _record(self, routes: Mapping[AdapterName, Route]) -> None:
        """These adapters record, and no others."""
        which = {name: Which(name, route.made) for name, route in routes.items()}
        for name in [name for name, recorder in self._recorders.items() if recorder.which != which.get(name)]:
            self._recorders.pop(name).shelf.remove()
        for name, route in routes.items():
            recorder, rule = self._recorders.get(name), route.recording
            if recorder is not None:
                recorder.follow(rule)
            else:
                shelf = self._recordings.shelf(which[name], rule.max_messages)
                self._recorders[name] = Recorder(which[name], rule, shelf)
        if not self._is_swept:
            self._is_swept = True
            self._recordings.keep_only(which.values())

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
        for name in reader.wish.adapters & self._recorders.keys():
            await self._recorders[name].recall()
        past = self._past(reader.wish, last_event_id)  # No await between here and the admission: nothing comes twice.
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

    def _past(self, wish: Wish, last_event_id: str) -> list[Kept]:
        """What is recorded of it, as of now."""
        recorders = [(self._recorders[name], wish.at(name)) for name in wish.adapters & self._recorders.keys()]
        stamp, _, digits = last_event_id.partition("-")
        after = int(digits) if stamp == self._stamp and digits.isdecimal() and len(digits) < 16 else 0
        kept = [each for recorder, part in recorders for each in recorder.kept(part, after)]
        return sorted(kept, key=lambda each: each.number)

    def _dropped(self, session_id: str) -> None:
        """A session is gone. Who watches it hears its last words."""
        self._conversations.pop(session_id, None)
        if self._sessions.replicas(session_id):  # it goes on there
            return
        leaving = [reader for reader in self._readers if reader.wish.session == session_id]
        if leaving:
            asyncio.get_running_loop().call_later(LAST_WORDS, _end, leaving)

    def _ownership(self, adapter: AdapterName) -> Ownership:
        route = self._routes.table.routes.get(adapter)
        if route is None:
            raise NotFound(f"adapter '{adapter}' is not there yet, or no longer; see: mcpdeck adapters list")
        return route.ownership

    def _turn(self) -> None:
        """On or off, as it is wanted now."""
        wishes = [reader.wish for reader in self._readers]
        self._whole = frozenset(self._recorders).union(*(wish.adapters for wish in wishes if not wish.session))
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
