"""Traffic at other replicas, for who watches it here; and traffic here, for who watches it there. Reads no message.

Whoever watches says so again and again: a replica that does not hear of it for a while stops listening. Nothing is sent
while nobody watches, and what a slow reader can't take is dropped where it was heard, and counted.
"""

import asyncio
from collections.abc import Callable
from typing import Final, Protocol

import msgspec

from gateway.core.sharing import Shared
from gateway.services.traffic_readers import Reader, Wish

WATCH: Final = "watch traffic"
SAID: Final = "traffic that is watched"
RENEW: Final = 1.0  # seconds between two times that a wish is told
PATIENCE: Final = 5.0  # seconds without hearing of it after which a wish is over
PACE: Final = 0.1  # seconds between two times that what was heard is sent
MOST_AT_ONCE: Final = 200  # messages
MOST_BYTES: Final = 512 * 1024

_encode = msgspec.msgpack.encode


class Watch(msgspec.Struct, frozen=True, array_like=True):
    """number: of who watches. wish: None where it is over."""

    replica: str
    number: int
    wish: Wish | None


class Said(msgspec.Struct, frozen=True, array_like=True):
    number: int
    events: list[bytes]


class Desk(Protocol):
    """This replica's traffic."""

    def admit(self, reader: Reader) -> None: ...

    def dismiss(self, reader: Reader) -> None: ...

    def events(self, reader: Reader) -> list[bytes]:
        """What waits for it, up to `MOST_AT_ONCE` and about `MOST_BYTES`."""


class TrafficElsewhere:
    def __init__(self, shared: Shared, desk: Desk) -> None:
        self._shared, self._desk = shared, desk
        self._numbers = 0
        self._watching: dict[int, Reader] = {}  # here, of what is said elsewhere
        self._watched: dict[tuple[str, int], _Watcher] = {}  # elsewhere, of what is said here
        shared.listen(WATCH, self._asked)
        shared.listen(SAID, self._heard)

    # who watches here

    def begin(self, reader: Reader, still: Callable[[], bool]) -> Callable[[], None]:
        """Until what is returned is called. still: whether there is anything left to watch; if not, the reader ends."""
        self._numbers += 1
        number = self._numbers
        self._watching[number] = reader
        self._renew(number, still)
        return lambda: self._stop(number)

    def _renew(self, number: int, still: Callable[[], bool]) -> None:
        reader = self._watching.get(number)
        if reader is None:
            return
        if not still():
            reader.close("the session has ended")
            return
        self._tell(number, reader.wish)
        asyncio.get_running_loop().call_later(RENEW, self._renew, number, still)

    def _stop(self, number: int) -> None:
        if self._watching.pop(number, None) is not None:
            self._tell(number, None)

    def _tell(self, number: int, wish: Wish | None) -> None:
        body = _encode(Watch(self._shared.name, number, wish))
        for replica in self._shared.others:
            self._shared.tell(replica, WATCH, body)

    def _heard(self, body: bytes) -> None:
        said = msgspec.msgpack.decode(body, type=Said)
        reader = self._watching.get(said.number)
        if reader is not None:
            for event in said.events:
                reader.put_event(event)

    # who watches elsewhere

    def _asked(self, body: bytes) -> None:
        watch = msgspec.msgpack.decode(body, type=Watch)
        key = (watch.replica, watch.number)
        watcher = self._watched.get(key)
        now = asyncio.get_running_loop().time()
        if watch.wish is None:
            if watcher is not None:
                watcher.until = 0.0
        elif watcher is not None:
            watcher.until = now + PATIENCE
            if watcher.reader.wish != watch.wish:
                watcher.reader.wish = watch.wish
                self._desk.admit(watcher.reader)
        else:
            reader = Reader(watch.wish)
            self._watched[key] = _Watcher(reader, now + PATIENCE)
            self._desk.admit(reader)
            self._send(key)

    def _send(self, key: tuple[str, int]) -> None:
        """What was heard meanwhile, and again in a moment."""
        watcher, loop = self._watched[key], asyncio.get_running_loop()
        replica, number = key
        if events := self._desk.events(watcher.reader):
            self._shared.tell(replica, SAID, _encode(Said(number, events)))
        if watcher.reader.end or loop.time() > watcher.until:
            del self._watched[key]
            self._desk.dismiss(watcher.reader)
        else:
            loop.call_later(PACE, self._send, key)


class _Watcher:
    def __init__(self, reader: Reader, until: float) -> None:
        self.reader, self.until = reader, until
