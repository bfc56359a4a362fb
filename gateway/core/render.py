"""Errors become wire text here, once: problem+json for the control plane, JSON-RPC for the data plane."""

import math
import re

import msgspec

from gateway.core.errors import GatewayError, Invalid, Unauthenticated
from gateway.core.routes import resource_of
from gateway.wire import jsonrpc
from gateway.wire.problems import Problem

METADATA_PREFIX = "/.well-known/oauth-protected-resource"
_UNQUOTABLE = re.compile(r"[^ !#-\[\]-~]")  # RFC 6750, section 3: what error_description may not hold


def as_problem(error: GatewayError, *, instance: str = "", request_id: str = "") -> Problem:
    """instance: the path of the request. request_id: its X-Request-Id, for a reader who asks the operator."""
    return Problem(
        title=error.title,
        status=error.status,
        detail=error.detail,
        instance=f"{instance}#{request_id}" if request_id else instance,
        code=error.slug,
        errors=error.errors if isinstance(error, Invalid) else {},
    )


def as_jsonrpc(error: GatewayError, request_id: bytes | None = None) -> bytes:
    """A JSON-RPC error whose data names the gateway, so that it never looks like the server's own."""
    return jsonrpc.error(
        request_id, error.rpc_code, error.detail or error.title, {"source": "mcpdeck", "code": error.slug}
    )


def retry_after(error: GatewayError) -> bytes | None:
    """Whole seconds for Retry-After, where trying again helps."""
    return None if error.retry is None else str(max(1, math.ceil(error.retry))).encode()


def www_authenticate(error: GatewayError, path: str) -> bytes | None:
    """The WWW-Authenticate header of an error that a better token cures; None for any other. path: of the request."""
    if not isinstance(error, Unauthenticated):
        return None
    challenge = error.challenge
    said = {
        "resource_metadata": f"{challenge.public_url}{METADATA_PREFIX}{resource_of(path)}"
        if challenge.public_url
        else "",
        "scope": challenge.scope,
        "error": challenge.error,
        "error_description": challenge.description,
    }
    parts = ", ".join(f'{name}="{_UNQUOTABLE.sub(" ", value)}"' for name, value in said.items() if value)
    return f"Bearer {parts}".rstrip().encode()


def encode_problem(problem: Problem) -> bytes:
    return msgspec.json.encode(problem)
