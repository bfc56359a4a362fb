"""/events, and the logs of adapters and tools: what lasts as long as somebody reads. Knows no event and no line."""

import re
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Final

from quart import Blueprint, Response, request

from gateway.controlplane import replies
from gateway.controlplane.door import Door, principal, sent_headers, while_let_in
from gateway.core.desired import Desired
from gateway.core.errors import GatewayError, Invalid
from gateway.core.tools import DesiredTool
from gateway.services.adapters import Adapters
from gateway.services.events import Hub
from gateway.services.logs import TAIL, Logs, Wish
from gateway.services.tools import Tools

TEXT: Final = "text/plain; charset=utf-8"
LOG_STATE: Final = "X-Log-State"  # why there is no log: `starting`, or `elsewhere`, where a `url` adapter keeps its own
_MOST_LINES: Final = 1_000_000
_DURATION = re.compile(r"([0-9]{1,9})([smhd]?)")
_SECONDS: Final = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}
type Get = Callable[[], Awaitable[Desired | DesiredTool]]  # raises GatewayError for who may not read it
_BOOLEANS: Final = {"true": True, "1": True, "": True, "false": False, "0": False}


def event_routes(hub: Hub, door: Door) -> Blueprint:
    routes = Blueprint("events", __name__)

    @routes.get("/events")
    async def follow() -> Response:
        changes = hub.follow(principal(), request.headers.get("Last-Event-ID", ""))
        return replies.stream(
            while_let_in(changes, partial(door.is_let_in, sent_headers())),
            "text/event-stream",
            {"Cache-Control": "no-store, no-transform"},
        )

    return routes


def log_routes(adapters: Adapters, tools: Tools, logs: Logs, door: Door) -> Blueprint:
    routes = Blueprint("logs", __name__)

    @routes.get("/adapters/<name>/logs")
    async def read(name: str) -> Response:
        return await _read(partial(adapters.get, principal(), name))

    @routes.get("/tools/<name>/logs")
    async def read_tool(name: str) -> Response:
        who = principal()
        found = await tools.get(who, name)
        if not found.spec.is_server:  # what it says is in its adapter's log, for who may read that
            return await _read(partial(adapters.get, who, found.source))
        return await _read(partial(tools.get, who, name))

    async def _read(get: Get) -> Response:
        found = await get()
        wish, is_following = parse_wish(request.args, now=datetime.now(UTC))
        instances = logs.chosen(found.name, found.spec.replica_count, wish.instance)
        headers = {} if instances else {LOG_STATE: "elsewhere" if found.spec.url else "starting"}
        if not is_following or wish.previous:
            return Response(await logs.read(instances, wish), content_type=TEXT, headers=headers)
        is_let_in = partial(_may_still_read, door, get, sent_headers())
        return replies.stream(while_let_in(logs.follow(found.name, wish), is_let_in), TEXT, headers)

    return routes


async def _may_still_read(door: Door, get: Get, headers: Mapping[bytes, bytes]) -> bool:
    if not await door.is_let_in(headers):
        return False
    try:
        await get()
    except GatewayError:
        return False
    return True


def parse_wish(query: Mapping[str, str], *, now: datetime) -> tuple[Wish, bool]:
    """What a reader wants, and whether it follows. Without `tail` all since `since`, or the last thousand."""
    since = parse_since(query["since"], now=now) if query.get("since") else None
    wish = Wish(
        instance=query.get("instance", "0"),
        tail=_number(query, "tail", None if since else TAIL),
        since=since,
        previous=boolean(query, "previous"),
        timestamps=boolean(query, "timestamps"),
    )
    return wish, boolean(query, "follow")


def parse_since(text: str, *, now: datetime) -> datetime:
    """A moment (RFC 3339), or how long ago: `90`, `30s`, `5m`, `1h`, `2d`. Raises Invalid."""
    if found := _DURATION.fullmatch(text):
        try:
            return now - timedelta(seconds=int(found[1]) * _SECONDS[found[2]])
        except OverflowError:
            return datetime.min.replace(tzinfo=UTC)
    try:
        moment = datetime.fromisoformat(text.replace(" ", "+"))  # a plus sign that nobody escaped
    except ValueError as error:
        raise _invalid("since", "must be a moment (2026-01-02T03:04:05Z), or how long ago (30s, 5m, 1h)") from error
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _number(query: Mapping[str, str], name: str, default: int | None) -> int | None:
    text = query.get(name, "")
    if not text:
        return default
    if not text.isdecimal() or len(text) > 9 or int(text) > _MOST_LINES:
        raise _invalid(name, f"must be 0 to {_MOST_LINES}")
    return int(text)


def boolean(query: Mapping[str, str], name: str) -> bool:
    """A bare name is true. Raises Invalid."""
    if name not in query:
        return False
    try:
        return _BOOLEANS[query[name].lower()]
    except KeyError:
        raise _invalid(name, "must be true or false") from None


def _invalid(parameter: str, sentence: str) -> Invalid:
    return Invalid(f"{parameter} {sentence}", errors={parameter: [sentence]})
