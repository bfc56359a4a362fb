"""The `subscriptions/listen` streams of modern clients that share one session with a legacy server.

The server knows one subscriber, the session: a URI is subscribed to while anyone listens to it, and what comes on the
GET stream goes to whom it concerns, tagged with that one's subscription.
"""

from collections.abc import Callable
from typing import Final, Protocol

from msgspec import Raw

from gateway.bridge import newer, words
from gateway.bridge.legacy_session import StreamState
from gateway.bridge.sides import Answer
from gateway.core.errors import GatewayError
from gateway.wire import envelope, jsonrpc, mcp
from gateway.wire.envelope import Message
from gateway.wire.validation import ModernRequest

MOST_URIS: Final = 1024  # of one listen
_FEATURE: Final = {"toolsListChanged": "tools", "promptsListChanged": "prompts", "resourcesListChanged": "resources"}


class Channel(Protocol):
    """The session, as far as listening goes."""

    @property
    def capabilities(self) -> Message: ...

    @property
    def stream_state(self) -> StreamState: ...

    def want_stream(self) -> None: ...

    def request_aside(
        self, method: str, params: dict[str, object], then: Callable[[Message | GatewayError], None]
    ) -> None:
        """A request of the gateway's own."""


class Subscribers:
    """quiet: called when the last one has left."""

    def __init__(self, channel: Channel, quiet: Callable[[], None]) -> None:
        self._channel, self._quiet = channel, quiet
        self._listeners: list[_Listener] = []
        self._subscribed: dict[str, int] = {}  # how many listen to a URI

    def __len__(self) -> int:
        return len(self._listeners)

    def listen(self, request: ModernRequest, answer: Answer) -> None:
        """In an open session."""
        wanted = envelope.members(envelope.members(request.message.get("params")).get("notifications"))
        uris = words.texts(wanted.get("resourceSubscriptions"))
        if not answer.accepts_stream or len(uris) > MOST_URIS:
            sentence = f"subscriptions/listen needs a client that takes text/event-stream, and at most {MOST_URIS} URIs"
            error = envelope.own_error(request.raw_id, jsonrpc.INVALID_PARAMS, sentence, "not-subscribed")
            answer.final(error, mcp.HTTP_STATUS_OF_CODE[jsonrpc.INVALID_PARAMS])
            return
        listener = _Listener(Raw(request.raw_id), answer, self._offered(wanted))
        self._listeners.append(listener)
        answer.on_leave = lambda: self._left(listener)
        answer.open_stream()
        self._channel.want_stream()
        if words.is_true(envelope.members(self._channel.capabilities.get("resources")).get("subscribe")):
            for uri in dict.fromkeys(uris):
                self._subscribe(uri, listener)
        self._acknowledge(listener)

    def stream_changed(self, *, was_lost: bool) -> None:
        for listener in tuple(self._listeners):
            if not listener.is_acknowledged:
                self._acknowledge(listener)
            elif was_lost:
                listener.everything_may_have_changed()

    def reopened(self) -> None:
        """A new session knows of no subscription, and nobody of what happened in between."""
        if self._listeners:
            self._channel.want_stream()
        for uri in self._subscribed:
            self._channel.request_aside("resources/subscribe", {"uri": uri}, lambda _: None)
        for listener in tuple(self._listeners):
            if listener.is_acknowledged:
                listener.everything_may_have_changed()

    def announce(self, method: str, message: Message) -> None:
        """Something that the server tells without being asked."""
        uri = envelope.text(envelope.members(message.get("params")).get("uri", Raw(b"null")))
        for listener in tuple(self._listeners):
            if listener.is_concerned(method, uri):
                listener.say(message)

    def tick(self) -> None:
        for listener in tuple(self._listeners):
            listener.answer.tick()

    def end(self) -> None:
        """Subscriptions end as the specification has it, so that clients take them up elsewhere."""
        listeners, self._listeners = self._listeners, []
        for listener in listeners:
            listener.end()

    def _offered(self, wanted: Message) -> dict[str, bool]:
        capabilities = self._channel.capabilities
        return {
            kind: True
            for kind, feature in _FEATURE.items()
            if words.is_true(wanted.get(kind))
            and words.is_true(envelope.members(capabilities.get(feature)).get("listChanged"))
        }

    def _subscribe(self, uri: str, listener: "_Listener") -> None:
        self._subscribed[uri] = self._subscribed.get(uri, 0) + 1
        listener.awaited.add(uri)
        if self._subscribed[uri] > 1:
            listener.subscribed(uri)
            return

        def answered(response: Message | GatewayError) -> None:
            if isinstance(response, dict) and "result" in response:
                listener.subscribed(uri)
            else:
                listener.awaited.discard(uri)
                self._subscribed.pop(uri, None)
            self._acknowledge(listener)

        self._channel.request_aside("resources/subscribe", {"uri": uri}, answered)

    def _acknowledge(self, listener: "_Listener") -> None:
        """Once it is known what the server does: nothing is promised that can't be kept."""
        state = self._channel.stream_state
        if listener.is_acknowledged or listener.awaited or state in (StreamState.AWAITED, StreamState.UNWANTED):
            return
        if state is StreamState.REFUSED:
            listener.honours_nothing()
        listener.acknowledge()

    def _left(self, listener: "_Listener") -> None:
        if listener not in self._listeners:
            return
        self._listeners.remove(listener)
        for uri in listener.uris | listener.awaited:
            left = self._subscribed.get(uri, 0) - 1
            if left > 0:
                self._subscribed[uri] = left
            elif self._subscribed.pop(uri, None) is not None:
                self._channel.request_aside("resources/unsubscribe", {"uri": uri}, lambda _: None)
        if not self._listeners:
            self._quiet()


class _Listener:
    def __init__(self, subscription: Raw, answer: Answer, kinds: dict[str, bool]) -> None:
        self.answer = answer
        self.is_acknowledged = False
        self.awaited: set[str] = set()  # URIs of which the server has not said yet whether it tells of them
        self.uris: set[str] = set()
        self._subscription, self._kinds = subscription, kinds

    def subscribed(self, uri: str) -> None:
        self.awaited.discard(uri)
        self.uris.add(uri)

    def honours_nothing(self) -> None:
        self._kinds = {}
        self.uris.clear()

    def acknowledge(self) -> None:
        self.is_acknowledged = True
        honoured: dict[str, object] = dict(self._kinds)
        if self.uris:
            honoured["resourceSubscriptions"] = sorted(self.uris)
        params = {"notifications": honoured, "_meta": {mcp.META_SUBSCRIPTION_ID: self._subscription}}
        self.answer.event(jsonrpc.notification(mcp.ACKNOWLEDGED, params))

    def is_concerned(self, method: str, uri: str | None) -> bool:
        if not self.is_acknowledged:
            return False
        if method == words.UPDATED:
            return uri in self.uris
        return any(words.LIST_CHANGED[kind] == method for kind in self._kinds)

    def say(self, message: Message) -> None:
        self.answer.event(newer.listened(message, self._subscription))

    def everything_may_have_changed(self) -> None:
        meta = {"_meta": {mcp.META_SUBSCRIPTION_ID: self._subscription}}
        for kind in self._kinds:
            self.answer.event(jsonrpc.notification(words.LIST_CHANGED[kind], meta))
        for uri in sorted(self.uris):
            self.answer.event(jsonrpc.notification(words.UPDATED, {"uri": uri, **meta}))

    def end(self) -> None:
        result = {"resultType": "complete", "_meta": {mcp.META_SUBSCRIPTION_ID: self._subscription}}
        self.answer.final(jsonrpc.response(bytes(self._subscription), result))
