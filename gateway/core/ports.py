"""What the rooms above need of each other, as Protocols. `compose` is where they meet."""

from collections.abc import Mapping
from typing import Protocol

from gateway.core.access import Principal
from gateway.core.errors import Unauthenticated
from gateway.core.routes import Endpoint
from gateway.wire.mcp import Era
from gateway.wire.names import AdapterName


class Authenticator(Protocol):
    """Who a request is from. `known` is the fast half: a cache look-up that never waits."""

    def known(self, headers: Mapping[bytes, bytes]) -> Principal | Unauthenticated | None:
        """The principal, a refusal, or None: not known yet, ask `verify`. Header names are lower case."""

    async def verify(self, headers: Mapping[bytes, bytes]) -> Principal | Unauthenticated:
        """The same with time to fetch keys and check a signature; `known` answers from then on."""


class Assertions(Protocol):
    """The gateway's signed word on who calls, for the `X-Mcp-Identity` header."""

    def assertion(self, principal: Principal, adapter: AdapterName) -> bytes:
        """About this principal, for this adapter alone. Served from memory; never waits."""


class Accounts(Protocol):
    """What the data plane tells about live sessions and calls. Every method is called on the loop and must not wait."""

    def opened(
        self,
        session: bytes | None,
        adapter: AdapterName,
        endpoint: Endpoint,
        principal: Principal,
        era: Era,
        body: bytes | None,
    ) -> "Account":
        """A request begins; `session` is the upstream's own id, None without one; body: what initialize said."""


class Account(Protocol):
    """One request under way, from its head to its end."""

    def learned(self, session: bytes) -> None:
        """The upstream minted this session id in its answer to initialize."""

    def ended(self, *, status: int, bytes_in: int, bytes_out: int) -> None:
        """status: what the client got; 0 when it left, or the upstream broke off, before a status."""

    def closed(self) -> None:
        """The session has ended: a DELETE succeeded, or the upstream no longer knows it."""
