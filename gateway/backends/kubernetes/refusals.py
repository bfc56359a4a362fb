"""Pods that the cluster refuses to make: a quota that is used up, an admission that says no. Asks nobody.

No pod tells of these. The StatefulSet's controller does, as an event, which stays for an hour whatever becomes of it.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Final

from gateway.cluster.objects import Event, Pod
from gateway.core.observed import Instance
from gateway.wire.names import AdapterName, instance_name
from gateway.wire.resources import Phase

EVENTS: Final = "involvedObject.kind=StatefulSet,reason=FailedCreate"  # the field selector
_BEFORE: Final = "failed error: "  # create Pod weather-0 in StatefulSet weather failed error: pods "weather-0" is …


class Refusals:
    """By adapter: what was said last, and when its youngest pod was made."""

    def __init__(self) -> None:
        self._said: dict[AdapterName, Event] = {}
        self._made: dict[AdapterName, datetime] = {}

    def heard(self, event: Event) -> AdapterName:
        """Whom it concerns, if it concerns an adapter."""
        name = AdapterName(event.involved_object.name)
        known = self._said.get(name)
        if known is None or _is_later(event.at, known.at):
            self._said[name] = event
        return name

    def forgotten(self, event: Event) -> None:
        name = AdapterName(event.involved_object.name)
        known = self._said.get(name)
        if known is not None and known.metadata.name == event.metadata.name:
            del self._said[name]

    def made(self, name: AdapterName, pod: Pod) -> None:
        """After this, what was said before is of the past."""
        at = pod.metadata.creation_timestamp
        if at is not None and _is_later(at, self._made.get(name)):
            self._made[name] = at

    def ended(self, name: AdapterName) -> None:
        """Another adapter may get the name."""
        self._made.pop(name, None)

    def instance(self, name: AdapterName, present: Sequence[Instance], *, wanted: int, uid: str) -> Instance | None:
        """The first pod that is missing, with why it is. uid: of the StatefulSet there is now."""
        event = self._said.get(name)
        if event is None or event.involved_object.uid != uid or not _is_later(event.at, self._made.get(name)):
            return None
        missing = _missing((each.name for each in present), name, wanted)
        if missing is None:
            return None
        sentence = event.message.partition(_BEFORE)[2] or event.message
        return Instance(
            name=instance_name(name, missing), uid="", phase=Phase.FAILED, reason=event.reason, message=sentence
        )


def _missing(present: Iterable[str], name: AdapterName, wanted: int) -> int | None:
    there = set(present)
    return next((number for number in range(wanted) if instance_name(name, number) not in there), None)


def _is_later(at: datetime | None, than: datetime | None) -> bool:
    """Or in the same second, which is as exact as the cluster is."""
    return than is None or (at is not None and at >= than)
