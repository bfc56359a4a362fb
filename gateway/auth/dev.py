"""Who a request says it is from, believed as it stands: for a gateway that listens on loopback and nowhere else.

The same headers as Microsoft's gateway in its development mode, so that its clients work unchanged. Checks nothing.
"""

from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Final

from gateway.core.access import Principal, folded
from gateway.core.errors import Unauthenticated
from gateway.wire.names import PrincipalId

USER_HEADER: Final = b"x-dev-userid"
NAME_HEADER: Final = b"x-dev-name"
ROLES_HEADER: Final = b"x-dev-roles"
DEFAULT_USER: Final = "dev"
DEFAULT_ROLES: Final = ("mcp.dev",)
ISSUER: Final = "dev"
MOST_TICKETS: Final = 1024


class DevAuthenticator:
    """core.ports.RecognisingAuthenticator. roles: of who sends no `X-Dev-Roles`."""

    def __init__(self, roles: Iterable[str] = DEFAULT_ROLES) -> None:
        self._roles = ",".join(roles).encode()
        self._tickets: dict[bytes, Principal] = {}

    def known(self, headers: Mapping[bytes, bytes]) -> Principal | Unauthenticated | None:
        user = headers.get(USER_HEADER, b"")
        return _principal(user, headers.get(NAME_HEADER, b""), headers.get(ROLES_HEADER, self._roles))

    def ticket(self, headers: Mapping[bytes, bytes]) -> bytes | None:
        known = self.known(headers)
        if not isinstance(known, Principal):
            return None
        ticket = b"\0".join(headers.get(name, b"") for name in (USER_HEADER, NAME_HEADER, ROLES_HEADER))
        if len(self._tickets) >= MOST_TICKETS:
            self._tickets.clear()
        self._tickets[ticket] = known
        return ticket

    def recognised(self, ticket: bytes) -> Principal | None:
        return self._tickets.get(ticket)

    async def verify(self, headers: Mapping[bytes, bytes]) -> Principal | Unauthenticated:
        known = self.known(headers)
        assert known is not None  # noqa: S101 - there is nothing to wait for
        return known


@lru_cache(maxsize=1024)  # it stands on the path of every call
def _principal(user: bytes, name: bytes, roles: bytes) -> Principal | Unauthenticated:
    try:
        said = user.decode().strip() or DEFAULT_USER
        shown = name.decode().strip() or said
        return Principal(PrincipalId(said), shown, folded(roles.decode().split(",")), issuer=ISSUER)
    except UnicodeDecodeError:
        return Unauthenticated("X-Dev-UserId, X-Dev-Name and X-Dev-Roles must be UTF-8")
