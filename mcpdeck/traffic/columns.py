"""The Traffic view's columns: when, which way, what, how it went. Pure."""

import re
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final, NamedTuple

from gateway.wire.traffic import Kind, Sender, TrafficMessage
from mcpdeck.model.formatting import size
from mcpdeck.model.plain import one_line
from mcpdeck.model.table import Column, TableSpec
from mcpdeck.model.words import UNICODE, Cell, Glyphs, Tone
from mcpdeck.traffic.ledger import Exchange, name_of
from mcpdeck.traffic.rows import Row

WIDE: Final = 66  # cells from which there is room for milliseconds
_CODE: Final = re.compile(r"\((-?\d+)\)$")


class Arrows(NamedTuple):
    """Which way a message went."""

    asks: str  # a client's request
    asks_back: str  # a server's
    tells: str  # a client's notification
    tells_back: str
    http: str


ARROWS: Final = Arrows("⇒", "⇐", "⇢", "⇠", "·")
PLAIN_ARROWS: Final = Arrows("=>", "<=", "->", "<-", "--")
_BRANCHES: Final = {"├": "├ ", "└": "└ ", "": ""}
_PLAIN_BRANCHES: Final = {"├": "|- ", "└": "`- ", "": ""}


class Standing(NamedTuple):
    """How an exchange went, in a word. `is_bad` is told by a glyph too."""

    word: str
    tone: Tone
    is_bad: bool = False


def standing(exchange: Exchange) -> Standing:
    response = exchange.response
    if error := exchange.error:
        code = _CODE.search(error)
        status = response.status if response is not None else exchange.first.status
        if code is not None:
            return Standing(code[1], Tone.BAD, is_bad=True)
        word = (
            f"{status}" if status >= 400 else "no answer" if response is None or response.kind is Kind.HTTP else "tool"
        )
        return Standing(word, Tone.BAD, is_bad=True)
    if response is not None and response.status >= 400:
        return Standing(str(response.status), Tone.BAD, is_bad=True)
    if exchange.is_open:
        return Standing("…", Tone.BUSY) if exchange.is_waiting else Standing("unknown", Tone.DIM)
    if exchange.asks_back:
        return Standing("asks", Tone.BUSY)
    if response is not None:
        return Standing("ok", Tone.OK)
    return Standing("", Tone.DIM)


def status_text(exchange: Exchange, glyphs: Glyphs) -> str:
    told = standing(exchange)
    word = "..." if told.word == "…" and glyphs.cursor == ">" else told.word
    return f"{glyphs.broken} {word}" if told.is_bad else word


def took(exchange: Exchange, now: datetime) -> str:
    """How long it took, or has taken so far."""
    if exchange.response is not None and exchange.response.duration is not None:
        return lasted(exchange.response.duration)
    if exchange.is_waiting:
        return lasted(max(0.0, (now - exchange.first.at).total_seconds()))
    return ""


def lasted(seconds: float) -> str:
    """`0.4ms`, `41ms`, `6.2s`, `3m12s`: at most five characters below an hour and a half."""
    if seconds < 0.00995:
        return f"{seconds * 1000:.1f}ms"
    if seconds < 0.9995:
        return f"{seconds * 1000:.0f}ms"
    if seconds < 99.95:
        return f"{seconds:.1f}s"
    return f"{int(seconds // 60)}m{int(seconds % 60):02}s"


def offset(seconds: float | None) -> str:
    """`+47` in milliseconds, `+1.8s`, `+3m12s`."""
    if seconds is None:
        return ""
    return f"+{max(0.0, seconds) * 1000:.0f}" if seconds < 0.9995 else f"+{lasted(seconds)}"


def arrow(row: Row, arrows: Arrows) -> str:
    message = row.begun
    if message is None:
        return ""
    is_server = message.sender is Sender.SERVER
    match message.kind:
        case Kind.NOTIFICATION:
            return arrows.tells_back if is_server else arrows.tells
        case Kind.HTTP:
            return arrows.http
        case _:
            return arrows.asks_back if is_server else arrows.asks


def clock_time(at: datetime, *, is_fine: bool) -> str:
    """As the reader's own clock shows it."""
    local = at.astimezone()
    return f"{local:%H:%M:%S}.{local.microsecond // 1000:03}" if is_fine else f"{local:%H:%M:%S}"


def _is_plain(glyphs: Glyphs) -> bool:
    return glyphs.cursor == ">"


def _asked_alone(row: Row) -> bool:
    """A message of its own row that tells nothing of how it went."""
    return row.message is not None and not row.is_answer


def aside(message: TrafficMessage) -> str:
    """What a notification is about in a word: how far, how bad."""
    params = message.payload.get("params") if isinstance(message.payload, dict) else None
    if message.kind is not Kind.NOTIFICATION or not isinstance(params, dict):
        return ""
    if "progress" in params:
        total = f"/{params['total']}" if params.get("total") is not None else ""
        return f" {params['progress']}{total}"
    return f" {params['level']}" if isinstance(params.get("level"), str) else ""


def call_cell(row: Row, branches: Mapping[str, str]) -> Cell:
    exchange, message = row.exchange, row.begun
    if exchange is None or message is None:
        return Cell(row.text)
    name = name_of(message).removeprefix("notifications/")  # which the arrow says
    text = f"{branches[row.branch]}{name}{aside(message)}"
    if exchange.rounds > 1:
        text += f"  [{exchange.rounds} rounds]"
    if exchange.parent is not None and exchange.first.follows:
        text += " (again)"
    is_quiet = exchange.first.kind in (Kind.NOTIFICATION, Kind.HTTP) or row.is_answer
    return Cell(one_line(text), Tone.DIM if is_quiet and not exchange.error else Tone.PLAIN)


def status_cell(row: Row, glyphs: Glyphs) -> Cell:
    if row.exchange is None or (_asked_alone(row) and not (row.message and row.message.error)):
        return Cell("")
    return Cell(status_text(row.exchange, glyphs), standing(row.exchange).tone)


def took_cell(row: Row, now: datetime) -> Cell:
    if row.exchange is None or _asked_alone(row):
        return Cell("")
    return Cell(took(row.exchange, now), Tone.BUSY if row.exchange.is_open else Tone.PLAIN)


def size_cell(row: Row) -> Cell:
    if row.exchange is None:
        return Cell("")
    return Cell(size(row.message.size if row.message is not None else row.exchange.size), Tone.DIM)


def id_cell(row: Row) -> Cell:
    wanted = row.begun.id if row.begun is not None else None
    return Cell("" if wanted is None else one_line(f"#{wanted}"), Tone.DIM)


def time_cell(row: Row, *, is_fine: bool) -> Cell:
    return Cell(clock_time(row.begun.at, is_fine=is_fine) if row.begun is not None else "", Tone.DIM)


def _as_they_stand(_row: Row) -> Any:
    return 0


def traffic_table(
    glyphs: Glyphs = UNICODE,
    *,
    is_fine: bool,
    session: Callable[[Exchange], str] = lambda _exchange: "",
    adapter: Callable[[Exchange], str] = lambda _exchange: "",
) -> TableSpec[Row]:
    """is_fine: with milliseconds. session, adapter: whose exchange it is and where, if that differs from row to row."""
    arrows = PLAIN_ARROWS if _is_plain(glyphs) else ARROWS
    branches = _PLAIN_BRANCHES if _is_plain(glyphs) else _BRANCHES
    width, order = (12 if is_fine else 8), _as_they_stand
    columns: list[Column[Row]] = [
        Column(
            id="time", title="TIME", minimum=width, maximum=width,
            cell=lambda row, _now: time_cell(row, is_fine=is_fine), order=order,
        ),
        Column(
            id="delta", title="+" if _is_plain(glyphs) else "Δ", minimum=6, maximum=7, priority=7, right=True,
            cell=lambda row, _now: Cell(offset(row.delta), Tone.DIM), order=order,
        ),
        Column(
            id="direction", title="", minimum=len(arrows.asks), maximum=2,
            cell=lambda row, _now: Cell(arrow(row, arrows), Tone.ACCENT), order=order,
        ),
        Column(
            id="call", title="CALL", minimum=24, maximum=60, priority=1, flexible=True,
            cell=lambda row, _now: call_cell(row, branches), order=order,
        ),
        Column(
            id="adapter", title="AT", minimum=8, maximum=20, priority=3,
            cell=lambda row, _now: Cell(adapter(row.exchange) if row.exchange is not None else "", Tone.ACCENT),
            order=order,
        ),
        Column(
            id="session", title="WHO", minimum=11, maximum=20, priority=4,
            cell=lambda row, _now: Cell(session(row.exchange) if row.exchange is not None else "", Tone.DIM),
            order=order,
        ),
        Column(
            id="id", title="ID", minimum=3, maximum=8, priority=6,
            cell=lambda row, _now: id_cell(row), order=order,
        ),
        Column(
            id="status", title="STATUS", minimum=7 + len(glyphs.broken), maximum=12,
            cell=lambda row, _now: status_cell(row, glyphs), order=order,
        ),
        Column(id="ms", title="TOOK", minimum=5, maximum=7, priority=2, right=True, cell=took_cell, order=order),
        Column(
            id="bytes", title="BYTES", minimum=5, maximum=5, priority=5, right=True,
            cell=lambda row, _now: size_cell(row), order=order,
        ),
    ]  # fmt: skip
    return TableSpec(columns, lambda row: row.key, lambda _row, _now: {}, ())
