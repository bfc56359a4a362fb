"""The gateway's one tree of errors. Leaves only where someone outside must tell them apart."""

from typing import ClassVar

import msgspec

from gateway.wire import jsonrpc


class GatewayError(Exception):
    """An error that a client is told of. `detail` speaks to its reader: wanted, found, what to do.

    slug: the stable machine code of problem+json. rpc_code: the JSON-RPC code on the data plane; the gateway's own are
    positive, since -32768 to -32000 belong to the specification. retry: seconds for Retry-After, where trying helps.
    """

    slug: ClassVar[str] = "internal"
    title: ClassVar[str] = "Internal error"
    status: ClassVar[int] = 500
    rpc_code: ClassVar[int] = jsonrpc.INTERNAL_ERROR
    retry: float | None = None

    def __init__(self, detail: str = "", *, retry: float | None = None) -> None:
        super().__init__(detail or self.title)
        self.detail = detail
        if retry is not None:
            self.retry = retry


class Invalid(GatewayError):
    """`errors` maps a field, as on the wire, to what is wrong with it."""

    slug, title, status, rpc_code = "invalid", "The request is not valid", 400, jsonrpc.INVALID_REQUEST

    def __init__(self, detail: str = "", *, errors: dict[str, list[str]] | None = None) -> None:
        super().__init__(detail)
        self.errors = errors or {}


class Challenge(msgspec.Struct, frozen=True):
    """How a client gets a token that does (RFC 6750, RFC 9728). `render.www_authenticate` makes the header.

    public_url: the gateway as clients see it, never from a request; "" where no metadata is published. error: RFC
    6750's `invalid_token` or `insufficient_scope`; "" where no token came at all.
    """

    public_url: str = ""
    scope: str = ""
    error: str = ""
    description: str = ""


class Unauthenticated(GatewayError):
    slug, title, status, rpc_code = "unauthenticated", "Sign in first", 401, 401

    def __init__(self, detail: str = "", *, challenge: Challenge | None = None) -> None:
        super().__init__(detail)
        self.challenge = challenge or Challenge()


class InsufficientScope(Unauthenticated):
    """Signed in, but a token with more scope is needed: the one refusal besides 401 that carries a challenge."""

    slug, title, status, rpc_code = "insufficient-scope", "The token lacks a scope", 403, 403


class Forbidden(GatewayError):
    slug, title, status, rpc_code = "forbidden", "Not allowed", 403, 403


class NotFound(GatewayError):
    slug, title, status, rpc_code = "not-found", "Not found", 404, 404


class SessionLost(GatewayError):
    """Unknown, expired, another principal's, or its instance is gone: the client starts anew with `initialize`."""

    slug, title, status, rpc_code = "session-lost", "Session not found", 404, 404


class MethodNotAllowed(GatewayError):
    slug, title, status, rpc_code = "method-not-allowed", "Method not allowed", 405, 405


class Conflict(GatewayError):
    slug, title, status, rpc_code = "conflict", "The name is taken", 409, 409


class PreconditionFailed(GatewayError):
    slug, title, status, rpc_code = "precondition-failed", "It has changed since you read it", 412, 412


class TooLarge(GatewayError):
    slug, title, status, rpc_code = "too-large", "The request is too large", 413, 413


class Misdirected(GatewayError):
    slug, title, status, rpc_code = "misdirected", "This host is not served here", 421, 421


class TooManyRequests(GatewayError):
    slug, title, status, rpc_code = "too-many-requests", "Too many requests", 429, 429
    retry = 1.0


class HeadersTooLarge(GatewayError):
    slug, title, status, rpc_code = "headers-too-large", "The request's head is too large", 431, 431


class Unsupported(GatewayError):
    """Right, but not on this backend. The sentence says what to do instead."""

    slug, title, status, rpc_code = "unsupported", "Not supported here", 400, 400


class UpstreamBroke(GatewayError):
    slug, title, status, rpc_code = "upstream-broke", "The adapter broke off", 502, 502


class CallLost(GatewayError):
    """The session goes on with another instance; whether this one call was done, nobody knows."""

    slug, title, status, rpc_code = "call-lost", "The call may or may not have been done", 502, 502


class NothingReady(GatewayError):
    slug, title, status, rpc_code = "nothing-ready", "No instance is ready", 503, 503
    retry = 2.0


class IssuerUnreachable(GatewayError):
    """A token can't be judged, since its issuer's keys can't be had; it is not the client's fault."""

    slug, title, status, rpc_code = "issuer-unreachable", "The token's issuer can't be reached", 503, 503
    retry = 10.0


class UpstreamSlow(GatewayError):
    slug, title, status, rpc_code = "upstream-slow", "The adapter did not answer in time", 504, 504
