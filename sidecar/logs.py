"""Lines for people, to the sidecar's own stderr, from a thread: a reader that stops must not stop the event loop."""

import os
import threading
from collections import deque
from typing import Final

_HELD: Final = 10_000  # lines; the oldest go first, and the log says how many
_STDERR: Final = 2


class Log:
    """Whole lines only, so that those of several children never mix. Open until `close`, which writes what is held."""

    def __init__(self, descriptor: int = _STDERR) -> None:
        self._descriptor = descriptor
        self._lines: deque[bytes] = deque()
        self._dropped = 0
        self._is_open = True
        self._changed = threading.Condition()
        self._writer = threading.Thread(target=self._write, name="sidecar-log", daemon=True)
        self._writer.start()

    def say(self, sentence: str) -> None:
        """A line of the sidecar's own."""
        self.line(f"sidecar: {sentence}".encode(errors="backslashreplace"))

    def line(self, line: bytes) -> None:
        """A line as it is: a child's."""
        with self._changed:
            if len(self._lines) >= _HELD:
                self._lines.popleft()
                self._dropped += 1
            self._lines.append(line + b"\n")
            self._changed.notify()

    def close(self, seconds: float = 1.0) -> None:
        with self._changed:
            self._is_open = False
            self._changed.notify()
        self._writer.join(seconds)

    def _write(self) -> None:
        while (block := self._next()) is not None:
            try:
                _write_whole(self._descriptor, block)
            except OSError:
                return  # stderr is gone; there is nowhere left to say so

    def _next(self) -> bytes | None:
        with self._changed:
            while not self._lines and self._is_open:
                self._changed.wait()
            if not self._lines:
                return None
            block = b"".join(self._lines)
            self._lines.clear()
            dropped, self._dropped = self._dropped, 0
        return b"sidecar: %d log lines dropped, stderr is read too slowly\n%b" % (dropped, block) if dropped else block


def _write_whole(descriptor: int, block: bytes) -> None:
    view = memoryview(block)
    while view:
        view = view[os.write(descriptor, view) :]
