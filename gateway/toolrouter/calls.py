"""A tools/call before it goes out: which tool it means, whether its arguments fit, and what its server gets to read.

Pure. A call that can't be made is answered with what a model can act on.
"""

from typing import Any, Final

import msgspec
from msgspec import Raw

from gateway.core.access import Principal
from gateway.core.tools import DesiredToolset
from gateway.toolrouter import discovery, replies, views
from gateway.toolrouter.catalog import Offer
from gateway.toolrouter.sight import Sight
from gateway.wire import envelope, jsonrpc, mcp, mirrored
from gateway.wire.envelope import Message
from gateway.wire.http1 import Headers
from gateway.wire.mcp import Era


class Ready(msgspec.Struct, frozen=True):
    """May go out. body: the whole message for an adapter; arguments: what an HTTP tool server gets."""

    offer: Offer
    body: bytes
    arguments: dict[str, Any]
    headers: Headers


class Answered(msgspec.Struct, frozen=True):
    """Needs no server: the result, encoded."""

    result: bytes


class Refused(msgspec.Struct, frozen=True):
    """A JSON-RPC error."""

    code: int
    sentence: str


class _Params(msgspec.Struct):
    name: str
    arguments: Raw = Raw()


_params = msgspec.json.Decoder(_Params)
_json = msgspec.json.Decoder()
_NOTHING: Final = Raw(b"{}")


class Caller(msgspec.Struct, frozen=True):
    """Who calls, in which era, and where: at /mcp, or at a toolset."""

    principal: Principal
    era: Era
    toolset: DesiredToolset | None = None

    @property
    def place(self) -> str:
        """The toolset's name; "" at /mcp itself."""
        return self.toolset.name if self.toolset is not None else ""


def prepare(
    sight: Sight, caller: Caller, message: Message, *, body: bytes, headers: Headers
) -> Ready | Answered | Refused:
    """message: `body` by members. headers: the client's own, of which those that mirror the body are kept in step."""
    try:
        params = _params.decode(message.get("params", _NOTHING))
    except (msgspec.DecodeError, UnicodeDecodeError):
        return Refused(jsonrpc.INVALID_PARAMS, "params.name must be a tool's name")
    name = params.name
    arguments = _arguments(params.arguments)
    if arguments is None:
        return Refused(jsonrpc.INVALID_PARAMS, "params.arguments must be an object")
    if caller.toolset is not None and caller.toolset.spec.discovery and name in discovery.SCHEMAS:
        return _discover(sight, caller, message, name=name, arguments=arguments, headers=headers)
    offer = sight.tool(caller.principal, name, caller.toolset)
    if offer is None:
        reason = sight.withheld(caller.principal, name, caller.toolset)
        told = (
            f"tool {name!r} is not offered: {reason}" if reason else f"there is no tool {name!r} here that you may use"
        )
        return Refused(jsonrpc.INVALID_PARAMS, told)
    if offer.mirrored and caller.era is Era.MODERN:
        problem = mirrored.mismatch(offer.mirrored, arguments, headers)
        if problem is not None:
            return Refused(mcp.HEADER_MISMATCH, problem)
    return _checked(offer, caller, message, arguments=arguments, headers=headers, as_it_came=(name, body))


def _discover(
    sight: Sight, caller: Caller, message: Message, *, name: str, arguments: dict[str, Any], headers: Headers
) -> Ready | Answered | Refused:
    complaints = discovery.SCHEMAS[name].complaints(arguments)
    if complaints:
        return Answered(replies.tool_error(caller.era, _complaint(name, complaints)))
    if name == discovery.SEARCH:
        query = arguments["query"]
        found = sight.found(caller.principal, query, caller.toolset)
        offers = found if query.strip() else sight.tools(caller.principal, caller.toolset)
        limit = int(arguments.get("limit", discovery.FEW))
        return Answered(replies.own_result(caller.era, discovery.results(offers, limit)))
    offer = sight.tool(caller.principal, arguments["name"], caller.toolset)
    if offer is None:
        sentence = f"there is no tool {arguments['name']!r}; {discovery.SEARCH} finds those that there are"
        return Answered(replies.tool_error(caller.era, sentence))
    if name == discovery.DESCRIBE:
        return Answered(replies.own_result(caller.era, discovery.described(offer)))
    inner = arguments.get("arguments", {})
    return _checked(offer, caller, message, arguments=inner, headers=headers, as_it_came=None)


def _checked(
    offer: Offer,
    caller: Caller,
    message: Message,
    *,
    arguments: dict[str, Any],
    headers: Headers,
    as_it_came: tuple[str, bytes] | None,
) -> Ready | Answered:
    """as_it_came: the name and the body that the client sent; they go on unchanged where nothing is to be changed."""
    assert offer.schema is not None  # noqa: S101 - what is offered has one
    whole = views.sent(arguments, offer.view)
    complaints = views.refused(arguments, offer.view) or offer.schema.complaints(whole)
    if complaints:
        return Answered(replies.tool_error(caller.era, _complaint(offer.name, complaints)))
    if as_it_came is not None and as_it_came[0] == offer.original and whole is arguments:
        return Ready(offer, as_it_came[1], whole, headers)
    params = envelope.members(message.get("params"))
    params["name"], params["arguments"] = envelope.raw(offer.original), envelope.raw(whole)
    body = envelope.line(message | {"params": envelope.raw(params)})
    return Ready(offer, body, whole, _mirroring(offer, whole, headers) if caller.era is Era.MODERN else headers)


def _mirroring(offer: Offer, arguments: dict[str, Any], headers: Headers) -> Headers:
    """The client's headers with those that repeat the body made to repeat what it says now."""
    kept = [pair for pair in headers if pair[0] != mcp.NAME_HEADER and not pair[0].startswith(mcp.PARAM_HEADER_PREFIX)]
    name = (mcp.NAME_HEADER, mcp.encode_header_value(offer.original).encode())
    return [*kept, name, *mirrored.headers_of(offer.mirrored, arguments)]


def _arguments(raw: Raw) -> dict[str, Any] | None:
    """None where they are no object."""
    if not bytes(raw):
        return {}
    try:
        found = _json.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _complaint(name: str, complaints: list[str]) -> str:
    told = "\n".join(f"- {each}" for each in complaints)
    return f"The arguments do not fit the schema of {name}:\n{told}"
