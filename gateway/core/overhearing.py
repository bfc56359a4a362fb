"""How the data plane lets somebody listen: what it tells of an exchange, to whom. Knows no reader and keeps nothing.

Stands apart from `ports` since it costs the data plane one attribute while nobody listens, and nothing else.
"""

from collections.abc import Sequence
from typing import Protocol

import msgspec

from gateway.core.access import Principal
from gateway.core.ports import Account, Asking
from gateway.core.routes import Endpoint
from gateway.wire.mcp import Era
from gateway.wire.names import AdapterName

type Headers = Sequence[tuple[bytes, bytes]]


class Talk(msgspec.Struct, frozen=True, kw_only=True):
    """An exchange that may be listened to: whose it is, and where it goes."""

    account: Account
    adapter: AdapterName
    endpoint: Endpoint
    principal: Principal
    era: Era
    asking: Asking
    request_id: bytes


class Listener(Protocol):
    """Is told of one exchange. Every method is called on the loop and must not wait, nor raise."""

    def asked(self) -> None:
        """The request is on its way."""

    def answering(self, status: int, headers: Headers) -> None:
        """The answer's head is there. headers: the adapter's own; names in lower case."""

    def said(self, data: bytes, size: int) -> None:
        """A message of the answer, or a batch, of so many bytes. data: its beginning, where it is too large to hold."""

    def ended(self, status: int, problem: str = "") -> None:
        """The exchange is over; its account is closed. status: as the account has it. problem: what the gateway says
        went wrong, in a sentence."""


class Tap(Protocol):
    """Somebody listens, though perhaps not to this adapter."""

    def listen(self, talk: Talk) -> Listener | None:
        """None where nobody wants to hear of this exchange."""


class Tapped(Protocol):
    """Where messages pass. tap: None while nobody listens."""

    tap: Tap | None
