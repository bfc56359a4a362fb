"""The sessions table and a session's description, from the deck's state. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Final

from gateway.wire.resources import LiveSession
from mcpdeck.model.filters import Fields
from mcpdeck.model.formatting import age, count, latency, moment, plural, size
from mcpdeck.model.state import State
from mcpdeck.model.table import Column, TableSpec
from mcpdeck.model.words import UNICODE, UNKNOWN, Cell, Glyphs, Sign, Tone

IDLE_AFTER: Final = 60.0  # seconds without a word; from then on a live session counts as idle

_BUSY: Final = Sign("◐", "[..]", "Busy", Tone.BUSY)
_LIVE: Final = Sign("●", "[OK]", "Live", Tone.OK)
_IDLE: Final = Sign("○", "[--]", "Idle", Tone.DIM)
_STATES: Final[Mapping[str, Sign]] = {
    "draining": Sign("◌", "[..]", "Draining", Tone.BUSY),
    "ended": Sign("○", "[--]", "Ended", Tone.DIM),
    "expired": Sign("○", "[--]", "Expired", Tone.DIM),
    "lost": Sign("✖", "[XX]", "Lost", Tone.BAD),
}


def rows(state: State, adapter: str = "") -> list[LiveSession]:
    """All that are known, or one adapter's."""
    return [it for it in state.sessions.values() if not adapter or it.adapter == adapter]


def sign_of(session: LiveSession, now: datetime) -> Sign:
    """A live one is busy, idle or neither; what a newer gateway says besides is shown in its own word."""
    if session.state == "live":
        if session.in_flight:
            return _BUSY
        return _IDLE if idle_seconds(session, now) > IDLE_AFTER else _LIVE
    word = session.state.capitalize()
    return _STATES.get(session.state) or Sign(UNKNOWN.glyph, UNKNOWN.plain, word, UNKNOWN.tone)


def is_faulty(session: LiveSession) -> bool:
    return session.errors > 0 or session.state == "lost"


def idle_seconds(session: LiveSession, now: datetime) -> float:
    return (now - session.last_used_at).total_seconds()


def user(session: LiveSession) -> str:
    return _one_line(session.principal_name or session.principal)


def client(session: LiveSession) -> str:
    """`claude-code 2.1.4`; empty if it did not say."""
    return _one_line(f"{session.client_name} {session.client_version}")


def _one_line(text: str) -> str:
    return " ".join(text.split())


def find(state: State, prefix: str) -> Sequence[LiveSession]:
    """Those whose id begins so; the one whose id it is, if there is one."""
    if (whole := state.sessions.get(prefix)) is not None:
        return [whole]
    return [it for name, it in state.sessions.items() if name.startswith(prefix)]


def last_error(session: LiveSession) -> str:
    return _one_line(session.last_error)


def oldest_seconds(session: LiveSession, now: datetime) -> float:
    """Of the calls in flight; 0 if none is."""
    return (now - session.oldest_call_at).total_seconds() if session.oldest_call_at else 0.0


def oldest_began(session: LiveSession) -> float:
    return session.oldest_call_at.timestamp() if session.oldest_call_at else float("inf")


def pace(rate: float) -> str:
    """Calls a second, or a minute where that says more, in at most five characters up to 999/s; empty for none."""
    if not rate:
        return ""
    number, unit = (rate, "s") if rate >= 1 else (rate * 60, "m")
    return f"{number:.1f}/{unit}" if number < 9.95 else f"{number:.0f}/{unit}"


def _number(value: int, tone: Tone = Tone.PLAIN) -> Cell:
    return Cell(count(value), tone if value else Tone.DIM)


def _fields(session: LiveSession, now: datetime) -> Fields:
    word = sign_of(session, now).word
    return {
        "id": session.id,
        "client": client(session),
        "user": f"{session.principal_name} {session.principal}".strip(),
        "adapter": session.adapter,
        "instance": session.instance,
        "era": session.era,
        "protocol": session.protocol_version,
        "state": word,
        "status": word,
        "age": (now - session.opened_at).total_seconds(),
        "idle": idle_seconds(session, now),
        "inflight": float(session.in_flight),
        "streams": float(session.streams),
        "calls": float(session.calls),
        "errors": float(session.errors),
        "bytes": float(session.bytes_in + session.bytes_out),
        "rate": session.rate,
        "p95": session.p95 or 0.0,
        "oldest": oldest_seconds(session, now),
        "lasterror": last_error(session),
    }


FIELD_NAMES: Final = (
    *("id", "client", "user", "adapter", "instance", "era", "protocol", "state", "status"),
    *("age", "idle", "inflight", "streams", "calls", "errors", "bytes", "rate", "p95", "oldest", "lasterror"),
)


def table(glyphs: Glyphs = UNICODE) -> TableSpec[LiveSession]:
    """The sessions table, drawn with these glyphs."""

    def state_cell(session: LiveSession, now: datetime) -> Cell:
        sign = sign_of(session, now)
        return Cell(glyphs.sign(sign), sign.tone)

    columns: list[Column[LiveSession]] = [
        Column(
            id="client", title="CLIENT", minimum=17, maximum=28,
            cell=lambda it, _now: Cell(client(it), Tone.STRONG) if client(it) else Cell("unknown", Tone.DIM),
            order=client,
        ),
        Column(
            id="user", title="USER", minimum=12, maximum=26, priority=1,
            cell=lambda it, _now: Cell(user(it)),
            order=user,
        ),
        Column(
            id="adapter", title="ADAPTER", minimum=10, maximum=30,
            cell=lambda it, _now: Cell(it.adapter),
            order=lambda it: it.adapter,
        ),
        Column(
            id="instance", title="INST", minimum=4, maximum=32, priority=5,
            cell=lambda it, _now: Cell(it.instance.removeprefix(f"{it.adapter}-"), Tone.DIM),
            order=lambda it: it.instance,
        ),
        Column(
            id="era", title="ERA", minimum=6, maximum=6, priority=4,
            cell=lambda it, _now: Cell(it.era),
            order=lambda it: it.era,
        ),
        Column(
            id="state", title="STATE", minimum=13, maximum=13,  # the word is never cut
            cell=state_cell,
            order=lambda it: (it.state != "lost", not it.in_flight, -it.last_used_at.timestamp()),
        ),
        Column(
            id="idle", title="IDLE", minimum=4, maximum=4, priority=2, right=True,
            cell=lambda it, now: Cell("" if it.in_flight else age(it.last_used_at, now), Tone.DIM),
            order=lambda it: -it.last_used_at.timestamp(),
        ),
        Column(
            id="inflight", title="FLY", minimum=3, maximum=5, priority=3, right=True,
            cell=lambda it, _now: _number(it.in_flight, Tone.BUSY),
            order=lambda it: it.in_flight,
        ),
        Column(
            id="oldest", title="OLDEST", minimum=6, maximum=6, priority=4, right=True,
            cell=lambda it, now: Cell(age(it.oldest_call_at, now), Tone.BUSY if it.oldest_call_at else Tone.DIM),
            order=lambda it: -oldest_began(it),
        ),
        Column(
            id="rate", title="RATE", minimum=5, maximum=7, priority=4, right=True,
            cell=lambda it, _now: Cell(pace(it.rate), Tone.PLAIN if it.rate else Tone.DIM),
            order=lambda it: it.rate,
        ),
        Column(
            id="p95", title="P95", minimum=5, maximum=6, priority=6, right=True,
            cell=lambda it, _now: Cell("" if it.p95 is None else latency(it.p95)),
            order=lambda it: it.p95 or 0.0,
        ),
        Column(
            id="calls", title="CALLS", minimum=5, maximum=9, priority=3, right=True,
            cell=lambda it, _now: _number(it.calls),
            order=lambda it: it.calls,
        ),
        Column(
            id="errors", title="ERR", minimum=3, maximum=7, priority=2, right=True,
            cell=lambda it, _now: _number(it.errors, Tone.BAD),
            order=lambda it: it.errors,
        ),
        Column(
            id="bytes", title="BYTES", minimum=5, maximum=5, priority=6, right=True,
            cell=lambda it, _now: Cell(size(it.bytes_in + it.bytes_out), Tone.DIM),
            order=lambda it: it.bytes_in + it.bytes_out,
        ),
        Column(
            id="lasterror", title="LAST ERROR", minimum=12, maximum=40, priority=8, flexible=True,
            cell=lambda it, _now: Cell(last_error(it), Tone.BAD),
            order=last_error,
        ),
        Column(
            id="id", title="ID", minimum=8, maximum=8, priority=7,
            cell=lambda it, _now: Cell(it.id[:8], Tone.DIM),
            order=lambda it: it.id,
        ),
        Column(
            id="age", title="AGE", minimum=4, maximum=4, right=True,
            cell=lambda it, now: Cell(age(it.opened_at, now), Tone.DIM),
            order=lambda it: -it.opened_at.timestamp(),
        ),
    ]  # fmt: skip
    return TableSpec(columns, lambda it: it.id, _fields, FIELD_NAMES)


_ERAS: Final = {
    "legacy": "legacy: one session id, held by its client and sealed for its instance",
    "modern": "modern: no session id; calls of one client, user and adapter, grouped",
}


def describe(session: LiveSession, now: datetime, glyphs: Glyphs = UNICODE) -> Iterator[list[Cell]]:
    """A session in words, as lines of cells."""
    sign = sign_of(session, now)
    facts: list[tuple[str, Cell]] = [
        ("State", Cell(glyphs.sign(sign), sign.tone)),
        ("Client", Cell(client(session) or "did not say")),
        ("User", Cell(f"{user(session)}  ({session.principal})" if session.principal_name else session.principal)),
        ("Adapter", Cell(session.adapter, Tone.ACCENT)),
        ("Instance", Cell(session.instance)),
        ("Era", Cell(_ERAS.get(session.era, session.era))),
        ("Protocol", Cell(session.protocol_version)),
        ("Opened", Cell(moment(session.opened_at, now))),
        ("Last used", Cell(moment(session.last_used_at, now))),
        ("Id", Cell(session.id, Tone.DIM)),
    ]
    yield from ([Cell(f"{label:<11}", Tone.DIM), cell] for label, cell in facts if cell.text)
    yield []
    yield [Cell("Traffic so far", Tone.ACCENT)]
    errors = Cell(plural(session.errors, "error"), Tone.BAD if session.errors else Tone.DIM)
    flying = Cell(f"{count(session.in_flight)} in flight", Tone.BUSY if session.in_flight else Tone.DIM)
    yield [Cell(f"  {plural(session.calls, 'call')}, "), errors, Cell(", "), flying]
    if session.oldest_call_at:
        yield [Cell(f"  the oldest in flight began {moment(session.oldest_call_at, now)}", Tone.BUSY)]
    if session.p95 is not None:
        pace_now = f"{pace(session.rate)} now, " if session.rate else ""
        yield [Cell(f"  {pace_now}95 of 100 within {latency(session.p95)}")]
    yield [Cell(f"  {plural(session.streams, 'open stream')}")]
    yield [Cell(f"  {count(session.bytes_in)} bytes from the client, {count(session.bytes_out)} to it")]
    if session.last_error:
        when = f", {moment(session.last_error_at, now)}" if session.last_error_at else ""
        yield [Cell(f"  last error{when}: "), Cell(last_error(session), Tone.BAD)]
