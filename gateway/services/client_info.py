"""Which program speaks: as `initialize` says (legacy), or any request's `_meta` (modern). Believes nothing of it."""

from typing import Final

import msgspec

from gateway.wire.mcp import META_CLIENT_INFO, META_VERSION

LONGEST: Final = 256  # characters of a name or version that are kept
LARGEST: Final = 64 * 1024  # bytes of a body that is looked into
_MARK: Final = META_CLIENT_INFO.encode()
_LONGEST_TAIL: Final = 1024


class ClientInfo(msgspec.Struct, frozen=True):
    """As the client says. protocol: the version that it asked for."""

    name: str = ""
    version: str = ""
    protocol: str = ""


UNKNOWN: Final = ClientInfo()


class _Said(msgspec.Struct):
    name: str = ""
    version: str = ""


class _InitializeParams(msgspec.Struct, rename="camel"):
    client_info: _Said = msgspec.field(default_factory=_Said)
    protocol_version: str = ""


class _Initialize(msgspec.Struct):
    params: _InitializeParams = msgspec.field(default_factory=_InitializeParams)


class _Meta(msgspec.Struct):
    client: _Said = msgspec.field(default_factory=_Said, name=META_CLIENT_INFO)
    version: str = msgspec.field(default="", name=META_VERSION)


class _ModernParams(msgspec.Struct):
    meta: _Meta = msgspec.field(default_factory=_Meta, name="_meta")


class _Modern(msgspec.Struct):
    params: _ModernParams = msgspec.field(default_factory=_ModernParams)


class _RawMeta(msgspec.Struct):
    client: msgspec.Raw = msgspec.field(default_factory=msgspec.Raw, name=META_CLIENT_INFO)


class _RawParams(msgspec.Struct):
    meta: _RawMeta = msgspec.field(default_factory=_RawMeta, name="_meta")


class _RawModern(msgspec.Struct):
    params: _RawParams = msgspec.field(default_factory=_RawParams)


_initialize = msgspec.json.Decoder(_Initialize)
_modern = msgspec.json.Decoder(_Modern)
_raw = msgspec.json.Decoder(_RawModern)


def of_initialize(body: bytes, otherwise: ClientInfo = UNKNOWN) -> ClientInfo:
    """otherwise: what holds when the body says nothing."""
    if len(body) > LARGEST or b'"initialize"' not in body:
        return otherwise
    try:
        params = _initialize.decode(body).params
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return otherwise
    return _cut(params.client_info, params.protocol_version)


def of_modern(body: bytes, otherwise: ClientInfo = UNKNOWN) -> ClientInfo:
    """otherwise: what holds when the body says nothing."""
    if len(body) > LARGEST or _MARK not in body:
        return otherwise
    try:
        meta = _modern.decode(body).params.meta
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return otherwise
    return _cut(meta.client, meta.version)


class Said:
    """How a modern client said who it is, for its next request, which most often says it in the same bytes."""

    __slots__ = ("_client", "_tail")

    def __init__(self, client: bytes, tail: bytes) -> None:
        self._client, self._tail = client, tail

    @classmethod
    def of(cls, body: bytes) -> "Said | None":
        """None where the body does not say it, or twice."""
        if len(body) > LARGEST or body.count(_MARK) != 1:
            return None
        try:
            client = bytes(_raw.decode(body).params.meta.client)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return None
        tail = body[body.index(_MARK) :]
        return cls(client, tail if len(tail) <= _LONGEST_TAIL else client) if client else None

    def again(self, body: bytes) -> bool:
        """Whether the client of this body is the same, as far as can be told without reading all of it."""
        if body.endswith(self._tail):  # most often `_meta` comes last
            return body.find(_MARK) == len(body) - len(self._tail)
        return self._client in body and len(body) <= LARGEST and body.count(_MARK) == 1


def _cut(said: _Said, protocol: str) -> ClientInfo:
    return ClientInfo(said.name[:LONGEST], said.version[:LONGEST], protocol[:LONGEST])
