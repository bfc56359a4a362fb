"""Who sees what of the catalog: the lists as one principal gets them, and what a name means to it.

Permissions are looked up in what is true now, at each request; only the lists' bytes are remembered, by what they hold.
"""

from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

import msgspec

from gateway.core.access import Principal, may_read, may_write
from gateway.core.routes import RoutingTable
from gateway.core.tools import DesiredToolset
from gateway.toolrouter import cost, discovery
from gateway.toolrouter.asking import IDENTITY
from gateway.toolrouter.catalog import Catalog, Missing, Offer, Thing
from gateway.toolrouter.search import Index, entry
from gateway.toolrouter.toolsets import holds
from gateway.wire import mcp
from gateway.wire.mcp import Era
from gateway.wire.names import AdapterName
from gateway.wire.tools import Drift

MISSING: Final = "dev.mcpdeck/missing"  # in `_meta` of lists: what should be in them and is not, and why
MEMBERS: Final = {"tools": "tools", "prompts": "prompts", "resources": "resources", "templates": "resourceTemplates"}
_REMEMBERED: Final = 256  # lists; principals that see the same share them

type Part = Offer | Thing | Missing


class Sight:
    """One catalog with the routes and toolsets that hold at the same time; another one when any of them changes."""

    def __init__(self, catalog: Catalog, table: RoutingTable, toolsets: Mapping[str, DesiredToolset]) -> None:
        self.catalog, self.table, self.toolsets = catalog, table, toolsets
        self._lists: OrderedDict[tuple[object, ...], bytes] = OrderedDict()
        self._index: Index | None = None

    def close(self) -> None:
        if self._index is not None:
            self._index.close()
            self._index = None

    def sees(self, principal: Principal, part: Part) -> bool:
        """Whoever may use a tool may read it, and the adapter that it belongs to."""
        if not may_read(principal, part.ownership):
            return False
        if isinstance(part, Offer) and part.is_server:
            return True
        route = self.table.routes.get(part.source)
        return route is not None and may_read(principal, route.ownership)

    def tool(self, principal: Principal, name: str, toolset: DesiredToolset | None) -> Offer | None:
        """By its exported name, or by its own where that means one tool only."""
        offer = self.catalog.offers.get(name)
        if offer is not None:
            return offer if self._is_in(principal, offer, toolset) else None
        alike = [each for each in self.catalog.by_original.get(name, ()) if self._is_in(principal, each, toolset)]
        return alike[0] if len(alike) == 1 else None

    def withheld(self, principal: Principal, name: str, toolset: DesiredToolset | None) -> str:
        """Why a tool is not offered, for who may change its registration; "" for others, and where there is none."""
        for each in self.catalog.all:
            reason = each.quarantine or each.drift
            is_meant = reason and name in (each.name, each.original) and may_write(principal, each.ownership)
            is_here = toolset is None or holds(toolset.spec, each.name, each.source, each.original)
            if is_meant and is_here and self.sees(principal, each):
                return reason
        return ""

    def tools(self, principal: Principal, toolset: DesiredToolset | None) -> Iterator[Offer]:
        return (each for each in self.catalog.offers.values() if self._is_in(principal, each, toolset))

    def costs(self, principal: Principal | None, toolset: DesiredToolset | None) -> list[int]:
        """Tokens of each definition in the list that a principal gets; None: of all that is in it."""
        if toolset is not None and toolset.spec.discovery:
            return [cost.tokens(each) for each in discovery.TOOLS]
        offers = self.catalog.offers.values()
        return [
            each.tokens
            for each in offers
            if self._is_listed(each, toolset) and (principal is None or self.sees(principal, each))
        ]

    def prompt(self, principal: Principal, name: str) -> Thing | None:
        return self._seen(principal, self.catalog.prompts.get(name))

    def resource(self, principal: Principal, uri: str) -> Thing | None:
        return self._seen(principal, self.catalog.resources.get(uri))

    def template(self, principal: Principal, template: str) -> Thing | None:
        return self._seen(principal, self.catalog.templates.get(template))

    def resource_owners(self, principal: Principal) -> list[AdapterName]:
        """Adapters that may know a URI which none has listed: of templates, or links in a tool's answer."""
        whole = [*self.catalog.templates.values(), *self.catalog.resources.values()]
        return sorted({each.source for each in whole if self.sees(principal, each)})

    def listed(self, principal: Principal, kind: str, era: Era, toolset: DesiredToolset | None) -> bytes:
        """The result of a list method, encoded."""
        is_short = kind == "tools" and toolset is not None and toolset.spec.discovery
        parts = [] if is_short else self._parts(principal, kind, toolset)
        missing = [each for each in self.catalog.missing if self.sees(principal, each)]
        key = (kind, era, is_short, *(id(each) for each in parts), None, *(id(each) for each in missing))
        body = self._lists.get(key)
        if body is None:
            definitions = discovery.ENCODED if is_short else [_definition(each, era) for each in parts]
            body = self._lists[key] = _encoded(kind, era, definitions, missing)
            if len(self._lists) > _REMEMBERED:
                self._lists.popitem(last=False)
        return body

    def found(self, principal: Principal, query: str, toolset: DesiredToolset | None) -> Iterator[Offer]:
        """Tools by words, best first."""
        if self._index is None:
            self._index = Index(entry(each.plain) for each in self.catalog.offers.values())
        for name in self._index.search(query):
            offer = self.catalog.offers[name]
            if self._is_in(principal, offer, toolset):
                yield offer

    def _parts(self, principal: Principal, kind: str, toolset: DesiredToolset | None) -> list[Offer | Thing]:
        if kind == "tools":
            return list(self.tools(principal, toolset))
        things: Iterable[Thing] = getattr(self.catalog, kind).values()
        return [each for each in things if self.sees(principal, each)]

    def _is_in(self, principal: Principal, offer: Offer, toolset: DesiredToolset | None) -> bool:
        return self._is_listed(offer, toolset) and self.sees(principal, offer)

    def _is_listed(self, offer: Offer, toolset: DesiredToolset | None) -> bool:
        """Whoever may see it."""
        if offer.drift and (toolset is None or toolset.spec.drift is Drift.BLOCK):
            return False
        return toolset is None or holds(toolset.spec, offer.name, offer.source, offer.original)

    def _seen(self, principal: Principal, thing: Thing | None) -> Thing | None:
        return thing if thing is not None and self.sees(principal, thing) else None


def _encoded(kind: str, era: Era, definitions: Iterable[bytes], missing: Iterable[Missing]) -> bytes:
    told = [{"adapter": each.source, "reason": each.reason} for each in missing]
    meta: dict[str, Any] = {MISSING: told} if told else {}
    member = MEMBERS[kind].encode()
    if era is Era.LEGACY:
        tail = b',"_meta":%b' % msgspec.json.encode(meta) if meta else b""
        return b'{"%b":[%b]%b}' % (member, b",".join(definitions), tail)
    meta[mcp.META_SERVER_INFO] = IDENTITY
    return b'{"resultType":"complete","%b":[%b],"ttlMs":0,"cacheScope":"private","_meta":%b}' % (
        member,
        b",".join(definitions),
        msgspec.json.encode(meta),
    )


def _definition(part: Offer | Thing, era: Era) -> bytes:
    """Before 2026-07-28 structured content is an object, and so is what its schema describes."""
    if era is Era.LEGACY and isinstance(part, Offer):
        output = part.plain.get("outputSchema")
        if output is not None and not (isinstance(output, dict) and output.get("type") == "object"):
            return msgspec.json.encode({name: value for name, value in part.plain.items() if name != "outputSchema"})
    return part.definition
