"""/adapters: decode, ask the service, encode."""

from collections.abc import Mapping
from typing import Final

from quart import Blueprint, Response, g, request

from gateway.controlplane import lists, replies
from gateway.controlplane.door import principal
from gateway.core.access import may_write
from gateway.core.desired import Desired
from gateway.services.adapters import Adapters
from gateway.services.decoding import decode_merge, decode_spec, decode_whole
from gateway.services.managed import is_match
from gateway.wire.resources import Adapter, AdapterSpec, Page


def adapter_routes(adapters: Adapters) -> Blueprint:
    routes = Blueprint("adapters", __name__)
    filters: Final[lists.Filters[Desired]] = {
        "createdBy": lambda each: (each.created_by,),
        "source": lambda each: (source_of(each.spec),),
        "requiredRole": lambda each: each.spec.required_roles,
        "phase": lambda each: (adapters.status(each).phase,),
    }

    @routes.post("/adapters")
    async def create() -> Response:
        spec = decode_spec(await replies.body())
        g.target = spec.name
        created = await adapters.create(principal(), spec)
        return _shown(created, 201, {"Location": f"/adapters/{created.name}"})

    @routes.get("/adapters")
    async def listing() -> Response:
        visible = await adapters.visible(principal())
        found = lists.asked(visible, request.args, key=lambda each: each.name, filters=filters, searched=_texts)
        if isinstance(found, Page):
            return replies.json(Page(items=[_resource(each) for each in found.items], next_cursor=found.next_cursor))
        return replies.json([_resource(each) for each in found])

    @routes.get("/adapters/<name>")
    async def one(name: str) -> Response:
        found = await adapters.get(principal(), name)
        known = request.headers.get("If-None-Match", "")
        if known and is_match(known, found.etag):
            return Response(b"", status=304, headers={"ETag": found.etag})
        return _shown(found)

    @routes.put("/adapters/<name>")
    async def replace(name: str) -> Response:
        spec = decode_whole(await replies.body(), AdapterSpec)
        return _shown(await adapters.replace(principal(), name, spec, if_match=_if_match()))

    @routes.patch("/adapters/<name>")
    async def patch(name: str) -> Response:
        merge = decode_merge(await replies.body())
        return _shown(await adapters.patch(principal(), name, merge, if_match=_if_match()))

    @routes.delete("/adapters/<name>")
    async def delete(name: str) -> Response:
        await adapters.delete(principal(), name, if_match=_if_match())
        return replies.nothing()

    @routes.get("/adapters/<name>/status")
    async def status(name: str) -> Response:
        return replies.json(adapters.status(await adapters.get(principal(), name)))

    @routes.post("/adapters/<name>/restart")
    async def restart(name: str) -> Response:
        return _shown(await adapters.restart(principal(), name, if_match=_if_match()), 202)

    return routes


def source_of(spec: AdapterSpec) -> str:
    if spec.stdio is not None:
        return "stdio"
    return "url" if spec.url else "image"


def _texts(desired: Desired) -> tuple[str, ...]:
    spec = desired.spec
    command = " ".join((spec.stdio.command, *spec.stdio.args)) if spec.stdio else ""
    return spec.name, spec.description, spec.image_name, spec.url, command, desired.created_by


def _resource(desired: Desired) -> Adapter:
    return desired.shown(to_writer=may_write(principal(), desired.ownership))


def _shown(desired: Desired, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    return replies.json(_resource(desired), status, {"ETag": desired.etag, **(headers or {})})


def _if_match() -> str:
    return request.headers.get("If-Match", "")
