"""What anonymous clients may ask about identity: metadata, keys, and the front's steps. Thin: decode, ask, encode."""

from typing import Any, Final

import msgspec
from quart import Blueprint, Response, request

from gateway.auth.assertion import JWKS_PATH, Assertions
from gateway.auth.front import pages
from gateway.auth.front.flow import Ask, Front, Redirect, Reply, Sorry
from gateway.auth.front.tokens import Minter
from gateway.auth.metadata import Metadata
from gateway.core.render import METADATA_PREFIX

COOKIE: Final = "__Host-mcpdeck-sign-in"
JSON: Final = {"Content-Type": "application/json", "Access-Control-Allow-Origin": "*"}
_RETRY_AFTER: Final = "2"
_NO_STORE: Final = {"Cache-Control": "no-store"}


def identity_routes(metadata: Metadata | None, assertions: Assertions | None) -> Blueprint:
    """Well-known documents. Without a token, and for browsers' clients of any origin."""
    routes = Blueprint("identity", __name__)

    @routes.get(METADATA_PREFIX)
    @routes.get(f"{METADATA_PREFIX}/<path:_rest>")
    async def protected_resource(_rest: str = "") -> Response:
        document = metadata.document(request.path) if metadata is not None else None
        if document is None:
            return Response(b'{"error":"nothing is protected here"}', status=404, headers=JSON)
        return Response(document, headers=JSON)

    if assertions is not None:

        @routes.get(JWKS_PATH)
        async def identity_keys() -> Response:
            return Response(assertions.published(), headers=JSON | {"Cache-Control": "max-age=300"})

    return routes


def front_routes(front: Front, minter: Minter) -> Blueprint:
    """The authorization-server front, where one is configured."""
    routes = Blueprint("front", __name__)

    @routes.get("/.well-known/oauth-authorization-server")
    @routes.get("/.well-known/openid-configuration")
    async def metadata() -> Response:
        return _json(Reply(200, front.metadata()))

    @routes.get("/oauth/keys")
    async def keys() -> Response:
        return Response(minter.published(), headers=JSON | {"Cache-Control": "max-age=300"})

    @routes.post("/oauth/register")
    async def register() -> Response:
        return _json(front.register(await _sent_json()))

    @routes.get("/oauth/authorize")
    async def authorize() -> Response:
        return _shown(await front.authorize(request.args, browser=request.cookies.get(COOKIE, "")))

    @routes.post("/oauth/consent")
    async def consent() -> Response:
        return _shown(await front.consent(await request.form, browser=request.cookies.get(COOKIE, "")))

    @routes.get("/oauth/callback")
    async def callback() -> Response:
        return _shown(await front.callback(request.args, browser=request.cookies.get(COOKIE, "")))

    @routes.post("/oauth/token")
    async def token() -> Response:
        return _json(await front.token(await request.form))

    return routes


async def _sent_json() -> Any:
    """None for what is no JSON; the library's own reader falls over what nests without end."""
    try:
        return msgspec.json.decode(await request.get_data(as_text=False))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def _shown(answer: Ask | Redirect | Sorry) -> Response:
    match answer:
        case Redirect():
            return Response(status=302, headers={"Location": answer.url, "Referrer-Policy": "no-referrer", **_NO_STORE})
        case Sorry():
            return Response(pages.sorry(answer), status=answer.status, headers=pages.HEADERS)
        case Ask():
            page = Response(pages.consent(answer), headers=pages.HEADERS)
            page.set_cookie(COOKIE, answer.browser, secure=True, httponly=True, samesite="Lax", path="/", max_age=600)
            return page


def _json(reply: Reply) -> Response:
    retry = {"Retry-After": _RETRY_AFTER} if reply.status == 503 else {}
    return Response(msgspec.json.encode(reply.body), status=reply.status, headers=JSON | _NO_STORE | retry)
