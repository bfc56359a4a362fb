"""What is counted of a session, by whoever counts it. Says nothing else of it."""

from typing import Protocol, Self

import msgspec


class Counted(Protocol):
    """A session, or what is told of one."""

    @property
    def calls(self) -> int: ...
    @property
    def in_flight(self) -> int: ...
    @property
    def streams(self) -> int: ...
    @property
    def errors(self) -> int: ...
    @property
    def bytes_in(self) -> int: ...
    @property
    def bytes_out(self) -> int: ...


class Counts(msgspec.Struct, frozen=True):
    """As of a moment, or how they have changed since one."""

    calls: int = 0
    in_flight: int = 0
    streams: int = 0
    errors: int = 0
    bytes_in: int = 0
    bytes_out: int = 0

    @classmethod
    def of(cls, one: Counted) -> Self:
        return cls(one.calls, one.in_flight, one.streams, one.errors, one.bytes_in, one.bytes_out)

    def __add__(self, other: "Counts") -> "Counts":
        return Counts(*(one + more for one, more in zip(_numbers(self), _numbers(other), strict=True)))

    def __sub__(self, other: "Counts") -> "Counts":
        return Counts(*(one - less for one, less in zip(_numbers(self), _numbers(other), strict=True)))


_numbers = msgspec.structs.astuple
