"""What is held of the traffic as rows: call by call, session by session, or message by message. Pure."""

from collections.abc import Callable, Iterable, Iterator
from enum import StrEnum
from typing import NamedTuple

from gateway.wire.traffic import TrafficMessage
from mcpdeck.traffic.ledger import Entry, Exchange, Rule


class Grouping(StrEnum):
    CALL = "call"  # what came in the course of a call is under it
    SESSION = "session"  # the same, a session after the other
    FLAT = "flat"  # every message by itself, as it came


class Row(NamedTuple):
    """`exchange` is None for a line between rows. `message`: of it alone, where every message has a row.

    branch: `├` or `└` before what is under a call. delta: seconds since the row before, of a branch since its call.
    """

    key: str
    exchange: Exchange | None
    text: str = ""
    is_gap: bool = False
    branch: str = ""
    message: TrafficMessage | None = None
    delta: float | None = None

    @property
    def begun(self) -> TrafficMessage | None:
        """The message that the row's time is of."""
        return self.message or (self.exchange.first if self.exchange is not None else None)

    @property
    def is_answer(self) -> bool:
        return self.message is not None and self.exchange is not None and self.message is self.exchange.response


def arranged(entries: Iterable[Entry], grouping: Grouping, naming: Callable[[Exchange], str]) -> list[Row]:
    """Those that are kept by the filter, each with the call that it is under. naming: what a session is called."""
    if grouping is Grouping.FLAT:
        return list(_messages(entries))
    return list(_sessions(entries, naming) if grouping is Grouping.SESSION else _calls(entries))


def rule_row(rule: Rule) -> Row:
    return Row(str(rule.key), None, rule.text, rule.is_gap)


def _calls(entries: Iterable[Entry]) -> Iterator[Row]:
    before: TrafficMessage | None = None
    for entry in entries:
        if isinstance(entry, Rule):
            yield rule_row(entry)
        elif entry.parent is None:
            for row in _tree(entry, before):
                before = entry.first
                yield row


def _tree(call: Exchange, before: TrafficMessage | None) -> Iterator[Row]:
    under = [child for child in _below(call) if call.is_kept or child.is_kept] if call.children else []
    if not call.is_kept and not under:
        return
    yield Row(str(call.key), call, delta=_between(before, call.first))
    for child in under:
        branch = "└" if child is under[-1] else "├"
        yield Row(str(child.key), child, branch=branch, delta=_between(call.first, child.first))


def _below(call: Exchange) -> Iterator[Exchange]:
    """Everything under it, whatever the depth, in the order in which it came."""
    found: list[Exchange] = []
    waiting = list(call.children)
    while waiting:
        child = waiting.pop()
        found.append(child)
        waiting.extend(child.children)
    return iter(sorted(found, key=lambda child: child.key))


def _sessions(entries: Iterable[Entry], naming: Callable[[Exchange], str]) -> Iterator[Row]:
    sessions: dict[str, list[Entry]] = {}
    rules = []
    for entry in entries:
        if isinstance(entry, Rule):
            rules.append(entry)
        elif entry.parent is None:
            sessions.setdefault(entry.first.session, []).append(entry)
    for session, calls in sessions.items():
        rows = list(_calls(calls))
        if rows and rows[0].exchange is not None:
            yield Row(f"session {session}", None, naming(rows[0].exchange))
            yield from rows
    yield from map(rule_row, rules[-1:])  # the others say nothing of a session


def _messages(entries: Iterable[Entry]) -> Iterator[Row]:
    """By number where that means anything: a response has no entry of its own."""
    rows: list[tuple[float, int, Row]] = []
    for entry in entries:
        if isinstance(entry, Rule):
            rows.append((rows[-1][0] if rows else 0.0, entry.key, rule_row(entry)))
        elif entry.is_kept:
            for message in entry.messages:
                row = Row(f"{entry.key}.{message.number}", entry, message=message)
                rows.append((message.at.timestamp(), message.number, row))
    rows.sort(key=lambda each: each[:2])
    before: TrafficMessage | None = None
    for _, _, row in rows:
        if row.message is None:
            yield row
        else:
            yield row._replace(delta=_between(before, row.message))
            before = row.message


def _between(before: TrafficMessage | None, after: TrafficMessage) -> float | None:
    return None if before is None else (after.at - before.at).total_seconds()
