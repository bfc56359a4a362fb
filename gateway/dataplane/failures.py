"""What an answer that went well as HTTP says went wrong in MCP: a JSON-RPC error, or a tool that says that it failed.

Looks at answers that come in one piece, as failures do, and only where their beginning or their end has a word for it.
Changes no byte.
"""

import re
from typing import Final

import msgspec

from gateway.wire import sse

LARGEST: Final = 64 * 1024  # bytes of an answer that is looked at
_LONGEST: Final = 200  # characters of a sentence


class _Error(msgspec.Struct):
    code: int = 0
    message: str = ""


class _Result(msgspec.Struct, rename="camel"):
    is_error: bool = False
    content: msgspec.Raw = msgspec.Raw(b"[]")


class _Answer(msgspec.Struct):
    error: _Error | None = None
    result: _Result | None = None


class _Block(msgspec.Struct):
    text: str = ""


_answer: Final = msgspec.json.Decoder(_Answer)
_blocks: Final = msgspec.json.Decoder(list[_Block])


HEAD: Final = 256  # bytes, and as many of the tail: one look at each takes half a microsecond, at 5 KB it takes eight
word: Final = re.compile(rb'"isError"\s*:\s*t|"error"\s*:\s*\{').search


def may_tell_of_one(said: bytes) -> bool:
    return word(said, 0, HEAD) is not None or word(said, max(0, len(said) - HEAD)) is not None


def failure_in(said: bytes) -> str:
    """In a sentence; "" where nothing failed. said: a JSON body, or whole events of a stream."""
    if len(said) > LARGEST:
        return ""
    if said[:1] == b"{":
        return _told(said)
    found = [_told(each.data) for each in sse.Decoder(LARGEST).feed(said) if each.data]
    return next((each for each in reversed(found) if each), "")


def _told(message: bytes) -> str:
    try:
        answer = _answer.decode(message)
        if answer.error is not None:
            return f"{answer.error.message[:_LONGEST] or 'error'} ({answer.error.code})"
        if answer.result is None or not answer.result.is_error:
            return ""
        words = next((each.text for each in _blocks.decode(answer.result.content) if each.text), "")
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):  # no answer, or one of another shape
        return ""
    return words.strip()[:_LONGEST] or "the tool says that it failed"
