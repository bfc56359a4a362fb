"""The way a reader came, to go back and forth on. Pure."""

from collections.abc import Hashable
from typing import Final, NamedTuple

from mcpdeck.model.commands import View

LONGEST: Final = 100


class Visit(NamedTuple):
    """spot: what of the view was looked at, in the view's own terms; None for nothing in particular."""

    view: View
    spot: Hashable = None


class Trail:
    """Visits, and which of them is now. What lies after it is gone once one goes elsewhere."""

    def __init__(self, begin: View) -> None:
        self._visits = [Visit(begin)]
        self._here = 0
        self._before = 0  # where one was last

    def leave(self, spot: Hashable) -> None:
        """Remember what was looked at here, before going."""
        self._visits[self._here] = self._visits[self._here]._replace(spot=spot)

    def arrive(self, view: View) -> None:
        self._before = self._here
        self._visits[self._here + 1 :] = [Visit(view)]
        self._here += 1
        if len(self._visits) > LONGEST:
            del self._visits[0]
            self._here -= 1
            self._before = max(0, self._before - 1)

    def step(self, step: int) -> Visit | None:
        """The visit before or after, which is now the present one; None if there is none."""
        return self._to(self._here + step)

    def turn(self) -> Visit | None:
        """The one that was present before this one."""
        return self._to(self._before) if self._before != self._here else None

    def _to(self, place: int) -> Visit | None:
        if not 0 <= place < len(self._visits):
            return None
        self._before, self._here = self._here, place
        return self._visits[place]
