"""What goes back to a caller: JSON, streams, and errors as problems. Decides nothing."""

import logging
import re
from collections.abc import AsyncIterator, Mapping
from http import HTTPStatus
from typing import Any, Final

import msgspec
from quart import Quart, Response, g, request
from werkzeug.exceptions import HTTPException

from gateway.core.errors import GatewayError, MethodNotAllowed, NotFound, TooLarge
from gateway.core.render import as_problem, encode_problem, retry_after, www_authenticate
from gateway.wire.problems import MEDIA_TYPE, Problem

JSON: Final = "application/json"
PARTIAL: Final = "X-Mcpdeck-Partial"

log = logging.getLogger(__name__)


async def body() -> bytes:
    """What was sent. Raises what Quart does when it is too large, or too slow."""
    sent = await request.get_data(as_text=False)
    found = sent if isinstance(sent, bytes) else sent.encode()
    g.received = len(found)
    return found


def json(value: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    return Response(msgspec.json.encode(value), status=status, headers=dict(headers or {}), content_type=JSON)


def partial(reason: str) -> dict[str, str]:
    """Headers of a list that may lack what other replicas have. reason: "" where it is whole."""
    return {PARTIAL: " ".join(reason.split())} if reason else {}


def nothing(status: int = 204) -> Response:
    return Response(b"", status=status)


def stream(chunks: AsyncIterator[bytes], content_type: str, headers: Mapping[str, str] | None = None) -> Response:
    """As long as it lasts; nothing on the way is to hold it back."""
    response = Response(chunks, content_type=content_type, headers={"X-Accel-Buffering": "no", **(headers or {})})
    response.timeout = None
    return response


def register_errors(app: Quart) -> None:
    """Every error is a problem, whoever raised it."""

    @app.errorhandler(GatewayError)
    async def expected(error: GatewayError) -> Response:
        return _problem(error)

    @app.errorhandler(HTTPException)
    async def routing(error: HTTPException) -> Response:
        """What Quart itself refuses."""
        match error.code:
            case 404:
                return _problem(NotFound(f"there is no {request.path} here; see /docs"))
            case 405:
                refusal = _problem(MethodNotAllowed(f"{request.method} is not for {request.path}; see Allow"))
                refusal.headers["Allow"] = dict(error.get_headers()).get("Allow", "")
                return refusal
            case 413:
                limit = request.max_content_length
                return _problem(TooLarge(f"a body may have {limit} bytes"))
            case code:
                return _foreign(code or 500, error.description or "")

    @app.errorhandler(Exception)
    async def unexpected(error: Exception) -> Response:
        """Nobody foresaw it: said in full in the log, and not at all to the caller."""
        trace = g.get("traceparent", "")
        log.error("%s %s failed: request %s %s", request.method, request.path, request_id(), trace, exc_info=error)
        return _problem(GatewayError(f"the gateway failed; its log says why, under request {request_id()}"))


def request_id() -> str:
    return str(g.get("request_id", ""))


def _problem(error: GatewayError) -> Response:
    g.refused = f"{error.slug}: {error.detail or error.title}"
    problem = as_problem(error, instance=request.path, request_id=request_id())
    response = Response(encode_problem(problem), status=error.status, content_type=MEDIA_TYPE)
    if (seconds := retry_after(error)) is not None:
        response.headers["Retry-After"] = seconds.decode()
    if (challenge := www_authenticate(error, request.path)) is not None:
        response.headers["WWW-Authenticate"] = challenge.decode()
    return response


def _foreign(status: int, detail: str) -> Response:
    title = HTTPStatus(status).phrase
    code = re.sub(r"[^a-z]+", "-", title.lower())
    problem = Problem(title=title, status=status, detail=detail, instance=f"{request.path}#{request_id()}", code=code)
    return Response(encode_problem(problem), status=status, content_type=MEDIA_TYPE)
