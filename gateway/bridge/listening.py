"""A legacy client's GET stream and its resource subscriptions, as one `subscriptions/listen` at a server of 2026-07-28.

What is listened for can't be changed, so a changed set opens a new listen, and the old one is left once the new one is
acknowledged: what comes twice does no harm, what is missed does.
"""

import itertools
from typing import Final

from msgspec import Raw

from gateway.bridge import older, words
from gateway.bridge.guest import Guest, routed
from gateway.bridge.holding import Holding
from gateway.bridge.once import Once
from gateway.bridge.sides import Answer
from gateway.core.errors import GatewayError
from gateway.wire import envelope, jsonrpc, mcp
from gateway.wire.envelope import Message

MOST_URIS: Final = 1024  # subscriptions of one session
_REFUSALS: Final = 3  # in a row, after which a server is taken to offer nothing to listen to


class Listening:
    """At most one stream at a time: a newer one takes the older one's place, which nobody may hold any more."""

    def __init__(self, guest: Guest) -> None:
        self._guest = guest
        self._uris: dict[str, None] = {}
        self._stream: Answer | None = None
        self._listen: _Listen | None = None  # acknowledged
        self._next: _Listen | None = None  # not yet
        self._numbers = itertools.count(1)
        self._refusals = 0
        self._was_lost = False

    @property
    def is_as_new(self) -> bool:
        return not self._uris and self._stream is None

    def open_stream(self, answer: Answer) -> None:
        older_stream, self._stream = self._stream, answer
        if older_stream is not None:
            older_stream.on_leave = None
            older_stream.finish()
        answer.on_leave = self._left
        answer.open_stream()
        self._refusals = 0
        if self._listen is None and self._next is None:
            self._listen_anew()

    def subscribe(self, uri: str, written: bytes, answer: Answer) -> None:
        if len(self._uris) >= MOST_URIS and uri not in self._uris:
            sentence = f"this session has {MOST_URIS} subscriptions; end one first"
            answer.final(envelope.own_error(written, jsonrpc.INVALID_PARAMS, sentence, "too-many-subscriptions"))
            return
        is_known = uri in self._uris
        self._uris[uri] = None
        self._changed(_Waiting(written, answer, "" if is_known else uri), is_changed=not is_known)

    def unsubscribe(self, uri: str, written: bytes, answer: Answer) -> None:
        is_known = uri in self._uris
        self._uris.pop(uri, None)
        self._changed(_Waiting(written, answer, ""), is_changed=is_known)

    def tick(self) -> None:
        if self._stream is None:
            return
        self._stream.tick()
        if self._listen is None and self._next is None and self._refusals < _REFUSALS:
            self._listen_anew()

    def end(self) -> None:
        stream, self._stream = self._stream, None
        if stream is not None:
            stream.on_leave = None
            stream.finish()
        self._uris.clear()
        self._stop()

    def _changed(self, waiting: "_Waiting", *, is_changed: bool) -> None:
        if not is_changed or self._stream is None or self._refusals >= _REFUSALS:
            waiting.answer.final(jsonrpc.response(waiting.written, {}))
        else:
            self._listen_anew(waiting)

    def _listen_anew(self, waiting: "_Waiting | None" = None) -> None:
        before, self._next = self._next, None
        waits = [*(before.waiting if before is not None else ()), *([waiting] if waiting is not None else ())]
        if before is not None:
            before.close()
        listen = self._next = _Listen(self, next(self._numbers), waits)
        params = {"_meta": self._guest.meta(), "notifications": self._filter()}
        listen.begin(self._guest, jsonrpc.request(listen.number, mcp.LISTEN, params))

    def _filter(self) -> dict[str, object]:
        found: dict[str, object] = dict.fromkeys(words.LIST_CHANGED, True)
        return found | {"resourceSubscriptions": list(self._uris)} if self._uris else found

    def _stop(self) -> None:
        for listen in (self._listen, self._next):
            if listen is not None:
                listen.close()
                listen.settle(())
        self._listen = self._next = None

    def _left(self) -> None:
        self._stream = None
        self._stop()

    # what a listen hears

    def acknowledged(self, listen: "_Listen", honoured: Message) -> None:
        self._refusals = 0
        uris = words.texts(honoured.get("resourceSubscriptions"))
        if listen is self._next:
            before, self._listen, self._next = self._listen, listen, None
            if before is not None:
                before.close()
        for uri in listen.settle(uris):
            self._uris.pop(uri, None)
        if self._was_lost:
            self._was_lost = False
            self._say_that_all_may_have_changed(honoured, uris)

    def said(self, message: Message) -> None:
        if self._stream is not None:
            self._stream.event(older.unlistened(message))

    def lost(self, listen: "_Listen", response: Message | GatewayError) -> None:
        """It ended, or never began. The next tick begins another one."""
        if isinstance(response, dict) and "error" in response:
            self._refusals += 1
        if listen is self._next:
            self._next = None
            for uri in listen.settle(None):
                self._uris.pop(uri, None)
        elif listen is self._listen:
            self._listen, self._was_lost = None, True

    def _say_that_all_may_have_changed(self, honoured: Message, uris: list[str]) -> None:
        """What happened while nobody listened is not told again."""
        if self._stream is None:
            return
        for kind, method in words.LIST_CHANGED.items():
            if words.is_true(honoured.get(kind)):
                self._stream.event(jsonrpc.notification(method))
        for uri in uris:
            self._stream.event(jsonrpc.notification(words.UPDATED, {"uri": uri}))


class _Waiting:
    """A resources/subscribe (its uri) or unsubscribe ("") that is answered when the server has acknowledged."""

    def __init__(self, written: bytes, answer: Answer, uri: str) -> None:
        self.written, self.answer, self.uri = written, answer, uri


class _Listen(Holding):
    def __init__(self, owner: Listening, number: int, waiting: list[_Waiting]) -> None:
        super().__init__()
        self.number = number
        self.waiting = waiting
        self._owner = owner

    def begin(self, guest: Guest, body: bytes) -> None:
        heard = Once(self._ended, said=self._said)
        self.keep(guest.connect().post(body, routed(mcp.LISTEN), heard))

    def settle(self, uris: list[str] | tuple[str, ...] | None) -> list[str]:
        """Answer who waits. Gives the URIs that the server does not honour. uris: those it does, None where unknown."""
        refused = []
        waiting, self.waiting = self.waiting, []
        for each in waiting:
            if not each.uri or (uris is not None and each.uri in uris):
                each.answer.final(jsonrpc.response(each.written, {}))
                continue
            refused.append(each.uri)
            sentence = f"the adapter tells of no changes of {each.uri!r}"
            each.answer.final(envelope.own_error(each.written, jsonrpc.INVALID_PARAMS, sentence, "not-subscribed"))
        return refused

    def _said(self, message: Message) -> None:
        if self.is_over:
            return
        if envelope.method(message) == mcp.ACKNOWLEDGED:
            params = envelope.members(message.get("params"))
            self._owner.acknowledged(self, envelope.members(params.get("notifications", Raw(b"{}"))))
        elif "id" not in message:
            self._owner.said(message)

    def _ended(self, response: Message | GatewayError) -> None:
        if not self.is_over:
            self.is_over = True
            self._owner.lost(self, response)
