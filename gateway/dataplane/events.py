"""How far an event stream that passes through has got: between events or within one, resumable or not.

Looks at the ends of chunks only, and for `id:` until it has seen one. Decodes nothing.
"""

import re
from typing import Final

_TAIL: Final = 4
_ENDS: Final = (b"\n\n", b"\r\r", b"\r\n\r\n", b"\n\r\n")
_ID = re.compile(rb"[\r\n]id:")
_END = re.compile(rb"\n\n|\r\r|\n\r\n")


class Progress:
    """`has_id`: an event with an id has gone by, so that a client can resume. `size`: of the event under way."""

    __slots__ = ("_tail", "has_id", "size")

    def __init__(self) -> None:
        self._tail = b"\n\n"
        self.has_id = False
        self.size = 0

    @property
    def is_between_events(self) -> bool:
        """Whether something may be put in here without breaking an event."""
        return self._tail.endswith(_ENDS)

    def feed(self, chunk: bytes) -> None:
        if not self.has_id and _ID.search(self._tail + chunk):
            self.has_id = True
        before = self._tail
        self._tail = chunk[-_TAIL:] if len(chunk) >= _TAIL else (before + chunk)[-_TAIL:]
        self.size = 0 if self._tail.endswith(_ENDS) else self._grown(before, chunk)

    def _grown(self, before: bytes, chunk: bytes) -> int:
        end = max(chunk.rfind(b"\n\n"), chunk.rfind(b"\r\r"), chunk.rfind(b"\n\r\n"))
        if end >= 0:
            return len(chunk) - end
        return len(chunk) if _END.search(before + chunk[:_TAIL]) else self.size + len(chunk)
