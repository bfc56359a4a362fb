"""Which replicas are there to hold what can't be sealed, by their addresses. Connects to none of them."""

from collections.abc import Iterable
from typing import Final

from gateway.core.sharing import Shared

TABLE: Final = "homes"
_ROW: Final = "home"


class Homes:
    """core.sharing.Table. own: this replica's address and a mark of its process."""

    def __init__(self, shared: Shared, own: str) -> None:
        self._own = own.encode()
        self._there: dict[str, str] = {}  # by replica
        shared.join(TABLE, self)
        shared.stir(TABLE, _ROW, at_once=True)

    def is_there(self, home: str) -> bool:
        return home in self._there.values()

    def rows(self) -> Iterable[str]:
        return (_ROW,)

    def row(self, name: str) -> bytes | None:  # noqa: ARG002 - there is but one
        return self._own

    def heard(self, replica: str, name: str, value: bytes | None) -> None:  # noqa: ARG002 - as above
        if value is not None:
            self._there[replica] = value.decode()

    def lost(self, replica: str) -> None:
        self._there.pop(replica, None)
