"""The table of calls that wait for somebody's word, and one of them in words. Pure."""

from collections.abc import Iterator
from datetime import datetime
from typing import Final

import msgspec

from gateway.wire.policies import PendingApproval
from mcpdeck.model.filters import Fields
from mcpdeck.model.formatting import age, duration, moment
from mcpdeck.model.plain import one_line
from mcpdeck.model.table import Column, TableSpec
from mcpdeck.model.words import Cell, Tone
from mcpdeck.model.yaml_lines import toned

FIELD_NAMES: Final = ("tool", "user", "policy", "rule", "reason", "arguments", "id", "age")


def user(pending: PendingApproval) -> str:
    return one_line(pending.principal_name or pending.principal)


def arguments(pending: PendingApproval) -> str:
    return one_line(msgspec.json.encode(pending.arguments).decode())


def sentence(pending: PendingApproval) -> str:
    """For a notice."""
    return f"{user(pending)} waits to call {one_line(pending.tool)}: {one_line(pending.reason) or pending.rule}"


def _fields(pending: PendingApproval, now: datetime) -> Fields:
    return {
        "tool": pending.tool,
        "user": f"{pending.principal_name} {pending.principal}",
        "policy": pending.policy,
        "rule": pending.rule,
        "reason": pending.reason,
        "arguments": arguments(pending),
        "id": pending.id,
        "age": (now - pending.created_at).total_seconds(),
    }


def table() -> TableSpec[PendingApproval]:
    """The oldest first: it has the least time left."""
    columns: list[Column[PendingApproval]] = [
        Column(
            id="tool", title="TOOL", minimum=12, maximum=36,
            cell=lambda it, _now: Cell(one_line(it.tool), Tone.STRONG),
            order=lambda it: it.tool,
        ),
        Column(
            id="user", title="WHO WAITS", minimum=10, maximum=26,
            cell=lambda it, _now: Cell(user(it)),
            order=user,
        ),
        Column(
            id="arguments", title="ARGUMENTS", minimum=16, maximum=80, flexible=True, priority=1,
            cell=lambda it, _now: Cell(arguments(it), Tone.ACCENT),
            order=arguments,
        ),
        Column(
            id="reason", title="WHY", minimum=10, maximum=40, priority=2,
            cell=lambda it, _now: Cell(one_line(it.reason) or one_line(it.rule), Tone.WARN),
            order=lambda it: it.reason,
        ),
        Column(
            id="policy", title="POLICY", minimum=8, maximum=20, priority=3,
            cell=lambda it, _now: Cell(one_line(it.policy), Tone.DIM),
            order=lambda it: it.policy,
        ),
        Column(
            id="age", title="AGE", minimum=4, maximum=4, right=True,
            cell=lambda it, now: Cell(age(it.created_at, now), Tone.DIM),
            order=lambda it: it.created_at.timestamp(),
        ),
        Column(
            id="left", title="LEFT", minimum=4, maximum=4, right=True,
            cell=lambda it, now: Cell(left(it, now), Tone.WARN),
            order=lambda it: it.expires_at.timestamp(),
        ),
    ]  # fmt: skip
    return TableSpec(columns, lambda it: it.id, _fields, FIELD_NAMES)


def left(pending: PendingApproval, now: datetime) -> str:
    return duration((pending.expires_at - now).total_seconds())


def describe(pending: PendingApproval, now: datetime) -> Iterator[list[Cell]]:
    """What an approval would be of: these arguments and no others."""
    import yaml

    facts = [
        ("Tool", Cell(one_line(pending.tool), Tone.STRONG)),
        ("Who", Cell(f"{user(pending)}  ({one_line(pending.principal)})")),
        ("Why", Cell(one_line(pending.reason), Tone.WARN)),
        ("Rule", Cell(one_line(f"{pending.rule} of {pending.policy}"))),
        ("Since", Cell(moment(pending.created_at, now))),
        ("Left", Cell(left(pending, now), Tone.WARN)),
        ("Digest", Cell(pending.digest, Tone.DIM)),
    ]
    yield from ([Cell(f"{label:<9}", Tone.DIM), cell] for label, cell in facts if cell.text)
    yield []
    yield [Cell("Arguments", Tone.ACCENT)]
    text = str(yaml.safe_dump(pending.arguments, sort_keys=False, allow_unicode=True, width=76))
    yield from ([Cell("  "), *line] for line in toned(text))
