"""Watched messages as exchanges: each request with what came of it, the last ten thousand. Draws and reads nothing.

An exchange is what one row of the Traffic view is about: a request and its response, or a message that wants none. What
came in the course of a call is under it, and so are the calls that take it up again.
"""

from collections import deque
from collections.abc import Iterator, Mapping
from typing import Any, Final

from gateway.wire.traffic import Kind, TrafficMessage

CAPACITY: Final = 10_000
CAPACITY_BYTES: Final = 48 * 1024 * 1024  # of payloads that are held
PROCESSES: Final = 16  # of the gateway, whose numbers are remembered


class Exchange:
    """`key` is for good. `parent` is the call in whose course it came, or that it takes up again."""

    __slots__ = ("children", "first", "is_kept", "key", "may_be_answered", "parent", "response")

    def __init__(self, key: int, first: TrafficMessage, parent: "Exchange | None" = None) -> None:
        self.key = key
        self.first = first
        self.response: TrafficMessage | None = None
        self.parent = parent
        self.children: list[Exchange] = []
        self.is_kept = True  # by the filter
        self.may_be_answered = False  # its response may have passed while nobody listened

    @property
    def messages(self) -> tuple[TrafficMessage, ...]:
        return (self.first,) if self.response is None else (self.first, self.response)

    @property
    def root(self) -> "Exchange":
        found = self
        while found.parent is not None:
            found = found.parent
        return found

    @property
    def is_open(self) -> bool:
        """A request that waits for its response."""
        return self.response is None and self.first.kind is Kind.REQUEST

    @property
    def is_waiting(self) -> bool:
        """It waits, as far as one can know."""
        return self.is_open and not self.may_be_answered

    @property
    def error(self) -> str:
        return (self.response.error if self.response is not None else "") or self.first.error

    @property
    def asks_back(self) -> bool:
        """Its response is no result but a question to the client (2026-07-28)."""
        result = _member(self.response.payload, "result") if self.response is not None else None
        return bool(_member(result, "resultType") == "input_required")

    @property
    def rounds(self) -> int:
        """How many calls take it up again, itself among them."""
        return 1 + sum(1 for child in self.children if child.first.follows)

    @property
    def size(self) -> int:
        return sum(message.size for message in self.messages)


class Rule:
    """A line between rows: the stream broke, messages were lost, the reader drew it."""

    __slots__ = ("is_gap", "key", "text")

    def __init__(self, key: int, text: str, *, is_gap: bool) -> None:
        self.key = key
        self.text = text
        self.is_gap = is_gap


type Entry = Exchange | Rule


class Ledger:
    """What is held, in the order in which it came. `fallen`: exchanges that are no longer held."""

    def __init__(self, capacity: int = CAPACITY, capacity_bytes: int = CAPACITY_BYTES) -> None:
        self._capacity, self._capacity_bytes = capacity, capacity_bytes
        self._entries: deque[Entry] = deque()
        self._by_number: dict[int, Exchange] = {}  # of the gateway's process that tells now
        self._numbered: dict[str, dict[int, Exchange]] = {}  # of each that has told
        self._bytes = self._key = 0
        self._rules = 0
        self.fallen = 0
        self.generation = 0  # another one whenever anything may look different

    def __len__(self) -> int:
        """How many exchanges are held; rules are none."""
        return len(self._entries) - self._rules

    def __iter__(self) -> Iterator[Entry]:
        return iter(self._entries)

    @property
    def exchanges(self) -> Iterator[Exchange]:
        return (entry for entry in self._entries if isinstance(entry, Exchange))

    def take(self, message: TrafficMessage) -> Exchange | None:
        """The exchange that it begins or ends; None for one that was here before."""
        if (known := self._by_number.get(message.number)) is not None:
            self._hear_again(known)
            return None
        self.generation += 1
        asked = self._by_number.get(message.answers) if message.answers else None
        if asked is not None and asked.response is None:
            asked.response = message
        else:
            asked = self._begun(message)
        self._by_number[message.number] = asked
        self._bytes += _held(message)
        self._trim()
        return asked

    def rule(self, text: str, *, is_gap: bool = True) -> None:
        """A line after all that came. is_gap: messages may have passed unheard, answers among them."""
        self.generation += 1
        if is_gap:
            for exchange in self.exchanges:
                exchange.may_be_answered = exchange.is_open
        self._entries.append(Rule(self._next_key(), text, is_gap=is_gap))
        self._rules += 1
        self._trim()

    def hear_from(self, process: str) -> None:
        """This process of the gateway tells from now on; each numbers by itself."""
        self._by_number = self._numbered.pop(process, {})
        self._numbered[process] = self._by_number  # the last that told stands last
        if len(self._numbered) > PROCESSES:
            del self._numbered[next(iter(self._numbered))]

    def clear(self) -> None:
        self.generation += 1
        self._entries.clear()
        self._by_number.clear()
        for numbered in self._numbered.values():
            numbered.clear()
        self._bytes = self._rules = self.fallen = 0

    def _hear_again(self, known: Exchange) -> None:
        """Who listens anew is told of what is under way: it waits for its answer still."""
        if known.may_be_answered:
            known.may_be_answered = False
            self.generation += 1

    def _begun(self, message: TrafficMessage) -> Exchange:
        parent = self._by_number.get(message.under or message.follows)
        if parent is not None and message.follows:
            parent = parent.root  # rounds of one call stand beside each other
        exchange = Exchange(self._next_key(), message, parent)
        if parent is not None:
            parent.children.append(exchange)
        self._entries.append(exchange)
        return exchange

    def _next_key(self) -> int:
        self._key += 1
        return self._key

    def _trim(self) -> None:
        while len(self._entries) > self._capacity or (self._bytes > self._capacity_bytes and len(self._entries) > 1):
            gone = self._entries.popleft()
            if isinstance(gone, Exchange):
                self._forget(gone)
            else:
                self._rules -= 1

    def _forget(self, gone: Exchange) -> None:
        self.fallen += 1
        for message in gone.messages:
            self._bytes -= _held(message)
            for numbered in (self._by_number, *self._numbered.values()):
                if numbered.get(message.number) is gone:
                    del numbered[message.number]
        if gone.parent is not None:
            gone.parent.children.remove(gone)
        for child in gone.children:
            child.parent = None
        gone.children = []


def name_of(message: TrafficMessage) -> str:
    """`tools/call get_forecast`, on one line."""
    return " ".join(f"{message.method or message.verb or '?'} {message.target}".split())


def text_of(message: TrafficMessage) -> str:
    """Its JSON, or the beginning of it where it was too large."""
    import msgspec

    return message.excerpt or (msgspec.json.encode(message.payload).decode() if message.payload is not None else "")


def _member(value: Any, name: str) -> Any:
    return value.get(name) if isinstance(value, Mapping) else None


def _held(message: TrafficMessage) -> int:
    return len(message.excerpt) if message.payload is None else message.size
