"""The replicas of one adapter that runs here: how many, and that they are replaced one after the other."""

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

from gateway.backends.process.life import Life
from gateway.backends.process.plan import Plan
from gateway.backends.process.slot import Slot
from gateway.backends.reach.patience import Backoff, Patience
from gateway.core.observed import Instance
from gateway.wire.names import AdapterName, instance_name


class Crew:
    """begin: starts a life of a plan as a replica, after so many restarts. found: lives that outlived a gateway,
    the oldest first.

    before: an earlier crew of the same name, which must have left: it may have the same logs and working folder.
    """

    def __init__(
        self,
        adapter: AdapterName,
        *,
        begin: Callable[[Plan, int, int], Life],
        patience: Patience,
        found: Mapping[int, Sequence[Life]] = MappingProxyType({}),
        before: "Crew | None" = None,
    ) -> None:
        self.adapter = adapter
        self._begin, self._patience, self._before = begin, patience, before
        self._slots = {ordinal: self._slot(ordinal, lives) for ordinal, lives in found.items()}

    def want(self, plan: Plan, replicas: int) -> None:
        for ordinal in range(replicas):
            if ordinal not in self._slots:
                self._slots[ordinal] = self._slot(ordinal)
        for ordinal, slot in self._slots.items():
            slot.want(plan if ordinal < replicas else None)

    def dismiss(self) -> None:
        """All, now."""
        for slot in self._slots.values():
            slot.want(None, is_gentle=False)

    @property
    def is_empty(self) -> bool:
        return not self._slots

    def step(self, now: float) -> float | None:
        """When to come again; None: on news."""
        if self._before is not None and not self._before.is_empty:
            return None
        self._before = None
        rolling = next((slot for slot in self._slots.values() if slot.is_rolling), None)
        dues = []
        for slot in self._slots.values():
            dues.append(slot.step(now, may_roll=rolling in (None, slot)))
            if slot.is_rolling:
                rolling = slot
        self._slots = {ordinal: slot for ordinal, slot in self._slots.items() if not slot.is_empty}
        return min((due for due in dues if due is not None), default=None)

    def instances(self) -> tuple[Instance, ...]:
        return tuple(instance for _, slot in sorted(self._slots.items()) for instance in slot.instances())

    def _slot(self, ordinal: int, found: Sequence[Life] = ()) -> Slot:
        return Slot(
            instance_name(self.adapter, ordinal),
            begin=lambda plan, restarts: self._begin(plan, ordinal, restarts),
            backoff=Backoff(self._patience),
            found=found,
        )
