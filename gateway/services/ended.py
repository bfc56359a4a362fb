"""Which sessions were ended, so that their ids are refused. Tells nobody."""

from collections.abc import Collection
from typing import Final

MOST: Final = 100_000  # the latest; of an older one its server says that it is over

type Session = tuple[bytes, str]  # the upstream's own id, and its instance's uid


class Ended(dict[Session, None]):
    """In the order in which they were ended. A dict, since every call asks it."""

    def add(self, session: Session) -> None:
        if len(self) >= MOST:
            del self[next(iter(self))]
        self[session] = None

    def forget(self, alive: Collection[str]) -> list[Session]:
        """Those of instances that are no more, of which nobody has to know it any longer."""
        gone = [session for session in self if session[1] not in alive]
        for session in gone:
            del self[session]
        return gone
