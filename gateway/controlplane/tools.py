"""/tools, /toolsets and /offers: decode, ask the service, encode."""

from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec
from quart import Blueprint, Response, g, request

from gateway.controlplane import lists, replies
from gateway.controlplane.door import principal
from gateway.core.access import may_write
from gateway.core.desired import Kept
from gateway.core.ports import Offers
from gateway.core.tools import DesiredTool, DesiredToolset
from gateway.services.decoding import decode, decode_merge, decode_whole
from gateway.services.managed import Managed, is_match
from gateway.services.tools import Tools, Toolsets
from gateway.wire.resources import Page
from gateway.wire.tools import Toolset, ToolsetSpec, ToolSpec

_TOOL_FILTERS: Final[lists.Filters[DesiredTool]] = {
    "createdBy": lambda each: (each.created_by,),
    "source": lambda each: (source_of(each.spec),),
    "adapter": lambda each: (each.spec.adapter,),
    "requiredRole": lambda each: each.spec.required_roles,
}
_TOOLSET_FILTERS: Final[lists.Filters[DesiredToolset]] = {"createdBy": lambda each: (each.created_by,)}


def tool_routes(tools: Tools, toolsets: Toolsets, offers: Offers) -> Blueprint:
    routes = Blueprint("tools", __name__)

    @routes.get("/offers")
    async def offered() -> Response:
        names = {each.name for each in await tools.visible(principal())}
        return replies.json([each for each in offers.offered() if each.tool in names])

    @routes.get("/offers/cost")
    async def cost() -> Response:
        own = offers.cost(principal(), None)
        return replies.json([own, *(offers.cost(principal(), each) for each in await toolsets.visible(principal()))])

    manage(routes, tools, "tools", ToolSpec, filters=_TOOL_FILTERS, searched=_tool_texts)

    @routes.get("/tools/<name>/status")
    async def status(name: str) -> Response:
        return replies.json(tools.status(await tools.get(principal(), name)))

    @routes.post("/tools/<name>/restart")
    async def restart(name: str) -> Response:
        return _shown(await tools.restart(principal(), name, if_match=_if_match()), 202)

    return routes


def toolset_routes(toolsets: Toolsets, offers: Offers) -> Blueprint:
    routes = Blueprint("toolsets", __name__)

    def with_cost(desired: DesiredToolset) -> Toolset:
        return msgspec.structs.replace(desired.shown(to_writer=True), cost=offers.cost(principal(), desired))

    manage(
        routes,
        toolsets,
        "toolsets",
        ToolsetSpec,
        filters=_TOOLSET_FILTERS,
        searched=_toolset_texts,
        told=with_cost,
    )
    return routes


def manage(
    routes: Blueprint,
    managed: Managed[Any, Any],
    plural: str,
    kind: Any,
    *,
    filters: Any,
    searched: Any,
    told: Callable[[Any], Any] | None = None,
) -> None:
    """Create, list, get, replace, patch, delete: the same for each kind. told: how one is shown to its caller."""
    told = told or _resource

    def shown(desired: Kept, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
        return replies.json(told(desired), status, {"ETag": desired.etag, **(headers or {})})

    @routes.post(f"/{plural}")
    async def create() -> Response:
        spec = decode(await replies.body(), kind)
        g.target = spec.name
        created = await managed.create(principal(), spec)
        return shown(created, 201, {"Location": f"/{plural}/{created.name}"})

    @routes.get(f"/{plural}")
    async def listing() -> Response:
        visible = await managed.visible(principal())
        found = lists.asked(visible, request.args, key=lambda each: each.name, filters=filters, searched=searched)
        if isinstance(found, Page):
            return replies.json(Page(items=[told(each) for each in found.items], next_cursor=found.next_cursor))
        return replies.json([told(each) for each in found])

    @routes.get(f"/{plural}/<name>")
    async def one(name: str) -> Response:
        found = await managed.get(principal(), name)
        known = request.headers.get("If-None-Match", "")
        if known and is_match(known, found.etag):
            return Response(b"", status=304, headers={"ETag": found.etag})
        return shown(found)

    @routes.put(f"/{plural}/<name>")
    async def replace(name: str) -> Response:
        spec = decode_whole(await replies.body(), kind)
        return shown(await managed.replace(principal(), name, spec, if_match=_if_match()))

    @routes.patch(f"/{plural}/<name>")
    async def patch(name: str) -> Response:
        merge = decode_merge(await replies.body())
        return shown(await managed.patch(principal(), name, merge, if_match=_if_match()))

    @routes.delete(f"/{plural}/<name>")
    async def delete(name: str) -> Response:
        await managed.delete(principal(), name, if_match=_if_match())
        return replies.nothing()


def source_of(spec: ToolSpec) -> str:
    if spec.adapter:
        return "adapter"
    return "url" if spec.url else "image"


def _tool_texts(desired: DesiredTool) -> tuple[str, ...]:
    spec = desired.spec
    return spec.name, spec.description, spec.adapter, spec.tool_name, spec.image_name, spec.url, desired.created_by


def _toolset_texts(desired: DesiredToolset) -> tuple[str, ...]:
    return desired.spec.name, desired.spec.description, desired.created_by


def _resource(desired: Kept) -> Any:
    return desired.shown(to_writer=may_write(principal(), desired.ownership))


def _shown(desired: Kept, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    return replies.json(_resource(desired), status, {"ETag": desired.etag, **(headers or {})})


def _if_match() -> str:
    return request.headers.get("If-Match", "")
