"""Live sessions of the other replicas, and which sessions were ended anywhere. Knows no principal and decides nothing.

A client whose calls reach two replicas has one session, which both of them tell of: what is shown is what they say
together.
"""

import functools
from collections.abc import Callable, Collection, Iterable
from typing import Final, Protocol

import msgspec

from gateway.core.sharing import Shared
from gateway.services.counts import Counts
from gateway.services.ended import Ended
from gateway.wire.resources import LiveSession

SESSIONS: Final = "sessions"
ENDED: Final = "ended sessions"
END: Final = "end a session"
MOST_LEFT: Final = 20_000  # sessions of replicas that are gone, whose client is still known

_encode = msgspec.msgpack.encode
_session_of = msgspec.msgpack.Decoder(LiveSession).decode


class End(msgspec.Struct, frozen=True, array_like=True):
    """session: the upstream's own id, which whoever opens a client's sees. uid: of its instance."""

    session: bytes
    uid: str


class Own(Protocol):
    """This replica's sessions."""

    def ids(self) -> Iterable[str]: ...

    def shown_here(self, session_id: str) -> LiveSession | None: ...

    def changed_elsewhere(self, session_id: str) -> None:
        """What another replica says of it is something else."""

    def left_elsewhere(self, last: LiveSession) -> None:
        """A replica let go of it, having said this."""

    def ended_elsewhere(self, session: bytes, uid: str) -> None:
        """Its id is to be refused from now on."""

    async def end_here(self, session_id: str) -> None:
        """Raises NotFound, Unsupported."""


class Elsewhere:
    """core.sharing.Table of live sessions."""

    def __init__(self, shared: Shared, own: Own) -> None:
        self._shared, self._own = shared, own
        self._by_id: dict[str, dict[str, LiveSession]] = {}  # by replica
        self._left: dict[str, LiveSession] = {}  # what a replica said last of a session that it let go of
        self._ends = _Ends(own.ended_elsewhere)
        shared.join(SESSIONS, self)
        shared.join(ENDED, self._ends, lasts=True)
        shared.serve(END, self._end_here)

    # core.sharing.Table

    def rows(self) -> Iterable[str]:
        return self._own.ids()

    def row(self, name: str) -> bytes | None:
        shown = self._own.shown_here(name)
        return _encode(shown) if shown is not None else None

    def heard(self, replica: str, name: str, value: bytes | None) -> None:
        if value is not None:
            self._by_id.setdefault(name, {})[replica] = _session_of(value)
        elif not self._drop(replica, name):
            return
        self._own.changed_elsewhere(name)

    def lost(self, replica: str) -> None:
        for name in [name for name, by in self._by_id.items() if replica in by]:
            self._drop(replica, name)
            self._own.changed_elsewhere(name)

    # this replica

    def tell(self, session_id: str) -> None:
        """It changed, or is no more."""
        self._shared.stir(SESSIONS, session_id)

    def ids(self) -> Iterable[str]:
        return self._by_id

    def of_adapters(self, names: Collection[str]) -> list[str]:
        """The others' sessions with adapters of these names."""
        if not names:
            return []
        return [name for name, by in self._by_id.items() if any(each.adapter in names for each in by.values())]

    def replicas(self, session_id: str) -> list[str]:
        """Where it is known."""
        return list(self._by_id.get(session_id, ()))

    def last_of(self, session_id: str) -> LiveSession | None:
        """What another replica says of it, or said before it went: only there was its client heard to say its name."""
        told = next((each for each in self._by_id.get(session_id, {}).values() if each.client_name), None)
        return told or self._left.get(session_id)

    def with_others(self, session_id: str, here: LiveSession | None) -> LiveSession | None:
        """As all replicas see it together. here: as this one does."""
        there = list(self._by_id.get(session_id, {}).values())
        found = there if here is None else [here, *there]
        return functools.reduce(_together, found) if found else None

    async def end(self, session_id: str) -> None:
        """At a replica that has it. Raises NotFound, Unsupported, Unreachable."""
        for replica in self.replicas(session_id)[:1]:
            await self._shared.ask(replica, END, session_id.encode())

    async def was_ended(self, session: bytes, uid: str) -> None:
        """Here: the others are told, and have been when this returns; or will be, where they can't be reached."""
        self._shared.stir(ENDED, self._ends.add(session, uid), at_once=True)
        await self._shared.told()

    def keep(self, alive: Iterable[str]) -> None:
        """Of instances that are no more, nobody has to know what was ended."""
        for name in self._ends.forget(frozenset(alive)):
            self._shared.stir(ENDED, name)

    async def _end_here(self, body: bytes) -> bytes:
        await self._own.end_here(body.decode())
        return b""

    def _drop(self, replica: str, name: str) -> bool:
        by = self._by_id.get(name)
        last = by.pop(replica, None) if by is not None else None
        if last is None:
            return False
        if not by:
            del self._by_id[name]
        if last.client_name:
            self._left[name] = last
            if len(self._left) > MOST_LEFT:
                del self._left[next(iter(self._left))]
            self._own.left_elsewhere(last)
        return True


class _Ends:
    """core.sharing.Table of the sessions that were ended."""

    def __init__(self, heard: Callable[[bytes, str], None]) -> None:
        self._heard = heard
        self._own = Ended()

    def add(self, session: bytes, uid: str) -> str:
        self._own.add((session, uid))
        return _name(session, uid)

    def forget(self, alive: frozenset[str]) -> list[str]:
        return [_name(*gone) for gone in self._own.forget(alive)]

    def rows(self) -> Iterable[str]:
        return [_name(*each) for each in self._own]

    def row(self, name: str) -> bytes | None:
        uid, _, session = name.rpartition(" ")
        end = End(bytes.fromhex(session), uid)
        return _encode(end) if (end.session, end.uid) in self._own else None

    def heard(self, replica: str, name: str, value: bytes | None) -> None:  # noqa: ARG002 - whoever ended it
        if value is not None:
            end = msgspec.msgpack.decode(value, type=End)
            self._heard(end.session, end.uid)

    def lost(self, replica: str) -> None:
        """What was ended stays so."""


def _name(session: bytes, uid: str) -> str:
    return f"{uid} {session.hex()}"


def _together(one: LiveSession, other: LiveSession) -> LiveSession:
    """Numbers are added up; of the rest, what was heard last."""
    older, later = sorted((one, other), key=lambda each: each.last_used_at)
    failed = max((one, other), key=lambda each: each.last_error_at.timestamp() if each.last_error_at else 0.0)
    slow = [each.p95 for each in (one, other) if each.p95 is not None]
    waiting = [each.oldest_call_at for each in (one, other) if each.oldest_call_at is not None]
    named = later if later.client_name or not older.client_name else older
    return msgspec.structs.replace(
        later,
        client_name=named.client_name,
        client_version=named.client_version,
        protocol_version=named.protocol_version or later.protocol_version,
        opened_at=min(one.opened_at, other.opened_at),
        **msgspec.structs.asdict(Counts.of(one) + Counts.of(other)),
        rate=round(one.rate + other.rate, 4),
        p95=max(slow, default=None),
        last_error=failed.last_error,
        last_error_at=failed.last_error_at,
        oldest_call_at=min(waiting, default=None),
    )
