"""/audit: decode, ask the service, encode."""

from datetime import UTC, datetime
from typing import Final

from quart import Blueprint, Response, request

from gateway.controlplane import replies
from gateway.controlplane.door import principal
from gateway.controlplane.lists import LARGEST_LIMIT
from gateway.controlplane.streams import parse_since
from gateway.core.errors import GatewayError, Invalid
from gateway.services.audit import AuditLog
from gateway.services.audit_reading import Wanted, newest

DEFAULT_LIMIT: Final = 100


def audit_routes(audit: AuditLog) -> Blueprint:
    routes = Blueprint("audit", __name__)

    @routes.get("/audit")
    async def listing() -> Response:
        wanted = Wanted(limit=_limit(), text=request.args.get("q", ""), since=_since())
        try:
            return replies.json(await newest(principal(), audit, wanted))
        except OSError as error:
            raise GatewayError(f"the audit log can't be read: {error.strerror}") from error

    return routes


def _limit() -> int:
    text = request.args.get("limit", str(DEFAULT_LIMIT))
    if not text.isdecimal() or len(text) > 9 or not 1 <= int(text) <= LARGEST_LIMIT:
        sentence = f"must be 1 to {LARGEST_LIMIT}"
        raise Invalid(f"limit {sentence}", errors={"limit": [sentence]})
    return int(text)


def _since() -> datetime | None:
    text = request.args.get("since", "")
    return parse_since(text, now=datetime.now(UTC)) if text else None
