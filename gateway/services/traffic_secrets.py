"""What of a message may be shown: values under telling names are hidden, and what looks like a credential in any text.

Pure. Errs on the side of hiding: `key` in a name is enough. What is hidden leaves its size.
"""

import re
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any, Final

import msgspec

from gateway.wire.traffic import PAYLOAD

_TELLING = re.compile(r"secret|token|passw|key|authorization|cookie|credential", re.IGNORECASE)
_HARMLESS: Final = frozenset({"progressToken", "maxTokens"})  # MCP's own words
_SCHEMAS: Final = frozenset({"inputSchema", "outputSchema", "requestedSchema"})  # they name values, and hold none
_WORDS: Final = (  # in lower case: one of them stands in every text that hides something, so they are looked for first
    "secret", "token", "passw", "key", "authorization", "cookie", "credential", "bearer", "basic", "eyj", "ghp_",
    "gho_", "ghu_", "ghs_", "ghr_", "sk-", "xox", "akia", "-----begin", "@",
)  # fmt: skip
_WORDS_IN_BYTES: Final = tuple((word, word.encode()) for word in _WORDS)
_SHORTEST: Final = 7  # characters: `key=abc`
_CREDENTIAL = re.compile(
    r"\b(?:bearer|basic)\s+[\w.~+/=-]{8,}"
    r"|\beyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]*"  # JWT
    r"|\bgh[pousr]_\w{20,}|\bsk-[\w-]{20,}|\bxox[a-z]-[\w-]{10,}|\bAKIA[0-9A-Z]{16}\b"
    r"|-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)"
    r"|(?<=://)[^/\s\"'@]+(?=@)",
    re.IGNORECASE | re.DOTALL,
)
_ASSIGNED = re.compile(  # `password=…`, `api_key: …`, `?token=…`, and members of JSON that is not whole
    r"""([\w-]*(?:secret|token|passw|key|authorization|cookie|credential)[\w-]*["']?\s*[:=]\s*)"""
    r"""("(?:[^"\\]|\\.)*"?|'(?:[^'\\]|\\.)*'?|[^\s"',&;}\]\[{]+|[\[{].*)""",
    re.IGNORECASE | re.DOTALL,
)
_ONE_LINE: Final = bytes.maketrans(b"\n\r", b"  ")  # in JSON such stand between tokens only
_QUOTES: Final = "\"'"
_MARKED: Final = "[redacted"
_DEEP: Final = 64  # levels; what lies deeper is hidden

HEADERS: Final = frozenset({
    b"accept", b"content-type", b"content-encoding", b"user-agent", b"origin", b"authorization", b"cookie",
    b"set-cookie", b"x-request-id", b"x-correlation-id", b"traceparent", b"tracestate", b"last-event-id",
    b"retry-after", b"www-authenticate", b"cache-control", b"location",
})  # fmt: skip
_ALWAYS_HIDDEN: Final = frozenset({b"authorization", b"cookie", b"set-cookie", b"mcp-session-id"})


class Shown(msgspec.Struct, frozen=True):
    """A message as it may be seen. payload: its JSON; excerpt: its beginning, where it is larger than that allows."""

    payload: bytes = b""
    excerpt: str = ""
    redacted: int = 0


def shown(data: bytes, size: int) -> Shown:
    """Without its secrets. data: the whole message, or the beginning of one that has `size` bytes."""
    if len(data) < size:
        text, count = _text(data[:PAYLOAD].decode(errors="replace"))
        return Shown(excerpt=text, redacted=count)
    count = 0
    if words := _words_in(data):
        try:
            value, count = without_secrets(msgspec.json.decode(data), words)
            data = msgspec.json.encode(value) if count else data
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            text, count = _text(data[:PAYLOAD].decode(errors="replace"))
            return Shown(excerpt=text, redacted=count)
    return msgspec.structs.replace(revealed(data, len(data)), redacted=count)


def revealed(data: bytes, size: int) -> Shown:
    """As it came."""
    if len(data) < size or len(data) > PAYLOAD or not _is_json(data):
        return Shown(excerpt=data[:PAYLOAD].decode(errors="replace"))
    return Shown(payload=data.translate(_ONE_LINE))


def without_secrets(value: Any, words: Sequence[str] = _WORDS) -> tuple[Any, int]:
    """A decoded JSON value without what it should not tell, and how many values that were.

    words: those of _WORDS that stand in it anywhere.
    """
    hiding = _Hiding(words)
    return hiding.walk(value, 0), hiding.count


def sentence(text: str) -> str:
    """A text of a peer's making that stands outside its payload."""
    return _text(text)[0]


def headers(pairs: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    """Those that are shown, MCP's among them. A credential leaves its size, whoever looks."""
    found: dict[str, str] = {}
    for name, value in pairs:
        if name in HEADERS or name.startswith(b"mcp-"):
            text = value.decode("latin-1")
            is_hidden = name in _ALWAYS_HIDDEN or (name.startswith(b"mcp-param-") and _tells(name.decode("latin-1")))
            found[name.decode("latin-1")] = _mark(text) if is_hidden else sentence(text)
    return found


class _Hiding:
    def __init__(self, words: Sequence[str]) -> None:
        self.count = 0
        self._words = words

    def walk(self, value: Any, depth: int, *, is_secret: bool = False) -> Any:
        """Type by type, the most frequent first: values are many."""
        kind = type(value)
        if kind is str:
            return self._hidden(value) if is_secret and value else self._text(value, depth)
        if kind is dict or kind is list:
            if depth > _DEEP:
                return self._hidden(msgspec.json.encode(value).decode())
            if kind is dict:
                return self._members(value, depth + 1, is_secret=is_secret)
            return [self.walk(each, depth + 1, is_secret=is_secret) for each in value]
        return self._hidden(value) if is_secret and (kind is int or kind is float) else value

    def _members(self, members: dict[str, Any], depth: int, *, is_secret: bool) -> dict[str, Any]:
        is_named = "value" in members and _names_a_secret(members)
        walked: dict[str, Any] = {}
        for name, inner in members.items():
            if is_secret or _tells(name) or (is_named and name == "value"):
                walked[name] = self.walk(inner, depth, is_secret=True)
            else:
                walked[name] = inner if name in _SCHEMAS else self.walk(inner, depth)
        return walked

    def _text(self, text: str, depth: int) -> str:
        """JSON in a text is looked into as well: many servers answer so."""
        if not _may_hide(text, self._words):
            return text
        if text[0] in "{[":
            try:
                inner = msgspec.json.decode(text)
            except (msgspec.DecodeError, RecursionError):
                inner = None
            if inner is not None:
                before = self.count
                walked = self.walk(inner, depth + 1)
                return msgspec.json.encode(walked).decode() if self.count > before else text
        hidden, count = _text(text)
        self.count += count
        return hidden

    def _hidden(self, value: str | float) -> str:
        self.count += 1
        return _mark(value) if isinstance(value, str) else "[redacted: a number]"


def _names_a_secret(members: dict[str, Any]) -> bool:
    """`{"name": "API_KEY", "value": …}`"""
    name = members.get("name", members.get("key"))
    return isinstance(name, str) and _tells(name)


@lru_cache(maxsize=4096)
def _tells(name: str) -> bool:
    return name not in _HARMLESS and _TELLING.search(name) is not None


def _text(text: str) -> tuple[str, int]:
    """Text without what looks like a credential, and without what is assigned to a telling name."""
    if not _may_hide(text, _WORDS):
        return text, 0
    text, first = _CREDENTIAL.subn(lambda found: _mark(found[0]), text)
    text, second = _ASSIGNED.subn(_assigned, text)
    return text, first + second


def _may_hide(text: str, words: Sequence[str]) -> bool:
    if len(text) < _SHORTEST:
        return False
    lowered = text.lower()
    for word in words:  # noqa: SIM110 - a generator costs as much as the search, and texts are many
        if word in lowered:
            return True
    return False


def _words_in(data: bytes) -> Sequence[str]:
    """Which of _WORDS stand in JSON; all, where escapes may spell them."""
    if b"\\u" in data:
        return _WORDS
    lowered = data.lower()
    return [word for word, written in _WORDS_IN_BYTES if written in lowered]


def _assigned(found: re.Match[str]) -> str:
    name, value = found.groups()
    quote = value[0] if value[0] in _QUOTES else ""
    bare = value.strip(quote) if quote else value
    return found[0] if bare.startswith(_MARKED) else f"{name}{quote}{_mark(bare)}{quote}"


def _mark(hidden: str) -> str:
    return f"[redacted: {len(hidden)} characters]"


def _is_json(data: bytes) -> bool:
    try:
        msgspec.json.decode(data, type=msgspec.Raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False
    return True
