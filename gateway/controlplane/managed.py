"""The routes that every kind of managed resource has: decode, ask the service, encode. Knows no kind."""

from collections.abc import Callable, Mapping
from typing import Any

from quart import Blueprint, Response, g, request

from gateway.controlplane import lists, replies
from gateway.controlplane.door import principal
from gateway.core.access import may_write
from gateway.core.desired import Kept
from gateway.services.decoding import decode, decode_merge, decode_whole
from gateway.services.managed import Managed, is_match
from gateway.wire.resources import Page


def resource(desired: Kept) -> Any:
    """As its caller may see it."""
    return desired.shown(to_writer=may_write(principal(), desired.ownership))


def if_match() -> str:
    return request.headers.get("If-Match", "")


def restarting(desired: Kept) -> Response:
    return replies.json(resource(desired), 202, {"ETag": desired.etag})


def manage(
    routes: Blueprint,
    managed: Managed[Any, Any],
    plural: str,
    *,
    filters: Any,
    searched: Any,
    told: Callable[[Any], Any] = resource,
) -> None:
    """Create, list, get, replace, patch, delete: the same for each kind. told: how one is shown to its caller."""

    def shown(desired: Kept, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
        return replies.json(told(desired), status, {"ETag": desired.etag, **(headers or {})})

    @routes.post(f"/{plural}")
    async def create() -> Response:
        spec = decode(await replies.body(), managed.spec)
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
        spec = decode_whole(await replies.body(), managed.spec)
        return shown(await managed.replace(principal(), name, spec, if_match=if_match()))

    @routes.patch(f"/{plural}/<name>")
    async def patch(name: str) -> Response:
        merge = decode_merge(await replies.body())
        return shown(await managed.patch(principal(), name, merge, if_match=if_match()))

    @routes.delete(f"/{plural}/<name>")
    async def delete(name: str) -> Response:
        await managed.delete(principal(), name, if_match=if_match())
        return replies.nothing()
