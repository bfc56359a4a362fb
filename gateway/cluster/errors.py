"""What the API server and the way to it may answer, as the gateway's own errors. Translated here, once."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

import msgspec

from gateway.core.errors import Conflict, GatewayError, Invalid, NotFound, TooManyRequests


class ClusterUnreachable(GatewayError):
    """The API server can't be reached, or can't answer. What runs goes on; nothing can be changed meanwhile."""

    slug, title, status, rpc_code = "cluster-unreachable", "The cluster's API can't be reached", 503, 503
    retry = 5.0


class Expired(GatewayError):
    """410: the version that was asked for is no longer kept. List again."""


class Refused(GatewayError):
    """401 or 403: the gateway's own account lacks a right. For the operator, not for who called."""

    slug, title = "cluster-refused", "The cluster does not let the gateway do this"


class Overtaken(Conflict):
    """409 on a write: the object is another than the one that was read."""


class Cause(msgspec.Struct, frozen=True):
    field: str = ""
    message: str = ""


class _Details(msgspec.Struct, frozen=True, rename="camel"):
    causes: list[Cause] = []


class Status(msgspec.Struct, frozen=True, rename="camel"):
    """The API server's own word on a request that failed."""

    message: str = ""
    reason: str = ""
    code: int = 0
    details: _Details | None = None


_decode = msgspec.json.Decoder(Status).decode


def error_of(code: int, body: bytes, doing: str) -> GatewayError:
    """doing: what was tried, for the sentence: `apply StatefulSet 'weather'`."""
    status = _status(body)
    sentence = f"could not {doing}: {status.message or f'the API server answered {code}'}"
    match code:
        case 404:
            return NotFound(sentence)
        case 409:
            return Conflict(sentence) if status.reason == "AlreadyExists" else Overtaken(sentence)
        case 410:
            return Expired(sentence)
        case 400 | 422:
            return Invalid(sentence, errors=_by_field(status))
        case 401 | 403:
            return Refused(sentence)
        case 429:
            return TooManyRequests(sentence)
        case _:
            return ClusterUnreachable(sentence)


@contextmanager
def transport_errors(doing: str) -> Iterator[None]:
    """What aiohttp and the loop raise on the way to the API server."""
    import aiohttp
    from aiohttp.http_exceptions import HttpProcessingError  # no ClientError: a line that is too long is one

    try:
        yield
    except (aiohttp.ClientError, HttpProcessingError, TimeoutError, OSError) as error:
        raise ClusterUnreachable(f"could not {doing}: {str(error) or type(error).__name__}") from error


def _status(body: bytes) -> Status:
    try:
        return _decode(body)
    except msgspec.DecodeError:
        return Status(message=body[:200].decode(errors="replace").strip())


def _by_field(status: Status) -> dict[str, list[str]]:
    """`spec.stdio.command` -> `stdio.command`: a reader knows the fields of the adapter, not of the object."""
    found: dict[str, list[str]] = {}
    for cause in status.details.causes if status.details else []:
        name = re.sub(r"^(spec|metadata)\.?", "", cause.field) or "source"
        found.setdefault(name, []).append(cause.message)
    return found
