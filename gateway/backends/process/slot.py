"""One replica of an adapter: which life it has, which one follows, and when. Decides at each `step`, waits for nothing.

A new plan replaces a life that is ready only once its successor is ready too, and then lets it leave gently; one that
is not ready it replaces at once. A life that ends unasked is followed by another, later each time.
"""

from collections.abc import Callable, Sequence

import msgspec

from gateway.backends.process.life import Life
from gateway.backends.process.plan import Plan
from gateway.backends.reach.patience import Backoff
from gateway.core.observed import Instance
from gateway.wire.names import InstanceName
from gateway.wire.resources import Phase


class Slot:
    """begin: starts a life of a plan, after so many restarts. found: lives that outlived a gateway, oldest first."""

    def __init__(
        self, name: InstanceName, *, begin: Callable[[Plan, int], Life], backoff: Backoff, found: Sequence[Life] = ()
    ) -> None:
        self.name = name
        self.restarts = max((life.restarts for life in found), default=0)
        self._begin, self._backoff = begin, backoff
        self._wanted: Plan | None = None
        self._life: Life | None = found[0] if found else None
        self._next: Life | None = found[-1] if len(found) > 1 else None
        self._leaving: list[Life] = []
        for life in found[1:-1]:
            self._dismiss(life, is_gentle=True)
        self._failed: Life | None = None  # the last that ended unasked, until another is ready
        self._due = 0.0

    def want(self, plan: Plan | None, *, is_gentle: bool = True) -> None:
        """None: nothing any more. A plan that differs from one that failed is tried at once."""
        self._wanted = plan
        if plan is None:
            self._failed = None
            for life in (self._life, self._next, *self._leaving):
                if life is not None:
                    life.retire(is_gentle=is_gentle)
        elif self._failed is not None and self._failed.digest != plan.digest:
            self._due = 0.0

    @property
    def is_empty(self) -> bool:
        """Nothing is wanted and nothing left."""
        return self._wanted is None and not self._lives()

    @property
    def is_rolling(self) -> bool:
        """A successor is under way, or one has failed: no other replica of the adapter follows its example yet."""
        return self._next is not None or (self._is_outdated and self._failed is not None)

    @property
    def is_ready(self) -> bool:
        return self._life is not None and self._life.phase is Phase.READY

    def step(self, now: float, *, may_roll: bool) -> float | None:
        """Do what is due. may_roll: whether a ready life may get a successor now. When to come again; None: on news."""
        self._bury(now)
        wanted = self._wanted
        if wanted is None:
            for life in (self._life, self._next):
                self._dismiss(life, is_gentle=True)
            self._life = self._next = None
            return None
        self._pass_on(wanted)
        if self._life is not None and self._is_outdated and not self.is_ready and self._next is None:
            self._dismiss(self._life, is_gentle=False)
            self._life = None
        if self._life is not None and not (self._is_outdated and self._next is None and may_roll):
            return None
        if now < self._due:
            return self._due
        begun = self._begin(wanted, self.restarts)
        if self._life is None:
            self._life = begun
        else:
            self._next = begun
        return None

    def instances(self) -> Sequence[Instance]:
        """The newest first, as far as there are several."""
        digest = self._wanted.digest if self._wanted is not None else ""
        found = [life.instance(is_updated=life.digest == digest) for life in self._lives()]
        if self._failed is not None and self._next is None and (self._life is None or self._is_outdated):
            found.insert(0, self._failed.instance(is_updated=self._failed.digest == digest))
        return [msgspec.structs.replace(each, restarts=self.restarts) for each in found]

    @property
    def _is_outdated(self) -> bool:
        life, wanted = self._life, self._wanted
        return life is not None and wanted is not None and life.digest != wanted.digest

    def _lives(self) -> list[Life]:
        return [life for life in (self._next, self._life, *self._leaving) if life is not None]

    def _bury(self, now: float) -> None:
        """Those that are over: a retired one is forgotten, any other is a failure that the next start waits for."""
        for life in (self._life, self._next):
            if life is not None and life.is_over and not life.is_retired:
                self.restarts += life.has_run
                self._failed, self._due = life, now + self._backoff.after(life.lived)
        self._life, self._next = _if_there(self._life), _if_there(self._next)
        self._leaving = [life for life in self._leaving if not life.is_over]

    def _pass_on(self, wanted: Plan) -> None:
        """A successor that is ready takes over; one that is out of date itself leaves."""
        if self._next is not None and self._next.digest != wanted.digest:
            self._dismiss(self._next, is_gentle=False)
            self._next = None
        if self._next is not None and (self._life is None or self._next.phase is Phase.READY):
            self._dismiss(self._life, is_gentle=True)
            self._life, self._next = self._next, None
        if self.is_ready and not self._is_outdated:
            self._failed = None

    def _dismiss(self, life: Life | None, *, is_gentle: bool) -> None:
        if life is not None:
            life.retire(is_gentle=is_gentle)
            self._leaving.append(life)


def _if_there(life: Life | None) -> Life | None:
    return None if life is None or life.is_over else life
