"""A tools/call as policies see it, whichever way it came: through /mcp, or straight at an adapter. Decides nothing."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import msgspec
from msgspec import Raw

from gateway.core.access import Principal
from gateway.core.outlook import Outlook
from gateway.core.policy import CompiledPolicy
from gateway.toolrouter.calls import Caller, Ready
from gateway.toolrouter.catalog import Catalog, Offer
from gateway.wire import envelope, jsonrpc, plain
from gateway.wire.jsonrpc import Envelope
from gateway.wire.names import AdapterName
from gateway.wire.policies import Facts

MOST: Final = 10_000  # callers' tools of which is known what policies say; beyond that it is worked out anew

type Key = tuple[Principal, str, str, bool]  # who; the toolset, or the adapter; the tool; whether straight at it


def nobody_counts(status: int) -> None:
    """At /mcp, answers are counted by who watches them."""


class Weighed(msgspec.Struct, frozen=True):
    """name: by which the tool is told of. outlook: what policies say of it, for this caller.

    token: for progress, None where the client wants none. is_posted: its answer goes by another way than the request's
    own exchange (HTTP+SSE), so that a refusal is a status. refused: told the status of what it is answered with in its
    server's place. state: what a tool that asked something wants back, where this answers it; None in a first round.
    """

    caller: Caller
    name: str
    arguments: dict[str, Any]
    outlook: Outlook
    raw_id: bytes
    token: Raw | None
    is_posted: bool = False
    refused: Callable[[int], None] = nobody_counts
    state: str | None = None


class Unfit(msgspec.Struct, frozen=True):
    """No call that could be weighed: `code` and `sentence` of a JSON-RPC error."""

    code: int
    sentence: str
    raw_id: bytes | None = None


class Outlooks:
    """What policies say of callers' tools, kept while policies and catalog are the same."""

    def __init__(self) -> None:
        self._policies: tuple[CompiledPolicy, ...] = ()
        self._catalog: Catalog | None = None
        self._kept: dict[Key, tuple[str, Outlook]] = {}

    def publish(self, policies: tuple[CompiledPolicy, ...]) -> None:
        self._policies = policies
        self._kept.clear()

    def offered(self, catalog: Catalog, caller: Caller, offer: Offer) -> Outlook:
        """Of a tool at /mcp."""
        key = (caller.principal, caller.place, offer.name, False)
        found = self._find(catalog, key)
        return found[1] if found is not None else self._keep(key, caller, [_described(offer)])[1]

    def direct(self, catalog: Catalog, caller: Caller, adapter: AdapterName, original: str) -> tuple[str, Outlook]:
        """Of a tool on its adapter's own route, and the name by which it is told of."""
        key = (caller.principal, adapter, original, True)
        found = self._find(catalog, key)
        if found is not None:
            return found
        alike = [each for each in catalog.by_original.get(original, ()) if each.source == adapter]
        unknown = {"name": original, "original": original, "source": adapter, "annotations": {}}
        return self._keep(key, caller, [_described(each) for each in alike] or [unknown])

    def _find(self, catalog: Catalog, key: Key) -> tuple[str, Outlook] | None:
        if catalog is not self._catalog:
            self._catalog = catalog
            self._kept.clear()
        return self._kept.get(key)

    def _keep(self, key: Key, caller: Caller, tools: Sequence[dict[str, Any]]) -> tuple[str, Outlook]:
        if len(self._kept) >= MOST:
            self._kept.clear()
        found = self._kept[key] = (tools[0]["name"], Outlook(self._policies, _facts(caller, tools)))
        return found


def offered(
    outlooks: Outlooks,
    catalog: Catalog,
    caller: Caller,
    ready: Ready,
    *,
    raw_id: bytes,
    token: Raw | None,
    state: str | None = None,
) -> Weighed:
    """A call at /mcp that is about to go out."""
    outlook = outlooks.offered(catalog, caller, ready.offer)
    return Weighed(caller, ready.offer.name, ready.arguments, outlook, raw_id=raw_id, token=token, state=state)


def direct(
    outlooks: Outlooks,
    catalog: Catalog,
    caller: Caller,
    adapter: AdapterName,
    body: bytes,
    *,
    said: Envelope,
    is_posted: bool,
    refused: Callable[[int], None],
) -> Weighed | Unfit:
    """A call on an adapter's own route. Its tool has the names and annotations that /mcp offers it by; else its own."""
    raw_id = _id_of(said)
    message = _decoded(body, raw_id)
    if isinstance(message, Unfit):
        return message
    if not isinstance(message, dict):
        return Unfit(jsonrpc.INVALID_REQUEST, "policies weigh tool calls one by one here: send each in a request alone")
    if raw_id is None:
        return Unfit(jsonrpc.INVALID_REQUEST, "a tools/call is a request: its id is text or a number")
    params = message.get("params")
    params = params if isinstance(params, dict) else {}
    original, arguments, meta = _read(params)
    if original is None or arguments is None:
        return Unfit(jsonrpc.INVALID_PARAMS, "params hold a tool's name, and arguments that are an object", raw_id)
    name, outlook = outlooks.direct(catalog, caller, adapter, original)
    token = None if is_posted or meta is None or "progressToken" not in meta else envelope.raw(meta["progressToken"])
    state = state_of(params)
    return Weighed(
        caller,
        name,
        arguments,
        outlook,
        raw_id=raw_id,
        token=token,
        is_posted=is_posted,
        refused=refused,
        state=state if isinstance(state, str) else None,
    )


def problem(body: bytes) -> Unfit | None:
    """Why a message at /mcp does not go on to anybody. What is no JSON has nobody to go to."""
    if plain.is_plain(body) or not isinstance(envelope.parse(body), dict):
        return None
    try:
        raw_id = _id_of(jsonrpc.decode(body))
    except msgspec.DecodeError:
        raw_id = None
    found = _decoded(body, raw_id)
    return found if isinstance(found, Unfit) else None


def _decoded(body: bytes, raw_id: bytes | None) -> Any:
    """Or Unfit."""
    try:
        return plain.decode(body)
    except plain.Ambiguous as error:
        return Unfit(jsonrpc.INVALID_REQUEST, f"while there are policies, {error}", raw_id)
    except msgspec.DecodeError as error:
        return Unfit(jsonrpc.PARSE_ERROR, f"not JSON: {error}", raw_id)


def state_of(params: Mapping[str, Any]) -> Any:
    """What a call that answers a tool's questions gives back to it; None where it answers none."""
    return params.get("requestState", "") if "inputResponses" in params or "requestState" in params else None


def _id_of(said: Envelope) -> bytes | None:
    written = bytes(said.id)
    return written if envelope.is_valid_id(written) else None


def _read(params: dict[str, Any]) -> tuple[str | None, dict[str, Any] | None, dict[str, Any] | None]:
    """Name, arguments and metadata; None in the place of what is no such thing."""
    name, arguments, meta = params.get("name"), params.get("arguments"), params.get("_meta")
    if arguments is None:
        arguments = {}
    return (
        name if isinstance(name, str) else None,
        arguments if isinstance(arguments, dict) else None,
        meta if isinstance(meta, dict) else None,
    )


def _described(offer: Offer) -> dict[str, Any]:
    return {
        "name": offer.name,
        "original": offer.original,
        "source": offer.source,
        "annotations": offer.plain.get("annotations", {}),
    }


def _facts(caller: Caller, tools: Sequence[dict[str, Any]]) -> tuple[Facts, ...]:
    principal = caller.principal
    who = {
        "id": principal.id,
        "name": principal.name,
        "roles": sorted(principal.roles),
        "isAdmin": principal.is_admin,
    }
    return tuple(Facts(principal=who, tool=tool, toolset=caller.place) for tool in tools)
