"""A tools/call as policies see it, whichever way it came: through /mcp, or straight at an adapter. Decides nothing."""

from typing import Any

import msgspec
from msgspec import Raw

from gateway.toolrouter.calls import Caller, Ready
from gateway.toolrouter.catalog import Catalog, Offer
from gateway.wire import envelope, jsonrpc
from gateway.wire.envelope import Message
from gateway.wire.names import AdapterName
from gateway.wire.policies import Facts


class Weighed(msgspec.Struct, frozen=True):
    """name: by which the tool is told of. facts: a policy's, one for each name that /mcp has for the tool.

    token: for progress, None where the client wants none. is_posted: its answer goes by another way than the request's
    own exchange (HTTP+SSE), so that a refusal is a status.
    """

    caller: Caller
    name: str
    arguments: dict[str, Any]
    facts: tuple[Facts, ...]
    raw_id: bytes
    token: Raw | None
    is_posted: bool = False


class Unfit(msgspec.Struct, frozen=True):
    """No call that could be weighed: `code` and `sentence` of a JSON-RPC error."""

    code: int
    sentence: str
    raw_id: bytes | None = None


class _Params(msgspec.Struct):
    name: str
    arguments: dict[str, Any] | None = None
    meta: dict[str, Raw] | None = msgspec.field(default=None, name="_meta")


_params = msgspec.json.Decoder(_Params)


def offered(caller: Caller, ready: Ready, *, raw_id: bytes, token: Raw | None) -> Weighed:
    """A call at /mcp that is about to go out."""
    tool = _described(ready.offer)
    return Weighed(
        caller, ready.offer.name, ready.arguments, _facts(caller, ready.arguments, [tool]), raw_id=raw_id, token=token
    )


def direct(
    catalog: Catalog, caller: Caller, adapter: AdapterName, body: bytes, *, is_posted: bool = False
) -> Weighed | Unfit:
    """A call on an adapter's own route. Its tool has the names and annotations that /mcp offers it by; else its own."""
    if envelope.is_batch(body):
        return Unfit(jsonrpc.INVALID_REQUEST, "policies weigh tool calls one by one here: send each in a request alone")
    message = envelope.parse(body)
    if isinstance(message, envelope.Unreadable):
        return Unfit(message.code, message.sentence)
    raw_id = envelope.raw_id(message)
    if raw_id is None or not envelope.is_valid_id(raw_id):
        return Unfit(jsonrpc.INVALID_REQUEST, "a tools/call is a request: its id is text or a number")
    params = _read(message)
    if isinstance(params, Unfit):
        return msgspec.structs.replace(params, raw_id=raw_id)
    alike = [each for each in catalog.by_original.get(params.name, ()) if each.source == adapter]
    tools = [_described(each) for each in alike] or [
        {"name": params.name, "original": params.name, "source": adapter, "annotations": {}}
    ]
    arguments = params.arguments or {}
    token = None if is_posted else (params.meta or {}).get("progressToken")
    facts = _facts(caller, arguments, tools)
    return Weighed(caller, tools[0]["name"], arguments, facts, raw_id=raw_id, token=token, is_posted=is_posted)


def _read(message: Message) -> _Params | Unfit:
    try:
        return _params.decode(message.get("params", b"{}"))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return Unfit(jsonrpc.INVALID_PARAMS, "params hold a tool's name, and arguments that are an object")


def _described(offer: Offer) -> dict[str, Any]:
    return {
        "name": offer.name,
        "original": offer.original,
        "source": offer.source,
        "annotations": offer.plain.get("annotations", {}),
    }


def _facts(caller: Caller, arguments: dict[str, Any], tools: list[dict[str, Any]]) -> tuple[Facts, ...]:
    principal = caller.principal
    who = {
        "id": principal.id,
        "name": principal.name,
        "roles": sorted(principal.roles),
        "isAdmin": principal.is_admin,
    }
    return tuple(Facts(principal=who, tool=tool, args=arguments, toolset=caller.place) for tool in tools)
