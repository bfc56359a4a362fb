"""A recording as an HTTP archive (HAR 1.2): one entry per call, for browsers' tools and the like. Pure.

http://www.softwareishard.com/blog/har-12-spec/
"""

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from gateway.wire.traffic import TrafficMessage
from mcpdeck.traffic.recording import Call


def archive(calls: Iterable[Call], *, url: str, version: str) -> dict[str, Any]:
    """url: of the gateway."""
    return {
        "log": {
            "version": "1.2",
            "creator": {"name": "mcpdeck", "version": version},
            "comment": "secrets are hidden; an entry is a JSON-RPC call, which may share its HTTP exchange with others",
            "entries": [_entry(call, url) for call in calls],
        }
    }


def _entry(call: Call, url: str) -> dict[str, Any]:
    request, response = call.request, call.response
    seconds = response.duration if response is not None else None
    milliseconds = round(1000 * seconds, 3) if seconds is not None else -1
    return {
        "startedDateTime": request.at.isoformat(),
        "time": max(milliseconds, 0),
        "request": {
            "method": request.verb or "POST",
            "url": f"{url}/adapters/{request.adapter}/mcp",
            "httpVersion": "HTTP/1.1",
            "cookies": [],
            "headers": _headers(request.headers),
            "queryString": [],
            "postData": {"mimeType": "application/json", "text": _text(request)},
            "headersSize": -1,
            "bodySize": request.size,
        },
        "response": _response(response),
        "cache": {},
        "timings": {"send": 0, "wait": max(milliseconds, 0), "receive": 0},
        "comment": " ".join(filter(None, (request.method, request.target))),
        "_session": request.session,
        "_instance": request.instance,
        "_principal": request.principal,
        "_requestId": request.request_id,
        "_error": response.error if response is not None else "no response was recorded",
    }


def _response(message: TrafficMessage | None) -> dict[str, Any]:
    headers = message.headers if message is not None else {}
    size = message.size if message is not None else 0
    return {
        "status": message.status if message is not None else 0,
        "statusText": "",
        "httpVersion": "HTTP/1.1",
        "cookies": [],
        "headers": _headers(headers),
        "content": {
            "size": size,
            "mimeType": headers.get("content-type", "application/json"),
            "text": _text(message) if message is not None else "",
        },
        "redirectURL": headers.get("location", ""),
        "headersSize": -1,
        "bodySize": size,
    }


def _headers(headers: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"name": name, "value": value} for name, value in headers.items()]


def _text(message: TrafficMessage) -> str:
    return message.excerpt or (msgspec.json.encode(message.payload).decode() if message.payload is not None else "")
