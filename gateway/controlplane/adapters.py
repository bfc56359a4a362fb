"""/adapters: what they have beside what every managed resource has."""

from typing import Final

from quart import Blueprint, Response

from gateway.controlplane import lists, replies
from gateway.controlplane.door import principal
from gateway.controlplane.managed import if_match, manage, restarting
from gateway.core.desired import Desired
from gateway.services.adapters import Adapters
from gateway.wire.resources import AdapterSpec


def adapter_routes(adapters: Adapters) -> Blueprint:
    routes = Blueprint("adapters", __name__)
    filters: Final[lists.Filters[Desired]] = {
        "createdBy": lambda each: (each.created_by,),
        "source": lambda each: (source_of(each.spec),),
        "requiredRole": lambda each: each.spec.required_roles,
        "phase": lambda each: (adapters.status(each).phase,),
    }

    manage(routes, adapters, "adapters", filters=filters, searched=_texts)

    @routes.get("/adapters/<name>/status")
    async def status(name: str) -> Response:
        return replies.json(adapters.status(await adapters.get(principal(), name)))

    @routes.post("/adapters/<name>/restart")
    async def restart(name: str) -> Response:
        return restarting(await adapters.restart(principal(), name, if_match=if_match()))

    return routes


def source_of(spec: AdapterSpec) -> str:
    if spec.stdio is not None:
        return "stdio"
    return "url" if spec.url else "image"


def _texts(desired: Desired) -> tuple[str, ...]:
    spec = desired.spec
    command = " ".join((spec.stdio.command, *spec.stdio.args)) if spec.stdio else ""
    return spec.name, spec.description, spec.image_name, spec.url, command, desired.created_by
