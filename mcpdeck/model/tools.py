"""The tools table and a tool's description, from the deck's state. Pure."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from typing import Any, Final

import msgspec

from gateway.wire.tools import OfferedTool, Tool, ToolsCost, ToolsetSpec
from mcpdeck.model.filters import Fields
from mcpdeck.model.folding import FoldLine, foldable, lines_of
from mcpdeck.model.formatting import age, count, moment, plural
from mcpdeck.model.plain import in_a_row, one_line
from mcpdeck.model.state import State
from mcpdeck.model.table import Column, TableSpec
from mcpdeck.model.words import UNICODE, Cell, Glyphs, Sign, Tone

OFFERED: Final = Sign("●", "[OK]", "Offered", Tone.OK)
DRIFTED: Final = Sign("▲", "[!!]", "Drifted", Tone.WARN)
QUARANTINED: Final = Sign("✖", "[XX]", "Quarantined", Tone.BAD)
HIDDEN: Final = Sign("○", "[--]", "Hidden", Tone.DIM)
NOTHING_OFFERED: Final = Sign("◌", "[..]", "Nothing yet", Tone.BUSY)

_LONG_AGO: Final = datetime(1970, 1, 1, tzinfo=UTC)
_HINTS: Final = (  # MCP's annotations, and what their absence means: (name, what counts, word)
    ("readOnlyHint", True, "read-only"),
    ("destructiveHint", True, "destructive"),
    ("idempotentHint", True, "idempotent"),
    ("openWorldHint", True, "open-world"),
)


_SCHEMAS: Final = (("inputSchema", "Arguments"), ("outputSchema", "Answers with"))
_SHALLOW: Final = 2  # levels of a schema that stay open where the deep ones fold: its members' names


class ToolRow(msgspec.Struct, frozen=True, kw_only=True):
    """One tool as /mcp has it, or a registration that offers nothing. tool: the registration, where it may be read."""

    registered: str
    name: str
    source: str
    original: str
    offer: OfferedTool | None = None
    tool: Tool | None = None
    hidden: bool = False

    @property
    def key(self) -> str:
        return f"{self.registered}/{self.original}/{self.name}"

    @property
    def is_offered(self) -> bool:
        return self.offer is not None and not self.offer.quarantine and not self.offer.drift

    @property
    def why_not(self) -> str:
        """Why it is not offered, or is not what it was."""
        return one_line(self.offer.quarantine or self.offer.drift) if self.offer else ""


def rows(state: State, toolset: str = "") -> list[ToolRow]:
    """What is offered, what is held back, what is hidden; of one toolset where one is named."""
    catalogue = state.catalogue
    by_name = {tool.name: tool for tool in catalogue.tools}
    found = [
        ToolRow(
            registered=each.tool,
            name=one_line(each.name),
            source=one_line(each.source),
            original=one_line(each.original),
            offer=each,
            tool=by_name.get(each.tool),
        )
        for each in catalogue.offers
    ]
    found += _hidden(catalogue.tools)
    heard = {each.registered for each in found}
    found += [
        ToolRow(registered=it.name, name=it.name, source=source(it), original=it.tool_name or it.name, tool=it)
        for it in catalogue.tools
        if it.name not in heard
    ]
    chosen = next((each for each in catalogue.toolsets if each.name == toolset), None)
    return [row for row in found if holds(chosen, row)] if chosen is not None else found


def _hidden(tools: Sequence[Tool]) -> Iterator[ToolRow]:
    for tool in tools:
        names = [name for name, view in tool.views.items() if view.hidden]
        names += [tool.tool_name or tool.name] if tool.view.hidden else []
        for name in names:
            yield ToolRow(
                registered=tool.name, name=one_line(name), source=source(tool), original=name, tool=tool, hidden=True
            )


def source(tool: Tool) -> str:
    """The adapter that a registration is of; its own server if it is one."""
    return one_line(tool.adapter or tool.url or tool.image_name)


def holds(toolset: ToolsetSpec, row: ToolRow) -> bool:
    """As the gateway decides it: by exported name, or with a slash as `source/original`."""
    words = (row.name, f"{row.source}/{row.original}")

    def names(patterns: Sequence[str]) -> bool:
        return any(fnmatchcase(words["/" in pattern], pattern) for pattern in patterns)

    return names(toolset.tools) and not names(toolset.exclude)


def find(state: State, name: str) -> Sequence[ToolRow]:
    """By exported name, else by registration."""
    known = rows(state)
    return [row for row in known if row.name == name] or [row for row in known if row.registered == name]


def sign_of(row: ToolRow) -> Sign:
    if row.hidden:
        return HIDDEN
    if row.offer is None:
        return NOTHING_OFFERED
    return QUARANTINED if row.offer.quarantine else DRIFTED if row.offer.drift else OFFERED


def is_faulty(row: ToolRow) -> bool:
    offer = row.offer
    return bool(offer and (offer.quarantine or offer.drift or offer.errors))


def hints(annotations: Mapping[str, Any]) -> str:
    """`read-only, open-world`: what a server says of its tool, which nobody checked."""
    return ", ".join(word for name, counts, word in _HINTS if annotations.get(name) is counts)


def tokens_of(found: Sequence[ToolRow]) -> int:
    """Of what a model reads: a list with all that are offered."""
    return sum(row.offer.tokens for row in found if row.offer and row.is_offered)


def unused(found: Sequence[ToolRow]) -> int:
    return sum(1 for row in found if row.offer and row.is_offered and not row.offer.calls)


def cost_of(state: State, toolset: str) -> ToolsCost:
    """As the gateway has it, budget included; without its word, of what is offered, and no budget."""
    known = next((each for each in state.catalogue.costs if each.toolset == toolset), None)
    return known or ToolsCost(toolset=toolset, tokens=tokens_of(rows(state, toolset)))


def last_called(row: ToolRow) -> datetime:
    return (row.offer.last_called_at if row.offer else None) or _LONG_AGO


def _fields(row: ToolRow, now: datetime) -> Fields:
    offer, word = row.offer, sign_of(row).word
    called = offer.last_called_at if offer else None
    return {
        "name": row.name,
        "adapter": row.source,
        "source": row.source,
        "original": row.original,
        "tool": row.registered,
        "state": word,
        "status": word,
        "why": row.why_not,
        "hints": hints(offer.annotations) if offer else "",
        "owner": row.tool.created_by if row.tool else "",
        "tokens": float(offer.tokens if offer else 0),
        "calls": float(offer.calls if offer else 0),
        "errors": float(offer.errors if offer else 0),
        "last": (now - called).total_seconds() if called else 0.0,
    }


FIELD_NAMES: Final = (
    *("name", "adapter", "source", "original", "tool", "state", "status", "why", "hints", "owner"),
    *("tokens", "calls", "errors", "last"),
)


def _number(value: int, tone: Tone = Tone.PLAIN) -> Cell:
    return Cell(count(value), tone if value else Tone.DIM)


def table(glyphs: Glyphs = UNICODE) -> TableSpec[ToolRow]:
    """The tools table, drawn with these glyphs."""

    def state_cell(row: ToolRow, _now: datetime) -> Cell:
        sign = sign_of(row)
        return Cell(glyphs.sign(sign), sign.tone)

    def hints_cell(row: ToolRow, _now: datetime) -> Cell:
        told = hints(row.offer.annotations) if row.offer else ""
        return Cell(told, Tone.WARN if "destructive" in told else Tone.DIM)

    columns: list[Column[ToolRow]] = [
        Column(
            id="name", title="NAME", minimum=16, maximum=40,
            cell=lambda row, _now: Cell(row.name, Tone.DIM if row.hidden else Tone.STRONG),
            order=lambda row: row.name,
        ),
        Column(
            id="adapter", title="FROM", minimum=8, maximum=28, priority=1,
            cell=lambda row, _now: Cell(row.source),
            order=lambda row: (row.source, row.name),
        ),
        Column(
            id="state", title="STATE", minimum=16, maximum=16,
            cell=state_cell,
            order=lambda row: (row.is_offered, sign_of(row).word),
        ),
        Column(
            id="hints", title="SAYS IT IS", minimum=12, maximum=32, priority=5,
            cell=hints_cell,
            order=lambda row: hints(row.offer.annotations) if row.offer else "",
        ),
        Column(
            id="tokens", title="TOKENS", minimum=6, maximum=7, priority=2, right=True,
            cell=lambda row, _now: _number(row.offer.tokens) if row.offer else Cell(""),
            order=lambda row: row.offer.tokens if row.offer else 0,
        ),
        Column(
            id="calls", title="CALLS", minimum=5, maximum=9, priority=1, right=True,
            cell=lambda row, _now: _number(row.offer.calls) if row.offer else Cell(""),
            order=lambda row: row.offer.calls if row.offer else 0,
        ),
        Column(
            id="errors", title="ERR", minimum=3, maximum=7, priority=2, right=True,
            cell=lambda row, _now: _number(row.offer.errors, Tone.BAD) if row.offer else Cell(""),
            order=lambda row: row.offer.errors if row.offer else 0,
        ),
        Column(
            id="last", title="LAST", minimum=4, maximum=4, priority=3, right=True,
            cell=lambda row, now: Cell(age(row.offer.last_called_at if row.offer else None, now), Tone.DIM),
            order=lambda row: -last_called(row).timestamp(),
        ),
        Column(
            id="tool", title="REGISTERED AS", minimum=8, maximum=24, priority=6,
            cell=lambda row, _now: Cell(row.registered if row.registered != row.source else "", Tone.DIM),
            order=lambda row: row.registered,
        ),
        Column(
            id="why", title="WHY NOT", minimum=20, maximum=60, priority=4, flexible=True,
            cell=lambda row, _now: Cell(row.why_not, sign_of(row).tone),
            order=lambda row: row.why_not,
        ),
    ]  # fmt: skip
    return TableSpec(columns, lambda row: row.key, _fields, FIELD_NAMES)


def describe(
    row: ToolRow,
    definition: Mapping[str, Any] | None,
    now: datetime,
    glyphs: Glyphs = UNICODE,
    *,
    folded: Collection[str] = (),
) -> Iterator[FoldLine]:
    """A tool in words. definition: as its server gives it, None where it was not read. folded: paths in its schemas."""
    sign, offer, tool = sign_of(row), row.offer, row.tool
    facts = [
        ("State", Cell(glyphs.sign(sign), sign.tone)),
        ("Why", Cell(row.why_not, sign.tone)),
        ("From", Cell(f"{row.source}/{row.original}", Tone.ACCENT)),
        ("Registered", Cell(row.registered + (f", by {tool.created_by}" if tool else ""))),
        ("Who", Cell(", ".join(tool.required_roles) or "its owner, administrators, who may use its adapter"
                     if tool else "")),
        ("Locked", Cell("to what it said when it was accepted" if tool and tool.locked else "no")),
    ]  # fmt: skip
    if offer is not None:
        called = moment(offer.last_called_at, now) if offer.last_called_at else "never since the gateway started"
        facts += [
            ("Naming", Cell("its own name" if offer.naming == "own" else offer.naming)),
            ("Says it is", Cell(hints(offer.annotations) or "nothing of itself")),
            ("Costs", Cell(f"about {plural(offer.tokens, 'token')} of a model's window, {count(offer.bytes)} bytes")),
            ("Called", Cell(f"{plural(offer.calls, 'time')}, {plural(offer.errors, 'error')}")),
            ("Last call", Cell(called)),
            ("Digest", Cell(offer.digest, Tone.DIM)),
        ]
    yield from (FoldLine((Cell(f"{label:<11}", Tone.DIM), cell)) for label, cell in facts if cell.text)
    if definition is not None:
        yield from _definition(definition, folded, glyphs)


def _definition(definition: Mapping[str, Any], folded: Collection[str], glyphs: Glyphs) -> Iterator[FoldLine]:
    yield FoldLine(())
    yield FoldLine((Cell("What a model reads", Tone.ACCENT),))
    text = str(definition.get("description") or "It has no description.")
    yield from (FoldLine((Cell(in_a_row(f"  {line}")),)) for line in text.splitlines())
    for member, title in _SCHEMAS:
        schema = definition.get(member)
        if isinstance(schema, dict):
            yield FoldLine(())
            yield FoldLine((Cell(title, Tone.ACCENT), Cell(f"   {_counted(schema)}", Tone.DIM)))
            for line in lines_of(schema, folded=folded, glyphs=glyphs, path=member):
                yield FoldLine((Cell("  "), *line.cells), line.path)


def deep(definition: Mapping[str, Any]) -> set[str]:
    """Paths in its schemas that are folded where one wants to see what there is, and not what it is like."""
    schemas = ((member, definition.get(member)) for member, _ in _SCHEMAS)
    paths = [found for member, schema in schemas for found in foldable(schema, member)]
    return {path for path, depth in paths if depth >= _SHALLOW}


def _counted(schema: Mapping[str, Any]) -> str:
    properties = schema.get("properties")
    required = schema.get("required")
    number = len(properties) if isinstance(properties, dict) else 0
    needed = len(required) if isinstance(required, list) else 0
    return f"{plural(number, 'member')}, {needed} required"
