"""All that is offered at /mcp as of now, under which names, and what is not and why. Immutable; swapped whole.

Built of what is registered and what adapters list. Who may see which part is `sight`'s to say.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

import msgspec

from gateway.core.access import Ownership
from gateway.core.tools import DesiredTool
from gateway.toolrouter import cost, schemas, views
from gateway.toolrouter.listing import Item, Listing
from gateway.toolrouter.schemas import Definition, Schema
from gateway.wire import mirrored, toollock
from gateway.wire.mirrored import Mirrored
from gateway.wire.names import AdapterName
from gateway.wire.toolnames import Exported, Origin, export, fit
from gateway.wire.tools import ToolSpec, ToolView


class Offer:
    """One tool under its exported name. `quarantine` says why it is not offered; then it has no schema.

    drift: how it is not what was locked. tool: the name by which it is registered. definition: what clients see,
    encoded; `plain`: the same decoded.
    """

    __slots__ = (
        "definition", "digest", "drift", "is_server", "made_of", "mirrored", "name", "naming", "operation", "original",
        "ownership", "plain", "quarantine", "schema", "source", "tokens", "tool", "view",
    )  # fmt: skip

    def __init__(self, desired: DesiredTool, found: "_Found", exported: Exported) -> None:
        self.made_of = (desired, found, exported)
        self.tool, self.source, self.original = desired.name, desired.source, found.original
        self.is_server, self.ownership = desired.spec.is_server, desired.ownership
        described = desired.spec.tool_definition
        self.operation = described.operation if described is not None else None
        self.view, self.name, self.naming = found.view, exported.name, exported.naming
        self.schema: Schema | None = None
        self.mirrored: tuple[Mirrored, ...] = ()
        self.plain: Definition = {}
        self.definition, self.digest, self.tokens, self.drift = b"", "", 0, ""
        self.quarantine = found.fault or schemas.fault(found.definition) or ""
        if not self.quarantine:
            self._settle(found.definition)

    def is_made_of(self, desired: DesiredTool, found: "_Found", exported: Exported) -> bool:
        """Whether it would be the same again: definitions are compared by identity, as lists are read whole."""
        own_desired, own_found, own_exported = self.made_of
        return (
            own_desired is desired
            and own_found.definition is found.definition
            and (own_found.fault, own_found.view, own_exported) == (found.fault, found.view, exported)
        )

    def _settle(self, definition: Definition) -> None:
        try:
            self.plain = views.shown(definition, self.name, self.view)
        except ValueError as error:
            self.quarantine = str(error)
            return
        self.schema = Schema(definition["inputSchema"])
        self.mirrored = mirrored.declarations(definition["inputSchema"])
        self.definition = msgspec.json.encode(self.plain)
        self.digest, self.tokens = toollock.digest(definition), cost.tokens(self.plain)
        self.drift = _drift(self.made_of[0].spec.locked, self.original, self.digest)


class Thing(msgspec.Struct, frozen=True):
    """A prompt, a resource or a template. key: its exported name or its URI, by which it is asked for."""

    key: str
    original: str
    source: AdapterName
    tool: AdapterName
    ownership: Ownership
    definition: bytes


class Missing(msgspec.Struct, frozen=True):
    """An adapter of which nothing, or not all, is known."""

    source: AdapterName
    tool: AdapterName
    ownership: Ownership
    reason: str


class Catalog:
    """`offers` by exported name; `quarantined` have none that could be called. things by kind, then key."""

    def __init__(
        self, offers: Iterable[Offer] = (), things: Mapping[str, Sequence[Thing]] | None = None,
        missing: Sequence[Missing] = (),
    ) -> None:  # fmt: skip
        self.all = tuple(sorted(offers, key=lambda each: each.name))
        self.offers = {each.name: each for each in self.all if not each.quarantine}
        self.prompts, self.resources, self.templates = (_by_key(things or {}, kind) for kind in KINDS)
        self.missing = tuple(missing)
        self.by_original: dict[str, list[Offer]] = defaultdict(list)
        for offer in self.offers.values():
            self.by_original[offer.original].append(offer)


KINDS: Final = ("prompts", "resources", "templates")
_URI: Final = {"resources": "uri", "templates": "uriTemplate"}


_PLAIN: Final = ToolView()


class _Found(msgspec.Struct, frozen=True):
    """A tool before it has a name. fault: why there is nothing to offer, whatever the definition says."""

    original: str
    definition: Any
    view: ToolView
    fault: str = ""


class Known(msgspec.Struct, frozen=True):
    """What is known of one adapter: its lists, None where they were never read, and what is wrong with it."""

    listing: Listing | None = None
    problem: str = ""


_UNKNOWN: Final = Known(problem="its tools have not been read yet")


def build(tools: Sequence[DesiredTool], known: Mapping[AdapterName, Known], previous: Catalog | None = None) -> Catalog:
    """What a registration of a single tool and one of its whole adapter both name is offered as the first has it.

    previous: what did not change since then is taken over; compiling a thousand schemas takes a while.
    """
    found: dict[Origin, tuple[DesiredTool, _Found]] = {}
    taken: set[tuple[str, str]] = set()
    for desired in sorted(tools, key=lambda each: (each.spec.is_all, each.name)):
        for each in _tools_of(desired, known.get(desired.source, _UNKNOWN)):
            if not desired.spec.is_all or (desired.source, each.original) not in taken:
                found.setdefault(Origin(desired.source, each.original, each.view.name), (desired, each))
                taken.add((desired.source, each.original))
    named = export(found)
    before = {each.name: each for each in previous.all} if previous is not None else {}
    offers = [_offer(before, *pair, named[origin]) for origin, pair in found.items()]
    whole = [desired for desired in tools if desired.spec.is_all]
    return Catalog(offers, {kind: _things(kind, whole, known) for kind in KINDS}, _missing(tools, known))


def _offer(before: Mapping[str, Offer], desired: DesiredTool, found: _Found, exported: Exported) -> Offer:
    old = before.get(exported.name)
    return old if old is not None and old.is_made_of(desired, found, exported) else Offer(desired, found, exported)


def _tools_of(desired: DesiredTool, known: Known) -> Iterator[_Found]:
    spec = desired.spec
    if spec.tool_definition is not None:
        yield _Found(spec.name, spec.tool_definition.tool, spec.view)
    elif known.listing is None:
        return
    elif spec.is_all:
        for definition in known.listing.tools:
            name = definition.get("name")
            original = name if isinstance(name, str) else repr(name)
            view = spec.views.get(original, _PLAIN)
            if not view.hidden:
                yield _Found(original, definition, view)
    else:
        yield _named(spec, known.listing.tools)


def _named(spec: ToolSpec, listed: Sequence[Item]) -> _Found:
    for each in listed:
        if each.get("name") == spec.tool_name:
            return _Found(spec.tool_name, each, spec.view)
    return _Found(spec.tool_name, None, spec.view, _no_tool(spec.adapter, spec.tool_name, listed))


def _no_tool(adapter: str, name: str, listed: Sequence[Item]) -> str:
    names = sorted(str(each.get("name")) for each in listed)
    told = ", ".join(names[:10]) + (", …" if len(names) > 10 else "")
    return f"adapter '{adapter}' has no tool {name!r}; it has {told or 'none'}"


def _drift(locked: Mapping[str, str], original: str, digest: str) -> str:
    if not locked or locked.get(original) == digest:
        return ""
    if original not in locked:
        return "it was not there when its adapter's tools were locked"
    return f"its definition is no longer the one that was locked ({locked[original][:18]}…, now {digest[:18]}…)"


def _things(kind: str, whole: Sequence[DesiredTool], known: Mapping[AdapterName, Known]) -> list[Thing]:
    """Prompts are renamed where two adapters share a name. A URI can't be: the first adapter by name has it."""
    found: dict[str, list[tuple[DesiredTool, str, Item]]] = defaultdict(list)
    for desired in sorted(whole, key=lambda each: (each.source, each.name)):
        listing = known.get(desired.source, _UNKNOWN).listing
        for item in getattr(listing, kind, ()):
            original = item.get(_URI.get(kind, "name"))
            if isinstance(original, str) and all(each[0].source != desired.source for each in found[original]):
                found[original].append((desired, original, item))
    things: list[Thing] = []
    for original, owners in found.items():
        for desired, _, item in owners[:1] if kind in _URI else owners:
            is_shared = kind not in _URI and len(owners) > 1
            key = fit(f"{desired.source}_{original}") if is_shared else original
            encoded = msgspec.json.encode(item | {"name": key} if is_shared else item)
            things.append(Thing(key, original, desired.source, desired.name, desired.ownership, encoded))
    return things


def _missing(tools: Sequence[DesiredTool], known: Mapping[AdapterName, Known]) -> list[Missing]:
    return [
        Missing(each.source, each.name, each.ownership, problem)
        for each in sorted(tools, key=lambda each: each.name)
        if not each.spec.is_server and (problem := known.get(each.source, _UNKNOWN).problem)
    ]


def _by_key(things: Mapping[str, Sequence[Thing]], kind: str) -> dict[str, Thing]:
    return {each.key: each for each in sorted(things.get(kind, ()), key=lambda each: each.key)}
