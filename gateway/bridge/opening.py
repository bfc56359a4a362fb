"""`initialize` of a legacy client before a server of 2026-07-28: answered from what `server/discover` says."""

import secrets
from collections.abc import Callable
from typing import Final

import msgspec
from msgspec import Raw

from gateway.bridge import newer, older, words
from gateway.bridge.declared import Declared
from gateway.bridge.guest import Guest, Kept, routed
from gateway.bridge.once import Once
from gateway.bridge.sides import Answer, Server
from gateway.core import render
from gateway.core.errors import GatewayError
from gateway.wire import envelope, jsonrpc, mcp
from gateway.wire.envelope import Message

LIFETIME: Final = 30 * 24 * 3600  # seconds that a session's id is good for, as affinity's are
_LARGEST: Final = 2048  # bytes of capabilities and client info together: they travel in every request's head
_INFO: Final = ("name", "title", "version")
_DISCOVER_ID: Final = 1


class _ErrorData(msgspec.Struct):
    supported: list[str] = []


class _Error(msgspec.Struct):
    code: int = 0
    data: _ErrorData | None = None


_error = msgspec.json.Decoder(_Error)


class Opening:
    """mint: seals what is kept into a session's id. home: this replica's address. now: seconds since the epoch."""

    def __init__(
        self,
        adapter: str,
        connect: Callable[[], Server],
        mint: Callable[[Kept], bytes],
        *,
        home: str,
        now: float,
    ) -> None:
        self._adapter, self._connect, self._mint = adapter, connect, mint
        self._home, self._expires_at = home, int(now) + LIFETIME

    def initialize(self, message: Message, answer: Answer) -> None:
        written = envelope.raw_id(message) or b"null"
        params = envelope.members(message.get("params"))
        asked = envelope.text(params.get("protocolVersion", Raw(b"null")))
        if asked is None:
            sentence = "params.protocolVersion must be text"
            answer.final(jsonrpc.error(written, jsonrpc.INVALID_PARAMS, sentence), 400)
            return
        kept = self._kept(asked, params)
        if len(kept.capabilities) + len(kept.client_info) > _LARGEST:
            sentence = (
                f"capabilities and clientInfo exceed {_LARGEST} bytes, which is more than a session can keep here"
            )
            answer.final(envelope.own_error(written, jsonrpc.INVALID_PARAMS, sentence, "too-large"), 400)
            return
        meta = Guest(self._adapter, kept, Declared(), self._connect).meta()
        body = jsonrpc.request(_DISCOVER_ID, mcp.DISCOVER, {"_meta": meta})
        heard = Once(lambda response: self._discovered(response, kept, asked, written, answer))
        self._connect().post(body, routed(mcp.DISCOVER), heard)

    def _kept(self, asked: str, params: Message) -> Kept:
        info = {name: value for name, value in envelope.members(params.get("clientInfo")).items() if name in _INFO}
        return Kept(
            version=asked if asked in mcp.LEGACY_VERSIONS else mcp.LEGACY_VERSIONS[0],
            capabilities=bytes(newer.client_capabilities(params.get("capabilities"))),
            client_info=bytes(envelope.raw(info)) if info else b"",
            number=secrets.token_bytes(12),
            home=self._home,
            expires_at=self._expires_at,
        )

    def _discovered(
        self, response: Message | GatewayError, kept: Kept, asked: str, written: bytes, answer: Answer
    ) -> None:
        if isinstance(response, GatewayError):
            answer.final(render.as_jsonrpc(response, written), response.status)
            return
        result = envelope.members(response.get("result"))
        versions = words.texts(result.get("supportedVersions"))
        if mcp.MODERN_VERSION in versions:
            answer.headers = (*answer.headers, (mcp.SESSION_HEADER, self._mint(kept)))
            body = bytes(older.initialized(result, kept.version))
            answer.final(b'{"jsonrpc":"2.0","id":%b,"result":%b}' % (written, body))
        else:
            spoken = ", ".join(versions or _supported(response)) or "no version that it names"
            sentence = (
                f"adapter '{self._adapter}' speaks MCP {spoken}; this client asked for {asked}, "
                f"and the gateway translates {mcp.MODERN_VERSION} only"
            )
            answer.final(envelope.own_error(written, jsonrpc.INVALID_REQUEST, sentence, "not-translated"), 400)


def _supported(response: Message) -> list[str]:
    """The versions that an error names."""
    try:
        data = _error.decode(response["error"]).data if "error" in response else None
    except (msgspec.DecodeError, UnicodeDecodeError):
        return []
    return data.supported if data is not None else []
