"""What of an MCP request goes into the audit log, worked out when somebody reads it: calls are many, readers few."""

from datetime import UTC, datetime
from typing import Final

import msgspec
from msgspec import Raw

from gateway.core.access import Principal
from gateway.wire.audit import AuditRecord
from gateway.wire.http1 import Request

LARGEST: Final = 4096  # bytes of a body that is kept until then; a larger one is looked into at once
NAME_LENGTH: Final = 256  # characters of a tool's name, or a resource's URI


class _Params(msgspec.Struct):
    name: Raw = Raw()
    uri: Raw = Raw()


class _Message(msgspec.Struct):
    method: str = ""
    params: _Params | None = None


_message = msgspec.json.Decoder(_Message)
_text = msgspec.json.Decoder(str)


class What(msgspec.Struct, frozen=True):
    """Which JSON-RPC method a request calls, and which tool, prompt or resource. Never its arguments."""

    method: str
    name: str = ""


class Called(msgspec.Struct, frozen=True, kw_only=True):
    """One call that has ended. Times in seconds since the epoch; said: its body, or what was seen of it already."""

    action: str
    opened_at: float
    ended_at: float
    principal: Principal
    target: str
    instance: str
    verb: str
    said: bytes | What
    status: int
    bytes_in: int
    bytes_out: int
    request_id: bytes
    peer: str

    def record(self) -> AuditRecord:
        what = what_of(self.verb, self.said) if isinstance(self.said, bytes) else self.said
        return AuditRecord(
            at=datetime.fromtimestamp(self.opened_at, UTC),
            action=self.action,
            principal=self.principal.id,
            principal_name=self.principal.name,
            target=self.target,
            instance=self.instance,
            method=what.method,
            name=what.name,
            status=self.status,
            duration=round(self.ended_at - self.opened_at, 6),
            bytes_in=self.bytes_in,
            bytes_out=self.bytes_out,
            request_id=self.request_id.decode("latin-1"),
            peer=self.peer,
        )


def said_by(request: Request) -> bytes | What:
    """As Called wants it. Of the body alone: headers that mirror it (2026-07-28) may lie."""
    return request.body if len(request.body) <= LARGEST else what_of(request.method, request.body)


def what_of(verb: str, body: bytes) -> What:
    if verb != "POST":
        return What(verb)
    try:
        message = _message.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return What("batch" if body.lstrip()[:1] == b"[" else "")
    params = message.params or _Params()
    return What(shown(message.method) or "response", shown(_told(params.name) or _told(params.uri)))


def shown(text: str) -> str:
    """What a client chose, as a log may hold it."""
    return "".join(each if each.isprintable() else "\N{REPLACEMENT CHARACTER}" for each in text[:NAME_LENGTH])


def _told(raw: Raw) -> str:
    try:
        return _text.decode(raw) if bytes(raw) else ""
    except (msgspec.DecodeError, UnicodeDecodeError):
        return ""
