"""An exchange that passes everything on, and says once that it has ended. Changes nothing on the way."""

from collections.abc import Callable, Iterable

from gateway.core.ports import Exchange

type Ended = Callable[[int, int], None]  # the status, 0 where there was none, and the bytes of body


class Watched:
    """core.ports.Exchange, in place of another. ended: called once, whoever ended it."""

    def __init__(self, outer: Exchange, ended: Ended) -> None:
        self.request, self.peer = outer.request, outer.peer
        self.status = self.sent = 0
        self.has_started = self.has_ended = False
        self.on_leave: Callable[[], None] | None = None
        self.on_pause: Callable[[], None] | None = None
        self.on_resume: Callable[[], None] | None = None
        self.outer, self._ended = outer, ended
        outer.on_leave, outer.on_pause, outer.on_resume = self._left, self._paused, self._resumed

    def respond(self, status: int, headers: Iterable[tuple[bytes, bytes]] = (), body: bytes = b"") -> None:
        self.has_started, self.status, self.sent = True, status, len(body)
        self.outer.respond(status, headers, body)
        self._close()

    def start(self, status: int, headers: Iterable[tuple[bytes, bytes]] = (), *, length: int | None = None) -> None:
        self.has_started, self.status = True, status
        self.outer.start(status, headers, length=length)

    def write(self, chunk: bytes) -> None:
        if not self.has_ended:
            self.sent += len(chunk)
            self.outer.write(chunk)

    def flush(self) -> None:
        self.outer.flush()

    def finish(self) -> None:
        self.outer.finish()
        self._close()

    def abort(self) -> None:
        self.outer.abort()
        self._close()

    def _left(self) -> None:
        leave = self.on_leave
        self._close()
        if leave is not None:
            leave()

    def _paused(self) -> None:
        if self.on_pause is not None:
            self.on_pause()

    def _resumed(self) -> None:
        if self.on_resume is not None:
            self.on_resume()

    def _close(self) -> None:
        if self.has_ended:
            return
        self.has_ended = True
        self.on_leave = self.on_pause = self.on_resume = None
        self._ended(self.status, self.sent)
