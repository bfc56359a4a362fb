"""One adapter whose tools are offered: its lists kept in step with it, and whether calls to it are worth trying.

Reads the lists when it is ready, again when it says that they changed, when its instances do, and when they grow old.
What it last said stays while it is away.
"""

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from gateway.core.ports import AdaptersDoor
from gateway.core.routes import Routes
from gateway.toolrouter import listing
from gateway.toolrouter.asking import PATIENCE, Asker, Unanswered, open_asker
from gateway.toolrouter.breaker import Breaker
from gateway.toolrouter.inner import Events
from gateway.toolrouter.listing import Listing
from gateway.wire import envelope, sse
from gateway.wire.http1 import Headers
from gateway.wire.names import AdapterName

PERIOD: Final = 300.0  # seconds after which lists are read again, whatever their server says of them
SHORTEST: Final = 30.0  # seconds that a server's own ttl may ask for
FIRST_DELAY: Final = 0.5  # before lists that could not be read are tried again; doubles each time
LONGEST_DELAY: Final = 30.0
KINDS: Final = {  # what a listen filter calls it: the notification
    "toolsListChanged": "notifications/tools/list_changed",
    "promptsListChanged": "notifications/prompts/list_changed",
    "resourcesListChanged": "notifications/resources/list_changed",
}
ALL_KINDS: Final = frozenset(KINDS)
_OF_CAPABILITY: Final = {
    "tools": "toolsListChanged",
    "prompts": "promptsListChanged",
    "resources": "resourcesListChanged",
}
_KIND_OF: Final = {method: kind for kind, method in KINDS.items()}

log = logging.getLogger(__name__)

type Changed = Callable[[frozenset[str]], None]  # the kinds of lists that changed


class Peer:
    """changed: told when a list was read anew. `listing` is None until one has been."""

    def __init__(
        self,
        adapter: AdapterName,
        door: AdaptersDoor,
        routes: Routes,
        *,
        changed: Changed,
        period: float = PERIOD,
        patience: float = PATIENCE,
    ) -> None:
        self.adapter = adapter
        self.listing: Listing | None = None
        self.problem = "its tools have not been read yet"
        self.breaker = Breaker()
        self.was_tried = asyncio.Event()  # set once it is known, or known to be out of reach
        self._door, self._routes, self._changed = door, routes, changed
        self._period, self._patience = period, patience
        self._wake = asyncio.Event()
        self._is_stirred = False  # the instances are others
        self._uids: frozenset[str] = frozenset()

    def heed(self) -> None:
        """The routing table is another one."""
        if self._ready() != self._uids:
            self._is_stirred = True
            self._wake.set()

    async def run(self) -> None:
        """Until cancelled."""
        failures = 0
        while True:
            self._is_stirred, self._uids = False, self._ready()
            self._wake.clear()
            if not self._uids:
                self._is_away(self._reason())
                await self._wake.wait()
                continue
            try:
                await self._keep_in_step()
            except Unanswered as problem:
                self._is_away(str(problem))
                await self._woken_within(min(LONGEST_DELAY, FIRST_DELAY * 2.0 ** min(failures, 10)))
                failures += 1
            except Exception as error:  # an unforeseen answer of one adapter must not end the others' keeper
                log.exception("the tools of adapter '%s' can't be read", self.adapter)
                self._is_away(f"its tools can't be read: {error}")
                await self._woken_within(LONGEST_DELAY)
            else:
                failures = 0

    async def _keep_in_step(self) -> None:
        """Read the lists, and again for as long as the instances stay the same."""
        asker = await open_asker(self._door, self.adapter, patience=self._patience)
        watch = _Watch(asker, self._wake)
        kinds = ALL_KINDS
        try:
            while not self._is_stirred:
                self._is_read(await listing.read(asker), kinds)
                await self._woken_within(self._pause(watch))
                kinds = watch.taken()
        finally:
            watch.close()
            asker.close()

    def _pause(self, watch: "_Watch") -> float:
        """A server that tells of changes need not be asked as often as its ttl has it."""
        ttl = self.listing.ttl if self.listing is not None and not watch.is_told else 0.0
        return min(self._period, max(SHORTEST, ttl)) if ttl else self._period

    async def _woken_within(self, seconds: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._wake.wait()
        if not self._is_stirred:
            self._wake.clear()

    def _is_read(self, found: Listing, kinds: frozenset[str]) -> None:
        self.listing, self.problem = found, found.problem
        self.was_tried.set()
        self._changed(kinds)

    def _is_away(self, problem: str) -> None:
        is_news = problem != self.problem or not self.was_tried.is_set()
        self.problem = problem
        self.was_tried.set()
        if is_news:
            self._changed(frozenset())

    def _ready(self) -> frozenset[str]:
        return frozenset(each.uid for each in self._routes.table.ready(self.adapter))

    def _reason(self) -> str:
        route = self._routes.table.routes.get(self.adapter)
        if route is None:
            return f"there is no adapter '{self.adapter}'"
        return route.reason or f"adapter '{self.adapter}' has no ready instance"


class _Watch:
    """What the adapter says of changes, on one stream; another one when that ends. wake: set when there is news."""

    def __init__(self, asker: Asker, wake: asyncio.Event) -> None:
        self._asker, self._wake = asker, wake
        self._kinds: set[str] = set()
        self._wanted = {kind: True for name, kind in _OF_CAPABILITY.items() if _tells_changes(asker, name)}
        self._status = 0
        self._stream: Events | None = None
        self._reopening: asyncio.TimerHandle | None = None
        self._delay = FIRST_DELAY
        if self._wanted:
            self._open()

    @property
    def is_told(self) -> bool:
        return self._status == 200

    def taken(self) -> frozenset[str]:
        """The kinds that changed since; all of them where nobody said."""
        kinds, self._kinds = frozenset(self._kinds), set()
        return kinds or ALL_KINDS

    def close(self) -> None:
        self._wanted = {}
        if self._reopening is not None:
            self._reopening.cancel()
        if self._stream is not None:
            self._stream.leave()

    def _open(self) -> None:
        self._reopening = None
        self._stream = self._asker.listen(self._wanted, head=self._head, event=self._event, over=self._over)

    def _reopen(self) -> None:
        """What was missed meanwhile nobody knows: the lists are read again."""
        self._open()
        self._wake.set()

    def _head(self, status: int, headers: Headers) -> None:  # noqa: ARG002 - Events' signature
        self._status = status

    def _event(self, event: sse.Event) -> None:
        message = envelope.parse(event.data) if event.data else None
        if not isinstance(message, dict):
            return
        self._delay = FIRST_DELAY
        kind = _KIND_OF.get(envelope.method(message) or "")
        if kind is not None:
            self._kinds.add(kind)
            self._wake.set()

    def _over(self, problem: str) -> None:  # noqa: ARG002 - why does not matter
        status, self._status = self._status, 0
        if self._wanted and not 400 <= status < 500:  # those have no such stream
            self._reopening = asyncio.get_running_loop().call_later(self._delay, self._reopen)
            self._delay = min(LONGEST_DELAY, 2 * self._delay)


def _tells_changes(asker: Asker, capability: str) -> bool:
    told = envelope.members(asker.capabilities.get(capability)).get("listChanged")
    return told is not None and bytes(told) == b"true"
