"""Does an instance speak MCP, and in which eras? It is asked as clients ask: server/discover, initialize, an old GET.

A session that initialize opens is ended at once. Decides nothing about what becomes of the instance.
"""

from typing import Any, Final

import msgspec

from gateway.backends.reach.caller import Answer, Caller, Headers, Unanswered
from gateway.backends.reach.patience import Patience
from gateway.core.routes import Endpoint
from gateway.wire import jsonrpc, mcp
from gateway.wire.mcp import Era

_CLIENT: Final = {"name": "mcpdeck-gateway", "version": "1"}
_VERSION: Final = mcp.LEGACY_VERSIONS[0]
_JSON: Final = (
    (b"content-type", b"application/json"),
    (b"accept", b"application/json, text/event-stream"),
)
_CREDENTIALS_WANTED: Final = (401, 403)
_SAID: Final = {  # by a sidecar
    "is starting": "",
    "ran out of memory": "OOMKilled",
    "no answer within": "HandshakeFailed",
}


class Ready(msgspec.Struct, frozen=True):
    """is_sse: HTTP+SSE, and nothing else. note: what a reader should know all the same. eras: none: it won't say."""

    eras: frozenset[Era]
    is_sse: bool = False
    note: str = ""


class NotReady(msgspec.Struct, frozen=True):
    """reason: "" while it only starts, which is no trouble yet."""

    reason: str
    sentence: str


type Verdict = Ready | NotReady


async def probe(
    caller: Caller,
    endpoint: Endpoint,
    headers: Headers,
    *,
    patience: Patience,
    opens_session: bool = True,
    is_credible: bool = False,
) -> Verdict:
    """opens_session: False where a session would leave something behind; then server/discover must do.

    is_credible: `headers` hold all the credentials that it will ever be shown.

    headers: what the endpoint wants of everyone who calls, credentials included.
    """
    try:
        modern = await _discover(caller, endpoint, headers, patience.answer)
        eras = {Era.MODERN} if _is_discovery(modern) else set[Era]()
        if not opens_session:
            return Ready(frozenset(eras or {Era.LEGACY}))
        legacy = await _initialize(caller, endpoint, headers, patience)
        if _is_initialized(legacy):
            eras.add(Era.LEGACY)
        if eras:
            return Ready(frozenset(eras))
        if legacy.status == 401 and is_credible:
            return NotReady(
                "CredentialsRefused", "it answers 401 to the credentials that it is shown: have they expired?"
            )
        if legacy.status in _CREDENTIALS_WANTED or modern.status in _CREDENTIALS_WANTED:
            note = f"it answers {legacy.status} to the gateway, so that what it speaks is not known"
            return Ready(frozenset(), note=note)
        if 400 <= legacy.status < 500 and await _is_old_stream(caller, endpoint, headers, patience.answer):
            return Ready(frozenset({Era.LEGACY}), is_sse=True)
        return NotReady("HandshakeFailed", f"it answers {_told(legacy)} to initialize, {_told(modern)} to discover")
    except Unanswered as error:
        return NotReady("Unresponsive" if error.is_slow else "Unreachable", str(error))


async def answers(caller: Caller, endpoint: Endpoint, headers: Headers, *, patience: Patience) -> Verdict:
    """For a tool server, which speaks no MCP: any answer at all will do."""
    try:
        await caller.send(endpoint, "GET", headers=headers, seconds=patience.answer)
    except Unanswered as error:
        return NotReady("Unresponsive" if error.is_slow else "Unreachable", str(error))
    return Ready(frozenset())


async def health(caller: Caller, endpoint: Endpoint, *, patience: Patience) -> NotReady | None:
    """What a sidecar says of its server; None where all is well."""
    try:
        answer = await caller.send(endpoint, "GET", path="/healthz", seconds=patience.answer)
    except Unanswered as error:
        return NotReady("Unresponsive" if error.is_slow else "Unreachable", str(error))
    if answer.status == 200:
        return None
    trouble = answer.body.decode(errors="replace").strip()
    reason = next((reason for words, reason in _SAID.items() if words in trouble), "CrashLoopBackOff")
    return NotReady(reason, trouble)


async def _discover(caller: Caller, endpoint: Endpoint, headers: Headers, seconds: float) -> Answer:
    meta = {mcp.META_VERSION: mcp.MODERN_VERSION, mcp.META_CLIENT_CAPABILITIES: {}, mcp.META_CLIENT_INFO: _CLIENT}
    told = (
        *headers,
        *_JSON,
        (mcp.VERSION_HEADER, mcp.MODERN_VERSION.encode()),
        (mcp.METHOD_HEADER, b"server/discover"),
    )
    body = jsonrpc.request(1, mcp.DISCOVER, {"_meta": meta})
    return await caller.send(endpoint, "POST", headers=told, body=body, seconds=seconds)


async def _initialize(caller: Caller, endpoint: Endpoint, headers: Headers, patience: Patience) -> Answer:
    params = {"protocolVersion": _VERSION, "capabilities": {}, "clientInfo": _CLIENT}
    body = jsonrpc.request(1, mcp.INITIALIZE, params)
    answer = await caller.send(endpoint, "POST", headers=(*headers, *_JSON), body=body, seconds=patience.handshake)
    session = answer.headers.get(mcp.SESSION_HEADER.decode())
    if session is not None:
        await _end(caller, endpoint, headers, session=session.encode("latin-1"), seconds=patience.answer)
    return answer


async def _end(caller: Caller, endpoint: Endpoint, headers: Headers, *, session: bytes, seconds: float) -> None:
    """What it answers does not matter: a server may decline (405), and forgets the session by itself."""
    told = (*headers, (mcp.SESSION_HEADER, session), (mcp.VERSION_HEADER, _VERSION.encode()))
    await caller.send(endpoint, "DELETE", headers=told, seconds=seconds)


async def _is_old_stream(caller: Caller, endpoint: Endpoint, headers: Headers, seconds: float) -> bool:
    """HTTP+SSE of 2024-11-05: a GET opens a stream whose first event says where to POST."""
    told = (*headers, (b"accept", b"text/event-stream"))
    return (await caller.send(endpoint, "GET", headers=told, seconds=seconds)).event == "endpoint"


def _is_discovery(answer: Answer) -> bool:
    versions = _result(answer).get("supportedVersions")
    return isinstance(versions, list) and any(version in mcp.MODERN_VERSIONS for version in versions)


def _is_initialized(answer: Answer) -> bool:
    return "protocolVersion" in _result(answer)


def _result(answer: Answer) -> dict[str, Any]:
    message = answer.message
    if answer.status != 200 or message is None or not bytes(message.result):
        return {}
    try:
        return msgspec.json.decode(message.result, type=dict[str, Any])
    except (msgspec.DecodeError, RecursionError):
        return {}


def _told(answer: Answer) -> str:
    """`404`, or `200 with the error -32601: Method not found`."""
    message = answer.message
    if message is None or not bytes(message.error):
        return str(answer.status)
    try:
        error = msgspec.json.decode(message.error, type=dict[str, Any])
    except (msgspec.DecodeError, RecursionError):
        return str(answer.status)
    return f"{answer.status} with the error {error.get('code')}: {str(error.get('message'))[:200]}"
