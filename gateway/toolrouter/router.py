"""The gateway's own MCP server: everything registered, at /mcp, and named parts of it at /mcp/{toolset}.

Any replica serves any request; what is kept between requests can be lost. Runs a task for each adapter whose tools are
offered, none per request.
"""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager
from typing import Final

import msgspec

from gateway.core.access import Ownership, Principal, may_read
from gateway.core.affinity import Sealer
from gateway.core.errors import GatewayError
from gateway.core.inbound import Legacy, Modern
from gateway.core.observed import Observed
from gateway.core.ports import AdaptersDoor, Exchange, Go, Witness
from gateway.core.routes import TOOLS_PATH, Routes, is_old_path
from gateway.core.sharing import Shared
from gateway.core.tools import DesiredToolset, Registered
from gateway.toolrouter import replies, weighing
from gateway.toolrouter.approvals import Approvals
from gateway.toolrouter.backstage import Backstage
from gateway.toolrouter.calls import Caller
from gateway.toolrouter.catalog import Catalog, Known, Offer, build
from gateway.toolrouter.cost import BUDGET, of_list
from gateway.toolrouter.guard import Guard
from gateway.toolrouter.legacy import LegacyFace
from gateway.toolrouter.modern import ModernFace, no_toolset
from gateway.toolrouter.peer import ALL_KINDS, Peer
from gateway.toolrouter.sessions import Sessions
from gateway.toolrouter.weighing import Unfit, direct
from gateway.wire.jsonrpc import Envelope
from gateway.wire.mcp import Era
from gateway.wire.names import AdapterName
from gateway.wire.policies import Question, Tested
from gateway.wire.tools import OfferedTool, ToolsCost

TICK: Final = 5.0  # seconds between looks at quiet streams
SETTLING: Final = 5.0  # seconds that a request waits for adapters that were never asked yet

log = logging.getLogger(__name__)


class Router:
    """core.ports.ToolsDoor and Offers. Serves within `serving`, which is given the data plane's door.

    budget: tokens that a list may cost where its toolset does not say, 0 for no bound. witness: is told of calls that
    policies refuse. `on_change` is called when what is offered may be another set, or stand otherwise; it must not
    wait.
    """

    def __init__(
        self,
        routes: Routes,
        sealer: Sealer,
        *,
        witness: Witness | None = None,
        budget: int = BUDGET,
        clock: Callable[[], float] = time.time,
        tick: float = TICK,
    ) -> None:
        self.on_change: Callable[[], None] | None = None
        self.approvals = Approvals()
        self.has_policies = False
        self._routes, self._tick, self._budget = routes, tick, budget
        self._guard = Guard(self.approvals, witness=witness)
        self._backstage = Backstage(routes, self._guard)
        self._sessions = Sessions(sealer, clock)
        self._modern = ModernFace(self._backstage)
        self._legacy = LegacyFace(self._backstage, self._sessions)
        self._registered = Registered()
        self._seen: dict[AdapterName, Ownership] = {}
        self._peers: dict[AdapterName, Peer] = {}
        self._is_settling = False  # some of them were never asked yet, perhaps
        self._keepers: dict[AdapterName, asyncio.Task[None]] = {}
        self._tasks: asyncio.TaskGroup | None = None

    def share(self, shared: Shared, *, is_strict: bool = False) -> None:
        """With others: limits, approvals, counts and ended sessions are one for all. is_strict: see SharedLimits."""
        self.approvals.share(shared)
        self._backstage.usage.share(shared)
        self._sessions.share(shared)
        self._guard.share(shared, is_strict=is_strict, spawn=self._spawn)

    def _spawn(self, work: Callable[[], Coroutine[None, None, None]]) -> bool:
        """False: not any more."""
        if self._tasks is None:
            return False
        self._tasks.create_task(work(), name="tools: count a call")
        return True

    @asynccontextmanager
    async def serving(self, door: AdaptersDoor) -> AsyncIterator[None]:
        self._backstage.door = door
        async with asyncio.TaskGroup() as tasks:
            self._tasks = tasks
            ticking = tasks.create_task(self._keep_ticking(), name="tools: streams")
            self._keep_peers()
            try:
                yield
            finally:
                self.stop()
                ticking.cancel()
                for keeper in self._keepers.values():
                    keeper.cancel()
                self._tasks = None
                self._backstage.sight.close()

    def stop(self) -> None:
        """Streams end, so that their clients go to another replica."""
        for listener in tuple(self._backstage.listeners):
            listener.stop()

    # what is offered

    def publish(self, registered: Registered) -> None:
        """What is registered is another set; it holds when this returns."""
        self._registered = registered
        self._guard.publish(registered.policies)
        self.has_policies = self._guard.has_policies
        self._keep_peers()
        self._rebuild(ALL_KINDS)

    def heed(self, observed: Mapping[AdapterName, Observed]) -> None:  # noqa: ARG002 - services.reconcile.Listener
        """The routing table is another one: instances came or went, or who may use an adapter changed."""
        for peer in self._peers.values():
            peer.heed()
        owned = self._owned()
        if owned != self._seen:
            self._seen = owned
            self._backstage.tell(ALL_KINDS)
        self._tell_change()

    async def settled(self) -> None:
        try:
            async with asyncio.timeout(SETTLING):
                for peer in tuple(self._peers.values()):
                    await peer.was_tried.wait()
        except TimeoutError:
            log.debug("not all adapters could be asked for their tools in time")

    def offered(self, tool: str | None = None) -> list[OfferedTool]:
        """All tools, or those of one registration, with what they cost and whether they are called."""
        return [self._shown(each) for each in self._backstage.sight.catalog.all if tool is None or each.tool == tool]

    def problem(self, source: AdapterName) -> str:
        """What is wrong with an adapter's lists; "" where all is well."""
        peer = self._peers.get(source)
        return peer.problem if peer is not None else ""

    def cost(self, principal: Principal | None, toolset: DesiredToolset | None) -> ToolsCost:
        found = self._backstage.sight.costs(principal, toolset)
        if toolset is None:
            return of_list("", found, self._budget)
        return of_list(toolset.name, found, toolset.spec.token_budget or self._budget)

    def tested(self, question: Question) -> list[Tested]:
        """What policies make of calls. Raises core.policy.Faulty."""
        return self._guard.answer(question)

    # ToolsDoor

    def weigh(
        self,
        exchange: Exchange,
        principal: Principal,
        adapter: AdapterName,
        *,
        said: Envelope,
        era: Era,
        go: Go,
        refused: Callable[[int], None],
    ) -> None:
        caller, request, guard = Caller(principal, era, None), exchange.request, self._guard
        catalog, is_posted = self._backstage.sight.catalog, is_old_path(request.path)
        weighed = direct(
            guard.outlooks, catalog, caller, adapter, request.body, said=said, is_posted=is_posted, refused=refused
        )
        if isinstance(weighed, Unfit):
            raw_id = None if is_posted else weighed.raw_id
            replies.rpc_error(exchange, era, raw_id, weighed.code, weighed.sentence)
            refused(exchange.status)
        else:
            guard.admit(exchange, weighed, go)

    def serve(self, exchange: Exchange, principal: Principal, call: Modern | Legacy) -> None:
        name = exchange.request.path.removeprefix(TOOLS_PATH).strip("/")
        toolset = self._backstage.sight.toolsets.get(name)
        if name and (toolset is None or not may_read(principal, toolset.ownership)):
            replies.refuse(exchange, no_toolset(name))
            return
        if principal.resource:  # the token was for /mcp, and so for what is behind it
            principal = msgspec.structs.replace(principal, resource="")
        caller = Caller(principal, _era_of(call), toolset)
        if self.has_policies and (problem := weighing.problem(exchange.request.body)):
            replies.rpc_error(exchange, caller.era, problem.raw_id, problem.code, problem.sentence)
            return
        if self._is_settling and self._tasks is not None and not self._has_settled():
            self._tasks.create_task(self._serve_settled(exchange, caller, call), name="tools: settle")
        else:
            self._serve(exchange, caller, call)

    def _has_settled(self) -> bool:
        self._is_settling = not all(each.was_tried.is_set() for each in self._peers.values())
        return not self._is_settling

    def _serve(self, exchange: Exchange, caller: Caller, call: Modern | Legacy) -> None:
        try:
            if isinstance(call, Modern):
                self._modern.serve(exchange, caller)
            else:
                self._legacy.serve(exchange, caller, call)
        except Exception:  # one request's, not the server's
            log.exception("a request at %s could not be served", exchange.request.path)
            if exchange.has_started:
                exchange.abort()
            else:
                replies.refuse(exchange, GatewayError("this request could not be served; see the gateway's log"))

    async def _serve_settled(self, exchange: Exchange, caller: Caller, call: Modern | Legacy) -> None:
        """Just after the start, or a registration: a list without its tools would be believed."""
        await self.settled()
        if not exchange.has_ended:
            self._serve(exchange, caller, call)

    # peers

    def _keep_peers(self) -> None:
        """A peer for each adapter that is named, and none for others."""
        wanted = {each.source for each in self._registered.tools if not each.spec.is_server}
        for gone in self._peers.keys() - wanted:
            del self._peers[gone]
            keeper = self._keepers.pop(gone, None)
            if keeper is not None:
                keeper.cancel()
        door = self._backstage.door
        for name in sorted(wanted - self._peers.keys()) if door is not None and self._tasks is not None else ():
            assert door is not None  # noqa: S101 - just asked
            assert self._tasks is not None  # noqa: S101 - just asked
            self._is_settling = True
            peer = self._peers[name] = Peer(name, door, self._routes, changed=self._rebuild)
            self._keepers[name] = self._tasks.create_task(peer.run(), name=f"tools of {name}")

    def _rebuild(self, kinds: frozenset[str]) -> None:
        known = {name: Known(each.listing, each.problem) for name, each in self._peers.items()}
        previous: Catalog = self._backstage.sight.catalog
        catalog = build(self._registered.tools, known, previous)
        self._backstage.publish(catalog, _by_name(self._registered))
        self._backstage.tell(kinds)
        self._tell_change()

    def _tell_change(self) -> None:
        if self.on_change is not None:
            self.on_change()

    def _owned(self) -> dict[AdapterName, Ownership]:
        """What permissions hang on, of the adapters that matter here."""
        routes = self._routes.table.routes
        return {name: routes[name].ownership for name in self._peers if name in routes}

    async def _keep_ticking(self) -> None:
        while True:
            await asyncio.sleep(self._tick)
            self._guard.tick()
            for listener in tuple(self._backstage.listeners):
                listener.tick()

    def _shown(self, offer: Offer) -> OfferedTool:
        count = self._backstage.usage.of(offer.name)
        return OfferedTool(
            name=offer.name,
            tool=offer.tool,
            source=offer.source,
            original=offer.original,
            naming=offer.naming,
            tokens=offer.tokens,
            bytes=len(offer.definition),
            digest=offer.digest,
            quarantine=offer.quarantine,
            drift=offer.drift,
            annotations=offer.plain.get("annotations", {}),
            calls=count.calls,
            errors=count.errors,
            last_called_at=count.last_called_at,
        )


def _by_name(registered: Registered) -> dict[str, DesiredToolset]:
    return {each.name: each for each in registered.toolsets}


def _era_of(call: Modern | Legacy) -> Era:
    return Era.MODERN if isinstance(call, Modern) else Era.LEGACY
