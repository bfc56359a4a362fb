"""One exchange in detail, part by part: what was asked, what came, its headers, as written, when. Pure."""

from collections.abc import Collection, Iterator
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from gateway.wire.traffic import PAYLOAD, Kind, TrafficMessage
from mcpdeck.model.folding import LONGEST, FoldLine, lines_of
from mcpdeck.model.formatting import count, plural, size
from mcpdeck.model.plain import one_line
from mcpdeck.model.words import Cell, Glyphs, Tone
from mcpdeck.traffic.columns import clock_time, lasted, offset, standing, status_text
from mcpdeck.traffic.ledger import Exchange, name_of, text_of

_RAW_WIDTH: Final = 400  # characters of JSON on one line, so that a page of it stays quick


class PartName(StrEnum):
    REQUEST = "Request"
    RESPONSE = "Response"
    HEADERS = "Headers"
    RAW = "Raw"
    TIMING = "Timing"


def part_lines(
    exchange: Exchange, part: PartName, *, folded: Collection[str], now: datetime, glyphs: Glyphs
) -> Iterator[FoldLine]:
    """folded: what is folded, as `payload.lines_of` names it."""
    match part:
        case PartName.REQUEST:
            return _said(exchange.first, _asked(exchange.first.payload), folded, glyphs)
        case PartName.RESPONSE:
            return _response(exchange, folded, now, glyphs)
        case PartName.HEADERS:
            return _headers(exchange)
        case PartName.RAW:
            return _raw(exchange)
        case PartName.TIMING:
            return _timing(exchange, now, glyphs)


def value_of(exchange: Exchange, part: PartName) -> Any:
    """The JSON that a part shows; None where it shows none."""
    if part is PartName.REQUEST:
        return _asked(exchange.first.payload)
    if part is PartName.RESPONSE and exchange.response is not None:
        return _answered(exchange.response.payload)
    return None


def _asked(payload: Any) -> Any:
    """The parameters alone, where there are some: method and id stand in the row."""
    return payload["params"] if isinstance(payload, dict) and payload.get("params") else payload


def _answered(payload: Any) -> Any:
    if isinstance(payload, dict):
        return next((payload[name] for name in ("result", "error") if name in payload), payload)
    return payload


def _said(message: TrafficMessage, value: Any, folded: Collection[str], glyphs: Glyphs) -> Iterator[FoldLine]:
    if message.redacted:
        yield _line(f"{plural(message.redacted, 'value')} hidden; X shows what comes from then on", Tone.WARN)
        yield _line("")
    if message.payload is not None:
        yield from lines_of(value, folded=folded, glyphs=glyphs)
    elif message.excerpt:
        shown = min(len(message.excerpt.encode()), PAYLOAD)
        yield _line(f"{size(message.size)} bytes, of which the first {size(shown)} are shown as they are", Tone.WARN)
        yield _line("")
        yield from _wrapped(message.excerpt)
    elif message.size:
        yield _line(f"{size(message.size)} bytes: too large to be shown", Tone.WARN)
    else:
        yield _line("nothing was said", Tone.DIM)


def _response(exchange: Exchange, folded: Collection[str], now: datetime, glyphs: Glyphs) -> Iterator[FoldLine]:
    response = exchange.response
    if exchange.error:
        told = one_line(exchange.error)
        yield FoldLine((Cell(f"{glyphs.broken} ", Tone.BAD), Cell(told, Tone.BAD)))
        yield _line("")
    if response is not None:
        yield from _said(response, _answered(response.payload), folded, glyphs)
    elif exchange.may_be_answered:
        yield _line("not known: it may have passed while nobody listened", Tone.DIM)
    elif exchange.is_open:
        waited = lasted(max(0.0, (now - exchange.first.at).total_seconds()))
        yield _line(f"none yet, for {waited}", Tone.BUSY)
    elif not exchange.error:
        yield _line("a notification gets no response" if exchange.first.kind is Kind.NOTIFICATION else "none", Tone.DIM)


def _headers(exchange: Exchange) -> Iterator[FoldLine]:
    asked, answered = exchange.first, exchange.response
    verb = asked.verb or "POST"
    yield _line(f"{verb} /adapters/{asked.adapter}/mcp", Tone.STRONG)
    yield from _header_lines(asked)
    yield _line("")
    if answered is not None:
        yield _line(f"HTTP {answered.status}" if answered.status else "no status yet", Tone.STRONG)
        yield from _header_lines(answered)
    yield _line("")
    yield _line("Credentials and session ids are never shown.", Tone.DIM)


def _header_lines(message: TrafficMessage) -> Iterator[FoldLine]:
    for name, value in message.headers.items():
        yield FoldLine((Cell(f"  {one_line(name)}: ", Tone.ACCENT), Cell(one_line(value)[:LONGEST])))
    if not message.headers:
        yield _line("  none of those that are shown", Tone.DIM)


def _raw(exchange: Exchange) -> Iterator[FoldLine]:
    for message in exchange.messages:
        yield _line(f"from the {message.sender}, {count(message.size)} bytes", Tone.DIM)
        yield from _wrapped(text_of(message))
        yield _line("")


def _wrapped(text: str) -> Iterator[FoldLine]:
    for line in text.split("\n"):
        plain = line.expandtabs(4)
        for start in range(0, max(1, len(plain)), _RAW_WIDTH):
            yield _line(plain[start : start + _RAW_WIDTH])


def _timing(exchange: Exchange, now: datetime, glyphs: Glyphs) -> Iterator[FoldLine]:
    first, response = exchange.first, exchange.response
    told = standing(exchange)
    facts = [
        ("Asked", Cell(f"{clock_time(first.at, is_fine=True)}   {first.at.astimezone():%Y-%m-%d}")),
        ("Answered", Cell(clock_time(response.at, is_fine=True) if response is not None else "")),
        ("Took", Cell(lasted(response.duration) if response is not None and response.duration is not None else "")),
        ("Waits", Cell(lasted(max(0.0, (now - first.at).total_seconds())) if exchange.is_waiting else "", Tone.BUSY)),
        ("Outcome", Cell(status_text(exchange, glyphs), told.tone)),
        ("Request", Cell(f"{count(first.size)} bytes")),
        ("Response", Cell(f"{count(response.size)} bytes" if response is not None else "")),
        ("Adapter", Cell(first.adapter, Tone.ACCENT)),
        ("Instance", Cell(first.instance)),
        ("Session", Cell(first.session)),
        ("User", Cell(one_line(first.principal))),
        ("Era", Cell(first.era)),
        ("Trace", Cell(one_line(first.request_id), Tone.DIM)),
    ]
    yield from (FoldLine((Cell(f"{label:<10}", Tone.DIM), cell)) for label, cell in facts if cell.text)
    if exchange.children:
        yield _line("")
        yield _line("In its course", Tone.ACCENT)
        for child in exchange.children:
            begun = offset((child.first.at - first.at).total_seconds())
            ended = f"  {status_text(child, glyphs)}" if status_text(child, glyphs) else ""
            yield FoldLine((Cell(f"  {begun:>8}  ", Tone.DIM), Cell(f"{name_of(child.first)}{ended}")))


def _line(text: str, tone: Tone = Tone.PLAIN) -> FoldLine:
    return FoldLine((Cell(text, tone),))
