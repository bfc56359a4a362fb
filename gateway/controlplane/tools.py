"""/tools, /toolsets and /offers: decode, ask the service, encode."""

from typing import Final

import msgspec
from quart import Blueprint, Response

from gateway.controlplane import lists, replies
from gateway.controlplane.door import principal
from gateway.controlplane.managed import if_match, manage, restarting
from gateway.core.ports import Offers
from gateway.core.tools import DesiredTool, DesiredToolset
from gateway.services.tools import Tools, Toolsets
from gateway.wire.tools import Toolset, ToolSpec

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

    manage(routes, tools, "tools", filters=_TOOL_FILTERS, searched=_tool_texts)

    @routes.get("/tools/<name>/status")
    async def status(name: str) -> Response:
        return replies.json(tools.status(await tools.get(principal(), name)))

    @routes.post("/tools/<name>/restart")
    async def restart(name: str) -> Response:
        return restarting(await tools.restart(principal(), name, if_match=if_match()))

    return routes


def toolset_routes(toolsets: Toolsets, offers: Offers) -> Blueprint:
    routes = Blueprint("toolsets", __name__)

    def with_cost(desired: DesiredToolset) -> Toolset:
        return msgspec.structs.replace(desired.shown(to_writer=True), cost=offers.cost(principal(), desired))

    manage(routes, toolsets, "toolsets", filters=_TOOLSET_FILTERS, searched=_toolset_texts, told=with_cost)
    return routes


def source_of(spec: ToolSpec) -> str:
    if spec.adapter:
        return "adapter"
    return "url" if spec.url else "image"


def _tool_texts(desired: DesiredTool) -> tuple[str, ...]:
    spec = desired.spec
    return spec.name, spec.description, spec.adapter, spec.tool_name, spec.image_name, spec.url, desired.created_by


def _toolset_texts(desired: DesiredToolset) -> tuple[str, ...]:
    return desired.spec.name, desired.spec.description, desired.created_by
