"""The gateway as a tree: adapters with their instances and sessions, tools with the way a call to them takes. Pure.

A part of the tree that is folded costs nothing: what is in it is not looked at.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Final

import msgspec

from gateway.wire.resources import Adapter, InstanceStatus, LiveSession
from mcpdeck.model import sessions, tools
from mcpdeck.model.filters import Fields, RowFilter
from mcpdeck.model.formatting import age, plural
from mcpdeck.model.state import Standing, State
from mcpdeck.model.table import Column, TableSpec
from mcpdeck.model.words import FAULTY, UNICODE, Cell, Glyphs, Sign, Tone, sign_of

GATEWAY: Final = "gateway"
ROUTER: Final = "mcp"
_ANSWERS: Final = Sign("●", "[OK]", "Live", Tone.OK)
_SILENT: Final = Sign("✖", "[XX]", "Silent", Tone.BAD)
_SIGNED_OUT: Final = Sign("▲", "[!!]", "Sign in", Tone.WARN)
_WAITING: Final = Sign("◌", "[..]", "Connecting", Tone.BUSY)
_STANDINGS: Final[Mapping[Standing, Sign]] = {
    Standing.LIVE: _ANSWERS,
    Standing.RETRYING: _SILENT,
    Standing.SIGN_IN: _SIGNED_OUT,
    Standing.CONNECTING: _WAITING,
}
_STEP: Final = "  "


class Kind(StrEnum):
    GATEWAY = "gateway"
    ADAPTER = "adapter"
    INSTANCE = "instance"
    SESSION = "session"
    ROUTER = "router"
    TOOL = "tool"


class Node(msgspec.Struct, frozen=True, kw_only=True):
    """One line. `key` is its way from the root, and stays; `place` is its line in the whole tree.

    holds: how many nodes are in it, folded or not. adapter, session, tool: what its verbs act on.
    """

    key: str
    kind: Kind
    name: str
    sign: Sign
    told: str = ""
    tone: Tone = Tone.DIM
    depth: int = 0
    holds: int = 0
    is_open: bool = False
    since: datetime | None = None
    adapter: str = ""
    session: str = ""
    tool: str = ""
    place: int = 0


class Look(msgspec.Struct, frozen=True, kw_only=True):
    """How a reader looks at the tree. root: an adapter or a tool, for its part alone; turned: keys that are folded
    where they would be open, or open where they would be folded.
    """

    root: str = ""
    turned: frozenset[str] = frozenset()
    filter: str = ""

    def turn(self, key: str) -> "Look":
        return msgspec.structs.replace(self, turned=self.turned ^ {key})


def tree(state: State, look: Look, now: datetime) -> list[Node]:
    """Its lines from above. A filter shows what it keeps wherever that is, and the way to it."""
    grower = _Grower(state, look, now)
    keep = RowFilter(look.filter, FIELD_NAMES)
    nodes = list(grower.nodes(everything=bool(keep)))
    if keep:
        nodes = _kept(nodes, keep, now)
    return [msgspec.structs.replace(node, place=place) for place, node in enumerate(nodes)]


def _kept(nodes: Sequence[Node], keep: RowFilter, now: datetime) -> list[Node]:
    wanted: set[str] = set()
    for node in nodes:
        if keep.keeps(fields(node, now)):
            parts = node.key.split("/")
            wanted |= {"/".join(parts[: length + 1]) for length in range(len(parts))}
    return [node for node in nodes if node.key in wanted]


class _Grower:
    """Sessions are sorted to their adapters once, and only if some adapter is unfolded."""

    def __init__(self, state: State, look: Look, now: datetime) -> None:
        self._state, self._look, self._now = state, look, now
        self._everything = False
        self._counts = state.session_counts()
        self._by_adapter: Mapping[str, Sequence[LiveSession]] | None = None

    def nodes(self, *, everything: bool) -> Iterator[Node]:
        self._everything = everything
        root, adapters = self._look.root, self._state.adapters
        if not root or root in adapters:
            yield from self._gateway([root] if root else sorted(adapters))
        if root not in adapters:
            yield from self._router()

    def _is_open(self, key: str, *, usual: bool) -> bool:
        return self._everything or usual is not (key in self._look.turned)

    def _gateway(self, adapters: Sequence[str]) -> Iterator[Node]:
        state = self._state
        is_open = self._is_open(GATEWAY, usual=True)
        told = f"{plural(len(state.adapters), 'adapter')}, {plural(len(state.sessions), 'session')}"
        yield Node(
            key=GATEWAY, kind=Kind.GATEWAY, name=state.context, sign=_STANDINGS[state.link.standing],
            told=told, holds=len(adapters), is_open=is_open,
        )  # fmt: skip
        if is_open:
            for name in adapters:
                yield from self._adapter(GATEWAY, state.adapters[name])

    def _adapter(self, above: str, adapter: Adapter) -> Iterator[Node]:
        name, key = adapter.name, f"{above}/{adapter.name}"
        status = self._state.statuses.get(name)
        instances = status.instances if status else []
        holds = len(instances) + (0 if instances else self._counts[name])
        is_open = self._is_open(key, usual=self._look.root == name) and holds > 0
        why = status.reason if status else ""
        ready = f"{status.ready_replicas if status else 0} of {adapter.replica_count} ready"
        told = ", ".join(filter(None, [why, ready, plural(self._counts[name], "session")]))
        yield Node(
            key=key, kind=Kind.ADAPTER, name=name, sign=sign_of(status.phase if status else None), told=told,
            tone=Tone.BAD if status and status.phase in FAULTY else Tone.DIM, depth=key.count("/"), holds=holds,
            is_open=is_open, since=adapter.created_at, adapter=name,
        )  # fmt: skip
        if is_open:
            yield from self._below(key, adapter.name, instances)

    def _below(self, key: str, adapter: str, instances: Sequence[InstanceStatus]) -> Iterator[Node]:
        by_instance: dict[str, list[LiveSession]] = defaultdict(list)
        for session in self._sessions_of(adapter):
            by_instance[session.instance].append(session)
        for instance in instances:
            yield from self._instance(key, adapter, instance, by_instance.pop(instance.name, []))
        for left in by_instance.values():  # of instances that are gone, or that its backend does not name
            yield from self._sessions(key, left)

    def _instance(
        self, above: str, adapter: str, instance: InstanceStatus, held: Sequence[LiveSession]
    ) -> Iterator[Node]:
        key = f"{above}/{instance.name}"
        is_open = self._is_open(key, usual=self._look.root == adapter) and bool(held)
        restarts = plural(instance.restarts, "restart") if instance.restarts else ""
        told = ", ".join(filter(None, [plural(len(held), "session"), restarts, instance.reason]))
        yield Node(
            key=key, kind=Kind.INSTANCE, name=instance.name, sign=sign_of(instance.phase), told=told,
            tone=Tone.DIM if instance.ready else Tone.BAD, depth=key.count("/"), holds=len(held), is_open=is_open,
            since=instance.started_at, adapter=adapter,
        )  # fmt: skip
        if is_open:
            yield from self._sessions(key, held)

    def _sessions(self, above: str, held: Iterable[LiveSession]) -> Iterator[Node]:
        for it in sorted(held, key=lambda session: (session.opened_at, session.id)):
            errors = plural(it.errors, "error") if it.errors else ""
            told = ", ".join(filter(None, [errors, sessions.user(it), it.era, plural(it.calls, "call")]))
            yield Node(
                key=f"{above}/{it.id}", kind=Kind.SESSION, name=sessions.client(it) or it.id[:8],
                sign=sessions.sign_of(it, self._now), told=told, tone=Tone.BAD if it.errors else Tone.DIM,
                depth=above.count("/") + 1, since=it.opened_at, adapter=it.adapter, session=it.id,
            )  # fmt: skip

    def _sessions_of(self, adapter: str) -> Sequence[LiveSession]:
        if self._by_adapter is None:
            sorted_out: dict[str, list[LiveSession]] = defaultdict(list)
            for session in self._state.sessions.values():
                sorted_out[session.adapter].append(session)
            self._by_adapter = sorted_out
        return self._by_adapter.get(adapter, [])

    # A tool, the router in between, and the adapter that has it

    def _tools(self) -> Sequence[tools.ToolRow]:
        return tools.rows(self._state)

    def _router(self) -> Iterator[Node]:
        known, root = self._tools(), self._look.root
        shown = [row for row in known if not root or row.name == root]
        if not shown:
            return
        is_open = self._is_open(ROUTER, usual=bool(root))
        offered = sum(row.is_offered for row in known)
        yield Node(
            key=ROUTER, kind=Kind.GATEWAY, name="/mcp", sign=_STANDINGS[self._state.link.standing],
            told=f"{plural(offered, 'tool')} offered of {len(known)}", holds=len(shown), is_open=is_open,
        )  # fmt: skip
        if is_open:
            for row in sorted(shown, key=lambda row: (row.name, row.key)):
                yield from self._tool(row, usual=bool(root))

    def _tool(self, row: tools.ToolRow, *, usual: bool) -> Iterator[Node]:
        key = f"{ROUTER}/{row.key.replace('/', ' ')}"
        sign = tools.sign_of(row)
        is_open = self._is_open(key, usual=usual)
        calls = row.offer.calls if row.offer else 0
        errors = plural(row.offer.errors, "error") if row.offer and row.offer.errors else ""
        told = ", ".join(filter(None, [plural(calls, "call"), errors, row.why_not]))
        yield Node(
            key=key, kind=Kind.TOOL, name=row.name, sign=sign, told=told, tone=Tone.BAD if row.why_not else Tone.DIM,
            depth=1, holds=1, is_open=is_open, adapter=self._adapter_of(row), tool=row.name,
        )  # fmt: skip
        if is_open:
            yield from self._route(key, row)

    def _route(self, above: str, row: tools.ToolRow) -> Iterator[Node]:
        key = f"{above}/router"
        named = "by its own name" if row.name == row.original else f"for {row.original}"
        sets = [each.name for each in self._state.catalogue.toolsets if tools.holds(each, row)]
        told = f"{named}{', in ' + ', '.join(sets) if sets else ''}"
        name = self._adapter_of(row)
        is_open, everything = self._is_open(key, usual=True), self._everything
        yield Node(
            key=key, kind=Kind.ROUTER, name=f"registration {row.registered}", sign=tools.sign_of(row), told=told,
            depth=2, holds=1, is_open=is_open, adapter=name, tool=row.name,
        )  # fmt: skip
        if not is_open:
            return
        if name in self._state.adapters:
            self._everything = False  # what is in it is found below the gateway already
            yield from self._adapter(key, self._state.adapters[name])
            self._everything = everything
        elif row.source:
            yield Node(
                key=f"{key}/{row.source.replace('/', ' ')}", kind=Kind.ADAPTER, name=row.source,
                sign=sign_of(None), told="a server of its own", depth=3,
            )  # fmt: skip

    def _adapter_of(self, row: tools.ToolRow) -> str:
        return row.source if row.source in self._state.adapters else ""


FIELD_NAMES: Final = ("name", "kind", "status", "told", "adapter", "age")


def fields(node: Node, now: datetime) -> Fields:
    return {
        "name": node.name,
        "kind": node.kind,
        "status": node.sign.word,
        "told": node.told,
        "adapter": node.adapter,
        "age": (now - node.since).total_seconds() if node.since else 0.0,
    }


def table(glyphs: Glyphs = UNICODE) -> TableSpec[Node]:
    """Columns of the tree. Every one is ordered by place: a tree has no other order."""
    is_plain = glyphs.cursor == ">"
    folded, unfolded, leaf = ("+", "-", " ") if is_plain else ("▸", "▾", " ")

    def name(node: Node, _now: datetime) -> Cell:
        bullet = leaf if not node.holds else unfolded if node.is_open else folded
        held = f" ({node.holds})" if node.holds and not node.is_open else ""
        tone = Tone.STRONG if node.kind in (Kind.GATEWAY, Kind.ADAPTER, Kind.TOOL) else Tone.PLAIN
        return Cell(f"{_STEP * node.depth}{bullet} {node.name}{held}", tone)

    columns: list[Column[Node]] = [
        Column(id="name", title="NAME", minimum=28, maximum=64, cell=name, order=_place),
        Column(
            id="kind", title="KIND", minimum=8, maximum=8, priority=3,
            cell=lambda it, _now: Cell(it.kind, Tone.DIM), order=_place,
        ),
        Column(
            id="status", title="STATUS", minimum=14, maximum=14,
            cell=lambda it, _now: Cell(glyphs.sign(it.sign), it.sign.tone), order=_place,
        ),
        Column(
            id="told", title="MORE", minimum=32, maximum=60, priority=2, flexible=True,
            cell=lambda it, _now: Cell(it.told, it.tone), order=_place,
        ),
        Column(
            id="age", title="AGE", minimum=4, maximum=4, priority=1, right=True,
            cell=lambda it, now: Cell(age(it.since, now) if it.since else "", Tone.DIM), order=_place,
        ),
    ]  # fmt: skip
    return TableSpec(columns, lambda node: node.key, fields, FIELD_NAMES)


def _place(node: Node) -> int:
    return node.place


def all_turned(nodes: Collection[Node], *, is_open: bool) -> frozenset[str]:
    """The keys of those that can be folded and are not as wanted."""
    return frozenset(node.key for node in nodes if node.holds and node.is_open is not is_open)
