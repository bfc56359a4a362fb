"""Which requests may be sent again when nobody knows whether they were done. Pure: messages in, verdicts out."""

from typing import Final

import msgspec

from gateway.wire import jsonrpc, mcp

_READING: Final = frozenset({
    "ping",
    "tools/list",
    "prompts/list",
    "prompts/get",
    "resources/list",
    "resources/read",
    "resources/templates/list",
    "resources/subscribe",
    "resources/unsubscribe",
    "completion/complete",
    "logging/setLevel",
})  # fmt: skip


class _Named(msgspec.Struct):
    name: str = ""


class _Call(msgspec.Struct):
    params: _Named = msgspec.field(default_factory=_Named)


class _Annotations(msgspec.Struct, rename="camel"):
    read_only_hint: bool = False
    idempotent_hint: bool = False


class _Tool(msgspec.Struct):
    name: str
    annotations: _Annotations | None = None


class _Tools(msgspec.Struct, rename="camel"):
    tools: list[_Tool] = []
    next_cursor: str | None = None


class _ToolList(msgspec.Struct):
    result: _Tools


class Page(msgspec.Struct, frozen=True):
    """A part of a server's tools: whether each may be called again, and where the next part begins, None at the end."""

    is_repeatable: dict[str, bool]
    cursor: str | None


def is_repeatable(method: str, body: bytes) -> bool | str:
    """Yes, no, or the name of the tool on which it depends. method: HTTP's. What is no request may be heard twice."""
    if method != "POST":
        return True
    try:
        message = jsonrpc.decode(body)
        if message.method == mcp.TOOLS_CALL:
            return msgspec.json.decode(body, type=_Call).params.name
    except (msgspec.DecodeError, UnicodeDecodeError):
        return False
    return not message.method or message.method in _READING or message.method.startswith("notifications/")


def page_of_tools(answer: bytes) -> Page | None:
    """What a server said to tools/list; None where it is no such list."""
    try:
        found = msgspec.json.decode(answer, type=_ToolList).result
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    marked = {each.name: each.annotations for each in found.tools}
    return Page(
        {name: it is not None and (it.read_only_hint or it.idempotent_hint) for name, it in marked.items()},
        found.next_cursor,
    )
