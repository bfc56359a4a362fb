"""`subscriptions/listen`: changes of lists from the catalog, changes of resources from the adapters that have them.

One stream to the client, one to each adapter with a resource that it wants to hear of. The adapters' streams bear the
client's own request id, so what they say passes as it is.
"""

import asyncio
from collections import defaultdict
from typing import Any, Final

import msgspec
from msgspec import Raw

from gateway.core.ports import Exchange
from gateway.toolrouter import replies, resources
from gateway.toolrouter.asking import path_of
from gateway.toolrouter.backstage import Backstage
from gateway.toolrouter.calls import Caller
from gateway.toolrouter.inner import ACCEPT, JSON, Events, request_to
from gateway.toolrouter.peer import KINDS
from gateway.wire import envelope, jsonrpc, mcp, sse
from gateway.wire.names import AdapterName
from gateway.wire.validation import ModernRequest

_ACKNOWLEDGED_WITHIN: Final = 5.0  # seconds after which an adapter that has not said so is not waited for
_FIRST_DELAY: Final = 1.0
_LONGEST_DELAY: Final = 60.0
_MOST_URIS: Final = 1000


class _Filter(msgspec.Struct, rename="camel"):
    tools_list_changed: bool = False
    prompts_list_changed: bool = False
    resources_list_changed: bool = False
    resource_subscriptions: list[str] = []

    @property
    def kinds(self) -> frozenset[str]:
        """Of `KINDS`."""
        wanted = msgspec.to_builtins(self)
        return frozenset(kind for kind in KINDS if wanted[kind])


class _Params(msgspec.Struct):
    notifications: _Filter


class Listening:
    """backstage.Listener. Lives until its client goes, or the gateway does."""

    def __init__(self, backstage: Backstage, exchange: Exchange, caller: Caller, call: ModernRequest) -> None:
        self._backstage, self._exchange, self._caller, self._call = backstage, exchange, caller, call
        self._stream: replies.Stream | None = None
        self._kinds: frozenset[str] = frozenset()
        self._honoured: dict[str, Any] = {}
        self._sources: dict[AdapterName, _Source] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._is_acknowledged = False

    def begin(self) -> None:
        try:
            wanted = msgspec.json.decode(self._call.message.get("params", Raw(b"{}")), type=_Params).notifications
        except msgspec.DecodeError as error:
            sentence = f"params.notifications: {error}"
            replies.rpc_error(self._exchange, self._caller.era, self._call.raw_id, jsonrpc.INVALID_PARAMS, sentence)
            return
        self._kinds = wanted.kinds
        self._honoured = dict.fromkeys(sorted(self._kinds), True)
        self._exchange.on_leave = self._close
        self._stream = replies.Stream(self._exchange)
        self._backstage.listeners.add(self)
        self._subscribe(wanted.resource_subscriptions[:_MOST_URIS])

    def changed(self, kinds: frozenset[str]) -> None:
        for kind in sorted(kinds & self._kinds):
            self.say(jsonrpc.notification(KINDS[kind], {"_meta": self._meta}))

    def tick(self) -> None:
        if self._stream is not None:
            self._stream.tick()

    def stop(self) -> None:
        """Properly, so that the client listens to another replica."""
        result = msgspec.json.encode({"resultType": "complete", "_meta": self._meta})
        self.say(b'{"jsonrpc":"2.0","id":%b,"result":%b}' % (self._call.raw_id, result))
        stream = self._stream
        self._close()
        if stream is not None:
            stream.finish()

    def say(self, message: bytes) -> None:
        if self._stream is not None and self._is_acknowledged:
            self._stream.event(message)

    def settled(self) -> None:
        """One adapter's stream has been acknowledged, or will not be."""
        if all(source.is_settled for source in self._sources.values()):
            self._acknowledge()

    @property
    def _meta(self) -> dict[str, Any]:
        return {mcp.META_SUBSCRIPTION_ID: Raw(self._call.raw_id)}

    def _subscribe(self, uris: list[str]) -> None:
        by_source: dict[AdapterName, list[str]] = defaultdict(list)
        for uri in uris:
            for source in resources.owners(self._backstage.sight, self._caller.principal, uri)[:1]:
                by_source[source].append(uri)
        if not by_source:
            self._acknowledge()
            return
        self._honoured["resourceSubscriptions"] = [uri for found in by_source.values() for uri in found]
        self._timer = asyncio.get_running_loop().call_later(_ACKNOWLEDGED_WITHIN, self._acknowledge)
        self._sources = {source: _Source(self, source, found) for source, found in by_source.items()}
        for each in tuple(self._sources.values()):
            each.open()

    def _acknowledge(self) -> None:
        if self._is_acknowledged or self._stream is None:
            return
        self._is_acknowledged = True
        if self._timer is not None:
            self._timer.cancel()
        self.say(jsonrpc.notification(mcp.ACKNOWLEDGED, {"notifications": self._honoured, "_meta": self._meta}))

    def _close(self) -> None:
        self._stream = None
        self._backstage.listeners.discard(self)
        if self._timer is not None:
            self._timer.cancel()
        for each in self._sources.values():
            each.close()

    def admit(self, source: "_Source", uris: list[str]) -> Events:
        params = envelope.members(self._call.message.get("params"))
        params["notifications"] = envelope.raw({"resourceSubscriptions": uris})
        body = envelope.line(self._call.message | {"params": envelope.raw(params)})
        version = (mcp.VERSION_HEADER, mcp.MODERN_VERSION.encode())
        headers = [JSON, ACCEPT, version, (mcp.METHOD_HEADER, mcp.LISTEN.encode())]
        headers += [pair for pair in self._exchange.request.headers if pair[0] == b"authorization"]
        request = request_to(path_of(source.adapter), body, headers)
        events = Events(request, event=source.event, over=source.over, peer=self._exchange.peer)
        self._backstage.admit(events, self._caller.principal)
        return events


class _Source:
    """One adapter's stream, opened again when it ends."""

    def __init__(self, listening: Listening, adapter: AdapterName, uris: list[str]) -> None:
        self.adapter, self._listening, self._uris = adapter, listening, uris
        self.is_settled = False
        self._events: Events | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._delay = _FIRST_DELAY
        self._is_closed = False

    def open(self) -> None:
        self._timer = None
        self._events = self._listening.admit(self, self._uris)

    def close(self) -> None:
        self._is_closed = True
        if self._timer is not None:
            self._timer.cancel()
        if self._events is not None:
            self._events.leave()

    def event(self, event: sse.Event) -> None:
        message = envelope.parse(event.data) if event.data else None
        if not isinstance(message, dict):
            return
        method = envelope.method(message)
        if method == mcp.ACKNOWLEDGED:
            self._delay = _FIRST_DELAY
            self._settle()
        elif method == "notifications/resources/updated" and event.data:
            self._listening.say(event.data)

    def over(self, problem: str) -> None:  # noqa: ARG002 - whyever, it is tried again
        self._settle()
        if not self._is_closed:
            self._timer = asyncio.get_running_loop().call_later(self._delay, self.open)
            self._delay = min(_LONGEST_DELAY, 2 * self._delay)

    def _settle(self) -> None:
        if not self.is_settled:
            self.is_settled = True
            self._listening.settled()
