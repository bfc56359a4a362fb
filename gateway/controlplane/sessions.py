"""/sessions/live, and the sessions of one adapter or tool: decode, ask the service, encode."""

from collections.abc import Mapping
from typing import Final

from quart import Blueprint, Response, request

from gateway.controlplane import lists, replies
from gateway.controlplane.door import principal
from gateway.controlplane.health import Check
from gateway.core.errors import Invalid
from gateway.services.adapters import Adapters
from gateway.services.draining import MOST_SECONDS, end_drained
from gateway.services.sessions import Sessions
from gateway.services.tools import Tools
from gateway.wire.resources import LiveSession

_FILTERS: Final[lists.Filters[LiveSession]] = {
    "adapter": lambda each: (each.adapter,),
    "instance": lambda each: (each.instance,),
    "principal": lambda each: (each.principal, each.principal_name),
    "client": lambda each: (each.client_name,),
    "era": lambda each: (each.era,),
}


def session_routes(adapters: Adapters, tools: Tools, sessions: Sessions, partial: Check) -> Blueprint:
    """partial: why other replicas' sessions may be missing or old, in a sentence; "" where they are not."""
    routes = Blueprint("sessions", __name__)

    @routes.get("/adapters/<name>/sessions")
    async def of_adapter(name: str) -> Response:
        found = await adapters.get(principal(), name)
        return _listed(sessions.visible(principal(), found.name), partial())

    @routes.get("/tools/<name>/sessions")
    async def of_tool(name: str) -> Response:
        found = await tools.get(principal(), name)
        return _listed(sessions.visible(principal(), found.source), partial())

    @routes.get("/sessions/live")
    async def listing() -> Response:
        return _listed(sessions.visible(principal()), partial())

    @routes.get("/sessions/live/<session_id>")
    async def one(session_id: str) -> Response:
        return replies.json(sessions.one(principal(), session_id))

    @routes.delete("/sessions/live/<session_id>")
    async def end(session_id: str) -> Response:
        if seconds := _patience(request.args):
            await end_drained(sessions, principal(), session_id, seconds=seconds)
        else:
            await sessions.end(principal(), session_id)
        return replies.nothing()

    return routes


def _patience(query: Mapping[str, str]) -> int:
    """Seconds that calls in flight have. Raises Invalid, also for a mistyped parameter: ignored, it would cut them."""
    text = query.get("drain", "0")
    if unknown := query.keys() - {"drain"}:
        raise Invalid(f"{min(unknown)} is no parameter of ending a session; there is drain")
    if not text.isdecimal() or len(text) > 9 or int(text) > MOST_SECONDS:
        sentence = f"must be 0 to {MOST_SECONDS}, in seconds"
        raise Invalid(f"drain {sentence}", errors={"drain": [sentence]})
    return int(text)


def _listed(found: list[LiveSession], reason: str) -> Response:
    asked = lists.asked(found, request.args, key=lambda each: each.id, filters=_FILTERS, searched=_texts)
    return replies.json(asked, headers=replies.partial(reason))


def _texts(session: LiveSession) -> tuple[str, ...]:
    return session.id, session.adapter, session.instance, session.principal, session.principal_name, session.client_name
