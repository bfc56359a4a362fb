"""Live traffic of a session, an adapter or all, and what was recorded: decode, ask the service, send. Reads none."""

from collections.abc import AsyncGenerator, AsyncIterator
from functools import partial
from typing import Final

from quart import Blueprint, Response, g, request

from gateway.controlplane import replies
from gateway.controlplane.door import Door, principal, sent_headers, while_let_in
from gateway.controlplane.streams import boolean
from gateway.core.errors import Invalid
from gateway.services.adapters import Adapters
from gateway.services.entries import CHUNK
from gateway.services.traffic import Traffic
from gateway.wire.traffic import JSONL

REVEALED: Final = "traffic.reveal"  # in the audit log
RECORDED: Final = "recording.read"


def traffic_routes(adapters: Adapters, traffic: Traffic, door: Door) -> Blueprint:
    routes = Blueprint("traffic", __name__)

    @routes.get("/sessions/live/<session_id>/traffic")
    async def of_session(session_id: str) -> Response:
        return _followed(
            traffic.of_session(principal(), session_id, reveals=_reveals(), last_event_id=_last_event_id())
        )

    @routes.get("/adapters/<name>/traffic")
    async def of_adapter(name: str) -> Response:
        reveals = _reveals()
        found = await adapters.get(principal(), name)
        return _followed(traffic.of_adapter(principal(), found.name, reveals=reveals, last_event_id=_last_event_id()))

    @routes.get("/traffic")
    async def of_all() -> Response:
        if _reveals():
            raise Invalid("secrets are shown of one adapter at a time: GET /adapters/NAME/traffic?reveal=true")
        return _followed(traffic.of_all(principal(), last_event_id=_last_event_id()))

    @routes.get("/adapters/<name>/recording")
    async def recording(name: str) -> Response:
        g.action = RECORDED
        found = await adapters.get(principal(), name)
        lines = await traffic.recording(principal(), found.name, session=request.args.get("session", ""))
        return replies.stream(_sent(lines), JSONL)

    @routes.get("/adapters/<name>/recording/status")
    async def recording_status(name: str) -> Response:
        found = await adapters.get(principal(), name)
        return replies.json(await traffic.recording_status(principal(), found.name))

    def _followed(chunks: AsyncGenerator[bytes]) -> Response:
        return replies.stream(
            while_let_in(chunks, partial(door.is_let_in, sent_headers())),
            "text/event-stream",
            {"Cache-Control": "no-store, no-transform"},
        )

    return routes


async def _sent(lines: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Several in one write."""
    waiting = bytearray()
    async for line in lines:
        waiting += line
        waiting += b"\n"
        if len(waiting) >= CHUNK:
            yield bytes(waiting)
            waiting.clear()
    if waiting:
        yield bytes(waiting)


def _reveals() -> bool:
    """To ask for secrets is an entry in the audit log, whatever comes of it."""
    reveals = boolean(request.args, "reveal")
    if reveals:
        g.action = REVEALED
    return reveals


def _last_event_id() -> str:
    return request.headers.get("Last-Event-ID", "")
