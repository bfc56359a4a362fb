"""Calls of HTTP tool servers: arguments go out as JSON, whatever comes back becomes a tool's result. MS's contract.

A body of 2xx is the result, a JSON object structured content as well; any other status is an error that a model may
read. Knows no adapter and no MCP server.
"""

import base64
from collections.abc import Callable
from typing import Any, Final

import msgspec

from gateway.toolrouter import operations
from gateway.toolrouter.catalog import Offer
from gateway.toolrouter.inner import Inner, media_type
from gateway.toolrouter.schemas import Schema
from gateway.wire.http1 import Headers, Request

MAX_BODY: Final = 16 * 1024 * 1024
_TOLD: Final = 4000  # characters of an error's body
_JSON: Final = b"application/json"
_PASSED_ON: Final = frozenset(
    {b"traceparent", b"tracestate", b"baggage", b"x-request-id", b"x-correlation-id", b"authorization"}
)


def request(offer: Offer, arguments: dict[str, Any], headers: Headers, *, base: str) -> Request:
    """base: the path of the server's URL; what POSTs its arguments whole goes there. Raises operations.Unfit."""
    if offer.operation is not None:
        made = operations.spread(offer.operation, arguments, base=base)
        made.target = made.path.encode()
    else:
        made = Request()
        made.method, made.body = "POST", msgspec.json.encode(arguments)
        made.headers = [(b"content-type", _JSON)]
    made.path = f"/tools/{offer.tool}"
    made.headers.append((b"accept", b"application/json, */*;q=0.5"))
    made.headers += [pair for pair in headers if pair[0] in _PASSED_ON]
    return made


class Call(Inner):
    """done: told the result, once."""

    def __init__(
        self, request: Request, peer: str, offer: Offer, *, done: Callable[[int, dict[str, Any]], None]
    ) -> None:
        super().__init__(request, peer)
        self._offer, self._done = offer, done
        self._headers: Headers = []
        self._body = bytearray()

    def whole(self, status: int, headers: Headers, body: bytes) -> None:
        self._done(status, result_of(self._offer, status, headers, body))

    def began(self, status: int, headers: Headers, length: int | None) -> None:  # noqa: ARG002 - Inner's signature
        self._headers = headers

    def went_on(self, chunk: bytes) -> None:
        self._body += chunk
        if len(self._body) > MAX_BODY:
            self.leave()
            self._done(502, failed(f"{self._offer.name} answered with more than {MAX_BODY} bytes"))

    def ended(self) -> None:
        self._done(self.status, result_of(self._offer, self.status, self._headers, bytes(self._body)))

    def broke_off(self) -> None:
        self._done(502, failed(f"{self._offer.name} broke off in the middle of its answer"))


def result_of(offer: Offer, status: int, headers: Headers, body: bytes) -> dict[str, Any]:
    """A tool's result (schema, CallToolResult)."""
    if not 200 <= status < 300:
        told = body.decode(errors="replace")[:_TOLD].strip()
        return failed(f"{offer.name} answered with HTTP {status}{f': {told}' if told else ''}")
    kind = media_type(headers)
    found: dict[str, Any] = {"content": [_content(kind, body)]}
    structured = _object(body) if kind == _JSON or kind.endswith(b"+json") or not kind else None
    if structured is not None:
        found["structuredContent"] = structured
    return _fitting(offer, found)


def _content(kind: bytes, body: bytes) -> dict[str, Any]:
    family = kind.partition(b"/")[0]
    if family in (b"image", b"audio"):
        return {"type": family.decode(), "data": base64.b64encode(body).decode(), "mimeType": kind.decode("latin-1")}
    return {"type": "text", "text": body.decode(errors="replace")}


def _fitting(offer: Offer, found: dict[str, Any]) -> dict[str, Any]:
    """A tool with an output schema must answer by it (tools, Output Schema)."""
    output = offer.plain.get("outputSchema")
    if output is None:
        return found
    if "structuredContent" not in found:
        return failed(f"{offer.name} has an outputSchema and answered with no JSON object")
    complaints = Schema(output).complaints(found["structuredContent"])
    return failed(f"{offer.name} broke its outputSchema: {'; '.join(complaints)}") if complaints else found


def _object(body: bytes) -> dict[str, Any] | None:
    try:
        found = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def failed(sentence: str) -> dict[str, Any]:
    return {"content": [{"type": "text", "text": sentence}], "isError": True}
