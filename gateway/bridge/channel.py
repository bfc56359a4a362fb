"""A client of HTTP+SSE (2024-11-05): everything it hears comes on its one GET stream, everything it says is a POST.

To what translates for it, each of its messages has an answer of its own, all of which end on that stream.
"""

from collections.abc import Callable
from typing import Protocol

from gateway.bridge.sealing import Sealed
from gateway.bridge.sides import Answer, Header
from gateway.wire import envelope, mcp
from gateway.wire.envelope import Message


class Channelled(Sealed, frozen=True, array_like=True, kw_only=True):
    """What the URI says to which a client is to post. home: the address of the replica that holds its stream."""

    home: str
    number: int


class Machine(Protocol):
    """What serves one legacy session: LegacyClient, SameEra."""

    def request(self, message: Message, answer: Answer) -> None: ...

    def notification(self, message: Message) -> None: ...

    def response(self, message: Message) -> None: ...

    def open_stream(self, answer: Answer) -> None: ...

    def tick(self) -> None: ...

    def end(self) -> None: ...


class Channel:
    """stream: the client's GET. begin: makes the machine out of an initialize, and has it answered.

    left: called once, when the client has gone or the machine has ended the stream.
    """

    def __init__(
        self, stream: Answer, begin: Callable[["Channel", Message, Answer], None], left: Callable[[], None]
    ) -> None:
        self.machine: Machine | None = None
        self._stream, self._begin, self._left = stream, begin, left
        stream.on_leave = self._gone

    def posted(self, message: Message) -> None:
        if "method" not in message:
            if self.machine is not None:
                self.machine.response(message)
        elif envelope.raw_id(message) is not None:
            self._request(message)
        elif self.machine is not None:
            self.machine.notification(message)
            if envelope.method(message) == mcp.INITIALIZED:
                self.machine.open_stream(_Spoken(self._stream, is_stream=True, ended=self._gone))

    def tick(self) -> None:
        if self.machine is not None:
            self.machine.tick()

    def end(self) -> None:
        self._gone()

    def _request(self, message: Message) -> None:
        answer = _Spoken(self._stream)
        if envelope.method(message) == mcp.INITIALIZE:
            self._begin(self, message, answer)
        elif self.machine is not None:
            self.machine.request(message, answer)
        else:
            sentence = "a session begins with initialize"
            answer.final(envelope.own_error(envelope.raw_id(message), -32600, sentence, "invalid"))

    def _gone(self) -> None:
        left, self._left = self._left, _nothing
        self._stream.on_leave = None
        machine, self.machine = self.machine, None
        if machine is not None:
            machine.end()
        self._stream.finish()
        left()


class _Spoken:
    """sides.Answer of one message on the channel. is_stream: it stands for the GET stream itself."""

    accepts_stream = True

    def __init__(self, channel: Answer, *, is_stream: bool = False, ended: Callable[[], None] | None = None) -> None:
        self.headers: tuple[Header, ...] = ()
        self.on_leave: Callable[[], None] | None = None
        self._channel, self._is_stream, self._ended = channel, is_stream, ended
        self._is_over = False

    @property
    def is_open(self) -> bool:
        return self._channel.is_open and not self._is_over

    def event(self, message: bytes) -> None:
        self._channel.event(message)

    def final(self, message: bytes, status: int = 200) -> None:  # noqa: ARG002 - the POST has been answered
        if self.is_open:
            self._is_over = True
            self._channel.event(message)

    def open_stream(self) -> None:
        """It is open."""

    def finish(self) -> None:
        """The machine has nothing more to say on its GET stream: the session is over."""
        self._is_over = True
        if self._ended is not None:
            self._ended()

    def bare(self, status: int) -> None:
        """The POST has been answered."""

    def tick(self) -> None:
        """The channel is kept alive as a whole."""


def _nothing() -> None:
    """It has left already."""
