"""What is recorded of traffic, and how that is kept at rest, as Protocols and plain values. Keeps nothing."""

import secrets
from asyncio import Future, get_running_loop
from collections.abc import Collection, Sequence
from typing import Final, Protocol

import msgspec

from gateway.wire.names import AdapterName

RING_BYTES: Final = 16 * 1024 * 1024  # of one adapter's recording


class Kept(msgspec.Struct, frozen=True, array_like=True):
    """One recorded message: enough to choose by, and its JSON. at: seconds since the epoch."""

    number: int
    at: float
    session: str
    principal: str
    line: bytes


class Missing(msgspec.Struct, frozen=True):
    """Where something is not there: from `at` to `until`. count: messages that are known to be lost.

    number: higher than that of what comes before, and no message's.
    """

    number: int
    at: float
    until: float
    reason: str
    count: int = 0


class Which(msgspec.Struct, frozen=True):
    """One adapter's recording. made: when the adapter was; another adapter of that name has a recording of its own."""

    adapter: AdapterName
    made: str = ""


class Held(msgspec.Struct, frozen=True):
    """What lies at rest of one adapter. is_kept: whether anything does. size: bytes there.

    lost: messages that were not kept, since the gateway started. trouble: why what comes now is not; "" where it is.
    """

    is_kept: bool = False
    size: int = 0
    lost: int = 0
    trouble: str = ""


class Shelf(Protocol):
    """One adapter's recording at rest. Never waits."""

    def follow(self, most: int) -> None:
        """So many messages are to be kept from now on."""

    def keep(self, kept: Kept) -> None: ...

    def past(self) -> Future[Sequence[Kept | Missing]]:
        """What an earlier life of the gateway kept, the oldest first, and what is missing of it: once it is read."""

    def held(self) -> Held: ...

    def remove(self) -> None:
        """Nothing more is to be kept, and what is, goes."""


class Recordings(Protocol):
    """At rest. stamp: names the line of numbers. first: the number of what this life of the gateway begins with.

    trouble: why nothing can be kept, in a sentence; "" where all is well.
    """

    stamp: str
    first: int
    trouble: str

    def shelf(self, which: Which, most: int) -> Shelf: ...

    def keep_only(self, which: Collection[Which]) -> None:
        """All others' go."""

    def reserve(self, number: int) -> int:
        """No later life gives out a number up to this one, nor for a while after; the number at which to ask again."""


class InMemory:
    """Recordings and Shelf where nothing is kept at rest."""

    def __init__(self) -> None:
        self.stamp, self.first, self.trouble = secrets.token_hex(4), 0, ""

    def shelf(self, which: Which, most: int) -> Shelf:  # noqa: ARG002
        return self

    def keep_only(self, which: Collection[Which]) -> None:
        """There is nothing."""

    def reserve(self, number: int) -> int:
        return number + 2**62

    def renew(self, keys: Sequence[bytes]) -> None:
        """Nothing is sealed."""

    def follow(self, most: int) -> None:
        """There is nothing."""

    def keep(self, kept: Kept) -> None:
        """Not here."""

    def past(self) -> Future[Sequence[Kept | Missing]]:
        nothing: Future[Sequence[Kept | Missing]] = get_running_loop().create_future()
        nothing.set_result(())
        return nothing

    def held(self) -> Held:
        return Held()

    def remove(self) -> None:
        """There is nothing."""
