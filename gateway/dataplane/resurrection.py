"""A session whose instance died goes on with another one: the handshake is said again, and the client notices nothing.

Only where an adapter asks for it, and never on the fast path. What the instance had in memory is lost all the same:
what a client said first stands in its sealed id, and nothing else does. Which instance took a session over is known to
this process alone; another one, or the next, does the same again.
"""

import asyncio
import logging
from collections.abc import Callable
from typing import Final, Protocol

import msgspec

from gateway.core.access import Principal
from gateway.core.affinity import Binding
from gateway.core.errors import CallLost, GatewayError, NothingReady, SessionLost, UpstreamBroke
from gateway.core.ports import Exchange
from gateway.core.repeating import is_repeatable, page_of_tools
from gateway.core.routes import Endpoint, Route, Routes
from gateway.dataplane.asking import Answer, Asked, ask
from gateway.dataplane.hello import said_in
from gateway.dataplane.plane import Plane, Target
from gateway.dataplane.replies import request_id_of
from gateway.dataplane.tasks import Tasks
from gateway.wire import jsonrpc, mcp
from gateway.wire.http1 import Headers, Request
from gateway.wire.mcp import Era
from gateway.wire.names import AdapterName

PATIENCE: Final = 30.0  # seconds in which another instance has to be ready
SETTLING: Final = 5.0  # seconds in which it shows whether an instance died, or only broke off
LOOK: Final = 0.05
MOST: Final = 100_000  # sessions whose new instance is remembered
MOST_PAGES: Final = 50
_OURS: Final = frozenset({b"accept", b"content-type", mcp.LAST_EVENT_ID_HEADER})
_POSTED: Final = [(b"content-type", b"application/json"), (b"accept", b"application/json, text/event-stream")]

log = logging.getLogger(__name__)

type Key = tuple[str, bytes]  # the uid and the own id that the sealed one speaks of


class Call(Protocol):
    """A call that its instance did not answer: what `relay` is to who rescues it."""

    @property
    def exchange(self) -> Exchange: ...

    @property
    def target(self) -> Target: ...

    @property
    def has_ended(self) -> bool: ...

    def go_again(self, target: Target) -> None: ...

    def fail(self, error: GatewayError) -> None: ...

    def withdraw(self) -> None: ...


class Resurrections:
    """send_on: gives a request to who leads the workers, in whose memory sessions go on; None where this is the one."""

    def __init__(
        self,
        plane: Plane,
        routes: Routes,
        tasks: Tasks,
        *,
        send_on: Callable[[Exchange], None] | None = None,
    ) -> None:
        self._plane, self._routes, self._tasks, self._send_on = plane, routes, tasks, send_on
        self._moved: dict[Key, Binding] = {}
        self._over: dict[Key, None] = {}
        self._reviving: dict[Key, asyncio.Lock] = {}

    def present(self, binding: Binding) -> Binding:
        """Where a session is now."""
        return self._moved.get((binding.uid, binding.upstream), binding)

    def is_over(self, binding: Binding) -> bool:
        return (binding.uid, binding.upstream) in self._over

    def end(self, target: Target) -> None:
        """Its client or its server ended a session: it stays so."""
        binding = self._binding(target)
        if binding is not None:
            _remember(self._over, (binding.uid, binding.upstream), None)

    def serve(
        self, exchange: Exchange, principal: Principal, route: Route, sealed: bytes, go: Callable[[Target], None]
    ) -> bool:
        """Whether a request of a session whose instance is gone will be answered. go: on with it, elsewhere."""
        binding = self._plane.binding(route, principal, sealed)
        if binding is None or not binding.hello or self.is_over(binding) or exchange.request.method == "DELETE":
            return False
        if self._send_on is not None:
            self._send_on(exchange)
            return True
        self._tasks.spawn(self._continue(exchange, principal, route, sealed, binding, go), name="resurrect a session")
        return True

    def rescue(self, call: Call, error: GatewayError, *, is_undone: bool) -> bool:
        """Whether a call that broke off is taken over. is_undone: its instance has done nothing of it, certainly."""
        binding = self._binding(call.target)
        if binding is None or not binding.hello or self.is_over(binding) or call.exchange.request.method == "DELETE":
            return False
        if self._send_on is None:
            self._tasks.spawn(self._rescue(call, binding, error, is_undone=is_undone), name="rescue a call")
        elif is_undone:
            call.withdraw()
            self._send_on(call.exchange)
        else:
            call.fail(_lost(call.exchange, "this worker repeats no call"))
        return True

    async def _continue(
        self,
        exchange: Exchange,
        principal: Principal,
        route: Route,
        sealed: bytes,
        binding: Binding,
        go: Callable[[Target], None],
    ) -> None:
        asked = _asked(exchange)
        try:
            target = await self._revived(route, principal, sealed, binding, asked)
        except GatewayError as error:
            if not exchange.has_ended:
                self._plane.refuse(exchange, error, principal)
        else:
            if not exchange.has_ended:
                go(target)

    async def _rescue(self, call: Call, binding: Binding, error: GatewayError, *, is_undone: bool) -> None:
        target, asked = call.target, _asked(call.exchange)
        try:
            is_dead = is_undone or await self._has_died(target)
            again = target
            if is_dead:
                sealed = target.sealed or b""
                again = await self._revived(target.route, target.principal, sealed, binding, asked, dead=target)
            reason = "" if is_undone else await self._objection(again, call.exchange, asked)
        except GatewayError as other:
            log.info("a call to %s could not be rescued: %s", target.route.adapter, other)
            if not call.has_ended:
                call.fail(error)
            return
        if call.has_ended:
            return
        if reason:
            call.fail(_lost(call.exchange, reason))
        else:
            call.go_again(again)

    async def _has_died(self, target: Target) -> bool:
        """An instance that is seen to be gone; one that only broke off is asked again."""
        try:
            async with asyncio.timeout(SETTLING):
                while self._endpoint(target.route.adapter, target.endpoint.uid) is not None:  # noqa: ASYNC110 - rare
                    await asyncio.sleep(LOOK)
        except TimeoutError:
            return False
        return True

    async def _objection(self, target: Target, exchange: Exchange, asked: Asked) -> str:
        """Why a call may not be sent again, in a clause; "" where it may."""
        verdict = is_repeatable(exchange.request.method, exchange.request.body)
        if isinstance(verdict, bool):
            return "" if verdict else "it is not known to be without effect"
        cursor: str | None = None
        for _ in range(MOST_PAGES):
            params = {"cursor": cursor} if cursor is not None else {}
            answer = await self._ask(target, asked, jsonrpc.request("mcpdeck-again", "tools/list", params))
            page = page_of_tools(answer.message)
            if page is None:
                break
            if verdict in page.is_repeatable:
                is_fine = page.is_repeatable[verdict]
                return "" if is_fine else f"tool '{verdict}' is annotated neither idempotent nor read-only"
            cursor = page.cursor
            if cursor is None:
                break
        return f"nothing is known of a tool '{verdict}'"

    async def _revived(
        self,
        route: Route,
        principal: Principal,
        sealed: bytes,
        binding: Binding,
        asked: Asked,
        *,
        dead: Target | None = None,
    ) -> Target:
        """The session at an instance that lives. dead: where it certainly is no more. Raises GatewayError."""
        key = binding.uid, binding.upstream
        lock = self._reviving.setdefault(key, asyncio.Lock())
        try:
            async with lock:
                present = self.present(binding)
                endpoint = self._endpoint(route.adapter, present.uid)
                is_there = dead is None or (present.uid, present.upstream) != (dead.endpoint.uid, dead.session)
                if endpoint is not None and is_there:
                    return _target(route, endpoint, principal, present.upstream, sealed)
                return await self._begin_anew(route, principal, sealed, binding, asked)
        finally:
            if not lock.locked():
                self._reviving.pop(key, None)

    async def _begin_anew(
        self, route: Route, principal: Principal, sealed: bytes, binding: Binding, asked: Asked
    ) -> Target:
        endpoint = await self._ready(route.adapter)
        if not self._plane.has_token(route, principal):
            await self._plane.fetch_token(route, principal, asked)
        hello = said_in(binding.hello)
        opening = Target(route, endpoint, principal, Era.LEGACY, is_initialize=True)
        account = self._plane.opened(opening, _with(asked, hello), request_id_of(asked))
        status = 0
        try:
            answer = await self._ask(opening, asked, hello)
            status, minted = answer.status, answer.header(mcp.SESSION_HEADER)
            if not 200 <= status < 300 or minted is None:
                raise UpstreamBroke(f"adapter '{route.adapter}' does not begin the session anew (HTTP {status})")
            account.learned(minted)
        finally:
            account.ended(status=status, bytes_in=len(hello), bytes_out=0)
            self._plane.done(opening)
        target = _target(route, endpoint, principal, minted, sealed)
        await self._ask(target, asked, b'{"jsonrpc":"2.0","method":"%b"}' % mcp.INITIALIZED.encode())
        _remember(
            self._moved,
            (binding.uid, binding.upstream),
            msgspec.structs.replace(binding, uid=endpoint.uid, upstream=minted),
        )
        log.info("a session with %s goes on with %s", route.adapter, endpoint.instance)
        return target

    async def _ready(self, name: AdapterName) -> Endpoint:
        try:
            async with asyncio.timeout(PATIENCE):
                while (route := self._routes.table.routes.get(name)) is not None:
                    endpoint = self._plane.choose(route)
                    if endpoint is not None:
                        return endpoint
                    await asyncio.sleep(LOOK)
        except TimeoutError:
            route = self._routes.table.routes.get(name)
            raise NothingReady(route.reason if route is not None else "") from None
        raise SessionLost("its adapter is gone")

    async def _ask(self, target: Target, asked: Asked, body: bytes) -> Answer:
        return await ask(self._plane, target, _with(asked, body))

    def _endpoint(self, name: AdapterName, uid: str) -> Endpoint | None:
        route = self._routes.table.routes.get(name)
        return route.by_uid(uid) if route is not None else None

    def _binding(self, target: Target) -> Binding | None:
        """What the client's id says, of which its instance may be another one by now."""
        if target.sealed is None:
            return None
        return self._plane.binding(target.route, target.principal, target.sealed)


def _target(route: Route, endpoint: Endpoint, principal: Principal, session: bytes, sealed: bytes) -> Target:
    return Target(route, endpoint, principal, Era.LEGACY, session=session, sealed=sealed)


def _asked(exchange: Exchange) -> Asked:
    """As the same client, about something else."""
    request = Request()
    request.method = "POST"
    request.headers = _POSTED + [pair for pair in exchange.request.headers if pair[0] not in _OURS]
    return Asked(request, exchange.peer)


def _with(asked: Asked, body: bytes) -> Asked:
    request = Request()
    request.method, request.body = "POST", body
    headers: Headers = asked.request.headers
    request.headers = headers
    return Asked(request, asked.peer)


def _lost(exchange: Exchange, reason: str) -> CallLost:
    verb = "this call" if exchange.request.method == "POST" else "this request"
    return CallLost(f"the instance died while it had {verb} in hand: it may have been done or not, and {reason}")


def _remember[Value](held: dict[Key, Value], key: Key, value: Value) -> None:
    if len(held) >= MOST:
        del held[next(iter(held))]
    held[key] = value
