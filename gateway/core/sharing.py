"""What gateway replicas tell each other, as Protocols and plain values. A gateway that is alone needs none of it.

Nothing here is asked for on the path of a call, but `take` for calls that a limit touches.
"""

from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Final, Protocol

import msgspec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from gateway.core import errors
from gateway.core.errors import GatewayError

NOBODY: Final = ""  # tells what lasts: rows that outlive the replica that wrote them


class Apart(Exception):
    """What replicas share can't be reached now. The sentence says why."""


class Quota(msgspec.Struct, frozen=True):
    """key: whose, of what. per_minute, concurrent: 0 for any number."""

    key: str
    per_minute: int = 0
    concurrent: int = 0


class Spent(msgspec.Struct, frozen=True):
    """at: which of the quotas that were asked for. seconds: until it may be worth trying again."""

    at: int
    seconds: float


class Table(Protocol):
    """Rows of one kind: this replica's own, which the others are told, and what they tell. Called on the loop."""

    def rows(self) -> Iterable[str]:
        """The names of all of one's own."""

    def row(self, name: str) -> bytes | None:
        """As it is now; None where it is no more."""

    def heard(self, replica: str, name: str, value: bytes | None) -> None:
        """Another replica's, or `NOBODY`'s. value: None where it is no more. The same may be told twice."""

    def lost(self, replica: str) -> None:
        """Another replica is gone, and so are its rows."""


class Shared(Protocol):
    """One replica among others. name: its own, no two are alike, not even in time."""

    @property
    def name(self) -> str: ...

    @property
    def trouble(self) -> str:
        """Why what the others tell may be old, in a sentence; "" where it is not."""

    @property
    def others(self) -> Sequence[str]:
        """The replicas that are heard of, this one left out."""

    def join(self, kind: str, table: Table, *, lasts: bool = False) -> None:
        """lasts: its rows outlive this replica, for a day or more."""

    def stir(self, kind: str, name: str, *, at_once: bool = False) -> None:
        """A row of one's own is another one. Told within a second; never waits."""

    async def told(self) -> bool:
        """Returns when what was stirred until now is told: True; or could not be: False. It will be later."""

    def listen(self, topic: str, heard: Callable[[bytes], None]) -> None:
        """What others `tell` this replica. Must not wait."""

    def tell(self, replica: str, topic: str, body: bytes) -> None:
        """One replica alone. Lost where it is gone, or where there is too much; never waits."""

    def serve(self, topic: str, answer: Callable[[bytes], Awaitable[bytes]]) -> None:
        """What others `ask`. A GatewayError that it raises is raised there."""

    async def ask(self, replica: str, topic: str, body: bytes) -> bytes:
        """Raises what the other raised, and Unreachable."""

    async def take(self, lease: str, quotas: Sequence[Quota]) -> Spent | None:
        """One call of each of them, or of none. What is taken is given back by `give`, or by time. Raises Apart."""

    def give(self, lease: str) -> None:
        """The call has ended. Never waits."""


class Shelf(msgspec.Struct, frozen=True):
    """A kind of things in a vault. seconds: how long they stay. most: of them at once; the oldest make room."""

    name: str
    seconds: float
    most: int


class Vault(Protocol):
    """What a sign-in leaves for its next step, at whichever replica that comes. Every method raises Apart.

    A name is a secret of who holds it, and so is a word: a vault keeps their digests alone.
    """

    async def put(self, shelf: Shelf, name: str, value: bytes, *, word: str = "") -> None:
        """word: the first one that `turn` asks for."""

    async def find(self, shelf: Shelf, name: str) -> bytes | None: ...

    async def take(self, shelf: Shelf, name: str) -> bytes | None:
        """It is gone then: of all who take it at one moment, at any replicas, one gets it."""

    async def turn(self, shelf: Shelf, name: str, *, word: str, then: str, value: bytes | None = None) -> bytes | None:
        """For who says the right word: what is there, or `value` in its place; the next time `then` is the word.

        Who says another one gets None, and it is gone for everybody.
        """


class Unreachable(errors.NothingReady):
    """The replica that has it can't be asked."""


class Reply(msgspec.Struct, frozen=True, array_like=True):
    """What `ask` brings back: an answer, or an error by the name of its class."""

    body: bytes = b""
    error: str = ""
    detail: str = ""

    def opened(self) -> bytes:
        if not self.error:
            return self.body
        kind = _KINDS.get(self.error, GatewayError)
        raise kind(self.detail)


async def reply_of(answering: Awaitable[bytes]) -> Reply:
    try:
        return Reply(await answering)
    except GatewayError as error:
        return Reply(error=type(error).__name__, detail=error.detail)


def derived(keys: Sequence[bytes], purpose: str) -> list[bytes]:
    """Keys of their own for one purpose: what one of them seals says nothing of the others."""
    return [HKDF(SHA256(), 32, salt=None, info=f"mcpdeck {purpose}".encode()).derive(key) for key in keys]


_KINDS: Final = {
    each.__name__: each
    for each in (
        errors.Forbidden,
        errors.NotFound,
        errors.PreconditionFailed,
        errors.Unsupported,
        errors.Invalid,
        errors.TooManyRequests,
        Unreachable,
    )
}
